//! A part of a creation that does not end it: for an owner that finishes the creation later.

use super::Beside;
use crate::creation::{Creation, Once, enter_all};

/// # Part by part
impl<L: Beside> Creation<'_, L> {
    /// Runs `part` on this thread as a part of the creation, which goes on. Blocks no longer than `part` takes.
    ///
    /// This is for an owner that runs code of others and finishes the creation later: after it has told other machines,
    /// for instance. In `part` the thread of the creation is known, as in a creator: an access that would wait for this
    /// creation, or would close a circle of creations that wait for each other, is told so (L7). A creation may have
    /// any number of parts, one after the other, within each other, or on several threads at once.
    ///
    /// Afterwards, finish the creation, or [fail](Self::fail) or drop it. What `part` returns is up to the owner: a
    /// returned `Err` does not end the creation.
    ///
    /// # Panics
    ///
    /// A panic of `part` goes on to the caller. If the panic then drops the creation, the creation has failed as by a
    /// panic of its creator. If the owner catches the panic, the creation can still be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Dogpile, Turn};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let lock = Arc::new(Dogpile::never_expires());
    /// let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("there is no value") };
    /// let made = creation.within(|| {
    ///     // The creator asks for the value that it is creating. Outside `within`, this access would wait in vain.
    ///     let asked = lock.access().timeout(Duration::MAX).turn();
    ///     assert!(matches!(asked, Err(AcquireError::WouldDeadlock(_))));
    ///     42
    /// });
    /// println!("stores {made}"); // somewhere else, say
    /// creation.finish();
    /// assert!(lock.has_value());
    /// ```
    pub fn within<R>(&self, part: impl FnOnce() -> R) -> R {
        self.enter(|_| part())
    }

    /// As [`within`](Self::within), for a task: makes and polls the future of `part` as a part of the creation. Never
    /// blocks its thread.
    ///
    /// The task of the creation is known while that future is made, polled and dropped. Between two polls other tasks
    /// run on the thread, and those are not taken for a part of the creation.
    ///
    /// # Panics
    ///
    /// As `within`.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped before it is ready, it drops `part` at the point that `part` has reached. The creation
    /// goes on: its owner still is to end it.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Dogpile, Turn};
    /// use std::sync::Arc;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let lock = Arc::new(Dogpile::never_expires());
    /// let Ok(Turn::Create(creation)) = Dogpile::kept_async(&lock).try_turn().await else { panic!("no value") };
    /// let asked = creation.within_async(async || Dogpile::kept_async(&lock).try_turn().await.map(drop)).await;
    /// assert!(matches!(asked, Err(AcquireError::WouldDeadlock(_))));
    /// creation.finish();
    /// # }
    /// ```
    pub fn within_async<R>(&self, part: impl AsyncFnOnce() -> R) -> impl Future<Output = R> {
        let mut part = Once::new(part);
        // In a box, as every creator is: so the future stays small, whatever the part is.
        async move { Box::pin(self.enter_async(|| part.take()())).await }
    }

    /// As [`within_async`](Self::within_async), for several creations that one task makes together: makes and polls the
    /// future of `part` as a part of all of them. Never blocks its thread.
    ///
    /// This is for an owner of many locks whose values one query makes. An access in `part` that would wait for any of
    /// these creations is told so (L7). A poll costs time in proportion to their number.
    ///
    /// # Panics
    ///
    /// As [`within`](Self::within), for each of the creations.
    ///
    /// # Cancel safety
    ///
    /// As [`within_async`](Self::within_async), for each of the creations.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Creation, Dogpile, Turn};
    /// use std::sync::Arc;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let locks = [(); 2].map(|()| Arc::new(Dogpile::never_expires()));
    /// let mut creations = Vec::new();
    /// for lock in &locks {
    ///     let Ok(Turn::Create(creation)) = Dogpile::kept_async(lock).try_turn().await else { panic!("no value yet") };
    ///     creations.push(creation);
    /// }
    /// let asked = async || Dogpile::kept_async(&locks[0]).try_turn().await.map(drop);
    /// let asked = Creation::within_all_async(&creations, asked).await;
    /// assert!(matches!(asked, Err(AcquireError::WouldDeadlock(_))));
    /// for creation in creations {
    ///     creation.finish();
    /// }
    /// # }
    /// ```
    pub fn within_all_async<'c, R>(
        creations: impl IntoIterator<Item = &'c Self>,
        part: impl AsyncFnOnce() -> R,
    ) -> impl Future<Output = R>
    where
        Self: 'c,
    {
        let creations: Vec<_> = creations.into_iter().collect();
        let mut part = Once::new(part);
        // In a box: see `within_async`.
        async move { Box::pin(enter_all(creations, || part.take()())).await }
    }
}
