//! Redis: a primary, and a replica that follows it.

use super::{Dial, Servers, text};
use crate::crew::{Crew, Result};
use crate::fault::{Fault, Keys, Kind, Scope};
use crate::history::now;
use crate::inject::{during, millis, wait_for};
use crate::settings::Terms;
use dogpile_servers::{Client, RedisServer, Value};
use fastrand::Rng;
use std::net::SocketAddr;
use std::thread::sleep;
use std::time::Duration;

const KINDS: [Kind; 15] = [
    Kind::KillHolder,
    Kind::Abort,
    Kind::StopHolder,
    Kind::ClientKill,
    Kind::Flush,
    Kind::EvictLease,
    Kind::EvictEntry,
    Kind::RestartEmpty,
    Kind::RestartSnapshot,
    Kind::StopServer,
    Kind::ScriptFlush,
    Kind::Delay,
    Kind::BlackHole,
    Kind::Cut,
    Kind::Promote,
];

#[derive(Debug)]
pub struct Redis {
    primary: RedisServer,
    replica: RedisServer,
}

impl Redis {
    pub fn start() -> Result<Self> {
        let builder = RedisServer::builder().args(["--repl-diskless-sync-delay", "0"]);
        let primary = builder.clone().start().map_err(text)?;
        // It is told to follow: what a server is started with, it is restarted with.
        let replica = builder.start().map_err(text)?;
        let servers = Self { primary, replica };
        servers.follow()?;
        servers.in_step()?;
        Ok(servers)
    }

    /// Returns the keys whose names are so.
    fn keys(&self, is_one: impl Fn(&str) -> bool) -> Result<Vec<String>> {
        let (mut keys, mut cursor) = (Vec::new(), "0".to_owned());
        loop {
            let reply = self.primary.command(&["SCAN", &cursor, "COUNT", "1000"]).map_err(text)?;
            let found = reply.items()[1].items().iter().filter_map(Value::text);
            keys.extend(found.filter(|key| is_one(key)).map(str::to_owned));
            reply.items()[0].text().unwrap_or("0").clone_into(&mut cursor);
            if cursor == "0" {
                return Ok(keys);
            }
        }
    }

    /// Deletes one of the keys whose names are so. Blocks until there is one.
    fn evict(&self, kind: Kind, dice: &mut Rng, is_one: impl Fn(&str) -> bool) -> Result<Fault> {
        let mut evicted = None;
        wait_for("a key that can be evicted", || {
            let Some(key) = dice.choice(self.keys(&is_one)?) else { return Ok(false) };
            let from = now();
            // It may have ended by itself meanwhile.
            let is_deleted = self.primary.command(&["DEL", &key]).map_err(text)?.int() == Some(1);
            let number = key.strip_prefix("{chaos:").and_then(|key| key.split_once('}')?.0.parse().ok());
            let scope = Scope::key(number.ok_or(format!("a strange key: {key}"))?);
            evicted = is_deleted.then_some(Fault { kind, scope, from, to: now() });
            Ok(is_deleted)
        })?;
        evicted.ok_or("a key that can be evicted".into())
    }

    /// Has the replica take over, as of a while ago: what the primary confirms in between is lost.
    fn promote(&mut self, crew: &Crew, lag: Duration) -> Result<()> {
        self.replica.command(&["REPLICAOF", "NO", "ONE"]).map_err(text)?;
        sleep(lag);
        std::mem::swap(&mut self.primary, &mut self.replica);
        for proxy in crew.proxies() {
            proxy.forward_to(self.primary.address());
            proxy.sever();
        }
        self.follow()
    }

    /// Has the replica follow the primary. In one step, as a Sentinel does it, it closes the connections of its
    /// clients: one that was just being made as the proxies changed goes on to the old primary.
    fn follow(&self) -> Result<()> {
        let port = self.primary.port().to_string();
        let mut client = self.replica.client().map_err(text)?;
        let commands: [&[&str]; 5] = [
            &["MULTI"],
            &["REPLICAOF", "127.0.0.1", &port],
            &["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"],
            &["CLIENT", "KILL", "TYPE", "pubsub", "SKIPME", "yes"],
            &["EXEC"],
        ];
        for command in commands {
            if let Value::Error(error) = client.command(command).map_err(text)? {
                return Err(error);
            }
        }
        Ok(())
    }

    /// Blocks until the replica follows. With the first replica after a start, the primary begins another history:
    /// until then, and until the next heartbeat of each connection, there are two lives of one server.
    fn in_step(&self) -> Result<()> {
        wait_for("the replica follows", || {
            Ok(self.replica.info("master_link_status").map_err(text)? == "up"
                && self.replica.info("master_port").map_err(text)? == self.primary.port().to_string())
        })
    }
}

impl Servers for Redis {
    fn scheme(&self) -> &'static str {
        "redis"
    }

    fn terms(&self) -> Terms {
        Terms::REDIS
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        vec![self.primary.address()]
    }

    fn dial(&self) -> Dial {
        |address| {
            let mut client = Client::connect(address, Duration::from_secs(10)).ok()?;
            Some(Box::new(move || client.command(&["PING"]).is_ok()))
        }
    }

    fn kinds(&self) -> &'static [Kind] {
        &KINDS
    }

    /// One server has all.
    fn settle(&mut self) -> Result<()> {
        Ok(())
    }

    fn keys_of(&self, _server: usize) -> Keys {
        Keys::ALL
    }

    fn hurt(&mut self, kind: Kind, crew: &mut Crew, dice: &mut Rng, stop: Duration) -> Result<Vec<Fault>> {
        let fault = match kind {
            Kind::EvictLease => {
                let is_grant = |key: &str| key.starts_with("{chaos:") && key.ends_with("@grant");
                return (0..3).map(|_| self.evict(kind, dice, is_grant)).collect();
            }
            Kind::EvictEntry => {
                let is_entry = |key: &str| key.starts_with("{chaos:") && key.contains("}@0.");
                return (0..3).map(|_| self.evict(kind, dice, is_entry)).collect();
            }
            Kind::RestartSnapshot => {
                let snapshot = self.primary.snapshot().map_err(text)?;
                sleep(millis(dice, 100..400));
                during(kind, Scope::FLEET, || {
                    self.primary.restart_from(&snapshot).map_err(text)?;
                    self.in_step()
                })
            }
            Kind::Promote => {
                let (lag, slot) = (millis(dice, 0..300), crew.any(dice));
                crew.workers[slot].hold()?;
                during(kind, Scope::FLEET, || {
                    self.promote(crew, lag)?;
                    self.in_step()
                })
            }
            Kind::StopServer => during(kind, Scope::FLEET, || {
                self.primary.stop().map_err(text)?;
                sleep(stop);
                self.primary.go_on().map_err(text)
            }),
            Kind::RestartEmpty => during(kind, Scope::FLEET, || {
                self.primary.restart_empty().map_err(text)?;
                self.in_step()
            }),
            Kind::ClientKill => during(kind, Scope::FLEET, || self.primary.kill_clients().map_err(text)),
            Kind::Flush => during(kind, Scope::FLEET, || self.primary.flush().map_err(text)),
            Kind::ScriptFlush => {
                during(kind, Scope::FLEET, || self.primary.command(&["SCRIPT", "FLUSH"]).map(drop).map_err(text))
            }
            _ => return Err(format!("{kind} is not for Redis")),
        };
        Ok(vec![fault?])
    }
}
