//! The state machine of one access.

use super::event::{Action, Answer, Claimed, Event, Found, Mark, Outcome, Shared, Turn};
use super::judge::Freshness;
use super::settings::{Context, OnBackendFailure, Time};
use crate::backend::{Claim, Grant, Over, Pause, Rest, Seen, Token};
use creating::Creating;
use std::mem;

mod creating;

/// The state machine of one access. See the [module docs](super) for its table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // Four facts that do not depend on each other.
pub struct Access<V> {
    state: State<V>,
    /// The mark of the last operation that was sent before the access began.
    began: Mark,
    deadline: Option<Time>,
    /// Whether the access creates even if there is a fresh value, and through a pause.
    refreshes: bool,
    /// What the last look or claim has returned, and the mark of that operation.
    found: Option<Kept<V>>,
    as_of: Mark,
    has_turn: bool,
    is_subscribed: bool,
    is_cancelled: bool,
    /// The token of a claim in doubt.
    doubtful: Option<Token>,
}

/// What a look or a claim has returned, without the rest, which is old in a moment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Kept<V> {
    value: Option<V>,
    freshness: Freshness,
    seen: Seen,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum State<V> {
    New,
    Telling,
    Looking { mark: Mark },
    Joining,
    Claiming { token: Token, sent: Sent },
    Subscribing,
    Waiting,
    Creating(Creating<V>),
    Publishing { token: Token, value: V, mark: Mark, invalidations: u64 },
    Ending(Outcome<V>),
    Done,
}

impl<V: Clone> Access<V> {
    /// Makes an access. A deadline bounds its waits.
    pub fn new(memory: &super::Remembered<V>, deadline: Option<Time>) -> Access<V> {
        Access {
            state: State::New,
            began: memory.mark(),
            deadline,
            refreshes: false,
            found: None,
            as_of: Mark(0),
            has_turn: false,
            is_subscribed: false,
            is_cancelled: false,
            doubtful: None,
        }
    }

    /// Makes a refresh by hand: it creates even if there is a fresh value, and through a pause. It waits for another's
    /// creation.
    pub fn refresh(memory: &super::Remembered<V>, deadline: Option<Time>) -> Access<V> {
        Access { refreshes: true, ..Access::new(memory, deadline) }
    }

    /// Takes what has happened, and returns what to do next.
    ///
    /// An event that does not belong to the state (the late reply to an operation that was given up) changes nothing.
    pub fn next(&mut self, cx: &mut Context<'_, V>, event: Event<V>) -> Action<V> {
        if event.is_of_the_backend() {
            cx.memory.answered();
        } else if matches!(event, Event::Failed) {
            cx.memory.failed(cx.settings, cx.now);
        }
        match (mem::replace(&mut self.state, State::Done), event) {
            (State::Creating(creating), event) => self.creating(cx, creating, event),
            (state, Event::Cancelled) => self.cancelled(state),
            (State::New, Event::Begin) => self.begin(cx),
            (State::Telling, Event::Told(number)) => {
                cx.memory.told(number);
                self.look(cx)
            }
            (State::Looking { mark }, Event::Looked(found)) => self.looked(cx, found, mark),
            (State::Joining, Event::Elected) => {
                self.has_turn = true;
                // What was found before an invalidation that is untold is not to be shared with those who join now.
                let may_claim = self.found.is_some() && cx.memory.untold().is_none();
                if may_claim { self.claim(cx) } else { self.begin(cx) }
            }
            (State::Joining, Event::Busy) => match self.old() {
                Some(old) => self.finish(old),
                None => self.begin(cx),
            },
            (State::Joining, Event::Shared(Shared(answer))) => {
                // A refresh by hand wants a creation: it does not take what another look has found.
                let is_creation = matches!(answer.outcome, Outcome::Created(..));
                if self.began < answer.as_of && (is_creation || !self.refreshes) {
                    Action::Finish(answer)
                } else {
                    self.found = None;
                    self.begin(cx)
                }
            }
            (State::Claiming { sent, .. }, Event::Claimed(claimed)) => self.claimed(cx, claimed, sent),
            (State::Claiming { token, .. }, Event::Failed) => {
                self.doubtful = Some(token);
                self.cut_off(cx)
            }
            (State::Subscribing, Event::Subscribed) => {
                self.is_subscribed = true;
                if cx.settings.faults.waits_without_a_look { self.wait(cx) } else { self.look(cx) }
            }
            (State::Joining | State::Waiting, Event::Woken) if self.is_too_late(cx.now) => {
                self.finish(Outcome::TimedOut)
            }
            (State::Waiting, Event::Woken) => self.look(cx),
            (State::Telling | State::Looking { .. } | State::Subscribing, Event::Failed) => self.cut_off(cx),
            (State::Publishing { token, value, mark, invalidations }, event) => {
                self.published(cx, &event, token, value, mark, invalidations)
            }
            (State::Ending(outcome), Event::Ended | Event::Failed) => self.finish(outcome),
            (state, _) => self.await_in(state),
        }
    }

