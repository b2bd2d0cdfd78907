//! Creations that are spawned: they go on when their access has gone (C12).

use crate::executor::{Woken, block_on, drive, poll, step};
use dogpile::{AcquireError, Backoff, Cached, CachedFn, CreateError, Dogpile, ManualClock, Outcome, Policy, Task};
use std::future::pending;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// A spawner that keeps the tasks it is given.
#[derive(Default)]
pub struct Shelf(Mutex<Vec<Task>>);

impl dogpile::Spawner for Shelf {
    fn spawn(&self, task: Task) {
        self.0.lock().unwrap().push(task);
    }
}

impl Shelf {
    pub fn take(&self) -> Task {
        self.0.lock().unwrap().pop().expect("something was spawned")
    }

    pub fn is_empty(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }
}

#[test]
fn c12_all_callers_give_up_and_the_work_is_done_once_and_kept() {
    let (cached, shelf) = (Arc::new(Cached::never_expires()), Shelf::default());
    let mut callers = [(); 3].map(|()| {
        let creator = || async {
            step().await;
            42
        };
        Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create(creator))
    });
    assert!(callers.iter_mut().all(|caller| poll(caller, &Arc::default()).is_pending()));
    drop(callers);
    assert_eq!((cached.is_creating(), cached.waiting()), (true, 0));
    block_on(shelf.take());
    assert!(shelf.0.lock().unwrap().is_empty(), "one creation for all");
    assert_eq!(cached.peek().as_deref(), Some(&42));
}

#[test]
fn an_access_waits_for_its_task_only_without_a_value() {
    let (cached, shelf) = (Arc::new(Cached::never_expires()), Shelf::default());
    let woken = Arc::<Woken>::default();
    let mut first = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create(|| async { 1 }));
    assert!(poll(&mut first, &woken).is_pending());
    block_on(shelf.take());
    let Poll::Ready(Ok(guard)) = poll(&mut first, &woken) else { panic!("it has ended") };
    assert_eq!((*guard, dogpile::CachedGuard::outcome(&guard)), (1, Outcome::Created));
    cached.mark_stale();
    let old = block_on(Cached::kept_async(&cached).spawned_by(&shelf).or_create(|| async { 2 })).unwrap();
    assert_eq!((*old, dogpile::CachedGuard::outcome(&old)), (1, Outcome::Stale));
    block_on(shelf.take());
    assert_eq!(cached.peek().as_deref(), Some(&2));
}

#[test]
fn l5_the_error_goes_to_the_caller_and_the_baton_goes_on() {
    let (lock, shelf) = (Arc::new(Dogpile::never_expires()), Shelf::default());
    let woken: [Arc<Woken>; 2] = Default::default();
    let mut fails =
        Box::pin(Dogpile::kept_async(&lock).spawned_by(&shelf).or_try_create(|| async { Err("no answer") }));
    let mut waits = Box::pin(lock.access_async().or_create(async || ()));
    assert!(poll(&mut fails, &woken[0]).is_pending() && poll(&mut waits, &woken[1]).is_pending());
    block_on(shelf.take());
    assert_eq!(poll(&mut fails, &woken[0]), Poll::Ready(Err(CreateError::Failed("no answer"))));
    assert_eq!(poll(&mut waits, &woken[1]), Poll::Ready(Outcome::Created));
}

#[test]
fn l5_a_task_that_panics_frees_the_lock_and_says_so() {
    type Fallible = Result<(), &'static str>;
    let (lock, shelf) = (Arc::new(Dogpile::never_expires()), Shelf::default());
    let woken = Arc::<Woken>::default();
    let panics = || async { if true { panic!("on purpose") } else { Fallible::Ok(()) } };
    let mut access = Box::pin(Dogpile::kept_async(&lock).spawned_by(&shelf).or_try_create(panics));
    assert!(poll(&mut access, &woken).is_pending());
    block_on(shelf.take());
    assert_eq!(poll(&mut access, &woken), Poll::Ready(Err(CreateError::Lost)));

    let panics = || async { panic!("on purpose") };
    let mut access = Box::pin(Dogpile::kept_async(&lock).spawned_by(&shelf).or_create(panics));
    assert!(poll(&mut access, &woken).is_pending());
    block_on(shelf.take());
    assert_eq!(poll(&mut access, &woken), Poll::Ready(Err(AcquireError::Lost)));
    assert_eq!((lock.is_creating(), lock.waiting(), lock.stats().failures), (false, 0, 2));
}

