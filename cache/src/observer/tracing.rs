//! Events for the `tracing` crate.

use super::{NotPublished, Observer, Operation, Overlap, Published, Source};
use crate::backend::BackendError;
use crate::envelope::Why;
use std::error::Error;
use std::fmt;
use std::time::Duration;

/// An [`Observer`] that turns what happens into events of the `tracing` crate. (Feature `tracing`.)
///
/// All events have the target `dogpile_cache`. The message of an event is its name.
///
/// | message | level | fields, beside `region` and `key` |
/// |---|---|---|
/// | `created` | `DEBUG` | `seconds`, `published` |
/// | `failed` | `WARN` | `seconds`, `cause` |
/// | `refused` | `WARN`; `DEBUG` if the creator or an invalidation wanted it so: `unwanted`, `voided`, `closed` | `why` |
/// | `waited` | `DEBUG` | `seconds` |
/// | `served_stale` | `TRACE` | `age` |
/// | `overlapped` | `WARN`; `DEBUG` for `voided` | `why` |
/// | `backend_failed` | `WARN` | `operation`, `error`, `cause` |
/// | `unreadable` | `WARN` | `why` |
/// | `invalidated` | `DEBUG` | |
///
/// The field `region` is the name of the region. The field `key` is the text of the key, and is left out if there is
/// none. Both are strings. The fields `seconds` and `age` are times in seconds, floating-point numbers. The fields
/// `published`, `why` and `operation` are short names: those of [`Published::name`], [`NotPublished::name`],
/// [`Overlap::name`], [`Why::name`] and [`Operation::name`]. The `cause` of `failed` is what a creator's error
/// displays, or says that the creator panicked. The `cause` of `backend_failed` is what the error of the client
/// displays, and is left out if there is none. Each event belongs to the span that is current where it happened.
///
/// # The span of a creation
///
/// With the feature `tracing`, each creator runs in a span, whether the region has this observer or not. The span has
/// the target `dogpile_cache`, the name `creation`, the level `DEBUG`, and the fields `region` and `key`. Its parent is
/// the span that is current where the access runs. What a creator logs therefore names the key that it is for. The span
/// is entered while the creator runs or is polled, and closed when the creation has ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

/// The text of the key, unless it is empty.
fn key(of: Source<'_>) -> Option<&str> {
    Some(of.key).filter(|key| !key.is_empty())
}

/// An event with the fields of each event, and those of its own.
macro_rules! event {
    ($level:ident, $of:expr, $message:literal $(, $($field:tt)+)?) => {
        tracing::$level!(target: "dogpile_cache", region = $of.region, key = key($of), $($($field)+,)? $message)
    };
}

impl Observer for Tracing {
    fn created(&self, of: Source<'_>, took: Duration, published: Published) {
        event!(debug, of, "created", seconds = took.as_secs_f64(), published = published.name());
    }

    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        event!(warn, of, "failed", seconds = took.as_secs_f64(), %cause);
    }

    fn refused(&self, of: Source<'_>, why: NotPublished) {
        match why {
            NotPublished::Unwanted | NotPublished::Voided | NotPublished::Closed => {
                event!(debug, of, "refused", why = why.name());
            }
            _ => event!(warn, of, "refused", why = why.name()),
        }
    }

    fn waited(&self, of: Source<'_>, took: Duration) {
        event!(debug, of, "waited", seconds = took.as_secs_f64());
    }

    fn served_stale(&self, of: Source<'_>, age: Duration) {
        event!(trace, of, "served_stale", age = age.as_secs_f64());
    }

    fn overlapped(&self, of: Source<'_>, why: Overlap) {
        if why == Overlap::Voided {
            event!(debug, of, "overlapped", why = why.name());
        } else {
            event!(warn, of, "overlapped", why = why.name());
        }
    }

    fn backend_failed(&self, of: Source<'_>, operation: Operation, error: &BackendError) {
        let cause = error.source().map(tracing::field::display);
        event!(warn, of, "backend_failed", operation = operation.name(), %error, cause);
    }

    fn unreadable(&self, of: Source<'_>, why: Why) {
        event!(warn, of, "unreadable", why = why.name());
    }

    fn invalidated(&self, of: Source<'_>) {
        event!(debug, of, "invalidated");
    }
}
