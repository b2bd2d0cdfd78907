//! Many tasks, in many processes, on one key: one creation, and operations that go with the processes.

use crate::kit::{Ground, MS, SECOND, stored};
use crate::wire::{Kind, WATCHDOG, Wire};
use dogpile::ManualClock;
use dogpile_cache::backend::{Backend, Claim, Claimed, Fault, Faulty, Memory, Token};
use dogpile_cache::observer::Overlap;
use dogpile_cache::{Got, Outcome, Region};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

/// A server that answers after a few polls.
type Server = Arc<Wire<Faulty<Arc<Memory>>>>;

fn server() -> (Arc<Memory>, Server) {
    let memory = Arc::new(Memory::new());
    let wire = Wire::new(Faulty::new(Arc::clone(&memory), 7).with(Fault::Delayed, 1.0));
    (memory, wire)
}

fn process(server: &Server) -> Region<u64, String> {
    let builder = Region::builder("test").expires_after(SECOND * 600).poll(MS * 20).backend_timeout(SECOND * 30);
    builder.far(Arc::clone(server)).build().unwrap()
}

/// Has many tasks of some processes want one key at once. Returns how many creators ran.
async fn all_at_once(processes: &[Region<u64, String>], tasks: usize) -> usize {
    let (begun, created) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let all = processes.len() * tasks;
    let mut accesses = JoinSet::new();
    for task in 0..all {
        let (region, begun, created) = (processes[task % processes.len()].clone(), begun.clone(), created.clone());
        accesses.spawn(async move {
            begun.fetch_add(1, Ordering::SeqCst);
            let creator = async || {
                created.fetch_add(1, Ordering::SeqCst);
                while begun.load(Ordering::SeqCst) < all {
                    yield_now().await;
                }
                "one".to_owned()
            };
            let got = region.get(&1).or_create(creator).await.unwrap();
            assert_eq!(&**got, "one");
        });
    }
    timeout(WATCHDOG, accesses.join_all()).await.expect("all come to their end");
    created.load(Ordering::SeqCst)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn ten_thousand_tasks_on_a_missing_key_are_one_creation_and_few_looks() {
    let (_, server) = server();
    let region = process(&server);
    assert_eq!(all_at_once(std::slice::from_ref(&region), 10_000).await, 1);
    let (looks, claims) = (server.count_of(Kind::Look), server.count_of(Kind::Claim));
    println!("{looks} looks, and {} saved; {claims} claims", region.counts().saved_looks);
    assert!(looks <= 100, "{looks} looks");
    // A task whose look was answered before the publication, and that joins after it, is elected, and its claim is
    // answered with the value.
    assert!(claims <= 100, "{claims} claims");
    assert_eq!(server.count_of(Kind::Publish), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s4_s23_s24_a_fleet_that_starts_cold_creates_once_and_so_after_a_flush() {
    let (memory, server) = server();
    let fleet: Vec<_> = (0..64).map(|_| process(&server)).collect();
    assert_eq!(all_at_once(&fleet, 16).await, 1);
    assert_eq!(all_at_once(&fleet, 16).await, 0, "the value is there");
    memory.lose_everything();
    assert_eq!(all_at_once(&fleet, 16).await, 1, "the server was flushed");
    let overlaps: u64 = fleet.iter().map(|region| region.counts().overlaps.total()).sum();
    assert_eq!(overlaps, 0);
}

/// How many operations a fleet makes while one of its processes creates for ten seconds.
async fn operations(processes: usize, waiters: usize) -> u64 {
    let clock = Arc::new(ManualClock::new());
    let memory = Memory::with_clock(Arc::clone(&clock));
    let wire = Wire::new(Faulty::new(memory, 7).with(Fault::Delayed, 1.0));
    let process = || -> Region<u64, String> {
        let builder = Region::builder("test").expires_after(SECOND * 600).clock(Arc::clone(&clock));
        builder.far(Arc::clone(&wire)).build().unwrap()
    };
    let holder = process();
    let dogpile_cache::Claim::Create(creation) = holder.get(&1).claim().await.unwrap() else { panic!("it is missing") };
    let mut accesses = JoinSet::new();
    for _ in 0..processes {
        let region = process();
        for _ in 0..waiters {
            let region = region.clone();
            accesses.spawn(async move { region.get(&1).or_create(async || panic!("another creates")).await });
        }
    }
    for _ in 0..100 {
        for _ in 0..50 {
            yield_now().await;
        }
        clock.advance(MS * 100);
    }
    let operations = wire.counts();
    creation.publish("one".to_owned()).await.unwrap();
    while !accesses.is_empty() {
        clock.advance(MS * 100);
        for _ in 0..50 {
            yield_now().await;
        }
        while let Some(got) = accesses.try_join_next() {
            assert_eq!(&**got.unwrap().unwrap(), "one");
        }
    }
    operations
}

#[tokio::test]
async fn s12_operations_go_with_processes_and_not_with_waiters() {
    let (few, many) = (operations(10, 1).await, operations(10, 100).await);
    println!("{few} operations for 10 waiters, and {many} for 1000");
    assert!(many <= few * 2, "{many} operations for 1000 waiters, {few} for 10");
}

/// 500 waiters in 10 processes wait for a holder that is dead. Returns when they were served, and the overlaps that
/// they have counted.
async fn after_a_dead_holder(ground: &Ground, memory: &Arc<Memory<Arc<ManualClock>>>) -> (Duration, u64) {
    let claim = memory.claim(&stored(1), Claim::new(Token(7), SECOND * 10)).await.unwrap();
    assert!(matches!(claim, Claimed::Granted { .. }));
    let created = Arc::new(AtomicUsize::new(0));
    let processes: Vec<Region<u64, String>> =
        (0..10).map(|_| ground.builder().far(Arc::clone(memory)).build().unwrap()).collect();
    let mut accesses = JoinSet::new();
    for task in 0..500 {
        let (region, created) = (processes[task % 10].clone(), Arc::clone(&created));
        let creator = async move || {
            created.fetch_add(1, Ordering::SeqCst);
            for _ in 0..20 {
                yield_now().await;
            }
            "one".to_owned()
        };
        accesses.spawn(async move { region.get(&1).or_create(creator).await });
    }
    let mut first = None;
    while !accesses.is_empty() {
        for _ in 0..50 {
            yield_now().await;
        }
        if created.load(Ordering::SeqCst) > 0 {
            first.get_or_insert(ground.clock.elapsed());
        }
        while let Some(got) = accesses.try_join_next() {
            let got = got.unwrap().unwrap();
            assert_eq!(&**got, "one");
            assert!(matches!(Got::outcome(&got), Outcome::Created | Outcome::Waited | Outcome::Fresh));
        }
        ground.clock.advance(MS * 50);
        assert!(ground.clock.elapsed() < SECOND * 30, "G5: each wait ends");
    }
    assert_eq!(created.load(Ordering::SeqCst), 1, "one is elected");
    let overlaps = processes.iter().map(|region| region.counts().overlaps.get(Overlap::TookOver)).sum();
    (first.unwrap(), overlaps)
}

#[tokio::test]
async fn s1_s21_after_a_dead_holder_one_is_elected_when_its_lease_is_over() {
    let ground = Ground::new();
    let (at, overlaps) = after_a_dead_holder(&ground, &ground.memory).await;
    assert!(at >= SECOND * 10 && at <= SECOND * 10 + MS * 350, "{at:?}");
    // The lease ends for the server and for those who watch at the same moment: the first claim is over the dead or
    // not.
    assert!(overlaps <= 1, "{overlaps}");
}

/// The clock of the server stands still: those who wait take the holder over, after a lease by their own clocks.
#[tokio::test]
async fn s1_g5_a_dead_holder_is_taken_over_even_if_the_server_keeps_its_grant() {
    let ground = Ground::new();
    let frozen = Arc::new(Memory::with_clock(Arc::new(ManualClock::new())));
    let (at, overlaps) = after_a_dead_holder(&ground, &frozen).await;
    assert!(at >= SECOND * 10 && at <= SECOND * 10 + MS * 350, "{at:?}");
    assert_eq!(overlaps, 1, "one has taken over");
}
