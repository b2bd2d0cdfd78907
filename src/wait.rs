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
//! [alarm](crate::sync::alarm) does.

use crate::sync::alarm::Alarm;
use crate::sync::{Deadline, OnceLock, block_by};
use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// How long an access will wait, and whether it has an error to say by what it has met instead of a value.
#[derive(Clone, Copy, Debug)]
pub enum Patience {
    /// It is out of time at once, before it queues, and has an error.
    None,
    /// It waits without an end, and has no error.
    Infallible,
    /// It waits for that long at most, and has an error.
    For(Duration),
}

/// It waits without an end, and has an error.
pub(crate) const FOREVER: Patience = Patience::For(Duration::MAX);

/// The waits of one access, which share a deadline. It is set when the first of them begins.
#[derive(Debug)]
pub struct Wait {
    patience: Patience,
    deadline: OnceLock<Deadline>,
    is_task: bool,
}

/// The waits of a task. They have no deadline, and so all tasks share it.
pub(crate) static TASK: Wait = Wait { patience: FOREVER, deadline: OnceLock::new(), is_task: true };

/// As [`TASK`], without an error.
pub(crate) static INFALLIBLE_TASK: Wait =
    Wait { patience: Patience::Infallible, deadline: OnceLock::new(), is_task: true };

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
        Self { patience, deadline: OnceLock::new(), is_task: false }
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
        !matches!(self.patience, Patience::Infallible)
    }

    /// The deadline for one more wait, unless it has passed in an earlier one.
    pub(crate) fn begin(&self) -> Option<Deadline> {
        if self.is_task {
            return Some(Deadline::never());
        }
        let timeout = match self.patience {
            Patience::None => return None,
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
    }
}
