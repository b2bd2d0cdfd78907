//! Races between an access, the keeper of its creation, changes of the key, and the end of the region.

use crate::kit::{Ground, MINUTE, PLACES, Place, SECOND, is_free, stored};
use crate::wire::{At, Kind, WATCHDOG, Wire};
use dogpile_cache::backend::Backend;
use dogpile_cache::{Claim, CreateError, Got, Near, Outcome, Region};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::sync::{Arc, OnceLock, mpsc};
use std::task::Poll;
use std::thread;
use std::time::Duration;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

/// Polls a future once. It has to wait.
async fn begin<F: Future>(future: std::pin::Pin<&mut F>) {
    let mut future = future;
    poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending(), "it has to wait");
        Poll::Ready(())
    })
    .await;
}

async fn soon<F: Future>(future: F) -> F::Output {
    timeout(WATCHDOG, future).await.expect("this must come to its end")
}

#[tokio::test]
async fn g5_a_creation_that_fails_after_the_end_of_its_region_returns() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let (entered, go) = (Notify::new(), Notify::new());
        let access = region.get(&1).or_try_create(async || {
            entered.notify_one();
            go.notified().await;
            Err::<String, _>("no")
        });
        let close = async {
            entered.notified().await;
            region.close(Duration::ZERO).await;
            if place != Place::Near {
                is_free(&ground.memory, 1).await;
            }
            // (Near alone, the task of the access ends its grant by itself.)
            tokio::task::yield_now().await;
            go.notify_one();
        };
        let (failed, ()) = soon(async { tokio::join!(access, close) }).await;
        assert!(matches!(failed, Err(CreateError::Failed("no"))), "{place:?} {failed:?}");
    }
}

#[tokio::test]
async fn g4_a_value_that_is_made_while_the_keeper_renews_is_published_without_its_caller() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    let (entered, go) = (Notify::new(), Notify::new());
    let renewal = wire.hold_next(Kind::Renew, At::Reply);
    {
        let mut access = pin!(region.get(&1).or_create(async || {
            entered.notify_one();
            go.notified().await;
            "one".to_owned()
        }));
        begin(access.as_mut()).await;
        entered.notified().await;
        ground.clock.advance(SECOND * 4);
        renewal.reached().await;
        go.notify_one();
        // The value is made, and the renewal is under way.
        begin(access.as_mut()).await;
    }
    renewal.let_go();
    is_free(&ground.memory, 1).await;
    let got = region.get(&1).value().await.unwrap().expect("the value is published");
    assert_eq!(&**got, "one");
}

#[tokio::test]
async fn g4_a_renewal_that_panics_costs_the_lease_and_no_value() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    wire.panic_next(Kind::Renew);
    let access = region.get(&1).or_create(async || {
        ground.clock.advance(SECOND * 4);
        while wire.count_of(Kind::Renew) == 0 {
            tokio::task::yield_now().await;
        }
        "one".to_owned()
    });
    let got = soon(access).await.unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Created));
}

#[tokio::test]
async fn g5_a_creation_that_never_ends_gives_its_turn_to_those_who_wait() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let (entered, has_entered) = oneshot::channel();
        let dead = tokio::spawn({
            let region = region.clone();
            async move {
                let creator = async || {
                    entered.send(()).unwrap();
                    pending().await
                };
                region.get(&1).or_create(creator).await.map(|_| ())
            }
        });
        has_entered.await.unwrap();
        let mut waiter = pin!(region.get(&1).or_create(async || "two".to_owned()));
        begin(waiter.as_mut()).await;
        ground.clock.advance(MINUTE);
        let got = soon(waiter).await.unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("two", Outcome::Created), "{place:?}");
        dead.abort();
    }
}

#[tokio::test]
async fn g5_a_claim_that_is_never_ended_gives_its_turn_to_those_who_wait() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let Claim::Create(creation) = region.get(&1).claim().await.unwrap() else { panic!("there is no value") };
        let mut waiter = pin!(region.get(&1).or_create(async || "two".to_owned()));
        begin(waiter.as_mut()).await;
        ground.clock.advance(MINUTE);
        let got = soon(waiter).await.unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("two", Outcome::Created), "{place:?}");
        // The late value goes to its caller (G4), and is not published (G2).
        let late = creation.publish("one".to_owned()).await.unwrap();
        assert_eq!(&**late, "one");
        assert_eq!(&**region.get(&1).value().await.unwrap().unwrap(), "two", "{place:?}");
    }
}

