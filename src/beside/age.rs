//! How old the value is that a getter has brought: as old as the lock says, or as old as the value's stamp says.

use crate::access::{Age, ByLock, ByStamp};
use crate::clock::{Clock, nanoseconds};
use crate::dogpile::{Dogpile, Known, Need, Sight, Stamped};
use crate::election::State;
use crate::freshness::{Expiry, Freshness};

impl<V> Age<V> for ByLock {
    type Made = V;

    fn known<C: Clock>(lock: &Dogpile<C>, seen: State) -> Known {
        match lock.look().need() {
            None => Known::Ask,
            Some(Need::Due) if lock.is_closed_now(seen) => Known::Ask,
            Some(Need::Stale) if lock.is_closed_now(seen) => Known::AskForOld,
            Some(need) => Known::Need(need),
        }
    }

    fn judge<C: Clock>(_: &Dogpile<C>, _: &V) -> Sight {
        Sight::Fresh
    }

    fn may_cover<C: Clock>(lock: &Dogpile<C>) -> bool {
        lock.covers_failures()
    }

    fn covers<C: Clock>(_: &Dogpile<C>, _: &V) -> bool {
        true
    }

    fn value<C: Clock>(_: &Dogpile<C>, made: V) -> V {
        made
    }
}

/// The value brings the time when it was created. So the lock need not live between two uses, and several processes
/// agree on what is fresh.
///
/// The lock's own deadline does not count. What the user *said* to this lock counts, for as long as the lock lives:
///
/// - After [`invalidate`](Dogpile::invalidate) a value must be created through this lock before any value counts, even
///   if the store still holds one (L6). Until then the getter is not asked ([`known`](Age::known)).
/// - After [`mark_stale`](Dogpile::mark_stale) each value is stale, until a value is created through this lock.
///
/// The lock also notes the stamps that it has seen. No access reads that note: [`Status`](crate::Status) says what it
/// is for.
impl<T> Age<Stamped<T>> for ByStamp {
    type Made = T;

    fn known<C: Clock>(lock: &Dogpile<C>, _: State) -> Known {
        match lock.expiry().told() {
            Freshness::Missing => Known::Need(Need::Missing),
            _ => Known::Ask,
        }
    }

    fn judge<C: Clock>(lock: &Dogpile<C>, got: &Stamped<T>) -> Sight {
        let told = lock.expiry().told();
        if told == Freshness::Missing {
            return Sight::Missing;
        }
        lock.note_brought(got.unix_nanos());
        lock.judge(Expiry::age_of_stamp(got.created, lock.clock().wall(), lock.policy().max_skew()), told)
    }

    fn may_cover<C: Clock>(lock: &Dogpile<C>) -> bool {
        lock.serves_stale() && lock.expiry().told() != Freshness::Missing
    }

    fn covers<C: Clock>(lock: &Dogpile<C>, got: &Stamped<T>) -> bool {
        let age = Expiry::age_of_stamp(got.created, lock.clock().wall(), lock.policy().max_skew());
        lock.judge_cover(age, lock.expiry().told(), nanoseconds(lock.expiry().lifetime()))
    }

    fn missed<C: Clock>(lock: &Dogpile<C>) {
        lock.forget_brought();
    }

    fn value<C: Clock>(lock: &Dogpile<C>, value: T) -> Stamped<T> {
        Stamped { value, created: lock.clock().wall() }
    }
}
