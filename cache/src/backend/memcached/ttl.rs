//! Durations as the server takes them: whole seconds, rounded up.
//!
//! The server counts the seconds of its clock: an item with `T5` lives for more than four seconds, and for five at
//! most. So a lease is shorter than it was asked for by less than the [grain](crate::backend::Limits::grain).

use super::command::Ttl;
use std::num::NonZeroU32;
use std::time::Duration;

/// The longest time that the server takes for one; more is a time of day.
const LONGEST: u64 = 30 * 24 * 3600;

/// The last second that the server's numbers hold.
const LAST: u64 = i32::MAX as u64;

/// Returns the lifetime of an item or a counter. One that ends after the server's clock is for ever.
pub fn lifetime(lifetime: Option<Duration>, now: u64) -> Ttl {
    match lifetime.map(seconds) {
        None => Ttl::ForEver,
        Some(0) => Ttl::Nothing,
        Some(seconds @ ..=LONGEST) => of(seconds),
        Some(seconds) => match end_of(seconds, now) {
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

/// The second of the server's clock in which a time is over that begins now: that of `T` with so many seconds.
fn end_of(seconds: u64, now: u64) -> u64 {
    (now / 1000).saturating_add(seconds)
}

fn of(seconds: u64) -> Ttl {
    NonZeroU32::new(small(seconds)).map_or(Ttl::Nothing, Ttl::Seconds)
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
        for (time, ttl) in [
            (Duration::ZERO, Ttl::Nothing),
            (Duration::from_nanos(1), seconds(1)),
            (Duration::from_secs(1), seconds(1)),
            (Duration::from_millis(1001), seconds(2)),
            (days(30), seconds(2_592_000)),
            (days(30) + Duration::from_nanos(1), Ttl::Until(1_802_592_001)),
            (days(4022), Ttl::ForEver),
            (Duration::MAX, Ttl::ForEver),
        ] {
            assert_eq!(lifetime(Some(time), now), ttl, "{time:?}");
        }
        assert_eq!(lifetime(None, now), Ttl::ForEver);
        assert_eq!(stub(Duration::ZERO).get(), 1);
        assert_eq!((stub(Duration::from_millis(9500)).get(), stub(Duration::MAX).get()), (10, 2_592_000));
        assert_eq!((end(Duration::MAX, now), end(Duration::from_micros(1), 5)), (u64::MAX, 6));
    }
}
