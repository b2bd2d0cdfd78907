//! Which threads wait for which, and for how long.

use super::{DEEP, FOREVER, Holder, MOMENT, Signal, join, message, stays, until};
use dogpile::{LockError, RmLock, RmLockReadGuard};
use parking_lot::Mutex;
use std::hint::{black_box, spin_loop};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// Both numbers are the same, except while they are written.
type Pair = (u64, u64);

fn check(pair: &Pair) {
    let first = *pair;
    thread::yield_now();
    assert_eq!(first.0, first.1, "half written");
    assert_eq!(first, *black_box(pair), "written while it was read");
}

pub fn l9_no_thread_reads_while_one_writes() {
    const WRITES: u64 = 100;
    let ways: [fn(&Arc<RmLock<Pair>>); 6] = [
        |lock| check(&lock.read()),
        |lock| {
            if let Ok(pair) = lock.read_timeout(Duration::from_micros(50)) {
                check(&pair);
            }
        },
        |lock| {
            let mut guards: Vec<_> = (0..DEEP).map(|_| lock.read()).collect();
            guards.drain(1..DEEP - 1);
            check(&guards.pop().unwrap());
            check(&guards.pop().unwrap());
        },
        |lock| check(&lock.read_owned()),
        |lock| {
            let pair = RmLockReadGuard::into_owned(lock.read(), Arc::clone(lock));
            let again = pair.again();
            drop(pair);
            check(&again);
        },
        |lock| {
            if let Ok(pair) = lock.try_read_owned() {
                check(&pair);
            }
        },
    ];
    let lock = Arc::new(RmLock::new((0, 0)));
    let writing = AtomicUsize::new(3);
    let write = || {
        for _ in 0..WRITES {
            let mut pair = lock.write();
            pair.0 += 1;
            thread::yield_now();
            pair.1 += 1;
        }
        writing.fetch_sub(1, Ordering::Relaxed);
    };
    // Writers that give up get in the way of all others.
    let give_up = || {
        for _ in 0..WRITES {
            if let Ok(pair) = lock.write_timeout(Duration::from_micros(50)) {
                check(&pair);
            }
            drop(lock.try_write());
        }
        writing.fetch_sub(1, Ordering::Relaxed);
    };
    let read = |way: fn(&Arc<RmLock<Pair>>)| {
        while writing.load(Ordering::Relaxed) != 0 {
            way(&lock);
        }
    };
    thread::scope(|scope| {
        let read = &read;
        let mut threads = vec![scope.spawn(write), scope.spawn(write), scope.spawn(give_up)];
        threads.extend(ways.map(|way| scope.spawn(move || read(way))));
        threads.into_iter().for_each(join);
    });
    assert_eq!(*lock.read(), (2 * WRITES, 2 * WRITES));
    assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
}

/// A word on a cache line of its own.
#[derive(Default)]
#[repr(align(128))]
struct Line(AtomicU64);

/// Reader and writer each write a word and look at the other's. Neither may miss the other's word, and that takes
/// fences. To notice a missing fence, the reader's write must be late: behind other writes, which wait for cache lines
/// that the writer writes, too. Both threads must also be quick, so the test needs an optimized build.
pub fn l9_the_fences_of_both_sides_meet() {
    const ROUNDS: u64 = 40_000;
    let lines: [Line; 32] = Default::default();
    let write_to_lines = |at| lines.iter().for_each(|line| line.0.store(at, Ordering::Relaxed));
    let spin = |turns| (0..turns).for_each(|_| spin_loop());
    let lock = RmLock::new((0_u64, 0_u64));
    // Both threads have used the lock before the first round.
    drop(lock.write());
    let round = Line::default();
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            drop(lock.read());
            for at in 1..=ROUNDS {
                let mut turns = 0;
                while round.0.load(Ordering::Relaxed) < at {
                    // With one core only, or none to spare, the other thread has to come first.
                    turns += 1;
                    if turns % 1_000 == 0 {
                        thread::yield_now();
                    }
                    spin_loop();
                }
                write_to_lines(at);
                if let Ok(pair) = lock.try_read() {
                    let first = *black_box(&*pair);
                    spin(20);
                    let second = *black_box(&*pair);
                    assert_eq!(first, second, "written while it was read");
                    assert_eq!(first.0, first.1, "half written");
                }
            }
        });
        for at in 1..=ROUNDS {
            write_to_lines(at);
            round.0.store(at, Ordering::Relaxed);
            spin(at % 64);
            let mut pair = lock.write();
            pair.0 += 1;
            spin(20);
            black_box(&mut *pair).1 += 1;
        }
        join(reader);
    });
}

