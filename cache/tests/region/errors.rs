//! Creators that fail, panic, or wait for themselves; values that cannot be stored.

use crate::kit::{
    Gate, Going, Ground, MINUTE, MS, PLACES, Place, SECOND, begin, create, eventually, fresh, gated, now, soon, take,
};
use dogpile::ManualClock;
use dogpile_cache::backend::{Limits, Memory};
use dogpile_cache::codec::{Codec, CodecError, Format};
use dogpile_cache::observer::{NotPublished, Operation, Published};
use dogpile_cache::{CreateError, Got, Made, Near, Outcome, Region};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FLEETS: [Place; 2] = [Place::Far, Place::NearOverFar];

/// Polls an access by hand, with the clock going on, until it ends.
fn end_in_time<T>(ground: &Ground, mut going: Going<'_, T>, within: Duration) -> T {
    let until = ground.clock.elapsed() + within;
    let mut done = None;
    eventually("an access ends", || {
        done = going.poll();
        ground.clock.advance(MS);
        assert!(ground.clock.elapsed() <= until, "not within {within:?}");
        done.is_some()
    });
    done.unwrap()
}

#[test]
fn a_creator_that_panics_in_a_task_elects_the_next_after_a_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let mut panicking = begin(one.region.get(&1).or_create(async || {
            gate.pass().await;
            panic!("on purpose")
        }));
        let mut waiting = begin(other.region.get(&1).or_create(async || panic!("a pause began")));
        gate.open();
        assert!(catch_unwind(AssertUnwindSafe(|| panicking.poll())).is_err());
        drop(panicking);
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
            ground.clock.advance(MS * 250);
        }
        let mut done = None;
        eventually("the pause is seen", || {
            done = waiting.poll();
            done.is_some()
        });
        assert!(matches!(done.unwrap(), Err(CreateError::Paused { failures: 1, .. })), "{place:?}");
        ground.clock.advance(SECOND);
        create(&other.region, 1, "two");
    }
}

#[test]
fn a_creator_that_panics_in_a_thread_elects_the_next_after_a_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let panicking = || one.region.blocking().get(&1).or_create(|| panic!("on purpose"));
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
        }
        let next = other.region.blocking().get(&1).or_create(|| panic!("a pause began"));
        assert!(matches!(next, Err(CreateError::Paused { failures: 1, .. })), "{place:?}");
        ground.clock.advance(SECOND);
        create(&other.region, 1, "two");
    }
}

#[test]
fn a_creator_that_panics_is_counted_as_a_failure() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let panicking = || now(region.get(&1).or_create(async || panic!("on purpose")));
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        eventually("it is counted", || region.counts().failures == 1);
    }
}

#[tokio::test]
async fn a_creator_that_panics_in_the_background_is_lost() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let lost = region.get(&1).in_background().or_create(|| async { panic!("on purpose") }).await;
        assert!(matches!(lost, Err(CreateError::Lost)), "{place:?} {lost:?}");
    }
}

#[test]
fn a_creator_that_needs_its_own_key_would_wait_for_itself() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let creator = async || {
            let inner = region.get(&1).or_create(async || panic!("the outer one creates")).await;
            assert!(matches!(inner, Err(CreateError::WouldDeadlock)), "{place:?} {inner:?}");
            "outer".to_owned()
        };
        assert_eq!(&**soon(region.get(&1).or_create(creator)).unwrap(), "outer");
        let blocking = region.blocking();
        let got = blocking.get(&2).or_create(|| {
            let inner = blocking.get(&2).or_create(|| panic!("the outer one creates"));
            assert!(matches!(inner, Err(CreateError::WouldDeadlock)), "{place:?} {inner:?}");
            "outer".to_owned()
        });
        assert_eq!(&**got.unwrap(), "outer");
        assert_eq!(&**take(&region, 1), "outer");
    }
}

