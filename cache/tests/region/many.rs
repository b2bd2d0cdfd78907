//! One access to many keys (G14).

mod operations;
mod others;
mod servers;
mod together;

use crate::kit::{Ground, MINUTE, MS, PLACES, Place};
use dogpile_cache::{CreateError, Got, Outcome, Region, RegionBuilder};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The value of a key.
fn value(key: u64) -> String {
    format!("value {key}")
}

fn values(keys: Vec<u64>) -> Vec<String> {
    keys.into_iter().map(value).collect()
}

fn texts(got: &[Got<String>]) -> Vec<&str> {
    got.iter().map(|got| got.as_str()).collect()
}

fn outcomes(got: &[Got<String>]) -> Vec<Outcome> {
    got.iter().map(Got::outcome).collect()
}

/// Polls a future once.
fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Awaits a future, and moves the clock by a millisecond whenever that has to wait.
async fn in_manual_time<F: Future>(ground: &Ground, future: F) -> F::Output {
    let mut future = pin!(future);
    for _ in 0..2_000 {
        if let Poll::Ready(done) = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx))).await {
            return done;
        }
        ground.clock.advance(MS);
        tokio::task::yield_now().await;
    }
    panic!("this has waited for two seconds of the manual clock");
}

/// The region of another process, or the same one if there is no backend.
fn other(ground: &Ground, place: Place, region: &Region<u64, String>) -> Region<u64, String> {
    if place == Place::Near { region.clone() } else { ground.region_by(place, RegionBuilder::without_pauses) }
}

#[tokio::test]
async fn g14_one_creator_makes_what_is_missing() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        region.get(&2).or_create(async || value(2)).await.unwrap();
        let calls = Cell::new(0);
        let got = region.get_many(&[3, 1, 2, 3]).or_create(async |missing| {
            calls.set(calls.get() + 1);
            assert_eq!(missing, [3, 1], "{place:?}");
            values(missing)
        });
        let got = got.await.unwrap();
        assert_eq!((calls.get(), texts(&got)), (1, vec!["value 3", "value 1", "value 2", "value 3"]), "{place:?}");
        let there = if place == Place::Far { Outcome::Fresh } else { Outcome::Near };
        assert_eq!(outcomes(&got), [Outcome::Created, Outcome::Created, there, Outcome::Created], "{place:?}");
        assert!(Got::ptr_eq(&got[0], &got[3]), "duplicates share a value, {place:?}");

        let again = region.get_many(&[1, 2, 3]).or_create(async |_| panic!("all values are there")).await.unwrap();
        assert_eq!(texts(&again), ["value 1", "value 2", "value 3"], "{place:?}");
        assert_eq!(region.counts().creations, 3, "{place:?}");
    }
}

#[tokio::test]
async fn g14_no_keys_are_no_values() {
    for place in PLACES {
        let region = Ground::new().region(place);
        assert!(
            region.get_many([]).or_create(async |_| panic!("there is nothing to create")).await.unwrap().is_empty()
        );
        assert!(region.get_many([]).values().await.unwrap().is_empty());
    }
}

#[tokio::test]
async fn g14_a_failure_is_returned_once_and_each_key_pauses() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let failed = region.get_many(&[1, 2, 3]).or_try_create(async |_| Err::<Vec<String>, _>("no")).await;
        assert!(matches!(failed, Err(CreateError::Failed("no"))), "{place:?} {failed:?}");
        assert_eq!(region.counts().failures, 3, "{place:?}");
        let reader = if place == Place::Near { region } else { ground.region(place) };
        for key in [1, 2, 3] {
            let paused = reader.get(&key).or_create(async || value(key)).await;
            assert!(matches!(paused, Err(CreateError::Paused { failures: 1, .. })), "{place:?} {paused:?}");
        }
        // A key in its pause is an error of the call; the other one is created all the same.
        let paused = reader.get_many(&[4, 1]).or_create(async |keys| values(keys)).await;
        assert!(matches!(paused, Err(CreateError::Paused { .. })), "{place:?} {paused:?}");
        assert_eq!(&**reader.get(&4).value().await.unwrap().unwrap(), "value 4", "{place:?}");
    }
}

