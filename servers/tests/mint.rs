//! `Mint` over real servers: each reader has a region and a connection of its own, as a process has, unless a test says
//! otherwise. Each law has one test, which runs over Redis and over memcached.

use dogpile_cache::backend::connect;
use dogpile_cache::codec::Raw;
use dogpile_cache::mint::{Mint, MintBuilder, Timeout};
use dogpile_cache::region::OverFar;
use dogpile_cache::{Published, codec::MessagePack};
use dogpile_servers::{Direction, MemcachedServer, Proxy, RedisServer};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

/// A bound for what hangs only if it is wrong.
const WATCHDOG: Duration = Duration::from_secs(60);

const SECOND: Duration = Duration::from_secs(1);

/// What memcached has as its shortest lease.
const LEASE: Duration = Duration::from_secs(4);

type Text = Mint<str, String>;

/// A server, which ends with it.
enum Server {
    Redis(RedisServer),
    Memcached(MemcachedServer),
}

impl Server {
    fn address(&self) -> SocketAddr {
        match self {
            Server::Redis(server) => server.address(),
            Server::Memcached(server) => server.address(),
        }
    }

    /// Connects to the server itself, or to what stands before it.
    async fn builder(&self, at: SocketAddr) -> MintBuilder<OverFar<MessagePack>> {
        let url = match self {
            Server::Redis(_) => format!("redis://{at}/"),
            Server::Memcached(_) => format!("memcached://{at}"),
        };
        let backend = connect(&url).await.expect("a connection");
        Mint::builder("test").far(backend).with(|region| region.backend_timeout(SECOND * 10).lease(LEASE))
    }

    /// A reader in a process of its own.
    async fn process(&self) -> Text {
        self.builder(self.address()).await.build().unwrap()
    }

    async fn pair(&self) -> (Text, Text) {
        (self.process().await, self.process().await)
    }
}

/// What a reader gets of a key, and whether it is elected then.
async fn get(mint: &mut Text, key: &str) -> (Option<String>, bool) {
    let got = mint.get(key).await.unwrap();
    (got, mint.is_elected(key))
}

const RIGHT: (Option<String>, bool) = (None, true);

const NOTHING: (Option<String>, bool) = (None, false);

fn value(text: &str) -> (Option<String>, bool) {
    (Some(text.to_owned()), false)
}

async fn set(mint: &mut Text, key: &str, value: &str, timeout: impl Into<Timeout>) {
    assert_eq!(mint.set(key, value, timeout).await.unwrap(), Published::Fresh);
}

/// Sets a value that is late by now. (By a mark: the processes of a fleet on memcached agree on a time to a second.)
async fn set_late(mint: &mut Text, key: &str, value: &str) {
    set(mint, key, value, Timeout::Default).await;
    mint.region().mark_stale(key).await.unwrap();
}

/// Reads until the reader gets that.
#[track_caller]
fn gets<'a>(mint: &'a mut Text, key: &'a str, what: &'a (Option<String>, bool)) -> impl Future<Output = ()> + 'a {
    let (at, began) = (std::panic::Location::caller(), Instant::now());
    async move {
        loop {
            let got = get(mint, key).await;
            if got == *what {
                return;
            }
            assert!(began.elapsed() < WATCHDOG, "never {what:?}, but {got:?}, at {at}");
            tokio::time::sleep(SECOND / 200).await;
        }
    }
}

/// Waits until the reader has no right any more.
async fn has_lost(mint: &Text, key: &str) {
    let began = Instant::now();
    while mint.is_elected(key) {
        assert!(began.elapsed() < WATCHDOG, "it never loses its right");
        tokio::time::sleep(SECOND / 200).await;
    }
}

