//! Tasks that would wait for themselves. A creation does not wait for its own store, nor for its own write lock (L7).

use crate::executor::{Woken, block_on, drive, poll, step};
use dogpile::{
    CreateError, Creation, Dogpile, LockError, ManualClock, Outcome, OwnedReadGuard, Policy, ReadTurn,
    SyncReaderDogpile, Turn, WriteLockError,
};
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread;
use std::time::Duration;

type BoxedAccess<'a> = Pin<Box<dyn Future<Output = Result<OwnedReadGuard<Outcome>, CreateError<String>>> + 'a>>;

/// Drives a task to its end. A task that waits for itself would be pending, and nothing would wake it.
fn to_its_end<F: Future + ?Sized>(task: &mut Pin<Box<F>>) -> F::Output {
    match drive(task, &Arc::default()) {
        Poll::Ready(done) => done,
        Poll::Pending => panic!("it waits for itself"),
    }
}

/// Polls a future once.
async fn once<F: Future + ?Sized>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await
}

/// Returns an access that is elected and runs `creator`.
fn creates<'a>(
    lock: &'a Arc<SyncReaderDogpile>,
    creator: impl AsyncFnOnce(&Creation<'_, SyncReaderDogpile>) -> Result<(), String> + 'a,
) -> BoxedAccess<'a> {
    Box::pin(SyncReaderDogpile::kept_async(lock).or_try_create_with(creator))
}

/// The README's swap that goes wrong half-way, as a task.
#[test]
fn f4_a_task_invalidates_under_the_write_lock_of_its_creation() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    drop(lock.acquire_or_create(|| ()));
    lock.mark_stale();
    let mut swaps = creates(&lock, async |creation| {
        let _alone = creation.write_lock_async().await.map_err(|error| error.to_string())?;
        step().await;
        lock.invalidate_async().await;
        Err("no space left".to_owned())
    });
    assert_eq!(to_its_end(&mut swaps).unwrap_err(), CreateError::Failed("no space left".to_owned()));
    assert!(!lock.has_value() && !lock.is_creating());
}

/// Under the write lock, each question to its own lock returns an error or takes effect.
#[test]
fn f4_a_task_under_the_write_lock_of_its_creation_waits_for_nothing_of_its_own() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    let mut swaps = creates(&lock, async |creation| {
        let alone = creation.write_lock_async().await.unwrap();
        step().await;
        assert_eq!(creation.write_lock_async().await.unwrap_err(), WriteLockError::WriteLockHeld);
        assert_eq!(creation.write_lock_timeout(Duration::ZERO).unwrap_err(), WriteLockError::WriteLockHeld);
        assert_eq!(lock.acquire_write_lock_timeout(Duration::ZERO).unwrap_err(), LockError::WriteLockHeld);
        let asks = SyncReaderDogpile::kept_async(&lock).or_try_create(async || Err("unwanted"));
        assert_eq!(asks.await.unwrap_err(), CreateError::WriteLockHeld);
        let asks = lock.access().timeout(Duration::ZERO).or_try_create(|| Err("unwanted"));
        assert_eq!(asks.unwrap_err(), CreateError::WriteLockHeld);
        assert_eq!(creation.publish_async(async || step().await).await, Ok(()));
        lock.mark_stale();
        let seen = lock.generation();
        assert!(lock.invalidate_if_async(seen).await);
        assert!(!lock.invalidate_if_async(seen).await);
        assert_eq!(lock.invalidate_timeout(Duration::ZERO), Ok(()));
        // A write lock that was dropped on another thread is not held any more.
        thread::scope(|scope| scope.spawn(move || drop(alone)).join().unwrap());
        drop(lock.acquire_write_lock_timeout(Duration::ZERO).unwrap());
        Ok(())
    });
    assert_eq!(*to_its_end(&mut swaps).unwrap(), Outcome::Created);
}

/// Nor does a creator wait for its own store, which is not even polled meanwhile.
#[test]
fn f4_a_creator_does_not_wait_for_its_own_store() {
    let lock = Dogpile::never_expires();
    let mut creates = Box::pin(lock.access_async().or_create_with(async |creation| {
        let mut stores = Box::pin(creation.publish_async(async || pending::<()>().await));
        assert!(once(&mut stores).await.is_pending());
        lock.invalidate_async().await;
        assert!(lock.invalidate_if_async(lock.generation()).await);
        assert_eq!(lock.invalidate_timeout(Duration::ZERO), Ok(()));
    }));
    assert_eq!(to_its_end(&mut creates), Outcome::Created);
    assert!(!lock.has_value());
}

/// All others wait for the store and for the write lock. A dead creation of the same lock waits for them, too.
#[test]
fn f4_a_store_or_write_lock_of_another_creation_is_waited_for() {
    static MORTAL: Policy = Policy::builder().creation_timeout(Duration::from_secs(1)).build_const();
    let (clock, woken) = (Arc::new(ManualClock::new()), Arc::<Woken>::default());
    let lock = Arc::new(SyncReaderDogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MORTAL));
    let goes_on = tokio::sync::Notify::new();
    let done = Mutex::new(false);
    let mut dead = Box::pin(SyncReaderDogpile::kept_async(&lock).or_create_with(async |creation| {
        goes_on.notified().await;
        assert!(creation.is_dead());
        lock.invalidate_async().await;
        *done.lock().unwrap() = true;
    }));
    assert!(poll(&mut dead, &woken).is_pending());
    clock.advance(Duration::from_secs(1));
    let ReadTurn::Create(creation) = lock.acquire() else { panic!("nobody else is live") };
    let alone = block_on(creation.write_lock_async()).unwrap();
    let mut others = Box::pin(lock.invalidate_async());
    goes_on.notify_one();
    assert!(poll(&mut dead, &woken).is_pending() && poll(&mut others, &woken).is_pending());
    assert!(!*done.lock().unwrap());
    drop(alone);
    assert!(poll(&mut others, &woken).is_ready() && poll(&mut dead, &woken).is_ready());
    assert!(*done.lock().unwrap());
    drop(creation);

    // Which task runs a creation that was moved is not known.
    let lock = Dogpile::never_expires();
    let Turn::Create(creation) = lock.acquire() else { panic!("nobody else creates") };
    let mut stores = Box::pin(creation.publish_async(async || step().await));
    assert!(poll(&mut stores, &woken).is_pending());
    let mut invalidates = Box::pin(lock.invalidate_async());
    assert!(poll(&mut invalidates, &woken).is_pending());
    assert!(poll(&mut stores, &woken).is_ready() && poll(&mut invalidates, &woken).is_ready());
}
