//! TLS, by certificates of an authority of the test's own.

use crate::kit::{entry, key, kind, look, set, within};
use dogpile_cache::backend::{Backend, BackendErrorKind, ConnectError, Redis};
use dogpile_servers::RedisServer;

#[tokio::test]
async fn a_server_is_trusted_by_its_root_alone() {
    let server = RedisServer::builder().tls().password("secret").start().unwrap();
    let other = RedisServer::builder().tls().start().unwrap();
    let url = format!("rediss://:secret@127.0.0.1:{}/2", server.tls_port().unwrap());
    let root = &server.certificates().unwrap().root;
    let redis = Redis::lazy_trusting(&url, root.as_bytes()).unwrap();
    within(redis.change(&key("a"), set("one"))).await.unwrap();
    assert_eq!(look(&redis, &key("a")).await.entry, Some(entry("one").bytes));
    assert!(server.info("db2").unwrap().starts_with("keys=1,"));

    // Several roots are trusted together.
    let both = format!("{}{root}", other.certificates().unwrap().root);
    within(Redis::lazy_trusting(&url, both.as_bytes()).unwrap().ping()).await.unwrap();

    // The operating system does not know the root; and another root has not signed.
    let error = within(Redis::connect(&url)).await.map(drop).unwrap_err();
    assert!(matches!(error, ConnectError::Unreachable { .. }), "{error:?}");
    let stranger = Redis::lazy_trusting(&url, other.certificates().unwrap().root.as_bytes()).unwrap();
    assert_eq!(kind(stranger.ping()).await, BackendErrorKind::Unreachable);
    let localhost = url.replace("127.0.0.1", "127.0.0.2");
    let misnamed = Redis::lazy_trusting(&localhost, root.as_bytes()).unwrap();
    assert_eq!(kind(misnamed.ping()).await, BackendErrorKind::Unreachable, "the certificate names another address");
}

#[tokio::test]
async fn tls_and_plain_text_do_not_meet() {
    let server = RedisServer::builder().tls().start().unwrap();
    let root = server.certificates().unwrap().root.clone();
    let plain_port = format!("rediss://{}", server.address());
    assert_eq!(
        kind(Redis::lazy_trusting(&plain_port, root.as_bytes()).unwrap().ping()).await,
        BackendErrorKind::Unreachable
    );
    let tls_port = format!("redis://127.0.0.1:{}", server.tls_port().unwrap());
    assert_eq!(kind(Redis::lazy(&tls_port).unwrap().ping()).await, BackendErrorKind::Unreachable);
}

#[test]
fn a_root_that_is_none_is_refused_at_once() {
    let server = RedisServer::builder().tls().start().unwrap();
    let root = server.certificates().unwrap().root.clone();
    let half = &root[..root.len() / 2];
    let broken = root.replace('A', "B");
    for (url, root) in [
        ("rediss://127.0.0.1", ""),
        ("rediss://127.0.0.1", "no certificate"),
        ("rediss://127.0.0.1", half),
        ("rediss://127.0.0.1", &*broken),
        ("redis://127.0.0.1", &*root),
        ("unix:///redis.sock", &*root),
        ("redis+sentinel://127.0.0.1/service", &*root),
    ] {
        let error = Redis::lazy_trusting(url, root.as_bytes()).map(drop).unwrap_err();
        assert!(matches!(error, ConnectError::Malformed { .. }), "{url} {root}: {error:?}");
    }
}
