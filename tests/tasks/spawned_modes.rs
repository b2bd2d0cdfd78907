//! Accesses whose creations are spawned, in each mode of each type: their results, what becomes of the creation, and
//! how often the getter is called (L8).

use crate::background::Shelf;
use crate::executor::{Woken, block_on, poll, step};
use dogpile::{
    Cached, CachedFn, CachedGuard, Clock as _, CreateError, Dogpile, ManualClock, OnError, Outcome, Policy, Stamped,
    Status, SyncReaderDogpile, Task,
};
use std::fmt::Debug;
use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HALF: Duration = Duration::from_secs(30);
const ALMOST_HALF: Duration = Duration::from_secs(29);
static PLAIN: Policy = Policy::builder().build_const();
static AT_HALF: Policy = Policy::builder().refresh_at(0.5).build_const();
static MORTAL: Policy = Policy::builder().creation_timeout(SECOND).build_const();
static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
static MORTAL_AND_SERVING: Policy =
    Policy::builder().creation_timeout(SECOND).on_error(OnError::ServeStale).build_const();

type Clock = Arc<ManualClock>;
type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;
type Function = Box<dyn Fn() -> Boxed<Result<u32, &'static str>> + Send + Sync>;

/// What a creator does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Plan {
    Creates,
    /// Succeeds, having been pending once.
    Dawdles,
    Fails,
    DawdlesAndFails,
    Panics,
    DawdlesAndPanics,
    Hangs,
}

/// What a getter returns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Says {
    /// The value in the store.
    WhatIsThere,
    Nothing,
    Fails,
    /// Fails, having been pending once.
    DawdlesAndFails,
}

/// What a setter does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sets {
    Stores,
    Fails,
}

/// The user's side: a store, and closures that do what the test says.
struct World {
    clock: Clock,
    store: Mutex<Option<Stamped<u32>>>,
    shelf: Shelf,
    plan: Mutex<Plan>,
    says: Mutex<Says>,
    sets: Mutex<Sets>,
    /// The number of values that were made.
    made: AtomicU32,
    /// The number of creators that have begun.
    begun: AtomicUsize,
    /// The number of calls of the getter.
    gets: AtomicUsize,
    /// The number of calls of the setter.
    stores: AtomicUsize,
}

impl World {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            clock: Arc::default(),
            store: Mutex::default(),
            shelf: Shelf::default(),
            plan: Mutex::new(Plan::Creates),
            says: Mutex::new(Says::WhatIsThere),
            sets: Mutex::new(Sets::Stores),
            made: AtomicU32::new(0),
            begun: AtomicUsize::new(0),
            gets: AtomicUsize::new(0),
            stores: AtomicUsize::new(0),
        })
    }

    fn number(&self) -> u32 {
        self.made.fetch_add(1, Ordering::SeqCst) + 1
    }

    fn keep(&self, value: u32) {
        *self.store.lock().unwrap() = Some(Stamped { value, created: self.clock.wall() });
    }

    fn value(&self) -> Option<u32> {
        self.store.lock().unwrap().map(|stored| stored.value)
    }

    fn lose(&self) {
        *self.store.lock().unwrap() = None;
    }

    fn plan(&self, plan: Plan) {
        *self.plan.lock().unwrap() = plan;
    }

    /// Returns how often the getter was called since the last call of this function.
    fn take_gets(&self) -> usize {
        self.gets.swap(0, Ordering::SeqCst)
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    async fn get(&self) -> Result<Option<Stamped<u32>>, &'static str> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        let says = *self.says.lock().unwrap();
        match says {
            Says::WhatIsThere => Ok(*self.store.lock().unwrap()),
            Says::Nothing => Ok(None),
            Says::Fails => Err("down"),
            Says::DawdlesAndFails => {
                step().await;
                Err("down")
            }
        }
    }

    async fn get_value(&self) -> Result<Option<u32>, &'static str> {
        Ok(self.get().await?.map(|stored| stored.value))
    }

    async fn make(&self) -> Result<u32, &'static str> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        let plan = *self.plan.lock().unwrap();
        if matches!(plan, Plan::Dawdles | Plan::DawdlesAndFails | Plan::DawdlesAndPanics) {
            step().await;
        }
        match plan {
            Plan::Creates | Plan::Dawdles => Ok(self.number()),
            Plan::Fails | Plan::DawdlesAndFails => Err("no answer"),
            Plan::Panics | Plan::DawdlesAndPanics => panic!("on purpose"),
            Plan::Hangs => pending().await,
        }
    }

    async fn make_and_keep(&self) -> Result<u32, &'static str> {
        let made = self.make().await?;
        self.keep(made);
        Ok(made)
    }

    fn set(&self, value: u32) -> Result<(), &'static str> {
        self.stores.fetch_add(1, Ordering::SeqCst);
        if *self.sets.lock().unwrap() == Sets::Fails {
            return Err("full");
        }
        self.keep(value);
        Ok(())
    }
}

