//! Tasks beside threads, on one lock. A task of a model is a future that one of the model's threads polls, to its end
//! or not so far.
#![cfg(dogpile_loom)]

use dogpile::model::{Deadline, block_until};
use dogpile::{
    AcquireError, Cached, CreateError, Creation, Dogpile, Freshness, ManualClock, Outcome, Policy, ReadGuard, ReadTurn,
    SyncReaderDogpile, Task, Turn,
};
use dogpile_loom_tests::{Reached, Slot, check};
use loom::sync::atomic::AtomicBool;
use loom::sync::atomic::Ordering::{Acquire, Release};
use loom::thread::{self, JoinHandle};
use std::future::{pending, poll_fn};
use std::mem;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// Polls a future to its end, each time it is woken.
fn block_on<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    let polled =
        block_until(Deadline::after(Duration::MAX), |waker| future.as_mut().poll(&mut Context::from_waker(waker)));
    polled.expect("without an end")
}

/// Polls a future once, with a waker that wakes no task.
fn once<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Is pending once, and woken at once.
async fn step() {
    let mut stepped = false;
    poll_fn(|context| {
        if mem::replace(&mut stepped, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn is_free(lock: &Dogpile) {
    assert_eq!((lock.is_creating(), lock.waiting()), (false, 0));
}

/// The creating thread or task wakes the waiting one, and the waiter sees what was written (L3, L4).
#[test]
fn l3_l4_a_task_and_a_thread() {
    static THREAD_WAITED: Reached = Reached::new();
    static TASK_WAITED: Reached = Reached::new();
    check(|| {
        let (lock, slot) = (Arc::new(Dogpile::never_expires()), Arc::new(Slot::new()));
        let task = {
            let (lock, slot) = (Arc::clone(&lock), Arc::clone(&slot));
            thread::spawn(move || {
                let creator = async || {
                    step().await;
                    slot.write(1);
                };
                let outcome = block_on(lock.access_async().or_create(creator));
                assert_ne!(slot.read(), 0);
                outcome
            })
        };
        let outcome = lock.acquire_or_create(|| slot.write(2));
        assert_ne!(slot.read(), 0);
        let of_task = task.join().unwrap();
        THREAD_WAITED.here_if(outcome == Outcome::Waited);
        TASK_WAITED.here_if(of_task == Outcome::Waited);
        assert_eq!([outcome, of_task].iter().filter(|outcome| **outcome == Outcome::Created).count(), 1, "L1");
        is_free(&lock);
    });
    THREAD_WAITED.at_least_once();
    TASK_WAITED.at_least_once();
}

/// The elected future is dropped before its creator, during it, and just as it is done. Another access creates (C2).
#[test]
fn c2_the_elected_task_is_dropped() {
    for polls in 1..=2 {
        static CALLED: Reached = Reached::new();
        check(move || {
            let lock = Arc::new(Dogpile::never_expires());
            let mut elected = Box::pin(lock.access_async().or_create(async || {
                step().await;
                step().await;
                unreachable!("it is dropped")
            }));
            for _ in 0..polls {
                assert!(once(elected.as_mut()).is_pending());
            }
            let other = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || lock.acquire_or_create(|| ()))
            };
            drop(elected);
            assert_eq!(other.join().unwrap(), Outcome::Created);
            CALLED.here_if(lock.stats().waits == 1);
            is_free(&lock);
        });
        CALLED.at_least_once();
    }
}

/// The elected task gives up while a task and a thread wait. Exactly one of them creates, and serves the other (C3).
#[test]
fn c3_the_elected_task_is_dropped_while_two_wait() {
    static BY_TASK: Reached = Reached::new();
    static BY_THREAD: Reached = Reached::new();
    check(|| {
        let lock = Arc::new(Dogpile::never_expires());
        let mut elected = Box::pin(lock.access_async().or_create(async || std::future::pending().await));
        assert!(once(elected.as_mut()).is_pending());
        let task = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || block_on(lock.access_async().or_create(async || ())))
        };
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        drop(elected);
        let outcomes = [task.join().unwrap(), other.join().unwrap()];
        BY_TASK.here_if(outcomes[0] == Outcome::Created);
        BY_THREAD.here_if(outcomes[1] == Outcome::Created);
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Outcome::Created).count(), 1, "{outcomes:?}");
        is_free(&lock);
    });
    BY_TASK.at_least_once();
    BY_THREAD.at_least_once();
}

