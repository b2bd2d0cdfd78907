//! Cancellation at every await point. Three tasks share a lock and are polled in each order, and one of them is dropped
//! after n polls, for each n that there is and for each form. After that, everything must be as the laws say.
//!
//! A task is polled only once it was woken. So if no task is left to poll before all have ended, a wake-up was lost
//! (C16).

use crate::executor::{Woken, block_on, poll, step};
use dogpile::{
    AsyncStore, Backoff, Cached, CachedFn, Creation, Dogpile, Freshness, Made, Policy, ReadTurn, Shared, Spawner,
    Stamped, SyncReaderDogpile, Turn, cached_by_key,
};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The state that the creators and the store of one run share.
#[derive(Default)]
struct Work {
    running: AtomicUsize,
    /// Whether the next creator fails.
    fails: AtomicBool,
    /// Whether a creator swaps, so that no reader may be in.
    swaps: AtomicBool,
    store: Mutex<Option<Stamped<u64>>>,
    spawned: Mutex<Vec<Task>>,
}

/// A creator that runs.
struct Runs<'a>(&'a Work);

impl Drop for Runs<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Work {
    /// Creates and stores, in several polls.
    async fn create(&self) -> Result<u64, &'static str> {
        let made = self.make().await?;
        self.put(made);
        Ok(made)
    }

    fn put(&self, made: u64) {
        *self.store.lock().unwrap() = Some(Stamped { value: made, created: SystemTime::now() });
    }

    async fn make(&self) -> Result<u64, &'static str> {
        assert_eq!(self.running.fetch_add(1, Ordering::SeqCst), 0, "L1");
        let _runs = Runs(self);
        step().await;
        if self.fails.swap(false, Ordering::SeqCst) {
            return Err("on purpose");
        }
        step().await;
        Ok(42)
    }

    /// A setter.
    async fn set(&self, made: u64) {
        self.swap().await;
        self.put(made);
    }

    async fn surely(&self) -> u64 {
        self.create().await.expect("it was not to fail")
    }

    async fn get(&self) -> Option<u64> {
        self.get_stamped().await.map(|got| got.value)
    }

    /// Does the same as [`get`](Self::get), with the type of a getter that can fail.
    async fn try_get(&self) -> Result<Option<u64>, &'static str> {
        Ok(self.get().await)
    }

    async fn get_stamped(&self) -> Option<Stamped<u64>> {
        step().await;
        assert!(!self.swaps.load(Ordering::SeqCst), "L9");
        *self.store.lock().unwrap()
    }

    /// The last step of a creator, which must exclude all readers.
    async fn swap(&self) {
        struct Swaps<'a>(&'a AtomicBool);

        impl Drop for Swaps<'_> {
            fn drop(&mut self) {
                self.0.store(false, Ordering::SeqCst);
            }
        }

        assert!(!self.swaps.swap(true, Ordering::SeqCst), "L9");
        let _swaps = Swaps(&self.swaps);
        step().await;
    }

    /// What a task does with the value that it was given.
    async fn read(&self) {
        assert!(!self.swaps.load(Ordering::SeqCst), "L9");
        step().await;
        assert!(!self.swaps.load(Ordering::SeqCst), "L9");
    }
}

/// A lock of any type, and the questions to it that do not depend on the type.
trait Subject: Send + Sync + 'static {
    fn new(work: &Arc<Work>) -> Self;
    fn mark_stale(&self);
    fn seen(&self) -> (bool, usize, Freshness);
    /// Returns how many creations have succeeded, and how many have failed.
    fn ended(&self) -> (u64, u64);
    fn is_left(&self) {}
}

macro_rules! asks {
    () => {
        fn mark_stale(&self) {
            (**self).mark_stale();
        }

        fn seen(&self) -> (bool, usize, Freshness) {
            (self.is_creating(), self.waiting(), self.freshness())
        }

        fn ended(&self) -> (u64, u64) {
            (self.stats().creations, self.stats().failures)
        }
    };
}

