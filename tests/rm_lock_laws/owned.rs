//! Guards that belong to no thread.

use super::{DEEP, FOREVER, Holder, MOMENT, join, message, stays, until};
use dogpile::{LockError, OwnedRmLockReadGuard, Owner, RmLock, RmLockReadGuard, RmLockWriteGuard};
use std::panic::resume_unwind;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

static LOCK: RmLock<(u8, &str)> = RmLock::new((7, "seven"));

type SharedLock<T> = Arc<RmLock<T>>;

/// The ways to get an owned guard.
type FromLock = fn(&SharedLock<u8>) -> OwnedRmLockReadGuard<u8>;
type FromGuard = fn(&SharedLock<u8>, RmLockReadGuard<'_, u8>) -> OwnedRmLockReadGuard<u8>;
type FromLast = fn(SharedLock<Data>) -> OwnedRmLockReadGuard<Arc<()>>;

pub fn l9_an_owned_guard_is_waited_for_wherever_it_goes() {
    let lock = Arc::new(RmLock::new(0));
    let ways: [FromLock; 5] = [
        RmLock::read_owned,
        |lock| lock.try_read_owned().unwrap(),
        |lock| lock.read_owned_timeout(MOMENT).unwrap(),
        |lock| RmLockReadGuard::into_owned(lock.read(), Arc::clone(lock)),
        // With the record full.
        |lock| {
            let mut guards: Vec<_> = (0..DEEP).map(|_| lock.read()).collect();
            RmLockReadGuard::into_owned(guards.pop().unwrap(), Arc::clone(lock))
        },
    ];
    for way in ways {
        let guard = way(&lock);
        assert!(lock.try_write().is_err());
        thread::scope(|scope| {
            let writer = Holder::begins(scope, || *lock.write() += 1);
            until(|| lock.waiting_writers() == 1);
            let before = *guard;
            let lock = &lock;
            let elsewhere = scope.spawn(move || {
                stays(|| lock.waiting_writers() == 1 && *guard == before);
                drop(guard);
            });
            join(elsewhere);
            writer.ends();
        });
        assert!(lock.try_write().is_ok());
    }
    assert_eq!(*lock.read(), 5);
}

pub fn l9_an_owned_guard_that_was_counted_again_is_waited_for() {
    let lock = Arc::new(RmLock::new(0));
    thread::scope(|scope| {
        let first = lock.read_owned();
        let writer = Holder::begins(scope, || *lock.write() += 1);
        until(|| lock.waiting_writers() == 1);
        // On another thread as well. `again` never waits.
        let (first, second) = join(scope.spawn(|| {
            let second = first.again();
            (first, second)
        }));
        let third = second.again();
        for guard in [first, third, second] {
            stays(|| lock.waiting_writers() == 1 && !writer.is_in());
            assert_eq!(*guard, 0);
            drop(guard);
        }
        writer.ends();
    });
    assert_eq!(*lock.read(), 1);
}

pub fn l9_an_owned_guard_made_while_a_writer_waits_is_waited_for() {
    let lock = Arc::new(RmLock::new(0));
    let ways: [FromGuard; 3] = [
        |lock, guard| RmLockReadGuard::into_owned(guard, Arc::clone(lock)),
        |lock, _guard| lock.read_owned(),
        |lock, _guard| lock.try_read_owned().unwrap(),
    ];
    for way in ways {
        thread::scope(|scope| {
            let guard = lock.read();
            let before = *guard;
            let writer = Holder::begins(scope, || *lock.write() += 1);
            until(|| lock.waiting_writers() == 1);
            let owned = way(&lock, guard);
            stays(|| lock.waiting_writers() == 1 && !writer.is_in());
            assert_eq!(*owned, before);
            drop(owned);
            writer.ends();
        });
    }
}

pub fn l9_owned_readers_wait_for_writers() {
    let lock = Arc::new(RmLock::new(0));
    thread::scope(|scope| {
        let mut holds = lock.write();
        let readers = [
            Holder::begins(scope, || assert_eq!(*lock.read_owned(), 1)),
            Holder::begins(scope, || assert_eq!(*lock.read_owned_timeout(FOREVER).unwrap(), 1)),
        ];
        until(|| lock.waiting_readers() == 2);
        stays(|| !readers.iter().any(Holder::is_in));
        *holds += 1;
        drop(holds);
        readers.into_iter().for_each(Holder::ends);

        // Owned readers also wait for a writer that waits itself.
        let reader = Holder::holds(scope, || lock.read_owned());
        let writer = Holder::begins(scope, || *lock.write() += 1);
        until(|| lock.waiting_writers() == 1);
        assert!(lock.try_read_owned().is_err());
        let late = Holder::begins(scope, || assert_eq!(*lock.read_owned(), 2));
        until(|| lock.waiting_readers() == 1);
        stays(|| !writer.is_in() && !late.is_in());
        reader.lets_go();
        writer.ends();
        late.ends();
    });
}

pub fn l10_owned_readers_run_out_of_time() {
    let lock = Arc::new(RmLock::new(0));
    thread::scope(|scope| {
        let writer = Holder::holds(scope, || lock.write());
        for timeout in [Duration::ZERO, MOMENT] {
            assert_eq!(lock.read_owned_timeout(timeout).err(), Some(LockError::TimedOut));
        }
        assert_eq!(lock.waiting_readers(), 0);
        writer.lets_go();
    });
    assert!(lock.read_owned_timeout(Duration::ZERO).is_ok());
    assert_eq!(Arc::strong_count(&lock), 1, "a refused reader has let go of the lock");
    assert!(lock.try_write().is_ok());
}

/// The lock does not know which thread has the guard, so even that thread waits for it.
pub fn l7_an_owned_guard_belongs_to_no_thread() {
    let lock = Arc::new(RmLock::new(0));
    let guard = RmLockReadGuard::into_owned(lock.read(), Arc::clone(&lock));
    assert_eq!(lock.write_timeout(MOMENT).err(), Some(LockError::TimedOut));
    thread::scope(|scope| {
        let writer = Holder::begins(scope, || lock.write());
        until(|| lock.waiting_writers() == 1);
        assert_eq!(lock.read_timeout(MOMENT).err(), Some(LockError::TimedOut));
        assert_eq!(lock.read_owned_timeout(MOMENT).err(), Some(LockError::TimedOut));
        drop(guard);
        writer.ends();
    });
}

pub fn into_owned_with_the_owner_of_another_lock_panics_and_lets_go() {
    let [one, other] = [(); 2].map(|()| Arc::new(RmLock::new((7, "seven"))));
    let owners: [Owner; 2] = [Arc::clone(&other).into(), (&LOCK).into()];
    for owner in owners {
        // (`&'static str` is the payload of a panic without arguments.)
        let message = thread::scope(|scope| {
            let panics = scope.spawn(|| drop(RmLockReadGuard::into_owned(one.read(), owner)));
            *panics
                .join()
                .expect_err("it is of another lock")
                .downcast::<&str>()
                .unwrap_or_else(|panic| resume_unwind(panic))
        });
        assert!(message.contains("its own lock"), "{message}");
        assert!(one.try_write().is_ok());
    }
    assert!(other.try_write().is_ok());
    assert!(LOCK.write_timeout(FOREVER).is_ok());
    assert_eq!(Arc::strong_count(&other), 1);

    // With the owner of its own lock, by either way.
    assert_eq!(*RmLockReadGuard::into_owned(one.read(), Arc::clone(&one)), (7, "seven"));
    assert_eq!(*RmLockReadGuard::into_owned(one.read(), Owner::from(Arc::clone(&one)).clone()), (7, "seven"));
    let guard = RmLockReadGuard::into_owned(LOCK.read(), &LOCK);
    assert_eq!(LOCK.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
    thread::scope(|scope| join(scope.spawn(move || drop(guard))));
    assert!(LOCK.write_timeout(FOREVER).is_ok());
}

/// Its `Weak` twin tells whether it still exists.
struct Data(Arc<()>);

pub fn an_owned_guard_keeps_its_lock_alive() {
    fn lock() -> (SharedLock<Data>, Weak<()>) {
        let data = Arc::new(());
        let twin = Arc::downgrade(&data);
        (Arc::new(RmLock::new(Data(data))), twin)
    }
    let ways: [FromLast; 4] = [
        |lock| OwnedRmLockReadGuard::map(lock.read_owned(), |data| &data.0),
        |lock| OwnedRmLockReadGuard::map(lock.read_owned().again(), |data| &data.0),
        |lock| OwnedRmLockReadGuard::map(lock.read_owned(), |data| &data.0).again(),
        |lock| {
            let guard = RmLockReadGuard::map(lock.read(), |data| &data.0);
            RmLockReadGuard::into_owned(guard, Arc::clone(&lock))
        },
    ];
    for way in ways {
        let (lock, twin) = lock();
        let shares = Arc::downgrade(&lock);
        let guard = way(lock);
        assert_eq!(shares.strong_count(), 1, "the guard's");
        assert_eq!(Arc::strong_count(&guard), 1, "and the data can be reached by it");
        thread::scope(|scope| join(scope.spawn(move || drop(guard))));
        assert!(shares.upgrade().is_none() && twin.upgrade().is_none(), "it was the last");
    }
}

pub fn every_guard_can_be_narrowed_down() {
    let lock = Arc::new(RmLock::new(([1, 2, 3], "name")));

    let guard = RmLockReadGuard::map(lock.read(), |data| &data.0[1..]);
    assert_eq!(*guard, [2, 3]);
    let guard = RmLockReadGuard::map(guard, |tail| &tail[1]);
    assert_eq!(*guard, 3);
    assert!(lock.try_write().is_err());
    drop(guard);

    let guard = OwnedRmLockReadGuard::map(lock.read_owned(), |data| data.1);
    assert_eq!(&*guard, "name");
    let again = OwnedRmLockReadGuard::map(guard.again(), |name| &name[1..]);
    drop(guard);
    assert_eq!(&*again, "ame");
    assert!(lock.try_write().is_err());
    drop(again);

    let guard = RmLockWriteGuard::map(lock.write(), |data| &mut data.0);
    let mut guard = RmLockWriteGuard::map(guard, |numbers| &mut numbers[0]);
    *guard = 9;
    assert!(lock.try_read().is_err());
    drop(guard);
    assert_eq!(lock.try_read().unwrap().0, [9, 2, 3]);

    // A part that may not be there: the guard comes back as it was.
    let guard = RmLockReadGuard::filter_map(lock.read(), |data| data.0.get(7)).unwrap_err();
    let guard = RmLockReadGuard::filter_map(guard, |data| data.0.first()).unwrap();
    assert_eq!((*guard, lock.try_write().is_err()), (9, true));
    drop(guard);
    let guard = OwnedRmLockReadGuard::filter_map(lock.read_owned(), |data| data.0.get(7)).unwrap_err();
    let guard = OwnedRmLockReadGuard::filter_map(guard, |data| data.0.last()).unwrap();
    assert_eq!((*guard, lock.try_write().is_err()), (3, true));
    drop(guard);
    let guard = RmLockWriteGuard::filter_map(lock.write(), |data| data.0.get_mut(7)).unwrap_err();
    let mut guard = RmLockWriteGuard::filter_map(guard, |data| data.0.get_mut(1)).unwrap();
    *guard = 8;
    assert!(lock.try_read().is_err());
    drop(guard);
    assert_eq!(lock.try_read().unwrap().0, [9, 8, 3]);

    // A panic during the projection lets go of the guard.
    let panics = [
        message(|| drop(RmLockReadGuard::map(lock.read(), |data| panicking(data)))),
        message(|| drop(OwnedRmLockReadGuard::map(lock.read_owned(), |data| panicking(data)))),
        message(|| drop(RmLockWriteGuard::map(lock.write(), |data| -> &mut u8 { panic!("of {}", data.1) }))),
    ];
    assert_eq!(panics, ["of name"; 3]);
    assert!(lock.try_write().is_ok());
}

fn panicking<'a>(data: &'a ([i32; 3], &str)) -> &'a u8 {
    panic!("of {}", data.1)
}