/// A task that waits is dropped, perhaps just as it is called. The baton goes on (C4).
#[test]
fn c4_a_waiter_is_dropped() {
    static PASSED: Reached = Reached::new();
    check(|| {
        let lock = Arc::new(Dogpile::never_expires());
        let elected = Dogpile::kept(&lock).turn();
        let mut waits = {
            let lock = Arc::clone(&lock);
            Box::pin(async move { lock.access_async().or_create(async || unreachable!("it is dropped")).await })
        };
        assert!(once(waits.as_mut()).is_pending());
        let gives_up = thread::spawn(move || drop(elected));
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        drop(waits);
        assert_eq!(other.join().unwrap(), Outcome::Created);
        gives_up.join().unwrap();
        PASSED.here_if(lock.stats().waits == 2);
        is_free(&lock);
    });
    PASSED.at_least_once();
}

/// The waker changes between two polls, while the creation ends. The newest waker is woken, or no wake-up is needed
/// (C5).
#[test]
fn c5_the_waker_changes() {
    static CHANGED: Reached = Reached::new();
    check(|| {
        let lock = Arc::new(Dogpile::never_expires());
        let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("not elected") };
        let mut waits = Box::pin(lock.access_async().or_create(async || unreachable!("it is served")));
        assert!(once(waits.as_mut()).is_pending());
        let finishes = thread::spawn(move || creation.finish());
        let mut polls = 0;
        let outcome = block_on(poll_fn(|context| {
            polls += 1;
            waits.as_mut().poll(context)
        }));
        CHANGED.here_if(polls == 2);
        assert_eq!(outcome, Outcome::Waited);
        finishes.join().unwrap();
        drop(waits);
        is_free(&lock);
    });
    CHANGED.at_least_once();
}

/// A spawner that lets a thread of the model poll each task, or drops it.
struct Spawner {
    runs: bool,
    /// Outside the model's view.
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Spawner {
    fn new(runs: bool) -> Self {
        Self { runs, threads: Mutex::new(Vec::new()) }
    }

    fn join(&self) {
        for thread in mem::take(&mut *self.threads.lock().unwrap()) {
            thread.join().unwrap();
        }
    }
}

impl dogpile::Spawner for Spawner {
    fn spawn(&self, task: Task) {
        let runs = self.runs;
        let thread = thread::spawn(move || if runs { block_on(task) } else { drop(task) });
        self.threads.lock().unwrap().push(thread);
    }
}

/// The access that has spawned goes away. The work is done and kept all the same (C12).
#[test]
fn c12_the_access_that_spawned_is_dropped() {
    static WAITED: Reached = Reached::new();
    check(|| {
        let (cached, spawner) = (Arc::new(Cached::never_expires()), Spawner::new(true));
        let mut asks = Box::pin(Cached::kept_async(&cached).spawned_by(&spawner).or_create(|| async { 1 }));
        let asked = once(asks.as_mut()).is_ready();
        drop(asks);
        assert_eq!(*cached.get_or_create(|| unreachable!("it is served")), 1);
        WAITED.here_if(cached.stats().waits > 0 && !asked);
        spawner.join();
        assert_eq!((cached.freshness(), cached.waiting()), (Freshness::Fresh, 0));
    });
    WAITED.at_least_once();
}

/// The access that has spawned waits, beside a thread. It gets its value or its error, and the other waiter is not left
/// behind (L5).
#[test]
fn l5_the_access_that_spawned_waits() {
    for fails in [false, true] {
        static SERVED: Reached = Reached::new();
        static CREATED: Reached = Reached::new();
        check(move || {
            let (lock, spawner) = (Arc::new(Dogpile::never_expires()), Spawner::new(true));
            let creator = move || async move { if fails { Err("on purpose") } else { Ok(()) } };
            let mut asks = Box::pin(Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(creator));
            let asked = once(asks.as_mut());
            let other = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || lock.acquire_or_create(|| ()))
            };
            let asked = match asked {
                Poll::Ready(asked) => asked,
                Poll::Pending => block_on(asks),
            };
            assert_eq!(asked, if fails { Err(CreateError::Failed("on purpose")) } else { Ok(Outcome::Created) });
            let outcome = other.join().unwrap();
            assert_eq!(outcome == Outcome::Created, fails, "{outcome:?}");
            SERVED.here_if(outcome == Outcome::Waited);
            CREATED.here_if(fails && lock.stats().waits == 1);
            spawner.join();
            is_free(&lock);
        });
        if fails { CREATED.at_least_once() } else { SERVED.at_least_once() }
    }
}

