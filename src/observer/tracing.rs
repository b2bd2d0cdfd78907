//! Events for the `tracing` crate.

use super::{Observer, Source};
use std::fmt;
use std::time::Duration;

/// An [`Observer`] that turns what happens into events of the `tracing` crate. (Feature `tracing`.)
///
/// All events have the target `dogpile`. The message of an event is its name.
///
/// | message | level | fields |
/// |---|---|---|
/// | `created` | `DEBUG` | `lock`, `key`, `seconds` |
/// | `failed` | `WARN` | `lock`, `key`, `seconds`, `cause` |
/// | `superseded` | `DEBUG` | `lock`, `key`, `seconds` |
/// | `dead` | `WARN` | `lock`, `key`, `seconds` |
/// | `waited` | `DEBUG` | `lock`, `key`, `seconds` |
/// | `served_stale` | `TRACE` | `lock`, `key` |
///
/// The field `lock` is the [name](crate::PolicyBuilder::name) of the lock, a string. It is left out if the lock has no
/// name. The field `key` is the key of a lock in a registry, a string. It is left out unless the registry
/// [names](crate::Registry::named_by) its locks. The field `seconds` is how long the creation or the wait took, a
/// floating-point number. The field `cause` is what a creator's error displays, or says that the creator panicked. Each
/// event belongs to the span that is current where it happened, which is where the access or the creator ran.
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, Policy, Tracing};
/// use std::time::Duration;
///
/// static POLICY: Policy = Policy::builder().name("rates").observer(&Tracing).build_const();
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_policy(&POLICY);
/// assert_eq!(RATES.get_or_create(|| vec![1.0]).len(), 1); // DEBUG dogpile: created lock="rates" seconds=…
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Tracing;

impl Observer for Tracing {
    fn created(&self, of: Source<'_>, took: Duration) {
        tracing::debug!(target: "dogpile", lock = of.name, key = of.key, seconds = took.as_secs_f64(), "created");
    }

    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        tracing::warn!(target: "dogpile", lock = of.name, key = of.key, seconds = took.as_secs_f64(), %cause, "failed");
    }

    fn superseded(&self, of: Source<'_>, took: Duration) {
        tracing::debug!(target: "dogpile", lock = of.name, key = of.key, seconds = took.as_secs_f64(), "superseded");
    }

    fn dead(&self, of: Source<'_>, after: Duration) {
        tracing::warn!(target: "dogpile", lock = of.name, key = of.key, seconds = after.as_secs_f64(), "dead");
    }

    fn waited(&self, of: Source<'_>, took: Duration) {
        tracing::debug!(target: "dogpile", lock = of.name, key = of.key, seconds = took.as_secs_f64(), "waited");
    }

    fn served_stale(&self, of: Source<'_>) {
        tracing::trace!(target: "dogpile", lock = of.name, key = of.key, "served_stale");
    }
}
