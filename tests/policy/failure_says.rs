//! What a `Failure` says about the time after it: how long to leave the source in peace, and whether the old value may
//! cover it.

use crate::{
    ALMOST_A_SECOND, Lock, MINUTE, NANO, PAUSING, PAUSING_AND_SERVING, SECOND, SERVING, elected, just_before, paused,
    ruled,
};
use dogpile::{
    AcquireError, Cached, CachedFn, CachedGuard, Clock as _, Closures, CreateError, Dogpile, Failure, Freshness, Made,
    ManualClock, OnError, Outcome, Policy, Registry, Renewal, Runner, Shared, Stamped, SyncReaderDogpile, ThreadPerJob,
    Turn, cached_async, cached_by_key,
};
use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

/// How long Microsoft's identity platform has its clients wait at least.
const PAUSE: Duration = Duration::from_secs(70);

type BusyOrRefused = Failure<&'static str>;

fn busy() -> BusyOrRefused {
    Failure::new("no answer").retry_after(PAUSE)
}

fn refused() -> BusyOrRefused {
    Failure::new("401").uncovered()
}

fn plain() -> (Arc<Lock>, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    (Arc::new(Dogpile::with_clock(MINUTE, Arc::clone(&clock))), clock)
}

fn with_policy(policy: Option<&'static Policy>) -> (Arc<Lock>, Arc<ManualClock>) {
    policy.map_or_else(plain, ruled)
}

fn fail(lock: &Lock, failure: BusyOrRefused) -> Result<Outcome, CreateError<BusyOrRefused>> {
    lock.acquire_or_try_create(|| Err(failure))
}

fn unwanted(lock: &Lock) -> Result<Outcome, CreateError<&'static str>> {
    lock.acquire_or_try_create(|| panic!("nobody is to create"))
}

#[allow(clippy::needless_pass_by_value)] // as `map` passes it
fn told(guard: CachedGuard<u8>) -> (u8, Outcome) {
    (*guard, CachedGuard::outcome(&guard))
}

#[test]
fn k2_a_failure_sets_the_length_of_its_pause() {
    for policy in [None, Some(&PAUSING), Some(&SERVING)] {
        // Without a value, every access is told of the pause, which lasts exactly as long as the failure said.
        let (lock, clock) = with_policy(policy);
        assert_eq!(fail(&lock, busy()), Err(CreateError::Failed(busy())));
        assert_eq!(lock.paused_for(), Some(PAUSE));
        clock.advance(just_before(PAUSE));
        assert_eq!(unwanted(&lock), Err(paused(NANO)));
        let told = Err(AcquireError::Paused { retry_in: NANO, cause: "no answer".into() });
        assert_eq!(lock.access().timeout(MINUTE).turn().map(drop), told);
        let by_task = lock.access_async().or_try_create(async || Err::<(), _>("unwanted"));
        assert_eq!(smol::block_on(by_task), Err(paused(NANO)));
        clock.advance(NANO);
        assert_eq!(lock.paused_for(), None);
        assert_eq!(lock.acquire_or_try_create(|| Ok::<_, &str>(())), Ok(Outcome::Created));
        // With an old value.
        clock.advance(MINUTE);
        let serving = policy == Some(&SERVING);
        let failed = if serving { Ok(Outcome::StaleOnError) } else { Err(CreateError::Failed(busy())) };
        let by_task = lock.access_async().or_try_create(async || Err::<(), _>(busy()));
        assert_eq!(smol::block_on(by_task), failed);
        clock.advance(just_before(PAUSE));
        assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
        let by_task = lock.access_async().or_try_create(async || Err::<(), _>("unwanted"));
        assert_eq!(smol::block_on(by_task), Ok(Outcome::Stale));
        clock.advance(NANO);
        assert_eq!(lock.acquire_or_try_create(|| Ok::<_, &str>(())), Ok(Outcome::Created));
    }
}

