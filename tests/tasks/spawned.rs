//! What becomes of an access that waits for the task it has spawned, on each type that has such forms (F1, F3, F11).

use crate::background::Shelf;
use crate::executor::{Woken, block_on, drive, poll, step};
use dogpile::{
    AcquireError, Backoff, Cached, CachedFn, CachedGuard, CreateError, Dogpile, ManualClock, Outcome, Policy, Task,
};
use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::mem;
use std::panic::catch_unwind;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
static MORTAL_AND_PAUSING: Policy =
    Policy::builder().creation_timeout(SECOND).retry_after(Backoff::new(SECOND, SECOND)).build_const();

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Creator = fn() -> Boxed<Result<(), &'static str>>;
type BoxedAccess<T> = Pin<Box<dyn Future<Output = T>>>;
type Ask = Box<dyn Fn(&Arc<Shelf>) -> BoxedAccess<Told>>;

/// The result of an access.
type Told = Result<Outcome, &'static str>;

fn told<G, E>(asked: Result<G, CreateError<E>>, outcome: fn(&G) -> Outcome) -> Told {
    match asked {
        Ok(got) => Ok(outcome(&got)),
        Err(CreateError::Failed(_)) => Err("failed"),
        Err(CreateError::Lost) => Err("lost"),
        Err(CreateError::Paused { .. }) => Err("paused"),
        Err(_) => Err("otherwise"),
    }
}

/// A lock, one of its forms, and what else is done to the lock.
struct Subject {
    name: &'static str,
    ask: Ask,
    /// An access without a task, which can create.
    waits: Box<dyn Fn() -> BoxedAccess<Outcome>>,
    fail: Box<dyn Fn()>,
    create: Box<dyn Fn()>,
    /// Sets a value, if the lock holds one.
    set: Option<Box<dyn Fn()>>,
    /// Returns how many accesses wait, and whether a creation runs.
    seen: Box<dyn Fn() -> (usize, bool)>,
    /// Returns the numbers of creations, failures and deaths.
    ended: Box<dyn Fn() -> [u64; 3]>,
}

/// The parts that all subjects share.
macro_rules! subject {
    (
        $name:literal, $lock:ident, $set:expr,
        |$creates:ident| $create:expr,
        |$fails:ident| $fail:expr,
        async |$waits:ident| $wait:expr,
        async |$asks:ident, $shelf:ident| $ask:expr
    ) => {{
        let lock = &$lock;
        Subject {
            name: $name,
            ask: {
                let lock = Arc::clone(lock);
                Box::new(move |shelf| {
                    let ($asks, $shelf) = (Arc::clone(&lock), Arc::clone(shelf));
                    Box::pin(async move { $ask })
                })
            },
            waits: {
                let lock = Arc::clone(lock);
                Box::new(move || {
                    let $waits = Arc::clone(&lock);
                    Box::pin(async move { $wait })
                })
            },
            fail: {
                let $fails = Arc::clone(lock);
                Box::new(move || assert!($fail))
            },
            create: {
                let $creates = Arc::clone(lock);
                Box::new(move || _ = $create)
            },
            set: $set,
            seen: {
                let lock = Arc::clone(lock);
                Box::new(move || (lock.waiting(), lock.is_creating()))
            },
            ended: {
                let lock = Arc::clone(lock);
                Box::new(move || {
                    let stats = lock.stats();
                    [stats.creations, stats.failures, stats.dead]
                })
            },
        }
    }};
}

/// What the function of a `CachedFn` does on this thread.
#[derive(Clone, Copy)]
enum Whim {
    /// The function does what the test wants.
    AsTold,
    Creates,
    Fails,
}

thread_local! {
    static WHIM: Cell<Whim> = const { Cell::new(Whim::AsTold) };
}

fn with_whim<R>(whim: Whim, run: impl FnOnce() -> R) -> R {
    let before = WHIM.replace(whim);
    let ran = run();
    WHIM.set(before);
    ran
}

/// In each poll of this access, a creator that runs succeeds.
async fn as_creator<F: Future>(access: F) -> F::Output {
    let mut access = pin!(access);
    poll_fn(|context| with_whim(Whim::Creates, || access.as_mut().poll(context))).await
}

