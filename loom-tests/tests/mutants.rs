//! Models that must fail. Each runs with a fault planted in the crate and is expected to find it, and passes without
//! the fault.
//!
//! They prove that the shim is live, and that loom looks at the code that the other models claim to look at.
//!
//! The faulty half of a model runs in a process of its own. A fault belongs to the whole process, and on a deadlock
//! loom aborts the process (a panic in the scheduler, then another one in the drop of some value).
#![cfg(dogpile_loom)]

use dogpile::model::{Deadline, Election, Mutant, Verdict, block_until, plant};
use dogpile::{
    Cached, CreateError, Dogpile, Finished, Freshness, Made, ManualClock, Outcome, Policy, Registry, RmLock, Task, Turn,
};
use dogpile_loom_tests::{Slot, Wakes, check};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use std::env;
use std::future::pending;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Set in the process that runs the faulty half of a test.
const FAULTY: &str = "DOGPILE_LOOM_FAULTY";

/// Runs `model` with `fault` planted, and expects it to fail with a message that contains `symptom`. Then runs it
/// without the fault. `test` is the name of the calling test.
#[track_caller]
fn finds(test: &str, fault: Mutant, symptom: &str, model: fn()) {
    if env::var_os(FAULTY).is_some() {
        plant(Some(fault));
        return check(model);
    }
    let mut faulty = Command::new(env::current_exe().unwrap());
    let faulty = faulty.args([test, "--exact", "--nocapture"]).env(FAULTY, "1").output().unwrap();
    let message = String::from_utf8_lossy(&faulty.stderr);
    assert!(!faulty.status.success(), "the model does not see the fault");
    assert!(message.contains(symptom), "it failed otherwise: {message}");

    check(model);
}

type Lock = Dogpile<ManualClock>;

fn lock() -> Arc<Lock> {
    Arc::new(Dogpile::with_clock(Duration::from_secs(1), ManualClock::new()))
}

/// Without release ordering on the deadline, an access that finds the value fresh does not see the value.
#[test]
fn l4_unreleased_deadline() {
    finds("l4_unreleased_deadline", Mutant::UnreleasedDeadline, "Causality violation", || {
        let shared = Arc::new((lock(), Slot::new()));
        let creator = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || shared.0.acquire_or_create(|| shared.1.write(1)))
        };
        let reader = thread::spawn(move || {
            if shared.0.freshness() == Freshness::Fresh {
                assert_eq!(shared.1.read(), 1);
            }
        });
        assert_eq!(creator.join().unwrap(), Outcome::Created);
        reader.join().unwrap();
    });
}

/// Without the look whether an access has an old value to go on with, the access waits for the creation that runs.
#[test]
fn l2_old_value_awaited() {
    finds("l2_old_value_awaited", Mutant::OldValueAwaited, "an access with an old value has waited", || {
        let lock = lock();
        lock.acquire_or_create(|| ());
        lock.mark_stale();
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        lock.acquire_or_create(|| ());
        other.join().unwrap();
        assert_eq!(lock.stats().waits, 0, "an access with an old value has waited");
    });
}

/// Without the second look, an access that queues when the creation has just ended waits for ever.
#[test]
fn c16_no_recheck() {
    finds("c16_no_recheck", Mutant::NoRecheck, "deadlock", || {
        let lock = lock();
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        let outcomes = [lock.acquire_or_create(|| ()), other.join().unwrap()];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1);
    });
}

/// A watcher that looks for its value before it is in the list misses a value that comes in between.
#[test]
fn c16_looks_before_it_watches() {
    finds("c16_looks_before_it_watches", Mutant::LooksBeforeItWatches, "deadlock", || {
        let lock = lock();
        let seen = lock.generation();
        let creator = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        assert!(lock.changed(seen, Duration::MAX).is_ok_and(|now| now > seen));
        assert_eq!(creator.join().unwrap(), Outcome::Created);
    });
}