/// A look that was sent while an invalidation was under way has found the value, and its reply comes last.
#[tokio::test]
async fn g3_near_keeps_nothing_that_was_looked_up_while_an_invalidation_was_under_way() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let near = Near::holding(100).at_most(SECOND);
    let region: Region<u64, String> = ground.builder().near(near).far(Arc::clone(&wire)).build().unwrap();
    ground.region(Place::Far).set(&1, "one".to_owned()).await.unwrap();

    // A look is under way, so that the next one is not sent yet.
    let first = wire.hold_next(Kind::Look, At::Request);
    let mut before = pin!(region.get(&1).value());
    begin(before.as_mut()).await;
    let mut other = pin!(region.get(&1).value());
    begin(other.as_mut()).await;

    let change = wire.hold_next(Kind::Change, At::Request);
    let mut invalidation = pin!(region.invalidate(&1));
    begin(invalidation.as_mut()).await;

    first.let_go();
    assert_eq!(&**soon(before).await.unwrap().unwrap(), "one");
    assert_eq!(&**soon(other).await.unwrap().unwrap(), "one");
    change.let_go();
    soon(invalidation).await.unwrap();
    assert!(region.get(&1).value().await.unwrap().is_none(), "the value was invalidated");
}

/// The same for a mark.
#[tokio::test]
async fn near_serves_nothing_as_fresh_that_was_looked_up_while_a_mark_was_under_way() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let near = Near::holding(100).at_most(SECOND);
    let region: Region<u64, String> = ground.builder().near(near).far(Arc::clone(&wire)).build().unwrap();
    ground.region(Place::Far).set(&1, "one".to_owned()).await.unwrap();
    let change = wire.hold_next(Kind::Change, At::Request);
    let mut mark = pin!(region.mark_stale(&1));
    begin(mark.as_mut()).await;
    assert_eq!(&**region.get(&1).value().await.unwrap().unwrap(), "one");
    change.let_go();
    soon(mark).await.unwrap();
    let got = region.get(&1).value().await.unwrap().unwrap();
    assert_eq!(Got::outcome(&got), Outcome::Stale);
}

/// A creation that is claimed and published while a `set` is under way.
#[tokio::test]
async fn near_keeps_nothing_that_was_created_while_a_set_was_under_way() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let near = Near::holding(100).at_most(SECOND);
    let region: Region<u64, String> = ground.builder().near(near).far(Arc::clone(&wire)).build().unwrap();
    let change = wire.hold_next(Kind::Change, At::Request);
    let mut set = pin!(region.set(&1, "set".to_owned()));
    begin(set.as_mut()).await;
    assert_eq!(&**region.get(&1).or_create(async || "one".to_owned()).await.unwrap(), "one");
    change.let_go();
    soon(set).await.unwrap();
    assert_eq!(&**region.get(&1).value().await.unwrap().unwrap(), "set");
}

#[tokio::test]
async fn the_raw_key_is_that_of_the_region() {
    let ground = Ground::new();
    ground.region(Place::Far).set(&1, "one".to_owned()).await.unwrap();
    let looks = ground.memory.look(&[stored(1)], None).await.unwrap();
    assert!(looks[0].entry.is_some());
}

/// Else a request that is executed after the invalidation has returned would void a grant of after it.
#[tokio::test]
async fn g1_an_invalidation_is_told_by_one_request_though_accesses_begin_meanwhile() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    let told = wire.hold_next(Kind::Change, At::Reply);
    let mut invalidation = pin!(region.invalidate(&1));
    begin(invalidation.as_mut()).await;
    let mut access = pin!(region.get(&1).or_create(async || "one".to_owned()));
    begin(access.as_mut()).await;
    told.let_go();
    soon(invalidation).await.unwrap();
    let got = soon(access).await.unwrap();
    assert_eq!((&**got, wire.count_of(Kind::Change)), ("one", 1));
}

/// A value that uses the region when it is dropped.
struct Enters(OnceLock<Region<u64, Enters>>);

impl Drop for Enters {
    fn drop(&mut self) {
        if let Some(region) = self.0.get() {
            drop(region.blocking().get(&1).value());
        }
    }
}

#[test]
fn a_value_is_dropped_outside_of_the_mutexes() {
    type Change = fn(&Region<u64, Enters>);
    let changes: [(&str, Change); 4] = [
        ("set", |region| region.blocking().set(&1, Enters(OnceLock::new())).unwrap()),
        ("invalidate", |region| region.blocking().invalidate(&1).unwrap()),
        ("refresh", |region| drop(region.blocking().refresh(&1).or_create(|| Enters(OnceLock::new())).unwrap())),
        ("eviction", |region| {
            for key in 2..100 {
                region.blocking().set(&key, Enters(OnceLock::new())).unwrap();
            }
        }),
    ];
    for (what, change) in changes {
        let (told, ended) = mpsc::channel();
        thread::spawn(move || {
            let near = Near::holding(4);
            let region: Region<u64, Enters> = Region::builder("test").near(near).expires_after(MINUTE).build().unwrap();
            let value = Enters(OnceLock::new());
            drop(value.0.set(region.clone()));
            region.blocking().set(&1, value).unwrap();
            change(&region);
            told.send(()).unwrap();
        });
        assert_eq!(ended.recv_timeout(WATCHDOG), Ok(()), "{what}");
    }
}
