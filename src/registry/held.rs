//! What holds an entry.

use super::Registry;
use super::root::Root;
use super::shard::Entry;
use crate::clock::Clock;
use crate::dogpile::Dogpile;
use crate::error::{AcquireError, would_deadlock};
use crate::keeper::{Keep, Keeper, Keeps};
use crate::lock::Lock;
use crate::readers::{HasReaders, Owner, Readers};
use crate::sync::Arc;
use crate::sync_reader::{OwnedReadGuard, ReadTurn, SyncReaderDogpile};
use crate::turn::Turn;
use crate::wait::Patience;
use std::fmt;
use std::ops::Deref;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;
use std::vec;

/// The lock of a key, held: derefs to it. While a `Held` of a key lives, all who look the key up in that [`Registry`]
/// get the same lock.
///
/// Cloning it holds the lock once more, and touches no mutex. Leaking it with [`std::mem::forget`] keeps the entry for
/// good.
///
/// `Held<'static, …>`, from a registry in a `static` or from [`Registry::get_owned`], may be kept anywhere.
#[must_use = "the lock may be gone as soon as this is"]
pub struct Held<'a, K, L: Lock = Dogpile> {
    of: Of<'a, K, L>,
    entry: Arc<Entry<K, L>>,
    /// It was not asked for, only come across.
    looking: bool,
}

/// The registry, however it is held on to.
enum Of<'a, K, L> {
    Borrowed(&'a Root<K, L>),
    Shared(Arc<dyn HasRoot<K, L> + Send + Sync>),
}

trait HasRoot<K, L> {
    fn root(&self) -> &Root<K, L>;
}

impl<K, L, F> HasRoot<K, L> for Registry<K, L, F> {
    fn root(&self) -> &Root<K, L> {
        &self.root
    }
}

impl<K, L> Clone for Of<'_, K, L> {
    fn clone(&self) -> Self {
        match self {
            Self::Borrowed(root) => Self::Borrowed(root),
            Self::Shared(registry) => Self::Shared(Arc::clone(registry)),
        }
    }
}

impl<'a, K, L: Lock> Held<'a, K, L> {
    /// The entry is held already, for this.
    pub(super) fn new(root: &'a Root<K, L>, entry: Arc<Entry<K, L>>) -> Self {
        Self { of: Of::Borrowed(root), entry, looking: false }
    }

    pub(super) fn looking(root: &'a Root<K, L>, entry: Arc<Entry<K, L>>) -> Self {
        Self { of: Of::Borrowed(root), entry, looking: true }
    }

    /// The same, through a share of the registry.
    pub(super) fn owned<F: Send + Sync + 'static>(&self, registry: Arc<Registry<K, L, F>>) -> Held<'static, K, L>
    where
        K: Send + Sync + 'static,
        L: Send + Sync + 'static,
    {
        self.entry.hold_once_more();
        Held { of: Of::Shared(registry), entry: Arc::clone(&self.entry), looking: self.looking }
    }

    /// The key.
    #[must_use]
    pub fn key(this: &Self) -> &K {
        &this.entry.key
    }
}

impl<K, L: Lock> Deref for Held<'_, K, L> {
    type Target = L;

    #[inline]
    fn deref(&self) -> &L {
        &self.entry.lock
    }
}

impl<K, L: Lock> Clone for Held<'_, K, L> {
    fn clone(&self) -> Self {
        self.entry.hold_once_more();
        Self { of: self.of.clone(), entry: Arc::clone(&self.entry), looking: self.looking }
    }
}

impl<K, L: Lock> Drop for Held<'_, K, L> {
    fn drop(&mut self) {
        let root = match &self.of {
            Of::Borrowed(root) => root,
            Of::Shared(registry) => registry.root(),
        };
        root.let_go(&self.entry, self.looking);
    }
}

// Nothing can be reached through it but the key and the lock.
impl<K: RefUnwindSafe, L: Lock + RefUnwindSafe> UnwindSafe for Held<'_, K, L> {}
impl<K: RefUnwindSafe, L: Lock + RefUnwindSafe> RefUnwindSafe for Held<'_, K, L> {}

impl<K: fmt::Debug, L: Lock + fmt::Debug> fmt::Debug for Held<'_, K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("key", &self.entry.key).field("lock", &self.entry.lock).finish()
    }
}

