//! Values come back as they went in; the forms for threads and for servers.

use crate::kit::{Ground, PLACES, Place, SECOND, soon};
use crate::{GRACE, NOTHING, RIGHT, get, readers, set, value};
use dogpile_cache::backend::Memory;
use dogpile_cache::codec::Raw;
use dogpile_cache::mint::{Mint, Timeout};
use dogpile_cache::{Got, Published};
use std::sync::Arc;

const TEXTS: [&str; 6] = ["", "text", "0", "\u{0}\r\n", "grüße \u{1f980}", "b'text'"];

#[tokio::test]
async fn text_comes_back_as_text() {
    let memory = Arc::new(Memory::new());
    let far = || Mint::builder("text").far(Arc::clone(&memory)).build::<str, String>().unwrap();
    let alone = Mint::builder("text").build::<str, String>().unwrap();
    for (mut writer, mut reader) in [(far(), far()), (alone.clone(), alone)] {
        for text in TEXTS {
            writer.set(text, text, Timeout::Default).await.unwrap();
            assert_eq!(reader.get(text).await.unwrap().as_deref(), Some(text));
        }
        let many = reader.get_many(TEXTS).await.unwrap();
        assert_eq!(many.len(), TEXTS.len());
        assert!(many.iter().all(|(key, value)| key == value));
    }
}

#[tokio::test]
async fn bytes_come_back_as_bytes() {
    let memory = Arc::new(Memory::new());
    let packed = || Mint::builder("packed").far(Arc::clone(&memory)).build::<str, Vec<u8>>().unwrap();
    let raw = || Mint::builder("raw").far(Arc::clone(&memory)).codec(Raw).build::<str, Vec<u8>>().unwrap();
    let alone = Mint::builder("alone").build::<str, Vec<u8>>().unwrap();
    let all: Vec<u8> = (0..=255).collect();
    for (mut writer, mut reader) in [(packed(), packed()), (raw(), raw()), (alone.clone(), alone)] {
        for bytes in TEXTS.map(str::as_bytes).into_iter().chain([&all[..]]) {
            writer.set("key", bytes, Timeout::Default).await.unwrap();
            assert_eq!(reader.get("key").await.unwrap().as_deref(), Some(bytes));
        }
    }
}

#[tokio::test]
async fn get_or_gives_a_default_and_the_right() {
    let mut mint = Mint::builder("test").build::<str, String>().unwrap();
    let mut other = mint.clone();
    assert_eq!(mint.get_or("key", "default").await.unwrap(), "default");
    assert_eq!(other.get_or("key", "default").await.unwrap(), "default");
    assert!(mint.is_elected("key") && !other.is_elected("key"));
    mint.set("key", "value", Timeout::Default).await.unwrap();
    assert_eq!(other.get_or("key", "default").await.unwrap(), "value");
}

#[test]
fn threads_have_the_same_calls() {
    let mut one = Mint::builder("test").far(Memory::new()).build::<str, String>().unwrap();
    let mut other = one.clone();
    assert_eq!(one.blocking().get("key").unwrap(), None);
    assert!(one.is_elected("key"));
    assert_eq!(other.blocking().get_or("key", "default").unwrap(), "default");
    assert_eq!(one.blocking().set("key", "value", Timeout::Default).unwrap(), Published::Fresh);
    assert!(!other.blocking().add("key", "other", Timeout::Default).unwrap());
    assert_eq!(other.blocking().get_many(["key", "none", "key"]).unwrap().len(), 1);
    other.blocking().delete("key").unwrap();
    assert_eq!(one.blocking().get("key").unwrap(), None);
    one.blocking().fail("key", &"no").unwrap();
    assert_eq!((one.blocking().get("key").unwrap(), one.is_elected("key")), (None, false));
    assert_eq!(format!("{:?}", one.blocking()), r#"BlockingMint(Mint { region: "test", rights: 0, .. })"#);
}

/// A handler of a server: the future can be sent, and its rights end with it.
#[tokio::test]
async fn a_handler_can_be_spawned() {
    async fn handler(mut pages: Mint<str, String>, path: String, breaks: bool) -> Option<String> {
        let known = pages.get_many([path.as_str()]).await.unwrap().remove(&path);
        if known.is_some() {
            return known;
        }
        if breaks || !pages.is_elected(&path) {
            return None;
        }
        pages.add(&path, "added", Timeout::Never).await.unwrap();
        pages.delete(&path).await.unwrap();
        assert_eq!(pages.get(&path).await.unwrap(), None);
        pages.fail(&path, &"no").await;
        pages.set(&path, "page", Timeout::Default).await.unwrap();
        Some(pages.get_or(&path, "none").await.unwrap())
    }
    let pages = Mint::builder("page").build::<str, String>().unwrap();
    let run = |breaks| tokio::spawn(handler(pages.clone(), "/".to_owned(), breaks));
    assert_eq!(run(true).await.unwrap(), None);
    assert_eq!(run(false).await.unwrap().as_deref(), Some("page"));
    assert_eq!(run(true).await.unwrap().as_deref(), Some("page"));
    let got = pages.region().get("/").value().await.unwrap().unwrap();
    assert_eq!(Got::into_value(got), "page");
}

/// A value that is due for a renewal is fresh for all but one.
#[test]
fn a_fresh_value_that_is_due_elects_one_reader() {
    let ground = Ground::new();
    let process = ground.process_by(Place::Far, |builder| builder.max_stale(GRACE).refresh_at(0.5));
    let mut one = Mint::new(process.region);
    let mut other = one.clone();
    set(&mut one, "fresh");
    ground.clock.advance(SECOND * 20);
    assert_eq!((get(&mut one), get(&mut other)), (value("fresh"), value("fresh")));
    ground.clock.advance(SECOND * 20);
    assert_eq!((get(&mut one), get(&mut other)), (RIGHT, value("fresh")));
    set(&mut one, "new");
    assert_eq!(get(&mut other), value("new"));
}

/// An absence that others have stored is no value.
#[test]
fn an_absence_is_cold() {
    for place in PLACES {
        let mut all = readers(place);
        let region = all.one.region().clone();
        assert!(soon(region.get(&1).or_try_find(async || Ok::<_, String>(None))).unwrap().is_none());
        assert_eq!((get(&mut all.far), get(&mut all.one)), (RIGHT, NOTHING), "{place:?}");
    }
}
