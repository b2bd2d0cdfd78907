//! Watching a lock: the lock counts what happens ([`Stats`]), and tells an [`Observer`].
//!
//! | what happened | counted as | told as | when |
//! |---|---|---|---|
//! | a creation became the current value | `creations` | `created` | when the creation has ended |
//! | a creation failed or panicked | `failures` | `failed` | when the creation has ended |
//! | a creation was superseded | `superseded` | `superseded` | when the creation has ended |
//! | a creation was declared dead | `dead` | `dead` | when another was elected in its place |
//! | an access waited for a creation | `waits` | `waited` | when the wait has ended, in any way |
//! | an access went on with a value that had expired | - | `served_stale` | before the access returns |
//!
//! Two ends of a creation are neither counted nor told: the creation stood down, because the value was found after all;
//! or the creation was given up, that is, dropped without a panic, and nothing has failed.
//!
//! Nothing is counted or told on a hit. A stale access is not counted either, since it would have to write where others
//! write (L2). A success is counted within the transition: an access that sees the value as fresh, or has waited for
//! it, sees it counted. All else is counted right after the transition.
//!
//! Observers are the user's code. They are called outside every mutex, by the thread that the event happened to. They
//! are never called between an election and the code that answers for it.

#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "metrics")]
pub use metrics::Metrics;
#[cfg(feature = "tracing")]
pub use tracing::Tracing;

use crate::election::Finished;
use crate::sync::{Counter, Ordering};
use std::fmt;
use std::panic::RefUnwindSafe;
use std::time::Duration;

/// The lock that an event is about.
///
/// More fields will be added as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Source<'a> {
    /// The [name](crate::PolicyBuilder::name) of the lock, if it has one.
    pub name: Option<&'static str>,
    /// The key of the lock, if the lock is in a [`Registry`](crate::Registry) that [names its locks by their
    /// keys](crate::Registry::named_by).
    pub key: Option<&'a str>,
}

/// An observer is told what happens to the locks whose policy [names](crate::PolicyBuilder::observer) it. By default
/// each method does nothing, so that an observer writes only the methods that it needs.
///
/// A hit is not told. Neither is any other access that only loads, except by [`served_stale`](Self::served_stale). The
/// methods run on the thread that the event happened to. That thread waits for them, so they should be quick. They may
/// use the lock. Durations are measured on the lock's own clock, to the nanosecond or as precisely as the clock is.
///
/// The features `tracing` and `metrics` bring ready-made observers: `dogpile::Tracing` and `dogpile::Metrics`. A pair
/// of observers is one observer, which tells both. An observer that is made at run time becomes `'static` by
/// [`Box::leak`].
///
/// # Panics
///
/// A panic of an observer goes on to the caller whose access it was, or into the thread that ended the creation. The
/// lock is as it would be without the panic: what has happened has happened. If the access was elected just then, it
/// creates nothing, and the waiters look again. A panic beside another panic ends in the lock.
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Observer, Policy, Source};
/// use std::{sync::atomic::{AtomicU64, Ordering}, time::Duration};
///
/// /// The longest time that any access has waited, in nanoseconds.
/// #[derive(Debug)]
/// struct Longest(AtomicU64);
///
/// impl Observer for Longest {
///     fn waited(&self, _: Source<'_>, took: Duration) {
///         self.0.fetch_max(took.as_nanos() as u64, Ordering::Relaxed);
///     }
/// }
///
/// static LONGEST: Longest = Longest(AtomicU64::new(0));
/// static POLICY: Policy = Policy::builder().name("rates").observer(&LONGEST).build_const();
/// static RATES: Dogpile = Dogpile::new(Duration::from_secs(600)).with_policy(&POLICY);
///
/// RATES.acquire_or_create(|| ());
/// assert_eq!(LONGEST.0.load(Ordering::Relaxed), 0); // no access has waited
/// ```
pub trait Observer: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// A creation has ended, and its value is the current one. The creation took `took`, from its election on.
    ///
    /// The value may have been marked stale meanwhile, or may have expired as it arrived.
    fn created(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// A creation has ended without a value, with an error or a panic. The creation took `took`, from its election on.
    ///
    /// The `cause` is the error, or says that there was a panic. (Only the panic hook knows what the panic said.) A
    /// creation that was [dropped](crate::Creation) without a panic is not told.
    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        let _ = (of, took, cause);
    }

    /// A creation has ended, and its value is not the current one: the value was invalidated or set meanwhile. The
    /// creation took `took`, from its election on.
    fn superseded(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// A creation was declared dead, `after` that time from its election on. Another creation has just been elected in
    /// its place.
    fn dead(&self, of: Source<'_>, after: Duration) {
        let _ = (of, after);
    }

    /// An access has waited for another's creation for `took`.
    ///
    /// The wait is told in each of these cases: the access was served, was elected, was told of a failure, was out of
    /// time, or was given up.
    fn waited(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// An access went on with a value that has expired, or was marked stale.
    fn served_stale(&self, of: Source<'_>) {
        let _ = of;
    }
}

/// Counts of what a lock has done since it was made.
///
/// Times are measured on the lock's own clock, and saturate at 584 years. A value that is [set](crate::Cached::set) is
/// no creation. More fields will be added as the crate grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Creations whose value became the current one.
    pub creations: u64,
    /// Creations that failed, with an error or a panic.
    ///
    /// A creation that was [dropped](crate::Creation) without a panic, such as the creation of a future that was
    /// cancelled, is not counted at all.
    pub failures: u64,
    /// Creations that were overtaken by an invalidation or a value that was set.
    pub superseded: u64,
    /// Creations that took longer than their [time-out](crate::PolicyBuilder::creation_timeout), and were replaced.
    pub dead: u64,
    /// Waits for another access's creation. One access may wait more than once.
    pub waits: u64,
    /// How long all these creations took together. A dead creation counts until it was declared dead.
    pub creating: Duration,
    /// How long all these waits took together.
    pub waiting: Duration,
}

