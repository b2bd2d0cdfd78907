//! Looks that accesses share, and invalidations that are told again.

use super::{Core, Held};
use crate::backend::BackendError;
use crate::round::{Found, Part};
use crate::slot::{SharedLook, Value};
use crate::store::{Change, Store};
use std::hash::Hash;
use std::mem;
use std::sync::Arc;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Looks at a key on the backend, by a look that is sent from now on. The accesses that come before it is sent
    /// share it.
    ///
    /// One look of a key is under way at a time. So ten thousand accesses that come at once are a few looks. But an
    /// access need not be polled on, once it has sent its look. So the next one waits for it no longer than a quarter
    /// of `backend_timeout`, and has the rest for its own look.
    pub(crate) async fn look(&self, slot: &Held<O, V>) -> Result<Found<Value<V>>, BackendError> {
        let look = {
            let mut state = slot.lock();
            match state.looks.take_part() {
                Part::Open => {
                    let look = Arc::new(SharedLook::new());
                    state.unsent = Some(Arc::clone(&look));
                    look
                }
                Part::Join => {
                    let unsent = state.unsent.clone();
                    drop(state);
                    self.seen.saved_look();
                    unsent.expect("a look that is not sent lies in the slot")
                }
            }
        };
        look.get_or_init(|| self.send(slot, &look)).await.clone()
    }

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
        let Store::Far(far) = &self.store else { unreachable!("near alone looks by itself") };
        let keys = [slot.stored().clone()];
        let found = far.look(&keys, self.time.nanos()).await?.pop();
        let found = found.expect("one look for each key");
        if let Some(value) = &found.value {
            self.keep_near(slot, value, as_of);
        }
        Ok(found)
    }

    /// Waits for what another access may hold that is not polled any more.
    async fn briefly<T>(&self, part: impl Future<Output = T>) -> Option<T> {
        self.time.until(self.time.now().saturating_add(self.backend_timeout / 4), part).await
    }

    /// Tells the backend of the invalidation that it was not told of, if there is one.
    ///
    /// One of those who tell it sends the request, and the others wait for that: a request that is executed later than
    /// another one has been answered would void a grant of after the invalidation.
    pub(crate) async fn tell(&self, slot: &Held<O, V>) -> Result<(), BackendError> {
        let _one = self.briefly(slot.telling.lock()).await;
        let Some(number) = slot.lock().remembered.untold() else { return Ok(()) };
        self.store.change(slot, Change::Invalidate, self.void_pause, self.time.nanos()).await?;
        slot.lock().remembered.told(number);
        self.seen.invalidated(&self.key_of(slot));
        Ok(())
    }
}
