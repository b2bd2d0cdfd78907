//! The end of a region.

use crate::kit::{
    Gate, Ground, MINUTE, MS, PLACES, Place, SECOND, begin, create, eventually, fresh, gated, is_free, just_before,
    now, soon, stored,
};
use crate::wire::{At, Kind, Wire};
use dogpile_cache::backend::{self, Rest};
use dogpile_cache::observer::{NotPublished, Operation, Published};
use dogpile_cache::{Claim, CreateError, Got, Region};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

#[test]
fn no_access_begins_in_a_region_that_is_closed() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = (ground.process(place), ground.process(place));
        create(&one.region, 1, "kept");
        let clone = one.region.clone();
        now(one.region.close(Duration::ZERO));
        assert!(one.region.is_closed() && clone.is_closed() && !other.region.is_closed());
        // Whether there is a value or not.
        for key in [1, 2] {
            let got = now(clone.get(&key).or_create(async || panic!("it is closed")));
            assert!(matches!(got, Err(CreateError::Closed)), "{place:?} {key} {got:?}");
            assert!(matches!(now(clone.get(&key).claim()), Err(CreateError::Closed)), "{place:?} {key}");
            assert!(now(clone.get(&key).value()).is_err(), "{place:?} {key}");
            assert!(matches!(now(clone.refresh(&key).or_create(async || panic!("closed"))), Err(CreateError::Closed)));
            let blocking = clone.blocking().get(&key).or_create(|| panic!("it is closed"));
            assert!(matches!(blocking, Err(CreateError::Closed)), "{place:?} {key}");
        }
        now(one.region.close(Duration::MAX));
        now(clone.close(SECOND));
        // The others of the fleet go on.
        create(&other.region, 2, "other");
    }
}

#[test]
fn g8_a_close_waits_for_its_grace_and_ends_what_is_left() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = (ground.process(place), ground.process(place));
        let gate = Gate::new();
        let mut creating = begin(one.region.get(&1).or_create(async || gated(&gate, "mine").await));
        let mut waiting = begin(one.region.get(&1).or_create(async || panic!("another creates")));
        let mut closing = begin(one.region.close(SECOND * 5));
        let refused = now(one.region.get(&1).or_create(async || panic!("it is closed")));
        assert!(matches!(refused, Err(CreateError::Closed)), "{place:?}");
        ground.clock.advance(just_before(SECOND * 5));
        closing.waits();
        creating.waits();
        waiting.waits();
        ground.clock.advance(MS);
        closing.poll().expect("the grace is over");
        let waited = waiting.poll().expect("nobody waits any more");
        assert!(matches!(waited, Err(CreateError::Closed)), "{place:?} {waited:?}");
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
            soon(is_free(&ground.memory, 1));
            // At once, and without a pause.
            create(&other.region, 1, "theirs");
        }
        creating.waits();
        gate.open();
        let mine = creating.end().unwrap();
        assert_eq!((&**mine, Got::published(&mine)), ("mine", Some(Published::No(NotPublished::Closed))), "{place:?}");
        if place != Place::Near {
            assert_eq!(fresh(&other.region, 1).as_deref(), Some("theirs"));
        }
        assert_eq!(one.region.counts().refused.get(NotPublished::Closed), 1, "{place:?}");
    }
}

#[test]
fn a_close_ends_as_soon_as_the_last_access_has() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = (ground.process(place), ground.process(place));
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "mine").await));
        let mut closing = begin(one.region.close(Duration::MAX));
        let mut second = begin(one.region.close(Duration::MAX));
        gate.open();
        let mine = creating.end().unwrap();
        assert_eq!(Got::published(&mine), Some(Published::Fresh), "{place:?}: it was in time");
        closing.poll().expect("the last access has ended");
        second.poll().expect("the last access has ended");
        if place != Place::Near {
            assert_eq!(fresh(&other.region, 1).as_deref(), Some("mine"));
        }
    }
}

