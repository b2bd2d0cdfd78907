//! Accesses of threads: their steps, and the calls that end them.

use super::after::after;
use super::age::ByStamp;
use super::fails::{CannotFail, Fails};
use super::getter::{Finds, Found};
use super::patience::{Forever, Sharing, Tells, Waits};
use super::reach::Reach;
use super::serve::{Served, Serves};
use super::setter::{Set, Sets, Unset};
use super::source::{ByGetter, ByThread, Elsewhere, Origin};
use crate::creation::Creation;
use crate::derived::opaque;
use crate::error::{AcquireError, CreateError, never, or_deadlock};
use crate::failure::{Cause, Takes};
use crate::generation::Generation;
use crate::lock::Lock;
use crate::wait::{Glance, Wants};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::time::Duration;

/// An access that is being described step by step. Nothing happens before its last call.
///
/// | its last call | without a time-out | after [`timeout(d)`](Self::timeout) |
/// |---|---|---|
/// | [`turn`](Self::turn) | the turn | `Result<_, AcquireError>` |
/// | [`or_create`](Self::or_create), [`or_create_with`](Self::or_create_with) | the value; a panic in place of a wait for itself | `Result<_, AcquireError>` |
/// | [`or_try_create`](Self::or_try_create), [`or_try_create_with`](Self::or_try_create_with) | `Result<_, CreateError<E, G>>` | `Result<_, CreateError<E, G>>` |
///
/// What it gives:
///
/// | the value is | of a [`Dogpile`](crate::Dogpile) | of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) | of a [`Cached`](crate::Cached) |
/// |---|---|---|---|
/// | elsewhere | [`Outcome`](crate::Outcome) | [`ReadGuard<Outcome>`](crate::ReadGuard) | - |
/// | brought by a getter | `V` | `ReadGuard<V>` | - |
/// | in the lock | - | - | [`CachedGuard<V>`](crate::CachedGuard) |
///
/// What the creator makes: nothing, if the value is elsewhere; otherwise a `V`. (By
/// [`fetch_stamped`](Self::fetch_stamped) the value is a [`Stamped<V>`](crate::Stamped); a creator of a `Cached` that
/// is handed its [`Renewal`](crate::Renewal) makes a [`Made<V>`](crate::Made).)
///
/// # Steps
///
/// ```
/// # fn ask(_: &str) -> std::io::Result<Option<u64>> { Ok(None) }
/// # fn tell(_: &str, _: u64) -> std::io::Result<()> { Ok(()) }
/// use dogpile::{Dogpile, Pool, Stamped};
/// use std::{sync::Arc, time::Duration};
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
/// static POOL: Pool = Pool::new(2, 100);
/// let soon = Duration::from_secs(1);
///
/// // The value is elsewhere, and the creator stores it.
/// LOCK.access().timeout(soon).or_create(|| { /* rebuild */ })?;
///
/// // A getter brings it. The getter may fail, and find nothing.
/// let made = LOCK.fetch(|| ask("key")).or_try_create(|| "42".parse::<u64>())?;
///
/// // A setter stores what is created.
/// let made = LOCK.fetch(|| ask("key")).and_set(|made| tell("key", *made)).or_try_create(|| Ok(42))?;
///
/// // The value brings its own time.
/// let made = LOCK.fetch_stamped(|| None::<Stamped<u64>>).or_create(|| 42).value;
///
/// // The creator is handed its creation: to publish through it, or to ask whether it is still wanted.
/// LOCK.access().or_create_with(|creation| if !creation.is_superseded() { /* go on */ });
///
/// // Another thread creates, if there is an old value to go on with.
/// LOCK.access().in_background(&POOL).or_create(|| { /* rebuild */ });
///
/// // The lock is not a `static`, and the creation is to outlive the caller.
/// let lock = Arc::new(Dogpile::never_expires());
/// Dogpile::kept(&lock).in_background(&POOL).or_create(|| { /* rebuild */ });
///
/// // A new value within a second; or else the old one, while another thread creates.
/// LOCK.access().soft_timeout(soon).in_background(&POOL).or_create(|| { /* rebuild */ });
///
/// // The caller was refused with the value, and asks for a newer one. The others carry on with the old one.
/// LOCK.access().renew_if(LOCK.generation()).or_create(|| { /* rebuild */ });
///
/// // The value is made anew, though it is fresh, and though there is a pause.
/// LOCK.access().anew().or_create(|| { /* rebuild */ });
///
/// // If the creation fails, all that have waited for it fail with its error.
/// LOCK.access().share_errors().or_try_create(|| Ok::<_, std::fmt::Error>(()))?;
///
/// // This access does not create by itself: see `Turn`.
/// let turn = Dogpile::kept(&lock).timeout(soon).turn()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// [`CreateError`] says which, and [`AcquireError`] is the same where nothing of the user's can fail. Without a time-out
/// an access by a creator that cannot fail has no error: a wait of this thread for itself is a panic, and it is not told
/// of a [pause](crate::PolicyBuilder::retry_after), but waits, and is elected in it.
///
/// # Panics
///
/// A panic of the getter, the creator or the setter goes on to the caller; the creation, if there is one, is given up.
/// [`Dogpile`](crate::Dogpile#deadlocks) says when a wait would be one for itself.
#[must_use = "nothing happens before the access ends in `turn`, `or_create` or `or_try_create`"]
pub struct Access<K, S = Elsewhere, W = Forever> {
    pub(crate) lock: K,
    pub(crate) source: S,
    pub(crate) waits: W,
}

