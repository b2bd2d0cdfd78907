//! How many round trips an access takes on a Redis server: the commands of its client, as the server has seen them.
//!
//! Of one access each command is a round trip, but for the claims and the publications of many keys, which are under
//! way together.

mod monitor;

use bytes::Bytes;
use dogpile_cache::Region;
use dogpile_cache::backend::Redis;
use dogpile_cache::codec::Raw;
use dogpile_servers::{RedisServer, Result};
use monitor::{Command, Monitor};
use std::collections::HashSet;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

const HOUR: Duration = Duration::from_secs(3600);

fn region(server: &RedisServer) -> Region<u64, Bytes> {
    let redis = Redis::lazy(&server.url()).expect("a sound URL");
    Region::builder("trips").expires_after(HOUR).far(redis).codec(Raw).build().expect("the settings agree")
}

/// A server that knows the scripts, and a process that is connected.
fn warm() -> Result<(RedisServer, Monitor, Region<u64, Bytes>)> {
    let server = RedisServer::start()?;
    let region = region(&server);
    let all = region.blocking();
    all.get(&0).or_create(value).unwrap();
    all.get(&1).or_try_create(|| Err::<Bytes, _>("fails")).unwrap_err();
    all.mark_stale(&0).unwrap();
    let monitor = Monitor::new(&server)?;
    Ok((server, monitor, region))
}

fn value() -> Bytes {
    Bytes::from_static(b"value")
}

fn names(commands: &[Command]) -> Vec<&str> {
    commands.iter().map(|command| &*command.name).collect()
}

/// A look, a claim, a publication or an end.
const CREATION: [&str; 3] = ["GET", "EVALSHA", "EVALSHA"];

#[test]
fn a_hit_is_one_round_trip() -> Result<()> {
    let (server, mut monitor, region) = warm()?;
    region.blocking().get(&7).or_create(value).unwrap();
    monitor.until_now(&server)?;
    region.blocking().get(&7).or_create(|| unreachable!("the value is there")).unwrap();
    let commands = monitor.until_now(&server)?;
    assert_eq!(names(&commands), ["GET"]);
    assert!(commands[0].first.starts_with("{trips:7}@"), "{commands:?}");
    Ok(())
}

#[test]
fn a_creation_is_three_round_trips() -> Result<()> {
    let (server, mut monitor, region) = warm()?;
    region.blocking().get(&7).or_create(value).unwrap();
    let commands = monitor.until_now(&server)?;
    assert_eq!(names(&commands), CREATION);
    Ok(())
}

#[test]
fn a_renewal_of_a_stale_value_is_three_round_trips() -> Result<()> {
    let (server, mut monitor, region) = warm()?;
    region.blocking().get(&7).or_create(value).unwrap();
    region.blocking().mark_stale(&7).unwrap();
    monitor.until_now(&server)?;
    let mut renewed = false;
    region
        .blocking()
        .get(&7)
        .or_create(|| {
            renewed = true;
            value()
        })
        .unwrap();
    assert!(renewed);
    let commands = monitor.until_now(&server)?;
    assert_eq!(names(&commands), CREATION);
    Ok(())
}

#[test]
fn a_failed_creation_is_three_round_trips() -> Result<()> {
    let (server, mut monitor, region) = warm()?;
    region.blocking().get(&7).or_try_create(|| Err::<Bytes, _>("fails")).unwrap_err();
    let commands = monitor.until_now(&server)?;
    assert_eq!(names(&commands), CREATION);
    Ok(())
}

/// A waiter looks and claims: at first, after it has begun to listen, when it hears a signal, and by the polls that
/// there was time for. What it finds after the creation is the value, which needs no claim.
#[test]
fn g5_a_waiter_asks_at_its_polls() -> Result<()> {
    let (server, mut monitor, holder) = warm()?;
    let waiter = region(&server);
    waiter.blocking().ping().unwrap();
    let (finish, finished) = mpsc::channel::<()>();
    let began = Instant::now();
    let (commands, hashes) = thread::scope(|scope| -> Result<_> {
        scope.spawn(move || {
            let created = holder.blocking().get(&7).or_create(|| {
                finished.recv().expect("the test says when");
                value()
            });
            created.unwrap();
        });
        let mut commands = Vec::new();
        let mut scripts = 0;
        let mut until_scripts = |monitor: &mut Monitor, many| -> Result<()> {
            while scripts < many {
                let command = monitor.next()?;
                scripts += usize::from(command.name == "EVALSHA");
                commands.push(command);
            }
            Ok(())
        };
        until_scripts(&mut monitor, 1)?;
        let waits =
            scope.spawn(|| waiter.blocking().get(&7).or_create(|| unreachable!("another one creates")).unwrap());
        // The waiter has claimed, and was told of the holder.
        until_scripts(&mut monitor, 2)?;
        finish.send(()).expect("the creator waits");
        assert_eq!(**waits.join().unwrap(), *value());
        commands.extend(monitor.until_now(&server)?);
        let hashes = commands.iter().filter(|command| command.name == "EVALSHA");
        let hashes: Vec<String> = hashes.map(|command| command.first.clone()).collect();
        Ok((commands, hashes))
    })?;
    let polls = monitor::polls_in(began.elapsed());
    // Claims of both, and the publication.
    let claims = hashes.iter().filter(|hash| **hash == hashes[0]).count();
    assert_eq!((&hashes[1], hashes.len()), (&hashes[0], claims + 1), "{commands:?}");
    assert!(claims <= 4 + polls, "{commands:?}");
    // The holder's look, and those of the waiter: the first, and that after the publication.
    let looks = commands.iter().filter(|command| command.name == "GET").count();
    assert!((3..=4 + polls).contains(&looks), "{commands:?}");
    assert!(commands.last().is_some_and(|command| command.name != "EVALSHA"), "{commands:?}");
    let others = commands.iter().filter(|command| command.name != "GET" && command.name != "EVALSHA");
    let others: Vec<&str> = others.map(|command| &*command.name).collect();
    let listening = ["SUBSCRIBE", "UNSUBSCRIBE"];
    assert!(others.len() <= 2 && others.iter().all(|name| listening.contains(name)), "{commands:?}");
    Ok(())
}

#[test]
fn g14_looks_at_many_keys_are_one_round_trip() -> Result<()> {
    const KEYS: usize = 100;
    let (server, mut monitor, region) = warm()?;
    let keys: Vec<u64> = (1000..).take(KEYS).collect();
    let all = region.blocking();
    all.get_many(&keys).or_create(|missing| vec![value(); missing.len()]).unwrap();
    let commands = monitor.until_now(&server)?;
    assert_eq!(names(&commands[..1]), ["MGET"]);
    let (claims, publications) = commands[1..].split_at(KEYS);
    assert_eq!(publications.len(), KEYS);
    let hashes = |commands: &[Command]| -> HashSet<String> {
        assert!(commands.iter().all(|command| command.name == "EVALSHA"), "{commands:?}");
        commands.iter().map(|command| command.first.clone()).collect()
    };
    let (claim, publish) = (hashes(claims), hashes(publications));
    assert!(claim.len() == 1 && publish.len() == 1 && claim != publish, "{commands:?}");
    all.get_many(&keys).or_create(|_| unreachable!("all values are there")).unwrap();
    assert_eq!(names(&monitor.until_now(&server)?), ["MGET"]);
    Ok(())
}
