//! memcached: one server, or several that share the keys.
//!
//! A server has two megabytes, and the LRU of earlier versions, which keeps an item for as long as it was written
//! lately: what is read all the time would never be evicted otherwise. What fills the server lives for ever, and the
//! fleet's items do not: so the server's count of evicted items that had a lifetime is that of the fleet's.

use super::{Dial, Servers, text};
use crate::crew::{Crew, Result};
use crate::fault::{Fault, Keys, Kind, Scope};
use crate::inject::{during, millis, wait_for};
use crate::settings::{KEYS, Terms};
use dogpile_servers::{MemcachedServer, TextClient};
use fastrand::Rng;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

const KINDS: [Kind; 10] = [
    Kind::KillHolder,
    Kind::Abort,
    Kind::StopHolder,
    Kind::Flush,
    Kind::Evict,
    Kind::RestartEmpty,
    Kind::StopServer,
    Kind::Delay,
    Kind::BlackHole,
    Kind::Cut,
];

/// How much junk is sent in one write.
const BATCH: usize = 5000;

/// The largest junk, in bytes: items of all sizes that the fleet's have.
const LARGEST: usize = 400;

/// How far the sizes of the probes are apart, in bytes: less than those of the server's chunks.
const STEP: usize = 16;

#[derive(Debug)]
pub struct Memcached {
    servers: Vec<MemcachedServer>,
    /// The keys of each server, once they are known.
    keys: Option<Vec<Keys>>,
}

impl Memcached {
    pub fn start(count: usize) -> Result<Self> {
        let builder = MemcachedServer::builder().memory(2).args(["-o", "no_lru_maintainer"]);
        let servers = (0..count).map(|_| builder.clone().start().map_err(text)).collect::<Result<_>>()?;
        Ok(Self { servers, keys: None })
    }

    fn any(&self, dice: &mut Rng) -> usize {
        dice.usize(0..self.servers.len())
    }

    fn scope(&self, server: usize) -> Scope {
        Scope::keys(self.keys_of(server))
    }

    /// Returns the keys whose entries or counters are at each server now.
    fn found(&self) -> Result<Vec<Keys>> {
        let of_server = |server: &MemcachedServer| {
            let items = server.client().and_then(TextClient::keys).map_err(text)?;
            let numbers = items.iter().filter_map(|item| item.strip_prefix("chaos:")?.split_once('@')?.0.parse().ok());
            Ok(numbers.fold(Keys::NONE, Keys::with))
        };
        self.servers.iter().map(of_server).collect()
    }

    /// Fills a server until what the fleet has written before is evicted, and takes away what has filled it, so that
    /// no more is. Each size of chunks has an LRU of its own; so there is a probe of each, and what is older than a
    /// probe is gone before the probe.
    fn evict(server: &MemcachedServer, dice: &mut Rng) -> Result<()> {
        let mut client = server.client().map_err(text)?;
        let probes: Vec<_> = (1..LARGEST).step_by(STEP).map(|size| format!("probe:{size}")).collect();
        let (of_fleet, mut junk) = (evicted(&mut client)? + probes.len() as u64, 0);
        let stored = |(probe, size): (&String, usize)| store(probe, size, "T60");
        send(&mut client, (probes.iter().zip((1..LARGEST).step_by(STEP))).flat_map(stored).collect())?;
        wait_for("the fleet's items are evicted", || {
            let batch =
                (junk..junk + BATCH).flat_map(|number| store(&format!("junk:{number}"), dice.usize(1..LARGEST), "T0"));
            send(&mut client, batch.collect())?;
            junk += BATCH;
            let mut is_gone = |probe: &String| Ok(client.command(format!("mg {probe}")).map_err(text)?.line == "EN");
            let are_gone = probes.iter().map(&mut is_gone).collect::<Result<Vec<_>>>()?;
            Ok(are_gone.iter().all(|is_gone| *is_gone) && evicted(&mut client)? > of_fleet)
        })?;
        for first in (0..junk).step_by(BATCH) {
            let commands = (first..first + BATCH).flat_map(|number| format!("md junk:{number} q\r\n").into_bytes());
            send(&mut client, commands.collect())?;
        }
        Ok(())
    }
}

