//! A share of the right to create, for a creator that runs in a task of its own.

use super::Creation;
use crate::lock::Lock;
use crate::sync::Arc;
use std::fmt;
use std::ops::Deref;

/// A share of the right to create, for a creator that runs in a task of its own: see
/// [`AsyncAccess::spawned_by`](crate::AsyncAccess::spawned_by).
///
/// A `Shared` derefs to its [`Creation`]. The creator asks that creation, and publishes through it. Of a
/// [`Cached`](crate::Cached) the creation is a [`Renewal`](crate::Renewal), with the [old value](Creation::old).
///
/// The task ends the creation. So the creator's future lets go of its shares before it is ready. As long as a share is
/// held after that, the creation cannot end. The creation is given up when the last share is dropped, and the value
/// that was made is [lost](crate::CreateError::Lost).
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Shared, Task};
/// use std::time::Duration;
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));
///
/// async fn rebuild() { /* slow */ }
/// async fn store() { /* make the new value the current one */ }
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() {
///     let spawner = |task: Task| drop(tokio::spawn(task));
///     let creator = async |creation: Shared<Dogpile>| {
///         rebuild().await;
///         creation.publish_async(store).await // fails if the value was invalidated meanwhile
///     };
///     LOCK.access_async().spawned_by(&spawner).or_try_create_with(creator).await.unwrap();
///     assert!(LOCK.has_value());
/// }
/// ```
pub struct Shared<L: Lock + 'static>(Arc<Creation<'static, L>>);

impl<L: Lock> Shared<L> {
    pub(crate) fn new(creation: Creation<'static, L>) -> Self {
        Self(Arc::new(creation))
    }

    /// Returns the creation, if there is no other share of it.
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
