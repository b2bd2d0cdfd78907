//! How do tasks use a lock, and how do they share it with threads?
//!
//! A task opens its access by `access_async()`, and the terminal gives a future. The steps and terminals are those of
//! an access by a thread, and getter, setter and creator give futures. Threads and tasks use one and the same lock: a
//! creation of either wakes the waiters of both. No future blocks its thread, on any executor, and the crate depends on
//! no runtime.
//!
//! ```
//! use dogpile::{Cached, CreateError};
//! use std::{io, time::Duration};
//!
//! static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
//!
//! async fn fetch() -> io::Result<Vec<f64>> {
//!     Ok(vec![1.0, 1.09]) // slow
//! }
//!
//! async fn handler() -> Result<f64, CreateError<io::Error>> {
//!     Ok(RATES.get_or_try_create_async(fetch).await?[1])
//! }
//!
//! fn in_a_thread() -> Option<f64> {
//!     RATES.peek().map(|rates| rates[1]) // or any access that blocks
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     // To bound a wait, race it with any timer.
//!     let rate = tokio::time::timeout(Duration::from_secs(10), handler()).await;
//!     assert_eq!(rate.unwrap().unwrap(), 1.09);
//!     assert_eq!(in_a_thread(), Some(1.09));
//! }
//! ```
//!
//! `cargo run --release -p example-axum` is a server whose handlers share one `Cached` with a thread, under a load.
//!
//! # What differs from an access by a thread
//!
//! | | thread | task |
//! |---|---|---|
//! | opened by | `access()`, [`kept(&lock)`](crate::Dogpile::kept) | `access_async()`, [`kept_async(&lock)`](crate::Dogpile::kept_async); of a [`SyncReaderDogpile`] always `kept_async` |
//! | is | an [`Access`](crate::Access) | an [`AsyncAccess`]; nothing happens before its future is polled |
//! | a bound on the wait | the step `timeout`; bounds the waits for others alone | any timer of the runtime; bounds getter and creator as well |
//! | a creation that survives the access | the step `in_background(&runner)` | the step [`spawned_by(&spawner)`](AsyncAccess::spawned_by) |
//! | a function that keeps its results | [`cached`](crate::cached()), [`cached_by_key`](crate::cached_by_key()) | [`cached_async`](crate::cached_async()), [`cached_by_key`](crate::cached_by_key()) with an [`AsyncStore`](crate::AsyncStore) |
//! | a guard of a `SyncReaderDogpile` | [`ReadGuard`](crate::ReadGuard), stays on its thread | [`OwnedReadGuard`](crate::OwnedReadGuard), may cross an `.await` |
//! | a word from outside | `set`, `mark_stale`, `invalidate` | the same for a `Cached`; [`invalidate_async`](crate::Dogpile::invalidate_async) for a lock without a value, since an invalidation waits for a store |
//!
//! A hit does not suspend its task. Neither does an access that takes a stale value while another access creates. A
//! function that keeps its results is either for threads or for tasks. Where both are to have one value, they share a
//! `Cached`, with a creator for each.
//!
//! # A future that is dropped
//!
//! A future may be dropped at any time. A future that waits leaves the queue; if it had just been called to create, the
//! next waiter is. A future whose creator or setter runs drops that, and then gives its creation up: exactly one waiter
//! is elected (L5). That creation has not failed, so no pause follows.
//!
//! ```
//! use dogpile::Cached;
//! use std::{future::pending, sync::Arc, time::Duration};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let value = Arc::new(Cached::never_expires());
//!     let hangs = tokio::spawn({
//!         let value = Arc::clone(&value);
//!         async move { *value.get_or_create_async(pending::<u32>).await }
//!     });
//!     while !value.is_creating() {
//!         tokio::task::yield_now().await;
//!     }
//!     let thread = std::thread::spawn({
//!         let value = Arc::clone(&value);
//!         move || *value.get_or_create(|| 2)
//!     });
//!     while value.waiting() == 0 {
//!         tokio::time::sleep(Duration::from_millis(1)).await;
//!     }
//!     hangs.abort();
//!     assert!(hangs.await.unwrap_err().is_cancelled()); // it is dropped by now, and the thread is elected
//!     assert_eq!(thread.join().unwrap(), 2);
//!     assert_eq!(value.stats().failures, 0);
//! }
//! ```
//!
//! A timer that is shorter than the creator takes drops each creation before its end, although there may be an old
//! value (which `peek` gives). There the creation has to survive the task that asks.
//!
//! A future that is neither polled nor dropped keeps its creation, or its place in the queue. So a task must not keep
//! such a future unpolled beside something else that it awaits.
//!
//! # A creation that survives the task
//!
//! After the step [`spawned_by`](AsyncAccess::spawned_by) an elected access has its creation polled by a [`Spawner`],
//! as a [`Task`] of its own. With an old value the access goes on at once, and without one it waits for the task as the
//! others do. Any `Fn(Task)` is a spawner. Creator and setter are `Send` and `'static`. The lock is a `static`, or the
//! access is opened by `kept_async`. A creator that is handed its creation gets a [`Shared`] one, by value.
//!
//! ```
//! use dogpile::{Cached, CreateError, Made, Shared, Task};
//! use std::{future::poll_fn, io, task::Poll, time::Duration};
//!
//! static TOKEN: Cached<String> = Cached::new(Duration::from_secs(600));
//!
//! async fn log_in(old: Option<&String>) -> io::Result<(String, Duration)> {
//!     Ok((format!("token after {old:?}"), Duration::from_secs(300))) // slow
//! }
//!
//! async fn token() -> Result<String, CreateError<io::Error>> {
//!     let spawner = |task: Task| drop(tokio::spawn(task)); // `smol::spawn(task).detach()`, or any other executor
//!     let creator = async |renewal: Shared<Cached<String>>| {
//!         let (token, lives) = log_in(renewal.old()).await?;
//!         // Before the token really ends. (`renewal` is dropped here, before the future is ready.)
//!         Ok(Made::new(token).expires_after(lives * 9 / 10))
//!     };
//!     Ok(TOKEN.access_async().spawned_by(&spawner).or_try_create_with(creator).await?.clone())
//! }
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let mut asks = Box::pin(token());
//!     assert!(poll_fn(|context| Poll::Ready(asks.as_mut().poll(context).is_pending())).await);
//!     drop(asks); // the access is gone, and the creation goes on
//!     TOKEN.wait_for_value_async().await.unwrap();
//!     assert_eq!(token().await.unwrap(), "token after None");
//!     assert_eq!(TOKEN.stats().creations, 1);
//! }
//! ```
//!
//! A spawned creation may be lost, so each terminal gives a `Result`. An access that waits for its task ends as
//! follows. Meanwhile the access is a waiter like the others: a creation of another access or a value that is set
//! serves the access, and a pause ends it with an error.
//!
//! | the task | the access |
//! |---|---|
//! | creates, or fails | gives the value, or the error |
//! | is dropped before it is polled, or is not polled within the `creation_timeout` | has its creator back, and runs it itself when the access is elected |
//! | panics, is dropped half-way, or takes longer than the `creation_timeout` | ends with [`CreateError::Lost`], once nobody else could create for it |
//! | ends while a clone of its `Shared` is still held | the same |
//!
//! By hand, `kept_async` and `turn` give a [`Creation`](crate::Creation) that is `Send` and `'static`, with
//! [`run_async`](crate::Creation::run_async). An owner that finishes the creation later runs its code in
//! [`within_async`](crate::Creation::within_async). Where `turn` would panic,
//! [`try_turn`](crate::AsyncAccess::try_turn) returns an error.
//!
//! # Futures that are `Send`, and futures that are not
//!
//! A future is `Send` if the closures that it is given are, and their futures. Nothing else asks for it: a creator may
//! hold an `Rc`, on an executor that keeps its tasks on one thread.
//!
//! ```
//! use dogpile::Cached;
//! use std::{cell::Cell, rc::Rc};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() {
//!     let (value, calls) = (Cached::never_expires(), Rc::new(Cell::new(0)));
//!     let creator = async || {
//!         calls.set(calls.get() + 1);
//!         tokio::task::yield_now().await;
//!         calls.get()
//!     };
//!     assert_eq!(*value.get_or_create_async(creator).await, 1);
//! }
//! ```
//!
//! In two cases today's compiler cannot see that a future is `Send`. The error comes where the future is spawned. In
//! the first, a creator that is handed something, or a setter, is an async closure, and the type of the value has a
//! lifetime in it, such as `&'static str`, or is a trait object. In the second, the access [shares
//! errors](AsyncAccess::share_errors), and the type of the error has a lifetime in it. A `String` or an `Arc` will do
//! in both.
//!
//! The futures stay small: each has a limit in `tests/tasks/sizes.rs`, at most 512 bytes beside what is the user's own.
//! The size of the creator's future is no part of that: it lies in a box from when it is made. A hit allocates nothing
//! (L12).
//!
//! # Deadlocks
//!
//! While the future of a creator is polled, its creation is known to be that task's. An access in the same poll that
//! would wait for it is told, and so is one that would close a circle of creations (L7). A task that waits by other
//! means, for the handle of another task for instance, is not found:
//!
//! ```text
//! task 1                                  task 2
//!
//! lock.access_async().or_create(async || {
//!     task2.await;                        lock.access_async().turn().await;
//!     // waits for task 2                 // no value yet: waits for task 1
//! })
//! ```
//!
//! A future that is polled in the middle of a blocking creator of the same thread counts as a part of that creation.
//! The call that ends a wait runs the waker of the waiting task, outside every mutex; a waker must not block on the
//! lock that wakes it. [`Dogpile`](crate::Dogpile#for-tasks) has the details of both.

#[cfg(doc)]
use crate::{AsyncAccess, CreateError, Shared, Spawner, SyncReaderDogpile, Task};