#[test]
fn k2_zero_is_no_pause_and_max_is_one_without_an_end() {
    let now = || Failure::new("no answer").retry_after(Duration::ZERO);
    for policy in [None, Some(&PAUSING)] {
        let (lock, clock) = with_policy(policy);
        assert_eq!(fail(&lock, now()), Err(CreateError::Failed(now())));
        assert_eq!(lock.paused_for(), None);
        // An earlier pause is over, too.
        assert!(fail(&lock, busy()).is_err());
        elected(lock.acquire()).fail(now());
        assert_eq!(lock.paused_for(), None);
        assert_eq!(fail(&lock, now()), Err(CreateError::Failed(now())), "it is asked");

        let never = Failure::new("no answer").retry_after(Duration::MAX);
        assert_eq!(fail(&lock, never), Err(CreateError::Failed(never)));
        clock.advance(MINUTE * 1_000_000);
        assert!(matches!(unwanted(&lock), Err(CreateError::Paused { .. })));
        // A success ends this pause, as it ends any pause. An invalidation ends no pause.
        lock.invalidate();
        assert!(matches!(unwanted(&lock), Err(CreateError::Paused { .. })));
        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
        assert_eq!(lock.paused_for(), None);
        lock.mark_stale();
        assert_eq!(lock.acquire_or_try_create(|| Err("no answer")), Err(CreateError::Failed("no answer")));
        assert_eq!(lock.paused_for(), policy.map(|_| SECOND), "it is forgotten");
    }
    let cached = Cached::<u8>::never_expires();
    assert!(cached.get_or_try_create(|| Err(Failure::new("no answer").retry_after(Duration::MAX))).is_err());
    cached.set(1);
    assert_eq!(cached.paused_for(), None);
}

#[test]
fn k2_failures_with_a_pause_of_their_own_are_counted() {
    let (lock, clock) = ruled(&PAUSING);
    let says_nothing = || fail(&lock, Failure::new("no answer"));
    let pauses = |pause: Duration| {
        assert_eq!(lock.paused_for(), Some(pause));
        clock.advance(pause);
    };
    says_nothing().unwrap_err();
    pauses(SECOND);
    fail(&lock, busy()).unwrap_err();
    pauses(PAUSE);
    says_nothing().unwrap_err();
    pauses(SECOND * 4);
    fail(&lock, Failure::new("no answer").retry_after(Duration::ZERO)).unwrap_err();
    assert_eq!(lock.paused_for(), None);
    says_nothing().unwrap_err();
    pauses(SECOND * 16);
}

/// An access that cannot be told of the pause creates in it. Its failure says nothing about a pause, so the source is
/// left in peace for as long as the first failure said.
#[test]
fn k2_a_failure_without_a_pause_does_not_shorten_the_pause() {
    for policy in [None, Some(&PAUSING)] {
        let (lock, clock) = with_policy(policy);
        fail(&lock, busy()).unwrap_err();
        clock.advance(SECOND);
        elected(lock.acquire()).fail("no answer");
        assert_eq!(lock.paused_for(), Some(PAUSE.saturating_sub(SECOND)));
        let failed = catch_unwind(AssertUnwindSafe(|| lock.acquire_or_create(|| panic!("on purpose"))));
        assert!(failed.is_err());
        assert_eq!(lock.paused_for(), Some(PAUSE.saturating_sub(SECOND)));
        let cause = "the creator panicked".into();
        assert_eq!(unwanted(&lock), Err(CreateError::Paused { retry_in: PAUSE.saturating_sub(SECOND), cause }));
        drop(elected(lock.acquire()));
        assert_eq!(lock.paused_for(), Some(PAUSE.saturating_sub(SECOND)), "nor does one that is dropped");
        // A new failure with a pause of its own sets a new pause.
        elected(lock.acquire()).fail(busy().retry_after(SECOND));
        assert_eq!(lock.paused_for(), Some(SECOND));
        clock.advance(SECOND);
        elected(lock.acquire()).fail("no answer");
        assert_eq!(lock.paused_for(), policy.map(|_| SECOND * 16));
    }
    // A `Failure` that says nothing causes the pause of an error without a `Failure`: here, without a policy, none.
    let (lock, _) = plain();
    fail(&lock, Failure::new("no answer")).unwrap_err();
    assert_eq!(lock.paused_for(), None);
}

/// An error that sets a value while it is displayed.
struct Sets(Arc<Cached<u8>>);

impl fmt::Display for Sets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.set(1);
        f.write_str("no answer")
    }
}