impl<K, S> Access<K, S> {
    #[inline]
    pub(crate) const fn new(lock: K, source: S) -> Self {
        Self { lock, source, waits: Forever }
    }
}

/// # Where the value is
impl<K, W> Access<K, Elsewhere, W> {
    /// A getter fetches the value from where it lives, and may find it gone: it returns `Option<T>`, or
    /// `Result<Option<T>, G>` if it can fail. (`None` is what the origin calls `NeedRegeneration`.)
    ///
    /// | the value is | the access |
    /// |---|---|
    /// | fresh | calls the getter once, and gives its value |
    /// | stale | creates, if it is elected; otherwise it gives the old value by the getter, without waiting |
    /// | missing, to the lock or to the getter | creates, if it is elected; otherwise it waits, and gives the new value by the getter |
    ///
    /// The getter is called at most twice in one access, and never after the creator has made a value. (After a creator
    /// that failed it may be asked for the old value: see [`OnError::ServeStale`](crate::OnError).) An access that is
    /// told twice that there is nothing creates, when its turn comes. A getter says `None` of a miss only. A store that
    /// is down is an error: if it were a miss, all accesses would create one after the other. A getter's error ends the
    /// access with [`CreateError::GetterFailed`], and nothing is created.
    ///
    /// **The getter is not called for a value that is missing to the lock**, as it is at first: a lock for getters
    /// starts with [`born_fresh`](crate::Dogpile::born_fresh), since the store may hold a value from before.
    ///
    /// Under readers ([`SyncReaderDogpile`](crate::SyncReaderDogpile)) the getter runs as a reader, and its value is
    /// given in that reader's guard. A thread that holds a guard already is never elected: for it the getter is called
    /// once, and [`CreateError::ReadLockHeld`] says that there was nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Dogpile;
    /// use std::{collections::HashMap, sync::Mutex, time::Duration};
    ///
    /// let store = Mutex::new(HashMap::new()); // may lose entries when it likes
    /// let lock = Dogpile::new(Duration::from_secs(60)).born_fresh();
    /// let access = || {
    ///     lock.fetch(|| store.lock().unwrap().get("answer").copied()).or_create(|| {
    ///         let answer = 42; // slow
    ///         store.lock().unwrap().insert("answer", answer);
    ///         answer
    ///     })
    /// };
    /// assert_eq!(access(), 42);
    /// store.lock().unwrap().clear();
    /// assert_eq!(access(), 42);
    /// ```
    pub fn fetch<R: Found, F: FnMut() -> R>(self, getter: F) -> Access<K, ByGetter<F>, W> {
        let source = ByGetter { getter, setter: Unset, age: PhantomData };
        Access { lock: self.lock, source, waits: self.waits }
    }

