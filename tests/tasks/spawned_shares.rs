//! Spawned creators that are given a share of their creation; spawned setters; and functions.

use crate::background::Shelf;
use crate::executor::{Woken, block_on, poll, step};
use dogpile::{
    AcquireError, BoxedCreator, Cached, CachedFn, CachedGuard, CreateError, Dogpile, Made, ManualClock, Outcome,
    PublishError, Renewal, Shared, Stamped, Status, SyncReaderDogpile, Task, WriteLockError,
};
use std::future::{Ready, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

fn begin(shelf: &Shelf) -> Task {
    let mut task = shelf.take();
    assert!(poll(&mut task, &Arc::default()).is_pending());
    task
}

fn ends(mut task: Task) {
    assert!(poll(&mut task, &Arc::default()).is_ready());
}

// --- shares

#[test]
fn l6_a_share_stores_unless_it_was_invalidated_meanwhile() {
    for invalidated in [false, true] {
        let (lock, shelf, woken) = (Arc::new(Dogpile::never_expires()), Shelf::default(), Arc::<Woken>::default());
        let stored = Arc::new(AtomicBool::new(false));
        let creator = {
            let stored = Arc::clone(&stored);
            move |creation: Shared<Dogpile>| async move {
                step().await;
                assert_eq!((creation.is_superseded(), creation.is_dead()), (invalidated, false));
                creation.publish_async(async || stored.store(true, Ordering::SeqCst)).await
            }
        };
        let mut access = Box::pin(Dogpile::kept_async(&lock).spawned_by(&shelf).or_try_create_with(creator));
        assert!(poll(&mut access, &woken).is_pending());
        let task = begin(&shelf);
        if invalidated {
            lock.invalidate();
        }
        ends(task);
        let refused = Err(CreateError::Failed(PublishError::Superseded));
        let told = if invalidated { refused } else { Ok(Outcome::Created) };
        assert_eq!(poll(&mut access, &woken), Poll::Ready(told));
        assert_eq!((stored.load(Ordering::SeqCst), lock.has_value()), (!invalidated, !invalidated));
        assert_eq!((lock.is_creating(), lock.waiting()), (false, 0));
    }
}

#[test]
fn a_share_publishes_in_each_getter_mode() {
    let (lock, shelf, stored) =
        (Arc::new(Dogpile::never_expires()), Shelf::default(), Arc::new(Mutex::new(Vec::<u32>::new())));
    let creator = |value| {
        let stored = Arc::clone(&stored);
        move |creation: Shared<Dogpile>| async move {
            creation.publish_async(async || stored.lock().unwrap().push(value)).await.unwrap();
            value
        }
    };
    let woken = Arc::<Woken>::default();
    let mut access =
        Box::pin(Dogpile::kept_async(&lock).fetch(|| ready(None)).spawned_by(&shelf).or_create_with(creator(1)));
    assert!(poll(&mut access, &woken).is_pending());
    ends(shelf.take());
    assert_eq!(poll(&mut access, &woken), Poll::Ready(Ok(1)));
    let getter = || ready(None::<Stamped<u32>>);
    let mut access =
        Box::pin(Dogpile::kept_async(&lock).fetch_stamped(getter).spawned_by(&shelf).or_create_with(creator(2)));
    assert!(poll(&mut access, &woken).is_pending());
    ends(shelf.take());
    assert!(matches!(poll(&mut access, &woken), Poll::Ready(Ok(stamped)) if stamped.value == 2));
    assert_eq!(*stored.lock().unwrap(), [1, 2]);
}

#[test]
fn l9_a_share_takes_the_write_lock_when_the_readers_have_left() {
    let (lock, shelf, woken) =
        (Arc::new(SyncReaderDogpile::never_expires()), Shelf::default(), Arc::<Woken>::default());
    drop(lock.acquire_or_create(|| ()));
    lock.mark_stale();
    let creator = |creation: Shared<SyncReaderDogpile>| async move {
        let alone = creation.write_lock_async().await?;
        step().await;
        drop(alone);
        Ok::<_, WriteLockError>(())
    };
    let access = SyncReaderDogpile::kept_async(&lock).spawned_by(&shelf).or_try_create_with(creator);
    let old = block_on(access).unwrap();
    assert_eq!(*old, Outcome::Stale);
    let mut task = begin(&shelf);
    assert_eq!(lock.waiting_writers(), 1, "the access is a reader");
    drop(old);
    assert!(poll(&mut task, &Arc::default()).is_pending());
    assert_eq!(lock.waiting_writers(), 0, "it is in");
    let mut reads = Box::pin(SyncReaderDogpile::kept_async(&lock).or_create(async || unreachable!("it is created")));
    assert!(poll(&mut reads, &woken).is_pending());
    ends(task);
    assert!(woken.take());
    assert!(matches!(poll(&mut reads, &woken), Poll::Ready(guard) if *guard == Outcome::Fresh));
}

#[test]
fn l6_a_share_is_refused_the_write_lock_if_it_was_invalidated_meanwhile() {
    let (lock, shelf, woken) =
        (Arc::new(SyncReaderDogpile::never_expires()), Shelf::default(), Arc::<Woken>::default());
    let creator = |creation: Shared<SyncReaderDogpile>| async move {
        step().await;
        creation.write_lock_async().await.map(drop)
    };
    let mut access = Box::pin(SyncReaderDogpile::kept_async(&lock).spawned_by(&shelf).or_try_create_with(creator));
    assert!(poll(&mut access, &woken).is_pending());
    let task = begin(&shelf);
    lock.invalidate();
    ends(task);
    let Poll::Ready(Err(CreateError::Failed(WriteLockError::Superseded))) = poll(&mut access, &woken) else {
        panic!("it was superseded")
    };
    assert!(lock.try_acquire_write_lock().is_ok());
}

type BoxedAccess<'a> = Pin<Box<dyn Future<Output = Result<(), AcquireError>> + 'a>>;

/// Runs a test on each type and mode. The access's creator leaves its share where it stays held. The last argument of
/// the test drops that share.
fn each_that_is_held(test: impl Fn(&Status, BoxedAccess<'_>, &Shelf, &dyn Fn())) {
    macro_rules! of {
        ($lock:ident, $made:expr $(, $step:ident)?) => {{
            println!(concat!(stringify!($lock) $(, ", ", stringify!($step))?));
            let (lock, shelf, kept) = (Arc::new($lock::never_expires()), Shelf::default(), Arc::new(Mutex::new(None)));
            let creator = {
                let kept = Arc::clone(&kept);
                move |creation: Shared<$lock<_>>| async move {
                    *kept.lock().unwrap() = Some(creation.clone());
                    $made
                }
            };
            let access = $lock::kept_async(&lock)$(.$step(|| ready(None)))?.spawned_by(&shelf);
            let access = access.or_create_with(creator);
            test(&lock, Box::pin(async move { access.await.map(drop) }), &shelf, &|| {
                let kept = kept.lock().unwrap().take();
                drop(kept.expect("it was left there"));
            });
        }};
    }
    of!(Dogpile, ());
    of!(Dogpile, 1, fetch);
    of!(Dogpile, 1, fetch_stamped);
    of!(SyncReaderDogpile, ());
    of!(SyncReaderDogpile, 1, fetch);
    of!(SyncReaderDogpile, 1, fetch_stamped);
    of!(Cached, Made::new(1));
}

#[test]
fn a_held_share_keeps_the_lock_and_loses_the_value() {
    each_that_is_held(|status, mut access, shelf, let_go| {
        let woken = Arc::<Woken>::default();
        assert!(poll(&mut access, &woken).is_pending());
        ends(shelf.take());
        assert!(status.is_creating());
        assert!(poll(&mut access, &woken).is_pending(), "it is not its turn");
        woken.take();
        let_go();
        assert!(woken.take());
        assert_eq!(poll(&mut access, &woken), Poll::Ready(Err(AcquireError::Lost)));
        assert_eq!((status.is_creating(), status.waiting(), status.has_value()), (false, 0, false));
        assert_eq!((status.stats().creations, status.stats().failures), (0, 0), "it has not failed");
    });
}

/// The same with a creator that has come back and runs in the access. The access ends, and the lock is not free yet.
#[test]
fn a_held_share_keeps_the_lock_of_an_access_with_its_creator_back() {
    each_that_is_held(|status, mut access, shelf, let_go| {
        let woken = Arc::<Woken>::default();
        assert!(poll(&mut access, &woken).is_pending());
        drop(shelf.take());
        assert!(woken.take());
        assert_eq!(poll(&mut access, &woken), Poll::Ready(Err(AcquireError::Lost)));
        assert!(status.is_creating());
        let_go();
        assert_eq!((status.is_creating(), status.waiting(), status.has_value()), (false, 0, false));
    });
}

/// Once the share is dropped, a waiter is elected, and serves the access that is lost.
#[test]
fn l5_a_waiter_is_elected_when_a_held_share_is_dropped() {
    let (cached, shelf, kept) = (Arc::new(Cached::never_expires()), Shelf::default(), Arc::new(Mutex::new(None)));
    let creator = {
        let kept = Arc::clone(&kept);
        move |renewal: Shared<Cached<u32>>| async move {
            *kept.lock().unwrap() = Some(renewal);
            Made::new(1)
        }
    };
    let woken: [Arc<Woken>; 2] = Default::default();
    let mut asks = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_create_with(creator));
    let mut other = Box::pin(cached.get_or_create_async(async || 2));
    assert!(poll(&mut asks, &woken[0]).is_pending() && poll(&mut other, &woken[1]).is_pending());
    ends(shelf.take());
    assert!(!woken[1].take());
    drop(kept.lock().unwrap().take());
    assert!(woken[1].take());
    assert!(poll(&mut asks, &woken[0]).is_pending(), "the other one could create");
    assert!(matches!(poll(&mut other, &woken[1]), Poll::Ready(guard) if *guard == 2));
    assert!(matches!(poll(&mut asks, &woken[0]), Poll::Ready(Ok(guard)) if *guard == 2));
}

// --- renewals

#[test]
fn a_share_of_a_renewal_knows_the_old_value_and_says_how_long_the_new_one_lives() {
    let clock = Arc::new(ManualClock::new());
    let cached = Arc::new(Cached::<u32, _>::with_clock(MINUTE, Arc::clone(&clock)));
    let shelf = Shelf::default();
    let ask = |made: fn(&Renewal<'_, u32, Arc<ManualClock>>) -> Made<u32>| {
        let creator = move |renewal: Shared<Cached<u32, _>>| async move {
            let made = made(&renewal);
            step().await;
            made
        };
        let got = block_on(Cached::kept_async(&cached).spawned_by(&shelf).or_create_with(creator)).unwrap();
        (*got, CachedGuard::outcome(&got))
    };
    cached.set(1);
    cached.mark_stale();
    let before = cached.peek().unwrap();
    assert_eq!(ask(|renewal| renewal.unchanged().unwrap()), (1, Outcome::Stale));
    clock.advance(SECOND);
    block_on(shelf.take());
    assert!(std::ptr::eq::<u32>(&raw const *before, &raw const *cached.peek().unwrap()), "it is the same one");
    assert_eq!((cached.is_expired(), cached.age()), (false, Some(Duration::ZERO)));

    cached.mark_stale();
    assert_eq!(ask(|renewal| Made::new(renewal.old().unwrap() + 1).expires_after(SECOND)), (1, Outcome::Stale));
    block_on(shelf.take());
    assert_eq!(ask(|_| unreachable!("it is fresh")), (2, Outcome::Fresh));
    clock.advance(SECOND);
    assert!(cached.is_expired());

    // The creator has seen the old value, so it may return that value as unchanged. Although the value is invalidated
    // meanwhile, its own caller gets it.
    assert_eq!(ask(|renewal| renewal.unchanged().unwrap()), (2, Outcome::Stale));
    let task = begin(&shelf);
    cached.invalidate();
    ends(task);
    assert!(!cached.has_value(), "L6");
}

#[test]
fn c19_a_share_of_a_renewal_without_an_old_value() {
    let (cached, shelf, woken) = (Arc::new(Cached::<u32>::new(MINUTE)), Shelf::default(), Arc::<Woken>::default());
    let creator = |renewal: Shared<Cached<u32>>| async move {
        assert_eq!((renewal.old(), renewal.unchanged()), (None, None));
        drop(renewal);
        step().await;
        Ok::<_, &str>(Made::new(1).expires_after(Duration::ZERO))
    };
    let mut asks = Box::pin(Cached::kept_async(&cached).spawned_by(&shelf).or_try_create_with(creator));
    assert!(poll(&mut asks, &woken).is_pending());
    block_on(shelf.take());
    let Poll::Ready(Ok(got)) = poll(&mut asks, &woken) else { panic!("it is there") };
    assert_eq!((*got, CachedGuard::outcome(&got)), (1, Outcome::Created));
    assert_eq!((cached.has_value(), cached.is_expired()), (true, true));
}

// --- setters that are spawned

#[test]
fn l9_a_setter_waits_for_readers_and_keeps_others_out_meanwhile() {
    for stamped in [false, true] {
        let (lock, shelf) = (Arc::new(SyncReaderDogpile::never_expires()), Shelf::default());
        let (readers, woken) = ([(); 2].map(|()| Arc::new(AtomicU32::new(0))), Arc::<Woken>::default());
        let [value, sets] = &readers;
        drop(lock.acquire_or_create(|| ()));
        lock.mark_stale();
        let setter = {
            let (value, sets) = (Arc::clone(value), Arc::clone(sets));
            move |made: u32| async move {
                sets.fetch_add(1, Ordering::SeqCst);
                step().await;
                value.store(made, Ordering::SeqCst);
            }
        };
        let getter = || ready(Some(value.load(Ordering::SeqCst)));
        // The value that the access goes on with is under its guard.
        let old: Box<dyn Drops> = if stamped {
            let getter = || {
                let value = value.load(Ordering::SeqCst);
                ready(Some(Stamped { value, created: std::time::SystemTime::now() }))
            };
            let access = SyncReaderDogpile::kept_async(&lock).fetch_stamped(getter);
            let access = access.and_set(|made: &Stamped<u32>| setter(made.value)).spawned_by(&shelf);
            let old = block_on(access.or_create(|| async { 1 })).unwrap();
            assert_eq!(old.value, 0);
            Box::new(old)
        } else {
            let access = SyncReaderDogpile::kept_async(&lock).fetch(getter);
            let access = access.and_set(|made: &u32| setter(*made)).spawned_by(&shelf);
            let old = block_on(access.or_create(|| async { 1 })).unwrap();
            assert_eq!(*old, 0);
            Box::new(old)
        };
        let mut task = begin(&shelf);
        assert_eq!((lock.waiting_writers(), sets.load(Ordering::SeqCst)), (1, 0), "the access is a reader");
        drop(old);
        assert!(poll(&mut task, &Arc::default()).is_pending());
        assert_eq!((lock.waiting_writers(), sets.load(Ordering::SeqCst)), (0, 1));
        let mut reads = Box::pin(SyncReaderDogpile::kept_async(&lock).fetch(getter).or_create(async || 2));
        assert!(poll(&mut reads, &woken).is_pending());
        ends(task);
        assert!(woken.take());
        assert!(matches!(poll(&mut reads, &woken), Poll::Ready(guard) if *guard == 1));
    }
}

/// A value that the test drops when it likes.
trait Drops {}

impl<T> Drops for T {}

/// The value is invalidated while the setter waits for the readers. The setter does not run any more, and the
/// invalidation does not wait.
#[test]
fn l6_a_setter_that_waits_for_readers_is_superseded() {
    let (lock, shelf) = (Arc::new(SyncReaderDogpile::never_expires()), Shelf::default());
    drop(lock.acquire_or_create(|| ()));
    lock.mark_stale();
    let access = SyncReaderDogpile::kept_async(&lock).fetch(|| ready(Some(0)));
    let access = access.and_set(|_: &u32| -> Ready<()> { unreachable!("it was invalidated") }).spawned_by(&shelf);
    let old = block_on(access.or_create(|| async { 1 })).unwrap();
    let task = begin(&shelf);
    lock.invalidate(); // by a reader
    drop(old);
    ends(task);
    assert_eq!((lock.has_value(), lock.stats().superseded), (false, 1));
    assert!(lock.try_acquire_write_lock().is_ok());
}

/// An invalidation during a store takes effect at once, and returns when the store has ended.
#[test]
fn l6_an_invalidation_waits_for_a_setter_that_runs() {
    let (lock, shelf, woken) = (Arc::new(Dogpile::never_expires()), Shelf::default(), Arc::<Woken>::default());
    let stored = Arc::new(AtomicBool::new(false));
    let setter = {
        let stored = Arc::clone(&stored);
        |_: &u32| async move {
            step().await;
            stored.store(true, Ordering::SeqCst);
        }
    };
    let access = Dogpile::kept_async(&lock).fetch(|| ready(None)).and_set(setter).spawned_by(&shelf);
    let mut asks = Box::pin(access.or_create(|| async { 1 }));
    assert!(poll(&mut asks, &Arc::default()).is_pending());
    let task = begin(&shelf);
    let mut invalidates = Box::pin(lock.invalidate_async());
    assert!(poll(&mut invalidates, &woken).is_pending());
    assert!(!lock.has_value());
    ends(task);
    assert!(stored.load(Ordering::SeqCst) && woken.take());
    assert!(poll(&mut invalidates, &woken).is_ready());
    assert_eq!(poll(&mut asks, &Arc::default()), Poll::Ready(Ok(1)));
    assert!(!lock.has_value());
}

/// A task is dropped in the middle of its store. The invalidation that waits for it goes on, and the lock is free.
#[test]
fn l5_a_setter_that_is_dropped_half_way_frees_the_lock() {
    let (lock, shelf, woken) =
        (Arc::new(SyncReaderDogpile::never_expires()), Shelf::default(), Arc::<Woken>::default());
    let access = SyncReaderDogpile::kept_async(&lock).fetch(|| ready(None));
    let access = access.and_set(|_: &u32| step()).spawned_by(&shelf);
    let mut asks = Box::pin(access.or_create(|| async { 1 }));
    assert!(poll(&mut asks, &woken).is_pending());
    let task = begin(&shelf);
    assert!(lock.try_acquire_write_lock().is_err());
    let mut invalidates = Box::pin(lock.invalidate_async());
    assert!(poll(&mut invalidates, &Arc::default()).is_pending());
    drop(task);
    assert!(poll(&mut invalidates, &Arc::default()).is_ready());
    assert!(matches!(poll(&mut asks, &woken), Poll::Ready(Err(AcquireError::Lost))));
    assert!(lock.try_acquire_write_lock().is_ok());
    assert_eq!((lock.is_creating(), lock.waiting()), (false, 0));
}

/// A creator that has come back stores through the setter all the same, in the access.
#[test]
fn an_access_with_its_creator_back_has_its_setter_back() {
    let (lock, shelf, stored) = (Arc::new(Dogpile::never_expires()), Shelf::default(), Arc::new(AtomicU32::new(0)));
    let setter = {
        let stored = Arc::clone(&stored);
        move |made: &u32| {
            stored.store(*made, Ordering::SeqCst);
            ready(())
        }
    };
    let refuses = |task: Task| drop(task);
    let access = Dogpile::kept_async(&lock).fetch(|| ready(None)).and_set(setter).spawned_by(&refuses);
    assert_eq!(block_on(access.or_create(|| async { 1 })), Ok(1));
    assert_eq!((stored.load(Ordering::SeqCst), lock.has_value()), (1, true));
    assert!(shelf.is_empty());
}

// --- functions

#[test]
fn functions_of_each_kind_are_spawned() {
    #[allow(clippy::unnecessary_wraps)] // an access returns this type
    fn created<E>(value: u32) -> Result<(u32, Outcome), CreateError<E>> {
        Ok((value, Outcome::Created))
    }

    macro_rules! spawned {
        ($function:expr) => {{
            let function = Arc::new($function);
            let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
            let mut asks = Box::pin(CachedFn::kept_async(&function).spawned_by(&shelf).try_get());
            assert!(poll(&mut asks, &woken).is_pending());
            ends(shelf.take());
            let Poll::Ready(got) = poll(&mut asks, &woken) else { panic!("it has ended") };
            let first = got.map(|guard| (*guard, CachedGuard::outcome(&guard)));
            function.mark_stale();
            if first.is_ok() {
                let old = block_on(CachedFn::kept_async(&function).spawned_by(&shelf).try_get());
                assert_eq!(old.map(|guard| *guard).ok(), first.as_ref().ok().map(|(first, _)| *first));
                ends(shelf.take());
            }
            (first, function.peek().as_deref().copied())
        }};
    }
    let plain = CachedFn::<u32, _>::new(MINUTE, || async { 1 });
    assert_eq!(spawned!(plain), (created(1), Some(1)));
    let fallible = CachedFn::<u32, _>::new(MINUTE, || async { Ok::<_, &str>(2) });
    assert_eq!(spawned!(fallible), (created(2), Some(2)));
    let fails = CachedFn::<u32, _>::new(MINUTE, || async { Err("no answer") });
    assert_eq!(spawned!(fails), (Err(CreateError::Failed("no answer")), None));
    let with = CachedFn::<u32, _>::new(MINUTE, |renewal: Shared<Cached<u32>>| async move {
        Made::new(renewal.old().map_or(3, |old| old + 10))
    });
    assert_eq!(spawned!(with), (created(3), Some(13)));
    let fallible_with = CachedFn::<u32, _>::new(MINUTE, |renewal: Shared<Cached<u32>>| async move {
        renewal.unchanged().map_or(Ok(Made::new(4)), |_| Err("unchanged"))
    });
    assert_eq!(spawned!(fallible_with), (created(4), Some(4)));
}

#[test]
fn a_function_that_holds_its_share_loses_its_access() {
    let kept = Arc::new(Mutex::new(None));
    let function = {
        let kept = Arc::clone(&kept);
        move |renewal: Shared<Cached<u32>>| {
            let kept = Arc::clone(&kept);
            async move {
                *kept.lock().unwrap() = Some(renewal);
                Made::new(1)
            }
        }
    };
    let function = Arc::new(CachedFn::<u32, _>::new(MINUTE, function));
    let (shelf, woken) = (Shelf::default(), Arc::<Woken>::default());
    let mut asks = Box::pin(CachedFn::kept_async(&function).spawned_by(&shelf).try_get());
    assert!(poll(&mut asks, &woken).is_pending());
    ends(shelf.take());
    assert!(poll(&mut asks, &woken).is_pending());
    drop(kept.lock().unwrap().take());
    assert!(matches!(poll(&mut asks, &woken), Poll::Ready(Err(CreateError::Lost))));
    assert_eq!((function.has_value(), function.is_creating(), function.waiting()), (false, false, 0));
}

#[test]
fn a_boxed_function_in_a_field_is_called_by_tasks() {
    struct Client {
        token: CachedFn<u32, BoxedCreator<u32, &'static str>>,
    }

    let fails = Arc::new(AtomicBool::new(false));
    let creator: BoxedCreator<u32, &'static str> = {
        let fails = Arc::clone(&fails);
        Box::new(move |renewal: &Renewal<'_, u32>| {
            let fails = Arc::clone(&fails);
            Box::pin(async move {
                step().await;
                if fails.load(Ordering::SeqCst) {
                    return renewal.unchanged().ok_or("no answer");
                }
                Ok(Made::new(renewal.old().map_or(1, |old| old + 1)))
            })
        })
    };
    let client = Client { token: CachedFn::new(MINUTE, creator) };
    let get = || block_on(client.token.access_async().try_get()).map(|guard| *guard);
    fails.store(true, Ordering::SeqCst);
    assert_eq!(get(), Err(CreateError::Failed("no answer")));
    fails.store(false, Ordering::SeqCst);
    assert_eq!((get(), get()), (Ok(1), Ok(1)));
    let anew = || block_on(client.token.access_async().anew().try_get()).map(|guard| *guard);
    assert_eq!(anew(), Ok(2));
    fails.store(true, Ordering::SeqCst);
    assert_eq!(anew(), Ok(2), "unchanged");
    let woken: [Arc<Woken>; 2] = Default::default();
    client.token.invalidate();
    fails.store(false, Ordering::SeqCst);
    let [mut creates, mut waits] = [(); 2].map(|()| Box::pin(client.token.access_async().try_get()));
    assert!(poll(&mut creates, &woken[0]).is_pending() && poll(&mut waits, &woken[1]).is_pending());
    assert!(matches!(poll(&mut creates, &woken[0]), Poll::Ready(Ok(guard)) if *guard == 1));
    assert!(matches!(poll(&mut waits, &woken[1]), Poll::Ready(Ok(guard)) if *guard == 1));
}
