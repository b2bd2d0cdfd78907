//! Keys and values of all kinds; those that are too large, and a server that is full.

use crate::kit::{LEASE, granted, in_time, invalidate, key, look, set, stored};
use crate::{WATCHDOG, connect, connect_by, kind, within};
use bytes::Bytes;
use dogpile_cache::backend::{Backend, BackendErrorKind, Change, Changed, Entry, Published};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_servers::{Direction, MemcachedServer, Proxy};
use std::io::{Read, Write};
use std::net::TcpStream;

const SHAPE: Shape = Shape { schema: 1, format: Format::RAW };

fn of(bytes: Bytes) -> Entry {
    Entry { bytes, lifetime: Some(LEASE) }
}

fn storing(bytes: Bytes) -> Change {
    Change::Set { entry: of(bytes), void_pause: LEASE }
}

#[tokio::test]
async fn s86_keys_of_every_byte_are_keys_and_no_commands() {
    let server = MemcachedServer::start().unwrap();
    let memcached = connect(&server).await;
    server.store("victim", "is there", "T100").unwrap();
    let namespace = Namespace::new("fleet").unwrap();
    let limit = KeyLimit::bytes(memcached.limits().longest_key);
    let key = |text: &str| StoredKey::new(&namespace, text, SHAPE, limit);
    let mut keys: Vec<StoredKey> = (0..=255_u8).map(|byte| key(&char::from(byte).to_string())).collect();
    keys.extend((0..=255_u8).map(|byte| StoredKey::new(&namespace, &[byte][..], SHAPE, limit)));
    keys.extend(["a\r\nmd victim\r\n", "md victim", "a b", "\u{7F}", "ä", "a@b", "%00", ""].map(key));
    keys.extend((200..=260).map(|length| key(&"k".repeat(length))));
    keys.extend((60..=90).map(|length| key(&"ä\n".repeat(length))));
    for key in &keys {
        assert!(key.full().len() <= 250);
        memcached.change(key, storing(Bytes::from(key.whole().to_owned()))).await.unwrap();
        memcached.count(key, dogpile_cache::backend::Count::Get).await.unwrap();
    }
    for key in &keys {
        assert_eq!(stored(&*memcached, key).await.unwrap(), key.whole(), "{}", key.full());
    }
    for key in &keys {
        invalidate(&*memcached, key).await.unwrap();
    }
    assert_eq!(server.command("mg victim v").unwrap().value.unwrap(), b"is there");
}

/// A key that is too long, and whose value reads as a command.
#[tokio::test]
async fn s25_a_value_is_never_a_command() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    server.store("victim", "is there", "T100").unwrap();
    let long = StoredKey::new(&Namespace::new("fleet").unwrap(), &"k".repeat(300), SHAPE, KeyLimit::NONE);
    let attack = Bytes::from_static(b"md victim\r\nmd victim");
    assert_eq!(kind(memcached.change(&long, storing(attack.clone()))).await, BackendErrorKind::Refused);
    assert_eq!(kind(memcached.look(std::slice::from_ref(&long), None)).await, BackendErrorKind::Refused);
    memcached.change(&key("a"), storing(attack.clone())).await.unwrap();
    assert_eq!(look(&*memcached, &key("a")).await.unwrap().entry, Some(attack));
    assert_eq!(server.command("mg victim v").unwrap().value.unwrap(), b"is there");
    assert_eq!(proxy.connections(), 1, "nothing was refused by the server");
}

#[tokio::test]
async fn s44_the_limit_is_that_of_the_server_and_what_is_too_large_changes_nothing() {
    for kilobytes in [512, 1024, 4096] {
        let server = MemcachedServer::builder().largest_item(kilobytes).memory(128).start().unwrap();
        let memcached = connect(&server).await;
        let largest = memcached.limits().largest_entry;
        let whole = usize::try_from(kilobytes).unwrap() * 1024;
        assert!(largest < whole && largest > whole - 2000, "{largest}");
        let namespace = Namespace::new("fleet").unwrap();
        let long = StoredKey::new(&namespace, &"k".repeat(220), SHAPE, KeyLimit::bytes(250));
        assert!(long.full().len() > 228 && !long.is_hashed(), "{}", long.full().len());
        let grant = granted(&*memcached, &long).await;
        let (fits, too_large) = (Bytes::from(vec![b'x'; largest]), Bytes::from(vec![b'x'; largest + 1]));
        assert_eq!(memcached.publish(&long, &grant, of(fits.clone())).await.unwrap(), Published::Fresh);
        assert_eq!(look(&*memcached, &long).await.unwrap().entry, Some(fits.clone()));
        let grant = granted(&*memcached, &long).await;
        let refused = kind(memcached.publish(&long, &grant, of(too_large.clone()))).await;
        assert_eq!(refused, BackendErrorKind::TooLarge);
        assert_eq!(kind(memcached.change(&long, storing(too_large))).await, BackendErrorKind::TooLarge);
        assert_eq!(look(&*memcached, &long).await.unwrap().entry, Some(fits.clone()), "it is there still");
        assert_eq!(memcached.publish(&long, &grant, of(fits)).await.unwrap(), Published::Fresh);
        assert_eq!(server.count("store_too_large").unwrap(), 0, "the server was asked");
    }
}

