//! What a region answers in place of a value.

use crate::backend::{BackendError, BackendErrorKind, Pause};
use crate::key::NameError;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Why an access has no value.
///
/// `E` is the error of its creator.
#[derive(Debug)]
#[non_exhaustive]
pub enum CreateError<E> {
    /// The creator has failed. (`to_string()` says only that: the error itself is here, and is the `source`.)
    Failed(E),
    /// The creator of [many keys](crate::region::GetMany) has returned too few values, or too many. To the region it
    /// has failed.
    WrongCount {
        /// How many values it was to return.
        asked: usize,
        /// How many it has returned.
        given: usize,
    },
    /// A creation has failed a short time ago, perhaps in another process, and there is no old value. No creator is
    /// called until the pause is over.
    Paused {
        /// How many creations in a row have failed.
        failures: u32,
        /// How long the pause lasts from now on, at most.
        left: Duration,
    },
    /// The time-out of the access was over before there was a value.
    TimedOut,
    /// The creator that this task runs would wait for itself, or for one that waits for it.
    WouldDeadlock,
    /// The backend is down, and the region is to [fail](crate::OnBackendFailure::Fail) then, or has no old value to
    /// [serve](crate::OnBackendFailure::OldOnly).
    Backend(BackendError),
    /// The task of the creation was dropped or has panicked: see [`Background`](crate::region::Background).
    Lost,
    /// This creation is lent to a creator, or given to one in the background: it ends by what the creator returns, not
    /// by [`publish`](crate::Creation::publish).
    Lent,
    /// The region was closed.
    Closed,
    /// A [blocking](crate::Region::blocking) access waits on the only thread of a runtime, and nothing that runs there
    /// can go on.
    BlocksRuntime,
}

/// Why an access whose creator cannot fail has no value.
pub type GetError = CreateError<Infallible>;

impl<E> CreateError<E> {
    /// Returns the creator's error, if it has failed.
    #[must_use]
    pub fn into_creator(self) -> Option<E> {
        match self {
            CreateError::Failed(error) => Some(error),
            _ => None,
        }
    }

    pub(crate) fn paused(pause: Pause) -> CreateError<E> {
        CreateError::Paused { failures: pause.failures, left: pause.left }
    }

    pub(crate) fn down(error: Option<BackendError>) -> CreateError<E> {
        CreateError::Backend(error.unwrap_or_else(|| BackendError::new(BackendErrorKind::Unreachable)))
    }
}

impl<E> CreateError<E> {
    /// Returns the same with another error of the creator, so that a handler has one type of error.
    ///
    /// ```
    /// use dogpile_cache::CreateError;
    ///
    /// let error: CreateError<std::num::ParseIntError> = CreateError::TimedOut;
    /// let error: CreateError<String> = error.map_failed(|error| error.to_string());
    /// assert_eq!(error.to_string(), "there was no value within the time-out");
    /// ```
    pub fn map_failed<F>(self, change: impl FnOnce(E) -> F) -> CreateError<F> {
        match self {
            CreateError::Failed(error) => CreateError::Failed(change(error)),
            CreateError::Paused { failures, left } => CreateError::Paused { failures, left },
            CreateError::TimedOut => CreateError::TimedOut,
            CreateError::WouldDeadlock => CreateError::WouldDeadlock,
            CreateError::Backend(error) => CreateError::Backend(error),
            CreateError::Lost => CreateError::Lost,
            CreateError::WrongCount { asked, given } => CreateError::WrongCount { asked, given },
            CreateError::Lent => CreateError::Lent,
            CreateError::Closed => CreateError::Closed,
            CreateError::BlocksRuntime => CreateError::BlocksRuntime,
        }
    }
}

/// The error of a change, in a function whose accesses have creators that can fail.
impl<E> From<BackendError> for CreateError<E> {
    fn from(error: BackendError) -> CreateError<E> {
        CreateError::Backend(error)
    }
}

impl CreateError<Infallible> {
    /// Returns the error as one of a creator that can fail.
    pub(crate) fn widen<E>(self) -> CreateError<E> {
        self.map_failed(|never| match never {})
    }
}

impl<E> fmt::Display for CreateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CreateError::Failed(_) => f.write_str("the creator failed"),
            CreateError::WrongCount { asked, given } => {
                write!(f, "the creator was to return {asked} values, and has returned {given}")
            }
            CreateError::Paused { failures, left } => {
                write!(f, "no creation for {left:.1?}; failures in a row: {failures}")
            }
            CreateError::TimedOut => f.write_str("there was no value within the time-out"),
            CreateError::WouldDeadlock => f.write_str("the creator would wait for itself"),
            CreateError::Backend(_) => f.write_str("the backend is down, and there is no value to serve"),
            CreateError::Lost => f.write_str("the task of the creation is gone"),
            CreateError::Lent => f.write_str("the creation ends by what its creator returns"),
            CreateError::Closed => f.write_str("the region was closed"),
            CreateError::BlocksRuntime => f.write_str("the access blocks the only thread of the runtime it waits for"),
        }
    }
}

impl<E: Error + 'static> Error for CreateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            CreateError::Failed(error) => Some(error),
            CreateError::Backend(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a region cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum BuildError {
    /// The name is no name of a region.
    Name(NameError),
    /// A duration is too short: a lifetime below two grains of the backend, a lease below its grain and a poll, or zero
    /// where something must last.
    TooShort {
        /// What is too short.
        what: &'static str,
        /// The duration that was asked for.
        duration: Duration,
        /// The shortest that is possible.
        least: Duration,
    },
    /// The settings of the policy contradict each other.
    Policy(dogpile::PolicyError),
    /// The backend takes no keys that are long enough for the name of a region and a hash.
    KeysTooShort {
        /// The longest key of the backend, in bytes.
        longest: usize,
    },
    /// The region has no lifetime: [`expires_after`](crate::RegionBuilder::expires_after) was not set.
    NoLifetime,
    /// The [`creation_timeout`](crate::RegionBuilder::creation_timeout) would never be over.
    Endless,
    /// The weigher of the [`Near`](crate::Near) weighs values of another type than the region's.
    WeighsAnother {
        /// The name of the type that the weigher weighs.
        weighs: &'static str,
        /// The name of the type of the region's values.
        region: &'static str,
    },
    /// The operating system gives no thread to the [keeper](crate::RegionBuilder::build).
    Keeper(std::io::Error),
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BuildError::Name(_) => f.write_str("the name is no name of a region"),
            BuildError::TooShort { what, duration, least } => {
                write!(f, "{what} is {duration:?}, and must be at least {least:?}")
            }
            BuildError::Policy(_) => f.write_str("the settings of the policy contradict each other"),
            BuildError::KeysTooShort { longest } => {
                write!(f, "the backend takes keys of {longest} bytes only, too short for a name and a hash")
            }
            BuildError::NoLifetime => f.write_str("the region has no lifetime: `expires_after` is not set"),
            BuildError::Endless => f.write_str("the `creation_timeout` must be finite"),
            BuildError::WeighsAnother { weighs, region } => {
                write!(f, "the near store weighs values of `{weighs}`, and the region has values of `{region}`")
            }
            BuildError::Keeper(_) => f.write_str("there is no thread for the keeper"),
        }
    }
}

impl Error for BuildError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BuildError::Name(error) => Some(error),
            BuildError::Policy(error) => Some(error),
            BuildError::Keeper(error) => Some(error),
            _ => None,
        }
    }
}
