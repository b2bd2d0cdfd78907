//! How many idle entries a registry keeps, and which of them goes first.
//!
//! There are two kinds of idle entries. Each kind has a bound of its own, so that entries of one kind push out none of
//! the other:
//!
//! | kind | such an entry is kept | bound |
//! |---|---|---|
//! | idle | for `keep_idle`, or for the value that its lock owns | none, unless `at_most_idle` sets one: only then such an entry is *placed* |
//! | paused | for the pause of its lock, because the pause lasts longer than the times above | 1,024, unless `at_most_paused` sets another; such an entry is always placed |
//!
//! Each shard has an order for each kind, and a placed entry has its place in one of them. The orders go by when an
//! entry was let go last. A bound is one for all shards: `placed` counts the entries in the orders of all shards, and
//! `oldest` says of each order where it begins.
//!
//! # Transitions
//!
//! | name | the entry, in its order | `placed` | under the mutex of the shard |
//! |---|---|---|---|
//! | let go, and kept | comes to the end, whether it was there before or not | + 1, if it was not there | yes |
//! | look up | stays | stays | yes |
//! | remove, sweep | leaves | - 1 | yes |
//! | claim | stays | - 1, if it is above the bound | no |
//! | evict an idle entry | leaves, and leaves the table | as claimed | yes |
//! | evict a paused entry that is kept for another reason as well | leaves. The entry is *forgiven* its pause: it is of the kind idle until it is used again | as claimed | yes |
//! | evict an entry that is held | leaves. It is placed again when it is let go | as claimed | yes |
//!
//! # Why it holds
//!
//! - *The bound holds.* A thread that has placed an entry compares the count with the bound afterwards, and claims each
//!   entry that is too many. Each claim takes one entry out of its order. So once all threads that have let an entry go
//!   have come so far, no more entries are placed than the bound says. And each entry that is kept and has a bound is
//!   placed.
//! - *A claim finds an entry.* The count is the number of entries in the orders, less the claims that have not found
//!   their entry yet. A claim lowers the count only if the count is above the bound. An entry that leaves its order in
//!   another way is counted a moment longer than it is there. A claim that finds no entry for this reason is taken
//!   back. Until then the count may be below zero, and nothing is claimed.
//! - *No entry in use is evicted.* An evicted entry leaves the table as every entry does: under the mutex, and only if
//!   it has no holder. A creation that runs holds its entry.
//! - *An eviction scans no table.* A thread that evicts reads one word for each shard, outside every mutex, and then
//!   takes the first entry of one order. An entry that is held when its turn comes is passed over, once for each time
//!   that it was let go.
//! - *The entry that was used longest ago goes first,* among pauses as well. If the pause that began first went first,
//!   outsiders with ever new keys would end the pause of a key that is in constant use. (Among pauses whose keys are
//!   not used, both rules are the same.) Between shards, the order is what `oldest` said a moment ago.

use super::sharding::SHARDS;
use crate::sync::{Counter, Ordering, const_fn};
use crossbeam_utils::CachePadded;

/// What an idle entry is kept for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Idle = 0,
    Paused = 1,
}

/// How many locks are kept for their pauses alone, unless that is set. This leaves room for the keys in use, and
/// outsiders can cause some 660 KB at the most.
const PAUSED: u64 = 1_024;

pub(super) struct Bounds {
    /// The bounds, by kind, as the other fields are.
    at_most: [u64; 2],
    /// The count of placed entries.
    placed: CachePadded<[Counter; 2]>,
    /// The first place in the order of each shard; `u64::MAX` if that order is empty.
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

    /// Takes over the bounds of another registry. No entry may have been counted yet.
    pub(super) fn be_those_of(&mut self, other: &Self) {
        self.at_most = other.at_most;
    }

    /// Returns whether entries of that kind are placed.
    pub(super) fn places(&self, kind: Kind) -> bool {
        kind == Kind::Paused || self.at_most[kind as usize] != u64::MAX
    }

    /// Notes where the order of that shard begins now. The caller holds the mutex of the shard.
    pub(super) fn begins(&self, kind: Kind, shard: usize, oldest: Option<u64>) {
        // Relaxed: the release in `one_more` carries it to a claim.
        self.oldest[kind as usize][shard].store(oldest.unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    /// Counts an entry that has come into its order. The caller holds the mutex of the shard, and has called
    /// [`begins`](Self::begins).
    pub(super) fn one_more(&self, kind: Kind) {
        // Release: pairs with the acquire in `claim`, which then finds the entry.
        self.placed[kind as usize].fetch_add(1, Ordering::Release);
    }

    /// Counts out an entry that has left its order without a claim.
    pub(super) fn one_fewer(&self, kind: Kind) {
        // Relaxed: this hides no entry from a claim.
        self.placed[kind as usize].fetch_sub(1, Ordering::Relaxed);
    }

    /// Claims an entry, if there is one too many. If the answer is `true`, the caller takes one entry out of its order;
    /// or, if it finds none, takes the claim back by [`one_more`](Self::one_more).
    pub(super) fn claim(&self, kind: Kind) -> bool {
        let (placed, at_most) = (&self.placed[kind as usize], self.at_most[kind as usize]);
        // Relaxed: a thread that has placed an entry sees its own count here, and sees to the entry that is too many.
        if !is_above(placed.load(Ordering::Relaxed), at_most) {
            return false;
        }
        let fewer = |placed| is_above(placed, at_most).then(|| placed - 1);
        // Acquire: pairs with the release in `one_more`. Relaxed: a load that claims nothing leads to no entry.
        placed.fetch_update(Ordering::Acquire, Ordering::Relaxed, fewer).is_ok()
    }

    /// Returns the shard whose order begins earliest.
    pub(super) fn oldest(&self, kind: Kind) -> Option<usize> {
        // Relaxed: the claim has acquired what it is to find.
        let begins = self.oldest[kind as usize].iter().map(|oldest| oldest.load(Ordering::Relaxed)).enumerate();
        let (shard, oldest) = begins.min_by_key(|(_, oldest)| *oldest)?;
        (oldest != u64::MAX).then_some(shard)
    }
}

/// Returns whether a count is above a bound. The count is below zero for a moment if all entries leave while a claim
/// has not found its entry yet; it has wrapped around then, and is above no bound.
fn is_above(placed: u64, at_most: u64) -> bool {
    const BELOW_ZERO: u64 = 1 << 63;
    placed > at_most && placed < BELOW_ZERO
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_count_below_zero_is_not_claimed() {
        let mut bounds = Bounds::new();
        bounds.at_most(Kind::Idle, 1);
        bounds.one_more(Kind::Idle);
        bounds.one_more(Kind::Idle);
        assert!(bounds.claim(Kind::Idle), "there is one too many");
        // Both entries leave before the claim finds one of them.
        bounds.one_fewer(Kind::Idle);
        bounds.one_fewer(Kind::Idle);
        assert!(!bounds.claim(Kind::Idle));
        bounds.one_more(Kind::Idle); // the claim is taken back
        assert!(!bounds.claim(Kind::Idle));
    }
}
