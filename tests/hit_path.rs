//! What a hit, and a stale access during a creation, do not do: allocate, write, enter the kernel.
//!
//! The kernel is the witness. Either the lock lies in a page that may only be read, or the thread may make no system
//! call but `read` and `write`. Such a test ends its process when it fails, so it runs in a child. The child is this
//! program again, and an environment variable tells it which part to play. Each test has a twin that does what is
//! forbidden, and the kernel must end the twin.

#![cfg(all(target_os = "linux", not(dogpile_loom)))]

mod child;

use child::{DONE, is_done, part, play};
use dogpile::{
    Cached, CachedFn, CachedGuard, Clock, Dogpile, Job, ManualClock, MonotonicClock, Outcome, Policy, ReadTurn, Runner,
    Stamped, SyncReaderDogpile, Turn,
};
use rustix::mm::{MprotectFlags, mprotect};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{SecureComputingMode, set_secure_computing_mode};
use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::hint::black_box;
use std::io::stdout;
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

const HOUR: Duration = Duration::from_secs(3600);
/// Trusts every stamp.
static TRUSTING: Policy = Policy::builder().max_skew(Duration::MAX).build_const();

/// Makes every kind of access through a lock in an `Arc` that has another owner as well.
fn access<C: Clock + 'static>(lock: &Arc<Dogpile<C>>, expected: Outcome) {
    let same = |turn: &Turn<'_, C>| match turn {
        Turn::Fresh => expected == Outcome::Fresh,
        Turn::Stale => expected == Outcome::Stale,
        Turn::Create(_) => false,
    };
    assert!(same(&lock.acquire()));
    assert!(same(&lock.try_acquire().unwrap()));
    assert!(same(&lock.access().timeout(HOUR).turn().unwrap()));
    assert!(same(&Dogpile::kept(lock).turn()));
    assert!(same(&Dogpile::kept(lock).timeout(Duration::ZERO).turn().unwrap()));
    assert!(same(&Dogpile::kept(lock).timeout(HOUR).turn().unwrap()));
    assert_eq!(lock.acquire_or_create(|| unreachable!("nobody is elected")), expected);
    assert_eq!(lock.access().timeout(HOUR).or_create(|| unreachable!("nobody is elected")), Ok(expected));
    assert_eq!(lock.acquire_or_try_create(|| Err("nobody is elected")), Ok(expected));
    // The getter modes write no more than their getters do. (To a manual clock, the stamp is from the future.)
    assert_eq!(lock.fetch(|| Some(1)).or_create(|| unreachable!("nobody is elected")), 1);
    let now = SystemTime::now();
    let stamped = || Some(Stamped { value: 1, created: now });
    assert_eq!(lock.fetch_stamped(stamped).or_create(|| unreachable!("nobody is elected")).value, 1);
    // Only an access that hands over needs a share of the lock.
    let in_background = Dogpile::kept(lock).in_background(&nobody).or_create(|| unreachable!("nobody is elected"));
    assert_eq!(in_background, expected);
    let got =
        Dogpile::kept(lock).fetch(|| Some(1)).in_background(&nobody).or_create(|| unreachable!("nobody is elected"));
    assert_eq!(got, 1);
    let unelected = |_: &_| unreachable!("nobody is elected");
    assert_eq!(Dogpile::kept(lock).fetch_stamped(stamped).in_background(&nobody).or_create_with(unelected).value, 1);
    // By a task.
    assert!(same(&at_once(lock.access_async().turn())));
    assert!(same(&at_once(Dogpile::kept_async(lock).turn())));
    assert_eq!(at_once(lock.access_async().or_create(async || unreachable!("nobody is elected"))), expected);
    assert_eq!(at_once(Dogpile::kept_async(lock).or_create(async || unreachable!("nobody is elected"))), expected);
    assert_eq!(at_once(lock.access_async().or_try_create(async || Err("nobody is elected"))), Ok(expected));
    let got = lock.access_async().fetch(async || Some(1)).or_create(async || unreachable!("nobody is elected"));
    assert_eq!(at_once(got), 1);
    let stamped = async || Some(Stamped { value: 1, created: now });
    let got = lock.access_async().fetch_stamped(stamped).or_create(async || unreachable!("nobody is elected"));
    assert_eq!(at_once(got).value, 1);
    assert_eq!(lock.is_expired(), expected == Outcome::Stale);
    assert!(lock.has_value());
}

