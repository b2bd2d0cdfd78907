//! The readers of a lock and its writers: the race of the mark against the gate, waiting, giving up, and the owner of a
//! seat. The lock is `RmLock` with a `Slot` in it, so that loom notices a read of what is being written.
#![cfg(dogpile_loom)]

use dogpile::{LockError, RmLock, RmLockReadGuard};
use dogpile_loom_tests::{Reached, Slot, check};
use loom::thread::{self, JoinHandle};
use std::sync::Arc;
use std::time::Duration;

type Lock = RmLock<Slot>;

const AT_ONCE: Duration = Duration::from_secs(1); // any time-out ends at the first chance: see the shim

/// A lock that the main thread has read. So the lock has its number and this thread its record, and the thread's reads
/// are hits.
fn lock() -> Arc<Lock> {
    let lock = Arc::new(RmLock::new(Slot::new()));
    drop(lock.read());
    lock
}

fn spawn<T: 'static>(lock: &Arc<Lock>, run: impl FnOnce(&Arc<Lock>) -> T + 'static) -> JoinHandle<T> {
    let lock = Arc::clone(lock);
    thread::spawn(move || run(&lock))
}

/// Adds one to the value.
fn write(lock: &Arc<Lock>) {
    let slot = lock.write();
    slot.write(slot.read() + 1);
}

fn read(lock: &Arc<Lock>) -> usize {
    lock.read().read()
}

/// Reads in the same way, with time for other threads to come in between.
fn read_on(lock: &Arc<Lock>) -> usize {
    let guard = lock.read();
    let before = guard.read();
    thread::yield_now();
    assert_eq!(guard.read(), before);
    before
}

fn assert_at_rest(lock: &Lock) {
    assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
    assert!(lock.try_write().is_ok());
}

/// A hit against a writer: the mark and the gate, both ways.
#[test]
fn l9_a_reader_against_a_writer() {
    static BEFORE: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let writer = spawn(&lock, write);
        match read(&lock) {
            0 => BEFORE.here(),
            _ => AFTER.here(),
        }
        // Once more: a value that has been seen stays seen.
        assert!(read(&lock) <= 1);
        writer.join().unwrap();
        assert_eq!(read(&lock), 1);
        assert_at_rest(&lock);
    });
    BEFORE.at_least_once();
    AFTER.at_least_once();
}

/// Neither thread has a number or a record yet.
#[test]
fn l9_the_first_reader_against_the_first_writer() {
    check(|| {
        let lock = Arc::new(RmLock::new(Slot::new()));
        let writer = spawn(&lock, write);
        assert!(read(&lock) <= 1);
        writer.join().unwrap();
        assert_eq!(read(&lock), 1);
        assert_at_rest(&lock);
    });
}

/// Two threads come to read for the first time, and link their records, while a writer walks the records.
#[test]
fn f16_records_are_linked_as_a_writer_looks() {
    static SEEN: Reached = Reached::new();
    static BEFORE: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let writer = spawn(&lock, |lock| match lock.try_write() {
            Ok(slot) => slot.write(1),
            Err(_) => SEEN.here(),
        });
        let readers = [(); 2].map(|()| spawn(&lock, read_on));
        match readers.map(|reader| reader.join().unwrap()) {
            [0, 0] => BEFORE.here(),
            [1, 1] => AFTER.here(),
            _ => {}
        }
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
    SEEN.at_least_once();
    BEFORE.at_least_once();
    AFTER.at_least_once();
}

/// A thread reads and ends. Then its record is passed over, or taken by the next thread, while a writer looks.
#[test]
fn f16_a_record_is_given_up_as_a_writer_looks() {
    static PASSED_ON: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let first = spawn(&lock, read_on);
        let writer = spawn(&lock, write);
        let first = first.join().unwrap();
        let second = spawn(&lock, read_on).join().unwrap();
        assert!(first <= second && second <= 1);
        PASSED_ON.here_if(first < second);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
    PASSED_ON.at_least_once();
}

/// A writer that is let in at once or not at all.
#[test]
fn l9_a_try_against_a_reader() {
    static IN: Reached = Reached::new();
    static REFUSED: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let writer = spawn(&lock, |lock| match lock.try_write() {
            Ok(slot) => {
                IN.here();
                slot.write(1);
            }
            Err(_) => REFUSED.here(),
        });
        assert!(read(&lock) <= 1);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
    IN.at_least_once();
    REFUSED.at_least_once();
}

/// Two readers, one of which is in already. The last reader to leave wakes the writer.
#[test]
fn l9_the_last_reader_out_wakes_the_writer() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let guard = lock.read();
        let writer = spawn(&lock, write);
        let reader = spawn(&lock, read);
        WAITED.here_if(lock.waiting_writers() == 1);
        assert_eq!(guard.read(), 0);
        drop(guard);
        writer.join().unwrap();
        assert!(reader.join().unwrap() <= 1);
        assert_at_rest(&lock);
    });
    WAITED.at_least_once();
}

