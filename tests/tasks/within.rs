//! A part of a creation that does not end it (L7), for an owner that finishes the creation later: by threads and tasks.

use crate::common::until;
use crate::executor::{Woken, drive, poll, step};
use dogpile::{AcquireError, Creation, Dogpile, Finished, ReadTurn, SyncReaderDogpile, Turn};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::sync::{Arc, Barrier, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

type Told = Result<(), AcquireError>;

fn elected(lock: &Arc<Dogpile>) -> Creation<'static> {
    match Dogpile::kept(lock).turn() {
        Turn::Create(creation) => creation,
        other => panic!("not elected: {other:?}"),
    }
}

/// Longer than any test takes. A thread that waits for itself fails its test, and does not hang.
const LONG: Duration = Duration::from_secs(30);

fn asks(lock: &Dogpile) -> Told {
    lock.access().timeout(LONG).turn().map(drop)
}

/// Drives a task to its end. A task that waits for itself is pending, and nothing wakes it.
fn to_its_end<F: Future>(task: F) -> F::Output {
    match drive(&mut Box::pin(task), &Arc::default()) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for itself"),
    }
}

async fn asks_by_task(lock: &Dogpile) -> Told {
    lock.access_async().try_turn().await.map(drop)
}

fn would_deadlock(told: &Told) -> bool {
    matches!(told, Err(AcquireError::WouldDeadlock(_)))
}

#[test]
fn l7_a_part_that_asks_for_its_own_value_is_told_and_the_creation_goes_on() {
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    for _ in 0..2 {
        assert!(would_deadlock(&creation.within(|| asks(&lock))));
        assert!(would_deadlock(&creation.within(|| creation.within(|| asks(&lock)))));
        assert!(would_deadlock(&creation.within(|| to_its_end(asks_by_task(&lock)))));
        assert!(lock.is_creating());
    }
    assert_eq!(creation.within(|| Err::<(), _>("no answer")), Err("no answer"));
    let told = thread::scope(|scope| scope.spawn(|| creation.within(|| asks(&lock))).join().unwrap());
    assert!(would_deadlock(&told), "on another thread");
    assert_eq!(creation.finish(), Finished::Published);
    assert!(lock.has_value());
}

#[test]
fn l7_outside_of_its_parts_a_creation_may_be_anywhere() {
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    creation.within(|| ());
    to_its_end(creation.within_async(step));
    let woken: Arc<Woken> = Arc::default();
    let mut waits = Box::pin(asks_by_task(&lock));
    let mut part = Box::pin(creation.within_async(step));
    assert!(poll(&mut part, &woken).is_pending());
    assert!(poll(&mut waits, &woken).is_pending(), "between two polls the thread does something else");
    drop(part);
    creation.finish();
    assert_eq!(poll(&mut waits, &woken), Poll::Ready(Ok(())));
}

#[test]
fn l7_a_part_of_a_task_that_asks_for_its_own_value_is_told_and_the_creation_goes_on() {
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    for _ in 0..2 {
        let told = to_its_end(creation.within_async(async || {
            let made = asks_by_task(&lock);
            step().await;
            [asks(&lock), made.await, asks_by_task(&lock).await]
        }));
        assert!(told.iter().all(would_deadlock), "{told:?}");
        assert!(lock.is_creating());
    }
    let closure = creation.within_async(|| {
        let told = asks(&lock); // when the future is made
        async { told }
    });
    assert!(would_deadlock(&to_its_end(closure)));
    assert_eq!(creation.finish(), Finished::Published);
}

#[test]
fn l7_of_a_circle_of_two_tasks_one_is_told() {
    let (one, other) = (Arc::new(Dogpile::never_expires()), Arc::new(Dogpile::never_expires()));
    let creates = async |own: &Arc<Dogpile>, wanted: &Arc<Dogpile>| {
        let creation = elected(own);
        let told = creation.within_async(async || {
            step().await;
            asks_by_task(wanted).await
        });
        let told = told.await;
        step().await;
        creation.finish();
        told
    };
    let (mut first, mut second) = (Box::pin(creates(&one, &other)), Box::pin(creates(&other, &one)));
    let [of_first, of_second]: [Arc<Woken>; 2] = Default::default();
    assert!(poll(&mut first, &of_first).is_pending() && poll(&mut second, &of_second).is_pending());
    assert!(drive(&mut first, &of_first).is_pending(), "it waits for the second");
    let Poll::Ready(told) = drive(&mut second, &of_second) else { panic!("they wait for each other") };
    assert!(would_deadlock(&told), "{told:?}");
    assert_eq!(drive(&mut first, &of_first), Poll::Ready(Ok(())));
    assert!(one.has_value() && other.has_value());
}

