//! What those get who have waited for the creation of another access: each its own value, and none waits in a row.

use crate::kit::{MINUTE, NAME, builder, connect, key, until, within};
use dogpile_cache::backend::{
    Ask, Backend, Change, Changed, Claim as Claiming, Claimed, Count, Counted, Ended, Entry, Grant, Limits, Look,
    PauseFor, Pending, Published, Redis, Renewed, Signals,
};
use dogpile_cache::key::StoredKey;
use dogpile_cache::{Claim, Creation, Got, Made, Outcome, Published as Stored, Region};
use dogpile_servers::RedisServer;
use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;

/// How many connections listen to the channel of a place.
fn listeners(server: &RedisServer, key: &StoredKey) -> Option<i64> {
    let channel = format!("{{{}}}@signal", key.place());
    server.command(&["PUBSUB", "NUMSUB", &channel]).unwrap().items()[1].int()
}

/// Many tasks of a process want a key. A creator says which key it was for.
fn wanting(region: &Region<str, String>, key: &'static str, tasks: usize) -> JoinSet<(String, Outcome)> {
    let mut accesses = JoinSet::new();
    for _ in 0..tasks {
        let region = region.clone();
        accesses.spawn(async move {
            let got = region.get(key).or_create(async || format!("of {key}")).await.unwrap();
            (got.to_string(), Got::outcome(&got))
        });
    }
    accesses
}

/// Awaits tasks, one of which has created: all have the value that they wanted.
async fn assert_all_have(value: &str, accesses: JoinSet<(String, Outcome)>) {
    let got = within(accesses.join_all()).await;
    assert!(got.iter().all(|(got, _)| got == value), "{got:?}");
    let created = got.iter().filter(|(_, outcome)| *outcome == Outcome::Created).count();
    assert_eq!(created, 1, "{got:?}");
}

/// S14: two schemas of a key have one grant, and one channel.
#[tokio::test]
async fn s14_g13_those_who_wait_for_another_schema_get_their_own_value() {
    let server = RedisServer::start().unwrap();
    let one: Region<str, String> = builder(&connect(&server).await).schema(1).build().unwrap();
    let other: Region<str, String> = builder(&connect(&server).await).schema(2).build().unwrap();
    let Claim::Create(creation) = one.get("a").claim().await.unwrap() else { panic!() };
    let waiting = wanting(&other, "a", 10);
    until(|| listeners(&server, &key("a")) == Some(1)).await;
    creation.publish("of the other schema".to_owned()).await.unwrap();
    assert_all_have("of a", waiting).await;
    for (region, value) in [(&one, "of the other schema"), (&other, "of a")] {
        let got = region.get("a").value().await.unwrap().expect("both are stored");
        assert_eq!((&**got, Got::outcome(&got)), (value, Outcome::Fresh));
        assert_eq!(region.counts().overlaps.total(), 0);
    }
}

/// The key that all keys are on a [`OneKey`].
const ALL: &str = "all";

/// A Redis on which all keys collide: entry, grant, pause and channel of each are those of one key.
struct OneKey(Arc<Redis>, StoredKey);

impl Backend for OneKey {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        assert_eq!(keys.len(), 1, "these tests want one key at a time");
        self.0.look(slice::from_ref(&self.1), ask)
    }

    fn claim<'a>(&'a self, _key: &'a StoredKey, claim: Claiming) -> Pending<'a, Claimed> {
        self.0.claim(&self.1, claim)
    }

    fn renew<'a>(&'a self, _key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        self.0.renew(&self.1, grant, lease)
    }

    fn publish<'a>(&'a self, _key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        self.0.publish(&self.1, grant, entry)
    }

    fn end<'a>(&'a self, _key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        self.0.end(&self.1, grant, pause)
    }

    fn change<'a>(&'a self, _key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        self.0.change(&self.1, change)
    }

    fn count<'a>(&'a self, _key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        self.0.count(&self.1, count)
    }

    fn listen<'a>(&'a self, _key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        self.0.listen(&self.1)
    }

    fn ping(&self) -> Pending<'_, ()> {
        self.0.ping()
    }

    fn limits(&self) -> Limits {
        self.0.limits()
    }
}

