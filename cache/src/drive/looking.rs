//! Looks that accesses share, and invalidations that are told again.

use super::{Core, Held};
use crate::backend::BackendError;
use crate::round::{Found, Part};
use crate::slot::{SharedLook, Value};
use crate::store::Change;
use std::hash::Hash;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Looks at a key on the backend, by a look that is sent from now on. The accesses that come before it is sent
    /// share it.
    ///
    /// One look of a key is under way at a time. So ten thousand accesses that come at once are a few looks. But an
    /// access need not be polled on, whether it has sent its look or only opened it. So others wait for it no longer
    /// than a quarter of `backend_timeout`, and have the rest for a look of their own.
    ///
    /// A look that finds no other one under way is sent at once, so that nobody can share it. `now` is the time, or
    /// that of a moment ago.
    pub(crate) async fn look(&self, slot: &Held<O, V>, now: Duration) -> Result<Found<Value<V>>, BackendError> {
        let look = match share(slot) {
            Share::Alone { _one, as_of } => return self.look_alone(slot, as_of, now).await,
            Share::Opened(look) => return Box::pin(look.get_or_init(|| self.send(slot, &look))).await.clone(),
            Share::Joined(look) => look,
        };
        self.seen.saved_look();
        // (In boxes: a hit has no room for this.)
        if let Some(found) = Box::pin(self.briefly(look.get_or_init(|| self.send(slot, &look)))).await {
            return found.clone();
        }
        let as_of = slot.lock().as_of();
        self.look_alone(slot, as_of, self.time.now()).await
    }

    /// Sends a look that waits until no other one is under way.
    async fn send(&self, slot: &Held<O, V>, look: &Arc<SharedLook<V>>) -> Result<Found<Value<V>>, BackendError> {
        let _one = self.briefly(slot.looking.lock()).await;
        let (as_of, unsent) = {
            let mut state = slot.lock();
            // (If an access is dropped that was sending this look, another one sends it again.)
            let is_unsent = state.unsent.as_ref().is_some_and(|unsent| Arc::ptr_eq(unsent, look));
            if is_unsent {
                state.looks.sent();
            }
            let unsent = if is_unsent { mem::take(&mut state.unsent) } else { None };
            (state.as_of(), unsent)
        };
        drop(unsent);
        self.look_alone(slot, as_of, self.time.now()).await
    }

    /// Looks at a key on the backend. Near keeps what is there by `as_of`.
    async fn look_alone(
        &self,
        slot: &Held<O, V>,
        as_of: Option<NonZeroU64>,
        sent: Duration,
    ) -> Result<Found<Value<V>>, BackendError> {
        let found = self.far().look_one(slot.stored(), sent).await?;
        if let Some(value) = &found.value {
            self.keep_near(slot, value, as_of);
        }
        Ok(found)
    }

    /// Waits for what another access may hold that is not polled any more.
    async fn briefly<T>(&self, part: impl Future<Output = T>) -> Option<T> {
        self.time.until(self.time.now().saturating_add(self.backend_timeout / 4), part).await
    }

    /// Tells the backend of the invalidation that it was not told of, if there is one. An error
    /// [may](BackendError::is_told) be one of another server than the key's: then nothing is left to be told.
    ///
    /// One of those who tell it sends the request, and the others wait for that: a request that is executed later than
    /// another one has been answered would void a grant of after the invalidation.
    pub(crate) async fn tell(&self, slot: &Held<O, V>) -> Result<(), BackendError> {
        let _one = self.briefly(slot.telling.lock()).await;
        let Some(number) = slot.lock().remembered.untold() else { return Ok(()) };
        let changed = self.store.change(slot, Change::Invalidate, self.void_pause, self.time.nanos()).await;
        if changed.as_ref().err().is_none_or(BackendError::is_told) {
            slot.lock().remembered.told(number);
            self.seen.invalidated(&self.key_of(slot));
        }
        changed.map(|_| ())
    }

    /// As [`tell`](Self::tell), for an access, which needs to know of the key's own server alone.
    pub(crate) async fn tell_first(&self, slot: &Held<O, V>) -> Result<(), BackendError> {
        self.tell(slot).await.or_else(|error| if error.is_told() { Ok(()) } else { Err(error) })
    }
}

/// How an access looks.
enum Share<'a, V> {
    /// By a look of its own, which is sent now. Nobody else looks as long as the guard is there.
    Alone { _one: tokio::sync::MutexGuard<'a, ()>, as_of: Option<NonZeroU64> },
    /// By a look that waits for the one under way, and that others may join.
    Opened(Arc<SharedLook<V>>),
    /// By such a look of another access.
    Joined(Arc<SharedLook<V>>),
}

fn share<O, V: Send + Sync + 'static>(slot: &Held<O, V>) -> Share<'_, V> {
    let mut state = slot.lock();
    match state.looks.take_part() {
        Part::Join => Share::Joined(state.unsent.clone().expect("a look that is not sent lies in the slot")),
        Part::Open => match slot.looking.try_lock() {
            Ok(one) => {
                state.looks.sent();
                Share::Alone { _one: one, as_of: state.as_of() }
            }
            Err(_) => Share::Opened(Arc::clone(state.unsent.insert(Arc::new(SharedLook::new())))),
        },
    }
}
