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
/// | `created` | `DEBUG` | `lock`, `seconds` |
/// | `failed` | `WARN` | `lock`, `seconds`, `cause` |
/// | `superseded` | `DEBUG` | `lock`, `seconds` |
/// | `dead` | `WARN` | `lock`, `seconds` |
/// | `waited` | `DEBUG` | `lock`, `seconds` |
/// | `served_stale` | `TRACE` | `lock` |
///
/// `lock` is the [name](crate::PolicyBuilder::name), a string, and is not there if there is none; `seconds` a
/// floating-point number, how long it took; `cause` what a creator's error displays, or that it panicked. Each event
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
    fn created(&self, of: Source, took: Duration) {
        tracing::debug!(target: "dogpile", lock = of.name, seconds = took.as_secs_f64(), "created");
    }

    fn failed(&self, of: Source, took: Duration, cause: &dyn fmt::Display) {
        tracing::warn!(target: "dogpile", lock = of.name, seconds = took.as_secs_f64(), %cause, "failed");
    }

    fn superseded(&self, of: Source, took: Duration) {
        tracing::debug!(target: "dogpile", lock = of.name, seconds = took.as_secs_f64(), "superseded");
    }

    fn dead(&self, of: Source, after: Duration) {
        tracing::warn!(target: "dogpile", lock = of.name, seconds = after.as_secs_f64(), "dead");
    }

    fn waited(&self, of: Source, took: Duration) {
        tracing::debug!(target: "dogpile", lock = of.name, seconds = took.as_secs_f64(), "waited");
    }

    fn served_stale(&self, of: Source) {
        tracing::trace!(target: "dogpile", lock = of.name, "served_stale");
    }
}
