//! Threads that read and end leave no memory behind, on an allocator that counts.

#![cfg(not(dogpile_loom))]

mod memory;

use dogpile::{RmLock, RmLockReadGuard};
use memory::in_use;
use std::cell::RefCell;
use std::thread;

static LOCKS: [RmLock<u8>; 2] = [const { RmLock::new(0) }; 2];

/// When it is destroyed, it reads some more, and then lets go of its guard.
struct Late {
    _guard: RmLockReadGuard<'static, u8>,
}

impl Drop for Late {
    fn drop(&mut self) {
        let _nested: Vec<_> = (0..20).map(|at| LOCKS[at % 2].read()).collect();
    }
}

thread_local! {
    static LATE: RefCell<Option<Late>> = const { RefCell::new(None) };
}

/// Does everything for which a reader needs memory: nests deeper than its record, waits, and outlives its record.
fn read(late_first: bool) {
    if late_first {
        LATE.with(|_| ());
    }
    drop(LOCKS[0].read());
    let _guards: Vec<_> = (0..20).map(|at| LOCKS[at % 2].read()).collect();
    LATE.set(Some(Late { _guard: LOCKS[0].read() }));
}

/// Runs some threads at a time, so that they take over each other's records, and a writer for each group of them.
fn threads(count: usize) {
    const AT_ONCE: usize = 5;
    for _ in 0..count / AT_ONCE {
        thread::scope(|scope| {
            let writes = LOCKS[0].write();
            let threads: [_; AT_ONCE] = std::array::from_fn(|at| scope.spawn(move || read(at % 2 == 0)));
            while LOCKS[0].waiting_readers() != AT_ONCE {
                thread::yield_now();
            }
            drop(writes);
            // Not only to the end of the scope, which comes before the thread's own end.
            for thread in threads {
                thread.join().unwrap();
            }
        });
    }
}

#[test]
fn threads_that_read_and_end_leave_no_memory_behind() {
    let live = || in_use();
    threads(1_000);
    let after_some = live();
    threads(10_000);
    let after_many = live();
    // Memory that is kept for good grows with the number of threads that exist at once. Some threads may take longer to
    // end than others.
    assert!(after_many < after_some + 10_000, "{after_some} -> {after_many} bytes: more than one for each thread");

    let leaks = || {
        for _ in 0..1_000 {
            thread::spawn(|| std::mem::forget(LOCKS[0].read())).join().unwrap();
        }
    };
    leaks();
    assert!(live() > after_many + 1_000 * 64, "the count sees what each thread leaves behind if it does");
}
