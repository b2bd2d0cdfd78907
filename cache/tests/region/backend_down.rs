//! What a process does while its backend is down, slow, or in doubt.

use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, Place, Process, SECOND, begin, create, eventually, fresh, gated, just_before, now,
    soon, take, there,
};
use dogpile::Backoff;
use dogpile_cache::backend::BackendErrorKind;
use dogpile_cache::observer::{NotPublished, Operation, Overlap, Published};
use dogpile_cache::{CreateError, Got, OnBackendFailure, Outcome};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const FLEETS: [Place; 2] = [Place::Far, Place::NearOverFar];
const DOWN: Fate = Fate::Unreachable;

/// Lets a call go on whose operation never answers: as soon as it waits, its time-out is over.
fn after<T>(ground: &Ground, time: Duration, mut going: crate::kit::Going<'_, T>) -> T {
    ground.clock.advance(just_before(time));
    going.waits();
    ground.clock.advance(MS);
    going.poll().expect("its time is over")
}

#[test]
fn s22_a_process_without_its_backend_elects_among_its_own() {
    for place in FLEETS {
        let ground = Ground::new();
        let one = ground.process(place);
        one.probe.set_all(DOWN);
        let (gate, creations) = (Gate::new(), AtomicU64::new(0));
        let creator = async || {
            creations.fetch_add(1, Ordering::Relaxed);
            gated(&gate, "own").await
        };
        let accesses: Vec<_> = (0..100).map(|_| begin(one.region.get(&1).or_create(creator))).collect();
        gate.open();
        for (number, access) in accesses.into_iter().enumerate() {
            let got = access.end().unwrap();
            assert_eq!(&**got, "own");
            let published = Got::published(&got);
            assert!(number > 0 || published == Some(Published::No(NotPublished::CutOff)), "{place:?} {published:?}");
        }
        assert_eq!(creations.load(Ordering::Relaxed), 1, "{place:?}");
        assert_eq!(one.region.counts().overlaps.get(Overlap::CutOff), 1, "{place:?}");
        // What it has created serves it for a second.
        let own = take(&one.region, 1);
        assert_eq!((&**own, Got::outcome(&own)), ("own", Outcome::Own), "{place:?}");
        assert_eq!(there(&one.region, 1), Some(("own".to_owned(), Outcome::Own)), "{place:?}");
        ground.clock.advance(SECOND);
        let got = soon(one.region.get(&1).or_create(async || "again".to_owned())).unwrap();
        assert_eq!(&**got, "again", "{place:?}");
    }
}

#[test]
fn what_was_created_without_the_backend_is_dropped_when_it_is_back() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.own_for(MINUTE).backend_pause(SECOND));
        one.probe.set_all(DOWN);
        soon(one.region.get(&1).or_create(async || "own".to_owned())).unwrap();
        create(&other.region, 1, "theirs");
        assert_eq!(&**take(&one.region, 1), "own", "{place:?}");
        one.probe.set_all(Fate::Answers);
        ground.clock.advance(SECOND);
        let got = take(&one.region, 1);
        assert_eq!((&**got, Got::outcome(&got)), ("theirs", Outcome::Fresh), "{place:?}");
    }
}

#[test]
fn a_backend_that_is_down_costs_one_failed_operation_a_pause() {
    for place in FLEETS {
        let ground = Ground::new();
        let one = ground.process_by(place, |builder| builder.backend_pause(SECOND * 2));
        one.probe.set_all(DOWN);
        for pause in 1..=3 {
            for key in 0..50_u64 {
                soon(one.region.get(&key).or_create(async || "own".to_owned())).unwrap();
                drop(now(one.region.get(&key).value()));
            }
            assert_eq!(one.probe.total(), pause, "{place:?}");
            ground.clock.advance(SECOND * 2);
        }
        assert_eq!(one.region.counts().backend_errors.total(), 3);
        one.probe.set_all(Fate::Answers);
        create(&one.region, 100, "published");
    }
}

