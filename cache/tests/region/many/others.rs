//! An access to many keys beside accesses of others to the same keys.

use super::{in_manual_time, other, outcomes, poll, texts, value, values};
use crate::kit::{Ground, MINUTE, MS, PLACES, Place, SECOND, begin, eventually};
use dogpile_cache::{Claim, CreateError, Creation, Got, Outcome, Region, RegionBuilder};
use std::cell::{Cell, RefCell};
use std::future::pending;
use std::sync::Arc;
use std::task::Poll;

async fn claim(region: &Region<u64, String>, key: u64) -> Creation<u64, String> {
    let Claim::Create(creation) = region.get(&key).claim().await.unwrap() else { panic!("no other one creates") };
    creation
}

#[tokio::test]
async fn g14_own_creations_end_before_others_are_waited_for() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let other = other(&ground, place, &region);
        let (one, two) = (claim(&other, 1).await, claim(&other, 2).await);
        let mut waiting = Box::pin(region.get_many(&[1, 2, 3, 4]).or_create(async |keys| {
            assert_eq!(keys, [3, 4], "{place:?}");
            values(keys)
        }));
        assert!(poll(waiting.as_mut()).is_pending(), "{place:?}");
        assert_eq!(&**other.get(&4).value().await.unwrap().unwrap(), "value 4", "it is published, {place:?}");
        two.publish(value(2)).await.unwrap();
        one.publish(value(1)).await.unwrap();
        let got = in_manual_time(&ground, waiting).await.unwrap();
        assert_eq!(texts(&got), ["value 1", "value 2", "value 3", "value 4"], "{place:?}");
        let theirs = if place == Place::Near { Outcome::Waited } else { Outcome::Fresh };
        assert_eq!(outcomes(&got), [theirs, theirs, Outcome::Created, Outcome::Created], "{place:?}");
    }
}

#[tokio::test]
async fn g14_what_others_have_failed_to_create_comes_in_a_second_batch() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region_by(place, RegionBuilder::without_pauses);
        let other = other(&ground, place, &region);
        let (one, two, three) = (claim(&other, 1).await, claim(&other, 2).await, claim(&other, 3).await);
        let batches = RefCell::new(Vec::new());
        let mut waiting = Box::pin(region.get_many(&[1, 2, 3, 4]).or_create(async |keys| {
            batches.borrow_mut().push(keys.clone());
            values(keys)
        }));
        assert!(poll(waiting.as_mut()).is_pending(), "{place:?}");
        assert_eq!(*batches.borrow(), [[4]], "{place:?}");
        one.fail(&"no").await;
        two.fail(&"no").await;
        ground.clock.advance(SECOND / 4);
        assert!(poll(waiting.as_mut()).is_pending(), "{place:?}");
        assert_eq!(*batches.borrow(), [vec![4], vec![1, 2]], "{place:?}");
        three.fail(&"no").await;
        let got = in_manual_time(&ground, waiting).await.unwrap();
        assert_eq!(*batches.borrow(), [vec![4], vec![1, 2], vec![3]], "{place:?}");
        assert_eq!(outcomes(&got), [Outcome::Created; 4], "{place:?}");
    }
}

#[tokio::test]
async fn g14_what_another_one_has_published_meanwhile_needs_no_look() {
    // The other access of this process ends while this one creates: nobody waits for it at that moment.
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let one = Cell::new(Some(claim(&region, 1).await));
        let got = region.get_many(&[1, 2]).or_create(async |keys| {
            assert_eq!(keys, [2], "{place:?}");
            one.take().expect("there is one batch").publish(value(1)).await.unwrap();
            values(keys)
        });
        let got = got.await.unwrap();
        assert_eq!(outcomes(&got), [Outcome::Waited, Outcome::Created], "{place:?}");
    }
}

#[tokio::test]
async fn g11_old_values_are_not_waited_for() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        region.get_many(&[1, 2]).or_create(async |keys| values(keys)).await.unwrap();
        ground.clock.advance(MINUTE);
        let other = other(&ground, place, &region);
        let one = claim(&other, 1).await;
        let mut getting = Box::pin(region.get_many(&[1, 2]).or_create(async |keys| {
            assert_eq!(keys, [2], "{place:?}");
            values(keys)
        }));
        let Poll::Ready(got) = poll(getting.as_mut()) else { panic!("an old value was waited for, {place:?}") };
        assert_eq!(outcomes(&got.unwrap()), [Outcome::Stale, Outcome::Created], "{place:?}");

        // With `soft_timeout` it is, for that long.
        let mut getting = Box::pin(region.get_many(&[1, 2]).soft_timeout(SECOND).or_create(async |_| panic!("fresh")));
        assert!(poll(getting.as_mut()).is_pending(), "{place:?}");
        ground.clock.advance(SECOND);
        let got = in_manual_time(&ground, getting).await.unwrap();
        assert_eq!(Got::outcome(&got[0]), Outcome::Stale, "{place:?}");
        drop(one);
    }
}

