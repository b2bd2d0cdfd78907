//! The state machine of one access.

use super::event::{Action, Answer, Event, Found, Mark, Outcome, Reply, Shared, Turn};
use super::judge::Freshness;
use super::settings::{Context, Time, Waits};
use crate::backend::{Claim, Grant, Over, Rest, Seen, Token};
use creating::Creating;
use std::mem;

mod creating;
mod otherwise;

/// The state machine of one access. See the [module docs](super) for its table.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
pub struct Access<V> {
    state: State<V>,
    /// The mark of the last operation that was sent before the access began.
    began: Mark,
    waits: Waits,
    /// Whether the access creates even if there is a fresh value, and through a pause.
    refreshes: bool,
    /// Whether the caller has refused the version that is there: it takes nothing that another access has found.
    renews: bool,
    /// Whether the access takes what the process has created for itself.
    takes_own: bool,
    /// What the last look or claim has returned, and the mark of that operation.
    found: Option<Kept<V>>,
    as_of: Mark,
    has_turn: bool,
    /// Whether the access has subscribed, or has tried to.
    is_subscribed: bool,
    is_cancelled: bool,
    /// Whether the access has no time left for the backend.
    is_out_of_time: bool,
    /// Whether the next claim passes through a pause that has lasted too long.
    passes: bool,
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
    /// Makes an access that begins now.
    pub fn new(memory: &super::Remembered<V>, waits: Waits) -> Access<V> {
        Access {
            state: State::New,
            began: memory.mark(),
            waits,
            refreshes: false,
            renews: false,
            takes_own: true,
            found: None,
            as_of: Mark(0),
            has_turn: false,
            is_subscribed: false,
            is_cancelled: false,
            is_out_of_time: false,
            passes: false,
            doubtful: None,
        }
    }

    /// Makes an access that began with a *light look*: one that was sent before anything of its key was held in the
    /// process. Its first event is the reply to that look, or what has become of it instead.
    ///
    /// The access knows nothing of the marks of its process from before the reply. So it takes nothing of other
    /// accesses that was sent before the reply, and what its look has shown is as of nothing: it covers nobody else.
    #[must_use]
    pub fn light(waits: Waits) -> Access<V> {
        Access {
            state: State::Looking { mark: Mark(0) },
            began: UNKNOWN,
            ..Access::new(&super::Remembered::default(), waits)
        }
    }

    /// Makes a refresh by hand: it creates even if there is a fresh value, and through a pause. It waits for another's
    /// creation.
    pub fn refresh(memory: &super::Remembered<V>, waits: Waits) -> Access<V> {
        Access { refreshes: true, ..Access::new(memory, waits) }
    }

    /// Makes an access that renews a certain version, which its caller has refused (`renew_if`).
    ///
    /// The driver presents an entry of that version as [`Found`] without a value, [`Missing`](Freshness::Missing), with
    /// the entry's state as seen. So the access claims with that state, waits for the creation of another holder, looks
    /// again, and never returns the refused value as an old one. An entry of another version is presented as it is.
    ///
    /// The round knows no versions. So this access also takes nothing from the other accesses of its process that may
    /// be of the refused version: no value that another access has found, and none that the process has created a short
    /// time ago without the backend. It takes what another access has *created*, by the rule for sharing: that was
    /// claimed or published after this access began, so that nobody can have refused it before.
    pub fn renewal(memory: &super::Remembered<V>, waits: Waits) -> Access<V> {
        Access { renews: true, ..Access::new(memory, waits) }
    }

    /// Says whether what the process has created for itself, without the backend, is an answer to this access. The
    /// round does not know what a value is: the driver says so before a step, if there is one.
    pub fn take_own(&mut self, takes: bool) {
        self.takes_own = takes;
    }

