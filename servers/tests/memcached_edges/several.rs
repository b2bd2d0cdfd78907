//! Several servers: which has a key, one that is away, and a list that changes.

use crate::kit::{LEASE, entry, granted, in_time, invalidate, key, look, set, stored};
use crate::{connect, connected, kind, within};
use dogpile_cache::Region;
use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Claim, ConnectError, Memcached, Published, Seen, Token,
};
use dogpile_cache::key::StoredKey;
use dogpile_servers::Direction::FromClient;
use dogpile_servers::{MemcachedServer, Proxy};
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

const INVALIDATE: Change = Change::Invalidate { beside: Vec::new(), void_pause: Duration::ZERO };

const MARK: Change = Change::MarkStale { beside: Vec::new() };

struct Fleet {
    servers: Vec<MemcachedServer>,
}

impl Fleet {
    fn start(count: usize) -> Fleet {
        Fleet { servers: (0..count).map(|_| MemcachedServer::start().unwrap()).collect() }
    }

    /// The URL of some of the servers.
    fn url(&self, which: &[usize]) -> String {
        let all: Vec<String> = which.iter().map(|at| self.servers[*at].address().to_string()).collect();
        format!("memcached://{}", all.join(","))
    }

    async fn connect(&self, which: &[usize]) -> Arc<Memcached> {
        Arc::new(Memcached::connect(&self.url(which)).await.unwrap())
    }

    fn items(&self, at: usize) -> u64 {
        self.servers[at].count("curr_items").unwrap()
    }
}

fn keys() -> Vec<StoredKey> {
    (0..60).map(|at| key(&at.to_string())).collect()
}

#[tokio::test]
async fn each_key_has_one_server_whatever_the_order_of_the_list() {
    let fleet = Fleet::start(3);
    let (one, other) = (fleet.connect(&[0, 1, 2]).await, fleet.connect(&[2, 0, 1]).await);
    for key in keys() {
        set(&*one, &key, key.place()).await.unwrap();
        assert_eq!(stored(&*other, &key).await.unwrap(), key.place());
        assert_ne!(one.life_of(&key), None);
    }
    let items: Vec<u64> = (0..3).map(|at| fleet.items(at)).collect();
    assert!(items.iter().all(|count| *count > 5) && items.iter().sum::<u64>() == 60, "{items:?}");
    // Many at once, in their order.
    let looks = other.look(&keys(), None).await.unwrap();
    for (look, key) in looks.iter().zip(keys()) {
        assert_eq!(look.entry.as_deref(), Some(key.place().as_bytes()));
        assert_eq!(Some(look.life), other.life_of(&key));
    }
    let numbers: std::collections::HashSet<u64> = keys().iter().map(|key| one.server_of(key)).collect();
    assert_eq!(numbers.len(), 3);
}

#[tokio::test]
async fn s98_a_server_that_is_away_takes_its_keys_with_it_and_no_others() {
    let mut fleet = Fleet::start(3);
    let memcached = fleet.connect(&[0, 1, 2]).await;
    for key in keys() {
        set(&*memcached, &key, "one").await.unwrap();
    }
    let (away, there): (Vec<_>, Vec<_>) = keys().into_iter().partition(|key| memcached.server_of(key) == 1);
    let grant = granted(&*memcached, &away[0]).await;
    fleet.servers[1].kill();
    for key in &there {
        assert_eq!(stored(&*memcached, key).await.unwrap(), "one");
    }
    for key in &away {
        let error = within(look(&*memcached, key)).await.unwrap_err();
        assert!(matches!(error.kind(), BackendErrorKind::Unreachable | BackendErrorKind::InDoubt), "{error:?}");
        // An invalidation that was not told is an error.
        assert!(within(invalidate(&*memcached, key)).await.is_err());
    }
    assert!(within(memcached.look(&keys(), None)).await.is_err());
    assert_eq!(kind(memcached.ping()).await, BackendErrorKind::Unreachable);
    assert_eq!(fleet.items(0) + fleet.items(2), there.len() as u64, "no other server has taken its keys");
    fleet.servers[1].restart().unwrap();
    connected(&memcached).await;
    assert_eq!(stored(&*memcached, &away[0]).await, None);
    let published = memcached.publish(&away[0], &grant, entry("late")).await.unwrap();
    assert!(matches!(published, Published::Refused(_)));
}

