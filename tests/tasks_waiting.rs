//! Ten thousand tasks wait for one missing value on two threads (C24), on an allocator that counts.

mod memory;

use dogpile::{Dogpile, Outcome, Turn};
use memory::in_use;
use std::sync::Arc;
use std::thread;
use tokio::runtime::{Builder, Runtime};

const TASKS: usize = 10_000;

/// Lets all tasks wait for one creation. Returns how much memory was in use while they waited.
fn all_wait(runtime: &Runtime, lock: &Arc<Dogpile>) -> usize {
    let Turn::Create(creation) = lock.acquire() else { panic!("there is no value") };
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let lock = Arc::clone(lock);
            runtime
                .spawn(async move { lock.access_async().or_create(async || panic!("one creation serves all")).await })
        })
        .collect();
    while lock.waiting() != TASKS {
        thread::yield_now();
    }
    let waiting = in_use();
    creation.finish();
    runtime.block_on(async {
        for task in tasks {
            assert_eq!(task.await.unwrap(), Outcome::Waited);
        }
    });
    assert_eq!(lock.waiting(), 0);
    lock.invalidate();
    waiting
}

#[test]
fn l3_c24_ten_thousand_tasks_are_served_by_one_creation_and_leave_no_memory_behind() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let lock = Arc::new(Dogpile::never_expires());
    // A leak would occur in every round, and be at least a word for each waiter. (The runtime keeps some memory now and
    // then.)
    let grown = (0..4).map(|_| {
        let before = in_use();
        let waiting = all_wait(&runtime, &lock);
        let after = in_use();
        assert!(waiting >= before + TASKS * 48, "the count sees the queue: {before} -> {waiting}");
        after.saturating_sub(before)
    });
    let grown: Vec<_> = grown.collect();
    assert!(
        grown.iter().any(|bytes| *bytes < TASKS * size_of::<usize>()),
        "memory is given back, but for {grown:?} bytes a round"
    );
}
