//! A primary with replicas, and Sentinels that watch over them.

use crate::error::{Error, PATIENCE, Result, wait_for};
use crate::redis::{Builder, RedisServer};
use crate::resp::Value;
use std::net::Ipv4Addr;
use std::time::Duration;

/// How long several servers may take to agree.
pub(crate) const AGREEMENT: Duration = Duration::from_secs(40);

/// A primary with replicas. The first server is the primary at first.
#[derive(Debug)]
pub struct Replicas {
    /// All servers.
    pub servers: Vec<RedisServer>,
}

impl Replicas {
    /// Starts a primary and `count` replicas. Blocks until all replicas are in step.
    pub fn start(count: usize) -> Result<Self> {
        Self::start_with(count, &RedisServer::builder())
    }

    /// The same, with each server started as the builder says.
    pub fn start_with(count: usize, builder: &Builder) -> Result<Self> {
        // A replica gets its data at once, not after the 5 s in which the primary waits for more replicas.
        let builder = builder.clone().args(["--repl-diskless-sync-delay", "0"]);
        let mut servers = vec![builder.clone().start()?];
        let port = servers[0].port();
        for _ in 0..count {
            servers.push(builder.clone().replica_of(port).start()?);
        }
        let all = Self { servers };
        all.in_step()?;
        Ok(all)
    }

    /// The index of the server that is the primary by its own ROLE. An error, if there is none, or more than one.
    pub fn primary(&self) -> Result<usize> {
        let mut primaries = Vec::new();
        for (index, server) in self.servers.iter().enumerate().filter(|(_, server)| server.is_up()) {
            if role(server)? == "master" {
                primaries.push(index);
            }
        }
        match primaries[..] {
            [one] => Ok(one),
            _ => Err(Error::new(format!("primaries: {primaries:?}"))),
        }
    }

    /// Blocks until one server is the primary, all others that are up follow it, and have all of its data.
    pub fn in_step(&self) -> Result<()> {
        wait_for("the replicas are in step", AGREEMENT, || {
            let primary = self.primary()?;
            let offset = self.servers[primary].info("master_repl_offset")?;
            let port = self.servers[primary].port().to_string();
            for (index, replica) in self.servers.iter().enumerate().filter(|(_, server)| server.is_up()) {
                let follows = index == primary
                    || (replica.info("master_port")? == port
                        && replica.info("master_link_status")? == "up"
                        && replica.info("slave_repl_offset")? == offset);
                if !follows {
                    return Ok(false);
                }
            }
            Ok(true)
        })
    }
}

/// The server's own word for its role: `master` or `slave`.
fn role(server: &RedisServer) -> Result<String> {
    let role = server.command(&["ROLE"])?;
    Ok(role.items().first().and_then(Value::text).unwrap_or_default().into())
}

/// Three Sentinels over a primary with replicas. A primary that does not answer for 500 ms counts as down.
#[derive(Debug)]
pub struct Sentinels {
    /// The servers that are watched over.
    pub replicas: Replicas,
    /// The Sentinels.
    pub sentinels: Vec<RedisServer>,
}

impl Sentinels {
    /// The name under which the Sentinels know the primary.
    pub const NAME: &str = "primary";

    /// Starts a primary, `count` replicas and three Sentinels. Blocks until every Sentinel knows all of them.
    pub fn start(count: usize) -> Result<Self> {
        let replicas = Replicas::start(count)?;
        let name = Self::NAME;
        let port = replicas.servers[0].port();
        let config = format!(
            "sentinel monitor {name} 127.0.0.1 {port} 2\n\
             sentinel down-after-milliseconds {name} 500\n\
             sentinel failover-timeout {name} 3000\n"
        );
        let sentinel = || RedisServer::builder().sentinel(config.clone()).start();
        let all = Self { replicas, sentinels: vec![sentinel()?, sentinel()?, sentinel()?] };
        wait_for("every Sentinel knows all others", AGREEMENT, || {
            for sentinel in &all.sentinels {
                let known = known(sentinel)?;
                let is = |field: &str, value: &str| known.iter().any(|(name, is)| name == field && is == value);
                let replicas = count.to_string();
                if !(is("num-slaves", &replicas) && is("num-other-sentinels", "2") && is("flags", "master")) {
                    return Ok(false);
                }
            }
            Ok(true)
        })?;
        Ok(all)
    }

    /// The port of the primary, as the Sentinels that are up agree. An error, if they do not.
    pub fn agreed(&self) -> Result<u16> {
        let mut ports = Vec::new();
        for sentinel in self.sentinels.iter().filter(|sentinel| sentinel.is_up()) {
            let address = sentinel.command(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", Self::NAME])?;
            ports.push(address.items().get(1).and_then(Value::int));
        }
        ports.dedup();
        match ports[..] {
            [Some(port)] => u16::try_from(port).map_err(|_| Error::new("no port")),
            _ => Err(Error::new(format!("the Sentinels do not agree: {ports:?}"))),
        }
    }

    /// The URLs of the Sentinels.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.sentinels.iter().map(RedisServer::url).collect()
    }

    /// The index, in [`Replicas::servers`], of the primary that the Sentinels agree about.
    pub fn primary(&self) -> Result<usize> {
        let port = self.agreed()?;
        let at = self.replicas.servers.iter().position(|server| server.port() == port);
        at.ok_or_else(|| Error::new(format!("no server has the port {port}")))
    }

    /// Has a Sentinel promote a replica. Returns the index of the new primary when the Sentinels agree about it and it
    /// has its role; the old primary may still think itself one ([`Replicas::in_step`] waits for that, too).
    pub fn failover(&self) -> Result<usize> {
        let old = self.primary()?;
        // Refused while a failover goes on, or no replica has been seen well of late.
        wait_for("a failover begins", AGREEMENT, || {
            self.sentinels[0].command(&["SENTINEL", "FAILOVER", Self::NAME]).map(|_| true)
        })?;
        self.after(old)
    }

    /// Kills the primary. Returns the index of the new one when the Sentinels agree about it and it has its role.
    pub fn kill_primary(&mut self) -> Result<usize> {
        let old = self.primary()?;
        self.replicas.servers[old].kill();
        self.after(old)
    }

    /// Blocks until another server than `old` is the primary. Returns its index.
    pub fn after(&self, old: usize) -> Result<usize> {
        let mut new = old;
        wait_for("the Sentinels and the new primary agree", AGREEMENT, || {
            new = self.primary()?;
            Ok(new != old && role(&self.replicas.servers[new])? == "master")
        })?;
        Ok(new)
    }

    /// Starts a server that was killed, empty. Returns when the Sentinels have made it a replica in step.
    pub fn bring_back(&mut self, index: usize) -> Result<()> {
        let primary = self.agreed()?.to_string();
        let server = &mut self.replicas.servers[index];
        server.restart_empty()?;
        // As an orchestrator would start it: else it is a second, empty primary until the Sentinels see it.
        server.command(&["REPLICAOF", &Ipv4Addr::LOCALHOST.to_string(), &primary])?;
        wait_for("the server is back", PATIENCE, || Ok(role(&self.replicas.servers[index])? == "slave"))?;
        self.replicas.in_step()
    }
}

/// What a Sentinel knows of the primary.
fn known(sentinel: &RedisServer) -> Result<Vec<(String, String)>> {
    let known = sentinel.command(&["SENTINEL", "MASTER", Sentinels::NAME])?;
    let text = |value: &Value| value.text().unwrap_or_default().to_owned();
    Ok(known.items().chunks(2).map(|pair| (text(&pair[0]), pair.get(1).map(text).unwrap_or_default())).collect())
}
