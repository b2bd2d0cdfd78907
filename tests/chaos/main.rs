//! Creators that fail, panic, hang, take long, are dropped or ask for their own value, under random load and random
//! policies, on every type. An [`observer`] that shares no code with the crate checks the laws.
//!
//! Each test prints its seed. To run with the same one, set `DOGPILE_CHAOS_SEED`. (The seed decides what each thread
//! does. The machine decides in which order the threads do it.) `DOGPILE_CHAOS_ROUNDS` sets the number of rounds for
//! each type.

mod observer;
mod subjects;

use dogpile::{Backoff, Clock, ManualClock, OnError, Policy};
use fastrand::Rng;
use observer::{Form, Observer, Run};
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;
use subjects::Subject;

const SECOND: Duration = Duration::from_secs(1);
const THREADS: usize = 4;
const ACCESSES: usize = 60;

/// Values live for two seconds. A round moves its clock by a quarter of a second at a time.
const LIFETIME: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(250);

/// The value that a creator made: a number of its own, twice, so that a mix of two values is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value(u64, u64);

impl Value {
    const fn of(run: u64) -> Self {
        Self(run, !run)
    }

    /// Returns the number of the creator that made the value.
    fn run(self) -> u64 {
        assert_eq!(self.0, !self.1, "torn");
        self.0
    }
}

/// The error of a creator that fails.
#[derive(Debug)]
struct Failure;

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("chaos")
    }
}

/// The panic of a creator that panics on purpose.
#[derive(Debug)]
struct OnPurpose;

/// The outcome of an access, as far as the observer needs it.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// The access used a value that another access made.
    Used(Value),
    /// The access created with success.
    Created(Value),
    /// The access was elected, and its creator failed or never ran.
    Failed,
    /// The access was told to try later, or ran out of time, or would have waited for itself.
    Told,
}

/// What one creator does.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Succeed,
    Dawdle,
    Fail,
    Panic,
    /// Waits until the clock has been moved by far more than a creation may take.
    Hang,
    AskForItself,
}

/// The source of all decisions.
enum Whim {
    /// Chance decides.
    Chaos(Rng),
    /// All goes well.
    Calm,
}

impl Whim {
    fn deed(&mut self) -> Deed {
        match self.draw(12) {
            0..5 => Deed::Succeed,
            5 => Deed::Dawdle,
            6..9 => Deed::Fail,
            9 => Deed::Panic,
            10 => Deed::Hang,
            _ => Deed::AskForItself,
        }
    }

    /// Returns another source of decisions, for another thread or job.
    fn fork(&mut self) -> Self {
        match self {
            Self::Chaos(rng) => Self::Chaos(rng.fork()),
            Self::Calm => Self::Calm,
        }
    }

    /// Returns a number below `of`; 0 if all goes well.
    pub fn draw(&mut self, of: u32) -> u32 {
        match self {
            Self::Chaos(rng) => rng.u32(0..of),
            Self::Calm => 0,
        }
    }
}

/// The state that the threads of one round share.
struct Round {
    clock: Arc<ManualClock>,
    observer: Observer,
    policy: Policy,
    /// The number of jobs that were handed over and have not ended.
    jobs: AtomicUsize,
}

impl Round {
    /// Runs a creator for an access of the form `of`, which asked at the time `since`. The creator may call `again`,
    /// which asks for the same value once more.
    pub fn create(&self, whim: &mut Whim, of: Form, since: u64, again: impl FnOnce()) -> Result<Value, Failure> {
        let run = self.observer.begins(of, since, &self.clock);
        // Tells the observer of the creator's end in any case, also in a panic.
        let ends = Ends(self, run);
        match whim.deed() {
            Deed::Succeed => {}
            Deed::Dawdle => (0..20).for_each(|_| thread::yield_now()),
            Deed::Fail => return Err(Failure),
            Deed::Panic => resume_unwind(Box::new(OnPurpose)),
            Deed::Hang => {
                let until = self.clock.now() + 3_000_000_000;
                while self.clock.now() < until {
                    thread::yield_now();
                }
            }
            Deed::AskForItself => again(),
        }
        let value = Value::of(run.number);
        ends.well();
        Ok(value)
    }
}

struct Ends<'a>(&'a Round, Run);

impl Ends<'_> {
    fn well(self) {
        self.0.observer.succeeds(self.1);
        std::mem::forget(self);
    }
}

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.observer.fails(self.1, &self.0.clock);
    }
}

