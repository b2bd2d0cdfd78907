//! How is a value renewed without any thread that waits for it?
//!
//! The step [`in_background`](Access::in_background) does that, as the last step of an access. An elected access with
//! an old value gives its creation to a [`Runner`], and returns the old value at once (stale-while-revalidate). If a
//! policy also has values renewed early, no thread sees an expired value that is in use (refresh-ahead).
//!
//! ```
//! use dogpile::{CachedFn, Policy, Pool};
//! use std::time::Duration;
//!
//! static POOL: Pool = Pool::new(2, 100); // at most 2 threads, and 100 jobs that wait for a thread
//! static EARLY: Policy = Policy::builder().refresh_at(0.8).build_const(); // of its lifetime
//! static RATES: CachedFn<Vec<f64>> =
//!     CachedFn::<Vec<f64>>::new(Duration::from_secs(600), || vec![1.0, 1.09] /* slow */).with_policy(&EARLY);
//!
//! assert_eq!(RATES.access().in_background(&POOL).get()[1], 1.09);
//! ```
//!
//! # What such an access does
//!
//! | the value is | the access |
//! |---|---|
//! | fresh | goes on with it |
//! | due for an early renewal | if elected, hands its creation over, and goes on with the value (`Fresh`) |
//! | stale | if elected, hands its creation over; goes on with the old value in any case (`Stale`) |
//! | missing | if elected, creates on its own thread, since it would have to wait in any case; otherwise waits |
//!
//! So the creator runs on the elected thread the first time, after an [`invalidate`](Cached::invalidate), and beyond
//! [`max_stale`](crate::PolicyBuilder::max_stale). To spare that, [`set`](Cached::set) a value at the start, and
//! [`mark_stale`](Cached::mark_stale) a value that may still serve in place of invalidating it. An access that wants
//! the value [`anew`](Access::anew), or [newer](Access::renew_if), has no old value to go on with, and so creates on
//! its own thread as well.
//!
//! Here the runner only puts jobs on a shelf, so that each step is seen:
//!
//! ```
//! use dogpile::{Cached, CachedGuard, Job, Outcome};
//! use std::sync::{Arc, Mutex};
//!
//! let shelf: Mutex<Vec<Job>> = Mutex::default();
//! let runner = |job: Job| shelf.lock().unwrap().push(job); // any `Fn(Job)` is a runner
//! let value = Arc::new(Cached::never_expires());
//! let read = |made: u32| {
//!     let guard = Cached::kept(&value).in_background(&runner).or_create(move || made);
//!     (*guard, CachedGuard::outcome(&guard))
//! };
//!
//! assert_eq!(read(1), (1, Outcome::Created), "there was no old value: this thread has created");
//! value.mark_stale();
//! assert_eq!(read(2), (1, Outcome::Stale), "the creation was handed over");
//! assert_eq!(read(3), (1, Outcome::Stale), "and no other access is elected meanwhile (L1)");
//! let job = shelf.lock().unwrap().pop().unwrap();
//! job();
//! assert_eq!(read(4), (2, Outcome::Fresh));
//!
//! // A runner that loses its job has freed the lock.
//! value.mark_stale();
//! assert_eq!(read(5), (2, Outcome::Stale));
//! assert!(value.is_creating(), "the job may yet run");
//! shelf.lock().unwrap().clear();
//! assert!(!value.is_creating());
//! assert_eq!(value.stats().failures, 0, "nothing has failed");
//! ```
//!
//! # Runners and jobs
//!
//! | runner | a [`Job`] runs in | a job for which there is no place |
//! |---|---|---|
//! | [`ThreadPerJob`] | a thread of its own. To start it takes some 20 µs, and there are as many as creations at once | is dropped, if the system has no more threads |
//! | [`Pool::new(threads, places)`](Pool::new) | one of at most so many threads. They are started when needed, and end after 10 seconds without a job. Jobs run in the order in which they came | is dropped, if all threads are busy and so many jobs wait already |
//! | any `Fn(Job)` | what the closure says: `\|job\| rayon::spawn(job)`, or `\|job\| drop(tokio::task::spawn_blocking(job))` | is the closure's to drop |
//!
//! The access that hands over waits until the runner has returned. So a runner starts or queues the job, and does not
//! wait for it. (With a [`SyncReaderDogpile`](crate::SyncReaderDogpile) a runner that waits for its job is a deadlock:
//! the access reads the old resource meanwhile, and the job waits for that reader.) A creator in a `Pool` that needs
//! the value of another lock may wait for a job that stands behind it in the same pool. No lock can find this deadlock:
//! give such creators pools of their own, a time-out, or a `creation_timeout`.
//!
//! # What becomes of a job
//!
//! | what happens | the lock | and |
//! |---|---|---|
//! | the job runs its creator | has a new value | |
//! | the runner drops the job, or loses it with its queue | is free; the value stays what it was | nothing has failed: there is no pause, and the next access is elected |
//! | the runner panics | is free | the panic goes on to the access that handed over |
//! | the creator fails or panics in its job | is free; the creation has failed | no access is given the error. [`last_failure`](crate::Status::last_failure) and the [`Observer`](crate::Observer) are told, and the policy may pause |
//! | the job hangs, or is leaked | stays taken, and the old value is served | after [`creation_timeout`](crate::PolicyBuilder::creation_timeout) another access is elected; the time in a queue counts |
//! | the job's creation is dead before it begins | is another creation's | the creator is not run |
//!
//! # `access` or `kept`
//!
//! The creation outlives the access, and so it holds on to the lock.
//!
//! | the lock is | the access is opened by |
//! |---|---|
//! | in a `static` | `LOCK.access()` |
//! | in an `Arc` | [`Cached::kept(&arc)`](Cached::kept); the `Arc` is around the lock itself, not around a struct that has it for a field |
//! | a [`Held`](crate::Held) of a [`Registry`](crate::Registry) in a `static` or an `Arc` | `Cached::kept(&held)` |
//! | a function in a `static` or an `Arc` | [`CachedFn::kept(&arc)`](crate::CachedFn::kept), [`CachedByKey::kept(&arc, &arguments)`](crate::CachedByKey::kept) |
//!
//! Where the compiler says that the lock does not live long enough, `kept` is missing.
//!
//! ```
//! use dogpile::{Cached, CreateError, Pool, Registry};
//! use std::{io, sync::Arc, time::Duration};
//!
//! static POOL: Pool = Pool::new(2, 100);
//! static PAGES: Registry<String, Cached<String>> = Registry::new(|_| Cached::new(Duration::from_secs(60)));
//!
//! struct Service {
//!     rates: Arc<Cached<Vec<f64>>>,
//! }
//!
//! impl Service {
//!     fn rate(&self, currency: usize) -> Result<f64, CreateError<io::Error>> {
//!         let fetch = || Ok(vec![1.0, 1.09]); // slow
//!         Ok(Cached::kept(&self.rates).in_background(&POOL).or_try_create(fetch)?[currency])
//!     }
//! }
//!
//! let service = Service { rates: Arc::new(Cached::new(Duration::from_secs(600))) };
//! assert_eq!(service.rate(1).unwrap(), 1.09);
//! let page = Cached::kept(&PAGES.get("/")).in_background(&POOL).or_create(|| "page".to_owned());
//! assert_eq!(*page, "page");
//! ```
//!
//! # An answer in time, with a value or without
//!
//! [`soft_timeout`](Access::soft_timeout) waits a moment for the new value, and then takes the old one. Where there may
//! be no value at all, a program hands its creation over by hand, and then waits for it as the other accesses do:
//!
//! ```
//! use dogpile::{Cached, Dogpile, Pool, Turn};
//! use std::{sync::OnceLock, time::Duration};
//!
//! static POOL: Pool = Pool::new(2, 100);
//! static RATE: Cached<u32> = Cached::new(Duration::from_secs(600));
//! RATE.set(1);
//! RATE.mark_stale();
//! let soon = Duration::from_millis(100);
//! let new_or_old = RATE.access().soft_timeout(soon).in_background(&POOL).or_create(|| 2);
//! assert!([1, 2].contains(&*new_or_old));
//!
//! static TABLE: OnceLock<u32> = OnceLock::new();
//! static LOCK: Dogpile = Dogpile::never_expires();
//! if let Ok(Turn::Create(creation)) = LOCK.try_acquire() {
//!     creation.run_in_background(&POOL, |_| _ = TABLE.set(42) /* slow */);
//! }
//! match LOCK.access().timeout(Duration::from_secs(10)).turn() {
//!     Ok(Turn::Create(creation)) => creation.run(|_| _ = TABLE.set(42)), // the pool has refused the job
//!     Ok(_) => assert_eq!(TABLE.get(), Some(&42)),
//!     Err(error) => panic!("no table in time: {error}"),
//! }
//! ```
//!
//! # On a schedule, without readers
//!
//! Accesses cause renewals, so a value without readers is not renewed. To keep such a value fresh, a thread sleeps for
//! [`due_in`](crate::Status::due_in), then makes an access, and begins again. An invalidation does not wake the thread.
//!
//! ```
//! use dogpile::{Cached, Policy, Pool};
//! use std::sync::mpsc::{RecvTimeoutError, channel};
//! use std::{thread, time::Duration};
//!
//! static EARLY: Policy = Policy::builder().refresh_at(0.5).build_const();
//! static RATE: Cached<f64> = Cached::new(Duration::from_secs(600)).with_policy(&EARLY);
//!
//! let (go_on, stop) = channel::<()>();
//! let renews = thread::spawn(move || {
//!     while stop.recv_timeout(RATE.due_in()) == Err(RecvTimeoutError::Timeout) {
//!         RATE.get_or_create(|| 1.09 /* slow */);
//!     }
//! });
//! RATE.wait_for_value(Duration::MAX).unwrap(); // ready: it was renewed once
//! drop(go_on);
//! renews.join().unwrap();
//!
//! // At the end of a program a pool takes no more jobs, and waits for those that it has.
//! static POOL: Pool = Pool::new(1, 10);
//! RATE.mark_stale();
//! assert_eq!(*RATE.access().in_background(&POOL).or_create(|| 1.1), 1.09);
//! POOL.shut_down(Duration::MAX).unwrap(); // or `JobsLeft`, if the time is out
//! assert_eq!(*RATE.peek().unwrap(), 1.1);
//! ```

#[cfg(doc)]
use crate::{Access, Cached, Job, Pool, Runner, ThreadPerJob};