fn outcome(guard: &CachedGuard<()>) -> Outcome {
    CachedGuard::outcome(guard)
}

/// Each type, with a creator that can fail and with one that cannot.
fn subjects(policy: &'static Policy, clock: &Arc<ManualClock>, creator: Creator) -> [Subject; 6] {
    let by_whim = move || match WHIM.get() {
        Whim::AsTold => creator(),
        Whim::Creates => creates(),
        Whim::Fails => Box::pin(async { Err("no answer") }),
    };
    let surely = move || {
        let made = by_whim();
        async move { made.await.expect("it was not to fail") }
    };
    let lock = || Arc::new(Dogpile::with_clock(Duration::MAX, Arc::clone(clock)).with_policy(policy));
    let cached = || Arc::new(Cached::with_clock(Duration::MAX, Arc::clone(clock)).with_policy(policy));
    let (lock, other_lock, cached, other_cached) = (lock(), lock(), cached(), cached());
    let function = CachedFn::<(), _, _>::with_clock(Duration::MAX, Arc::clone(clock), surely).with_policy(policy);
    let fallible = CachedFn::<(), _, _>::with_clock(Duration::MAX, Arc::clone(clock), by_whim).with_policy(policy);
    let (function, fallible) = (Arc::new(function), Arc::new(fallible));

    macro_rules! set {
        ($cached:ident) => {{
            let cached = Arc::clone(&$cached);
            Some(Box::new(move || cached.set(())) as Box<dyn Fn()>)
        }};
    }

    [
        subject!(
            "Dogpile",
            lock,
            None,
            |lock| lock.acquire_or_create(|| ()),
            |lock| lock.acquire_or_try_create(|| Err("no answer")).is_err(),
            async |lock| lock.access_async().or_create(async || ()).await,
            async |lock, shelf| told(
                Dogpile::kept_async(&lock).spawned_by(&*shelf).or_create(surely).await,
                Outcome::clone
            )
        ),
        subject!(
            "Dogpile, fallibly",
            other_lock,
            None,
            |lock| lock.acquire_or_create(|| ()),
            |lock| lock.acquire_or_try_create(|| Err("no answer")).is_err(),
            async |lock| lock.access_async().or_create(async || ()).await,
            async |lock, shelf| told(
                Dogpile::kept_async(&lock).spawned_by(&*shelf).or_try_create(creator).await,
                Outcome::clone
            )
        ),
        subject!(
            "Cached",
            cached,
            set!(cached),
            |cached| cached.get_or_create(|| ()),
            |cached| cached.get_or_try_create(|| Err("no answer")).is_err(),
            async |cached| outcome(&cached.get_or_create_async(async || ()).await),
            async |cached, shelf| told(
                Cached::kept_async(&cached).spawned_by(&*shelf).or_create(surely).await,
                outcome
            )
        ),
        subject!(
            "Cached, fallibly",
            other_cached,
            set!(other_cached),
            |cached| cached.get_or_create(|| ()),
            |cached| cached.get_or_try_create(|| Err("no answer")).is_err(),
            async |cached| outcome(&cached.get_or_create_async(async || ()).await),
            async |cached, shelf| told(
                Cached::kept_async(&cached).spawned_by(&*shelf).or_try_create(creator).await,
                outcome
            )
        ),
        subject!(
            "CachedFn",
            function,
            set!(function),
            |function| with_whim(Whim::Creates, || block_on(function.access_async().get())),
            // This function can fail only by a panic.
            |function| with_whim(Whim::Fails, || catch_unwind(|| block_on(function.access_async().get())).is_err()),
            async |function| outcome(&as_creator(function.access_async().get()).await),
            async |function, shelf| told(CachedFn::kept_async(&function).spawned_by(&*shelf).try_get().await, outcome)
        ),
        subject!(
            "CachedFn, fallibly",
            fallible,
            set!(fallible),
            |function| with_whim(Whim::Creates, || block_on(function.access_async().try_get()).is_ok()),
            |function| with_whim(Whim::Fails, || block_on(function.access_async().try_get()).is_err()),
            async |function| outcome(&as_creator(function.access_async().try_get()).await.expect("it creates")),
            async |function, shelf| told(CachedFn::kept_async(&function).spawned_by(&*shelf).try_get().await, outcome)
        ),
    ]
}

