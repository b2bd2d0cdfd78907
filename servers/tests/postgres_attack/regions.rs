//! What regions make of one place that a stranger holds.

use crate::kit::*;
use dogpile_cache::backend::Backend;
use dogpile_cache::{Got, Outcome, Published, Region};
use std::sync::Arc;

/// One row that a stranger has locked is not a server that is down: the creations of other keys are elected and
/// published, after a publication, and after an invalidation, that was not to be had in the region's time.
#[tokio::test]
async fn g9_a_locked_place_is_no_server_that_is_down() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region: Region<str, String> = builder(&postgres).backend_timeout(MS * 500).build().unwrap();
    let mut unpublished = Vec::new();
    // A publication.
    let client = stranger(&server).await;
    let got = region
        .get("a")
        .or_create(async || {
            client.batch_execute("BEGIN; SELECT FROM dogpile.place FOR UPDATE").await.unwrap();
            "own".to_owned()
        })
        .await
        .unwrap();
    assert_eq!(*got, "own");
    let got = region.get("b").or_create(async || "b".to_owned()).await.unwrap();
    if Got::published(&got) != Some(Published::Fresh) {
        unpublished.push(("publication", format!("{got:?}")));
    }
    client.batch_execute("ROLLBACK").await.unwrap();
    tokio::time::sleep(SECOND * 3).await;
    // An invalidation.
    let region: Region<str, String> = builder(&postgres).backend_timeout(MS * 500).build().unwrap();
    client.batch_execute(&format!("BEGIN; {}", set_as_a_user(&key("c")))).await.unwrap();
    region.invalidate("c").await.unwrap_err();
    let got = region.get("d").or_create(async || "d".to_owned()).await.unwrap();
    if Got::published(&got) != Some(Published::Fresh) {
        unpublished.push(("invalidation", format!("{got:?}")));
    }
    assert!(unpublished.is_empty(), "{unpublished:#?}");
}

/// G3: an invalidation that was not to be had is by-passed: this process serves nothing of before, and tells it when
/// the stranger has gone.
#[tokio::test]
async fn g3_an_invalidation_that_was_cut_is_by_passed_until_it_is_told() {
    let server = server().await;
    let (postgres, other) = (backend(&server).await, backend(&server).await);
    for timeout in [MS * 200, MS * 500, SECOND * 3] {
        let region: Region<str, String> = builder(&postgres).backend_timeout(timeout).build().unwrap();
        let _ = region.get("a").or_create(async || "old".to_owned()).await.unwrap();
        let client = stranger(&server).await;
        client.batch_execute("BEGIN; SELECT FROM dogpile.entry FOR UPDATE").await.unwrap();
        region.invalidate("a").await.unwrap_err();
        for _ in 0..3 {
            let got = within(SECOND * 20, region.get("a").or_create(async || "new".to_owned())).await.unwrap();
            assert_eq!(*got, "new", "{timeout:?}: {:?}", Got::outcome(&got));
        }
        client.batch_execute("ROLLBACK").await.unwrap();
        // It is told by itself: nobody asks the region.
        until(async || stored(&other, &key("a")).await.is_none()).await;
        drop(region);
    }
}

/// G11: an old value is served beside a stranger's transaction, at once.
#[tokio::test]
async fn g11_an_old_value_is_served_beside_a_stranger() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region: Region<str, String> =
        builder(&postgres).expires_after(MS * 10).max_stale(MINUTE).backend_timeout(MS * 500).build().unwrap();
    let _ = region.get("a").or_create(async || "old".to_owned()).await.unwrap();
    tokio::time::sleep(MS * 20).await;
    let client = stranger(&server).await;
    client.batch_execute(&format!("BEGIN; {}", set_as_a_user(&key("a")))).await.unwrap();
    for _ in 0..20 {
        let got = within(MS * 500, region.get("a").or_create(async || "new".to_owned())).await.unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("old", Outcome::Stale));
    }
    let _ = Arc::strong_count(&postgres);
    let _ = postgres.limits();
}