/// A value is set between a failure and its pause, and says something itself. The value does not unsay the pause.
#[test]
fn k2_a_value_that_comes_in_between_does_not_unsay_the_pause() {
    let cached = Arc::new(Cached::never_expires());
    cached.access().or_create_with(|_| Made::new(0).max_stale(MINUTE));
    cached.mark_stale();
    let says = || Failure::new(Sets(Arc::clone(&cached))).retry_after(Duration::MAX);
    assert!(cached.get_or_try_create(|| Err(says())).is_err());
    assert_eq!(cached.peek().map(told), Some((1, Outcome::Fresh)));
    cached.invalidate();
    // An access that cannot be told of the pause is elected in it.
    let failed = catch_unwind(AssertUnwindSafe(|| told(cached.get_or_create(|| panic!("on purpose")))));
    assert!(failed.is_err());
    assert!(cached.paused_for().is_some());
}

#[test]
fn k2_waiters_are_told_of_the_pause() {
    for says in [true, false] {
        let (lock, _) = plain();
        let creation = elected(Dogpile::kept(&lock).turn());
        thread::scope(|scope| {
            let waits = [(); 3].map(|()| scope.spawn(|| lock.acquire_or_try_create(|| Err("once more"))));
            crate::until(|| lock.waiting() == 3);
            let pause = if says { PAUSE } else { Duration::ZERO };
            creation.fail(Failure::new("no answer").retry_after(pause));
            for wait in waits {
                let told = wait.join().unwrap();
                assert_eq!(told, Err(if says { paused(PAUSE) } else { CreateError::Failed("once more") }));
            }
        });
    }
}

/// A failure that the old value must not hide.
#[test]
fn k2_an_uncovered_failure_is_not_hidden() {
    let (lock, clock) = ruled(&SERVING);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(MINUTE);
    assert_eq!(fail(&lock, refused()), Err(CreateError::Failed(refused())));
    assert_eq!(fail(&lock, Failure::new("busy")), Ok(Outcome::StaleOnError));
    // The other accesses go on with the old value.
    let creation = elected(Dogpile::kept(&lock).turn());
    assert_eq!(unwanted(&lock), Ok(Outcome::Stale));
    drop(creation);
    assert_eq!(lock.freshness(), Freshness::Stale);
    let by_task = || lock.access_async().or_try_create(async || Err::<(), _>(refused()));
    assert_eq!(smol::block_on(by_task()), Err(CreateError::Failed(refused())));
    // With a getter, and with a setter.
    let getter = || -> Option<u8> { panic!("it is not to be asked") };
    let got = lock.fetch(getter).or_try_create(|| Err(refused()));
    assert_eq!(got, Err(CreateError::Failed(refused())));
    let got = lock.fetch(|| Some(1)).and_set(|_| Err(refused())).or_try_create(|| Ok(2));
    assert_eq!(got, Err(CreateError::Failed(refused())));
    let got = lock.fetch(|| Some(1)).and_set(|_| Err(Failure::new("full"))).or_try_create(|| Ok(2));
    assert_eq!(got, Ok(1));
    let old = || Some(Stamped { value: 1, created: clock.wall() - MINUTE });
    let got = lock.fetch_stamped(old).or_try_create(|| Err(refused()));
    assert_eq!(got, Err(CreateError::Failed(refused())));
    let got = lock.fetch_stamped(old).or_try_create(|| Err(Failure::new("busy")));
    assert_eq!(got.map(|got| got.value), Ok(1));
    let got = smol::block_on(lock.access_async().fetch(async || Some(1)).or_try_create(async || Err(refused())));
    assert_eq!(got, Err(CreateError::Failed(refused())));
}

