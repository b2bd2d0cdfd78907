//! A share of the right to create, for a creator that runs in a task of its own.

use super::Creation;
use crate::lock::Lock;
use crate::sync::Arc;
use std::fmt;
use std::ops::Deref;

/// A share of the right to create, as a creator is handed it that runs in a task of its own: see
/// [`AsyncAccess::spawned_by`](crate::AsyncAccess::spawned_by).
///
/// It is a [`Creation`] that can be asked, and published through; of a [`Cached`](crate::Cached) it is a
/// [`Renewal`](crate::Renewal), with the [old value](Creation::old). The task ends the creation; so the creator's
/// future lets go of its shares before it is ready. As long as one is held after that, the creation cannot end: it is
/// given up when the last share is dropped, and what was made is [lost](crate::CreateError::Lost).
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Shared, Task};
/// use std::time::Duration;
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));
///
/// # async fn rebuild() {}
/// # async fn store() {}
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let spawner = |task: Task| drop(tokio::spawn(task));
/// let access = LOCK.access_async().spawned_by(&spawner).or_try_create_with(async |creation: Shared<Dogpile>| {
///     rebuild().await;
///     creation.publish_async(store).await // or it fails: it was invalidated meanwhile
/// });
/// access.await.unwrap();
/// # });
/// assert!(LOCK.has_value());
/// ```
pub struct Shared<L: Lock + 'static>(Arc<Creation<'static, L>>);

impl<L: Lock> Shared<L> {
    pub(crate) fn new(creation: Creation<'static, L>) -> Self {
        Self(Arc::new(creation))
    }

    /// The creation, if there is no other share of it.
    pub(crate) fn into_creation(self) -> Option<Creation<'static, L>> {
        Arc::try_unwrap(self.0).ok()
    }
}

impl<L: Lock> Clone for Shared<L> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<L: Lock> Deref for Shared<L> {
    type Target = Creation<'static, L>;

    fn deref(&self) -> &Creation<'static, L> {
        &self.0
    }
}

impl<L: Lock> fmt::Debug for Shared<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