impl Subject for Arc<Dogpile> {
    fn new(_: &Arc<Work>) -> Self {
        Self::new(Dogpile::never_expires())
    }

    asks!();
}

impl Subject for Arc<Cached<u64>> {
    fn new(_: &Arc<Work>) -> Self {
        Self::new(Cached::never_expires())
    }

    asks!();
}

impl Subject for Arc<SyncReaderDogpile> {
    fn new(_: &Arc<Work>) -> Self {
        Self::new(SyncReaderDogpile::never_expires())
    }

    asks!();

    fn is_left(&self) {
        assert_eq!((self.waiting_readers(), self.waiting_writers()), (0, 0));
        assert!(self.try_acquire_write_lock().is_ok(), "nobody reads or writes");
    }
}

/// Makes one of the tasks of a run.
type MakeTask<L> = fn(L, Arc<Work>) -> Task;

/// The state of the lock at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum At {
    Missing,
    Stale,
    Fresh,
}

/// Polls tasks in the given order, and in each round once every task that was woken. Drops the first of them after so
/// many polls, and returns whether it had ended before.
fn drive(work: &Work, order: [usize; 3], polls: usize, tasks: [Task; 3]) -> bool {
    let awake = |task| {
        let woken = Arc::<Woken>::default();
        woken.wake_up();
        (Some(task), woken)
    };
    let mut tasks: Vec<_> = tasks.into_iter().map(awake).collect();
    let (mut polled, mut ended) = (0, false);
    loop {
        if polled == polls {
            tasks[0].0 = None;
        }
        let mut moved = false;
        for at in order.into_iter().chain(3..tasks.len()) {
            let (task, woken) = &mut tasks[at];
            let Some(future) = task.as_mut().filter(|_| woken.take()) else { continue };
            moved = true;
            let is_ready = poll(future, woken).is_ready();
            polled += usize::from(at == 0);
            if is_ready || (at == 0 && polled == polls) {
                ended |= at == 0 && is_ready;
                *task = None;
            }
        }
        let spawned: Vec<_> = work.spawned.lock().unwrap().drain(..).map(awake).collect();
        if !moved && spawned.is_empty() {
            break;
        }
        tasks.extend(spawned);
    }
    let left = tasks.iter().filter(|(task, _)| task.is_some()).count();
    assert_eq!(left, 0, "C16: no task is woken any more, and {left} have not ended");
    ended
}

fn each_cancellation<L: Subject + Clone>(name: &str, can_fail: bool, accesses: [MakeTask<L>; 3]) {
    let mut runs = 0;
    for at in [At::Missing, At::Stale, At::Fresh] {
        for fails in [false, true].into_iter().filter(|fails| can_fail || !fails) {
            for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]] {
                for polls in 0.. {
                    let work = Arc::<Work>::default();
                    let lock = L::new(&work);
                    if at != At::Missing {
                        let idle = || -> Task { Box::pin(async {}) };
                        let tasks = [accesses[2](lock.clone(), Arc::clone(&work)), idle(), idle()];
                        assert!(drive(&work, [0, 1, 2], usize::MAX, tasks));
                        assert_eq!((lock.seen().2, lock.ended()), (Freshness::Fresh, (1, 0)));
                    }
                    let (before, _) = lock.ended();
                    if at == At::Stale {
                        lock.mark_stale();
                    }
                    work.fails.store(fails, Ordering::SeqCst);
                    let run = format!("{name}, {at:?}, fails: {fails}, {order:?}, {polls} polls");
                    println!("{run}");
                    runs += 1;
                    let tasks = accesses.map(|access| access(lock.clone(), Arc::clone(&work)));
                    let ended = drive(&work, order, polls, tasks);

                    let (creating, waiting, freshness) = lock.seen();
                    assert_eq!((creating, waiting, work.running.load(Ordering::SeqCst)), (false, 0, 0), "{run}");
                    let (completed, failed) = lock.ended();
                    let completed = completed - before;
                    match at {
                        At::Missing => assert_eq!((completed, freshness), (1, Freshness::Fresh), "{run}"),
                        At::Stale => assert_eq!(completed == 1, freshness == Freshness::Fresh, "{run}"),
                        At::Fresh => assert_eq!((completed, freshness), (0, Freshness::Fresh), "{run}"),
                    }
                    assert!(completed <= 1, "{run}");
                    assert!(failed <= u64::from(fails), "F7: {run}: {failed} have failed");
                    lock.is_left();
                    if ended {
                        break;
                    }
                }
            }
        }
    }
    assert!(runs > 20, "{name}: {runs} runs");
}

