//! What an access wants, and how long it waits for that. This decides whether the access has an error.
//!
//! | terms | by the steps | a glance at the lock may end the access | its waits |
//! |---|---|---|---|
//! | [`Forever`] | none | if the value is fresh, or old and being renewed | have no end |
//! | [`AtMost`] | `timeout` | likewise | end in time, with an error |
//! | [`Wanting<W>`](Wanting) | `soft_timeout`, `anew`, `renew_if` | no, or only if the value is fresh | as those of `W` |
//! | [`Sharing<W>`](Sharing) | `share_errors` | as by `W` | as those of `W`; and end with the error of the creation that the access has waited for |
//!
//! # Shared errors
//!
//! The creation of an access that shares errors fails with another type than the creator's error: with a [`Sharable`]
//! of that error, which can say of itself that it is shared. So an access that does not share errors pays nothing for
//! this.
//!
//! A shared error takes this way. When the creation ends, the error is given to the queue. The queue gives it to the
//! waiters whose errors are of that type. There it lies with the waiter's [`Wait`] until the waiter's access ends.

use crate::error::{AcquireError, CreateError, or_deadlock};
use crate::failure::{HasCause, Sharable, Takes};
use crate::sync::Arc;
use crate::wait::{AnyInfallibleTask, AnyTask, FOREVER, Glance, Patience, Wait, Waiting, Wants};
use std::any::TypeId;
use std::convert::identity;
use std::time::Duration;

/// An access waits as long as it takes.
#[derive(Clone, Copy, Debug)]
pub struct Forever;

/// An access waits for others for that long at most.
#[derive(Clone, Copy, Debug)]
pub struct AtMost(Duration);

/// An access waits as by `W`, and says more of what it wants: see [`soft_timeout`](crate::Access::soft_timeout),
/// [`anew`](crate::Access::anew) and [`renew_if`](crate::Access::renew_if).
#[derive(Clone, Copy, Debug)]
pub struct Wanting<W> {
    waits: W,
    wants: Wants,
    soft: Option<Duration>,
}

/// An access is as by `W`, and shares the error of a creation: see [`share_errors`](crate::Access::share_errors).
#[derive(Clone, Copy, Debug)]
pub struct Sharing<W>(pub(super) W);

/// How long an access waits for others: [`Forever`], or [`AtMost`] as long as its [`timeout`](crate::Access::timeout)
/// says. If the access says more of what it [wants](Wanting), that is a part of it. The trait is sealed.
pub trait Waits: HasPatience {}

impl<W: HasPatience> Waits for W {}

// Public only because it is a supertrait of `Waits`: this module is not public.
pub trait HasPatience: Copy + Send + Sync {
    /// What an access gives that can fail by its waits only.
    type Gives<T>;

    /// The same terms, with a time-out.
    type Bounded: HasPatience;

    /// The same terms, which say more of what the access wants.
    type Wanting: HasPatience;

    /// The waits of a task whose access has an error to say that it was refused.
    type OfTask: Waiting + Clone;

    /// The waits of a task whose access has no error.
    type OfInfallibleTask: Waiting + Clone;

    fn within(self, timeout: Duration) -> Self::Bounded;

    fn wanting(self, want: impl FnOnce(&mut Wants, &mut Option<Duration>)) -> Self::Wanting;

    fn glance(&self) -> Glance;

    /// Returns the waits of an access of a thread. `can_fail` says whether the access has an error to say that it was
    /// refused.
    fn wait(&self, can_fail: bool) -> Wait;

    fn of_task(&self) -> Self::OfTask;

    fn of_infallible_task(&self) -> Self::OfInfallibleTask;

    /// Makes what the access gives of what it has come to.
    fn give<T>(got: Result<T, AcquireError>) -> Self::Gives<T>;
}

const fn wanting<W>(waits: W) -> Wanting<W> {
    Wanting { waits, wants: Wants::Any, soft: None }
}

impl HasPatience for Forever {
    type Gives<T> = T;
    type Bounded = AtMost;
    type Wanting = Wanting<Self>;
    type OfTask = AnyTask;
    type OfInfallibleTask = AnyInfallibleTask;

    #[inline]
    fn within(self, timeout: Duration) -> AtMost {
        AtMost(timeout)
    }

