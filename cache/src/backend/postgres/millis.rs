//! Times as the server takes and gives them.

use std::error::Error;
use std::time::Duration;
use tokio_postgres::types::{FromSql, Type};

/// The longest time that the server is given: a hundred years. Its own time ends later.
const LONGEST: u128 = 100 * 365 * 24 * 3_600_000;

/// Returns a time in milliseconds, rounded up. One that ends after the server's clock is for ever: `None`.
pub(super) fn of(time: Duration) -> Option<i64> {
    let millis = time.as_nanos().div_ceil(1_000_000);
    i64::try_from(millis).ok().filter(|_| millis <= LONGEST)
}

/// Returns the lifetime of an entry or a counter.
pub(super) fn lifetime(lifetime: Option<Duration>) -> Option<i64> {
    lifetime.and_then(of)
}

/// A moment of the server's clock: microseconds since the year 2000.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Moment(i64);

impl Moment {
    /// The microseconds from 1970 to 2000.
    const BEFORE: i64 = 946_684_800_000_000;

    /// Returns the milliseconds since the Unix epoch.
    pub(super) fn millis(self) -> u64 {
        u64::try_from(self.0.saturating_add(Moment::BEFORE) / 1000).unwrap_or(0)
    }

    /// Returns how long it is until then.
    pub(super) fn left(self, until: Moment) -> Duration {
        if until.0 == i64::MAX {
            return Duration::MAX;
        }
        Duration::from_micros(u64::try_from(until.0.saturating_sub(self.0)).unwrap_or(0))
    }
}

impl<'a> FromSql<'a> for Moment {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Moment, Box<dyn Error + Sync + Send>> {
        Ok(Moment(i64::from_be_bytes(raw.try_into()?)))
    }

    fn accepts(of: &Type) -> bool {
        *of == Type::TIMESTAMPTZ
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s84_s85_times_are_rounded_up_and_bounded() {
        let ms = Duration::from_millis;
        for (time, millis) in [
            (Duration::ZERO, Some(0)),
            (Duration::from_nanos(1), Some(1)),
            (ms(1), Some(1)),
            (ms(1) + Duration::from_nanos(1), Some(2)),
            (Duration::from_secs(30 * 24 * 3600 + 1), Some(2_592_001_000)),
            (Duration::from_secs(100 * 365 * 24 * 3600), Some(3_153_600_000_000)),
            (Duration::from_secs(100 * 365 * 24 * 3600 + 1), None),
            (Duration::MAX, None),
        ] {
            assert_eq!(of(time), millis, "{time:?}");
        }
        assert_eq!(lifetime(None), None);
    }

    #[test]
    fn moments_are_of_the_unix_epoch() {
        let moment = |bytes: i64| Moment::from_sql(&Type::TIMESTAMPTZ, &bytes.to_be_bytes()).unwrap();
        assert_eq!(moment(0).millis(), 946_684_800_000);
        assert_eq!(moment(-Moment::BEFORE).millis(), 0);
        assert_eq!(moment(i64::MIN).millis(), 0);
        assert_eq!(moment(5).left(moment(1_005)), Duration::from_millis(1));
        assert_eq!(moment(5).left(moment(4)), Duration::ZERO);
        assert_eq!(moment(5).left(moment(i64::MAX)), Duration::MAX);
        assert!(Moment::from_sql(&Type::TIMESTAMPTZ, &[1]).is_err());
    }
}