    /// As [`fetch`](Self::fetch), by a getter whose value brings the time when it was created.
    ///
    /// The getter is always asked first, so this lock need not know of the value: another process may have created it. A
    /// stamp younger than [`expires_after`](crate::Status::expires_after) is fresh, an older one stale. A stamp ahead of
    /// this machine's clock counts as now, but as stale if it is ahead by more than
    /// [`max_skew`](crate::PolicyBuilder::max_skew).
    ///
    /// One of the accesses through *this lock* is elected: those that run at the same time must share the lock. In
    /// between, while nobody uses the lock, it may go and another take its place. Each process elects for itself; what
    /// one has created the others find by its stamp. After [`invalidate`](crate::Dogpile::invalidate) the stamps count
    /// for nothing, until something was created through this lock: what the store still holds may be what was
    /// invalidated.
    ///
    /// The value is stamped when the creator returns. The creator stores it with the time it was made, or a
    /// [setter](Self::and_set) does, which is handed the stamp.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Dogpile, Stamped};
    /// use std::{sync::Mutex, time::Duration};
    ///
    /// let stored: Mutex<Option<Stamped<u64>>> = Mutex::default(); // say, in memcached
    /// let lock = Dogpile::new(Duration::from_secs(60));
    /// let answer = lock
    ///     .fetch_stamped(|| *stored.lock().unwrap())
    ///     .and_set(|stamped| *stored.lock().unwrap() = Some(*stamped))
    ///     .or_create(|| 42);
    /// assert_eq!(answer.value, 42);
    /// assert_eq!(*stored.lock().unwrap(), Some(answer));
    /// ```
    pub fn fetch_stamped<T, R: Found + Finds<Value = crate::Stamped<T>>, F: FnMut() -> R>(
        self,
        getter: F,
    ) -> Access<K, ByGetter<F, ByStamp>, W> {
        let source = ByGetter { getter, setter: Unset, age: PhantomData };
        Access { lock: self.lock, source, waits: self.waits }
    }
}

impl<K, F, A, W, R: Finds> Access<K, ByGetter<F, A>, W>
where
    F: FnMut() -> R,
{
    /// A setter stores what the creator has made, unless the creation was superseded meanwhile: so a value that was
    /// invalidated while it was made never overwrites a newer one (L6). The caller gets it all the same.
    ///
    /// The setter runs inside [`Creation::publish`], or under readers with the
    /// [write lock](Creation::write_lock) held. It returns nothing, or `Result<(), E>` if it can fail, with the error
    /// that the creator fails with. A setter that fails fails the creation, with [`CreateError::Failed`], and what was
    /// created is lost. A setter that would rather have it given returns `Ok`; then the creation has succeeded, and the
    /// getter of the next access may find nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn ask(_: &str) -> std::io::Result<Option<u64>> { Ok(None) }
    /// # fn tell(_: &str, _: u64) -> std::io::Result<()> { Ok(()) }
    /// use dogpile::{CreateError, Dogpile};
    /// use std::{io, time::Duration};
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(600)).born_fresh();
    ///
    /// fn answer() -> Result<u64, CreateError<io::Error, io::Error>> {
    ///     let create = || Ok(42); // slow
    ///     LOCK.fetch(|| ask("answer")).and_set(|made| tell("answer", *made)).or_try_create(create)
    /// }
    /// assert_eq!(answer().unwrap(), 42);
    /// ```
    pub fn and_set<P, Z: FnOnce(&R::Value) -> P>(self, setter: Z) -> Access<K, ByGetter<F, A, Set<Z>>, W> {
        let ByGetter { getter, age, .. } = self.source;
        Access { lock: self.lock, source: ByGetter { getter, setter: Set(setter), age }, waits: self.waits }
    }
}

