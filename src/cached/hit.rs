//! What of an access takes no more than loads: the value that is there.

use super::Cached;
use super::guard::CachedGuard;
use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::outcome::Outcome;
use crate::wait::Glance;

/// # Without a creator
impl<T, C: Clock> Cached<T, C> {
    /// Gives the value, if it is fresh. Never blocks, never creates.
    #[inline]
    #[must_use]
    pub fn get_fresh(&self) -> Option<CachedGuard<T>> {
        self.peek().filter(|guard| CachedGuard::outcome(guard) == Outcome::Fresh)
    }

    /// Gives the value, fresh or stale; `None` if it is missing (as one is that is [too
    /// old](crate::Freshness::Missing)). Never blocks, never creates.
    ///
    /// Its [outcome](CachedGuard::outcome) says whether it is fresh.
    #[must_use]
    pub fn peek(&self) -> Option<CachedGuard<T>> {
        // In this order: the deadline first, the cell second.
        let outcome = self.peeked()?;
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// What a look without a creator meets.
    #[inline]
    pub(super) fn peeked(&self) -> Option<Outcome> {
        match self.own_freshness() {
            Freshness::Fresh => Some(Outcome::Fresh),
            Freshness::Stale => Some(Outcome::Stale),
            Freshness::Missing => None,
        }
    }

    /// What needs no more than to load: a fresh value, all that a hit costs; or an old one, of which somebody else is
    /// creating a new one, or nobody is to. As far as that will do.
    #[inline(always)]
    #[allow(clippy::inline_always)] // as `Expiry::unless_fresh`
    pub(crate) fn at_once(&self, glance: Glance) -> Option<CachedGuard<T>> {
        if glance == Glance::Nothing {
            return None;
        }
        let outcome = match self.dogpile.expiry().unless_fresh(self.dogpile.clock()) {
            None => Outcome::Fresh,
            Some(_) if glance == Glance::Fresh => return None,
            Some(now) => self.usable(now)?,
        };
        // In this order: the deadline first, the cell second.
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// Apart, other than in [`Dogpile::at_once`](crate::Dogpile): inlined, it would cost a hit more than the goal
    /// allows (`hot_hit`, in `benches/peers`).
    #[cold]
    pub(super) fn usable(&self, now: u64) -> Option<Outcome> {
        self.dogpile.usable(now)
    }

    /// The value there is. Too old is as good as none.
    pub(super) fn there(&self, outcome: Outcome) -> Option<CachedGuard<T>> {
        self.has_own_value().then(|| CachedGuard::of(self.cell.load(), outcome)).flatten()
    }
}
