//! `Proxy` and `FakeServer` do what they say.

use dogpile_servers::Direction::{FromClient, FromServer};
use dogpile_servers::{Client, FakeServer, MemcachedServer, Proxy, RedisServer, Reply, Result, TextClient, Value};
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(10);

/// A bound for what is not to come: long enough for what is there to be seen.
const SHORT: Duration = Duration::from_millis(300);

/// What `PING` is on the wire, and its reply.
const PING: u64 = 14;
const PONG: u64 = 7;

fn pong() -> Value {
    Value::Simple("PONG".into())
}

/// A server that answers PONG, and a proxy before it.
fn proxied() -> Result<(FakeServer, Proxy)> {
    let server = FakeServer::start(|_| Reply::Value(pong()))?;
    let proxy = Proxy::start(server.address())?;
    Ok((server, proxy))
}

#[test]
fn a_proxy_passes_on_and_counts() -> Result<()> {
    let server = RedisServer::start()?;
    let proxy = Proxy::start(server.address())?;
    let mut client = Client::connect(proxy.address(), PATIENCE)?;
    assert_eq!(client.command(&["PING"])?, pong());
    assert_eq!((proxy.bytes(FromClient), proxy.bytes(FromServer)), (PING, PONG));
    let long = "x".repeat(1_000_000);
    client.command(&["SET", "long", &long])?;
    assert_eq!(client.command(&["GET", "long"])?, Value::bulk(&long));
    assert_eq!((proxy.connections(), proxy.open()), (1, 1));
    let mut second = Client::connect(proxy.address(), PATIENCE)?;
    second.command(&["PING"])?;
    assert_eq!((proxy.connections(), proxy.open()), (2, 2));
    drop(client);
    until(|| proxy.open() == 1);
    Ok(())
}

#[test]
fn a_proxy_at_a_path_passes_on_and_cuts() -> Result<()> {
    let server = MemcachedServer::start()?;
    let directory = tempfile::tempdir()?;
    let path = directory.path().join("socket");
    let proxy = Proxy::start_at(&path, server.address())?;
    let mut client = TextClient::connect_to_path(&path, PATIENCE)?;
    assert_eq!(client.command("mn")?.line, "MN");
    assert_eq!((proxy.bytes(FromClient), proxy.bytes(FromServer), proxy.open()), (4, 4, 1));
    proxy.cut_after(FromServer, 2);
    assert!(client.command("mn").is_err());
    until(|| proxy.open() == 0);
    assert_eq!(TextClient::connect_to_path(&path, PATIENCE)?.command("mn")?.line, "MN");
    drop(proxy);
    assert!(TextClient::connect_to_path(&path, PATIENCE).is_err(), "it listens after its end");
    Ok(())
}

/// Waits for a state.
fn until(state: impl Fn() -> bool) {
    let give_up = Instant::now() + PATIENCE;
    while !state() {
        assert!(Instant::now() < give_up, "the state does not come");
        std::thread::yield_now();
    }
}

#[test]
fn a_delay_is_the_latency_of_a_link() -> Result<()> {
    let (_server, proxy) = proxied()?;
    let mut client = Client::connect(proxy.address(), PATIENCE)?;
    let delay = Duration::from_millis(150);
    for direction in [FromClient, FromServer] {
        proxy.delay(direction, delay);
        let begun = Instant::now();
        // Each comes by itself; were they delayed one after another, they took 20 times as long.
        for _ in 0..20 {
            client.send(&["PING"])?;
            std::thread::sleep(Duration::from_millis(2));
        }
        for _ in 0..20 {
            assert_eq!(client.receive()?, pong());
        }
        let took = begun.elapsed();
        assert!(delay <= took && took < 10 * delay, "{took:?}");
        proxy.normal();
    }
    // 10 s would be the client's patience.
    proxy.delay(FromClient, Duration::from_secs(3600));
    client.send(&["PING"])?;
    proxy.normal();
    assert_eq!(client.receive()?, pong());
    Ok(())
}

#[test]
fn a_black_hole_holds_back_and_closes_nothing() -> Result<()> {
    let (server, proxy) = proxied()?;
    for (direction, heard) in [(FromClient, 1), (FromServer, 1 + 2)] {
        let mut client = Client::connect(proxy.address(), SHORT)?;
        client.command(&["PING"])?;
        proxy.black_hole(direction, true);
        client.send(&["PING"])?;
        assert!(client.receive().unwrap_err().to_string().contains("temporarily unavailable"));
        if direction == FromServer {
            until(|| server.heard().len() == heard + 1);
        } else {
            assert_eq!(server.heard().len(), heard);
        }
        proxy.black_hole(direction, false);
        assert_eq!(client.receive()?, pong());
    }
    Ok(())
}