#[test]
fn old_only_serves_what_is_there_and_fail_fails() {
    for place in FLEETS {
        let ground = Ground::new();
        let old_only = ground.process_by(place, |builder| builder.on_backend_failure(OnBackendFailure::OldOnly));
        let fail = ground.process_by(place, |builder| builder.on_backend_failure(OnBackendFailure::Fail));
        for process in [&old_only, &fail] {
            let never = async || panic!("nobody creates without the backend");
            process.probe.set_all(DOWN);
            let got = soon(process.region.get(&1).or_create(never));
            assert!(matches!(got, Err(CreateError::Backend(_))), "{place:?} {got:?}");
            let in_pause = soon(process.region.get(&1).or_create(never));
            assert!(matches!(in_pause, Err(CreateError::Backend(_))), "{place:?} {in_pause:?}");
            process.probe.set_all(Fate::Answers);
            ground.clock.advance(SECOND);
        }
        create(&old_only.region, 1, "old");
        ground.clock.advance(MINUTE);
        // The look shows an old value; then the claim fails.
        for (process, serves) in [(&old_only, true), (&fail, false)] {
            process.probe.set(Operation::Claim, DOWN);
            let got = soon(process.region.get(&1).or_create(async || panic!("nobody creates without the backend")));
            match got {
                Ok(got) => assert!(serves && Got::outcome(&got) == Outcome::Stale, "{place:?}"),
                Err(CreateError::Backend(error)) => {
                    assert!(!serves && error.kind() == BackendErrorKind::Unreachable, "{place:?}");
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[test]
fn a_process_that_is_cut_off_pauses_after_a_failure_of_its_own() {
    for place in FLEETS {
        let ground = Ground::new();
        let backoff = Backoff::new(SECOND, SECOND * 30).jitter(0.0);
        let one = ground.process_by(place, |builder| builder.retry_after(backoff).backend_pause(MINUTE));
        one.probe.set_all(DOWN);
        for (failures, pause) in [(1, 1), (2, 2), (3, 4)] {
            let failed = soon(one.region.get(&1).or_try_create(async || Err("no")));
            assert!(matches!(failed, Err(CreateError::Failed("no"))), "{place:?} {failures} {failed:?}");
            let paused = soon(one.region.get(&1).or_create(async || panic!("there is a pause")));
            let Err(CreateError::Paused { failures: seen, left }) = paused else { panic!("{place:?} {paused:?}") };
            assert_eq!((seen, left), (failures, SECOND * pause), "{place:?}");
            ground.clock.advance(SECOND * pause);
        }
    }
}

// --- time -----------------------------------------------------------------------------------------------------------

#[test]
fn s98_an_access_waits_for_a_backend_that_never_answers_for_backend_timeout_at_most() {
    for place in FLEETS {
        for operation in [Operation::Look, Operation::Claim] {
            let ground = Ground::new();
            let one = ground.process(place);
            one.probe.set(operation, Fate::NeverAnswers);
            let access = begin(one.region.get(&1).or_create(async || "own".to_owned()));
            let got = after(&ground, MS * 500, access).unwrap();
            assert_eq!(Got::published(&got), Some(Published::No(NotPublished::CutOff)), "{place:?} {operation}");
            assert_eq!(one.region.counts().backend_errors.get(operation), 1, "{place:?} {operation}");
        }
    }
}

#[test]
fn g5_backend_timeout_bounds_the_sum_of_an_access() {
    for place in FLEETS {
        let ground = Ground::new();
        let one = ground.process(place);
        one.probe.set(Operation::Look, Fate::ReplyLate);
        let mut access = begin(one.region.get(&1).or_create(async || "own".to_owned()));
        ground.clock.advance(MS * 400);
        access.waits();
        one.probe.set(Operation::Claim, Fate::NeverAnswers);
        one.probe.set(Operation::Look, Fate::Answers);
        access.waits();
        let got = after(&ground, MS * 100, access).unwrap();
        assert_eq!(&**got, "own", "{place:?}");
        // The rest of a budget was too short to say that the backend is down.
        one.probe.set(Operation::Claim, Fate::Answers);
        create(&one.region, 2, "published");
    }
}

#[test]
fn g4_a_publication_that_is_late_goes_on_without_its_caller() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        one.probe.set(Operation::Publish, Fate::RequestLate);
        let publishing = begin(one.region.get(&1).or_create(async || "late".to_owned()));
        let got = after(&ground, MS * 500, publishing).unwrap();
        assert_eq!((&**got, Got::published(&got)), ("late", Some(Published::No(NotPublished::InDoubt))), "{place:?}");
        one.probe.set(Operation::Publish, Fate::Answers);
        eventually("it is published", || fresh(&other.region, 1).is_some());
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("late"), "{place:?}");
    }
}

#[test]
fn s11_each_call_ends_by_backend_timeout() {
    for place in FLEETS {
        let ground = Ground::new();
        // (A pause of next to nothing, so that each call asks.)
        let one = ground.process_by(place, |builder| builder.backend_pause(Duration::from_nanos(1)));
        let seen = soon(one.region.see(&1)).unwrap();
        one.probe.set_all(Fate::NeverAnswers);
        let in_doubt = |error: dogpile_cache::backend::BackendError| assert!(error.is_in_doubt(), "{place:?} {error}");
        let (ground, half) = (&ground, MS * 500);
        let next = || ground.clock.advance(MS);
        in_doubt(after(ground, half, begin(one.region.get(&1).value())).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.set(&1, "x".to_owned()))).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.set_if(&1, &seen, "x".to_owned()))).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.add(&1, "x".to_owned()))).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.touch(&1, None))).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.mark_stale(&1))).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.see(&1))).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.ping())).unwrap_err());
        next();
        in_doubt(after(ground, half, begin(one.region.invalidate(&1))).unwrap_err());
        next();
    }
}

