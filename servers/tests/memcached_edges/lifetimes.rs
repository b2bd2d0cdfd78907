//! Lifetimes over a server whose clock stands still between two seconds. (`contract` has those that are whole seconds.)

use crate::kit::{SECOND, key, look, stored};
use crate::{MS, kit, within};
use bytes::Bytes;
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::{
    Backend, Change, Changed, Claim, Claimed, Count, Counted, Entry, Memcached, Published, Renewed, Rest, Token,
};
use dogpile_servers::MemcachedServer;
use std::sync::Arc;
use std::time::Duration;

/// The key of the counter on the server.
const COUNTER: &str = "fleet:counter@count";

const DAY: Duration = Duration::from_secs(86_400);

struct Ground {
    server: MemcachedServer,
    clock: Arc<ManualClock>,
    memcached: Memcached,
}

impl Ground {
    async fn new() -> Ground {
        let (server, clock) = (MemcachedServer::builder().fake_time().start().unwrap(), Arc::new(ManualClock::new()));
        let memcached = Memcached::lazy_by(Arc::clone(&clock) as Arc<dyn Clock>, &server.url()).unwrap();
        within(memcached.ping()).await.unwrap();
        Ground { server, clock, memcached }
    }

    /// The server's clock shows whole seconds, and goes on with each of them.
    fn wait(&self, time: Duration) {
        self.server.advance(time).unwrap();
        self.clock.advance(time);
    }

    async fn set(&self, name: &str, lifetime: Duration) {
        let entry = Entry { bytes: Bytes::from_static(b"old"), lifetime: Some(lifetime) };
        let change = Change::Set { entry, void_pause: SECOND };
        assert!(matches!(self.memcached.change(&key(name), change).await.unwrap(), Changed::Yes { .. }));
    }

    async fn is_there(&self, name: &str) -> bool {
        stored(&self.memcached, &key(name)).await.is_some()
    }

    async fn counted(&self) -> Counted {
        self.memcached.count(&key("counter"), Count::Get).await.unwrap()
    }

    async fn add(&self, delta: i64, lifetime: Duration) -> Counted {
        let add = Count::Add { delta, ceiling: u64::MAX, lifetime: Some(lifetime) };
        self.memcached.count(&key("counter"), add).await.unwrap()
    }

    /// What the server says of the counter's lifetime.
    fn left(&self) -> String {
        self.server.command(format!("mg {COUNTER} t")).unwrap().flag('t').expect("the counter is there").to_owned()
    }
}

/// S84: a server that counts whole seconds ends `T2` after a second and a tenth, if nine tenths of one are over.
#[tokio::test]
async fn g17_s84_no_value_and_no_counter_is_over_early() {
    for past in [0, 100, 500, 900, 999] {
        let ground = Ground::new().await;
        ground.wait(past * MS);
        let lifetime = 2 * SECOND;
        ground.set("value", lifetime).await;
        let add = Count::Add { delta: 5, ceiling: u64::MAX, lifetime: Some(lifetime) };
        assert_eq!(ground.memcached.count(&key("counter"), add).await.unwrap(), Counted::Now(5));
        for _ in 0..19 {
            ground.wait(100 * MS);
            assert!(ground.is_there("value").await, "{past}");
            assert_eq!(ground.counted().await, Counted::Now(5), "{past}");
        }
        // (A heartbeat that comes meanwhile may have made the estimate of the server's clock better by half a second.)
        ground.wait(SECOND);
        assert!(!ground.is_there("value").await, "{past}");
        assert_eq!(ground.counted().await, Counted::Now(0), "{past}");
        // G12: it is not revived.
        assert_eq!(ground.memcached.count(&key("counter"), add).await.unwrap(), Counted::Now(5), "{past}");
    }
}