/// If a leaving waiter keeps the baton, the next in line waits for ever.
#[test]
fn c4_baton_kept() {
    finds("c4_baton_kept", Mutant::BatonKept, "deadlock", || {
        let lock = lock();
        let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("nobody else creates") };
        let impatient = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || drop(lock.access().timeout(Duration::ZERO).turn()))
        };
        let patient = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        drop(creation);
        impatient.join().unwrap();
        assert_eq!(patient.join().unwrap(), Outcome::Created);
    });
}

/// The same seen from the queue: the waker of the next waiter is not woken.
#[test]
fn c4_baton_kept_by_a_task() {
    finds("c4_baton_kept_by_a_task", Mutant::BatonKept, "the baton", || {
        let election = Arc::new(Election::new());
        let born = election.elect(election.look(), None).expect("nobody else creates");
        let wakes = [(); 2].map(|()| Arc::new(Wakes::default()));
        let [mut first, mut second] = [(); 2].map(|()| election.wait(election.look(), false));
        assert_eq!(first.poll(&wakes[0].waker(), None), Poll::Pending);
        assert_eq!(second.poll(&wakes[1].waker(), None), Poll::Pending);
        let creator = {
            let election = Arc::clone(&election);
            thread::spawn(move || election.abandon(born, None, None, || ()))
        };
        drop(first);
        creator.join().unwrap();
        assert_eq!(wakes[1].count(), 1, "the baton was kept");
        let verdict = block_until(Deadline::after(Duration::MAX), |waker| second.poll(waker, None));
        assert!(matches!(verdict, Some(Verdict::Elected(_))));
    });
}

/// If a superseded creation is published, its old value counts as fresh.
#[test]
fn l6_late_finish_publishes() {
    finds("l6_late_finish_publishes", Mutant::LateFinishPublishes, "old news", || {
        let lock = lock();
        let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("nobody else creates") };
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.invalidate())
        };
        let finished = creation.finish();
        other.join().unwrap();
        assert_eq!(lock.freshness(), Freshness::Missing, "old news counts as fresh");
        assert!(matches!(finished, Finished::Published | Finished::Superseded));
    });
}

/// If a turn outlives the generation in which it was settled, two accesses that found the value gone together create
/// one after the other.
#[test]
fn l8_elected_on_old_news() {
    finds("l8_elected_on_old_news", Mutant::ElectedOnOldNews, "created twice", || {
        let shared = Arc::new((lock(), AtomicUsize::new(0)));
        shared.0.acquire_or_create(|| ()); // and the store has lost it
        let access = |shared: &(Arc<Lock>, AtomicUsize)| {
            let get = || (shared.1.load(Relaxed) != 0).then_some(());
            shared.0.fetch(get).or_create(|| assert_eq!(shared.1.fetch_add(1, Relaxed), 0, "created twice"));
        };
        let other = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || access(&shared))
        };
        access(&shared);
        other.join().unwrap();
    });
}

/// The model of the next tests: a reader, which holds a guard already if `outer` says so, and a writer.
fn reader_and_writer(outer: bool) {
    let lock = Arc::new(RmLock::new(Slot::new()));
    drop(lock.read());
    let outer = outer.then(|| lock.read());
    let writer = {
        let lock = Arc::clone(&lock);
        thread::spawn(move || lock.write().write(1))
    };
    let inner = lock.read();
    drop(outer);
    assert!(inner.read() <= 1);
    drop(inner);
    writer.join().unwrap();
}

/// Without the reader's fence, neither sees the other, and both get in.
#[test]
fn l9_no_reader_fence() {
    finds("l9_no_reader_fence", Mutant::NoReaderFence, "Causality violation", || reader_and_writer(false));
}

/// A reader that leaves without a look at the gate leaves the writer asleep.
#[test]
fn l9_leaves_silently() {
    finds("l9_leaves_silently", Mutant::LeavesSilently, "deadlock", || reader_and_writer(false));
}

