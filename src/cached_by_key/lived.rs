//! How long a result lives, which may be derived from the result.
//!
//! The store need not keep a lifetime. The lifetime is derived from the result whenever a result is brought or made.
//! So every process that shares the store comes to the same lifetime, if all of them derive it in the same way. A
//! [`Lived`] carries the lifetime along with the result, for as long as the access needs both.
//!
//! [`ByStamp`] notes each stamp for the questions that [`Status`](crate::Status) answers. [`ByLife`] notes none: only
//! accesses ask the locks of a [`CachedByKey`](super::CachedByKey) how old a value is.

use crate::access::{Age, ByStamp};
use crate::clock::{Clock, nanoseconds};
use crate::dogpile::Known;
use crate::dogpile::{Dogpile, Sight, Stamped};
use crate::election::State;
use crate::freshness::Expiry;
use std::time::Duration;

/// A result, and its lifetime in nanoseconds.
pub struct Lived<V> {
    pub(super) stamped: Stamped<V>,
    lifetime: u64,
}

/// A value that the function has just made, and its lifetime in nanoseconds.
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

    /// Adds its lifetime to a result that the store has brought.
    pub(super) fn lived(&self, brought: Option<Stamped<V>>) -> Option<Lived<V>> {
        brought.map(|stamped| Lived { lifetime: self.of(&stamped.value), stamped })
    }

    /// Adds its lifetime to a value that the function has made.
    pub(super) fn derived(&self, value: V) -> Derived<V> {
        Derived { lifetime: self.of(&value), value }
    }
}

/// The age of a result that brings the time when it was made, and its own lifetime.
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