/// Three tasks of the same form, made of `$lock` and `$work`.
macro_rules! forms {
    ($type:ty: $($can_fail:literal $name:ident = |$lock:ident, $work:ident| $access:expr;)+) => {
        $(
            #[test]
            fn $name() {
                let access: MakeTask<$type> = |$lock, $work| Box::pin(async move { _ = $access });
                each_cancellation(stringify!($name), $can_fail, [access; 3]);
            }
        )+
    };
}

mod dogpile_by {
    use super::*;

    forms! { Arc<Dogpile>:
        false acquire = |lock, work| if let Turn::Create(creation) = lock.access_async().turn().await {
            creation.run_async(async |_| { _ = work.surely().await }).await;
        };
        true acquire_fallibly = |lock, work| if let Turn::Create(creation) = lock.access_async().turn().await {
            _ = creation.try_run_async(async |_| work.create().await).await;
        };
        false acquire_owned = |lock, work| if let Turn::Create(creation) = Dogpile::kept_async(&lock).turn().await {
            creation.run_async(async |_| { _ = work.surely().await }).await;
        };
        false create = |lock, work| lock.access_async().or_create(async || { _ = work.surely().await }).await;
        false create_with = |lock, work| lock.access_async().or_create_with(async |creation| {
            work.surely().await;
            creation.publish_async(async || work.swap().await).await.expect("nobody invalidates");
        }).await;
        true try_create = |lock, work| lock.access_async().or_try_create(async || work.create().await.map(drop)).await;
        true try_create_with = |lock, work| lock.access_async().or_try_create_with(async |creation| {
            work.create().await?;
            creation.publish_async(async || work.swap().await).await.expect("nobody invalidates");
            Ok::<_, &str>(())
        }).await;
        false get = |lock, work| {
            lock.access_async().fetch(|| work.get()).or_create(async || work.surely().await).await
        };
        false get_with = |lock, work| {
            lock.access_async().fetch(|| work.get()).or_create_with(async |_| work.surely().await).await
        };
        false get_and_set = |lock, work| {
            let access = lock.access_async().fetch(|| work.get()).and_set(async |made| work.set(*made).await);
            access.or_create(async || work.make().await.expect("it was not to fail")).await
        };
        true try_get = |lock, work| {
            lock.access_async().fetch(|| work.try_get()).or_try_create(async || work.create().await).await
        };
        true try_get_with = |lock, work| {
            lock.access_async().fetch(|| work.try_get()).or_try_create_with(async |_| work.create().await).await
        };
        true try_get_and_set = |lock, work| {
            let setter = async |made: &u64| { work.set(*made).await; Ok(()) };
            lock.access_async().fetch(|| work.try_get()).and_set(setter).or_try_create(async || work.make().await).await
        };
        false stamped = |lock, work| {
            lock.access_async().fetch_stamped(|| work.get_stamped()).or_create(async || work.surely().await).await
        };
        false stamped_with = |lock, work| {
            let access = lock.access_async().fetch_stamped(|| work.get_stamped());
            access.or_create_with(async |_| work.surely().await).await
        };
        false stamped_and_set = |lock, work| {
            let access = lock.access_async().fetch_stamped(|| work.get_stamped());
            let access = access.and_set(async |made| work.set(made.value).await);
            access.or_create(async || work.make().await.expect("it was not to fail")).await
        };
        true try_stamped_and_set = |lock, work| {
            let access = lock.access_async().fetch_stamped(|| async { Ok::<_, &str>(work.get_stamped().await) });
            let access = access.and_set(async |made| { work.set(made.value).await; Ok(()) });
            access.or_try_create(async || work.make().await).await
        };
        true in_background = |lock, work| {
            let spawner = spawner(&work);
            let creator = { let work = Arc::clone(&work); || async move { work.create().await.map(drop) } };
            Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(creator).await
        };
        true get_in_background = |lock, work| {
            let (spawner, access) = (spawner(&work), Dogpile::kept_async(&lock).fetch(|| work.try_get()));
            let creator = { let work = Arc::clone(&work); || async move { work.create().await } };
            access.spawned_by(&spawner).or_try_create(creator).await
        };
        true stamped_and_set_in_background = |lock, work| {
            let (spawner, [making, setting]) = (spawner(&work), [(); 2].map(|()| Arc::clone(&work)));
            let access = Dogpile::kept_async(&lock).fetch_stamped(|| work.get_stamped());
            let access = access.and_set(move |made: &Stamped<u64>| {
                let made = made.value;
                async move { setting.set(made).await; Ok(()) }
            });
            access.spawned_by(&spawner).or_try_create(|| async move { making.make().await }).await
        };
    }

