//! The first look of an access, made before there is anything of the rest.
//!
//! Most accesses to a backend are hits: they look once, and end. So an access begins light. A *light look* holds
//! nothing but the key: no slot, no round ([light looks](crate::round#light-looks) has why that is enough). If something
//! in the process may know of the key, the access holds its slot, and asks its round what to do first. In both cases
//! there is no more than that until the reply: if the access does not end with it, it goes on as a [`Drive`].
//!
//! | the access begins | first | the look | then | the access |
//! |---|---|---|---|---|
//! | alone with its key | a light look | finds a fresh value | - | has ended |
//! | | | anything else | holds the slot, and tells a [light](Access::light) round of it; then as below | |
//! | with others | the round asks for a look | is answered | the round ends, with a value that was there | has ended |
//! | | | is answered | the round asks for anything else | goes on |
//! | | | fails, or takes too long | anything | goes on |
//! | | the round asks for anything else | - | - | goes on |
//! | any | a look | the region ends | - | has ended: nothing of it is under way |
//!
//! An access is *alone* if no key of its bucket has a slot, and no other light look is under way there
//! ([`Alone`]); if there is no near store, which needs to know of changes; if no server is in its pause; and if it is
//! not a refresh or a renewal, which seldom end with a look. A light look that is answered ends no pause: the next
//! access that finds one does.
//!
//! There is no moment at which a round has begun that nobody would cancel: until the look is answered there is nothing
//! to cancel, and from then on the `Drive` does it.

use super::closing::EnteredFor;
use super::deadlines::Over;
use super::{Core, Drive, Ended, Entered, Held, Wants};
use crate::backend::BackendError;
use crate::key::StoredKey;
use crate::observer::Operation;
use crate::region::error::GetError;
use crate::region::kept::Got;
use crate::region::outcome::Outcome;
use crate::round::{self, Access, Action, Answer, Event, Found, Freshness};
use crate::slot::Value;
use crate::slots::Alone;
use std::borrow::Borrow;
use std::hash::Hash;
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

/// What has become of the first look of an access: it has ended, or it goes on. `None`: nothing was done yet, as there
/// is no backend.
pub(crate) type First<O, V> = ControlFlow<Result<Ended<V>, GetError>, Option<Box<Going<O, V>>>>;

/// An access that goes on after its first look.
pub(crate) struct Going<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    drive: Drive<O, V>,
    /// What is to be done next.
    action: Action<Value<V>>,
    entered: Entered,
}

/// How an access begins.
enum Start<'a, O, F> {
    Alone {
        alone: Alone<'a>,
        key: O,
        stored: StoredKey,
    },
    /// (In a box: a light look has no room for this.)
    WithOthers(Pin<Box<F>>),
    /// There is no backend.
    NoLook,
}

