//! G7, S79: replies that no memcached gives, and items that strangers have left at our keys.

use crate::kit::{LEASE, count, entry, granted, invalidate, key, look, set, stored};
use crate::{MS, connect, kind, within};
use dogpile_cache::Region;
use dogpile_cache::backend::{
    Backend, BackendErrorKind, Change, Claim, Claimed, Count, Counted, Memcached, Published, Token,
};
use dogpile_servers::{FakeServer, MemcachedServer, Reply};
use std::time::Duration;

/// A server that says of itself what a memcached says, and answers requests so; `OPAQUE` stands for the opaque.
fn imitation(answers: &'static str) -> FakeServer {
    FakeServer::memcached(move |words| {
        let text = match (&words[0][..], words.len()) {
            (b"version", _) => "VERSION 1.6.18\r\n".to_owned(),
            (b"stats", 1) => "STAT pid 7\r\nSTAT uptime 1\r\nSTAT time 2000000000\r\nEND\r\n".to_owned(),
            (b"stats", _) => "STAT item_size_max 1048576\r\nEND\r\n".to_owned(),
            _ => {
                let opaque = words.iter().find(|word| word[0] == b'O').unwrap();
                answers.replace("OPAQUE", std::str::from_utf8(opaque).unwrap())
            }
        };
        Reply::Raw(text.into_bytes())
    })
    .unwrap()
}

async fn connect_to(server: &FakeServer) -> Memcached {
    Memcached::connect(&format!("memcached://{}", server.address())).await.unwrap()
}

#[tokio::test]
async fn g7_a_reply_that_no_memcached_gives_is_in_doubt_and_ends_the_connection() {
    for answer in [
        // Values of 4 GB, of more bytes than there are, and just beyond the largest item.
        "VA 4294967296 c1 t1 OPAQUE\r\n",
        "VA 99999999999999999999 c1 t1 OPAQUE\r\n",
        "VA 1048577 c1 t1 OPAQUE\r\n",
        "VA -1 c1 t1 OPAQUE\r\n",
        "VA 1 c1 t1 OPAQUE\r\nxxx\r\n",
        "VA 1 t1 OPAQUE\r\nx\r\n",
        "VA 1 c99999999999999999999 t1 OPAQUE\r\nx\r\n",
        "VA 1 c1 t99999999999 OPAQUE\r\nx\r\n",
        "VA 1 c1 t1 O77777\r\nx\r\n",
        "VA 1 c1 t1 O777\r\nx\r\n",
        "EN\r\n",
        "HD OPAQUE\r\n",
        "EX OPAQUE\r\n",
        "MN\r\n",
        "END\r\n",
        "STAT a b\r\nEND\r\n",
        "VALUE a 0 1\r\nx\r\nEND\r\n",
        "\r\n",
        "\0\0\0\0\r\n",
        "SERVER_ERROR backend is away\r\n",
        // Twice: the second is the reply to no question, or to the next one.
        "EN OPAQUE\r\nEN OPAQUE\r\n",
    ] {
        let server = imitation(answer);
        let memcached = connect_to(&server).await;
        let keys = [key("a"), key("b")];
        let kind = match within(memcached.look(&keys, None)).await {
            Err(error) => error.kind(),
            Ok(looks) => panic!("{answer:?}: {looks:?}"),
        };
        assert_eq!(kind, BackendErrorKind::InDoubt, "{answer:?}");
    }
}

#[tokio::test]
async fn g7_a_line_without_an_end_is_no_reply() {
    let server = FakeServer::memcached(|words| match &words[0][..] {
        b"version" => Reply::Raw(vec![b'x'; 1 << 20]),
        _ => Reply::Nothing,
    })
    .unwrap();
    let lazy = Memcached::lazy(&format!("memcached://{}", server.address())).unwrap();
    assert_eq!(kind(lazy.ping()).await, BackendErrorKind::Unreachable);
}

#[tokio::test]
async fn errors_of_the_server_are_told_apart() {
    for (answer, kind_of_it, is_over) in [
        ("SERVER_ERROR object too large for cache\r\n", BackendErrorKind::TooLarge, false),
        ("SERVER_ERROR out of memory storing object\r\n", BackendErrorKind::Refused, false),
        ("SERVER_ERROR Out of memory during read\r\n", BackendErrorKind::Refused, false),
        ("CLIENT_ERROR bad data chunk\r\n", BackendErrorKind::Refused, true),
        ("ERROR\r\n", BackendErrorKind::Refused, true),
    ] {
        let server = imitation(answer);
        let memcached = connect_to(&server).await;
        let seen = dogpile_cache::backend::Seen::NOTHING;
        let asked = || Change::SetIf { entry: entry("one"), seen: seen.clone(), void_pause: MS };
        for _ in 0..2 {
            assert_eq!(kind(memcached.change(&key("a"), asked())).await, kind_of_it, "{answer:?}");
        }
        let handshakes = server.heard().iter().filter(|words| words[0] == b"version").count();
        assert_eq!(handshakes, if is_over { 2 } else { 1 }, "{answer:?}");
    }
}

