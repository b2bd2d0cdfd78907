//! Threads that end: which guards they still hold, and which they still ask for, while their thread-locals are
//! destroyed.
//!
//! The platform decides the order of destruction. So each test runs with a thread-local of its own that existed before
//! the crate's, with one that came after it, and on threads that the crate had never seen.

use super::{DEEP, FOREVER, Holder, MOMENT, Signal, join, stays, until};
use dogpile::{LockError, RmLock, RmLockReadGuard};
use parking_lot::Mutex;
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

type Job = Box<dyn FnOnce()>;

/// Runs its jobs when it is destroyed.
struct AtExit(RefCell<Vec<Job>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        self.0.take().into_iter().for_each(|job| job());
    }
}

thread_local! {
    static AT_EXIT: AtExit = const { AtExit(RefCell::new(Vec::new())) };
}

/// Has this thread run `job` while its thread-locals are destroyed.
fn at_exit(job: impl FnOnce() + 'static) {
    AT_EXIT.with(|exit| exit.0.borrow_mut().push(Box::new(job)));
}

/// Which thread-locals a thread has before the test, and in which order it got them.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Knows {
    TestBeforeCrate,
    CrateBeforeTest,
    TestAlone,
}

const ALL: [Knows; 3] = [Knows::TestBeforeCrate, Knows::CrateBeforeTest, Knows::TestAlone];

impl Knows {
    fn learn(self) {
        if self == Self::CrateBeforeTest {
            use_the_crate();
        }
        AT_EXIT.with(|_| ());
        if self == Self::TestBeforeCrate {
            use_the_crate();
        }
    }
}

/// Uses all that the crate keeps for a thread: reads, and waits.
fn use_the_crate() {
    let any = Arc::new(RmLock::new(()));
    drop(any.read());
    let _reads = any.read_owned();
    assert_eq!(any.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
}

/// The result of a job that runs at the end of a thread. The job must not panic there.
struct Report<T>(Mutex<Option<thread::Result<T>>>);

impl<T: Send + 'static> Report<T> {
    fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(None)))
    }

    fn at_exit(self: Arc<Self>, job: impl FnOnce() -> T + 'static) {
        at_exit(move || *self.0.lock() = Some(catch_unwind(AssertUnwindSafe(job))));
    }

    /// Returns the result, once the thread has been joined.
    fn read(&self) -> T {
        let ended = self.0.lock().take().expect("the thread has ended");
        ended.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

/// Runs `job` at the end of a new thread, and returns its result.
fn at_the_end_of_a_thread<T: Send + 'static>(knows: Knows, job: impl FnOnce() -> T + Send + 'static) -> T {
    let report = Report::new();
    let thread = {
        let report = Arc::clone(&report);
        thread::spawn(move || {
            knows.learn();
            report.at_exit(job);
        })
    };
    thread.join().unwrap_or_else(|panic| resume_unwind(panic));
    report.read()
}

/// Asserts that no thread holds the lock, and that new threads can read and write it.
fn is_free(lock: &'static RmLock<u32>) {
    assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
    assert!(lock.try_write().is_ok());
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|_| {
                scope.spawn(|| {
                    drop(lock.read());
                    drop(lock.write());
                    let _guards: Vec<_> = (0..DEEP).map(|_| lock.read()).collect();
                })
            })
            .collect();
        threads.into_iter().for_each(join);
    });
    assert!(lock.try_write().is_ok());
}

