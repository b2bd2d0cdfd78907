//! How an access waits: as a thread or as a task, for how long, and with one deadline for all its waits (L10).
//!
//! Each access is written once, as a future, for threads and tasks alike:
//!
//! | the access of | its waits | so the access |
//! |---|---|---|
//! | a thread | [park](crate::sync::block_by) that thread | is ready when it is polled for the first time, by [`block_on`] |
//! | a task | leave its waker in the queue, and are pending | is polled again, by any executor; dropping it leaves the queue |
//!
//! So the code of an access between its waits is the same for both, and so is the queue. The differences are handed in.
//! A getter or a creator is a future to this crate; where a thread has called a closure, that future is
//! [ready](std::future::ready) at once. A hit does not come here at all: the access looks for a hit before there is
//! anything to poll.
//!
//! A task has no time-outs of its own: the code that polls it can race it with a timer. There are two exceptions, for
//! which an [alarm](crate::alarm) wakes the task. One is the end of a [soft
//! time-out](crate::AsyncAccess::soft_timeout). The other is the moment at which a creation may be [declared
//! dead](crate::PolicyBuilder::creation_timeout), where the clock does not wake the waiters of that creation.

mod wants;

pub use wants::{Glance, Wants};

use crate::alarm::Alarm;
use crate::shared_error::SharedError;
use crate::sync::{Arc, Deadline, OnceLock, block_by};
use std::any::{Any, TypeId};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long an access will wait, and whether it has an error to return in place of a value.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// The access is out of time at once, before it queues, and has an error.
    None,
    /// The same, but the access does not hear of pauses.
    NoneUntold,
    /// The access waits without an end, and has no error.
    Infallible,
    /// The access waits for that long at most, and has an error.
    For(Duration),
}

/// The patience of an access that waits without an end, and has an error.
pub(crate) const FOREVER: Patience = Patience::For(Duration::MAX);

/// What one access wants, and its waits, which share one deadline. The deadline is set when the first of the waits
/// begins. So is the deadline of the soft time-out, after which the access goes on with an old value.
#[derive(Debug)]
pub struct Wait {
    patience: Patience,
    deadline: OnceLock<Deadline>,
    is_task: bool,
    wants: Wants,
    soft: Option<Duration>,
    soft_deadline: OnceLock<Deadline>,
    /// The type of the errors that the access shares, if it shares any.
    shares: Option<TypeId>,
    /// What the creation that the access has waited for has failed with, if the access shares that error.
    failed: OnceLock<SharedError>,
}

/// The waits of a task. They have no deadline, and so all tasks share them.
pub(crate) static TASK: Wait = Wait::with(FOREVER, true);

/// As [`TASK`], without an error.
pub(crate) static INFALLIBLE_TASK: Wait = Wait::with(Patience::Infallible, true);

/// The waits of an access: either its own waits, or the shared waits of all tasks, which take no room in the access.
pub trait Waiting: Send + Sync {
    /// Returns the waits.
    fn wait(&self) -> &Wait;
}

/// Stands for [`TASK`].
#[derive(Clone, Copy, Debug)]
pub struct AnyTask;

/// Stands for [`INFALLIBLE_TASK`].
#[derive(Clone, Copy, Debug)]
pub struct AnyInfallibleTask;

macro_rules! shared_waits {
    ($($of:ty: $wait:expr;)+) => {$(
        impl Waiting for $of {
            fn wait(&self) -> &Wait {
                $wait
            }
        }
    )+};
}

shared_waits! {
    AnyTask: &TASK;
    AnyInfallibleTask: &INFALLIBLE_TASK;
}

impl Waiting for Arc<Wait> {
    fn wait(&self) -> &Wait {
        self
    }
}

impl Waiting for &Wait {
    fn wait(&self) -> &Wait {
        self
    }
}

/// Runs an access of a thread.
pub(crate) fn block_on<A: Future>(access: A) -> A::Output {
    match pin!(access).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => unreachable!("a thread parks where a task is pending"),
    }
}

/// Awaits a part of an access that is rare, so that this part takes no room in the future of the access. The part of a
/// thread's access is done at once, and that of a task's lies in a box. (This is a macro, since a function would have
/// to keep what comes of the part.)
macro_rules! apart {
    ($wait:expr, $part:expr) => {
        if $wait.is_of_a_task() { Box::pin($part).await } else { $crate::wait::block_on($part) }
    };
}
pub(crate) use apart;

impl Wait {
    pub(crate) fn new(patience: Patience) -> Self {
        Self::with(patience, false)
    }

    const fn with(patience: Patience, is_task: bool) -> Self {
        Self {
            patience,
            deadline: OnceLock::new(),
            is_task,
            wants: Wants::Any,
            soft: None,
            soft_deadline: OnceLock::new(),
            shares: None,
            failed: OnceLock::new(),
        }
    }

    /// Returns the same waits, of a task.
    pub(crate) fn of_a_task(self) -> Self {
        Self { is_task: true, ..self }
    }

    /// Returns the same waits, of an access that wants this, and has that soft time-out.
    pub(crate) fn wanting(self, wants: Wants, soft: Option<Duration>) -> Self {
        Self { wants, soft, ..self }
    }

    /// Returns the same waits, of an access that shares errors of that type.
    pub(crate) fn sharing(self, shares: TypeId) -> Self {
        Self { shares: Some(shares), ..self }
    }