pub fn l9_a_writer_that_waits_keeps_new_readers_out() {
    let lock = RmLock::new(0);
    thread::scope(|scope| {
        let reader = Holder::holds(scope, || lock.read());
        let writer = Holder::begins(scope, || lock.write());
        until(|| lock.waiting_writers() == 1);
        assert!(lock.try_read().is_err());
        assert_eq!(lock.read_timeout(MOMENT).err(), Some(LockError::TimedOut));
        let late = Holder::begins(scope, || lock.read());
        until(|| lock.waiting_readers() == 1);
        stays(|| !writer.is_in() && !late.is_in());

        reader.lets_go();
        writer.see_in();
        assert_eq!((lock.waiting_writers(), lock.waiting_readers()), (0, 1));
        stays(|| !late.is_in());
        writer.lets_go();
        late.ends();
    });
    assert_eq!((lock.waiting_writers(), lock.waiting_readers()), (0, 0));
    assert!(lock.try_write().is_ok());
}

pub fn l9_a_writer_keeps_others_waiting_until_it_has_ended() {
    let lock = RmLock::new(0);
    let mut guard = lock.write();
    thread::scope(|scope| {
        let readers = [(); 3].map(|()| Holder::begins(scope, || lock.read()));
        let writer = Holder::begins(scope, || *lock.write() += 1);
        until(|| (lock.waiting_readers(), lock.waiting_writers()) == (3, 1));
        stays(|| !writer.is_in() && !readers.iter().any(Holder::is_in));
        *guard += 1;
        drop(guard);
        // All of them get in at once.
        readers.iter().for_each(Holder::see_in);
        readers.into_iter().for_each(Holder::lets_go);
        writer.ends();
    });
    assert_eq!(*lock.read(), 2);
}

/// Runs `attempt` with more and more patience, until it returns that its state was seen before the patience ran out.
fn with_patience(mut attempt: impl FnMut(Duration) -> bool) {
    let mut patience = Duration::from_millis(10);
    while !attempt(patience) {
        patience *= 2;
    }
}

pub fn l9_readers_that_waited_go_before_the_next_writer() {
    let lock = RmLock::new(Mutex::new(Vec::new()));
    let first = lock.write();
    thread::scope(|scope| {
        let second = scope.spawn(|| lock.write().get_mut().push("writer"));
        until(|| lock.waiting_writers() == 1);
        let readers = [(); 3].map(|()| scope.spawn(|| lock.read().lock().push("reader")));
        until(|| lock.waiting_readers() == 3);
        drop(first);
        join(second);
        readers.into_iter().for_each(join);
    });
    assert_eq!(lock.into_inner().into_inner(), ["reader", "reader", "reader", "writer"]);
}

pub fn l9_readers_that_waited_go_before_a_later_writer() {
    let lock = RmLock::new(AtomicUsize::new(0));
    for round in 0..50 {
        thread::scope(|scope| {
            let writes = lock.write();
            let readers = [(); 3].map(|()| scope.spawn(|| lock.read().fetch_add(1, Ordering::Relaxed)));
            until(|| lock.waiting_readers() == 3);
            drop(writes);
            // The readers may not even be awake yet.
            if round % 2 == 0 {
                // A writer that gives up meanwhile does not keep later readers out.
                drop(lock.try_write());
            } else {
                assert_eq!(*lock.write().get_mut(), 3 * (round + 1));
            }
            for reader in readers {
                assert!(join(reader) < 3 * (round + 1));
            }
        });
        assert!(lock.try_read().is_ok());
        assert!(lock.try_write().is_ok());
    }
}

pub fn l9_readers_that_waited_for_a_writer_that_gave_up_go_before_the_next_writer() {
    with_patience(|patience| {
        let lock = RmLock::new(Mutex::new(Vec::new()));
        let reads = lock.read();
        let in_time = thread::scope(|scope| {
            let lock = &lock;
            let first = scope.spawn(move || lock.write_timeout(patience).err());
            until(|| lock.waiting_writers() == 1 || first.is_finished());
            let second = scope.spawn(|| lock.write().get_mut().push("writer"));
            let readers = [(); 3].map(|()| scope.spawn(|| lock.read().lock().push("reader")));
            until(|| (lock.waiting_readers(), lock.waiting_writers()) == (3, 2) || first.is_finished());
            let in_time = !first.is_finished();
            assert_eq!(join(first), Some(LockError::TimedOut));
            drop(reads);
            join(second);
            readers.into_iter().for_each(join);
            in_time
        });
        let log = lock.into_inner().into_inner();
        assert!(!in_time || log == ["reader", "reader", "reader", "writer"], "{log:?}");
        in_time
    });
}

