//! What an access to many keys asks of a backend.

use super::{outcomes, poll, texts, value, values};
use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, PLACES, Place, Process, SECOND, begin, create, eventually, now, soon,
};
use dogpile_cache::observer::{NotPublished, Operation, Published};
use dogpile_cache::{Claim, CreateError, Got, OnBackendFailure, Outcome};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;

const OPERATIONS: [Operation; 6] =
    [Operation::Look, Operation::Claim, Operation::Publish, Operation::End, Operation::Change, Operation::Renew];

/// What a process has asked since the last time: looks, claims, publications, ends, changes and renewals.
struct Asked<'a> {
    process: &'a Process,
    before: [u64; 6],
}

impl Asked<'_> {
    fn of(process: &Process) -> Asked<'_> {
        let mut asked = Asked { process, before: [0; 6] };
        asked.since();
        asked
    }

    fn since(&mut self) -> [u64; 6] {
        let now = OPERATIONS.map(|operation| self.process.probe.count(operation));
        let before = mem::replace(&mut self.before, now);
        std::array::from_fn(|at| now[at] - before[at])
    }
}

fn hundred() -> Vec<u64> {
    (0..100).collect()
}

#[test]
fn g14_a_hundred_keys_are_one_look_and_a_claim_each() {
    let ground = Ground::new();
    let process = ground.process(Place::Far);
    let (region, mut asked) = (&process.region, Asked::of(&process));
    let keys = hundred();
    now(region.get_many(&keys).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(asked.since(), [1, 100, 100, 0, 0, 0]);

    now(region.get_many(&keys).or_create(async |_| panic!("all are there"))).unwrap();
    assert_eq!(asked.since(), [1, 0, 0, 0, 0, 0]);
    now(region.get_many(&keys).values()).unwrap();
    now(region.get_many(&[7, 7, 7]).values()).unwrap();
    assert_eq!(asked.since(), [2, 0, 0, 0, 0, 0]);

    ground.clock.advance(MINUTE);
    let failed = now(region.get_many(&keys).or_try_create(async |_| Err::<Vec<String>, _>("no")));
    assert!(matches!(failed, Err(CreateError::Failed("no"))), "{failed:?}");
    assert_eq!(asked.since(), [1, 100, 0, 100, 0, 0]);
}

#[test]
fn g14_the_operations_of_different_keys_are_under_way_at_once() {
    let ground = Ground::new();
    let process = ground.process(Place::Far);
    let (region, probe, mut asked) = (&process.region, &process.probe, Asked::of(&process));
    let keys = hundred();
    probe.set(Operation::Claim, Fate::RequestLate);
    probe.set(Operation::Publish, Fate::ReplyLate);
    let mut going = begin(region.get_many(&keys).or_create(async |keys| values(keys)));
    assert_eq!(asked.since(), [1, 100, 0, 0, 0, 0]);
    probe.set(Operation::Claim, Fate::Answers);
    going.waits();
    assert_eq!(asked.since(), [0, 0, 100, 0, 0, 0]);
    probe.set(Operation::Publish, Fate::Answers);
    assert_eq!(going.end().unwrap().len(), 100);

    ground.clock.advance(MINUTE);
    probe.set(Operation::End, Fate::ReplyLate);
    let going = begin(region.get_many(&keys).or_try_create(async |_| Err::<Vec<String>, _>("no")));
    assert_eq!(asked.since(), [1, 100, 0, 100, 0, 0]);
    probe.set(Operation::End, Fate::Answers);
    assert!(matches!(going.end(), Err(CreateError::Failed("no"))));
}

#[test]
fn g14_what_is_near_is_not_looked_up() {
    let ground = Ground::new();
    let process = ground.process(Place::NearOverFar);
    let (region, mut asked) = (&process.region, Asked::of(&process));
    now(region.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(asked.since(), [1, 2, 2, 0, 0, 0]);
    now(region.get_many(&[2, 1]).or_create(async |_| panic!("both are near"))).unwrap();
    now(region.get_many(&[2, 1]).values()).unwrap();
    assert_eq!(asked.since(), [0; 6]);

    now(region.get_many(&[1, 2, 3]).or_create(async |keys| values(keys))).unwrap();
    assert_eq!(asked.since(), [1, 1, 1, 0, 0, 0]);
    ground.clock.advance(SECOND);
    let got = now(region.get_many(&[1, 2, 3]).or_create(async |_| panic!("all are on the backend"))).unwrap();
    assert_eq!((Got::outcome(&got[0]), asked.since()), (Outcome::Fresh, [1, 0, 0, 0, 0, 0]));
    now(region.get_many(&[1, 2, 3]).values()).unwrap();
    assert_eq!(asked.since(), [0; 6], "a look of many keys keeps them near");
    ground.clock.advance(SECOND);
    now(region.get_many(&[1, 2, 3]).values()).unwrap();
    now(region.get_many(&[1, 2, 3]).values()).unwrap();
    assert_eq!(asked.since(), [1, 0, 0, 0, 0, 0], "and so does that of `values`");
}

#[test]
fn g14_waiting_for_many_keys_is_one_look_a_poll() {
    let ground = Ground::new();
    let (holder, waiter) = (ground.region(Place::Far), ground.process(Place::Far));
    let keys = hundred();
    let mut creations = Vec::new();
    for key in &keys {
        let Claim::Create(creation) = now(holder.get(key).claim()).unwrap() else { panic!("there is no value") };
        creations.push(creation);
    }
    let mut waiting = begin(waiter.region.get_many(&keys).or_create(async |_| panic!("another one creates")));
    let mut asked = Asked::of(&waiter);
    ground.clock.advance(MS * 2); // the first poll of those who do not know how long a creation takes
    waiting.waits();
    assert_eq!(asked.since(), [1, 0, 0, 0, 0, 0]);
    for (creation, key) in creations.into_iter().zip(&keys) {
        now(creation.publish(value(*key))).unwrap();
    }
    ground.clock.advance(SECOND);
    assert_eq!(waiting.end().unwrap().len(), 100);
    assert_eq!(asked.since(), [1, 0, 0, 0, 0, 0]);
}

#[test]
fn g3_what_the_backend_was_not_told_is_told_before_the_look() {
    let ground = Ground::new();
    let process = ground.process(Place::Far);
    let (region, probe) = (&process.region, &process.probe);
    now(region.get_many(&[1, 2, 3]).or_create(async |keys| values(keys))).unwrap();
    probe.set(Operation::Change, Fate::Unreachable);
    for key in [1, 2] {
        assert!(now(region.invalidate(&key)).is_err());
    }
    probe.set(Operation::Change, Fate::Answers);
    let mut asked = Asked::of(&process);
    ground.clock.advance(MINUTE / 2);
    let got = now(region.get_many(&[1, 2, 3]).or_create(async |keys| {
        assert_eq!(keys, [1, 2]);
        vec!["new".to_owned(); 2]
    }));
    assert_eq!(texts(&got.unwrap()), ["new", "new", "value 3"]);
    let [looks, claims, publications, ends, changes, _] = asked.since();
    assert_eq!([looks, claims, publications, ends], [1, 2, 2, 0]);
    // (The keeper tells it, too, from the end of the pause on.)
    assert!(changes >= 2);
}

#[test]
fn g5_a_backend_that_is_down_is_asked_once_for_many_keys() {
    for fate in [Fate::Unreachable, Fate::NeverAnswers] {
        let ground = Ground::new();
        let process = ground.process(Place::Far);
        let (region, probe, mut asked) = (&process.region, &process.probe, Asked::of(&process));
        probe.set(Operation::Look, fate);
        let keys = [1, 2, 3];
        let mut getting = Box::pin(region.get_many(&keys).or_create(async |keys| values(keys)));
        if fate == Fate::NeverAnswers {
            assert!(poll(getting.as_mut()).is_pending());
            ground.clock.advance(SECOND / 2); // `backend_timeout`
        }
        let got = soon(getting).unwrap();
        assert_eq!(texts(&got), ["value 1", "value 2", "value 3"], "this process elects by itself");
        assert_eq!((asked.since(), region.counts().creations), ([1, 0, 0, 0, 0, 0], 3));
        let own = now(region.get_many(&keys).or_create(async |_| panic!("they serve for a second"))).unwrap();
        assert_eq!((Got::outcome(&own[0]), asked.since()), (Outcome::Own, [0; 6]));
        let own = now(region.get_many(&keys).values()).unwrap();
        assert_eq!(own.iter().flatten().map(Got::outcome).collect::<Vec<_>>(), [Outcome::Own; 3]);
        assert!(now(region.get_many(&[1, 4]).values()).is_err(), "there is none of 4");
    }
}

#[test]
fn a_backend_that_is_down_is_an_error_where_the_region_says_so() {
    let ground = Ground::new();
    let process = ground.process_by(Place::Far, |builder| builder.on_backend_failure(OnBackendFailure::Fail));
    process.probe.set(Operation::Look, Fate::Unreachable);
    let got = now(process.region.get_many(&[1, 2]).or_create(async |_| panic!("it fails")));
    assert!(matches!(got, Err(CreateError::Backend(_))), "{got:?}");
}

#[test]
fn g8_an_access_that_is_dropped_in_its_claims_leaves_no_grant() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let (process, other) = (ground.process(place), ground.region(place));
        process.probe.set(Operation::Claim, Fate::ReplyLate);
        let keys: Vec<u64> = (0..20).collect();
        drop(begin(process.region.get_many(&keys).or_create(async |_| panic!("it is dropped before"))));
        process.probe.set(Operation::Claim, Fate::Answers);
        // The clock stands still, so no lease ends.
        for key in &keys {
            eventually("the grant is ended", || {
                let mut getting = Box::pin(other.get(key).or_create(async || value(*key)));
                poll(getting.as_mut()).is_ready()
            });
        }
        assert_eq!(other.counts().creations, 20, "{place:?}");
    }
}

