//! What can go wrong, one small type per kind of operation.

use std::error::Error;
use std::fmt;

/// Why [`try_acquire`](crate::Dogpile::try_acquire) gave no turn: there is no value, and somebody else is creating it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WouldBlock;

impl fmt::Display for WouldBlock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("there is no value yet and another creation is running")
    }
}

impl Error for WouldBlock {}

/// Why a bounded access gave no turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AcquireError {
    /// There was no value, and the creation that runs did not end in time. It goes on, and serves the others.
    TimedOut,
    /// This thread is running the creator that it would have waited for.
    WouldDeadlock,
}

const TIMED_OUT: &str = "timed out while another creation was running";
const WOULD_DEADLOCK: &str =
    "a creator asked for the value that it is creating itself, and would have waited for itself for ever";

impl fmt::Display for AcquireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TimedOut => TIMED_OUT,
            Self::WouldDeadlock => WOULD_DEADLOCK,
        })
    }
}

impl Error for AcquireError {}

/// Why an access with a creator that can fail, failed.
///
/// `E` is the creator's own error, which comes back untouched. More reasons arise as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CreateError<E> {
    /// This access was elected, and its creator returned this error.
    Failed(E),
    /// There was no value, and the creation that runs did not end in time. It goes on, and serves the others.
    TimedOut,
    /// This thread is running the creator that it would have waited for.
    WouldDeadlock,
}

impl<E> From<AcquireError> for CreateError<E> {
    fn from(error: AcquireError) -> Self {
        match error {
            AcquireError::TimedOut => Self::TimedOut,
            AcquireError::WouldDeadlock => Self::WouldDeadlock,
        }
    }
}

impl<E> fmt::Display for CreateError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(_) => "the creator failed",
            Self::TimedOut => TIMED_OUT,
            Self::WouldDeadlock => WOULD_DEADLOCK,
        })
    }
}

impl<E: Error + 'static> Error for CreateError<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            Self::TimedOut | Self::WouldDeadlock => None,
        }
    }
}

/// Why [`Creation::publish`](crate::Creation::publish) did not run its closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishError {
    /// The creation was overtaken by an invalidation: what it made must not become the current value.
    Superseded,
}

impl fmt::Display for PublishError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Superseded => "the creation was superseded by an invalidation",
        })
    }
}

impl Error for PublishError {}
