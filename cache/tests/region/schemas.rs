//! Schemas side by side, and bytes that are no entry.

use crate::kit::{Ground, MINUTE, MS, Place, SECOND, create, fresh, just_before, now, soon, take, there};
use bytes::Bytes;
use dogpile_cache::backend::{Backend, Change, Entry};
use dogpile_cache::codec::Raw;
use dogpile_cache::envelope::Why;
use dogpile_cache::key::StoredKey;
use dogpile_cache::{Got, Outcome, Region};
use std::sync::Arc;
use std::time::Duration;

/// A build of a fleet: its region, with a schema, built beside others.
fn build(ground: &Ground, schema: u32, beside: &[u32]) -> Region<u64, String> {
    let mut builder = ground.builder().far(Arc::clone(&ground.memory)).schema(schema);
    for beside in beside {
        builder = builder.beside(*beside);
    }
    builder.build().unwrap()
}

#[test]
fn s80_two_schemas_side_by_side_create_once_each() {
    let ground = Ground::new();
    let (old, new) = (build(&ground, 1, &[2]), build(&ground, 2, &[1]));
    create(&old, 1, "v1");
    create(&new, 1, "v2");
    for _ in 0..60 {
        ground.clock.advance(just_before(SECOND));
        assert_eq!((&**take(&old, 1), &**take(&new, 1)), ("v1", "v2"));
    }
    assert_eq!((old.counts().creations, new.counts().creations), (1, 1));
    assert_eq!((old.counts().unreadable.total(), new.counts().unreadable.total()), (0, 0), "neither reads the other");
}

#[test]
fn g7_changes_reach_the_schemas_beside() {
    let ground = Ground::new();
    let (old, new) = (build(&ground, 1, &[2]), build(&ground, 2, &[1]));
    for by in [&old, &new] {
        create(&old, 1, "v1");
        create(&new, 1, "v2");
        soon(by.mark_stale(&1)).unwrap();
        for region in [&old, &new] {
            assert_eq!(there(region, 1).unwrap().1, Outcome::Stale);
        }
        soon(by.invalidate(&1)).unwrap();
        assert_eq!((there(&old, 1), there(&new, 1)), (None, None));
    }
    // `set` reaches its own schema alone.
    soon(old.set(&1, "set".to_owned())).unwrap();
    assert_eq!((fresh(&old, 1).as_deref(), fresh(&new, 1)), (Some("set"), None));
}

#[test]
fn g7_a_build_that_was_not_built_beside_does_not_reach_the_other() {
    let ground = Ground::new();
    let (old, new) = (build(&ground, 1, &[]), build(&ground, 2, &[1]));
    create(&old, 1, "v1");
    create(&new, 1, "v2");
    soon(old.invalidate(&1)).unwrap();
    assert_eq!(fresh(&new, 1).as_deref(), Some("v2"));
    soon(new.invalidate(&1)).unwrap();
    assert_eq!(there(&new, 1), None);
}

#[test]
fn g1_two_schemas_have_one_grant() {
    let ground = Ground::new();
    let (old, new) = (build(&ground, 1, &[2]), build(&ground, 2, &[1]));
    let Ok(dogpile_cache::Claim::Create(creation)) = now(old.get(&1).claim()) else { panic!("there is no value") };
    let mut waiting = crate::kit::begin(new.get(&1).or_create(async || "v2".to_owned()));
    // An invalidation of either voids it.
    soon(new.invalidate(&1)).unwrap();
    let got = soon(creation.publish("v1".to_owned())).unwrap();
    assert!(matches!(Got::published(&got), Some(dogpile_cache::observer::Published::No(_))));
    ground.clock.advance(MS * 250);
    assert_eq!(&**waiting.poll().expect("it is elected").unwrap(), "v2");
}

fn overwrite(ground: &Ground, key: &StoredKey, bytes: impl Into<Bytes>) {
    let entry = Entry { bytes: bytes.into(), lifetime: None };
    now(ground.memory.change(key, Change::Set { entry, void_pause: Duration::ZERO })).unwrap();
}

