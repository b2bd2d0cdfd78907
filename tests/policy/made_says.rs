//! What a `Made` says about the life of its value, and how long an old value covers a failure.

use crate::{MINUTE, NANO, SECOND, SERVING, just_before, until};
use dogpile::{
    Cached, CachedFn, CachedGuard, CreateError, Freshness, Made, ManualClock, OnError, Outcome, Policy, PolicyError,
    Registry, Renewal,
};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

type Page = Cached<u8, Arc<ManualClock>>;
/// What the value says, the policy, the value, its age, and what the other accesses and the elected one get.
type Row = (&'static str, Option<&'static Policy>, Made<u8>, Duration, MetResult, MetResult);
type MetResult = Result<(u8, Outcome), CreateError<&'static str>>;

static BOUNDED: Policy = Policy::builder().max_stale(SECOND).build_const();
static AT_HALF: Policy = Policy::builder().refresh_at(0.5).build_const();
static JITTERY: Policy = Policy::builder().jitter(0.9).build_const();
/// `stale-if-error=300`.
static IF_ERROR: Policy =
    Policy::builder().on_error(OnError::ServeStale).max_stale_on_error(Duration::from_secs(300)).build_const();
/// A value serves for a minute once it has expired, and covers a failure for a second.
static BRIEFLY_IF_ERROR: Policy =
    Policy::builder().on_error(OnError::ServeStale).max_stale(MINUTE).max_stale_on_error(SECOND).build_const();
static NEVER_IF_ERROR: Policy =
    Policy::builder().on_error(OnError::ServeStale).max_stale_on_error(Duration::ZERO).build_const();
/// A value serves for a second, and covers a failure for ever.
static EVER_IF_ERROR: Policy =
    Policy::builder().on_error(OnError::ServeStale).max_stale(SECOND).max_stale_on_error(Duration::MAX).build_const();

/// A page that is fresh for a minute.
fn page(policy: Option<&'static Policy>) -> (Page, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new());
    let page = Cached::with_clock(MINUTE, Arc::clone(&clock));
    (policy.into_iter().fold(page, Cached::with_policy), clock)
}

#[allow(clippy::needless_pass_by_value)] // as `map` passes it
fn told(guard: CachedGuard<u8>) -> (u8, Outcome) {
    (*guard, CachedGuard::outcome(&guard))
}

fn make(page: &Page, made: Made<u8>) -> (u8, Outcome) {
    told(page.access().or_create_with(|_| made))
}

fn fail(page: &Page) -> MetResult {
    page.access().or_try_create(|| Err("no answer")).map(told)
}

fn unwanted(page: &Page) -> MetResult {
    page.access().timeout(Duration::ZERO).or_try_create(|| panic!("nobody is to create")).map(told)
}

/// Returns what another thread gets and what another task gets while this thread creates, and what this thread gets
/// when its creator fails. The task's result is `None` if it waits.
fn while_creating(page: &Page) -> (MetResult, Option<MetResult>, MetResult) {
    let mut met = None;
    let failed = page.access().or_try_create(|| {
        let by_task = || {
            let access = page.access_async().or_try_create(async || panic!("nobody is to create"));
            smol::block_on(smol::future::poll_once(access)).map(|met| met.map(told))
        };
        met = Some(thread::scope(|scope| {
            let by_thread = scope.spawn(|| unwanted(page)).join().unwrap();
            (by_thread, scope.spawn(by_task).join().unwrap())
        }));
        Err("no answer")
    });
    let (by_thread, by_task) = met.expect("it is elected");
    (by_thread, by_task, failed.map(told))
}

/// The next access creates, and fails.
fn renewed_in_vain(page: &Page) {
    assert_eq!(while_creating(page).2, FAILED);
}

const MISSED: MetResult = Err(CreateError::TimedOut);
const FAILED: MetResult = Err(CreateError::Failed("no answer"));
const OLD: MetResult = Ok((1, Outcome::Stale));
const COVERED: MetResult = Ok((1, Outcome::StaleOnError));