/// # How long it waits, and who creates
impl<K, S, W: Waits> Access<K, S, W> {
    /// The access waits for others for `timeout` at most, and has an [error](AcquireError) for that.
    ///
    /// The time-out bounds the waits alone, all of one access together (L10): neither the getter nor the creator nor the
    /// setter of this access is interrupted. It is real time, on whatever clock values expire. Zero does not wait, and
    /// `Duration::MAX` waits without an end.
    ///
    /// An access that is elected takes as long as its creator does. To have an answer in time in any case, have another
    /// thread create, and wait for that as the others do:
    ///
    /// ```
    /// use dogpile::{Dogpile, Pool, Turn};
    /// use std::{sync::RwLock, time::Duration};
    ///
    /// static POOL: Pool = Pool::new(2, 100);
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));
    /// static TABLE: RwLock<Vec<u32>> = RwLock::new(Vec::new());
    ///
    /// fn first() -> Option<u32> {
    ///     if let Ok(Turn::Create(creation)) = LOCK.try_acquire() {
    ///         creation.run_in_background(&POOL, |_| *TABLE.write().unwrap() = vec![42] /* slow */);
    ///     }
    ///     LOCK.access().timeout(Duration::from_millis(300)).turn().ok()?;
    ///     TABLE.read().unwrap().first().copied()
    /// }
    /// # while first() != Some(42) {}
    /// ```
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{AcquireError, Cached};
    /// use std::time::Duration;
    ///
    /// static ANSWER: Cached<u64> = Cached::new(Duration::from_secs(60));
    ///
    /// fn answer() -> Result<u64, AcquireError> {
    ///     Ok(*ANSWER.access().timeout(Duration::from_millis(500)).or_create(|| 42)?)
    /// }
    /// assert_eq!(answer(), Ok(42));
    /// ```
    #[inline]
    pub fn timeout(self, timeout: Duration) -> Access<K, S, W::Bounded> {
        Access { lock: self.lock, source: self.source, waits: self.waits.within(timeout) }
    }

    /// The access waits for a new value for `timeout` at most, though there be an old one, and then goes on with that.
    ///
    /// | the value is | the access |
    /// |---|---|
    /// | fresh | gives it |
    /// | stale, and somebody else creates | waits for that, as long as this says |
    /// | stale, and the access is elected | creates; by [`in_background`](Self::in_background), waits for that, as long as this says |
    /// | missing | creates or waits, as long as its [`timeout`](Self::timeout) says |
    ///
    /// So a page has the new value if that takes a tenth of a second, and the old one if it takes ten seconds. The
    /// creation goes on in any case. If another access's creation fails, this one takes part anew: it may be elected, or
    /// in a [pause](crate::PolicyBuilder::retry_after) goes on with the old value. If it has handed its own over, and that
    /// fails, it goes on with the old value. What it has waited for is [`Outcome::Waited`](crate::Outcome::Waited). While
    /// a creator waits for the value that it makes itself, or in a circle of creators, the old value is given at once.
    ///
    /// The soft time-out is real time, as `timeout` is. Zero does not wait, and `Duration::MAX` waits without an end, if
    /// `timeout` does not end it; that also ends with the old value. Under readers no reader is in while the access
    /// waits; a getter is asked after that. (Under readers an access that has handed its creation over goes on at once:
    /// the creation may wait for the reader that has the old value, or clear it.) An access that is made
    /// [`anew`](Self::anew), or that asks for a [newer](Self::renew_if) value, has no old value that will do, and does not
    /// mind this.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, ThreadPerJob};
    /// use std::time::Duration;
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    ///
    /// let soon = Duration::from_millis(100);
    /// let rates = RATES.access().soft_timeout(soon).in_background(&ThreadPerJob).or_create(|| vec![1.0, 1.09]);
    /// assert_eq!(rates[1], 1.09);
    /// ```
    pub fn soft_timeout(self, timeout: Duration) -> Access<K, S, W::Wanting> {
        let waits = self.waits.wanting(|_, soft| *soft = Some(timeout));
        Access { lock: self.lock, source: self.source, waits }
    }

    /// The value is made anew, though it be fresh: the access gives one whose creation began after it did.
    ///
    /// The access marks the value as stale, and creates; or, if somebody creates already, waits for that creation and,
    /// since it may have begun before, for the next one. Other accesses carry on with the old value meanwhile. A
    /// [pause](crate::PolicyBuilder::retry_after) does not keep it from creating: it is what an operator calls who knows
    /// that the source is back. If the creation fails, the value stays what it was, and is stale; a pause grows by that as
    /// by any failure, and where an old value [covers a failure](crate::OnError::ServeStale) the outcome tells. It creates
    /// on its own thread also [in the background](Self::in_background), since it wants no old value to go on with: to
    /// have a value renewed by another thread, mark it as stale.
    ///
    /// ```
    /// use dogpile::{Cached, Outcome};
    /// use std::time::Duration;
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    /// RATES.set(vec![1.0, 1.09]);
    /// let rates = RATES.access().anew().timeout(Duration::from_secs(1)).or_create(|| vec![1.0, 1.1])?;
    /// assert_eq!(rates[1], 1.1);
    /// # Ok::<(), dogpile::AcquireError>(())
    /// ```
    pub fn anew(self) -> Access<K, S, W::Wanting> {
        let waits = self.waits.wanting(|wants, _| *wants = Wants::Anew);
        Access { lock: self.lock, source: self.source, waits }
    }

    /// The caller was refused with the value of generation `seen`, and asks for a newer one; the others carry on with
    /// the old value.
    ///
    /// | the value is | the access |
    /// |---|---|
    /// | of a later generation than `seen` | is as any access |
    /// | that of `seen`, and somebody creates | waits for that creation, whose value is newer |
    /// | that of `seen`, and nobody creates | creates |
    /// | the same, too soon after another [renewal](crate::PolicyBuilder::renew_interval), or in a [pause](crate::PolicyBuilder::retry_after) | gives the old value, and [`Outcome::TooSoon`](crate::Outcome::TooSoon) |
    /// | missing | is as any access |
    ///
    /// So of 64 callers that were refused with one token, one fetches another, none of them gets the refused one a second
    /// time, and nobody else waits: to all other accesses the value is as fresh as it was. The creator is handed the
    /// old value by [`Renewal::old`](crate::Renewal::old). If the creation fails, the value stays what it was.
    ///
    /// The generation is that of the guard that the caller was refused with
    /// ([`CachedGuard::generation`](crate::CachedGuard::generation)); of a lock without a value, the one
    /// [before the access](crate::Status::generation).
    ///
    /// **What outsiders can cause has to be bounded:** a token with a made-up key id costs its sender nothing. A
    /// [`renew_interval`](crate::PolicyBuilder::renew_interval) bounds how often this access asks the source. (Nobody
    /// from outside should be able to drive [`invalidate_if`](crate::Cached::invalidate_if): it takes the value from
    /// everybody.)
    ///
    /// [In the background](Self::in_background) the access creates on its own thread all the same, since it has no value
    /// to go on with.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, CachedGuard, Outcome, Policy};
    /// use std::time::Duration;
    ///
    /// static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_secs(10)).build_const();
    /// static KEYS: Cached<Vec<u64>> = Cached::new(Duration::from_secs(600)).with_policy(&BOUNDED);
    /// # fn fetch() -> Vec<u64> { vec![1, 2] }
    ///
    /// fn is_known(key: u64) -> bool {
    ///     let keys = KEYS.get_or_create(fetch);
    ///     if keys.contains(&key) || CachedGuard::outcome(&keys) == Outcome::Created {
    ///         return keys.contains(&key); // there are no newer keys than those of just now
    ///     }
    ///     let newer = KEYS.access().renew_if(CachedGuard::generation(&keys)).or_create(fetch);
    ///     CachedGuard::outcome(&newer) != Outcome::TooSoon && newer.contains(&key)
    /// }
    /// assert!(is_known(2) && !is_known(3));
    /// ```
    pub fn renew_if(self, seen: Generation) -> Access<K, S, W::Wanting> {
        let waits = self.waits.wanting(|wants, _| *wants = Wants::Newer(seen));
        Access { lock: self.lock, source: self.source, waits }
    }

    /// If the creation fails, all accesses that have waited for it, and also share errors, fail with that same error.
    ///
    /// Without this step a waiter never gets the error of another access: when a creation fails, one waiter is elected,
    /// and calls its own creator, and the others go on waiting. So 20 callers whose source takes 50 ms to fail make 20
    /// calls in a row, and the last one waits a second. With it they make one call, and all 20 have its error after
    /// 50 ms. (A policy that [pauses](crate::PolicyBuilder::retry_after) makes one call, too, and tells the others that
    /// there is a pause, with the text of the error.)
    ///
    /// The error is shared between accesses that both have this step, and whose errors are of one type; other waiters
    /// are elected as ever. An access that waited since before an invalidation, while the creation began after it, is
    /// told as well; not so one that came after an invalidation, of a creation that began before. Nor is one told that
    /// waits though it has an old value, by a [soft time-out](Self::soft_timeout), or for its own
    /// [task](crate::Spawner). A panic is not shared, nor is what a getter fails with.
    ///
    /// A value too old to be served may [cover](crate::PolicyBuilder::max_stale_on_error) a failure: the access that has
    /// created gives that, and those that have waited for it fail with the error.
    ///
    /// ```
    /// use dogpile::{Cached, CreateError};
    /// use std::{io, sync::Arc};
    ///
    /// # fn fetch() -> io::Result<String> { Err(io::Error::other("no answer")) }
    /// fn token(cached: &Cached<String>) -> Result<String, CreateError<Arc<io::Error>>> {
    ///     // An `io::Error` is no `Clone`.
    ///     let token = cached.access().share_errors().or_try_create(|| fetch().map_err(Arc::new))?;
    ///     Ok(token.clone())
    /// }
    /// assert!(token(&Cached::never_expires()).is_err());
    /// ```
    pub fn share_errors(self) -> Access<K, S, Sharing<W>> {
        Access { lock: self.lock, source: self.source, waits: Sharing(self.waits) }
    }
}

