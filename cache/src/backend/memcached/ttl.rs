//! Durations as the server takes them: whole seconds, rounded up.
//!
//! The server counts the seconds of its clock: an item with `T5` lives for more than four seconds, and for five at
//! most. So a grant without an entry is shorter than it was asked for by less than the
//! [grain](crate::backend::Limits::grain). What has an entry is given a second more: the head of the item says when the
//! entry is over.

use super::command::Ttl;
use std::num::NonZeroU32;
use std::time::Duration;

/// The longest time that the server takes for one; more is a time of day.
const LONGEST: u64 = 30 * 24 * 3600;

/// The last second that the server's numbers hold.
const LAST: u64 = i32::MAX as u64;

/// The end of what is for ever.
pub const NEVER: u64 = u64::MAX;

/// Returns when a lifetime ends that begins now, in milliseconds of the server's clock. `None`: never.
pub fn end_of(lifetime: Option<Duration>, now: u64) -> u64 {
    lifetime.map_or(NEVER, |lifetime| end(lifetime, now))
}

/// Returns the lifetime of an item with an entry, or of a counter, that is needed until `end`: of a second more than
/// that takes, so that the server does not remove it early. What ends after the server's clock is for ever.
pub fn entry(end: u64, now: u64) -> Ttl {
    of(end, 1, now)
}

/// Returns the lifetime of an item that has no entry and is needed until `end`.
pub fn rest(end: u64, now: u64) -> Ttl {
    of(end, 0, now)
}

fn of(end: u64, more: u64, now: u64) -> Ttl {
    if end == NEVER {
        return Ttl::ForEver;
    }
    let left = end.saturating_sub(now).div_ceil(1000);
    match left.saturating_add(more) {
        _ if left == 0 => Ttl::Nothing,
        seconds @ ..=LONGEST => NonZeroU32::new(small(seconds)).map_or(Ttl::Nothing, Ttl::Seconds),
        _ => match end.div_ceil(1000).saturating_add(more) {
            second @ ..=LAST => until(second),
            _ => Ttl::ForEver,
        },
    }
}

/// Returns the lifetime of a stub: of at least a second, and of 30 days at most.
pub fn stub(lease: Duration) -> NonZeroU32 {
    NonZeroU32::new(small(seconds(lease).min(LONGEST))).unwrap_or(NonZeroU32::MIN)
}

/// Returns when a time ends that begins now, in milliseconds of the server's clock.
pub fn end(time: Duration, now: u64) -> u64 {
    now.saturating_add(millis(time))
}

/// Returns whole milliseconds, rounded up.
pub fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

fn seconds(time: Duration) -> u64 {
    time.as_secs().saturating_add(u64::from(time.subsec_nanos() > 0))
}

fn until(second: u64) -> Ttl {
    // A server whose clock shows the first days of 1970 takes no time of day.
    Ttl::Until(small(second.max(LONGEST + 1)))
}

fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s84_s85_times_are_rounded_up() {
        let (now, days) = (1_800_000_000_500, |days: u64| Duration::from_secs(days * 24 * 3600));
        let seconds = |seconds| Ttl::Seconds(NonZeroU32::new(seconds).unwrap());
        for (time, with_entry, alone) in [
            (Duration::ZERO, Ttl::Nothing, Ttl::Nothing),
            (Duration::from_nanos(1), seconds(2), seconds(1)),
            (Duration::from_secs(1), seconds(2), seconds(1)),
            (Duration::from_millis(1001), seconds(3), seconds(2)),
            (days(30), Ttl::Until(1_802_592_002), seconds(2_592_000)),
            (days(30) + Duration::from_nanos(1), Ttl::Until(1_802_592_002), Ttl::Until(1_802_592_001)),
            (days(4022), Ttl::ForEver, Ttl::ForEver),
            (Duration::MAX, Ttl::ForEver, Ttl::ForEver),
        ] {
            let end = end(time, now);
            assert_eq!((entry(end, now), rest(end, now)), (with_entry, alone), "{time:?}");
        }
        assert_eq!((end_of(None, now), end_of(Some(Duration::ZERO), now)), (NEVER, now));
        assert_eq!((entry(NEVER, now), rest(now - 1, now)), (Ttl::ForEver, Ttl::Nothing));
        // A server that has just begun to count in 1970.
        assert_eq!(entry(end(days(31), 0), 0), Ttl::Until(31 * 24 * 3600 + 1));
        assert_eq!(stub(Duration::ZERO).get(), 1);
        assert_eq!((stub(Duration::from_millis(9500)).get(), stub(Duration::MAX).get()), (10, 2_592_000));
        assert_eq!((end(Duration::MAX, now), end(Duration::from_micros(1), 5)), (u64::MAX, 6));
    }
}
