//! The error of a creation that calls a function and stores its result.

use super::{CreateError, NOT_STORED};
use crate::failure::{HasCause, Hints};
use crate::shared_error::SharedError;
use std::convert::identity;
use std::fmt;

/// The error of the function, or that of the store.
pub(crate) enum Either<E, G> {
    Function(E),
    Store(NotStored<G>),
}

impl<E, G> Either<E, G> {
    pub(crate) fn not_stored(error: G) -> Self {
        Self::Store(NotStored(error))
    }
}

impl<E: HasCause, G: fmt::Display> HasCause for Either<E, G> {
    fn error(&self) -> &dyn fmt::Display {
        match self {
            Self::Function(error) => error.error(),
            Self::Store(error) => error,
        }
    }

    fn hints(&self) -> Hints {
        match self {
            Self::Function(error) => error.hints(),
            Self::Store(_) => Hints::default(),
        }
    }

    fn shared(&self) -> Option<SharedError> {
        match self {
            Self::Function(error) => error.shared(),
            Self::Store(_) => None,
        }
    }
}

/// The error of a store that would not take a result.
pub(crate) struct NotStored<G>(pub(crate) G);

impl<G: fmt::Display> fmt::Display for NotStored<G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{NOT_STORED}: {}", self.0)
    }
}

impl<E, G> CreateError<Either<E, G>, G> {
    /// Tells a function's error from that of its store.
    pub(crate) fn told_apart(self) -> CreateError<E, G> {
        let failed = |error| match error {
            Either::Function(error) => CreateError::Failed(error),
            Either::Store(NotStored(error)) => CreateError::SetterFailed(error),
        };
        self.map(failed, identity, identity)
    }
}