/// RFC 9111 (`max-age`, `must-revalidate`) and RFC 5861 (`stale-while-revalidate`, `stale-if-error`) as one table. A
/// row says, for an age, what the other accesses get while one creates, and what the elected access gets if its creator
/// fails.
#[test]
fn k2_values_serve_as_in_cache_control() {
    let max_age = || Made::new(1).expires_after(SECOND * 600);
    let swr = || max_age().max_stale(SECOND * 30);
    let must_revalidate = || max_age().max_stale(Duration::ZERO);
    let table: [Row; 14] = [
        ("max-age", None, max_age(), SECOND * 600, OLD, FAILED),
        ("max-age", None, max_age(), SECOND * 1_000_000, OLD, FAILED),
        ("stale-while-revalidate", None, swr(), SECOND * 600, OLD, FAILED),
        ("stale-while-revalidate", None, swr(), just_before(SECOND * 630), OLD, FAILED),
        ("stale-while-revalidate", None, swr(), SECOND * 630, MISSED, FAILED),
        ("must-revalidate", None, must_revalidate(), SECOND * 600, MISSED, FAILED),
        ("stale-if-error, unbounded", Some(&SERVING), max_age(), SECOND * 1_000_000, OLD, COVERED),
        ("stale-if-error", Some(&IF_ERROR), max_age(), just_before(SECOND * 900), OLD, COVERED),
        ("stale-if-error", Some(&IF_ERROR), max_age(), SECOND * 900, OLD, FAILED),
        ("both", Some(&IF_ERROR), swr(), SECOND * 600, OLD, COVERED),
        ("both", Some(&IF_ERROR), swr(), just_before(SECOND * 900), MISSED, COVERED),
        ("both", Some(&IF_ERROR), swr(), SECOND * 900, MISSED, FAILED),
        ("must-revalidate, stale-if-error", Some(&IF_ERROR), must_revalidate(), SECOND * 600, MISSED, COVERED),
        ("must-revalidate, without a bound", Some(&SERVING), must_revalidate(), SECOND * 600, MISSED, FAILED),
    ];
    for (name, policy, made, age, others, elected) in table {
        let (page, clock) = page(policy);
        assert_eq!(make(&page, made), (1, Outcome::Created));
        clock.advance(just_before(SECOND * 600));
        assert_eq!(unwanted(&page), Ok((1, Outcome::Fresh)), "{name}: not a nanosecond early (L11)");
        clock.advance(age.saturating_sub(just_before(SECOND * 600)));
        let by_task = if others == MISSED { None } else { Some(others.clone()) };
        assert_eq!(while_creating(&page), (others.clone(), by_task, elected), "{name} at {age:?}");
        // The lock answers the same when it is asked.
        let freshness = if others == MISSED { Freshness::Missing } else { Freshness::Stale };
        assert_eq!((page.freshness(), page.peek().is_some()), (freshness, others != MISSED), "{name} at {age:?}");
    }
}

#[test]
fn k2_a_value_may_serve_for_longer_or_shorter_than_the_policy_says() {
    let (page, clock) = page(Some(&BOUNDED));
    make(&page, Made::new(1).max_stale(Duration::MAX));
    clock.advance(MINUTE * 1_000);
    assert_eq!(while_creating(&page).0, OLD);
    page.mark_stale();
    clock.advance(Duration::MAX); // to the end of time
    assert_eq!(while_creating(&page).0, OLD);
    let (page, clock) = self::page(Some(&BOUNDED));
    // The next value says nothing, and goes by the policy again.
    make(&page, Made::new(1));
    clock.advance(just_before(MINUTE + SECOND));
    assert_eq!(while_creating(&page).0, OLD);
    clock.advance(NANO);
    assert_eq!(while_creating(&page).0, MISSED);
    make(&page, Made::new(1).max_stale(Duration::ZERO));
    clock.advance(MINUTE);
    assert_eq!(while_creating(&page).0, MISSED);
    // A value that is set goes by the policy, too.
    page.set(1);
    clock.advance(MINUTE);
    assert_eq!(while_creating(&page).0, OLD);
    page.set_expiring(1, SECOND);
    clock.advance(SECOND);
    assert_eq!(while_creating(&page).0, OLD);
    clock.advance(SECOND);
    assert_eq!(while_creating(&page).0, MISSED);
}

#[test]
fn k2_a_bound_does_not_outlast_its_value() {
    let (page, clock) = page(None);
    make(&page, Made::new(1).max_stale(Duration::ZERO).refresh_after(SECOND));
    clock.advance(MINUTE);
    assert_eq!(while_creating(&page).0, MISSED);
    make(&page, Made::new(1));
    clock.advance(just_before(MINUTE));
    assert_eq!(unwanted(&page), Ok((1, Outcome::Fresh)), "nor is it renewed early");
    clock.advance(MINUTE * 1_000);
    assert_eq!(while_creating(&page).0, OLD);
    page.set(1);
    page.mark_stale();
    assert_eq!(while_creating(&page).0, OLD);
}