fn nobody(_: Job) {
    unreachable!("nothing is handed over");
}

/// Polls the access of a task by hand, once. A hit does not suspend its task.
fn at_once<A: Future>(access: A) -> A::Output {
    match pin!(access).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(got) => got,
        Poll::Pending => panic!("the access waits"),
    }
}

/// Makes every kind of access by a thread, each of which gives a guard that stays on its thread.
fn read<C: Clock>(lock: &SyncReaderDogpile<C>, expected: Outcome) {
    let same = |turn: ReadTurn<'_, C>| match turn {
        ReadTurn::Fresh(_) => expected == Outcome::Fresh,
        ReadTurn::Stale(_) => expected == Outcome::Stale,
        ReadTurn::Create(_) => false,
    };
    assert!(same(lock.acquire()));
    assert!(same(lock.try_acquire().unwrap()));
    assert!(same(lock.access().timeout(HOUR).turn().unwrap()));
    assert_eq!(*lock.acquire_or_create(|| unreachable!("nobody is elected")), expected);
    assert_eq!(*lock.acquire_or_try_create(|| Err("nobody is elected")).unwrap(), expected);
    assert_eq!(*lock.fetch(|| Some(1)).or_create(|| unreachable!("nobody is elected")), 1);
}

/// Makes every kind of access by a task. Each of them gives an owned guard, which is counted in the lock (L12): so these
/// accesses may write to the lock.
fn read_by_task(lock: &Arc<SyncReaderDogpile>, expected: Outcome) {
    let access = || SyncReaderDogpile::kept_async(lock);
    match at_once(access().turn()) {
        ReadTurn::Fresh(_) => assert_eq!(expected, Outcome::Fresh),
        ReadTurn::Stale(_) => assert_eq!(expected, Outcome::Stale),
        ReadTurn::Create(_) => panic!("nobody is elected"),
    }
    assert_eq!(*at_once(access().or_create(async || unreachable!("nobody is elected"))), expected);
    assert_eq!(*at_once(access().or_try_create(async || Err("nobody is elected"))).unwrap(), expected);
    let got = access().fetch(async || Some(1)).or_create(async || unreachable!("nobody is elected"));
    assert_eq!(*at_once(got), 1);
}

/// A type that keeps a value, here 1.
trait Keeps<C>: Sized {
    fn with_clock(clock: C) -> Arc<Self>;

    fn set(&self, value: u64);

    /// Makes the value stale, and lets an access be elected. Its creation lasts as long as the job.
    fn mark_stale_and_elect(this: &Arc<Self>) -> Job;

    /// Makes every kind of read, of a value that is there.
    fn read(this: &Arc<Self>, expected: Outcome);
}

fn same(guard: &CachedGuard<u64>, expected: Outcome) -> bool {
    (**guard, CachedGuard::outcome(guard)) == (1, expected)
}

/// Lets `access` hand its creation over.
fn handed_over(access: impl FnOnce(&dyn Runner) -> CachedGuard<u64>) -> Job {
    let (runner, jobs) = mpsc::channel();
    assert!(same(&access(&move |job| runner.send(job).unwrap()), Outcome::Stale));
    jobs.recv().expect("a stale value elects the first to come")
}