/// Many tasks of several processes read at once, and keep what they have until all have read. Returns how many of them
/// were elected; one of these sets the new value.
async fn all_at_once(processes: &[Text], key: &'static str, old: Option<&'static str>, new: &'static str) -> usize {
    const TASKS: usize = 64;
    let (elected, step) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(TASKS)));
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        let mut mint = processes[task % processes.len()].clone();
        let (elected, step) = (Arc::clone(&elected), Arc::clone(&step));
        tasks.spawn(async move {
            step.wait().await;
            let (got, is_elected) = get(&mut mint, key).await;
            assert!(got.as_deref() == if is_elected { None } else { old }, "{got:?}, {is_elected}");
            elected.fetch_add(usize::from(is_elected), Ordering::SeqCst);
            step.wait().await;
            if is_elected {
                set(&mut mint, key, new, Timeout::Default).await;
            }
        });
    }
    tasks.join_all().await;
    elected.load(Ordering::SeqCst)
}

async fn two_late_readers_never_both_renew(server: Server) {
    let processes = [server.process().await, server.process().await, server.process().await];
    let mut writer = server.process().await;
    for round in 0..30 {
        set_late(&mut writer, "a", "old").await;
        assert_eq!(all_at_once(&processes, "a", Some("old"), "new").await, 1, "round {round}");
        assert_eq!(get(&mut writer, "a").await, value("new"), "round {round}");
    }
}

async fn a_cold_key_elects_one(server: Server) {
    let processes = [server.process().await, server.process().await, server.process().await];
    let mut writer = server.process().await;
    for round in 0..30 {
        writer.delete("a").await.unwrap();
        assert_eq!(all_at_once(&processes, "a", None, "new").await, 1, "round {round}");
        assert_eq!(get(&mut writer, "a").await, value("new"), "round {round}");
    }
}

async fn a_late_setter_is_refused_and_the_newer_value_stays(server: Server) {
    let brief = async || {
        let builder = server.builder(server.address()).await;
        builder.with(|region| region.creation_timeout(SECOND)).build::<str, String>().unwrap()
    };
    let (mut one, mut other) = (brief().await, brief().await);
    for is_cold in [true, false] {
        one.delete("a").await.unwrap();
        if !is_cold {
            set_late(&mut one, "a", "old").await;
        }
        for adds in [false, true] {
            assert_eq!(get(&mut one, "a").await, RIGHT);
            has_lost(&one, "a").await;
            gets(&mut other, "a", &RIGHT).await;
            set(&mut other, "a", "newer", Timeout::Default).await;
            if adds {
                assert!(!one.add("a", "late", Timeout::Default).await.unwrap());
            } else {
                assert!(matches!(one.set("a", "late", Timeout::Default).await.unwrap(), Published::No(_)));
            }
            assert_eq!(get(&mut other, "a").await, value("newer"));
            assert_eq!(get(&mut one, "a").await, value("newer"));
            set_late(&mut other, "a", "old").await;
        }
    }
}

async fn a_change_voids_the_right(server: Server) {
    let (mut one, mut other) = server.pair().await;
    for is_cold in [true, false] {
        for deletes in [true, false] {
            one.delete("a").await.unwrap();
            if !is_cold {
                set_late(&mut one, "a", "old").await;
            }
            gets(&mut one, "a", &RIGHT).await;
            if deletes {
                other.delete("a").await.unwrap();
            } else {
                set(&mut other, "a", "set", Timeout::Default).await;
            }
            assert!(matches!(one.set("a", "made of what was", Timeout::Default).await.unwrap(), Published::No(_)));
            let stays = if deletes { RIGHT } else { value("set") };
            gets(&mut other, "a", &stays).await;
            other.give_up("a");
        }
    }
}

async fn add_fails_where_a_fresh_value_is(server: Server) {
    let (mut one, mut other) = server.pair().await;
    assert!(one.add("a", "first", Timeout::Default).await.unwrap());
    assert!(!other.add("a", "second", Timeout::Default).await.unwrap());
    assert_eq!(get(&mut other, "a").await, value("first"));
    set_late(&mut one, "a", "old").await;
    assert!(other.add("a", "second", Timeout::Default).await.unwrap());
    assert_eq!(get(&mut one, "a").await, value("second"));
    // By the right.
    set_late(&mut one, "a", "old").await;
    assert_eq!(get(&mut other, "a").await, RIGHT);
    assert!(other.add("a", "third", Timeout::Default).await.unwrap());
    assert_eq!(get(&mut one, "a").await, value("third"));
}

