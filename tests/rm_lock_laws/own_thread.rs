//! A wait of a thread for its own guard is found (L7, C25). A leaked guard stays where it was leaked.

use super::{DEEP, FOREVER, MOMENT, join, message};
use dogpile::{LockError, RmLock, RmLockReadGuard};
use std::cell::RefCell;
use std::mem::forget;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// This thread reads. Each form of writing fails at once, with an error or a panic, and leaves no trace.
#[track_caller]
fn cannot_write<T: Sync + Send>(lock: &RmLock<T>) {
    for timeout in [Duration::ZERO, MOMENT, FOREVER] {
        assert_eq!(lock.write_timeout(timeout).err(), Some(LockError::ReadLockHeld));
    }
    assert!(lock.try_write().is_err());
    let message = message(|| drop(lock.write()));
    assert_eq!(message, LockError::ReadLockHeld.to_string());
    assert!(message.contains("asked for the write lock while it holds a read guard"), "{message}");
    assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
    // The refused writers do not keep other readers out.
    thread::scope(|scope| join(scope.spawn(|| assert!(lock.try_read().is_ok()))));
}

/// Neither this thread nor any other reads.
#[track_caller]
fn can_write<T>(lock: &RmLock<T>) {
    assert!(lock.try_write().is_ok());
    drop(lock.write());
    assert!(lock.write_timeout(Duration::ZERO).is_ok());
}

pub fn c25_write_while_reading() {
    let lock = RmLock::new(0);
    let guard = lock.read();
    cannot_write(&lock);
    assert!(lock.try_read().is_ok());
    drop(guard);
    can_write(&lock);
    let guard = RmLockReadGuard::map(lock.read(), |data| data);
    cannot_write(&lock);
    drop(guard);
    can_write(&lock);
}

pub fn c25_write_while_reading_nested() {
    let lock = RmLock::new(0);
    let [first, second, third] = [lock.read(), lock.read(), lock.read()];
    for guard in [first, third, second] {
        cannot_write(&lock);
        drop(guard);
    }
    can_write(&lock);
}

pub fn c25_write_while_reading_deeper_than_a_record() {
    let lock = RmLock::new(0);
    // The guards in the record go first, or last.
    for backwards in [false, true] {
        let mut guards: Vec<_> = (0..DEEP).map(|_| lock.read()).collect();
        if backwards {
            guards.reverse();
        }
        for guard in guards {
            cannot_write(&lock);
            drop(guard);
        }
        can_write(&lock);
    }
    // Guards of other locks fill the record.
    let others: Vec<_> = (0..DEEP).map(RmLock::new).collect();
    let reads: Vec<_> = others.iter().map(RmLock::read).collect();
    let [first, second] = [lock.read(), lock.read()];
    for guard in [first, second] {
        cannot_write(&lock);
        drop(guard);
    }
    can_write(&lock);
    others.iter().for_each(cannot_write);
    drop(reads);
    others.iter().for_each(can_write);
}

pub fn c25_write_while_reading_through_a_thread_local() {
    static LOCK: RmLock<u8> = RmLock::new(0);
    thread_local! {
        static GUARD: RefCell<Option<RmLockReadGuard<'static, u8>>> = const { RefCell::new(None) };
    }
    GUARD.set(Some(LOCK.read()));
    cannot_write(&LOCK);
    thread::scope(|scope| {
        let other = scope.spawn(|| {
            assert!(GUARD.with_borrow(Option::is_none));
            assert_eq!(LOCK.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut), "it is not this thread's");
        });
        join(other);
    });
    drop(GUARD.take());
    can_write(&LOCK);
}