    /// Returns the type of the errors that the access shares.
    pub(crate) fn shares(&self) -> Option<TypeId> {
        self.shares
    }

    /// Notes what the creation that the access has waited for has failed with.
    pub(crate) fn fail(&self, error: SharedError) {
        // An access that was told of a failure ends with it, so there is no second failure.
        _ = self.failed.set(error);
    }

    /// Returns the noted failure, if it is of that type.
    pub(crate) fn failed<E: Any>(&self) -> Option<&E> {
        self.failed.get()?.get()
    }

    /// Returns what a look may come to.
    pub(crate) fn glance(&self) -> Glance {
        self.wants.glance(self.is_soft())
    }

    /// Returns what the access wants.
    pub(crate) fn wants(&self) -> Wants {
        self.wants
    }

    /// Returns whether the access waits for a new value, for a while, although there is an old one.
    pub(crate) fn is_soft(&self) -> bool {
        self.soft.is_some()
    }

    /// Returns the deadline for a wait of an access that has an old value to go on with. `None` if there is no soft
    /// time-out, or no time is left.
    pub(crate) fn begin_softly(&self) -> Option<Deadline> {
        let soft = self.soft?;
        let soft = *self.soft_deadline.get_or_init(|| Deadline::after(soft));
        Some(self.begin()?.sooner(soft))
    }

    /// Returns the waits of an access like this one, each of which is out of time at once. (Also for a task: these
    /// waits do not wait.)
    pub(crate) fn at_once(&self) -> Self {
        Self::new(if self.hears_of_pauses() { Patience::None } else { Patience::NoneUntold })
    }

    /// Waits once: until `poll` is ready, or the deadline has passed (`None`). A `poll` that is pending has arranged
    /// for its waker to be woken, and may say until when it is to be polled again in any case.
    pub(crate) fn until<T>(
        &self,
        deadline: Deadline,
        mut poll: impl FnMut(&Waker) -> Result<T, Option<Deadline>>,
    ) -> impl Future<Output = Option<T>> {
        let mut alarm = Alarm::default();
        poll_fn(move |context| {
            if !self.is_task {
                return Poll::Ready(block_by(deadline, &mut poll));
            }
            match poll(context.waker()) {
                Ok(ready) => Poll::Ready(Some(ready)),
                Err(nap) => {
                    alarm.set(nap, context.waker());
                    Poll::Pending
                }
            }
        })
    }

    /// As [`until`](Self::until), for a `poll` that need not be called before it is woken.
    pub(crate) fn until_woken<T>(
        &self,
        deadline: Deadline,
        mut poll: impl FnMut(&Waker) -> Poll<T>,
    ) -> impl Future<Output = Option<T>> {
        self.until(deadline, move |waker| match poll(waker) {
            Poll::Ready(ready) => Ok(ready),
            Poll::Pending => Err(None),
        })
    }

    /// Returns whether these are the waits of a task.
    pub(crate) fn is_of_a_task(&self) -> bool {
        self.is_task
    }

    /// Returns whether this access can report that it was told of a pause. If it cannot, it creates when it is elected.
    pub(crate) fn hears_of_pauses(&self) -> bool {
        !matches!(self.patience, Patience::Infallible | Patience::NoneUntold)
    }

    /// Returns the deadline for one more wait, unless it has passed in an earlier one.
    pub(crate) fn begin(&self) -> Option<Deadline> {
        if self.is_task {
            return Some(Deadline::never());
        }
        let timeout = match self.patience {
            Patience::None | Patience::NoneUntold => return None,
            Patience::Infallible => Duration::MAX,
            Patience::For(timeout) => timeout,
        };
        match self.deadline.get() {
            Some(deadline) => (!deadline.has_passed()).then_some(*deadline),
            None => Some(*self.deadline.get_or_init(|| Deadline::after(timeout))),
        }
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    #[test]
    fn l10_one_deadline_covers_all_waits_of_an_access() {
        assert!(Wait::new(Patience::None).begin().is_none());
        let zero = Wait::new(Patience::For(Duration::ZERO));
        assert!(zero.begin().is_some(), "it looks once");
        assert!(zero.begin().is_none());
        assert!(zero.hears_of_pauses() && Wait::new(Patience::None).hears_of_pauses());
        let forever = Wait::new(FOREVER);
        assert!(forever.begin().is_some() && forever.begin().is_some());
        let endless = Wait::new(Patience::Infallible);
        assert!(endless.begin().is_some() && endless.begin().is_some());
        assert!(forever.hears_of_pauses() && !endless.hears_of_pauses());
        for (wait, hears) in [(&forever, true), (&endless, false), (&TASK, true), (&INFALLIBLE_TASK, false)] {
            let at_once = wait.at_once();
            assert!(at_once.begin().is_none() && at_once.hears_of_pauses() == hears);
        }
    }

    /// L10: the access waits that long at most, however many waits it has.
    #[test]
    fn l10_a_soft_timeout_is_counted_once() {
        let of_a_task = Wait::with(FOREVER, true).wanting(Wants::Any, Some(Duration::from_secs(60)));
        let of_a_thread = Wait::new(FOREVER).wanting(Wants::Any, Some(Duration::from_secs(60)));
        for wait in [of_a_task, of_a_thread] {
            let at = wait.begin_softly().unwrap().at();
            assert_eq!(wait.begin_softly().unwrap().at(), at);
        }
    }
}
