//! Numbers for the `metrics` crate.

use super::{Observer, Source};
use metrics::{Label, counter, histogram};
use std::fmt;
use std::time::Duration;

/// An [`Observer`] that turns what happens into numbers of the `metrics` crate. (Feature `metrics`.)
///
/// | name | kind | labels | meaning |
/// |---|---|---|---|
/// | `dogpile_creations_total` | counter | `lock`, `end` | creations that ended |
/// | `dogpile_creation_seconds` | histogram | `lock`, `end` | how long each creation took |
/// | `dogpile_waits_total` | counter | `lock` | waits for another access's creation |
/// | `dogpile_wait_seconds` | histogram | `lock` | how long each wait took |
/// | `dogpile_served_stale_total` | counter | `lock` | accesses that went on with an expired value |
///
/// The label `lock` is the [name](crate::PolicyBuilder::name) of the lock, and is left out if the lock has no name. The
/// label `end` is `created`, `failed`, `superseded` or `dead`. For `dead`, the time is the time until the creation was
/// declared dead. The [key](Source::key) of a registry's lock is no label, since there would be as many time series as
/// keys. The numbers go to the recorder that is current when they happen, without units or descriptions.
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, Metrics, Policy};
/// use std::time::Duration;
///
/// static POLICY: Policy = Policy::builder().name("rates").observer(&Metrics).build_const();
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_policy(&POLICY);
/// assert_eq!(RATES.get_or_create(|| vec![1.0]).len(), 1); // dogpile_creations_total{lock="rates",end="created"} 1
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics;

fn labels(of: Source<'_>, end: Option<&'static str>) -> Vec<Label> {
    let label = |name, value| Label::from_static_parts(name, value);
    of.name.map(|name| label("lock", name)).into_iter().chain(end.map(|end| label("end", end))).collect()
}

fn ended(of: Source<'_>, end: &'static str, took: Duration) {
    let labels = labels(of, Some(end));
    counter!("dogpile_creations_total", labels.iter()).increment(1);
    histogram!("dogpile_creation_seconds", labels).record(took);
}

impl Observer for Metrics {
    fn created(&self, of: Source<'_>, took: Duration) {
        ended(of, "created", took);
    }

    fn failed(&self, of: Source<'_>, took: Duration, _: &dyn fmt::Display) {
        ended(of, "failed", took);
    }

    fn superseded(&self, of: Source<'_>, took: Duration) {
        ended(of, "superseded", took);
    }

    fn dead(&self, of: Source<'_>, after: Duration) {
        ended(of, "dead", after);
    }

    fn waited(&self, of: Source<'_>, took: Duration) {
        let labels = labels(of, None);
        counter!("dogpile_waits_total", labels.iter()).increment(1);
        histogram!("dogpile_wait_seconds", labels).record(took);
    }

    fn served_stale(&self, of: Source<'_>) {
        counter!("dogpile_served_stale_total", labels(of, None)).increment(1);
    }
}