/// A spawned task is dropped while its access waits. The access creates itself, or waits for a faster one (C9, F11).
#[test]
fn f11_c9_a_spawned_task_is_dropped() {
    static CREATED: Reached = Reached::new();
    static WAITED: Reached = Reached::new();
    check(|| {
        let (lock, spawner) = (Arc::new(Dogpile::never_expires()), Spawner::new(false));
        let mut asks = Box::pin(Dogpile::kept_async(&lock).spawned_by(&spawner).or_create(|| async {}));
        let asked = once(asks.as_mut());
        let other = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        let asked = match asked {
            Poll::Ready(asked) => asked,
            Poll::Pending => block_on(asks),
        };
        let outcomes = [asked.clone(), Ok(other.join().unwrap())];
        assert_eq!(outcomes.iter().filter(|outcome| **outcome == Ok(Outcome::Created)).count(), 1, "{outcomes:?}");
        CREATED.here_if(asked == Ok(Outcome::Created));
        WAITED.here_if(asked == Ok(Outcome::Waited));
        spawner.join();
        is_free(&lock);
    });
    CREATED.at_least_once();
    WAITED.at_least_once();
}

static MORTAL: Policy = Policy::builder().creation_timeout(Duration::from_secs(1)).build_const();

type Mortal = Arc<Dogpile<Arc<ManualClock>>>;

/// An access that has spawned a creation, which has begun and hangs.
struct Hangs<A> {
    clock: Arc<ManualClock>,
    lock: Mortal,
    asks: Pin<Box<A>>,
    task: Arc<Mutex<Option<Task>>>,
}

fn hangs() -> Hangs<impl Future<Output = Result<Outcome, CreateError<&'static str>>>> {
    let clock = Arc::new(ManualClock::new());
    let lock = Arc::new(Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MORTAL));
    let (task, of_asks) = (Arc::new(Mutex::new(None)), Arc::clone(&lock));
    let spawner = {
        let kept = Arc::clone(&task);
        move |mut task: Task| {
            assert!(once(task.as_mut()).is_pending());
            *kept.lock().unwrap() = Some(task);
        }
    };
    let creator = pending::<Result<(), &'static str>>;
    let mut asks =
        Box::pin(async move { Dogpile::kept_async(&of_asks).spawned_by(&spawner).or_try_create(creator).await });
    assert!(once(asks.as_mut()).is_pending());
    Hangs { clock, lock, asks, task }
}

/// A spawned creation hangs, and is declared dead by an access that fails or by one that creates. The access that
/// spawned is served, or is lost if there is no other access (F1).
#[test]
fn f1_a_spawned_creation_dies() {
    static SERVED: Reached = Reached::new();
    static LOST: Reached = Reached::new();
    check(|| {
        let Hangs { clock, lock, asks, task } = hangs();
        clock.advance(Duration::from_secs(1));
        let fails = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || drop(lock.acquire_or_try_create(|| Err("no answer"))))
        };
        let creates = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        let asked = block_on(asks);
        SERVED.here_if(asked == Ok(Outcome::Waited));
        LOST.here_if(asked == Err(CreateError::Lost));
        assert!(matches!(asked, Ok(Outcome::Waited) | Err(CreateError::Lost)), "{asked:?}");
        fails.join().unwrap();
        creates.join().unwrap();
        drop(task.lock().unwrap().take());
        assert!(lock.has_value());
        is_at_rest(&lock);
    });
    SERVED.at_least_once();
    LOST.at_least_once();
}

