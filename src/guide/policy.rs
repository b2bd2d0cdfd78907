//! What happens as a value ages, and when creating goes wrong?
//!
//! By default a value serves until its lifetime is over. Then one access is elected to create, and the others carry on
//! with the old value, however old it is. If the creator fails, the elected access gets the error, the value stays what
//! it was, and the next access is elected at once. A [`Policy`] says otherwise: it has values renewed before they
//! expire, bounds how old they may get, pauses after failures, and replaces a creation that hangs. Every type takes a
//! policy, and a policy costs a hit nothing. A single value or failure may say otherwise for itself, by [`Made`] and
//! [`Failure`].
//!
//! # A flaky upstream
//!
//! ```
//! use dogpile::{Backoff, Cached, CachedGuard, CreateError, ManualClock, OnError, Outcome, Policy};
//! use std::{sync::Arc, thread, time::Duration};
//!
//! const SECOND: Duration = Duration::from_secs(1);
//! static UPSTREAM: Policy = Policy::builder()
//!     // After a failure no creator is called for 1 s, 2 s, 4 s … up to 30 s. (In a program, leave the jitter on.)
//!     .retry_after(Backoff::new(SECOND, Duration::from_secs(30)).jitter(0.0))
//!     // The elected access, too, is served the old value if its creator has failed.
//!     .on_error(OnError::ServeStale)
//!     // A creation that takes longer is declared dead: another access is elected, and the dead one publishes nothing.
//!     .creation_timeout(Duration::from_secs(5))
//!     .build_const();
//!
//! let clock = Arc::new(ManualClock::new());
//! let rate = Cached::with_clock(SECOND * 600, Arc::clone(&clock)).with_policy(&UPSTREAM);
//! let read = |upstream: Result<u32, &'static str>| {
//!     rate.get_or_try_create(|| upstream).map(|rate| (*rate, CachedGuard::outcome(&rate)))
//! };
//!
//! // There never was a value. One access learns of the failure, and the others that come in the pause learn why.
//! assert_eq!(read(Err("down")), Err(CreateError::Failed("down")));
//! assert!(matches!(read(Ok(1)), Err(CreateError::Paused { retry_in: SECOND, cause }) if &*cause == "down"));
//! clock.advance(SECOND);
//! assert_eq!(read(Ok(1)), Ok((1, Outcome::Created)));
//!
//! // The value has expired, and the upstream is down again. No read fails, and only the first one calls the creator.
//! clock.advance(SECOND * 600);
//! assert_eq!(read(Err("down")), Ok((1, Outcome::StaleOnError)));
//! assert_eq!(read(Ok(2)), Ok((1, Outcome::Stale)), "the creator is not called in the pause");
//! assert_eq!(rate.last_failure().unwrap().to_string(), "down");
//! clock.advance(SECOND);
//! assert_eq!(read(Ok(2)), Ok((2, Outcome::Created)), "it has recovered");
//! // The upstream hangs. Another thread is elected in its place, and the late value replaces nothing.
//! rate.mark_stale();
//! let late = rate.get_or_create(|| {
//!     clock.advance(SECOND * 5);
//!     thread::scope(|threads| drop(threads.spawn(|| rate.get_or_create(|| 4)).join()));
//!     3
//! });
//! assert_eq!((*late, *rate.peek().unwrap(), rate.stats().dead), (3, 4, 1));
//! ```
//!
//! `cargo run --release -p example-flaky-upstream` shows this with many readers, and with `-- --no-policy` what happens
//! without a policy.
//!
//! # How a value ages
//!
//! ```text
//! created              due                   expires                    gone
//!    |------ fresh ------|--- fresh, due ------|---------- stale ----------|------ missing ------
//!                         one access is elected, the others carry on        … the others wait
//! ```
//!
//! | when | the value says ([`Made`]) | else the policy says | else |
//! |---|---|---|---|
//! | the value is due | [`refresh_after`](Made::refresh_after) | [`refresh_at`](PolicyBuilder::refresh_at): after that part of its lifetime; or [`refresh_early`](PolicyBuilder::refresh_early): at random, the sooner the longer a creation takes | when it expires |
//! | the value expires | [`expires_after`](Made::expires_after), less the jitter | after the lifetime of the lock, less a random part up to [`jitter`](PolicyBuilder::jitter) | after the lifetime of the lock |
//! | the value is gone | [`max_stale`](Made::max_stale) after its expiry | [`max_stale`](PolicyBuilder::max_stale) after its expiry | never |
//! | the elected access gets the error, and not the old value, when its creator fails | - | [`max_stale_on_error`](PolicyBuilder::max_stale_on_error) after its expiry | when it is gone |
//!
//! - With `refresh_at` or `refresh_early` a value that is in use never expires, if the rest of its lifetime is long
//!   enough to create the next value. [`background`](super::background) spares the elected access the wait as well.
//! - `max_stale` is for the idle night: the first access of the morning waits for a new value (C21). With
//!   `max_stale(Duration::ZERO)` an expired value is never served.
//! - `jitter` spreads the expiries of values that were created together. `refresh_early` does so for processes that
//!   share a store, since each of them elects for itself.
//! - `max_stale_on_error` may be longer than `max_stale`. In between the elected access is served the old value if its
//!   creator fails, while the others wait. It is a contradiction without `ServeStale`.
//! - An invalidated value is missing, whatever the policy says: no access that comes later is given it.
//! - A cache that follows a policy and keeps its values elsewhere asks [`Policy::is_due`], [`Policy::due_after`],
//!   [`Policy::jittered`] and [`Backoff::pause`].
//!
//! ```
//! use dogpile::{Cached, CachedGuard, Freshness, ManualClock, Outcome, Policy};
//! use std::{sync::Arc, time::Duration};
//!
//! static AGEING: Policy = Policy::builder().refresh_at(0.5).max_stale(Duration::from_secs(60)).build_const();
//! let clock = Arc::new(ManualClock::new());
//! let rate = Cached::with_clock(Duration::from_secs(600), Arc::clone(&clock)).with_policy(&AGEING);
//! rate.set(1);
//! clock.advance(Duration::from_secs(300)); // it is fresh, and due
//! assert_eq!(CachedGuard::outcome(&rate.get_or_create(|| 2)), Outcome::Created);
//! clock.advance(Duration::from_secs(660));
//! assert_eq!(rate.freshness(), Freshness::Missing, "too old to be served");
//! ```
//!
//! # What goes wrong, and what follows
//!
//! A creation has *failed* if its creator returned an error or panicked. Where failures are followed by pauses (by the
//! policy, or because an earlier `Failure` has said so), a creation whose value had expired as it arrived has failed,
//! too. A creation that was dropped without a panic has not failed: its client went away, for example, or its job was
//! refused. A getter that fails is no failed creation either. In all these cases the lock is free again (L5).
//!
//! | setting | an access with an old value | an access without a value | an access in the background, or spawned |
//! |---|---|---|---|
//! | [`retry_after`](PolicyBuilder::retry_after) | carries on with the old value in the pause; no creator is called | ends with [`Paused`](CreateError::Paused), which has the cause and the time left. A terminal without a `Result` ignores the pause, and creates when its access is elected. `renew_if` gives the old value, with `TooSoon`; `anew` creates | hands nothing over in the pause |
//! | [`on_error(ServeStale)`](OnError::ServeStale) | gets the old value if it was elected and has failed | gets the error | an access that went on after it had handed over is not told of the failure |
//! | [`creation_timeout`](PolicyBuilder::creation_timeout) | is elected in place of a creation that takes longer | wakes by itself, and one waiter is elected | the time in a queue counts; a job that is dead before it begins runs nothing; a spawned access may be [`Lost`](CreateError::Lost) |
//! | `max_stale` | is one without a value, beyond that | waits for a new value | creates on its own thread beyond that, or waits for its task |
//! | `refresh_at`, `refresh_early` | one is elected while the value is fresh | no effect | the creation is handed over, and the outcome is `Fresh` |
//! | [`renew_interval`](PolicyBuilder::renew_interval) | with `renew_if` gets the old value, and `TooSoon` | no effect | the same |
//! | [`max_skew`](PolicyBuilder::max_skew) | a stamp further ahead than this counts as stale | no effect | the same |
//!
//! Accesses without an error are those that end in `turn`, `or_create`, `or_create_with` or `get` without a time-out.
//! An access that wants the value [`anew`](Access::anew) creates in a pause as well. A creation that succeeds and a
//! value that is set end a pause, and an invalidation does not. A dead creation is not interrupted. Its value goes to
//! its own caller alone, and its `publish` is refused; a long creator asks [`is_dead`](crate::Creation::is_dead). A
//! creation inside `publish`, or with the write lock, is not declared dead.
//!
//! # The defaults
//!
//! Nothing but `max_skew` is set. So there is no pause, the elected access gets the error, a creation may take as long
//! as it likes, a stale value serves without a limit, nothing is renewed early and no lifetime is shortened, as in the
//! origin. `max_skew` is one second, which machines that keep their clocks by NTP stay well within. A [`Backoff`]
//! doubles its pauses and shortens each by up to a half at random. So processes that failed together do not come back
//! together, and the source has at least half of each pause in peace.
//!
//! [`build_const`](PolicyBuilder::build_const) makes a policy in a `static` or a `const`, where a contradiction is an
//! error of the compiler. [`build`](PolicyBuilder::build) makes one at run time, and a contradiction is a
//! [`PolicyError`]. One policy may rule any number of locks. [`Policy::named`] gives it another name for each of them.
//!
//! ```
//! use dogpile::{Cached, Policy, PolicyError};
//! use std::{sync::Arc, time::Duration};
//!
//! let seconds = 0; // from a file
//! let built = Policy::builder().creation_timeout(Duration::from_secs(seconds)).build();
//! assert_eq!(built, Err(PolicyError::NoTimeToCreate));
//! let policy = built.unwrap_or_default().named("rates");
//! let rates: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_shared_policy(Arc::new(policy));
//! assert_eq!(rates.policy().name(), Some("rates"));
//! ```
//!
//! # What a creator says itself
//!
//! A creator that is handed its [`Renewal`](crate::Renewal) returns a [`Made`], which says how long this value lives,
//! from when on it is renewed, and how long it serves after that. A creator that fails returns a [`Failure`] in place
//! of its error. The failure says how long the pause is, under a policy or without one, and whether an old value may
//! cover it.
//!
//! ```
//! use dogpile::{Cached, CreateError, Failure, Made};
//! use std::time::Duration;
//!
//! static PAGE: Cached<String> = Cached::never_expires();
//!
//! /// A server's answer: its status, and for how many seconds it holds, or in how many to come back.
//! fn renew((status, seconds): (u16, u64)) -> Result<Made<String>, Failure<String>> {
//!     let time = Duration::from_secs(seconds);
//!     match status {
//!         200 => Ok(Made::new("page".into()).expires_after(time).refresh_after(time / 2).max_stale(time)),
//!         503 => Err(Failure::new("busy".into()).retry_after(time)),
//!         _ => Err(Failure::new("gone".into()).uncovered()),
//!     }
//! }
//!
//! let busy = PAGE.access().or_try_create_with(|_| renew((503, 70))).map_err(CreateError::without_hints);
//! assert!(matches!(busy, Err(CreateError::Failed(error)) if error == "busy"));
//! assert!(PAGE.paused_for() > Some(Duration::from_secs(60)), "the server is left in peace");
//! let page = PAGE.access().anew().or_try_create_with(|_| renew((200, 600))).unwrap();
//! assert!(*page == "page" && PAGE.expires_in() < Some(Duration::from_secs(601)));
//! ```
//!
//! # How a program learns of it
//!
//! Each lock counts what has happened ([`stats`](Status::stats)), and knows what has failed last
//! ([`last_failure`](Status::last_failure)), when its value expires ([`expires_in`](Status::expires_in)) and when it is
//! due ([`due_in`](Status::due_in)). A thread waits for the next value by [`changed`](Status::changed), and a health
//! check for the first one by [`wait_for_value`](Status::wait_for_value): neither creates anything. An
//! [`observer`](PolicyBuilder::observer) is told of creations, failures and waits, outside every mutex and never on a
//! hit. The features `tracing` and `metrics`, both off by default (`cargo add dogpile --features tracing`), bring
//! ready-made observers, `dogpile::Tracing` and `dogpile::Metrics`.
//!
//! ```
//! use dogpile::{Dogpile, Observer, Policy, Source};
//! use std::{fmt::Display, time::Duration};
//!
//! #[derive(Debug)]
//! struct Stderr;
//! impl Observer for Stderr {
//!     fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn Display) {
//!         eprintln!("{}: no new value after {took:?}: {cause}", of.name.unwrap_or("a lock"));
//!     }
//! }
//! static POLICY: Policy = Policy::builder().name("rates").observer(&Stderr).build_const();
//! static LOCK: Dogpile = Dogpile::new(Duration::from_secs(600)).with_policy(&POLICY);
//! assert!(LOCK.acquire_or_try_create(|| Err("no answer")).is_err());
//! assert_eq!(LOCK.stats().failures, 1);
//! ```

#[cfg(doc)]
use crate::{Access, Backoff, CreateError, Failure, Made, OnError, Policy, PolicyBuilder, PolicyError, Status};
