//! The rights that a reader holds.
//!
//! # States
//!
//! The reader has each key in one of these states:
//!
//! | state | the reader | it ends by |
//! |---|---|---|
//! | none | has no right | a `get` that is elected: *held* |
//! | held | has the right, until the backend, a change, or the clock says otherwise | `set`, `add`, `delete`, `give_up`, `fail`: *none*; a sweep after its `creation_timeout`: *lapsed* |
//! | lapsed | had the right, and has not used it in time | the same calls, or a `get`: *none*, or *held* anew |
//!
//! A reader that is dropped drops its creations, and their grants end.
//!
//! # Why a right that has lapsed is remembered
//!
//! The reader may still set the value that it was elected to make. Without the memory that would be a `set` without a
//! right, and overwrite what others have created since. So the key stays, without its creation: see [`Rights::take`].
//! This memory is bounded: a reader that has [`MOST_LAPSED`] of them is not elected any more. A reader that never sets
//! what it was elected for is no loss as a creator.

use crate::region::{Creation, RegionKey};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// How many rights that have lapsed keep a reader from being elected.
pub(super) const MOST_LAPSED: usize = 1_000;

/// From how many rights on the reader looks for those that have lapsed.
const FIRST_SWEEP: usize = 16;

/// The rights that a reader holds.
pub(super) struct Rights<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    held: HashMap<K::Owned, Right<K, V>>,
    lapsed: HashSet<K::Owned>,
    /// With how many rights the next sweep is due. It doubles with what a sweep has left, so that a right costs a
    /// constant number of steps.
    sweep_at: usize,
}

struct Right<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    creation: Creation<K, V>,
    /// When the creation is dead, by the region's clock.
    until: Duration,
}

/// What a reader has of a key that it is about to change.
pub(super) enum Taken<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    Nothing,
    Right(Creation<K, V>),
    /// The right has ended unused.
    Lapsed,
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Rights<K, V> {
    pub(super) fn new() -> Rights<K, V> {
        Rights { held: HashMap::new(), lapsed: HashSet::new(), sweep_at: FIRST_SWEEP }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns whether the reader has the right, as far as this process knows.
    pub(super) fn is_held(&self, key: &K) -> bool {
        self.held.get(key).is_some_and(|right| right.creation.is_elected())
    }

    /// Returns whether the reader has let so many rights lapse that it gets no more.
    pub(super) fn are_too_many_lapsed(&self) -> bool {
        self.lapsed.len() >= MOST_LAPSED
    }

    /// Ends what the reader had of a key before this access.
    pub(super) fn forget(&mut self, key: &K) {
        if !self.held.is_empty() {
            self.held.remove(key);
        }
        if !self.lapsed.is_empty() {
            self.lapsed.remove(key);
        }
    }

    /// Takes a new right.
    pub(super) fn hold(&mut self, creation: Creation<K, V>, now: Duration, creation_timeout: Duration) {
        if self.held.len() >= self.sweep_at {
            self.sweep(now);
        }
        let right = Right { until: now.saturating_add(creation_timeout), creation };
        let key = right.creation.key().clone();
        self.lapsed.remove::<K::Owned>(&key);
        self.held.insert(key, right);
    }

    /// Takes what the reader has of a key.
    pub(super) fn take(&mut self, key: &K) -> Taken<K, V> {
        match self.held.remove(key) {
            Some(right) => Taken::Right(right.creation),
            None if self.lapsed.remove(key) => Taken::Lapsed,
            None => Taken::Nothing,
        }
    }

    /// Drops the creations that are dead.
    fn sweep(&mut self, now: Duration) {
        let dead = self.held.extract_if(|_, right| right.until <= now);
        self.lapsed.extend(dead.map(|(key, _)| key));
        self.sweep_at = FIRST_SWEEP.max(self.held.len().saturating_mul(2));
    }
}
