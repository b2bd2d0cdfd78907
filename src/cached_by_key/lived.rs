//! A result that may say itself how long it lives.
//!
//! The store need not keep that: it is derived from the result, whenever one is brought or made, and so every process
//! that shares the store comes to the same, if it derives it in the same way. A [`Lived`] carries it along with the
//! result as far as the access looks at that. (Nothing but the access asks the locks of a
//! [`CachedByKey`](super::CachedByKey) how old a value is, so no stamp is noted for questions, as
//! [`ByStamp`] does.)

use crate::access::{Age, ByStamp};
use crate::beside::fetch::Known;
use crate::clock::{Clock, nanoseconds};
use crate::dogpile::{Dogpile, Sight, Stamped};
use crate::election::State;
use crate::freshness::Expiry;
use std::time::Duration;

/// A result, and how long it lives, in nanoseconds.
pub struct Lived<V> {
    pub(super) stamped: Stamped<V>,
    lifetime: u64,
}

/// What a function has made just now.
pub struct Derived<V> {
    value: V,
    lifetime: u64,
}

/// How long the results of a function live.
pub struct Lifetimes<V> {
    /// The lifetime of each result from which `derive` derives none.
    pub(super) expires_after: Duration,
    /// Derives a lifetime from a result.
    pub(super) derive: Option<fn(&V) -> Option<Duration>>,
}

impl<V> Lifetimes<V> {
    fn of(&self, value: &V) -> u64 {
        let derived = self.derive.and_then(|derive| derive(value));
        nanoseconds(derived.unwrap_or(self.expires_after))
    }

    /// What the store has brought.
    pub(super) fn lived(&self, brought: Option<Stamped<V>>) -> Option<Lived<V>> {
        brought.map(|stamped| Lived { lifetime: self.of(&stamped.value), stamped })
    }

    /// What the function has made.
    pub(super) fn derived(&self, value: V) -> Derived<V> {
        Derived { lifetime: self.of(&value), value }
    }
}

/// A result brings the time when it was made, and may say how long it lives; else it lives as long as the lock says.
pub enum ByLife {}

impl<V> Age<Lived<V>> for ByLife {
    type Made = Derived<V>;

    fn known<C: Clock>(lock: &Dogpile<C>, seen: State) -> Known {
        <ByStamp as Age<Stamped<V>>>::known(lock, seen)
    }

    fn judge<C: Clock>(lock: &Dogpile<C>, got: &Lived<V>) -> Sight {
        let age = Expiry::age_of_stamp(got.stamped.created, lock.clock().wall(), lock.policy().max_skew());
        lock.judge_living(age, lock.expiry().told(), got.lifetime)
    }

    fn may_cover<C: Clock>(lock: &Dogpile<C>) -> bool {
        <ByStamp as Age<Stamped<V>>>::may_cover(lock)
    }

    fn covers<C: Clock>(lock: &Dogpile<C>, got: &Lived<V>) -> bool {
        let age = Expiry::age_of_stamp(got.stamped.created, lock.clock().wall(), lock.policy().max_skew());
        lock.judge_cover(age, lock.expiry().told(), got.lifetime)
    }

    fn value<C: Clock>(lock: &Dogpile<C>, made: Derived<V>) -> Lived<V> {
        Lived { stamped: <ByStamp as Age<Stamped<V>>>::value(lock, made.value), lifetime: made.lifetime }
    }
}
