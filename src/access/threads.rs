//! Accesses of threads: their steps, and the terminals that are given a creator.

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

/// One request of a thread to a lock: its *steps* describe it, and its *terminal* makes it.
///
/// Nothing happens before the terminal. [`access()`](crate::Dogpile::access) opens an access of a lock of any type.
/// [`kept(&lock)`](crate::Dogpile::kept) opens an access whose creation may outlive the caller.
///
/// | step | the access |
/// |---|---|
/// | [`fetch(getter)`](Self::fetch) | has the getter fetch the value from where it lives |
/// | [`fetch_stamped(getter)`](Self::fetch_stamped) | has the getter fetch the value with the time when it was created |
/// | [`and_set(setter)`](Self::and_set) | has the setter store what the creator made |
/// | [`timeout(d)`](Self::timeout) | waits for others for `d` at most |
/// | [`soft_timeout(d)`](Self::soft_timeout) | waits for a new value for `d` at most although there is an old one, and then takes the old one |
/// | [`anew()`](Self::anew) | gives a value whose creation began after the access did, although there is a fresh one |
/// | [`renew_if(generation)`](Self::renew_if) | asks for a value newer than the one the caller was refused with, which the generation names |
/// | [`share_errors()`](Self::share_errors) | shares the error of a failed creation with the other accesses that have this step |
/// | [`in_background(&runner)`](Self::in_background) | if it is elected and has an old value, gives its creation to the runner. This step comes last |
///
/// | terminal | gives | after [`timeout`](Self::timeout) |
/// |---|---|---|
/// | [`turn`](Self::turn) | what the access is to do: to use the value, or to create it | `Result<_, AcquireError>` |
/// | [`or_create`](Self::or_create), [`or_create_with`](Self::or_create_with) | the value; a panic in place of a wait for itself | `Result<_, AcquireError>` |
/// | [`or_try_create`](Self::or_try_create), [`or_try_create_with`](Self::or_try_create_with) | `Result<_, CreateError<E, G>>` | the same |
/// | [`get`](Self::get), of a function that keeps its results | the value; a panic in place of a wait for itself | `Result<_, AcquireError>` |
/// | [`try_get`](Self::try_get), of such a function | `Result<_, CreateError<E, G>>` | the same |
///
/// What the creator makes, and what the access gives, depends on where the value is:
///
/// | the value is | the creator makes | an access of a [`Dogpile`](crate::Dogpile) gives | of a [`SyncReaderDogpile`](crate::SyncReaderDogpile) | of a [`Cached`](crate::Cached) |
/// |---|---|---|---|---|
/// | where the user keeps it | nothing | an [`Outcome`](crate::Outcome) | a [`ReadGuard<Outcome>`](crate::ReadGuard) | - |
/// | brought by a getter | `V` | `V` | `ReadGuard<V>` | - |
/// | brought with its stamp | `V` | [`Stamped<V>`](crate::Stamped) | `ReadGuard<Stamped<V>>` | - |
/// | in the lock | `V`; by the terminals `_with`, [`Made<V>`](crate::Made) | - | - | [`CachedGuard<V>`](crate::CachedGuard) |
///
/// The page [modes](crate::guide::modes) of the guide says which type and which mode a program needs.
///
/// # Errors
///
/// [`CreateError`] says what the errors are. [`AcquireError`] is the same type for accesses in which nothing of the
/// user's can fail.
///
/// Without a time-out, an access that ends in `or_create`, `or_create_with`, `turn` or `get` has no error. Where such
/// an access would wait for itself, it panics. Such an access is not told of a
/// [pause](crate::PolicyBuilder::retry_after): if there is no value, it creates when it is elected, although there is a
/// pause.
///
/// # Panics
///
/// A panic of the getter, the creator or the setter goes on to the caller. If there is a creation, it ends as failed.
/// [`Dogpile`](crate::Dogpile#deadlocks) says when an access would wait for itself.
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Pool, Stamped};
/// use std::{error::Error, fmt, io, sync::Arc, time::Duration};
///
/// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
/// static POOL: Pool = Pool::new(2, 100);
///
/// fn ask(_key: &str) -> io::Result<Option<u64>> {
///     Ok(None) // say, of memcached
/// }
///
/// fn tell(_key: &str, _made: u64) -> io::Result<()> {
///     Ok(())
/// }
///
/// fn main() -> Result<(), Box<dyn Error>> {
///     let soon = Duration::from_secs(1);
///
///     // The value is elsewhere, and the creator stores it.
///     LOCK.access().timeout(soon).or_create(|| { /* rebuild */ })?;
///
///     // A getter brings the value. The getter may fail, and may find nothing.
///     let made = LOCK.fetch(|| ask("key")).or_try_create(|| "42".parse::<u64>())?;
///
///     // A setter stores what the creator makes.
///     let made = LOCK.fetch(|| ask("key")).and_set(|made| tell("key", *made)).or_try_create(|| Ok(42))?;
///
///     // The value brings the time when it was created.
///     let made = LOCK.fetch_stamped(|| None::<Stamped<u64>>).or_create(|| 42).value;
///
///     // The creator is handed its creation: to publish through it, or to ask whether the value is still wanted.
///     LOCK.access().or_create_with(|creation| if !creation.is_superseded() { /* go on */ });
///
///     // Another thread creates, if there is an old value to go on with.
///     LOCK.access().in_background(&POOL).or_create(|| { /* rebuild */ });
///
///     // The lock is not a `static`, and the creation is to outlive the caller.
///     let lock = Arc::new(Dogpile::never_expires());
///     Dogpile::kept(&lock).in_background(&POOL).or_create(|| { /* rebuild */ });
///
///     // The access gives a new value within a second; or else the old one, while another thread creates.
///     LOCK.access().soft_timeout(soon).in_background(&POOL).or_create(|| { /* rebuild */ });
///
///     // The caller was refused with the value, and asks for a newer one. Others carry on with the old value.
///     LOCK.access().renew_if(LOCK.generation()).or_create(|| { /* rebuild */ });
///
///     // The value is made anew, although it is fresh, and although there is a pause.
///     LOCK.access().anew().or_create(|| { /* rebuild */ });
///
///     // If the creation fails, all accesses that have waited for it and have this step fail with its error.
///     LOCK.access().share_errors().or_try_create(|| Ok::<_, fmt::Error>(()))?;
///
///     // The access does not create by itself: see `Turn`.
///     let turn = Dogpile::kept(&lock).timeout(soon).turn()?;
///     Ok(())
/// }
/// ```
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
    /// Has a getter fetch the value from where it lives: *getter mode*.
    ///
    /// The getter returns `Option<T>`, or `Result<Option<T>, G>` if it can fail. `None` says that the value is gone,
    /// and has to be created. (The origin, Python's `dogpile`, calls this `NeedRegeneration`.)
    ///
    /// | the value is | the access |
    /// |---|---|
    /// | fresh | calls the getter once, and gives the getter's value |
    /// | stale | creates, if it is elected; otherwise gives the old value by the getter, without waiting |
    /// | missing, to the lock or to the getter | creates, if it is elected; otherwise waits, and gives the new value by the getter |
    ///
    /// **The getter is not called for a value that is missing to the lock**, as the value is at first. So a lock in
    /// getter mode begins with [`born_fresh`](crate::Dogpile::born_fresh), since the store may hold a value from
    /// before.
    ///
    /// The getter is called at most twice in one access, and never after the creator of this access has made a value
    /// (L8). If the creator has failed, the access may call the getter for the old value: see
    /// [`OnError::ServeStale`](crate::OnError::ServeStale). An access that has heard twice from its getter that there
    /// is no value creates as soon as it is elected.
    ///
    /// A getter says `None` of a miss only. A store that cannot be asked is an error of the getter: if that were a
    /// miss, all accesses would create, one after the other. A getter's error ends the access with
    /// [`CreateError::GetterFailed`], and nothing is created.
    ///
    /// Under readers ([`SyncReaderDogpile`](crate::SyncReaderDogpile)) the getter runs as a reader, and the access
    /// gives the value in that reader's guard. A thread that holds a guard already is never elected. Its access calls
    /// the getter once, and ends with [`CreateError::ReadLockHeld`] if the getter finds nothing.
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

    /// Has a getter fetch the value with the time when it was created: *stamped getter mode*. In all other respects the
    /// access is that of [`fetch`](Self::fetch).
    ///
    /// The stamp, and not the lock, says how old the value is:
    ///
    /// | the stamp | the value is |
    /// |---|---|
    /// | is younger than [`expires_after`](crate::Status::expires_after) | fresh |
    /// | is older | stale; missing, once [`max_stale`](crate::PolicyBuilder::max_stale) is over as well |
    /// | is ahead of this machine's clock by [`max_skew`](crate::PolicyBuilder::max_skew) at most | as old as a value that is created now |
    /// | is further ahead | stale |
    ///
    /// So the lock need not know of the value, which another process may have created: the access asks the getter
    /// before anything else. There are two exceptions:
    ///
    /// - After an [`invalidate`](crate::Dogpile::invalidate) through this lock, the access does not ask the getter, and
    ///   no stamp counts, until a value was created through this lock. The store may still hold the value that was
    ///   invalidated (L6).
    /// - An access that asks for another value, by [`anew`](Self::anew) or [`renew_if`](Self::renew_if), is elected
    ///   without asking the getter.
    ///
    /// After a [`mark_stale`](crate::Dogpile::mark_stale) through this lock, each value is stale at best, until a value
    /// was created through this lock.
    ///
    /// The election is among the accesses through *this lock*. So accesses that may run at the same time must share one
    /// lock. While no access runs, the lock may be dropped, and another lock may take its place. Each process elects a
    /// creator of its own. The other processes find by its stamp what one process has created.
    ///
    /// The value is stamped when the creator returns. A [setter](Self::and_set) is handed the value with its stamp, to
    /// store both. A creator that stores the value by itself stores the time with it.
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
    /// Has a setter store what the creator has made, unless the creation was superseded or declared dead meanwhile.
    ///
    /// So a value that was invalidated while it was made never overwrites a newer one (L6). The caller is given the
    /// value all the same.
    ///
    /// The setter runs inside [`Creation::publish`]. Under readers it runs while the creation holds the [write
    /// lock](Creation::write_lock) instead.
    ///
    /// The setter returns nothing, or `Result<(), E>` if it can fail, where `E` is the error of the creator. If the
    /// setter fails, the creation fails with [`CreateError::Failed`], and what the creator made is lost. A setter that
    /// would rather have the value given returns `Ok`. Then the creation has succeeded, and the getter of the next
    /// access may find nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CreateError, Dogpile};
    /// use std::{io, time::Duration};
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(600)).born_fresh();
    ///
    /// fn ask(_key: &str) -> io::Result<Option<u64>> {
    ///     Ok(None) // say, of memcached
    /// }
    ///
    /// fn tell(_key: &str, _made: u64) -> io::Result<()> {
    ///     Ok(())
    /// }
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