#[test]
fn two_creators_that_need_each_others_keys_would_deadlock() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let (gate, found) = (Gate::new(), Cell::new(0));
        let creator = async |other: u64| {
            gate.pass().await;
            match region.get(&other).or_create(async || "inner".to_owned()).await {
                Ok(got) => got.to_string(),
                Err(CreateError::WouldDeadlock) => {
                    found.set(found.get() + 1);
                    "outer".to_owned()
                }
                Err(error) => panic!("{error}"),
            }
        };
        let mut one = begin(region.get(&1).or_create(async || creator(2).await));
        let mut two = begin(region.get(&2).or_create(async || creator(1).await));
        gate.open();
        one.waits();
        let (mut ones, mut twos) = (None, None);
        // Tasks look for a circle in two steps, so both are polled.
        eventually("both end", || {
            ones = ones.take().or_else(|| one.poll());
            twos = twos.take().or_else(|| two.poll());
            ones.is_some() && twos.is_some()
        });
        let both = [ones, twos].map(|got| got.unwrap().unwrap().to_string());
        assert!(both.contains(&"outer".to_owned()), "{place:?} {both:?}");
        assert_eq!(found.get(), 1, "{place:?}");
    }
}

#[test]
fn s13_two_processes_whose_creators_need_each_other_are_bounded() {
    for place in FLEETS {
        for timeout in [Some(SECOND * 3), None] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder.creation_timeout(SECOND * 20));
            let gate = Gate::new();
            let creator = async |region: &Region<u64, String>, key: u64| {
                gate.pass().await;
                let inner = region.get(&key);
                let inner = if let Some(timeout) = timeout { inner.timeout(timeout) } else { inner };
                match inner.or_create(async || "inner".to_owned()).await {
                    Ok(got) => got.to_string(),
                    Err(CreateError::TimedOut) => "timed out".to_owned(),
                    Err(error) => panic!("{error}"),
                }
            };
            let mut first = begin(one.region.get(&1).or_create(async || creator(&one.region, 2).await));
            let mut second = begin(other.region.get(&2).or_create(async || creator(&other.region, 1).await));
            gate.open();
            first.waits();
            second.waits();
            let (mut firsts, mut seconds) = (None, None);
            eventually("both end", || {
                if firsts.is_none() {
                    firsts = first.poll();
                }
                if seconds.is_none() {
                    seconds = second.poll();
                }
                ground.clock.advance(MS * 10);
                firsts.is_some() && seconds.is_some()
            });
            assert!(firsts.unwrap().is_ok() && seconds.unwrap().is_ok(), "{place:?}");
            // (By `creation_timeout` the keeper acts, which is another thread, and may lag behind this clock.)
            assert!(timeout.is_none() || ground.clock.elapsed() < SECOND * 7, "{place:?}");
        }
    }
}

// --- values that are not stored -------------------------------------------------------------------------------------

#[test]
fn s90_a_hundred_waiters_on_what_is_not_to_be_stored_are_served_by_one_creation() {
    for place in PLACES {
        let ground = Ground::new();
        let process = ground.process(place);
        let (gate, creations) = (Gate::new(), AtomicU64::new(0));
        let creator = async |_: &dogpile_cache::Creation<u64, String>| {
            creations.fetch_add(1, Ordering::Relaxed);
            Made::new(gated(&gate, "mine").await).unstored()
        };
        // All are there before the grant.
        process.probe.set(Operation::Look, crate::kit::Fate::RequestLate);
        let mut first = Box::pin(process.region.get(&1).or_create_with(creator));
        let mut first = begin(async { first.as_mut().await });
        let mut others: Vec<_> = (0..100).map(|_| begin(process.region.get(&1).or_create_with(creator))).collect();
        process.probe.set(Operation::Look, crate::kit::Fate::Answers);
        first.waits();
        others.iter_mut().for_each(Going::waits);
        gate.open();
        let got = first.end().unwrap();
        assert_eq!(Got::published(&got), Some(Published::No(NotPublished::Unwanted)), "{place:?}");
        let mut ends: u64 = 0;
        for other in others {
            let got = other.end().unwrap();
            assert_eq!(&**got, "mine");
            ends += u64::from(Got::outcome(&got) == Outcome::Created);
        }
        let creations = creations.load(Ordering::Relaxed);
        if place == Place::Near {
            // Those who came after the grant create for themselves, but never one after the other has waited.
            assert!(creations <= 2 && ends <= 1, "{place:?}: {creations} creations");
        } else {
            assert_eq!((creations, ends), (1, 0), "{place:?}");
        }
        assert_eq!(fresh(&process.region, 1), None, "{place:?}");
    }
}

