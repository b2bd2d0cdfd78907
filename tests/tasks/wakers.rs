//! Wakers are the user's code. Whatever a waker does, asks for or holds when it is cloned, woken or dropped, the locks
//! go on.

use crate::child::{DONE, is_done, part, play};
use crate::common::until;
use crate::executor::{Woken, block_on, poll};
use dogpile::{
    Backoff, Cached, Clock, Creation, Dogpile, Finished, ManualClock, Outcome, OwnedReadGuard, Policy, ReadGuard,
    ReadTurn, SyncReaderDogpile, Task as Spawned, Turn,
};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

/// Runs `run`, which may hang if the crate is broken, and fails then.
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

type SharedLock = Arc<SyncReaderDogpile>;

fn resource() -> SharedLock {
    Arc::new(SyncReaderDogpile::never_expires().born_fresh())
}

fn reader(lock: &SharedLock) -> OwnedReadGuard {
    match lock.acquire() {
        ReadTurn::Fresh(guard) => ReadGuard::into_owned(guard, Arc::clone(lock)),
        _ => panic!("it is fresh"),
    }
}

/// Asks its lock all the questions that never wait.
fn asks(lock: &SyncReaderDogpile) {
    let _counts = (lock.waiting(), lock.waiting_readers(), lock.waiting_writers(), lock.generation());
    drop(lock.try_acquire());
    drop(lock.try_acquire_write_lock());
    assert!(!format!("{lock:?}").is_empty());
}

/// The least that a waker may do when it is dropped.
struct Asks(SharedLock);

