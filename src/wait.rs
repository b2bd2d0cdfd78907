//! How an access waits: as a thread or as a task, for how long, and the one deadline that covers all its waits (L10).
//!
//! Each access is written once, as a future, whoever makes it:
//!
//! | the access of | its waits | so it |
//! |---|---|---|
//! | a thread | [park](crate::sync::block_by) that thread | is ready when it is polled for the first time, by [`block_on`] |
//! | a task | leave its waker in the queue, and are pending | is polled again, by whatever executor; dropping it leaves the queue |
//!
//! So what an access does between its waits is one and the same code, and so is the queue. What differs is handed in: a
//! getter or a creator is a future to this crate, which is [ready](std::future::ready) at once where a thread has
//! called a closure. A hit does not come here at all: it is looked for before there is anything to poll.
//!
//! A task has no time-outs of its own: whoever polls it can race it with a timer. Only where a creation may be
//! [declared dead](crate::PolicyBuilder::creation_timeout), and the clock does not wake those who wait for that, an
//! [alarm](crate::alarm) does.

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

/// How long an access will wait, and whether it has an error to say by what it has met instead of a value.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// It is out of time at once, before it queues, and has an error.
    None,
    /// The same, and it does not hear of pauses.
    NoneUntold,
    /// It waits without an end, and has no error.
    Infallible,
    /// It waits for that long at most, and has an error.
    For(Duration),
}

/// It waits without an end, and has an error.
pub(crate) const FOREVER: Patience = Patience::For(Duration::MAX);

/// What one access wants, and its waits, which share a deadline. The deadline is set when the first of them begins; and
/// so is the one of its soft time-out, after which the access goes on with an old value.
#[derive(Debug)]
pub struct Wait {
    patience: Patience,
    deadline: OnceLock<Deadline>,
    is_task: bool,
    wants: Wants,
    soft: Option<Duration>,
    soft_deadline: OnceLock<Deadline>,
    /// The type of the errors that the access shares, if it does.
    shares: Option<TypeId>,
    /// What the creation has failed with that the access has waited for, if it shares that.
    failed: OnceLock<SharedError>,
}

/// The waits of a task. They have no deadline, and so all tasks share it.
pub(crate) static TASK: Wait = Wait::with(FOREVER, true);

/// As [`TASK`], without an error.
pub(crate) static INFALLIBLE_TASK: Wait = Wait::with(Patience::Infallible, true);

/// The waits of an access, as it has them: its own, or no room for what all tasks share.
pub trait Waiting: Send + Sync {
    fn wait(&self) -> &Wait;
}

/// [`TASK`].
#[derive(Clone, Copy, Debug)]
pub struct AnyTask;

/// [`INFALLIBLE_TASK`].
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

/// Awaits a part of an access that is rare, so that it takes no place in the future of the access: a thread's is done
/// at once, and a task's lies in a box. (A macro, since a function would have to keep what comes of it.)
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

    /// Those of a task.
    pub(crate) fn of_a_task(self) -> Self {
        Self { is_task: true, ..self }
    }

    /// The same, of an access that wants this, and has that soft time-out.
    pub(crate) fn wanting(self, wants: Wants, soft: Option<Duration>) -> Self {
        Self { wants, soft, ..self }
    }

    /// The same, of an access that shares errors of that type.
    pub(crate) fn sharing(self, shares: TypeId) -> Self {
        Self { shares: Some(shares), ..self }
    }

    /// The type of the errors that the access shares.
    pub(crate) fn shares(&self) -> Option<TypeId> {
        self.shares
    }

    /// The creation that the access has waited for has failed with this.
    pub(crate) fn fail(&self, error: SharedError) {
        // One that was told of a failure ends with it: there is no second one.
        _ = self.failed.set(error);
    }

    /// What that was.
    pub(crate) fn failed<E: Any>(&self) -> Option<&E> {
        self.failed.get()?.get()
    }

    /// What a look may come to.
    pub(crate) fn glance(&self) -> Glance {
        self.wants.glance(self.is_soft())
    }

    /// What the access wants.
    pub(crate) fn wants(&self) -> Wants {
        self.wants
    }

    /// Whether the access waits for a new value, for a while, though there is an old one.
    pub(crate) fn is_soft(&self) -> bool {
        self.soft.is_some()
    }

    /// The deadline for a wait of an access that has an old value to go on with.
    pub(crate) fn begin_softly(&self) -> Option<Deadline> {
        let soft = self.soft?;
        let soft = *self.soft_deadline.get_or_init(|| Deadline::after(soft));
        Some(self.begin()?.sooner(soft))
    }

    /// The waits of an access like this one, each of which is out of time at once. (Those of a task as well: it does
    /// not wait.)
    pub(crate) fn at_once(&self) -> Self {
        Self::new(if self.hears_of_pauses() { Patience::None } else { Patience::NoneUntold })
    }

    /// One of them: until `poll` is ready, or the deadline has passed (`None`). Where it is pending, it has arranged
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

    /// As [`until`](Self::until), for what need not be polled before it is woken.
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

    /// Whether they are those of a task.
    pub(crate) fn is_of_a_task(&self) -> bool {
        self.is_task
    }

    /// Whether this access can say that it was told of a pause. If not, it creates when it is elected.
    pub(crate) fn hears_of_pauses(&self) -> bool {
        !matches!(self.patience, Patience::Infallible | Patience::NoneUntold)
    }

    /// The deadline for one more wait, unless it has passed in an earlier one.
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

    /// L10: the access waits that long at the most, however often.
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
