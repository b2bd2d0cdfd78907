//! G7, S79: what strangers have left at our keys is no value, no grant, no pause and no count: one election, replaced.

use crate::kit::{
    LONG, MINUTE, NAME, PARTS, assert_mortal, claim, connect, entry, granted, key, left, look, part, process, region,
    set, set_if, within,
};
use dogpile_cache::backend::{Backend, Change, Claimed, Count, Counted, Over, PauseFor, Published, Redis, Token};
use dogpile_cache::counter::Counters;
use dogpile_cache::key::{Namespace, StoredKey};
use dogpile_cache::{Got, Outcome, Published as Stored, Region};
use dogpile_servers::{RedisServer, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::task::JoinSet;

/// How a stranger fills a key.
fn strange() -> Vec<Vec<Vec<u8>>> {
    let words = |words: &[&[u8]]| words.iter().map(|word| word.to_vec()).collect::<Vec<_>>();
    let text = |bytes: &[u8]| words(&[b"SET", b"KEY", bytes]);
    vec![
        text(b""),
        text(b"a stranger's"),
        text(b"0123456789"),
        text(b"\xd9"),
        text(b"\xd9\x01\0\0\0\0\0\0\0\0"),
        text(b"\xd9\0\0\0\0\0\0\0\0\0and no envelope"),
        text(b"\xff\xfe\0\r\n"),
        text(b"-1"),
        text(b"9223372036854775808"),
        text(b"99999999999999999999999999"),
        text(b"3.5"),
        text(b"007"),
        text(&vec![b'x'; 100_000]),
        // As a pause; of more failures than a number has, and of a length without end.
        text(b"4294967296 100000"),
        text(b"99999999999999999999 100000"),
        text(b"1 99999999999999999999"),
        // As a grant of another life, and in other forms.
        text(b"g 00000000000000aa 00000000000000bb 1 1 0"),
        text(b"g"),
        text(b"g x y z 1 0"),
        words(&[b"RPUSH", b"KEY", b"a"]),
        words(&[b"SADD", b"KEY", b"a"]),
        words(&[b"ZADD", b"KEY", b"1", b"a"]),
        words(&[b"HSET", b"KEY", b"a", b"b"]),
        words(&[b"XADD", b"KEY", b"*", b"a", b"b"]),
    ]
}

fn fill(server: &RedisServer, key: &str, how: &[Vec<u8>], seconds: Option<&str>) {
    let command: Vec<&[u8]> = how.iter().map(|word| if word == b"KEY" { key.as_bytes() } else { word }).collect();
    server.command(&command).unwrap();
    if let Some(seconds) = seconds {
        server.command(&["EXPIRE", key, seconds]).unwrap();
    }
}

/// Some processes of some tasks want one key at once. Returns how many creators ran.
async fn all_at_once(processes: &[Region<str, String>], name: &'static str) -> usize {
    let (created, mut tasks) = (Arc::new(AtomicUsize::new(0)), JoinSet::new());
    for region in processes {
        for _ in 0..3 {
            let (region, created) = (region.clone(), Arc::clone(&created));
            tasks.spawn(async move {
                let creator = async || {
                    created.fetch_add(1, Ordering::SeqCst);
                    tokio::task::yield_now().await;
                    "ours".to_owned()
                };
                let got = region.get(name).or_create(creator).await.unwrap();
                assert_eq!(&**got, "ours");
            });
        }
    }
    within(tasks.join_all()).await;
    created.load(Ordering::SeqCst)
}

#[tokio::test]
async fn g7_s79_what_strangers_left_is_elected_over_once_and_replaced() {
    let server = RedisServer::start().unwrap();
    let processes = [process(&server).await, process(&server).await];
    for name in ["entry", "grant", "pause"] {
        for how in strange() {
            for seconds in [None, Some("100000")] {
                let what =
                    format!("{name}: {:?}, {seconds:?}", String::from_utf8_lossy(&how[2][..how[2].len().min(40)]));
                fill(&server, &part(&key("a"), name), &how, seconds);
                assert_eq!(all_at_once(&processes, "a").await, 1, "{what}");
                let got = processes[1].get("a").value().await.unwrap().expect(&what);
                assert_eq!((&**got, Got::outcome(&got)), ("ours", Outcome::Fresh), "{what}");
                assert_mortal(&server);
                let all = server.command(&["EXISTS", &part(&key("a"), "grant"), &part(&key("a"), "pause")]).unwrap();
                assert_eq!(all.int(), Some(0), "{what}");
                processes[0].invalidate("a").await.unwrap();
                server.flush().unwrap();
            }
        }
    }
}

/// Each change meets what a stranger left, and does what it says.
#[tokio::test]
async fn g7_changes_meet_what_strangers_left() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let a = key("a");
    for how in strange() {
        let what = format!("{:?}", String::from_utf8_lossy(&how[2][..how[2].len().min(40)]));
        let fill_all = || {
            server.flush().unwrap();
            for name in PARTS {
                fill(&server, &part(&a, name), &how, None);
            }
        };
        fill_all();
        let seen = look(&redis, &a).await;
        redis.change(&a, set("one")).await.expect(&what);
        assert_eq!(look(&redis, &a).await.entry, Some(entry("one").bytes), "{what}");
        fill_all();
        redis.change(&a, crate::kit::mark()).await.expect(&what);
        redis.change(&a, crate::kit::invalidate()).await.expect(&what);
        assert_eq!(look(&redis, &a).await.entry, None, "{what}");
        fill_all();
        // What was seen is still so: it is replaced, whatever it is.
        redis.change(&a, set_if("one", seen.seen.clone())).await.expect(&what);
        fill_all();
        redis.change(&a, Change::Touch { entry: entry("one"), seen: seen.seen.clone() }).await.expect(&what);
        fill_all();
        let mut of_what_was_seen = claim(LONG);
        of_what_was_seen.seen = Some(seen.seen);
        let Claimed::Granted { grant, .. } = redis.claim(&a, of_what_was_seen).await.expect(&what) else {
            panic!("{what} is not elected over")
        };
        assert!(left(&server, &part(&a, "grant")) > 0, "{what}");
        redis.renew(&a, &grant, LONG).await.expect(&what);
        let pause = PauseFor { failures: 1, pause: MINUTE };
        redis.end(&a, &grant, Some(pause)).await.expect(&what);
        assert!(left(&server, &part(&a, "pause")) > 0, "{what}");
        let mut through = claim(LONG);
        through.through_pause = true;
        let Claimed::Granted { grant, .. } = redis.claim(&a, through).await.expect(&what) else { panic!("{what}") };
        assert_eq!(redis.publish(&a, &grant, entry("two")).await.expect(&what), Published::Fresh);
        assert_eq!(look(&redis, &a).await.entry, Some(entry("two").bytes), "{what}");
    }
}

