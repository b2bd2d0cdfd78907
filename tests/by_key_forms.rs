//! By key: in the background, and with a lifetime for each result. `tests/contract` tests that the locks keep the laws.

mod common;

use common::until;
use dogpile::{
    AsyncStore, Backoff, BoxedFunctionOf, Cached, CachedByKey, CachedGuard, Clock as _, CreateError, Held, Job, Made,
    ManualClock, Outcome, Policy, Registry, Runner, SpawnedStore, Stamped, Store, Task, cached_by_key,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const ALMOST_FIVE: Duration = Duration::from_nanos(4_999_999_999);
const ALMOST_FOUR: Duration = Duration::from_nanos(3_999_999_999);
static EARLY: Policy = Policy::builder().refresh_at(0.8).build_const();
static NEVER_STALE: Policy = Policy::builder().max_stale(SECOND).jitter(0.5).build_const();
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).build_const();

type Clock = Arc<ManualClock>;
/// A page, or that there is none.
type Page = Option<&'static str>;

/// A store in memory, for threads and for tasks.
#[derive(Clone, Default)]
struct Memory(Arc<Mutex<HashMap<String, Stamped<Page>>>>);

impl Store<String, Page> for Memory {
    type Error = Infallible;

    fn get(&self, key: &String) -> Result<Option<Stamped<Page>>, Infallible> {
        Ok(self.0.lock().get(key).copied())
    }

    fn set(&self, key: &String, made: &Stamped<Page>) -> Result<(), Infallible> {
        self.0.lock().insert(key.clone(), *made);
        Ok(())
    }

    fn remove(&self, key: &String) -> Result<(), Infallible> {
        self.0.lock().remove(key);
        Ok(())
    }
}

impl SpawnedStore<String, Page> for Memory {
    type Error = Infallible;

    async fn get(&self, key: &String) -> Result<Option<Stamped<Page>>, Infallible> {
        AsyncStore::get(self, key).await
    }

    async fn set(&self, key: &String, made: &Stamped<Page>) -> Result<(), Infallible> {
        AsyncStore::set(self, key, made).await
    }
}

impl AsyncStore<String, Page> for Memory {
    type Error = Infallible;

    async fn get(&self, key: &String) -> Result<Option<Stamped<Page>>, Infallible> {
        Store::get(self, key)
    }

    async fn set(&self, key: &String, made: &Stamped<Page>) -> Result<(), Infallible> {
        Store::set(self, key, made)
    }

    async fn remove(&self, key: &String) -> Result<(), Infallible> {
        Store::remove(self, key)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is down")
    }
}

