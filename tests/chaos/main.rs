//! Creators that fail, panic, hang, dawdle, are dropped or ask for their own value, under random load and random
//! policies, on every type; an [`observer`] that shares no code with the crate watches over the laws.
//!
//! The seed is printed; to run with the same one, set `DOGPILE_CHAOS_SEED`. (It decides who does what; in which order
//! the threads come to it is up to the machine.) `DOGPILE_CHAOS_ROUNDS` sets the number of rounds for each type.

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

/// What lives for two seconds, on a clock that the round moves by a quarter of a second at a time.
const LIFETIME: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(250);

/// What a creator made: a number of its own, twice, so that half of one and half of another is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Value(u64, u64);

impl Value {
    const fn of(run: u64) -> Self {
        Self(run, !run)
    }

    /// Which creator made it.
    fn run(self) -> u64 {
        assert_eq!(self.0, !self.1, "torn");
        self.0
    }
}

/// What a creator fails with.
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

/// How an access came out, as far as the observer cares.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// It used a value that somebody else made.
    Used(Value),
    /// It created, with success.
    Created(Value),
    /// It was elected, and its creator has failed, or it never ran.
    Failed,
    /// It was told to try later, or out of time, or that it would wait for itself.
    Told,
}

/// What one creator is going to do.
#[derive(Clone, Copy, Debug)]
enum Deed {
    Succeed,
    Dawdle,
    Fail,
    Panic,
    /// Until its clock has been moved on by far more than it may take.
    Hang,
    AskForItself,
}

/// What decides, all in all.
enum Whim {
    /// Chance.
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

    /// Another, to be taken elsewhere.
    fn fork(&mut self) -> Self {
        match self {
            Self::Chaos(rng) => Self::Chaos(rng.fork()),
            Self::Calm => Self::Calm,
        }
    }

    /// A number below `of`; 0, if all goes well.
    pub fn draw(&mut self, of: u32) -> u32 {
        match self {
            Self::Chaos(rng) => rng.u32(0..of),
            Self::Calm => 0,
        }
    }
}

/// All that one round is about.
struct Round {
    clock: Arc<ManualClock>,
    observer: Observer,
    policy: Policy,
    /// How many jobs were handed over that have not ended.
    jobs: AtomicUsize,
}

impl Round {
    /// Runs a creator, for an access of that form which asked at the time `since`. `again` asks for the same value once
    /// more.
    pub fn create(&self, whim: &mut Whim, of: Form, since: u64, again: impl FnOnce()) -> Result<Value, Failure> {
        let run = self.observer.begins(of, since, &self.clock);
        // Whatever becomes of it.
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
    // At rest: nobody creates, nobody waits, and once the pause is over all is as ever.
    assert!(subject.is_at_rest(), "somebody was left behind");
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