/// The result of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    /// The access returns a value. There is no outcome where a getter brings the value.
    Gives(Option<u32>, Option<Outcome>),
    Failed(&'static str),
    GetterFailed,
    Lost,
    Otherwise,
}

fn told<G, X: Debug>(
    got: Result<G, CreateError<&'static str, X>>,
    gives: impl FnOnce(G) -> (Option<u32>, Option<Outcome>),
) -> Told {
    match got {
        Ok(got) => {
            let (value, outcome) = gives(got);
            Told::Gives(value, outcome)
        }
        Err(CreateError::Failed(error)) => Told::Failed(error),
        Err(CreateError::GetterFailed(_)) => Told::GetterFailed,
        Err(CreateError::Lost) => Told::Lost,
        Err(_) => Told::Otherwise,
    }
}

/// What is done to a lock besides accesses.
trait Lock {
    fn status(&self) -> &Status<Clock>;
    fn mark_stale(&self);
    fn invalidate(&self);
    /// Another access creates the value anew, or sets it if the lock holds one.
    fn renew(&self, world: &World);
}

macro_rules! lock {
    ($lock:ty, |$this:ident, $world:ident| $renew:expr) => {
        impl Lock for $lock {
            fn status(&self) -> &Status<Clock> {
                self
            }

            fn mark_stale(&self) {
                <$lock>::mark_stale(self);
            }

            fn invalidate(&self) {
                <$lock>::invalidate(self);
            }

            fn renew(&self, $world: &World) {
                let $this = self;
                $renew
            }
        }
    };
}

lock!(Dogpile<Clock>, |lock, world| _ = lock.acquire_or_create(|| world.keep(world.number())));
lock!(SyncReaderDogpile<Clock>, |lock, world| drop(lock.acquire_or_create(|| world.keep(world.number()))));
lock!(Cached<u32, Clock>, |lock, world| lock.set(world.number()));
lock!(CachedFn<u32, Function, Clock>, |lock, world| lock.set(world.number()));

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mode {
    Without,
    Fetch,
    Stamped,
}

/// A lock in one of its modes, whose value is 1.
struct Subject {
    name: &'static str,
    mode: Mode,
    sets: bool,
    world: Arc<World>,
    lock: Arc<dyn Lock>,
    ask: Box<dyn Fn() -> Pin<Box<dyn Future<Output = Told>>>>,
}

/// An access.
struct Asks {
    access: Pin<Box<dyn Future<Output = Told>>>,
    woken: Arc<Woken>,
}

impl Asks {
    fn poll(&mut self) -> Poll<Told> {
        self.woken.take();
        poll(&mut self.access, &self.woken)
    }

    /// The access has been woken, and returns `told`.
    #[track_caller]
    fn comes_to(&mut self, told: Told) {
        assert!(self.woken.take(), "it is woken");
        assert_eq!(self.poll(), Poll::Ready(told));
    }
}