#[tokio::test]
async fn g7_g12_a_count_of_a_stranger_is_missing_and_replaced() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let a = key("a");
    let count = part(&a, "count");
    let add = |delta| Count::Add { delta, ceiling: u64::MAX, lifetime: Some(LONG) };
    for how in strange() {
        let what = format!("{:?}", String::from_utf8_lossy(&how[2][..how[2].len().min(40)]));
        fill(&server, &count, &how, None);
        assert_eq!(redis.count(&a, Count::Get).await.expect(&what), Counted::Now(0), "{what}");
        assert_eq!(redis.count(&a, add(-1)).await.expect(&what), Counted::Now(0), "{what}");
        assert_eq!(redis.count(&a, add(3)).await.expect(&what), Counted::Now(3), "{what}");
        assert!(left(&server, &count) > 0, "{what}");
        assert_eq!(redis.count(&a, Count::Reset).await.expect(&what), Counted::Now(0), "{what}");
        assert_eq!(server.command(&["DBSIZE"]).unwrap().int(), Some(0), "{what}");
    }
    let counters = Counters::<str, _>::new(Namespace::new(NAME).unwrap(), redis, MINUTE).unwrap();
    server.command(&["LPUSH", &count, "a"]).unwrap();
    assert_eq!(counters.increment("a", 2).await.unwrap(), 2);
}

/// A grant as ours are, but without a lifetime, or with numbers that none of ours has.
#[tokio::test]
async fn s2_g7_a_grant_that_none_of_us_has_written_holds_nobody_up() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let a = key("a");
    let name = part(&a, "grant");
    granted(&redis, &a, LONG).await;
    let real = server.command(&["GET", &name]).unwrap().text().unwrap().to_owned();
    let with = |at: usize, field: &str| {
        let mut fields: Vec<&str> = real.split(' ').collect();
        fields[at] = field;
        fields.join(" ")
    };
    // Without a lifetime.
    server.command(&["SET", &name, &real]).unwrap();
    granted(&redis, &a, LONG).await;
    assert!(left(&server, &name) > 0);
    let long = "9".repeat(40);
    for text in [
        with(2, &"f".repeat(17)),
        with(2, &"f".repeat(40)),
        with(2, "1"),
        with(3, &long),
        with(3, "9007199254740993"),
        with(3, "18446744073709551615"),
        with(4, "4294967296"),
        with(4, &long),
        with(5, "2"),
        format!("{real} "),
        format!("{real}\n"),
    ] {
        for kind in ["g", "v"] {
            let text = format!("{kind}{}", &text[1..]);
            server.command(&["SET", &name, &text, "EX", "100000"]).unwrap();
            for over in [Over::Nobody, Over::Anyone] {
                let mut claim = claim(LONG);
                claim.over = over;
                let claimed = redis.claim(&a, claim).await.unwrap_or_else(|error| panic!("{text:?}: {error:?}"));
                let Claimed::Granted { grant, .. } = claimed else { panic!("{text:?} holds: {claimed:?}") };
                assert_eq!(redis.publish(&a, &grant, entry("one")).await.unwrap(), Published::Fresh, "{text:?}");
                server.command(&["SET", &name, &text, "EX", "100000"]).unwrap();
            }
        }
    }
    // One that could be ours is believed, and taken over as that of a holder that is dead (G5).
    server.command(&["SET", &name, &with(2, "00000000000000bb"), "EX", "100000"]).unwrap();
    let Claimed::Held(by) = redis.claim(&a, claim(LONG)).await.unwrap() else { panic!("it is not believed") };
    assert_eq!(by.token, Token(0xbb));
    let mut over = claim(LONG);
    over.over = Over::Dead(by.token, by.beat);
    assert!(matches!(redis.claim(&a, over).await.unwrap(), Claimed::Granted { .. }));
}

