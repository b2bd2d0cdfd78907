//! A thousand threads wait for one missing value (C24), on an allocator that counts.

use dogpile::{Dogpile, Outcome, Turn};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

struct Counting;

static LIVE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator unchanged; only sizes are counted.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: the caller's promises are passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Lets `count` threads wait for one creation; returns how much memory was in use while they all did.
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
    let waiting = LIVE.load(Ordering::Relaxed);
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
    // What leaks, leaks in every round, and a word at least for each who waited. What is kept for good, such as parking_lot's
    // table of threads, grows now and then.
    let grown = (0..4).map(|_| {
        let before = LIVE.load(Ordering::Relaxed);
        let waiting = all_wait(&lock, 1_000);
        let after = LIVE.load(Ordering::Relaxed);
        assert!(waiting >= before + 1_000 * 48, "the count sees the queue: {before} -> {waiting}");
        after.saturating_sub(before)
    });
    let grown: Vec<_> = grown.collect();
    assert!(
        grown.iter().any(|bytes| *bytes < 1_000 * size_of::<usize>()),
        "memory is given back, but for {grown:?} bytes a round"
    );
}