#[test]
fn the_wait_for_another_process_is_apart_from_backend_timeout() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "made").await));
        let mut waiting = begin(other.region.get(&1).or_create(async || panic!("another creates")));
        for _ in 0..20 {
            ground.clock.advance(MS * 250);
            waiting.waits();
        }
        gate.open();
        creating.end().unwrap();
        ground.clock.advance(MS * 250);
        assert_eq!(&**waiting.end().unwrap(), "made", "{place:?}");
        assert_eq!(other.region.counts().backend_errors.total(), 0, "{place:?}");
    }
}

// --- what was not told ----------------------------------------------------------------------------------------------

fn not_told(one: &Process) {
    one.probe.set(Operation::Change, DOWN);
    assert_eq!(soon(one.region.invalidate(&1)).unwrap_err().kind(), BackendErrorKind::Unreachable);
}

#[test]
fn s52_an_invalidation_that_was_not_told_is_told_before_the_next_read() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "old");
        not_told(&one);
        assert_eq!(one.region.counts().invalidations, 0);
        // It is by-passed meanwhile: by the pause, and by what cannot be told.
        let own = soon(one.region.get(&1).or_create(async || "own".to_owned())).unwrap();
        assert_eq!(&**own, "own", "{place:?}");
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("own"), "{place:?}");
        ground.clock.advance(SECOND);
        assert_eq!(&**soon(one.region.get(&1).or_create(async || "own".to_owned())).unwrap(), "own", "{place:?}");
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("old"), "another process is not told");
        one.probe.set(Operation::Change, Fate::Answers);
        ground.clock.advance(SECOND);
        create(&one.region, 1, "new");
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("new"), "{place:?}");
        let changes = one.probe.count(Operation::Change);
        take(&one.region, 1);
        assert_eq!(one.probe.count(Operation::Change), changes, "it was told once");
    }
}

#[test]
fn s52_an_invalidation_is_sent_in_a_pause_too() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.backend_pause(MINUTE));
        create(&one.region, 1, "old");
        one.probe.set(Operation::Look, DOWN);
        ground.clock.advance(SECOND);
        soon(one.region.get(&1).or_create(async || "own".to_owned())).unwrap();
        one.probe.set(Operation::Look, Fate::Answers);
        soon(one.region.invalidate(&1)).unwrap();
        assert_eq!(there(&other.region, 1), None, "{place:?}");
        // Its answer has ended the pause.
        create(&one.region, 1, "new");
    }
}

#[test]
fn s52_an_invalidation_that_is_dropped_is_told_before_the_next_read() {
    for place in FLEETS {
        for fate in [Fate::NeverAnswers, Fate::RequestLate] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder);
            create(&one.region, 1, "old");
            one.probe.set(Operation::Change, fate);
            let invalidating = begin(one.region.invalidate(&1));
            one.probe.set(Operation::Change, Fate::Answers);
            drop(invalidating);
            // (The keeper may be telling it just now. Then the access waits for that.)
            assert!(soon(one.region.get(&1).value()).unwrap().is_none(), "{place:?} {fate:?}");
            assert_eq!(there(&other.region, 1), None, "{place:?} {fate:?}");
        }
    }
}

/// The backend has not failed: nobody waits for its pause, nor for the next read of this process.
#[test]
fn s52_an_invalidation_that_is_dropped_is_told_at_once() {
    for place in FLEETS {
        for fate in [Fate::NeverAnswers, Fate::RequestLate] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder.backend_pause(MINUTE));
            create(&one.region, 1, "old");
            one.probe.set(Operation::Change, fate);
            let invalidating = begin(one.region.invalidate(&1));
            one.probe.set(Operation::Change, Fate::Answers);
            drop(invalidating);
            // No time passes.
            eventually("it is told", || one.region.counts().invalidations == 1);
            assert_eq!(there(&other.region, 1), None, "{place:?} {fate:?}");
            assert_eq!(one.probe.count(Operation::Change), 2, "{place:?} {fate:?}: it is told once");
        }
    }
}