impl Subject {
    fn new<L: Lock + 'static, A: Future<Output = Told> + 'static>(
        (name, mode, sets): (&'static str, Mode, bool),
        world: &Arc<World>,
        lock: L,
        ask: impl Fn(Arc<L>, Arc<World>) -> A + 'static,
    ) -> Self {
        let (world, lock) = (Arc::clone(world), Arc::new(lock));
        lock.renew(&world);
        let ask = {
            let (world, lock) = (Arc::clone(&world), Arc::clone(&lock));
            Box::new(move || Box::pin(ask(Arc::clone(&lock), Arc::clone(&world))) as _)
        };
        Self { name, mode, sets, world, lock, ask }
    }

    fn asks(&self) -> Asks {
        Asks { access: (self.ask)(), woken: Arc::default() }
    }

    /// Makes an access that does not wait, and returns its result.
    #[track_caller]
    fn asked(&self) -> Told {
        let Poll::Ready(told) = self.asks().poll() else { panic!("it waits") };
        told
    }

    /// Makes an access that waits.
    #[track_caller]
    fn waits(&self) -> Asks {
        let mut asks = self.asks();
        assert_eq!(asks.poll(), Poll::Pending);
        asks
    }

    /// Makes an access that waits for its spawned task. The task has begun and goes no further.
    #[track_caller]
    fn begun(&self, plan: Plan) -> (Asks, Task) {
        self.world.plan(plan);
        let (mut asks, mut task) = (self.waits(), self.world.shelf.take());
        assert!(poll(&mut task, &Arc::default()).is_pending());
        assert_eq!(asks.poll(), Poll::Pending);
        self.world.plan(Plan::Creates);
        (asks, task)
    }

    fn gives(&self, value: u32, outcome: Outcome) -> Told {
        Told::Gives(Some(value), (self.mode == Mode::Without).then_some(outcome))
    }

    fn fetches(&self) -> bool {
        self.mode != Mode::Without
    }

    /// Returns so many calls if there is a getter, else none.
    fn calls(&self, calls: usize) -> usize {
        if self.fetches() { calls } else { 0 }
    }

    /// No access waits, no creation runs, and no task is left.
    #[track_caller]
    fn is_at_rest(&self) {
        let status = self.lock.status();
        assert_eq!((status.waiting(), status.is_creating()), (0, false));
        assert!(self.world.shelf.is_empty());
    }
}

/// The modes of a lock with its value beside it.
macro_rules! beside {
    ($lock:ident, $policy:ident, |$got:ident| $give:expr) => {{
        let new = |world: &World| $lock::with_clock(MINUTE, Arc::clone(&world.clock)).with_policy($policy);
        let [lock_mode, fetch, fetch_set, stamped, stamped_set] = [(); 5].map(|()| World::new());
        [
            Subject::new(
                (stringify!($lock), Mode::Without, false),
                &lock_mode,
                new(&lock_mode),
                |lock, world| async move {
                    let making = Arc::clone(&world);
                    let creator = move || async move { making.make_and_keep().await.map(drop) };
                    let got = $lock::kept_async(&lock).spawned_by(&world.shelf).or_try_create(creator).await;
                    told(got, |$got| (world.value(), Some($give)))
                },
            ),
            Subject::new(
                (concat!(stringify!($lock), ", fetch"), Mode::Fetch, false),
                &fetch,
                new(&fetch),
                move |lock, world| async move {
                    let making = Arc::clone(&world);
                    let access = $lock::kept_async(&lock).fetch(|| world.get_value()).spawned_by(&world.shelf);
                    let got = access.or_try_create(move || async move { making.make_and_keep().await }).await;
                    told(got, |$got| (Some($give), None))
                },
            ),
            Subject::new(
                (concat!(stringify!($lock), ", fetch, and_set"), Mode::Fetch, true),
                &fetch_set,
                new(&fetch_set),
                move |lock, world| async move {
                    let [making, setting] = [(); 2].map(|()| Arc::clone(&world));
                    let access = $lock::kept_async(&lock).fetch(|| world.get_value()).and_set(move |made: &u32| {
                        let made = *made;
                        async move { setting.set(made) }
                    });
                    let access = access.spawned_by(&world.shelf);
                    let got = access.or_try_create(move || async move { making.make().await }).await;
                    told(got, |$got| (Some($give), None))
                },
            ),
            Subject::new(
                (concat!(stringify!($lock), ", fetch_stamped"), Mode::Stamped, false),
                &stamped,
                new(&stamped),
                |lock, world| async move {
                    let making = Arc::clone(&world);
                    let access = $lock::kept_async(&lock).fetch_stamped(|| world.get()).spawned_by(&world.shelf);
                    let got = access.or_try_create(move || async move { making.make_and_keep().await }).await;
                    told(got, |got| (Some(got.value), None))
                },
            ),
            Subject::new(
                (concat!(stringify!($lock), ", fetch_stamped, and_set"), Mode::Stamped, true),
                &stamped_set,
                new(&stamped_set),
                |lock, world| async move {
                    let [making, setting] = [(); 2].map(|()| Arc::clone(&world));
                    let access = $lock::kept_async(&lock).fetch_stamped(|| world.get());
                    let access = access.and_set(move |made: &Stamped<u32>| {
                        let made = *made;
                        async move {
                            assert_eq!(made.created, setting.clock.wall(), "it is handed the stamp");
                            setting.set(made.value)
                        }
                    });
                    let access = access.spawned_by(&world.shelf);
                    let got = access.or_try_create(move || async move { making.make().await }).await;
                    told(got, |got| (Some(got.value), None))
                },
            ),
        ]
    }};
}

fn of_guard(got: &CachedGuard<u32>) -> (Option<u32>, Option<Outcome>) {
    (Some(**got), Some(CachedGuard::outcome(got)))
}

/// Each type, in each mode.
fn each(policy: &'static Policy) -> impl Iterator<Item = Subject> {
    let [of_cached, of_function] = [(); 2].map(|()| World::new());
    let cached = Subject::new(
        ("Cached", Mode::Without, false),
        &of_cached,
        Cached::with_clock(MINUTE, Arc::clone(&of_cached.clock)).with_policy(policy),
        |lock, world| async move {
            let making = Arc::clone(&world);
            let access = Cached::kept_async(&lock).spawned_by(&world.shelf);
            told(access.or_try_create(move || async move { making.make().await }).await, |got| of_guard(&got))
        },
    );
    let function: Function = {
        let world = Arc::clone(&of_function);
        Box::new(move || {
            let world = Arc::clone(&world);
            Box::pin(async move { world.make().await })
        })
    };
    let function = Subject::new(
        ("CachedFn", Mode::Without, false),
        &of_function,
        CachedFn::<u32, _, _>::with_clock(MINUTE, Arc::clone(&of_function.clock), function).with_policy(policy),
        |lock, world| async move {
            told(CachedFn::kept_async(&lock).spawned_by(&world.shelf).try_get().await, |got| of_guard(&got))
        },
    );
    let beside = beside!(Dogpile, policy, |got| got).into_iter();
    let under_readers = beside!(SyncReaderDogpile, policy, |got| *got);
    beside.chain(under_readers).chain([cached, function]).inspect(|subject| println!("{}", subject.name))
}

fn each_with_a_getter(policy: &'static Policy) -> impl Iterator<Item = Subject> {
    each(policy).filter(Subject::fetches)
}

fn each_with_a_setter(policy: &'static Policy) -> impl Iterator<Item = Subject> {
    each(policy).filter(|subject| subject.sets)
}

// --- there is a value

#[test]
fn l8_a_fresh_value_is_fetched_once_and_nothing_is_spawned() {
    for subject in each(&PLAIN) {
        assert_eq!(subject.asked(), subject.gives(1, Outcome::Fresh));
        assert_eq!((subject.world.take_gets(), subject.world.begun()), (subject.calls(1), 0));
        subject.is_at_rest();
    }
}

#[test]
fn l2_l8_with_an_old_value_every_access_goes_on() {
    for subject in each(&PLAIN) {
        let world = &subject.world;
        subject.lock.mark_stale();
        assert_eq!(subject.asked(), subject.gives(1, Outcome::Stale));
        assert_eq!((world.take_gets(), world.begun()), (subject.calls(1), 0));
        let task = world.shelf.take();
        assert_eq!(subject.asked(), subject.gives(1, Outcome::Stale), "nobody else is elected");
        assert!(world.shelf.is_empty() && subject.lock.status().is_creating());
        assert_eq!(world.take_gets(), subject.calls(1));
        block_on(task);
        assert_eq!(subject.asked(), subject.gives(2, Outcome::Fresh));
        assert_eq!(world.begun(), 1);
        subject.is_at_rest();
    }
}

#[test]
fn an_access_that_renews_early_goes_on_with_a_fresh_value() {
    for subject in each(&AT_HALF) {
        let world = &subject.world;
        world.clock.advance(HALF);
        assert_eq!(subject.asked(), subject.gives(1, Outcome::Fresh));
        assert_eq!(world.take_gets(), subject.calls(1));
        let task = world.shelf.take();
        assert_eq!(subject.asked(), subject.gives(1, Outcome::Fresh));
        assert!(world.shelf.is_empty());
        block_on(task);
        world.clock.advance(ALMOST_HALF);
        assert_eq!(subject.asked(), subject.gives(2, Outcome::Fresh), "it was renewed");
        subject.is_at_rest();
    }
}

/// A creation that no access waits for fails. No access is told, and the old value stays.
#[test]
fn l5_c10_an_access_with_an_old_value_is_not_told_of_the_failure() {
    for subject in each(&PLAIN) {
        let world = &subject.world;
        for (failures, plan) in [(1, Plan::Fails), (2, Plan::Panics)] {
            subject.lock.mark_stale();
            world.plan(plan);
            assert_eq!(subject.asked(), subject.gives(1, Outcome::Stale));
            block_on(world.shelf.take());
            assert_eq!(subject.lock.status().stats().failures, failures);
            subject.is_at_rest();
        }
    }
}

// --- there is none

#[test]
fn l3_without_a_value_one_spawned_creation_serves_all() {
    for subject in each(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, mut other) = (subject.waits(), subject.waits());
        assert_eq!(subject.lock.status().waiting(), 2);
        assert_eq!(world.take_gets(), 0, "what the store may still hold was invalidated");
        let task = world.shelf.take();
        assert!(world.shelf.is_empty(), "one creation for both");
        block_on(task);
        asks.comes_to(subject.gives(2, Outcome::Created));
        assert_eq!(world.take_gets(), 0, "L8: it has created that");
        other.comes_to(subject.gives(2, Outcome::Waited));
        assert_eq!((world.take_gets(), world.begun()), (subject.calls(1), 1));
        subject.is_at_rest();
    }
}