async fn delete_leaves_no_grace(server: Server) {
    let (mut one, mut other) = server.pair().await;
    for is_late in [true, false] {
        if is_late {
            set_late(&mut one, "a", "old").await;
        } else {
            set(&mut one, "a", "old", Timeout::Default).await;
        }
        one.delete("a").await.unwrap();
        assert_eq!((get(&mut other, "a").await, get(&mut one, "a").await), (RIGHT, NOTHING));
        set(&mut other, "a", "new", Timeout::Default).await;
        assert_eq!(get(&mut one, "a").await, value("new"));
    }
}

async fn text_and_bytes_come_back_as_they_went_in(server: Server) {
    let (mut one, mut other) = server.pair().await;
    for text in ["", "text", "\u{0}\r\nVALUE a 0 1\r\n", "grüße \u{1f980}"] {
        set(&mut one, text, text, Timeout::Default).await;
        assert_eq!(get(&mut other, text).await, value(text));
    }
    let all: Vec<u8> = (0..=255).collect();
    let raw = async || server.builder(server.address()).await.codec(Raw).build::<[u8], Vec<u8>>().unwrap();
    let (mut one, mut other) = (raw().await, raw().await);
    for bytes in [b"", &all[..], b"\r\nEN\r\n"] {
        assert_eq!(one.set(bytes, bytes, Timeout::Default).await.unwrap(), Published::Fresh);
        assert_eq!(other.get(bytes).await.unwrap().as_deref(), Some(bytes));
    }
}

async fn each_timeout_means_one_thing(server: Server) {
    let builder = async || server.builder(server.address()).await.default_timeout(SECOND * 2);
    let (mut one, mut other): (Text, Text) = (builder().await.build().unwrap(), builder().await.build().unwrap());
    let mut none: Text = builder().await.grace(Duration::ZERO).build().unwrap();
    set(&mut one, "never", "value", Timeout::Never).await;
    set(&mut one, "longest", "value", Duration::MAX).await;
    set(&mut one, "month", "value", SECOND * 3600 * 24 * 31).await;
    set(&mut one, "default", "value", Timeout::Default).await;
    set(&mut one, "long", "value", SECOND * 60).await;
    // Late at once, as exactly as the server's clock; and without a grace that is nothing at all.
    set(&mut one, "zero", "value", Duration::ZERO).await;
    gets(&mut other, "zero", &RIGHT).await;
    assert_eq!(get(&mut one, "zero").await, value("value"));
    set(&mut none, "nothing", "value", Duration::ZERO).await;
    gets(&mut none, "nothing", &RIGHT).await;
    assert_eq!(get(&mut other, "nothing").await, NOTHING);
    gets(&mut other, "default", &RIGHT).await;
    for key in ["never", "longest", "month", "long"] {
        assert_eq!(get(&mut other, key).await, value("value"), "{key}");
    }
}

/// A process whose connections are dead: it renews nothing, and tells nothing.
async fn an_elected_reader_that_dies_costs_one_lease(server: Server) {
    let proxy = Proxy::start(server.address()).unwrap();
    let mut dies = server.builder(proxy.address()).await.build::<str, String>().unwrap();
    let mut lives = server.process().await;
    set_late(&mut lives, "late", "old").await;
    assert_eq!((get(&mut dies, "late").await, get(&mut dies, "cold").await), (RIGHT, RIGHT));
    for direction in [Direction::FromClient, Direction::FromServer] {
        proxy.black_hole(direction, true);
    }
    assert_eq!((get(&mut lives, "late").await, get(&mut lives, "cold").await), (value("old"), NOTHING));
    let mut other = lives.clone();
    tokio::join!(gets(&mut lives, "late", &RIGHT), gets(&mut other, "cold", &RIGHT));
    set(&mut lives, "late", "new", Timeout::Default).await;
    set(&mut other, "cold", "new", Timeout::Default).await;
    // The dead one is alive again, and too late.
    proxy.normal();
    for key in ["late", "cold"] {
        has_lost(&dies, key).await;
        assert!(matches!(dies.set(key, "late", Timeout::Default).await.unwrap(), Published::No(_)), "{key}");
        gets(&mut dies, key, &value("new")).await;
    }
}

