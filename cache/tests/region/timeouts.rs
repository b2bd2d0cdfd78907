//! How long accesses wait, and what becomes of creations that take too long.

use crate::kit::{
    Fate, Gate, Going, Ground, MINUTE, MS, PLACES, Place, SECOND, begin, create, eventually, fresh, gated, just_before,
    now, soon, take,
};
use dogpile_cache::observer::{NotPublished, Operation, Overlap, Published};
use dogpile_cache::{Claim, CreateError, Got, Outcome};
use std::time::Duration;

const FLEETS: [Place; 2] = [Place::Far, Place::NearOverFar];

#[test]
fn g11_an_old_value_is_waited_for_only_by_those_who_ask_for_it() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "one");
        ground.clock.advance(MINUTE);
        let gate = Gate::new();
        let renewing = begin(one.region.get(&1).or_create(async || gated(&gate, "two").await));
        for process in [&one, &other] {
            assert_eq!(Got::outcome(&take(&process.region, 1)), Outcome::Stale, "{place:?}");
        }
        let never = async || panic!("another creates");
        let mut patient =
            [&one, &other].map(|process| begin(process.region.get(&1).soft_timeout(SECOND).or_create(never)));
        let longer = [&one, &other].map(|process| begin(process.region.get(&1).soft_timeout(MINUTE).or_create(never)));
        ground.clock.advance(just_before(SECOND));
        patient.iter_mut().for_each(Going::waits);
        ground.clock.advance(MS);
        for mut patient in patient {
            let got = patient.poll().expect("its time is over").unwrap();
            assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Stale), "{place:?}");
        }
        gate.open();
        renewing.end().unwrap();
        ground.clock.advance(MS * 250);
        for longer in longer {
            assert_eq!(&**longer.end().unwrap(), "two", "{place:?}");
        }
    }
}

#[test]
fn an_access_waits_no_longer_than_its_timeout() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "one").await));
        let never = async || panic!("another creates");
        let short = [&one, &other].map(|process| begin(process.region.get(&1).timeout(SECOND).or_create(never)));
        let endless =
            [&one, &other].map(|process| begin(process.region.get(&1).timeout(Duration::MAX).or_create(never)));
        ground.clock.advance(just_before(SECOND));
        let short = short.map(|mut short| {
            short.waits();
            short
        });
        ground.clock.advance(MS);
        for mut short in short {
            assert!(matches!(short.poll(), Some(Err(CreateError::TimedOut))), "{place:?}");
        }
        gate.open();
        creating.end().unwrap();
        ground.clock.advance(MS * 250);
        for endless in endless {
            assert_eq!(&**endless.end().unwrap(), "one", "{place:?}");
        }
    }
}

#[test]
fn a_timeout_of_zero_waits_for_nothing_and_asks_for_nothing() {
    for place in FLEETS {
        let ground = Ground::new();
        let process = ground.process(place);
        let never = async || panic!("there is no time");
        let got = now(process.region.get(&1).timeout(Duration::ZERO).or_create(never));
        assert!(matches!(got, Err(CreateError::TimedOut)), "{place:?} {got:?}");
        assert_eq!(process.probe.total(), 0, "{place:?}");
        create(&process.region, 1, "one");
        let got = now(process.region.get(&1).timeout(Duration::ZERO).or_create(never));
        assert_eq!(got.is_ok(), place == Place::NearOverFar, "a value that is kept near costs no time");
    }
    let ground = Ground::new();
    let region = ground.region(Place::Near);
    let gate = Gate::new();
    // Near alone there is nothing to ask: the access creates, or has no time for the one that does.
    let creating = begin(region.get(&1).timeout(Duration::ZERO).or_create(async || gated(&gate, "one").await));
    let got = now(region.get(&1).timeout(Duration::ZERO).or_create(async || panic!("another creates")));
    assert!(matches!(got, Err(CreateError::TimedOut)), "{got:?}");
    gate.open();
    assert_eq!(&**creating.end().unwrap(), "one");
}

#[test]
fn an_own_creator_runs_beyond_the_timeout() {
    for place in PLACES {
        let ground = Ground::new();
        let process = ground.process(place);
        let gate = Gate::new();
        let mut creating = begin(process.region.get(&1).timeout(SECOND).or_create(async || gated(&gate, "one").await));
        ground.clock.advance(SECOND * 5);
        creating.waits();
        gate.open();
        let got = creating.end().unwrap();
        assert_eq!(Got::published(&got), Some(Published::Fresh), "{place:?}");
    }
}

