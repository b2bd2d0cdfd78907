//! Creations that are handed to a runner: jobs that are dropped, that run late, and that race other uses of the lock.
//! The runner is another thread of the model. (In a model the panic of a job is passed on, so that a failed assertion
//! shows.)
#![cfg(dogpile_loom)]

use dogpile::{Cached, Dogpile, Freshness, Job, ManualClock, Outcome, Policy, SyncReaderDogpile};
use dogpile_loom_tests::{Reached, Slot, check};
use loom::thread::{self, JoinHandle};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

/// A runner that runs each job on a thread of its own, or drops each job there.
struct Runner {
    runs: bool,
    /// Outside the model's view.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Runner {
    fn new(runs: bool) -> Self {
        Self { runs, threads: Mutex::new(Vec::new()) }
    }

    fn join(&self) -> usize {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap());
        let jobs = threads.len();
        for thread in threads {
            thread.join().unwrap();
        }
        jobs
    }
}

impl dogpile::Runner for Runner {
    fn run(&self, job: Job) {
        let runs = self.runs;
        let thread = thread::spawn(move || if runs { job() } else { drop(job) });
        self.threads.lock().unwrap().push(thread);
    }
}

fn stale() -> Arc<Dogpile> {
    let lock = Arc::new(Dogpile::never_expires());
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    lock.mark_stale();
    lock
}

/// The runner drops its job while an access comes to need the value. The access creates: before the drop, after it, or
/// woken by it.
#[test]
fn c9_a_job_that_is_dropped_frees_the_lock() {
    static CALLED: Reached = Reached::new();
    static AFTER: Reached = Reached::new();
    check(|| {
        let (lock, runner) = (stale(), Runner::new(false));
        let handed = Dogpile::kept(&lock).in_background(&runner).or_create(|| unreachable!("it is dropped"));
        assert_eq!(handed, Outcome::Stale);
        lock.invalidate();
        let waited = lock.stats().waits;
        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
        let waited = lock.stats().waits > waited;
        CALLED.here_if(waited);
        AFTER.here_if(!waited);
        assert_eq!(runner.join(), 1);
        assert_eq!((lock.is_creating(), lock.waiting(), lock.freshness()), (false, 0, Freshness::Fresh));
    });
    CALLED.at_least_once();
    AFTER.at_least_once();
}

/// Two accesses need the value, and a job is dropped. Exactly one of them creates (L5), and the other is served.
#[test]
fn c9_a_dropped_job_hands_on_to_one() {
    check(|| {
        let (lock, runner) = (stale(), Runner::new(false));
        _ = Dogpile::kept(&lock).in_background(&runner).or_create(|| unreachable!("it is dropped"));
        lock.invalidate();
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        let outcomes = [lock.acquire_or_create(|| ()), other.join().unwrap()];
        runner.join();
        let created = outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count();
        assert_eq!(created, 1, "{outcomes:?}");
        assert!(!lock.is_creating() && lock.waiting() == 0);
    });
}

/// Two accesses hand over at once. One job runs at a time (L1), an access that sees the value fresh sees what the job
/// wrote (L4), and no access waits (L2).
#[test]
fn l1_two_accesses_hand_over() {
    static FRESH: Reached = Reached::new();
    static TWICE: Reached = Reached::new();
    check(|| {
        let (lock, slot, runner) = (stale(), Arc::new(Slot::new()), Arc::new(Runner::new(true)));
        let access = |lock: &Arc<Dogpile>, slot: &Arc<Slot>, runner: &Runner| {
            let made = Arc::clone(slot);
            let creator = move || made.write(made.read() + 1);
            let outcome = Dogpile::kept(lock).in_background(runner).or_create(creator);
            if outcome == Outcome::Fresh {
                FRESH.here();
                assert_ne!(slot.read(), 0);
            }
            outcome
        };
        let other = {
            let (lock, slot, runner) = (Arc::clone(&lock), Arc::clone(&slot), Arc::clone(&runner));
            thread::spawn(move || access(&lock, &slot, &runner))
        };
        let outcomes = [access(&lock, &slot, &runner), other.join().unwrap()];
        assert!(outcomes.iter().all(|outcome| matches!(outcome, Outcome::Fresh | Outcome::Stale)), "{outcomes:?}");
        let jobs = runner.join();
        TWICE.here_if(outcomes == [Outcome::Stale; 2]);
        assert_eq!((jobs, slot.read()), (1, 1));
        assert!(!lock.is_expired());
    });
    FRESH.at_least_once();
    TWICE.at_least_once();
}