/// # By a creator that cannot fail
impl<'a, 'c, K: Reach<'a, 'c>, S: Origin<ByThread>, W: Waits> Access<K, S, W>
where
    K::Lock: Serves<'c, S>,
{
    /// Gives the value, and creates it by `creator` if this access is elected.
    ///
    /// Blocks as long as its own creator runs, or while there is no value and somebody else creates it; under readers
    /// also while a writer is in or waits.
    ///
    /// # Errors
    ///
    /// After a [`timeout`](Self::timeout): [`AcquireError::TimedOut`]; [`AcquireError::WouldDeadlock`] if this thread is
    /// running the creator that it would wait for, or one that the other waits for; [`AcquireError::Paused`] after a
    /// failure, if there is no value; under readers [`AcquireError::ReadLockHeld`] and [`AcquireError::WriteLockHeld`],
    /// if this thread holds a guard.
    ///
    /// # Panics
    ///
    /// Without a time-out, where that would be a wait for itself, or under readers a guard of this thread in its way. If
    /// the getter, the creator or the setter does.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    #[track_caller]
    pub fn or_create(self, creator: impl FnOnce() -> S::Made) -> W::Gives<<K::Lock as Lock>::Got<'a, S::Value>>
    where
        S::Error: CannotFail,
        S::Setter: Sets<S::Value, Infallible>,
    {
        self.or_create_with(|_| S::with(creator()))
    }

    /// As [`or_create`](Self::or_create), by a creator that is handed its [`Creation`]: to
    /// [publish](Creation::publish) through it, to take the [write lock](Creation::write_lock) for its last step, or to
    /// ask whether it is [still wanted](Creation::is_superseded). Of a [`Cached`](crate::Cached) it is a
    /// [`Renewal`](crate::Renewal), with the [old value](crate::Renewal::old), and the creator returns what it has
    /// [`Made`](crate::Made).
    ///
    /// # Errors
    ///
    /// As `or_create`.
    ///
    /// # Panics
    ///
    /// As `or_create`.
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    #[track_caller]
    pub fn or_create_with(
        self,
        creator: impl FnOnce(&Creation<'c, K::Lock>) -> S::MadeWith,
    ) -> W::Gives<<K::Lock as Lock>::Got<'a, S::Value>>
    where
        S::Error: CannotFail,
        S::Setter: Sets<S::Value, Infallible>,
    {
        // A hit is found here, and all behind it is out of line.
        let served = match self.lock.lock().look(self.waits.glance()) {
            Ok(got) => Ok(after((creator, self.source), got)),
            Err(missed) => serve_apart(self.lock, missed, self.waits, self.source, creator),
        };
        W::give(served.map_err(refused))
    }
}

impl<'a, 'c, K: Reach<'a, 'c, Lock: Serves<'c, S>>, S: Origin<ByThread>> Access<K, S> {
    /// As [`or_create_with`](Self::or_create_with), with its miss whole and out of line. For a [`Cached`] a hit costs less
    /// so, and for a [`SyncReaderDogpile`] more (`benches/instructions.rs`).
    ///
    /// [`Cached`]: crate::Cached
    /// [`SyncReaderDogpile`]: crate::SyncReaderDogpile
    #[inline(always)]
    #[allow(clippy::inline_always)] // a part of the hit path
    #[track_caller]
    pub(crate) fn or_create_apart(
        self,
        creator: impl FnOnce(&Creation<'c, K::Lock>) -> S::MadeWith,
    ) -> <K::Lock as Lock>::Got<'a, S::Value>
    where
        S::Error: CannotFail,
        S::Setter: Sets<S::Value, Infallible>,
    {
        match self.lock.lock().look(Glance::Usable) {
            Ok(got) => after((creator, self.source), got),
            Err(missed) => serve_infallibly(self.lock, missed, self.source, creator),
        }
    }
}

/// A miss.
#[cold]
#[inline(never)]
#[track_caller]
fn serve_infallibly<'a, 'c, K: Reach<'a, 'c, Lock: Serves<'c, S>>, S: Origin<ByThread>>(
    reached: K,
    missed: <K::Lock as Serves<'c, S>>::Missed,
    source: S,
    creator: impl FnOnce(&Creation<'c, K::Lock>) -> S::MadeWith,
) -> <K::Lock as Lock>::Got<'a, S::Value>
where
    S::Error: CannotFail,
    S::Setter: Sets<S::Value, Infallible>,
{
    or_deadlock(serve_apart(reached, missed, Forever, source, creator).map_err(refused))
}

/// An error where nothing of the user's can fail.
pub(crate) fn refused<G: CannotFail>(error: CreateError<Infallible, G>) -> AcquireError {
    error.without_getter(Fails::fails)
}

/// # What can fail
impl<'a, 'c, K: Reach<'a, 'c>, S: Origin<ByThread>, W: Waits> Access<K, S, W>
where
    K::Lock: Serves<'c, S>,
{
    /// As [`or_create`](Self::or_create), by a creator that can fail. Its error is its own caller's; a waiter is elected
    /// in its place.
    ///
    /// With a getter that can fail, `?` has no way to know the creator's error type: a signature or a turbofish says it
    /// (`Ok::<_, io::Error>(…)`).
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the creator's error, or the setter's; [`CreateError::GetterFailed`] with the
    /// getter's; and those of `or_create`, time-out or not.
    ///
    /// # Panics
    ///
    /// If the getter, the creator or the setter does.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn ask_server(_: &str) -> Result<Option<u64>, io::Error> { Ok(None) }
    /// # fn tell_server(_: &str, _: u64) {}
    /// use dogpile::{CreateError, Dogpile};
    /// use std::{io, num::ParseIntError, time::Duration};
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
    ///
    /// fn answer() -> Result<u64, CreateError<ParseIntError, io::Error>> {
    ///     LOCK.fetch(|| ask_server("answer")).or_try_create(|| {
    ///         let made = "42".parse()?; // slow, and may fail
    ///         tell_server("answer", made);
    ///         Ok(made)
    ///     })
    /// }
    /// assert_eq!(answer()?, 42);
    /// # Ok::<(), CreateError<ParseIntError, io::Error>>(())
    /// ```
    #[inline]
    pub fn or_try_create<E: Cause>(self, creator: impl FnOnce() -> Result<S::Made, E>) -> Served<'a, K::Lock, S, E>
    where
        W: Tells<E>,
        S::Setter: Sets<S::Value, E>,
    {
        self.or_try_create_with(|_| creator().map(S::with))
    }

    /// As [`or_try_create`](Self::or_try_create), by a creator that is handed its [`Creation`], as
    /// [`or_create_with`](Self::or_create_with) says.
    ///
    /// # Errors
    ///
    /// As `or_try_create`.
    ///
    /// # Panics
    ///
    /// As `or_try_create`.
    #[inline]
    pub fn or_try_create_with<E: Cause>(
        self,
        creator: impl FnOnce(&Creation<'c, K::Lock>) -> Result<S::MadeWith, E>,
    ) -> Served<'a, K::Lock, S, E>
    where
        W: Tells<E>,
        S::Setter: Sets<S::Value, E>,
    {
        match self.lock.lock().look(self.waits.glance()) {
            Ok(got) => Ok(after((creator, self.source), got)),
            Err(missed) => serve_fallibly(self.lock, missed, self.waits, self.source, creator),
        }
    }
}

/// Apart, since the waits take room, which a hit would have to make.
#[cold]
#[inline(never)]
fn serve_apart<'a, 'c, K: Reach<'a, 'c, Lock: Serves<'c, S>>, S: Origin<ByThread>, W: Waits>(
    reached: K,
    missed: <K::Lock as Serves<'c, S>>::Missed,
    waits: W,
    source: S,
    creator: impl FnOnce(&Creation<'c, K::Lock>) -> S::MadeWith,
) -> Served<'a, K::Lock, S, Infallible>
where
    S::Setter: Sets<S::Value, Infallible>,
{
    let creator = |creation: &_| never(creator(creation));
    K::Lock::serve::<Infallible, Infallible>(reached, missed, &waits.wait(false), source, creator)
}

/// As [`serve_apart`], by a creator that can fail.
#[cold]
#[inline(never)]
fn serve_fallibly<'a, 'c, K: Reach<'a, 'c, Lock: Serves<'c, S>>, S: Origin<ByThread>, W: Tells<E>, E: Cause>(
    reached: K,
    missed: <K::Lock as Serves<'c, S>>::Missed,
    waits: W,
    source: S,
    creator: impl FnOnce(&Creation<'c, K::Lock>) -> Result<S::MadeWith, E>,
) -> Served<'a, K::Lock, S, E>
where
    S::Setter: Sets<S::Value, E>,
{
    let (wait, creator) = (&waits.begin(), |creation: &_| creator(creation).map_err(W::As::take));
    W::told(wait, K::Lock::serve::<E, W::As>(reached, missed, wait, source, creator))
}

opaque! { [K, S, W] Access<K, S, W>, "Access" }