pub fn l7_read_or_write_while_writing() {
    let lock = Arc::new(RmLock::new(0));
    let guard = lock.write();
    let held = Some(LockError::WriteLockHeld);
    for timeout in [Duration::ZERO, MOMENT, FOREVER] {
        assert_eq!(lock.read_timeout(timeout).err(), held);
        assert_eq!(lock.read_owned_timeout(timeout).err(), held);
        assert_eq!(lock.write_timeout(timeout).err(), held);
    }
    assert!(lock.try_read().is_err());
    assert!(lock.try_read_owned().is_err());
    assert!(lock.try_write().is_err());
    for message in [message(|| drop(lock.read())), message(|| drop(lock.read_owned())), message(|| drop(lock.write()))]
    {
        assert_eq!(message, LockError::WriteLockHeld.to_string());
        assert!(message.contains("while it holds the write lock"), "{message}");
    }
    assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
    thread::scope(|scope| {
        join(scope.spawn(|| {
            assert_eq!(lock.read_timeout(Duration::ZERO).err(), Some(LockError::TimedOut), "it is not this thread's");
            assert_eq!(lock.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
        }));
    });
    drop(guard);
    assert!(lock.try_read().is_ok());
    assert!(lock.try_read_owned().is_ok());
    can_write(&lock);
}

pub fn l7_a_guard_is_of_its_own_lock_alone() {
    let [one, other] = [RmLock::new(1), RmLock::new(2)];
    let reads = one.read();
    can_write(&other);
    let writes = other.write();
    assert!(one.try_read().is_ok());
    cannot_write(&one);
    drop(reads);
    can_write(&one);
    drop(writes);
    let writes = [one.write(), other.write()];
    assert_eq!(one.read_timeout(FOREVER).err(), Some(LockError::WriteLockHeld));
    assert_eq!(other.read_timeout(FOREVER).err(), Some(LockError::WriteLockHeld));
    let [one_writes, other_writes] = writes;
    drop(one_writes);
    assert!(one.try_read().is_ok());
    assert!(other.try_read().is_err());
    drop(other_writes);
    can_write(&other);
}

/// Runs `run` on a thread of its own, so that no guard is leaked on a thread of the harness.
fn on_a_new_thread(run: impl FnOnce() + Send) {
    thread::scope(|scope| join(scope.spawn(run)));
}

pub fn l7_a_leaked_guard_does_not_haunt_the_next_lock_at_its_address() {
    on_a_new_thread(|| {
        let mut slot = RmLock::new(0);
        // More guards than fit into the record.
        for at in 0..DEEP {
            forget(slot.read());
            cannot_write(&slot);
            slot = RmLock::new(at);
            assert_eq!(*slot.read(), at);
            can_write(&slot);

            forget(slot.write());
            assert_eq!(slot.read_timeout(FOREVER).err(), Some(LockError::WriteLockHeld));
            slot = RmLock::new(at);
            assert_eq!(*slot.read(), at);
            can_write(&slot);
        }
        // Exclusive access does not wait for a leaked guard, and does not end it, either.
        forget(slot.read());
        *slot.get_mut() = 7;
        cannot_write(&slot);
        assert_eq!(slot.into_inner(), 7);
    });
}

pub fn l9_a_leaked_guard_holds_up_its_own_lock() {
    let [leaks, other, third] = [RmLock::new(0), RmLock::new(0), RmLock::new(0)];
    let locks = [&leaks, &other, &third];
    thread::scope(|scope| {
        let thread = scope.spawn(|| {
            let reads = other.read();
            forget(leaks.read());
            drop(third.read());
            let owned = thread::scope(|scope| join(scope.spawn(|| locks.map(|lock| lock.write_timeout(MOMENT).err()))));
            drop(reads);
            owned
        });
        let timed_out = Some(LockError::TimedOut);
        assert_eq!(join(thread), [timed_out, timed_out, None]);
    });
    assert_eq!(leaks.write_timeout(MOMENT).err(), Some(LockError::TimedOut));
    assert!(leaks.try_write().is_err());
    assert!(leaks.try_read().is_ok(), "readers do not mind");
    can_write(&other);
    can_write(&third);
}

pub fn l9_a_leaked_guard_outlives_its_thread() {
    // With the guard in the record, and with the record full.
    for depth in [1, DEEP] {
        let [leaks, other] = [RmLock::new(0), RmLock::new(0)];
        on_a_new_thread(|| {
            let guards: Vec<_> = (0..depth).map(|_| leaks.read()).collect();
            guards.into_iter().for_each(forget);
            drop(other.read());
        });
        // Later threads. Among them is the one that takes over the record, if any does.
        for _ in 0..4 {
            thread::scope(|scope| {
                let threads: Vec<_> = (0..8)
                    .map(|_| {
                        scope.spawn(|| {
                            drop(other.read());
                            drop(leaks.read());
                            assert_eq!(leaks.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
                            drop(other.write());
                        })
                    })
                    .collect();
                threads.into_iter().for_each(join);
            });
        }
        assert_eq!(leaks.write_timeout(MOMENT).err(), Some(LockError::TimedOut));
    }
}
