//! The contract under five settings of a policy, each pair of those, an observer, and all of them.
//!
//! The laws that no policy touches are those of [`laws`](crate::laws), run as they are. Of failures and of creations
//! that hang each policy has something to say, so there the laws are said anew, with what the policy makes of them.

use crate::stage::{
    ALMOST_A_MINUTE, Access, Elects, FOREVER, Failure, Held, MINUTE, Waiters, make, never, panics, until,
};
use dogpile::{
    Backoff, CreateError, Dogpile, Freshness, Generation, ManualClock, Observer, OnError, Outcome, Policy, Source,
};
use std::fmt::Display;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
/// Longer than any creation of the laws that do not mean to hang.
const HOUR: Duration = Duration::from_secs(3600);
const ALMOST_AN_HOUR: Duration = Duration::from_secs(3599);
const ALMOST_A_SECOND: Duration = Duration::from_nanos(999_999_999);

/// A policy, as a type.
pub trait Rule: Send + Sync + 'static {
    const POLICY: Policy;
}

macro_rules! rules {
    ($($name:ident = $($setting:ident($value:expr)),+;)+) => {
        $(
            pub struct $name;

            impl Rule for $name {
                const POLICY: Policy = Policy::builder()$(.$setting($value))+.build_const();
            }
        )+
    };
}

const STEADY: Backoff = Backoff::new(SECOND, SECOND).jitter(0.0);

/// Looks at what it is told, and at another lock, which would hang if it were called in the middle of anything.
#[derive(Debug)]
struct Nosy;

static NOSY: Nosy = Nosy;
static OTHER: Dogpile = Dogpile::never_expires();

impl Nosy {
    fn pry(of: Source) {
        assert_eq!(of.name, None);
        OTHER.acquire_or_create(|| ());
        OTHER.mark_stale();
    }
}

impl Observer for Nosy {
    fn created(&self, of: Source, _: Duration) {
        Self::pry(of);
    }

    fn failed(&self, of: Source, _: Duration, cause: &dyn Display) {
        assert!(!cause.to_string().is_empty());
        Self::pry(of);
    }

    fn superseded(&self, of: Source, _: Duration) {
        Self::pry(of);
    }

    fn dead(&self, of: Source, after: Duration) {
        assert!(after >= HOUR);
        Self::pry(of);
    }

    fn waited(&self, of: Source, _: Duration) {
        Self::pry(of);
    }

    fn served_stale(&self, of: Source) {
        Self::pry(of);
    }
}

rules! {
    Pausing = retry_after(STEADY);
    Serving = on_error(OnError::ServeStale);
    Mortal = creation_timeout(HOUR);
    PausingServing = retry_after(STEADY), on_error(OnError::ServeStale);
    PausingMortal = retry_after(STEADY), creation_timeout(HOUR);
    ServingMortal = on_error(OnError::ServeStale), creation_timeout(HOUR);
    Aging = max_stale(HOUR);
    Early = refresh_early(1.0);
    AgingEarly = max_stale(HOUR), refresh_early(1.0);
    PausingAging = retry_after(STEADY), max_stale(HOUR);
    PausingEarly = retry_after(STEADY), refresh_early(1.0);
    ServingAging = on_error(OnError::ServeStale), max_stale(HOUR);
    ServingEarly = on_error(OnError::ServeStale), refresh_early(1.0);
    MortalAging = creation_timeout(HOUR), max_stale(HOUR);
    MortalEarly = creation_timeout(HOUR), refresh_early(1.0);
    Seen = observer(&NOSY);
    All = observer(&NOSY), max_stale(HOUR), refresh_early(1.0), retry_after(STEADY), on_error(OnError::ServeStale), creation_timeout(HOUR);
}

/// A lock under that rule.
pub struct Under<S, R> {
    lock: S,
    rule: PhantomData<fn() -> R>,
}

impl<S: Elects<Generation = Generation>, R: Rule> Elects for Under<S, R> {
    type Generation = Generation;

    fn ruled(expires_after: Duration, clock: Arc<ManualClock>, _: &'static Policy) -> Self {
        Self { lock: S::ruled(expires_after, clock, const { &R::POLICY }), rule: PhantomData }
    }

    fn access(&self, timeout: Duration, creator: impl FnOnce() -> Result<u64, Failure> + Send) -> Access {
        self.lock.access(timeout, creator)
    }

    crate::asks_its_lock!();
}

trait Ruled: Elects {
    const PAUSES: bool;
    const SERVES_STALE: bool;
    const MORTAL: bool;
}

