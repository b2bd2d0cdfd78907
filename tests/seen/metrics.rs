//! `dogpile::Metrics`, through a real recorder.

use crate::{lock, one_event_of_each_kind, seen_by};
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
            DebugValue::Histogram(mut seconds) => {
                seconds.sort();
                format!("{:?}", seconds.iter().map(|seconds| seconds.0).collect::<Vec<_>>())
            }
            DebugValue::Gauge(_) => "a gauge".to_owned(),
        };
        (format!("{}{{{}}}", key.key().name(), labels.join(",")), value)
    })
    .collect()
}

#[test]
fn numbers_have_the_names_and_labels_that_are_documented() {
    let (lock, clock) = lock(seen_by(&dogpile::Metrics).build().unwrap());
    let recorded = recorded(|| {
        one_event_of_each_kind(&lock, &clock);
        // (The waiter of these events runs in another thread, which has no recorder.)
        lock.invalidate();
        let dogpile::Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
        assert!(lock.access().timeout(std::time::Duration::ZERO).turn().is_err());
        creation.finish();
    });
    let expected = [
        ("dogpile_creation_seconds{end=created,lock=rates}", "[0.0, 0.0, 2.0, 5.0]"),
        ("dogpile_creation_seconds{end=dead,lock=rates}", "[10.0]"),
        ("dogpile_creation_seconds{end=failed,lock=rates}", "[3.0]"),
        ("dogpile_creation_seconds{end=superseded,lock=rates}", "[4.0]"),
        ("dogpile_creations_total{end=created,lock=rates}", "4"),
        ("dogpile_creations_total{end=dead,lock=rates}", "1"),
        ("dogpile_creations_total{end=failed,lock=rates}", "1"),
        ("dogpile_creations_total{end=superseded,lock=rates}", "1"),
        ("dogpile_served_stale_total{lock=rates}", "2"),
        ("dogpile_wait_seconds{lock=rates}", "[0.0]"),
        ("dogpile_waits_total{lock=rates}", "1"),
    ];
    let recorded: Vec<_> = recorded.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(recorded, expected);
}

#[test]
fn a_lock_without_a_name_has_no_such_label() {
    let policy = dogpile::Policy::builder().observer(&dogpile::Metrics).build().unwrap();
    let (lock, _) = lock(policy);
    let recorded = recorded(|| _ = lock.acquire_or_create(|| ()));
    assert_eq!(recorded["dogpile_creations_total{end=created}"], "1");
}