pub fn l9_a_writer_that_gives_up_leaves_no_trace() {
    let lock = RmLock::new(0);
    thread::scope(|scope| {
        let reader = Holder::holds(scope, || lock.read());
        with_patience(|patience| {
            let lock = &lock;
            let writer = scope.spawn(move || lock.write_timeout(patience).err());
            until(|| lock.waiting_writers() == 1 || writer.is_finished());
            let late = Holder::begins(scope, || lock.read());
            until(|| lock.waiting_readers() == 1 || late.is_in());
            let has_waited = !late.is_in();
            assert_eq!(join(writer), Some(LockError::TimedOut));
            // The first reader reads all the while.
            late.ends();
            has_waited
        });
        assert_eq!((lock.waiting_writers(), lock.waiting_readers()), (0, 0));
        assert!(lock.try_read().is_ok(), "the way is free again");
        assert!(lock.try_write().is_err(), "but not for writers");
        assert!(lock.try_read().is_ok());
        reader.lets_go();
    });
    assert!(lock.try_write().is_ok());
}

pub fn l9_a_writer_that_gives_up_lets_the_next_one_in() {
    let lock = RmLock::new(0);
    thread::scope(|scope| {
        // The writer that gives up stands in line behind the next one.
        let holds = Holder::holds(scope, || lock.write());
        let next = Holder::begins(scope, || lock.write());
        until(|| lock.waiting_writers() == 1);
        assert_eq!(lock.write_timeout(MOMENT).err(), Some(LockError::TimedOut));
        assert_eq!(lock.waiting_writers(), 1);
        holds.lets_go();
        next.ends();
    });
    // The writer that gives up has its turn before the next one.
    with_patience(|patience| {
        thread::scope(|scope| {
            let lock = &lock;
            let reader = Holder::holds(scope, || lock.read());
            let gives_up = scope.spawn(move || lock.write_timeout(patience).err());
            until(|| lock.waiting_writers() == 1 || gives_up.is_finished());
            let next = Holder::begins(scope, || lock.write());
            until(|| lock.waiting_writers() == 2 || gives_up.is_finished());
            let in_time = !gives_up.is_finished();
            assert_eq!(join(gives_up), Some(LockError::TimedOut));
            until(|| lock.waiting_writers() == 1);
            stays(|| !next.is_in());
            reader.lets_go();
            next.ends();
            in_time
        })
    });
    assert!(lock.try_read().is_ok());
}

pub fn c15_a_thread_that_reads_gets_in_while_a_writer_waits() {
    let lock = Arc::new(RmLock::new(0));
    for outer_first in [true, false] {
        thread::scope(|scope| {
            let outer = lock.read();
            let writer = Holder::begins(scope, || lock.write());
            until(|| lock.waiting_writers() == 1);
            let stays_out = || stays(|| lock.waiting_writers() == 1 && !writer.is_in());
            drop(lock.read());
            drop(lock.try_read().unwrap());
            drop(lock.read_timeout(Duration::ZERO).unwrap());
            drop(lock.read_timeout(FOREVER).unwrap());
            drop(lock.try_read_owned().unwrap());
            drop(lock.read_owned());
            stays_out();

            let inner = lock.read();
            let (first, last) = if outer_first { (outer, inner) } else { (inner, outer) };
            drop(first);
            stays_out();
            // This thread still reads, through whichever guard is left.
            drop(lock.try_read().unwrap());
            assert!(join(scope.spawn(|| lock.try_read().is_err())));
            stays_out();
            drop(last);
            writer.ends();
        });
    }
    assert!(lock.try_read().is_ok());
}

pub fn c17_a_panic_while_writing_releases_the_lock() {
    let lock = RmLock::new(0);
    let [is_in, panics] = [(); 2].map(|()| Signal::default());
    thread::scope(|scope| {
        let panicking = scope.spawn(|| {
            let message = message(|| {
                let mut guard = lock.write();
                *guard = 1;
                is_in.give();
                panics.wait();
                panic!("a writer panics on purpose, at {}", *guard);
            });
            // This thread is not taken for one that still writes.
            (message, *lock.read())
        });
        is_in.wait();
        let readers = [(); 2].map(|()| Holder::begins(scope, || lock.read()));
        let writer = Holder::begins(scope, || *lock.write() += 1);
        until(|| (lock.waiting_readers(), lock.waiting_writers()) == (2, 1));
        panics.give();
        readers.iter().for_each(Holder::see_in);
        readers.into_iter().for_each(Holder::lets_go);
        writer.ends();
        let (message, seen) = join(panicking);
        assert_eq!(message, "a writer panics on purpose, at 1");
        assert!(seen == 1 || seen == 2);
    });
    assert_eq!(*lock.read(), 2, "there is no poisoning, and nothing is undone");
}