#[tokio::test]
async fn g5_a_time_out_ends_the_wait_and_leaves_what_was_created() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let other = other(&ground, place, &region);
        let _one = claim(&other, 1).await;
        let mut getting = Box::pin(region.get_many(&[1, 2]).timeout(MS * 10).or_create(async |keys| values(keys)));
        assert!(poll(getting.as_mut()).is_pending(), "{place:?}");
        ground.clock.advance(MS * 10);
        let got = in_manual_time(&ground, getting).await;
        assert!(matches!(got, Err(CreateError::TimedOut)), "{place:?} {got:?}");
        assert_eq!(&**other.get(&2).value().await.unwrap().unwrap(), "value 2", "{place:?}");
    }
}

#[test]
fn g8_an_access_that_is_dropped_in_its_creator_frees_all_grants() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let other = other(&ground, place, &region);
        let keys: Vec<u64> = (0..20).collect();
        drop(begin(region.get_many(&keys).or_create(async |_| pending().await)));
        // The clock stands still, so no lease ends.
        for key in &keys {
            eventually("the grant is ended", || {
                let mut getting = Box::pin(other.get(key).or_create(async || value(*key)));
                let Poll::Ready(got) = poll(getting.as_mut()) else { return false };
                assert_eq!(Got::outcome(&got.unwrap()), Outcome::Created, "{place:?}");
                true
            });
        }
        assert_eq!((region.counts().failures, other.counts().creations), (0, 20), "{place:?}");
    }
}

#[tokio::test]
async fn l7_a_creator_that_asks_for_any_of_its_keys_is_told() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let got = region.get_many(&[1, 2, 3]).or_create(async |keys| {
            for key in &keys {
                let nested = region.get(key).or_create(async || value(*key)).await;
                assert!(matches!(nested, Err(CreateError::WouldDeadlock)), "{place:?} {nested:?}");
            }
            let nested = region.get_many(&[4, 2]).or_create(async |keys| {
                assert_eq!(keys, [4]);
                values(keys)
            });
            let nested = nested.await;
            assert!(matches!(nested, Err(CreateError::WouldDeadlock)), "{place:?} {nested:?}");
            values(keys)
        });
        assert_eq!(texts(&got.await.unwrap()), ["value 1", "value 2", "value 3"], "{place:?}");
        assert_eq!(region.counts().creations, 4, "{place:?}");
    }
}

#[tokio::test]
async fn l7_a_circle_of_two_batches_is_found() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let ready = Arc::new(tokio::sync::Barrier::new(2));
        let start = |own: [u64; 2], asks: u64| {
            let (region, ready) = (region.clone(), Arc::clone(&ready));
            tokio::spawn(async move {
                let got = region.get_many(&own).or_try_create(async |keys| {
                    ready.wait().await;
                    match region.get(&asks).or_create(async || value(asks)).await {
                        Ok(_) => Ok(values(keys)),
                        Err(error) => Err(error.to_string()),
                    }
                });
                got.await.is_ok()
            })
        };
        let (one, two) = (start([1, 2], 4), start([3, 4], 2));
        let (one, two) = (one.await.unwrap(), two.await.unwrap());
        assert!(!one || !two, "one of them would have waited for the other one for ever, {place:?}");
    }
}

#[tokio::test]
async fn g14_a_turn_without_a_grant_is_given_up_before_the_creator_runs() {
    // This access has the turn of key 1 in its process, and another process creates it. Its creator asks for key 1: it
    // must wait for the other process, not for this access.
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let region = ground.region(place);
        let other = other(&ground, place, &region);
        let one = Cell::new(Some(claim(&other, 1).await));
        let got = region.get_many(&[1, 2]).or_create(async |keys| {
            assert_eq!(keys, [2], "{place:?}");
            let mut nested = Box::pin(region.get(&1).or_create(async || panic!("the other process creates")));
            assert!(poll(nested.as_mut()).is_pending(), "{place:?}");
            one.take().expect("there is one batch").publish(value(1)).await.unwrap();
            assert_eq!(Got::outcome(&nested.await.unwrap()), Outcome::Fresh, "{place:?}");
            values(keys)
        });
        let got = in_manual_time(&ground, got).await.unwrap();
        assert_eq!(texts(&got), ["value 1", "value 2"], "{place:?}");
    }
}

#[tokio::test]
async fn g3_an_access_begins_with_a_look_of_its_own() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let other = other(&ground, place, &region);
        region.get_many(&[1, 2]).or_create(async |keys| values(keys)).await.unwrap();
        other.invalidate(&1).await.unwrap();
        if place == Place::NearOverFar {
            // Near keeps a value for a second, whatever another process does.
            ground.clock.advance(SECOND);
        }
        let got = region.get_many(&[1, 2]).or_create(async |keys| {
            assert_eq!(keys, [1], "{place:?}");
            vec!["new".to_owned()]
        });
        assert_eq!(texts(&got.await.unwrap()), ["new", "value 2"], "{place:?}");
    }
}
