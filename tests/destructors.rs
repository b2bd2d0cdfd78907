//! Destructors of the user's that panic, wherever a lock runs one: the creation is given up (L5), and the reader leaves
//! (L9).

mod common;

use common::until;
use dogpile::{
    Cached, Clock as _, CreateError, Dogpile, ManualClock, Observer, OnError, Policy, ReadTurn, Source, Stamped,
    SyncReaderDogpile, Task, ThreadPerJob, Turn,
};
use smol::future::block_on;
use std::fmt;
use std::future::ready;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

/// Panics when it is dropped, if its field says so.
#[derive(Debug)]
struct Bomb(bool);

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(!self.0 || thread::panicking(), "the destructor's");
    }
}

impl fmt::Display for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a bomb")
    }
}

fn explodes<T>(access: impl FnOnce() -> T) {
    let panic = catch_unwind(AssertUnwindSafe(|| drop(access()))).unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"the destructor's"));
}

// --- creators, getters and errors, under guards

fn resource() -> Arc<SyncReaderDogpile> {
    Arc::new(SyncReaderDogpile::never_expires().born_fresh())
}

/// Asserts that no thread reads and none creates.
fn is_free(lock: &SyncReaderDogpile) {
    assert!(lock.try_acquire_write_lock().is_ok());
    assert!(!lock.is_creating());
}

#[test]
fn l9_an_unneeded_creator_that_panics_when_dropped_frees_the_lock() {
    let lock = resource();
    let bomb = Bomb(true);
    explodes(|| lock.acquire_or_create(move || drop(bomb)));
    is_free(&lock);
    let bomb = Bomb(true);
    explodes(|| SyncReaderDogpile::kept(&lock).in_background(&ThreadPerJob).or_create(move || drop(bomb)));
    is_free(&lock);
    lock.mark_stale();
    let ReadTurn::Create(creation) = lock.acquire() else { panic!("not elected") };
    let bomb = Bomb(true);
    explodes(|| lock.acquire_or_create(move || drop(bomb)));
    let bomb = Bomb(true);
    explodes(|| SyncReaderDogpile::kept(&lock).in_background(&ThreadPerJob).or_create(move || drop(bomb)));
    let bomb = Bomb(true);
    explodes(|| lock.fetch(|| Some(())).or_create(move || drop(bomb)));
    let bomb = Bomb(true);
    let access = SyncReaderDogpile::kept(&lock).fetch(|| Some(())).in_background(&ThreadPerJob);
    explodes(|| access.or_create(move || drop(bomb)));
    drop(creation);
    is_free(&lock);
}

#[test]
fn l9_unneeded_closures_of_a_task_that_panic_when_dropped_free_the_lock() {
    let lock = resource();
    let kept = || SyncReaderDogpile::kept_async(&lock);
    let spawner = |task: Task| drop(task);
    for state in [|_: &SyncReaderDogpile| (), SyncReaderDogpile::mark_stale] {
        state(&lock);
        let creation = lock.try_acquire().unwrap(); // fresh, or this is the creator
        let bomb = Bomb(true);
        explodes(|| block_on(kept().or_create(async move || drop(bomb))));
        let bomb = Bomb(true);
        explodes(|| block_on(kept().fetch(async || Some(())).or_create(async move || drop(bomb))));
        let bomb = Bomb(true);
        let setter = async move |(): &()| _ = &bomb;
        explodes(|| block_on(kept().fetch(async || Some(())).and_set(setter).or_create(async || ())));
        let bomb = Bomb(true);
        let getter = move || ready(Some(_ = &bomb));
        explodes(|| block_on(kept().fetch(getter).or_create(async || ())));
        let bomb = Bomb(true);
        explodes(|| block_on(kept().spawned_by(&spawner).or_create(move || async move { drop(bomb) })));
        let bomb = Bomb(true);
        let access = kept().fetch(async || Some(())).spawned_by(&spawner);
        explodes(|| block_on(access.or_create(move || async move { drop(bomb) })));
        let bomb = Bomb(true);
        let getter = move || ready(Some(_ = &bomb));
        explodes(|| block_on(kept().fetch(getter).spawned_by(&spawner).or_create(|| async {})));
        drop(creation);
        is_free(&lock);
    }
}

