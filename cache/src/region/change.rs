//! What changes an entry from outside of any creation.

use super::kept::{Kept, Times, new_version};
use super::made::{Content, Made};
use super::{Got, Outcome, Region, RegionKey};
use crate::backend::{BackendError, BackendErrorKind, Life, Seen};
use crate::drive::{Core, Held};
use crate::observer::{NotPublished, Operation};
use crate::round::{Found, Freshness, Remembered};
use crate::slot::{UnderChange, Value};
use crate::store::far::Far;
use crate::store::{Change, Changed, Ready, Store};
use std::hash::Hash;
use std::mem;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::time::Duration;

/// A value that was seen, for [`Region::set_if`]: what lay there when [`Region::see`] looked.
pub struct Witness<V> {
    got: Option<Got<V>>,
    seen: Seen,
}

impl<V> Witness<V> {
    /// Returns the value that was there, fresh or old.
    #[must_use]
    pub fn value(&self) -> Option<&Got<V>> {
        self.got.as_ref()
    }
}

impl<V: std::fmt::Debug> std::fmt::Debug for Witness<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Witness").field("value", &self.got).finish_non_exhaustive()
    }
}

/// # Changes
///
/// | each on the other | the value | a grant under way | a pause |
/// |---|---|---|---|
/// | [`set`](Region::set) | replaced | voided | cleared |
/// | [`set_if`](Region::set_if) | replaced if still as seen, else refused | voided if stored | cleared if stored |
/// | [`add`](Region::add) | stored where none is fresh, else refused | voided if stored | cleared if stored |
/// | [`touch`](Region::touch) | its lifetime begins anew | goes on | stays |
/// | [`mark_stale`](Region::mark_stale) | marked | goes on; its value is stored as stale | stays |
/// | [`invalidate`](Region::invalidate) | gone, without grace | voided | cleared |
///
/// A creation whose grant was voided is not stopped: its value goes to its callers, and is not published.
///
/// # Errors
///
/// A change that the backend has not confirmed within `backend_timeout` is a [`BackendError`], which
/// [tells](BackendError::is_in_doubt) whether it may take effect all the same. A value that is too large or cannot be
/// encoded is [`BackendErrorKind::TooLarge`] or [`Refused`](BackendErrorKind::Refused). Without a backend there are no
/// errors.
///
/// # Cancel safety
///
/// A change that is dropped may have taken effect, or may take effect later.
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Region<K, V> {
    /// Stores a value, whatever is there. It is not fenced: of two, the last to arrive wins, and a value that was read
    /// before a write may be set after it. After a write to the source, [`invalidate`](Region::invalidate), or use
    /// [`set_if`](Region::set_if). One round trip; the first change of a process is a look before that.
    ///
    /// # Errors
    ///
    /// See [above](#changes).
    pub async fn set(&self, key: &K, value: impl Into<Made<V>>) -> Result<(), BackendError> {
        let slot = self.core.hold(key);
        Box::pin(self.core.in_all(&slot, self.core.set(&slot, value.into()))).await
    }

    /// Looks at what is there, for [`set_if`](Region::set_if). One round trip.
    ///
    /// # Errors
    ///
    /// See [above](#changes).
    pub async fn see(&self, key: &K) -> Result<Witness<V>, BackendError> {
        let slot = self.core.hold(key);
        let Found { value, freshness, seen, .. } = Box::pin(self.core.in_all(&slot, self.core.found(&slot))).await?;
        let outcome = if freshness == Freshness::Stale { Outcome::Stale } else { self.core.fresh() };
        let got = value.and_then(|value| Got::new(value, outcome, None, self.core.time.nanos()));
        Ok(Witness { got, seen })
    }

    /// Stores a value if what lies there is still what was [seen](Region::see). Returns whether it was stored. One
    /// round trip.
    ///
    /// # Errors
    ///
    /// See [above](#changes).
    pub async fn set_if(&self, key: &K, seen: &Witness<V>, value: impl Into<Made<V>>) -> Result<bool, BackendError> {
        let (slot, value) = (self.core.hold(key), value.into());
        Box::pin(self.core.in_all(&slot, self.core.set_if(&slot, seen.seen.clone(), value))).await
    }

    /// Stores a value if none is there that is fresh: also over a known absence. Returns whether it was stored. Two
    /// round trips.
    ///
    /// # Errors
    ///
    /// See [above](#changes).
    pub async fn add(&self, key: &K, value: impl Into<Made<V>>) -> Result<bool, BackendError> {
        let (slot, value) = (self.core.hold(key), value.into());
        Box::pin(self.core.in_all(&slot, async {
            let found = self.core.found(&slot).await?;
            // An absence is no value: the insert ends it (S92).
            let has_value = found.value.is_some_and(|value| value.value().is_some());
            if has_value && matches!(found.freshness, Freshness::Fresh | Freshness::Due) {
                return Ok(false);
            }
            self.core.set_if(&slot, found.seen, value).await
        }))
        .await
    }

    /// Begins the lifetime of the value anew: that of the region, or the one that is given. A value that was marked
    /// stale stays marked, and one that was stored before the server has lost data stays of that life. Returns whether
    /// there was a value to touch. Two round trips, and two more each time that the entry has changed in between.
    ///
    /// # Errors
    ///
    /// See [above](#changes).
    pub async fn touch(&self, key: &K, lifetime: Option<Duration>) -> Result<bool, BackendError> {
        let slot = self.core.hold(key);
        Box::pin(self.core.in_all(&slot, self.core.touch(&slot, lifetime))).await
    }

    /// Marks the value stale: accesses go on with it, and one of them creates a new one. A creation under way is
    /// marked, too: it may have read its source before the mark. One round trip.
    ///
    /// # Errors
    ///
    /// See [above](#changes).
    pub async fn mark_stale(&self, key: &K) -> Result<(), BackendError> {
        let slot = self.core.hold(key);
        Box::pin(self.core.mark_stale(&slot)).await
    }

    /// Makes the value missing, for the whole fleet: once this has returned, no value that was created before it
    /// becomes fresh, and no access that begins later gets one as fresh (G3). There is no grace: accesses wait for the
    /// next creation. One round trip.
    ///
    /// The near stores of *other* processes serve the value for their [`at_most`](crate::Near::at_most).
    ///
    /// # Errors
    ///
    /// See [above](#changes). If the backend was not told, another thread of this process tells it once it answers, and
    /// in any case before an access of this process reads the key there; the process must live until then. Other
    /// processes may get the value meanwhile.
    ///
    /// # Cancel safety
    ///
    /// An invalidation that is dropped is told all the same, by another thread, and at once.
    pub async fn invalidate(&self, key: &K) -> Result<(), BackendError> {
        let slot = self.core.hold(key);
        Box::pin(self.core.invalidate(&slot)).await
    }
}

