//! Where keys lie, and what many of them cost.

use crate::kit::{self, LEASE, SECOND, granted, key, look, set, stored};
use crate::{connected, moved, owner, stat};
use dogpile_cache::backend::{
    Backend, Change, Changed, Claim, Claimed, Count, Counted, Ended, PauseFor, Published, Renewed, Seen, Signal, Token,
};
use dogpile_cache::key::StoredKey;
use dogpile_servers::{Cluster, RedisServer};
use std::collections::HashSet;

const BRACES: [&str; 24] = [
    "",
    "7",
    "{7}",
    "}{",
    "{}",
    "a}b",
    "a{b",
    "}}",
    "{{",
    "{",
    "}",
    "{}{7}",
    "{{7}}",
    "}7{",
    "{a}{b}",
    "a{b}c",
    "{}a",
    "{ }",
    "{\n}",
    "{\0}",
    "\u{1f98a}{\u{1f98a}}",
    "@grant",
    "{7}@grant",
    "}@1.1{",
];

/// All operations on a key.
async fn all(backend: &impl Backend, key: &StoredKey) {
    let text = key.full();
    let mut signals = backend.listen(key).expect("there are signals").await.unwrap();
    let grant = granted(backend, key).await;
    assert!(matches!(backend.renew(key, &grant, LEASE).await.unwrap(), Renewed::Yes(_)), "{text}");
    let published = backend.publish(key, &grant, kit::entry("published")).await.unwrap();
    assert_eq!(published, Published::Fresh, "{text}");
    assert_eq!(tokio::time::timeout(kit::PATIENCE, signals.heard()).await.unwrap(), Signal::Changed, "{text}");
    let seen = look(backend, key).await.unwrap().seen;
    let (entry, void_pause) = (kit::entry("set if"), SECOND);
    let set_if = backend.change(key, Change::SetIf { entry, seen, void_pause }).await.unwrap();
    assert_eq!(set_if, Changed::Yes { was_there: true, voided: false }, "{text}");
    assert_eq!(stored(backend, key).await.unwrap(), "set if", "{text}");
    let seen = look(backend, key).await.unwrap().seen;
    let touched = backend.change(key, Change::Touch { entry: kit::entry("touched"), seen }).await.unwrap();
    assert!(matches!(touched, Changed::Yes { .. }), "{text}");
    backend.change(key, Change::MarkStale { beside: Vec::new() }).await.unwrap();
    assert!(look(backend, key).await.unwrap().is_marked, "{text}");
    let failed = granted(backend, key).await;
    let pause = Some(PauseFor { failures: 1, pause: LEASE });
    assert_eq!(backend.end(key, &failed, pause).await.unwrap(), Ended::Yes, "{text}");
    let paused = backend.claim(key, Claim::new(Token::random(), LEASE)).await.unwrap();
    assert!(matches!(paused, Claimed::Paused(_)), "{text}: {paused:?}");
    kit::invalidate(backend, key).await.unwrap();
    assert_eq!(look(backend, key).await.unwrap().seen, Seen::NOTHING, "{text}");
    assert_eq!(kit::count(backend, key).await.unwrap(), 1, "{text}");
    assert_eq!(backend.count(key, Count::Get).await.unwrap(), Counted::Now(1), "{text}");
    set(backend, key, text).await.unwrap();
}

#[tokio::test]
async fn s88_keys_with_any_braces_take_all_operations_and_lie_on_all_nodes() {
    let cluster = Cluster::start(false).unwrap();
    let backend = connected(&cluster, 1).await;
    let mut nodes = HashSet::new();
    for text in BRACES {
        let key = key(text);
        all(&backend, &key).await;
        nodes.insert(owner(&cluster, &key));
    }
    assert_eq!(nodes.len(), 3, "a node has no keys");
    assert_eq!(moved(&cluster), 0, "the slot of a key was taken for another one");
    assert_eq!(stat(&cluster, "errorstat_CROSSSLOT", "count"), 0);
    // All of them at once, each with its own value; one is missing.
    let mut keys: Vec<_> = BRACES.iter().map(|text| key(text)).collect();
    keys.push(key("missing"));
    let looks = backend.look(&keys, None).await.unwrap();
    for (look, key) in looks.iter().zip(&keys[..BRACES.len()]) {
        assert_eq!(look.entry.as_deref(), Some(key.full().as_bytes()));
    }
    assert_eq!(looks[BRACES.len()].entry, None);
}

#[tokio::test]
async fn g14_a_look_of_many_keys_is_one_write_to_each_node() {
    const KEYS: usize = 300;
    let cluster = Cluster::start(false).unwrap();
    let backend = connected(&cluster, 0).await;
    let keys: Vec<_> = (0..KEYS).map(|number| key(&format!("{{{number}}}"))).collect();
    for key in &keys {
        set(&backend, key, key.full()).await.unwrap();
    }
    let reads = |node: &RedisServer| node.info("total_reads_processed").unwrap().parse::<u64>().unwrap();
    let before: Vec<_> = cluster.nodes.iter().map(reads).collect();
    let gets = stat(&cluster, "cmdstat_get", "calls");
    // Backwards, so that the order is that of the question.
    let asked: Vec<_> = keys.iter().rev().cloned().collect();
    let looks = backend.look(&asked, None).await.unwrap();
    let after: Vec<_> = cluster.nodes.iter().map(reads).collect();
    for (look, key) in looks.iter().zip(&asked) {
        assert_eq!(look.entry.as_deref(), Some(key.full().as_bytes()));
    }
    assert_eq!(stat(&cluster, "cmdstat_get", "calls") - gets, i64::try_from(KEYS).unwrap());
    for (before, after) in before.iter().zip(&after) {
        // The others are of this test, of the nodes among each other, and of the heartbeat. A hundred keys, one by one,
        // would be a hundred.
        assert!(after - before < 40, "{} reads", after - before);
    }
}