#[tokio::test]
async fn g14_the_wrong_number_of_values_is_a_failure() {
    for place in PLACES {
        for given in [0, 2, 4] {
            let ground = Ground::new();
            let region = ground.region(place);
            let got = region.get_many(&[1, 2, 3]).or_create(async |_| vec![String::new(); given]).await;
            let Err(CreateError::WrongCount { asked: 3, given: told }) = got else { panic!("{place:?} {got:?}") };
            assert_eq!(told, given);
            assert!(region.get(&1).value().await.unwrap().is_none(), "nothing is stored, {place:?}");
            let paused = region.get(&1).or_create(async || value(1)).await;
            assert!(matches!(paused, Err(CreateError::Paused { failures: 1, .. })), "{place:?} {paused:?}");
        }
    }
}

#[tokio::test]
async fn g14_old_values_cover_a_failure_if_the_policy_says_so() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region_by(place, |builder| builder.on_error(dogpile::OnError::ServeStale));
        region.get_many(&[1, 2]).or_create(async |keys| values(keys)).await.unwrap();
        ground.clock.advance(MINUTE);
        let fails = async |_: Vec<u64>| Err::<Vec<String>, _>("no");
        let got = region.get_many(&[2, 1]).or_try_create(fails).await.unwrap();
        assert_eq!(texts(&got), ["value 2", "value 1"], "{place:?}");
        assert_eq!(outcomes(&got), [Outcome::StaleOnError; 2], "{place:?}");

        ground.clock.advance(MINUTE / 2);
        let got = region.get_many(&[1, 2, 3]).or_try_create(fails).await;
        assert!(matches!(got, Err(CreateError::Failed("no"))), "there is no old value of 3, {place:?} {got:?}");
    }
}

#[tokio::test]
async fn g14_absences_are_found_and_kept() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let found = region.get_many(&[1, 2, 3]).or_try_find(async |keys| {
            Ok::<_, &str>(keys.iter().map(|key| (key % 2 == 1).then(|| value(*key))).collect())
        });
        let found = found.await.unwrap();
        let found: Vec<_> = found.iter().map(|got| got.as_ref().map(|got| got.as_str())).collect();
        assert_eq!(found, [Some("value 1"), None, Some("value 3")], "{place:?}");
        let again = region.get_many(&[2, 3]).or_try_find(async |_| Err("all is known")).await.unwrap();
        assert!(again[0].is_none() && again[1].is_some(), "{place:?}");
        let there = region.get_many(&[3, 2, 9]).values().await.unwrap();
        assert_eq!(there.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, false], "{place:?}");
        let made = region.get_many(&[2, 3]).or_create(async |keys| {
            assert_eq!(keys, [2], "an absence is no value, {place:?}");
            values(keys)
        });
        assert_eq!(texts(&made.await.unwrap()), ["value 2", "value 3"], "{place:?}");
    }
}

#[test]
fn g14_threads_do_the_same() {
    for place in PLACES {
        let region = Ground::new().region(place);
        let got = region.blocking().get_many(&[1, 2]).or_create(values).unwrap();
        assert_eq!(texts(&got), ["value 1", "value 2"], "{place:?}");
        let failed = region.blocking().get_many(&[1, 3]).timeout(MINUTE).or_try_create(|_| Err("no"));
        assert!(matches!(failed, Err(CreateError::Failed("no"))), "{place:?} {failed:?}");
        let found = region.blocking().get_many(&[4]).soft_timeout(MS).or_try_find(|_| Ok::<_, &str>(vec![None]));
        assert!(found.unwrap()[0].is_none(), "{place:?}");
        assert!(region.blocking().get_many(&[1, 2]).values().unwrap().iter().all(Option::is_some), "{place:?}");
    }
}

#[tokio::test]
async fn blocking_accesses_do_not_use_up_the_budget_of_their_task() {
    // A task of tokio may do 128 operations or so before it has to return. A task that blocks does not return.
    for place in PLACES {
        let region = Ground::new().region(place);
        for key in 0..200 {
            let got = region.blocking().get(&key).or_create(|| value(key));
            assert!(got.is_ok(), "{place:?} {key} {got:?}");
        }
        let keys: Vec<u64> = (1000..2000).collect();
        assert_eq!(region.blocking().get_many(&keys).or_create(values).unwrap().len(), 1000, "{place:?}");
    }
}

#[tokio::test]
async fn g14_a_closed_region_begins_nothing() {
    for place in PLACES {
        let region = Ground::new().region(place);
        region.close(Duration::ZERO).await;
        let got = region.get_many(&[1]).or_create(async |_| panic!("it is closed")).await;
        assert!(matches!(got, Err(CreateError::Closed)), "{place:?} {got:?}");
        assert!(region.get_many(&[1]).values().await.is_err(), "{place:?}");
    }
}