#[test]
fn l9_a_getter_that_panics_when_dropped_frees_the_lock() {
    let lock = resource();
    let bomb = Bomb(true);
    let getter = move || Some(_ = &bomb);
    explodes(|| lock.fetch(getter).or_create(|| ()));
    is_free(&lock);
}

#[test]
fn l9_a_covered_error_that_panics_when_dropped_frees_the_lock() {
    static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
    let lock = SyncReaderDogpile::never_expires().born_fresh().with_policy(&SERVING);
    lock.mark_stale();
    explodes(|| lock.acquire_or_try_create(|| Err(Bomb(true))));
    is_free(&lock);
    explodes(|| {
        let got: Result<_, CreateError<Bomb>> = lock.fetch(|| Some(1)).or_try_create(|| Err(Bomb(true)));
        got
    });
    is_free(&lock);
}

// --- values

#[test]
fn l5_an_old_value_that_panics_when_dropped_frees_the_lock() {
    let clock = Arc::new(ManualClock::new());
    let lock = Dogpile::with_clock(MINUTE, Arc::clone(&clock));
    let long_ago = clock.wall();
    clock.advance(MINUTE);
    let old = || Stamped { value: Bomb(true), created: long_ago };
    explodes(|| lock.fetch_stamped(|| Some(old())).or_create(|| Bomb(false)));
    assert!(!lock.is_creating());
    // The same with an old value that a waiter finds after its election.
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    thread::scope(|scope| {
        let waits = scope.spawn(|| {
            let mut first = true;
            let getter = || if std::mem::take(&mut first) { None } else { Some(old()) };
            explodes(|| lock.fetch_stamped(getter).or_create(|| Bomb(false)));
        });
        until(|| lock.waiting() == 1);
        drop(creation);
        waits.join().unwrap();
    });
    assert!(!lock.is_creating());
}

/// Holds the thread `third` in the event that tells of its wait.
#[derive(Debug)]
struct Gate;

static AT_THE_GATE: AtomicBool = AtomicBool::new(false);
static OPEN: AtomicBool = AtomicBool::new(false);

impl Observer for Gate {
    fn waited(&self, _: Source, _: Duration) {
        if thread::current().name() == Some("third") {
            AT_THE_GATE.store(true, Ordering::SeqCst);
            until(|| OPEN.load(Ordering::SeqCst));
        }
    }
}

/// The last holder of the served value drops it, after that holder was elected.
#[test]
fn l5_a_served_value_that_panics_when_dropped_frees_the_lock() {
    static HELD: Policy = Policy::builder().observer(&Gate).build_const();
    let lock = Cached::<Bomb>::never_expires().with_policy(&HELD);
    let (make, makes) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let lock = &lock;
        let first = scope.spawn(move || {
            lock.get_or_create(|| {
                makes.recv().unwrap();
                Bomb(true)
            })
        });
        until(|| lock.is_creating());
        let second = scope.spawn(|| lock.get_or_create(|| Bomb(false)));
        until(|| lock.waiting() == 1);
        lock.invalidate();
        let third = thread::Builder::new().name("third".to_owned());
        let third = third.spawn_scoped(scope, || explodes(|| lock.get_or_create(|| Bomb(false)))).unwrap();
        until(|| lock.waiting() == 2);
        make.send(()).unwrap();
        let served = [first.join().unwrap(), second.join().unwrap()];
        until(|| AT_THE_GATE.load(Ordering::SeqCst));
        drop(served);
        OPEN.store(true, Ordering::SeqCst);
        third.join().unwrap();
    });
    assert!(!lock.is_creating(), "the holder has given up its creation");
    assert!(!lock.get_or_create(|| Bomb(false)).0);
}
