//! Being seen: what a lock counts ([`Stats`]), and whom it tells what happened ([`Observer`]).
//!
//! | what happened | counted as | told as | when |
//! |---|---|---|---|
//! | a creation became the current value | `creations` | `created` | it has ended |
//! | it failed or panicked | `failures` | `failed` | it has ended |
//! | it was superseded | `superseded` | `superseded` | it has ended |
//! | it was declared dead | `dead` | `dead` | another was elected in its place |
//! | an access waited for one | `waits` | `waited` | the wait has ended, however |
//! | an access went on with a value that had expired | - | `served_stale` | before it returns |
//!
//! A creation that stood down, because the value was found after all, is none of these, nor is one that was given up:
//! it was dropped without a panic, and nobody has failed. Nothing is counted or told on a hit, and a stale access
//! counts nothing either, since it would have to write where others write (L2): hence no such count. Successes are
//! counted within the transition, so that whoever sees one, as fresh or by having waited for it, sees it counted; all
//! else right after it. Observers are the user's: they are called outside every mutex, by the thread that the event
//! happened to, and never between an election and whatever answers for it.

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

/// Which lock an event is of.
///
/// More is told as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Source<'a> {
    /// What the lock is [called](crate::PolicyBuilder::name).
    pub name: Option<&'static str>,
    /// Of which key it is, if it is a [registry's](crate::Registry) that [says so](crate::Registry::named_by).
    pub key: Option<&'a str>,
}

/// Is told what happens to the locks whose policy [names](crate::PolicyBuilder::observer) it. Each method does nothing
/// unless it is written.
///
/// Nothing is told on a hit, nor of what only loads but [`served_stale`](Self::served_stale). The methods run on the
/// thread that the event happened to, which waits for them: let them be quick. They may use the lock. Durations are on
/// the lock's own clock, precise to the nanosecond (or as precise as the clock).
///
/// With the features `tracing` and `metrics` there are ready-made ones: `dogpile::Tracing` and `dogpile::Metrics`.
///
/// # Panics
///
/// A panic goes on to the caller whose access it was, or into the thread that ended the creation; the lock is then as
/// it would be without: what happened has happened. An access that was elected just then creates nothing, and those who
/// wait look again. A panic beside another one ends here.
///
/// # Examples
///
/// ```
/// use dogpile::{Dogpile, Observer, Policy, Source};
/// use std::{sync::atomic::{AtomicU64, Ordering}, time::Duration};
///
/// /// The longest that anybody has waited, in nanoseconds.
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
/// RATES.acquire_or_create(|| ());
/// assert_eq!(LONGEST.0.load(Ordering::Relaxed), 0);
/// ```
///
/// A pair of observers is one, which tells both. One that is made at run time lives for ever by [`Box::leak`].
pub trait Observer: fmt::Debug + Send + Sync + RefUnwindSafe {
    /// A creation has ended, and its value is the current one (though it may have been marked stale meanwhile, or have
    /// expired as it arrived). It took that long, from its election on.
    fn created(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// A creation has ended without a value after that long: with an error or a panic. The `cause` is the error, or
    /// says that it was a panic. (What was panicked with, only the panic hook knows.) Of one that was
    /// [dropped](crate::Creation) without a panic, nothing is told.
    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        let _ = (of, took, cause);
    }

    /// A creation has ended after that long, and its value is not the current one: it was invalidated or set meanwhile.
    fn superseded(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// A creation was declared dead after that long, and another has just been elected in its place.
    fn dead(&self, of: Source<'_>, after: Duration) {
        let _ = (of, after);
    }

    /// An access has waited that long for somebody else's creation, be it that it was served, elected or told of a
    /// failure then, or that its time was out.
    fn waited(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// An access went on with a value that has expired, or was marked stale.
    fn served_stale(&self, of: Source<'_>) {
        let _ = of;
    }
}

/// What a lock has done since it was made. Times are on its own clock. A value that is [set](crate::Cached::set) is no
/// creation.
///
/// More is counted as the crate grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Creations whose value became the current one.
    pub creations: u64,
    /// Creations that failed: with an error or a panic. One that was [dropped](crate::Creation) without a panic, such
    /// as that of a future that was cancelled, is not counted at all.
    pub failures: u64,
    /// Creations that were invalidated or overtaken by a set value.
    pub superseded: u64,
    /// Creations that took longer than their [time-out](crate::PolicyBuilder::creation_timeout), and were replaced.
    pub dead: u64,
    /// Waits for somebody else's creation. An access may wait more than once.
    pub waits: u64,
    /// How long all those creations took together; of the dead ones, until they were declared dead.
    pub creating: Duration,
    /// How long all those waits took together, 584 years at the most.
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

/// How a creation came to its end, as it is counted and told.
pub(crate) enum End<'a> {
    Finished(Finished),
    Failed(&'a dyn fmt::Display),
    Buried,
}

/// What is counted for [`Stats`]. Each counter by itself (relaxed): they order nothing.
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
            // It was counted when it was declared dead.
            End::Finished(Finished::Dead) => return,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        add(&self.creating, took);
    }

    pub(crate) fn waited(&self, took: u64) {
        self.waits.fetch_add(1, Ordering::Relaxed);
        add(&self.waiting, took);
    }

    /// Goes on from what another has counted.
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

/// Sums of times saturate (L11): those that overlap come to more than there is.
fn add(sum: &Counter, took: u64) {
    // It is never refused.
    sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |sum| Some(sum.saturating_add(took))).unwrap_or(took);
}

/// Tells of a creation's end.
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