async fn stored(redis: &Redis, server: &RedisServer, key: &StoredKey) -> Vec<u8> {
    assert!(look(redis, key).await.entry.is_some());
    let Value::Bulk(bytes) = server.command(&["GET", &part(key, "entry")]).unwrap() else { panic!() };
    bytes
}

#[tokio::test]
async fn s79_an_entry_that_is_cut_short_at_any_length_is_created_anew() {
    let server = RedisServer::start().unwrap();
    let redis = connect(&server).await;
    let (region, a) = (region(&redis), key("a"));
    let name = part(&a, "entry");
    region.set("a", "a value".to_owned()).await.unwrap();
    let whole = stored(&redis, &server, &a).await;
    for length in 0..whole.len() {
        server.command(&[b"SET".as_slice(), name.as_bytes(), &whole[..length]]).unwrap();
        assert!(region.get("a").value().await.unwrap().is_none(), "{length} bytes are a value");
        let got = region.get("a").or_create(async || "anew".to_owned()).await.unwrap();
        assert_eq!((&**got, Got::published(&got)), ("anew", Some(Stored::Fresh)), "{length}");
        assert_eq!(&**region.get("a").value().await.unwrap().unwrap(), "anew", "{length}");
        region.invalidate("a").await.unwrap();
    }
    // Each byte of the envelope counts; those of the state are none of the value's.
    for at in 10..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 0x40;
        server.command(&[b"SET".as_slice(), name.as_bytes(), &other]).unwrap();
        assert!(region.get("a").value().await.unwrap().is_none(), "byte {at} does not count");
    }
    server.command(&[b"SET".as_slice(), name.as_bytes(), &whole]).unwrap();
    assert_eq!(&**region.get("a").value().await.unwrap().unwrap(), "a value");
    server.command(&[b"SET".as_slice(), name.as_bytes(), &[&whole[..], b"x"].concat()]).unwrap();
    assert!(region.get("a").value().await.unwrap().is_none(), "a byte too many does not count");
    // Many at once: those that can be read are, and one is created.
    region.set("b", "another".to_owned()).await.unwrap();
    let got = region.get_many(["a", "b"]).or_create(|keys| async move { keys }).await.unwrap();
    assert_eq!(got.iter().map(|got| &***got).collect::<Vec<_>>(), ["a", "another"]);
}

/// S31: somebody takes the grant away in mid-creation.
#[tokio::test]
async fn s31_a_grant_that_is_evicted_in_mid_creation_is_one_creation_more_and_no_late_value() {
    let server = RedisServer::start().unwrap();
    let (one, other) = (process(&server).await, process(&server).await);
    let got = one.get("a").or_create(async || {
        server.command(&["DEL", &part(&key("a"), "grant")]).unwrap();
        let next = other.get("a").or_create(async || "next".to_owned()).await.unwrap();
        assert_eq!((&**next, Got::published(&next)), ("next", Some(Stored::Fresh)));
        "late".to_owned()
    });
    let got = within(got).await.unwrap();
    assert_eq!(&**got, "late");
    assert!(matches!(Got::published(&got), Some(Stored::No(_))), "{got:?}");
    assert_eq!(&**other.get("a").value().await.unwrap().unwrap(), "next");
    assert_eq!(one.counts().overlaps.total(), 1);
}

/// S30: after a flush nothing of before is asked for.
#[tokio::test]
async fn s30_after_a_flush_there_are_as_many_grants_as_creations() {
    let server = RedisServer::start().unwrap();
    let regions = [process(&server).await, process(&server).await];
    let names = ["a", "b", "c", "d"];
    for region in &regions {
        for name in names {
            region.get(name).or_create(async || "ours".to_owned()).await.unwrap();
        }
    }
    server.flush().unwrap();
    server.command(&["CONFIG", "RESETSTAT"]).unwrap();
    let mut created = 0;
    for name in names {
        created += all_at_once(&regions, name).await;
    }
    assert_eq!(created, 4);
    let keys = crate::kit::keys(&server);
    assert_eq!(keys.len(), 4, "only entries are left: {keys:?}");
}