async fn many_keys_are_elected_once_each(server: Server) {
    let (mut one, mut other) = server.pair().await;
    set(&mut one, "fresh", "fresh", Timeout::Default).await;
    set_late(&mut one, "late", "old").await;
    set_late(&mut one, "renewed", "old").await;
    assert_eq!((get(&mut other, "renewed").await, get(&mut other, "taken").await), (RIGHT, RIGHT));
    let keys = ["cold", "late", "fresh", "renewed", "taken", "late", "cold", "fresh"];
    let values = one.get_many(keys).await.unwrap();
    assert_eq!((values.len(), &*values["fresh"], &*values["renewed"]), (2, "fresh", "old"));
    let elected = |mint: &Text| keys[..5].iter().filter(|key| mint.is_elected(key)).copied().collect::<Vec<_>>();
    assert_eq!((elected(&one), elected(&other)), (vec!["cold", "late"], vec!["renewed", "taken"]));
    let values = other.get_many(["late", "cold"]).await.unwrap();
    assert_eq!((values.len(), &*values["late"]), (1, "old"));
    for key in ["cold", "late"] {
        set(&mut one, key, "new", Timeout::Default).await;
    }
    let mut third = server.process().await;
    assert_eq!(third.get_many(["late", "cold"]).await.unwrap().len(), 2);
}

/// A reader that is dropped, or whose source fails.
async fn a_right_that_is_not_used_is_for_the_next(server: Server) {
    let (mut one, mut other) = server.pair().await;
    assert_eq!(get(&mut one, "a").await, RIGHT);
    drop(one.clone());
    assert_eq!(get(&mut other, "a").await, NOTHING);
    one = server.process().await;
    gets(&mut other, "a", &RIGHT).await;
    other.fail("a", &"the database is down").await;
    assert_eq!((get(&mut one, "a").await, get(&mut other, "a").await), (NOTHING, NOTHING));
    gets(&mut one, "a", &RIGHT).await;
    set(&mut one, "a", "new", Timeout::Default).await;
    assert_eq!(get(&mut other, "a").await, value("new"));
}

/// Threads have the same calls, and need a runtime for the connections alone.
async fn threads_get_and_set(server: Server) {
    let (one, other) = server.pair().await;
    let thread = std::thread::spawn(move || {
        let (mut one, mut other) = (one, other);
        assert_eq!((one.blocking().get("a").unwrap(), other.blocking().get("a").unwrap()), (None, None));
        assert!(one.is_elected("a") && !other.is_elected("a"));
        assert_eq!(one.blocking().set("a", "value", Timeout::Default).unwrap(), Published::Fresh);
        assert_eq!(other.blocking().get("a").unwrap().as_deref(), Some("value"));
    });
    tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
}

macro_rules! on_each_server {
    ($($law:ident,)+) => {
        mod redis {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                super::$law(super::Server::Redis(super::RedisServer::start().unwrap())).await;
            })+
        }

        mod memcached {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $law() {
                super::$law(super::Server::Memcached(super::MemcachedServer::start().unwrap())).await;
            })+
        }
    };
}

on_each_server! {
    two_late_readers_never_both_renew,
    a_cold_key_elects_one,
    a_late_setter_is_refused_and_the_newer_value_stays,
    a_change_voids_the_right,
    add_fails_where_a_fresh_value_is,
    delete_leaves_no_grace,
    text_and_bytes_come_back_as_they_went_in,
    each_timeout_means_one_thing,
    an_elected_reader_that_dies_costs_one_lease,
    many_keys_are_elected_once_each,
    a_right_that_is_not_used_is_for_the_next,
    threads_get_and_set,
}