/// A thread that reads enters once more, at any time of the writer's way in, and lets go of the outer guard first.
#[test]
fn l9_c15_a_nested_reader_while_a_writer_waits() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let outer = lock.read();
        let writer = spawn(&lock, write);
        WAITED.here_if(lock.waiting_writers() == 1);
        let inner = lock.read();
        drop(outer);
        // The writer waits for the inner guard as well.
        assert_eq!(inner.read(), 0);
        drop(inner);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
    WAITED.at_least_once();
}

/// Deeper than the record, which has two entries here: the third guard is counted.
#[test]
fn l9_nesting_deeper_than_the_record() {
    check(|| {
        let lock = lock();
        let [first, second] = [lock.read(), lock.read()];
        let writer = spawn(&lock, write);
        let third = lock.read();
        drop(first);
        drop(second);
        assert_eq!(third.read(), 0);
        // The lock knows that this thread reads, though the thread's record does not say so.
        assert_eq!(lock.write_timeout(AT_ONCE).unwrap_err(), LockError::ReadLockHeld);
        let fourth = lock.read();
        drop(third);
        assert_eq!(fourth.read(), 0);
        drop(fourth);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
}

/// A writer gives up while it waits for a reader. A reader that waits for the writer goes on.
#[test]
fn l10_a_writer_that_gives_up() {
    static GAVE_UP: Reached = Reached::new();
    static IN: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let guard = lock.read();
        let writer = spawn(&lock, |lock| match lock.write_timeout(AT_ONCE) {
            Ok(slot) => {
                IN.here();
                slot.write(1);
            }
            Err(error) => {
                GAVE_UP.here();
                assert_eq!(error, LockError::TimedOut);
            }
        });
        let reader = spawn(&lock, read);
        assert_eq!(guard.read(), 0);
        drop(guard);
        writer.join().unwrap();
        assert!(reader.join().unwrap() <= 1);
        assert_at_rest(&lock);
    });
    GAVE_UP.at_least_once();
    IN.at_least_once();
}

/// A reader gives up while it waits for a writer, or after that writer has admitted it. The next writer is not held up.
#[test]
fn l10_a_reader_that_gives_up_between_two_writers() {
    static GAVE_UP: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let writers = [spawn(&lock, write), spawn(&lock, write)];
        match lock.read_timeout(AT_ONCE) {
            Ok(slot) => assert!(slot.read() <= 2),
            Err(error) => {
                GAVE_UP.here();
                assert_eq!(error, LockError::TimedOut);
            }
        }
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(read(&lock), 2);
        assert_at_rest(&lock);
    });
    GAVE_UP.at_least_once();
}

/// Two writers and a reader. A reader that the first writer has kept waiting goes in before the second writer.
#[test]
fn l9_two_writers_and_a_reader() {
    static BETWEEN: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let writers = [spawn(&lock, write), spawn(&lock, write)];
        BETWEEN.here_if(read(&lock) == 1);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(read(&lock), 2);
        assert_at_rest(&lock);
    });
    BETWEEN.at_least_once();
}

/// A guard that any thread may drop, in the counter.
#[test]
fn l9_an_owned_guard_against_a_writer() {
    static BEFORE: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    check(|| {
        let lock = lock();
        let writer = spawn(&lock, write);
        let guard = lock.read_owned();
        // Another thread drops the guard, and ends first.
        let elsewhere = thread::spawn(move || guard.read());
        match elsewhere.join().unwrap() {
            0 => BEFORE.here(),
            _ => AFTER.here(),
        }
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
    BEFORE.at_least_once();
    AFTER.at_least_once();
}

/// While a writer is on its way in, an owned guard is made from an owned guard, and another one from a borrowed guard.
#[test]
fn l9_owned_guards_while_a_writer_waits() {
    check(|| {
        let lock = lock();
        let guard = lock.read();
        let writer = spawn(&lock, write);
        let owned = RmLockReadGuard::into_owned(guard, Arc::clone(&lock));
        let again = owned.again();
        drop(owned);
        assert_eq!(again.read(), 0);
        drop(again);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
}

/// Two owned guards share a counter, and the writer waits for both.
#[test]
fn l9_two_owned_guards_in_one_counter() {
    check(|| {
        let lock = lock();
        let first = lock.read_owned();
        let writer = spawn(&lock, write);
        let second = thread::spawn({
            let lock = Arc::clone(&lock);
            move || lock.read_owned().read()
        });
        assert_eq!(first.read(), 0);
        drop(first);
        assert!(second.join().unwrap() <= 1);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
}

/// A thread reads and ends, and the next thread takes its record over, while a writer looks.
#[test]
fn l9_a_record_is_handed_on() {
    check(|| {
        let lock = lock();
        let writer = spawn(&lock, write);
        let readers = spawn(&lock, |lock| {
            let first = spawn(lock, read).join().unwrap();
            // This thread has no record of its own yet.
            (first, read(lock))
        });
        let (first, second) = readers.join().unwrap();
        assert!(first <= second && second <= 1);
        writer.join().unwrap();
        assert_at_rest(&lock);
    });
}
