//! An access to one key: its steps and its terminals.

mod background;

pub use self::background::Background;

use super::creation::{Claim, Creation};
use super::error::{CreateError, GetError};
use super::kept::Got;
use super::made::{Content, Made};
use super::outcome::Outcome;
use super::{Region, RegionKey, value};
use crate::backend::{BackendError, BackendErrorKind};
use crate::drive::{Drive, Ended, Entered, First, Going, Stage, Wants};
use crate::round::Action;
use crate::slot::Value;
use std::fmt::{self, Display};
use std::ops::ControlFlow;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

/// An access to one key. Its steps say how it is made, and its terminal makes it.
///
/// # Steps
///
/// | step | the access |
/// |---|---|
/// | [`timeout`](Get::timeout) | waits for others no longer than that |
/// | [`soft_timeout`](Get::soft_timeout) | waits that long for a new value, though there is an old one |
/// | [`renew_if`](Get::renew_if) | takes no value of that version |
/// | [`in_background`](Get::in_background) | has its creation run by a spawner |
///
/// # Terminals
///
/// | terminal | the creator returns | the access gives |
/// |---|---|---|
/// | [`or_create`](Get::or_create) | `V` | `Result<Got<V>, GetError>` |
/// | [`or_create_with`](Get::or_create_with), which is lent the [`Creation`] | [`Made<V>`] | the same |
/// | [`or_try_create`](Get::or_try_create) | `Result<V, E>` | `Result<Got<V>, CreateError<E>>` |
/// | [`or_try_create_with`](Get::or_try_create_with), which is lent the `Creation` | `Result<Made<V>, E>` | the same |
/// | [`or_try_find`](Get::or_try_find) | `Result<Option<V>, E>`: there may be no value | `Result<Option<Got<V>>, CreateError<E>>` |
/// | [`value`](Get::value) | - | `Result<Option<Got<V>>, BackendError>`: what is there |
/// | [`claim`](Get::claim) | - | `Result<Claim<K, V>, GetError>`: a value, or the right to create it |
///
/// # What an access does
///
/// | it finds | and |
/// |---|---|
/// | a fresh value | returns it: from near without a round trip, else by one |
/// | an old value, and no other access creates | claims the creation (one round trip), creates, publishes (one round trip), returns the new value |
/// | an old value, and another access creates, or a creation has failed a short time ago | returns the old value |
/// | no value, and another access creates | waits for that one |
/// | no value, and no other access creates | creates, as above |
/// | no value, and a creation has failed a short time ago | returns [`CreateError::Paused`] |
/// | a backend that is down | does what [`on_backend_failure`](crate::RegionBuilder::on_backend_failure) says |
///
/// All accesses of a process that want one key are one to the backend: one of them has the turn, and the others wait
/// for it in the process, or go on with the old value.
///
/// # Cancel safety
///
/// An access that is dropped before its creation is forgotten. If its creation runs, that is given up: the grant is
/// ended without a pause, and the next access is elected. What was sent is awaited by another thread, so no grant that
/// comes late is left behind. A creation [in background](Get::in_background) goes on.
#[must_use = "an access is made by its terminal"]
pub struct Get<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    region: &'a Region<K, V>,
    key: &'a K,
    wants: Wants,
}

/// An access that has begun.
struct Begun<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    drive: Drive<K::Owned, V>,
    stage: Stage<V>,
    entered: Entered,
}

/// # Steps
impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> Get<'a, K, V> {
    pub(crate) fn new(region: &'a Region<K, V>, key: &'a K) -> Get<'a, K, V> {
        Get { region, key, wants: Wants::default() }
    }

    pub(crate) fn refresh(region: &'a Region<K, V>, key: &'a K) -> Get<'a, K, V> {
        Get { region, key, wants: Wants { refreshes: true, ..Wants::default() } }
    }

    /// Waits for others no longer than this, from the terminal's first poll on: then the access ends with
    /// [`CreateError::TimedOut`], or with the old value if there is one. A creator of this access's own runs for as
    /// long as it needs.
    ///
    /// The unit is the nanosecond of the region's clock; timers have a precision of a millisecond. `Duration::ZERO`
    /// waits for nothing, not even for a backend that does not answer at once; `Duration::MAX` waits for as long as it
    /// takes.
    pub fn timeout(mut self, timeout: Duration) -> Get<'a, K, V> {
        self.wants.timeout = Some(timeout);
        self
    }

    /// Waits for a new value that another access creates, though there is an old one, but no longer than this; then the
    /// access goes on with the old value. Without this step an old value is never waited for.
    pub fn soft_timeout(mut self, timeout: Duration) -> Get<'a, K, V> {
        self.wants.soft_timeout = Some(timeout);
        self
    }

    /// Refuses the value of that [version](Got::version), since its user has found it wrong: a key that verifies
    /// nothing, an address where nobody answers. The access takes any other value; if the refused one is still there,
    /// it creates, or waits for the access that does. So a hundred users that refuse one value cause one creation.
    ///
    /// The refused value stays for those who do not refuse it. The version 0 refuses nothing.
    pub fn renew_if(mut self, version: u64) -> Get<'a, K, V> {
        self.wants.refuses = Some(version);
        self
    }
}