impl<C: Clock + 'static> Keeps<C> for Cached<u64, C> {
    fn with_clock(clock: C) -> Arc<Self> {
        Arc::new(Self::with_clock(HOUR, clock))
    }

    fn set(&self, value: u64) {
        self.set(value);
    }

    fn mark_stale_and_elect(this: &Arc<Self>) -> Job {
        this.mark_stale();
        handed_over(|runner| Self::kept(this).in_background(runner).or_create(|| 2))
    }

    fn read(this: &Arc<Self>, expected: Outcome) {
        let same = |guard| same(&guard, expected);
        assert!(same(this.get_or_create(|| unreachable!("nobody is elected"))));
        assert!(same(this.access().timeout(HOUR).or_create(|| unreachable!("nobody is elected")).unwrap()));
        assert!(same(this.get_or_try_create(|| Err("nobody is elected")).unwrap()));
        assert!(same(Self::kept(this).in_background(&nobody).or_create(|| unreachable!("nobody is elected"))));
        assert!(same(at_once(this.access_async().or_create(async || unreachable!("nobody is elected")))));
        assert!(same(at_once(this.access_async().or_try_create(async || Err("nobody is elected"))).unwrap()));
        assert!(same(at_once(Self::kept_async(this).or_create(async || unreachable!("nobody is elected")))));
        assert!(same(this.peek().unwrap()));
        assert_eq!(this.get_fresh().is_some(), expected == Outcome::Fresh);
        // Guards may be held for a while, and several at once, as long as the thread has slots.
        let guards = [(); 4].map(|()| this.peek());
        assert!(guards.into_iter().flatten().all(same));
        // A reader takes hold of the value once. That is on the heap, not in the lock.
        let mut reader = this.reader();
        for _ in 0..2 {
            assert_eq!(*reader.get_or_create(|| unreachable!("nobody is elected")), 1);
            assert_eq!(reader.get_or_try_create(|| Err("nobody is elected")), Ok(&1));
            assert_eq!(reader.by(|cached| cached.access().or_create(|| unreachable!("nobody is elected"))), &1);
            assert_eq!(reader.peek(), Some(&1));
            assert_eq!(reader.outcome(), Some(expected));
        }
    }
}

/// A function that keeps its result. It is not run here.
type Function<C> = CachedFn<u64, fn() -> u64, C>;

impl<C: Clock + 'static> Keeps<C> for Function<C> {
    fn with_clock(clock: C) -> Arc<Self> {
        Arc::new(Self::with_clock(HOUR, clock, || unreachable!("nobody is elected")))
    }

    fn set(&self, value: u64) {
        self.set(value);
    }

    fn mark_stale_and_elect(this: &Arc<Self>) -> Job {
        this.mark_stale();
        handed_over(|runner| Self::kept(this).in_background(runner).get())
    }

    fn read(this: &Arc<Self>, expected: Outcome) {
        let same = |guard| same(&guard, expected);
        assert!(same(this.get()));
        assert!(same(this.access().timeout(HOUR).try_get().unwrap()));
        assert!(same(Self::kept(this).in_background(&nobody).get()));
        assert!(same(this.peek().unwrap()));
        assert_eq!(this.get_fresh().is_some(), expected == Outcome::Fresh);
    }
}

// Allocations.

/// The system's allocator, which counts the requests of each thread.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    ALLOCATIONS.set(ALLOCATIONS.get() + 1);
}