/// # How long it waits, and for what
impl<K, S, W: Waits> Access<K, S, W> {
    /// Bounds the waits of the access: it waits for others for `timeout` at most, and then ends with an
    /// [error](AcquireError).
    ///
    /// The time-out covers all waits of the access together (L10), and nothing else: the getter, the creator and the
    /// setter of this access are not interrupted. The time is real time, even if the values expire by another clock. It
    /// is as precise as the system wakes a thread. Zero does not wait, and `Duration::MAX` waits without an end.
    ///
    /// An elected access takes as long as its creator does. To have an answer in time in any case, let another thread
    /// create, and let this access wait for that thread as the others do: the guide shows
    /// [how](crate::guide::background#an-answer-in-time-with-a-value-or-without).
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

    /// Lets the access wait for a new value for `timeout` at most although there is an old one, and then go on with the
    /// old one.
    ///
    /// | the value is | the access |
    /// |---|---|
    /// | fresh | gives it |
    /// | stale, and another access creates | waits for that creation, within this time-out |
    /// | stale, and the access is elected | creates; after [`in_background`](Self::in_background), hands its creation over and waits for it, within this time-out |
    /// | missing | creates or waits, within its [`timeout`](Self::timeout) |
    ///
    /// So a page has the new value if that is made in a tenth of a second, and the old value if it takes ten seconds.
    /// The creation goes on in any case. The outcome of an access that was given a new value for which it has waited is
    /// [`Outcome::Waited`](crate::Outcome::Waited).
    ///
    /// If the creation of another access fails, this access takes part anew: it may be elected, or it goes on with the
    /// old value in a [pause](crate::PolicyBuilder::retry_after). If a creation fails that this access has handed over,
    /// the access goes on with the old value. A creator that asks for the value that it is making, or that would wait
    /// in a circle of creators, is given the old value at once.
    ///
    /// The time is real time, as that of `timeout` is. Zero does not wait. `Duration::MAX` waits without an end, unless
    /// `timeout` ends the wait; then too the access goes on with the old value.
    ///
    /// Under readers the access holds no guard while it waits, and it calls its getter after the wait. An access that
    /// has handed its creation over does not wait under readers: it holds the guard of the old value, and the creation
    /// may wait for that guard, or clear the old value.
    ///
    /// An access that is made [`anew`](Self::anew), or that asks for a [newer](Self::renew_if) value, has no old value
    /// that will do. This step changes nothing for it.
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

