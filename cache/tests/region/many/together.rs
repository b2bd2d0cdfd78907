//! Many accesses to overlapping keys at once (S17).

use super::value;
use dogpile_cache::backend::Memory;
use dogpile_cache::{Near, Region};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::Duration;
use tokio::task::{JoinSet, yield_now};

const KEYS: u64 = 150;
const TASKS: u64 = 8;
const EACH: u64 = 100;

/// Each task of each region asks for a hundred keys, in an order of its own, half of them from the last to the first.
async fn all_at_once(regions: Vec<Region<u64, String>>) {
    let created: Arc<Vec<AtomicU32>> = Arc::new((0..KEYS).map(|_| AtomicU32::new(0)).collect());
    let mut tasks = JoinSet::new();
    for (number, region) in regions.into_iter().enumerate() {
        for task in 0..TASKS {
            let (region, created, number) = (region.clone(), Arc::clone(&created), number as u64);
            tasks.spawn(async move {
                let first = task * 17 + number * 7;
                let mut keys: Vec<u64> = (first..first + EACH).map(|key| key % KEYS).collect();
                if (task + number) % 2 == 1 {
                    keys.reverse();
                }
                let got = region.get_many(&keys).or_create(async |missing| {
                    let mut made = Vec::new();
                    for key in missing {
                        created[usize::try_from(key).unwrap()].fetch_add(1, Relaxed);
                        yield_now().await;
                        made.push(value(key));
                    }
                    made
                });
                let got = got.await.unwrap();
                assert!(keys.iter().zip(&got).all(|(key, got)| **got == value(*key)));
            });
        }
    }
    // It is no part of the test how long this takes. A deadlock would take for ever.
    tokio::time::timeout(Duration::from_secs(120), tasks.join_all()).await.expect("this is a deadlock");
    for (key, created) in created.iter().enumerate() {
        assert_eq!(created.load(Relaxed), 1, "key {key}");
    }
}

fn far(memory: &Arc<Memory>) -> Region<u64, String> {
    let builder = Region::builder("test").expires_after(Duration::from_secs(600));
    builder.far(Arc::clone(memory)).build().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s17_tasks_of_one_process_never_wait_for_each_other_in_a_circle() {
    let near = Region::builder("test").expires_after(Duration::from_secs(600)).near(Near::holding(10_000));
    all_at_once(vec![near.build().unwrap()]).await;
    all_at_once(vec![far(&Arc::new(Memory::new()))]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s17_two_processes_never_wait_for_each_other_in_a_circle() {
    let memory = Arc::new(Memory::new());
    all_at_once(vec![far(&memory), far(&memory)]).await;
}

#[tokio::test]
async fn s17_two_processes_on_one_thread_neither() {
    let memory = Arc::new(Memory::new());
    all_at_once(vec![far(&memory), far(&memory)]).await;
}

#[tokio::test]
async fn g14_ten_thousand_keys_are_no_more_than_that() {
    let memory = Arc::new(Memory::new());
    let keys: Vec<u64> = (0..10_000).collect();
    let (one, two) = (far(&memory), far(&memory));
    let make = |region: Region<u64, String>| {
        let keys = keys.clone();
        async move { region.get_many(&keys).or_create(async |keys| keys.into_iter().map(value).collect()).await }
    };
    let (one, two, three) = tokio::join!(make(one.clone()), make(two.clone()), make(one.clone()));
    assert!([one, two, three].iter().all(|got| got.as_ref().unwrap().len() == 10_000));
}