/// An access of a subject that has spawned its creation, and waits.
struct Asks {
    of: Subject,
    clock: Arc<ManualClock>,
    woken: Arc<Woken>,
    access: BoxedAccess<Told>,
    task: Option<Task>,
}

impl Asks {
    /// Yields an access of each type and form, whose task was never polled.
    fn unbegun(policy: &'static Policy, creator: Creator) -> impl Iterator<Item = Self> {
        let clock = Arc::new(ManualClock::new());
        subjects(policy, &clock, creator).into_iter().map(move |of| {
            println!("{}", of.name);
            let shelf = Arc::<Shelf>::default();
            let access = (of.ask)(&shelf);
            let mut asks = Self { of, clock: Arc::clone(&clock), woken: Arc::default(), access, task: None };
            asks.waits();
            asks.task = Some(shelf.take());
            asks
        })
    }

    /// The same with a task that has begun and goes no further.
    fn begun(policy: &'static Policy, creator: Creator) -> impl Iterator<Item = Self> {
        Self::unbegun(policy, creator).map(|mut asks| {
            assert!(asks.poll_task().is_pending());
            asks
        })
    }

    fn poll_task(&mut self) -> Poll<()> {
        poll(self.task.as_mut().expect("it is there"), &Arc::default())
    }

    /// The access is polled, and goes on waiting in the queue.
    #[track_caller]
    fn waits(&mut self) {
        assert_eq!(poll(&mut self.access, &self.woken), Poll::Pending);
        assert_eq!((self.of.seen)().0, 1, "the access is a waiter");
        self.woken.take();
    }

    /// The access has been woken, and returns `told`.
    #[track_caller]
    fn comes_to(&mut self, told: Told) {
        assert!(self.woken.take(), "it is woken");
        assert_eq!(poll(&mut self.access, &self.woken), Poll::Ready(told));
    }

    /// Another access creates, or sets a value.
    fn others_create(&self, set: bool) {
        match &self.of.set {
            Some(set_value) if set => set_value(),
            _ => (self.of.create)(),
        }
    }

    /// The access has been woken, and is lost. The others go on.
    #[track_caller]
    fn is_lost(&mut self, set: bool) {
        self.comes_to(Err("lost"));
        self.others_create(set);
        assert_eq!((self.of.seen)(), (0, false));
    }
}

fn hangs() -> Boxed<Result<(), &'static str>> {
    Box::pin(pending())
}

fn creates() -> Boxed<Result<(), &'static str>> {
    Box::pin(async { Ok(()) })
}

fn dawdles() -> Boxed<Result<(), &'static str>> {
    Box::pin(async {
        step().await;
        Ok(())
    })
}

/// Another access declares the creation dead, and fails. After that there is a value.
#[test]
fn f1_an_access_with_a_dead_task_waits_as_any_waiter() {
    for set in [false, true] {
        for mut asks in Asks::begun(&MORTAL, hangs) {
            asks.clock.advance(SECOND * 2);
            asks.woken.take();
            (asks.of.fail)();
            asks.is_lost(set);
            assert_eq!((asks.of.ended)()[1..], [1, 1]);
        }
        // The access is polled only after all of that has happened.
        for mut asks in Asks::begun(&MORTAL, hangs) {
            asks.clock.advance(SECOND * 2);
            (asks.of.fail)();
            asks.others_create(set);
            asks.comes_to(Ok(Outcome::Waited));
        }
    }
}

#[test]
fn f1_an_access_with_a_dead_task_is_told_of_a_pause() {
    for mut asks in Asks::begun(&MORTAL_AND_PAUSING, hangs) {
        asks.clock.advance(SECOND * 2);
        asks.woken.take();
        (asks.of.fail)();
        asks.comes_to(Err("paused"));
        asks.clock.advance(SECOND);
        asks.others_create(false);
        assert_eq!((asks.of.seen)(), (0, false));
    }
}

