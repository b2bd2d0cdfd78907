//! One lock for each key: a release against look-ups, with and without idle entries.
//!
//! Two locks for one key would elect two creators. The models look for that.
#![cfg(dogpile_loom)]

use dogpile::{Backoff, Cached, CreateError, Dogpile, Held, ManualClock, Policy, Registry, Turn};
use dogpile_loom_tests::{Reached, check, spawn};
use loom::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use loom::thread;
use std::sync::Arc;
use std::time::Duration;

type Lock = Dogpile<Arc<ManualClock>>;
type Locks = Registry<u64, Lock, Box<dyn Fn(&u64) -> Lock + Send + Sync>>;

struct Model {
    locks: Arc<Locks>,
    clock: Arc<ManualClock>,
    creating: AtomicUsize,
    made: Arc<std::sync::atomic::AtomicUsize>,
}

fn shared(idle_for: Duration) -> Arc<Model> {
    shared_at_most(idle_for, usize::MAX)
}

fn shared_at_most(idle_for: Duration, at_most_idle: usize) -> Arc<Model> {
    let clock = Arc::new(ManualClock::new());
    let made = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let maker = {
        let (clock, made) = (Arc::clone(&clock), Arc::clone(&made));
        move |_: &u64| {
            made.fetch_add(1, Relaxed);
            Dogpile::with_clock(Duration::from_secs(1), Arc::clone(&clock))
        }
    };
    let maker: Box<dyn Fn(&u64) -> Lock + Send + Sync> = Box::new(maker);
    let locks = Arc::new(Registry::with_maker(maker).keep_idle(idle_for).at_most_idle(at_most_idle));
    Arc::new(Model { locks, clock, creating: AtomicUsize::new(0), made })
}

impl Model {
    /// Is elected, unless a creation runs, and gives that creation up.
    fn create(&self, held: &Held<'_, u64, Lock>) -> bool {
        let Ok(Turn::Create(creation)) = held.try_acquire() else { return false };
        assert_eq!(self.creating.fetch_add(1, Relaxed), 0, "two locks for one key");
        thread::yield_now();
        self.creating.fetch_sub(1, Relaxed);
        drop(creation);
        true
    }

    fn look_up_and_create(&self) -> bool {
        self.create(&self.locks.get(&1))
    }
}

/// Two threads look a key up, and a holder leaves meanwhile.
fn two_look_ups_while_a_holder_leaves(idle_for: Duration, again: &'static Reached, kept: &'static Reached) {
    check(move || {
        let shared = shared(idle_for);
        let held = shared.locks.get(&1);
        let others = [(); 2].map(|()| spawn(&shared, Model::look_up_and_create));
        drop(held);
        let created = others.map(|other| other.join().unwrap());
        assert!(created.contains(&true));
        let made = shared.made.load(Relaxed);
        again.here_if(made > 1);
        kept.here_if(made == 1);
        shared.clock.advance(idle_for);
        shared.locks.sweep();
        assert_eq!(shared.locks.len(), 0);
    });
}

#[test]
fn a_release_against_two_look_ups() {
    static AGAIN: Reached = Reached::new();
    static KEPT: Reached = Reached::new();
    two_look_ups_while_a_holder_leaves(Duration::ZERO, &AGAIN, &KEPT);
    AGAIN.at_least_once();
    KEPT.at_least_once();
}

#[test]
fn a_release_against_two_look_ups_with_idle_entries() {
    static AGAIN: Reached = Reached::new();
    static KEPT: Reached = Reached::new();
    two_look_ups_while_a_holder_leaves(Duration::from_secs(1), &AGAIN, &KEPT);
    KEPT.at_least_once();
}

/// An idle entry is held again, or swept, but not both.
#[test]
fn a_sweep_against_a_look_up() {
    static SWEPT: Reached = Reached::new();
    static REVIVED: Reached = Reached::new();
    check(|| {
        let shared = shared(Duration::from_secs(1));
        drop(shared.locks.get(&1));
        shared.clock.advance(Duration::from_secs(1));
        let sweeper = spawn(&shared, |shared| shared.locks.sweep());
        let held = shared.locks.get(&1);
        let other = spawn(&shared, Model::look_up_and_create);
        let mine = shared.create(&held);
        let swept = sweeper.join().unwrap();
        assert!(other.join().unwrap() || mine);
        SWEPT.here_if(swept == 1);
        REVIVED.here_if(swept == 0);
        assert_eq!(shared.made.load(Relaxed), swept + 1);
        drop(held);
        assert_eq!(shared.locks.len(), 1);
    });
    SWEPT.at_least_once();
    REVIVED.at_least_once();
}

