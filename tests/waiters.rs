//! A thousand threads wait for one missing value (C24), on an allocator that counts.

mod memory;

use dogpile::{Dogpile, Outcome, Turn};
use memory::in_use;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// Lets `count` threads wait for one creation. Returns how much memory was in use while all of them waited.
fn all_wait(lock: &Arc<Dogpile>, count: usize) -> usize {
    let Turn::Create(creation) = lock.acquire() else { panic!("there is no value") };
    let threads: Vec<_> = (0..count)
        .map(|_| {
            let lock = Arc::clone(lock);
            let small = thread::Builder::new().stack_size(128 * 1024);
            small.spawn(move || lock.acquire_or_create(|| panic!("one creation serves all"))).expect("a thread")
        })
        .collect();
    while lock.waiting() != count {
        thread::yield_now();
    }
    let waiting = in_use();
    creation.finish();
    for thread in threads {
        assert_eq!(thread.join().unwrap(), Outcome::Waited);
    }
    assert_eq!(lock.waiting(), 0);
    lock.invalidate();
    waiting
}

#[test]
fn l3_c24_a_thousand_threads_are_served_by_one_creation_and_leave_no_memory_behind() {
    let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
    // A leak would occur in every round, and be at least a word for each waiter. Memory that is kept for good, such as
    // parking_lot's table of threads, grows now and then.
    let grown = (0..4).map(|_| {
        let before = in_use();
        let waiting = all_wait(&lock, 1_000);
        let after = in_use();
        assert!(waiting >= before + 1_000 * 48, "the count sees the queue: {before} -> {waiting}");
        after.saturating_sub(before)
    });
    let grown: Vec<_> = grown.collect();
    assert!(
        grown.iter().any(|bytes| *bytes < 1_000 * size_of::<usize>()),
        "memory is given back, but for {grown:?} bytes a round"
    );
}