pub fn c17_a_panic_while_reading_lets_the_writer_in() {
    let lock = RmLock::new(0);
    let [is_in, panics] = [(); 2].map(|()| Signal::default());
    thread::scope(|scope| {
        let panicking = scope.spawn(|| {
            let panicked = message(|| {
                let guards: Vec<_> = (0..DEEP).map(|_| lock.read()).collect();
                is_in.give();
                panics.wait();
                panic!("a reader panics on purpose, {} deep", guards.len());
            });
            drop(lock.write());
            panicked
        });
        is_in.wait();
        let writer = Holder::begins(scope, || *lock.write() += 1);
        until(|| lock.waiting_writers() == 1);
        panics.give();
        writer.ends();
        assert_eq!(join(panicking), "a reader panics on purpose, 20 deep");
    });
    assert_eq!(*lock.read(), 1);
}

/// The threads exist at once, so that each has a record of its own. They read one after the other.
pub fn f16_a_writer_finds_each_of_many_readers() {
    const MANY: usize = 100;
    const NOBODY: usize = usize::MAX;
    let lock = RmLock::new(());
    let (there, turn, reads) = (AtomicUsize::new(0), AtomicUsize::new(NOBODY), AtomicUsize::new(NOBODY));
    let reader = |own: usize| {
        drop(lock.read());
        there.fetch_add(1, Ordering::SeqCst);
        until(|| turn.load(Ordering::SeqCst) == own);
        let guard = lock.read();
        reads.store(own, Ordering::SeqCst);
        until(|| turn.load(Ordering::SeqCst) == NOBODY);
        drop(guard);
        reads.store(NOBODY, Ordering::SeqCst);
    };
    thread::scope(|scope| {
        let reader = &reader;
        let readers: Vec<_> = (0..MANY).map(|own| scope.spawn(move || reader(own))).collect();
        until(|| there.load(Ordering::SeqCst) == MANY);
        assert!(lock.try_write().is_ok());
        for own in 0..MANY {
            turn.store(own, Ordering::SeqCst);
            until(|| reads.load(Ordering::SeqCst) == own);
            assert!(lock.try_write().is_err(), "reader {own} was not found");
            turn.store(NOBODY, Ordering::SeqCst);
            until(|| reads.load(Ordering::SeqCst) == NOBODY);
            assert!(lock.try_write().is_ok());
        }
        readers.into_iter().for_each(join);
    });
}

pub fn l10_zero_does_not_wait() {
    let lock = RmLock::new(0);
    thread::scope(|scope| {
        assert!(lock.read_timeout(Duration::ZERO).is_ok(), "and does not have to");
        assert!(lock.write_timeout(Duration::ZERO).is_ok());

        let reader = Holder::holds(scope, || lock.read());
        assert!(lock.read_timeout(Duration::ZERO).is_ok());
        assert_eq!(lock.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
        assert!(lock.try_write().is_err());
        reader.lets_go();

        let writer = Holder::holds(scope, || lock.write());
        assert_eq!(lock.read_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
        assert_eq!(lock.write_timeout(Duration::ZERO).err(), Some(LockError::TimedOut));
        assert!(lock.try_read().is_err());
        assert!(lock.try_write().is_err());
        assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
        writer.lets_go();
    });
    assert!(lock.try_read().is_ok());
    assert!(lock.try_write().is_ok());
}

pub fn l10_a_timed_out_waiter_leaves_the_queue() {
    let lock = RmLock::new(0);
    thread::scope(|scope| {
        let holds = Holder::holds(scope, || lock.write());
        let readers = [(); 3].map(|()| scope.spawn(|| lock.read_timeout(MOMENT).err()));
        let writers = [(); 3].map(|()| scope.spawn(|| lock.write_timeout(MOMENT).err()));
        assert_eq!(readers.map(join), [Some(LockError::TimedOut); 3]);
        assert_eq!(writers.map(join), [Some(LockError::TimedOut); 3]);
        assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
        holds.lets_go();

        let reader = Holder::holds(scope, || lock.read());
        let writers = [(); 3].map(|()| scope.spawn(|| lock.write_timeout(MOMENT).err()));
        assert_eq!(writers.map(join), [Some(LockError::TimedOut); 3]);
        assert_eq!((lock.waiting_readers(), lock.waiting_writers()), (0, 0));
        assert!(lock.try_read().is_ok(), "the last to leave has left the door open");
        reader.lets_go();
    });
    assert!(lock.try_write().is_ok());
}

pub fn l10_a_wait_without_an_end_lasts_until_the_lock_is_free() {
    let lock = RmLock::new(0);
    thread::scope(|scope| {
        let holds = Holder::holds(scope, || lock.write());
        let reader = Holder::begins(scope, || lock.read_timeout(FOREVER).unwrap());
        let writer = Holder::begins(scope, || lock.write_timeout(FOREVER).unwrap());
        until(|| (lock.waiting_readers(), lock.waiting_writers()) == (1, 1));
        stays(|| !reader.is_in() && !writer.is_in());
        holds.lets_go();
        reader.ends();
        writer.ends();
    });
}
