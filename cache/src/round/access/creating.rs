//! The part of an access in which its creation runs, is published and ends.

use super::{Access, Sent, State};
use crate::backend::{Grant, Published, Refusal, Renewed};
use crate::round::event::{Action, Event, Made, Mark, Outcome, Stored};
use crate::round::settings::{Context, Time};

/// A creation that runs.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Creating<V> {
    /// The grant. `None`: the process has elected by itself.
    pub(super) grant: Option<Grant>,
    /// When the lease ends for its holder.
    pub(super) lease_until: Time,
    /// When the creation is dead.
    dead_at: Time,
    pub(super) is_dead: bool,
    /// Why the grant is lost.
    pub(super) lost: Option<Lost>,
    /// When the renewal, or the end, that is under way was sent.
    under_way: Option<Time>,
    /// What the creator has ended with, while an operation is under way.
    pub(super) made: Option<Made<V>>,
    /// How many invalidations this process had begun when the claim was sent.
    invalidations: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Lost {
    /// By the backend's word.
    Refused(Refusal),
    /// By the holder's own clock. The backend may see it otherwise.
    InTime,
}

impl<V> Creating<V> {
    /// Returns when the access has something to do for the creation, if a renewal is due then.
    fn wake(&self, renews_at: Time) -> Time {
        if self.grant.is_none() || self.lost.is_some() {
            self.dead_at
        } else {
            renews_at.min(self.lease_until).min(self.dead_at)
        }
    }
}

impl<V: Clone> Access<V> {
    pub(super) fn create(&mut self, cx: &mut Context<'_, V>, grant: Option<Grant>, sent: Sent) -> Action<V> {
        let faults = cx.settings.faults;
        self.as_of = if faults.marks_replies { cx.memory.next_mark() } else { sent.mark };
        let from = if faults.leases_from_the_reply { cx.now } else { sent.at };
        let creating = Creating {
            grant,
            lease_until: cx.holds_from(from),
            dead_at: cx.now.saturating_add(cx.settings.creation_timeout),
            is_dead: false,
            lost: None,
            under_way: None,
            made: None,
            invalidations: sent.invalidations,
        };
        let wake = creating.wake(cx.renews_at(from));
        self.go(State::Creating(creating), Action::Create { grant, wake })
    }

    pub(super) fn creating(
        &mut self,
        cx: &mut Context<'_, V>,
        mut creating: Creating<V>,
        event: Event<V>,
    ) -> Action<V> {
        let mut renews_at = cx.renews_at(cx.now);
        match event {
            Event::Cancelled => {
                self.is_cancelled = true;
                return self.creating(cx, creating, Event::Made(Made::Dropped));
            }
            Event::Made(made) if creating.under_way.is_none() => return self.made(cx, &creating, made),
            Event::Made(made) => {
                creating.made.get_or_insert(made);
                return self.await_in(State::Creating(creating));
            }
            Event::Woken if creating.under_way.is_none() => return self.wakes(cx, creating),
            Event::Renewed(Renewed::Yes(grant)) => {
                let sent = creating.under_way.take().unwrap_or(cx.now);
                creating.grant = Some(grant);
                creating.lease_until = cx.holds_from(sent);
                renews_at = cx.renews_at(sent);
            }
            Event::Renewed(Renewed::Lost(refusal)) => {
                creating.under_way = None;
                creating.lost = Some(Lost::Refused(refusal));
            }
            Event::Ended | Event::Failed | Event::OutOfTime => creating.under_way = None,
            _ => return self.await_in(State::Creating(creating)),
        }
        match creating.made.take() {
            Some(made) => self.made(cx, &creating, made),
            None => self.carry_on(creating, renews_at),
        }
    }

    fn wakes(&mut self, cx: &mut Context<'_, V>, mut creating: Creating<V>) -> Action<V> {
        if cx.now >= creating.dead_at {
            creating.is_dead = true;
        } else if cx.now >= creating.lease_until && creating.grant.is_some() {
            creating.lost.get_or_insert(Lost::InTime);
        }
        let renews_at = cx.renews_at(cx.now);
        let action = match (creating.grant, creating.lost) {
            (None, _) | (_, Some(Lost::Refused(_))) => None,
            // By its own clock the holder has lost the lease, but the backend may have the grant still.
            (Some(grant), _) if creating.is_dead => Some(Action::End { grant, pauses: false }),
            (_, Some(Lost::InTime)) => None,
            (Some(grant), None) => Some(Action::Renew(grant)),
        };
        match action {
            Some(action) => {
                creating.under_way = Some(cx.now);
                self.go(State::Creating(creating), action)
            }
            None => self.carry_on(creating, renews_at),
        }
    }

    fn carry_on(&mut self, creating: Creating<V>, renews_at: Time) -> Action<V> {
        let wake = if creating.is_dead { None } else { Some(creating.wake(renews_at)) };
        self.go(State::Creating(creating), Action::CarryOn { wake })
    }

    fn made(&mut self, cx: &mut Context<'_, V>, creating: &Creating<V>, made: Made<V>) -> Action<V> {
        let refused = if let Some(Lost::Refused(refusal)) = creating.lost { Some(refusal) } else { None };
        let stored = if creating.is_dead { Some(Stored::Late) } else { refused.map(Stored::Refused) };
        if creating.grant.is_none() && matches!(made, Made::Value(_) | Made::Unwanted(_)) {
            cx.memory.succeeded();
        }
        match (made, creating.grant) {
            (Made::Value(value), None) => {
                cx.memory.keep(cx.settings, cx.now, &value, creating.invalidations);
                self.finish(Outcome::Created(value, Stored::CutOff))
            }
            (Made::Value(value), Some(grant)) => {
                if let Some(stored) = stored {
                    return self.finish(Outcome::Created(value, stored));
                }
                let (mark, invalidations) = (cx.memory.next_mark(), creating.invalidations);
                let state = State::Publishing { token: grant.token, value: value.clone(), mark, invalidations };
                self.go(state, Action::Publish(grant, value))
            }
            (made, grant) => {
                let (outcome, pauses) = match made {
                    Made::Unwanted(value) | Made::Value(value) => (Outcome::Created(value, Stored::Unwanted), false),
                    Made::Failed => (Outcome::Failed, true),
                    Made::Dropped => (Outcome::Cancelled, false),
                };
                match grant {
                    Some(grant) if stored.is_none() => self.end(grant, pauses, outcome),
                    _ => self.finish(outcome),
                }
            }
        }
    }

    pub(super) fn published(
        &mut self,
        cx: &mut Context<'_, V>,
        event: &Event<V>,
        token: crate::backend::Token,
        value: V,
        mark: Mark,
        invalidations: u64,
    ) -> Action<V> {
        let stored = match event {
            Event::Published(Published::Fresh) => {
                self.as_of = if cx.settings.faults.marks_replies { cx.memory.next_mark() } else { mark };
                Stored::Fresh
            }
            Event::Published(Published::Stale) => Stored::Stale,
            Event::Published(Published::Refused(refusal)) => Stored::Refused(*refusal),
            Event::Failed | Event::OutOfTime => {
                cx.memory.keep(cx.settings, cx.now, &value, invalidations);
                self.doubtful = Some(token);
                Stored::Unknown
            }
            _ => return self.await_in(State::Publishing { token, value, mark, invalidations }),
        };
        self.finish(Outcome::Created(value, stored))
    }

    pub(super) fn end(&mut self, grant: Grant, pauses: bool, outcome: Outcome<V>) -> Action<V> {
        self.go(State::Ending(outcome), Action::End { grant, pauses })
    }
}
