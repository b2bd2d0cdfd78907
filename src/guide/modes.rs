//! Which type, and which mode of it, does a program need?
//!
//! Most programs need a [`Cached`]. A `Cached` keeps one value fresh, and each read says how to make the value. A
//! [`CachedFn`] is a `Cached` that is told its creator once. A function with arguments is kept by a [`CachedByKey`].
//! Where the value lives elsewhere, a [`Dogpile`] is the lock alone, and has three modes. All these types are used in
//! one way: an *access* is opened, its *steps* describe it, and its *terminal* makes it.
//!
//! # The types
//!
//! | type | holds a value | a program needs it for |
//! |---|---|---|
//! | [`Cached<T>`](Cached) | yes | one value that is kept fresh: a token, a key set, a parsed file, a model |
//! | [`CachedFn<T>`](CachedFn), by `new` or [`cached`](crate::cached()) | yes | the same, with one creator for all reads |
//! | [`CachedByKey`], by [`cached_by_key`](crate::cached_by_key()) | in the user's store | a function with arguments: see [`registry`] |
//! | [`Dogpile`] | no | the lock alone: the value is where the user keeps it |
//! | [`SyncReaderDogpile`] | no | the lock for a resource that must not change while it is read: see [`readers`] |
//! | [`Registry<K, L>`](Registry) | as `L` does | a lock of its own for each key: see [`registry`] |
//! | [`RmLock<T>`](RmLock) | yes | a reader-writer lock for data that hardly ever changes; it elects nobody |
//!
//! A value that is made once and never expires needs none of these types: `std::sync::LazyLock` does. Many values with
//! a bound on memory and an eviction belong in a cache such as `moka` or `quick_cache`, which may be the store of a
//! `CachedByKey`. Of several *processes* each elects a creator of its own.
//!
//! # A value that the lock holds
//!
//! A read of a `Cached` gives a [`CachedGuard`], which derefs to the value. The guard keeps the value that was read,
//! and delays nobody. A creator that is handed its [`Renewal`] looks at the old value, may answer that this value is
//! unchanged, and may say how long the new value lives ([`Made`]).
//!
//! ```
//! use dogpile::{Cached, CachedGuard, CreateError, Made, Outcome, Policy, Renewal};
//! use std::{io, time::Duration};
//!
//! struct Keys {
//!     etag: &'static str,
//!     ids: Vec<u64>,
//! }
//!
//! // Outsiders choose the ids that are looked up. So no two renewals because of that begin within ten seconds.
//! static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_secs(10)).build_const();
//! static KEYS: Cached<Keys> = Cached::new(Duration::from_secs(600)).with_policy(&BOUNDED);
//!
//! /// A conditional request. `None` says that the keys with this tag are still the current ones.
//! fn fetch(etag: Option<&str>) -> io::Result<Option<Keys>> {
//!     Ok((etag != Some("1")).then(|| Keys { etag: "1", ids: vec![1, 2] }))
//! }
//!
//! fn renew(renewal: &Renewal<'_, Keys>) -> io::Result<Made<Keys>> {
//!     match fetch(renewal.old().map(|old| old.etag))? {
//!         Some(keys) => Ok(Made::new(keys).expires_after(Duration::from_secs(300))),
//!         None => renewal.unchanged().ok_or_else(|| io::Error::other("unchanged, but there is no old value")),
//!     }
//! }
//!
//! fn knows(id: u64) -> Result<bool, CreateError<io::Error>> {
//!     let keys = KEYS.access().or_try_create_with(renew)?;
//!     if keys.ids.contains(&id) {
//!         return Ok(true);
//!     }
//!     // Of the callers that were refused with these keys one fetches newer keys, and the rest of them wait for that.
//!     // All other callers carry on with the old keys.
//!     let newer = KEYS.access().renew_if(CachedGuard::generation(&keys)).or_try_create_with(renew)?;
//!     Ok(CachedGuard::outcome(&newer) != Outcome::TooSoon && newer.ids.contains(&id))
//! }
//!
//! assert!(knows(2).unwrap());
//! assert!(!knows(3).unwrap(), "the keys were renewed, and found unchanged");
//! assert!(!knows(4).unwrap(), "it is too soon for another renewal");
//! assert_eq!(KEYS.stats().creations, 2);
//! ```
//!
//! A thread that reads all the time takes a [`Reader`] from [`Cached::reader`]. The reader holds on to the value, so
//! its hits cost little more than the look at the clock.
//!
//! # The modes of a lock without a value
//!
//! | mode | an access | the value | how fresh it is |
//! |---|---|---|---|
//! | lock mode | [`acquire`](Dogpile::acquire), [`acquire_or_create`](Dogpile::acquire_or_create) | is where the user keeps it | the lock knows |
//! | getter mode | [`fetch(getter)`](Dogpile::fetch) | comes from a getter, which may find it gone | the lock knows |
//! | stamped getter mode | [`fetch_stamped(getter)`](Dogpile::fetch_stamped) | comes from a getter, with the time when it was created | its stamp says |
//!
//! A program uses one lock in one mode. A getter returns `Option<V>`, or `Result<Option<V>, G>` if it can fail; `None`
//! says that the store has lost the value; the origin, Python's `dogpile`, calls this `NeedRegeneration`. A store that
//! cannot be asked is an error of the getter, and then nothing is created. The getter is called once on a hit, at most
//! twice in one access, and never after the creator of this access has succeeded (L8). In stamped getter mode several
//! processes agree on what is fresh, because the time lies in the store beside the value.
//!
//! **A lock in getter mode begins with [`born_fresh`](Dogpile::born_fresh)**, so that the first access asks the getter.
//! Without it the first access creates and asks no getter, although the store may hold a value from an earlier run. In
//! stamped getter mode an access of a new lock asks the getter as well.
//!
//! ```
//! use dogpile::{Dogpile, Outcome, Stamped};
//! use std::{sync::Mutex, time::Duration};
//!
//! const MINUTE: Duration = Duration::from_secs(60);
//!
//! // Lock mode: the creator puts the value where the caller looks.
//! static TABLE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
//! static LOCK: Dogpile = Dogpile::new(MINUTE);
//! assert_eq!(LOCK.acquire_or_create(|| TABLE.lock().unwrap().push(42)), Outcome::Created);
//! assert_eq!(TABLE.lock().unwrap()[0], 42);
//!
//! // Getter mode: the store holds a value from before this program began, and may lose it.
//! static STORE: Mutex<Option<u32>> = Mutex::new(Some(41));
//! static LOSSY: Dogpile = Dogpile::new(MINUTE).born_fresh();
//! let set = |made: &u32| *STORE.lock().unwrap() = Some(*made);
//! assert_eq!(LOSSY.fetch(|| *STORE.lock().unwrap()).and_set(set).or_create(|| 42), 41);
//! *STORE.lock().unwrap() = None;
//! assert_eq!(LOSSY.fetch(|| *STORE.lock().unwrap()).and_set(set).or_create(|| 42), 42);
//!
//! // Stamped getter mode: the store keeps the time as well, for all processes that share it.
//! static SHARED: Mutex<Option<Stamped<u32>>> = Mutex::new(None);
//! static STAMPED: Dogpile = Dogpile::new(MINUTE);
//! let set = |made: &Stamped<u32>| *SHARED.lock().unwrap() = Some(*made);
//! assert_eq!(STAMPED.fetch_stamped(|| *SHARED.lock().unwrap()).and_set(set).or_create(|| 42).value, 42);
//! ```
//!
//! # The steps of an access
//!
//! `access()` opens an [`Access`] of any type. [`kept(&lock)`](Dogpile::kept) opens an access whose creation shares the
//! lock and may outlive the caller; [`background`] and [`tasks`] say when a program needs that. Nothing happens before
//! the terminal.
//!
//! | step | the access |
//! |---|---|
//! | [`fetch(getter)`](Access::fetch), [`fetch_stamped(getter)`](Access::fetch_stamped) | has its value fetched by the getter |
//! | [`and_set(setter)`](Access::and_set) | has the setter store what the creator made, unless the creation was superseded meanwhile; under readers the setter runs under the write lock |
//! | [`timeout(d)`](Access::timeout) | waits for others for `d` at most, all its waits together. An elected access runs its own creator, however long that takes |
//! | [`soft_timeout(d)`](Access::soft_timeout) | waits for a new value for `d` at most although there is an old value, and then takes the old value. The creation goes on |
//! | [`renew_if(generation)`](Access::renew_if) | was refused with the value of that generation, and asks for a newer value. Others carry on with the old value |
//! | [`anew()`](Access::anew) | gives a value whose creation began after the access did, although the value is fresh and although there is a pause |
//! | [`share_errors()`](Access::share_errors) | shares the creator's error: all accesses that waited for a failed creation with this step get its error, in place of calling their own creators one after the other |
//! | [`in_background(&runner)`](Access::in_background) | gives its creation to a [`Runner`], if the access is elected and has an old value. This step comes last |
//!
//! Durations are real time. Zero does not wait, and `Duration::MAX` waits without an end. A call for many keys,
//! [`access_many`](CachedByKey::access_many), has one step, `timeout`.
//!
//! # The terminals
//!
//! | terminal | of | gives | after `timeout` |
//! |---|---|---|---|
//! | [`turn()`](Access::turn) | `Dogpile`, `SyncReaderDogpile` in lock mode | what the access is to do: a [`Turn`], a [`ReadTurn`] | `Result<_, AcquireError>` |
//! | [`or_create(f)`](Access::or_create), [`or_create_with(f)`](Access::or_create_with) | every type that is told its creator by the access | the value | `Result<_, AcquireError>` |
//! | [`or_try_create(f)`](Access::or_try_create), [`or_try_create_with(f)`](Access::or_try_create_with) | the same, where creator, getter or setter can fail | `Result<_, CreateError<E, G>>` | the same |
//! | [`get()`](Access::get) | `CachedFn`, `CachedByKey` | the value | `Result<_, AcquireError>` |
//! | [`try_get()`](Access::try_get) | the same, where function or store can fail | `Result<_, CreateError<E, G>>` | the same |
//!
//! In a task, where there is no `timeout`, [`try_turn()`](AsyncAccess::try_turn) gives a turn with such an error.
//!
//! The `_with` terminals hand the creator its [`Creation`], or its `Renewal` if the lock is a `Cached`: to
//! [`publish`](Creation::publish) through it, and to ask whether the value is [still wanted](Creation::is_superseded).
//! Short forms stand for the most common accesses: `acquire` is `access().turn()`, `acquire_or_create` and
//! `get_or_create` are `access().or_create(..)`, and `refresh` is `access().anew()` with its terminal.
//!
//! A `Dogpile` in lock mode gives its [`Outcome`]. The guard of a `Cached` tells it by [`CachedGuard::outcome`]:
//!
//! | outcome | the access |
//! |---|---|
//! | `Fresh` | met a fresh value, which may be due for a renewal that was handed over |
//! | `Stale` | goes on with the old value: another access creates, or there is a pause, or the creation was handed over |
//! | `Created` | was elected, and its creator has run |
//! | `Waited` | waited until another access had created |
//! | `StaleOnError` | was elected, its creator has failed, and the [policy] has it served the old value |
//! | `TooSoon` | asked for a newer value by `renew_if` and got the old one: it came within the interval, or in a pause |
//!
//! A terminal that gives no `Result` panics in place of a wait for itself (L7): a creator asks for its own value on its
//! own thread, an access would close a circle of creators that wait for each other, or a guard of this thread is in the
//! way. A terminal that gives a `Result` has an error in these cases. The error of a circle,
//! [`WouldDeadlock`](CreateError::WouldDeadlock), tells the [names](crate::PolicyBuilder::name) of the locks, which a
//! policy gives them. (Between tasks a circle is found as far as its waits are known to be polled.) A panic of a
//! creator, getter or setter that runs in the access goes on to the caller, and ends the creation as failed.
//!
//! # Turns, and the right to create
//!
//! An access that ends in `turn` does not create by itself: `Turn::Create` holds the [`Creation`], the right to create.
//! While the creation exists, no other access is elected (L1). A creation may be sent to another thread. A creation
//! that is dropped unfinished frees the lock, and exactly one waiter is elected (L5). A thread that holds a creation
//! and accesses the same lock may wait for itself without an end, since the lock does not know which thread will run
//! the creation. Inside `run`, and inside [`within`](Creation::within) for an owner that finishes the creation later,
//! the lock knows.
//!
//! ```
//! use dogpile::{Dogpile, Turn};
//! use std::{sync::Arc, thread, time::Duration};
//!
//! let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
//! if let Turn::Create(creation) = Dogpile::kept(&lock).turn() {
//!     thread::spawn(move || creation.run(|_| { /* rebuild */ }));
//! }
//! // There is no old value to go on with the first time, so this access waits, as every access does.
//! lock.access().timeout(Duration::from_secs(10)).or_create(|| { /* rebuild */ }).unwrap();
//! assert!(lock.has_value());
//! ```

#[cfg(doc)]
use super::{background, policy, readers, registry, tasks};
#[cfg(doc)]
use crate::{
    Access, AsyncAccess, Cached, CachedByKey, CachedFn, CachedGuard, CreateError, Creation, Dogpile, Made, Outcome,
    ReadTurn, Reader, Registry, Renewal, RmLock, Runner, SyncReaderDogpile, Turn,
};
