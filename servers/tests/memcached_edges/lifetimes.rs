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
