//! A caller gets what its creator has made, whatever becomes of its publication (G4).

use dogpile_cache::backend::{Fault, Faulty, Memory};
use dogpile_cache::observer::{NotPublished, Published};
use dogpile_cache::{Got, Made, Near, Outcome, Region};
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

fn why_not<V>(got: &Got<V>) -> NotPublished {
    match Got::published(got) {
        Some(Published::No(why)) => why,
        published => panic!("{published:?}"),
    }
}

#[tokio::test]
async fn g4_a_voided_creation_serves_its_caller_and_those_who_have_waited() {
    // The claim takes a few polls: the other access waits since before the grant.
    let faulty = Arc::new(Faulty::new(Memory::new(), 1).with(Fault::Delayed, 1.0));
    // (A light look's access begins with the reply, for the rule of sharing. With a near store there is none.)
    let near = Near::holding(1);
    let region = Region::builder("test").far(faulty).near(near).expires_after(MINUTE).build::<u64, u32>().unwrap();
    let creating = region.get(&1).or_create(async || {
        region.invalidate(&1).await.unwrap();
        1
    });
    let (created, waited) = tokio::join!(creating, region.get(&1).or_create(async || 2));
    let (created, waited) = (created.unwrap(), waited.unwrap());
    assert_eq!((*created, Got::outcome(&created)), (1, Outcome::Created));
    assert_eq!(why_not(&created), NotPublished::Voided);
    assert_eq!((*waited, Got::outcome(&waited)), (1, Outcome::Waited));
    assert!(region.get(&1).value().await.unwrap().is_none());
}

#[tokio::test]
async fn g4_a_voided_creation_serves_its_caller_near_alone() {
    let region = Region::builder("test").expires_after(MINUTE).build::<u64, u32>().unwrap();
    let created = region.get(&1).or_create(async || {
        region.invalidate(&1).await.unwrap();
        1
    });
    let created = created.await.unwrap();
    assert_eq!((*created, why_not(&created)), (1, NotPublished::Voided));
    assert!(region.get(&1).value().await.unwrap().is_none());
}

#[tokio::test]
async fn g4_a_value_that_is_not_stored_serves_its_caller() {
    let region = Region::builder("test").far(Memory::new()).expires_after(MINUTE).largest_value(100);
    let region = region.build::<u64, String>().unwrap();
    let large = region.get(&1).or_create(async || "x".repeat(200)).await.unwrap();
    assert_eq!((large.len(), why_not(&large)), (200, NotPublished::TooLarge));
    let unwanted = region.get(&2).or_create_with(async |_| Made::new("x".to_owned()).unstored()).await.unwrap();
    assert_eq!((unwanted.len(), why_not(&unwanted)), (1, NotPublished::Unwanted));
}

#[tokio::test]
async fn g4_a_backend_that_fails_in_mid_creation_takes_no_value_away() {
    for fault in [Fault::ReplyLost, Fault::RequestLost] {
        let faulty = Arc::new(Faulty::new(Memory::new(), 1));
        let process = || {
            let builder = Region::builder("test").far(Arc::clone(&faulty)).expires_after(MINUTE);
            builder.build::<u64, u32>().unwrap()
        };
        let region = process();
        let created = region.get(&1).or_create(async || {
            faulty.set_rate(fault, 1.0);
            7
        });
        let created = created.await.unwrap();
        assert_eq!((*created, why_not(&created)), (7, NotPublished::InDoubt), "{fault:?}");
        faulty.set_rate(fault, 0.0);
        let there = process().get(&1).value().await.unwrap();
        assert_eq!(there.is_some(), fault == Fault::ReplyLost, "{fault:?}");
    }
}
