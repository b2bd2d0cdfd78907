//! What can go wrong, one small type per kind of operation.

mod either;

pub(crate) use either::{Either, NotStored};

use crate::failure::Failure;
use crate::sync::Arc;
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// What an error says that has no cause.
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

/// Why a lock that readers share was not to be had at once: somebody else holds it, or this thread does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct WouldBlock;

says! { WouldBlock, _ => "it would have had to wait" }

/// Why a lock that readers share was not to be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LockError {
    /// Those who hold it did not let go in time.
    TimedOut,
    /// This thread is reading, and asked for the write lock: it would have waited for itself.
    ReadLockHeld,
    /// This thread holds the write lock, and asked to read or to write: it would have waited for itself.
    WriteLockHeld,
    /// The write lock of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) was asked for inside
    /// [`Creation::publish`](crate::Creation::publish): it would wait for readers, of whom one that invalidates waits
    /// for it.
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

/// Why [`force_full_fences`](crate::force_full_fences) came too late: somebody has read or written already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct FencesDecided;

says! { FencesDecided, _ => "readers of this process count on the kernel for their fences already" }

/// The locks whose creations would have waited for each other, in a circle: each for the next one, and the last for the
/// first.
///
/// The first is the one whose creator made the access that fails, the second the one that it asked for, and so on.
/// There is one alone if a creator asked for the value that it is creating itself.
///
/// Between threads each circle is found; between tasks, as far as their [polls](crate::Dogpile#for-tasks) tell.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct WaitCycle(Arc<[Option<&'static str>]>);

impl WaitCycle {
    pub(crate) fn of(names: Vec<Option<&'static str>>) -> Self {
        Self(names.into())
    }

    /// The [names](crate::PolicyBuilder::name) of the locks, for those that have one.
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

/// Why an access was refused, of whatever kind it is: a [`CreateError`] that is none of the user's.
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
/// `E` is the creator's own error, and the setter's. `G` is the getter's. Both come back untouched. Where there is no
/// getter, or one that cannot fail, `G` is [`Infallible`], and `CreateError<E>` says it; where nothing can fail, `E` is
/// `Infallible` as well, and that is an [`AcquireError`].
///
/// `Display` says what failed; the cause is the [`source`](Error::source). A `CreateError` is an [`Error`] if `E` and
/// `G` are: of a creator's `String`, `&str` or boxed error, go on with its `to_string()`. More reasons arise as the
/// crate grows.
///
/// Of a creator that fails with a [`Failure`], `E` is that;
/// [`without_hints`](CreateError::without_hints) makes a `CreateError` of the error inside.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CreateError<E, G = Infallible> {
    /// This access was elected, and its creator returned this error, or its setter.
    Failed(E),
    /// The getter returned this error. It is not taken for a miss: nothing was created.
    GetterFailed(G),
    /// The store of a [`CachedByKey`](crate::CachedByKey) would not take what its function has made: the creation has
    /// failed, and what was made is lost. (In all other accesses a setter fails with the creator's error.)
    SetterFailed(G),
    /// The batch function of a [call for many keys](crate::CachedByKey::access_many) has returned too few results, or
    /// too many: nobody knows whose they are, and all of these creations have failed.
    WrongCount {
        /// For how many keys it was called.
        asked: usize,
        /// How many results it has returned.
        given: usize,
    },
    /// There was no value, and the creation that runs did not end in [time](crate::Access::timeout): it goes on, and
    /// serves the others. Or, under a guard, writers or readers did not let go in time; if the readers kept a setter
    /// waiting, its creation is given up.
    TimedOut,
    /// This thread, or task, is running the creator that it would have waited for, or one that the other waits for
    /// already. (Of tasks that is told as far as their [polls](crate::Dogpile#for-tasks) tell.)
    WouldDeadlock(WaitCycle),
    /// There is no value, the last creation has [failed](crate::PolicyBuilder::retry_after), and nobody is to try again
    /// so soon; the policy says how long, or the failure [itself](crate::Failure::retry_after).
    Paused {
        /// How long the pause still is, on the lock's clock.
        retry_in: Duration,
        /// What the last creation failed with, as text.
        cause: Arc<str>,
    },
    /// This thread holds a read guard of a [`SyncReaderDogpile`](crate::SyncReaderDogpile), and would have to create,
    /// or to store what it has created: that takes the write lock, which would wait for that guard.
    ReadLockHeld,
    /// This thread holds the write lock of a [`SyncReaderDogpile`](crate::SyncReaderDogpile): it would have waited for
    /// itself.
    WriteLockHeld,
    /// There was no value, and it was this access's [turn](crate::Spawner#the-access-that-waits) to create one, but its
    /// creator is gone with the task that was [spawned](crate::AsyncAccess::spawned_by) for this access: the creator
    /// panicked, or left its [`Shared`](crate::Shared) where it is still held; the task was dropped half-way; or its
    /// creation is [dead or overdue](crate::PolicyBuilder::creation_timeout). (An overdue creation goes on, and its
    /// value may yet become the current one.)
    Lost,
}