/// A writer that takes a record for free although it is not passes over its reader.
#[test]
fn l9_taken_uncounted() {
    finds("l9_taken_uncounted", Mutant::TakenUncounted, "Causality violation", || {
        let lock = Arc::new(RmLock::new(Slot::new()));
        drop(lock.read());
        let writer = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.write().write(1))
        };
        let guard = lock.read();
        let before = guard.read();
        thread::yield_now();
        assert_eq!(guard.read(), before);
        drop(guard);
        writer.join().unwrap();
    });
}

/// A writer that waits only for the outer guard comes in under the inner one.
#[test]
fn l9_nested_not_waited_for() {
    finds("l9_nested_not_waited_for", Mutant::NestedNotWaitedFor, "Causality violation", || reader_and_writer(true));
}

/// With the deadline before the value, a reader finds the old value and takes it for fresh.
#[test]
fn l4_deadline_before_value() {
    finds("l4_deadline_before_value", Mutant::DeadlineBeforeValue, "an old value is fresh", || {
        let cached = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        cached.set(1);
        cached.mark_stale();
        let creator = {
            let cached = Arc::clone(&cached);
            thread::spawn(move || *cached.get_or_create(|| 2))
        };
        let reader = thread::spawn(move || {
            assert!(cached.get_fresh().is_none_or(|hit| *hit == 2), "an old value is fresh");
        });
        assert_eq!(creator.join().unwrap(), 2);
        reader.join().unwrap();
    });
}

/// A reader that looks at the cell before the deadline finds the old value and the new deadline.
#[test]
fn l4_cell_before_deadline() {
    finds("l4_cell_before_deadline", Mutant::CellBeforeDeadline, "an old value is fresh", || {
        let cached = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        cached.set(1);
        cached.mark_stale();
        let creator = {
            let cached = Arc::clone(&cached);
            thread::spawn(move || *cached.get_or_create(|| 2))
        };
        let reader = thread::spawn(move || {
            let mut reader = cached.reader();
            reader.peek();
            let value = *reader.get_or_create(|| 3);
            assert!(value != 1 || reader.outcome() == Some(Outcome::Stale), "an old value is fresh");
        });
        creator.join().unwrap();
        reader.join().unwrap();
    });
}

/// Outside the mutex, a value that is being invalidated is found unchanged in the generation that comes after it.
#[test]
fn l6_old_value_outside_the_mutex() {
    finds("l6_old_value_outside_the_mutex", Mutant::OldOutsideMutex, "it came back", || {
        let cached = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        cached.set(1);
        cached.mark_stale();
        let invalidator = {
            let cached = Arc::clone(&cached);
            thread::spawn(move || cached.invalidate())
        };
        let _renewed = cached.access().or_create_with(|renewal| renewal.unchanged().unwrap_or_else(|| Made::new(2)));
        invalidator.join().unwrap();
        assert!(cached.peek().is_none_or(|left| *left == 2), "it came back");
    });
}

/// A holder that takes itself for the last one removes the entry, although another thread has looked it up meanwhile.
#[test]
fn last_without_a_look() {
    finds("last_without_a_look", Mutant::LastWithoutALook, "two locks for one key", || {
        let registry: Arc<Registry<u8>> = Arc::new(Registry::new(|_| Dogpile::never_expires()));
        let held = registry.get(&1);
        let other = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || {
                let held = registry.get(&1);
                thread::yield_now();
                let there = registry.get(&1);
                assert!(std::ptr::eq(&raw const *held, &raw const *there), "two locks for one key");
            })
        };
        drop(held);
        other.join().unwrap();
    });
}

/// An eviction that does not look removes an entry that was looked up meanwhile, under its holder.
#[test]
fn k5_held_evicted() {
    finds("k5_held_evicted", Mutant::HeldEvicted, "two locks for one key", || {
        let registry: Registry<u8> = Registry::new(|_| Dogpile::never_expires());
        let registry = Arc::new(registry.keep_idle(Duration::MAX).at_most_idle(1));
        drop(registry.get(&1));
        let evicts = {
            let registry = Arc::clone(&registry);
            thread::spawn(move || drop(registry.get(&2)))
        };
        let held = registry.get(&1);
        thread::yield_now();
        let there = registry.get(&1);
        assert!(std::ptr::eq(&raw const *held, &raw const *there), "two locks for one key");
        drop((held, there));
        evicts.join().unwrap();
    });
}

