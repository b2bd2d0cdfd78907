//! How long an access waits, and so whether it has an error.

use crate::error::{AcquireError, or_deadlock};
use crate::wait::{FOREVER, Patience};
use std::time::Duration;

/// An access waits as long as it takes.
#[derive(Clone, Copy, Debug)]
pub struct Forever;

/// An access waits for others for that long at most.
#[derive(Clone, Copy, Debug)]
pub struct AtMost(pub(super) Duration);

/// How long an access waits for others: [`Forever`], or [`AtMost`] as long as its
/// [`timeout`](crate::Access::timeout). The trait is sealed.
pub trait Waits: HasPatience {}

impl<W: HasPatience> Waits for W {}

// Public only because it stands above `Waits`: this module is not.
pub trait HasPatience {
    /// What an access gives that cannot fail but by waiting.
    type Gives<T>;

    /// Of one that can say that it was refused.
    fn patience(&self) -> Patience;

    /// Of one that cannot fail but by waiting.
    #[inline]
    fn infallible_patience(&self) -> Patience {
        self.patience()
    }

    /// What it has come to.
    fn give<T>(got: Result<T, AcquireError>) -> Self::Gives<T>;
}

impl HasPatience for Forever {
    type Gives<T> = T;

    #[inline]
    fn patience(&self) -> Patience {
        FOREVER
    }

    #[inline]
    fn infallible_patience(&self) -> Patience {
        Patience::Infallible
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    #[track_caller]
    fn give<T>(got: Result<T, AcquireError>) -> T {
        or_deadlock(got)
    }
}

impl HasPatience for AtMost {
    type Gives<T> = Result<T, AcquireError>;

    #[inline]
    fn patience(&self) -> Patience {
        Patience::For(self.0)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn give<T>(got: Result<T, AcquireError>) -> Result<T, AcquireError> {
        got
    }
}