/// An access that has begun.
struct Light<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    core: &'a Arc<Core<O, V>>,
    slot: Held<O, V>,
    wants: &'a Wants,
    access: Access<Value<V>>,
    entered: EnteredFor<'a>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Light<'_, O, V> {
    /// Tells the round what has happened, and returns what to do next. Without the turn an access watches no holder,
    /// whose times must not go back: so `now` may be that of a moment ago.
    fn step(&mut self, event: Event<Value<V>>, now: Duration) -> Action<Value<V>> {
        let (action, dropped) = self.core.step(&self.slot, self.wants, &mut self.access, event, || now);
        drop(dropped);
        action
    }

    /// Takes the reply to the first look, which had so much time.
    fn replied(
        mut self,
        reply: Result<Result<Found<Value<V>>, BackendError>, Over>,
        began: Duration,
        most: Duration,
    ) -> First<O, V> {
        let now = self.core.time.now();
        let spent = now.saturating_sub(began);
        let found = match reply {
            Ok(Ok(found)) => found,
            Err(Over::Region) => return First::Break(Err(GetError::Closed)),
            no_answer => {
                return self.go_on(|drive| {
                    drive.spend(spent);
                    let event = match no_answer {
                        Ok(Err(error)) => drive.failed(Operation::Look, error),
                        _ => drive.timed_out(Operation::Look, most),
                    };
                    drive.run.step(event)
                });
            }
        };
        let (old, freshness) = (found.value.clone(), found.freshness);
        let taken = self.wants.take(found);
        let action = self.step(Event::Looked(taken), now);
        let (value, outcome) = match action {
            Action::Finish(Answer { outcome: round::Outcome::Fresh(value), .. }) => (value, self.core.fresh()),
            Action::Finish(Answer { outcome: round::Outcome::Stale(value), .. }) => (value, Outcome::Stale),
            action => {
                return self.go_on(|drive| {
                    drive.spend(spent);
                    drive.note_old(old, freshness);
                    action
                });
            }
        };
        let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        self.core.served(&self.slot, outcome, value.age(now));
        First::Break(Ok(Ended::of(Got::new(value, outcome, None, now))))
    }

    /// The access goes on, with what `next` says is to be done next.
    fn go_on(self, next: impl FnOnce(&mut Drive<O, V>) -> Action<Value<V>>) -> First<O, V> {
        let Light { core, slot, wants, access, entered } = self;
        let mut drive = Drive::going_on(core, slot, *wants, access);
        let action = next(&mut drive);
        First::Continue(Some(Box::new(Going { drive, action, entered: entered.stay() })))
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Makes the first look of an access, if there is a backend.
    pub(crate) fn first<'a, Q>(
        self: &'a Arc<Self>,
        key: &'a Q,
        wants: &'a Wants,
    ) -> impl Future<Output = First<O, V>> + Send + 'a
    where
        Q: ToOwned<Owned = O> + Hash + Eq + ?Sized,
        O: Borrow<Q>,
    {
        let mut start = if !self.store.has_leases() {
            Start::NoLook
        } else if let Some(alone) = self.alone(key, *wants) {
            let key = key.to_owned();
            let stored = (self.write)(&key);
            Start::Alone { alone, key, stored }
        } else {
            Start::WithOthers(Box::pin(self.first_with_others(self.hold(key), wants)))
        };
        // (Nothing is moved out of `start`, or the future would have room for it twice.)
        async move {
            let (alone, key, stored) = match &mut start {
                Start::Alone { alone, key, stored } => (alone, key, stored),
                Start::WithOthers(looking) => return looking.as_mut().await,
                Start::NoLook => return First::Continue(None),
            };
            let Some(entered) = self.closing.enter_for_now() else { return First::Break(Err(GetError::Closed)) };
            let began = self.time.now();
            let reply = {
                let mut asking = self.far().ask(stored);
                let until = began.saturating_add(self.most(wants));
                self.in_bounds(alone.hash(), until, Pin::new(&mut asking)).await
            };
            let reply = match reply {
                Ok(Ok(looks)) => {
                    let now = self.time.nanos();
                    match self.far().looked(stored, looks, began, now) {
                        Found { value: Some(value), freshness: Freshness::Fresh, .. } if wants.takes(&value) => {
                            self.seen.far_fresh(value.age(now));
                            return First::Break(Ok(Ended::of(Got::new(value, Outcome::Fresh, None, now))));
                        }
                        found => Ok(Ok(found)),
                    }
                }
                Ok(Err(error)) => Ok(Err(error)),
                Err(over) => Err(over),
            };
            let (slot, access) = (self.hold::<O>(key), Access::light(wants.waits(began)));
            Light { core: self, slot, wants, access, entered }.replied(reply, began, self.most(wants))
        }
    }

    /// Makes the first look of an access that has a round. (No `async fn`: its future would have room for what it is
    /// given twice.)
    #[allow(clippy::manual_async_fn)]
    fn first_with_others<'a>(
        self: &'a Arc<Self>,
        slot: Held<O, V>,
        wants: &'a Wants,
    ) -> impl Future<Output = First<O, V>> + Send + 'a {
        async move {
            let Some(entered) = self.closing.enter_for_now() else { return First::Break(Err(GetError::Closed)) };
            let (began, most) = (self.time.now(), self.most(wants));
            let access = Core::access(&slot, wants, began);
            let mut light = Light { core: self, slot, wants, access, entered };
            let action = light.step(Event::Begin, began);
            if !matches!(action, Action::Look) {
                return light.go_on(|_| action);
            }
            let reply = if most.is_zero() {
                Err(Over::Time)
            } else {
                let looking = pin!(self.look(&light.slot, began));
                self.in_bounds(light.slot.hash(), began.saturating_add(most), looking).await
            };
            light.replied(reply, began, most)
        }
    }

    /// Returns how long the first look of an access may take.
    fn most(&self, wants: &Wants) -> Duration {
        wants.timeout.map_or(self.backend_timeout, |own| own.min(self.backend_timeout))
    }

    /// Returns a guard if the access may begin with a light look. See the [module docs](self).
    fn alone<Q: Hash + ?Sized>(&self, key: &Q, wants: Wants) -> Option<Alone<'_>>
    where
        O: Borrow<Q>,
    {
        let seldom_hits = wants.refreshes || wants.refuses.is_some() || wants.timeout == Some(Duration::ZERO);
        // (With a near store the slots count nobody, and no key is alone.)
        if seldom_hits || self.servers.is_any() { None } else { self.slots.alone(key) }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Going<O, V> {
    /// Returns what the caller's task has of the access, what is to be done next, and its part in the region.
    pub(crate) fn into_parts(self) -> (Drive<O, V>, Action<Value<V>>, Entered) {
        (self.drive, self.action, self.entered)
    }
}