#[tokio::test]
async fn a_server_that_is_full_refuses_and_the_connection_goes_on() {
    let server = MemcachedServer::builder().memory(2).args(["-M"]).start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    let value = Bytes::from(vec![b'x'; 4000]);
    let mut refused = None;
    for at in 0..2000 {
        if let Err(error) = memcached.change(&key(&at.to_string()), storing(value.clone())).await {
            refused = Some(error);
            break;
        }
    }
    assert_eq!(refused.expect("the server is full").kind(), BackendErrorKind::Refused);
    assert_eq!(look(&*memcached, &key("0")).await.unwrap().entry, Some(value.clone()));
    invalidate(&*memcached, &key("0")).await.unwrap();
    // There is room again, once the server has given back what it held for the reply.
    in_time(async || memcached.change(&key("0"), storing(value.clone())).await).await;
    assert_eq!(proxy.connections(), 1);
}

/// Large values have a connection of their own, once one is known.
#[tokio::test]
async fn large_values_go_by_a_connection_of_their_own() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    let large = Bytes::from((0..900_000).map(|at: u32| at.to_le_bytes()[at as usize % 3]).collect::<Vec<u8>>());
    set(&*memcached, &key("small"), "one").await.unwrap();
    assert_eq!(proxy.connections(), 1);
    memcached.change(&key("large"), storing(large.clone())).await.unwrap();
    assert_eq!(proxy.connections(), 2);
    let keys = [key("small"), key("large"), key("none")];
    for _ in 0..20 {
        let looks = within(memcached.look(&keys, None)).await.unwrap();
        assert_eq!(looks[0].entry.as_deref(), Some(&b"one"[..]));
        assert_eq!(looks[1].entry.as_ref(), Some(&large));
        assert_eq!(looks[2].entry, None);
    }
    // Another process reads it by the connection for small ones, once.
    let other = connect_by(&proxy).await;
    assert_eq!(look(&*other, &key("large")).await.unwrap().entry, Some(large.clone()));
    assert_eq!(proxy.connections(), 3);
    assert_eq!(look(&*other, &key("large")).await.unwrap().entry, Some(large));
    assert_eq!(proxy.connections(), 4);
}

/// Connections that are open until they are dropped, as many as the server takes.
fn all_connections(server: &MemcachedServer) -> Vec<TcpStream> {
    let mut all = Vec::new();
    loop {
        let mut stream = TcpStream::connect(server.address()).unwrap();
        stream.set_read_timeout(Some(WATCHDOG)).unwrap();
        let mut first = [0];
        // A server that takes no more says so, and closes.
        let is_open = stream.write_all(b"version\r\n").and_then(|()| stream.read_exact(&mut first)).is_ok();
        if !is_open || first != *b"V" {
            return all;
        }
        all.push(stream);
    }
}

/// To know where large values are is a hint: the connection for small ones carries them, too.
#[tokio::test]
async fn large_values_go_by_the_connection_that_there_is() {
    let server = MemcachedServer::builder().args(["-c", "60"]).start().unwrap();
    let memcached = connect(&server).await;
    let all = all_connections(&server);
    let large = Bytes::from(vec![b'x'; 20_000]);
    for _ in 0..3 {
        within(memcached.change(&key("large"), storing(large.clone()))).await.unwrap();
        assert_eq!(within(stored(&*memcached, &key("large"))).await.as_ref(), Some(&large));
        within(invalidate(&*memcached, &key("large"))).await.unwrap();
    }
    drop(all);
}

/// A mark changes a flag, whatever the value weighs, and says whether there was one.
#[tokio::test]
async fn a_mark_fetches_no_value() {
    let server = MemcachedServer::start().unwrap();
    let proxy = Proxy::start(server.address()).unwrap();
    let memcached = connect_by(&proxy).await;
    let key = key("large");
    let large = Bytes::from(vec![b'x'; 900_000]);
    memcached.change(&key, storing(large.clone())).await.unwrap();
    for was_granted in [false, true] {
        if was_granted {
            // Something is appended to the item.
            granted(&*memcached, &key).await;
        }
        let before = proxy.bytes(Direction::FromServer);
        let mark = Change::MarkStale { beside: Vec::new() };
        let changed = within(memcached.change(&key, mark)).await.unwrap();
        assert_eq!(changed, Changed::Yes { was_there: true, voided: false });
        // (There are heartbeats beside it, of some kilobytes.)
        let bytes = proxy.bytes(Direction::FromServer) - before;
        assert!(bytes < 100_000, "{bytes}");
        assert_eq!(server.command(format!("mg {} s", key.full())).unwrap().flag('X'), Some(""));
        let looked = look(&*memcached, &key).await.unwrap();
        assert!(looked.is_marked && looked.entry.as_ref() == Some(&large));
    }
}