/// One that failed has its pause, and so has one that is dropped in a pause.
#[test]
fn s52_an_invalidation_that_was_not_told_spares_the_backend_for_its_pause() {
    for place in FLEETS {
        for is_dropped in [true, false] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder.backend_pause(MINUTE));
            create(&one.region, 1, "old");
            if is_dropped {
                create(&one.region, 2, "old");
                one.probe.set(Operation::Look, DOWN);
                ground.clock.advance(SECOND);
                soon(one.region.get(&2).or_create(async || "own".to_owned())).unwrap();
                one.probe.set(Operation::Change, Fate::NeverAnswers);
                drop(begin(one.region.invalidate(&1)));
            } else {
                not_told(&one);
            }
            one.probe.set_all(Fate::Answers);
            let (began, mut steps) = (ground.clock.elapsed(), 0);
            eventually("it is told", || {
                // (In moments for the keeper, which would tell it at once if it were wrong.)
                steps += 1;
                if steps % 1000 == 0 {
                    ground.clock.advance(SECOND);
                }
                one.probe.count(Operation::Change) == 2
            });
            let pause = ground.clock.elapsed().saturating_sub(began);
            assert!(pause >= MINUTE, "{place:?} {is_dropped}: told after {pause:?}");
            eventually("it was told", || one.region.counts().invalidations == 1);
            assert_eq!(there(&other.region, 1), None, "{place:?} {is_dropped}");
        }
    }
}

#[test]
fn an_invalidation_of_an_own_value_ends_it() {
    for place in FLEETS {
        let ground = Ground::new();
        let one = ground.process_by(place, |builder| builder.own_for(MINUTE).backend_pause(MINUTE));
        one.probe.set_all(DOWN);
        soon(one.region.get(&1).or_create(async || "own".to_owned())).unwrap();
        soon(one.region.invalidate(&1)).unwrap_err();
        assert!(now(one.region.get(&1).value()).is_err(), "{place:?}");
        assert_eq!(&**soon(one.region.get(&1).or_create(async || "next".to_owned())).unwrap(), "next", "{place:?}");
    }
}

// --- doubt ----------------------------------------------------------------------------------------------------------

#[test]
fn a_publication_in_doubt_goes_to_its_callers_and_serves_them_for_a_moment() {
    for place in FLEETS {
        for fate in [DOWN, Fate::ReplyLost] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder);
            one.probe.set(Operation::Publish, fate);
            let got = soon(one.region.get(&1).or_create(async || "made".to_owned())).unwrap();
            assert_eq!(
                (&**got, Got::published(&got)),
                ("made", Some(Published::No(NotPublished::InDoubt))),
                "{place:?}"
            );
            assert_eq!(&**take(&one.region, 1), "made", "{place:?} {fate:?}: not created back to back");
            one.probe.set(Operation::Publish, Fate::Answers);
            ground.clock.advance(SECOND);
            // Either it lies there, or its grant was ended: nobody waits for a lease.
            eventually("the key is free", || {
                let mut got = None;
                let access = other.region.get(&1).or_create(async || "next".to_owned());
                let mut access = crate::kit::start(access);
                eventually("an access ends", || {
                    got = access.poll();
                    ground.clock.advance(MS);
                    got.is_some()
                });
                let expected = if fate == DOWN { "next" } else { "made" };
                assert_eq!(&**got.unwrap().unwrap(), expected, "{place:?} {fate:?}");
                true
            });
            assert!(ground.clock.elapsed() < SECOND * 9, "{place:?} {fate:?}");
        }
    }
}

#[test]
fn g8_a_claim_in_doubt_is_released() {
    for place in FLEETS {
        for fate in [Fate::ReplyLost, Fate::ReplyLate] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder);
            one.probe.set(Operation::Claim, fate);
            let mut access = crate::kit::start(one.region.get(&1).or_create(async || "own".to_owned()));
            let got = access.poll().unwrap_or_else(|| after(&ground, MS * 500, access));
            assert_eq!(&**got.unwrap(), "own", "{place:?} {fate:?}");
            one.probe.set(Operation::Claim, Fate::Answers);
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
            create(&other.region, 1, "theirs");
        }
    }
}

#[test]
fn an_end_in_doubt_costs_one_lease_at_most() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        one.probe.set(Operation::End, Fate::NeverAnswers);
        let failing = begin(one.region.get(&1).or_try_create(async || Err("no")));
        assert!(matches!(after(&ground, MS * 500, failing), Err(CreateError::Failed("no"))), "{place:?}");
        let mut waiting = begin(other.region.get(&1).or_create(async || "two".to_owned()));
        ground.clock.advance(SECOND * 9);
        waiting.waits();
        ground.clock.advance(SECOND);
        assert_eq!(&**waiting.poll().expect("the lease is over").unwrap(), "two", "{place:?}");
    }
}

#[test]
fn s20_a_backend_that_was_away_longer_than_a_lease_is_used_again() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "lost").await));
        one.probe.set_all(DOWN);
        ground.clock.advance(SECOND * 15);
        eventually("the lease is lost", || one.region.counts().overlaps.get(Overlap::LeaseLost) == 1);
        one.probe.set_all(Fate::Answers);
        gate.open();
        creating.end().unwrap();
        ground.clock.advance(SECOND);
        create(&one.region, 2, "normal");
        assert_eq!(&**take(&other.region, 2), "normal", "{place:?}");
    }
}