/// The name of a page. It counts how often it is cloned.
#[derive(Debug)]
struct Name(&'static str, Arc<AtomicUsize>);

impl Clone for Name {
    fn clone(&self) -> Self {
        self.1.fetch_add(1, Ordering::SeqCst);
        Self(self.0, Arc::clone(&self.1))
    }
}

impl Name {
    fn new(name: &'static str) -> Self {
        Self(name, Arc::default())
    }

    fn copies(&self) -> usize {
        self.1.load(Ordering::SeqCst)
    }
}

fn key(name: &Name) -> String {
    format!("page:{}", name.0)
}

/// Jobs that wait until the test runs them.
#[derive(Default)]
struct Shelf(Mutex<Vec<Job>>);

impl Runner for Shelf {
    fn run(&self, job: Job) {
        self.0.lock().push(job);
    }
}

impl Shelf {
    fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Runs all jobs on another thread.
    fn run_all(&self) {
        let jobs: Vec<_> = self.0.lock().drain(..).collect();
        let run = || jobs.into_iter().for_each(|job| job());
        std::thread::scope(|scope| scope.spawn(run).join().unwrap());
    }
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);
impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as lifetimes are derived
fn lifetime(page: &Page) -> Option<Duration> {
    page.is_none().then_some(SECOND * 5)
}

#[test]
fn k5_a_result_may_have_a_lifetime_of_its_own() {
    let (memory, clock, runs) = (Memory::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let made = || {
        let page = |name: &Name| {
            runs.fetch_add(1, Ordering::SeqCst);
            (name.0 != "gone").then_some("here")
        };
        cached_by_key(MINUTE, key, page, memory.clone()).with_clock(Arc::clone(&clock)).expires_after_by(lifetime)
    };
    // The second function stands for another process. It sees what the store has.
    let (pages, other) = (made(), made());
    let (here, gone) = (Name::new("here"), Name::new("gone"));
    let get = || [&here, &gone].map(|name| pages.get(name).value);
    assert_eq!((get(), runs.swap(0, Ordering::SeqCst)), ([Some("here"), None], 2));
    clock.advance(ALMOST_FIVE);
    assert_eq!((get(), other.get(&gone).value, runs.swap(0, Ordering::SeqCst)), ([Some("here"), None], None, 0));
    clock.advance(Duration::from_nanos(1));
    assert_eq!((other.get(&gone).value, runs.swap(0, Ordering::SeqCst)), (None, 1));
    assert_eq!((get(), runs.swap(0, Ordering::SeqCst)), ([Some("here"), None], 0), "as the other has made it");
    clock.advance(SECOND * 55);
    assert_eq!((get(), runs.swap(0, Ordering::SeqCst)), ([Some("here"), None], 2));
    assert_eq!(pages.expires_after(), MINUTE, "of all others");
    // A lifetime of zero, and one without an end.
    let zero = made().expires_after_by(|page| Some(if page.is_none() { Duration::ZERO } else { Duration::MAX }));
    zero.get(&gone);
    zero.get(&gone);
    clock.advance(MINUTE * 1_000_000);
    zero.get(&here);
    assert_eq!(runs.swap(0, Ordering::SeqCst), 2);
}

#[test]
fn k5_policies_count_from_the_lifetime_of_the_result() {
    let (memory, clock, runs) = (Memory::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let runs = Arc::new(runs);
    let made = |policy| {
        let runs = Arc::clone(&runs);
        let page = move |_: &Name| {
            runs.fetch_add(1, Ordering::SeqCst);
            Ok::<Page, Down>(None)
        };
        let pages = cached_by_key(MINUTE, key, page, memory.clone()).with_clock(Arc::clone(&clock));
        pages.expires_after_by(lifetime).with_policy(policy)
    };
    let gone = Name::new("gone");
    let early = made(&EARLY);
    early.try_get(&gone).unwrap();
    clock.advance(ALMOST_FOUR);
    early.try_get(&gone).unwrap();
    assert_eq!(runs.swap(0, Ordering::SeqCst), 1);
    clock.advance(Duration::from_nanos(1));
    early.try_get(&gone).unwrap();
    assert_eq!(runs.swap(0, Ordering::SeqCst), 1, "at four of its five seconds");
    // A result is too old to serve a second after its five.
    let (never_stale, shelf) = (Arc::new(made(&NEVER_STALE)), Shelf::default());
    let get = || CachedByKey::kept(&never_stale, &gone).in_background(&shelf).try_get().map(|page| page.value);
    clock.advance(SECOND * 5);
    assert_eq!((get(), shelf.len()), (Ok(None), 1), "stale");
    shelf.0.lock().clear();
    clock.advance(SECOND);
    assert_eq!((get(), shelf.len(), runs.swap(0, Ordering::SeqCst)), (Ok(None), 0, 1), "missing");
    assert_eq!(
        clock.wall().duration_since(never_stale.try_peek(&gone).unwrap().unwrap().created).unwrap(),
        Duration::ZERO
    );
}

#[test]
fn k5_tasks_and_many_keys_go_by_the_lifetime_of_the_result() {
    let (memory, clock, runs) = (Memory::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let page = async |_: &Name| {
        runs.fetch_add(1, Ordering::SeqCst);
        None
    };
    let pages = cached_by_key(MINUTE, key, page, memory.clone()).with_clock(Arc::clone(&clock));
    let pages = pages.expires_after_by(lifetime);
    let names = [Name::new("one"), Name::new("two")];
    let batch = async |names: Vec<Name>| {
        runs.fetch_add(100, Ordering::SeqCst);
        names.iter().map(|_| None).collect::<Vec<Page>>()
    };
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        for _ in 0..2 {
            pages.access_async(&names[0]).get().await;
            pages.access_many_async(&names, batch).get().await;
            pages.access_async(&names[1]).get().await;
        }
        assert_eq!(runs.swap(0, Ordering::SeqCst), 101);
        clock.advance(SECOND * 5);
        pages.access_many_async(&names, batch).get().await;
        pages.access_async(&names[1]).get().await;
        assert_eq!(runs.swap(0, Ordering::SeqCst), 100);
        clock.advance(SECOND * 5);
        pages.access_async(&names[0]).get().await;
        assert_eq!(runs.swap(0, Ordering::SeqCst), 1);
    });
}

#[test]
fn k5_l2_a_function_by_key_creates_in_the_background_and_a_hit_takes_no_share() {
    let (memory, clock, shelf) = (Memory::default(), Arc::new(ManualClock::new()), Shelf::default());
    let runs = Arc::new(AtomicUsize::new(0));
    let its = Arc::clone(&runs);
    let page = move |_: &Name| if its.fetch_add(1, Ordering::SeqCst) == 0 { Some("old") } else { Some("new") };
    let pages = Arc::new(cached_by_key(MINUTE, key, page, memory.clone()).with_clock(Arc::clone(&clock)));
    let name = Name::new("page");
    let get = || CachedByKey::kept(&pages, &name).in_background(&shelf).get().value;
    assert_eq!((get(), shelf.len()), (Some("old"), 0), "there is nothing to go on with");
    assert_eq!((get(), name.copies(), Arc::strong_count(&pages)), (Some("old"), 0, 1));
    clock.advance(MINUTE);
    assert_eq!((get(), shelf.len(), name.copies()), (Some("old"), 1, 1));
    assert!(pages.is_creating(&name));
    let shares = Arc::strong_count(&pages);
    assert!(shares > 1, "the job holds it");
    // An access that is not elected goes on with the old value.
    assert_eq!((get(), shelf.len(), name.copies(), Arc::strong_count(&pages)), (Some("old"), 1, 1, shares));
    shelf.run_all();
    assert_eq!((get(), runs.load(Ordering::SeqCst)), (Some("new"), 2));
    assert_eq!((Arc::strong_count(&pages), pages.is_creating(&name)), (1, false));
    // With a time-out, and without the step `in_background`.
    let access = CachedByKey::kept(&pages, &name).timeout(SECOND).in_background(&shelf);
    assert_eq!(access.try_get().unwrap().value, Some("new"));
    assert_eq!(CachedByKey::kept(&pages, &name).get().value, Some("new"));
    assert!(format!("{pages:?}").contains("in_use: 0,"), "no lock outlives its use");
}

#[test]
fn k5_l5_a_job_by_key_frees_its_key_and_keeps_its_function() {
    let (memory, clock, shelf) = (Memory::default(), Arc::new(ManualClock::new()), Shelf::default());
    let (fails, dropped) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (its, name) = (Arc::clone(&fails), Name::new("page"));
    let counted = Counted(Arc::clone(&dropped));
    let page = move |_: &Name| {
        let _held = &counted;
        if its.load(Ordering::SeqCst) { Err(Down) } else { Ok(Some("page")) }
    };
    let pages = cached_by_key(MINUTE, key, page, memory.clone()).with_clock(Arc::clone(&clock)).with_policy(&PAUSING);
    let pages = Arc::new(pages);
    let get = || CachedByKey::kept(&pages, &name).in_background(&shelf).try_get().map(|page| page.value);
    assert_eq!(get(), Ok(Some("page")));
    clock.advance(MINUTE);
    // The job is dropped.
    assert_eq!((get(), shelf.len()), (Ok(Some("page")), 1));
    shelf.0.lock().clear();
    assert!(!pages.is_creating(&name));
    // The job fails: no access is told, and none creates again so soon.
    assert_eq!((get(), shelf.len()), (Ok(Some("page")), 1));
    fails.store(true, Ordering::SeqCst);
    shelf.run_all();
    assert_eq!((get(), shelf.len()), (Ok(Some("page")), 0), "it pauses");
    clock.advance(MINUTE);
    fails.store(false, Ordering::SeqCst);
    assert_eq!((get(), shelf.len()), (Ok(Some("page")), 1));
    let before = Store::get(&memory, &key(&name)).unwrap().unwrap().created;
    drop(pages);
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    shelf.run_all();
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(Store::get(&memory, &key(&name)).unwrap().unwrap().created > before, "it was stored");
}

#[test]
fn k5_a_function_by_key_in_a_static_in_the_background() {
    type Pages = CachedByKey<String, Page, fn(&str) -> String, fn(&str) -> Page, &'static Nothing>;
    struct Nothing;
    impl Store<String, Page> for Nothing {
        type Error = Infallible;

        fn get(&self, _: &String) -> Result<Option<Stamped<Page>>, Infallible> {
            Ok(None)
        }

        fn set(&self, _: &String, _: &Stamped<Page>) -> Result<(), Infallible> {
            Ok(())
        }

        fn remove(&self, _: &String) -> Result<(), Infallible> {
            Ok(())
        }
    }
    static NOTHING: Nothing = Nothing;
    static PAGES: Pages = cached_by_key(MINUTE, str::to_owned as fn(&str) -> String, |_| Some("page"), &NOTHING);
    assert_eq!(CachedByKey::kept(&PAGES, "name").in_background(&Shelf::default()).get().value, Some("page"));
}

/// Returns a function of pages for spawned tasks, which makes the pages that the test says.
fn spawned_pages(memory: &Memory, made: &Arc<Mutex<Result<&'static str, Down>>>) -> (Arc<SpawnedPages>, Clock) {
    let (clock, made) = (Arc::new(ManualClock::new()), Arc::clone(made));
    let fetch: Fetch = Box::new(move |_: &Name| {
        let made = Arc::clone(&made);
        Box::pin(async move {
            tokio::task::yield_now().await;
            let made = *made.lock();
            made.map(Some)
        })
    });
    let pages = cached_by_key(MINUTE, key as fn(&Name) -> String, fetch, memory.clone());
    (Arc::new(pages.with_clock(Arc::clone(&clock)).with_policy(&PAUSING)), clock)
}

type Fetch = BoxedFunctionOf<Name, Page, Down>;
type SpawnedPages = CachedByKey<String, Page, fn(&Name) -> String, Fetch, Memory, Clock>;

#[test]
fn k5_l2_a_function_by_key_creates_in_a_spawned_task_and_a_hit_takes_no_share() {
    let (memory, made) = (Memory::default(), Arc::new(Mutex::new(Ok("old"))));
    let (pages, clock) = spawned_pages(&memory, &made);
    let shelf: Mutex<Vec<Task>> = Mutex::default();
    let (name, on_shelf) = (Name::new("page"), |task: Task| shelf.lock().push(task));
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
        let at_once = |task: Task| drop(tokio::spawn(task));
        let got = CachedByKey::kept_async(&pages, &name).spawned_by(&at_once).try_get().await;
        assert_eq!(got.unwrap().value, Some("old"), "it waits for its task");
        assert_eq!((name.copies(), Arc::strong_count(&pages)), (1, 1));
        let get = || async {
            let got = CachedByKey::kept_async(&pages, &name).spawned_by(&on_shelf).try_get().await;
            got.map(|page| page.value)
        };
        assert_eq!((get().await, shelf.lock().len()), (Ok(Some("old")), 0));
        assert_eq!((name.copies(), Arc::strong_count(&pages)), (1, 1), "a hit shares nothing");
        clock.advance(MINUTE);
        *made.lock() = Ok("new");
        for _ in 0..2 {
            assert_eq!((get().await, shelf.lock().len(), name.copies()), (Ok(Some("old")), 1, 2));
        }
        assert!(pages.is_creating(&name));
        let task = shelf.lock().pop().unwrap();
        task.await;
        assert_eq!((get().await, Arc::strong_count(&pages)), (Ok(Some("new")), 1));
        // A task that is dropped frees its key. A task that fails has its key pause.
        clock.advance(MINUTE);
        assert_eq!(get().await, Ok(Some("new")));
        shelf.lock().clear();
        assert!(!pages.is_creating(&name));
        assert_eq!(get().await, Ok(Some("new")));
        *made.lock() = Err(Down);
        let task = shelf.lock().pop().unwrap();
        task.await;
        assert_eq!((get().await, shelf.lock().len()), (Ok(Some("new")), 0), "it pauses");
        pages.try_invalidate_async(&name).await.unwrap();
        assert!(matches!(get().await, Err(CreateError::Paused { .. })));
        clock.advance(MINUTE);
        let got = CachedByKey::kept_async(&pages, &name).spawned_by(&at_once).try_get().await;
        assert_eq!(got, Err(CreateError::Failed(Down)));
    });
    assert!(format!("{pages:?}").contains("in_use: 1,"), "it pauses");
}