/// Of two servers, the one that is gone or silent.
#[tokio::test]
async fn an_error_names_the_server_that_has_failed() {
    let mut fleet = Fleet::start(2);
    let memcached = fleet.connect(&[0, 1]).await;
    let address = |at: usize| fleet.servers[at].address().to_string();
    let (well, dead) = (address(0), address(1));
    let find = |server: &String| keys().into_iter().find(|key| memcached.address_of(key).as_ref() == Some(server));
    let (there, away) = (find(&well).unwrap(), find(&dead).unwrap());
    let region: Region<u64, String> = Region::builder("region")
        .expires_after(LEASE)
        .backend_timeout(Duration::from_millis(200))
        .far(Memcached::connect(&fleet.url(&[0, 1])).await.unwrap())
        .build()
        .unwrap();
    fleet.servers[1].stop().unwrap();
    // Which of the keys are the silent server's shows in the errors.
    let mut silent = 0;
    for number in 0..20 {
        if let Err(late) = within(region.get(&number).value()).await {
            // Once there is no answer; then the region does not ask for a moment.
            assert_eq!(late.server(), Some(&*dead), "{late:?}");
            silent += 1;
        }
    }
    assert!((1..20).contains(&silent), "{silent}");
    fleet.servers[1].go_on().unwrap();
    fleet.servers[1].kill();
    for _ in 0..3 {
        set(&*memcached, &there, "one").await.unwrap();
        let errors = [
            within(set(&*memcached, &away, "one")).await.unwrap_err(),
            within(look(&*memcached, &away)).await.unwrap_err(),
            within(memcached.look(&[there.clone(), away.clone()], None)).await.unwrap_err(),
            within(memcached.claim(&away, Claim::new(Token(1), LEASE))).await.unwrap_err(),
            within(memcached.ping()).await.unwrap_err(),
        ];
        for error in errors {
            assert_eq!(error.server(), Some(&*dead), "{error:?}");
            assert!(error.to_string().ends_with(&format!("(server {dead})")), "{error}");
        }
    }
    for which in [[0, 1], [1, 0]] {
        let refused = Memcached::connect(&fleet.url(&which)).await.unwrap_err();
        let says = refused.to_string();
        assert!(matches!(refused, ConnectError::Unreachable { .. }), "{says}");
        assert!(says.contains(&dead) && !says.contains(&well), "{says}");
    }
    // What the own server was told, and the former one was not.
    let changing = Memcached::lazy(&format!("memcached://{well}")).unwrap();
    let changing = changing.formerly(&format!("memcached://{dead}")).unwrap();
    let owed = within(invalidate(&changing, &there)).await.unwrap_err();
    assert_eq!(owed.server(), Some(&*dead), "{owed:?}");
}

/// Three releases: old; old, with new; new, with old; new.
#[tokio::test]
async fn g3_a_list_that_changes_step_by_step_lets_no_build_read_what_was_invalidated() {
    let fleet = Fleet::start(3);
    let (old, new) = (fleet.url(&[0, 1]), fleet.url(&[0, 2]));
    let first = Memcached::lazy(&old).unwrap().formerly(&new).unwrap();
    let second = Memcached::lazy(&new).unwrap().formerly(&old).unwrap();
    for key in keys() {
        for (writer, changer) in [(&first, &second), (&second, &first)] {
            set(writer, &key, "one").await.unwrap();
            changer.change(&key, Change::MarkStale { beside: Vec::new() }).await.unwrap();
            assert!(look(writer, &key).await.unwrap().is_marked, "{}", key.full());
            set(writer, &key, "two").await.unwrap();
            invalidate(changer, &key).await.unwrap();
            assert_eq!(stored(writer, &key).await, None, "{}", key.full());
        }
    }
    // Reads go to one server alone.
    set(&first, &keys()[0], "one").await.unwrap();
    let moved = keys().into_iter().find(|key| {
        let only_old = Memcached::lazy(&old).unwrap();
        only_old.server_of(key) == 1
    });
    let moved = moved.unwrap();
    set(&first, &moved, "one").await.unwrap();
    assert_eq!(stored(&second, &moved).await, None);
}

