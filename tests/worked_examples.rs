//! The worked examples of the origin (Python's `dogpile`): ten threads use one value many times, while the value
//! expires, is slow to make, or is lost by its store.
//!
//! Time is the settable clock. A use takes some time, and so does a creation, which yields to the other threads at each
//! tick. Every example checks that one creator runs at a time, that no creation begins before the value could have
//! expired or been lost, and that every thread gets a value. In the examples of the reader lock the resource is emptied
//! and slowly refilled in its place.

use dogpile::{Clock, Dogpile, ManualClock, ReadGuard, SyncReaderDogpile};
use parking_lot::Mutex; // not std's: see `tests/contract/stage.rs`
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

/// The set-up of one example. All durations are on the settable clock.
struct Example {
    expires_after: Duration,
    creation: Duration,
    uses: usize,
    /// How long one thread uses the value before it asks again.
    use_time: Duration,
    /// The store loses a value this long after the value was stored.
    lost_after: Duration,
}

const THREADS: usize = 10;
const TICK: Duration = ms(1);

/// What an example has counted.
struct Seen {
    creations: usize,
    /// Creations by accesses that had found nothing twice (L8). These may come at any time.
    told_twice: usize,
}

impl Example {
    fn run(&self) -> Seen {
        let clock = Arc::new(ManualClock::new());
        let lock = Dogpile::with_clock(self.expires_after, Arc::clone(&clock));
        // The value is the time of its creation, so it tells its age.
        let store = Mutex::new(None::<Duration>);
        let creating = AtomicBool::new(false);
        let (creations, told_twice) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let last = AtomicU64::new(0);
        let get = || store.lock().filter(|made| clock.elapsed().saturating_sub(*made) < self.lost_after);
        let create = |calls: usize| {
            assert!(!creating.swap(true, Ordering::SeqCst), "one creator at a time (L1)");
            if calls == 2 {
                told_twice.fetch_add(1, Ordering::SeqCst);
            } else if creations.load(Ordering::SeqCst) > 0 {
                let age = Duration::from_nanos(clock.now() - last.load(Ordering::SeqCst));
                assert!(age >= self.expires_after.min(self.lost_after), "created again after {age:?}");
            }
            creations.fetch_add(1, Ordering::SeqCst);
            pass(&clock, self.creation);
            let made = clock.elapsed();
            last.store(clock.now(), Ordering::SeqCst);
            *store.lock() = Some(made);
            creating.store(false, Ordering::SeqCst);
            made
        };
        let access = || {
            let calls = Cell::new(0);
            let counted = || {
                calls.set(calls.get() + 1);
                assert!(calls.get() <= 2, "never a third time (L8)");
                get()
            };
            lock.fetch(counted).or_create(|| create(calls.get()))
        };
        thread::scope(|scope| {
            let use_it = || {
                for _ in 0..self.uses {
                    assert!(access() <= clock.elapsed());
                    // The threads share the clock: together they take as long as one of them.
                    pass(&clock, self.use_time / u32::try_from(THREADS).unwrap());
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(use_it)).collect();
            assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
        });
        assert!(!lock.is_creating());
        assert_eq!(lock.waiting(), 0);
        Seen { creations: creations.into_inner(), told_twice: told_twice.into_inner() }
    }
}

/// A resource in one place, which is emptied and refilled there. Accessed relaxed: the lock alone orders the accesses.
#[derive(Default)]
struct Resource([AtomicU64; 2]);

impl Resource {
    const EMPTY: u64 = 0;

    /// Returns what a reader finds: an error if it comes during a refill.
    fn read(&self) -> Result<u64, &'static str> {
        match [0, 1].map(|half: usize| self.0[half].load(Ordering::Relaxed)) {
            [Self::EMPTY, _] | [_, Self::EMPTY] => Err("it is empty"),
            [first, second] if first != second => Err("it is torn"),
            [edition, _] => Ok(edition),
        }
    }

    fn refill(&self, edition: u64, mut slowly: impl FnMut()) {
        self.0.iter().for_each(|half| half.store(Self::EMPTY, Ordering::Relaxed));
        for half in &self.0 {
            slowly();
            half.store(edition, Ordering::Relaxed);
        }
    }
}

type Swapped = SyncReaderDogpile<Arc<ManualClock>>;

/// One access to such a resource. The last two arguments prepare and refill the resource.
trait AccessFn: for<'a> Fn(&'a Swapped, &Resource, &dyn Fn() -> u64, &dyn Fn(u64)) -> ReadGuard<'a, u64> + Sync {}
impl<F: for<'a> Fn(&'a Swapped, &Resource, &dyn Fn() -> u64, &dyn Fn(u64)) -> ReadGuard<'a, u64> + Sync> AccessFn
    for F
{
}

impl Example {
    /// Runs the example with a resource that is swapped in its place, which takes `write`.
    fn swap(&self, write: Duration, access: impl AccessFn) -> Seen {
        let clock = Arc::new(ManualClock::new());
        let lock = SyncReaderDogpile::with_clock(self.expires_after, Arc::clone(&clock));
        let resource = Resource::default();
        let (creating, creations) = (AtomicBool::new(false), AtomicUsize::new(0));
        let prepare = || {
            assert!(!creating.swap(true, Ordering::SeqCst), "one creator at a time (L1)");
            pass(&clock, self.creation);
            creations.fetch_add(1, Ordering::SeqCst) as u64 + 1
        };
        let refill = |edition| {
            resource.refill(edition, || pass(&clock, write / 2));
            creating.store(false, Ordering::SeqCst);
        };
        thread::scope(|scope| {
            let use_it = || {
                for _ in 0..self.uses {
                    let guard = access(&lock, &resource, &prepare, &refill);
                    assert_eq!(resource.read(), Ok(*guard));
                    pass(&clock, self.use_time / u32::try_from(THREADS).unwrap());
                    assert_eq!(resource.read(), Ok(*guard), "it stays as it is under a guard (L9)");
                }
            };
            let threads: Vec<_> = (0..THREADS).map(|_| scope.spawn(use_it)).collect();
            assert!(threads.into_iter().all(|thread| thread.join().is_ok()));
        });
        assert!(!lock.is_creating() && lock.try_acquire_write_lock().is_ok());
        Seen { creations: creations.into_inner(), told_twice: 0 }
    }
}

