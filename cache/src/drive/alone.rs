//! What goes on without a caller: the rest of an access, and operations in doubt.

use super::advance::UnderWay;
use super::{Drive, Run, Stage, lock};
use crate::backend::{Grant, Life, Token};
use crate::round::{Action, Event, Made, Reply};
use crate::slot::Value;
use crate::store::Store;
use std::hash::Hash;
use std::mem;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Run<O, V> {
    /// Leaves an operation, whose caller does not wait any longer, to the keeper.
    pub(super) fn go_on_with(self: &Arc<Self>, mut under_way: UnderWay<V>) {
        if !matches!(under_way, UnderWay::End(..)) {
            // The round releases its token next.
            lock(&self.state).in_doubt = Some(under_way);
            return;
        }
        let (run, held) = (Arc::clone(self), self.core.closing.hold());
        self.core.time.keeper.spawn(async move {
            let _held = held;
            let longest = run.core.time.now().saturating_add(run.core.settings.lease);
            run.core.time.until(longest, under_way.reply()).await
        });
    }

    /// Releases a token that may have a grant, after the operation that is in doubt.
    pub(super) fn release(self: &Arc<Self>, token: Token) {
        let in_doubt = mem::take(&mut lock(&self.state).in_doubt);
        let life = if let Store::Far(far) = &self.core.store { far.life(self.slot.stored()) } else { None };
        let (run, held) = (Arc::clone(self), self.core.closing.hold());
        self.core.time.keeper.spawn(async move {
            let _held = held;
            let Run { core, slot, .. } = &*run;
            let longest = core.time.now().saturating_add(core.settings.lease);
            let reply = match in_doubt {
                Some(mut in_doubt) => core.time.until(longest, in_doubt.reply()).await,
                None => None,
            };
            let grant = match reply {
                Some(Ok(Event::Claimed(Reply::Granted { grant, .. }))) => grant,
                // It was published, or refused.
                Some(Ok(_)) => return,
                // A number of 0 stands for any.
                _ => Grant { token, life: life.unwrap_or(Life(0)), cas: 0 },
            };
            let ending = core.store.end(slot, grant, None, core.time.nanos());
            let longest = core.time.now().saturating_add(core.settings.lease);
            // If the grant cannot be ended, it costs one lease (G8).
            drop(core.time.until(longest, ending).await);
        });
    }

    /// Counts a creator that has panicked, and tells of it.
    fn note_panic(&self, began: u64) {
        let Run { core, slot, .. } = self;
        let took = Duration::from_nanos(core.time.nanos().saturating_sub(began));
        // (This thread unwinds already. A panic of the observer ends in `seen`.)
        core.seen.failed(&core.key_of(slot), took, &"the creator has panicked");
    }

    /// Brings the access to its end, without its caller. The keeper has left an action.
    pub(super) fn end_alone(self: &Arc<Self>) {
        let (action, turn, ready) = {
            let mut run = lock(&self.state);
            let Some(action) = run.left.take() else { return };
            (action, run.turn.take(), run.ready.take())
        };
        let mut rest = Drive::alone(Arc::clone(self), turn, None);
        rest.ready = ready;
        rest.go_on(action);
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    /// Performs the rest of an access whose caller is gone.
    fn go_on(mut self, action: Action<Value<V>>) {
        let core = Arc::clone(self.core());
        let held = core.closing.hold();
        let mut ending = Box::pin(async move {
            let _held = held;
            let stage = self.perform(action).await;
            debug_assert!(matches!(stage, Stage::Ended(_)), "nobody creates for a caller that is gone");
        });
        if let Store::Near(_) = core.store {
            // Nothing is ever under way there.
            let done = pin!(&mut ending).poll(&mut Context::from_waker(Waker::noop()));
            debug_assert_eq!(done, Poll::Ready(()));
        } else {
            core.time.keeper.spawn(ending);
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drop for Drive<O, V> {
    fn drop(&mut self) {
        self.note_wait();
        self.run.ended.notify_one();
        if self.is_alone || lock(&self.run.state).is_over {
            // (The runtime of the keeper is shut down, or there is nothing left to do.)
            self.leave_turn();
            return;
        }
        let has_failed = self.is_in_creator && thread::panicking();
        let event = if has_failed { Event::Made(Made::Failed) } else { Event::Cancelled };
        if has_failed {
            self.note_failure();
        }
        let action = self.run.step(event);
        let (turn, under_way) = (self.turn.take(), self.under_way.take());
        let mut rest = Drive::alone(Arc::clone(&self.run), turn, under_way);
        rest.ready = self.ready.take();
        match action {
            Action::Finish(_) => rest.leave_turn(),
            Action::Await if rest.under_way.is_none() => {
                // The keeper has an operation under way, and goes on from its reply.
                {
                    let mut run = lock(&self.run.state);
                    run.is_alone = true;
                    (run.turn, run.ready) = (rest.turn.take(), rest.ready.take());
                }
                self.run.end_alone();
            }
            action => rest.go_on(action),
        }
        if has_failed {
            self.run.note_panic(self.began);
        }
    }
}
