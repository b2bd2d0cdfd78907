//! Whether a key may have a slot, answered without a mutex.
//!
//! Keys fall into *buckets* by their hash, and each bucket has a count: of the slots of its keys, and of the
//! [`Alone`]s. A light look of a key begins where the count is 0, and raises it to 1 by the same step. So while it is
//! under way no other one begins there; and when it began, no key of the bucket had a slot. Keys that share a bucket by
//! chance cost each other the light look, and nothing else.
//!
//! | the count | event | then |
//! |---|---|---|
//! | 0 | [`alone`](Buckets::alone) | 1, an `Alone` |
//! | more | `alone` | as it was, none |
//! | any | a slot is made | one more, before the slot is in its table |
//! | any | a slot has gone, an `Alone` is dropped | one less: of a slot after it was taken from its table |

use std::sync::Arc;
use std::sync::atomic::{
    AtomicU32,
    Ordering::{AcqRel, Relaxed, Release},
};

/// How many buckets there are. Two of a few hundred keys that are in use at once share one rarely; 16 KB.
const BUCKETS: usize = 4096;

/// The counts.
pub(super) struct Buckets(Box<[AtomicU32]>);

/// A light look is under way in its bucket.
pub(crate) struct Alone<'a> {
    buckets: &'a Buckets,
    hash: u64,
}

/// The part of a slot in its bucket.
pub(super) struct InBucket {
    buckets: Arc<Buckets>,
    hash: u64,
}

impl Buckets {
    pub(super) fn new() -> Arc<Buckets> {
        Arc::new(Buckets((0..BUCKETS).map(|_| AtomicU32::new(0)).collect()))
    }

    /// Returns the count of a key's bucket. (The shards and their tables take other bits of the hash.)
    #[allow(clippy::cast_possible_truncation)] // A few bits are wanted.
    fn of(&self, hash: u64) -> &AtomicU32 {
        &self.0[(hash >> 16) as usize % BUCKETS]
    }

    /// Returns a guard if no key of this bucket has a slot, and no other guard is there.
    pub(super) fn alone(&self, hash: u64) -> Option<Alone<'_>> {
        // Acquire, with the release of those that have gone: what they have asked of the backend was answered before.
        // A slot that this thread knows of was counted before: a step that changes a number reads the last one.
        self.of(hash).compare_exchange(0, 1, AcqRel, Relaxed).ok().map(|_| Alone { buckets: self, hash })
    }

    /// Counts a slot that will be in its table.
    pub(super) fn add(self: &Arc<Self>, hash: u64) -> InBucket {
        // Relaxed: nothing is read by it. See `alone`.
        self.of(hash).fetch_add(1, Relaxed);
        InBucket { buckets: Arc::clone(self), hash }
    }

    fn take(&self, hash: u64) {
        self.of(hash).fetch_sub(1, Release); // with `alone`
    }
}

impl Alone<'_> {
    /// Returns the hash of the key.
    #[allow(clippy::cast_possible_truncation)] // A few bits are wanted.
    pub(crate) fn hash(&self) -> usize {
        self.hash as usize
    }
}

impl Drop for Alone<'_> {
    fn drop(&mut self) {
        self.buckets.take(self.hash);
    }
}

impl Drop for InBucket {
    fn drop(&mut self) {
        self.buckets.take(self.hash);
    }
}