impl<S: Elects<Generation = Generation>, R: Rule> Ruled for Under<S, R> {
    const PAUSES: bool = R::POLICY.retry_after().is_some();
    const SERVES_STALE: bool = matches!(R::POLICY.on_error(), OnError::ServeStale);
    const MORTAL: bool = R::POLICY.creation_timeout().is_some();
}

fn lock<S: Elects<Generation = Generation>, R: Rule>(expires_after: Duration) -> (Arc<Under<S, R>>, Arc<ManualClock>) {
    crate::stage::lock(expires_after)
}

fn told_of_a_pause(access: &Access, text: &str) -> bool {
    matches!(access, Err(CreateError::Paused { retry_in: SECOND, cause }) if **cause == *text)
}

const FAILED: &str = "it failed on purpose";
const PANICKED: &str = "the creator panicked";

/// Creators that fail, values that are invalidated, pauses that end: never two at once.
pub fn l1_one_creator_whatever_fails<S: Elects<Generation = Generation>, R: Rule>() {
    let (lock, clock) = lock::<S, R>(Duration::ZERO);
    let (inside, runs) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let created: usize = thread::scope(|scope| {
        let threads: Vec<_> = (0..4_u64)
            .map(|thread| {
                let (lock, clock, inside, runs) = (&lock, &clock, &inside, &runs);
                scope.spawn(move || {
                    let outcomes = (0..200_u64).map(|turn| {
                        match turn % 50 {
                            at if at == thread => lock.invalidate(),
                            at if at == thread + 10 => clock.advance(SECOND),
                            _ => {}
                        }
                        lock.access(FOREVER, || {
                            assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two creators at once");
                            runs.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            inside.fetch_sub(1, Ordering::SeqCst);
                            if turn % 7 == 0 { Err(Failure) } else { Ok(turn + 1) }
                        })
                    });
                    let ran = |access: &Access| {
                        let (created, failed) = (Outcome::Created, Outcome::StaleOnError);
                        match access {
                            Ok((outcome, _)) => *outcome == created || *outcome == failed,
                            Err(error) => matches!(error, CreateError::Failed(_)),
                        }
                    };
                    outcomes.filter(ran).count()
                })
            })
            .collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).sum()
    });
    assert_eq!(created, runs.into_inner(), "every creator that ran belongs to one access that says so");
    assert!(created > 0);
}

/// What hangs is overtaken only under a rule that says so; then it has no effect any more.
pub fn l1_c11_what_hangs_is_overtaken_or_not<S: Elects<Generation = Generation>, R: Rule>() {
    let (lock, clock) = lock::<S, R>(MINUTE);
    let hangs = Held::start(&lock, || Ok(1));
    clock.advance(ALMOST_AN_HOUR);
    assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut));
    clock.advance(SECOND);
    if !<Under<S, R> as Ruled>::MORTAL {
        assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut));
        assert_eq!(hangs.end().unwrap(), Ok((Outcome::Created, 1)));
        return;
    }
    let takes_over = Held::start(&lock, || Ok(2));
    assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut), "one at a time");
    let waiters = Waiters::start(&lock, 3, never);
    let generation = lock.generation();
    assert_eq!(takes_over.end().unwrap(), Ok((Outcome::Created, 2)));
    assert!(waiters.end().iter().all(|access| *access == Ok((Outcome::Waited, 2))));
    assert!(lock.generation() > generation);
    let generation = lock.generation();
    let dead = hangs.end().unwrap();
    assert_eq!(dead, Ok((Outcome::Created, 1)), "it goes to its own caller");
    assert_eq!((lock.generation(), lock.freshness(), lock.is_creating()), (generation, Freshness::Fresh, false));
}

/// Those who wait for what hangs are elected, one of them, when its time is up: no longer than that does anybody wait.
pub fn l5_c11_who_waits_for_what_hangs_takes_over<S: Elects<Generation = Generation>, R: Rule>() {
    let (lock, clock) = lock::<S, R>(MINUTE);
    let hangs = Held::start(&lock, || Err(Failure));
    let waiters = Waiters::start(&lock, 3, || Ok(2));
    if <Under<S, R> as Ruled>::MORTAL {
        clock.advance(HOUR);
        let mut outcomes: Vec<_> = waiters.end().into_iter().map(|access| access.unwrap()).collect();
        outcomes.sort_by_key(|(outcome, _)| *outcome != Outcome::Created);
        assert_eq!(outcomes, [(Outcome::Created, 2), (Outcome::Waited, 2), (Outcome::Waited, 2)]);
        assert_eq!(hangs.end().unwrap(), Err(CreateError::Failed(Failure)).or_else(|error| serves::<S, R>(error, 2)));
        assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 2)));
    } else {
        clock.advance(HOUR);
        assert_eq!(lock.waiting(), 3);
        has_failed::<S, R>(&hangs.end().unwrap());
        drop(waiters.end());
    }
}

