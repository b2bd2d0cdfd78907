//! Durations as the server takes them: whole milliseconds.

use std::time::Duration;

/// The longest time that the server is given: a hundred years. It adds a time to its own, and refuses a sum that its
/// integers do not hold.
const LONGEST: u128 = 100 * 365 * 24 * 3_600_000;

/// A lifetime that never ends, as the scripts take it.
const FOR_EVER: &str = "";

/// Returns the lifetime of an entry or a counter, rounded up. One that ends after the server's clock is for ever.
pub(super) fn lifetime(lifetime: Option<Duration>) -> String {
    match lifetime.map(rounded_up) {
        Some(millis) if millis <= LONGEST => millis.to_string(),
        _ => FOR_EVER.to_owned(),
    }
}

/// Returns a time that must end (G17), rounded up.
pub(super) fn bounded(time: Duration) -> String {
    rounded_up(time).min(LONGEST).to_string()
}

/// Returns the length of a pause, and that of its mark, which is twice as long.
pub(super) fn pause(time: Duration) -> (String, String) {
    let millis = rounded_up(time).min(LONGEST / 2);
    (millis.to_string(), (2 * millis).to_string())
}

/// Returns a time that is left. What is left of the longest time is for ever, as far as anybody will see.
pub(super) fn left(millis: i64) -> Duration {
    let millis = u64::try_from(millis).unwrap_or(0);
    if u128::from(millis) > LONGEST / 4 { Duration::MAX } else { Duration::from_millis(millis) }
}

fn rounded_up(time: Duration) -> u128 {
    time.as_nanos().div_ceil(1_000_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s84_s85_times_are_rounded_up_and_bounded() {
        let ms = Duration::from_millis;
        for (time, text) in [
            (Some(Duration::ZERO), "0"),
            (Some(Duration::from_nanos(1)), "1"),
            (Some(ms(1)), "1"),
            (Some(ms(1) + Duration::from_nanos(1)), "2"),
            (Some(Duration::from_secs(30 * 24 * 3600 + 1)), "2592001000"),
            (Some(Duration::MAX), ""),
            (None, ""),
        ] {
            assert_eq!(lifetime(time), text, "{time:?}");
        }
        assert_eq!(bounded(Duration::MAX), "3153600000000");
        assert_eq!(bounded(Duration::ZERO), "0");
        assert_eq!((left(-2), left(0), left(7)), (Duration::ZERO, Duration::ZERO, ms(7)));
        assert_eq!(left(3_153_599_999_999), Duration::MAX);
    }
}