/// The lock is fresh, and the store has lost the value.
#[test]
fn l8_the_elected_access_fetches_a_lost_value_once() {
    for subject in each_with_a_getter(&PLAIN) {
        let world = &subject.world;
        world.lose();
        let mut asks = subject.waits();
        assert_eq!(world.take_gets(), 1, "it has not waited yet, and nothing has moved");
        let mut other = subject.waits();
        assert_eq!(world.take_gets(), 1);
        block_on(world.shelf.take());
        asks.comes_to(subject.gives(2, Outcome::Created));
        assert_eq!(world.take_gets(), 0);
        other.comes_to(subject.gives(2, Outcome::Waited));
        assert_eq!((world.take_gets(), world.begun()), (1, 1));
        subject.is_at_rest();
    }
}

#[test]
fn l5_a_creators_error_is_its_callers_and_the_next_one_is_elected() {
    for subject in each(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        world.plan(Plan::Fails);
        let (mut asks, mut other) = (subject.waits(), subject.waits());
        block_on(world.shelf.take());
        world.plan(Plan::Creates);
        asks.comes_to(Told::Failed("no answer"));
        assert!(other.woken.take());
        assert!(other.poll().is_pending());
        block_on(world.shelf.take());
        other.comes_to(subject.gives(2, Outcome::Created));
        assert_eq!((world.take_gets(), world.begun()), (0, 2));
        subject.is_at_rest();
    }
}