#[test]
fn k2_a_value_says_when_it_is_renewed() {
    let fresh: MetResult = Ok((1, Outcome::Fresh));
    let renewed = |page: &Page, clock: &ManualClock, after: Duration| {
        clock.advance(just_before(after));
        assert_eq!(unwanted(page), Ok((1, Outcome::Fresh)), "L11: not a nanosecond early");
        clock.advance(NANO);
        assert_eq!(page.freshness(), Freshness::Fresh, "to every access");
        assert_eq!(while_creating(page), (Ok((1, Outcome::Fresh)), Some(Ok((1, Outcome::Fresh))), FAILED));
    };
    // With and without a policy the value's own time counts. It also counts for a value that never expires.
    for policy in [None, Some(&BOUNDED), Some(&AT_HALF)] {
        let (page, clock) = page(policy);
        make(&page, Made::new(1).refresh_after(SECOND * 20));
        renewed(&page, &clock, SECOND * 20);
        make(&page, Made::new(1).refresh_after(SECOND * 40));
        renewed(&page, &clock, SECOND * 40);
        make(&page, Made::new(1).refresh_after(SECOND).expires_after(Duration::MAX));
        renewed(&page, &clock, SECOND);
        clock.advance(MINUTE * 1_000);
        assert_eq!(page.freshness(), Freshness::Fresh);
        // Never renewed early: only once the value has expired.
        for late in [Duration::MAX, MINUTE] {
            make(&page, Made::new(1).refresh_after(late));
            clock.advance(just_before(MINUTE));
            assert_eq!(unwanted(&page), fresh);
            clock.advance(NANO);
            assert_eq!(page.freshness(), Freshness::Stale);
        }
        // Due from the start.
        make(&page, Made::new(1).refresh_after(Duration::ZERO));
        clock.advance(NANO);
        assert_eq!(page.freshness(), Freshness::Fresh);
        assert_eq!(while_creating(&page).0, fresh);
        // The next value says nothing.
        make(&page, Made::new(1));
        let early = if policy == Some(&AT_HALF) { SECOND * 30 } else { MINUTE };
        clock.advance(just_before(early));
        assert_eq!(unwanted(&page), fresh);
        clock.advance(NANO);
        renewed_in_vain(&page);
    }
}

/// Jitter shortens the lifetime. It does not move the time at which the value says that it is due.
#[test]
fn k2_jitter_may_bring_the_expiry_before_the_renewal() {
    for _ in 0..100 {
        let (page, clock) = page(Some(&JITTERY));
        make(&page, Made::new(1).refresh_after(SECOND * 30).max_stale(SECOND));
        clock.advance(just_before(SECOND * 30));
        if page.freshness() == Freshness::Fresh {
            assert_eq!(unwanted(&page), Ok((1, Outcome::Fresh)));
            clock.advance(NANO);
            renewed_in_vain(&page);
        } else {
            renewed_in_vain(&page);
        }
        clock.advance(SECOND * 31);
        assert_eq!(page.freshness(), Freshness::Missing);
    }
}

#[test]
fn k2_a_value_that_arrives_expired_says_how_long_it_serves() {
    let (page, clock) = page(None);
    let expired = || Made::new(1).expires_after(Duration::ZERO).refresh_after(SECOND);
    assert_eq!(make(&page, expired().max_stale(SECOND)), (1, Outcome::Created));
    assert_eq!(page.freshness(), Freshness::Stale);
    clock.advance(just_before(SECOND));
    assert_eq!(while_creating(&page).0, OLD);
    clock.advance(NANO);
    assert_eq!(while_creating(&page).0, MISSED);
    assert_eq!(make(&page, expired().max_stale(Duration::ZERO)), (1, Outcome::Created));
    assert_eq!(page.freshness(), Freshness::Missing);
    make(&page, expired());
    clock.advance(MINUTE);
    assert_eq!(while_creating(&page).0, OLD);
}

