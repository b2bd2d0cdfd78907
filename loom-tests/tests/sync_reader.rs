//! The lock whose creator swaps a resource under readers: swaps against readers, and against an invalidation, a removal
//! and a reader's own invalidation. The models of the readers alone are in `readers.rs`.
#![cfg(dogpile_loom)]

use dogpile::{Creation, Finished, ManualClock, Outcome, ReadTurn, Stamped, SyncReaderDogpile, WriteLockError};
use dogpile_loom_tests::{Reached, Slot, check, spawn};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

type Lock = SyncReaderDogpile<ManualClock>;

/// A lock, and the file that it guards. The edition of the file is plain memory, and 0 if there is no file.
struct Datafile {
    lock: Arc<Lock>,
    edition: Slot,
}

const OLD: usize = 1;
const NEW: usize = 2;

impl Datafile {
    fn missing() -> Arc<Self> {
        let lock = SyncReaderDogpile::with_clock(Duration::from_secs(1), ManualClock::new());
        Arc::new(Self { lock: Arc::new(lock), edition: Slot::new() })
    }

    /// The old edition, not expired.
    fn fresh() -> Arc<Self> {
        let file = Self::missing();
        file.edition.write(OLD);
        drop(file.lock.acquire_or_create(|| ()));
        file
    }

    fn stale() -> Arc<Self> {
        let file = Self::fresh();
        file.lock.mark_stale();
        file
    }

    /// Makes an access whose creator swaps, if it may. Returns the outcome and the edition that the access read.
    fn access(&self) -> (Outcome, usize) {
        let guard = self.lock.access().or_create_with(|creation| {
            if let Ok(_alone) = creation.write_lock() {
                self.edition.write(NEW);
            }
        });
        (*guard, self.edition.read())
    }

    fn is_at_rest(&self) -> bool {
        let lock = &self.lock;
        !lock.is_creating()
            && (lock.waiting(), lock.waiting_readers(), lock.waiting_writers()) == (0, 0, 0)
            && lock.try_acquire_write_lock().is_ok()
    }
}

/// Returns a creation of a thread that does not read, and has ended.
fn elsewhere(file: &Arc<Datafile>) -> Creation<'static, Lock> {
    let elected = |file: &Datafile| match Lock::kept(&file.lock).turn() {
        ReadTurn::Create(creation) => creation,
        _ => panic!("it is stale"),
    };
    spawn(file, elected).join().unwrap()
}

/// Two accesses to a stale value: one swaps while the other reads the old edition, waits for the swap, or comes after
/// it.
#[test]
fn l9_a_swap_under_a_reader() {
    static CARRIED_ON: Reached = Reached::new();
    static AFTERWARDS: Reached = Reached::new();
    check(|| {
        let file = Datafile::stale();
        let accesses = [spawn(&file, Datafile::access), spawn(&file, Datafile::access)];
        for (outcome, read) in accesses.map(|access| access.join().unwrap()) {
            match outcome {
                Outcome::Created | Outcome::Fresh => assert_eq!(read, NEW),
                Outcome::Stale => assert!(read == OLD || read == NEW),
                outcome => panic!("nobody waits when there is a value: {outcome:?}"),
            }
            CARRIED_ON.here_if((outcome, read) == (Outcome::Stale, OLD));
            AFTERWARDS.here_if(outcome == Outcome::Fresh);
        }
        assert!(file.is_at_rest());
    });
    CARRIED_ON.at_least_once();
    AFTERWARDS.at_least_once();
}

/// A creation swaps under two readers. One of them holds its guard already, and they let go in either order.
#[test]
fn l9_a_swap_waits_for_two_readers() {
    static AFTERWARDS: Reached = Reached::new();
    check(|| {
        let file = Datafile::fresh();
        let ReadTurn::Fresh(guard) = file.lock.acquire() else { panic!("it is fresh") };
        file.lock.mark_stale();
        let creation = elsewhere(&file);
        let swap = spawn(&file, move |file| {
            let alone = creation.write_lock().unwrap();
            file.edition.write(NEW);
            drop(alone);
            creation.finish()
        });
        let reader = spawn(&file, |file| {
            let (ReadTurn::Fresh(_guard) | ReadTurn::Stale(_guard)) = file.lock.acquire() else {
                panic!("somebody creates")
            };
            AFTERWARDS.here_if(file.edition.read() == NEW);
        });
        // The file stays as it is under a guard.
        assert_eq!(file.edition.read(), OLD);
        drop(guard);
        assert_eq!(swap.join().unwrap(), Finished::Published);
        reader.join().unwrap();
        assert!(file.is_at_rest());
    });
    AFTERWARDS.at_least_once();
}

/// The file is missing. One access makes it, and the other waits for that, either for the creation or for the write
/// lock.
#[test]
fn l3_an_access_that_waits_for_a_missing_file_reads_it() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let file = Datafile::missing();
        let accesses = [spawn(&file, Datafile::access), spawn(&file, Datafile::access)];
        let outcomes = accesses.map(|access| {
            let (outcome, read) = access.join().unwrap();
            assert_eq!(read, NEW);
            outcome
        });
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1);
        WAITED.here_if(outcomes.contains(&Outcome::Waited));
        assert!(file.is_at_rest());
    });
    WAITED.at_least_once();
}

