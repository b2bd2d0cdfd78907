//! Time-outs of values.

use crate::region::Made;
use std::time::Duration;

/// For how long a value is fresh, from when it is stored on. Each time-out means one thing, on each backend.
///
/// | time-out | the value |
/// |---|---|
/// | [`Default`](Timeout::Default) | is late after the [default time-out](super::MintBuilder::default_timeout) |
/// | [`After`](Timeout::After) a duration, or that duration itself | is late after that time |
/// | `Duration::ZERO` | is stored, and is late at once: the next reader is elected, and the others get the value for the grace |
/// | [`Never`](Timeout::Never), or `Duration::MAX` | is never late |
///
/// The unit is the nanosecond near alone, and the millisecond on a backend. The processes of a fleet on memcached agree
/// on a time to a second, so there "at once" is within a second.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Timeout {
    /// The default of the `Mint`.
    #[default]
    Default,
    /// That time. (`Duration::MAX` is the same as [`Never`](Timeout::Never).)
    After(Duration),
    /// For ever.
    Never,
}

impl From<Duration> for Timeout {
    fn from(time: Duration) -> Timeout {
        Timeout::After(time)
    }
}

impl Timeout {
    pub(super) fn of<V>(self, value: V) -> Made<V> {
        let made = Made::new(value);
        match self {
            Timeout::Default => made,
            Timeout::After(time) => made.expires_after(time),
            Timeout::Never => made.expires_after(Duration::MAX),
        }
    }
}
