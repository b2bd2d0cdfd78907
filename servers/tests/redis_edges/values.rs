//! Values and lifetimes at their bounds.

use crate::kit::{LONG, MINUTE, NAME, SECOND, assert_mortal, connect, granted, key, left, look, part};
use bytes::Bytes;
use dogpile_cache::backend::{Backend, Change, Changed, Count, Entry, Published, Redis};
use dogpile_cache::codec::Raw;
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use dogpile_cache::{BuildError, Got, Made, NotPublished, Outcome, Published as Stored, Region};
use dogpile_servers::RedisServer;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

fn raw(redis: &Arc<Redis>) -> Region<str, Vec<u8>> {
    let builder = Region::builder(NAME).expires_after(MINUTE).backend_timeout(SECOND * 20);
    builder.far(Arc::clone(redis)).codec(Raw).build().unwrap()
}

#[tokio::test]
async fn g7_values_of_any_size_and_of_any_bytes_come_back() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (raw(&connect(&server).await), raw(&connect(&server).await));
    let every: Vec<u8> = (0..=255).collect();
    let large: Vec<u8> = (0..10_u32 << 20).map(|at| (at % 251) as u8).collect();
    for (name, value) in [("empty", Vec::new()), ("one", vec![0]), ("every", every), ("large", large)] {
        let got = one.refresh(name).or_create(async || value.clone()).await.unwrap();
        assert_eq!(Got::published(&got), Some(Stored::Fresh), "{name}");
        let got = other.get(name).or_create(async || unreachable!()).await.unwrap();
        assert!(**got == value && Got::outcome(&got) == Outcome::Fresh, "{name}");
        assert!(other.touch(name, None).await.unwrap());
        other.mark_stale(name).await.unwrap();
        let old = one.get(name).value().await.unwrap().unwrap();
        assert!(**old == value && Got::outcome(&old) == Outcome::Stale, "{name}");
        other.set(name, value.clone()).await.unwrap();
        let all = one.get_many([name, "empty"]).values().await.unwrap();
        assert!(**all[0].as_ref().unwrap().as_ref() == value, "{name}");
    }
    assert_mortal(&server);
}

