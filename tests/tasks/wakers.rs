//! Wakers are user code: whatever one does, asks for or holds on to as it is cloned, woken or dropped, the locks go on.

use crate::executor::{Woken, poll};
use dogpile::{OwnedReadGuard, ReadTurn, SyncReaderDogpile};
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// Runs something that may hang when it is broken, and then fails.
pub fn ends<T: Send + 'static>(what: &str, run: impl FnOnce() -> T + Send + 'static) -> T {
    let (says, said) = mpsc::channel();
    let runs = thread::spawn(move || says.send(run()).expect("somebody listens"));
    match said.recv_timeout(Duration::from_secs(300)) {
        Ok(ran) => ran,
        Err(mpsc::RecvTimeoutError::Disconnected) => resume_unwind(runs.join().expect_err("it has said nothing")),
        Err(mpsc::RecvTimeoutError::Timeout) => panic!("{what}: it hangs"),
    }
}

fn polled_by<F: Future + ?Sized>(future: &mut Pin<Box<F>>, waker: &Waker) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(waker))
}

type Shared = Arc<SyncReaderDogpile>;

fn resource() -> Shared {
    Arc::new(SyncReaderDogpile::never_expires().born_fresh())
}

fn reader(lock: &Shared) -> OwnedReadGuard {
    match lock.acquire_owned() {
        ReadTurn::Fresh(guard) => guard,
        _ => panic!("it is fresh"),
    }
}

/// Asks its lock all there is to ask for at once.
fn asks(lock: &SyncReaderDogpile) {
    let _counts = (lock.waiting(), lock.waiting_readers(), lock.waiting_writers(), lock.generation());
    drop(lock.try_acquire());
    drop(lock.try_acquire_write_lock());
    assert!(!format!("{lock:?}").is_empty());
}

/// The least that a waker may do when it is dropped.
struct Asks(Shared);

impl Wake for Asks {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Asks {
    fn drop(&mut self) {
        asks(&self.0);
    }
}

/// A task of a small executor: its waker is the task, and what that holds goes with it.
struct Task(#[allow(dead_code)] Mutex<Option<OwnedReadGuard>>);

impl Wake for Task {
    fn wake(self: Arc<Self>) {}
}

/// Each way in which a writer that waits for readers lets go of its waker: it gives up, is polled by another task, or
/// goes in.
fn a_writer_lets_go(of: fn(&Shared) -> Waker) {
    for ends in 0..3 {
        let (lock, woken) = (resource(), Arc::<Woken>::default());
        let reads = reader(&lock);
        let waker = of(&lock);
        let mut writes = Box::pin(lock.acquire_write_lock_async());
        assert!(polled_by(&mut writes, &waker).is_pending());
        drop(waker);
        match ends {
            0 => drop(writes),
            1 => {
                assert!(poll(&mut writes, &woken).is_pending());
                drop(reads);
                assert!(woken.take() && poll(&mut writes, &woken).is_ready());
            }
            _ => {
                drop(reads);
                assert!(poll(&mut writes, &woken).is_ready());
            }
        }
        asks(&lock);
    }
}

#[test]
fn f2_a_writers_waker_that_asks_the_lock_when_it_is_dropped() {
    ends("a waker that asks", || a_writer_lets_go(|lock| Arc::new(Asks(Arc::clone(lock))).into()));
}

#[test]
fn f2_a_writers_waker_that_holds_a_guard() {
    ends("a waker with a guard", || {
        // Where the writer goes in, somebody else has let that guard go.
        let (lock, woken) = (resource(), Arc::<Woken>::default());
        let reads = reader(&lock);
        let task = Arc::new(Task(Mutex::new(Some(reader(&lock)))));
        let mut writes = Box::pin(lock.acquire_write_lock_async());
        assert!(polled_by(&mut writes, &Waker::from(Arc::clone(&task))).is_pending());
        drop(task); // gone, but for the waker that the lock has
        assert!(poll(&mut writes, &woken).is_pending());
        drop(reads);
        assert!(woken.take() && poll(&mut writes, &woken).is_ready());
        drop(writes);

        let reads = reader(&lock);
        let task = Arc::new(Task(Mutex::new(Some(reader(&lock)))));
        let mut writes = Box::pin(lock.acquire_write_lock_async());
        assert!(polled_by(&mut writes, &Waker::from(task)).is_pending());
        drop(writes);
        drop(reads);
        assert!(lock.try_acquire_write_lock().is_ok());
    });
}
