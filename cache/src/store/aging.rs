//! How the values of a region age.

use crate::region::kept::Times;
use crate::round::OtherLife;
use dogpile::Policy;
use std::time::Duration;

/// How the values of a region age.
pub(crate) struct Aging {
    /// Early renewal and jitter.
    pub(crate) policy: Policy,
    /// `None`: never.
    pub(crate) expires_after: Option<Duration>,
    /// `None`: without a bound.
    pub(crate) max_stale: Option<Duration>,
    pub(crate) absence_expires_after: Option<Duration>,
    /// For how long near may serve a value of the backend. `None`: for as long as it is fresh.
    pub(crate) near_at_most: Option<Duration>,
    pub(crate) other_life: OtherLife,
}

/// The lifetimes of a value that was just made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    pub(crate) fresh_for: Option<Duration>,
    pub(crate) stale_for: Option<Duration>,
}

impl Aging {
    /// Returns the lifetimes of a value, or of an absence, with what its creator has said of it.
    pub(crate) fn lifetimes(&self, is_absent: bool, said: Option<Duration>, max_stale: Option<Duration>) -> Lifetimes {
        let own = if is_absent { self.absence_expires_after } else { self.expires_after };
        let fresh_for = match said {
            Some(Duration::MAX) => None,
            Some(said) => Some(said),
            None => own.map(|own| self.policy.jittered(own)),
        };
        // An absence has no grace, unless its creator says so.
        let longest = if is_absent && max_stale.is_none() { Some(Duration::ZERO) } else { self.max_stale };
        let stale_for = match (longest, max_stale) {
            (Some(longest), Some(said)) => Some(longest.min(said)),
            (longest, said) => longest.or(said.filter(|said| *said != Duration::MAX)),
        };
        Lifetimes { fresh_for, stale_for }
    }

    /// Returns for how long a value of that lifetime is neither due nor stale, from its creation on.
    pub(crate) fn undisturbed_for(&self, fresh_for: Option<Duration>, took: Duration) -> Option<Duration> {
        let fresh_for = fresh_for?;
        Some(self.policy.due_after(fresh_for, took).map_or(fresh_for, |due| due.min(fresh_for)))
    }

    /// Returns the times of a value that was created just now, and until when near may serve it.
    pub(crate) fn times(&self, lifetimes: Lifetimes, took: Duration, now: u64) -> Times {
        let Lifetimes { fresh_for, stale_for } = lifetimes;
        let serves_until = self.serves_until(now, self.undisturbed_for(fresh_for, took));
        Times { created: i128::from(now), took, fresh_for, stale_for, serves_until, life: None }
    }

    /// Returns until when near may serve a value that was seen at `now`, and is neither due nor stale for `left`.
    pub(crate) fn serves_until(&self, now: u64, left: Option<Duration>) -> u64 {
        let longest = match (left, self.near_at_most) {
            (Some(left), Some(most)) => Some(left.min(most)),
            (left, most) => left.or(most),
        };
        longest.map_or(u64::MAX, |longest| {
            now.saturating_add(u64::try_from(longest.as_nanos()).unwrap_or(u64::MAX)).min(u64::MAX - 1)
        })
    }
}
