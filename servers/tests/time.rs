//! The clock of a server goes where a test sends it.

use dogpile_servers::{RedisServer, Result, Value};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

const HOUR: i64 = 3_600_000;

fn server() -> Result<RedisServer> {
    RedisServer::builder().fake_time().start()
}

/// The least and the greatest offset, in microseconds, that the server's TIME allows: its clock was read in between.
fn off(server: &RedisServer) -> Result<(i64, i64)> {
    let now = || i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_micros()).unwrap();
    let before = now();
    let shown = server.time_us()?;
    Ok((shown - now(), shown - before))
}

#[test]
fn steps_are_exact_and_time_flows_on() -> Result<()> {
    let server = server()?;
    let mut sum = 0;
    for step in [1, 999, 12_345_678, 100 * HOUR, -200 * HOUR, -3, 100 * HOUR, -12_346_675, 24 * 365 * HOUR + 7] {
        server.step(step)?;
        sum += step;
        assert_eq!(server.clock_offset(), sum);
        let (least, greatest) = off(&server)?;
        assert!(least - 1000 <= sum * 1000 && sum * 1000 <= greatest + 1000, "{least}..{greatest} µs, not {sum} ms");
    }
    let shown = server.time_us()?;
    assert!(server.time_us()? > shown);
    server.advance(Duration::from_millis(1500))?;
    assert_eq!(server.clock_offset(), sum + 1500);
    Ok(())
}

#[test]
fn expiry_follows_the_clock_forwards_and_backwards() -> Result<()> {
    let server = server()?;
    server.command(&["SET", "a", "1", "PX", "60000"])?;
    server.step(59_000)?;
    let left = server.command(&["PTTL", "a"])?.int().unwrap();
    assert!((1..=1000).contains(&left), "{left}");
    server.step(-30_000)?;
    let left = server.command(&["PTTL", "a"])?.int().unwrap();
    assert!((30_000..=31_000).contains(&left), "{left}");
    assert_eq!(server.command(&["GET", "a"])?, Value::bulk("1"));
    server.step(32_000)?;
    assert_eq!(server.command(&["GET", "a"])?, Value::Nil);
    server.command(&["SET", "b", "1", "PX", "1000"])?;
    server.step(-100 * HOUR)?;
    let left = server.command(&["PTTL", "b"])?.int().unwrap();
    assert!((100 * HOUR..=100 * HOUR + 1000).contains(&left), "{left}");
    Ok(())
}

/// The event loop goes by the monotonic clock: it removes what nobody reads, after a jump in either direction.
#[test]
fn the_event_loop_lives_on_after_jumps() -> Result<()> {
    let server = server()?;
    for jump in [100 * HOUR, -100 * HOUR, -100 * HOUR, 200 * HOUR] {
        server.step(jump)?;
        for key in 0..50 {
            server.command(&["SET", &format!("key {key}"), "1", "PX", "60000"])?;
        }
        let expired: i64 = server.info("expired_keys")?.parse().unwrap();
        server.step(60_001)?;
        let give_up = Instant::now() + Duration::from_secs(10);
        while server.info("expired_keys")?.parse::<i64>().unwrap() < expired + 50 {
            assert!(Instant::now() < give_up, "after {jump} ms nothing is removed");
        }
        assert_eq!(server.command(&["DBSIZE"])?, Value::Int(0));
        // What is timed by a timer of the event loop, and what is not: a blocked client's wait.
        let wait = server.command(&["BLPOP", "none", "0.01"])?;
        assert_eq!(wait, Value::Nil);
    }
    Ok(())
}

#[test]
fn a_restart_keeps_the_clock_and_a_snapshot_the_expiry() -> Result<()> {
    let mut server = server()?;
    server.step(HOUR)?;
    server.command(&["SET", "a", "1", "PX", "60000"])?;
    let snapshot = server.snapshot()?;
    server.restart_from(&snapshot)?;
    assert!(off(&server)?.1 >= HOUR * 1000);
    assert_eq!(server.command(&["GET", "a"])?, Value::bulk("1"));
    server.step(60_001)?;
    server.restart_from(&snapshot)?;
    assert_eq!(server.command(&["GET", "a"])?, Value::Nil);
    Ok(())
}

#[test]
fn a_server_with_the_clock_of_the_system_refuses() -> Result<()> {
    let server = RedisServer::start()?;
    assert!(server.step(1).unwrap_err().to_string().contains("fake_time"));
    Ok(())
}

/// Prints the latency of a GET with and without libfaketime, taken in turns. `cargo test … --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn cost() -> Result<()> {
    let servers = [RedisServer::start()?, server()?];
    let mut clients = [servers[0].client()?, servers[1].client()?];
    let mut took = [Vec::new(), Vec::new()];
    for _ in 0..20_000 {
        for (client, took) in clients.iter_mut().zip(&mut took) {
            let begun = Instant::now();
            client.command(&["GET", "a"])?;
            took.push(begun.elapsed());
        }
    }
    for (name, mut took) in ["plain", "libfaketime"].iter().zip(took) {
        took.sort();
        println!("{name}: p50 {:?}, p99 {:?}", took[took.len() / 2], took[took.len() * 99 / 100]);
    }
    Ok(())
}
