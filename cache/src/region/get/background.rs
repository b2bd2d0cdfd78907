//! Accesses whose creations run in tasks of their own.

use super::{Begun, Get, finish};
use crate::drive::{Ended, Stage};
use crate::region::creation::Creation;
use crate::region::error::{CreateError, GetError};
use crate::region::kept::Got;
use crate::region::made::{Content, Made};
use crate::region::outcome::Outcome;
use crate::region::{RegionKey, value};
use dogpile::Spawner;
use std::fmt::{self, Display};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// An access whose creation runs in a task of its own: the step [`in_background`](Get::in_background) leads here.
///
/// | the access finds | it |
/// |---|---|
/// | a value that is fresh, and not due to be renewed early | returns it |
/// | an old value, or one that is due, and is elected | spawns the creation, and returns the value it has |
/// | no value, and is elected | spawns the creation, and waits for it: until its [time-out](Get::timeout), after which the creation goes on |
/// | all else | as any access does |
///
/// So no creation is a part of the task that asks: if that is dropped, the creation goes on, and its value is kept.
#[must_use = "an access is made by its terminal"]
pub struct Background<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    get: Get<'a, K, V>,
    spawner: Arc<dyn Spawner + Send + Sync>,
}

impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> Get<'a, K, V> {
    /// Has the creation run in a task of its own, by the region's [spawner](crate::RegionBuilder::spawner):
    /// `tokio::spawn`, unless another one is set.
    ///
    /// # Panics
    ///
    /// The terminal panics outside of a tokio runtime if there is no other spawner.
    pub fn in_background(self) -> Background<'a, K, V> {
        let spawner = Arc::clone(&self.region.core.spawner);
        Background { get: self, spawner }
    }
}

/// # Terminals
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Background<'_, K, V> {
    /// As [`Get::or_create`]. The creator makes a future that owns what it needs.
    ///
    /// # Errors
    ///
    /// As for [`Get::or_create`]; and [`CreateError::Lost`] if the task of this access's creation was dropped, or has
    /// panicked, and there was no old value.
    pub fn or_create<F: Future<Output = V> + Send + 'static>(
        self,
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = Result<Got<V>, GetError>> {
        self.creating(move |_| {
            let creating = creator();
            async move { Ok(Made::new(creating.await)) }
        })
    }

    /// As [`Get::or_create_with`]. The creator is given the [`Creation`].
    ///
    /// # Errors
    ///
    /// As for [`or_create`](Self::or_create).
    pub fn or_create_with<F: Future<Output = Made<V>> + Send + 'static>(
        self,
        creator: impl FnOnce(Creation<K, V>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<Got<V>, GetError>> {
        self.creating(move |creation| {
            let creating = creator(creation);
            async move { Ok(creating.await) }
        })
    }

    /// As [`Get::or_try_create`]. The creator makes a future that owns what it needs.
    ///
    /// An error of a creation behind an old value reaches the [observer](crate::RegionBuilder::observer) alone.
    ///
    /// # Errors
    ///
    /// As for [`Get::or_try_create`] and [`or_create`](Self::or_create).
    pub fn or_try_create<E: Display + Send + 'static, F: Future<Output = Result<V, E>> + Send + 'static>(
        self,
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> impl Future<Output = Result<Got<V>, CreateError<E>>> {
        self.creating(move |_| {
            let creating = creator();
            async move { creating.await.map(Made::new) }
        })
    }

    /// As [`Get::or_try_create_with`]. The creator is given the [`Creation`].
    ///
    /// # Errors
    ///
    /// As for [`or_try_create`](Self::or_try_create).
    pub fn or_try_create_with<E: Display + Send + 'static, F: Future<Output = Result<Made<V>, E>> + Send + 'static>(
        self,
        creator: impl FnOnce(Creation<K, V>) -> F + Send + 'static,
    ) -> impl Future<Output = Result<Got<V>, CreateError<E>>> {
        self.creating(creator)
    }

    /// As [`Get::or_try_find`]. The creator makes a future that owns what it needs.
    ///
    /// # Errors
    ///
    /// As for [`or_try_create`](Self::or_try_create).
    pub async fn or_try_find<E: Display + Send + 'static, F: Future<Output = Result<Option<V>, E>> + Send + 'static>(
        mut self,
        creator: impl FnOnce() -> F + Send + 'static,
    ) -> Result<Option<Got<V>>, CreateError<E>> {
        self.get.wants.finds = true;
        let found = self.asking(move |_| {
            let creating = creator();
            async move { creating.await.map(|found| Made::of(found.map_or(Content::Absent, Content::Value))) }
        });
        found.await.map(Ended::got)
    }

    async fn creating<E: Display + Send + 'static, F: Future<Output = Result<Made<V>, E>> + Send + 'static>(
        self,
        creator: impl FnOnce(Creation<K, V>) -> F + Send + 'static,
    ) -> Result<Got<V>, CreateError<E>> {
        self.asking(creator).await.map(value)
    }

    async fn asking<E: Display + Send + 'static, F: Future<Output = Result<Made<V>, E>> + Send + 'static>(
        self,
        creator: impl FnOnce(Creation<K, V>) -> F + Send + 'static,
    ) -> Result<Ended<V>, CreateError<E>> {
        if let Some(got) = self.get.hit() {
            return Ok(Ended::Value(got));
        }
        // A hit needs none of the rest.
        Box::pin(self.missing(creator)).await
    }

    async fn missing<E: Display + Send + 'static, F: Future<Output = Result<Made<V>, E>> + Send + 'static>(
        self,
        creator: impl FnOnce(Creation<K, V>) -> F + Send + 'static,
    ) -> Result<Ended<V>, CreateError<E>> {
        let Background { get, spawner } = self;
        let (core, timeout) = (&get.region.core, get.wants.timeout);
        let until = timeout.map_or(Duration::MAX, |timeout| core.time.now().saturating_add(timeout));
        let going = match Box::pin(get.look_first()).await {
            ControlFlow::Continue(going) => going,
            ControlFlow::Break(ended) => return ended.map_err(GetError::widen),
        };
        let Begun { mut drive, stage, entered } = get.begin(going).await.map_err(GetError::widen)?;
        let wake = match stage {
            Stage::Ended(answer) => return drive.conclude(answer).map_err(GetError::widen),
            Stage::Create { wake } => wake,
        };
        drive.keep(wake);
        let old = drive.usable_old(Outcome::Stale);
        let (told, ended) = oneshot::channel();
        let creation = Creation::of(&drive);
        spawner.spawn(Box::pin(async move {
            // (The part in the region goes last.)
            let (_entered, mut drive) = (entered, drive);
            let made = drive.run(wake, async || creator(creation).await).await;
            // Nobody may wait for it any more.
            drop(told.send(finish(&mut drive, made).await));
        }));
        match old {
            Some(old) => Ok(Ended::Value(old)),
            None => match core.time.until(until, ended).await {
                Some(Ok(ended)) => ended,
                Some(Err(_)) => Err(CreateError::Lost),
                None => Err(CreateError::TimedOut),
            },
        }
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for Background<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Background").field("get", &self.get).finish_non_exhaustive()
    }
}
