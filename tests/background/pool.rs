//! The bounded pool.

use crate::held_job::held;
use crate::traits::Otherwise as _;
use crate::{MORTAL, hand_over, lock, stale};
use dogpile::{Dogpile, Job, JobsLeft, Outcome, Pool, Runner, ThreadPerJob};
use parking_lot::Mutex;
use std::panic::catch_unwind;
use std::sync::Arc;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

#[test]
fn a_pool_has_as_many_threads_as_it_may_and_no_more() {
    let pool = Pool::new(3, 100);
    let together = Arc::new(Barrier::new(4));
    for _ in 0..3 {
        let together = Arc::clone(&together);
        pool.run(Box::new(move || {
            together.wait();
            together.wait();
        }));
    }
    together.wait(); // three at once
    let (job, begins, let_go) = held();
    pool.run(job);
    assert_eq!(pool.waiting(), 1);
    assert!(begins.try_recv().is_err(), "no fourth");
    together.wait();
    begins.recv().unwrap();
    let_go.send(()).unwrap();
}

#[test]
fn f11_a_pool_may_have_places_without_a_limit() {
    let pool = Pool::new(1, usize::MAX);
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    let_go.send(()).unwrap();
    let (ran, runs) = mpsc::channel();
    for number in 0..100 {
        let ran = ran.clone();
        pool.run(Box::new(move || ran.send(number).unwrap()));
        assert_eq!(runs.recv().unwrap(), number);
    }
}

#[test]
fn jobs_run_in_the_order_in_which_they_came() {
    let pool = Pool::new(1, 100);
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    let (done, order) = mpsc::channel();
    for number in 0..10 {
        let done = done.clone();
        pool.run(Box::new(move || done.send(number).unwrap()));
    }
    let_go.send(()).unwrap();
    drop(done);
    assert_eq!(order.iter().collect::<Vec<_>>(), (0..10).collect::<Vec<_>>());
}

#[test]
fn c9_a_job_without_a_place_frees_its_lock() {
    let pool = Pool::new(1, 1);
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    let [(first, _), (second, _)] = [(); 2].map(|()| stale(&MORTAL));
    assert_eq!(hand_over(&first, &pool), Outcome::Stale);
    assert_eq!(hand_over(&second, &pool), Outcome::Stale);
    assert_eq!((first.is_creating(), second.is_creating()), (true, false), "one place, one refused");
    let_go.send(()).unwrap();
    while first.is_expired() {
        thread::yield_now();
    }
    let mut elected = 0;
    while second.is_expired() {
        elected += u32::from(!second.is_creating());
        hand_over(&second, &pool);
        thread::yield_now();
    }
    assert!(elected > 0);
}

#[test]
fn without_places_a_thread_that_is_free_takes_a_job() {
    let pool = Pool::new(1, 0);
    for _ in 0..100 {
        let ((begun, begins), (let_go, goes)) = (mpsc::channel(), mpsc::channel());
        let goes = Arc::new(Mutex::new(goes));
        // The thread may not have come back for another job yet. Then the pool refuses this one.
        while begins.try_recv().is_err() {
            let (begun, goes) = (begun.clone(), Arc::clone(&goes));
            pool.run(Box::new(move || {
                begun.send(()).unwrap();
                goes.lock().recv().unwrap();
            }));
            thread::yield_now();
        }
        let unwanted = Arc::new(());
        let in_job = Arc::clone(&unwanted);
        pool.run(Box::new(move || unreachable!("there is no thread for it: {in_job:?}")));
        assert_eq!(Arc::strong_count(&unwanted), 1, "refused, and dropped at once");
        let_go.send(()).unwrap();
    }
}

#[test]
fn c9_a_dropped_pool_frees_the_locks_of_its_waiting_jobs() {
    let (lock, _) = lock(&MORTAL);
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let pool = Pool::new(1, 1);
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    hand_over(&lock, &pool);
    assert!(lock.is_creating());
    drop(pool);
    assert!(!lock.is_creating());
    let_go.send(()).unwrap();
}

#[test]
fn a_job_that_panics_takes_no_thread_with_it() {
    let pool = Pool::new(1, 10);
    pool.run(Box::new(|| panic!("on purpose")));
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    let_go.send(()).unwrap();
}

#[test]
fn one_pool_serves_many_locks() {
    static POOL: Pool = Pool::new(2, 1000);
    let locks: Vec<_> = (0..200).map(|_| stale(&MORTAL).0).collect();
    let together = Arc::new(AtomicUsize::new(0));
    for lock in &locks {
        let together = Arc::clone(&together);
        Dogpile::kept(lock).in_background(&POOL).or_create(move || {
            assert!(together.fetch_add(1, Ordering::SeqCst) < 2);
            thread::yield_now();
            together.fetch_sub(1, Ordering::SeqCst);
        });
    }
    for lock in &locks {
        while lock.is_expired() {
            thread::yield_now();
        }
        assert_eq!(lock.stats().failures, 0);
    }
}

#[test]
fn types_cross_threads_and_panics_as_decided() {
    assert_eq!([traits!(Pool), traits!(JobsLeft)], [[true; 4]; 2]);
    assert_eq!(traits!(ThreadPerJob), [true; 4]);
    assert_eq!(traits!(Job), [true, false, false, false], "it owns a creator, which may be anything that is `Send`");
}