#[test]
fn l7_of_a_circle_of_two_threads_one_is_told() {
    let locks = [(); 2].map(|()| Arc::new(Dogpile::never_expires()));
    let elected_both = Barrier::new(2);
    let creates = |own: usize| {
        let creation = elected(&locks[own]);
        elected_both.wait();
        let told = creation.within(|| asks(&locks[1 - own]));
        creation.finish();
        told
    };
    let told = thread::scope(|scope| {
        let [one, other] = [0, 1].map(|own| scope.spawn(move || creates(own)));
        [one.join().unwrap(), other.join().unwrap()]
    });
    assert_eq!(told.iter().filter(|told| would_deadlock(told)).count(), 1, "{told:?}");
    assert_eq!(told.iter().filter(|told| told.is_ok()).count(), 1, "{told:?}");
}

#[test]
fn l5_a_panic_of_a_part_ends_the_creation_only_if_it_drops_it() {
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    let panics = || panic!("on purpose");
    assert!(catch_unwind(AssertUnwindSafe(|| creation.within(panics))).is_err());
    assert!(catch_unwind(AssertUnwindSafe(|| to_its_end(creation.within_async(async || panics())))).is_err());
    assert!(would_deadlock(&creation.within(|| asks(&lock))));
    assert_eq!((creation.finish(), lock.stats().failures), (Finished::Published, 0));

    for (by_task, failures) in [(false, 1), (true, 2)] {
        lock.invalidate();
        let creation = elected(&lock);
        let drops = || {
            let creation = creation;
            if by_task { to_its_end(creation.within_async(async || panics())) } else { creation.within(panics) }
        };
        assert!(catch_unwind(AssertUnwindSafe(drops)).is_err());
        assert_eq!((lock.is_creating(), lock.stats().failures), (false, failures));
        assert!(lock.last_failure().unwrap().cause().contains("the creator panicked"));
    }
}

/// What a part drops, it drops as a part of the creation.
#[test]
fn l5_l7_a_part_of_a_task_may_be_dropped_and_the_creation_goes_on() {
    struct Asks<'a>(&'a Dogpile, &'a Mutex<Option<Told>>);

    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            *self.1.lock().unwrap() = Some(asks(self.0));
        }
    }

    let (lock, told) = (Arc::new(Dogpile::never_expires()), Mutex::new(None));
    let creation = elected(&lock);
    let mut part = Box::pin(creation.within_async(async || {
        let _asks = Asks(&lock, &told);
        pending::<()>().await;
    }));
    assert!(poll(&mut part, &Arc::default()).is_pending());
    drop(part);
    assert!(would_deadlock(&told.into_inner().unwrap().unwrap()));
    assert!(lock.is_creating());
    assert_eq!((creation.finish(), lock.stats().failures), (Finished::Published, 0));
}

/// A panic in something else that the task polls drops a part as a cancellation does, and so is no failure.
#[test]
fn l5_a_panic_beside_a_part_of_a_task_is_no_failure() {
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    let task = async {
        let creation = creation;
        let mut part = Box::pin(creation.within_async(pending::<()>));
        assert!(poll(&mut part, &Arc::default()).is_pending());
        panic_any("beside");
    };
    assert!(catch_unwind(AssertUnwindSafe(|| to_its_end(task))).is_err());
    assert_eq!((lock.is_creating(), lock.stats().failures), (false, 0));
}

#[test]
fn waiters_wait_on_while_parts_run() {
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    thread::scope(|scope| {
        let waits = scope.spawn(|| asks(&lock));
        until(|| lock.waiting() == 1);
        creation.within(|| ());
        to_its_end(creation.within_async(step));
        assert_eq!(lock.waiting(), 1);
        creation.finish();
        assert_eq!(waits.join().unwrap(), Ok(()));
    });
}

#[test]
fn a_creation_over_readers_has_parts_as_well() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    let ReadTurn::Create(creation) = SyncReaderDogpile::kept(&lock).turn() else { panic!("not elected") };
    let told = creation.within(|| lock.access().timeout(LONG).turn().map(drop));
    assert!(would_deadlock(&told), "{told:?}");
    let told = to_its_end(creation.within_async(async || lock.access().timeout(LONG).turn().map(drop)));
    assert!(would_deadlock(&told), "{told:?}");
    creation.finish();
    assert!(lock.has_value());
}

#[test]
fn the_future_of_a_part_is_send_and_small_whatever_the_part_is() {
    fn is_send<F: Future + Send + 'static>(future: F) {
        drop(future);
    }
    async fn holds<const N: usize>() -> usize {
        let held = [1_u8; N];
        step().await;
        held.len()
    }
    let lock = Arc::new(Dogpile::never_expires());
    let creation = elected(&lock);
    let text = String::from("x");
    let size = size_of_val(&creation.within_async(holds::<4096>));
    assert!(size <= 32, "{size} bytes");
    is_send(async move {
        let length = creation.within_async(async || holds::<1>().await + text.len()).await;
        let told = creation.within_async(|| async { asks_by_task(&lock).await }).await;
        creation.finish();
        (length, told)
    });
}
