//! Injects faults, one after the other.

use crate::crew::{Crew, Result};
use crate::fault::{Fault, Kind, Scope};
use crate::history::now;
use crate::servers::Servers;
use dogpile_servers::Direction::{FromClient, FromServer};
use fastrand::Rng;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long a state of the servers is waited for.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long the server is stopped, but for the first time.
const SHORT_STOP: Duration = Duration::from_secs(1);

/// How many cuts there are in one go.
const CUTS: usize = 4;

/// Throws a time.
pub fn millis(dice: &mut Rng, range: std::ops::Range<u64>) -> Duration {
    Duration::from_millis(dice.u64(range))
}

/// Blocks until `look` says that the state is there.
pub fn wait_for(what: &str, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let seen = look();
        if seen == Ok(true) {
            return Ok(());
        }
        if Instant::now() >= give_up {
            return Err(format!("{what}: not within {PATIENCE:?}; last: {seen:?}"));
        }
        sleep(Duration::from_millis(5));
    }
}

/// Notes the time in which something is done.
pub fn during(kind: Kind, scope: Scope, fault: impl FnOnce() -> Result<()>) -> Result<Fault> {
    let from = now();
    fault()?;
    Ok(Fault { kind, scope, from, to: now() })
}

/// What injects.
#[derive(Debug)]
pub struct Injector<'a> {
    pub servers: &'a mut dyn Servers,
    pub crew: &'a mut Crew,
    pub dice: Rng,
    /// How long the server is stopped, the first time. Later it is for a short time.
    pub stop: Duration,
    pub faults: Vec<Fault>,
}

impl Injector<'_> {
    /// Injects a fault. Returns when it is over.
    pub fn inject(&mut self, kind: Kind) -> Result<()> {
        let slot = self.crew.any(&mut self.dice);
        let fault = match kind {
            Kind::KillHolder => self.crew.kill_holder(slot)?,
            Kind::Abort => self.crew.abort(slot)?,
            Kind::StopHolder => {
                let time = Duration::from_nanos(self.servers.terms().lease) + millis(&mut self.dice, 300..1200);
                let worker = &mut self.crew.workers[slot];
                worker.hold()?;
                during(kind, Scope::process(worker.number), || worker.stop_for(time))?
            }
            Kind::Delay | Kind::BlackHole | Kind::Cut => self.disturb(kind, slot)?,
            _ => {
                let stop =
                    if kind == Kind::StopServer { std::mem::replace(&mut self.stop, SHORT_STOP) } else { self.stop };
                self.faults.extend(self.servers.hurt(kind, self.crew, &mut self.dice, stop)?);
                return Ok(());
            }
        };
        self.faults.push(fault);
        Ok(())
    }

    /// Disturbs the link of a process to a server for a while.
    fn disturb(&mut self, kind: Kind, slot: usize) -> Result<Fault> {
        let (links, dice) = (&self.crew.links[slot].proxies, &mut self.dice);
        let server = dice.usize(0..links.len());
        let proxy = &links[server];
        let process = Some(self.crew.workers[slot].number);
        let fault = during(kind, Scope { process, keys: self.servers.keys_of(server) }, || {
            match kind {
                Kind::Delay => {
                    proxy.delay(FromClient, millis(dice, 0..300));
                    proxy.delay(FromServer, millis(dice, 50..300));
                    sleep(millis(dice, 600..1500));
                }
                Kind::BlackHole => {
                    let which = dice.u8(0..3);
                    proxy.black_hole(FromClient, which != 0);
                    proxy.black_hole(FromServer, which != 1);
                    sleep(millis(dice, 500..2200));
                }
                _ => {
                    for _ in 0..CUTS {
                        let direction = if dice.bool() { FromClient } else { FromServer };
                        let (bytes, before) = (dice.u64(1..1000), proxy.bytes(direction));
                        proxy.cut_after(direction, bytes);
                        wait_for("a cut", || Ok(proxy.bytes(direction) >= before + bytes))?;
                    }
                }
            }
            proxy.normal();
            Ok(())
        });
        proxy.normal();
        fault
    }
}
