//! Two connections that know two lives of one server: a primary begins another history when its first replica comes,
//! and a connection learns of it by its next heartbeat.

use bytes::Bytes;
use dogpile_cache::backend::{Backend, Change, Claim, Claimed, Entry, Redis};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_servers::{RedisServer, Result};
use std::time::Duration;

const LEASE: Duration = Duration::from_secs(60);

/// What lies at the grant of the key: kind, life, token, number, beat, mark.
fn grant(server: &RedisServer) -> Result<Vec<String>> {
    let text = server.command(&["GET", "{order:7}@grant"])?;
    Ok(text.text().expect("there is a grant").split(' ').map(str::to_owned).collect())
}

fn entry() -> Entry {
    Entry { bytes: Bytes::from_static(b"a value"), lifetime: Some(LEASE) }
}

#[test]
fn g3_a_first_replica_makes_another_history() -> Result<()> {
    let server = RedisServer::start()?;
    let before = server.info("master_replid")?;
    let _replica =
        RedisServer::builder().args(["--repl-diskless-sync-delay", "0"]).replica_of(server.port()).start()?;
    let began = std::time::Instant::now();
    while server.info("master_replid")? == before {
        assert!(began.elapsed() < LEASE, "the history is the same, so nothing here can happen");
    }
    Ok(())
}

#[tokio::test]
async fn g3_a_change_voids_and_marks_the_grant_of_another_life() -> Result<()> {
    let server = RedisServer::start()?;
    let backend = Redis::connect(&server.url()).await.expect("a connection");
    let shape = Shape { schema: 0, format: Format::RAW };
    let key = StoredKey::new(&Namespace::new("order").expect("a name"), "7", shape, KeyLimit::NONE);
    let changes: [(&str, &dyn Fn() -> Change); 3] = [
        ("v", &|| Change::Invalidate { beside: vec![], void_pause: LEASE }),
        ("v", &|| Change::Set { entry: entry(), void_pause: LEASE }),
        ("g", &|| Change::MarkStale { beside: vec![] }),
    ];
    for (kind, change) in changes {
        server.flush()?;
        let claimed = backend.claim(&key, Claim::new(dogpile_cache::backend::Token::random(), LEASE)).await;
        assert!(matches!(claimed, Ok(Claimed::Granted { .. })), "{claimed:?}");
        // As a process would have it whose connection knows another life.
        let mut theirs = grant(&server)?;
        theirs[1] = "0123456789abcdef".to_owned();
        server.command(&["SET", "{order:7}@grant", &theirs.join(" "), "PX", "60000"])?;

        backend.change(&key, change()).await.expect("the server answers");
        let now = grant(&server)?;
        assert_eq!(now[0], kind, "{theirs:?} {now:?}");
        assert_eq!(now[1..5], theirs[1..5], "it is theirs still");
        assert_eq!(now[5], if kind == "g" { "1" } else { "0" });
    }
    Ok(())
}