#[test]
fn l6_an_invalidation_wins_and_its_own_caller_is_given_the_value() {
    let (cached, shelf) = (Arc::new(Cached::never_expires()), Shelf::default());
    let woken = Arc::<Woken>::default();
    let mut access = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create(|| async { 1 }));
    assert!(poll(&mut access, &woken).is_pending());
    cached.invalidate();
    block_on(shelf.take());
    let Poll::Ready(Ok(guard)) = poll(&mut access, &woken) else { panic!("it has ended") };
    assert_eq!((*guard, cached.has_value()), (1, false));
}

#[test]
fn c11_a_task_that_is_dead_before_it_begins_runs_nothing() {
    static MINUTE: Policy = Policy::builder().creation_timeout(Duration::from_secs(60)).build_const();
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MINUTE));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let ran = Arc::new(AtomicBool::new(false));
    let unwanted = {
        let ran = Arc::clone(&ran);
        move || async move {
            ran.store(true, Ordering::SeqCst);
            1
        }
    };
    let mut late = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create(unwanted));
    assert!(poll(&mut late, &woken).is_pending());
    clock.advance(Duration::from_secs(60));
    assert_eq!(*cached.get_or_create(|| 2), 2);
    block_on(shelf.take());
    assert!(!ran.load(Ordering::SeqCst));
    assert!(
        matches!(poll(&mut late, &woken), Poll::Ready(Ok(guard)) if *guard == 2),
        "it is served by what replaced it"
    );
    assert_eq!((cached.peek().as_deref(), cached.stats().dead), (Some(&2), 1));
}

#[test]
fn an_access_that_spawned_gets_its_own_error_in_a_pause() {
    static PAUSES: Policy =
        Policy::builder().retry_after(Backoff::new(Duration::from_secs(1), Duration::from_secs(1))).build_const();
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(Dogpile::with_clock(Duration::MAX, clock).with_policy(&PAUSES));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let mut fails =
        Box::pin(Dogpile::kept_async(&lock).spawned_by(&shelf).or_try_create(|| async { Err("no answer") }));
    let mut waits = Box::pin(lock.access_async().or_try_create(async || Err("unwanted")));
    assert!(poll(&mut fails, &woken).is_pending() && poll(&mut waits, &woken).is_pending());
    block_on(shelf.take());
    assert_eq!(poll(&mut fails, &woken), Poll::Ready(Err(CreateError::Failed("no answer"))));
    let Poll::Ready(Err(CreateError::Paused { cause, .. })) = poll(&mut waits, &woken) else { panic!("not told") };
    assert_eq!(&*cause, "no answer");
}

#[test]
fn l7_a_cycle_with_a_spawned_creation_is_found() {
    let (a, b) = (Arc::new(Dogpile::never_expires()), Arc::new(Dogpile::never_expires()));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let told = Arc::new(Mutex::new(None));
    let of_b = {
        let (a, told) = (Arc::clone(&a), Arc::clone(&told));
        move || async move {
            *told.lock().unwrap() = a.access_async().or_try_create(async || Err("unwanted")).await.err();
        }
    };
    let mut first = Box::pin(a.access_async().or_create(async || {
        drop(Dogpile::kept_async(&b).spawned_by(&shelf).or_create(of_b).await);
    }));
    assert!(drive(&mut first, &woken).is_pending());
    block_on(shelf.take());
    assert!(matches!(*told.lock().unwrap(), Some(CreateError::WouldDeadlock(_))), "{told:?}");
    assert_eq!(poll(&mut first, &woken), Poll::Ready(Outcome::Created));
}

