//! Numbers for the `metrics` crate.

use super::{Counts, Observer, Operation, Overlap, Published, Source};
use crate::backend::{BackendError, BackendErrorKind};
use crate::envelope::Why;
use metrics::{Label, counter, gauge, histogram};
use std::fmt;
use std::time::Duration;

/// An [`Observer`] that turns what happens into numbers of the `metrics` crate. (Feature `metrics`.)
///
/// | name | kind | labels | meaning |
/// |---|---|---|---|
/// | `dogpile_cache_creations_total` | counter | `region`, `end` | creations that ended |
/// | `dogpile_cache_creation_seconds` | histogram | `region`, `end` | how long each creation took |
/// | `dogpile_cache_waits_total` | counter | `region` | waits for a creation of this or another process |
/// | `dogpile_cache_wait_seconds` | histogram | `region` | how long each wait took |
/// | `dogpile_cache_served_stale_total` | counter | `region` | accesses that were served the old value |
/// | `dogpile_cache_stale_age_seconds` | histogram | `region` | how old each of these values was |
/// | `dogpile_cache_overlaps_total` | counter | `region`, `why` | creations that may have run beside another |
/// | `dogpile_cache_backend_errors_total` | counter | `region`, `operation`, `kind` | operations that failed |
/// | `dogpile_cache_unreadable_total` | counter | `region`, `why` | entries that were no value |
/// | `dogpile_cache_invalidations_total` | counter | `region` | invalidations by this process |
///
/// The label `region` is the name of the region. The label `end` is `failed`, or [what has become of the
/// value](Published::name): `fresh`, `stale`, `voided`, `late` and so on. So `refused` needs no number of its own. The
/// labels `why` and `operation` are [`Overlap::name`], [`Why::name`] and [`Operation::name`]. The label `kind` is
/// `unreachable`, `in_doubt`, `too_large` or `refused`. The key is no label, since there would be as many time series
/// as keys. The numbers go to the recorder that is current when they happen, without units or descriptions.
///
/// Hits are not told to observers. For them, and for all else that is only counted, there is
/// [`report`](Metrics::report).
#[derive(Clone, Copy, Debug, Default)]
pub struct Metrics;

impl Metrics {
    /// Sets the numbers of what is counted but not told, as the counts of a region have them. Never blocks.
    ///
    /// To be called from time to time, for instance before the numbers are scraped.
    ///
    /// | name | kind | labels | meaning |
    /// |---|---|---|---|
    /// | `dogpile_cache_hits_total` | counter | `region`, `from` | accesses that were served without waiting |
    /// | `dogpile_cache_misses_total` | counter | `region` | accesses that had nothing to be served |
    /// | `dogpile_cache_saved_looks_total` | counter | `region` | accesses that shared another's look |
    /// | `dogpile_cache_renewals_total` | counter | `region` | creations whose creator had an old value |
    /// | `dogpile_cache_unchanged_total` | counter | `region` | renewals that found it unchanged |
    /// | `dogpile_cache_bytes_total` | counter | `region`, `direction` | bytes of entries |
    /// | `dogpile_cache_age_seconds` | gauge | `region`, `quantile` | ages at service, since the region was built |
    ///
    /// The label `from` is `near`, `near_stale`, `far`, `far_stale` or `own`. The number of `near` is left out unless
    /// the region [counts near hits](Counts::near_hits). The label `direction` is `read` or `written`. The label
    /// `quantile` is `0.5`, `0.9`, `0.99` or `1`.
    pub fn report(&self, region: &str, counts: &Counts) {
        let region = || Label::new("region", region.to_owned());
        let hits = [
            ("near", counts.near_hits),
            ("near_stale", Some(counts.near_stale)),
            ("far", Some(counts.far_fresh)),
            ("far_stale", Some(counts.far_stale)),
            ("own", Some(counts.own)),
        ];
        for (from, count) in hits {
            if let Some(count) = count {
                let labels = vec![region(), Label::from_static_parts("from", from)];
                counter!("dogpile_cache_hits_total", labels).absolute(count);
            }
        }
        counter!("dogpile_cache_misses_total", vec![region()]).absolute(counts.misses);
        counter!("dogpile_cache_saved_looks_total", vec![region()]).absolute(counts.saved_looks);
        counter!("dogpile_cache_renewals_total", vec![region()]).absolute(counts.renewals);
        counter!("dogpile_cache_unchanged_total", vec![region()]).absolute(counts.unchanged);
        for (direction, bytes) in [("read", counts.bytes_read), ("written", counts.bytes_written)] {
            let labels = vec![region(), Label::from_static_parts("direction", direction)];
            counter!("dogpile_cache_bytes_total", labels).absolute(bytes);
        }
        for (name, quantile) in [("0.5", 0.5), ("0.9", 0.9), ("0.99", 0.99), ("1", 1.0)] {
            let labels = vec![region(), Label::from_static_parts("quantile", name)];
            gauge!("dogpile_cache_age_seconds", labels).set(counts.ages.quantile(quantile).as_secs_f64());
        }
    }
}

/// The label of the region, and those of the event.
fn labels<const N: usize>(of: Source<'_>, labels: [(&'static str, &'static str); N]) -> Vec<Label> {
    let region = Label::new("region", of.region.to_owned());
    std::iter::once(region).chain(labels.map(|(name, value)| Label::from_static_parts(name, value))).collect()
}

fn ended(of: Source<'_>, end: &'static str, took: Duration) {
    let labels = labels(of, [("end", end)]);
    counter!("dogpile_cache_creations_total", labels.iter()).increment(1);
    histogram!("dogpile_cache_creation_seconds", labels).record(took);
}

impl Observer for Metrics {
    fn created(&self, of: Source<'_>, took: Duration, published: Published) {
        ended(of, published.name(), took);
    }

    fn failed(&self, of: Source<'_>, took: Duration, _: &dyn fmt::Display) {
        ended(of, "failed", took);
    }

    fn waited(&self, of: Source<'_>, took: Duration) {
        let labels = labels(of, []);
        counter!("dogpile_cache_waits_total", labels.iter()).increment(1);
        histogram!("dogpile_cache_wait_seconds", labels).record(took);
    }

    fn served_stale(&self, of: Source<'_>, age: Duration) {
        let labels = labels(of, []);
        counter!("dogpile_cache_served_stale_total", labels.iter()).increment(1);
        histogram!("dogpile_cache_stale_age_seconds", labels).record(age);
    }

    fn overlapped(&self, of: Source<'_>, why: Overlap) {
        counter!("dogpile_cache_overlaps_total", labels(of, [("why", why.name())])).increment(1);
    }

    fn backend_failed(&self, of: Source<'_>, operation: Operation, error: &BackendError) {
        let kind = match error.kind() {
            BackendErrorKind::Unreachable => "unreachable",
            BackendErrorKind::InDoubt => "in_doubt",
            BackendErrorKind::TooLarge => "too_large",
            BackendErrorKind::Refused => "refused",
        };
        let labels = labels(of, [("operation", operation.name()), ("kind", kind)]);
        counter!("dogpile_cache_backend_errors_total", labels).increment(1);
    }

    fn unreadable(&self, of: Source<'_>, why: Why) {
        counter!("dogpile_cache_unreadable_total", labels(of, [("why", why.name())])).increment(1);
    }

    fn invalidated(&self, of: Source<'_>) {
        counter!("dogpile_cache_invalidations_total", labels(of, [])).increment(1);
    }
}
