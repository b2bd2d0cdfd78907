//! PostgreSQL: one server, with the tables of the cache.
//!
//! | fault | here |
//! |---|---|
//! | `ClientKill` | `pg_terminate_backend` of the fleet's sessions: of all, or of each with a probability |
//! | `RestartEmpty` | SIGQUIT and another start; or a SIGKILL of one session, whose crash the postmaster recovers from. The UNLOGGED tables are empty after either |
//! | `RestartInPeace` | SIGINT and another start |
//! | `Flush` | a stranger's `DELETE` of all entries and grants |
//! | `Emptied` | `TRUNCATE` of entries and grants, and half of the times of the row of `life`. What is asked meanwhile waits |
//! | `EvictEntry`, `EvictLease` | a stranger's `DELETE` of a row |
//! | `LockedBriefly`, `LockedLong` | a stranger's transaction that has the lock of the place of a grant; its row, and those of other places; or the rows of their entries |
//!
//! The counters survive all of it.

use super::{Dial, Servers, Starved, text};
use crate::crew::{Crew, Result};
use crate::fault::{Fault, Keys, Kind, Scope};
use crate::history::{MS, now};
use crate::inject::{during, millis, wait_for};
use crate::settings::{KEYS, Terms};
use dogpile_cache::backend::Postgres as Backend;
use dogpile_servers::PostgresServer;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::ops::Range;
use std::thread::sleep;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls};

const KINDS: [Kind; 16] = [
    Kind::KillHolder,
    Kind::Abort,
    Kind::StopHolder,
    Kind::ClientKill,
    Kind::Flush,
    Kind::EvictLease,
    Kind::EvictEntry,
    Kind::RestartEmpty,
    Kind::RestartInPeace,
    Kind::Emptied,
    Kind::LockedBriefly,
    Kind::LockedLong,
    Kind::StopServer,
    Kind::Delay,
    Kind::BlackHole,
    Kind::Cut,
];

/// The sessions of the fleet.
const SESSIONS: &str = "pg_stat_activity WHERE application_name = 'dogpile-cache'";

/// As much work as a call of the fleet's: a session that has nothing to do gets a processor before those that have.
const WORK: &str = "SELECT count(*) FROM generate_series(1, 5000)";

/// How long a place is locked without a loss, in milliseconds: less than a change, and than a lease, can spare.
const BRIEF: Range<u64> = 20..150;

/// How long a place is locked until something is lost, in milliseconds.
const LONG: Range<u64> = 1200..2500;

#[derive(Debug)]
pub struct Postgres {
    server: PostgresServer,
}

impl Postgres {
    pub fn start() -> Result<Self> {
        let server = PostgresServer::start().map_err(text)?;
        server.sql(&Backend::builder(&server.url()).sql().map_err(text)?).map_err(text)?;
        Ok(Self { server })
    }

    /// Deletes a row of some place. Blocks until there is one.
    fn evict(&self, kind: Kind, from: &str) -> Result<Fault> {
        let mut evicted = None;
        wait_for("a row that can be deleted", || {
            let began = now();
            // (It may be gone, or another's, once its lock is had.)
            let row = format!("SELECT place FROM {from} ORDER BY random() LIMIT 1");
            let table = from.split(' ').next().unwrap_or_default();
            let delete = format!("DELETE FROM {table} WHERE place = ({row}) RETURNING convert_from(place, 'UTF8')");
            let place = self.server.sql(&delete).map_err(text)?;
            let Some(key) = place.strip_prefix("chaos:") else { return Ok(false) };
            let scope = Scope::key(key.parse().map_err(|_| format!("a strange place: {place}"))?);
            evicted = Some(Fault { kind, scope, from: began, to: now() });
            Ok(true)
        })?;
        evicted.ok_or("a row that can be deleted".into())
    }

    /// Empties tables. The locks are asked for at once or not at all: whatever their order, a transaction of the fleet
    /// may have them in another.
    fn empty(&self, tables: &str) -> Result<()> {
        let stranger = Stranger::connect(self.server.address()).ok_or("no session")?;
        wait_for("the tables are to be had", || {
            let lock = format!("BEGIN; LOCK TABLE {tables} IN ACCESS EXCLUSIVE MODE NOWAIT");
            let is_locked = stranger.execute(&lock).is_ok();
            stranger.execute(&if is_locked { format!("TRUNCATE {tables}; COMMIT") } else { "ROLLBACK".into() })?;
            Ok(is_locked)
        })
    }

    /// Kills one session. Returns when the server has recovered.
    fn crash(&self) -> Result<()> {
        let victim = self.server.sql(&format!("SELECT pid FROM {SESSIONS} ORDER BY random() LIMIT 1")).map_err(text)?;
        let pid = victim.parse().ok().and_then(Pid::from_raw).ok_or("no session of the fleet's")?;
        kill_process(pid, Signal::KILL).map_err(text)?;
        let is_there = format!("SELECT count(*) FROM pg_stat_activity WHERE pid = {victim}");
        wait_for("the server has recovered", || Ok(self.server.sql(&is_there).map_err(text)? == "0"))
    }