    /// Has the value made anew, although it is fresh: the access gives a value whose creation began after the access
    /// did.
    ///
    /// The access marks the value as stale, and creates. If another access creates already, this access waits for that
    /// creation, and then for the next one, since the first may have begun before this access did. Other accesses carry
    /// on with the old value meanwhile.
    ///
    /// A [pause](crate::PolicyBuilder::retry_after) does not keep the access from creating. This is the step for an
    /// operator, when the source is known to be back.
    ///
    /// If the creation fails, the value stays what it was, and is stale. The next pause grows by that failure as by any
    /// other. Where the old value [covers](crate::OnError::ServeStale) the failure, the outcome is
    /// [`StaleOnError`](crate::Outcome::StaleOnError).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, Outcome};
    /// use std::time::Duration;
    ///
    /// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
    /// RATES.set(vec![1.0, 1.09]);
    /// let rates = RATES.access().anew().timeout(Duration::from_secs(1)).or_create(|| vec![1.0, 1.1]).unwrap();
    /// assert_eq!(rates[1], 1.1);
    /// ```
    pub fn anew(self) -> Access<K, S, W::Wanting> {
        let waits = self.waits.wanting(|wants, _| *wants = Wants::Anew);
        Access { lock: self.lock, source: self.source, waits }
    }

