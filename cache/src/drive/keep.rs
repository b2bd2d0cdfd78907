//! Keeps a creation: renews its lease, and ends its grant when it has taken too long.

use super::{Run, lock};
use crate::backend::{Grant, Renewed};
use crate::observer::{Operation, Overlap};
use crate::round::{Action, Event};
use crate::slot::{Turns, Value};
use crate::time::unless;
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Run<O, V> {
    /// Keeps the creation until its creator has ended, or the access, or the region. Renewals come by their time, not
    /// by the creator's polls, so that a creator that blocks its thread keeps its lease all the same (G9).
    pub(super) async fn keep_creation(self: Arc<Self>, mut wake: Duration) {
        loop {
            let over = self.core.time.until(wake, self.is_over()).await;
            if !lock(&self.state).access.creates() {
                return;
            }
            match over {
                Some(Over::Creator) => return,
                Some(Over::Region) => return self.close().await,
                None => {}
            }
            let mut action = self.step(Event::Woken);
            loop {
                let event = match action {
                    Action::CarryOn { wake: Some(at) } => {
                        wake = at;
                        break;
                    }
                    Action::Renew(grant) => self.renew(grant).await,
                    Action::End { grant, .. } if lock(&self.state).access.creates() => {
                        let sent = UnlessReplied::of(&self);
                        let ending = self.core.store.end(&self.slot, grant, None, self.core.time.nanos());
                        let reply = self.core.in_time(Operation::End, Some(&self.slot), ending).await;
                        sent.replied();
                        reply.map_or(Event::OutOfTime, |_| Event::Ended)
                    }
                    Action::CarryOn { wake: None } => return self.is_dead(),
                    // The creator has ended meanwhile, and the access goes on without the keeper.
                    Action::Await => return,
                    action => return self.leave(action),
                };
                action = self.step(event);
            }
        }
    }

    /// The creation is dead, and its grant was ended: the region need not wait for the caller of a claim.
    fn is_dead(&self) {
        let part = lock(&self.state).part.take();
        if let Some(part) = part {
            part.end();
        }
    }

    /// Waits until the creator has ended, or the region.
    async fn is_over(&self) -> Over {
        let creator = unless(self.ended.notified(), || self.core.closing.ended()).await;
        creator.map_or(Over::Region, |()| Over::Creator)
    }

    async fn renew(self: &Arc<Self>, grant: Grant) -> Event<Value<V>> {
        let sent = UnlessReplied::of(self);
        let lease = self.core.settings.lease;
        let renewing = self.core.store.renew(&self.slot, grant, lease, self.core.time.nanos());
        let reply = self.core.in_time(Operation::Renew, Some(&self.slot), renewing).await;
        sent.replied();
        match reply {
            Ok(renewed) => {
                if let Renewed::Lost(refusal) = renewed {
                    self.overlapped(Overlap::shown_by(refusal, !self.holds()));
                }
                Event::Renewed(renewed)
            }
            // Whether the server is in its pause, was noted.
            Err(_) => Event::OutOfTime,
        }
    }

    /// The region has ended: the grant does, too, and the value goes to the caller alone.
    pub(super) async fn close(self: &Arc<Self>) {
        lock(&self.state).is_closed = true;
        let action = self.step(Event::Cancelled);
        // The caller's task may wait for what the keeper leaves: that is nothing any more.
        self.resumed.notify_one();
        if let Action::End { grant, .. } = action {
            let ending = self.core.store.end(&self.slot, grant, None, self.core.time.nanos());
            drop(self.core.in_time(Operation::End, Some(&self.slot), ending).await);
            self.step(Event::Ended);
        }
    }

    /// Notes that the creation is dead, or that the region has ended. Near alone nobody else does while no creator is
    /// polled.
    pub(super) async fn catch_up(self: &Arc<Self>) {
        let Run { core, slot, .. } = &**self;
        if core.store.has_leases() {
            return;
        }
        if core.closing.has_ended() && !lock(&self.state).is_closed {
            return self.close().await;
        }
        let is_dead = |turns: &Arc<Turns<V>>| turns.dead_at() <= core.time.nanos();
        if !lock(&self.state).turns.as_ref().is_some_and(is_dead) {
            return;
        }
        if let Action::End { grant, .. } = self.step(Event::Woken) {
            // It is done at once.
            drop(core.store.end(slot, grant, None, core.time.nanos()));
            self.step(Event::Ended);
        }
    }

    /// Leaves an action to the caller's task. If that is gone, the access is brought to its end here.
    fn leave(self: &Arc<Self>, action: Action<Value<V>>) {
        let is_alone = {
            let mut run = lock(&self.state);
            run.left = Some(action);
            run.is_alone
        };
        if is_alone {
            self.end_alone();
        } else {
            self.resumed.notify_one();
        }
    }

    /// Awaits what the keeper leaves. `None`: it leaves nothing, as the region has ended, and the grant with it.
    pub(super) async fn left(&self) -> Option<Action<Value<V>>> {
        loop {
            {
                let mut run = lock(&self.state);
                let action = run.left.take();
                if action.is_some() || run.is_closed {
                    return action;
                }
            }
            self.resumed.notified().await;
        }
    }
}

/// What ends before a creation is woken.
enum Over {
    Creator,
    Region,
}

/// An operation of the keeper: if it panics, or the runtime of the keeper is shut down, there is no reply, and the
/// access goes on without it. Else the caller's task would wait for it for ever, with a value.
struct UnlessReplied<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static>(
    Option<&'a Arc<Run<O, V>>>,
);

impl<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> UnlessReplied<'a, O, V> {
    fn of(run: &'a Arc<Run<O, V>>) -> Self {
        UnlessReplied(Some(run))
    }

    fn replied(mut self) {
        self.0 = None;
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drop for UnlessReplied<'_, O, V> {
    fn drop(&mut self) {
        let Some(run) = self.0 else { return };
        match run.step(Event::OutOfTime) {
            Action::CarryOn { .. } | Action::Await => {}
            action => run.leave(action),
        }
    }
}