#[test]
fn k2_a_failure_sets_its_pause_on_every_type() {
    // Readers.
    let clock = Arc::new(ManualClock::new());
    let readers = Arc::new(SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SERVING));
    drop(readers.acquire_or_create(|| ()));
    clock.advance(MINUTE);
    let failed = readers.acquire_or_try_create(|| Err(refused()));
    assert_eq!(failed.map(|_| ()), Err(CreateError::Failed(refused())));
    let failed = readers.acquire_or_try_create(|| Err(busy().uncovered()));
    assert_eq!(failed.map(|_| ()), Err(CreateError::Failed(busy().uncovered())));
    assert_eq!(readers.paused_for(), Some(PAUSE));
    clock.advance(PAUSE);
    let by_task = SyncReaderDogpile::kept_async(&readers).or_try_create(async || Err(refused()));
    assert_eq!(smol::block_on(by_task).map(|_| ()), Err(CreateError::Failed(refused())));
    let guard = readers.acquire_or_try_create(|| Err(busy())).unwrap();
    assert_eq!((*guard, readers.paused_for()), (Outcome::StaleOnError, Some(PAUSE)));

    // A value.
    let cached = Cached::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&SERVING);
    cached.set_expiring(1, Duration::ZERO);
    assert_eq!(cached.get_or_try_create(|| Err(refused())).map(told), Err(CreateError::Failed(refused())));
    let by_task = cached.access_async().or_try_create_with(async |_: &Renewal<'_, u8, _>| Err(refused()));
    assert_eq!(smol::block_on(by_task).map(told), Err(CreateError::Failed(refused())));
    assert_eq!(cached.get_or_try_create(|| Err(busy())).map(told), Ok((1, Outcome::StaleOnError)));
    assert_eq!(cached.get_or_try_create(|| Err("unwanted")).map(told), Ok((1, Outcome::Stale)));
    assert_eq!(cached.paused_for(), Some(PAUSE));

    // A function, called by threads and by tasks.
    let function = CachedFn::with_clock(MINUTE, Arc::clone(&clock), || Err::<u8, _>(busy().uncovered()));
    let function = function.with_policy(&SERVING);
    function.set_expiring(1, Duration::ZERO);
    let failed = CreateError::Failed(busy().uncovered());
    assert_eq!(function.access().try_get().map(told), Err(failed.clone()));
    assert_eq!(function.access().try_get().map(told), Ok((1, Outcome::Stale)));
    assert_eq!(function.paused_for(), Some(PAUSE));
    function.set(2);
    assert_eq!(function.access().anew().try_get().map(told), Err(failed.clone()));
    let function = cached_async(MINUTE, async || Err::<u8, _>(busy().uncovered())).with_policy(&SERVING);
    function.set_expiring(1, Duration::ZERO);
    assert_eq!(smol::block_on(function.access_async().try_get()).map(told), Err(failed));
    assert!(function.paused_for() > Some(MINUTE));

    // A function that also says how its value ages.
    let function = CachedFn::new(MINUTE, |renewal: &Renewal<'_, u8>| match renewal.old() {
        Some(_) => Err(refused()),
        None => Ok(Made::new(1).max_stale(Duration::MAX)),
    });
    assert_eq!(function.with_policy(&SERVING).access().try_get().map(told), Ok((1, Outcome::Created)));
}

#[test]
fn k2_failures_of_a_function_by_key_set_its_pause() {
    let clock = Arc::new(ManualClock::new());
    let stored = parking_lot::Mutex::new(None::<Stamped<u8>>);
    let calls = AtomicUsize::new(0);
    let failures = [refused(), busy()];
    let function = cached_by_key(
        MINUTE,
        |key: &u8| *key,
        |_: &u8| Err::<u8, _>(failures[calls.fetch_add(1, Ordering::Relaxed)]),
        Closures {
            get: |_: &u8| Ok::<_, Infallible>(*stored.lock()),
            set: |_: &u8, value: &Stamped<u8>| {
                *stored.lock() = Some(*value);
                Ok(())
            },
            remove: |_: &u8| {},
        },
    )
    .with_policy(&SERVING)
    .with_clock(Arc::clone(&clock));
    *stored.lock() = Some(Stamped { value: 7, created: clock.wall() - MINUTE });
    assert_eq!(function.try_get(&1).map(|got| got.value), Err(CreateError::Failed(refused())));
    assert_eq!(function.try_get(&1).map(|got| got.value), Ok(7), "covered");
    clock.advance(just_before(PAUSE));
    assert_eq!(function.try_get(&1).map(|got| got.value), Ok(7), "nobody holds that lock, but the pause is remembered");
    assert_eq!(calls.load(Ordering::Relaxed), 2);

    let function = cached_by_key(
        MINUTE,
        |key: &u8| *key,
        async |_: &u8| Err::<u8, _>(refused()),
        Closures {
            get: async |_: &u8| Ok::<_, Infallible>(*stored.lock()),
            set: async |_: &u8, _: &Stamped<u8>| Ok(()),
            remove: async |_: &u8| {},
        },
    )
    .with_policy(&SERVING)
    .with_clock(Arc::clone(&clock));
    let got = smol::block_on(function.access_async(&1).try_get());
    assert_eq!(got.map(|got| got.value), Err(CreateError::Failed(refused())));
}