/// A thread invalidates, takes the write lock and removes the file. An access that finds the value fresh or stale has
/// the file for as long as it holds its guard.
#[test]
fn l9_a_file_that_a_reader_finds_is_there_while_it_reads() {
    static FOUND: Reached = Reached::new();
    static GONE: Reached = Reached::new();
    check(|| {
        let file = Datafile::fresh();
        let remove = spawn(&file, |file| {
            file.lock.invalidate();
            let _alone = file.lock.acquire_write_lock();
            file.edition.write(0);
        });
        // By the hit path: this thread has read before.
        match file.lock.acquire() {
            ReadTurn::Fresh(_guard) | ReadTurn::Stale(_guard) => {
                FOUND.here();
                assert_eq!(file.edition.read(), OLD);
            }
            ReadTurn::Create(_given_up) => GONE.here(),
        }
        remove.join().unwrap();
    });
    FOUND.at_least_once();
    GONE.at_least_once();
}

/// Once an invalidation has returned, no older file is swapped in.
#[test]
fn l6_a_swap_against_an_invalidation() {
    static SWAPPED_BEFORE: Reached = Reached::new();
    static REFUSED: Reached = Reached::new();
    check(|| {
        let file = Datafile::stale();
        let ReadTurn::Create(creation) = SyncReaderDogpile::kept(&file.lock).turn() else { panic!("it is stale") };
        let swap = spawn(&file, move |file| {
            match creation.write_lock() {
                Ok(_alone) => {
                    SWAPPED_BEFORE.here();
                    file.edition.write(NEW);
                }
                Err(error) => {
                    REFUSED.here();
                    assert_eq!(error, WriteLockError::Superseded);
                }
            }
            creation.finish();
        });
        file.lock.invalidate();
        // No write lock is needed to write here: a swap that ran has ended, and a later one is refused. (No thread
        // reads.)
        file.edition.write(0);
        swap.join().unwrap();
        assert_eq!(file.edition.read(), 0);
        assert!(file.is_at_rest());
    });
    SWAPPED_BEFORE.at_least_once();
    REFUSED.at_least_once();
}

/// A reader invalidates the value that it reads, while a swap waits for that reader. Neither waits for the other.
#[test]
fn l7_an_invalidating_reader_does_not_wait_for_the_swap_that_waits_for_it() {
    static REFUSED: Reached = Reached::new();
    check(|| {
        let file = Datafile::stale();
        let swap = spawn(&file, |file| {
            let ReadTurn::Create(creation) = file.lock.acquire() else { return };
            REFUSED.here_if(creation.write_lock().is_err());
        });
        if let Ok(ReadTurn::Stale(_guard)) = file.lock.try_acquire() {
            file.lock.invalidate();
        }
        swap.join().unwrap();
        assert!(file.is_at_rest());
    });
    REFUSED.at_least_once();
}

/// A thread that reads makes another access, whatever becomes of the value and of the writer meanwhile.
#[test]
fn l9_c15_a_nested_access_while_a_swap_waits() {
    static NESTED: Reached = Reached::new();
    check(|| {
        let file = Datafile::stale();
        let swap = spawn(&file, |file| {
            let ReadTurn::Create(creation) = file.lock.acquire() else { return };
            if let Ok(_alone) = creation.write_lock() {
                file.edition.write(NEW);
            }
            creation.finish();
        });
        if let Ok(ReadTurn::Stale(outer)) = file.lock.try_acquire() {
            let read = file.edition.read();
            NESTED.here_if(file.lock.waiting_writers() == 1);
            let inner = file.lock.acquire_or_create(|| unreachable!("never elected"));
            drop(outer);
            assert_eq!(file.edition.read(), read);
            drop(inner);
        }
        swap.join().unwrap();
        assert!(file.is_at_rest());
    });
    NESTED.at_least_once();
}

/// In stamped getter mode the getter returns an old value under a guard. The access must let go of that guard before it
/// waits for another creation, whose swap would wait for the guard.
#[test]
fn l7_no_access_waits_or_creates_while_it_holds_an_old_value() {
    static ASKED_TWICE: Reached = Reached::new();
    check(|| {
        let file = Datafile::missing();
        file.edition.write(OLD);
        let access = |file: &Datafile| {
            let mut calls = 0;
            let getter = || {
                calls += 1;
                Some(Stamped { value: file.edition.read(), created: SystemTime::UNIX_EPOCH })
            };
            drop(file.lock.fetch_stamped(getter).and_set(|new| file.edition.write(new.value)).or_create(|| NEW));
            calls
        };
        let other = spawn(&file, access);
        access(&file);
        file.lock.invalidate();
        access(&file);
        ASKED_TWICE.here_if(other.join().unwrap() == 2);
        assert!(file.is_at_rest());
    });
    ASKED_TWICE.at_least_once();
}