#[test]
fn g9_the_leases_of_all_keys_are_renewed() {
    let ground = Ground::new();
    let process = ground.process(Place::Far);
    let gate = Gate::new();
    let keys = hundred();
    let mut asked = Asked::of(&process);
    let going = begin(process.region.get_many(&keys).or_create(async |keys| {
        gate.pass().await;
        values(keys)
    }));
    for _ in 0..6 {
        ground.clock.advance(SECOND * 4);
        let mut renewals = 0;
        eventually("all leases are renewed", || {
            renewals += asked.since()[5];
            renewals == 100
        });
    }
    gate.open();
    let got = going.end().unwrap();
    assert!(got.iter().all(|got| Got::published(got) == Some(Published::Fresh)));
}

#[test]
fn g5_a_batch_that_takes_too_long_gives_all_its_keys_up() {
    for place in PLACES {
        let ground = Ground::new();
        let (process, other) = ground.pair(place, |builder| builder.creation_timeout(SECOND));
        let gate = Gate::new();
        let going = begin(process.region.get_many(&[1, 2]).or_create(async |keys| {
            gate.pass().await;
            values(keys)
        }));
        ground.clock.advance(SECOND);
        for key in [1, 2] {
            eventually("another access is elected", || {
                let mut getting = Box::pin(other.region.get(&key).or_create(async || "other".to_owned()));
                poll(getting.as_mut()).is_ready()
            });
        }
        gate.open();
        let got = going.end().unwrap();
        assert_eq!(texts(&got), ["value 1", "value 2"], "{place:?}");
        assert!(got.iter().all(|got| Got::published(got) == Some(Published::No(NotPublished::Late))), "{place:?}");
    }
}