/// The same with a creator that cannot fail: its access has an error all the same.
#[test]
fn f1_a_spawned_creation_that_cannot_fail_dies() {
    static SERVED: Reached = Reached::new();
    static LOST: Reached = Reached::new();
    check(|| {
        let clock = Arc::new(ManualClock::new());
        let lock = Arc::new(Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MORTAL));
        let task = Mutex::new(None);
        let spawner = |mut spawned: Task| {
            assert!(once(spawned.as_mut()).is_pending());
            *task.lock().unwrap() = Some(spawned);
        };
        let mut asks = Box::pin(Dogpile::kept_async(&lock).spawned_by(&spawner).or_create(pending::<()>));
        assert!(once(asks.as_mut()).is_pending());
        clock.advance(Duration::from_secs(1));
        let others = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || {
                assert!(lock.acquire_or_try_create(|| Err("no answer")).is_err());
                assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
            })
        };
        let asked = block_on(asks);
        SERVED.here_if(asked == Ok(Outcome::Waited));
        LOST.here_if(asked == Err(AcquireError::Lost));
        assert!(matches!(asked, Ok(Outcome::Waited) | Err(AcquireError::Lost)), "{asked:?}");
        others.join().unwrap();
        drop(task.lock().unwrap().take());
        is_at_rest(&lock);
    });
    SERVED.at_least_once();
    LOST.at_least_once();
}

/// A spawned creation hangs, and only the passing of time ends the wait for it. A waiter behind it that could create
/// goes first, or leaves (F3).
#[test]
fn f3_a_spawned_creation_hangs() {
    static SERVED: Reached = Reached::new();
    static LOST: Reached = Reached::new();
    for leaves in [false, true] {
        check(move || {
            let Hangs { clock, lock, asks, task } = hangs();
            let other = {
                let lock = Arc::clone(&lock);
                thread::spawn(move || {
                    let timeout = if leaves { Duration::ZERO } else { Duration::MAX };
                    lock.access().timeout(timeout).or_create(|| ())
                })
            };
            let time = thread::spawn(move || clock.advance(Duration::from_secs(1)));
            let asked = block_on(asks);
            SERVED.here_if(asked == Ok(Outcome::Waited));
            LOST.here_if(asked == Err(CreateError::Lost));
            let other = other.join().unwrap();
            time.join().unwrap();
            assert!(matches!(asked, Ok(Outcome::Waited) | Err(CreateError::Lost)), "{asked:?}");
            assert!(asked.is_err() || other == Ok(Outcome::Created));
            assert!(leaves || other == Ok(Outcome::Created));
            drop(task.lock().unwrap().take());
            is_at_rest(&lock);
        });
    }
    SERVED.at_least_once();
    LOST.at_least_once();
}

fn is_at_rest(lock: &Mortal) {
    assert_eq!((lock.is_creating(), lock.waiting()), (false, 0));
}

/// A store that is a future, dropped or not, against an invalidation by a task. The invalidation returns once no older
/// value can be stored (L6).
#[test]
fn l6_a_store_of_a_task() {
    static WAITED: Reached = Reached::new();
    static REFUSED: Reached = Reached::new();
    for ends in [false, true] {
        check(move || {
            let (lock, slot) = (Arc::new(Dogpile::never_expires()), Arc::new(Slot::new()));
            let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("not elected") };
            let stores = {
                let slot = Arc::clone(&slot);
                thread::spawn(move || {
                    let mut store = Box::pin(creation.publish_async(async || {
                        slot.write(1);
                        step().await;
                        slot.write(2);
                    }));
                    let stored = once(store.as_mut());
                    REFUSED.here_if(stored.is_ready());
                    if ends && stored.is_pending() {
                        assert!(block_on(store).is_ok());
                    }
                })
            };
            let mut invalidates = Box::pin(lock.invalidate_async());
            if once(invalidates.as_mut()).is_pending() {
                WAITED.here();
                block_on(invalidates);
            }
            // The store does not run here.
            slot.write(3);
            stores.join().unwrap();
            assert!(!lock.has_value());
            is_free(&lock);
        });
    }
    WAITED.at_least_once();
    REFUSED.at_least_once();
}