/// A text that is too long to be a key on the server as it is: its hash is the key, and the entry has the whole text.
fn long(letter: &str) -> &'static str {
    Box::leak(letter.repeat(2000).into_boxed_str())
}

/// S14: two keys whose hashes collide have one entry, one grant and one channel.
#[tokio::test]
async fn s14_g13_those_who_wait_for_a_key_that_collides_get_their_own_value() {
    let server = RedisServer::start().unwrap();
    let mut regions = Vec::new();
    for _ in 0..2 {
        let colliding = OneKey(connect(&server).await, key(ALL));
        let region: Region<str, String> = Region::builder(NAME).expires_after(MINUTE).far(colliding).build().unwrap();
        regions.push(region);
    }
    let [one, other] = &regions[..] else { unreachable!() };
    for (a, b) in [(long("a"), long("b")), (long("c"), long("d"))] {
        let Claim::Create(creation) = one.get(a).claim().await.unwrap() else { panic!() };
        let (others, own) = (wanting(other, b, 10), wanting(one, b, 10));
        until(|| listeners(&server, &key(ALL)) == Some(2)).await;
        let got = creation.publish(format!("of {a}")).await.unwrap();
        assert_eq!(Got::published(&got), Some(Stored::Fresh));
        for accesses in [others, own] {
            let got = within(accesses.join_all()).await;
            assert!(got.iter().all(|(got, _)| *got == format!("of {b}")), "{got:?}");
        }
        // The entry is of one of them. The other counts as missing, whichever it is.
        assert!(other.get(a).value().await.unwrap().is_none());
        assert_all_have(&format!("of {a}"), wanting(other, a, 10)).await;
        assert!(one.get(b).value().await.unwrap().is_none());
    }
}

/// S90: a value that is not to be stored is of no use to other processes. Each of them creates for itself, once for all
/// of its tasks.
#[tokio::test]
async fn s90_a_hundred_waiters_on_what_is_not_to_be_stored_cost_one_creation_a_process() {
    const PROCESSES: usize = 4;
    const TASKS: usize = 25;
    let server = RedisServer::start().unwrap();
    let first: Region<str, String> = builder(&connect(&server).await).build().unwrap();
    let Claim::Create(creation) = first.get("a").claim().await.unwrap() else { panic!() };
    let created = Arc::new(AtomicUsize::new(0));
    let (mut regions, mut waiting) = (Vec::new(), JoinSet::new());
    for process in 0..PROCESSES {
        let region: Region<str, String> = builder(&connect(&server).await).build().unwrap();
        for _ in 0..TASKS {
            let (region, created) = (region.clone(), Arc::clone(&created));
            waiting.spawn(async move {
                let creator = async |_: &Creation<str, String>| {
                    created.fetch_add(1, Ordering::Relaxed);
                    tokio::task::yield_now().await;
                    Made::new(format!("of {process}")).unstored()
                };
                let got = region.get("a").or_create_with(creator).await.unwrap();
                assert_eq!(**got, format!("of {process}"));
            });
        }
        regions.push(region);
    }
    // (A task that has missed waits in the same poll, and all tasks are of one thread.)
    let wait = |region: &Region<str, String>| region.counts().misses == TASKS as u64;
    until(|| regions.iter().all(wait) && listeners(&server, &key("a")) == Some(4)).await;
    creation.publish(Made::new("of the first".to_owned()).unstored()).await.unwrap();
    within(waiting.join_all()).await;
    assert_eq!(created.load(Ordering::Relaxed), PROCESSES);
    assert!(first.get("a").value().await.unwrap().is_none());
}
