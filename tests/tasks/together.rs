//! Tasks and threads on one lock, and executors with few threads.

use crate::executor::{Woken, block_on, poll, step, until};
use dogpile::{
    Cached, CreateError, Creation, Dogpile, NeedRegeneration, Outcome, OwnedReadGuard, SyncReaderDogpile, Turn,
};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::Notify;

/// All threads of the executor but one stand still; what is spawned completes all the same, since nothing of it blocks the last one.
#[test]
fn one_thread_is_enough() {
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
                    0 => _ = lock.acquire_or_create_async(async || _ = creator().await).await,
                    1 => _ = cached.get_or_create_async(creator).await,
                    2 => {
                        let creator = async |creation: &Creation<'_, SyncReaderDogpile>| {
                            creator().await;
                            let _alone = creation.write_lock_async().await;
                            step().await;
                        };
                        let _guard = SyncReaderDogpile::acquire_or_create_with_async(&readers, creator).await;
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
                    lock.acquire_or_create_async(creator).await;
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
fn l7_a_circle_of_tasks_is_told() {
    let (a, b) = (Dogpile::never_expires(), Dogpile::never_expires());
    let woken: [Arc<Woken>; 2] = Default::default();
    let mut told = None;
    let mut first = Box::pin(a.acquire_or_create_async(async || {
        step().await;
        assert_eq!(b.acquire_or_create_async(async || unreachable!("it waits")).await, Outcome::Waited);
    }));
    let mut second = Box::pin(b.acquire_or_create_async(async || {
        step().await;
        told = a.acquire_or_try_create_async(async || Err("unwanted")).await.err();
    }));
    assert!(poll(&mut first, &woken[0]).is_pending() && poll(&mut second, &woken[1]).is_pending());
    assert!(poll(&mut first, &woken[0]).is_pending(), "it waits for the second");
    assert_eq!(poll(&mut second, &woken[1]), Poll::Ready(Outcome::Created));
    assert_eq!(poll(&mut first, &woken[0]), Poll::Ready(Outcome::Created));
    drop((first, second));
    assert!(matches!(&told, Some(CreateError::WouldDeadlock(cycle)) if cycle.names().len() == 2), "{told:?}");
}

/// What a creator's future does as it is dropped is a part of the creation, too.
#[test]
fn l7_a_creator_that_waits_for_itself_as_it_is_dropped_is_told() {
    struct Asks<'a>(&'a Dogpile);

    impl Drop for Asks<'_> {
        fn drop(&mut self) {
            let asked = catch_unwind(AssertUnwindSafe(|| drop(self.0.acquire())));
            assert!(asked.is_err(), "it was elected while its creation runs");
        }
    }

    let lock = Dogpile::never_expires();
    let mut elected = Box::pin(lock.acquire_or_create_async(async || {
        let _asks = Asks(&lock);
        std::future::pending().await
    }));
    assert!(poll(&mut elected, &Arc::default()).is_pending());
    drop(elected);
    assert!(!lock.is_creating());
}

type Reads<'a> = Pin<Box<dyn Future<Output = OwnedReadGuard<Outcome>> + Send + 'a>>;

/// A task that asks on one thread and is let in on another leaves where it came in.
#[test]
fn l9_a_reader_may_be_polled_by_several_threads() {
    let lock = Arc::new(SyncReaderDogpile::never_expires());
    drop(lock.acquire_or_create(|| ()));
    for _ in 0..20 {
        let writes = block_on(lock.acquire_write_lock_async());
        let reads = || -> Reads<'_> { Box::pin(SyncReaderDogpile::acquire_or_create_async(&lock, async || ())) };
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

/// Time-outs by any timer: who loses patience leaves, and the creation serves the others.
#[test]
fn l10_a_race_with_a_timer() {
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

/// What a getter says twice counts (L8), whoever is asked.
#[test]
fn l8_a_getter_is_asked_twice_at_most() {
    let lock = Dogpile::never_expires().born_fresh();
    let asked = AtomicUsize::new(0);
    let getter = || {
        asked.fetch_add(1, Ordering::SeqCst);
        async {
            step().await;
            Err(NeedRegeneration)
        }
    };
    let Turn::Create(creation) = ({
        lock.mark_stale();
        lock.acquire()
    }) else {
        panic!("not elected")
    };
    let woken = Arc::<Woken>::default();
    let mut access = Box::pin(lock.get_or_create_async(getter, async || 1));
    while poll(&mut access, &woken).is_pending() && lock.waiting() == 0 {}
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    drop(creation);
    assert_eq!(block_on(access), 1);
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    until(|| !lock.is_creating());
}