#[test]
fn a_function_is_called_in_the_spawned_task() {
    let function = Arc::new(CachedFn::<u32, _>::new(Duration::MAX, || async { 7 }));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let mut access = Box::pin(CachedFn::kept_async(&function).spawned_by(&shelf).try_get());
    assert!(poll(&mut access, &woken).is_pending());
    block_on(shelf.take());
    assert!(matches!(poll(&mut access, &woken), Poll::Ready(Ok(guard)) if *guard == 7));
}

/// After the time that a creation may take, the access is polled although it was not woken, as in a `select!`. It does
/// not declare its creation dead, since no other access could create.
#[test]
fn c12_an_extra_poll_declares_nothing_dead() {
    static SECOND: Policy = Policy::builder().creation_timeout(Duration::from_secs(1)).build_const();
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&SECOND));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let slow = || async {
        step().await;
        7
    };
    let mut access = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create(slow));
    assert!(poll(&mut access, &woken).is_pending());
    let mut task = shelf.take();
    assert!(poll(&mut task, &Arc::default()).is_pending());
    clock.advance(Duration::from_secs(2));
    let Poll::Ready(Err(AcquireError::Lost)) = poll(&mut access, &woken) else { panic!("it is overdue") };
    assert!(cached.is_creating());
    assert!(poll(&mut task, &Arc::default()).is_ready());
    assert_eq!((cached.peek().as_deref(), cached.stats().dead), (Some(&7), 0));
}

/// Another access that creates or sets a value meanwhile serves this one, as it serves every waiter.
#[test]
fn l3_c11_an_access_whose_task_hangs_is_served_by_others() {
    static SECOND: Policy = Policy::builder().creation_timeout(Duration::from_secs(1)).build_const();
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&SECOND));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let hang = |expected: u64, other: &dyn Fn()| {
        let mut access = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create(pending::<u64>));
        assert!(poll(&mut access, &woken).is_pending());
        let mut task = shelf.take();
        assert!(poll(&mut task, &Arc::default()).is_pending());
        other();
        assert!(matches!(poll(&mut access, &woken), Poll::Ready(Ok(guard)) if *guard == expected));
        drop(task);
        cached.invalidate();
    };
    hang(1, &|| {
        clock.advance(Duration::from_secs(2));
        assert_eq!(*cached.get_or_create(|| 1), 1);
    });
    hang(2, &|| cached.set(2));
}

/// There is no panic during another panic.
#[test]
fn a_creator_and_a_waker_may_both_panic() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a waker, on purpose")
        }
    }

    let (lock, shelf) = (Arc::new(Dogpile::never_expires()), Shelf::default());
    let creator = || async { panic!("a creator, on purpose") };
    let mut access = Box::pin(Dogpile::kept_async(&lock).spawned_by(&shelf).or_create(creator));
    let waker = Waker::from(Arc::new(Panics));
    assert!(access.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    block_on(shelf.take());
    assert!(!lock.is_creating());
}

/// The old value is invalidated while the creation of the new one is spawned. There is no value to go on with, so the
/// access waits for the new one.
#[test]
fn l6_an_old_value_invalidated_by_the_spawner_is_not_served() {
    let (cached, shelf, woken) = (Arc::new(Cached::never_expires()), Shelf::default(), Arc::<Woken>::default());
    cached.set(1);
    cached.mark_stale();
    let spawner = |task: Task| {
        cached.invalidate();
        shelf.0.lock().unwrap().push(task);
    };
    let mut access = Box::pin(Cached::kept_async(&cached).spawned_by(&spawner).or_create(|| async { 2 }));
    assert!(poll(&mut access, &woken).is_pending());
    block_on(shelf.take());
    assert!(matches!(poll(&mut access, &woken), Poll::Ready(Ok(guard)) if *guard == 2));
    assert!(!cached.has_value());
}
