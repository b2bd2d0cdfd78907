//! Tasks and threads on one lock, and executors with few threads.

use crate::common::until;
use crate::executor::{Woken, block_on, drive, poll, step};
use dogpile::{
    Cached, Clock, CreateError, Creation, Dogpile, Outcome, OwnedReadGuard, ReadTurn, SyncReaderDogpile, Turn,
};
use std::future::{pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex, OnceLock, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::Notify;

/// All threads of the executor but one stand still. The spawned tasks complete all the same, since no task blocks the
/// last thread.
#[test]
fn tasks_complete_on_one_thread() {
    const THREADS: usize = 4;
    let runtime = Builder::new_multi_thread().worker_threads(THREADS).enable_time().build().unwrap();
    let stopped = Arc::new(Barrier::new(THREADS));
    let goes_on = Arc::new(Barrier::new(THREADS));
    for _ in 1..THREADS {
        let (stopped, goes_on) = (Arc::clone(&stopped), Arc::clone(&goes_on));
        runtime.spawn(async move {
            stopped.wait();
            goes_on.wait();
        });
    }
    stopped.wait();

    let lock = Arc::new(Dogpile::never_expires());
    let cached = Arc::new(Cached::never_expires());
    let readers = Arc::new(SyncReaderDogpile::never_expires());
    let created = Arc::new(AtomicUsize::new(0));
    let tasks: Vec<_> = (0..100)
        .map(|at| {
            let (lock, cached, readers) = (Arc::clone(&lock), Arc::clone(&cached), Arc::clone(&readers));
            let created = Arc::clone(&created);
            runtime.spawn(async move {
                let creator = async || {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                    created.fetch_add(1, Ordering::SeqCst);
                    at
                };
                match at % 4 {
                    0 => _ = lock.access_async().or_create(async || _ = creator().await).await,
                    1 => _ = cached.get_or_create_async(creator).await,
                    2 => {
                        let creator = async |creation: &Creation<'_, SyncReaderDogpile>| {
                            creator().await;
                            let _alone = creation.write_lock_async().await;
                            step().await;
                        };
                        let _guard = SyncReaderDogpile::kept_async(&readers).or_create_with(creator).await;
                        step().await;
                    }
                    _ => {
                        let _alone = readers.acquire_write_lock_async().await;
                        step().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        block_on(task).unwrap();
    }
    assert_eq!(created.load(Ordering::SeqCst), 3);
    goes_on.wait();
}

/// A thread waits for a task's creation and a task for a thread's, over and over, until each has had its turn.
#[test]
fn l1_l3_threads_and_tasks_take_turns() {
    let runtime = Builder::new_multi_thread().worker_threads(2).build().unwrap();
    let lock = Arc::new(Dogpile::never_expires());
    let (by_tasks, by_threads) = (Arc::new(AtomicUsize::new(0)), AtomicUsize::new(0));
    let running = Arc::new(AtomicUsize::new(0));
    let rounds = 500;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (lock, by_tasks, running) = (Arc::clone(&lock), Arc::clone(&by_tasks), Arc::clone(&running));
            runtime.spawn(async move {
                for _ in 0..rounds {
                    let creator = async || {
                        assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "L1");
                        tokio::task::yield_now().await;
                        by_tasks.fetch_add(1, Ordering::SeqCst);
                        running.fetch_sub(1, Ordering::SeqCst);
                    };
                    lock.access_async().or_create(creator).await;
                    lock.invalidate_async().await;
                }
            })
        })
        .collect();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    for _ in 0..rounds {
                        lock.acquire_or_create(|| {
                            assert_eq!(running.fetch_add(1, Ordering::SeqCst), 0, "L1");
                            by_threads.fetch_add(1, Ordering::SeqCst);
                            running.fetch_sub(1, Ordering::SeqCst);
                        });
                        lock.invalidate();
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
    for task in tasks {
        block_on(task).unwrap();
    }
    assert!(by_tasks.load(Ordering::SeqCst) > 0 && by_threads.load(Ordering::SeqCst) > 0);
    assert_eq!((lock.is_creating(), lock.waiting()), (false, 0));
}

#[test]
fn l7_a_cycle_of_tasks_is_found() {
    let (a, b) = (Dogpile::never_expires(), Dogpile::never_expires());
    let woken: [Arc<Woken>; 2] = Default::default();
    let mut told = None;
    let mut first = Box::pin(a.access_async().or_create(async || {
        step().await;
        assert_eq!(b.access_async().or_create(async || unreachable!("it waits")).await, Outcome::Waited);
    }));
    let mut second = Box::pin(b.access_async().or_create(async || {
        step().await;
        told = a.access_async().or_try_create(async || Err("unwanted")).await.err();
    }));
    assert!(poll(&mut first, &woken[0]).is_pending() && poll(&mut second, &woken[1]).is_pending());
    assert!(drive(&mut first, &woken[0]).is_pending(), "it waits for the second");
    assert_eq!(poll(&mut second, &woken[1]), Poll::Ready(Outcome::Created));
    assert_eq!(poll(&mut first, &woken[0]), Poll::Ready(Outcome::Created));
    drop((first, second));
    assert!(matches!(&told, Some(CreateError::WouldDeadlock(cycle)) if cycle.names().len() == 2), "{told:?}");
}

/// A wait that is handed on belongs to the creator that polls it now.
#[test]
fn l7_a_wait_belongs_to_the_creator_that_polls_it_now() {
    type Asked = Result<Outcome, CreateError<&'static str>>;

    fn asks(lock: &Dogpile) -> Pin<Box<dyn Future<Output = Asked> + '_>> {
        Box::pin(lock.access_async().or_try_create(async || Err("unwanted")))
    }

    let (a, b) = (Dogpile::never_expires(), Dogpile::never_expires());
    let woken = Arc::<Woken>::default();

    // A's creator has only looked whether B is there. A's next creator waits for no lock.
    let of_a = Mutex::new(None);
    let goes_on = Notify::new();
    let mut creates_b = Box::pin(b.access_async().or_create(async || {
        goes_on.notified().await;
        *of_a.lock().unwrap() = Some(asks(&a).await);
    }));
    assert!(poll(&mut creates_b, &woken).is_pending());
    let mut wants_b = asks(&b);
    block_on(a.access_async().or_create(async || {
        let looked = poll_fn(|context| Poll::Ready(wants_b.as_mut().poll(context))).await;
        assert!(looked.is_pending());
    }));
    a.invalidate();
    let mut creates_a = Box::pin(a.access_async().or_create(async || step().await));
    assert!(poll(&mut creates_a, &woken).is_pending());
    goes_on.notify_one();
    assert!(drive(&mut creates_b, &woken).is_pending() && of_a.lock().unwrap().is_none(), "no cycle");
    assert!(poll(&mut creates_a, &woken).is_ready() && poll(&mut creates_b, &woken).is_ready());
    assert_eq!(poll(&mut wants_b, &woken), Poll::Ready(Ok(Outcome::Waited)));
    drop((creates_a, creates_b, wants_b));
    assert_eq!(of_a.lock().unwrap().take(), Some(Ok(Outcome::Waited)));

    // Outside a creator the wait was polled first, and then A's creator awaits it: that is a cycle.
    a.invalidate();
    b.invalidate();
    let mut creates_b = Box::pin(b.access_async().or_create(async || {
        goes_on.notified().await;
        *of_a.lock().unwrap() = Some(asks(&a).await);
    }));
    assert!(poll(&mut creates_b, &woken).is_pending());
    let mut wants_b = asks(&b);
    assert!(poll(&mut wants_b, &woken).is_pending());
    let mut creates_a = Box::pin(a.access_async().or_create(async || _ = wants_b.await));
    assert!(drive(&mut creates_a, &woken).is_pending());
    goes_on.notify_one();
    assert!(poll(&mut creates_b, &woken).is_ready() && poll(&mut creates_a, &woken).is_ready());
    let told = of_a.lock().unwrap().take();
    assert!(matches!(told, Some(Err(CreateError::WouldDeadlock(_)))), "{told:?}");

    // Or the creator of the same lock awaits it.
    a.invalidate();
    let wants_a = Mutex::new(None);
    let mut creates_a = Box::pin(a.access_async().or_create(async || {
        goes_on.notified().await;
        let wants_a: Pin<Box<dyn Future<Output = _>>> = wants_a.lock().unwrap().take().unwrap();
        *of_a.lock().unwrap() = Some(wants_a.await);
    }));
    assert!(poll(&mut creates_a, &woken).is_pending());
    let mut asked = asks(&a);
    assert!(poll(&mut asked, &woken).is_pending());
    *wants_a.lock().unwrap() = Some(asked);
    goes_on.notify_one();
    assert!(poll(&mut creates_a, &woken).is_ready());
    let told = of_a.lock().unwrap().take();
    assert!(matches!(told, Some(Err(CreateError::WouldDeadlock(_)))), "{told:?}");
}

/// A task's setter has the write lock, and the lock knows it, as it knows a thread's setter.
#[test]
fn l7_a_setter_that_asks_its_own_lock_gets_an_error() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    let access = || SyncReaderDogpile::kept_async(&lock).fetch(|| async { None });
    let invalidates = access().and_set(async |_| {
        step().await;
        lock.invalidate_async().await;
    });
    assert_eq!(*block_on(invalidates.or_create(async || 1)), 1);
    let told = Mutex::new(None);
    let reads = access().and_set(async |_| {
        step().await;
        let asked = SyncReaderDogpile::kept_async(&lock).or_try_create(async || Err("unwanted")).await;
        *told.lock().unwrap() = asked.err();
    });
    assert_eq!(*block_on(reads.or_create(async || 2)), 2);
    assert!(matches!(&*told.lock().unwrap(), Some(CreateError::WriteLockHeld)), "{told:?}");
}

/// A store that is leaked ends with its creation.
#[test]
fn l6_a_leaked_store_ends_with_its_creation() {
    let lock = Dogpile::never_expires();
    let Turn::Create(creation) = lock.acquire() else { panic!("not elected") };
    let mut store = Box::pin(creation.publish_async(async || pending::<()>().await));
    assert!(poll(&mut store, &Arc::default()).is_pending());
    std::mem::forget(store);
    let woken = Arc::<Woken>::default();
    let mut invalidates = Box::pin(lock.invalidate_async());
    assert!(poll(&mut invalidates, &woken).is_pending());
    creation.finish();
    assert!(woken.times() == 1 && poll(&mut invalidates, &woken).is_ready());
    block_on(lock.invalidate_async());
}

/// An access that is elected first leaves its seat. That lets a writer in, whose waker panics. The panic does not
/// concern the access.
#[test]
fn f5_a_writers_waker_may_panic() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("on purpose"))
        }
    }

    /// A clock on which a writer comes just after an access has been elected.
    #[derive(Default)]
    struct Brings {
        lock: OnceLock<Weak<SyncReaderDogpile<Arc<Brings>>>>,
        writer: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    }

    impl Clock for Brings {
        fn now(&self) -> u64 {
            let lock = self.lock.get().and_then(Weak::upgrade).filter(|lock| lock.is_creating());
            if let Some((lock, mut writer)) =
                lock.zip(self.writer.try_lock().ok()).filter(|(_, writer)| writer.is_none())
            {
                let mut writes: Pin<Box<dyn Future<Output = ()> + Send>> =
                    Box::pin(async move { drop(lock.acquire_write_lock_async().await) });
                assert!(writes.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::new(Panics)))).is_pending());
                *writer = Some(writes);
            }
            5
        }
    }

    let clock = Arc::new(Brings::default());
    let lock = Arc::new(SyncReaderDogpile::with_clock(Duration::MAX, Arc::clone(&clock)));
    drop(lock.acquire_or_create(|| ()));
    lock.mark_stale();
    clock.lock.set(Arc::downgrade(&lock)).unwrap();
    let elected = block_on(SyncReaderDogpile::kept_async(&lock).turn());
    assert!(matches!(elected, ReadTurn::Create(_)) && clock.writer.lock().unwrap().is_some());
    drop(elected);
    drop(clock.writer.lock().unwrap().take());
    assert!(!lock.is_creating());
}

