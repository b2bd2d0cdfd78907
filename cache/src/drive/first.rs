//! The first look of an access, made before there is anything of the rest.
//!
//! Most accesses to a backend are hits: they look once, and end. So an access begins light. It has the slot of its key
//! and its round, and no more. If the round asks for anything but a look, or does not end by what the look has found,
//! the access goes on as a [`Drive`], from the action that the round has asked for last.
//!
//! | the round asks first for | the look | and then for | the access |
//! |---|---|---|---|
//! | a look | is answered | the end, with a value that was there | has ended |
//! | | is answered | anything else | goes on |
//! | | fails, or takes too long | anything | goes on |
//! | | the region ends | - | has ended: nothing of it is under way |
//! | anything else | - | - | goes on |
//!
//! There is no moment at which a round has begun that nobody would cancel: until the look is answered there is nothing
//! to cancel, and from then on the `Drive` does it.

use super::closing::EnteredFor;
use super::deadlines::Over;
use super::{Core, Drive, Ended, Entered, Held, Wants};
use crate::observer::Operation;
use crate::region::error::GetError;
use crate::region::kept::Got;
use crate::region::outcome::Outcome;
use crate::round::{self, Access, Action, Answer, Event};
use crate::slot::Value;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

/// What has become of the first look of an access.
pub(crate) enum First<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    Ended(Result<Ended<V>, GetError>),
    GoesOn(Going<O, V>),
}

/// An access that goes on after its first look.
pub(crate) struct Going<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    drive: Box<Drive<O, V>>,
    /// What is to be done next.
    action: Action<Value<V>>,
    entered: Entered,
}

/// An access that has begun.
struct Light<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    core: &'a Arc<Core<O, V>>,
    slot: Held<O, V>,
    wants: Wants,
    access: Access<Value<V>>,
    entered: EnteredFor<'a>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Light<'_, O, V> {
    /// Tells the round what has happened, and returns what to do next. Without the turn an access watches no holder,
    /// whose times must not go back: so `now` may be that of a moment ago.
    fn step(&mut self, event: Event<Value<V>>, now: Duration) -> Action<Value<V>> {
        let (action, dropped) = self.core.step(&self.slot, &self.wants, &mut self.access, event, || now);
        drop(dropped);
        action
    }

    /// The access goes on, with what `next` says is to be done next.
    fn go_on(self, next: impl FnOnce(&mut Drive<O, V>) -> Action<Value<V>>) -> First<O, V> {
        let Light { core, slot, wants, access, entered } = self;
        let mut drive = Box::new(Drive::going_on(core, slot, wants, access));
        let action = next(&mut drive);
        First::GoesOn(Going { drive, action, entered: entered.stay() })
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Makes the first look of an access.
    #[allow(clippy::manual_async_fn)] // The future of an `async fn` has room for what it is given twice.
    pub(crate) fn first(self: &Arc<Self>, slot: Held<O, V>, wants: Wants) -> impl Future<Output = First<O, V>> + Send {
        async move {
            let Some(entered) = self.closing.enter_for_now() else { return First::Ended(Err(GetError::Closed)) };
            let access = self.access(&slot, &wants);
            // (After the deadline was made: a time-out of zero leaves nothing.)
            let began = self.time.now();
            let mut light = Light { core: self, slot, wants, access, entered };
            {
                let action = light.step(Event::Begin, began);
                if !matches!(action, Action::Look) {
                    return light.go_on(|_| action);
                }
            }
            let left = light.access.deadline().map(|deadline| deadline.saturating_sub(began));
            let most = left.map_or(self.backend_timeout, |left| left.min(self.backend_timeout));
            let reply = if most.is_zero() {
                None
            } else {
                // (Pinned here, or each future that it is handed to would have room for it.)
                let looking = pin!(self.look(&light.slot, began));
                match self.in_bounds(&light.slot, began.saturating_add(most), looking).await {
                    Ok(reply) => Some(reply),
                    Err(Over::Time) => None,
                    Err(Over::Region) => return First::Ended(Err(GetError::Closed)),
                }
            };
            let now = self.time.now();
            let spent = now.saturating_sub(began);
            let found = match reply {
                Some(Ok(found)) => found,
                no_answer => {
                    return light.go_on(|drive| {
                        drive.spend(spent);
                        let event = match no_answer {
                            Some(Err(error)) => drive.failed(Operation::Look, error),
                            _ => drive.timed_out(Operation::Look, most),
                        };
                        drive.run.step(event)
                    });
                }
            };
            let (old, freshness) = (found.value.clone(), found.freshness);
            let action = light.step(Event::Looked(wants.take(found)), now);
            let (value, outcome) = match action {
                Action::Finish(Answer { outcome: round::Outcome::Fresh(value), .. }) => (value, self.fresh()),
                Action::Finish(Answer { outcome: round::Outcome::Stale(value), .. }) => (value, Outcome::Stale),
                action => {
                    return light.go_on(|drive| {
                        drive.spend(spent);
                        drive.note_old(old, freshness);
                        action
                    });
                }
            };
            let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            self.served(&light.slot, outcome, value.age(now));
            First::Ended(Ok(Ended::of(Got::new(value, outcome, None, now))))
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Going<O, V> {
    /// Returns what the caller's task has of the access, what is to be done next, and its part in the region.
    pub(crate) fn into_parts(self) -> (Drive<O, V>, Action<Value<V>>, Entered) {
        (*self.drive, self.action, self.entered)
    }
}