/// What the server itself does not take: `proto-max-bulk-len`.
#[tokio::test]
async fn s89_a_value_that_the_server_does_not_take_is_its_callers_alone() {
    let server = RedisServer::builder().args(["--proto-max-bulk-len", "1mb"]).start().unwrap();
    let (redis, created) = (connect(&server).await, AtomicUsize::new(0));
    let region = raw(&redis);
    region.set("a", b"old".to_vec()).await.unwrap();
    region.mark_stale("a").await.unwrap();
    let got = region.get("a").or_create(async || {
        created.fetch_add(1, Ordering::SeqCst);
        vec![7; 2 << 20]
    });
    let got = got.await.unwrap();
    assert_eq!((got.len(), Got::outcome(&got)), (2 << 20, Outcome::Created), "the caller has its value");
    assert!(matches!(Got::published(&got), Some(Stored::No(_))), "{got:?}");
    crate::kit::connected(&redis).await;
    // (The process may serve what it has created for itself.)
    let there = region.get("a").value().await.unwrap();
    let is_old_and_fresh = |got: &Got<Vec<u8>>| ***got == *b"old" && Got::outcome(got) != Outcome::Stale;
    assert!(!there.as_ref().is_some_and(is_old_and_fresh), "the old is never fresh");
    assert_eq!(created.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn s89_a_value_that_the_region_does_not_take_is_its_callers_alone() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let builder = Region::builder(NAME).expires_after(MINUTE).far(Arc::clone(&redis)).largest_value(1000).codec(Raw);
    let region = builder.build::<str, Vec<u8>>().unwrap();
    region.set("a", b"old".to_vec()).await.unwrap();
    region.mark_stale("a").await.unwrap();
    let got = region.get("a").or_create(async || vec![7; 2000]).await.unwrap();
    assert_eq!((got.len(), Got::published(&got)), (2000, Some(Stored::No(NotPublished::TooLarge))));
    assert!(region.set("a", vec![7; 2000]).await.is_err());
    let old = region.get("a").value().await.unwrap();
    assert!(old.is_none_or(|old| Got::outcome(&old) == Outcome::Stale), "the old is never fresh");
    assert_eq!(server.command(&["EXISTS", &part(&key("a"), "grant")]).unwrap().int(), Some(0), "the grant has ended");
}

const DAY: Duration = Duration::from_secs(24 * 3600);

fn about(server: &RedisServer, key: &str, lifetime: Duration) {
    let (left, full) = (left(server, key), i64::try_from(lifetime.as_millis()).unwrap());
    assert!((full - 60_000..=full).contains(&left), "{key} has {left} ms of {full}");
}

#[tokio::test]
async fn s84_lifetimes_around_thirty_days_and_for_ever() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let entry_key = part(&key("a"), "entry");
    for lifetime in [(DAY * 30).saturating_sub(SECOND), DAY * 30, DAY * 30 + SECOND, DAY * 365 * 90] {
        let builder = Region::builder(NAME).expires_after(lifetime).max_stale(DAY).far(Arc::clone(&redis));
        let region = builder.build::<str, String>().unwrap();
        region.invalidate("a").await.unwrap();
        let got = region.get("a").or_create(async || "one".to_owned()).await.unwrap();
        assert_eq!(Got::published(&got), Some(Stored::Fresh));
        assert_eq!(Got::outcome(&region.get("a").value().await.unwrap().unwrap()), Outcome::Fresh);
        about(&server, &entry_key, lifetime + DAY);
        region.set("a", "two".to_owned()).await.unwrap();
        about(&server, &entry_key, lifetime + DAY);
        assert!(region.touch("a", Some(DAY)).await.unwrap());
        about(&server, &entry_key, DAY * 2);
        let claimed = granted(&redis, &key("b"), lifetime).await;
        about(&server, &part(&key("b"), "grant"), lifetime);
        redis.end(&key("b"), &claimed, None).await.unwrap();
        let add = Count::Add { delta: 1, ceiling: 9, lifetime: Some(lifetime) };
        redis.count(&key("c"), add).await.unwrap();
        about(&server, &part(&key("c"), "count"), lifetime);
        redis.count(&key("c"), Count::Reset).await.unwrap();
    }
    assert_mortal(&server);

    // What is asked to live for ever does; and nothing beside it (G17).
    let builder = Region::builder(NAME).expires_after(Duration::MAX).far(Arc::clone(&redis));
    let region = builder.build::<str, String>().unwrap();
    region.invalidate("a").await.unwrap();
    let got = region.get("a").or_create(async || {
        assert!(left(&server, &part(&key("a"), "grant")) > 0);
        "for ever".to_owned()
    });
    assert_eq!(Got::published(&got.await.unwrap()), Some(Stored::Fresh));
    assert_eq!(left(&server, &entry_key), -1);
    assert_eq!(Got::outcome(&region.get("a").value().await.unwrap().unwrap()), Outcome::Fresh);
    let lease = granted(&redis, &key("b"), Duration::MAX).await;
    assert!(left(&server, &part(&key("b"), "grant")) > 0, "a lease always ends");
    redis.end(&key("b"), &lease, None).await.unwrap();
    let counters: Counters<str, _> =
        Counters::new(Namespace::new(NAME).unwrap(), Arc::clone(&redis), Duration::MAX).unwrap();
    counters.increment("a", 1).await.unwrap();
    assert_eq!(left(&server, &part(&key("a"), "count")), -1);
}

#[tokio::test]
async fn s85_a_lifetime_of_zero_is_over_at_once() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let built = Region::builder(NAME).expires_after(Duration::ZERO).far(Arc::clone(&redis)).build::<str, String>();
    assert!(matches!(built, Err(BuildError::TooShort { .. })));
    let a = key("a");
    let zero = || Entry { bytes: Bytes::from_static(b"zero"), lifetime: Some(Duration::ZERO) };
    redis.change(&a, crate::kit::set("one")).await.unwrap();
    let set = Change::Set { entry: zero(), void_pause: Duration::ZERO };
    assert_eq!(redis.change(&a, set).await.unwrap(), Changed::Yes { was_there: true, voided: false });
    assert_eq!(look(&redis, &a).await.entry, None);
    let grant = granted(&redis, &a, LONG).await;
    redis.change(&a, crate::kit::mark()).await.unwrap();
    assert_eq!(redis.publish(&a, &grant, zero()).await.unwrap(), Published::Stale);
    assert_eq!(look(&redis, &a).await.entry, None);
    drop(redis.claim(&a, crate::kit::claim(Duration::ZERO)).await.unwrap());
    let add = Count::Add { delta: 1, ceiling: 9, lifetime: Some(Duration::ZERO) };
    redis.count(&a, add).await.unwrap();
    assert_eq!(server.command(&["DBSIZE"]).unwrap().int(), Some(0));

    // A value of a region that is stale at once serves as the old value.
    let region = crate::kit::region(&redis);
    let made = async |_: &_| Made::new("stale".to_owned()).expires_after(Duration::ZERO);
    region.get("b").or_create_with(made).await.unwrap();
    let got = region.get("b").value().await.unwrap().unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("stale", Outcome::Stale));
    assert_mortal(&server);
}