/// A waiter that could create waits behind the dead creation. It takes over, or leaves.
#[test]
fn f3_a_waiter_that_can_create_goes_before_one_that_cannot() {
    for leaves in [false, true] {
        for mut asks in Asks::begun(&MORTAL, hangs) {
            let mut other = (asks.of.waits)();
            let woken = Arc::<Woken>::default();
            assert!(poll(&mut other, &woken).is_pending());
            asks.clock.advance(SECOND);
            assert!(woken.take());
            assert_eq!(poll(&mut asks.access, &asks.woken), Poll::Pending);
            asks.woken.take();
            if leaves {
                drop(other);
                asks.is_lost(false);
            } else {
                assert_eq!(poll(&mut other, &woken), Poll::Ready(Outcome::Created));
                asks.comes_to(Ok(Outcome::Waited));
            }
        }
    }
}

/// There is no other access. The wait is bounded by the time that a creation may take, and the creation goes on.
#[test]
fn f3_a_creation_that_is_overdue_is_not_waited_for_without_an_end() {
    for mut asks in Asks::begun(&MORTAL, dawdles) {
        asks.clock.advance(SECOND);
        asks.comes_to(Err("lost"));
        assert!((asks.of.seen)().1, "nobody was elected in its place");
        assert!(asks.poll_task().is_ready());
        assert_eq!((asks.of.ended)(), [1, 0, 0], "it is kept");
    }
}

/// The task is never polled, or was leaked. The creator is still there.
#[test]
fn f3_an_access_whose_task_does_not_begin_creates_itself() {
    for mut asks in Asks::unbegun(&MORTAL, creates) {
        let leaked = asks.task.take();
        asks.clock.advance(SECOND);
        asks.comes_to(Ok(Outcome::Created));
        assert_eq!((asks.of.ended)(), [1, 0, 1]);
        // The creator does not run twice.
        block_on(leaked.expect("it was spawned"));
        assert_eq!((asks.of.ended)(), [1, 0, 1]);
    }
}

/// The same on the real clock: an alarm wakes the access.
#[test]
fn f3_an_alarm_wakes_an_access_with_a_leaked_task() {
    static SOON: Policy = Policy::builder().creation_timeout(Duration::from_millis(20)).build_const();
    static LOCK: Cached<u32> = Cached::never_expires().with_policy(&SOON);
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let leaks = |task: Task| mem::forget(task);
        let ask = || Cached::kept_async(&LOCK).spawned_by(&leaks).or_try_create(|| async { Ok::<_, &str>(1) });
        tell.send(block_on(ask()).map(|guard| *guard)).unwrap();
        LOCK.invalidate();
        let hangs = |mut task: Task| {
            assert!(poll(&mut task, &Arc::default()).is_pending());
            mem::forget(task);
        };
        let ask = || Cached::kept_async(&LOCK).spawned_by(&hangs).or_try_create(pending::<Result<u32, &str>>);
        tell.send(block_on(ask()).map(|guard| *guard)).unwrap();
    });
    let told = || told.recv_timeout(SECOND * 60).expect("it does not hang");
    assert_eq!(told(), Ok(1));
    assert_eq!(told(), Err(CreateError::Lost));
}

/// The task was refused, or dropped with a queue. The creator is still there.
#[test]
fn f11_an_access_whose_task_is_dropped_unrun_creates_itself() {
    for mut asks in Asks::unbegun(&MORTAL, creates) {
        drop(asks.task.take());
        asks.comes_to(Ok(Outcome::Created));
        assert_eq!((asks.of.ended)(), [1, 0, 0]);
    }
    let lock = Arc::new(Dogpile::never_expires());
    let refuses = |task: Task| drop(task);
    let asked = Dogpile::kept_async(&lock).spawned_by(&refuses).or_create(|| async {});
    assert_eq!(block_on(asked), Ok(Outcome::Created));
}

/// The access waits its turn, as every waiter does. Another waiter was woken before it, and serves it.
#[test]
fn f11_an_access_whose_task_is_dropped_unrun_takes_its_turn() {
    for mut asks in Asks::unbegun(&MORTAL, || unreachable!("another creates")) {
        let mut other = (asks.of.waits)();
        let woken = Arc::<Woken>::default();
        assert!(poll(&mut other, &woken).is_pending());
        drop(asks.task.take());
        assert_eq!(poll(&mut other, &woken), Poll::Ready(Outcome::Created));
        asks.comes_to(Ok(Outcome::Waited));
    }
}

