//! What a builder refuses.

use crate::kit::{Ground, MINUTE, MS, SECOND, create, fresh, just_before};
use dogpile::{Backoff, ManualClock, PolicyError};
use dogpile_cache::backend::{Limits, Memory};
use dogpile_cache::key::NameError;
use dogpile_cache::region::{NearAlone, RegionBuilder};
use dogpile_cache::{BuildError, Near, Region};
use std::sync::Arc;
use std::time::Duration;

const ZERO: Duration = Duration::ZERO;

fn near(builder: RegionBuilder<NearAlone>) -> Result<Region<u64, String>, BuildError> {
    builder.build()
}

/// Over a backend whose grain is a second, as memcached's is.
fn far(builder: RegionBuilder<NearAlone>) -> Result<Region<u64, String>, BuildError> {
    let mut limits = Limits::none();
    limits.grain = SECOND;
    let memory: Memory<Arc<ManualClock>> = Memory::with_limits(Arc::new(ManualClock::new()), limits);
    builder.far(memory).build()
}

type Build = fn(RegionBuilder<NearAlone>) -> Result<Region<u64, String>, BuildError>;

const PLACES: [Build; 2] = [near, far];

fn builder() -> RegionBuilder<NearAlone> {
    Ground::new().builder()
}

#[test]
fn a_name_is_needed_and_is_short_and_plain() {
    for build in PLACES {
        let name = |name: &str| match build(Region::builder(name).expires_after(MINUTE)) {
            Err(BuildError::Name(error)) => error,
            other => panic!("{name:?} {other:?}"),
        };
        assert!(matches!(name(""), NameError::Empty));
        assert!(matches!(name(&"x".repeat(65)), NameError::TooLong(65)));
        for bad in ["a:b", "a b", "a\n", "\0", "é"] {
            assert!(matches!(name(bad), NameError::Character(_)), "{bad:?}");
        }
        assert!(build(Region::builder(&"x".repeat(64)).expires_after(MINUTE)).is_ok());
    }
}

#[test]
fn a_lifetime_is_needed() {
    for build in PLACES {
        assert!(matches!(build(Region::builder("test")), Err(BuildError::NoLifetime)));
    }
}

#[test]
fn s85_durations_of_zero_are_refused_where_something_must_last() {
    type Setting = (&'static str, fn(RegionBuilder<NearAlone>) -> RegionBuilder<NearAlone>);
    let settings: [Setting; 7] = [
        ("expires_after", |builder| builder.expires_after(ZERO)),
        ("absence_expires_after", |builder| builder.absence_expires_after(ZERO)),
        ("creation_timeout", |builder| builder.creation_timeout(ZERO)),
        ("poll", |builder| builder.poll(ZERO)),
        ("backend_timeout", |builder| builder.backend_timeout(ZERO)),
        ("lease", |builder| builder.lease(ZERO)),
        ("at_most", |builder| builder.near(Near::holding(1).at_most(ZERO))),
    ];
    for (name, set) in settings {
        for build in PLACES {
            match build(set(builder())) {
                Err(BuildError::TooShort { what, duration: ZERO, .. }) => assert_eq!(what, name),
                other => panic!("{name} {other:?}"),
            }
        }
    }
    for build in PLACES {
        build(builder().max_stale(ZERO).own_for(ZERO).backend_pause(ZERO).void_pause(ZERO)).unwrap();
    }
}

#[test]
fn s84_s85_a_lifetime_below_two_grains_and_a_lease_below_four_are_refused() {
    let short = |built: Result<Region<u64, String>, BuildError>| match built {
        Err(BuildError::TooShort { what, least, .. }) => (what, least),
        other => panic!("{other:?}"),
    };
    let two = SECOND * 2;
    assert_eq!(short(far(builder().expires_after(just_before(two)))), ("expires_after", two));
    assert_eq!(short(far(builder().absence_expires_after(just_before(two)))), ("absence_expires_after", two));
    assert_eq!(short(far(builder().lease(just_before(SECOND * 4)))), ("lease", SECOND * 4));
    far(builder().expires_after(two).absence_expires_after(two).lease(SECOND * 4)).unwrap();
    // Near alone there is no grain.
    near(builder().expires_after(Duration::from_nanos(1)).lease(Duration::from_nanos(1))).unwrap();
}

#[test]
fn a_creation_timeout_must_be_finite() {
    for build in PLACES {
        assert!(matches!(build(builder().creation_timeout(Duration::MAX)), Err(BuildError::Endless)));
    }
}

#[test]
fn contradicting_policies_are_refused() {
    for build in PLACES {
        let error = |builder| match build(builder) {
            Err(BuildError::Policy(error)) => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(error(builder().refresh_at(0.5).refresh_early(1.0)), PolicyError::TwoWaysToRefresh);
        assert_eq!(error(builder().refresh_at(1.0)), PolicyError::RefreshOutOfLifetime);
        assert_eq!(error(builder().refresh_early(f64::NAN)), PolicyError::BetaOutOfRange);
        assert_eq!(error(builder().jitter(1.0)), PolicyError::NothingLeftOfALifetime);
        assert_eq!(error(builder().retry_after(Backoff::new(ZERO, SECOND))), PolicyError::PauseOfZero);
        assert_eq!(error(builder().retry_after(Backoff::new(SECOND, MS))), PolicyError::PausesShrink);
    }
}

#[test]
fn a_weigher_of_another_type_is_refused() {
    let weighing = || builder().near(Near::weighing(100, |value: &Vec<u8>| value.len() as u64));
    for build in PLACES {
        match build(weighing()) {
            Err(BuildError::WeighsAnother { weighs, region }) => {
                assert!(weighs.contains("Vec<u8>") && region.contains("String"), "{weighs} {region}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_backend_whose_keys_are_too_short_is_refused() {
    let mut limits = Limits::none();
    limits.longest_key = 40;
    let memory: Memory<Arc<ManualClock>> = Memory::with_limits(Arc::new(ManualClock::new()), limits);
    let built = builder().far(memory).build::<u64, String>();
    assert!(matches!(built, Err(BuildError::KeysTooShort { longest: 40 })), "{built:?}");
}

#[test]
fn s84_s85_lifetimes_without_an_end_and_of_thirty_days_mean_the_same_on_each_place() {
    let days = |days: u64| SECOND * 86_400 * u32::try_from(days).unwrap();
    for place in crate::kit::PLACES {
        for lifetime in [days(30).saturating_sub(SECOND), days(30), days(30) + SECOND, days(365), Duration::MAX] {
            let ground = Ground::new();
            let region = ground.region_by(place, |builder| builder.expires_after(lifetime));
            create(&region, 1, "x");
            ground.clock.advance(lifetime.min(days(3650)).saturating_sub(SECOND));
            assert_eq!(fresh(&region, 1).as_deref(), Some("x"), "{place:?} {lifetime:?}");
            ground.clock.advance(SECOND);
            assert_eq!(fresh(&region, 1).is_some(), lifetime == Duration::MAX, "{place:?} {lifetime:?}");
        }
    }
}

#[test]
fn errors_say_what_is_wrong() {
    let text = |built: Result<Region<u64, String>, BuildError>| built.unwrap_err().to_string();
    assert_eq!(text(near(Region::builder("test"))), "the region has no lifetime: `expires_after` is not set");
    assert_eq!(text(far(builder().lease(SECOND))), "lease is 1s, and must be at least 4s");
    assert_eq!(text(near(builder().creation_timeout(Duration::MAX))), "the `creation_timeout` must be finite");
}
