//! Creations in the background, seen from outside: what is handed over, to which runner, and what becomes of it.
//! (`tests/contract/in_background.rs` runs the laws over this form.)

#[macro_use]
#[path = "../traits/mod.rs"]
mod traits;

mod each_type;
#[path = "../held_job/mod.rs"]
mod held_job;
mod lost_jobs;
mod pool;
mod setters;

use dogpile::{Backoff, Dogpile, Freshness, Job, ManualClock, Outcome, Policy, Runner};
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HALF: Duration = Duration::from_secs(30);
const ALMOST_HALF: Duration = Duration::from_secs(29);

static AT_HALF: Policy = Policy::builder().refresh_at(0.5).build_const();
static SHORT_LIVED: Policy = Policy::builder().max_stale(SECOND).build_const();
static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(SECOND, MINUTE).jitter(0.0)).build_const();

type Clock = Arc<ManualClock>;
type Lock = Dogpile<Clock>;

/// A runner that keeps its jobs until the test takes them.
#[derive(Default)]
struct Shelf(Mutex<Vec<Job>>);

impl Runner for Shelf {
    fn run(&self, job: Job) {
        self.0.lock().push(job);
    }
}

impl Shelf {
    fn take(&self) -> Job {
        let job = self.0.lock().pop();
        job.expect("a job was handed over")
    }

    fn is_empty(&self) -> bool {
        self.0.lock().is_empty()
    }
}

fn nobody(_: Job) {
    panic!("nothing is to be handed over");
}

fn lock(policy: &'static Policy) -> (Arc<Lock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(policy)), clock)
}

fn stale(policy: &'static Policy) -> (Arc<Lock>, Clock) {
    let (lock, clock) = lock(policy);
    lock.acquire_or_create(|| ());
    clock.advance(MINUTE);
    (lock, clock)
}

fn hand_over(lock: &Arc<Lock>, runner: &dyn Runner) -> Outcome {
    Dogpile::kept(lock).in_background(runner).or_create(|| ())
}

fn unwanted(lock: &Arc<Lock>) -> Outcome {
    Dogpile::kept(lock).in_background(&nobody).or_create(|| panic!("nobody is to create"))
}

#[test]
fn l2_the_elected_access_goes_on_with_the_old_value_too() {
    let (lock, clock) = stale(&AT_HALF);
    let shelf = Shelf::default();
    assert_eq!(hand_over(&lock, &shelf), Outcome::Stale);
    assert!(lock.is_creating(), "L1");
    assert_eq!(unwanted(&lock), Outcome::Stale);
    clock.advance(SECOND);
    shelf.take()();
    assert_eq!(unwanted(&lock), Outcome::Fresh);
    assert_eq!(lock.age(), Some(Duration::ZERO), "C18: it was made when the job ran");
}

#[test]
fn an_access_that_renews_early_goes_on_with_a_fresh_value() {
    let (lock, clock) = lock(&AT_HALF);
    lock.acquire_or_create(|| ());
    clock.advance(HALF);
    let shelf = Shelf::default();
    assert_eq!(hand_over(&lock, &shelf), Outcome::Fresh);
    assert_eq!(unwanted(&lock), Outcome::Fresh);
    shelf.take()();
    clock.advance(ALMOST_HALF);
    assert_eq!(unwanted(&lock), Outcome::Fresh, "it was renewed");
}

#[test]
fn a_missing_value_is_created_by_the_caller() {
    let (lock, clock) = lock(&SHORT_LIVED);
    let here = thread::current().id();
    let created = |lock| {
        let creator = move |_: &_| assert_eq!(thread::current().id(), here);
        Dogpile::kept(lock).in_background(&nobody).or_create_with(creator)
    };
    assert_eq!(created(&lock), Outcome::Created);
    clock.advance(MINUTE + SECOND);
    assert_eq!(created(&lock), Outcome::Created, "C21: too old to go on with");
    lock.invalidate();
    assert_eq!(created(&lock), Outcome::Created);
    let failed = Dogpile::kept(&lock).in_background(&nobody).or_try_create(|| Err::<(), _>("unwanted"));
    assert_eq!(failed, Ok(Outcome::Fresh));
}

#[test]
fn l6_a_value_invalidated_while_its_job_waits_is_not_published() {
    let (lock, _) = stale(&AT_HALF);
    let (shelf, published) = (Shelf::default(), Arc::new(AtomicUsize::new(0)));
    let in_job = Arc::clone(&published);
    let outcome = Dogpile::kept(&lock).in_background(&shelf).or_create_with(move |creation| {
        assert!(creation.is_superseded());
        assert!(creation.publish(|| in_job.fetch_add(1, Ordering::SeqCst)).is_err());
    });
    assert_eq!(outcome, Outcome::Stale);
    lock.invalidate();
    shelf.take()();
    assert_eq!((lock.freshness(), published.load(Ordering::SeqCst)), (Freshness::Missing, 0));
    assert_eq!(lock.stats().superseded, 1);
}

#[test]
fn l7_a_job_does_not_wait_for_its_own_creation() {
    let (lock, _) = stale(&AT_HALF);
    let (shelf, again) = (Shelf::default(), Arc::clone(&lock));
    let told = Arc::new(Mutex::new(None));
    let tell = Arc::clone(&told);
    Dogpile::kept(&lock).in_background(&shelf).or_create(move || {
        again.invalidate();
        *tell.lock() = again.access().timeout(Duration::MAX).turn().err();
    });
    thread::spawn(shelf.take()).join().unwrap();
    assert!(matches!(*told.lock(), Some(dogpile::AcquireError::WouldDeadlock(_))));
}

/// C22: no mutex of the crate is locked while a job is handed over.
#[test]
fn c22_a_runner_may_use_the_lock() {
    let (lock, clock) = stale(&AT_HALF);
    let runner = |job: Job| {
        assert!(lock.is_creating());
        assert_eq!(unwanted(&lock), Outcome::Stale);
        assert!(lock.access().timeout(Duration::ZERO).turn().is_ok());
        lock.mark_stale();
        assert_eq!(lock.waiting(), 0);
        assert!(format!("{lock:?}").contains("creating: true"));
        clock.advance(SECOND);
        job();
        assert!(!lock.is_creating());
        assert_eq!(lock.freshness(), Freshness::Stale, "it was marked while it was created");
    };
    assert_eq!(hand_over(&lock, &runner), Outcome::Stale);
}

#[test]
fn a_creation_can_be_handed_over_by_hand() {
    let (lock, clock) = stale(&PAUSING);
    let shelf = Shelf::default();
    let dogpile::Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("not elected") };
    creation.try_run_in_background(&shelf, |_| Err::<(), _>("no answer"));
    shelf.take()();
    assert_eq!(lock.paused_for(), Some(SECOND));
    clock.advance(SECOND);
    let dogpile::Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("not elected") };
    creation.run_in_background(&shelf, |_| ());
    shelf.take()();
    assert_eq!(unwanted(&lock), Outcome::Fresh);
}

#[test]
fn thread_per_job_runs_each_job() {
    let (lock, _) = stale(&AT_HALF);
    assert_eq!(hand_over(&lock, &dogpile::ThreadPerJob), Outcome::Stale);
    while lock.is_expired() {
        thread::yield_now();
    }
    assert_eq!(lock.stats().creations, 2);
    assert_eq!(lock.age(), Some(Duration::ZERO));
}