/// The creator is gone with its task.
#[test]
fn f11_an_access_whose_task_is_dropped_half_way_is_lost() {
    for set in [false, true] {
        for mut asks in Asks::begun(&MORTAL, hangs) {
            drop(asks.task.take());
            asks.is_lost(set);
            assert_eq!((asks.of.ended)()[1..], [0, 0]);
        }
    }
}

/// The runtime that polls the creation is shut down, and another one polls the access. The access is lost, unless a
/// value was set.
#[test]
fn f11_an_access_is_lost_when_its_runtime_shuts_down() {
    for set in [false, true] {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        let (cached, began) = (Arc::new(Cached::never_expires()), Arc::new(AtomicBool::new(false)));
        let handle = runtime.handle().clone();
        let spawner = |task: Task| drop(handle.spawn(task));
        let creator = {
            let began = Arc::clone(&began);
            move || async move {
                began.store(true, Ordering::SeqCst);
                pending().await
            }
        };
        let mut asks = Box::pin(Cached::kept_async(&cached).spawned_by(&spawner).or_create(creator));
        let woken = Arc::<Woken>::default();
        assert!(poll(&mut asks, &woken).is_pending());
        while !began.load(Ordering::SeqCst) {
            thread::yield_now();
        }
        drop(runtime);
        assert!(!cached.is_creating(), "it was dropped");
        if set {
            cached.set(1);
        }
        let Poll::Ready(asked) = poll(&mut asks, &woken) else { panic!("nobody else creates") };
        assert_eq!(asked.map(|guard| *guard), if set { Ok(1) } else { Err(AcquireError::Lost) });
        // A runtime that is shut down takes no more tasks.
        cached.invalidate();
        let again = block_on(Cached::kept_async(&cached).spawned_by(&spawner).or_create(|| async { 2 }));
        assert_eq!(again.map(|guard| *guard), Ok(2));
    }
}

/// Within a creator a wait counts as known once it is polled again (F9), but the access is served before that: a value
/// that is set between the two polls serves it.
#[test]
fn f1_f9_a_value_set_between_the_first_polls_is_found() {
    let (outer, inner, shelf) = (Dogpile::never_expires(), Arc::new(Cached::never_expires()), Shelf::default());
    let creator = async || {
        let got = Cached::kept_async(&inner).spawned_by(&shelf).or_create(|| async { 1 }).await;
        assert_eq!(got.map(|guard| *guard), Ok(2));
    };
    let woken = Arc::new(Woken::default());
    let mut creates = Box::pin(outer.access_async().or_create(creator));
    assert!(poll(&mut creates, &woken).is_pending());
    assert_eq!(inner.waiting(), 0, "it is not known to wait yet");
    inner.set(2);
    assert!(drive(&mut creates, &woken).is_ready(), "nobody else serves it");
}

/// A second waiter, which could go first, is not polled: a creator keeps it and has gone on without it. After as long
/// again as a creation may take, the access does not wait for it any longer.
#[test]
fn f3_f9_a_waiter_that_is_not_polled_does_not_take_the_bound_away() {
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MORTAL));
    let (shelf, woken) = (Shelf::default(), Arc::new(Woken::default()));
    let creator = || async { pending::<Result<u8, &str>>().await };
    let mut asks = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_try_create(creator));
    assert!(drive(&mut asks, &woken).is_pending());
    let mut task = shelf.take();
    assert!(poll(&mut task, &Arc::default()).is_pending());
    let mut kept = Box::pin(cached.get_or_try_create_async(async || Err("unwanted")));
    assert!(poll(&mut kept, &Arc::default()).is_pending());
    assert_eq!(cached.waiting(), 2);
    clock.advance(SECOND);
    assert!(drive(&mut asks, &woken).is_pending(), "the other one could take its place");
    clock.advance(SECOND);
    assert!(woken.take(), "it is late");
    assert!(matches!(drive(&mut asks, &woken), Poll::Ready(Err(CreateError::Lost))));
}