pub fn l9_a_guard_in_a_thread_local_holds_until_it_is_dropped() {
    static LOCK: RmLock<u32> = RmLock::new(0);
    for knows in ALL {
        for depth in [1, DEEP] {
            let [reads, dies] = [(); 2].map(|()| Arc::new(Signal::default()));
            let report = Report::new();
            thread::scope(|scope| {
                let thread = {
                    let (reads, dies, report) = (Arc::clone(&reads), Arc::clone(&dies), Arc::clone(&report));
                    scope.spawn(move || {
                        knows.learn();
                        let guards: Vec<_> = (0..depth).map(|_| LOCK.read()).collect();
                        let before = *guards[0];
                        reads.give();
                        dies.wait();
                        report.at_exit(move || {
                            stays(|| LOCK.waiting_writers() == 1 && *guards[depth - 1] == before);
                            drop(guards);
                        });
                    })
                };
                reads.wait();
                let writer = Holder::begins(scope, || *LOCK.write() += 1);
                until(|| LOCK.waiting_writers() == 1);
                dies.give();
                join(thread);
                report.read();
                writer.ends();
            });
        }
    }
    assert_eq!(*LOCK.read(), 6);
    is_free(&LOCK);
}

pub fn l9_several_guards_in_thread_locals_are_dropped_in_any_order() {
    static LOCKS: [RmLock<u32>; 3] = [const { RmLock::new(0) }; 3];
    for knows in ALL {
        for order in [[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0], [1, 4, 0, 5, 2, 3]] {
            let report = Report::new();
            let thread = {
                let report = Arc::clone(&report);
                thread::spawn(move || {
                    knows.learn();
                    let mut guards: Vec<_> = (0..6).map(|at| Some(LOCKS[at % 3].read())).collect();
                    report.at_exit(move || {
                        for at in order {
                            let held = |which: usize| guards[which].is_some() || guards[which + 3].is_some();
                            let expected = [0, 1, 2].map(|which| held(which).then_some(LockError::ReadLockHeld));
                            let found = [0, 1, 2].map(|which| LOCKS[which].write_timeout(Duration::ZERO).err());
                            assert_eq!(found, expected, "{order:?} before {at}");
                            guards[at] = None;
                        }
                    });
                })
            };
            thread.join().unwrap_or_else(|panic| resume_unwind(panic));
            report.read();
            assert!(LOCKS.iter().all(|lock| lock.try_write().is_ok()));
        }
    }
    LOCKS.iter().for_each(is_free);
}

pub fn l7_guards_of_an_ending_thread_are_known() {
    static LOCK: RmLock<u32> = RmLock::new(0);
    for knows in ALL {
        let [reads, dies] = [(); 2].map(|()| Arc::new(Signal::default()));
        let report = Report::new();
        thread::scope(|scope| {
            let thread = {
                let (reads, dies, report) = (Arc::clone(&reads), Arc::clone(&dies), Arc::clone(&report));
                scope.spawn(move || {
                    knows.learn();
                    let guard = LOCK.read();
                    reads.give();
                    dies.wait();
                    report.at_exit(move || {
                        let held = Some(LockError::ReadLockHeld);
                        assert_eq!(LOCK.write_timeout(FOREVER).err(), held);
                        // A writer waits, and this thread gets in all the same.
                        let inner = LOCK.read();
                        drop(LOCK.read_timeout(Duration::ZERO).unwrap());
                        drop(LOCK.try_read().unwrap());
                        drop(RmLockReadGuard::into_owned(LOCK.read(), &LOCK));
                        drop(guard);
                        stays(|| LOCK.waiting_writers() == 1);
                        assert_eq!(LOCK.write_timeout(FOREVER).err(), held, "the inner one is left");
                        let innermost = LOCK.try_read().unwrap();
                        drop(inner);
                        assert_eq!(LOCK.write_timeout(FOREVER).err(), held, "and the one within that");
                        stays(|| LOCK.waiting_writers() == 1);
                        drop(innermost);
                        // Now this thread does not read any more, and waits as any thread does.
                        drop(LOCK.write());
                    });
                })
            };
            reads.wait();
            let writer = Holder::begins(scope, || *LOCK.write() += 1);
            until(|| LOCK.waiting_writers() == 1);
            dies.give();
            writer.ends();
            join(thread);
            report.read();
        });
    }
    is_free(&LOCK);
}

