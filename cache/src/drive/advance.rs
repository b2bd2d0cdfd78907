//! The actions of an access before its creator runs, and after.

use super::polls::Polls;
use super::{Core, Drive, Held, LocalTurn, Run, Stage, Wants, lock};
use crate::backend::{BackendError, Claim, Ended, Grant, Over, Published};
use crate::observer::{Operation, Overlap};
use crate::round::{Access, Action, Event, Found, Freshness, Reply};
use crate::slot::Value;
use crate::store::{self, Ready, Store, local};
use std::hash::Hash;
use std::mem;
use std::ops::ControlFlow;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// An operation whose reply is awaited whatever becomes of the caller.
pub(super) enum UnderWay<V> {
    Claim(store::Operation<Reply<Value<V>>>),
    Publish(store::Operation<Published>),
    /// And whether the reply was that the grant was there still.
    End(store::Operation<Ended>, bool),
}

impl<V> UnderWay<V> {
    /// Awaits the reply.
    pub(super) async fn reply(&mut self) -> Result<Event<Value<V>>, BackendError> {
        match self {
            UnderWay::Claim(operation) => operation.await.map(Event::Claimed),
            UnderWay::Publish(operation) => operation.await.map(Event::Published),
            UnderWay::End(operation, was_there) => {
                *was_there = operation.await? == Ended::Yes;
                Ok(Event::Ended)
            }
        }
    }

    /// Returns the reply, if it needs no wait.
    fn done(&mut self) -> Option<Event<Value<V>>> {
        match self {
            UnderWay::Claim(operation) => operation.done().map(Event::Claimed),
            UnderWay::Publish(operation) => operation.done().map(Event::Published),
            UnderWay::End(operation, was_there) => {
                *was_there = operation.done()? == Ended::Yes;
                Some(Event::Ended)
            }
        }
    }

