//! What can go wrong: one small error type per kind of operation.

mod either;

pub(crate) use either::{Either, NotStored};

use crate::failure::Failure;
use crate::sync::Arc;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// Implements `Display` and `Error` for an error without a cause.
macro_rules! says {
    ($error:ty, $($kind:pat => $text:expr),+ $(,)?) => {
        impl fmt::Display for $error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($kind => $text),+
                })
            }
        }

        impl Error for $error {}
    };
}

/// Why a reader-writer lock could not be taken at once: another thread or task holds it, or this thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WouldBlock;

says! { WouldBlock, _ => "it would have had to wait" }

/// Why a reader-writer lock could not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockError {
    /// The holders of the lock did not let go in time.
    TimedOut,
    /// This thread holds a read guard, and asked for the write lock. It would have waited for itself.
    ReadLockHeld,
    /// This thread holds the write lock, and asked to read or to write. It would have waited for itself.
    WriteLockHeld,
    /// The write lock of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) was asked for inside
    /// [`Creation::publish`](crate::Creation::publish). It would have waited for readers, and a reader that invalidates
    /// would have waited for the end of `publish`.
    InsidePublish,
}

const OTHERS_HELD_IT: &str = "timed out while others held the lock";
const INSIDE_PUBLISH: &str = "the write lock was asked for inside `Creation::publish`, and readers that invalidate would have \
     waited for it for ever; take it by `Creation::write_lock`, instead of `publish`";
const READ_LOCK_HELD: &str = "this thread asked for the write lock while it holds a read guard of the same lock, and would \
     have waited for itself for ever; drop the guard first";
const NOTHING_TO_READ: &str = "this thread would have to create, or to store, while it holds a read guard of the same lock, and would \
     have waited for itself for ever; drop the guard first";
const WRITE_LOCK_HELD: &str = "this thread asked to read or to write while it holds the write lock of the same lock, and \
     would have waited for itself for ever; drop that first";

says! {
    LockError,
    Self::TimedOut => OTHERS_HELD_IT,
    Self::ReadLockHeld => READ_LOCK_HELD,
    Self::WriteLockHeld => WRITE_LOCK_HELD,
    Self::InsidePublish => INSIDE_PUBLISH,
}

/// Why [`force_full_fences`](crate::force_full_fences) came too late: a lock of this process has been read or written
/// already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FencesDecided;

says! { FencesDecided, _ => "readers of this process count on the kernel for their fences already" }

/// A circle of locks. Their creations would have waited for each other: each for the next one, and the last for the
/// first.
///
/// The creator of the first lock made the access that fails. That access asked for the second lock, the creator of the
/// second lock waits for the third, and so on. A creator that asked for the value that it is creating itself makes a
/// circle of one lock.
///
/// Between threads each circle is found. Between tasks a circle is found as far as their
/// [polls](crate::Dogpile#for-tasks) tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WaitCycle(Arc<[Option<&'static str>]>);

impl WaitCycle {
    pub(crate) fn of(names: Vec<Option<&'static str>>) -> Self {
        Self(names.into())
    }

    /// Returns the [names](crate::PolicyBuilder::name) of the locks; `None` for a lock without a name.
    #[must_use]
    pub fn names(&self) -> impl ExactSizeIterator<Item = Option<&'static str>> + '_ {
        self.0.iter().copied()
    }
}

impl fmt::Display for WaitCycle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |name: Option<&str>| name.map_or("a lock without a name".to_owned(), |name| format!("`{name}`"));
        match &*self.0 {
            [] | [None] => f.write_str(WOULD_DEADLOCK),
            [Some(only)] => write!(f, "{WOULD_DEADLOCK}: `{only}`"),
            all => {
                f.write_str("creators would have waited for each other's values: ")?;
                for lock in all {
                    write!(f, "{} waits for ", name(*lock))?;
                }
                f.write_str(&name(all[0]))
            }
        }
    }
}

/// Why an access of any kind was refused: a [`CreateError`] that is not the user's own error.
#[derive(Clone, Debug)]
pub struct Refusal(pub(crate) AcquireError);

const SUPERSEDED: &str = "the creation was superseded by an invalidation";
const DEAD: &str = "the creation took too long, and another was elected in its place";
const LOST: &str = "the task that was spawned to create the value has panicked, was dropped, or takes too long";
const NOT_STORED: &str = "the store would not take the value";
const WOULD_DEADLOCK: &str =
    "a creator asked for the value that it is creating itself, and would have waited for itself for ever";

