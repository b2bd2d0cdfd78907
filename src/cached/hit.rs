//! The part of an access that only loads: the value that is there.

use super::Cached;
use super::guard::CachedGuard;
use crate::clock::Clock;
use crate::freshness::Freshness;
use crate::outcome::Outcome;
use crate::wait::Glance;

/// # Without a creator
impl<T, C: Clock> Cached<T, C> {
    /// Returns the value, if it is fresh. Never blocks, never creates.
    #[inline]
    #[must_use]
    pub fn get_fresh(&self) -> Option<CachedGuard<T>> {
        self.peek().filter(|guard| CachedGuard::outcome(guard) == Outcome::Fresh)
    }

    /// Returns the value, fresh or stale, or `None` if the value is missing. Never blocks, never creates.
    ///
    /// A value that is [too old](crate::Freshness::Missing) is missing as well. The [outcome](CachedGuard::outcome) of
    /// the guard says whether the value is fresh.
    #[must_use]
    pub fn peek(&self) -> Option<CachedGuard<T>> {
        // In this order: the deadline first, the cell second. See `cached`.
        let outcome = self.peeked()?;
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// Returns what a look without a creator meets, or `None` if the value is missing.
    #[inline]
    pub(super) fn peeked(&self) -> Option<Outcome> {
        match self.own_freshness() {
            Freshness::Fresh => Some(Outcome::Fresh),
            Freshness::Stale => Some(Outcome::Stale),
            Freshness::Missing => None,
        }
    }

    /// Returns the value, if that takes no more than loads, and as far as the `glance` allows: a fresh value, at all
    /// that a hit costs; or an old value, while another access creates a new one, or while no access is to create.
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
        // In this order: the deadline first, the cell second. See `cached`.
        CachedGuard::of(self.cell.load(), outcome)
    }

    /// This is a function of its own, and not inlined as in [`Dogpile::at_once`](crate::Dogpile). Inlined, it would
    /// cost a hit more than the goal allows (`hot_hit`, in `benches/peers`).
    #[cold]
    pub(super) fn usable(&self, now: u64) -> Option<Outcome> {
        self.dogpile.usable(now)
    }

    /// Returns the value that is there. A value that is too old counts as none.
    pub(super) fn there(&self, outcome: Outcome) -> Option<CachedGuard<T>> {
        self.has_own_value().then(|| CachedGuard::of(self.cell.load(), outcome)).flatten()
    }
}