    fn wanting(self, want: impl FnOnce(&mut Wants, &mut Option<Duration>)) -> Wanting<Self> {
        wanting(self).wanting(want)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn glance(&self) -> Glance {
        Glance::Usable
    }

    #[inline]
    fn wait(&self, can_fail: bool) -> Wait {
        Wait::new(if can_fail { FOREVER } else { Patience::Infallible })
    }

    #[inline]
    fn of_task(&self) -> AnyTask {
        AnyTask
    }

    #[inline]
    fn of_infallible_task(&self) -> AnyInfallibleTask {
        AnyInfallibleTask
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
    type Bounded = Self;
    type Wanting = Wanting<Self>;
    type OfTask = AnyTask;
    type OfInfallibleTask = AnyInfallibleTask;

    #[inline]
    fn within(self, timeout: Duration) -> Self {
        Self(timeout)
    }

    fn wanting(self, want: impl FnOnce(&mut Wants, &mut Option<Duration>)) -> Wanting<Self> {
        wanting(self).wanting(want)
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn glance(&self) -> Glance {
        Glance::Usable
    }

    #[inline]
    fn wait(&self, _: bool) -> Wait {
        Wait::new(Patience::For(self.0))
    }

    fn of_task(&self) -> AnyTask {
        AnyTask
    }

    fn of_infallible_task(&self) -> AnyInfallibleTask {
        AnyInfallibleTask
    }

    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    fn give<T>(got: Result<T, AcquireError>) -> Result<T, AcquireError> {
        got
    }
}

impl<W: HasPatience> HasPatience for Sharing<W> {
    type Gives<T> = W::Gives<T>;
    type Bounded = Sharing<W::Bounded>;
    type Wanting = Sharing<W::Wanting>;
    type OfTask = Arc<Wait>;
    type OfInfallibleTask = Arc<Wait>;

    fn within(self, timeout: Duration) -> Sharing<W::Bounded> {
        Sharing(self.0.within(timeout))
    }

    fn wanting(self, want: impl FnOnce(&mut Wants, &mut Option<Duration>)) -> Sharing<W::Wanting> {
        Sharing(self.0.wanting(want))
    }

    #[inline]
    fn glance(&self) -> Glance {
        self.0.glance()
    }

    fn wait(&self, can_fail: bool) -> Wait {
        self.0.wait(can_fail)
    }

    fn of_task(&self) -> Arc<Wait> {
        Arc::new(self.wait(true).of_a_task())
    }

    fn of_infallible_task(&self) -> Arc<Wait> {
        Arc::new(self.wait(false).of_a_task())
    }

    #[track_caller]
    fn give<T>(got: Result<T, AcquireError>) -> W::Gives<T> {
        W::give(got)
    }
}

impl<W: HasPatience> HasPatience for Wanting<W> {
    type Gives<T> = W::Gives<T>;
    type Bounded = Wanting<W::Bounded>;
    type Wanting = Self;
    type OfTask = Arc<Wait>;
    type OfInfallibleTask = Arc<Wait>;

    fn within(self, timeout: Duration) -> Wanting<W::Bounded> {
        Wanting { waits: self.waits.within(timeout), wants: self.wants, soft: self.soft }
    }

    fn wanting(mut self, want: impl FnOnce(&mut Wants, &mut Option<Duration>)) -> Self {
        want(&mut self.wants, &mut self.soft);
        self
    }

    #[inline]
    fn glance(&self) -> Glance {
        self.wants.glance(self.soft.is_some())
    }

    fn wait(&self, can_fail: bool) -> Wait {
        self.waits.wait(can_fail).wanting(self.wants, self.soft)
    }

    fn of_task(&self) -> Arc<Wait> {
        Arc::new(self.wait(true).of_a_task())
    }

    fn of_infallible_task(&self) -> Arc<Wait> {
        Arc::new(self.wait(false).of_a_task())
    }

    #[track_caller]
    fn give<T>(got: Result<T, AcquireError>) -> W::Gives<T> {
        W::give(got)
    }
}

/// Whether an access shares errors, where its creator fails with an `E`. If so, accesses that wait for its creation are
/// told of its error, and it is told of the error of a creation for which it waits. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "an `{E}` cannot be shared with those that wait for the creation",
    label = "not `Clone + Send + Sync + 'static`",
    note = "wrap it in an `Arc`: `.map_err(Arc::new)`"
)]
pub trait Tells<E>: HasPatience {
    /// What the creation fails with.
    #[doc(hidden)]
    type As: Takes<E>;

    /// The waits of the access.
    #[doc(hidden)]
    fn begin(&self) -> Wait {
        self.wait(true)
    }

    /// The waits of the access, of a task.
    #[doc(hidden)]
    fn begin_by_task(&self) -> Self::OfTask {
        self.of_task()
    }

    /// What the access ends with.
    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn told<T, G>(wait: &Wait, got: Result<T, CreateError<Self::As, G>>) -> Result<T, CreateError<E, G>>;
}

macro_rules! tells_nobody {
    ($([$($generic:ident)?] $terms:ty;)+) => {$(
        impl<E: HasCause, $($generic: HasPatience)?> Tells<E> for $terms {
            type As = E;

            #[inline]
            fn told<T, G>(_: &Wait, got: Result<T, CreateError<E, G>>) -> Result<T, CreateError<E, G>> {
                got
            }
        }
    )+};
}

tells_nobody! {
    [] Forever;
    [] AtMost;
    [W] Wanting<W>;
}

// (The message of the trait itself says what is missing.)
#[diagnostic::do_not_recommend]
impl<E: HasCause + Clone + Send + Sync + 'static, W: HasPatience> Tells<E> for Sharing<W> {
    type As = Sharable<E>;

    fn begin(&self) -> Wait {
        self.wait(true).sharing(TypeId::of::<E>())
    }

    fn begin_by_task(&self) -> Arc<Wait> {
        Arc::new(Tells::<E>::begin(self).of_a_task())
    }

    fn told<T, G>(wait: &Wait, got: Result<T, CreateError<Sharable<E>, G>>) -> Result<T, CreateError<E, G>> {
        match (got, wait.failed::<E>()) {
            (Ok(value), _) => Ok(value),
            (Err(_), Some(error)) => Err(CreateError::Failed(error.clone())),
            (Err(error), None) => Err(error.map(|Sharable(error)| CreateError::Failed(error), identity, identity)),
        }
    }
}