macro_rules! tells_both {
    ($(fn $event:ident($($with:ident: $type:ty),*);)+) => {
        impl<A: Observer, B: Observer> Observer for (A, B) {$(
            fn $event(&self, of: Source<'_>, $($with: $type),*) {
                self.0.$event(of, $($with),*);
                self.1.$event(of, $($with),*);
            }
        )+}
    };
}
tells_both! {
    fn created(took: Duration);
    fn failed(took: Duration, cause: &dyn fmt::Display);
    fn superseded(took: Duration);
    fn dead(after: Duration);
    fn waited(took: Duration);
    fn served_stale();
}

/// The end of a creation, as it is counted and told.
pub(crate) enum End<'a> {
    Finished(Finished),
    Failed(&'a dyn fmt::Display),
    Buried,
}

/// The counters of [`Stats`]. Each counter stands by itself (relaxed): they order nothing.
#[derive(Default)]
pub(crate) struct Tally {
    creations: Counter,
    failures: Counter,
    superseded: Counter,
    dead: Counter,
    waits: Counter,
    creating: Counter,
    waiting: Counter,
}

impl Tally {
    pub(crate) fn ended(&self, end: &End<'_>, took: u64) {
        let counter = match end {
            End::Finished(Finished::Published | Finished::PublishedStale) => &self.creations,
            End::Finished(Finished::Superseded) => &self.superseded,
            End::Failed(_) => &self.failures,
            End::Buried => &self.dead,
            // The creation was counted when it was declared dead.
            End::Finished(Finished::Dead) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        add(&self.creating, took);
    }

    pub(crate) fn waited(&self, took: u64) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        add(&self.waiting, took);
    }

    /// Goes on from the counts of another tally.
    pub(crate) fn begin_as(&self, other: &Self) {
        let Self { creations, failures, superseded, dead, waits, creating, waiting } = other;
        let counters = [
            (&self.creations, creations),
            (&self.failures, failures),
            (&self.superseded, superseded),
            (&self.dead, dead),
            (&self.waits, waits),
            (&self.creating, creating),
            (&self.waiting, waiting),
        ];
        for (counter, other) in counters {
            counter.store(other.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    pub(crate) fn stats(&self) -> Stats {
        let count = |counter: &Counter| counter.load(Ordering::Relaxed);
        Stats {
            creations: count(&self.creations),
            failures: count(&self.failures),
            superseded: count(&self.superseded),
            dead: count(&self.dead),
            waits: count(&self.waits),
            creating: Duration::from_nanos(count(&self.creating)),
            waiting: Duration::from_nanos(count(&self.waiting)),
        }
    }
}

/// Adds to a sum of times. Such a sum saturates (L11): times that overlap come to more than there is.
fn add(sum: &Counter, took: u64) {
    // The closure never refuses, so the update succeeds.
    sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(took))).unwrap_or(took);
}

/// Tells the observer of a creation's end.
pub(crate) fn tell(observer: &dyn Observer, of: Source<'_>, end: &End<'_>, took: u64) {
    let took = Duration::from_nanos(took);
    match end {
        End::Finished(Finished::Published | Finished::PublishedStale) => observer.created(of, took),
        End::Finished(Finished::Superseded) => observer.superseded(of, took),
        End::Failed(cause) => observer.failed(of, took, *cause),
        End::Buried => observer.dead(of, took),
        End::Finished(Finished::Dead) => {}
    }
}
