//! How many entries a registry keeps that nobody holds, and which of them goes first.
//!
//! Two kinds of entries have a bound each, so that those of one kind push out none of the other:
//!
//! | kind | is kept | bound |
//! |---|---|---|
//! | idle | for `keep_idle`, or for the value that its lock owns | none, unless said; then it is *placed*, else not |
//! | paused | for the pause of its lock, which lasts longer than that | 1,024, unless said; it is always placed |
//!
//! What is placed lies in an order of its shard, by when it was let go last. The bound is one for all shards: `placed`
//! counts what lies in their orders, and `oldest` says of each order where it begins.
//!
//! # Transitions
//!
//! | name | in its order | `placed` | under the mutex of the shard |
//! |---|---|---|---|
//! | let go, and kept | at the end; whether it was there or not | + 1, if it was not | yes |
//! | looked up | as before | as before | yes |
//! | removed, swept | no longer | - 1 | yes |
//! | claim | as before | - 1, if it is more than the bound | no |
//! | evict: one that is idle | no longer, and gone | as claimed | yes |
//! | evict: one that is paused, and is also kept for something else | no longer; it is *forgiven* the pause, and of the other kind, until it is used again | as claimed | yes |
//! | evict: one that is held | no longer, until it is let go | as claimed | yes |
//!
//! # Why it holds
//!
//! - *Never more than that.* A thread that has placed an entry compares the count with the bound afterwards, and claims
//!   what is too much. Each claim takes one entry out of its order. So once all that were let go have come so far, no
//!   more are placed than the bound says; and whatever is kept and has a bound is placed.
//! - *A claim finds an entry.* The count is that of the entries in the orders, less the claims that have not found
//!   theirs yet, and less than none of both is never claimed. An entry that leaves its order in another way is counted
//!   a moment longer than it is there; a claim that finds none for this reason is taken back.
//! - *Nothing is evicted that is in use.* It leaves the table as everything does: under the mutex, and only if nobody
//!   holds it. A creation that runs holds its entry.
//! - *It costs no scan.* A thread that evicts reads one word per shard, outside every mutex, and then takes the first
//!   of one order. An entry that is held when its turn comes is passed over once for each time that it was let go.
//! - *The first to go is the entry that nobody has asked for for longest,* among pauses as well: were it the pause that
//!   began first, outsiders with ever new keys would end the pause of a key that everybody asks for. (Of pauses that
//!   nobody asks for, that is the same.) Between shards this goes by what `oldest` said a moment ago.

use super::sharding::SHARDS;
use crate::sync::{Counter, Ordering, const_fn};
use crossbeam_utils::CachePadded;

/// What an entry is kept for that nobody holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Idle = 0,
    Paused = 1,
}

/// How many locks are kept for their pauses alone, unless it was said: those of the keys in use, and half a MB that
/// outsiders can cause.
const PAUSED: u64 = 1_024;

pub(super) struct Bounds {
    /// By kind, as the rest.
    at_most: [u64; 2],
    placed: CachePadded<[Counter; 2]>,
    /// The first place in the order of each shard; `u64::MAX` if there is none.
    oldest: [[Counter; SHARDS]; 2],
}

impl Bounds {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self {
                at_most: [u64::MAX, PAUSED],
                placed: CachePadded::new([const { Counter::new(0) }; 2]),
                oldest: [const { [const { Counter::new(u64::MAX) }; SHARDS] }; 2],
            }
        }
    }

    const_fn! {
        pub(super) const fn at_most(&mut self, kind: Kind, entries: usize) {
            self.at_most[kind as usize] = if entries == usize::MAX { u64::MAX } else { entries as u64 };
        }
    }

    /// The bounds are those of the other. Before anything is counted.
    pub(super) fn be_those_of(&mut self, other: &Self) {
        self.at_most = other.at_most;
    }

    /// Whether entries of that kind are placed.
    pub(super) fn places(&self, kind: Kind) -> bool {
        kind == Kind::Paused || self.at_most[kind as usize] != u64::MAX
    }

    /// The order of that shard begins there now. Under its mutex.
    pub(super) fn begins(&self, kind: Kind, shard: usize, oldest: Option<u64>) {
        // Relaxed: the release in `one_more` carries it to a claim.
        self.oldest[kind as usize][shard].store(oldest.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// One more is in its order, and [`begins`](Self::begins) has said so. Under the mutex of its shard.
    pub(super) fn one_more(&self, kind: Kind) {
        // Release: pairs with the acquire in `claim`, which then finds it.
        self.placed[kind as usize].fetch_add(1, Ordering::Release);
    }

    /// One that was placed has left its order, and was not claimed.
    pub(super) fn one_fewer(&self, kind: Kind) {
        // Relaxed: it hides nothing from a claim.
        self.placed[kind as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether there is one too many, which is then to be taken out of its order, or [`one_more`](Self::one_more) is to
    /// be said again.
    pub(super) fn claim(&self, kind: Kind) -> bool {
        let (placed, at_most) = (&self.placed[kind as usize], self.at_most[kind as usize]);
        // Relaxed: a thread that has placed one sees that here, and sees to it.
        if placed.load(Ordering::Relaxed) <= at_most {
            return false;
        }
        let fewer = |placed| (placed > at_most).then(|| placed - 1);
        // Acquire: pairs with the release in `one_more`. Relaxed: there is nothing to look for.
        placed.fetch_update(Ordering::Acquire, Ordering::Relaxed, fewer).is_ok()
    }

    /// The shard whose order begins earliest.
    pub(super) fn oldest(&self, kind: Kind) -> Option<usize> {
        // Relaxed: what a claim is to find was acquired by it.
        let begins = self.oldest[kind as usize].iter().map(|oldest| oldest.load(Ordering::Relaxed)).enumerate();
        let (shard, oldest) = begins.min_by_key(|(_, oldest)| *oldest)?;
        (oldest != u64::MAX).then_some(shard)
    }
}