/// Tasks that read and one that writes exclude each other (L9). A writer that is dropped while it waits leaves no
/// trace.
#[test]
fn l9_readers_and_a_writer() {
    for gives_up in [false, true] {
        static DRAINED: Reached = Reached::new();
        check(move || {
            let (lock, slot) = (Arc::new(SyncReaderDogpile::never_expires()), Arc::new(Slot::new()));
            drop(lock.acquire_or_create(|| ()));
            let reads = {
                let (lock, slot) = (Arc::clone(&lock), Arc::clone(&slot));
                thread::spawn(move || {
                    let guard = block_on(SyncReaderDogpile::kept_async(&lock).or_create(async || ()));
                    assert_ne!(slot.read(), 1, "half-way");
                    drop(guard);
                })
            };
            let mut writes = Box::pin(lock.acquire_write_lock_async());
            let written = once(writes.as_mut());
            DRAINED.here_if(written.is_pending());
            let alone = match written {
                Poll::Ready(alone) => Some(alone),
                Poll::Pending if gives_up => None,
                Poll::Pending => Some(block_on(writes.as_mut())),
            };
            if alone.is_some() {
                slot.write(1);
                slot.write(2);
            }
            drop(alone);
            drop(writes);
            reads.join().unwrap();
            assert!(lock.try_acquire_write_lock().is_ok());
        });
        DRAINED.at_least_once();
    }
}

/// A writer gives up, or goes in, while its reader leaves. The writer's waker asks the lock when it is dropped, and is
/// not dropped under the mutex.
#[test]
fn f2_a_writers_waker_that_asks_the_lock_when_it_is_dropped() {
    struct Asks(Arc<SyncReaderDogpile>);

    impl Wake for Asks {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Asks {
        fn drop(&mut self) {
            assert_eq!(self.0.waiting_readers(), 0);
        }
    }

    static DRAINED: Reached = Reached::new();
    static WENT_IN: Reached = Reached::new();
    for gives_up in [false, true] {
        check(move || {
            let lock = Arc::new(SyncReaderDogpile::never_expires().born_fresh());
            let ReadTurn::Fresh(guard) = lock.acquire() else { panic!("it is fresh") };
            let guard = ReadGuard::into_owned(guard, Arc::clone(&lock));
            let reads = thread::spawn(move || drop(guard));
            let mut writes = Box::pin(lock.acquire_write_lock_async());
            let waker = Waker::from(Arc::new(Asks(Arc::clone(&lock))));
            let drained = writes.as_mut().poll(&mut Context::from_waker(&waker)).is_pending();
            drop(waker);
            DRAINED.here_if(drained);
            if drained && !gives_up {
                WENT_IN.here_if(once(writes.as_mut()).is_ready());
            }
            drop(writes);
            reads.join().unwrap();
            assert!(lock.try_acquire_write_lock().is_ok());
        });
    }
    DRAINED.at_least_once();
    WENT_IN.at_least_once();
}

/// A creator swaps under a guard that lives across its awaits, against a reader.
#[test]
fn l9_a_task_swaps() {
    check(|| {
        let (lock, slot) = (Arc::new(SyncReaderDogpile::never_expires()), Arc::new(Slot::new()));
        let swaps = {
            let (lock, slot) = (Arc::clone(&lock), Arc::clone(&slot));
            thread::spawn(move || {
                let creator = async |creation: &Creation<'_, SyncReaderDogpile>| {
                    let _alone = creation.write_lock_async().await.expect("nobody invalidates");
                    slot.write(1);
                    step().await;
                    slot.write(2);
                };
                drop(block_on(SyncReaderDogpile::kept_async(&lock).or_create_with(creator)));
            })
        };
        let guard = block_on(SyncReaderDogpile::kept_async(&lock).or_create_with(async |creation| {
            let _alone = creation.write_lock_async().await.expect("nobody invalidates");
            slot.write(1);
            slot.write(2);
        }));
        assert_eq!(slot.read(), 2);
        drop(guard);
        swaps.join().unwrap();
        assert!(lock.try_acquire_write_lock().is_ok());
    });
}

