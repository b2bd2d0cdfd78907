//! The right to create, as a creator or a caller has it.

use super::kept::Got;
use super::made::{Content, Made};
use super::{RegionKey, value};
use crate::drive::{Drive, Entered, Part, Reached, Run};
use crate::region::error::GetError;
use crate::slot::Value;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What an access is to do that ends in [`claim`](crate::region::Get::claim).
#[derive(Debug)]
#[must_use = "a dropped `Claim::Create` gives up the creation it was elected for"]
pub enum Claim<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    /// Here is a value, fresh or old.
    Value(Got<V>),
    /// This access is elected, in the fleet: create the value.
    Create(Creation<K, V>),
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Claim<K, V> {
    /// What an access is to do that waits for no other one. `enter` gives a creation its part in the region.
    pub(super) fn reached(reached: Reached<K::Owned, V>, enter: impl FnOnce() -> Entered) -> Option<Claim<K, V>> {
        match reached {
            Reached::Value(got) => Some(Claim::Value(got)),
            Reached::Create(drive, wake) => Some(Claim::Create(Creation::owned(*drive, wake, enter()))),
            Reached::Nothing => None,
        }
    }
}

/// The right to create the value of a key: a creator borrows it, and the caller of [`claim`](crate::region::Get::claim)
/// owns it.
///
/// While it lives, no other access of the fleet creates, except in the cases that law G1 lists. A creation that is
/// dropped ends its grant, without a pause; the next access to come is elected.
///
/// # Cancel safety
///
/// To drop a `Creation` never blocks. What the backend must be told is sent by another thread, not promised: at worst
/// the grant costs one lease (G8).
///
/// # Deadlocks
///
/// The creation of a [`claim`](crate::region::Get::claim) that is held while its task accesses the same key waits for
/// itself, for as long as the access may: nothing tells which task runs it.
pub struct Creation<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    run: Arc<Run<K::Owned, V>>,
    old: Option<Value<V>>,
    /// In a mutex, as creators lend the creation to other threads, and an operation under way belongs to one.
    owned: Option<Owned<K::Owned, V>>,
}

/// What the caller of a claim owns: the access, and its part in the region that is not closed.
type Owned<O, V> = Mutex<Box<(Drive<O, V>, OwnPart)>>;

/// The part of the creation in the region, which ends with it.
struct OwnPart(Arc<Part>);

impl Drop for OwnPart {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Creation<K, V> {
    /// What a creator borrows.
    pub(crate) fn of(drive: &Drive<K::Owned, V>) -> Creation<K, V> {
        Creation { run: Arc::clone(&drive.run), old: drive.old.clone(), owned: None }
    }

    /// What the caller of a claim owns.
    pub(crate) fn owned(mut drive: Drive<K::Owned, V>, wake: Duration, entered: Entered) -> Creation<K, V> {
        let part = Part::new(entered);
        drive.keep_right(wake, &part);
        let (run, old) = (Arc::clone(&drive.run), drive.old.clone());
        Creation { run, old, owned: Some(Mutex::new(Box::new((drive, OwnPart(part))))) }
    }

    /// Returns the key.
    #[must_use]
    pub fn key(&self) -> &K::Owned {
        self.run.slot.key()
    }

    /// Returns the old value: stale, due to be renewed, or refused by the caller. `None` if it is missing, was
    /// invalidated, or is too old to be used.
    #[must_use]
    pub fn old(&self) -> Option<&V> {
        self.old.as_ref()?.value()
    }

    /// Returns the version of the old value.
    #[must_use]
    pub fn old_version(&self) -> Option<u64> {
        self.old.as_ref().map(|old| old.version)
    }

    /// Says that the old value is still right, so that it is stored again as new. `None` if there is no old value.
    #[must_use]
    pub fn unchanged(&self) -> Option<Made<V>> {
        let old = self.old.as_ref().filter(|old| old.value().is_some())?;
        Some(Made::of(Content::Unchanged(Arc::clone(old))))
    }

    /// Returns whether the value will not be published, as far as this process knows by now: the key was invalidated or
    /// set, the lease is lost, or the creation has taken too long. Blocks for moments only, and makes no round trip.
    ///
    /// A long creator may ask this now and then, and stop early. The value goes to its caller in any case (G4).
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.run.is_superseded()
    }

    /// Returns whether its holder is the elected one of this process still, with the backend or cut off from it.
    pub(crate) fn is_elected(&self) -> bool {
        self.run.is_elected()
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Creation<K, V> {
    /// Publishes the value, and ends the creation. One round trip.
    ///
    /// The value comes back in any case, and [`Got::published`] says what has become of it (G4).
    ///
    /// # Errors
    ///
    /// [`GetError::Lent`] if this creation was lent, or given, to a creator, which returns its value instead.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped goes on: what was sent is awaited by another thread.
    pub async fn publish(self, made: impl Into<Made<V>>) -> Result<Got<V>, GetError> {
        let made = made.into();
        let Some(owned) = self.owned else { return Err(GetError::Lent) };
        let mut owned = inner(owned);
        let (drive, _part) = &mut *owned;
        let answer = Box::pin(drive.settle(made)).await;
        drive.conclude(answer).map(value)
    }

    /// Ends the creation as failed: the region's [pause](crate::RegionBuilder::retry_after) begins, for the fleet. One
    /// round trip.
    ///
    /// # Cancel safety
    ///
    /// As for [`publish`](Self::publish).
    pub fn fail(self, cause: &dyn fmt::Display) -> impl Future<Output = ()> + use<K, V> {
        let owned = self.owned.map(|owned| {
            let owned = inner(owned);
            let cause = owned.0.cause(cause);
            (owned, cause)
        });
        async move {
            let Some((mut owned, cause)) = owned else { return };
            let (drive, _part) = &mut *owned;
            Box::pin(drive.fail(cause)).await;
        }
    }

    /// Ends the creation without a value and without a pause, as its drop does, and waits until the backend was told.
    /// One round trip; none if the grant is known to be lost.
    pub(crate) async fn give_up(self) {
        let Some(owned) = self.owned else { return };
        let (drive, _part) = &mut *inner(owned);
        Box::pin(drive.give_up()).await;
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for Creation<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Creation")
            .field("has_old", &self.old.is_some())
            .field("is_superseded", &self.is_superseded())
            .finish_non_exhaustive()
    }
}

/// Takes what is in a mutex. Nobody takes this mutex, so nobody can panic under it.
fn inner<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