/// What the elected one is given whose creator has failed, where there is a value.
fn serves<S: Elects<Generation = Generation>, R: Rule>(error: CreateError<Failure>, old: u64) -> Access {
    if <Under<S, R> as Ruled>::SERVES_STALE { Ok((Outcome::StaleOnError, old)) } else { Err(error) }
}

/// The elected one is told that it failed; or it is served what another has made since, which is a value as well.
fn has_failed<S: Elects<Generation = Generation>, R: Rule>(access: &Access) {
    let failed = *access == Err(CreateError::Failed(Failure));
    let served = <Under<S, R> as Ruled>::SERVES_STALE && *access == Ok((Outcome::StaleOnError, 2));
    assert!(failed || served, "{access:?}");
}

/// L5, C10: the value stays what it was, and what failed is tried again, after the pause if there is one.
pub fn l5_c10_a_failure_leaves_the_old_value<S: Elects<Generation = Generation>, R: Rule>() {
    let (lock, clock) = lock::<S, R>(MINUTE);
    make(&*lock, 1).unwrap();
    clock.advance(MINUTE * 2);
    let generation = lock.generation();
    for by_panic in [false, true] {
        if by_panic {
            catch_unwind(AssertUnwindSafe(|| lock.access(FOREVER, panics))).unwrap_err();
        } else {
            assert_eq!(lock.access(FOREVER, || Err(Failure)), serves::<S, R>(CreateError::Failed(Failure), 1));
        }
        assert_eq!((lock.freshness(), lock.generation(), lock.is_creating()), (Freshness::Stale, generation, false));
        if <Under<S, R> as Ruled>::PAUSES {
            clock.advance(ALMOST_A_SECOND);
            assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Stale, 1)), "L11: not a nanosecond early");
            clock.advance(Duration::from_nanos(1));
        }
    }
    assert_eq!(make(&*lock, 2), Ok((Outcome::Created, 2)));
    assert_eq!(lock.access(FOREVER, never), Ok((Outcome::Fresh, 2)));
}

/// L5: with no value, one of those who wait creates; or all of them are told of the pause, and none does.
pub fn l5_a_failure_is_handed_on_or_shared<S: Elects<Generation = Generation>, R: Rule>() {
    for by_panic in [false, true] {
        let (lock, clock) = lock::<S, R>(MINUTE);
        let first = Held::start(&lock, move || if by_panic { panics() } else { Err(Failure) });
        let runs = Arc::new(AtomicUsize::new(0));
        let waiters = Waiters::start(&lock, 4, {
            let runs = Arc::clone(&runs);
            move || {
                runs.fetch_add(1, Ordering::SeqCst);
                Ok(2)
            }
        });
        assert_eq!(first.end().is_err(), by_panic);
        let cause = if by_panic { PANICKED } else { FAILED };
        if <Under<S, R> as Ruled>::PAUSES {
            for told in waiters.end() {
                assert!(told_of_a_pause(&told, cause), "{told:?}");
            }
            let newcomer = lock.access(FOREVER, never);
            assert!(told_of_a_pause(&newcomer, cause), "{newcomer:?}");
            assert_eq!(runs.load(Ordering::SeqCst), 0);
            clock.advance(SECOND);
            assert_eq!(make(&*lock, 3), Ok((Outcome::Created, 3)));
        } else {
            let mut outcomes: Vec<_> = waiters.end().into_iter().map(|access| access.unwrap()).collect();
            outcomes.sort_by_key(|(outcome, _)| *outcome != Outcome::Created);
            assert_eq!(outcomes[0], (Outcome::Created, 2));
            assert_eq!(outcomes[1..], [(Outcome::Waited, 2); 3]);
            assert_eq!(runs.load(Ordering::SeqCst), 1);
        }
        assert_eq!(lock.waiting(), 0);
    }
}

/// L7, C14: two creators that ask for each other's values: one is told, and neither hangs.
pub fn l7_c14_a_circle_is_found<S: Elects<Generation = Generation>, R: Rule>() {
    let [(one, _), (other, _)] = [lock::<S, R>(MINUTE), lock::<S, R>(MINUTE)];
    let waits = {
        let (one, other) = (Arc::clone(&one), Arc::clone(&other));
        thread::spawn(move || {
            other.access(FOREVER, || {
                until(|| one.is_creating());
                assert_eq!(one.access(FOREVER, never), Ok((Outcome::Waited, 1)));
                Ok(2)
            })
        })
    };
    let created = one.access(FOREVER, || {
        until(|| one.waiting() == 1);
        let told = other.access(FOREVER, never);
        assert!(matches!(&told, Err(CreateError::WouldDeadlock(cycle)) if cycle.names().len() == 2), "{told:?}");
        Ok(1)
    });
    assert_eq!(created, Ok((Outcome::Created, 1)));
    assert_eq!(waits.join().unwrap(), Ok((Outcome::Created, 2)));
}