/// An entry beyond the bound is evicted, or held again, but not both. Once all holders have let go, there are no more
/// entries than allowed.
#[test]
fn k5_an_eviction_against_a_look_up() {
    static EVICTED: Reached = Reached::new();
    static REVIVED: Reached = Reached::new();
    check(|| {
        let shared = shared_at_most(Duration::from_secs(1), 1);
        drop(shared.locks.get(&1));
        let evicts = spawn(&shared, |shared| drop(shared.locks.get(&2)));
        let other = spawn(&shared, Model::look_up_and_create);
        let mine = shared.look_up_and_create();
        evicts.join().unwrap();
        assert!(other.join().unwrap() || mine);
        assert_eq!(shared.locks.len(), 1);
        let made = shared.made.load(Relaxed);
        EVICTED.here_if(made > 2);
        REVIVED.here_if(made == 2);
    });
    EVICTED.at_least_once();
    REVIVED.at_least_once();
}

/// Two holders leave at once. One of them is the last, and removes the entry.
#[test]
fn two_releases_at_once_remove_the_entry() {
    check(|| {
        let shared = shared(Duration::ZERO);
        let held = shared.locks.get_owned(&1);
        let clone = held.clone();
        let other = thread::spawn(move || drop(clone));
        drop(held);
        other.join().unwrap();
        assert_eq!(shared.locks.len(), 0);
    });
}

/// A creation that owns its holder ends on another thread, against a look-up of its key.
#[test]
fn c7_an_owned_creation_ends_while_its_key_is_looked_up() {
    static BESIDE: Reached = Reached::new();
    check(|| {
        let shared = shared(Duration::ZERO);
        let Turn::Create(creation) = Dogpile::kept(&shared.locks.get_owned(&1)).turn() else {
            panic!("nobody else creates")
        };
        shared.creating.fetch_add(1, Relaxed);
        let other = spawn(&shared, |shared| {
            shared.creating.fetch_sub(1, Relaxed);
            drop(creation);
        });
        let created = shared.look_up_and_create();
        BESIDE.here_if(!created);
        other.join().unwrap();
        assert_eq!(shared.locks.len(), 0);
    });
    BESIDE.at_least_once();
}

/// A holder lets go, and may be the last, while another thread looks the key up, creates and lets go, too. The value is
/// kept, though `keep_idle` was not called, and so is the lock.
#[test]
fn f12_a_release_against_a_creation() {
    check(|| {
        let clock = Arc::new(ManualClock::new());
        let maker = move |_: &u64| Cached::with_clock(Duration::from_secs(1), Arc::clone(&clock));
        let values = Arc::new(Registry::with_maker(maker));
        let held = values.get_owned(&1);
        let creates = {
            let values = Arc::clone(&values);
            thread::spawn(move || assert_eq!(*values.get(&1).get_or_create(|| 7), 7))
        };
        let lets_go = thread::spawn(move || drop(held));
        creates.join().unwrap();
        lets_go.join().unwrap();
        assert_eq!(values.len(), 1, "the value is forgotten");
        assert_eq!(values.get(&1).get_fresh().as_deref(), Some(&7));
    });
}

/// A holder lets go, and may be the last, while another thread looks the key up, fails and lets go, too. The pause is
/// kept, and so is the lock.
#[test]
fn a_release_against_a_failure() {
    static PAUSING: Policy =
        Policy::builder().retry_after(Backoff::new(Duration::from_secs(1), Duration::from_secs(1))).build_const();
    check(|| {
        let clock = Arc::new(ManualClock::new());
        let maker = move |_: &u64| Dogpile::with_clock(Duration::from_secs(1), Arc::clone(&clock));
        let locks = Arc::new(Registry::with_maker(maker).with_policy(&PAUSING));
        let held = locks.get_owned(&1);
        let fails = {
            let locks = Arc::clone(&locks);
            thread::spawn(move || {
                let failed = locks.get(&1).acquire_or_try_create(|| Err("no answer"));
                assert_eq!(failed, Err(CreateError::Failed("no answer")));
            })
        };
        let lets_go = thread::spawn(move || drop(held));
        fails.join().unwrap();
        lets_go.join().unwrap();
        assert_eq!(locks.len(), 1, "the pause is forgotten");
        assert!(locks.get(&1).paused_for().is_some());
    });
}