/// A counter of a stranger, or of an earlier build, has no note of its end: the server's seconds say how long it lives.
#[tokio::test]
async fn g12_a_counter_without_a_note_is_counted_on() {
    let ground = Ground::new().await;
    for lifetime in [600 * SECOND, DAY, 20 * DAY, 40 * DAY] {
        // More than 30 days is a time of day.
        let since = if lifetime > 30 * DAY { ground.server.count("time").unwrap() } else { 0 };
        for flags in ["", " F0", " F5", " F4294967295"] {
            ground.server.store(COUNTER, "5", &format!("T{}{flags}", since + lifetime.as_secs())).unwrap();
            let (left, counted) = (ground.left(), ground.counted().await);
            let case = format!("{lifetime:?}{flags}");
            assert_eq!((counted, ground.add(1, SECOND).await), (Counted::Now(5), Counted::Now(6)), "{case}");
            assert_eq!(ground.left(), left, "{case}");
        }
    }
    ground.server.store(COUNTER, "5", "T0").unwrap();
    assert_eq!((ground.counted().await, ground.add(1, SECOND).await), (Counted::Now(5), Counted::Now(6)));
    assert_eq!(ground.left(), "-1");
    // It ends with the server's seconds, and not early.
    ground.server.store(COUNTER, "5", "T3").unwrap();
    ground.wait(2 * SECOND);
    assert_eq!(ground.counted().await, Counted::Now(5));
    ground.wait(SECOND);
    assert_eq!((ground.counted().await, ground.add(1, SECOND).await), (Counted::Now(0), Counted::Now(1)));
}

/// An operator moves the lifetime of a counter: the note of its end is believed no more.
#[tokio::test]
async fn g12_a_counter_whose_lifetime_was_moved_is_counted_on() {
    for (lifetime, moved) in [(4, 60), (600, 60), (600, 86_400), (60, 20 * 86_400), (20 * 86_400, 60)] {
        let (ground, case) = (Ground::new().await, format!("{lifetime} to {moved}"));
        assert_eq!(ground.add(5, lifetime * SECOND).await, Counted::Now(5), "{case}");
        ground.server.command(format!("mg {COUNTER} T{moved}")).unwrap();
        assert_eq!((ground.counted().await, ground.add(1, SECOND).await), (Counted::Now(5), Counted::Now(6)), "{case}");
        // 59 seconds later: that is after the first of the ends, and before each of the moved ones.
        for _ in 0..59 {
            ground.wait(SECOND);
            assert_eq!(ground.counted().await, Counted::Now(6), "{case}");
        }
        assert_eq!(ground.add(1, SECOND).await, Counted::Now(7), "{case}");
        ground.wait(SECOND);
        let rest = if moved == 60 { 0 } else { 7 };
        assert_eq!(ground.counted().await, Counted::Now(rest), "{case}");
    }
}

/// The server's numbers hold no time after January 2038. An entry has its end in its head; a counter has none.
#[tokio::test]
async fn g17_a_counter_that_is_to_end_after_january_2038_lives_for_ever() {
    let ground = Ground::new().await;
    let until = |second: u64| Duration::from_secs(second - ground.server.count("time").unwrap());
    let last = u64::from(i32::MAX.unsigned_abs());
    assert_eq!(ground.add(5, until(last - 10)).await, Counted::Now(5));
    assert_ne!(ground.left(), "-1");
    ground.memcached.count(&key("counter"), Count::Reset).await.unwrap();
    assert_eq!(ground.add(5, until(last + 10)).await, Counted::Now(5));
    assert_eq!((ground.left().as_str(), ground.counted().await), ("-1", Counted::Now(5)));
}

/// A large value stays in its item while a claim near the end of its grace makes that live longer; then it goes.
#[tokio::test]
async fn g1_a_large_value_whose_grace_ends_under_its_holder() {
    let ground = Ground::new().await;
    let (memcached, a, lease) = (&ground.memcached, key("a"), 10 * SECOND);
    let large = Bytes::from(vec![b'x'; memcached.limits().largest_entry]);
    let entry = Entry { bytes: large.clone(), lifetime: Some(4 * SECOND) };
    memcached.change(&a, Change::Set { entry, void_pause: SECOND }).await.unwrap();
    let mut claim = Claim::new(Token::random(), lease);
    claim.seen = Some(look(memcached, &a).await.unwrap().seen);
    let Claimed::Granted { mut grant, .. } = memcached.claim(&a, claim).await.unwrap() else { panic!("not granted") };
    for second in 0..30 {
        let found = look(memcached, &a).await.unwrap();
        assert_eq!(found.entry.is_some(), second < 4, "{second}");
        assert!(found.entry.is_none_or(|entry| entry == large));
        assert!(matches!(found.rest, Some(Rest::Held(by)) if by.token == grant.token), "{second}");
        ground.wait(SECOND);
        if second % 3 == 0 {
            let Renewed::Yes(renewed) = memcached.renew(&a, &grant, lease).await.unwrap() else { panic!("{second}") };
            grant = renewed;
        }
    }
    assert_eq!(memcached.publish(&a, &grant, kit::entry("new")).await.unwrap(), Published::Fresh);
    assert_eq!(stored(memcached, &a).await.unwrap(), "new");
}