// SAFETY: every call is passed on to `System` unchanged. The counter needs neither memory nor a destructor, so counting
// does not come back here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the promises of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the promises of `alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the promises of `realloc`, and `memory` came from `System`.
        unsafe { System.realloc(memory, layout, size) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the promises of `dealloc`, and `memory` came from `System`.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations_of(run: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.get();
    run();
    ALLOCATIONS.get() - before
}

#[test]
fn l12_a_hit_allocates_nothing() {
    let lock = Arc::new(Dogpile::new(HOUR).with_policy(&TRUSTING));
    lock.acquire_or_create(|| ());
    let on_manual_clock = Arc::new(Dogpile::with_clock(HOUR, ManualClock::new()).with_policy(&TRUSTING));
    on_manual_clock.acquire_or_create(|| ());
    assert_eq!(allocations_of(|| access(&lock, Outcome::Fresh)), 0);
    assert_eq!(allocations_of(|| access(&on_manual_clock, Outcome::Fresh)), 0);
    assert_eq!(allocations_of(|| drop(black_box(Box::new(1)))), 1, "the counter counts");
}

#[test]
fn l2_a_stale_access_during_a_creation_allocates_nothing() {
    let lock = Arc::new(Dogpile::new(HOUR).with_policy(&TRUSTING));
    lock.acquire_or_create(|| ());
    lock.mark_stale();
    let Turn::Create(creation) = lock.acquire() else { panic!("a stale value elects the first to come") };
    assert_eq!(allocations_of(|| access(&lock, Outcome::Stale)), 0);
    creation.finish();
}

#[test]
fn l12_l2_a_read_of_a_cached_value_allocates_only_once_per_thread() {
    fn test<L: Keeps<MonotonicClock>>() {
        let cached = L::with_clock(MonotonicClock);
        cached.set(1);
        let reads = |expected| allocations_of(|| L::read(&cached, expected));
        let _first = reads(Outcome::Fresh);
        assert_eq!(reads(Outcome::Fresh), 0);
        let _creation = L::mark_stale_and_elect(&cached);
        assert_eq!(reads(Outcome::Stale), 0);
    }
    test::<Cached<_, _>>();
    test::<Function<_>>();
}

#[test]
fn l12_l2_an_access_under_readers_allocates_only_once_per_thread() {
    let lock = Arc::new(SyncReaderDogpile::new(HOUR));
    drop(lock.acquire_or_create(|| ()));
    assert_eq!(allocations_of(|| read(&lock, Outcome::Fresh)), 0);
    assert_eq!(allocations_of(|| read_by_task(&lock, Outcome::Fresh)), 0);
    lock.mark_stale();
    let ReadTurn::Create(creation) = lock.acquire() else { panic!("a stale value elects the first to come") };
    assert_eq!(allocations_of(|| read(&lock, Outcome::Stale)), 0);
    assert_eq!(allocations_of(|| read_by_task(&lock, Outcome::Stale)), 0);
    creation.finish();
}

// Writes.

/// At least the size of a page wherever Linux runs. Data that is aligned to it shares no page with other data.
const PAGE: usize = 1 << 16;

/// A clock in pages of its own. So is a lock that contains it, and the pages before the lock hold the counters of its
/// `Arc`.
#[repr(align(65536))]
struct InPages<C>(C);

impl<C: Clock> Clock for InPages<C> {
    fn now(&self) -> u64 {
        self.0.now()
    }

    fn now_coarse(&self) -> u64 {
        self.0.now_coarse()
    }
}

/// Sets which accesses to the lock, which contains an `InPages`, and to the counters of its `Arc` are allowed.
fn protect<L>(lock: &Arc<L>, flags: MprotectFlags) {
    let start = Arc::as_ptr(lock).cast_mut().cast::<u8>();
    assert_eq!(start.addr() % PAGE, 0);
    // SAFETY: an `Arc` allocates its counters before the value and with the alignment of the value, so the page before
    // `start` is part of this allocation.
    let start = unsafe { start.sub(PAGE) };
    // SAFETY: the pages hold nothing but this allocation. A write to it while it may only be read ends this process,
    // which is what the test waits for.
    unsafe { mprotect(start.cast(), PAGE + size_of::<L>(), flags) }.expect("our own pages");
}

/// Has a lock that may only be read be accessed. If `part` says so, writes to the lock instead, or to its count of
/// shares.
fn while_protected<L>(lock: &Arc<L>, part: &str, write: impl FnOnce(), access: impl FnOnce()) {
    protect(lock, MprotectFlags::READ);
    match part {
        "write" => write(),
        "share" => drop(Arc::clone(lock)),
        _ => access(),
    }
    protect(lock, MprotectFlags::READ | MprotectFlags::WRITE);
}

/// Accesses a lock that may only be read. If `part` says so, writes to it.
fn only_read<C: Clock + 'static>(clock: C, expected: Outcome, part: &str) {
    let lock = Arc::new(Dogpile::with_clock(HOUR, InPages(clock)).with_policy(&TRUSTING));
    lock.acquire_or_create(|| ());
    let creation = (expected == Outcome::Stale).then(|| {
        lock.mark_stale();
        lock.acquire()
    });
    while_protected(&lock, part, || lock.invalidate(), || access(&lock, expected));
    drop(creation);
}

/// Reads a value whose `Cached` may only be read. If `part` says so, writes to the `Cached`.
fn only_read_cached<C: Clock, L: Keeps<InPages<C>>>(clock: C, expected: Outcome, part: &str) {
    let cached = L::with_clock(InPages(clock));
    cached.set(1);
    let creation = (expected == Outcome::Stale).then(|| L::mark_stale_and_elect(&cached));
    while_protected(&cached, part, || cached.set(2), || L::read(&cached, expected));
    drop(creation);
}

/// Reads under a lock that may only be read. If `part` says so, writes to the lock.
fn only_read_under_readers<C: Clock>(clock: C, expected: Outcome, part: &str) {
    let lock = Arc::new(SyncReaderDogpile::with_clock(HOUR, InPages(clock)));
    drop(lock.acquire_or_create(|| ()));
    let creation = (expected == Outcome::Stale).then(|| {
        lock.mark_stale();
        lock.acquire()
    });
    while_protected(&lock, part, || lock.invalidate(), || read(&lock, expected));
    drop(creation);
}