/// The drop of a creator's future is a part of the creation, too.
#[test]
fn l7_a_creator_that_asks_for_its_value_while_dropped_gets_an_error() {
    struct Asks<'a>(&'a Dogpile);

    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            let asked = catch_unwind(AssertUnwindSafe(|| drop(self.0.acquire())));
            assert!(asked.is_err(), "it was elected while its creation runs");
        }
    }

    let lock = Dogpile::never_expires();
    let mut elected = Box::pin(lock.access_async().or_create(async || {
        let _asks = Asks(&lock);
        pending::<()>().await;
    }));
    assert!(poll(&mut elected, &Arc::default()).is_pending());
    drop(elected);
    assert!(!lock.is_creating());
}

type Reads<'a> = Pin<Box<dyn Future<Output = OwnedReadGuard<Outcome>> + Send + 'a>>;

/// A task asks on one thread, and is let in on another. It leaves the seat that it took.
#[test]
fn l9_a_reader_may_be_polled_by_several_threads() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    drop(lock.acquire_or_create(|| ()));
    for _ in 0..20 {
        let writes = block_on(lock.acquire_write_lock_async());
        let reads = || -> Reads<'_> { Box::pin(SyncReaderDogpile::kept_async(&lock).or_create(async || ())) };
        let mut all: Vec<_> = (0..4).map(|_| reads()).collect();
        let woken = Arc::<Woken>::default();
        assert!(all.iter_mut().all(|task| poll(task, &woken).is_pending()));
        assert_eq!(lock.waiting_readers(), 4);
        drop(writes);
        let guards: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = all
                .iter_mut()
                .map(|task| {
                    let woken = &woken;
                    scope.spawn(move || match poll(task, woken) {
                        Poll::Ready(guard) => guard,
                        Poll::Pending => panic!("the writer has gone"),
                    })
                })
                .collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(lock.try_acquire_write_lock().is_err());
        drop(guards);
        assert!(lock.try_acquire_write_lock().is_ok(), "each has left the seat that it took");
    }
}

