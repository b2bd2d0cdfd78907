//! Watching a region: the region counts what happens ([`Counts`]), and tells an [`Observer`].
//!
//! | what happened | counted as | told as | when |
//! |---|---|---|---|
//! | an access was served a fresh value that this process keeps | `near_hits`, if asked for | - | before the access returns |
//! | an access was served a fresh value of the far backend | `far_fresh`, `ages` | - | before the access returns |
//! | an access was served the old value | `near_stale` or `far_stale`, `ages` | `served_stale` | before the access returns |
//! | an access was served what its process had created without the backend | `own` | - | before the access returns |
//! | an access had nothing to be served | `misses` | - | before it waits or creates |
//! | an access shared the look of another | `saved_looks` | - | when the look has returned |
//! | a creation ended with a value | `creations`, `creating`; and one of `published_fresh`, `published_stale`, `refused` | `created` | when its publication has ended |
//! | that value was not published | | `refused`, after `created` | the same |
//! | its creator had an old value | `renewals`, and `unchanged` if the creator said so | - | the same |
//! | a creation failed or panicked | `failures`, `creating` | `failed` | when its grant has ended |
//! | an access waited for a creation of this or another process | `waits`, `waiting` | `waited` | when the wait has ended, in any way |
//! | a creation of this process may run beside another | `overlaps` | `overlapped` | when this process learns of it: see [`Overlap`] |
//! | an operation of the backend failed | `backend_errors` | `backend_failed` | when the error is there |
//! | an entry was no value | `unreadable` | `unreadable` | when the entry was read |
//! | an entry was read, or stored | `bytes_read`, `bytes_written` | - | when the reply is there |
//! | this process has invalidated a key | `invalidations` | `invalidated` | when the backend was told |
//!
//! Three ends of a creation are neither counted nor told: the creation was cancelled or dropped; the region found a
//! fresh value after all; the process ended.
//!
//! Nothing is told on a hit, and nothing is counted on a near hit, unless the region [counts near
//! hits](Counts::near_hits). All else belongs to a round trip, to a creation or to the election of its creator, beside
//! which a counter costs next to nothing.
//!
//! Observers are the user's code. They are called outside every mutex, by the thread that the event happened to, after
//! the event was counted. They are never called between a grant and the code that answers for it.

mod case;
mod counts;
#[cfg(feature = "metrics")]
mod metrics;
mod seen;
mod span;
mod tally;
#[cfg(test)]
mod tests;
#[cfg(feature = "tracing")]
mod tracing;

pub use self::case::{By, Case, NotPublished, Operation, Overlap, Published};
pub use self::counts::{Ages, Counts};
#[cfg(feature = "metrics")]
pub use self::metrics::Metrics;
pub(crate) use self::seen::{KeyText, Seen};
#[cfg(feature = "tracing")]
pub use self::tracing::Tracing;

use crate::backend::BackendError;
use crate::envelope::Why;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The region, and the key in it, that an event is about.
///
/// More fields will be added as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Source<'a> {
    /// The name of the region.
    pub region: &'a str,
    /// The text of the key, without the region's name and without a hash. Empty if the event is about no single key, as
    /// a ping that failed, or if the key has no text.
    pub key: &'a str,
}

/// An observer is told what happens in the regions that were built with it. By default each method does nothing, so
/// that an observer writes only the methods that it needs.
///
/// A hit is not told. The [module docs](self) have the table of what is told when. The methods run on the thread that
/// the event happened to. That thread waits for them, so they should be quick; they must not block, since the thread
/// may be a runtime's. They may use the region. Durations are measured on the region's own clock. They are exact to the
/// nanosecond, or as exact as the clock is; an age is exact to the millisecond, as the server's clock is.
///
/// The features `tracing` and `metrics` bring ready-made observers: `dogpile_cache::Tracing` and
/// `dogpile_cache::Metrics`. A pair of observers is one observer, which tells the first and then the second. An `Arc`
/// of an observer is one, too.
///
/// # Panics
///
/// A panic of an observer ends in the region, which is as it would be without the panic: only the panic hook tells of
/// it. (Many events happen to threads that have no caller.)
///
/// # Examples
///
/// ```
/// use dogpile_cache::observer::{Observer, Overlap, Source};
/// use std::sync::atomic::{AtomicU64, Ordering};
///
/// /// How many creations ran beside another one because a lease was lost.
/// #[derive(Debug, Default)]
/// struct Lost(AtomicU64);
///
/// impl Observer for Lost {
///     fn overlapped(&self, _: Source<'_>, why: Overlap) {
///         if why == Overlap::LeaseLost {
///             self.0.fetch_add(1, Ordering::Relaxed);
///         }
///     }
/// }
/// ```
pub trait Observer: fmt::Debug + Send + Sync {
    /// A creation has ended with a value. The creation took `took`, from its grant until the creator had made the
    /// value.
    ///
    /// The caller has the value, whatever has become of the publication (G4).
    fn created(&self, of: Source<'_>, took: Duration, published: Published) {
        let _ = (of, took, published);
    }

    /// A creation has ended without a value, with an error or a panic. The creation took `took`, from its grant on.
    ///
    /// The `cause` is the error, or says that there was a panic. (Only the panic hook knows what the panic said.) A
    /// creation that was cancelled or dropped is not told.
    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        let _ = (of, took, cause);
    }

    /// A created value was not published. Told right after [`created`](Self::created), for an observer that asks for
    /// this alone.
    fn refused(&self, of: Source<'_>, why: NotPublished) {
        let _ = (of, why);
    }

    /// An access has waited for `took`, for a creation of this or of another process.
    ///
    /// The wait is told in each of these cases: the access was served, was elected, was told of a failure, was out of
    /// time, or was given up.
    fn waited(&self, of: Source<'_>, took: Duration) {
        let _ = (of, took);
    }

    /// An access was served the old value, which was created before `age`.
    fn served_stale(&self, of: Source<'_>, age: Duration) {
        let _ = (of, age);
    }

    /// A creation of this process may run, or have run, beside another creation of the key (G1).
    fn overlapped(&self, of: Source<'_>, why: Overlap) {
        let _ = (of, why);
    }

    /// An operation of the backend has failed. Told once for each operation, however many accesses share it.
    fn backend_failed(&self, of: Source<'_>, operation: Operation, error: &BackendError) {
        let _ = (of, operation, error);
    }

    /// The backend had an entry that counts as no value (G7).
    fn unreadable(&self, of: Source<'_>, why: Why) {
        let _ = (of, why);
    }

    /// This process has invalidated the key, and the backend was told.
    fn invalidated(&self, of: Source<'_>) {
        let _ = of;
    }
}

macro_rules! tells {
    ($(fn $event:ident($($with:ident: $type:ty),*);)+) => {
        impl<A: Observer, B: Observer> Observer for (A, B) {$(
            fn $event(&self, of: Source<'_>, $($with: $type),*) {
                self.0.$event(of, $($with),*);
                self.1.$event(of, $($with),*);
            }
        )+}

        impl<O: Observer + ?Sized> Observer for Arc<O> {$(
            fn $event(&self, of: Source<'_>, $($with: $type),*) {
                (**self).$event(of, $($with),*);
            }
        )+}
    };
}
tells! {
    fn created(took: Duration, published: Published);
    fn failed(took: Duration, cause: &dyn fmt::Display);
    fn refused(why: NotPublished);
    fn waited(took: Duration);
    fn served_stale(age: Duration);
    fn overlapped(why: Overlap);
    fn backend_failed(operation: Operation, error: &BackendError);
    fn unreadable(why: Why);
    fn invalidated();
}