    /// Takes what has happened, and returns what to do next.
    ///
    /// An event that does not belong to the state (the late reply to an operation that was given up) changes nothing.
    pub fn next(&mut self, cx: &mut Context<'_, V>, event: Event<V>) -> Action<V> {
        if self.began == UNKNOWN {
            self.began = if cx.settings.faults.light_looks_begin_early { Mark(0) } else { cx.memory.mark() };
        }
        if event.is_of_the_backend() {
            cx.memory.answered();
            cx.server.answered();
        } else if matches!(event, Event::Failed)
            || (matches!(event, Event::OutOfTime) && cx.settings.faults.out_of_time_is_down)
        {
            cx.server.failed(cx.settings, cx.now);
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
                let may_claim = self.found.is_some() && cx.memory.untold().is_none() && !cx.server.is_down(cx.now);
                if may_claim { self.claim(cx) } else { self.begin(cx) }
            }
            (State::Joining, Event::Busy) => match self.old() {
                Some(old) => self.finish(old),
                None => self.begin(cx),
            },
            (State::Joining, Event::Shared(Shared(answer))) => {
                if self.began < answer.as_of && self.takes(cx, &answer.outcome) {
                    Action::Finish(answer)
                } else {
                    self.found = None;
                    self.begin(cx)
                }
            }
            (State::Claiming { sent, .. }, Event::Claimed(reply)) => self.claimed(cx, reply, sent),
            (State::Claiming { token, .. }, event @ (Event::Failed | Event::OutOfTime)) => {
                self.doubtful = Some(token);
                self.failed(cx, &event)
            }
            (State::Subscribing, Event::Subscribed) => {
                self.is_subscribed = true;
                if cx.settings.faults.waits_without_a_look { self.wait(cx) } else { self.look(cx) }
            }
            (State::Subscribing, Event::NotSubscribed) => {
                self.is_subscribed = true;
                self.wait(cx)
            }
            (state @ (State::Joining | State::Waiting), Event::Woken) => self.woken(cx, state),
            (
                State::Telling | State::Looking { .. } | State::Subscribing,
                event @ (Event::Failed | Event::OutOfTime),
            ) => self.failed(cx, &event),
            (State::Publishing { token, value, mark, invalidations }, event) => {
                self.published(cx, &event, token, value, mark, invalidations)
            }
            (State::Ending(outcome), Event::Ended | Event::Failed | Event::OutOfTime) => self.finish(outcome),
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

    /// Returns until when the access waits without an old value, at the longest.
    pub fn deadline(&self) -> Option<Time> {
        self.waits.deadline
    }

    /// Returns until when the access waits with an old value, as it was given.
    pub fn soft(&self) -> Option<Time> {
        self.waits.soft
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

    /// Returns whether the access creates without the backend, and has not seen that its creation is dead.
    pub fn creates_alone(&self) -> bool {
        matches!(&self.state, State::Creating(creating) if creating.grant.is_none() && !creating.is_dead)
    }

    /// Returns whether the creator of this access runs.
    pub fn creates(&self) -> bool {
        matches!(&self.state, State::Creating(creating) if creating.made.is_none())
    }

    /// Returns whether the access waits for another process.
    pub fn waits(&self) -> bool {
        matches!(self.state, State::Waiting)
    }

    /// Returns whether the access has an old value, so that it waits until [`soft`](Access::soft) at most (G11).
    pub fn has_old(&self) -> bool {
        self.old().is_some()
    }

    fn begin(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        if self.is_out_of_time || cx.server.is_down(cx.now) {
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
        match &rest {
            Some(Rest::Free) => cx.memory.met_no_pause(),
            Some(Rest::Paused(pause)) => cx.memory.met_pause(cx.settings, *pause, cx.now),
            _ => {}
        }
        // What was changed since this access began is new enough for a refresh.
        self.refreshes &= self.found.as_ref().is_none_or(|before| before.seen == found.seen);
        self.found = Some(Kept { value: found.value, freshness: found.freshness, seen: found.seen });
        // From the reply on: until then, an old value is as of the look that has shown it.
        self.as_of = mark;
        if let Some(answer) = self.fresh() {
            return self.finish(answer);
        }
        if let Some(old) = self.old_by(cx.now).filter(|_| cx.memory.is_quiet(cx.now)) {
            return self.finish(old);
        }
        if !self.has_turn {
            let old_until = self.old().map(|_| self.goes_on_at());
            return self.go(State::Joining, Action::Join { old_until });
        }
        match rest {
            Some(Rest::Held(held)) => {
                cx.memory.met(cx.settings, &held, cx.now);
                if cx.memory.dead(cx.now).is_some() { self.claim(cx) } else { self.held(cx) }
            }
            Some(Rest::Paused(pause)) if !self.refreshes => self.paused(cx, pause),
            _ => self.claim(cx),
        }
    }

    fn claim(&mut self, cx: &mut Context<'_, V>) -> Action<V> {
        let seen = self.found.as_ref().map_or(Seen::NOTHING, |found| found.seen.clone());
        let over = cx.memory.dead(cx.now).map_or(Over::Nobody, |(token, beat)| Over::Dead(token, beat));
        let (token, lease) = ((cx.token)(), cx.settings.lease);
        let through_pause = mem::take(&mut self.passes) || self.refreshes;
        let claim = Claim { token, seen: Some(seen), lease, over, through_pause };
        let sent = Sent::now(cx);
        self.go(State::Claiming { token, sent }, Action::Claim(claim))
    }

    fn claimed(&mut self, cx: &mut Context<'_, V>, reply: Reply<V>, sent: Sent) -> Action<V> {
        if let Reply::Held(held) = &reply {
            cx.memory.met(cx.settings, held, cx.now);
            if self.has_old() {
                cx.memory.be_quiet(cx.settings, cx.now);
            }
        }
        match reply {
            Reply::Granted { grant, .. } if self.is_cancelled => self.end(grant, false, Outcome::Cancelled),
            _ if self.is_cancelled => self.finish(Outcome::Cancelled),
            Reply::Granted { grant, .. } => {
                cx.memory.met_nobody();
                self.create(cx, Some(grant), sent)
            }
            Reply::Changed(found) => self.looked(cx, found, sent.mark),
            Reply::Held(_) => self.held(cx),
            Reply::Paused(pause) => {
                cx.memory.met_pause(cx.settings, pause, cx.now);
                if !self.has_old() {
                    self.as_of = sent.mark;
                }
                self.paused(cx, pause)
            }
        }
    }

    fn cancelled(&mut self, state: State<V>) -> Action<V> {
        self.is_cancelled = true;
        // The reply may be a grant; the value may be published; the grant ends.
        let is_under_way = matches!(state, State::Claiming { .. } | State::Publishing { .. } | State::Ending(_));
        if is_under_way { self.await_in(state) } else { self.finish(Outcome::Cancelled) }
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

/// The beginning of an access that has not met its process yet.
const UNKNOWN: Mark = Mark(u64::MAX);

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