static MORTAL: Policy = Policy::builder().creation_timeout(Duration::from_secs(1)).build_const();

/// A creation that its lock's clock makes overdue while it stores, and a waiter.
fn store_and_time_out() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(Duration::from_mins(1), Arc::clone(&clock)).with_policy(&MORTAL);
    let shared = Arc::new((Arc::new(lock), Slot::new()));
    let Turn::Create(creation) = Dogpile::kept(&shared.0).turn() else { panic!("nobody else creates") };
    let waiter = {
        let shared = Arc::clone(&shared);
        thread::spawn(move || {
            shared.0.access().or_create_with(|creation| {
                creation.publish(|| shared.1.write(2)).expect("it has all the time");
            })
        })
    };
    let stored = creation.publish(|| {
        clock.advance(Duration::from_secs(1));
        shared.1.write(1);
    });
    assert_eq!(stored, Ok(()), "nobody takes over before that");
    assert_eq!(waiter.join().unwrap(), Outcome::Created);
    assert_eq!(creation.finish(), Finished::Dead, "it is another's turn");
}

/// A creation that takes over while the other one stores, stores as well.
#[test]
fn c11_a_storer_taken_over() {
    finds("c11_a_storer_taken_over", Mutant::StorerTakenOver, "Causality violation", store_and_time_out);
}

/// A waiter that has found the store overdue, and has not said so, is not woken by its end.
#[test]
fn c16_overdue_untold() {
    finds("c16_overdue_untold", Mutant::OverdueUntold, "deadlock", store_and_time_out);
}

/// A creation that was declared dead publishes all the same.
#[test]
fn c11_the_dead_taken_for_live() {
    finds("c11_the_dead_taken_for_live", Mutant::DeadIsLive, "state.is_creating()", store_and_time_out);
}

/// A waiter that was served, and has not woken up, is taken for one that still waits.
#[test]
fn l7_c14_edges_stay() {
    finds("l7_c14_edges_stay", Mutant::EdgesStay, "would have waited", || {
        let [alpha, beta] = [lock(), lock()];
        let Turn::Create(creation) = Dogpile::kept(&beta).turn() else { panic!("nobody else creates") };
        let other = {
            let (alpha, beta) = (Arc::clone(&alpha), Arc::clone(&beta));
            thread::spawn(move || {
                alpha.acquire_or_create(|| {
                    beta.acquire_or_create(|| ());
                })
            })
        };
        let here = thread::spawn(move || {
            creation.run(|_| ());
            beta.mark_stale();
            beta.acquire_or_create(|| {
                alpha.acquire_or_create(|| ());
            })
        });
        other.join().unwrap();
        here.join().unwrap();
    });
}