fn paused(f: &mut fmt::Formatter<'_>, retry_in: Duration, cause: &str) -> fmt::Result {
    write!(f, "there is no value, and none is made for another {retry_in:?}, after a failure: {cause}")
}

impl From<LockError> for Refusal {
    fn from(error: LockError) -> Self {
        Self(error.into())
    }
}

/// Why an access failed, by [`or_try_create`](crate::Access::or_try_create) or after a
/// [`timeout`](crate::Access::timeout).
///
/// `E` is the error of the creator and of the setter. `G` is the error of the getter. Both come back untouched. `G` is
/// [`Infallible`] where there is no getter or where the getter cannot fail, so `CreateError<E>` is enough there. `E` is
/// `Infallible` as well where nothing of the user's can fail: that is an [`AcquireError`].
///
/// `Display` says what failed. The cause is the [`source`](Error::source). A `CreateError` is an [`Error`] if both `E`
/// and `G` are. The errors of some creators are not, such as `String`, `&str` or a boxed error. There, match on
/// [`Failed`](CreateError::Failed), which has the creator's error: `to_string()` says only that the creator failed.
/// Later versions of the crate may add further reasons.
///
/// A creator may fail with a [`Failure`]. Then `E` is that `Failure`, and [`without_hints`](CreateError::without_hints)
/// makes a `CreateError` of the error inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CreateError<E, G = Infallible> {
    /// This access was elected, and its creator, or its setter, returned this error.
    Failed(E),
    /// The getter returned this error. An error is not a miss: nothing was created.
    GetterFailed(G),
    /// The store of a [`CachedByKey`](crate::CachedByKey) refused the value that its function has made. The creation
    /// has failed, and the value is lost. (In all other accesses a setter fails with the creator's error,
    /// [`Failed`](Self::Failed).)
    SetterFailed(G),
    /// The batch function of a [call for many keys](crate::CachedByKey::access_many) has returned too few results, or
    /// too many. Nothing says which result is of which key, so all of these creations have failed.
    WrongCount {
        /// For how many keys the function was called.
        asked: usize,
        /// How many results the function has returned.
        given: usize,
    },
    /// There was no value, and the creation that runs did not end in [time](crate::Access::timeout). That creation goes
    /// on, and serves the other waiters. Under a guard there is a second reason: writers or readers did not let go in
    /// time. If the readers kept a setter waiting, its creation is given up.
    TimedOut,
    /// This thread or task is running the creator that it would have waited for, or a creator that the other waits for
    /// already. (Between tasks this is told as far as their [polls](crate::Dogpile#for-tasks) tell.)
    WouldDeadlock(WaitCycle),
    /// There is no value, the last creation has [failed](crate::PolicyBuilder::retry_after), and no creator is to be
    /// called again so soon. The policy says how long the pause is, or the failure
    /// [itself](crate::Failure::retry_after) does.
    Paused {
        /// How long the pause still is, on the lock's clock.
        retry_in: Duration,
        /// What the last creation failed with, as text.
        cause: Arc<str>,
    },
    /// This thread holds a read guard of a [`SyncReaderDogpile`](crate::SyncReaderDogpile), and would have to create,
    /// or to store what it has created. That takes the write lock, which would wait for the guard.
    ReadLockHeld,
    /// This thread holds the write lock of a [`SyncReaderDogpile`](crate::SyncReaderDogpile). It would have waited for
    /// itself.
    WriteLockHeld,
    /// There was no value, and it was this access's [turn](crate::Spawner#the-access-that-waits) to create one, but its
    /// creator is gone with the task that was [spawned](crate::AsyncAccess::spawned_by) for this access.
    ///
    /// Either the creator panicked, or left its [`Shared`](crate::Shared) where it is still held; or the task was
    /// dropped half-way; or the creation is [dead or overdue](crate::PolicyBuilder::creation_timeout). An overdue
    /// creation goes on, and its value may yet become the current one.
    Lost,
}

/// Why an access failed, where nothing of the user's can fail: neither the creator nor the getter. It comes from a
/// [time-out](crate::Access::timeout), or from a creation that is [spawned](crate::AsyncAccess::spawned_by).
pub type AcquireError = CreateError<Infallible>;