#[test]
fn g5_a_creator_that_never_ends_costs_one_creation_timeout() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.creation_timeout(SECOND * 20));
        let (gate, second) = (Gate::new(), Gate::new());
        let mut endless = begin(one.region.get(&1).or_create(async || gated(&gate, "late").await));
        let mut waiting = begin(other.region.get(&1).or_create(async || gated(&second, "two").await));
        // Renewed at thirds.
        for _ in 0..19 {
            let renewed = one.probe.count(Operation::Renew);
            ground.clock.advance(SECOND);
            endless.waits();
            waiting.waits();
            if place != Place::Near && ground.clock.elapsed().as_secs().is_multiple_of(4) {
                eventually("the lease is renewed", || one.probe.count(Operation::Renew) > renewed);
            }
        }
        assert_eq!(other.region.counts().creations, 0);
        second.open();
        waiting.waits();
        ground.clock.advance(SECOND);
        // Polled by its task, since near alone has no keeper.
        endless.waits();
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
            ground.clock.advance(MS * 250);
        }
        assert_eq!(&**waiting.end().unwrap(), "two", "{place:?}");
        gate.open();
        let late = endless.end().unwrap();
        assert_eq!((&**late, Got::published(&late)), ("late", Some(Published::No(NotPublished::Late))), "{place:?}");
        assert_eq!(&**take(&one.region, 1), "two", "{place:?}");
        assert_eq!(one.region.counts().overlaps.get(Overlap::Late), 1, "{place:?}");
    }
}

#[test]
fn g5_a_creation_timeout_elects_another_waiter_of_the_process() {
    for place in PLACES {
        let ground = Ground::new();
        let one = ground.process_by(place, |builder| builder.creation_timeout(SECOND * 2));
        let gate = Gate::new();
        let mut endless = begin(one.region.get(&1).or_create(async || gated(&gate, "late").await));
        let mut waiting = begin(one.region.get(&1).or_create(async || "two".to_owned()));
        ground.clock.advance(SECOND * 2);
        endless.waits();
        let mut done = None;
        eventually("another is elected", || {
            done = waiting.poll();
            done.is_some()
        });
        let two = done.unwrap().unwrap();
        assert_eq!((&**two, Got::outcome(&two)), ("two", Outcome::Created), "{place:?}");
        gate.open();
        let late = endless.end().unwrap();
        assert_eq!(Got::published(&late), Some(Published::No(NotPublished::Late)), "{place:?}");
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("two"));
    }
}

#[test]
fn g5_a_claim_that_is_never_used_costs_one_creation_timeout() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.creation_timeout(SECOND * 2));
        let Claim::Create(creation) = now(one.region.get(&1).claim()).unwrap() else { panic!("there is no value") };
        let mut waiting = begin(other.region.get(&1).or_create(async || "two".to_owned()));
        // (The holder's own lease ends a grain, a millisecond, earlier than the backend's.)
        ground.clock.advance(just_before(just_before(SECOND * 2)));
        waiting.waits();
        assert!(!creation.is_superseded());
        ground.clock.advance(MS * 2);
        if place != Place::Near {
            eventually("the holder's keeper ends the grant", || one.probe.count(Operation::End) == 1);
        }
        let mut done = None;
        eventually("another is elected", || {
            done = waiting.poll();
            // A poll of the other process.
            ground.clock.advance(MS);
            done.is_some()
        });
        assert_eq!(&**done.unwrap().unwrap(), "two", "{place:?}");
        assert!(ground.clock.elapsed() < SECOND * 4, "{place:?} {:?}", ground.clock.elapsed());
        assert!(creation.is_superseded(), "{place:?}");
        let late = soon(creation.publish("late".to_owned())).unwrap();
        assert_eq!(Got::published(&late), Some(Published::No(NotPublished::Late)), "{place:?}");
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("two"));
    }
}

#[test]
fn g9_a_creation_of_three_leases_publishes() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "one").await));
        let mut waiting = begin(other.region.get(&1).or_create(async || panic!("another creates")));
        for renewals in 1..=9 {
            ground.clock.advance(SECOND * 10 / 3);
            eventually("the lease is renewed", || one.probe.count(Operation::Renew) == renewals);
            waiting.waits();
        }
        gate.open();
        let got = creating.end().unwrap();
        assert_eq!(Got::published(&got), Some(Published::Fresh), "{place:?}");
        ground.clock.advance(MS * 250);
        assert_eq!(&**waiting.end().unwrap(), "one");
        assert_eq!(one.region.counts().overlaps.total() + other.region.counts().overlaps.total(), 0);
    }
}

