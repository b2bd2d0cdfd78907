//! Looks that ask for the grant of what is missing, on a backend whose looks claim.

use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, PLACES, Place, Process, SECOND, begin, create, eventually, fresh, gated, now, soon,
    start, stored, take,
};
use dogpile::ManualClock;
use dogpile_cache::backend::{Limits, Memory, Rest};
use dogpile_cache::observer::{Operation, Published};
use dogpile_cache::{Claim, CreateError, Got, Outcome};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn ground() -> Ground {
    let clock = Arc::new(ManualClock::new());
    let mut limits = Limits::none();
    limits.looks_claim = true;
    Ground { memory: Arc::new(Memory::with_limits(Arc::clone(&clock), limits)), clock }
}

fn processes(ground: &Ground) -> impl Iterator<Item = Process> {
    PLACES.into_iter().filter(|place| *place != Place::Near).map(|place| ground.process(place))
}

fn is_free(ground: &Ground, key: u64) -> bool {
    use dogpile_cache::backend::Backend;

    let looks = now(ground.memory.look(&[stored(key)], None)).unwrap();
    !matches!(looks[0].rest, Some(Rest::Held(_)))
}

/// A missing value costs two operations, by each terminal: the look, and the publication.
#[test]
fn a_creation_of_a_missing_value_is_two_round_trips() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = ground();
        let process = ground.process(place);
        create(&process.region, 1, "one");
        soon(process.region.get(&2).or_try_find(async || Ok::<_, &str>(None))).unwrap();
        let Claim::Create(creation) = soon(process.region.get(&3).claim()).unwrap() else {
            panic!("there is no value")
        };
        soon(creation.publish("three".to_owned())).unwrap();
        assert_eq!((process.probe.count(Operation::Look), process.probe.count(Operation::Publish)), (3, 3));
        assert_eq!(process.probe.total(), 6, "{place:?}");
        assert_eq!(process.region.counts().misses, 3);
        assert_eq!(&**take(&process.region, 1), "one");
    }
}

/// An old value is claimed: three operations.
#[test]
fn an_old_value_is_claimed_as_ever() {
    let ground = ground();
    for (key, process) in processes(&ground).enumerate() {
        let key = key as u64;
        create(&process.region, key, "old");
        ground.clock.advance(MINUTE);
        create(&process.region, key, "new");
        assert_eq!(process.probe.count(Operation::Claim), 1);
    }
}

/// While one creates, no other process is granted: neither by a look nor by a claim.
#[test]
fn g1_a_grant_of_a_look_is_one() {
    let ground = ground();
    let (one, other) = ground.pair(Place::Far, |builder| builder);
    let gate = Gate::new();
    let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "one").await));
    let mut waiting = begin(other.region.get(&1).or_create(async || panic!("another process creates")));
    ground.clock.advance(SECOND);
    waiting.waits();
    gate.open();
    creating.end().unwrap();
    ground.clock.advance(SECOND);
    let got = waiting.end().unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Fresh));
}

/// The lease counts from the look, and is renewed as any.
#[test]
fn g9_a_creation_of_a_look_outlives_its_lease() {
    let ground = ground();
    let process = ground.process_by(Place::Far, |builder| builder.lease(SECOND));
    let gate = Gate::new();
    let mut creating = begin(process.region.get(&1).or_create(async || gated(&gate, "one").await));
    for renewals in 1..=9 {
        ground.clock.advance(334 * MS);
        eventually("a renewal", || process.probe.count(Operation::Renew) >= renewals);
        creating.waits();
    }
    gate.open();
    assert_eq!(Got::published(&creating.end().unwrap()), Some(Published::Fresh));
    assert_eq!(fresh(&process.region, 1).as_deref(), Some("one"));
}

/// A caller that is gone before the reply leaves no grant behind, whenever its look is executed.
#[test]
fn g8_a_look_whose_caller_is_gone_leaves_no_grant() {
    for fate in [Fate::RequestLate, Fate::ReplyLate] {
        let ground = ground();
        for (key, process) in processes(&ground).enumerate() {
            let key = key as u64;
            process.probe.set(Operation::Look, fate);
            drop(begin(process.region.get(&key).or_create(async || panic!("its caller is gone"))));
            assert_eq!(is_free(&ground, key), fate == Fate::RequestLate);
            process.probe.set(Operation::Look, Fate::Answers);
            eventually("the grant is ended", || process.probe.count(Operation::End) == 1);
            eventually("the key is free", || is_free(&ground, key));
            create(&process.region, key, "next");
        }
    }
}

/// So does an access whose time is over.
#[test]
fn g8_a_look_that_takes_too_long_leaves_no_grant() {
    let ground = ground();
    for (key, process) in processes(&ground).enumerate() {
        let key = key as u64;
        process.probe.set(Operation::Look, Fate::ReplyLate);
        let mut access = begin(process.region.get(&key).timeout(50 * MS).or_create(async || panic!("it has no time")));
        ground.clock.advance(50 * MS);
        let mut ended = None;
        eventually("the access ends", || {
            ended = access.poll();
            ended.is_some()
        });
        assert!(ended.unwrap().is_err());
        process.probe.set(Operation::Look, Fate::Answers);
        eventually("the key is free", || is_free(&ground, key));
        create(&process.region, key, "next");
    }
}

/// What is granted to a process whose access waits for that very key goes back to it.
#[test]
fn g5_a_grant_goes_back_while_another_access_of_the_process_has_the_turn() {
    let ground = ground();
    let (one, other) = ground.pair(Place::Far, |builder| builder);
    let Claim::Create(theirs) = now(other.region.get(&1).claim()).unwrap() else { panic!("there is no value") };
    let creations = AtomicU64::new(0);
    let creator = async || {
        creations.fetch_add(1, Ordering::Relaxed);
        "one".to_owned()
    };
    // It has the turn, and waits for the other process.
    let waiting = begin(one.region.get(&1).or_create(creator));
    drop(theirs);
    eventually("the key is free", || is_free(&ground, 1));
    // It is granted, and has no turn.
    let mut late = start(one.region.get(&1).or_create(creator));
    late.waits();
    eventually("the grant goes back", || one.probe.count(Operation::End) == 1);
    late.waits();
    ground.clock.advance(SECOND);
    assert_eq!(&**waiting.end().unwrap(), "one");
    assert_eq!(&**late.end().unwrap(), "one");
    assert_eq!(creations.into_inner(), 1);
}

/// A pause that is over leaves its count of failures, which a look that asks does not forget.
#[test]
fn g8_failures_are_counted_on() {
    let ground = ground();
    let process = ground.process(Place::Far);
    let fails = || soon(process.region.get(&1).or_try_create(async || Err::<String, _>("no")));
    for count in 1..=3 {
        assert!(matches!(fails(), Err(CreateError::Failed(_))));
        let Err(CreateError::Paused { failures, left }) = fails() else { panic!("there is a pause") };
        assert_eq!(failures, count);
        ground.clock.advance(left);
    }
}