#[tokio::test]
async fn g3_an_invalidation_that_one_of_both_servers_has_not_heard_is_an_error() {
    let a = key("a");
    for away in [0, 1] {
        let mut fleet = Fleet::start(2);
        let both = Memcached::lazy(&fleet.url(&[0])).unwrap().formerly(&fleet.url(&[1])).unwrap();
        invalidate(&both, &a).await.unwrap();
        let there = fleet.connect(&[1 - away]).await;
        set(&*there, &a, "one").await.unwrap();
        fleet.servers[away].kill();
        assert!(within(invalidate(&both, &a)).await.is_err());
        assert_eq!(stored(&*there, &a).await, None, "the other one is told all the same");
        fleet.servers[away].restart().unwrap();
        in_time(async || invalidate(&both, &a).await).await;
    }
}

/// What the former server was not told is an error, and told later; the own server is told once.
#[tokio::test]
async fn g3_a_former_server_that_was_away_is_told_when_it_is_back() {
    let fleet = Fleet::start(2);
    let proxy = Proxy::start(fleet.servers[1].address()).unwrap();
    let former = format!("memcached://{}", proxy.address());
    let both = Memcached::lazy(&fleet.url(&[0])).unwrap().formerly(&former).unwrap();
    let there = fleet.connect(&[1]).await;
    let (invalidated, marked) = (key("invalidated"), key("marked"));
    for key in [&invalidated, &marked] {
        set(&both, key, "one").await.unwrap();
        set(&*there, key, "one").await.unwrap();
    }
    proxy.black_hole(FromClient, true);
    let error = within(invalidate(&both, &invalidated)).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Refused);
    assert!(std::error::Error::source(&error).unwrap().to_string().contains("former server"), "{error:?}");
    assert_eq!(stored(&both, &invalidated).await, None);
    // Each change is an error: none is taken for a repetition of another.
    for _ in 0..2 {
        assert_eq!(kind(both.change(&invalidated, INVALIDATE)).await, BackendErrorKind::Refused);
    }
    for _ in 0..2 {
        assert_eq!(kind(both.change(&marked, MARK)).await, BackendErrorKind::Refused);
        assert!(look(&both, &marked).await.unwrap().is_marked);
    }
    for key in [&invalidated, &marked] {
        set(&both, key, "two").await.unwrap();
        assert_eq!(stored(&*there, key).await.unwrap(), "one");
    }
    proxy.normal();
    proxy.sever();
    let told = async || match (look(&*there, &invalidated).await?.entry, look(&*there, &marked).await?.is_marked) {
        (None, true) => Ok(()),
        other => Err(BackendError::new(BackendErrorKind::Refused).caused_by(format!("{other:?}"))),
    };
    in_time(told).await;
    for key in [&invalidated, &marked] {
        assert_eq!(stored(&both, key).await.unwrap(), "two", "the own server is left in peace");
        assert!(!look(&both, key).await.unwrap().is_marked);
    }
    invalidate(&both, &invalidated).await.unwrap();
}

/// A change that is dropped while the former server is silent is told all the same.
#[tokio::test]
async fn g3_a_former_server_is_told_of_a_change_that_was_dropped() {
    let fleet = Fleet::start(2);
    let proxy = Proxy::start(fleet.servers[1].address()).unwrap();
    let former = format!("memcached://{}", proxy.address());
    let both = Memcached::lazy(&fleet.url(&[0])).unwrap().formerly(&former).unwrap();
    let (there, a) = (fleet.connect(&[1]).await, key("a"));
    invalidate(&both, &a).await.unwrap();
    set(&*there, &a, "one").await.unwrap();
    proxy.black_hole(FromClient, true);
    let mut change = both.change(&a, INVALIDATE);
    assert!(poll_fn(|cx| Poll::Ready(change.as_mut().poll(cx).is_pending())).await);
    drop(change);
    assert_eq!(stored(&*there, &a).await.unwrap(), "one");
    proxy.normal();
    proxy.sever();
    let gone = async || stored(&*there, &a).await.map_or(Ok(()), Err);
    in_time(gone).await;
}

/// A claim by one process is seen by the others, through whichever list of the same servers.
#[tokio::test]
async fn g1_one_server_is_the_same_by_each_of_its_connections() {
    let server = MemcachedServer::start().unwrap();
    let (one, other) = (connect(&server).await, connect(&server).await);
    let a = key("a");
    let grant = granted(&*one, &a).await;
    let look = look(&*other, &a).await.unwrap();
    assert_eq!((look.seen, look.life), (Seen::NOTHING, grant.life));
    assert_eq!(other.publish(&a, &grant, entry("by another connection")).await.unwrap(), Published::Fresh);
    assert!(one.renew(&a, &grant, LEASE).await.is_ok());
}