/// The getter first finds nothing, and then a value. That is the old value for an access whose creator has failed.
#[test]
fn l8_a_failed_access_is_served_the_old_value_by_its_second_getter_call() {
    for (policy, serves) in [(&SERVING, true), (&PLAIN, false)] {
        for subject in each_with_a_getter(policy) {
            let world = &subject.world;
            world.lose();
            world.plan(Plan::Fails);
            let mut asks = subject.waits();
            world.keep(7); // by another process
            block_on(world.shelf.take());
            asks.comes_to(if serves { subject.gives(7, Outcome::Stale) } else { Told::Failed("no answer") });
            assert_eq!(world.take_gets(), if serves { 2 } else { 1 });
            subject.is_at_rest();
        }
    }
}

/// A replaced creation has failed. Its access is served the value that is the old one by then.
#[test]
fn a_failed_access_is_served_the_value_that_is_there_by_then() {
    for (policy, serves) in [(&MORTAL_AND_SERVING, true), (&MORTAL, false)] {
        for subject in each(policy) {
            let world = &subject.world;
            subject.lock.invalidate();
            let (mut asks, task) = subject.begun(Plan::DawdlesAndFails);
            world.clock.advance(SECOND);
            subject.lock.renew(world);
            subject.lock.mark_stale();
            block_on(task);
            let told = if serves { subject.gives(2, Outcome::StaleOnError) } else { Told::Failed("no answer") };
            asks.comes_to(told);
            assert_eq!(world.take_gets(), subject.calls(usize::from(serves)));
            subject.is_at_rest();
        }
    }
}

// --- getters that fail

#[test]
fn a_getters_error_ends_the_access_and_creates_nothing() {
    for stale in [false, true] {
        for subject in each_with_a_getter(&PLAIN) {
            if stale {
                subject.lock.mark_stale();
            }
            *subject.world.says.lock().unwrap() = Says::Fails;
            assert_eq!(subject.asked(), Told::GetterFailed);
            assert_eq!((subject.world.take_gets(), subject.world.begun()), (1, 0));
            subject.is_at_rest();
            assert_eq!(subject.lock.status().stats().failures, 0);
        }
    }
}