    /// Asks for a value newer than the one the caller was refused with, which the generation `seen` names. Other
    /// accesses carry on with the old value.
    ///
    /// | the value is | the access |
    /// |---|---|
    /// | of a later generation than `seen` | is as any access |
    /// | that of `seen`, and another access creates | waits for that creation, whose value is newer |
    /// | that of `seen`, and no access creates | creates |
    /// | the same, too soon after another [renewal](crate::PolicyBuilder::renew_interval), or in a [pause](crate::PolicyBuilder::retry_after) | gives the old value, with [`Outcome::TooSoon`](crate::Outcome::TooSoon) |
    /// | missing | is as any access |
    /// | that of `seen`, and the creation of this access fails | ends with the error; under [`ServeStale`](crate::OnError::ServeStale) gives the old value, with [`Outcome::StaleOnError`](crate::Outcome::StaleOnError) |
    ///
    /// So of 64 callers that were refused with one token, one fetches another token, and the rest wait for it. A caller
    /// gets the refused token a second time in two cases, which the outcome tells: `TooSoon` and `StaleOnError`. No
    /// other access waits: to all others the value is as fresh as it was. The creator is handed the old value by
    /// [`Renewal::old`](crate::Renewal::old).
    ///
    /// If the creation fails, the value stays what it was, and the next waiter creates: of 64 callers each calls its
    /// creator in turn, unless there is a pause ([`retry_after`](crate::PolicyBuilder::retry_after)), a
    /// `renew_interval` or [`share_errors`](Self::share_errors).
    ///
    /// The generation is that of the guard with which the caller was refused
    /// ([`CachedGuard::generation`](crate::CachedGuard::generation)). Of a lock without a value, it is the generation
    /// that [`Status::generation`](crate::Status::generation) gave before the access. A
    /// [`CachedByKey`](crate::CachedByKey) tells no generation of its locks, so this step is of no use there.
    ///
    /// **Bound what outsiders can cause:** a token with a made-up key id costs its sender nothing. A
    /// [`renew_interval`](crate::PolicyBuilder::renew_interval) bounds how often this access asks the source. (No
    /// outsider should be able to cause an [`invalidate_if`](crate::Cached::invalidate_if), which takes the value from
    /// all accesses.)
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, CachedGuard, Outcome, Policy};
    /// use std::time::Duration;
    ///
    /// static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_secs(10)).build_const();
    /// static KEYS: Cached<Vec<u64>> = Cached::new(Duration::from_secs(600)).with_policy(&BOUNDED);
    ///
    /// fn fetch() -> Vec<u64> {
    ///     vec![1, 2]
    /// }
    ///
    /// fn is_known(key: u64) -> bool {
    ///     let keys = KEYS.get_or_create(fetch);
    ///     if keys.contains(&key) || CachedGuard::outcome(&keys) == Outcome::Created {
    ///         return keys.contains(&key); // there are no keys newer than the ones made just now
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

    /// Shares errors: if the creation fails, all accesses that have waited for it, and have this step as well, fail
    /// with the same error.
    ///
    /// Without this step a waiter never gets the error of another access. When a creation fails, one waiter is elected
    /// and calls its own creator, and the others go on waiting. So 20 callers whose source takes 50 ms to fail make 20
    /// calls in a row, and the last caller waits a second. With this step they make one call, and all 20 have its error
    /// after 50 ms. (Under a policy that [pauses](crate::PolicyBuilder::retry_after), they make one call, too. The
    /// other callers are told that there is a pause, with the text of the error.)
    ///
    /// An error is shared between accesses that both have this step, and whose errors are of one type. The other
    /// waiters are elected as ever. Of the accesses that share errors, these are told or not told:
    ///
    /// | an access that waits for the failed creation | is told of the error |
    /// |---|---|
    /// | began to wait before an invalidation, and the creation began after that | yes |
    /// | began to wait after an invalidation, and the creation began before that | no |
    /// | has an old value, and waits by a [soft time-out](Self::soft_timeout) | no |
    /// | waits for its own [task](crate::Spawner) | no |
    ///
    /// A panic is not shared. Nor is an error of a getter.
    ///
    /// A value that is too old to be served may [cover](crate::PolicyBuilder::max_stale_on_error) a failure. Then the
    /// access that has created gives that value, and the accesses that have waited fail with the error.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Cached, CreateError};
    /// use std::{io, sync::Arc};
    ///
    /// fn fetch() -> io::Result<String> {
    ///     Err(io::Error::other("no answer"))
    /// }
    ///
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
    /// Returns the value, which `creator` makes if this access is elected.
    ///
    /// Blocks while its own creator runs. Blocks while there is no value and another access creates it. Under readers
    /// also blocks while a writer is in or waits.
    ///
    /// # Errors
    ///
    /// Without a [`timeout`](Self::timeout) there is no error. With one:
    ///
    /// - [`AcquireError::TimedOut`], if the waits took too long.
    /// - [`AcquireError::WouldDeadlock`], if this thread is running the creator that the access would wait for, or a
    ///   creator for which that creator waits.
    /// - [`AcquireError::Paused`], after a failure, if there is no value.
    /// - Under readers [`AcquireError::ReadLockHeld`] and [`AcquireError::WriteLockHeld`], if a guard of this thread is
    ///   in the way.
    ///
    /// # Panics
    ///
    /// Panics without a time-out, if the access would wait for itself, or if under readers a guard of this thread is in
    /// the way. A panic of the getter, the creator or the setter goes on to the caller.
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

    /// As [`or_create`](Self::or_create), by a creator that is handed its [`Creation`].
    ///
    /// With the creation, the creator can [publish](Creation::publish), take the [write lock](Creation::write_lock) for
    /// its last step, and ask whether the value is [still wanted](Creation::is_superseded). The creation of a
    /// [`Cached`](crate::Cached) is a [`Renewal`](crate::Renewal), which has the [old value](crate::Renewal::old), and
    /// the creator returns a [`Made`](crate::Made).
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
        // A hit is found here. All that comes after a miss is out of line.
        let served = match self.lock.lock().look(self.waits.glance()) {
            Ok(got) => Ok(after((creator, self.source), got)),
            Err(missed) => serve_apart(self.lock, missed, self.waits, self.source, creator),
        };
        W::give(served.map_err(refused))
    }
}