#[test]
fn k2_an_unchanged_value_says_its_times_anew() {
    let (page, clock) = page(None);
    let again = |says: fn(Made<u8>) -> Made<u8>| {
        told(page.access().or_create_with(|renewal| says(renewal.unchanged().expect("there is an old one"))))
    };
    make(&page, Made::new(1).max_stale(SECOND).refresh_after(SECOND * 20));
    clock.advance(SECOND * 20);
    assert_eq!(again(|made| made), (1, Outcome::Created));
    clock.advance(just_before(MINUTE));
    assert_eq!(unwanted(&page), Ok((1, Outcome::Fresh)), "nor is it renewed early");
    clock.advance(MINUTE);
    assert_eq!(page.freshness(), Freshness::Stale, "nor gone");
    assert_eq!(again(|made| made.max_stale(Duration::ZERO)), (1, Outcome::Created));
    clock.advance(MINUTE);
    assert_eq!(page.freshness(), Freshness::Missing);
    // The creator may still find that the value holds.
    assert_eq!(again(|made| made.refresh_after(SECOND)), (1, Outcome::Created));
    clock.advance(SECOND);
    assert_eq!(page.freshness(), Freshness::Fresh);
    renewed_in_vain(&page);
}

#[test]
fn k2_a_marked_value_serves_from_its_mark_on() {
    let (page, clock) = page(None);
    make(&page, Made::new(1).max_stale(SECOND));
    clock.advance(SECOND * 5);
    page.mark_stale();
    clock.advance(SECOND / 2);
    page.mark_stale(); // this makes the value no younger
    clock.advance(just_before(SECOND / 2));
    assert_eq!(while_creating(&page).0, OLD);
    clock.advance(NANO);
    assert_eq!(while_creating(&page).0, MISSED);
    // A value that never expires.
    make(&page, Made::new(1).max_stale(SECOND).expires_after(Duration::MAX));
    clock.advance(MINUTE);
    page.mark_stale();
    assert_eq!(while_creating(&page).0, OLD);
    clock.advance(SECOND);
    assert_eq!(while_creating(&page).0, MISSED);
    make(&page, Made::new(1).max_stale(Duration::ZERO));
    page.mark_stale();
    assert_eq!(while_creating(&page).0, MISSED);
    // Marked while it was created: the value is published as stale, and ages from then on.
    let published_stale = |max_stale| {
        let made = page.access().or_create_with(|_| {
            page.mark_stale();
            clock.advance(MINUTE);
            Made::new(1).max_stale(max_stale).refresh_after(SECOND)
        });
        told(made)
    };
    assert_eq!(published_stale(SECOND), (1, Outcome::Created));
    clock.advance(just_before(SECOND));
    assert_eq!(while_creating(&page).0, OLD);
    clock.advance(NANO);
    assert_eq!(while_creating(&page).0, MISSED);
    assert_eq!(published_stale(Duration::ZERO), (1, Outcome::Created));
    assert_eq!(while_creating(&page).0, MISSED);
}

/// A clock with an exact time, and a coarse one that lags behind.
struct Lagging(AtomicU64);

impl dogpile::Clock for Lagging {
    fn now(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn now_coarse(&self) -> u64 {
        self.now() - 4_000_000
    }
}

#[test]
fn k2_a_coarse_clock_serves_no_value_too_long() {
    let page = Cached::with_clock(MINUTE, Lagging(AtomicU64::new(1_000_000_000)));
    let asked = || page.peek().map(told);
    page.access().or_create_with(|_| Made::new(1).max_stale(Duration::ZERO));
    assert_eq!(asked(), Some((1, Outcome::Fresh)));
    page.mark_stale();
    assert_eq!(asked(), None);
    page.access().or_create_with(|_| Made::new(1).max_stale(Duration::ZERO).expires_after(Duration::ZERO));
    assert_eq!(asked(), None);
    page.access().or_create_with(|_| Made::new(1).refresh_after(SECOND).expires_after(Duration::ZERO));
    assert_eq!(asked(), Some((1, Outcome::Stale)), "what arrives expired is not due, and never fresh");
    // The lagging clock does not renew a value early that is not due.
    page.access().or_create_with(|_| Made::new(1).refresh_after(Duration::ZERO));
    assert_eq!(told(page.get_or_create(|| panic!("unwanted"))), (1, Outcome::Fresh));
    let covering = Cached::with_clock(MINUTE, Lagging(AtomicU64::new(1_000_000_000))).with_policy(&NEVER_IF_ERROR);
    covering.set(1);
    covering.mark_stale();
    assert_eq!(covering.get_or_try_create(|| Err("no answer")).map(told), FAILED);
}

#[test]
fn k2_a_function_says_how_its_value_ages() {
    let clock = Arc::new(ManualClock::new());
    let calls = AtomicUsize::new(0);
    let function =
        CachedFn::with_clock(MINUTE, Arc::clone(&clock), |_: &Renewal<'_, u8, Arc<ManualClock>>| {
            match calls.fetch_add(1, Ordering::Relaxed) {
                0 => Ok(Made::new(1).max_stale(Duration::ZERO).refresh_after(SECOND)),
                1 => Err("no answer"),
                _ => Ok(Made::new(2)),
            }
        });
    assert_eq!(function.access().try_get().map(told), Ok((1, Outcome::Created)));
    clock.advance(SECOND);
    assert_eq!(function.access().try_get().map(told), FAILED);
    clock.advance(MINUTE);
    assert_eq!(function.freshness(), Freshness::Missing);
    assert_eq!(function.access().try_get().map(told), Ok((2, Outcome::Created)));
}