/// The elected access asks its getter for the old value to go on with, and the getter fails. The waiters call their
/// getters again, and find the value.
#[test]
fn l8_waiters_of_an_access_whose_getter_fails_fetch_again() {
    for subject in each(&PLAIN).filter(|subject| subject.mode == Mode::Fetch) {
        let world = &subject.world;
        let says = |says| *world.says.lock().unwrap() = says;
        subject.lock.mark_stale();
        says(Says::DawdlesAndFails);
        let mut fails = subject.waits();
        assert!(subject.lock.status().is_creating(), "it is elected");
        says(Says::Nothing);
        let mut others = [(); 3].map(|()| subject.waits());
        assert_eq!(world.take_gets(), 4);
        says(Says::WhatIsThere);
        assert_eq!(fails.poll(), Poll::Ready(Told::GetterFailed));
        for other in &mut others {
            other.comes_to(subject.gives(1, Outcome::Fresh));
        }
        assert_eq!((world.take_gets(), world.begun()), (3, 0));
        subject.is_at_rest();
    }
}

/// The same with the call that follows when another access has created.
#[test]
fn a_getter_that_fails_after_the_wait_ends_the_access() {
    for subject in each_with_a_getter(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, mut other) = (subject.waits(), subject.waits());
        block_on(world.shelf.take());
        *world.says.lock().unwrap() = Says::Fails;
        other.comes_to(Told::GetterFailed);
        asks.comes_to(subject.gives(2, Outcome::Created));
        assert_eq!((world.take_gets(), world.begun()), (1, 1));
        subject.is_at_rest();
    }
}

// --- setters

#[test]
fn a_setter_stores_the_value_in_the_task() {
    for subject in each_with_a_setter(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        let mut asks = subject.waits();
        assert_eq!(world.value(), Some(1));
        block_on(world.shelf.take());
        assert_eq!((world.value(), world.stores.load(Ordering::SeqCst)), (Some(2), 1), "before the access is polled");
        asks.comes_to(subject.gives(2, Outcome::Created));
    }
}

#[test]
fn l6_a_superseded_value_goes_to_its_caller_and_is_not_stored() {
    for subject in each_with_a_setter(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, task) = subject.begun(Plan::Dawdles);
        subject.lock.invalidate();
        block_on(task);
        asks.comes_to(subject.gives(2, Outcome::Created));
        assert_eq!((world.value(), world.stores.load(Ordering::SeqCst)), (Some(1), 0));
        assert!(!subject.lock.status().has_value());
        subject.is_at_rest();
    }
}

/// Another creation has taken the place of this one and has stored its value. That value stays.
#[test]
fn c11_a_value_of_a_replaced_creation_is_not_stored() {
    for subject in each_with_a_setter(&MORTAL) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, task) = subject.begun(Plan::Dawdles);
        world.clock.advance(SECOND);
        subject.lock.renew(world);
        block_on(task);
        asks.comes_to(subject.gives(3, Outcome::Created));
        assert_eq!((world.value(), world.stores.load(Ordering::SeqCst)), (Some(2), 0));
        subject.is_at_rest();
    }
}

#[test]
fn a_setters_error_fails_the_creation() {
    for subject in each_with_a_setter(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        *world.sets.lock().unwrap() = Sets::Fails;
        let (mut asks, mut other) = (subject.waits(), subject.waits());
        block_on(world.shelf.take());
        asks.comes_to(Told::Failed("full"));
        assert_eq!((world.value(), subject.lock.status().stats().failures), (Some(1), 1));
        *world.sets.lock().unwrap() = Sets::Stores;
        assert!(other.poll().is_pending(), "it is elected");
        block_on(world.shelf.take());
        other.comes_to(subject.gives(3, Outcome::Created));
        subject.is_at_rest();
    }
}

// --- what becomes of the asker, and of the task

#[test]
fn c12_the_creation_goes_on_when_its_access_is_dropped() {
    for polled in [false, true] {
        for subject in each(&PLAIN) {
            let world = &subject.world;
            subject.lock.invalidate();
            world.plan(Plan::Dawdles);
            let (asks, mut task) = (subject.waits(), world.shelf.take());
            if polled {
                assert!(poll(&mut task, &Arc::default()).is_pending());
            }
            drop(asks);
            assert_eq!((subject.lock.status().waiting(), subject.lock.status().is_creating()), (0, true));
            block_on(task);
            assert_eq!(subject.asked(), subject.gives(2, Outcome::Fresh));
            assert_eq!(world.begun(), 1);
            subject.is_at_rest();
        }
    }
}