impl<'a, 'c, K: Reach<'a, 'c, Lock: Serves<'c, S>>, S: Origin<ByThread>> Access<K, S> {
    /// As [`or_create_with`](Self::or_create_with), with all of a miss out of line. With this form a hit of a
    /// [`Cached`] costs less, and a hit of a [`SyncReaderDogpile`] costs more (`benches/instructions.rs`).
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

/// Serves an access that has missed.
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

/// Returns the error of an access in which nothing of the user's can fail.
pub(crate) fn refused<G: CannotFail>(error: CreateError<Infallible, G>) -> AcquireError {
    error.without_getter(Fails::fails)
}

/// # What can fail
impl<'a, 'c, K: Reach<'a, 'c>, S: Origin<ByThread>, W: Waits> Access<K, S, W>
where
    K::Lock: Serves<'c, S>,
{
    /// As [`or_create`](Self::or_create), by a creator that can fail.
    ///
    /// The error is the caller's own, and a waiter does not get it: one waiter is elected, and calls its own creator.
    /// ([`share_errors`](Self::share_errors) shares the error.)
    ///
    /// With a getter that can fail, `?` in the creator cannot tell the creator's error type. A signature says it, or a
    /// turbofish (`Ok::<_, io::Error>(…)`).
    ///
    /// # Errors
    ///
    /// [`CreateError::Failed`] with the error of the creator or the setter. [`CreateError::GetterFailed`] with the
    /// error of the getter. Even without a time-out: [`Paused`](CreateError::Paused),
    /// [`WouldDeadlock`](CreateError::WouldDeadlock), [`ReadLockHeld`](CreateError::ReadLockHeld) and
    /// [`WriteLockHeld`](CreateError::WriteLockHeld). With a time-out also [`TimedOut`](CreateError::TimedOut).
    ///
    /// # Panics
    ///
    /// A panic of the getter, the creator or the setter goes on to the caller.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CreateError, Dogpile};
    /// use std::{io, num::ParseIntError, time::Duration};
    ///
    /// static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
    ///
    /// fn ask_server(_key: &str) -> io::Result<Option<u64>> {
    ///     Ok(None)
    /// }
    ///
    /// fn tell_server(_key: &str, _made: u64) {}
    ///
    /// fn answer() -> Result<u64, CreateError<ParseIntError, io::Error>> {
    ///     LOCK.fetch(|| ask_server("answer")).or_try_create(|| {
    ///         let made = "42".parse()?; // slow, and may fail
    ///         tell_server("answer", made);
    ///         Ok(made)
    ///     })
    /// }
    /// assert_eq!(answer().unwrap(), 42);
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

/// Serves an access that has missed. Out of line, since the waits take room that a hit would have to make.
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
