//! The ages at service.

use super::{Ages, Duration, unseen};
use proptest::collection::vec;
use proptest::prelude::{prop_assert, prop_assert_eq, prop_oneof, proptest};

fn ages(millis: &[u64]) -> Ages {
    let seen = unseen(false);
    for age in millis {
        seen.far_fresh(Duration::from_millis(*age));
    }
    seen.counts().ages
}

/// The counts of the buckets that are not empty, by their ends in milliseconds.
fn filled(ages: &Ages) -> Vec<(Option<u128>, u64)> {
    let filled = ages.buckets().filter(|(_, count)| *count > 0);
    filled.map(|(end, count)| (end.map(|end| end.as_millis()), count)).collect()
}

#[test]
fn buckets_double() {
    let edges = ages(&[0, 1, 2, 3, 4, 7, 8, (1 << 29) - 1, 1 << 29, (1 << 30) - 1, 1 << 30, u64::MAX]);
    let expected = [
        (Some(1), 1),
        (Some(2), 1),
        (Some(4), 2),
        (Some(8), 2),
        (Some(16), 1),
        (Some(1 << 29), 1),
        (Some(1 << 30), 2),
        (None, 2),
    ];
    assert_eq!(filled(&edges), expected);
    assert_eq!(edges.buckets().count(), 32);
    // An age is rounded down.
    let seen = unseen(false);
    seen.far_fresh(Duration::from_micros(1999));
    assert_eq!(filled(&seen.counts().ages), [(Some(2), 1)]);
}

#[test]
fn without_an_age_all_is_zero() {
    let none = Ages::default();
    assert_eq!(
        (none.count(), none.mean(), none.oldest(), none.quantile(0.5)),
        (0, Duration::ZERO, Duration::ZERO, Duration::ZERO)
    );
}

#[test]
fn quantiles_of_a_known_set() {
    let ages = ages(&[1, 10, 100, 1000]);
    let quantile = |q| ages.quantile(q).as_millis();
    assert_eq!([0.0, 0.25, 0.26, 0.5, 0.75, 0.76, 1.0].map(quantile), [1, 1, 15, 15, 127, 1000, 1000]);
    assert_eq!([-1.0, f64::NAN, 2.0, f64::INFINITY].map(quantile), [1, 1, 1000, 1000]);
    assert_eq!((ages.mean(), ages.oldest()), (Duration::from_millis(1111 / 4), Duration::from_secs(1)));
}

proptest! {
    /// A quantile is not below the true one, and below twice the true one.
    #[test]
    fn quantiles_are_within_a_bucket(
        mut millis in vec(prop_oneof![0..5_u64, 0..100_000_u64, 0..(1_u64 << 30)], 1..200),
        q in 0.0..=1.0_f64,
    ) {
        let ages = ages(&millis);
        millis.sort_unstable();
        #[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss)]
        let rank = ((q * millis.len() as f64).ceil() as usize).max(1);
        let exact = millis[rank - 1];
        let told = u64::try_from(ages.quantile(q).as_millis()).unwrap();
        prop_assert!(exact <= told && told <= exact * 2, "{told} instead of {exact}");
        prop_assert_eq!(ages.count(), millis.len() as u64);
        prop_assert_eq!(ages.mean(), Duration::from_millis(millis.iter().sum::<u64>() / millis.len() as u64));
        prop_assert_eq!(ages.oldest(), Duration::from_millis(millis[millis.len() - 1]));
    }
}