/// The bound of stale on error, where the value lies beside the lock.
#[test]
fn k2_stale_on_error_has_a_bound_where_a_getter_brings_the_value() {
    static LONGER: Policy = Policy::builder()
        .on_error(OnError::ServeStale)
        .max_stale(Duration::ZERO)
        .max_stale_on_error(SECOND)
        .build_const();
    static SHORTER: Policy =
        Policy::builder().on_error(OnError::ServeStale).max_stale(MINUTE).max_stale_on_error(SECOND).build_const();
    for policy in [&LONGER, &SHORTER] {
        let (lock, clock) = ruled(policy);
        let old = || Some(Stamped { value: 1, created: clock.wall() - MINUTE });
        let stamped = || lock.fetch_stamped(old).or_try_create(|| Err("no answer")).map(|got| got.value);
        assert_eq!(stamped(), Ok(1));
        let too_old = || Some(Stamped { value: 1, created: clock.wall() - MINUTE - SECOND });
        let got = lock.fetch_stamped(too_old).or_try_create(|| Err("no answer"));
        assert_eq!(got.map(|got| got.value), Err(CreateError::Failed("no answer")));

        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
        let by_getter = || lock.fetch(|| Some(1)).or_try_create(|| Err("no answer"));
        let by_task =
            || smol::block_on(lock.access_async().fetch(async || Some(1)).or_try_create(async || Err("no answer")));
        let by_lock = || crate::fail(&lock);
        clock.advance(MINUTE + ALMOST_A_SECOND);
        assert_eq!((by_lock(), by_getter(), by_task()), (Ok(Outcome::StaleOnError), Ok(1), Ok(1)));
        clock.advance(NANO);
        let failed = CreateError::Failed("no answer");
        assert_eq!((by_lock(), by_getter(), by_task()), (Err(failed.clone()), Err(failed.clone()), Err(failed)));
        // An invalidated value never serves.
        assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
        lock.invalidate();
        assert_eq!(stamped(), Err(CreateError::Failed("no answer")));
        assert_eq!(by_getter(), Err(CreateError::Failed("no answer")));
    }
    let clock = Arc::new(ManualClock::new());
    let readers = SyncReaderDogpile::with_clock(MINUTE, Arc::clone(&clock)).with_policy(&LONGER);
    drop(readers.acquire_or_create(|| ()));
    clock.advance(MINUTE + ALMOST_A_SECOND);
    assert_eq!(readers.acquire_or_try_create(|| Err("no answer")).map(|got| *got), Ok(Outcome::StaleOnError));
    clock.advance(NANO);
    assert!(readers.acquire_or_try_create(|| Err("no answer")).is_err());
}

#[test]
fn k2_a_creation_that_was_handed_over_sets_its_pause() {
    let (lock, clock) = ruled(&PAUSING_AND_SERVING);
    assert_eq!(lock.acquire_or_create(|| ()), Outcome::Created);
    clock.advance(MINUTE);
    let here: &(dyn Runner + Sync) = &|job: dogpile::Job| job();
    let handed_over = Dogpile::kept(&lock).in_background(here).or_try_create(|| Err(busy()));
    assert_eq!(handed_over, Ok(Outcome::Stale));
    assert_eq!(lock.paused_for(), Some(PAUSE));
    clock.advance(PAUSE);
    let Turn::Create(creation) = Dogpile::kept(&lock).turn() else { panic!("it is over") };
    creation.try_run_in_background(&ThreadPerJob, |_| Err::<(), _>(busy()));
    crate::until(|| !lock.is_creating());
    assert_eq!(lock.paused_for(), Some(PAUSE));
    // A creation by hand sets its pause as well.
    clock.advance(PAUSE);
    elected(lock.acquire()).try_run(|_| Err::<(), _>(busy())).unwrap_err();
    assert_eq!(lock.paused_for(), Some(PAUSE));
}

