//! Short solutions of everyday tasks. Each example is a whole program, and compiles as it stands.
//!
//! | task | by |
//! |---|---|
//! | [A configuration file, parsed anew when it has changed](#a-configuration-file-parsed-anew-when-it-has-changed) | [`Cached`](crate::Cached), [`unchanged`](crate::Creation::unchanged) |
//! | [A file that is replaced under its readers](#a-file-that-is-replaced-under-its-readers) | [`SyncReaderDogpile`](crate::SyncReaderDogpile) |
//! | [A token that says how long it lives, and may be refused](#a-token-that-says-how-long-it-lives-and-may-be-refused) | [`Made::expires_after`](crate::Made::expires_after), [`renew_if`](crate::Access::renew_if) |
//! | [A key set, fetched again when a caller is refused](#a-key-set-fetched-again-when-a-caller-is-refused) | [`renew_if`](crate::Access::renew_if) |
//! | [The old value while the source is down](#the-old-value-while-the-source-is-down) | [`OnError::ServeStale`](crate::OnError::ServeStale), [`retry_after`](crate::PolicyBuilder::retry_after) |
//! | [A new value if it comes soon, else the old one](#a-new-value-if-it-comes-soon-else-the-old-one) | [`soft_timeout`](crate::Access::soft_timeout) |
//! | [Refresh ahead on a schedule](#refresh-ahead-on-a-schedule) | [`due_in`](crate::Status::due_in) |
//! | [A function that keeps its results](#a-function-that-keeps-its-results) | [`cached_by_key`](crate::cached_by_key()) |
//! | [A value in memcached](#a-value-in-memcached) | [`fetch`](crate::Access::fetch), [`and_set`](crate::Access::and_set) |
//! | [A value that several processes share](#a-value-that-several-processes-share) | [`fetch_stamped`](crate::Access::fetch_stamped) |
//! | [A warm start](#a-warm-start) | [`set`](crate::Cached::set), [`born_fresh`](crate::Dogpile::born_fresh) |
//! | [A lock for each key](#a-lock-for-each-key) | [`Registry`](crate::Registry) |
//! | [Tasks on tokio](#tasks-on-tokio) | [`get_or_try_create_async`](crate::Cached::get_or_try_create_async), [`spawned_by`](crate::AsyncAccess::spawned_by) |
//! | [A test without waiting](#a-test-without-waiting) | [`ManualClock`](crate::ManualClock) |
//! | [Metrics](#metrics) | [`Observer`](crate::Observer) |
//! | [A graceful shutdown](#a-graceful-shutdown) | [`Pool::shut_down`](crate::Pool::shut_down) |
//!
//! # A configuration file, parsed anew when it has changed
//!
//! Once a minute one access looks at the file. If the file has not changed, the creator says that the old value still
//! holds, and nothing is parsed. The others carry on with the old value meanwhile.
//!
//! ```
//! use dogpile::{Cached, CachedGuard, CreateError, Made, Renewal};
//! use std::time::{Duration, SystemTime};
//! use std::{env, fs, io, path::Path, process};
//!
//! struct Config {
//!     limit: u32,
//!     modified: SystemTime,
//! }
//!
//! static CONFIG: Cached<Config> = Cached::new(Duration::from_secs(60));
//!
//! fn load(path: &Path, renewal: &Renewal<'_, Config>) -> io::Result<Made<Config>> {
//!     let modified = fs::metadata(path)?.modified()?;
//!     match renewal.unchanged() {
//!         Some(same) if renewal.old().is_some_and(|old| old.modified == modified) => Ok(same),
//!         _ => {
//!             let limit = fs::read_to_string(path)?.trim().parse().map_err(io::Error::other)?;
//!             Ok(Made::new(Config { limit, modified }))
//!         }
//!     }
//! }
//!
//! fn config(path: &Path) -> Result<CachedGuard<Config>, CreateError<io::Error>> {
//!     CONFIG.access().or_try_create_with(|renewal| load(path, renewal))
//! }
//!
//! fn main() -> Result<(), CreateError<io::Error>> {
//!     let path = env::temp_dir().join(format!("dogpile-recipe-config-{}", process::id()));
//!     fs::write(&path, "10\n").map_err(CreateError::Failed)?;
//!     assert_eq!(config(&path)?.limit, 10);
//!     fs::remove_file(&path).map_err(CreateError::Failed)
//! }
//! ```
//!
//! # A file that is replaced under its readers
//!
//! Each reader holds a guard while it reads. The creator writes the next file beside the old one, and takes the write
//! lock for the last step alone. If the value was invalidated meanwhile, the write lock is refused, and nothing is
//! replaced.
//!
//! ```
//! use dogpile::{CreateError, SyncReaderDogpile};
//! use std::{env, fs, io, path::Path, process, time::Duration};
//!
//! static LOCK: SyncReaderDogpile = SyncReaderDogpile::new(Duration::from_secs(600));
//!
//! fn look_up(file: &Path) -> Result<String, CreateError<io::Error>> {
//!     let _guard = LOCK.access().or_try_create_with(|creation| {
//!         let next = file.with_extension("next");
//!         fs::write(&next, "the new edition")?; // slow: readers carry on with the old file
//!         let _alone = creation.write_lock().map_err(io::Error::other)?;
//!         // In place. If this fails half-way, no access reads what is there.
//!         fs::copy(&next, file).inspect_err(|_| LOCK.invalidate())?;
//!         fs::remove_file(&next)
//!     })?;
//!     // The file stays as it is for as long as the guard lives.
//!     fs::read_to_string(file).map_err(CreateError::Failed)
//! }
//!
//! fn main() -> Result<(), CreateError<io::Error>> {
//!     let file = env::temp_dir().join(format!("dogpile-recipe-file-{}", process::id()));
//!     assert_eq!(look_up(&file)?, "the new edition");
//!     fs::remove_file(&file).map_err(CreateError::Failed)
//! }
//! ```
//!
//! # A token that says how long it lives, and may be refused
//!
//! The lifetime comes from the server, and counts from the request. The lock itself never expires, and each value says
//! when it does. From half of its lifetime on the token is renewed. A token that has expired is of no use, so
//! `max_stale` is zero.
//!
//! A peer may refuse a token before its time. Of all callers that were refused with one token, one fetches a newer one
//! by [`renew_if`](crate::Access::renew_if), and the rest wait for it.
//!
//! If the login server fails, its callers pause, and the old token serves as long as it lives. (With
//! [`OnError::ServeStale`](crate::OnError::ServeStale) the outcome of an access that was refused can be `StaleOnError`:
//! the refused token once more.)
//!
//! ```
//! use dogpile::{Backoff, Cached, CachedGuard, CreateError, Made, OnError, Outcome, Policy};
//! use std::io;
//! use std::time::{Duration, Instant};
//!
//! struct Answer {
//!     access_token: String,
//!     expires_in: u64, // seconds
//! }
//!
//! static LOGIN: Policy = Policy::builder()
//!     .retry_after(Backoff::new(Duration::from_millis(100), Duration::from_secs(30)))
//!     .on_error(OnError::ServeStale)
//!     .renew_interval(Duration::from_secs(1)) // peers cannot cause more than a login a second
//!     .build_const();
//! static TOKEN: Cached<String> = Cached::never_expires().with_policy(&LOGIN);
//!
//! fn request() -> io::Result<Answer> {
//!     Ok(Answer { access_token: "secret".into(), expires_in: 300 }) // slow
//! }
//!
//! fn log_in() -> io::Result<Made<String>> {
//!     let asked = Instant::now();
//!     let Answer { access_token, expires_in } = request()?;
//!     let lifetime = Duration::from_secs(expires_in).saturating_sub(asked.elapsed());
//!     Ok(Made::new(access_token).expires_after(lifetime).refresh_after(lifetime / 2).max_stale(Duration::ZERO))
//! }
//!
//! fn call(peer: impl Fn(&str) -> bool) -> Result<bool, CreateError<io::Error>> {
//!     let token = TOKEN.access().or_try_create_with(|_| log_in())?;
//!     if peer(&token) {
//!         return Ok(true);
//!     }
//!     let newer = TOKEN.access().renew_if(CachedGuard::generation(&token)).or_try_create_with(|_| log_in())?;
//!     let is_newer = ![Outcome::TooSoon, Outcome::StaleOnError].contains(&CachedGuard::outcome(&newer));
//!     Ok(is_newer && peer(&newer))
//! }
//!
//! fn main() -> Result<(), CreateError<io::Error>> {
//!     assert!(call(|token| token == "secret")?);
//!     assert!(TOKEN.due_in().as_secs() <= 150);
//!     Ok(())
//! }
//! ```
//!
//! On a machine that is suspended, such as a laptop, give the `Cached` a clock that counts suspended time: see
//! [limitations](super::limitations#the-clock-and-its-precision).
//!
//! # A key set, fetched again when a caller is refused
//!
//! A signature names a key that is not in the set: perhaps the keys have been rotated. Of all threads that were refused
//! with the same set one fetches another, and these threads wait for it. The others carry on with the old set.
//! Outsiders can make up key names, so the policy allows one such renewal in ten seconds.
//!
//! ```
//! use dogpile::{Cached, CachedGuard, CreateError, Outcome, Policy};
//! use std::{io, time::Duration};
//!
//! static BOUNDED: Policy = Policy::builder().renew_interval(Duration::from_secs(10)).build_const();
//! static KEYS: Cached<Vec<String>> = Cached::new(Duration::from_secs(600)).with_policy(&BOUNDED);
//!
//! fn fetch() -> io::Result<Vec<String>> {
//!     Ok(vec!["key 1".into(), "key 2".into()]) // slow
//! }
//!
//! fn is_known(key: &str) -> Result<bool, CreateError<io::Error>> {
//!     let has = |keys: &Vec<String>| keys.iter().any(|known| known == key);
//!     let keys = KEYS.get_or_try_create(fetch)?;
//!     if has(&keys) {
//!         return Ok(true);
//!     }
//!     let newer = KEYS.access().renew_if(CachedGuard::generation(&keys)).or_try_create(fetch)?;
//!     Ok(CachedGuard::outcome(&newer) != Outcome::TooSoon && has(&newer))
//! }
//!
//! fn main() -> Result<(), CreateError<io::Error>> {
//!     assert!(is_known("key 1")?);
//!     assert!(!is_known("key 3")?, "the keys were fetched again");
//!     assert!(!is_known("key 4")?, "too soon: they were not");
//!     assert_eq!(KEYS.stats().creations, 2);
//!     Ok(())
//! }
//! ```
//!
//! `cargo run --release -p example-jwks` in the repository does this with 64 threads, a real HTTP server and
//! conditional requests.
//!
//! # The old value while the source is down
//!
//! After a failure the old value is served, and no creator is called for a pause that grows from failure to failure.
//! The elected thread is served the old value, too. An hour after its expiry the old value covers no failure any more.
//!
//! ```
//! use dogpile::{Backoff, Cached, CachedGuard, CreateError, OnError, Outcome, Policy};
//! use std::{io, time::Duration};
//!
//! static UPSTREAM: Policy = Policy::builder()
//!     .retry_after(Backoff::new(Duration::from_secs(1), Duration::from_secs(30)))
//!     .on_error(OnError::ServeStale)
//!     .max_stale_on_error(Duration::from_secs(3600))
//!     .creation_timeout(Duration::from_secs(5)) // a creator that hangs is replaced
//!     .build_const();
//! static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_policy(&UPSTREAM);
//!
//! fn fetch() -> io::Result<Vec<f64>> {
//!     Err(io::Error::other("no answer"))
//! }
//!
//! fn main() {
//!     // There never was a value: the elected thread has the error. In the pause all others are told of it at once.
//!     assert!(matches!(RATES.get_or_try_create(fetch), Err(CreateError::Failed(_))));
//!     assert!(matches!(RATES.get_or_try_create(fetch), Err(CreateError::Paused { .. })));
//!
//!     RATES.set(vec![1.0, 1.09]);
//!     RATES.mark_stale();
//!     let rates = RATES.get_or_try_create(fetch).unwrap();
//!     assert_eq!((rates[1], CachedGuard::outcome(&rates)), (1.09, Outcome::StaleOnError));
//!     assert_eq!(RATES.last_failure().unwrap().cause().as_ref(), "no answer");
//! }
//! ```
//!
//! # A new value if it comes soon, else the old one
//!
//! The access waits up to a tenth of a second for a new value. After that it goes on with the old value, and the
//! creation goes on in the background.
//!
//! ```
//! use dogpile::{Cached, ThreadPerJob};
//! use std::time::Duration;
//!
//! static PAGE: Cached<String> = Cached::new(Duration::from_secs(60));
//!
//! fn page() -> String {
//!     let soon = Duration::from_millis(100);
//!     let page = PAGE.access().soft_timeout(soon).in_background(&ThreadPerJob).or_create(|| "rendered".into());
//!     page.clone()
//! }
//!
//! fn main() {
//!     assert_eq!(page(), "rendered");
//! }
//! ```
//!
//! # Refresh ahead on a schedule
//!
//! Nothing happens by itself when a value expires. A thread that sleeps until the value is due, and then makes an
//! access, keeps it fresh though nobody reads it. Here a value is due at half of its lifetime. A program stops the
//! thread by dropping the other end of the channel, and is ready when there is a first value.
//!
//! ```
//! use dogpile::{Cached, Policy};
//! use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
//! use std::{thread, time::Duration};
//!
//! static EARLY: Policy = Policy::builder().refresh_at(0.5).build_const();
//! static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_policy(&EARLY);
//!
//! fn keep_fresh(stop: &Receiver<()>) {
//!     while stop.recv_timeout(RATES.due_in()) == Err(RecvTimeoutError::Timeout) {
//!         RATES.get_or_create(|| vec![1.0, 1.09] /* slow */);
//!     }
//! }
//!
//! fn main() {
//!     let (go_on, stop) = channel();
//!     let renews = thread::spawn(move || keep_fresh(&stop));
//!     RATES.wait_for_value(Duration::MAX).unwrap();
//!     assert_eq!(RATES.get_fresh().unwrap()[1], 1.09);
//!     drop(go_on);
//!     renews.join().unwrap();
//! }
//! ```
//!
//! With a creator that can fail, a failure without a pause leaves the value due at once: set
//! [`retry_after`](crate::PolicyBuilder::retry_after) there.
//!
//! # A function that keeps its results
//!
//! Results lie in any store with three methods: a map, memcached, or a cache with a bound such as moka or
//! `quick_cache`. The store keeps a value together with its time, and may lose what it likes.
//!
//! ```
//! use dogpile::{CachedByKey, Stamped, Store, cached_by_key};
//! use std::{collections::HashMap, convert::Infallible, sync::RwLock, time::Duration};
//!
//! #[derive(Default)]
//! struct Memory(RwLock<HashMap<u64, Stamped<String>>>);
//!
//! impl Store<u64, String> for Memory {
//!     type Error = Infallible;
//!
//!     fn get(&self, key: &u64) -> Result<Option<Stamped<String>>, Infallible> {
//!         Ok(self.0.read().unwrap().get(key).cloned())
//!     }
//!
//!     fn set(&self, key: &u64, value: &Stamped<String>) -> Result<(), Infallible> {
//!         self.0.write().unwrap().insert(*key, value.clone());
//!         Ok(())
//!     }
//!
//!     fn remove(&self, key: &u64) -> Result<(), Infallible> {
//!         self.0.write().unwrap().remove(key);
//!         Ok(())
//!     }
//! }
//!
//! type Names = CachedByKey<u64, String, fn(&u64) -> u64, fn(&u64) -> String, Memory>;
//!
//! fn names() -> Names {
//!     cached_by_key(Duration::from_secs(60), |id| *id, |id| format!("user {id}") /* slow */, Memory::default())
//! }
//!
//! fn main() {
//!     let names = names();
//!     assert_eq!(names.get(&7).value, "user 7");
//!     assert_eq!(names.peek(&7).unwrap().value, "user 7", "in the store");
//!     names.invalidate(&7);
//!     assert_eq!(names.peek(&7), None);
//! }
//! ```
//!
//! # A value in memcached
//!
//! A getter fetches the value, and may find it gone. A setter stores what the creator has made, unless the value was
//! invalidated meanwhile. The lock is born fresh, so that the first access asks the getter: the server may hold a value
//! from before.
//!
//! ```
//! use dogpile::{CreateError, Dogpile};
//! use std::{io, sync::Mutex, time::Duration};
//!
//! static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).born_fresh();
//! static SERVER: Mutex<Option<u64>> = Mutex::new(None); // in place of a client
//!
//! fn ask() -> io::Result<Option<u64>> {
//!     Ok(*SERVER.lock().unwrap()) // `Ok(None)`: the server has lost it. A server that is down is an error.
//! }
//!
//! fn tell(value: u64) -> io::Result<()> {
//!     *SERVER.lock().unwrap() = Some(value);
//!     Ok(())
//! }
//!
//! fn answer() -> Result<u64, CreateError<io::Error, io::Error>> {
//!     LOCK.fetch(ask)
//!         .and_set(|made| tell(*made))
//!         .timeout(Duration::from_secs(1)) // for another thread's creation
//!         .or_try_create(|| Ok(42) /* slow */)
//! }
//!
//! fn main() -> Result<(), CreateError<io::Error, io::Error>> {
//!     assert_eq!(answer()?, 42);
//!     *SERVER.lock().unwrap() = None;
//!     assert_eq!(answer()?, 42, "made again");
//!     Ok(())
//! }
//! ```
//!
//! # A value that several processes share
//!
//! The value is stored with the time when it was created. So each process uses what another has created, and a process
//! that was just started finds the value fresh.
//!
//! ```
//! use dogpile::{Dogpile, Policy, Stamped};
//! use std::{sync::Mutex, time::Duration};
//!
//! // The processes renew at different moments before the value expires, so that most often one of them is first.
//! static EARLY: Policy = Policy::builder().refresh_early(1.0).build_const();
//! static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60)).with_policy(&EARLY);
//! static STORE: Mutex<Option<(u64, u64)>> = Mutex::new(None); // a value, and its stamp
//!
//! fn ask() -> Option<Stamped<u64>> {
//!     STORE.lock().unwrap().map(|(value, stamp)| Stamped::from_unix_nanos(value, stamp))
//! }
//!
//! fn tell(made: &Stamped<u64>) {
//!     *STORE.lock().unwrap() = Some((made.value, made.unix_nanos()));
//! }
//!
//! fn answer() -> u64 {
//!     LOCK.fetch_stamped(ask).and_set(tell).or_create(|| 42 /* slow */).value
//! }
//!
//! fn main() {
//!     assert_eq!(answer(), 42);
//!     assert!(STORE.lock().unwrap().is_some());
//! }
//! ```
//!
//! # A warm start
//!
//! A program has a value from its last run, perhaps an old one. It puts that there and marks it as stale: the first
//! access renews it, and no access waits. A lock without a value says by `born_fresh` that there is one already.
//!
//! ```
//! use dogpile::{Cached, Dogpile, Outcome, Pool};
//! use std::time::Duration;
//!
//! static POOL: Pool = Pool::new(1, 10);
//! static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
//! static INDEX: Dogpile = Dogpile::new(Duration::from_secs(600)).born_fresh(); // of an index that lies on disk
//!
//! fn main() {
//!     let saved = vec![1.0, 1.08]; // from a file
//!     RATES.set(saved);
//!     RATES.mark_stale();
//!     let rates = RATES.access().in_background(&POOL).or_create(|| vec![1.0, 1.09] /* slow */);
//!     assert_eq!(rates[1], 1.08, "at once, while the pool renews it");
//!
//!     assert_eq!(INDEX.acquire_or_create(|| { /* build the index */ }), Outcome::Fresh);
//! }
//! ```
//!
//! # A lock for each key
//!
//! Each key has a lock of its own, with its value. The registry keeps a value for one lifetime after it was last asked
//! for. Outsiders choose the keys here, so it keeps no more than a thousand of them.
//!
//! ```
//! use dogpile::{Cached, CreateError, Registry};
//! use std::{io, time::Duration};
//!
//! static USERS: Registry<String, Cached<String>> =
//!     Registry::new(|_| Cached::new(Duration::from_secs(60))).at_most_idle(1_000);
//!
//! fn user(name: &str) -> Result<String, CreateError<io::Error>> {
//!     let lock = USERS.get(name); // no `String` is made if the key is there
//!     let user = lock.get_or_try_create(|| Ok(format!("the row of {name}")) /* slow */)?;
//!     Ok(user.clone())
//! }
//!
//! fn main() -> Result<(), CreateError<io::Error>> {
//!     assert_eq!(user("ada")?, "the row of ada");
//!     assert!(USERS.get("ada").get_fresh().is_some(), "kept");
//!     Ok(())
//! }
//! ```
//!
//! # Tasks on tokio
//!
//! The first function runs the creator in the task that asks: a timer that drops the future gives the creation up, and
//! another task is elected. The second has a task of its own run it, so that the work goes on.
//!
//! ```
//! use dogpile::{Cached, CreateError, Task};
//! use std::{io, time::Duration};
//! use tokio::time::timeout;
//!
//! static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
//!
//! async fn fetch() -> io::Result<Vec<f64>> {
//!     Ok(vec![1.0, 1.09]) // slow
//! }
//!
//! async fn rate() -> Result<f64, CreateError<io::Error>> {
//!     Ok(RATES.get_or_try_create_async(fetch).await?[1])
//! }
//!
//! async fn rate_by_a_task_of_its_own() -> Result<f64, CreateError<io::Error>> {
//!     let spawner = |task: Task| drop(tokio::spawn(task));
//!     Ok(RATES.access_async().spawned_by(&spawner).or_try_create(fetch).await?[1])
//! }
//!
//! #[tokio::main]
//! async fn main() {
//!     let second = Duration::from_secs(1);
//!     assert_eq!(timeout(second, rate_by_a_task_of_its_own()).await.unwrap().unwrap(), 1.09);
//!     assert_eq!(timeout(second, rate()).await.unwrap().unwrap(), 1.09);
//!     assert_eq!(RATES.peek().unwrap()[1], 1.09, "threads use the same lock");
//! }
//! ```
//!
//! # A test without waiting
//!
//! The code under test takes any clock. In the test the clock goes when it is told to, so that ten minutes pass at
//! once.
//!
//! ```
//! use dogpile::{Cached, Clock, ManualClock, MonotonicClock};
//! use std::{sync::Arc, time::Duration};
//!
//! struct Client<C: Clock = MonotonicClock> {
//!     token: Cached<u32, C>,
//! }
//!
//! impl<C: Clock> Client<C> {
//!     fn with_clock(clock: C) -> Self {
//!         Self { token: Cached::with_clock(Duration::from_secs(600), clock) }
//!     }
//!
//!     fn token(&self, request: impl FnOnce() -> u32) -> u32 {
//!         *self.token.get_or_create(request)
//!     }
//! }
//!
//! fn main() {
//!     let clock = Arc::new(ManualClock::new());
//!     let client = Client::with_clock(Arc::clone(&clock));
//!     assert_eq!(client.token(|| 1), 1);
//!     clock.advance(Duration::from_secs(599));
//!     assert_eq!(client.token(|| 2), 1);
//!     clock.advance(Duration::from_secs(1));
//!     assert_eq!(client.token(|| 2), 2);
//! }
//! ```
//!
//! A program makes its client by `Client::with_clock(MonotonicClock)`.
//!
//! # Metrics
//!
//! Each lock counts what it does, in its [`stats`](crate::Status::stats). An observer is told at once, on the thread
//! that it happened to. With the features `metrics` and `tracing` there are ready-made observers, `dogpile::Metrics`
//! and `dogpile::Tracing`.
//!
//! ```
//! use dogpile::{Cached, Observer, Policy, Source};
//! use std::sync::atomic::{AtomicU64, Ordering};
//! use std::{fmt::Display, time::Duration};
//!
//! #[derive(Debug)]
//! struct Failures(AtomicU64);
//!
//! impl Observer for Failures {
//!     fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn Display) {
//!         self.0.fetch_add(1, Ordering::Relaxed);
//!         eprintln!("{}: no new value after {took:?}: {cause}", of.name.unwrap_or("a lock"));
//!     }
//! }
//!
//! static FAILURES: Failures = Failures(AtomicU64::new(0));
//! static POLICY: Policy = Policy::builder().name("rates").observer(&FAILURES).build_const();
//! static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_policy(&POLICY);
//!
//! fn main() {
//!     assert!(RATES.get_or_try_create(|| Err("no answer")).is_err());
//!     assert!(RATES.get_or_try_create(|| Ok::<_, &str>(vec![1.0, 1.09])).is_ok());
//!     assert_eq!(FAILURES.0.load(Ordering::Relaxed), 1);
//!     let stats = RATES.stats();
//!     assert_eq!((stats.creations, stats.failures, stats.waits), (1, 1, 0));
//! }
//! ```
//!
//! # A graceful shutdown
//!
//! The pool takes no more jobs, and those that it has go on. The call waits for them, for ten seconds at most. An
//! access after that is refused by the pool: it goes on with the old value, as before.
//!
//! ```
//! use dogpile::{CachedFn, Pool};
//! use std::time::Duration;
//!
//! static POOL: Pool = Pool::new(2, 100); // at most 2 threads, and 100 jobs that wait for one
//! static RATES: CachedFn<Vec<f64>> = CachedFn::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */);
//!
//! fn main() {
//!     RATES.set(vec![1.0, 1.08]);
//!     RATES.mark_stale();
//!     assert_eq!(RATES.access().in_background(&POOL).get()[1], 1.08, "the old value");
//!
//!     if let Err(left) = POOL.shut_down(Duration::from_secs(10)) {
//!         eprintln!("{left}");
//!     }
//!     assert_eq!(RATES.get()[1], 1.09, "the job has ended");
//!
//!     RATES.mark_stale();
//!     assert_eq!(RATES.access().in_background(&POOL).get()[1], 1.09, "refused, and so the old value");
//! }
//! ```