/// A task that invalidates while it has the write lock of its creation does not wait for itself. Another task waits for
/// its swap, or the swap is refused (L6, L7).
#[test]
fn f4_a_task_invalidates_what_it_swaps() {
    static REFUSED: Reached = Reached::new();
    static WAITED: Reached = Reached::new();
    check(|| {
        let (lock, slot) = (Arc::new(SyncReaderDogpile::never_expires()), Arc::new(Slot::new()));
        let ReadTurn::Create(creation) = block_on(SyncReaderDogpile::kept_async(&lock).turn()) else {
            panic!("nobody else creates")
        };
        let swaps = {
            let (lock, slot) = (Arc::clone(&lock), Arc::clone(&slot));
            thread::spawn(move || {
                let creator = async |creation: &Creation<'_, SyncReaderDogpile>| {
                    let _alone = creation.write_lock_async().await.map_err(|_| "refused")?;
                    slot.write(1);
                    lock.invalidate_async().await;
                    step().await;
                    slot.write(2);
                    Err::<(), _>("half-way")
                };
                let swapped = block_on(creation.try_run_async(creator));
                REFUSED.here_if(swapped == Err("refused"));
            })
        };
        let mut invalidates = Box::pin(lock.invalidate_async());
        if once(invalidates.as_mut()).is_pending() {
            WAITED.here();
            block_on(invalidates);
        }
        // The swap does not run here.
        slot.write(3);
        swaps.join().unwrap();
        assert_eq!(slot.read(), 3, "nor after that");
        assert!(!lock.has_value() && lock.try_acquire_write_lock().is_ok());
    });
    REFUSED.at_least_once();
    WAITED.at_least_once();
}

/// A creator looks whether there is a value, and goes on without one. No access gets an error because of that wait
/// (L7).
#[test]
fn f9_a_creator_that_goes_on_without_waiting_closes_no_cycle() {
    check(|| {
        let [a, b] = [(); 2].map(|()| Arc::new(Dogpile::never_expires()));
        let Turn::Create(creation) = Dogpile::kept(&b).turn() else { panic!("nobody else creates") };
        let has_gone_on = Arc::new(AtomicBool::new(false));
        let goes_on = {
            let (a, b, has_gone_on) = (Arc::clone(&a), Arc::clone(&b), Arc::clone(&has_gone_on));
            thread::spawn(move || {
                block_on(a.access_async().or_create(async || {
                    let mut wanted = Box::pin(b.access_async().or_create(async || ()));
                    let looked = poll_fn(|context| Poll::Ready(wanted.as_mut().poll(context))).await;
                    step().await;
                    has_gone_on.store(true, Release);
                    step().await;
                    drop((looked, wanted));
                }))
            })
        };
        let asks = thread::spawn(move || {
            block_on(creation.run_async(async |_| {
                while !has_gone_on.load(Acquire) {
                    thread::yield_now();
                }
                let asked = a.access_async().or_try_create(async || Ok::<_, &str>(())).await;
                assert!(asked.is_ok(), "there is no cycle");
            }));
        });
        assert_eq!(goes_on.join().unwrap(), Outcome::Created);
        asks.join().unwrap();
        is_free(&b);
    });
}

/// The creators of two tasks ask for each other's values, beside another future that has them polled. Neither hangs,
/// and only one of them gets an error (L7, C14).
#[test]
fn l7_c14_a_cycle_of_two_tasks() {
    static TOLD: Reached = Reached::new();
    static NONE: Reached = Reached::new();
    check(|| {
        let locks = [(); 2].map(|()| Arc::new(Dogpile::never_expires()));
        let creates = |own: usize| {
            let locks = locks.clone();
            thread::spawn(move || {
                let mut told = false;
                block_on(locks[own].access_async().or_create(async || {
                    let mut asks = pin!(locks[1 - own].access_async().or_try_create(async || Ok::<_, &str>(())));
                    let mut beside = Some(Box::pin(step()));
                    let asked = poll_fn(|context| {
                        let asked = asks.as_mut().poll(context);
                        beside.take_if(|beside| beside.as_mut().poll(context).is_ready());
                        asked
                    });
                    told = matches!(asked.await, Err(CreateError::WouldDeadlock(_)));
                }));
                told
            })
        };
        let told = [0, 1].map(creates).map(|thread| thread.join().unwrap());
        assert!(told != [true; 2]);
        if told == [false; 2] {
            NONE.here();
        } else {
            TOLD.here();
        }
        for lock in &locks {
            is_free(lock);
        }
    });
    TOLD.at_least_once();
    NONE.at_least_once();
}