#[test]
fn k2_a_spawned_task_sets_its_pause() {
    let spawner = |task: dogpile::Task| smol::spawn(task).detach();
    let lock = Arc::new(Dogpile::never_expires().with_policy(&SERVING));
    let cached = Arc::new(Cached::never_expires().with_policy(&SERVING));
    let by_lock = || {
        let access = Dogpile::kept_async(&lock).spawned_by(&spawner).or_try_create(async || Err(busy().uncovered()));
        smol::block_on(access)
    };
    let by_value = || {
        let creator = async |_: Shared<Cached<u8>>| Err::<Made<u8>, _>(busy().uncovered());
        let access = Cached::kept_async(&cached).spawned_by(&spawner).or_try_create_with(creator);
        smol::block_on(access).map(told)
    };
    assert_eq!(by_lock(), Err(CreateError::Failed(busy().uncovered())));
    assert!(matches!(by_lock(), Err(CreateError::Paused { .. })));
    assert_eq!(by_value(), Err(CreateError::Failed(busy().uncovered())));
    assert!(matches!(by_value(), Err(CreateError::Paused { .. })));
}

#[test]
fn k2_a_registry_keeps_a_lock_until_the_pause_is_over() {
    let clock = Arc::new(ManualClock::new());
    let maker = {
        let clock = Arc::clone(&clock);
        move |_: &u8| Dogpile::with_clock(MINUTE, Arc::clone(&clock))
    };
    let locks = Registry::with_maker(maker);
    assert!(locks.get(&1).acquire_or_try_create(|| Err(busy())).is_err());
    clock.advance(just_before(PAUSE));
    locks.sweep();
    assert_eq!(unwanted(&locks.get(&1)), Err(paused(NANO)));
    clock.advance(NANO);
    locks.sweep();
    assert!(locks.is_empty());
    // A lock whose failure said not to pause is not kept.
    let locks = locks.with_policy(&PAUSING);
    let held = locks.get(&1);
    assert!(held.acquire_or_try_create(|| Err(busy().retry_after(Duration::ZERO))).is_err());
    drop(elected(held.acquire()));
    drop(held);
    assert!(locks.is_empty());
}

/// The errors are the creator's own, of the type it wrote. Type inference works as it does without `Failure`.
#[test]
fn k2_the_error_type_is_the_creators() {
    fn plain() -> Result<Outcome, CreateError<io::Error>> {
        let lock = Dogpile::never_expires();
        lock.acquire_or_try_create(|| {
            let missing: Result<(), io::Error> = Err(io::ErrorKind::NotFound.into());
            missing?;
            Err(Failure::new(io::Error::other("unreachable")))
        })
        .map_err(CreateError::without_hints)
    }
    fn inferred() -> Result<u8, CreateError<io::Error>> {
        let cached = Cached::never_expires();
        Ok(*cached.get_or_try_create(|| Ok(42))?)
    }
    assert!(matches!(plain(), Err(CreateError::Failed(error)) if error.kind() == io::ErrorKind::NotFound));
    assert_eq!(inferred().unwrap(), 42);
    let says = Failure::new(io::Error::other("no answer")).retry_after(SECOND);
    assert_eq!(says.error().to_string(), "no answer");
    assert_eq!(says.into_error().to_string(), "no answer");
    let failed: CreateError<_> = CreateError::Failed(Failure::from(io::Error::other("no answer")).uncovered());
    assert_eq!(failed.to_string(), "the creator failed");
    let source = |error: &dyn Error| error.source().map(ToString::to_string);
    assert_eq!(source(&failed), Some("no answer".into()));
    assert_eq!(source(&CreateError::<Failure<io::Error>>::TimedOut), None);
    let getter: CreateError<Failure<io::Error>, io::Error> = CreateError::GetterFailed(io::Error::other("down"));
    assert_eq!(source(&getter), Some("down".into()));
    assert!(matches!(getter.without_hints(), CreateError::GetterFailed(_)));
}