impl Wake for Asks {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Asks {
    fn drop(&mut self) {
        asks(&self.0);
    }
}

/// A task of a small executor. Its waker is the task, and what the task holds is dropped with it.
struct Task<T>(#[allow(dead_code)] Mutex<Option<T>>);

impl<T: Send> Wake for Task<T> {
    fn wake(self: Arc<Self>) {}
}

/// Each way in which a writer that waits for readers lets go of its waker: it gives up, another task polls it, or it
/// goes in.
fn a_writer_lets_go(of: fn(&SharedLock) -> Waker) {
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
        // Where the writer goes in, another task has let that guard go.
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

/// A spawned task is dropped with the waker of the access that waits for it.
#[test]
fn f2_a_waker_that_holds_a_spawned_task() {
    ends("a waker with what was spawned", || {
        let (lock, shelf) = (Arc::new(Dogpile::never_expires()), Mutex::new(None));
        let spawner = |task: Spawned| *shelf.lock().unwrap() = Some(task);
        let mut access = Box::pin(Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(unwanted));
        assert!(poll(&mut access, &Arc::default()).is_pending());
        let holds = Arc::new(Task(Mutex::new(shelf.lock().unwrap().take())));
        assert!(polled_by(&mut access, &Waker::from(holds)).is_pending());
        let _asked = poll(&mut access, &Arc::default());
        assert!(!lock.is_creating(), "it was dropped with the waker");
    });
}

// --- wakers that are woken together

const MINUTE: Duration = Duration::from_secs(60);
static MORTAL: Policy = Policy::builder().creation_timeout(MINUTE).build_const();
static SOON: Policy = Policy::builder().creation_timeout(Duration::from_millis(20)).build_const();
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).build_const();

type Waiting = Pin<Box<dyn Future<Output = ()>>>;

/// Tasks and a thread that wait for the same event.
struct Gathering {
    name: &'static str,
    /// One more task.
    task: Box<dyn Fn() -> Waiting>,
    thread: Box<dyn FnOnce() + Send>,
    /// Changes with each task or thread that comes to wait.
    seen: Box<dyn Fn() -> String>,
    /// Causes the event.
    comes: Box<dyn FnOnce()>,
}

fn kept<L>(lock: L) -> &'static L {
    Box::leak(Box::new(lock))
}

fn elected<C: Clock>(lock: &'static Dogpile<C>) -> Creation<'static, Dogpile<C>> {
    match lock.acquire() {
        Turn::Create(creation) => creation,
        _ => panic!("there is a value, or somebody creates"),
    }
}

async fn unwanted<T>() -> Result<T, &'static str> {
    Err("unwanted")
}

fn served_waiters() -> Gathering {
    let lock = kept(Dogpile::never_expires());
    let creation = elected(lock);
    Gathering {
        name: "served",
        task: Box::new(|| Box::pin(async { drop(lock.access_async().or_try_create(unwanted).await) })),
        thread: Box::new(|| assert_eq!(lock.acquire_or_create(|| ()), Outcome::Waited)),
        seen: Box::new(|| lock.waiting().to_string()),
        comes: Box::new(|| assert_eq!(creation.finish(), Finished::Published)),
    }
}

fn waiters_for_a_set_value() -> Gathering {
    let cached = kept(Cached::never_expires());
    let mut elected = Box::pin(cached.get_or_create_async(pending::<u32>));
    assert!(poll(&mut elected, &Arc::default()).is_pending());
    Gathering {
        name: "set",
        task: Box::new(|| Box::pin(async { drop(cached.get_or_try_create_async(unwanted).await) })),
        thread: Box::new(|| assert_eq!(*cached.get_or_create(|| 2), 1)),
        seen: Box::new(|| cached.waiting().to_string()),
        comes: Box::new(|| {
            cached.set(1);
            drop(elected);
        }),
    }
}

fn waiters_told_of_a_pause() -> Gathering {
    let lock = kept(Dogpile::never_expires().with_policy(&PAUSING));
    let creation = elected(lock);
    Gathering {
        name: "paused",
        task: Box::new(|| Box::pin(async { drop(lock.access_async().or_try_create(unwanted).await) })),
        thread: Box::new(|| assert!(lock.acquire_or_try_create(|| Err("unwanted")).is_err())),
        seen: Box::new(|| lock.waiting().to_string()),
        comes: Box::new(|| creation.fail("on purpose")),
    }
}

fn waiting_invalidations() -> Gathering {
    let lock = kept(Dogpile::never_expires());
    let creation = kept(elected(lock));
    let mut store = Box::pin(creation.publish_async(pending::<()>));
    assert!(poll(&mut store, &Arc::default()).is_pending());
    Gathering {
        name: "a store has ended",
        task: Box::new(|| Box::pin(lock.invalidate_async())),
        thread: Box::new(|| lock.invalidate()),
        seen: Box::new(|| format!("{:?}", lock.generation())),
        comes: Box::new(|| drop(store)),
    }
}

fn readers_kept_waiting_by_a_writer() -> Gathering {
    let lock = kept(SyncReaderDogpile::never_expires().born_fresh());
    let alone = block_on(lock.acquire_write_lock_async());
    Gathering {
        name: "admitted",
        task: Box::new(move || Box::pin(async move { drop(SyncReaderDogpile::kept_async(lock).turn().await) })),
        thread: Box::new(|| drop(lock.acquire())),
        seen: Box::new(|| lock.waiting_readers().to_string()),
        comes: Box::new(|| drop(alone)),
    }
}

fn waiters_on_a_moved_clock() -> Gathering {
    let clock = kept(ManualClock::new());
    let [of_tasks, of_thread] =
        [(); 2].map(|()| kept(Dogpile::with_clock(Duration::MAX, &*clock).with_policy(&MORTAL)));
    let hang = [of_tasks, of_thread].map(elected);
    Gathering {
        name: "a clock was moved",
        task: Box::new(|| Box::pin(async { drop(of_tasks.access_async().or_try_create(unwanted).await) })),
        thread: Box::new(|| assert_eq!(of_thread.acquire_or_create(|| ()), Outcome::Created)),
        seen: Box::new(|| (of_tasks.waiting() + of_thread.waiting()).to_string()),
        comes: Box::new(|| {
            clock.advance(MINUTE);
            drop(hang);
        }),
    }
}

fn gatherings() -> [Gathering; 6] {
    [
        served_waiters(),
        waiters_for_a_set_value(),
        waiters_told_of_a_pause(),
        waiting_invalidations(),
        readers_kept_waiting_by_a_writer(),
        waiters_on_a_moved_clock(),
    ]
}

/// A waker that waits for a thread, which waits for the same event as the waker's task. A waker should not do this.
struct Waits(Arc<AtomicBool>);

impl Wake for Waits {
    fn wake(self: Arc<Self>) {
        until(|| self.0.load(Ordering::SeqCst));
    }
}

#[test]
fn f5_threads_are_woken_before_the_wakers_of_tasks_run() {
    ends("a waker that waits for a thread which was woken with it", || {
        for Gathering { name, task, thread: waits, seen, comes } in gatherings() {
            println!("{name}");
            let came_back = Arc::<AtomicBool>::default();
            let mut first = task();
            let waker = Waker::from(Arc::new(Waits(Arc::clone(&came_back))));
            assert!(polled_by(&mut first, &waker).is_pending());
            let before = seen();
            let thread = thread::spawn(move || {
                waits();
                came_back.store(true, Ordering::SeqCst);
            });
            until(|| seen() != before);
            comes();
            thread.join().unwrap();
        }
    });
}

/// Panics when it is woken, or else when it is dropped. (It panics without a message: the standard library prints
/// messages under a lock that ThreadSanitizer does not see.)
struct Panics {
    woken: bool,
}

impl Wake for Panics {
    fn wake(self: Arc<Self>) {
        if self.woken {
            resume_unwind(Box::new("a waker"));
        }
    }
}

impl Drop for Panics {
    fn drop(&mut self) {
        if !self.woken {
            resume_unwind(Box::new("a waker"));
        }
    }
}

fn panics(woken: bool) -> Waker {
    Arc::new(Panics { woken }).into()
}

/// Lets tasks wait with wakers that panic, and then one whose waker does not. That last task is woken, and the thread
/// that wakes them goes on.
fn others_are_woken(count: usize, woken: bool) {
    for Gathering { name, task, comes, .. } in gatherings() {
        println!("{name}");
        let mut tasks: Vec<_> = (0..count).map(|_| task()).collect();
        for waits in &mut tasks {
            assert!(polled_by(waits, &panics(woken)).is_pending());
        }
        let (mut last, woken) = (task(), Arc::<Woken>::default());
        assert!(poll(&mut last, &woken).is_pending());
        comes();
        assert!(woken.take(), "{name}: the last task was left behind");
    }
}

#[test]
fn f5_a_waker_that_panics_leaves_no_other_waiter_behind() {
    others_are_woken(1, true);
    others_are_woken(1, false);
}

#[test]
fn f5_a_reader_and_a_writer_leave_though_wakers_panic() {
    let lock = resource();
    let reads = reader(&lock);
    let mut writers = [(); 3].map(|()| Box::pin(lock.acquire_write_lock_async()));
    for writes in &mut writers {
        assert!(polled_by(writes, &panics(true)).is_pending());
    }
    drop(reads); // wakes the first
    let [mut first, mut second, third] = writers;
    let Poll::Ready(alone) = poll(&mut first, &Arc::default()) else { panic!("nobody reads") };
    drop(alone); // wakes the second
    let mut waits = Box::pin(SyncReaderDogpile::kept_async(&lock).turn());
    assert!(polled_by(&mut waits, &panics(true)).is_pending());
    let Poll::Ready(alone) = poll(&mut second, &Arc::default()) else { panic!("it is its turn") };
    drop(third);
    drop(alone); // admits the reader
    assert!(poll(&mut waits, &Arc::default()).is_ready());
    assert!(lock.try_acquire_write_lock().is_ok());
}

/// Runs `run` in a process of its own, which two panics at once would end.
fn in_a_child(test: &str, run: impl FnOnce()) {
    if part().is_some() {
        run();
        println!("{DONE}");
        return;
    }
    let child = play("all", &format!("wakers::{test}"));
    assert!(is_done(&child), "{}", String::from_utf8_lossy(&child.stderr));
}

#[test]
fn f5_wakers_that_panic_together() {
    in_a_child("f5_wakers_that_panic_together", || {
        others_are_woken(3, true);
        others_are_woken(3, false);
    });
}

#[test]
fn f5_an_alarm_goes_off_though_wakers_panic() {
    in_a_child("f5_an_alarm_goes_off_though_wakers_panic", || {
        let lock = Dogpile::never_expires().with_policy(&SOON);
        let Turn::Create(hangs) = lock.acquire() else { panic!("not elected") };
        let mut tasks = [(); 3].map(|()| Box::pin(lock.access_async().or_create(async || ())));
        let woken = Arc::<Woken>::default();
        let wakers = [panics(true), panics(true), Arc::clone(&woken).into()];
        for (waits, waker) in tasks.iter_mut().zip(&wakers) {
            assert!(polled_by(waits, waker).is_pending());
        }
        until(|| woken.times() > 0);
        drop(hangs);
    });
}

/// The panic of a caller wakes its waiters.
#[test]
fn f5_wakers_that_panic_beside_another_panic() {
    in_a_child("f5_wakers_that_panic_beside_another_panic", || {
        for Gathering { name, task, comes, .. } in gatherings() {
            println!("{name}");
            let mut tasks = [(); 2].map(|()| task());
            for waits in &mut tasks {
                assert!(polled_by(waits, &panics(true)).is_pending());
            }
            let unwound = catch_unwind(AssertUnwindSafe(|| {
                let _comes = Last(Some(comes));
                resume_unwind(Box::new("a caller"));
            }));
            assert_eq!(unwound.unwrap_err().downcast_ref(), Some(&"a caller"));
        }
    });
}

/// Calls the function when it is dropped.
struct Last<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for Last<F> {
    fn drop(&mut self) {
        self.0.take().expect("it is dropped once")();
    }
}

/// A future that is dropped, or polled by another task, drops the waker that it was polled with before.
#[test]
fn f5_wakers_that_panic_when_their_tasks_are_gone() {
    in_a_child("f5_wakers_that_panic_when_their_tasks_are_gone", || {
        let own = [writers_that_wait_for_readers, waiters_with_an_alarm];
        for Gathering { name, task, comes, .. } in gatherings().into_iter().chain(own.map(|own| own())) {
            println!("{name}");
            let mut tasks = [(); 2].map(|()| task());
            for waits in &mut tasks {
                assert!(polled_by(waits, &panics(false)).is_pending());
            }
            let [dropped, mut polled] = tasks;
            drop(dropped);
            assert!(poll(&mut polled, &Arc::default()).is_pending());
            comes();
        }
    });
}

fn writers_that_wait_for_readers() -> Gathering {
    let lock = kept(SyncReaderDogpile::never_expires().born_fresh());
    let reads = block_on(SyncReaderDogpile::kept_async(lock).turn());
    Gathering {
        name: "drained",
        task: Box::new(|| Box::pin(async { drop(lock.acquire_write_lock_async().await) })),
        thread: Box::new(|| drop(lock.acquire_write_lock())),
        seen: Box::new(|| lock.waiting_writers().to_string()),
        comes: Box::new(|| drop(reads)),
    }
}

fn waiters_with_an_alarm() -> Gathering {
    let lock = kept(Dogpile::never_expires().with_policy(&MORTAL));
    let creation = elected(lock);
    Gathering {
        name: "alarmed",
        task: Box::new(|| Box::pin(async { drop(lock.access_async().or_try_create(unwanted).await) })),
        thread: Box::new(|| _ = lock.acquire_or_create(|| ())),
        seen: Box::new(|| lock.waiting().to_string()),
        comes: Box::new(|| drop(creation)),
    }
}

/// A wait in a creator wakes its own task. A panic of that task's waker is not a failure of the creator.
#[test]
fn f5_f9_a_panic_of_the_creators_own_waker_is_no_failure() {
    struct Panics;

    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            resume_unwind(Box::new("a waker"));
        }
    }

    let (outer, inner) = (Dogpile::never_expires(), Dogpile::never_expires());
    let Turn::Create(creates) = inner.acquire() else { panic!("nobody else creates") };
    let mut asks = Box::pin(outer.access_async().or_create(async || {
        drop(inner.access_async().turn().await);
    }));
    assert!(polled_by(&mut asks, &Waker::from(Arc::new(Panics))).is_pending());
    assert!(outer.is_creating());
    creates.finish();
    assert_eq!(block_on(asks), Outcome::Created);
}