    /// One task stores, one invalidates meanwhile, and one asks.
    #[test]
    fn l6_invalidations_under_cancellation() {
        let stores: MakeTask<Arc<Dogpile>> = |lock, work| {
            Box::pin(async move {
                let creator = async |creation: &Creation<'_, Dogpile>| {
                    work.surely().await;
                    _ = creation.publish_async(async || work.swap().await).await;
                };
                lock.access_async().or_create_with(creator).await;
            })
        };
        let invalidates: MakeTask<Arc<Dogpile>> = |lock, work| {
            Box::pin(async move {
                lock.invalidate_async().await;
                assert!(!work.swaps.load(Ordering::SeqCst), "L6: nothing older is stored once it has returned");
                lock.access_async().or_create(async || _ = work.surely().await).await;
            })
        };
        for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0], [0, 2, 1], [2, 0, 1]] {
            for accesses in [[stores, invalidates, stores], [invalidates, stores, stores], [invalidates; 3]] {
                for polls in 0.. {
                    println!("{order:?}, {polls} polls");
                    let (work, lock) = (Arc::<Work>::default(), <Arc<Dogpile> as Subject>::new(&Arc::default()));
                    let tasks = accesses.map(|access| access(Arc::clone(&lock), Arc::clone(&work)));
                    let ended = drive(&work, order, polls, tasks);
                    assert_eq!((lock.is_creating(), lock.waiting()), (false, 0));
                    let mut created = false;
                    block_on(lock.access_async().or_create(async || created = true));
                    assert!(!lock.is_expired());
                    if ended {
                        break;
                    }
                }
            }
        }
    }
}

/// Returns a spawner whose tasks the run polls.
fn spawner(work: &Arc<Work>) -> impl Spawner + Sync + use<> {
    let work = Arc::clone(work);
    move |task: dogpile::Task| work.spawned.lock().unwrap().push(task)
}

mod cached_by {
    use super::*;

    forms! { Arc<Cached<u64>>:
        false create = |lock, work| lock.get_or_create_async(async || work.surely().await).await;
        false create_with = |lock, work| {
            lock.access_async().or_create_with(async |_| Made::new(work.surely().await)).await
        };
        true try_create = |lock, work| lock.get_or_try_create_async(async || work.create().await).await;
        true try_create_with = |lock, work| {
            lock.access_async().or_try_create_with(async |_| work.create().await.map(Made::new)).await
        };
        true in_background = |lock, work| {
            let spawner = spawner(&work);
            let creator = { let work = Arc::clone(&work); || async move { work.create().await } };
            Cached::kept_async(&lock).spawned_by(&spawner).or_try_create(creator).await
        };
    }
}

mod sync_reader_by {
    use super::*;