/// Returns the command that stores an item of a size.
fn store(key: &str, size: usize, flags: &str) -> Vec<u8> {
    format!("ms {key} {size} {flags} q\r\n{}\r\n", ".".repeat(size)).into_bytes()
}

/// Sends quiet commands, and reads what is answered all the same.
fn send(client: &mut TextClient, mut commands: Vec<u8>) -> Result<()> {
    commands.extend(b"mn\r\n");
    client.send(&commands).map_err(text)?;
    while client.receive().map_err(text)?.line != "MN" {}
    Ok(())
}

/// Returns how many items with a lifetime the server has evicted.
fn evicted(client: &mut TextClient) -> Result<u64> {
    let stats = client.stats("items").map_err(text)?;
    let of_classes = stats.iter().filter(|(name, _)| name.ends_with(":evicted_nonzero"));
    of_classes.map(|(_, count)| count.parse::<u64>().map_err(text)).sum()
}

impl Servers for Memcached {
    fn scheme(&self) -> &'static str {
        "memcached"
    }

    fn terms(&self) -> Terms {
        Terms::MEMCACHED
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        self.servers.iter().map(MemcachedServer::address).collect()
    }

    fn dial(&self) -> Dial {
        |address| {
            let mut client = TextClient::connect(address, Duration::from_secs(10)).ok()?;
            Some(Box::new(move || client.command("mn").is_ok()))
        }
    }

    fn kinds(&self) -> &'static [Kind] {
        &KINDS
    }

    fn settle(&mut self) -> Result<()> {
        let mut keys = vec![Keys::NONE; self.servers.len()];
        // (A key that was invalidated a moment ago is nowhere: each look may find others.)
        wait_for("each key is at a server", || {
            for (keys, found) in keys.iter_mut().zip(self.found()?) {
                *keys = (0..KEYS).filter(|key| found.has(*key)).fold(*keys, Keys::with);
            }
            Ok((0..KEYS).all(|key| keys.iter().any(|keys| keys.has(key))))
        })?;
        if let Some(key) = (0..KEYS).find(|key| keys.iter().filter(|keys| keys.has(*key)).count() > 1) {
            return Err(format!("key {key} is at two servers"));
        }
        if self.keys.as_ref().is_some_and(|before| *before != keys) {
            return Err(format!("a key is at another server than before: {:?}, {keys:?}", self.keys));
        }
        self.keys = Some(keys);
        Ok(())
    }

    fn keys_of(&self, server: usize) -> Keys {
        self.keys.as_ref().map_or(Keys::ALL, |keys| keys[server])
    }

    fn hurt(&mut self, kind: Kind, crew: &mut Crew, dice: &mut Rng, stop: Duration) -> Result<Vec<Fault>> {
        let number = self.any(dice);
        let scope = self.scope(number);
        let server = &mut self.servers[number];
        let fault = match kind {
            Kind::Flush => during(kind, scope, || server.flush().map_err(text)),
            Kind::RestartEmpty => {
                let away = millis(dice, 0..1000);
                during(kind, scope, || {
                    server.kill();
                    sleep(away);
                    server.restart().map_err(text)
                })
            }
            Kind::StopServer => during(kind, scope, || {
                server.stop().map_err(text)?;
                sleep(stop);
                server.go_on().map_err(text)
            }),
            Kind::Evict => {
                let slot = crew.any(dice);
                let key = crew.workers[slot].hold()?;
                let of_key = (0..self.servers.len()).find(|server| self.keys_of(*server).has(key));
                let number = of_key.ok_or_else(|| format!("key {key} is nowhere"))?;
                during(kind, self.scope(number), || Self::evict(&self.servers[number], dice))
            }
            _ => return Err(format!("{kind} is not for memcached")),
        };
        Ok(vec![fault?])
    }
}
