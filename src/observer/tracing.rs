//! Events for the `tracing` crate.

use super::{Observer, Source};
use std::fmt;
use std::time::Duration;

/// Has what happens become events of the `tracing` crate. (Feature `tracing`.)
///
/// All have the target `dogpile`; the message is the name of the event.
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
/// `lock` is the [name](crate::PolicyBuilder::name), a string, and is not there if there is none; `key` is that of a
/// lock in a registry, likewise, if the registry [names](crate::Registry::named_by) its locks; `seconds` is a
/// floating-point number, how long it took; `cause` is what a creator's error displays, or that it panicked. Each event
/// belongs to the span that is current where it happened, which is where the access or the creator ran.
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