/// Why an access failed whose creator and getter cannot: [`CreateError`] where nothing of the user's can fail. It comes
/// of a [time-out](crate::Access::timeout), and of a creation that is [spawned](crate::AsyncAccess::spawned_by).
pub type AcquireError = CreateError<Infallible>;

impl AcquireError {
    /// The same error, of the type that an access with a creator or getter of its own error has: for a function that
    /// makes accesses of both kinds.
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
    /// The same, with other errors of the user's.
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

    /// The same, if getter and setter cannot fail.
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

/// Has a creator that cannot fail speak as one that can.
#[allow(clippy::unnecessary_wraps)] // that is what it is for
pub(crate) fn never<T>(created: T) -> Result<T, Infallible> {
    Ok(created)
}

/// What an access without an end to its wait, and without an error to say so by, may still come to.
#[track_caller]
pub(crate) fn or_deadlock<T>(got: Result<T, impl Into<AcquireError>>) -> T {
    match got {
        Ok(value) => value,
        Err(error) => would_deadlock(error),
    }
}

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
    /// The cause, unless that is the creator's error.
    pub(crate) fn source_but_the_creators(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::GetterFailed(error) | Self::SetterFailed(error) => Some(error),
            _ => None,
        }
    }
}

impl<E, G> CreateError<Failure<E>, G> {
    /// The same with the creator's error itself, without what that said of the time after.
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

/// The [`source`](Error::source) of a failed creator is its own error.
impl<E: Error + 'static, G: Error + 'static> Error for CreateError<Failure<E>, G> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Failed(failure) => Some(failure.error()),
            error => error.source_but_the_creators(),
        }
    }
}

/// The invalidation took effect, but an older value was still being stored when the time ran out.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct StillStoring;

says! { StillStoring, _ => "the value is invalidated, but an older one is still being stored" }

/// Why [`Creation::write_lock`](crate::Creation::write_lock) was not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WriteLockError {
    /// The creation was overtaken by an invalidation: what it made must not become the current value.
    Superseded,
    /// The creation took too long, and another was elected in its place: what it made must not become the current
    /// value.
    Dead,
    /// Those who read did not stop in time.
    TimedOut,
    /// This thread is reading: it would have waited for itself.
    ReadLockHeld,
    /// This thread holds the write lock already: it would have waited for itself.
    WriteLockHeld,
    /// It was asked for inside [`Creation::publish`](crate::Creation::publish), which it stands for.
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
    /// The creation was overtaken by an invalidation: what it made must not become the current value.
    Superseded,
    /// The creation took longer than its [time-out](crate::PolicyBuilder::creation_timeout), and another was elected in
    /// its place: what it made must not become the current value.
    Dead,
}

says! {
    PublishError,
    Self::Superseded => SUPERSEDED,
    Self::Dead => DEAD,
}
