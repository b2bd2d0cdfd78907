//! Injects faults, one after the other.

use crate::crew::{Crew, Result};
use crate::fault::{Fault, Kind, Scope};
use crate::history::now;
use dogpile_servers::Direction::{FromClient, FromServer};
use dogpile_servers::{RedisServer, Value};
use fastrand::Rng;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a state of the servers is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many cuts there are in one go.
const CUTS: usize = 4;

/// The servers: the primary, and a replica that follows it.
#[derive(Debug)]
pub struct Servers {
    pub primary: RedisServer,
    replica: RedisServer,
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

fn millis(dice: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(dice.u64(range))
}

/// Blocks until `look` says that the state is there.
fn wait_for(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    while Instant::now() < give_up {
        if look() == Ok(true) {
            return Ok(());
        }
        sleep(Duration::from_millis(5));
    }
    Err(format!("{what}: not within {PATIENCE:?}"))
}

impl Servers {
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

    /// Deletes one of the keys whose names are so. Blocks until there is one. Returns the number that is in its name,
    /// and when it was deleted.
    fn evict(&self, dice: &mut Rng, is_one: impl Fn(&str) -> bool) -> Result<(u64, u64, u64)> {
        let mut evicted = None;
        wait_for("a key that can be evicted", || {
            let Some(key) = dice.choice(self.keys(&is_one)?) else { return Ok(false) };
            let from = now();
            // It may have ended by itself meanwhile.
            let is_deleted = self.primary.command(&["DEL", &key]).map_err(text)?.int() == Some(1);
            let number = key.strip_prefix("{chaos:").and_then(|key| key.split_once('}')?.0.parse().ok());
            evicted = is_deleted.then_some((number.ok_or(format!("a strange key: {key}"))?, from, now()));
            Ok(is_deleted)
        })?;
        evicted.ok_or("a key that can be evicted".into())
    }

    /// Has the replica take over, as of a while ago: what the primary confirms in between is lost.
    fn promote(&mut self, crew: &Crew, lag: Duration) -> Result<()> {
        self.replica.command(&["REPLICAOF", "NO", "ONE"]).map_err(text)?;
        sleep(lag);
        std::mem::swap(&mut self.primary, &mut self.replica);
        for proxy in &crew.proxies {
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

/// What injects.
#[derive(Debug)]
pub struct Injector<'a> {
    pub servers: &'a mut Servers,
    pub crew: &'a mut Crew,
    pub dice: Rng,
    /// How long the server is stopped, the first time. Later it is for a short time.
    pub stop: Duration,
    pub faults: Vec<Fault>,
}

impl Injector<'_> {
    /// Injects a fault. Returns when it is over.
    pub fn inject(&mut self, kind: Kind) -> Result<()> {
        let slot = self.dice.usize(0..self.crew.workers.len());
        let process = Scope::Process(self.crew.workers[slot].number);
        match kind {
            Kind::KillHolder => self.faults.push(self.crew.kill_holder(slot)?),
            Kind::Abort => self.faults.push(self.crew.abort(slot)?),
            Kind::StopHolder => {
                let time = millis(&mut self.dice, 1300..2200);
                self.crew.workers[slot].hold()?;
                self.during(kind, process, |this| this.crew.workers[slot].stop_for(time))?;
            }
            Kind::EvictLease => {
                let is_grant = |key: &str| key.starts_with("{chaos:") && key.ends_with("@grant");
                for _ in 0..3 {
                    let (key, from, to) = self.servers.evict(&mut self.dice, is_grant)?;
                    self.faults.push(Fault { kind, scope: Scope::Key(key), from, to });
                }
            }
            Kind::EvictEntry => {
                let is_entry = |key: &str| key.starts_with("{chaos:") && key.contains("}@0.");
                for _ in 0..3 {
                    let (key, from, to) = self.servers.evict(&mut self.dice, is_entry)?;
                    self.faults.push(Fault { kind, scope: Scope::Key(key), from, to });
                }
            }
            Kind::Delay | Kind::BlackHole | Kind::Cut => {
                self.during(kind, process, |this| this.disturb(kind, slot))?;
                self.crew.proxies[slot].normal();
            }
            _ => self.hurt_server(kind, slot)?,
        }
        Ok(())
    }

    /// Notes the time in which something is done.
    fn during(&mut self, kind: Kind, scope: Scope, fault: impl FnOnce(&mut Self) -> Result<()>) -> Result<()> {
        let from = now();
        fault(self)?;
        self.faults.push(Fault { kind, scope, from, to: now() });
        Ok(())
    }

    /// Disturbs the connection of a process for a while.
    fn disturb(&mut self, kind: Kind, slot: usize) -> Result<()> {
        let (proxy, dice) = (&self.crew.proxies[slot], &mut self.dice);
        match kind {
            Kind::Delay => {
                proxy.delay(FromClient, millis(dice, 0..300));
                proxy.delay(FromServer, millis(dice, 50..300));
                sleep(millis(dice, 600..1500));
                proxy.normal();
            }
            Kind::BlackHole => {
                let which = dice.u8(0..3);
                proxy.black_hole(FromClient, which != 0);
                proxy.black_hole(FromServer, which != 1);
                sleep(millis(dice, 500..2200));
                proxy.normal();
            }
            _ => {
                for _ in 0..CUTS {
                    let direction = if dice.bool() { FromClient } else { FromServer };
                    let (bytes, before) = (dice.u64(1..1000), proxy.bytes(direction));
                    proxy.cut_after(direction, bytes);
                    wait_for("a cut", || Ok(proxy.bytes(direction) >= before + bytes))?;
                }
                proxy.normal();
            }
        }
        Ok(())
    }

    fn hurt_server(&mut self, kind: Kind, slot: usize) -> Result<()> {
        match kind {
            Kind::RestartSnapshot => {
                let snapshot = self.servers.primary.snapshot().map_err(text)?;
                sleep(millis(&mut self.dice, 100..400));
                self.during(kind, Scope::Fleet, |this| {
                    this.servers.primary.restart_from(&snapshot).map_err(text)?;
                    this.servers.in_step()
                })
            }
            Kind::Promote => {
                let lag = millis(&mut self.dice, 0..300);
                self.crew.workers[slot].hold()?;
                self.during(kind, Scope::Fleet, |this| {
                    this.servers.promote(this.crew, lag)?;
                    this.servers.in_step()
                })
            }
            Kind::StopServer => {
                let time = std::mem::replace(&mut self.stop, Duration::from_secs(1));
                self.during(kind, Scope::Fleet, |this| {
                    this.servers.primary.stop().map_err(text)?;
                    sleep(time);
                    this.servers.primary.go_on().map_err(text)
                })
            }
            Kind::RestartEmpty => self.during(kind, Scope::Fleet, |this| {
                this.servers.primary.restart_empty().map_err(text)?;
                this.servers.in_step()
            }),
            _ => self.during(kind, Scope::Fleet, |this| {
                let primary = &this.servers.primary;
                let done = match kind {
                    Kind::ClientKill => primary.kill_clients(),
                    Kind::Flush => primary.flush(),
                    Kind::ScriptFlush => primary.command(&["SCRIPT", "FLUSH"]).map(drop),
                    _ => return Err(format!("{kind} is not for the server")),
                };
                done.map_err(text)
            }),
        }
    }
}