/// What strangers have left at our keys.
fn strange() -> Vec<Vec<u8>> {
    let mut all: Vec<Vec<u8>> = [
        &b"a stranger's"[..],
        b"0123456789",
        b"\xff\xfe\0\r\n",
        b"-1",
        b"18446744073709551616",
        b"3.5",
        b"md victim\r\n",
        b"\0",
    ]
    .iter()
    .map(|bytes| bytes.to_vec())
    .collect();
    all.push(vec![b'x'; 100_000]);
    all.push(vec![0; 33]);
    all
}

#[tokio::test]
async fn g7_s79_what_strangers_left_is_elected_over_and_replaced() {
    let server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let a = key("a");
    // And what we have left, cut short at any length, or with a bit that is another.
    set(&*memcached, &a, "a value").await.unwrap();
    granted(&*memcached, &a).await;
    let ours = server.command(format!("mg {} v", a.full())).unwrap().value.unwrap();
    let mut all = strange();
    all.extend((0..ours.len()).map(|length| ours[..length].to_vec()));
    all.extend((0..ours.len()).map(|at| {
        let mut other = ours.clone();
        other[at] ^= 0x40;
        other
    }));
    for bytes in all {
        server.store(a.full(), &bytes, "T100").unwrap();
        let what = format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
        let seen = look(&*memcached, &a).await.expect(&what);
        let mut claim = Claim::new(Token::random(), LEASE);
        claim.seen = Some(seen.seen);
        claim.over = dogpile_cache::backend::Over::Anyone;
        claim.through_pause = true;
        let Claimed::Granted { grant, .. } = memcached.claim(&a, claim).await.expect(&what) else {
            panic!("{what} is not elected over")
        };
        let published = memcached.publish(&a, &grant, entry("ours")).await.expect(&what);
        assert!(matches!(published, Published::Fresh | Published::Stale), "{what}: {published:?}");
        assert_eq!(stored(&*memcached, &a).await.expect(&what), "ours");
        server.store(a.full(), &bytes, "T100").unwrap();
        set(&*memcached, &a, "set").await.expect(&what);
        assert_eq!(stored(&*memcached, &a).await.expect(&what), "set");
        server.store(a.full(), &bytes, "T100").unwrap();
        invalidate(&*memcached, &a).await.expect(&what);
        assert_eq!(stored(&*memcached, &a).await, None, "{what}");
    }
}

#[tokio::test]
async fn g7_g12_a_count_of_a_stranger_is_missing_and_replaced() {
    let server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let a = key("a");
    for bytes in strange() {
        let what = format!("{:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(60)]));
        server.store(&format!("{}@count", a.place()), &bytes, "T100").unwrap();
        assert!(matches!(memcached.count(&a, Count::Get).await.expect(&what), Counted::Now(_)), "{what}");
        let before = memcached.count(&a, Count::Get).await.unwrap();
        assert_eq!(Counted::Now(count(&*memcached, &a).await.expect(&what)), plus_one(before), "{what}");
        assert_eq!(memcached.count(&a, Count::Reset).await.expect(&what), Counted::Now(0), "{what}");
    }
}

fn plus_one(counted: Counted) -> Counted {
    match counted {
        Counted::Now(value) => Counted::Now(value + 1),
        other @ Counted::TooLarge(_) => other,
    }
}

/// A region over items that somebody damages: one creation each, and never an error.
#[tokio::test]
async fn s79_a_region_creates_over_what_is_damaged() {
    let server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    let region = Region::builder("fleet")
        .far(memcached)
        .expires_after(LEASE)
        .backend_timeout(Duration::from_secs(10))
        .build::<str, String>()
        .unwrap();
    region.set("a", "a value".to_owned()).await.unwrap();
    let name = server.client().unwrap().keys().unwrap().remove(0);
    let whole = server.command(format!("mg {name} v")).unwrap().value.unwrap();
    for at in 0..whole.len() {
        let mut other = whole.clone();
        other[at] ^= 0x01;
        server.store(&name, &other, "T100").unwrap();
        let got = region.get("a").or_create(async || "anew".to_owned()).await.unwrap();
        assert!(["anew", "a value"].contains(&got.as_str()), "{at}: {got:?}");
        server.command(format!("md {name}")).unwrap();
    }
}
