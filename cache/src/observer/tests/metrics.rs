//! [`Metrics`], through a real recorder.

use super::{Metrics, SECOND, one_event_of_each_kind, seen_by, unseen};
use metrics_util::debugging::{DebugValue, DebuggingRecorder};
use std::collections::BTreeMap;

/// Returns the recorded numbers by name and labels.
fn recorded(happens: impl FnOnce()) -> BTreeMap<String, String> {
    let recorder = DebuggingRecorder::new();
    metrics::with_local_recorder(&recorder, happens);
    let all = recorder.snapshotter().snapshot().into_vec().into_iter();
    all.map(|(key, _, _, value)| {
        let mut labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        labels.sort();
        let value = match value {
            DebugValue::Counter(count) => count.to_string(),
            DebugValue::Histogram(seconds) => {
                format!("{:?}", seconds.iter().map(|seconds| seconds.0).collect::<Vec<_>>())
            }
            DebugValue::Gauge(value) => format!("={}", value.0),
        };
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    })
    .collect()
}

fn check(recorded: &BTreeMap<String, String>, expected: &[(&str, &str)]) {
    let recorded: Vec<_> = recorded.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(recorded, expected);
}

#[test]
fn numbers_have_the_names_and_labels_that_are_documented() {
    let recorded = recorded(|| one_event_of_each_kind(&seen_by(Metrics)));
    let expected = [
        ("dogpile_cache_backend_errors_total{kind=in_doubt,operation=publish,region=order}", "1"),
        ("dogpile_cache_backend_errors_total{kind=unreachable,operation=ping,region=order}", "1"),
        ("dogpile_cache_creation_seconds{end=failed,region=order}", "[5.0]"),
        ("dogpile_cache_creation_seconds{end=fresh,region=order}", "[2.0]"),
        ("dogpile_cache_creation_seconds{end=late,region=order}", "[3.0]"),
        ("dogpile_cache_creation_seconds{end=voided,region=order}", "[4.0]"),
        ("dogpile_cache_creations_total{end=failed,region=order}", "1"),
        ("dogpile_cache_creations_total{end=fresh,region=order}", "1"),
        ("dogpile_cache_creations_total{end=late,region=order}", "1"),
        ("dogpile_cache_creations_total{end=voided,region=order}", "1"),
        ("dogpile_cache_invalidations_total{region=order}", "1"),
        ("dogpile_cache_overlaps_total{region=order,why=late}", "1"),
        ("dogpile_cache_overlaps_total{region=order,why=voided}", "1"),
        ("dogpile_cache_served_stale_total{region=order}", "1"),
        ("dogpile_cache_stale_age_seconds{region=order}", "[7.0]"),
        ("dogpile_cache_unreadable_total{region=order,why=foreign}", "1"),
        ("dogpile_cache_wait_seconds{region=order}", "[6.0]"),
        ("dogpile_cache_waits_total{region=order}", "1"),
    ];
    check(&recorded, &expected);
}

#[test]
fn what_is_only_counted_is_reported() {
    let seen = unseen(true);
    (0..2).for_each(|_| seen.near_hit());
    (0..3).for_each(|_| seen.near_stale("7", SECOND));
    (0..4).for_each(|_| seen.far_fresh(SECOND));
    (0..5).for_each(|_| seen.far_stale("7", SECOND * 3));
    (0..6).for_each(|_| seen.own());
    (0..7).for_each(|_| seen.missed());
    (0..8).for_each(|_| seen.saved_look());
    (0..9).for_each(|count| seen.renewed(count == 0));
    seen.read(10);
    seen.wrote(11);
    // A second report replaces the first.
    let recorded = recorded(|| (0..2).for_each(|_| Metrics.report("order", &seen.counts())));
    let expected = [
        ("dogpile_cache_age_seconds{quantile=0.5,region=order}", "=1.023"),
        ("dogpile_cache_age_seconds{quantile=0.9,region=order}", "=3"),
        ("dogpile_cache_age_seconds{quantile=0.99,region=order}", "=3"),
        ("dogpile_cache_age_seconds{quantile=1,region=order}", "=3"),
        ("dogpile_cache_bytes_total{direction=read,region=order}", "10"),
        ("dogpile_cache_bytes_total{direction=written,region=order}", "11"),
        ("dogpile_cache_hits_total{from=far,region=order}", "4"),
        ("dogpile_cache_hits_total{from=far_stale,region=order}", "5"),
        ("dogpile_cache_hits_total{from=near,region=order}", "2"),
        ("dogpile_cache_hits_total{from=near_stale,region=order}", "3"),
        ("dogpile_cache_hits_total{from=own,region=order}", "6"),
        ("dogpile_cache_misses_total{region=order}", "7"),
        ("dogpile_cache_renewals_total{region=order}", "9"),
        ("dogpile_cache_saved_looks_total{region=order}", "8"),
        ("dogpile_cache_unchanged_total{region=order}", "1"),
    ];
    check(&recorded, &expected);
}

#[test]
fn near_hits_that_are_not_counted_are_not_reported() {
    let recorded = recorded(|| Metrics.report("order", &unseen(false).counts()));
    assert!(!recorded.contains_key("dogpile_cache_hits_total{from=near,region=order}"));
    assert!(recorded.contains_key("dogpile_cache_hits_total{from=far,region=order}"));
}