/// An invalidation that the backend was not told of yet.
struct Untold<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    core: &'a Arc<Core<O, V>>,
    /// `None`: it was told.
    slot: Option<Held<O, V>>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drop for Untold<'_, O, V> {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            // One task tells all that the backend was not told of this key.
            if mem::replace(&mut slot.lock().is_told_again, true) {
                return;
            }
            let core = Arc::clone(self.core);
            self.core.time.keeper.spawn(async move { core.tell_again(slot).await });
        }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    async fn set(&self, slot: &Held<O, V>, made: Made<V>) -> Result<(), BackendError> {
        let value = self.make(made);
        let ready = self.ready(slot, Arc::clone(&value)).await?;
        let (as_of, _under_change) = self.begin_change(slot);
        self.change_in_time(slot, Change::Set(ready)).await?;
        self.keep_near(slot, &value, as_of);
        Ok(())
    }

    async fn set_if(&self, slot: &Held<O, V>, seen: Seen, made: Made<V>) -> Result<bool, BackendError> {
        let value = self.make(made);
        let ready = self.ready(slot, Arc::clone(&value)).await?;
        let (as_of, _under_change) = self.begin_change(slot);
        let is_stored = matches!(self.change_in_time(slot, Change::SetIf(ready, seen)).await?, Changed::Yes);
        if is_stored {
            self.keep_near(slot, &value, as_of);
        }
        Ok(is_stored)
    }

    async fn touch(&self, slot: &Held<O, V>, lifetime: Option<Duration>) -> Result<bool, BackendError> {
        let mut found = self.found(slot).await?;
        // Near would serve the value for its earlier lifetime.
        let (_, _under_change) = self.forget(slot, Remembered::marked);
        loop {
            let Some(old) = found.value else { return Ok(false) };
            let lifetimes = self.aging.lifetimes(old.value().is_none(), lifetime, None);
            let times = self.aging.times(lifetimes, old.times.took, self.time.nanos());
            let times = Times { life: old.times.life, ..times };
            let touched = Arc::new(Kept::same(&old, old.version, times));
            let ready = self.ready(slot, Arc::clone(&touched)).await?;
            match self.change_in_time(slot, Change::Touch(ready, found.seen)).await? {
                Changed::Yes => return Ok(true),
                Changed::Refused(now) => found = now,
            }
        }
    }

    async fn mark_stale(&self, slot: &Held<O, V>) -> Result<(), BackendError> {
        let (_, _under_change) = self.forget(slot, Remembered::marked);
        self.change_in_time(slot, Change::MarkStale).await.map(|_| ())
    }

    async fn invalidate(self: &Arc<Self>, slot: &Held<O, V>) -> Result<(), BackendError> {
        let (_, _under_change) = self.forget(slot, |remembered| {
            remembered.invalidate();
        });
        // From here on this process by-passes what the backend has. If this future is dropped, or the operation fails,
        // the keeper tells the backend as soon as it answers.
        let mut untold = Untold { core: self, slot: Some(slot.clone()) };
        slot.take_turn(None);
        self.in_time(Operation::Change, Some(slot), self.tell(slot)).await?;
        untold.slot = None;
        Ok(())
    }

    /// Tells the backend of an invalidation that it was not told of: at once, unless the server of the key is in its
    /// pause (so that only its caller is gone); then once in each pause, until it was told by this or by an access, or
    /// the region was closed.
    async fn tell_again(&self, slot: Held<O, V>) {
        let mut rests = self.unless_down(&slot).is_err();
        loop {
            {
                let mut state = slot.lock();
                if state.remembered.untold().is_none() || self.closing.is_closed() {
                    state.is_told_again = false;
                    return;
                }
            }
            if mem::replace(&mut rests, true) {
                let pause = self.time.now().saturating_add(self.settings.backend_pause.max(self.settings.grain));
                self.time.until(pause, self.closing.ended()).await;
            }
            drop(self.tell_untold(&slot).await);
        }
    }

    /// Begins a change that voids grants: what this process has near, and what it is about to keep there, is not kept.
    /// Those who come from now on do not wait for a creation of before. Returns the number by which near keeps the
    /// value that is stored, and the change, which is under way until that is dropped.
    fn begin_change<'a>(&self, slot: &'a Held<O, V>) -> (Option<NonZeroU64>, UnderChange<'a, V>) {
        let begun = self.forget(slot, Remembered::replaced);
        slot.take_turn(None);
        begun
    }

    /// Forgets what this process has of the entry. Returns what `begin_change` does.
    fn forget<'a>(
        &self,
        slot: &'a Held<O, V>,
        begin: impl FnOnce(&mut Remembered<Value<V>>),
    ) -> (Option<NonZeroU64>, UnderChange<'a, V>) {
        let ((own, as_of), under_change) = slot.begin_change(|state| {
            let own = state.remembered.kept().cloned();
            // Of two changes that are under way at once, nobody knows which the backend executes last.
            let is_alone = state.as_of().is_some();
            begin(&mut state.remembered);
            (own, state.as_of().filter(|_| is_alone))
        });
        // Not under the mutex: a value is the user's.
        drop(own);
        self.forget_near(slot);
        (as_of, under_change)
    }

    /// Forgets what near has copied from the backend.
    fn forget_near(&self, slot: &Held<O, V>) {
        if let (Some(near), true) = (&self.near, self.store.has_leases()) {
            drop(near.remove(slot.key()));
        }
    }

    pub(super) fn make(&self, made: Made<V>) -> Value<V> {
        let lifetimes = self.aging.lifetimes(false, made.lifetime, made.max_stale);
        let times = self.aging.times(lifetimes, Duration::ZERO, self.time.nanos());
        Arc::new(match made.content {
            Content::Value(value) => Kept::new(Some(value), new_version(), times),
            Content::Unchanged(old) => Kept::same(&old, new_version(), times),
            // A creation alone says this, and makes no `Made` of it that others get.
            Content::Absent => Kept::new(None, new_version(), times),
        })
    }

    /// Returns the life of the server's data.
    pub(super) async fn life(&self, slot: &Held<O, V>, far: &Far<V>) -> Result<Life, BackendError> {
        if far.life(slot.stored()).is_none() {
            // The clock and the life of the server are not known before the first reply.
            self.in_time(Operation::Look, Some(slot), self.look(slot, self.time.now())).await?;
        }
        Ok(far.life(slot.stored()).unwrap_or(Life(0)))
    }

    /// Encodes a value for the backend, if there is one.
    pub(super) async fn ready(&self, slot: &Held<O, V>, value: Value<V>) -> Result<Ready<V>, BackendError> {
        let Store::Far(far) = &self.store else { return Ok(Ready { value, entry: None }) };
        let life = self.life(slot, far).await?;
        far.encode(slot.stored(), value, life).map_err(|why| {
            let kind = match why {
                NotPublished::TooLarge => BackendErrorKind::TooLarge,
                _ => BackendErrorKind::Refused,
            };
            BackendError::new(kind).caused_by(why.to_string())
        })
    }

    async fn change_in_time(&self, slot: &Held<O, V>, change: Change<V>) -> Result<Changed<V>, BackendError> {
        let bytes = change.bytes();
        let change = self.store.change(slot, change, self.void_pause, self.time.nanos());
        let changed = self.in_time(Operation::Change, Some(slot), change).await?;
        if matches!(changed, Changed::Yes) {
            self.seen.wrote(bytes);
        }
        Ok(changed)
    }
}
