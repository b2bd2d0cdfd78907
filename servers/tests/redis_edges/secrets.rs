//! No name and no password of a URL is shown.

use crate::kit::{error, imitation, key, set, within};
use dogpile_cache::backend::{Backend, ConnectError, Redis, connect};
use dogpile_servers::{FakeServer, RedisServer, Reply};
use std::error::Error;
use std::fmt::{Debug, Write};

const NAME: &str = "anna-of-the-test";
const PASSWORD: &str = "Pa55word-of-the-test";

/// Everything that an error, or something else, shows of itself.
fn shown(it: &(impl Debug + ?Sized)) -> String {
    format!("{it:?} {it:#?}")
}

fn all_of(error: &(dyn Error + 'static)) -> String {
    let mut text = format!("{error} {} {error:#}", shown(error));
    let mut source = error.source();
    while let Some(error) = source {
        write!(text, " {error} {error:?} {error:#?}").unwrap();
        source = error.source();
    }
    text
}

#[track_caller]
fn assert_silent(text: &str) {
    for secret in [NAME, PASSWORD] {
        let folded = text.to_lowercase();
        assert!(!folded.contains(&secret.to_lowercase()), "{text}");
    }
}

async fn not_connected(url: &str) -> ConnectError {
    let error = within(connect(url)).await.map(|_| ()).unwrap_err();
    assert_silent(&all_of(&error));
    let lazy = Redis::lazy(url).map(|redis| assert_silent(&shown(&redis)));
    if let Err(error) = lazy {
        assert_silent(&all_of(&error));
    }
    error
}

#[tokio::test]
async fn no_error_of_a_url_shows_a_secret() {
    for url in [
        format!("{NAME}:{PASSWORD}@127.0.0.1:6379"),
        format!(":{PASSWORD}@127.0.0.1:6379"),
        format!("{PASSWORD}@127.0.0.1:6379"),
        format!("{PASSWORD}:@127.0.0.1"),
        PASSWORD.to_owned(),
        format!("redis:{NAME}:{PASSWORD}@127.0.0.1:6379"),
        format!("redis://{NAME}:{PASSWORD}@"),
        format!("redis://{NAME}:{PASSWORD}@127.0.0.1:port"),
        format!("redis://{NAME}:{PASSWORD}@127.0.0.1/database"),
        format!("gopher://{NAME}:{PASSWORD}@127.0.0.1"),
        format!("unix:///no/such/socket?user={NAME}&pass={PASSWORD}"),
        format!("redis+sentinel://{NAME}:{PASSWORD}@127.0.0.1:1"),
        format!("redis+sentinel://{NAME}:{PASSWORD}@127.0.0.1:1/service"),
        format!("redis+sentinel://{NAME}:{PASSWORD}@127.0.0.1:1/service/x"),
        format!("redis://{NAME}:{PASSWORD}@127.0.0.1:1"),
        format!("rediss://{NAME}:{PASSWORD}@127.0.0.1:1/#insecure"),
    ] {
        not_connected(&url).await;
    }
}

#[tokio::test]
async fn no_error_of_a_server_shows_a_secret() {
    let server = RedisServer::builder().password(PASSWORD).start().unwrap();
    let url = |user: &str, password: &str| format!("redis://{user}:{password}@{}", server.address());
    not_connected(&url(NAME, PASSWORD)).await;
    not_connected(&url("", &format!("{PASSWORD}-and-more"))).await;
    let redis = Redis::connect(&url("", PASSWORD)).await.unwrap();
    assert_silent(&shown(&redis));
    redis.change(&key("a"), set("one")).await.unwrap();
    assert_silent(&shown(&redis));

    // A server that repeats what it was told.
    let echo = FakeServer::start(|words| {
        let told: Vec<_> = words.iter().map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        Reply::error(&format!("ERR unknown command, with args beginning with: {}", told.join(" ")))
    });
    let echo = echo.unwrap();
    not_connected(&format!("redis://{NAME}:{PASSWORD}@{}", echo.address())).await;
    assert!(echo.heard().iter().flatten().any(|word| word == PASSWORD.as_bytes()), "the server was told");

    // The address is shown, and nothing else of the URL.
    let dead = not_connected(&format!("redis://{NAME}:{PASSWORD}@127.0.0.1:1/3")).await.to_string();
    assert!(dead.contains("127.0.0.1:1: "), "{dead}");

    for code in ["NOPERM", "NOAUTH", "WRONGPASS", "ERR", "READONLY", "ODD"] {
        let answer = format!("{code} {NAME} has no right, and {PASSWORD} is its password");
        let imitation = imitation(move |_| Reply::error(&answer));
        let url = format!("redis://{NAME}:{PASSWORD}@{}", imitation.address());
        let redis = Redis::connect(&url).await.unwrap();
        let refused = error(redis.change(&key("a"), set("one"))).await;
        assert_silent(&all_of(&refused));
        assert_eq!(refused.server(), Some(&*imitation.address().to_string()));
        assert_silent(&all_of(&error(redis.look(&[key("a"), key("b")], None)).await));
        assert_silent(&shown(&redis));
    }
}
