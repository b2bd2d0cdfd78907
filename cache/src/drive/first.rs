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

use super::deadlines::Over;
use super::{Core, Drive, Ended, Entered, Held, Wants};
use crate::observer::Operation;
use crate::region::error::GetError;
use crate::region::kept::Got;
use crate::region::outcome::Outcome;
use crate::round::{self, Action, Answer, Event};
use crate::slot::Value;
use std::hash::Hash;
use std::pin::pin;
use std::sync::Arc;

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

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Makes the first look of an access.
    ///
    /// (A block: the future of an `async fn` has room for what it is given twice.)
    pub(crate) fn first(self: &Arc<Self>, slot: Held<O, V>, wants: Wants) -> impl Future<Output = First<O, V>> + Send {
        async move {
            let Some(entered) = self.closing.enter_for_now() else { return First::Ended(Err(GetError::Closed)) };
            let began = self.time.now();
            let mut access = self.access(&slot, &wants);
            {
                let (action, own) = self.step(&slot, &wants, &mut access, Event::Begin, || began);
                drop(own);
                if !matches!(action, Action::Look) || !self.store.has_leases() {
                    let drive = Box::new(Drive::going_on(self, slot, wants, access));
                    return First::GoesOn(Going { drive, action, entered: entered.stay() });
                }
            }
            let left = access.deadline().map(|deadline| deadline.saturating_sub(began));
            let most = left.map_or(self.backend_timeout, |left| left.min(self.backend_timeout));
            let reply = if most.is_zero() {
                None
            } else {
                // (Pinned here, or each future that it is handed to would have room for it.)
                let looking = pin!(self.look(&slot, began));
                match self.in_bounds(&slot, began.saturating_add(most), looking).await {
                    Ok(reply) => Some(reply),
                    Err(Over::Time) => None,
                    Err(Over::Region) => return First::Ended(Err(GetError::Closed)),
                }
            };
            let now = self.time.now();
            let spent = now.saturating_sub(began);
            let found = match reply {
                Some(Ok(found)) => found,
                no_reply => {
                    let mut drive = Box::new(Drive::going_on(self, slot, wants, access));
                    drive.spend(spent);
                    let event = match no_reply {
                        Some(Err(error)) => drive.failed(Operation::Look, error),
                        _ => drive.timed_out(Operation::Look, most),
                    };
                    let action = drive.run.step(event);
                    return First::GoesOn(Going { drive, action, entered: entered.stay() });
                }
            };
            let (value, freshness) = (found.value.clone(), found.freshness);
            let (action, own) = self.step(&slot, &wants, &mut access, Event::Looked(wants.take(found)), || now);
            drop(own);
            let (value, outcome) = match action {
                Action::Finish(Answer { outcome: round::Outcome::Fresh(value), .. }) => (value, self.fresh()),
                Action::Finish(Answer { outcome: round::Outcome::Stale(value), .. }) => (value, Outcome::Stale),
                action => {
                    let mut drive = Box::new(Drive::going_on(self, slot, wants, access));
                    drive.spend(spent);
                    drive.note_old(value, freshness);
                    return First::GoesOn(Going { drive, action, entered: entered.stay() });
                }
            };
            let now = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
            self.served(&slot, outcome, value.age(now));
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