pub fn l9_an_ending_thread_reads_and_writes() {
    static LOCK: RmLock<u32> = RmLock::new(0);
    let alone = || {
        let guards: Vec<_> = (0..DEEP).map(|_| LOCK.read()).collect();
        for guard in guards {
            assert_eq!(LOCK.write_timeout(FOREVER).err(), Some(LockError::ReadLockHeld));
            drop(guard);
        }
        let mut writes = LOCK.write();
        *writes += 1;
        assert_eq!(LOCK.read_timeout(FOREVER).err(), Some(LockError::WriteLockHeld));
        drop(writes);
        drop(LOCK.try_write().unwrap());
    };
    let behind_a_writer = || {
        assert!(LOCK.try_read().is_err());
        assert_eq!(LOCK.read_timeout(MOMENT).err(), Some(LockError::TimedOut));
        assert_eq!(LOCK.write_timeout(MOMENT).err(), Some(LockError::TimedOut));
    };
    for knows in ALL {
        at_the_end_of_a_thread(knows, alone);
        thread::scope(|scope| {
            let writer = Holder::holds(scope, || LOCK.write());
            at_the_end_of_a_thread(knows, behind_a_writer);
            writer.lets_go();
            let reader = Holder::holds(scope, || LOCK.read());
            let writer = Holder::begins(scope, || LOCK.write());
            until(|| LOCK.waiting_writers() == 1);
            at_the_end_of_a_thread(knows, behind_a_writer);
            reader.lets_go();
            writer.ends();
        });
        // A guard that the thread leaks is still held.
        at_the_end_of_a_thread(knows, move || std::mem::forget(LEAKS[knows as usize].read()));
        assert_eq!(LEAKS[knows as usize].write_timeout(MOMENT).err(), Some(LockError::TimedOut));
    }
    assert_eq!(*LOCK.read(), 3);
    is_free(&LOCK);
}

static LEAKS: [RmLock<u32>; 3] = [const { RmLock::new(0) }; 3];

pub fn l9_an_ending_thread_waits_for_a_writer() {
    static LOCK: RmLock<u32> = RmLock::new(0);
    for knows in ALL {
        let mut writes = LOCK.write();
        let waits: [fn() -> u32; 2] = [|| *LOCK.read(), || *LOCK.write()];
        thread::scope(|scope| {
            let threads = waits.map(|wait| scope.spawn(move || at_the_end_of_a_thread(knows, wait)));
            until(|| (LOCK.waiting_readers(), LOCK.waiting_writers()) == (1, 1));
            *writes += 1;
            let written = *writes;
            drop(writes);
            assert_eq!(threads.map(join), [written; 2]);
        });
    }
    is_free(&LOCK);
}

pub fn l9_a_guard_that_outlives_its_record_is_no_other_threads() {
    static LOCK: RmLock<u32> = RmLock::new(0);
    static OTHER: RmLock<u32> = RmLock::new(0);
    // As many threads at once as are likely to take over every free record.
    const THREADS: usize = 24;
    for knows in ALL {
        let [ends, leaves] = [(); 2].map(|()| Arc::new(Signal::default()));
        let report = Report::new();
        thread::scope(|scope| {
            let thread = {
                let (ends, leaves, report) = (Arc::clone(&ends), Arc::clone(&leaves), Arc::clone(&report));
                scope.spawn(move || {
                    knows.learn();
                    let guard = LOCK.read();
                    report.at_exit(move || {
                        ends.give();
                        leaves.wait();
                        drop(guard);
                        // This thread is not taken for one that still reads.
                        drop(LOCK.write());
                    });
                })
            };
            ends.wait();
            let others: Vec<_> = (0..THREADS)
                .map(|_| {
                    Holder::holds(scope, || {
                        let guard = OTHER.read();
                        assert_eq!(LOCK.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
                        guard
                    })
                })
                .collect();
            leaves.give();
            join(thread);
            report.read();
            // The guards hold what they held before.
            assert_eq!(OTHER.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
            assert!(LOCK.try_write().is_ok());
            others.into_iter().for_each(Holder::lets_go);
        });
        assert!(OTHER.try_write().is_ok());
    }
    is_free(&LOCK);
    is_free(&OTHER);
}