#[test]
fn k5_c12_a_task_by_key_survives_its_access() {
    let (memory, made) = (Memory::default(), Arc::new(Mutex::new(Ok("page"))));
    let (pages, _clock) = spawned_pages(&memory, &made);
    let shelf: Arc<Mutex<Vec<Task>>> = Arc::default();
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().unwrap().block_on(async {
        // The runtime spawns the access: its future is `Send`.
        let (its, onto) = (Arc::clone(&pages), Arc::clone(&shelf));
        let asks = tokio::spawn(async move {
            let spawner = |task: Task| onto.lock().push(task);
            CachedByKey::kept_async(&its, &Name::new("page")).spawned_by(&spawner).try_get().await
        });
        while shelf.lock().is_empty() {
            tokio::task::yield_now().await;
        }
        asks.abort();
        assert!(asks.await.unwrap_err().is_cancelled());
        assert!(pages.is_creating(&Name::new("page")));
        let task = shelf.lock().pop().unwrap();
        task.await;
    });
    assert_eq!(memory.0.lock()["page:page"].value, Some("page"));
    assert_eq!(Arc::strong_count(&pages), 1);
}

type Value = Cached<u64, Clock>;
type Values = Registry<u64, Value, Box<dyn Fn(&u64) -> Value + Send + Sync>>;