#[test]
fn g8_a_panic_of_the_creator_is_a_failure_of_each_key() {
    for place in PLACES {
        let region = Ground::new().region(place);
        let panics = || now(region.get_many(&[1, 2]).or_create(async |_| panic!("as it must")));
        assert!(catch_unwind(AssertUnwindSafe(panics)).is_err());
        for key in [1, 2] {
            let mut refused = None;
            eventually("the key pauses", || {
                // This loop does not give way to other tasks, so tokio's budget of a task must not end it.
                let getting = region.get(&key).or_create(async || panic!("it pauses"));
                let mut getting = Box::pin(tokio::task::unconstrained(getting));
                if let Poll::Ready(got) = poll(getting.as_mut()) {
                    refused = Some(got);
                }
                refused.is_some()
            });
            let got = refused.unwrap();
            assert!(matches!(got, Err(CreateError::Paused { failures: 1, .. })), "{place:?} {got:?}");
        }
    }
}

#[test]
fn g5_a_deadline_of_zero_asks_nothing() {
    let ground = Ground::new();
    let process = ground.process(Place::Far);
    let mut asked = Asked::of(&process);
    let got = process.region.get_many(&[1]).timeout(Duration::ZERO).or_create(async |_| panic!("out of time"));
    let got = now(got);
    assert!(matches!(got, Err(CreateError::TimedOut)), "{got:?}");
    assert_eq!(asked.since(), [0; 6]);
    create(&process.region, 1, "one");
}

#[test]
fn s55_what_was_looked_up_before_an_invalidation_is_not_kept_near() {
    let ground = Ground::new();
    let (process, other) = (ground.process(Place::NearOverFar), ground.region(Place::Far));
    let (region, probe) = (&process.region, &process.probe);
    now(other.get_many(&[1, 2]).or_create(async |keys| values(keys))).unwrap();
    for only_looks in [false, true] {
        probe.set(Operation::Look, Fate::ReplyLate);
        let keys = [1, 2];
        let mut creating = Box::pin(region.get_many(&keys).or_create(async |_| panic!("the reply has values")));
        let mut looking = Box::pin(region.get_many(&keys).values());
        if only_looks {
            assert!(poll(looking.as_mut()).is_pending());
        } else {
            assert!(poll(creating.as_mut()).is_pending());
        }
        now(region.invalidate(&1)).unwrap();
        probe.set(Operation::Look, Fate::Answers);
        let got =
            if only_looks { soon(looking).unwrap().remove(0).unwrap() } else { soon(creating).unwrap().remove(0) };
        assert_eq!(*got, "value 1", "this access began before");
        let got = now(region.get_many(&[1, 2]).or_create(async |keys| {
            assert_eq!(keys, [1]);
            values(keys)
        }));
        assert_eq!(outcomes(&got.unwrap()), [Outcome::Created, Outcome::Near]);
        ground.clock.advance(SECOND);
    }
}