#[test]
fn l8_c9_a_task_dropped_before_it_begins_gives_the_creator_back() {
    for lost in [false, true] {
        for subject in each(&PLAIN) {
            let world = &subject.world;
            match lost {
                true if !subject.fetches() => continue,
                true => world.lose(),
                false => subject.lock.invalidate(),
            }
            let mut asks = subject.waits();
            drop(world.shelf.take());
            assert!(!subject.lock.status().is_creating());
            asks.comes_to(subject.gives(2, Outcome::Created));
            assert_eq!(world.begun(), 1);
            assert!(world.take_gets() <= 2);
            subject.is_at_rest();
            assert_eq!(subject.asked(), subject.gives(2, Outcome::Fresh), "it is kept");
        }
    }
}

/// The store has the value by the time that the access gets its creator back.
#[test]
fn l8_an_access_with_its_creator_back_fetches_once_more() {
    for subject in each_with_a_getter(&PLAIN) {
        let world = &subject.world;
        world.lose();
        let mut asks = subject.waits();
        world.keep(7); // by another process
        drop(world.shelf.take());
        asks.comes_to(subject.gives(7, Outcome::Fresh));
        assert_eq!((world.take_gets(), world.begun()), (2, 0));
        subject.is_at_rest();
    }
}

#[test]
fn l5_an_access_with_its_creator_back_gets_its_error() {
    for policy in [&PLAIN, &SERVING] {
        for subject in each(policy) {
            subject.lock.invalidate();
            subject.world.plan(Plan::Fails);
            let mut asks = subject.waits();
            drop(subject.world.shelf.take());
            asks.comes_to(Told::Failed("no answer"));
            assert_eq!((subject.world.take_gets(), subject.lock.status().stats().failures), (0, 1));
            subject.is_at_rest();
        }
    }
}

/// Another access has created before this one is polled.
#[test]
fn l3_an_access_that_lost_its_task_is_served_by_another() {
    for subject in each(&PLAIN) {
        subject.lock.invalidate();
        let mut asks = subject.waits();
        drop(subject.world.shelf.take());
        subject.lock.renew(&subject.world);
        asks.comes_to(subject.gives(2, Outcome::Waited));
        assert_eq!((subject.world.take_gets(), subject.world.begun()), (subject.calls(1), 0));
        subject.is_at_rest();
    }
}

#[test]
fn l5_a_task_that_ends_badly_half_way_frees_the_lock_and_loses_its_access() {
    for plan in [Plan::Hangs, Plan::DawdlesAndPanics] {
        for subject in each(&PLAIN) {
            let world = &subject.world;
            subject.lock.invalidate();
            let (mut asks, mut task) = subject.begun(plan);
            if plan == Plan::DawdlesAndPanics {
                assert!(poll(&mut task, &Arc::default()).is_ready(), "it does not panic");
            }
            drop(task);
            assert!(!subject.lock.status().is_creating());
            asks.comes_to(Told::Lost);
            assert_eq!(world.take_gets(), 0);
            subject.is_at_rest();
            subject.lock.renew(world);
            assert_eq!(subject.asked(), subject.gives(2, Outcome::Fresh), "the next one creates");
        }
    }
}

/// Another waiter can create. It does, and serves the access that has lost its creator.
#[test]
fn l3_l5_the_next_waiter_serves_an_access_that_lost_its_creator() {
    for plan in [Plan::Hangs, Plan::DawdlesAndPanics] {
        for subject in each(&PLAIN) {
            let world = &subject.world;
            subject.lock.invalidate();
            let (mut asks, mut task) = subject.begun(plan);
            let mut other = subject.waits();
            if plan == Plan::DawdlesAndPanics {
                assert!(poll(&mut task, &Arc::default()).is_ready());
            }
            drop(task);
            assert!(other.woken.take(), "it is elected");
            assert!(asks.poll().is_pending(), "it is not its turn");
            assert!(other.poll().is_pending());
            block_on(world.shelf.take());
            other.comes_to(subject.gives(2, Outcome::Created));
            asks.comes_to(subject.gives(2, Outcome::Waited));
            assert_eq!(world.take_gets(), subject.calls(1));
            subject.is_at_rest();
        }
    }
}

/// An access whose creation was replaced is served by the creation in its place, and likewise by another access's
/// `set`.
#[test]
fn l3_c11_an_access_that_waits_for_its_task_is_served_by_another() {
    for subject in each(&MORTAL) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, mut task) = subject.begun(Plan::Dawdles);
        world.clock.advance(SECOND);
        subject.lock.renew(world);
        asks.comes_to(subject.gives(2, Outcome::Waited));
        assert_eq!(world.take_gets(), subject.calls(1));
        assert!(poll(&mut task, &Arc::default()).is_ready());
        subject.is_at_rest();
    }
    for subject in each(&PLAIN).filter(|subject| subject.name.starts_with("Cached")) {
        subject.lock.invalidate();
        let (mut asks, task) = subject.begun(Plan::Hangs);
        subject.lock.renew(&subject.world);
        asks.comes_to(subject.gives(2, Outcome::Waited));
        drop(task);
        assert_eq!(subject.asked(), subject.gives(2, Outcome::Fresh));
        subject.is_at_rest();
    }
}