/// L10: a wait ends in time, and leaves the pause, the hanging creation and the others as they are.
pub fn l10_a_wait_ends_whatever_rules<S: Elects<Generation = Generation>, R: Rule>() {
    let (lock, clock) = lock::<S, R>(MINUTE);
    let creation = Held::start(&lock, || Err(Failure));
    assert_eq!(lock.access(Duration::from_micros(100), never), Err(CreateError::TimedOut));
    let waiter = Waiters::start(&lock, 1, || Ok(2));
    assert_eq!(lock.access(Duration::ZERO, never), Err(CreateError::TimedOut));
    has_failed::<S, R>(&creation.end().unwrap());
    let [told] = &waiter.end()[..] else { unreachable!("there is one") };
    if <Under<S, R> as Ruled>::PAUSES {
        assert!(told_of_a_pause(told, FAILED), "{told:?}");
        let told = lock.access(Duration::ZERO, never);
        assert!(told_of_a_pause(&told, FAILED), "{told:?}");
        clock.advance(SECOND);
        assert_eq!(lock.access(Duration::ZERO, || Ok(2)), Ok((Outcome::Created, 2)));
    } else {
        assert_eq!(*told, Ok((Outcome::Created, 2)));
    }
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(lock.access(Duration::ZERO, never), Ok((Outcome::Fresh, 2)), "L11");
}

/// Makes one test of each law for each type under each rule.
#[macro_export]
macro_rules! under_each_policy_and_each_pair {
    ($($module:ident: $subject:ty),+ $(,)?) => {
        $crate::under_each_policy_and_each_pair!(@rule pausing, Pausing, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule serving, Serving, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule mortal, Mortal, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule pausing_serving, PausingServing, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule pausing_mortal, PausingMortal, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule serving_mortal, ServingMortal, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule aging, Aging, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule early, Early, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule aging_early, AgingEarly, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule pausing_aging, PausingAging, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule pausing_early, PausingEarly, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule serving_aging, ServingAging, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule serving_early, ServingEarly, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule mortal_aging, MortalAging, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule mortal_early, MortalEarly, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule seen, Seen, $($module: $subject),+);
        $crate::under_each_policy_and_each_pair!(@rule all, All, $($module: $subject),+);
    };
    (@rule $name:ident, $rule:ident, $($module:ident: $subject:ty),+) => {
        mod $name {
            $($crate::under_each_policy_and_each_pair!(@both $module, $subject, $crate::rules::$rule,
                [
                    l1_a_fresh_value_is_not_created_again,
                    l2_a_stale_value_is_not_waited_for,
                    l3_one_creation_serves_all_who_wait,
                    l6_c8_an_invalidation_wins_over_a_creation,
                    l6_a_superseded_value_never_becomes_fresh,
                    l6_what_was_marked_while_created_is_published_as_stale,
                    l6_a_mark_does_not_starve_those_who_wait,
                    l7_c13_a_creator_that_asks_for_its_own_value_is_told,
                    l10_c12_a_wait_ends_and_the_creation_goes_on,
                    l11_expiry_is_exact_and_never_early,
                    l11_zero_and_max,
                    c18_the_stamp_is_taken_when_the_creator_returns,
                    c22_creators_run_outside_every_lock
                ],
                [
                    l1_one_creator_whatever_fails,
                    l1_c11_what_hangs_is_overtaken_or_not,
                    l5_c11_who_waits_for_what_hangs_takes_over,
                    l5_c10_a_failure_leaves_the_old_value,
                    l5_a_failure_is_handed_on_or_shared,
                    l7_c14_a_circle_is_found,
                    l10_a_wait_ends_whatever_rules
                ]
            );)+
        }
    };
    (@both $module:ident, $subject:ty, $rule:ty, [$($as_ever:ident),+], [$($anew:ident),+]) => {
        mod $module {
            $($crate::contract!(@test laws, $as_ever, ($crate::rules::Under<$subject, $rule>));)+
            $($crate::contract!(@test rules, $anew, ($subject, $rule));)+
        }
    };
}