/// Lets time pass, in ticks, and the other threads run.
fn pass(clock: &ManualClock, time: Duration) {
    let mut left = time;
    while !left.is_zero() {
        let tick = left.min(TICK);
        clock.advance(tick);
        left = left.saturating_sub(tick);
        thread::yield_now();
    }
}

/// Returns how often a value of that lifetime can have expired while all uses and creations took their time.
fn at_most(example: &Example, seen: &Seen) -> usize {
    let used = example.use_time * u32::try_from(example.uses).unwrap();
    let spent = used + example.creation * u32::try_from(seen.creations).unwrap();
    let lifetime = example.expires_after.min(example.lost_after);
    1 + seen.told_twice + usize::try_from(spent.as_nanos() / lifetime.as_nanos()).unwrap()
}

#[test]
fn single_creation() {
    let example =
        Example { expires_after: ms(10_000), creation: ms(100), uses: 10, use_time: ms(10), lost_after: Duration::MAX };
    assert_eq!(example.run().creations, 1);
}

#[test]
fn no_expiration() {
    let example = Example {
        expires_after: Duration::MAX,
        creation: ms(1_000),
        uses: 100,
        use_time: ms(1_000),
        lost_after: Duration::MAX,
    };
    assert_eq!(example.run().creations, 1);
}

#[test]
fn quick() {
    let example =
        Example { expires_after: ms(200), creation: ms(10), uses: 100, use_time: ms(20), lost_after: Duration::MAX };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn slow() {
    let example =
        Example { expires_after: ms(1_000), creation: ms(200), uses: 50, use_time: ms(500), lost_after: Duration::MAX };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn long_creation() {
    // The value takes longer to make than it lives, so creations follow each other.
    let example =
        Example { expires_after: ms(50), creation: ms(500), uses: 50, use_time: ms(20), lost_after: Duration::MAX };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn quick_and_lost_before_it_expires() {
    let example =
        Example { expires_after: ms(200), creation: ms(10), uses: 100, use_time: ms(20), lost_after: ms(150) };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn quick_and_lost_after_it_expired() {
    let example =
        Example { expires_after: ms(200), creation: ms(10), uses: 100, use_time: ms(20), lost_after: ms(210) };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn slow_and_lost_before_it_expires() {
    let example =
        Example { expires_after: ms(1_000), creation: ms(200), uses: 50, use_time: ms(500), lost_after: ms(900) };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn slow_and_lost_after_it_expired() {
    let example =
        Example { expires_after: ms(1_000), creation: ms(200), uses: 50, use_time: ms(500), lost_after: ms(1_100) };
    let seen = example.run();
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, &seen), "{}", seen.creations);
}

#[test]
fn returning_while_in_progress() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(ms(50), Arc::clone(&clock));
    let store = AtomicUsize::new(0);
    let get = || match store.load(Ordering::SeqCst) {
        0 => None,
        value => Some(value),
    };
    let make = |value| {
        store.store(value, Ordering::SeqCst);
        value
    };
    assert_eq!(lock.fetch(get).or_create(|| make(1)), 1);
    clock.advance(ms(50));
    let created = lock.fetch(get).or_create(|| {
        thread::scope(|scope| {
            let others: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| lock.fetch(get).or_create(|| 99))).collect();
            // All other accesses return while this creator still runs.
            assert!(others.into_iter().all(|other| other.join().unwrap() == 1));
        });
        make(2)
    });
    assert_eq!(created, 2);
    assert_eq!(lock.fetch(get).or_create(|| 99), 2);
}

const SWAPPED: Example =
    Example { expires_after: ms(200), creation: ms(10), uses: 50, use_time: ms(20), lost_after: Duration::MAX };

const WRITE: Duration = ms(50);

fn assert_swapped(seen: &Seen) {
    let example = Example { creation: SWAPPED.creation + WRITE, ..SWAPPED };
    assert!(seen.creations > 1 && seen.creations <= at_most(&example, seen), "{}", seen.creations);
}

#[test]
fn slow_writes_under_readers_in_lock_mode() {
    let seen = SWAPPED.swap(WRITE, |lock, resource, prepare, refill| {
        let guard = lock.access().or_create_with(|creation| {
            let edition = prepare();
            let _alone = creation.write_lock().unwrap();
            refill(edition);
        });
        ReadGuard::map(guard, |_outcome| resource.read().unwrap())
    });
    assert_swapped(&seen);
}

#[test]
fn slow_writes_under_readers_in_getter_mode() {
    let seen = SWAPPED.swap(WRITE, |lock, resource, prepare, refill| {
        // The getter is called under the guard, so it finds the resource whole.
        let getter = || Some(resource.read().unwrap());
        lock.fetch(getter).and_set(|edition| refill(*edition)).or_create(prepare)
    });
    assert_swapped(&seen);
}