/// A job ends while its value is invalidated. The value is never fresh if it is older than the invalidation (L6).
#[test]
fn l6_a_job_against_an_invalidation() {
    static PUBLISHED: Reached = Reached::new();
    static SUPERSEDED: Reached = Reached::new();
    check(|| {
        let lock = Arc::new(Cached::never_expires());
        lock.set(1);
        lock.mark_stale();
        let runner = Runner::new(true);
        let old = Cached::kept(&lock).in_background(&runner).or_create(|| 2);
        assert_eq!(*old, 1);
        lock.invalidate();
        assert_eq!(lock.peek().as_deref(), None);
        assert_eq!(runner.join(), 1);
        assert_eq!(lock.peek().as_deref(), None, "L6");
        let stats = lock.stats();
        assert_eq!(stats.creations + stats.superseded, 1);
        PUBLISHED.here_if(stats.creations == 1);
        SUPERSEDED.here_if(stats.superseded == 1);
    });
    PUBLISHED.at_least_once();
    SUPERSEDED.at_least_once();
}

/// The access that hands over reads on under its guard, while the job waits to swap (L9).
#[test]
fn l9_a_job_that_swaps_against_the_reader_that_handed_it_over() {
    check(|| {
        let lock = Arc::new(SyncReaderDogpile::never_expires());
        drop(lock.acquire_or_create(|| ()));
        lock.mark_stale();
        let (edition, runner) = (Arc::new(Slot::new()), Runner::new(true));
        let swapped = Arc::clone(&edition);
        let guard = SyncReaderDogpile::kept(&lock).in_background(&runner).or_create_with(move |creation| {
            let _alone = creation.write_lock().unwrap();
            swapped.write(2);
        });
        assert_eq!(*guard, Outcome::Stale);
        assert_eq!(edition.read(), 0, "it waits for this guard");
        drop(guard);
        assert_eq!(runner.join(), 1);
        assert!(!lock.is_expired());
        assert_eq!(edition.read(), 2);
    });
}

/// A job that hangs is declared dead by the next access, or ends before that. There is one value, and no late one
/// replaces it (C11).
#[test]
fn c11_a_job_against_the_one_in_its_place() {
    static DEAD: Reached = Reached::new();
    static IN_TIME: Reached = Reached::new();
    static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
    check(|| {
        let clock = Arc::new(ManualClock::new());
        let lock = Arc::new(Cached::with_clock(SECOND * 60, Arc::clone(&clock)).with_policy(&MORTAL));
        lock.set(1);
        lock.mark_stale();
        let runner = Runner::new(true);
        _ = Cached::kept(&lock).in_background(&runner).or_create(|| 2);
        clock.advance(SECOND);
        let value = *lock.get_or_create(|| 3);
        assert_eq!(runner.join(), 1);
        let stats = lock.stats();
        assert_eq!(lock.get_fresh().as_deref(), Some(&value));
        DEAD.here_if(value == 3 && stats.dead == 1 && stats.creations == 1);
        IN_TIME.here_if(value == 2 && stats.dead == 0 && stats.creations == 1);
        assert_eq!((stats.creations, stats.dead == 1), (1, value == 3));
    });
    DEAD.at_least_once();
    IN_TIME.at_least_once();
}