static MANUAL_CLOCK: ManualClock = ManualClock::new();

fn writes_nothing(expected: Outcome, test: &str, act: fn(Outcome, &str)) {
    const SEGMENTATION_FAULT: i32 = 11;
    if let Some(part) = part() {
        // The faults are part of the test: no core files.
        setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) }).expect("less is always allowed");
        // Each function that such a lock passes through while it is made has some copies of its pages on the stack.
        let roomy = thread::Builder::new().stack_size(PAGE * 1024);
        roomy.spawn(move || act(expected, &part)).expect("a thread").join().expect("it tells its panics itself");
        println!("{DONE}");
        return;
    }
    let child = play("access", test);
    assert!(child.status.success() && is_done(&child), "an access wrote to the lock or failed: {child:?}");
    for part in ["write", "share"] {
        let child = play(part, test);
        assert_eq!(child.status.signal(), Some(SEGMENTATION_FAULT), "{part}: a write goes unnoticed: {child:?}");
    }
}

fn access_only(expected: Outcome, part: &str) {
    only_read(MonotonicClock, expected, part);
    only_read(&MANUAL_CLOCK, expected, part);
}

fn read_only(expected: Outcome, part: &str) {
    only_read_cached::<_, Cached<_, _>>(MonotonicClock, expected, part);
    only_read_cached::<_, Cached<_, _>>(&MANUAL_CLOCK, expected, part);
    only_read_cached::<_, Function<_>>(MonotonicClock, expected, part);
    only_read_cached::<_, Function<_>>(&MANUAL_CLOCK, expected, part);
}

fn under_readers_only(expected: Outcome, part: &str) {
    only_read_under_readers(MonotonicClock, expected, part);
    only_read_under_readers(&MANUAL_CLOCK, expected, part);
}

#[test]
fn l12_a_hit_writes_nothing() {
    writes_nothing(Outcome::Fresh, "l12_a_hit_writes_nothing", access_only);
}

#[test]
fn l2_a_stale_access_during_a_creation_only_loads() {
    writes_nothing(Outcome::Stale, "l2_a_stale_access_during_a_creation_only_loads", access_only);
}

#[test]
fn l12_a_read_of_a_fresh_value_writes_nothing_to_its_cached() {
    writes_nothing(Outcome::Fresh, "l12_a_read_of_a_fresh_value_writes_nothing_to_its_cached", read_only);
}

#[test]
fn l2_a_read_of_a_stale_value_writes_nothing_to_its_cached() {
    writes_nothing(Outcome::Stale, "l2_a_read_of_a_stale_value_writes_nothing_to_its_cached", read_only);
}

#[test]
fn l12_a_hit_under_readers_writes_nothing_to_its_lock() {
    writes_nothing(Outcome::Fresh, "l12_a_hit_under_readers_writes_nothing_to_its_lock", under_readers_only);
}

#[test]
fn l2_a_stale_access_under_readers_writes_nothing_to_its_lock() {
    writes_nothing(Outcome::Stale, "l2_a_stale_access_under_readers_writes_nothing_to_its_lock", under_readers_only);
}

// System calls.

/// Runs `sandboxed` on a thread, which the kernel ends at its first system call other than `read` and `write`. The
/// process goes on. If the thread comes through, it says so by a plain `write`, since printing may do more.
fn sandbox(sandboxed: impl FnOnce() + Send + 'static) {
    sandbox_after(|| sandboxed);
}

/// Does the same as [`sandbox`] with a closure that `prepare` returns. `prepare` runs on that thread before the sandbox
/// begins.
fn sandbox_after<S: FnOnce()>(prepare: impl FnOnce() -> S + Send + 'static) {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let out = stdout();
        let sandboxed = prepare();
        tell.send(rustix::thread::gettid()).expect("the other end waits");
        if set_secure_computing_mode(SecureComputingMode::Strict).is_err() {
            println!("{REFUSED}");
            return;
        }
        sandboxed();
        let _written = rustix::io::write(out.as_fd(), DONE.as_bytes());
        // The thread ends here at the latest: to return, it would have to give its stack back.
    });
    let thread = told.recv().expect("the thread runs").as_raw_nonzero();
    // The thread cannot be joined: a thread that the kernel ends leaves no result.
    while Path::new(&format!("/proc/self/task/{thread}")).exists() {
        thread::yield_now();
    }
}