    /// Returns what becomes of the turn. The driver asks after each step of an access that has the turn.
    pub fn turn(&self) -> Turn {
        match &self.state {
            State::Creating(creating) if creating.is_dead => Turn::HandOn,
            State::Creating(creating) if creating.lost.is_some() => Turn::Leave,
            _ => Turn::Keep,
        }
    }

    /// Returns a token whose claim may have been granted to nobody. The driver asks after each step, and releases the
    /// token apart from the access.
    pub fn release(&mut self) -> Option<Token> {
        self.doubtful.take()
    }

    /// Returns until when the access waits, at the longest.
    pub fn deadline(&self) -> Option<Time> {
        self.deadline
    }

    /// Returns whether the access creates, and has not seen at that time that its lease is lost or over.
    pub fn holds(&self, now: Time) -> Option<Grant> {
        match &self.state {
            State::Creating(creating) if creating.lost.is_none() && !creating.is_dead => {
                creating.grant.filter(|_| now < creating.lease_until)
            }
            _ => None,
        }
    }

    /// Returns whether the creator of this access runs.
    pub fn creates(&self) -> bool {
        matches!(&self.state, State::Creating(creating) if creating.made.is_none())
    }

    /// Returns whether the access waits for another process.
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Returns whether the access has an old value, so that it must not wait (G11).
    pub fn has_old(&self) -> bool {
        self.old().is_some()
    }

    fn begin(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        if cx.memory.is_down(cx.now) {
            return self.cut_off(cx);
        }
        match cx.memory.untold() {
            Some(number) => self.go(State::Telling, Action::Tell(number)),
            None => self.look(cx),
        }
    }

    fn look(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        // Without the turn nobody waits for this access: its beginning is a mark that is early enough.
        let mark = if self.has_turn { cx.memory.next_mark() } else { self.began };
        self.go(State::Looking { mark }, Action::Look)
    }

    fn looked(&mut self, cx: &mut Context<'_, V>, found: Found<V>, mark: Mark) -> Action<V> {
        let rest = found.rest;
        // What was changed since this access began is new enough for a refresh.
        self.refreshes &= self.found.as_ref().is_none_or(|before| before.seen == found.seen);
        self.found = Some(Kept { value: found.value, freshness: found.freshness, seen: found.seen });
        // From the reply on: until then, an old value is as of the look that has shown it.
        self.as_of = mark;
        if let Some(answer) = self.fresh() {
            return self.finish(answer);
        }
        let old = self.old();
        if let Some(old) = old.clone().filter(|_| cx.memory.is_quiet(cx.now)) {
            return self.finish(old);
        }
        if !self.has_turn {
            return self.go(State::Joining, Action::Join { has_old: old.is_some() });
        }
        match rest {
            Some(Rest::Held(held)) => {
                cx.memory.met(&held, cx.now);
                if cx.memory.dead(cx.settings, cx.now).is_some() { self.claim(cx) } else { self.held(cx) }
            }
            Some(Rest::Paused(pause)) if !self.refreshes => self.paused(pause),
            _ => self.claim(cx),
        }
    }

    /// Returns what there is, if it is good enough to return without any creation.
    fn fresh(&self) -> Option<Outcome<V>> {
        let found = self.found.as_ref().filter(|found| found.freshness == Freshness::Fresh && !self.refreshes)?;
        found.value.clone().map(Outcome::Fresh)
    }

    /// Returns what there is, if it is good enough to return while another creates.
    fn old(&self) -> Option<Outcome<V>> {
        let found = self.found.as_ref().filter(|_| !self.refreshes)?;
        let value = found.value.clone()?;
        Some(if found.freshness == Freshness::Stale { Outcome::Stale(value) } else { Outcome::Fresh(value) })
    }