impl AcquireError {
    /// Returns the same error, with the type that it has for an access with a creator or a getter that can fail. This
    /// is for a function that makes accesses of both kinds.
    ///
    /// ```
    /// use dogpile::{AcquireError, CreateError, Dogpile, Outcome};
    /// use std::{io, time::Duration};
    ///
    /// fn renew(lock: &Dogpile) -> Result<Outcome, CreateError<io::Error>> {
    ///     let at_once = Duration::ZERO;
    ///     drop(lock.access().timeout(at_once).turn().map_err(AcquireError::widen)?);
    ///     lock.acquire_or_try_create(|| Err(io::Error::other("no answer")))
    /// }
    ///
    /// assert!(matches!(renew(&Dogpile::never_expires()), Err(CreateError::Failed(_))));
    /// ```
    #[must_use]
    pub fn widen<E, G>(self) -> CreateError<E, G> {
        self.map(|never| match never {}, |never| match never {}, |never| match never {})
    }
}

impl<E, G> CreateError<E, G> {
    /// Returns the same, with other errors in place of the user's.
    pub(crate) fn map<F, H>(
        self,
        failed: impl FnOnce(E) -> CreateError<F, H>,
        getter_failed: impl FnOnce(G) -> H,
        setter_failed: impl FnOnce(G) -> H,
    ) -> CreateError<F, H> {
        match self {
            Self::Failed(error) => failed(error),
            Self::GetterFailed(error) => CreateError::GetterFailed(getter_failed(error)),
            Self::SetterFailed(error) => CreateError::SetterFailed(setter_failed(error)),
            Self::WrongCount { asked, given } => CreateError::WrongCount { asked, given },
            Self::TimedOut => CreateError::TimedOut,
            Self::WouldDeadlock(cycle) => CreateError::WouldDeadlock(cycle),
            Self::Paused { retry_in, cause } => CreateError::Paused { retry_in, cause },
            Self::ReadLockHeld => CreateError::ReadLockHeld,
            Self::WriteLockHeld => CreateError::WriteLockHeld,
            Self::Lost => CreateError::Lost,
        }
    }

    /// Returns the same, where getter and setter cannot fail.
    pub(crate) fn without_getter(self, cannot_fail: impl Fn(G) -> Infallible) -> CreateError<E> {
        self.map(CreateError::Failed, &cannot_fail, &cannot_fail)
    }
}

impl<E, G> From<Refusal> for CreateError<E, G> {
    fn from(refusal: Refusal) -> Self {
        refusal.0.widen()
    }
}

impl<E, G> From<LockError> for CreateError<E, G> {
    fn from(error: LockError) -> Self {
        match error {
            LockError::TimedOut => Self::TimedOut,
            LockError::ReadLockHeld => Self::ReadLockHeld,
            LockError::WriteLockHeld => Self::WriteLockHeld,
            LockError::InsidePublish => Self::WouldDeadlock(WaitCycle::of(vec![None])),
        }
    }
}

/// Makes a `Result` of what a creator that cannot fail has created.
#[allow(clippy::unnecessary_wraps)] // that is what it is for
pub(crate) fn never<T>(created: T) -> Result<T, Infallible> {
    Ok(created)
}

/// Returns the value of an access that waits without an end, and has no error to return.
#[track_caller]
pub(crate) fn or_deadlock<T>(got: Result<T, impl Into<AcquireError>>) -> T {
    match got {
        Ok(value) => value,
        Err(error) => would_deadlock(error),
    }
}

/// Panics with what such an access may still come to.
#[cold]
#[track_caller]
pub(crate) fn would_deadlock(error: impl Into<AcquireError>) -> ! {
    match error.into() {
        AcquireError::Failed(never) | AcquireError::GetterFailed(never) | AcquireError::SetterFailed(never) => {
            match never {}
        }
        AcquireError::TimedOut => unreachable!("a wait without an end does not time out"),
        AcquireError::Paused { .. } => unreachable!("who cannot say so is not told of a pause"),
        error => panic!("{error}"),
    }
}