#[test]
fn a_pool_without_threads_panics() {
    assert!(catch_unwind(|| Pool::new(0, 1)).is_err());
    assert_eq!(format!("{:?}", Pool::new(2, 3)), "Pool { threads: 2, places: 3, waiting: 0, .. }");
}

/// Returns the number of running and of waiting jobs that are left.
fn left(ended: Result<(), JobsLeft>) -> Option<(usize, usize)> {
    ended.err().map(|left| (left.running, left.waiting))
}

#[test]
fn k8_a_pool_that_is_shut_down_ends_its_jobs_and_takes_no_more() {
    let pool = Pool::new(1, 10);
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    let ran = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&ran);
    pool.run(Box::new(move || runs.store(true, Ordering::Relaxed)));
    let ended = pool.shut_down(Duration::ZERO);
    assert_eq!(
        ended.unwrap_err().to_string(),
        "the pool is shut down, but 1 of its jobs still run, and 1 wait for a thread"
    );
    let refused = Arc::new(());
    let in_job = Arc::clone(&refused);
    pool.run(Box::new(move || unreachable!("no job is taken any more: {in_job:?}")));
    assert_eq!(Arc::strong_count(&refused), 1, "dropped at once");
    let (lock, _) = stale(&MORTAL);
    assert_eq!(hand_over(&lock, &pool), Outcome::Stale);
    assert!(!lock.is_creating(), "L5: what is refused frees its lock");
    assert_eq!(left(pool.shut_down(Duration::from_millis(1))), Some((1, 1)), "once more, and no longer than that");
    thread::scope(|scope| {
        let waits =
            [(); 2].map(|()| scope.spawn(|| (left(pool.shut_down(Duration::MAX)), ran.load(Ordering::Relaxed))));
        let_go.send(()).unwrap();
        for ended in waits {
            assert_eq!(ended.join().unwrap(), (None, true), "all that it had taken");
        }
    });
    assert_eq!(left(pool.shut_down(Duration::ZERO)), None, "and so it stays");
    assert_eq!(hand_over(&lock, &pool), Outcome::Stale);
    assert!(!lock.is_creating());
}

#[test]
fn k8_a_pool_can_be_shut_down_before_it_is_used_and_while_it_is_idle() {
    static POOL: Pool = Pool::new(1, 10);
    assert_eq!(POOL.shut_down(Duration::MAX), Ok(()));
    POOL.run(Box::new(|| unreachable!("it is shut down")));
    let pool = Pool::new(3, 10);
    let (ran, runs) = mpsc::channel();
    for _ in 0..10 {
        let ran = ran.clone();
        pool.run(Box::new(move || ran.send(()).unwrap()));
    }
    assert_eq!(pool.shut_down(Duration::MAX), Ok(()));
    assert_eq!(runs.try_iter().count(), 10, "all of them, and before that");
    drop(pool);
}

#[test]
fn k8_l7_a_job_that_shuts_its_pool_down_does_not_wait_for_itself() {
    static POOL: Pool = Pool::new(2, 10);
    let (told, tells) = mpsc::channel();
    let together = Arc::new(Barrier::new(2));
    for _ in 0..2 {
        let (told, together) = (told.clone(), Arc::clone(&together));
        POOL.run(Box::new(move || {
            together.wait();
            let ended = POOL.shut_down(Duration::MAX);
            together.wait();
            told.send(left(ended)).unwrap();
        }));
    }
    for _ in 0..2 {
        assert_eq!(tells.recv().unwrap(), Some((2, 0)), "itself, and the other one");
    }
    assert_eq!(POOL.shut_down(Duration::MAX), Ok(()));

    // The job waits for another pool.
    let (other, pool) = (Pool::new(1, 10), Arc::new(Pool::new(1, 10)));
    let (job, begins, let_go) = held();
    pool.run(job);
    begins.recv().unwrap();
    let shut = Arc::clone(&pool);
    other.run(Box::new(move || told.send(left(shut.shut_down(Duration::MAX))).unwrap()));
    let_go.send(()).unwrap();
    assert_eq!(tells.recv().unwrap(), None);
}

#[test]
fn k8_a_job_that_comes_during_the_shutdown_runs_or_is_dropped() {
    for _ in 0..200 {
        let pool = Pool::new(2, 100);
        let (jobs, ran, together) = (Arc::new(()), Arc::new(AtomicUsize::new(0)), Barrier::new(2));
        thread::scope(|scope| {
            let hands_over = scope.spawn(|| {
                together.wait();
                for _ in 0..20 {
                    let (job, ran) = (Arc::clone(&jobs), Arc::clone(&ran));
                    pool.run(Box::new(move || {
                        ran.fetch_add(1, Ordering::Relaxed);
                        drop(job);
                    }));
                }
            });
            together.wait();
            assert_eq!(pool.shut_down(Duration::MAX), Ok(()));
            let by_then = ran.load(Ordering::Relaxed);
            hands_over.join().unwrap();
            assert_eq!(ran.load(Ordering::Relaxed), by_then, "none after that");
        });
        assert_eq!(Arc::strong_count(&jobs), 1, "none is left lying");
    }
}