    fn claim(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        let seen = self.found.as_ref().map_or(Seen::NOTHING, |found| found.seen.clone());
        let over = cx.memory.dead(cx.settings, cx.now).map_or(Over::Nobody, |(token, beat)| Over::Dead(token, beat));
        let (token, lease) = (cx.token, cx.settings.lease);
        let claim = Claim { token, seen: Some(seen), lease, over, through_pause: self.refreshes };
        let sent = Sent::now(cx);
        self.go(State::Claiming { token, sent }, Action::Claim(claim))
    }

    fn claimed(&mut self, cx: &mut Context<'_, V>, claimed: Claimed<V>, sent: Sent) -> Action<V> {
        if let Claimed::Held(held) = &claimed {
            cx.memory.met(held, cx.now);
            if self.has_old() {
                cx.memory.be_quiet(cx.settings, cx.now);
            }
        }
        match claimed {
            Claimed::Granted(grant) if self.is_cancelled => self.end(grant, false, Outcome::Cancelled),
            _ if self.is_cancelled => self.finish(Outcome::Cancelled),
            Claimed::Granted(grant) => {
                cx.memory.met_nobody();
                self.create(cx, Some(grant), sent)
            }
            Claimed::Changed(found) => self.looked(cx, found, sent.mark),
            Claimed::Held(_) => self.held(cx),
            Claimed::Paused(pause) => {
                if !self.has_old() {
                    self.as_of = sent.mark;
                }
                self.paused(pause)
            }
        }
    }

    fn held(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        if let Some(old) = self.old() {
            return self.finish(old);
        }
        if cx.settings.has_signals && !self.is_subscribed {
            return self.go(State::Subscribing, Action::Subscribe);
        }
        self.wait(cx)
    }

    fn wait(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        let poll = cx.now.saturating_add(cx.settings.poll);
        // A lease that is over already was claimed over just now, in vain: that does not shorten the wait.
        let lease = cx.memory.watched_until(cx.settings).filter(|until| *until > cx.now);
        let until = [lease, self.deadline].into_iter().flatten().fold(poll, Time::min);
        self.go(State::Waiting, Action::Wait { until })
    }

    fn paused(&mut self, pause: Pause) -> Action<V> {
        let outcome = self.old().unwrap_or(Outcome::Paused(pause));
        self.finish(outcome)
    }

    /// The backend is down.
    fn cut_off(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        if self.is_cancelled {
            return self.finish(Outcome::Cancelled);
        }
        let policy = cx.settings.on_backend_failure;
        match self.old() {
            Some(old) if policy != OnBackendFailure::Fail => return self.finish(old),
            _ if policy != OnBackendFailure::Elect => return self.finish(Outcome::Down),
            _ => {}
        }
        self.found = None;
        match cx.memory.own(cx.now).filter(|_| !self.refreshes) {
            // The value is of before this access: it covers nobody else.
            Some(own) => {
                self.as_of = Mark(0);
                self.finish(Outcome::Own(own))
            }
            None if self.has_turn => {
                let sent = Sent::now(cx);
                self.create(cx, None, sent)
            }
            None => self.go(State::Joining, Action::Join { has_old: false }),
        }
    }

    fn cancelled(&mut self, state: State<V>) -> Action<V> {
        self.is_cancelled = true;
        // The reply may be a grant; the value may be published; the grant ends.
        let is_under_way = matches!(state, State::Claiming { .. } | State::Publishing { .. } | State::Ending(_));
        if is_under_way { self.await_in(state) } else { self.finish(Outcome::Cancelled) }
    }

    fn is_too_late(&self, now: Time) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn go(&mut self, state: State<V>, action: Action<V>) -> Action<V> {
        self.state = state;
        action
    }

    fn await_in(&mut self, state: State<V>) -> Action<V> {
        self.go(state, Action::Await)
    }

    fn finish(&mut self, outcome: Outcome<V>) -> Action<V> {
        self.go(State::Done, Action::Finish(Answer { outcome, as_of: self.as_of }))
    }
}

/// The moment at which a claim was sent, or at which a creation without a claim began.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Sent {
    at: Time,
    mark: Mark,
    /// How many invalidations this process had begun. What it has begun since voids the grant, if the backend is told.
    invalidations: u64,
}

impl Sent {
    fn now<V: Clone>(cx: &mut Context<'_, V>) -> Sent {
        Sent { at: cx.now, mark: cx.memory.next_mark(), invalidations: cx.memory.invalidations() }
    }
}