/// Returns a registry of values, and the clock of them all.
fn values() -> (Arc<Values>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    let maker = Box::new(move |_: &u64| Cached::with_clock(MINUTE, Arc::clone(&its)));
    (Arc::new(Registry::with_maker(maker as _)), clock)
}

#[test]
fn k5_l2_values_by_key_are_created_in_the_background() {
    let ((values, clock), shelf) = (values(), Shelf::default());
    let get = |value: u64| {
        let held = values.get_owned(&1);
        let got = Cached::kept(&held).in_background(&shelf).or_create(move || value);
        (*got, CachedGuard::outcome(&got))
    };
    assert_eq!(get(1), (1, Outcome::Created));
    clock.advance(MINUTE);
    assert_eq!(get(2), (1, Outcome::Stale));
    assert_eq!((get(3), shelf.len()), ((1, Outcome::Stale), 1));
    // The job holds the lock and the registry, without any other owner.
    let (weak, owned) = (Arc::downgrade(&values), values.get_owned(&1));
    drop(owned);
    assert!(values.find(&1).unwrap().is_creating());
    shelf.run_all();
    assert_eq!(get(4), (2, Outcome::Fresh));
    drop(values);
    assert!(weak.upgrade().is_none());
}

#[test]
fn k5_l2_values_by_key_are_created_in_a_spawned_task() {
    let (values, clock) = values();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let shelf: Mutex<Vec<Task>> = Mutex::default();
    let spawner = |task: Task| shelf.lock().push(task);
    runtime.block_on(async {
        let held: Held<'static, _, _> = values.get_owned(&1);
        held.set(1);
        clock.advance(MINUTE);
        for _ in 0..2 {
            let access = Cached::kept_async(&held).spawned_by(&spawner).or_create(async || 2);
            assert_eq!(*access.await.unwrap(), 1, "nobody waits");
        }
        drop(held);
        let tasks: Vec<_> = shelf.lock().drain(..).collect();
        assert_eq!(tasks.len(), 1);
        assert!(values.find(&1).unwrap().is_creating());
        for task in tasks {
            task.await;
        }
        assert_eq!(values.get(&1).get_fresh().as_deref(), Some(&2));
        // Without an old value, the access waits for its task.
        let held = values.get_owned(&2);
        let spawner = |task: Task| drop(tokio::spawn(task));
        assert_eq!(*Cached::kept_async(&held).spawned_by(&spawner).or_create(async || 3).await.unwrap(), 3);
    });
}

#[test]
fn k5_a_value_by_key_may_have_a_lifetime_of_its_own() {
    let (values, clock) = values();
    let runs = AtomicUsize::new(0);
    // Key 404 has no value.
    let get = |key: u64| {
        *values.get(&key).access().or_create_with(|_| {
            runs.fetch_add(1, Ordering::SeqCst);
            if key == 404 { Made::new(0).expires_after(SECOND * 5) } else { Made::new(key) }
        })
    };
    assert_eq!((get(1), get(404), runs.swap(0, Ordering::SeqCst)), (1, 0, 2));
    clock.advance(SECOND * 5);
    assert_eq!((get(1), get(404), runs.swap(0, Ordering::SeqCst)), (1, 0, 1));
    clock.advance(SECOND * 55);
    assert_eq!((get(1), get(404), runs.swap(0, Ordering::SeqCst)), (1, 0, 2));
    // Both are kept for as long as other values that are not used.
    clock.advance(MINUTE);
    until(|| values.sweep() == 0);
    assert!(values.is_empty());
}