#[test]
fn a_cut_comes_after_exactly_n_bytes_of_the_client() -> Result<()> {
    let (server, proxy) = proxied()?;
    for bytes in 0..=2 * PING {
        let mut client = Client::connect(proxy.address(), PATIENCE)?;
        let (before, heard) = (proxy.bytes(FromClient), server.heard().len() as u64);
        proxy.cut_after(FromClient, bytes);
        client.send(&["PING"])?;
        let _cut_already = client.send(&["PING"]);
        let _end = client.rest();
        until(|| proxy.open() == 0);
        assert_eq!(proxy.bytes(FromClient) - before, bytes);
        until(|| server.heard().len() as u64 == heard + bytes / PING);
        // Once: the next connection passes everything on.
        let mut client = Client::connect(proxy.address(), PATIENCE)?;
        assert_eq!(client.command(&["PING"])?, pong());
        drop(client);
        until(|| proxy.open() == 0);
    }
    Ok(())
}

#[test]
fn a_cut_comes_after_exactly_n_bytes_of_the_server() -> Result<()> {
    let (_server, proxy) = proxied()?;
    for bytes in 0..=PONG {
        proxy.cut_each_after(FromServer, bytes);
        // Until further notice: each connection.
        for _ in 0..2 {
            let mut client = Client::connect(proxy.address(), PATIENCE)?;
            client.send(&["PING"])?;
            assert_eq!(client.rest()?, b"+PONG\r\n"[..usize::try_from(bytes).unwrap()]);
        }
    }
    proxy.cut_each_after(FromServer, PONG + 2);
    let mut client = Client::connect(proxy.address(), PATIENCE)?;
    assert_eq!(client.command(&["PING"])?, pong());
    client.send(&["PING"])?;
    assert_eq!(client.rest()?, b"+P");
    proxy.normal();
    assert_eq!(Client::connect(proxy.address(), PATIENCE)?.command(&["PING"])?, pong());
    Ok(())
}

#[test]
fn connections_are_severed_even_in_a_black_hole() -> Result<()> {
    let (server, proxy) = proxied()?;
    let mut clients = [Client::connect(proxy.address(), PATIENCE)?, Client::connect(proxy.address(), PATIENCE)?];
    until(|| proxy.open() == 2);
    proxy.black_hole(FromServer, true);
    for client in &mut clients {
        client.send(&["PING"])?;
    }
    until(|| server.heard().len() == 2);
    proxy.sever();
    for client in &mut clients {
        assert_eq!(client.rest()?, b"");
    }
    assert_eq!(proxy.open(), 0);
    proxy.normal();
    let other = FakeServer::start(|_| Reply::ok())?;
    proxy.forward_to(other.address());
    let mut client = Client::connect(proxy.address(), PATIENCE)?;
    assert_eq!(client.command(&["PING"])?, Value::Simple("OK".into()));
    drop(proxy);
    assert_eq!(client.rest()?, b"");
    Ok(())
}

#[test]
fn a_fake_server_answers_what_the_closure_says() -> Result<()> {
    let server = FakeServer::start(|words| match words[0].as_slice() {
        b"INFO" => Reply::Value(Value::bulk("redis_version:5.0.0\r\n")),
        b"SET" => Reply::error("OOM command not allowed when used memory > 'maxmemory'."),
        b"GARBAGE" => Reply::Raw(b"!garbage\r\n".to_vec()),
        b"NOTHING" => Reply::Nothing,
        b"CLOSE" => Reply::Close,
        _ => Reply::Value(Value::Array(vec![Value::Nil, Value::Int(-1), Value::bulk(&words[1])])),
    })?;
    let mut client = Client::connect(server.address(), SHORT)?;
    assert_eq!(client.command(&["INFO"])?.text(), Some("redis_version:5.0.0\r\n"));
    assert!(matches!(client.command(&["SET", "a", "1"])?, Value::Error(error) if error.starts_with("OOM ")));
    let echoed = client.command(&[b"ECHO".as_slice(), &[0, 13, 10, 255]])?;
    assert_eq!(echoed, Value::Array(vec![Value::Nil, Value::Int(-1), Value::Bulk(vec![0, 13, 10, 255])]));
    assert!(client.command(&["GARBAGE"]).unwrap_err().to_string().contains("no RESP2"));
    assert!(client.command(&["NOTHING"]).is_err());
    client.send(&["CLOSE"])?;
    assert_eq!(client.rest()?, b"");
    assert_eq!(server.heard().len(), 6);
    assert_eq!(server.heard()[1], [b"SET", b"a".as_slice(), b"1"]);
    let mut client = Client::connect(server.address(), PATIENCE)?;
    client.command(&["INFO"])?;
    drop(server);
    assert_eq!(client.rest()?, b"");
    Ok(())
}
