//! The futures of accesses and changes are `Send`, so that a handler of a server can await them.

use dogpile_cache::{Claim, Creation, Got, Made, Region};
use std::convert::Infallible;
use std::time::Duration;

fn sent<F: Future + Send>(future: F) -> F {
    future
}

async fn source(key: u64) -> Result<String, std::io::Error> {
    tokio::task::yield_now().await;
    Ok(format!("value {key}"))
}

async fn renewal(creation: &Creation<u64, String>, key: u64) -> Result<Made<String>, std::io::Error> {
    tokio::task::yield_now().await;
    drop(creation.old().cloned());
    source(key).await.map(Made::new)
}

#[tokio::test]
async fn each_future_can_be_sent() {
    let region = Region::builder("test").expires_after(Duration::from_secs(60)).build::<u64, String>().unwrap();
    let key = 7;
    let get = || region.get(&key);
    sent(get().or_create(async || source(key).await.unwrap())).await.unwrap();
    sent(get().or_create_with(async |creation| renewal(creation, key).await.unwrap())).await.unwrap();
    sent(get().or_try_create(async || source(key).await)).await.unwrap();
    sent(get().or_try_create(|| source(key))).await.unwrap();
    sent(get().or_try_create_with(async |creation| renewal(creation, key).await)).await.unwrap();
    sent(get().or_try_find(async || source(key).await.map(Some))).await.unwrap();
    sent(get().in_background().or_try_create(move || source(key))).await.unwrap();
    sent(get().value()).await.unwrap();
    sent(region.set(&key, "set".to_owned())).await.unwrap();
    let seen = sent(region.see(&key)).await.unwrap();
    sent(region.set_if(&key, &seen, "seen".to_owned())).await.unwrap();
    sent(region.add(&key, "added".to_owned())).await.unwrap();
    sent(region.touch(&key, None)).await.unwrap();
    sent(region.mark_stale(&key)).await.unwrap();
    sent(region.invalidate(&key)).await.unwrap();
    sent(region.ping()).await.unwrap();
    let Claim::Create(creation) = sent(get().claim()).await.unwrap() else { panic!("there is no value") };
    sent(creation.fail(&"no")).await;
    let Claim::Create(creation) = sent(region.refresh(&key).claim()).await.unwrap() else { panic!("it was refreshed") };
    let got = sent(creation.publish("new".to_owned())).await.unwrap();
    assert_eq!(Got::into_value(got), "new");
    sent(region.close(Duration::ZERO)).await;
}

/// What a server does with a handler.
#[tokio::test]
async fn a_handler_can_be_spawned() {
    async fn handler(region: Region<str, String>, key: String) -> Result<String, String> {
        let got = region.get(&key).or_try_create(async || Ok::<_, Infallible>(key.clone())).await;
        got.map(|got| got.to_string()).map_err(|error| error.to_string())
    }
    let region = Region::builder("test").expires_after(Duration::from_secs(60)).build::<str, String>().unwrap();
    assert_eq!(tokio::spawn(handler(region, "key".to_owned())).await.unwrap(), Ok("key".to_owned()));
}
