//! Envelopes are read back as they were stored.

use crate::{LIMITS, SHAPE, compression, encode, hashed_key, key, value};
use bytes::Bytes;
use dogpile_cache::envelope::{Compression, Content, EncodeError, Envelope, Held, Pause, SizeLimits, Tags};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::time::Duration;

fn any_envelope() -> impl Strategy<Value = Envelope> {
    let content = prop_oneof![
        4 => vec(any::<u8>(), 0..100).prop_map(|bytes| Content::Value(bytes.into())),
        2 => (any::<u8>(), 0..1000_usize).prop_map(|(byte, length)| Content::Value(vec![byte; length].into())),
        1 => Just(Content::Absence),
        1 => Just(Content::Nothing),
    ];
    let held = any::<(u64, u32, u32)>().prop_map(|(token, beat, lease)| Held {
        token,
        beat,
        lease: Duration::from_millis(lease.into()),
    });
    let pause = any::<(u32, u64)>().prop_map(|(failures, until)| Pause { failures, until });
    let tags = vec((".{0,20}", any::<u64>()), 0..5).prop_map(|tags| Tags::new(tags).expect("few tags"));
    let numbers = (any::<u64>(), any::<u64>(), any::<u32>(), any::<Option<u64>>(), any::<Option<u64>>());
    (content, option::of(held), option::of(pause), tags, numbers, any::<Option<u64>>()).prop_map(
        |(content, held, pause, tags, (created, fresh_until, took, version, life), ttl)| {
            let mut envelope = Envelope::new(content);
            envelope.held = held;
            envelope.pause = pause;
            envelope.tags = tags;
            envelope.created = created;
            envelope.fresh_until = fresh_until;
            envelope.took = Duration::from_micros(took.into());
            envelope.version = version;
            envelope.life = life;
            envelope.ttl = ttl.map(Duration::from_millis);
            envelope
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_envelope_is_read_back(
        envelope in any_envelope(), key in vec(any::<u8>(), 0..300), compress in any::<bool>(),
    ) {
        let key = StoredKey::new(&Namespace::new("page").expect("a name"), &key, SHAPE, KeyLimit::bytes(200));
        let compression = if compress { compression() } else { Compression::NONE };
        let bytes = envelope.encode(&key, LIMITS, compression).expect("small enough");
        prop_assert_eq!(Envelope::decode(&bytes, &key, LIMITS), Ok(envelope));
    }
}

/// Durations for which the layout has no room.
#[test]
fn durations_are_rounded_and_bounded() {
    let read_back = |envelope: &Envelope| Envelope::decode(&encode(envelope, &key("a")).into(), &key("a"), LIMITS);
    let mut envelope = Envelope::new(Content::Nothing);
    envelope.took = Duration::from_nanos(1_999);
    envelope.ttl = Some(Duration::from_micros(1_999));
    envelope.held = Some(Held { token: 0, beat: 0, lease: Duration::from_nanos(1_000_001) });
    let read = read_back(&envelope).expect("an envelope");
    assert_eq!(read.took, Duration::from_micros(1));
    assert_eq!(read.ttl, Some(Duration::from_millis(1)));
    assert_eq!(read.held.expect("held").lease, Duration::from_millis(2));

    envelope.took = Duration::MAX;
    envelope.ttl = Some(Duration::MAX);
    envelope.held = Some(Held { token: 0, beat: 0, lease: Duration::MAX });
    let read = read_back(&envelope).expect("an envelope");
    assert_eq!(read.took, Duration::from_micros(u32::MAX.into()));
    assert_eq!(read.ttl, Some(Duration::from_millis(u64::MAX)));
    assert_eq!(read.held.expect("held").lease, Duration::from_millis(u32::MAX.into()));
}

/// The three differ with and without a grant (S91, S92).
#[test]
fn s92_the_empty_value_absence_and_nothing_are_three_things() {
    for held in [None, Some(Held { token: 1, beat: 0, lease: Duration::from_secs(10) })] {
        for content in [Content::Value(Bytes::new()), Content::Absence, Content::Nothing] {
            let mut envelope = Envelope::new(content);
            envelope.held = held;
            assert_eq!(Envelope::decode(&encode(&envelope, &key("a")).into(), &key("a"), LIMITS), Ok(envelope));
        }
    }
}

#[test]
fn the_value_and_the_tags_are_not_copied() {
    let mut envelope = value(&[7; 1000]);
    envelope.tags = Tags::new([("catalog", 1)]).expect("few tags");
    let bytes = envelope.encode(&hashed_key(), LIMITS, Compression::NONE).expect("small enough");
    let read = Envelope::decode(&bytes, &hashed_key(), LIMITS).expect("an envelope");
    let inside = |part: &[u8]| bytes.as_ptr_range().contains(&part.as_ptr());
    let Content::Value(value) = &read.content else { panic!("a value was stored") };
    assert!(inside(value));
    assert!(read.tags.iter().all(|(name, _)| inside(name)));
    assert_eq!(read.tags.into_iter().collect::<Vec<_>>(), [(b"catalog".as_slice(), 1)]);
}

#[test]
fn s89_what_is_too_large_is_not_encoded() {
    let key = key("a");
    let encode = |stored, value_limit| {
        value(&[7; 100]).encode(&key, SizeLimits { stored, value: value_limit }, Compression::NONE)
    };
    assert!(encode(140, 100).is_ok());
    assert_eq!(encode(139, 100), Err(EncodeError::TooLarge { size: 140, limit: 139 }));
    assert_eq!(encode(140, 99), Err(EncodeError::TooLarge { size: 100, limit: 99 }));
    assert_eq!(encode(0, 0), Err(EncodeError::TooLarge { size: 100, limit: 0 }));
    // The place of a hashed key is part of what is stored.
    let limits = SizeLimits { stored: 140 + 7 + 155, value: 100 };
    assert!(value(&[7; 100]).encode(&hashed_key(), limits, Compression::NONE).is_ok());
    let less = SizeLimits { stored: limits.stored - 1, ..limits };
    assert!(value(&[7; 100]).encode(&hashed_key(), less, Compression::NONE).is_err());
}

/// The one limit is that of the bytes that are stored, the other that of the value before compression.
#[cfg(feature = "lz4")]
#[test]
fn a_limit_is_that_of_what_is_stored() {
    let (key, envelope) = (key("a"), value(&[7; 10_000]));
    let limits = SizeLimits { stored: 1000, value: 10_000 };
    assert!(envelope.encode(&key, limits, Compression::NONE).is_err());
    let bytes = envelope.encode(&key, limits, Compression::lz4_above(0)).expect("small enough");
    assert_eq!(Envelope::decode(&bytes, &key, limits), Ok(envelope.clone()));
    let less = SizeLimits { value: 9_999, ..limits };
    assert_eq!(
        envelope.encode(&key, less, Compression::lz4_above(0)),
        Err(EncodeError::TooLarge { size: 10_000, limit: 9_999 })
    );
}

#[test]
fn tags_have_a_bound() {
    let name = "x".repeat(90);
    let tags = |count| Tags::new((0..count).map(|version| (&name, version)));
    assert!(tags(655).is_ok());
    assert_eq!(tags(656), Err(EncodeError::HeaderTooLarge { size: 65_600 }));
    assert_eq!(Tags::new([("x".repeat(70_000), 0)]), Err(EncodeError::HeaderTooLarge { size: 70_010 }));
    // The tags fit, but not the tags and the head.
    let mut envelope = value(b"");
    envelope.tags = tags(655).expect("just so many");
    let error = envelope.encode(&key("a"), LIMITS, Compression::NONE);
    assert_eq!(error, Err(EncodeError::HeaderTooLarge { size: 40 + 3 + 65_500 }));
    envelope.tags = tags(654).expect("fewer");
    assert_eq!(Envelope::decode(&encode(&envelope, &key("a")).into(), &key("a"), LIMITS), Ok(envelope));
}

/// A key of any length: the whole place is not bounded by the header.
#[test]
fn s86_a_very_long_key() {
    let key = key(&"k".repeat(500_000));
    let bytes = encode(&value(b"abc"), &key);
    assert_eq!(Envelope::decode(&bytes.into(), &key, LIMITS), Ok(value(b"abc")));
}