    forms! { Arc<SyncReaderDogpile>:
        false acquire = |lock, work| match SyncReaderDogpile::kept_async(&lock).turn().await {
            ReadTurn::Create(creation) => creation.run_async(async |creation| {
                work.surely().await;
                let _alone = creation.write_lock_async().await.expect("nobody invalidates");
                work.swap().await;
            }).await,
            ReadTurn::Fresh(_guard) | ReadTurn::Stale(_guard) => work.read().await,
        };
        false create = |lock, work| {
            let _guard = SyncReaderDogpile::kept_async(&lock).or_create(async || { _ = work.surely().await }).await;
            work.read().await;
        };
        true try_create_with = |lock, work| {
            let creator = async |creation: &Creation<'_, SyncReaderDogpile>| {
                work.create().await?;
                let _alone = creation.write_lock_async().await.expect("nobody invalidates");
                work.swap().await;
                Ok::<_, &str>(())
            };
            let _guard = SyncReaderDogpile::kept_async(&lock).or_try_create_with(creator).await;
            work.read().await;
        };
        false get = |lock, work| {
            let access = SyncReaderDogpile::kept_async(&lock).fetch(|| work.get());
            let _guard = access.or_create(async || work.surely().await).await;
            work.read().await;
        };
        false get_and_set = |lock, work| {
            let access = SyncReaderDogpile::kept_async(&lock).fetch(|| work.get());
            let access = access.and_set(async |made| work.set(*made).await);
            let _guard = access.or_create(async || work.make().await.expect("it was not to fail")).await;
            work.read().await;
        };
        true try_stamped_and_set = |lock, work| {
            let access = SyncReaderDogpile::kept_async(&lock);
            let access = access.fetch_stamped(|| async { Ok::<_, &str>(work.get_stamped().await) });
            let access = access.and_set(async |made| { work.set(made.value).await; Ok(()) });
            let _guard = access.or_try_create(async || work.make().await).await;
            work.read().await;
        };
        true in_background = |lock, work| {
            let (spawner, creating) = (spawner(&work), Arc::clone(&work));
            let creator = |creation: Shared<SyncReaderDogpile>| async move {
                creating.create().await?;
                let _alone = creation.write_lock_async().await.expect("nobody invalidates");
                creating.swap().await;
                Ok::<_, &str>(())
            };
            let access = SyncReaderDogpile::kept_async(&lock).spawned_by(&spawner);
            let _guard = access.or_try_create_with(creator).await;
            work.read().await;
        };
        true get_and_set_in_background = |lock, work| {
            let (spawner, [making, setting]) = (spawner(&work), [(); 2].map(|()| Arc::clone(&work)));
            let access = SyncReaderDogpile::kept_async(&lock).fetch(|| work.try_get());
            let access = access.and_set(move |made: &u64| {
                let made = *made;
                async move { setting.set(made).await; Ok(()) }
            });
            let creator = || async move { making.make().await };
            let _guard = access.spawned_by(&spawner).or_try_create(creator).await;
            work.read().await;
        };
    }

    const READS: MakeTask<Arc<SyncReaderDogpile>> = |lock, work| {
        Box::pin(async move {
            let creator = async || _ = work.surely().await;
            let _guard = SyncReaderDogpile::kept_async(&lock).or_create(creator).await;
            work.read().await;
        })
    };

    const WRITES: MakeTask<Arc<SyncReaderDogpile>> = |lock, work| {
        Box::pin(async move {
            let _alone = lock.acquire_write_lock_async().await;
            work.swap().await;
        })
    };

    #[test]
    fn l9_readers_and_writers_under_cancellation() {
        each_cancellation("a writer goes", false, [WRITES, READS, READS]);
        each_cancellation("a reader goes", false, [READS, WRITES, READS]);
    }
}

type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A function. Its type must have a name.
type Function = CachedFn<u64, Box<dyn Fn() -> Boxed<Result<u64, &'static str>> + Send + Sync>>;

impl Subject for Arc<Function> {
    fn new(work: &Arc<Work>) -> Self {
        let work = Arc::clone(work);
        let function = move || -> Boxed<_> {
            let work = Arc::clone(&work);
            Box::pin(async move { work.create().await })
        };
        Self::new(CachedFn::new(Duration::MAX, Box::new(function)))
    }