    /// Has a stranger lock places for a while, one of which has a grant.
    fn lock(&self, kind: Kind, crew: &mut Crew, dice: &mut Rng) -> Result<Fault> {
        let time = millis(dice, if kind == Kind::LockedLong { LONG } else { BRIEF });
        let stranger = Stranger::connect(self.server.address()).ok_or("no session")?;
        let slot = crew.any(dice);
        let key = crew.workers[slot].hold()?;
        let others = [key, dice.u64(0..KEYS), dice.u64(0..KEYS)];
        let names = others.map(|key| format!("'chaos:{key}'")).join(", ");
        let rows = |table: &str| format!("SELECT FROM dogpile.{table} WHERE place IN ({names}) FOR UPDATE");
        let all = others.iter().fold(Keys::NONE, |keys, key| keys.with(*key));
        let (lock, keys) = match dice.u8(0..3) {
            0 => {
                let hash = format!("encode(sha256('dogpile\\000chaos:{key}'), 'hex')");
                let lock = format!("SELECT pg_advisory_xact_lock(('x' || left({hash}, 16))::bit(64)::bigint)");
                (lock, Keys::NONE.with(key))
            }
            1 => (rows("place"), all),
            _ => (rows("entry"), all),
        };
        during(kind, Scope::keys(keys), || {
            stranger.execute(&format!("BEGIN; {lock}"))?;
            sleep(time);
            stranger.execute("ROLLBACK")
        })
    }
}

/// A session that is none of the fleet's.
struct Stranger {
    runtime: Runtime,
    client: Client,
}

impl Stranger {
    fn connect(address: SocketAddr) -> Option<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
        let client = runtime.block_on(async {
            let url = format!("postgresql://postgres@{address}/postgres");
            let connecting = tokio_postgres::connect(&url, NoTls);
            let (client, connection) = tokio::time::timeout(Duration::from_secs(10), connecting).await.ok()?.ok()?;
            tokio::spawn(connection);
            Some(client)
        });
        Some(Self { runtime, client: client? })
    }

    fn execute(&self, statements: &str) -> Result<()> {
        let executing = async {
            let executing = self.client.batch_execute(statements);
            tokio::time::timeout(Duration::from_secs(10), executing).await.map_err(text)?.map_err(text)
        };
        self.runtime.block_on(executing)
    }
}

impl Servers for Postgres {
    fn scheme(&self) -> &'static str {
        "postgresql"
    }

    fn url(&self, address: SocketAddr) -> String {
        format!("{}://postgres@{address}/postgres", self.scheme())
    }

    fn terms(&self) -> Terms {
        Terms::POSTGRES
    }

    fn addresses(&self) -> Vec<SocketAddr> {
        vec![self.server.address()]
    }

    fn dial(&self) -> Dial {
        |address| {
            let stranger = Stranger::connect(address)?;
            Some(Box::new(move || stranger.execute(WORK).is_ok()))
        }
    }

    /// By what Linux says of each session's process. (Elsewhere nothing is said.)
    fn starved(&self) -> Option<Starved> {
        let file = self.server.socket_directory().join("data/postmaster.pid");
        let mut known: HashMap<String, u64> = HashMap::new();
        Some(Box::new(move || {
            let pid = fs::read_to_string(&file).unwrap_or_default();
            let pid = pid.lines().next().unwrap_or_default();
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            let waited = |pid: &str| {
                let all = fs::read_to_string(format!("/proc/{pid}/schedstat")).ok()?;
                Some((pid.to_owned(), all.split(' ').nth(1)?.parse::<u64>().ok()?))
            };
            let now: HashMap<_, _> = children.split_whitespace().filter_map(waited).collect();
            let since = |(pid, waited): (&String, &u64)| waited.saturating_sub(known.get(pid).copied().unwrap_or(0));
            let longest = now.iter().map(since).max().unwrap_or(0);
            known = now;
            longest
        }))
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
        let is_one = dice.bool();
        let fault = match kind {
            Kind::EvictLease => {
                let grants = "dogpile.place WHERE token IS NOT NULL";
                return (0..3).map(|_| self.evict(kind, grants)).collect();
            }
            Kind::EvictEntry => return (0..3).map(|_| self.evict(kind, "dogpile.entry")).collect(),
            Kind::LockedBriefly | Kind::LockedLong => self.lock(kind, crew, dice),
            Kind::ClientKill => during(kind, Scope::FLEET, || {
                let some = if is_one { " AND random() < 0.2" } else { "" };
                let end = format!("SELECT count(pg_terminate_backend(pid, 5000)) FROM {SESSIONS}{some}");
                self.server.sql(&end).map(drop).map_err(text)
            }),
            Kind::Flush => {
                let flush = during(kind, Scope::FLEET, || {
                    self.server.sql("DELETE FROM dogpile.place; DELETE FROM dogpile.entry").map(drop).map_err(text)
                })?;
                // What is deleted is locked until the end.
                let is_long = flush.to - flush.from > BRIEF.end * MS;
                let locks = is_long.then_some(Fault { kind: Kind::LockedLong, ..flush });
                return Ok([flush].into_iter().chain(locks).collect());
            }
            Kind::Emptied => during(kind, Scope::FLEET, || {
                let rest = if is_one { "" } else { ", dogpile.life, dogpile.waiter" };
                self.empty(&format!("dogpile.place, dogpile.entry{rest}"))
            }),
            Kind::RestartEmpty => during(kind, Scope::FLEET, || {
                if is_one {
                    return self.crash();
                }
                self.server.end_at_once();
                self.server.start_again().map_err(text)
            }),
            Kind::RestartInPeace => during(kind, Scope::FLEET, || {
                self.server.end_in_peace();
                self.server.start_again().map_err(text)
            }),
            Kind::StopServer => during(kind, Scope::FLEET, || {
                self.server.stop().map_err(text)?;
                sleep(stop);
                self.server.go_on().map_err(text)
            }),
            _ => return Err(format!("{kind} is not for PostgreSQL")),
        };
        Ok(vec![fault?])
    }
}
