//! What a child made by fork(2) has of this crate: see the section `Fork` of its documentation.
//!
//! Each test forks in a process of its own, which is this program again and does nothing else. The kernel ends a forked
//! child that hangs, and then the test fails.

#![cfg(all(unix, not(dogpile_loom)))]

mod child;
mod held_job;

use child::{DONE, is_done, part, play};
use dogpile::{Cached, Dogpile, ManualClock, Outcome, Policy, Pool, ReadGuard, Runner, SyncReaderDogpile, Turn};
use held_job::held;
use smol::future::block_on;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// How long a forked child may run.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs a test in a process of its own.
fn alone(test: &str, run: impl FnOnce()) {
    if part().is_some() {
        run();
        return println!("{DONE}");
    }
    let child = play("forks", test);
    assert!(is_done(&child), "{}", String::from_utf8_lossy(&child.stderr));
}

/// Runs `run` in a forked child, and returns whether it has come to its end there.
fn forked(run: impl FnOnce()) -> bool {
    // SAFETY: the allocator's locks are in order in the child, as fork(2) of the C library promises, and no other
    // thread of this program has locked any lock of the standard library. The child never returns from here.
    let child = unsafe { libc::fork() };
    if child == 0 {
        // SAFETY: the function takes a number, and nothing else.
        unsafe { libc::alarm(u32::try_from(PATIENCE.as_secs()).unwrap()) };
        let ended = catch_unwind(AssertUnwindSafe(run)).is_ok();
        // SAFETY: as above.
        unsafe { libc::_exit(i32::from(!ended)) }
    }
    assert!(child > 0, "no process is to be had");
    let mut status = 0;
    // SAFETY: `status` may be written.
    assert_eq!(unsafe { libc::waitpid(child, &raw mut status, 0) }, child);
    libc::WIFEXITED(status) && libc::WEXITSTATUS(status) == 0
}

/// Gives a runner a job, and waits until the job has run.
fn runs(runner: &impl Runner) {
    let (done, is_done) = mpsc::channel();
    runner.run(Box::new(move || done.send(process::id()).unwrap()));
    assert_eq!(is_done.recv_timeout(PATIENCE), Ok(process::id()));
}

#[test]
fn f6_a_pool_starts_anew_in_a_child() {
    static POOL: Pool = Pool::new(2, 10);
    alone("f6_a_pool_starts_anew_in_a_child", || {
        runs(&POOL);
        assert!(forked(|| {
            runs(&POOL);
            runs(&POOL);
            assert!(forked(|| runs(&POOL)), "a child's child");
            runs(&POOL);
        }));
        runs(&POOL);
    });
}

#[test]
fn f6_the_jobs_of_a_pool_stay_with_the_parent() {
    alone("f6_the_jobs_of_a_pool_stay_with_the_parent", || {
        let pool = Pool::new(1, 1);
        let (job, begins, let_go) = held();
        pool.run(job);
        begins.recv().unwrap();
        let (waits, ran) = (Arc::new(()), Arc::new(AtomicBool::new(false)));
        let (in_job, runs_there) = (Arc::clone(&waits), Arc::clone(&ran));
        pool.run(Box::new(move || runs_there.store(Arc::strong_count(&in_job) > 1, Ordering::SeqCst)));
        assert_eq!(pool.waiting(), 1);
        let mut pool = Some(pool);
        assert!(forked(|| {
            let pool = pool.take().unwrap();
            assert_eq!(pool.waiting(), 0);
            runs(&pool);
            drop(pool);
            assert!(!ran.load(Ordering::SeqCst) && Arc::strong_count(&waits) == 2, "neither run nor dropped");
        }));
        assert!(forked(|| drop(pool.take())), "one that was not used there");
        let_go.send(()).unwrap();
        while !ran.load(Ordering::SeqCst) {
            thread::yield_now();
        }
    });
}

#[test]
fn k8_a_pool_that_was_shut_down_takes_jobs_in_a_child() {
    static POOL: Pool = Pool::new(1, 1);
    alone("k8_a_pool_that_was_shut_down_takes_jobs_in_a_child", || {
        let (job, begins, let_go) = held();
        POOL.run(job);
        begins.recv().unwrap();
        assert!(POOL.shut_down(Duration::ZERO).is_err());
        assert!(forked(|| {
            runs(&POOL);
            assert_eq!(POOL.shut_down(PATIENCE), Ok(()), "it waits for no job of the parent's");
        }));
        let_go.send(()).unwrap();
        assert_eq!(POOL.shut_down(PATIENCE), Ok(()));
    });
}

/// Lets a task wait for a creation that hangs. The task takes over in time.
fn takes_over() {
    static MORTAL: Policy = Policy::builder().creation_timeout(Duration::from_millis(1)).build_const();
    let lock = Dogpile::never_expires().with_policy(&MORTAL);
    let Turn::Create(hangs) = lock.acquire() else { panic!("nobody else creates") };
    assert_eq!(block_on(lock.access_async().or_create(async || ())), Outcome::Created);
    assert!(hangs.is_dead());
}

#[test]
fn f6_tasks_declare_creations_dead_in_a_child() {
    alone("f6_tasks_declare_creations_dead_in_a_child", || {
        takes_over();
        assert!(forked(|| {
            takes_over();
            takes_over();
        }));
        takes_over();
    });
}

/// A child never learns of the end of a creation that runs on another thread. A `creation_timeout` is for that.
#[test]
fn f6_a_creation_of_another_thread_does_not_end_in_a_child() {
    static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
    alone("f6_a_creation_of_another_thread_does_not_end_in_a_child", || {
        let clock = Arc::new(ManualClock::new());
        let lasting = Arc::new(Cached::with_clock(SECOND, Arc::clone(&clock)));
        let mortal = Arc::new(Cached::with_clock(SECOND, Arc::clone(&clock)).with_policy(&MORTAL));
        let swapped = Arc::new(SyncReaderDogpile::never_expires());
        lasting.set(1);
        mortal.set(1);
        drop(swapped.acquire_or_create(|| ()));
        clock.advance(SECOND);
        let (end, ends) = mpsc::channel::<()>();
        let (says, has_begun) = mpsc::channel();
        let other = {
            let (lasting, mortal, swapped) = (Arc::clone(&lasting), Arc::clone(&mortal), Arc::clone(&swapped));
            thread::spawn(move || {
                let _reads = ReadGuard::into_owned(swapped.acquire_or_create(|| ()), Arc::clone(&swapped));
                lasting.get_or_create(|| {
                    mortal.get_or_create(|| {
                        says.send(()).unwrap();
                        ends.recv().unwrap_or(());
                        2
                    });
                    2
                });
            })
        };
        has_begun.recv().unwrap();
        assert!(forked(|| {
            clock.advance(SECOND);
            assert_eq!(*lasting.get_or_create(|| unreachable!("another creates")), 1);
            assert!(lasting.is_creating());
            assert_eq!(*mortal.get_or_create(|| 3), 3, "it is declared dead");
            lasting.invalidate();
            assert!(lasting.access().timeout(Duration::ZERO).or_create(|| 3).is_err());
            assert!(swapped.try_acquire_write_lock().is_err(), "a thread reads that is gone");
        }));
        drop(end);
        other.join().unwrap();
        assert_eq!((*lasting.get_fresh().unwrap(), *mortal.get_fresh().unwrap()), (2, 2));
    });
}