    fn operation(&self) -> Operation {
        match self {
            UnderWay::Claim(_) => Operation::Claim,
            UnderWay::Publish(_) => Operation::Publish,
            UnderWay::End(..) => Operation::End,
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    pub(crate) fn new(core: &Arc<Core<O, V>>, slot: Held<O, V>, wants: Wants) -> Drive<O, V> {
        let access = Core::access(&slot, &wants, core.time.now());
        Drive::going_on(core, slot, wants, access)
    }

    /// Makes what the caller's task has of an access that has begun.
    pub(super) fn going_on(
        core: &Arc<Core<O, V>>,
        slot: Held<O, V>,
        wants: Wants,
        access: Access<Value<V>>,
    ) -> Drive<O, V> {
        Drive::of(Run::of(core, slot, wants, access))
    }

    /// Makes the rest of an access whose caller is gone.
    pub(super) fn alone(run: Arc<Run<O, V>>, turn: Option<LocalTurn>, under_way: Option<UnderWay<V>>) -> Drive<O, V> {
        let mut rest = Drive::of(run);
        (rest.turn, rest.under_way, rest.is_alone) = (turn, under_way, true);
        // There is nobody whose time it could take.
        rest.budget = rest.budget.max(rest.core().settings.lease);
        rest.has_created = true;
        rest
    }

    fn of(run: Arc<Run<O, V>>) -> Drive<O, V> {
        let budget = run.core.backend_timeout;
        Drive {
            run,
            turn: None,
            under_way: None,
            budget,
            old: None,
            earlier: None,
            is_old_stale: false,
            error: None,
            is_deadlocked: false,
            has_created: false,
            as_of: None,
            began: 0,
            has_missed: false,
            was_over: false,
            has_ended: false,
            is_in_creator: false,
            is_alone: false,
            polls: Polls::default(),
            signals: None,
            waits_since: None,
            writing: 0,
            ready: None,
        }
    }

    pub(crate) fn core(&self) -> &Arc<Core<O, V>> {
        &self.run.core
    }

    /// Begins the access. Returns what is to be done first.
    pub(crate) fn begin(&self) -> Action<Value<V>> {
        self.run.step(Event::Begin)
    }

    /// Performs actions up to the creator, or up to the end of the access.
    pub(crate) async fn perform(&mut self, mut action: Action<Value<V>>) -> Stage<V> {
        loop {
            match self.one(action).await {
                ControlFlow::Continue(event) => action = self.run.step(event),
                ControlFlow::Break(stage) => return stage,
            }
        }
    }

    /// Performs one action. Returns what has happened, or where the access has come to.
    ///
    /// What only some accesses do lies in boxes: an allocation of more than 1 KB is a slow one, and a future is moved
    /// into its box.
    pub(super) async fn one(&mut self, action: Action<Value<V>>) -> ControlFlow<Stage<V>, Event<Value<V>>> {
        ControlFlow::Continue(match action {
            Action::Tell(number) => Box::pin(self.tell(number)).await,
            Action::Look => self.look().await,
            Action::Join { old_until } => {
                self.note_miss(old_until.is_none());
                Box::pin(self.join(old_until)).await
            }
            Action::Claim(claim) => Box::pin(self.claim(claim)).await,
            Action::Subscribe => Box::pin(self.listen()).await,
            Action::Wait { until } => Box::pin(self.wait(until)).await,
            Action::Create { wake, .. } => {
                self.note_wait();
                self.began = self.core().time.nanos();
                return ControlFlow::Break(Stage::Create { wake });
            }
            Action::Publish(grant, value) => Box::pin(self.publish(grant, value)).await,
            Action::End { grant, pauses } => {
                self.end(grant, pauses);
                Box::pin(self.reply()).await
            }
            Action::Finish(answer) => {
                self.note_wait();
                self.leave_turn();
                return ControlFlow::Break(Stage::Ended(answer));
            }
            Action::Await if self.under_way.is_some() => Box::pin(self.reply()).await,
            Action::CarryOn { .. } | Action::Renew(_) | Action::Await => {
                unreachable!("the keeper keeps the creation")
            }
        })
    }

    /// Counts an access that has nothing to be served, before it waits or creates.
    pub(super) fn note_miss(&mut self, has_nothing: bool) {
        // A refresh by hand may leave a value that is fresh.
        if has_nothing && !self.run.wants.refreshes && !mem::replace(&mut self.has_missed, true) {
            self.core().seen.missed();
        }
    }

    /// Counts a wait for another process, if there was one, once it has ended in any way, and listens no longer.
    pub(super) fn note_wait(&mut self) {
        self.signals = None;
        if let Some(since) = self.waits_since.take() {
            self.run.waited(since);
        }
    }

    /// Ends the turn, if the access has it: those who have waited get its answer, or one of them is elected.
    pub(super) fn leave_turn(&mut self) {
        let Some(turn) = self.turn.take() else { return };
        let (has_shared, turns) = {
            let mut run = lock(&self.run.state);
            (run.has_shared, run.turns.take())
        };
        if let Some(turns) = &turns {
            // The next access with the turn does not create yet.
            turns.creates_until(u64::MAX);
        }
        let is_current = turns.is_some_and(|turns| self.run.slot.has_turns(&turns));
        // Those who have waited for a turn that was taken away begin anew: they would be elected beside others.
        if has_shared || !is_current {
            turn.finish();
        }
    }

    // --- the operations ---------------------------------------------------------------------------------------------

    async fn tell(&mut self, number: u64) -> Event<Value<V>> {
        let (core, slot) = (Arc::clone(self.core()), self.run.slot.clone());
        let telling = core.tell_first(&slot);
        match self.bounded(Operation::Change, telling).await {
            Ok(()) => Event::Told(number),
            Err(event) => event,
        }
    }

    async fn look(&mut self) -> Event<Value<V>> {
        if let Core { store: Store::Near(near), time, .. } = &**self.core() {
            let found = local::look(near, &self.run.slot, time.nanos());
            return self.looked(found);
        }
        let (core, slot) = (Arc::clone(self.core()), self.run.slot.clone());
        // (Pinned here, or each future that it is handed to would have room for it.)
        let looking = pin!(core.look(&slot, core.time.now()));
        match self.bounded(Operation::Look, looking).await {
            Ok(found) => self.looked(found),
            Err(event) => event,
        }
    }

    /// Takes what a look has found.
    pub(crate) fn looked(&mut self, found: Found<Value<V>>) -> Event<Value<V>> {
        self.note_old(found.value.clone(), found.freshness);
        Event::Looked(self.run.wants.take(found))
    }

    /// Notes what is there, and what it is worth.
    pub(super) fn note_old(&mut self, value: Option<Value<V>>, freshness: Freshness) {
        // The round has the earlier one until its next step, which must not drop it under the slot's mutex.
        self.earlier = mem::replace(&mut self.old, value.filter(|value| value.value().is_some()));
        self.is_old_stale = freshness == Freshness::Stale;
    }

    async fn claim(&mut self, claim: Claim) -> Event<Value<V>> {
        let (core, slot) = (Arc::clone(self.core()), &self.run.slot);
        self.as_of = slot.lock().as_of();
        let is_over_the_dead = matches!(claim.over, Over::Dead(..));
        self.under_way = Some(UnderWay::Claim(core.store.claim(slot, claim, core.time.nanos())));
        let event = self.reply().await;
        match event {
            Event::Claimed(Reply::Granted { failures, .. }) => {
                lock(&self.run.state).pause = core.pause_after(failures);
                if is_over_the_dead {
                    self.run.overlapped(Overlap::TookOver);
                }
                event
            }
            Event::Claimed(Reply::Changed(found)) => {
                self.note_old(found.value.clone(), found.freshness);
                Event::Claimed(Reply::Changed(self.run.wants.take(found)))
            }
            event => event,
        }
    }

    /// Awaits the reply to the operation under way, for as long as there is budget. The operation is not dropped with
    /// this future.
    async fn reply(&mut self) -> Event<Value<V>> {
        let under_way = self.under_way.as_mut().expect("an operation is under way");
        if let Some(event) = under_way.done() {
            self.has_ended = matches!(under_way, UnderWay::End(_, true));
            self.under_way = None;
            return event;
        }
        let core = Arc::clone(self.core());
        let (began, most) = (core.time.now(), self.most());
        let under_way = self.under_way.as_mut().expect("an operation is under way");
        let operation = under_way.operation();
        let reply = core.time.until(began.saturating_add(most), under_way.reply()).await;
        self.spend(core.time.now().saturating_sub(began));
        if let Some(reply) = reply {
            self.has_ended = matches!(self.under_way, Some(UnderWay::End(_, true)));
            self.under_way = None;
            return reply.unwrap_or_else(|error| self.failed(operation, error));
        }
        if let Some(under_way) = self.under_way.take() {
            self.run.go_on_with(under_way);
        }
        self.timed_out(operation, most)
    }

    /// Returns for how long an operation may take that begins now.
    pub(super) fn most(&self) -> Duration {
        let Some(deadline) = self.run.deadline().filter(|_| !self.has_created) else { return self.budget };
        self.budget.min(deadline.saturating_sub(self.core().time.now()))
    }

    /// Performs an operation that can be dropped, for as long as there is budget.
    async fn bounded<T>(
        &mut self,
        operation: Operation,
        future: impl Future<Output = Result<T, BackendError>>,
    ) -> Result<T, Event<Value<V>>> {
        let core = Arc::clone(self.core());
        let (began, most) = (core.time.now(), self.most());
        if most.is_zero() {
            return Err(self.timed_out(operation, most));
        }
        let reply = core.time.until(began.saturating_add(most), future).await;
        self.spend(core.time.now().saturating_sub(began));
        match reply {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(error)) => Err(self.failed(operation, error)),
            None => Err(self.timed_out(operation, most)),
        }
    }

    pub(super) fn spend(&mut self, time: Duration) {
        self.budget = self.budget.saturating_sub(time);
    }

    pub(super) fn failed(&mut self, operation: Operation, error: BackendError) -> Event<Value<V>> {
        self.core().seen.backend_failed(&self.core().key_of(&self.run.slot), operation, &error);
        let is_down = error.is_down();
        self.error = Some(error);
        if is_down { Event::Failed } else { Event::OutOfTime }
    }

    pub(super) fn timed_out(&mut self, operation: Operation, had: Duration) -> Event<Value<V>> {
        let error = self.core().no_answer(&self.run.slot);
        if had < self.core().backend_timeout {
            self.error = Some(error);
            return Event::OutOfTime;
        }
        self.failed(operation, error)
    }

    async fn publish(&mut self, grant: Grant, value: Value<V>) -> Event<Value<V>> {
        let core = Arc::clone(self.core());
        let ready = self.ready.take().unwrap_or(Ready { value, entry: None });
        self.writing = ready.bytes();
        let publishing = core.store.publish(&self.run.slot, grant, ready, core.time.nanos());
        self.under_way = Some(UnderWay::Publish(publishing));
        let event = self.reply().await;
        if matches!(event, Event::Published(Published::Fresh | Published::Stale)) {
            self.core().seen.wrote(self.writing);
        }
        event
    }

    /// Begins to end the grant.
    pub(super) fn end(&mut self, grant: Grant, pauses: bool) {
        let core = self.core();
        let pause = pauses.then(|| lock(&self.run.state).pause).filter(|pause| !pause.pause.is_zero());
        let ending = core.store.end(&self.run.slot, grant, pause, core.time.nanos());
        self.under_way = Some(UnderWay::End(ending, false));
    }
}