/// An access has spawned its creation, and waits. Another access waits beside it.
fn spawned_access(fails: bool) {
    let lock = Arc::new(Dogpile::never_expires());
    let task = Arc::new(Mutex::new(None));
    let spawner = {
        let task = Arc::clone(&task);
        move |spawned: Task| *task.lock().unwrap() = Some(spawned)
    };
    let creator = move || async move { if fails { Err("on purpose") } else { Ok(()) } };
    let mut asks = Box::pin(Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(creator));
    assert!(asks.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let mut task = task.lock().unwrap().take().expect("it was spawned");
    let polls = thread::spawn(move || {
        assert!(task.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    });
    let other = fails.then(|| {
        let lock = Arc::clone(&lock);
        thread::spawn(move || lock.acquire_or_create(|| ()))
    });
    let asked =
        block_until(Deadline::after(Duration::MAX), |waker| asks.as_mut().poll(&mut Context::from_waker(waker)));
    let expected = if fails { Err(CreateError::Failed("on purpose")) } else { Ok(Outcome::Created) };
    assert_eq!(asked, Some(expected), "what its own creation came to");
    polls.join().unwrap();
    if let Some(other) = other {
        assert_eq!(other.join().unwrap(), Outcome::Created);
    }
}

/// A spawned creation is dropped half-way, and the only other access that could create leaves. The access that spawned
/// is lost, and is told so.
#[test]
fn f1_alone_untold() {
    finds("f1_alone_untold", Mutant::AloneUntold, "deadlock", || {
        let lock = Arc::new(Dogpile::never_expires());
        let task = Arc::new(Mutex::new(None));
        let spawner = |mut spawned: Task| {
            assert!(spawned.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            *task.lock().unwrap() = Some(spawned);
        };
        let creator = pending::<Result<(), &str>>;
        let mut asks = Box::pin(Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(creator));
        assert!(asks.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let impatient = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || drop(lock.access().timeout(Duration::ZERO).turn()))
        };
        let drops = {
            let task = Arc::clone(&task);
            thread::spawn(move || drop(task.lock().unwrap().take()))
        };
        let asked =
            block_until(Deadline::after(Duration::MAX), |waker| asks.as_mut().poll(&mut Context::from_waker(waker)));
        assert_eq!(asked, Some(Err(CreateError::Lost)));
        impatient.join().unwrap();
        drops.join().unwrap();
    });
}

/// An access that has given its creator away gets the baton, and no access creates any more.
#[test]
fn l5_called_without_a_creator() {
    finds("l5_called_without_a_creator", Mutant::CalledWithoutCreator, "deadlock", || spawned_access(true));
}

/// An access that has spawned is served before it is told what its own creation came to.
#[test]
fn ending_unsaid() {
    finds("ending_unsaid", Mutant::EndingUnsaid, "what its own creation came to", || spawned_access(false));
}

/// Without a second look, after the election, at the last renewal that `renew_if` has caused.
#[test]
fn k1_renewed_again() {
    finds("k1_renewed_again", Mutant::RenewedAgain, "two renewals in one interval", || {
        let clock = ManualClock::new();
        clock.advance(Duration::from_secs(1));
        let policy = Policy::builder().renew_interval(Duration::from_secs(1)).build_const();
        let cached: Cached<u8, _> = Cached::with_clock(Duration::from_secs(1), clock);
        let cached = Arc::new(cached.with_shared_policy(Arc::new(policy)));
        cached.set(1);
        let (seen, attempts) = (cached.generation(), Arc::new(AtomicUsize::new(0)));
        let renew = move |cached: &Cached<u8, ManualClock>, attempts: &AtomicUsize| {
            let failing = || {
                attempts.fetch_add(1, Relaxed);
                Err("down")
            };
            drop(cached.access().renew_if(seen).or_try_create(failing));
        };
        let other = {
            let (cached, attempts) = (Arc::clone(&cached), Arc::clone(&attempts));
            thread::spawn(move || renew(&cached, &attempts))
        };
        renew(&cached, &attempts);
        other.join().unwrap();
        assert_eq!(attempts.load(Relaxed), 1, "two renewals in one interval");
    });
}

/// Without a notice to the waiters that share the error of the creation they have waited for.
#[test]
fn k7_failure_untold() {
    finds("k7_failure_untold", Mutant::FailureUntold, "deadlock", || {
        let cached: Arc<Cached<u8, _>> = Arc::new(Cached::with_clock(Duration::from_secs(1), ManualClock::new()));
        let get = |cached: &Cached<u8, ManualClock>| {
            cached.access().share_errors().or_try_create(|| Err::<u8, _>("down")).unwrap_err();
        };
        let other = {
            let cached = Arc::clone(&cached);
            thread::spawn(move || get(&cached))
        };
        get(&cached);
        other.join().unwrap();
    });
}
