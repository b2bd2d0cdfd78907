//! The creation of an access: its creator runs, and what it has made is published.

use super::{Drive, Part, Stage, lock};
use crate::observer::{NotPublished, Overlap, Published};
use crate::region::error::GetError;
use crate::region::kept::{Got, Kept, new_version};
use crate::region::made::{Content, Made};
use crate::region::outcome::Outcome;
use crate::round::{self, Action, Answer, Event, Freshness, OnBackendFailure, Stored};
use crate::slot::Value;
use crate::store::local::worth;
use crate::store::{Ready, Store};
use std::fmt;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What a caller gets: a value, or an absence.
pub(crate) enum Ended<V> {
    Value(Got<V>),
    Absent,
}

impl<V> Ended<V> {
    pub(crate) fn of(got: Option<Got<V>>) -> Ended<V> {
        got.map_or(Ended::Absent, Ended::Value)
    }

    pub(crate) fn got(self) -> Option<Got<V>> {
        if let Ended::Value(got) = self { Some(got) } else { None }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drive<O, V> {
    /// Begins to keep the creation of a right, and its part in the region.
    pub(crate) fn keep_right(&mut self, wake: Duration, part: &Arc<Part>) {
        let core = Arc::clone(self.core());
        if core.store.has_leases() {
            lock(&self.run.state).part = Some(Arc::clone(part));
        }
        self.keep(wake);
        if !core.store.has_leases() {
            let dead_at = lock(&self.run.state).turns.as_ref().map_or(u64::MAX, |turns| turns.dead_at());
            core.closing.watch(part, dead_at);
        }
    }

    /// Begins to keep the creation, if it has a lease.
    pub(crate) fn keep(&mut self, wake: Duration) {
        self.has_created = true;
        let core = self.core();
        if let Some(turns) = &lock(&self.run.state).turns {
            let timeout = u64::try_from(core.settings.creation_timeout.as_nanos()).unwrap_or(u64::MAX);
            turns.creates_until(core.time.nanos().saturating_add(timeout));
        }
        if core.store.has_leases() {
            core.time.keeper.spawn(Arc::clone(&self.run).keep_creation(wake));
        }
        if !self.run.holds() {
            self.run.overlapped(Overlap::CutOff);
        }
    }

    /// Runs a creator as this creation.
    pub(crate) async fn run<R>(&mut self, wake: Duration, creator: impl AsyncFnOnce() -> R) -> R {
        let core = Arc::clone(self.core());
        let span = core.seen.span_of_creation(&core.key_of(&self.run.slot));
        // Most creators of a region without a backend are ready at once, and need no keeping.
        let (mut is_kept_here, mut keeping) = (!core.store.has_leases(), None);
        let Drive { run, turn, is_in_creator, .. } = self;
        let turn = turn.as_ref().expect("only the access with the turn creates");
        let mut creating = pin!(turn.within_async(creator));
        poll_fn(|cx| {
            // A panic while this is set is the creator's.
            *is_in_creator = true;
            let polled = span.in_scope(|| creating.as_mut().poll(cx));
            *is_in_creator = false;
            if polled.is_pending() && is_kept_here {
                let keep = keeping.get_or_insert_with(|| Box::pin(Arc::clone(run).keep_creation(wake)));
                if keep.as_mut().poll(cx).is_ready() {
                    (is_kept_here, keeping) = (false, None);
                }
            }
            polled
        })
        .await
    }

    /// Publishes what the creator has made, and ends the access.
    pub(crate) async fn settle(&mut self, made: Made<V>) -> Answer<Value<V>> {
        let core = Arc::clone(self.core());
        let is_stored = made.is_stored;
        let (is_unchanged, is_renewal) = (matches!(made.content, Content::Unchanged(_)), self.old.is_some());
        let now = core.time.nanos();
        let took = Duration::from_nanos(now.saturating_sub(self.began));
        let value = self.value(made, took, now);
        let made = match (&core.store, is_stored) {
            (_, false) => Err(NotPublished::Unwanted),
            (Store::Near(_), true) => Ok(Ready { value: Arc::clone(&value), entry: None }),
            (Store::Far(far), true) => match far.life(self.run.slot.stored()) {
                Some(life) => far.encode(self.run.slot.stored(), Arc::clone(&value), life),
                // No look was ever answered: the process is cut off, and has no grant.
                None => Ok(Ready { value: Arc::clone(&value), entry: None }),
            },
        };
        let made = match made {
            Ok(ready) => {
                self.ready = Some(ready);
                round::Made::Value(Arc::clone(&value))
            }
            Err(why) => {
                value.leave_unstored(why);
                round::Made::Unwanted(Arc::clone(&value))
            }
        };
        let answer = self.made(made).await;
        if is_renewal {
            core.seen.renewed(is_unchanged);
        }
        self.note(&value, &answer, took);
        answer
    }

    /// Returns the text of an error, if anybody is told of it.
    pub(crate) fn cause(&self, cause: &dyn fmt::Display) -> Option<String> {
        self.core().seen.has_observer().then(|| cause.to_string())
    }

    /// Ends the access after its creator has failed.
    pub(crate) async fn fail(&mut self, cause: Option<String>) {
        let core = Arc::clone(self.core());
        let took = Duration::from_nanos(core.time.nanos().saturating_sub(self.began));
        self.note_failure();
        self.made(round::Made::Failed).await;
        core.seen.failed(&core.key_of(&self.run.slot), took, &cause.unwrap_or_default());
    }

    /// A process that is cut off has a pause of its own.
    pub(super) fn note_failure(&self) {
        let core = self.core();
        let now = core.time.now();
        if self.run.holds() {
            return;
        }
        let mut slot = self.run.slot.lock();
        let pause = core.pause_after(slot.remembered.own_failures());
        if !pause.pause.is_zero() {
            slot.remembered.pause(pause.failures, now.saturating_add(pause.pause));
        }
    }

    /// Ends the access without a value, and without a pause.
    pub(crate) async fn give_up(&mut self) {
        self.made(round::Made::Dropped).await;
    }

    async fn made(&mut self, made: round::Made<Value<V>>) -> Answer<Value<V>> {
        self.run.catch_up().await;
        self.run.ended.notify_one();
        self.was_over = !self.run.holds();
        let value = match &made {
            round::Made::Value(value) | round::Made::Unwanted(value) => Some(Arc::clone(value)),
            _ => None,
        };
        if lock(&self.run.state).is_closed {
            return self.closed(value);
        }
        let action = match self.run.step(Event::Made(made)) {
            Action::Await => self.run.left().await,
            action => Some(action),
        };
        let Some(action) = action else { return self.closed(value) };
        match self.perform(action).await {
            Stage::Ended(answer) => answer,
            Stage::Create { .. } => unreachable!("a creation has ended"),
        }
    }

    /// The grant was ended when the region was: what the creator has made goes to its caller alone.
    fn closed(&mut self, value: Option<Value<V>>) -> Answer<Value<V>> {
        self.leave_turn();
        let outcome = value.map_or(round::Outcome::Failed, |value| {
            value.leave_unstored(NotPublished::Closed);
            round::Outcome::Created(value, Stored::Unwanted)
        });
        Answer { outcome, as_of: round::Mark(0) }
    }

    fn value(&self, made: Made<V>, took: Duration, now: u64) -> Value<V> {
        let core = self.core();
        let is_absent = matches!(made.content, Content::Absent);
        let lifetimes = core.aging.lifetimes(is_absent, made.lifetime, made.max_stale);
        let (times, version) = (core.aging.times(lifetimes, took, now), new_version());
        Arc::new(match made.content {
            Content::Value(value) => Kept::new(Some(value), version, times),
            Content::Absent => Kept::new(None, version, times),
            Content::Unchanged(old) => Kept::same(&old, version, times),
        })
    }

    /// Counts and tells what has become of a creation, and keeps its value near.
    fn note(&self, value: &Value<V>, answer: &Answer<Value<V>>, took: Duration) {
        let core = self.core();
        let round::Outcome::Created(_, stored) = &answer.outcome else { return };
        let published = published(value, *stored);
        let serves = match published {
            Published::Fresh => true,
            // An invalidation of another process would have voided the grant (G3).
            Published::No(NotPublished::TooLarge | NotPublished::NotEncodable) => self.has_ended,
            _ => false,
        };
        if serves {
            core.keep_near(&self.run.slot, value, self.as_of);
        }
        let key = core.key_of(&self.run.slot);
        if let Stored::Refused(refusal) = stored {
            self.run.overlapped(Overlap::shown_by(*refusal, self.was_over));
        }
        core.seen.created(&key, took, published);
    }

    /// Returns the old value, if the access may go on with it. `if_stale` is what it is then, unless it is only due.
    pub(crate) fn usable_old(&self, if_stale: Outcome) -> Option<Got<V>> {
        let outcome = if self.is_old_stale { if_stale } else { self.core().fresh() };
        if !lock(&self.run.state).access.has_old() {
            return None;
        }
        let (old, now) = (self.old.clone()?, self.core().time.nanos());
        self.count(&old, outcome, now);
        Got::new(old, outcome, None, now)
    }

    /// Returns what the caller gets.
    pub(crate) fn conclude(&mut self, answer: Answer<Value<V>>) -> Result<Ended<V>, GetError> {
        let (value, outcome, published) = match answer.outcome {
            round::Outcome::Fresh(value) => (value, self.core().fresh(), None),
            round::Outcome::Stale(value) => (value, Outcome::Stale, None),
            round::Outcome::Own(value) => (value, Outcome::Own, None),
            round::Outcome::Created(value, stored) => {
                let outcome = if self.has_created { Outcome::Created } else { Outcome::Waited };
                let published = published(&value, stored);
                (value, outcome, Some(published))
            }
            round::Outcome::Paused(pause) => return Err(GetError::paused(pause)),
            round::Outcome::Down => match self.near_old() {
                Some(value) => (value, Outcome::Stale, None),
                None => return Err(GetError::down(self.error.take())),
            },
            round::Outcome::TimedOut => return Err(GetError::TimedOut),
            round::Outcome::Failed | round::Outcome::Cancelled if self.is_deadlocked => {
                return Err(GetError::WouldDeadlock);
            }
            round::Outcome::Failed | round::Outcome::Cancelled => return Err(GetError::Closed),
        };
        let now = self.core().time.nanos();
        self.count(&value, outcome, now);
        Ok(Ended::of(Got::new(value, outcome, published, now)))
    }

    /// Returns what near has of the entry, however old, if the region serves old values while the backend is down.
    fn near_old(&self) -> Option<Value<V>> {
        let core = self.core();
        if core.settings.on_backend_failure != OnBackendFailure::OldOnly || self.run.wants.refreshes {
            return None;
        }
        let (value, _) = core.near.as_ref()?.peek(self.run.slot.key())?;
        let is_usable = worth(&value, core.time.nanos()) != Freshness::Missing && self.run.wants.takes(&value);
        is_usable.then_some(value)
    }

    fn count(&self, value: &Value<V>, outcome: Outcome, now: u64) {
        let core = self.core();
        match outcome {
            Outcome::Own => core.seen.own(),
            Outcome::Created | Outcome::Waited => {}
            outcome => core.served(&self.run.slot, outcome, value.age(now)),
        }
    }
}

fn published<V>(value: &Value<V>, stored: Stored) -> Published {
    match stored {
        Stored::Fresh => Published::Fresh,
        Stored::Stale => Published::Stale,
        Stored::Refused(refusal) => Published::No(refusal.into()),
        Stored::Unknown => Published::No(NotPublished::InDoubt),
        Stored::Late => Published::No(NotPublished::Late),
        Stored::Unwanted => Published::No(value.unstored().unwrap_or(NotPublished::Unwanted)),
        Stored::CutOff => Published::No(NotPublished::CutOff),
    }
}