/// # Terminals
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Get<'_, K, V> {
    /// Returns the value, and creates it if this access is elected. See [`Get`] for what it does in which case.
    ///
    /// # Errors
    ///
    /// See [`CreateError`]. Without a time-out, a region that pauses, a backend that may fail, and a close, there are
    /// none.
    pub fn or_create(self, creator: impl AsyncFnOnce() -> V) -> impl Future<Output = Result<Got<V>, GetError>> {
        self.hit_or(|get| get.creating(async move |_| Ok(Made::new(creator().await))))
    }

    /// As [`or_create`](Get::or_create), with a creator that is lent the [`Creation`]: it can ask for the old value,
    /// and says what it has to say of the new one.
    ///
    /// # Errors
    ///
    /// As for [`or_create`](Get::or_create).
    pub fn or_create_with(
        self,
        creator: impl AsyncFnOnce(&Creation<K, V>) -> Made<V>,
    ) -> impl Future<Output = Result<Got<V>, GetError>> {
        self.hit_or(|get| get.creating(async move |creation: &Creation<K, V>| Ok(creator(creation).await)))
    }

    /// Returns the value, and creates it if this access is elected; the creator may fail. See [`Get`] for what the
    /// access does in which case.
    ///
    /// After a failure the region's [pause](crate::RegionBuilder::retry_after) begins, for the fleet, and the access
    /// returns [`CreateError::Failed`], or the old value if [`on_error`](crate::RegionBuilder::on_error) says so.
    ///
    /// # Errors
    ///
    /// See [`CreateError`].
    pub fn or_try_create<E: Display>(
        self,
        creator: impl AsyncFnOnce() -> Result<V, E>,
    ) -> impl Future<Output = Result<Got<V>, CreateError<E>>> {
        self.hit_or(|get| get.creating(async move |_| creator().await.map(Made::new)))
    }

    /// As [`or_try_create`](Get::or_try_create), with a creator that is lent the [`Creation`].
    ///
    /// # Errors
    ///
    /// As for [`or_try_create`](Get::or_try_create).
    pub fn or_try_create_with<E: Display>(
        self,
        creator: impl AsyncFnOnce(&Creation<K, V>) -> Result<Made<V>, E>,
    ) -> impl Future<Output = Result<Got<V>, CreateError<E>>> {
        self.hit_or(|get| get.creating(creator))
    }

    /// As [`or_try_create`](Get::or_try_create), with a creator that may find that there is no value. The absence is
    /// stored as a value is, for [its own lifetime](crate::RegionBuilder::absence_expires_after), so that the source is
    /// not asked again each time.
    ///
    /// # Errors
    ///
    /// As for [`or_try_create`](Get::or_try_create).
    pub async fn or_try_find<E: Display>(
        self,
        creator: impl AsyncFnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<Got<V>>, CreateError<E>> {
        match self.hit() {
            Some(got) => Ok(Some(got)),
            None => cold(|| Box::pin(self.finding(creator))).await,
        }
    }

    /// Returns what is there, fresh or old, and creates nothing. `None`: the value is missing, or is known to be
    /// absent. One round trip, or none if the value is kept near.
    ///
    /// Of the steps, [`renew_if`](Get::renew_if) counts: a value of that version is not returned.
    ///
    /// # Errors
    ///
    /// The backend has not answered within `backend_timeout`, or is in the pause after a failure, and this process has
    /// no value of its own; or the region was closed.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has no effect.
    pub async fn value(self) -> Result<Option<Got<V>>, BackendError> {
        if let Some(got) = self.hit() {
            return Ok(Some(got));
        }
        let Get { region: Region { core, .. }, key, wants } = self;
        let _entered = core.closing.enter().ok_or_else(closed)?;
        let slot = core.hold(key);
        let (found, outcome) = Box::pin(core.peek(&slot)).await?;
        let now = core.time.nanos();
        Ok(found
            .filter(|found| wants.refuses != Some(found.version))
            .and_then(|found| Got::new(found, outcome, None, now)))
    }

    /// Returns the value, or the right to create it: `MintCache`'s way, in which a miss is the right to create.
    ///
    /// # Errors
    ///
    /// See [`CreateError`].
    pub async fn claim(self) -> Result<Claim<K, V>, GetError> {
        if let Some(got) = self.hit() {
            return Ok(Claim::Value(got));
        }
        let going = match Box::pin(self.look_first()).await {
            ControlFlow::Continue(going) => going,
            ControlFlow::Break(ended) => return ended.map(|ended| Claim::Value(value(ended))),
        };
        let Begun { mut drive, stage, entered } = Box::pin(self.begin(going)).await?;
        match stage {
            Stage::Ended(answer) => drive.conclude(answer).map(|ended| Claim::Value(value(ended))),
            Stage::Create { wake } => Ok(Claim::Create(Creation::owned(drive, wake, entered))),
        }
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Get<'_, K, V> {
    /// Returns the value that is kept near, if it is fresh and not refused.
    #[inline(always)]
    #[allow(clippy::inline_always)] // see `Region::hit`
    pub(super) fn hit(&self) -> Option<Got<V>> {
        if self.wants.refreshes { None } else { self.region.hit(self.key, self.wants.refuses) }
    }

    /// Returns the value that is kept near, or what `miss` makes of the access.
    ///
    /// A hit is decided before anything of a miss exists: its future is small, and does not touch the heap. The future
    /// of a miss has a box.
    #[inline]
    fn hit_or<E, M, F>(self, miss: M) -> HitOr<Self, M, F>
    where
        M: FnOnce(Self) -> F,
        F: Future<Output = Result<Got<V>, E>>,
    {
        HitOr { access: Some((self, miss)), missed: None }
    }

    /// Makes the first look of the access, if there is a backend. The access ends with it, or goes on.
    fn look_first(&self) -> impl Future<Output = First<K::Owned, V>> + Send {
        self.region.core.first(self.key, &self.wants)
    }

    /// Makes the access of a value that is not kept near.
    #[allow(clippy::manual_async_fn)] // The future of an `async fn` has room for what it is given twice.
    pub(super) fn creating<E: Display>(
        self,
        creator: impl AsyncFnOnce(&Creation<K, V>) -> Result<Made<V>, E>,
    ) -> impl Future<Output = Result<Got<V>, CreateError<E>>> {
        async move {
            let going = match self.look_first().await {
                ControlFlow::Continue(going) => going,
                ControlFlow::Break(ended) => return ended.map(value).map_err(GetError::widen),
            };
            // A hit has no room for the rest.
            Box::pin(self.asking(going, creator)).await.map(value)
        }
    }

    /// As [`creating`](Get::creating), with a creator that may find that there is no value.
    pub(super) async fn finding<E: Display>(
        mut self,
        creator: impl AsyncFnOnce() -> Result<Option<V>, E>,
    ) -> Result<Option<Got<V>>, CreateError<E>> {
        self.wants.finds = true;
        let going = match self.look_first().await {
            ControlFlow::Continue(going) => going,
            ControlFlow::Break(ended) => return ended.map(Ended::got).map_err(GetError::widen),
        };
        let creator = async move |_: &Creation<K, V>| {
            let found = creator().await?;
            Ok(Made::of(found.map_or(Content::Absent, Content::Value)))
        };
        Box::pin(self.asking(going, creator)).await.map(Ended::got)
    }

    async fn asking<E: Display>(
        self,
        going: Option<Box<Going<K::Owned, V>>>,
        creator: impl AsyncFnOnce(&Creation<K, V>) -> Result<Made<V>, E>,
    ) -> Result<Ended<V>, CreateError<E>> {
        // (The part in the region goes last.)
        let Begun { entered: _entered, mut drive, stage } = self.begin(going).await.map_err(GetError::widen)?;
        let wake = match stage {
            Stage::Ended(answer) => return drive.conclude(answer).map_err(GetError::widen),
            Stage::Create { wake } => wake,
        };
        drive.keep(wake);
        let creation = Creation::of(&drive);
        let made = drive.run(wake, async || creator(&creation).await).await;
        finish(&mut drive, made).await
    }

    /// As [`claim`](Get::claim), but waits for no other access: `None` where there is nothing to be served, and another
    /// access creates, or none may for a while.
    pub(crate) async fn claim_at_once(self) -> Result<Option<Claim<K, V>>, GetError> {
        if let Some(got) = self.hit() {
            return Ok(Some(Claim::Value(got)));
        }
        let going = match Box::pin(self.look_first()).await {
            ControlFlow::Continue(going) => going,
            ControlFlow::Break(ended) => return ended.map(|ended| ended.got().map(Claim::Value)),
        };
        Box::pin(async move {
            let core = &self.region.core;
            let (drive, action, entered) = self.opened(going)?;
            let at_once = pin!(Box::new(drive).at_once(action));
            let reached = core.unless_ended(at_once).await.ok_or(GetError::Closed)??;
            Ok(Claim::reached(reached, || entered))
        })
        .await
    }

    /// Returns the access that goes on, or a new one, with what is to be done next.
    #[allow(clippy::type_complexity)] // It is taken apart at once.
    fn opened(
        &self,
        going: Option<Box<Going<K::Owned, V>>>,
    ) -> Result<(Drive<K::Owned, V>, Action<Value<V>>, Entered), GetError> {
        if let Some(going) = going {
            return Ok(going.into_parts());
        }
        let core = &self.region.core;
        let entered = core.closing.enter().ok_or(GetError::Closed)?;
        let drive = Drive::new(core, core.hold(self.key), self.wants);
        let action = drive.begin();
        Ok((drive, action, entered))
    }

    /// Makes the access, up to its creator or to its end.
    async fn begin(self, going: Option<Box<Going<K::Owned, V>>>) -> Result<Begun<K, V>, GetError> {
        let core = &self.region.core;
        let (mut drive, action, entered) = self.opened(going)?;
        let stage = {
            // (Pinned here, or the future that waits for it would have room for it twice.)
            let performing = pin!(drive.perform(action));
            core.unless_ended(performing).await.ok_or(GetError::Closed)?
        };
        Ok(Begun { drive, stage, entered })
    }
}

/// The future of [`Get::hit_or`]. (Written by hand: an `async` block moves what it returns once more.)
struct HitOr<G, M, F> {
    access: Option<(G, M)>,
    missed: Option<Pin<Box<F>>>,
}

// Nothing in it is pinned but what is in the box.
impl<G, M, F> Unpin for HitOr<G, M, F> {}

impl<'a, K, V, E, M, F> Future for HitOr<Get<'a, K, V>, M, F>
where
    K: RegionKey + ?Sized,
    V: Send + Sync + 'static,
    M: FnOnce(Get<'a, K, V>) -> F,
    F: Future<Output = Result<Got<V>, E>>,
{
    type Output = Result<Got<V>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some((get, _)) = &this.access
            && let Some(got) = get.hit()
        {
            return Poll::Ready(Ok(got));
        }
        this.missed(cx)
    }
}

impl<G, M, F> HitOr<G, M, F> {
    #[cold]
    #[inline(never)]
    fn missed<T>(&mut self, cx: &mut Context<'_>) -> Poll<T>
    where
        M: FnOnce(G) -> F,
        F: Future<Output = T>,
    {
        if let Some((get, miss)) = self.access.take() {
            self.missed = Some(Box::pin(miss(get)));
        }
        self.missed.as_mut().expect("a miss is made once").as_mut().poll(cx)
    }
}

/// Makes what only a miss needs, so that the code of a hit is small and in one piece.
#[cold]
#[inline(never)]
pub(super) fn cold<T>(make: impl FnOnce() -> T) -> T {
    make()
}

/// The error of those who create nothing.
pub(crate) fn closed() -> BackendError {
    BackendError::new(BackendErrorKind::Refused).caused_by("the region was closed")
}

/// Ends the access with what its creator has made.
async fn finish<O, V, E>(drive: &mut Drive<O, V>, made: Result<Made<V>, E>) -> Result<Ended<V>, CreateError<E>>
where
    O: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    E: Display,
{
    match made {
        Ok(made) => {
            let answer = drive.settle(made).await;
            drive.conclude(answer).map_err(GetError::widen)
        }
        Err(error) => {
            let cause = drive.cause(&error);
            let old = if drive.core().serves_stale_on_error() { drive.usable_old(Outcome::StaleOnError) } else { None };
            drive.fail(cause).await;
            old.map(Ended::Value).ok_or(CreateError::Failed(error))
        }
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for Get<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Get").field("region", &self.region.name()).field("wants", &self.wants).finish_non_exhaustive()
    }
}