impl<E, G> fmt::Display for CreateError<E, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Failed(_) => "the creator failed",
            Self::GetterFailed(_) => "the getter failed",
            Self::SetterFailed(_) => NOT_STORED,
            Self::WrongCount { asked, given } => {
                return write!(f, "a batch function returned {given} results for {asked} keys");
            }
            Self::TimedOut => "timed out while waiting for others",
            Self::WouldDeadlock(cycle) => return cycle.fmt(f),
            Self::Paused { retry_in, cause } => return paused(f, *retry_in, cause),
            Self::ReadLockHeld => NOTHING_TO_READ,
            Self::WriteLockHeld => WRITE_LOCK_HELD,
            Self::Lost => LOST,
        })
    }
}

impl<E: Error + 'static, G: Error + 'static> Error for CreateError<E, G> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(error) => Some(error),
            error => error.source_but_the_creators(),
        }
    }
}

impl<E, G: Error + 'static> CreateError<E, G> {
    /// Returns the cause, unless that is the creator's error.
    pub(crate) fn source_but_the_creators(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::GetterFailed(error) | Self::SetterFailed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E, G> CreateError<Failure<E>, G> {
    /// Returns the same with the creator's error itself, without what the failure said of the time after.
    ///
    /// ```
    /// use dogpile::{CreateError, Dogpile, Failure};
    ///
    /// let failed = Dogpile::never_expires().acquire_or_try_create(|| Err(Failure::new("no such user").uncovered()));
    /// assert_eq!(failed.map_err(CreateError::without_hints), Err(CreateError::Failed("no such user")));
    /// ```
    #[must_use]
    pub fn without_hints(self) -> CreateError<E, G> {
        self.map(|failure| CreateError::Failed(failure.into_error()), |error| error, |error| error)
    }
}

/// The [`source`](Error::source) of a failed creation is the error inside the [`Failure`].
impl<E: Error + 'static, G: Error + 'static> Error for CreateError<Failure<E>, G> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(failure.error()),
            error => error.source_but_the_creators(),
        }
    }
}

/// The invalidation took effect, but an older value was still being stored when the time-out was over.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StillStoring;

says! { StillStoring, _ => "the value is invalidated, but an older one is still being stored" }

/// Why [`Creation::write_lock`](crate::Creation::write_lock) was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteLockError {
    /// An invalidation has overtaken the creation. What the creation made must not become the current value. (Nothing
    /// else leads here: the locks whose creations have `write_lock` have no `set`, and a replaced creation is
    /// [`Dead`](Self::Dead).)
    Superseded,
    /// The creation took too long, and another access was elected in its place. What the creation made must not become
    /// the current value.
    Dead,
    /// The readers did not stop in time.
    TimedOut,
    /// This thread holds a read guard. It would have waited for itself.
    ReadLockHeld,
    /// This thread holds the write lock already. It would have waited for itself.
    WriteLockHeld,
    /// The write lock was asked for inside [`Creation::publish`](crate::Creation::publish). The write lock takes the
    /// place of `publish`.
    InsidePublish,
}

says! {
    WriteLockError,
    Self::Superseded => SUPERSEDED,
    Self::Dead => DEAD,
    Self::TimedOut => OTHERS_HELD_IT,
    Self::ReadLockHeld => READ_LOCK_HELD,
    Self::WriteLockHeld => WRITE_LOCK_HELD,
    Self::InsidePublish => INSIDE_PUBLISH,
}

impl From<PublishError> for WriteLockError {
    fn from(error: PublishError) -> Self {
        match error {
            PublishError::Superseded => Self::Superseded,
            PublishError::Dead => Self::Dead,
        }
    }
}

impl From<LockError> for WriteLockError {
    fn from(error: LockError) -> Self {
        match error {
            LockError::TimedOut => Self::TimedOut,
            LockError::ReadLockHeld => Self::ReadLockHeld,
            LockError::WriteLockHeld => Self::WriteLockHeld,
            LockError::InsidePublish => Self::InsidePublish,
        }
    }
}

/// Why [`Creation::publish`](crate::Creation::publish) did not run its closure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PublishError {
    /// An invalidation has overtaken the creation. What the creation made must not become the current value. (Nothing
    /// else leads here: the locks whose creations have `publish` have no `set`, and a replaced creation is
    /// [`Dead`](Self::Dead).)
    Superseded,
    /// The creation took longer than its [time-out](crate::PolicyBuilder::creation_timeout), and another access was
    /// elected in its place. What the creation made must not become the current value.
    Dead,
}

says! {
    PublishError,
    Self::Superseded => SUPERSEDED,
    Self::Dead => DEAD,
}