#[test]
fn an_unstored_value_leaves_the_old_one_as_it_is() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "old");
        ground.clock.advance(MINUTE);
        let got = soon(one.region.get(&1).or_create_with(async |_| Made::new("mine".to_owned()).unstored())).unwrap();
        assert_eq!(&**got, "mine");
        assert_eq!(crate::kit::there(&other.region, 1), Some(("old".to_owned(), Outcome::Stale)), "{place:?}");
        create(&other.region, 1, "new");
    }
}

fn small(ground: &Ground, place: Place) -> Region<u64, String> {
    let mut limits = Limits::none();
    limits.largest_entry = 200;
    let memory: Memory<Arc<ManualClock>> = Memory::with_limits(Arc::clone(&ground.clock), limits);
    let builder = ground.builder();
    let builder = if place == Place::NearOverFar { builder.near(Near::holding(9).at_most(SECOND)) } else { builder };
    builder.far(Arc::new(memory)).build().unwrap()
}

#[test]
fn s89_a_value_that_is_too_large_goes_to_those_who_wait_and_the_old_one_is_never_fresh() {
    for place in FLEETS {
        let ground = Ground::new();
        let region = small(&ground, place);
        create(&region, 1, "small");
        ground.clock.advance(MINUTE);
        let (large, gate, creations) = ("x".repeat(1000), Gate::new(), AtomicU64::new(0));
        let creator = async || {
            creations.fetch_add(1, Ordering::Relaxed);
            gated(&gate, &large).await
        };
        let creating = begin(region.get(&1).or_create(creator));
        assert_eq!(Got::outcome(&take(&region, 1)), Outcome::Stale, "{place:?}");
        gate.open();
        let got = creating.end().unwrap();
        assert_eq!((got.len(), Got::published(&got)), (1000, Some(Published::No(NotPublished::TooLarge))), "{place:?}");
        let next = soon(region.get(&1).or_create(creator)).unwrap();
        assert_eq!(next.len(), 1000, "{place:?}: the old value is not fresh");
        if place == Place::NearOverFar {
            assert_eq!(Got::outcome(&next), Outcome::Near, "this process keeps it near");
            assert_eq!(creations.load(Ordering::Relaxed), 1);
        }
        assert_eq!(region.counts().refused.get(NotPublished::TooLarge), creations.load(Ordering::Relaxed));
        let set = soon(region.set(&1, large.clone())).unwrap_err();
        assert_eq!(set.kind(), dogpile_cache::backend::BackendErrorKind::TooLarge);
    }
}

#[test]
fn s89_a_herd_on_a_value_that_is_too_large_is_never_serial() {
    for place in FLEETS {
        let ground = Ground::new();
        let region = small(&ground, place);
        let (large, gate, creations) = ("x".repeat(1000), Gate::new(), AtomicU64::new(0));
        let creator = async || {
            creations.fetch_add(1, Ordering::Relaxed);
            gated(&gate, &large).await
        };
        let herd: Vec<_> = (0..100).map(|_| begin(region.get(&1).or_create(creator))).collect();
        gate.open();
        for waiting in herd {
            assert_eq!(waiting.end().unwrap().len(), 1000);
        }
        // The first one's grant came before the others: they are served by the second creation at the latest.
        assert!(creations.load(Ordering::Relaxed) <= 2, "{place:?} {creations:?}");
    }
}

/// A codec that encodes no text with an `x`.
#[derive(Clone)]
struct NoX;

impl Codec<String> for NoX {
    fn format(&self) -> Format {
        Format::custom(200)
    }

    fn encode(&self, value: &String, into: &mut Vec<u8>) -> Result<(), CodecError> {
        if value.contains('x') {
            return Err(CodecError::new("an x"));
        }
        into.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &bytes::Bytes) -> Result<String, CodecError> {
        String::from_utf8(bytes.to_vec()).map_err(CodecError::new)
    }
}

/// A codec that does not append: what it is given has the bytes of the envelope's head.
#[derive(Clone)]
struct Clears;

impl Codec<String> for Clears {
    fn format(&self) -> Format {
        Format::custom(202)
    }

    fn encode(&self, value: &String, into: &mut Vec<u8>) -> Result<(), CodecError> {
        match value.as_str() {
            "clear" => into.clear(),
            "overwrite" => into.fill(0xFF),
            _ => {}
        }
        into.extend_from_slice(value.as_bytes());
        Ok(())
    }

