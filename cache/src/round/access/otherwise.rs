//! The part of an access in which it does not create: what it returns instead, how it waits, and how it goes on without
//! the backend.

use super::{Access, Sent, State};
use crate::backend::Pause;
use crate::round::event::{Action, Event, Mark, Outcome};
use crate::round::judge::Freshness;
use crate::round::settings::{Context, OnBackendFailure, Time};

impl<V: Clone> Access<V> {
    /// Returns what there is, if it is good enough to return without any creation.
    pub(super) fn fresh(&self) -> Option<Outcome<V>> {
        let found = self.found.as_ref().filter(|found| found.freshness == Freshness::Fresh && !self.refreshes)?;
        found.value.clone().map(Outcome::Fresh)
    }

    /// Returns what there is, if it is good enough to return while another creates.
    pub(super) fn old(&self) -> Option<Outcome<V>> {
        let found = self.found.as_ref().filter(|_| !self.refreshes)?;
        let value = found.value.clone()?;
        Some(if found.freshness == Freshness::Stale { Outcome::Stale(value) } else { Outcome::Fresh(value) })
    }

    /// Returns whether the access takes this from another one of its process, if it is late enough.
    pub(super) fn takes(&self, cx: &Context<'_, V>, outcome: &Outcome<V>) -> bool {
        match outcome {
            Outcome::Created(..) => true,
            // An access that waits longer with an old value is not ended by one that waits less.
            Outcome::Stale(_) if self.goes_on_at() > cx.now => false,
            // A refresh by hand wants a creation, and a renewal another version.
            Outcome::Fresh(_) | Outcome::Stale(_) | Outcome::Own(_) if !cx.settings.faults.renews_with_anything => {
                !self.refreshes && !self.renews
            }
            _ => !self.refreshes,
        }
    }

    /// Returns when an access with an old value goes on with it.
    pub(super) fn goes_on_at(&self) -> Time {
        let soft = self.waits.soft.unwrap_or(Time::ZERO);
        self.waits.deadline.map_or(soft, |deadline| soft.min(deadline))
    }

    /// Returns the old value, if the access does not wait any longer at that time.
    pub(super) fn old_by(&self, now: Time) -> Option<Outcome<V>> {
        self.old().filter(|_| self.goes_on_at() <= now)
    }

    pub(super) fn held(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        if let Some(old) = self.old_by(cx.now) {
            return self.finish(old);
        }
        if cx.settings.has_signals && !self.is_subscribed {
            return self.go(State::Subscribing, Action::Subscribe);
        }
        self.wait(cx)
    }

    pub(super) fn wait(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        let poll = cx.now.saturating_add(cx.settings.poll);
        // A lease that is over already was claimed over just now, in vain: that does not shorten the wait.
        let lease = cx.memory.watched_until().filter(|until| *until > cx.now);
        let old = self.old().map(|_| self.goes_on_at());
        let until = [lease, self.waits.deadline, old].into_iter().flatten().fold(poll, Time::min);
        self.go(State::Waiting, Action::Wait { until })
    }

    pub(super) fn woken(&mut self, cx: &mut Context<'_, V>, state: State<V>) -> Action<V> {
        match self.old_by(cx.now) {
            Some(_) if cx.settings.faults.soft_is_an_error => self.finish(Outcome::TimedOut),
            Some(old) => self.finish(old),
            None if self.is_too_late(cx.now) => self.finish(Outcome::TimedOut),
            None if !matches!(state, State::Waiting) => self.await_in(state),
            None if cx.server.is_down(cx.now) => self.cut_off(cx),
            None => self.look(cx),
        }
    }

    pub(super) fn paused(&mut self, cx: &mut Context<'_, V>, pause: Pause) -> Action<V> {
        let Some(pause) = cx.memory.believed(cx.settings, pause, cx.now) else {
            self.passes = true;
            return self.claim(cx);
        };
        let outcome = self.old().unwrap_or(Outcome::Paused(pause));
        self.finish(outcome)
    }

    /// The operation under way has failed, or takes longer than the access has time.
    pub(super) fn failed(&mut self, cx: &mut Context<'_, V>, event: &Event<V>) -> Action<V> {
        self.is_out_of_time |= matches!(event, Event::OutOfTime);
        if self.is_out_of_time && self.is_too_late(cx.now) && !self.is_cancelled {
            let outcome = self.old().unwrap_or(Outcome::TimedOut);
            return self.finish(outcome);
        }
        self.cut_off(cx)
    }

    /// The access goes on without the backend.
    pub(super) fn cut_off(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        if self.is_cancelled {
            return self.finish(Outcome::Cancelled);
        }
        let policy = cx.settings.on_backend_failure;
        match self.old() {
            Some(old) if policy != OnBackendFailure::Fail => return self.finish(old),
            _ if policy != OnBackendFailure::Elect => {
                if self.is_out_of_time {
                    // That says nothing to those who have time left: it covers nobody else.
                    self.as_of = Mark(0);
                }
                return self.finish(Outcome::Down);
            }
            _ => {}
        }
        self.found = None;
        let own = cx.memory.own(cx.now).filter(|_| self.takes_own && !self.renews).map(Outcome::Own);
        let forgets = cx.settings.faults.forgets_its_pause;
        let pause = || cx.memory.own_pause(cx.now).filter(|_| !forgets).map(Outcome::Paused);
        if let Some(outcome) = own.or_else(pause).filter(|_| !self.refreshes) {
            // That is of before this access: it covers nobody else.
            self.as_of = Mark(0);
            return self.finish(outcome);
        }
        if !self.has_turn {
            return self.go(State::Joining, Action::Join { old_until: None });
        }
        let sent = Sent::now(cx);
        self.create(cx, None, sent)
    }

    pub(super) fn is_too_late(&self, now: Time) -> bool {
        self.waits.deadline.is_some_and(|deadline| deadline <= now)
    }
}