fn policy(rng: &mut Rng) -> Policy {
    let mut policy = Policy::builder();
    if rng.bool() {
        policy = policy.retry_after(Backoff::new(SECOND / 2, SECOND * 2));
    }
    if rng.bool() {
        policy = policy.on_error(OnError::ServeStale);
    }
    if rng.bool() {
        policy = policy.creation_timeout(SECOND);
    }
    if rng.bool() {
        policy = policy.max_stale(TICK * rng.u32(0..4));
    }
    match rng.u32(0..4) {
        0 => policy = policy.refresh_at(0.5),
        1 => policy = policy.refresh_early(1.0),
        _ => {}
    }
    if rng.bool() {
        policy = policy.jitter(0.5);
    }
    policy.build().unwrap()
}

fn chaos<S: Subject>() {
    let number = |name: &str, otherwise: u64| env::var(name).map_or(otherwise, |said| said.parse().expect(name));
    let seed = number("DOGPILE_CHAOS_SEED", fastrand::u64(..));
    let rounds = number("DOGPILE_CHAOS_ROUNDS", 30);
    println!("DOGPILE_CHAOS_SEED={seed}");
    let mut rng = Rng::with_seed(seed);
    for number in 0..rounds {
        let policy = policy(&mut rng);
        catch_unwind(AssertUnwindSafe(|| round::<S>(&mut rng, policy))).unwrap_or_else(|panic| {
            println!("in round {number}, under {policy:?}");
            resume_unwind(panic)
        });
    }
}

fn round<S: Subject>(rng: &mut Rng, policy: Policy) {
    let clock = Arc::new(ManualClock::new());
    let (observer, jobs) = (Observer::of(policy), AtomicUsize::new(0));
    let round = Arc::new(Round { clock: Arc::clone(&clock), observer, policy, jobs });
    let subject = S::new(LIFETIME, Arc::clone(&clock), Arc::new(round.policy));
    let at_work = AtomicUsize::new(THREADS);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..THREADS)
            .map(|_| {
                let mut whim = Whim::Chaos(rng.fork());
                let (round, subject, at_work) = (&round, &subject, &at_work);
                scope.spawn(move || {
                    let worked = catch_unwind(AssertUnwindSafe(|| work(&mut whim, round, subject)));
                    at_work.fetch_sub(1, Ordering::SeqCst);
                    worked.unwrap_or_else(|panic| resume_unwind(panic));
                })
            })
            .collect();
        while at_work.load(Ordering::SeqCst) > 0 || round.jobs.load(Ordering::SeqCst) > 0 {
            for _ in 0..50 {
                thread::yield_now();
            }
            clock.advance(TICK);
        }
        for worker in workers {
            worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        }
    });
    // At rest no access creates and none waits. Once the pause is over, the lock works as before.
    assert!(subject.is_at_rest(), "no waiter and no creation is left behind");
    clock.advance(SECOND * 10);
    let last = subject.access(&mut Whim::Calm, &round);
    if let (Seen::Used(old), true) = (last, S::HANDS_OVER) {
        while round.jobs.load(Ordering::SeqCst) > 0 {
            thread::yield_now();
        }
        let new = subject.access(&mut Whim::Calm, &round);
        assert!(matches!(new, Seen::Used(new) if new.run() > old.run()), "{new:?} after {old:?}");
    } else {
        assert!(matches!(last, Seen::Created(_)), "{last:?}");
    }
    assert!(subject.is_at_rest());
}

fn work<S: Subject>(whim: &mut Whim, round: &Arc<Round>, subject: &S) {
    for _ in 0..ACCESSES {
        match whim.draw(20) {
            1 => {
                let begun = round.observer.invalidation_begins();
                subject.invalidate();
                round.observer.invalidated(begun);
            }
            2 => subject.mark_stale(),
            _ => {
                let asked = round.observer.asks();
                match catch_unwind(AssertUnwindSafe(|| subject.access(whim, round))) {
                    Ok(Seen::Used(value)) => round.observer.uses(&asked, value.run()),
                    Ok(Seen::Created(value)) => round.observer.has_made(value.run()),
                    Ok(Seen::Failed | Seen::Told) => {}
                    Err(panic) if panic.is::<OnPurpose>() => {}
                    Err(panic) => resume_unwind(panic),
                }
            }
        }
    }
}

macro_rules! on_every_type {
    ($($name:ident: $subject:ty),+ $(,)?) => {
        $(#[test]
        fn $name() {
            chaos::<$subject>();
        })+
    };
}

on_every_type! {
    dogpile_in_lock_mode: subjects::LockMode,
    dogpile_by_turn: subjects::ByTurn,
    dogpile_in_getter_mode: subjects::GetterMode,
    dogpile_in_stamped_getter_mode: subjects::StampedMode,
    sync_reader_dogpile: subjects::Readers,
    sync_reader_dogpile_in_getter_mode: subjects::ReadersByGetter,
    cached: subjects::OfCached,
    cached_in_background: subjects::InBackground,
    sync_reader_dogpile_in_background: subjects::ReadersInBackground,
    registered_cached: subjects::Registered,
    function_by_key: subjects::ByKey,
}