    fn decode(&self, bytes: &bytes::Bytes) -> Result<String, CodecError> {
        String::from_utf8(bytes.to_vec()).map_err(CodecError::new)
    }
}

#[test]
fn g4_g7_a_codec_that_touches_what_was_there_before_has_encoded_nothing() {
    let ground = Ground::new();
    let region = ground.builder().far(Arc::clone(&ground.memory)).codec(Clears).build::<u64, String>().unwrap();
    for (key, value) in [(1, "clear"), (2, "overwrite")] {
        let got = soon(region.get(&key).or_create(async || value.to_owned())).unwrap();
        assert_eq!((&**got, Got::published(&got)), (value, Some(Published::No(NotPublished::NotEncodable))));
    }
    create(&region, 3, "appends");
    assert_eq!(region.counts().refused.get(NotPublished::NotEncodable), 2);
}

#[test]
fn g4_a_value_that_cannot_be_encoded_goes_to_its_caller() {
    let ground = Ground::new();
    let region = ground.builder().far(Arc::clone(&ground.memory)).codec(NoX).build::<u64, String>().unwrap();
    let got = soon(region.get(&1).or_create(async || "x".to_owned())).unwrap();
    assert_eq!((&**got, Got::published(&got)), ("x", Some(Published::No(NotPublished::NotEncodable))));
    create(&region, 1, "y");
    assert_eq!(region.counts().refused.get(NotPublished::NotEncodable), 1);
    assert!(soon(region.set(&1, "x".to_owned())).is_err());
}

#[test]
fn a_hundred_invalidations_a_second_are_not_a_hundred_creators() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let (creations, invalidations) = (AtomicU64::new(0), AtomicU64::new(0));
        // Makes the number of invalidations that it has seen, and takes a second.
        let creator = async || {
            creations.fetch_add(1, Ordering::Relaxed);
            let seen = invalidations.load(Ordering::Relaxed);
            let until = ground.clock.elapsed() + SECOND;
            std::future::poll_fn(|_| {
                if ground.clock.elapsed() >= until { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
            })
            .await;
            seen.to_string()
        };
        let mut accesses = Vec::new();
        for number in 1..=100 {
            soon(one.region.invalidate(&1)).unwrap();
            invalidations.store(number, Ordering::Relaxed);
            for process in [&one, &other] {
                accesses.push((number, begin(process.region.get(&1).or_create(creator))));
            }
            ground.clock.advance(MS * 10);
            accesses.retain_mut(|(number, access)| end_covered(*number, access));
        }
        let in_that_second = creations.load(Ordering::Relaxed);
        assert!(in_that_second <= 11, "{place:?} {in_that_second}");
        eventually("each waiter gets a value", || {
            ground.clock.advance(MS * 10);
            accesses.retain_mut(|(number, access)| end_covered(*number, access));
            accesses.is_empty()
        });
        // Each creation that was voided may have run beside the next one, and is counted.
        let overlaps = one.region.counts().overlaps.total()
            + if place == Place::Near { 0 } else { other.region.counts().overlaps.total() };
        assert!(overlaps >= 8, "{place:?} {overlaps}");
    }
}

/// Polls an access that began after so many invalidations. Its value must have seen them.
fn end_covered(
    number: u64,
    access: &mut Going<'_, Result<Got<String>, CreateError<std::convert::Infallible>>>,
) -> bool {
    let Some(got) = access.poll() else { return true };
    let seen: u64 = got.unwrap().parse().unwrap();
    assert!(seen >= number, "an access after {number} invalidations got a value that had seen {seen}");
    false
}

#[test]
fn s22_with_an_endless_wait_the_bound_is_the_creation_timeout() {
    let ground = Ground::new();
    let (one, other) = ground.pair(Place::Far, |builder| builder.creation_timeout(SECOND * 2));
    let gate = Gate::new();
    let _endless = begin(one.region.get(&1).or_create(async || gated(&gate, "late").await));
    let waiting = begin(other.region.get(&1).or_create(async || "two".to_owned()));
    ground.clock.advance(SECOND * 2);
    eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
    assert_eq!(&**end_in_time(&ground, waiting, SECOND).unwrap(), "two");
}