#[test]
fn k2_a_registry_keeps_a_value_that_may_still_serve() {
    let kept_for = |policy: Option<&'static Policy>, made: fn() -> Made<u8>| {
        let clock = Arc::new(ManualClock::new());
        let maker = {
            let clock = Arc::clone(&clock);
            move |_: &u8| Cached::with_clock(MINUTE, Arc::clone(&clock))
        };
        let pages = policy.into_iter().fold(Registry::with_maker(maker), Registry::with_policy);
        drop(pages.get(&1).access().or_create_with(|_| made()));
        // Exact to the second.
        (1..1_000_u32).find(|_| {
            clock.advance(SECOND);
            pages.sweep();
            pages.is_empty()
        })
    };
    assert_eq!(kept_for(None, || Made::new(1).max_stale(SECOND * 10)), Some(70));
    assert_eq!(kept_for(Some(&IF_ERROR), || Made::new(1).max_stale(SECOND * 10)), Some(360));
}

#[test]
fn k2_stale_on_error_has_a_bound_of_its_own() {
    // The bound is shorter than the time for which other accesses are served the value.
    let (page, clock) = page(Some(&BRIEFLY_IF_ERROR));
    page.set(1);
    clock.advance(just_before(MINUTE + SECOND));
    assert_eq!(while_creating(&page), (OLD, Some(OLD), COVERED));
    clock.advance(NANO);
    assert_eq!(while_creating(&page), (OLD, Some(OLD), FAILED));
    // The bound is longer.
    let (page, clock) = self::page(Some(&EVER_IF_ERROR));
    page.set(1);
    clock.advance(MINUTE * 1_000);
    assert_eq!(while_creating(&page), (MISSED, None, COVERED));
    page.invalidate();
    assert_eq!(fail(&page), FAILED, "what was invalidated never serves");
    // The bound is zero: a value that is still fresh covers a failure.
    let (page, clock) = self::page(Some(&NEVER_IF_ERROR));
    make(&page, Made::new(1).refresh_after(SECOND));
    clock.advance(SECOND);
    assert_eq!(fail(&page), COVERED);
    clock.advance(MINUTE.saturating_sub(SECOND));
    assert_eq!(while_creating(&page), (OLD, Some(OLD), FAILED));
    page.set(1);
    page.mark_stale();
    assert_eq!(fail(&page), FAILED);
    // In a task.
    let (page, clock) = self::page(Some(&EVER_IF_ERROR));
    page.set(1);
    clock.advance(MINUTE * 1_000);
    let access = page.access_async().or_try_create(async || Err("no answer"));
    assert_eq!(smol::block_on(access).map(told), COVERED);
}

/// An access that has waited before it was elected is covered as well.
#[test]
fn k2_a_waiter_that_is_elected_and_fails_is_covered() {
    let (page, clock) = page(Some(&EVER_IF_ERROR));
    page.set(1);
    clock.advance(MINUTE * 1_000);
    thread::scope(|scope| {
        let mut waits = None;
        let failed = page.access().or_try_create(|| {
            waits = Some(scope.spawn(|| fail(&page)));
            until(|| page.waiting() == 1);
            Err("no answer")
        });
        assert_eq!(failed.map(told), COVERED);
        assert_eq!(waits.unwrap().join().unwrap(), COVERED);
    });
}

#[test]
fn k2_a_bound_without_serving_on_error_is_a_contradiction() {
    let builder = Policy::builder().max_stale_on_error(SECOND);
    assert_eq!(builder.build(), Err(PolicyError::NothingServedOnError));
    assert_eq!(builder.on_error(OnError::ServeStale).build().unwrap().max_stale_on_error(), Some(SECOND));
    assert_eq!(Policy::default().max_stale_on_error(), None);
}
