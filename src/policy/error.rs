//! The error of a policy whose settings contradict each other or themselves.

use std::error::Error;
use std::fmt;

/// A contradiction between the settings of a [`Policy`](super::Policy), or within one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PolicyError {
    /// The first pause of a [`Backoff`](super::Backoff) is zero, so there would be no pauses.
    PauseOfZero,
    /// The longest pause of a [`Backoff`](super::Backoff) is shorter than the first.
    PausesShrink,
    /// The multiplier of a [`Backoff`](super::Backoff) is zero, so there would be no second pause.
    MultiplierOfZero,
    /// The jitter of a [`Backoff`](super::Backoff) is not between 0 and 1. (For the jitter of
    /// [lifetimes](super::PolicyBuilder::jitter) see [`NothingLeftOfALifetime`](Self::NothingLeftOfALifetime).)
    JitterOutOfRange,
    /// The creation time-out is zero, so every creation would be dead at once.
    NoTimeToCreate,
    /// The [jitter](super::PolicyBuilder::jitter) of lifetimes is below 0, or not below 1.
    NothingLeftOfALifetime,
    /// The fraction of the lifetime at which to refresh is not above 0, or not below 1.
    RefreshOutOfLifetime,
    /// The `beta` of early refreshes is not above 0, or not finite.
    BetaOutOfRange,
    /// Both `refresh_at` and `refresh_early` are set.
    TwoWaysToRefresh,
    /// `max_stale_on_error` is set without [`OnError::ServeStale`](super::OnError::ServeStale), so no old value would
    /// ever be served on error.
    NothingServedOnError,
}

impl PolicyError {
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::PauseOfZero => "the first pause of a backoff is zero, which is no pause",
            Self::PausesShrink => "the longest pause of a backoff is shorter than the first",
            Self::MultiplierOfZero => "the multiplier of a backoff is zero, and there would be no second pause",
            Self::JitterOutOfRange => "the jitter of a backoff is not between 0 and 1",
            Self::NoTimeToCreate => "the creation time-out is zero, and every creation would be dead at once",
            Self::NothingLeftOfALifetime => "the jitter of lifetimes is not from 0 and below 1",
            Self::RefreshOutOfLifetime => "the fraction of the lifetime at which to refresh is not above 0 and below 1",
            Self::BetaOutOfRange => "the beta of early refreshes is not above 0, or not finite",
            Self::TwoWaysToRefresh => {
                "both `refresh_at` and `refresh_early` are set, and a value is renewed in one way"
            }
            Self::NothingServedOnError => {
                "`max_stale_on_error` is set, and without `OnError::ServeStale` no value is served on error"
            }
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message())
    }
}

impl Error for PolicyError {}
