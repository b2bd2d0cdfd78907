//! How does each of many keys get a lock or a value of its own?
//!
//! A [`Registry`] has a lock for each key: all accesses of a key get the same lock, and accesses of other keys have
//! nothing to do with it. `Registry<K, Cached<T>>` keeps the values as well. A [`CachedByKey`] is a function with
//! arguments that keeps its results in a store of the user's choice, such as memcached, with an election for each key.
//!
//! ```
//! use dogpile::{Cached, Registry};
//! use std::time::Duration;
//!
//! static PAGES: Registry<String, Cached<String>> = Registry::new(|_| Cached::new(Duration::from_secs(60)));
//!
//! let page = PAGES.get("/index").get_or_create(|| "made only if need be".to_owned());
//! assert_eq!(*page, "made only if need be");
//! assert!(PAGES.get("/index").get_fresh().is_some(), "it is kept");
//! ```
//!
//! | a program has | it needs |
//! |---|---|
//! | values in this process, one for each key | `Registry<K, Cached<T>>` |
//! | values in a store, and a function that makes one from its arguments | [`cached_by_key`](crate::cached_by_key()) |
//! | values that live elsewhere, and creators of several kinds | `Registry<K>`, whose locks are [`Dogpile`](crate::Dogpile)s |
//! | files or maps that are swapped under their readers | `Registry<K, SyncReaderDogpile>` |
//!
//! # A key that is held
//!
//! [`Registry::get`] gives a [`Held`], which derefs to the lock. While a `Held` lives, so does its lock, and so does
//! what the lock knows. The lock is made on first use, by the function that the registry was made with. A key is looked
//! up by a borrowed form (`str` for `String`); an owned key is only made if it is new. A creation holds its key's lock
//! as well. A `Held` of a registry in a `static` or an `Arc` ([`get_owned`](Registry::get_owned)) may be kept anywhere,
//! and opens accesses that outlive the caller: `Cached::kept(&held)`.
//!
//! ```
//! use dogpile::{Dogpile, Registry};
//! use std::time::Duration;
//!
//! static LOCKS: Registry<String> = Registry::new(|_| Dogpile::new(Duration::from_secs(60)));
//!
//! let one = LOCKS.get("user:1");
//! one.acquire_or_create(|| { /* rebuild */ });
//! assert!(std::ptr::eq(&*one, &*LOCKS.get("user:1")));
//! assert_eq!(LOCKS.len(), 1);
//! drop(one);
//! assert!(LOCKS.is_empty(), "a lock without a value goes with its last holder");
//! ```
//!
//! # What is kept, and for how long
//!
//! A lock without a holder is *idle*.
//!
//! | an idle lock | is kept by default |
//! |---|---|
//! | without a value: `Dogpile`, `SyncReaderDogpile`, an empty `Cached` | not at all; what was said to it, such as an invalidation, is forgotten |
//! | a `Cached` with a value | for one lifetime after its last use, and until the value has expired; under `max_stale` until it is too old to serve |
//! | a `Cached` whose value never expires | for good |
//! | any of them in a pause after a failure | at least until the pause is over, but 1,024 such locks at most |
//!
//! [`keep_idle`](Registry::keep_idle) says for how long instead, whatever is in the lock. **In getter mode it
//! matters:** a new lock that is `born_fresh` takes a value in the store for fresh. So without `keep_idle` no value
//! ever expires, and with it no value of a key that is asked for more seldom. A program has the store end its entries
//! by itself, or uses stamps. An invalidation is forgotten with the lock too, so the program removes the value from the
//! store as well.
//!
//! ```
//! use dogpile::{Dogpile, Registry};
//! use std::{collections::HashMap, sync::Mutex, time::Duration};
//!
//! const MINUTE: Duration = Duration::from_secs(60);
//! static LOCKS: Registry<u64> = Registry::new(|_| Dogpile::new(MINUTE).born_fresh()).keep_idle(MINUTE);
//! static STORE: Mutex<Option<HashMap<u64, u64>>> = Mutex::new(None); // memcached, whose entries end by themselves
//!
//! fn square(key: u64) -> u64 {
//!     LOCKS
//!         .get(&key)
//!         .fetch(|| STORE.lock().unwrap().as_ref()?.get(&key).copied())
//!         .and_set(|made| _ = STORE.lock().unwrap().get_or_insert_default().insert(key, *made))
//!         .or_create(|| key * key) // slow
//! }
//!
//! fn invalidate(key: u64) {
//!     LOCKS.get(&key).invalidate(); // a value that is being made just now is not stored
//!     STORE.lock().unwrap().get_or_insert_default().remove(&key);
//! }
//!
//! assert_eq!(square(12), 144);
//! invalidate(12);
//! assert_eq!(square(12), 144);
//! ```
//!
//! # Bounds on memory
//!
//! A registry is no cache: by default the number of its keys has no bound but the keys in use and the keys that are
//! kept. Where outsiders choose the keys, or values never expire, a program sets one of these:
//!
//! | setting | bounds | default |
//! |---|---|---|
//! | [`keep_idle(time)`](Registry::keep_idle) | how long an idle lock stays. Zero keeps none but for a pause, `Duration::MAX` keeps all | up to the lock, as above |
//! | [`at_most_idle(n)`](Registry::at_most_idle) | how many idle locks stay; the lock that was used least recently goes first | no bound |
//! | [`at_most_paused(n)`](Registry::at_most_paused) | how many locks stay for their pause alone | 1,024, so that made-up keys that all fail fill no memory |
//!
//! Locks that are held, or whose creation runs, come on top. A `Dogpile` with a number for its key takes some 160
//! bytes, 88 more once it has created something, and the registry itself 10 KB. Idle locks are removed by the threads
//! that use the registry; a registry that may lie unused is [swept](Registry::sweep).
//! [`remove_idle`](Registry::remove_idle) removes one key.
//!
//! ```
//! use dogpile::{Backoff, Cached, Policy, Registry};
//! use std::time::Duration;
//!
//! static PAUSING: Policy = Policy::builder()
//!     .retry_after(Backoff::new(Duration::from_secs(60), Duration::from_secs(60)))
//!     .name("pages")
//!     .build_const();
//! static PAGES: Registry<u64, Cached<String>> = Registry::new(|_| Cached::never_expires())
//!     .with_policy(&PAUSING)
//!     .at_most_idle(100)
//!     .at_most_paused(10)
//!     .named_by(|key| key.to_string());
//!
//! for page in 0..1_000 {
//!     PAGES.get(&page).get_or_create(|| format!("page {page}"));
//! }
//! assert_eq!(PAGES.len(), 100);
//! for unknown in 1_000..2_000 {
//!     PAGES.get(&unknown).get_or_try_create(|| Err("no such page")).unwrap_err();
//! }
//! assert_eq!(PAGES.len(), 110);
//! ```
//!
//! [`with_policy`](Registry::with_policy) gives each lock a policy, unless its maker did.
//! [`named_by`](Registry::named_by) has each lock tell its [`Observer`](crate::Observer) which key it is of. The maker,
//! and the hash and the drop of keys, run outside every mutex. The `Eq` of a key runs inside one, and must not use the
//! registry.
//!
//! # A function with arguments
//!
//! [`cached_by_key`](crate::cached_by_key()) takes a lifetime, a function that makes the key from the arguments, the
//! function itself, and a [`Store`]: a type of the user's, or three [`Closures`]. The store keeps each result with the
//! time when it was made ([`Stamped`](crate::Stamped)), so all processes that share the store agree on what is fresh.
//! The locks go with the last call for their key, but for pauses, so the memory of results is the store's.
//!
//! ```
//! use dogpile::{Stamped, Store, cached_by_key};
//! use std::{collections::HashMap, convert::Infallible, sync::Mutex, time::Duration};
//!
//! #[derive(Default)]
//! struct Memory(Mutex<HashMap<String, Stamped<usize>>>);
//!
//! impl Store<String, usize> for Memory {
//!     type Error = Infallible; // `io::Error`, for memcached
//!
//!     fn get(&self, key: &String) -> Result<Option<Stamped<usize>>, Infallible> {
//!         Ok(self.0.lock().unwrap().get(key).copied())
//!     }
//!     fn set(&self, key: &String, made: &Stamped<usize>) -> Result<(), Infallible> {
//!         self.0.lock().unwrap().insert(key.clone(), *made);
//!         Ok(())
//!     }
//!     fn remove(&self, key: &String) -> Result<(), Infallible> {
//!         self.0.lock().unwrap().remove(key);
//!         Ok(())
//!     }
//! }
//!
//! let key = |word: &&str| format!("length:{word}");
//! let lengths = cached_by_key(Duration::from_secs(60), key, |word: &&str| word.len() /* slow */, Memory::default());
//! assert_eq!(lengths.get(&"four").value, 4);
//! assert_eq!(lengths.access(&"five").timeout(Duration::from_secs(1)).get().unwrap().value, 4);
//!
//! // Many keys by one call: those that the store does not have are made by one batch.
//! let batch = |words: Vec<&str>| -> Vec<usize> {
//!     assert_eq!(words, ["sixth"]);
//!     words.iter().map(|word| word.len()).collect()
//! };
//! let many = lengths.access_many(&["four", "sixth", "five", "sixth"], batch).get();
//! assert_eq!(many.iter().map(|made| made.value).collect::<Vec<_>>(), [4, 5, 4, 5]);
//! ```
//!
//! - `get`, `peek` and `invalidate` are for a function and a store that cannot fail, and their `try_` forms for a
//!   function or a store that can. A store that cannot be asked is an error, and nothing is created.
//! - [`expires_after_by`](CachedByKey::expires_after_by) derives a lifetime from a result: for example a shorter one
//!   for what was not found.
//! - [`access_many`](CachedByKey::access_many) asks the store key by key, is elected for the keys that nobody else
//!   creates, and calls the batch once for all of them. Then the access waits for the other keys without holding a
//!   creation, so calls with their keys in different orders never wait for each other in a circle.
//! - Threads call functions and stores that return results, and [tasks](super::tasks) call functions and stores that
//!   give futures ([`AsyncStore`](crate::AsyncStore)). [In the background](super::background) the access is opened by
//!   [`CachedByKey::kept`].

#[cfg(doc)]
use crate::{CachedByKey, Closures, Held, Registry, Store};