/// The value is invalidated during its creation. The access from before gets the value in the making; the access from
/// after gets another one.
#[test]
fn l6_an_access_after_an_invalidation_creates_anew() {
    for subject in each(&PLAIN) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, task) = subject.begun(Plan::Dawdles);
        subject.lock.invalidate();
        let mut other = subject.waits();
        assert!(world.shelf.is_empty(), "L1");
        block_on(task);
        assert!(other.poll().is_pending());
        block_on(world.shelf.take());
        other.comes_to(subject.gives(3, Outcome::Created));
        // The first access is polled only now, when another creation has served all waiters.
        assert!(asks.woken.take());
        let Poll::Ready(Told::Gives(value, outcome)) = asks.poll() else { panic!("it has a value") };
        // In lock mode the value is the one that was stored last.
        let own = if subject.name == "Dogpile" || subject.name == "SyncReaderDogpile" { 3 } else { 2 };
        assert_eq!((value, outcome), (Some(own), (!subject.fetches()).then_some(Outcome::Created)));
        assert_eq!(world.take_gets(), 0);
        subject.is_at_rest();
    }
}

// --- a store that loses entries

/// The access was served, but the store has lost the value, and a third access creates by then. The first one waits for
/// its own creation, and gets that value.
#[test]
fn l8_a_served_access_that_finds_nothing_gets_its_own_value() {
    for subject in each_with_a_getter(&MORTAL) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, mut task) = subject.begun(Plan::Dawdles);
        world.clock.advance(SECOND);
        subject.lock.renew(world);
        world.lose();
        let third = subject.waits();
        assert_eq!(world.take_gets(), 1, "the third one's");
        assert!(asks.woken.take());
        assert!(asks.poll().is_pending());
        assert_eq!(world.take_gets(), 1);
        assert!(asks.poll().is_pending());
        assert_eq!(world.take_gets(), 0, "nothing has moved since");
        assert!(poll(&mut task, &Arc::default()).is_ready());
        asks.comes_to(subject.gives(3, Outcome::Created));
        assert_eq!(world.take_gets(), 0);
        drop(third);
        block_on(world.shelf.take());
        subject.is_at_rest();
    }
}

/// The same. The value of the third access serves this one, if the store keeps it.
#[test]
fn l8_an_access_that_is_served_twice_fetches_twice_and_never_again() {
    for stays in [false, true] {
        for subject in each_with_a_getter(&MORTAL) {
            let world = &subject.world;
            subject.lock.invalidate();
            let (mut asks, mut task) = subject.begun(Plan::Dawdles);
            for (value, calls) in [(2, 1), (3, 1), (4, 0)] {
                world.clock.advance(SECOND);
                subject.lock.invalidate();
                subject.lock.renew(world);
                assert_eq!(world.value(), Some(value));
                if stays && value == 3 {
                    asks.comes_to(subject.gives(3, Outcome::Waited));
                    assert_eq!(world.take_gets(), 1);
                    break;
                }
                world.lose();
                let third = subject.waits();
                world.take_gets();
                assert!(asks.poll().is_pending());
                assert_eq!(world.take_gets(), calls);
                drop((third, world.shelf.take()));
                asks.woken.take();
            }
            assert!(poll(&mut task, &Arc::default()).is_ready());
            if !stays {
                assert_eq!(asks.poll(), Poll::Ready(subject.gives(5, Outcome::Created)));
            }
            assert_eq!(world.take_gets(), 0);
            subject.is_at_rest();
        }
    }
}

/// The same, but no other access creates. It is this one's turn, and its creator is gone.
#[test]
fn l8_a_served_access_that_finds_nothing_is_lost_at_its_turn() {
    for subject in each_with_a_getter(&MORTAL) {
        let world = &subject.world;
        subject.lock.invalidate();
        let (mut asks, mut task) = subject.begun(Plan::Dawdles);
        world.clock.advance(SECOND);
        subject.lock.renew(world);
        world.lose();
        asks.comes_to(Told::Lost);
        assert_eq!(world.take_gets(), 1);
        assert!(poll(&mut task, &Arc::default()).is_ready());
        subject.is_at_rest();
    }
}