#[test]
fn a_close_waits_for_a_claim() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = (ground.process(place), ground.process(place));
        let Claim::Create(creation) = now(one.region.get(&1).claim()).unwrap() else { panic!("no value") };
        let mut closing = begin(one.region.close(SECOND));
        ground.clock.advance(SECOND);
        closing.poll().expect("the grace is over");
        if place != Place::Near {
            eventually("the grant is ended", || one.probe.count(Operation::End) == 1);
            soon(is_free(&ground.memory, 1));
            create(&other.region, 1, "theirs");
        }
        let mine = soon(creation.publish("mine".to_owned())).unwrap();
        assert_eq!(Got::published(&mine), Some(Published::No(NotPublished::Closed)), "{place:?}");
    }
}

/// Its caller holds it, and does not touch it any more.
#[test]
fn a_close_waits_for_a_claim_that_is_elected_later_until_its_creation_is_dead() {
    for place in PLACES {
        let ground = Ground::new();
        let one = ground.process(place);
        let gate = Gate::new();
        // (No right, so that the close does not wait for its time.)
        let first = begin(one.region.get(&1).or_create(async || gated(&gate, "first").await));
        let mut waiting = begin(one.region.get(&1).claim());
        let mut closing = begin(one.region.close(Duration::MAX));
        ground.clock.advance(SECOND);
        drop(first);
        let mut second = None;
        eventually("the next is elected", || {
            second = waiting.poll();
            second.is_some()
        });
        let Ok(Claim::Create(second)) = second.unwrap() else { panic!("no value") };
        ground.clock.advance(just_before(MINUTE));
        closing.waits();
        ground.clock.advance(MS);
        closing.end();
        assert!(second.is_superseded(), "{place:?}");
    }
}

#[tokio::test]
async fn a_close_waits_for_creations_in_the_background() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = (ground.process(place), ground.process(place));
        let gate = Gate::new();
        one.region.set(&1, dogpile_cache::Made::new("old".to_owned()).expires_after(Duration::ZERO)).await.unwrap();
        let passed = Arc::clone(&gate);
        let creator = move || async move { gated(&passed, "new").await };
        assert_eq!(one.region.get(&1).in_background().or_create(creator).await.unwrap().to_string(), "old");
        let closing = tokio::spawn({
            let region = one.region.clone();
            async move { region.close(Duration::MAX).await }
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!closing.is_finished(), "{place:?}");
        gate.open();
        closing.await.unwrap();
        assert_eq!(one.region.counts().creations, 1, "{place:?}");
        if place != Place::Near {
            assert_eq!(other.region.get(&1).value().await.unwrap().unwrap().to_string(), "new");
        }
    }
}

#[test]
fn a_waiter_on_another_process_is_told_of_the_close() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let gate = Gate::new();
        let _creating = begin(one.region.get(&1).or_create(async || gated(&gate, "mine").await));
        let mut waiting = begin(other.region.get(&1).or_create(async || panic!("another creates")));
        now(other.region.close(Duration::ZERO));
        assert!(matches!(waiting.poll(), Some(Err(CreateError::Closed))), "{place:?}");
    }
}

#[test]
fn a_region_that_is_dropped_is_not_closed() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let other = ground.process(place);
        let gate = Gate::new();
        let creating = {
            let one = ground.process(place);
            let gate = &gate;
            begin(async move { one.region.get(&1).or_create(async || gated(gate, "mine").await).await })
        };
        gate.open();
        assert_eq!(Got::published(&creating.end().unwrap()), Some(Published::Fresh));
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("mine"));
    }
}

#[tokio::test]
async fn a_close_waits_for_the_end_of_a_grant_that_a_dropped_access_has_left() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    let end = wire.hold_next(Kind::End, At::Request);
    let gate = Gate::new();
    drop(begin(region.get(&1).or_create(async || gated(&gate, "one").await)));
    end.reached().await;
    let mut closing = pin!(region.close(Duration::MAX));
    assert!(poll_fn(|cx| Poll::Ready(closing.as_mut().poll(cx).is_pending())).await, "it waits");
    end.let_go();
    closing.await;
    let looks = backend::Backend::look(&ground.memory, &[stored(1)], None).await.unwrap();
    assert_eq!(looks[0].rest, Some(Rest::Free), "nothing is left");
}