/// The kernel does not offer this sandbox, or this process is in another one already, as in many containers.
const REFUSED: &str = "no sandbox";

/// Makes a thousand hits. A sub-second lock may expire meanwhile, and is then renewed.
fn hit<C: Clock + Send + 'static>(lock: Dogpile<C>) -> impl FnOnce() + Send {
    lock.acquire_or_create(|| ());
    move || {
        let mut hits = 0;
        while hits < 1000 {
            if lock.acquire_or_create(|| ()) == Outcome::Fresh {
                hits += 1;
            }
        }
    }
}

/// Makes a thousand reads of a cached value, on a thread that has read before.
fn reads<L: Keeps<MonotonicClock>>() -> impl FnOnce() {
    let cached = L::with_clock(MonotonicClock);
    cached.set(1);
    L::read(&cached, Outcome::Fresh);
    move || {
        for _ in 0..1000 {
            L::read(&cached, Outcome::Fresh);
        }
    }
}

/// Makes a thousand hits by a task.
fn hit_by_task(lock: Dogpile) -> impl FnOnce() + Send {
    lock.acquire_or_create(|| ());
    move || {
        for _ in 0..1000 {
            assert_eq!(at_once(lock.access_async().or_create(async || ())), Outcome::Fresh);
        }
    }
}

/// Reads a thousand times under a lock with readers, as a thread and as a task. The thread has read before.
fn reads_under_readers() -> impl FnOnce() {
    let lock = Arc::new(SyncReaderDogpile::new(HOUR));
    drop(lock.acquire_or_create(|| ()));
    move || {
        for _ in 0..1000 {
            read(&lock, Outcome::Fresh);
            read_by_task(&lock, Outcome::Fresh);
        }
    }
}

#[test]
fn l12_a_hit_does_not_enter_the_kernel() {
    const TEST: &str = "l12_a_hit_does_not_enter_the_kernel";
    if let Some(part) = part() {
        match &*part {
            "nothing" => sandbox(|| ()),
            "call" => sandbox(|| {
                rustix::thread::sched_yield();
            }),
            "std" => sandbox(|| {
                black_box(Instant::now());
            }),
            "coarse" => sandbox(hit(Dogpile::new(HOUR))),
            "manual" => sandbox(hit(Dogpile::with_clock(HOUR, ManualClock::new()))),
            "cached" => sandbox_after(reads::<Cached<_, _>>),
            "function" => sandbox_after(reads::<Function<_>>),
            "task" => sandbox(hit_by_task(Dogpile::new(HOUR))),
            "readers" => sandbox_after(reads_under_readers),
            "never" => sandbox(hit(Dogpile::never_expires())),
            "exact" => sandbox(hit(Dogpile::new(Duration::from_millis(900)))),
            #[cfg(not(dogpile_portable))]
            "boottime" => sandbox(hit(Dogpile::with_clock(HOUR, dogpile::BoottimeClock))),
            other => panic!("no such part: {other}"),
        }
        return;
    }
    let child = play("nothing", TEST);
    if String::from_utf8_lossy(&child.stdout).contains(REFUSED) {
        println!("not tested: the kernel refuses the sandbox");
        return;
    }
    assert!(is_done(&child), "the sandbox ends what does nothing: {child:?}");
    assert!(!is_done(&play("call", TEST)), "a system call goes unnoticed");

    let mut parts = vec!["manual", "never"];
    if !cfg!(dogpile_portable) {
        parts.extend(["coarse", "cached", "function", "task", "readers"]);
    }
    // Whether the exact clock can be read without the kernel depends on the machine's clock source.
    if is_done(&play("std", TEST)) {
        parts.extend(["coarse", "cached", "function", "task", "readers", "exact"]);
        if !cfg!(dogpile_portable) {
            parts.push("boottime");
        }
    } else {
        println!("not tested with the exact clock: on this machine, reading it enters the kernel");
    }
    for part in parts {
        let child = play(part, TEST);
        assert!(is_done(&child), "{part}: a hit enters the kernel, or failed: {child:?}");
    }
}