#[test]
fn s6_a_value_whose_lease_ran_out_goes_to_its_caller_alone() {
    for place in FLEETS {
        for fate in [Fate::Unreachable, Fate::NeverAnswers] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder);
            one.probe.set(Operation::Renew, fate);
            let gate = Gate::new();
            one.probe.set(Operation::Look, Fate::RequestLate);
            let mut creating = begin(one.region.get(&1).or_create(async || gated(&gate, "lost").await));
            let mut waiting =
                begin(one.region.get(&1).or_create(async || panic!("it has waited since before the grant")));
            one.probe.set(Operation::Look, Fate::Answers);
            creating.waits();
            waiting.waits();
            ground.clock.advance(SECOND * 10 / 3);
            eventually("the lease is renewed", || one.probe.count(Operation::Renew) == 1);
            ground.clock.advance(MS * 500);
            eventually("in vain", || one.region.counts().backend_errors.get(Operation::Renew) == 1);
            ground.clock.advance(SECOND * 20);
            eventually("the lease is lost", || one.region.counts().overlaps.get(Overlap::LeaseLost) == 1);
            // The next to come is elected, in this process or another.
            assert_eq!(&**soon(other.region.get(&1).or_create(async || "two".to_owned())).unwrap(), "two");
            gate.open();
            let lost = creating.end().unwrap();
            assert_eq!(&**lost, "lost", "{place:?} {fate:?}");
            let Some(Published::No(why)) = Got::published(&lost) else { panic!("{lost:?}") };
            assert!(matches!(why, NotPublished::Gone | NotPublished::Overtaken), "{place:?} {fate:?} {why:?}");
            // G4: those who have waited since before the grant.
            assert_eq!(&**waiting.end().unwrap(), "lost", "{place:?} {fate:?}");
            ground.clock.advance(SECOND);
            assert_eq!(&**take(&one.region, 1), "two", "{place:?} {fate:?}");
            assert_eq!(one.region.counts().overlaps.get(Overlap::LeaseLost), 1, "{place:?} {fate:?}");
        }
    }
}

#[test]
fn g6_a_claim_that_is_published_after_its_lease_is_refused() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        one.probe.set(Operation::Renew, Fate::Unreachable);
        let Claim::Create(creation) = now(one.region.get(&1).claim()).unwrap() else { panic!("there is no value") };
        ground.clock.advance(SECOND * 10);
        let got = soon(creation.publish("late".to_owned())).unwrap();
        assert_eq!((&**got, Got::published(&got)), ("late", Some(Published::No(NotPublished::Gone))), "{place:?}");
        assert_eq!(fresh(&other.region, 1), None);
    }
}

#[test]
fn s31_a_grant_that_the_server_has_lost_publishes_nothing() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "lost").await));
        ground.memory.lose_rest(&Ground::key(1));
        create(&other.region, 1, "two");
        gate.open();
        let lost = creating.end().unwrap();
        assert_eq!((&**lost, Got::published(&lost)), ("lost", Some(Published::No(NotPublished::Gone))), "{place:?}");
        ground.clock.advance(SECOND);
        assert_eq!(&**take(&one.region, 1), "two");
        assert_eq!(one.region.counts().overlaps.get(Overlap::ServerLost), 1, "{place:?}");
    }
}

#[test]
fn g10_an_empty_server_is_a_cold_start() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "lost").await));
        ground.memory.lose_everything();
        assert_eq!(&**soon(other.region.get(&1).or_create(async || "two".to_owned())).unwrap(), "two");
        gate.open();
        let lost = creating.end().unwrap();
        assert_eq!(Got::published(&lost), Some(Published::No(NotPublished::OtherLife)), "{place:?}");
        ground.clock.advance(SECOND);
        assert_eq!(&**take(&one.region, 1), "two");
    }
}

#[test]
fn g8_an_access_that_is_dropped_in_mid_creation_frees_its_key() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "never").await));
        let mut waiting = begin(other.region.get(&1).or_create(async || "two".to_owned()));
        drop(creating);
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
            ground.clock.advance(MS * 250);
        }
        let mut done = None;
        eventually("the next is elected", || {
            done = waiting.poll();
            done.is_some()
        });
        assert_eq!(&**done.unwrap().unwrap(), "two", "{place:?}");
        assert_eq!(one.region.counts().failures, 0, "a creation that was dropped has not failed");
    }
}

#[test]
fn g8_an_access_that_is_dropped_while_its_claim_is_under_way_leaves_no_grant() {
    for place in FLEETS {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        one.probe.set(Operation::Claim, Fate::ReplyLate);
        let claiming = begin(one.region.get(&1).or_create(async || panic!("nobody is there")));
        drop(claiming);
        one.probe.set(Operation::Claim, Fate::Answers);
        eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
        create_after_a_poll(&ground, &other.region);
    }
}

/// Creates, if need be after the polls of a process that has met a holder.
fn create_after_a_poll(ground: &Ground, region: &dogpile_cache::Region<u64, String>) {
    let mut access = Box::pin(region.get(&1).or_create(async || "two".to_owned()));
    let mut done = None;
    eventually("the key is free", || {
        let polled = access.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
        ground.clock.advance(MS);
        if let std::task::Poll::Ready(got) = polled {
            done = Some(got);
        }
        done.is_some()
    });
    assert_eq!(&**done.unwrap().unwrap(), "two");
    assert!(ground.clock.elapsed() < SECOND * 5, "it did not wait for the lease");
}