    asks!();
}

mod function_by {
    use super::*;

    forms! { Arc<Function>:
        true get = |lock, _work| lock.access_async().try_get().await;
        true in_background = |lock, work| CachedFn::kept_async(&lock).spawned_by(&spawner(&work)).try_get().await;
    }
}

/// The store of a run, as the store of functions with arguments.
struct RunStore(Arc<Work>);

impl AsyncStore<u64, u64> for RunStore {
    type Error = &'static str;

    async fn get(&self, _: &u64) -> Result<Option<Stamped<u64>>, &'static str> {
        Ok(self.0.get_stamped().await)
    }

    async fn set(&self, _: &u64, _: &Stamped<u64>) -> Result<(), &'static str> {
        self.0.swap().await;
        Ok(())
    }

    async fn remove(&self, _: &u64) -> Result<(), &'static str> {
        Ok(())
    }
}

/// The lock of a key exists only while it is used, so there is little to see of it.
#[test]
fn functions_by_key() {
    for fails in [false, true] {
        for order in [[0, 1, 2], [1, 0, 2], [1, 2, 0], [2, 1, 0]] {
            for polls in 0.. {
                let work = Arc::<Work>::default();
                let of_make = Arc::clone(&work);
                let make = async move |_: &u64| of_make.create().await;
                let squares = cached_by_key(Duration::MAX, |key: &u64| *key, make, RunStore(Arc::clone(&work)));
                let squares = Arc::new(squares);
                work.fails.store(fails, Ordering::SeqCst);
                println!("fails: {fails}, {order:?}, {polls} polls");
                let task = || -> Task {
                    let squares = Arc::clone(&squares);
                    Box::pin(async move { drop(squares.access_async(&7).try_get().await) })
                };
                let ended = drive(&work, order, polls, [task(), task(), task()]);
                assert!(!squares.is_creating(&7));
                assert!(format!("{squares:?}").contains("in_use: 0"), "{squares:?}");
                assert!(work.store.lock().unwrap().is_some());
                if ended {
                    break;
                }
            }
        }
    }
}

/// A client that goes away causes no pause for the others. Neither does a client whose task polls something else that
/// panics.
#[test]
fn f7_a_future_that_is_cancelled_has_not_failed() {
    static PAUSES: Policy =
        Policy::builder().retry_after(Backoff::new(Duration::from_secs(60), Duration::from_secs(60))).build_const();
    type Elected = for<'a> fn(&'a Dogpile) -> Pin<Box<dyn Future<Output = ()> + 'a>>;
    let accesses: [Elected; 4] = [
        |lock| {
            Box::pin(async move {
                let Turn::Create(creation) = lock.access_async().turn().await else { panic!("not elected") };
                creation.run_async(async |_| pending::<()>().await).await;
            })
        },
        |lock| Box::pin(async { _ = lock.access_async().or_try_create::<&str>(async || pending().await).await }),
        |lock| {
            let creator = async |creation: &Creation<'_, Dogpile>| {
                creation.publish_async(async || pending::<()>().await).await.expect("nobody invalidates");
            };
            Box::pin(async move { _ = lock.access_async().or_create_with(creator).await })
        },
        |lock| {
            let access = lock.access_async().fetch(|| async { None });
            Box::pin(access.and_set(async |()| pending::<()>().await).or_create(async || ()))
        },
    ];
    let lock = Dogpile::never_expires().with_policy(&PAUSES);
    for (access, panics) in accesses.into_iter().flat_map(|access| [(access, false), (access, true)]) {
        let mut access = access(&lock);
        assert!(poll(&mut access, &Arc::default()).is_pending() && lock.is_creating());
        let gone = catch_unwind(AssertUnwindSafe(|| {
            let _access = access;
            assert!(!panics, "another future, on purpose");
        }));
        assert_eq!(gone.is_err(), panics);
        assert_eq!((lock.is_creating(), lock.paused_for(), lock.stats().failures), (false, None, 0));
    }
}