#[test]
fn s79_bytes_that_are_no_entry_are_elected_over_and_replaced() {
    let ground = Ground::new();
    let region = ground.region(Place::Far);
    let key = Ground::key(1);
    create(&region, 1, "value");
    let good = now(ground.memory.look(std::slice::from_ref(&key), None)).unwrap().remove(0).entry.unwrap();
    let flipped = |at: usize| {
        let mut bytes = good.to_vec();
        bytes[at] ^= 1;
        bytes
    };
    let another = now(async {
        let other = ground.builder().far(Arc::clone(&ground.memory)).build::<u64, u32>().unwrap();
        let made = dogpile_cache::Made::new(7);
        other.get(&2).or_create_with(async |_| made).await.unwrap();
        ground.memory.look(&[Ground::key(2)], None).await.unwrap().remove(0).entry.unwrap()
    });
    let bad: Vec<(Vec<u8>, Option<Why>)> = vec![
        (Vec::new(), Some(Why::Truncated)),
        (b"VALUE of another program, which is long enough for a header".to_vec(), Some(Why::Foreign)),
        (good[..good.len() - 1].to_vec(), None),
        (good[..20].to_vec(), Some(Why::Truncated)),
        (flipped(good.len() - 1), Some(Why::Checksum)),
        (another.to_vec(), Some(Why::Undecodable)),
    ];
    for (number, (bytes, why)) in bad.into_iter().enumerate() {
        let before = region.counts();
        overwrite(&ground, &key, bytes);
        assert_eq!(there(&region, 1), None, "{number}");
        let got = soon(region.get(&1).or_create(async || "again".to_owned())).unwrap();
        assert_eq!(Got::outcome(&got), Outcome::Created, "{number}");
        assert_eq!(&**take(&region, 1), "again", "{number}");
        let counts = region.counts();
        assert!(counts.unreadable.total() > before.unreadable.total(), "{number}");
        if let Some(why) = why {
            assert!(counts.unreadable.get(why) > before.unreadable.get(why), "{number} {:?}", counts.unreadable);
        }
        assert_eq!(counts.creations, before.creations + 1);
    }
}

#[test]
fn s79_a_value_of_another_type_is_no_value() {
    let ground = Ground::new();
    let numbers = ground.builder().far(Arc::clone(&ground.memory)).build::<u64, u64>().unwrap();
    soon(numbers.get(&1).or_create(async || 7)).unwrap();
    let texts = ground.region(Place::Far);
    create(&texts, 1, "text");
    assert_eq!(texts.counts().unreadable.get(Why::Undecodable), 1);
}

#[test]
fn another_format_is_another_entry() {
    let ground = Ground::new();
    let raw = ground.builder().far(Arc::clone(&ground.memory)).codec(Raw).build::<u64, Vec<u8>>().unwrap();
    soon(raw.get(&1).or_create(async || b"raw".to_vec())).unwrap();
    let texts = ground.region(Place::Far);
    create(&texts, 1, "text");
    assert_eq!(**now(raw.get(&1).value()).unwrap().unwrap(), *b"raw");
    assert_eq!(texts.counts().unreadable.total(), 0);
}

#[test]
fn s80_s86_regions_and_keys_do_not_meet() {
    let ground = Ground::new();
    let region = |name: &str| {
        let builder = Region::builder(name).expires_after(MINUTE).clock(Arc::clone(&ground.clock));
        builder.far(Arc::clone(&ground.memory)).build::<str, String>().unwrap()
    };
    let (one, other) = (region("one"), region("other"));
    let keys = ["", "a", "a:b", "a%3Ab", "a\r\nset x", "a\0", "\u{fffd}", "a/s1", "one:a"];
    for key in keys {
        let value = format!("one {key}");
        soon(one.get(key).or_create(async || value.clone())).unwrap();
        assert!(now(other.get(key).value()).unwrap().is_none(), "{key:?}");
    }
    for key in keys {
        assert_eq!(now(one.get(key).value()).unwrap().unwrap().to_string(), format!("one {key}"));
    }
}
