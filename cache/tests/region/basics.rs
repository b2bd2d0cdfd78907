//! One access after the other.

use crate::kit::{Ground, MINUTE, PLACES, Place, SECOND};
use dogpile_cache::{Claim, CreateError, Got, Made, Outcome};
use std::convert::Infallible;

#[tokio::test]
async fn a_value_is_created_once_and_then_served() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let first = region.get(&1).or_create(async || "one".to_owned()).await.unwrap();
        assert_eq!((&**first, Got::outcome(&first)), ("one", Outcome::Created), "{place:?}");
        let again = region.get(&1).or_create(async || panic!("there is a value")).await.unwrap();
        let outcome = if place == Place::Far { Outcome::Fresh } else { Outcome::Near };
        assert_eq!((&**again, Got::outcome(&again)), ("one", outcome), "{place:?}");
        assert_eq!(Got::version(&first), Got::version(&again));
        assert_eq!(region.counts().creations, 1);
    }
}

#[tokio::test]
async fn an_expired_value_is_created_again() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        region.get(&1).or_create(async || "one".to_owned()).await.unwrap();
        ground.clock.advance(MINUTE);
        let two = region.get(&1).or_create_with(async |creation| {
            assert_eq!(creation.old().map(|old| &**old), Some("one"), "{place:?}");
            Made::new("two".to_owned())
        });
        let two = two.await.unwrap();
        assert_eq!((&**two, Got::outcome(&two)), ("two", Outcome::Created), "{place:?}");
    }
}

#[tokio::test]
async fn a_failure_pauses_the_fleet() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = (ground.region(place), ground.region(place));
        let failed = one.get(&1).or_try_create(async || Err::<String, _>("no")).await;
        assert!(matches!(failed, Err(CreateError::Failed("no"))), "{place:?} {failed:?}");
        let region = if place == Place::Near { &one } else { &other };
        let paused = region.get(&1).or_try_create(async || Ok::<_, &str>("x".to_owned())).await;
        assert!(matches!(paused, Err(CreateError::Paused { failures: 1, .. })), "{place:?} {paused:?}");
        ground.clock.advance(SECOND);
        let got = region.get(&1).or_try_create(async || Ok::<_, &str>("x".to_owned())).await.unwrap();
        assert_eq!(&**got, "x");
    }
}

#[tokio::test]
async fn changes_do_what_they_say() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        assert!(region.get(&1).value().await.unwrap().is_none());
        region.set(&1, "set".to_owned()).await.unwrap();
        assert_eq!(&**region.get(&1).value().await.unwrap().unwrap(), "set", "{place:?}");
        assert!(!region.add(&1, "added".to_owned()).await.unwrap(), "{place:?}");
        region.invalidate(&1).await.unwrap();
        assert!(region.get(&1).value().await.unwrap().is_none(), "{place:?}");
        assert!(region.add(&1, "added".to_owned()).await.unwrap(), "{place:?}");
        region.mark_stale(&1).await.unwrap();
        let stale = region.get(&1).value().await.unwrap().unwrap();
        assert_eq!(Got::outcome(&stale), Outcome::Stale, "{place:?}");
        let seen = region.see(&1).await.unwrap();
        assert!(region.set_if(&1, &seen, "seen".to_owned()).await.unwrap(), "{place:?}");
        assert!(!region.set_if(&1, &seen, "again".to_owned()).await.unwrap(), "{place:?}");
        ground.clock.advance(MINUTE / 2);
        assert!(region.touch(&1, None).await.unwrap(), "{place:?}");
        ground.clock.advance(MINUTE / 2);
        let touched = region.get(&1).or_create(async || panic!("it was touched")).await.unwrap();
        assert_eq!(&**touched, "seen", "{place:?}");
    }
}

#[tokio::test]
async fn a_claim_is_the_right_to_create() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let Claim::Create(creation) = region.get(&1).claim().await.unwrap() else { panic!("there is no value") };
        let got = creation.publish("one".to_owned()).await.unwrap();
        assert_eq!(&**got, "one");
        let Claim::Value(got) = region.get(&1).claim().await.unwrap() else { panic!("there is a value") };
        assert_eq!(&**got, "one");
        region.invalidate(&1).await.unwrap();
        drop(region.get(&1).claim().await.unwrap());
        let got = region.get(&1).or_try_create(async || Ok::<_, Infallible>("two".to_owned())).await.unwrap();
        assert_eq!(&**got, "two");
    }
}

#[test]
fn threads_do_the_same() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let one = region.blocking().get(&1).or_create(|| "one".to_owned()).unwrap();
        assert_eq!(&**one, "one");
        let again = region.blocking().get(&1).or_create(|| unreachable!()).unwrap();
        assert_eq!(&**again, "one");
    }
}