/// # Owned creations
///
/// Each has a [`Held`] of its own: while it is in flight the lock stays, whoever else lets go.
impl<'a, K: Send + Sync + 'a, C: Clock + 'a> Held<'a, K, Dogpile<C>> {
    /// As [`Dogpile::acquire_owned`], without an `Arc`: the [`Creation`](crate::Creation) holds the lock of this key.
    /// To send it to another thread, ask through a registry in a `static`, or by [`Registry::get_owned`].
    ///
    /// ```
    /// use dogpile::{Dogpile, Registry, Turn};
    /// use std::{sync::Arc, thread, time::Duration};
    ///
    /// let locks: Arc<Registry<u64>> = Arc::new(Registry::new(|_| Dogpile::new(Duration::from_secs(60))));
    /// if let Turn::Create(creation) = locks.get_owned(&7).acquire_owned() {
    ///     let job = thread::spawn(move || creation.run(|_| { /* rebuild */ }));
    ///     # job.join().unwrap();
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// As `Dogpile::acquire_owned`.
    #[track_caller]
    pub fn acquire_owned(&self) -> Turn<'a, C> {
        match self.acquire_kept(Patience::Infallible, || self.keeper()) {
            Ok(turn) => turn,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`Dogpile::try_acquire_owned`], without an `Arc`.
    ///
    /// # Errors
    ///
    /// As `Dogpile::try_acquire_owned`.
    pub fn try_acquire_owned(&self) -> Result<Turn<'a, C>, AcquireError> {
        self.acquire_kept(Patience::None, || self.keeper())
    }

    /// As [`Dogpile::acquire_owned_timeout`], without an `Arc`.
    ///
    /// # Errors
    ///
    /// As `Dogpile::acquire_owned_timeout`.
    pub fn acquire_owned_timeout(&self, timeout: Duration) -> Result<Turn<'a, C>, AcquireError> {
        self.acquire_kept(Patience::For(timeout), || self.keeper())
    }

    /// As [`Dogpile::acquire_owned_async`], without an `Arc`.
    ///
    /// # Panics
    ///
    /// As `Dogpile::acquire_owned_async`.
    ///
    /// # Cancel safety
    ///
    /// As `Dogpile::acquire_owned_async`.
    pub fn acquire_owned_async(&self) -> impl Future<Output = Turn<'a, C>> {
        self.acquire_kept_async(|| self.keeper())
    }
}

/// # Owned guards and creations
///
/// Each has a [`Held`] of its own: while it lives the lock stays, whoever else lets go.
impl<K: Send + Sync + 'static, C: Clock + 'static> Held<'static, K, SyncReaderDogpile<C>> {
    /// As [`SyncReaderDogpile::acquire_owned`], without an `Arc`.
    ///
    /// # Panics
    ///
    /// As [`SyncReaderDogpile::acquire`].
    #[track_caller]
    pub fn acquire_owned(&self) -> ReadTurn<'static, C, OwnedReadGuard> {
        match self.acquire_kept(Patience::Infallible, || self.keeper(), || self.clone().into()) {
            Ok(turn) => turn,
            Err(error) => would_deadlock(error),
        }
    }

    /// As [`SyncReaderDogpile::try_acquire_owned`], without an `Arc`.
    ///
    /// # Errors
    ///
    /// As [`SyncReaderDogpile::try_acquire`].
    pub fn try_acquire_owned(&self) -> Result<ReadTurn<'static, C, OwnedReadGuard>, AcquireError> {
        self.acquire_kept(Patience::None, || self.keeper(), || self.clone().into())
    }

    /// As [`SyncReaderDogpile::acquire_owned_timeout`], without an `Arc`.
    ///
    /// # Errors
    ///
    /// As [`SyncReaderDogpile::acquire_timeout`].
    pub fn acquire_owned_timeout(
        &self,
        timeout: Duration,
    ) -> Result<ReadTurn<'static, C, OwnedReadGuard>, AcquireError> {
        self.acquire_kept(Patience::For(timeout), || self.keeper(), || self.clone().into())
    }
}

impl<'a, K: Send + Sync + 'a, L: Lock + Send + Sync + 'a> Held<'a, K, L> {
    /// How a creation holds on to the lock beside this.
    fn keeper(&self) -> Keeper<'a, L> {
        Keeper::Held(Box::new(self.clone()))
    }
}

impl<'h, K: Send + Sync + 'static, L: Lock + Send + Sync + 'static> Keep<'h, L> for &'h Held<'static, K, L> {}
impl<'h, K: Send + Sync + 'static, L: Lock + Send + Sync + 'static> Keeps<'h, L> for &'h Held<'static, K, L> {
    fn kept(self) -> &'h L {
        self
    }

    fn keeper(self) -> Keeper<'static, L> {
        Held::keeper(self)
    }

    fn owner(self) -> Owner
    where
        L: HasReaders,
    {
        Owner::shared(Arc::new(self.clone()))
    }
}

impl<K: Send + Sync, L: Lock + HasReaders> HasReaders for Held<'_, K, L> {
    fn readers(&self) -> &Readers {
        (**self).readers()
    }
}

/// What an owned guard of that lock holds it by.
impl<K: Send + Sync + 'static, C: Clock + 'static> From<Held<'static, K, SyncReaderDogpile<C>>> for Owner {
    fn from(held: Held<'static, K, SyncReaderDogpile<C>>) -> Self {
        Self::shared(Arc::new(held))
    }
}

/// The keys that live: see [`Registry::iter`].
#[must_use = "it looks at a part of the registry when it is asked for the next key"]
pub struct Iter<'a, K, L: Lock> {
    root: &'a Root<K, L>,
    next_shard: usize,
    shard: vec::IntoIter<Held<'a, K, L>>,
}

impl<'a, K, L: Lock> Iter<'a, K, L> {
    pub(super) fn new(root: &'a Root<K, L>) -> Self {
        Self { root, next_shard: 0, shard: Vec::new().into_iter() }
    }
}

impl<'a, K, L: Lock> Iterator for Iter<'a, K, L> {
    type Item = Held<'a, K, L>;

    fn next(&mut self) -> Option<Held<'a, K, L>> {
        loop {
            if let Some(held) = self.shard.next() {
                return Some(held);
            }
            self.shard = self.root.hold_shard(self.next_shard)?.into_iter();
            self.next_shard += 1;
        }
    }
}

impl<K, L: Lock> fmt::Debug for Iter<'_, K, L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iter").finish_non_exhaustive()
    }
}