/// Any timer can bound a wait. The access leaves when its time is up, and the creation serves the others.
#[test]
fn l10_a_timer_bounds_a_wait() {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap().block_on(async {
        let lock = Arc::new(Cached::never_expires());
        let finish = Arc::new(Notify::new());
        let creates = {
            let (lock, finish) = (Arc::clone(&lock), Arc::clone(&finish));
            tokio::spawn(async move { *lock.get_or_create_async(async || finish.notified().await).await })
        };
        tokio::task::yield_now().await;
        let waits = lock.get_or_create_async(async || unreachable!("it waits"));
        assert!(tokio::time::timeout(Duration::from_secs(1), waits).await.is_err());
        assert_eq!((lock.is_creating(), lock.waiting()), (true, 0));
        finish.notify_one();
        creates.await.unwrap();
        assert_eq!(lock.stats().creations, 1);
    });
}

/// An access calls its getter at most twice. After the second miss it creates (L8).
#[test]
fn l8_a_getter_is_asked_twice_at_most() {
    let lock = Dogpile::never_expires().born_fresh();
    let asked = AtomicUsize::new(0);
    let getter = || {
        asked.fetch_add(1, Ordering::SeqCst);
        async {
            step().await;
            None
        }
    };
    let Turn::Create(creation) = ({
        lock.mark_stale();
        lock.acquire()
    }) else {
        panic!("not elected")
    };
    let woken = Arc::<Woken>::default();
    let mut access = Box::pin(lock.access_async().fetch(getter).or_create(async || 1));
    while poll(&mut access, &woken).is_pending() && lock.waiting() == 0 {}
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    drop(creation);
    assert_eq!(block_on(access), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    until(|| !lock.is_creating());
}
