//! A Redis Cluster of three primaries.

use crate::error::{Error, Result, wait_for};
use crate::redis::{Builder, RedisServer, find};
use crate::resp::Value;
use crate::sentinel::AGREEMENT;
use std::ops::RangeInclusive;
use std::time::Duration;

/// How many slots there are.
const SLOTS: u16 = 16384;

/// By then nodes agree about a new primary, unless its epoch is not the last one.
const SETTLED: Duration = Duration::from_secs(5);

/// How many primaries there are.
const PRIMARIES: usize = 3;

/// Three primaries, with the slots in even parts. A node that does not answer for 1 s counts as down.
#[derive(Debug)]
pub struct Cluster {
    /// The nodes: three primaries, then the replica of each, if there are replicas.
    pub nodes: Vec<RedisServer>,
    /// The id of each node.
    ids: Vec<String>,
}

impl Cluster {
    /// Starts the nodes, each primary with one replica if `replicas`. Blocks until all nodes see all others and all
    /// slots.
    pub fn start(replicas: bool) -> Result<Self> {
        Self::start_with(replicas, &RedisServer::builder())
    }

    /// The same, with each node started as the builder says.
    pub fn start_with(replicas: bool, builder: &Builder) -> Result<Self> {
        let count = if replicas { 2 * PRIMARIES } else { PRIMARIES };
        let node = builder.clone().cluster().args([
            "--cluster-node-timeout",
            "1000",
            // A replica takes over whenever its primary is gone, however long it was cut off before.
            "--cluster-replica-validity-factor",
            "0",
            "--repl-diskless-sync-delay",
            "0",
            // A replica whose handshake with a new primary has got stuck begins anew, long before this gives up.
            "--repl-timeout",
            "5",
            "--repl-ping-replica-period",
            "1",
        ]);
        let nodes = (0..count).map(|_| node.clone().start()).collect::<Result<Vec<_>>>()?;
        let text = |value: Value| value.text().unwrap_or_default().to_owned();
        let ids = nodes.iter().map(|node| node.command(&["CLUSTER", "MYID"]).map(text)).collect::<Result<_>>()?;
        let cluster = Self { nodes, ids };
        cluster.form()?;
        Ok(cluster)
    }

    fn form(&self) -> Result<()> {
        for (index, node) in self.nodes.iter().enumerate() {
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(index + 1).to_string()])?;
            if index < PRIMARIES {
                let part = part(index);
                let (first, last) = (part.start().to_string(), part.end().to_string());
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])?;
            }
            if index > 0 {
                let (port, bus) = (node.port().to_string(), node.bus_port().to_string());
                self.nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])?;
            }
        }
        for (replica, primary) in (PRIMARIES..self.nodes.len()).zip(0..) {
            // Refused until the replica has heard of the primary.
            wait_for("a replica hears of its primary", AGREEMENT, || {
                self.nodes[replica].command(&["CLUSTER", "REPLICATE", &self.ids[primary]]).map(|_| true)
            })?;
        }
        self.well()
    }

    /// Blocks until every node that is up says that the cluster is well, and all agree about the owners of the slots.
    pub fn well(&self) -> Result<()> {
        self.well_within(AGREEMENT)
    }

    fn well_within(&self, bound: Duration) -> Result<()> {
        wait_for("the cluster is well", bound, || {
            let mut maps = Vec::new();
            for node in self.up() {
                let info = node.command(&["CLUSTER", "INFO"])?;
                let is = |field| find(info.text().unwrap_or_default(), field);
                if is("cluster_state")? != "ok"
                    || is("cluster_slots_ok")? != SLOTS.to_string()
                    || is("cluster_known_nodes")? != self.nodes.len().to_string()
                {
                    return Err(Error::new(format!("{} says {:?}", node.port(), info.text())));
                }
                if node.info("role")? == "slave" && node.info("master_link_status")? != "up" {
                    let said = node.command(&["INFO", "replication"])?;
                    return Err(Error::new(format!("{} says {:?}", node.port(), said.text())));
                }
                maps.push(owners(node)?);
            }
            maps.dedup();
            if maps.len() == 1 { Ok(true) } else { Err(Error::new(format!("the nodes disagree: {maps:?}"))) }
        })
    }

    fn up(&self) -> impl Iterator<Item = &RedisServer> {
        self.nodes.iter().filter(|node| node.is_up())
    }

    /// The URLs of the nodes.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The slot of a key.
    pub fn slot(&self, key: &str) -> Result<u16> {
        let any = self.up().next().ok_or_else(|| Error::new("no node is up"))?;
        let slot = any.command(&["CLUSTER", "KEYSLOT", key])?.int();
        slot.and_then(|slot| u16::try_from(slot).ok()).ok_or_else(|| Error::new("no slot"))
    }

    /// The index of the node that owns a slot, as all nodes that are up agree.
    pub fn owner(&self, slot: u16) -> Result<usize> {
        let mut seen = Vec::new();
        for node in self.up() {
            seen.push(owners(node)?.into_iter().find(|(slots, _)| slots.contains(&slot)).map(|(_, id)| id));
        }
        seen.dedup();
        match &seen[..] {
            [Some(id)] => self.index(id),
            _ => Err(Error::new(format!("the nodes do not agree about slot {slot}: {seen:?}"))),
        }
    }

    fn index(&self, id: &str) -> Result<usize> {
        self.ids.iter().position(|known| known == id).ok_or_else(|| Error::new(format!("no node has the id {id}")))
    }

    fn set_slot(&self, at: usize, slot: u16, state: &[&str]) -> Result<()> {
        let slot = slot.to_string();
        self.nodes[at].command(&[&["CLUSTER", "SETSLOT", &slot], state].concat()).map(drop)
    }

    /// Opens a slot for a move: `from` answers ASK for the keys that it does not have, and `to` serves after ASKING.
    pub fn begin_move(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        self.set_slot(to, slot, &["IMPORTING", &self.ids[from]])?;
        self.set_slot(from, slot, &["MIGRATING", &self.ids[to]])
    }

    /// Moves the keys that a slot has now. Returns how many.
    pub fn move_keys(&self, slot: u16, from: usize, to: usize) -> Result<usize> {
        let (slot, port) = (slot.to_string(), self.nodes[to].port().to_string());
        let mut moved = 0;
        wait_for("the keys leave the slot", AGREEMENT, || {
            let keys = self.nodes[from].command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"])?;
            for key in keys.items() {
                let Value::Bulk(key) = key else { return Err(Error::new("a key is no string")) };
                let words: [&[u8]; 6] = [b"MIGRATE", b"127.0.0.1", port.as_bytes(), key, b"0", b"5000"];
                // A key that has expired meanwhile is none: NOKEY.
                moved += usize::from(self.nodes[from].command(&words)?.text() == Some("OK"));
            }
            Ok(keys.items().is_empty())
        })?;
        Ok(moved)
    }

    /// Gives the slot to `to`. Returns when all nodes agree.
    pub fn end_move(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        let others = (0..self.nodes.len()).filter(|&at| at != to && at != from);
        for at in [to, from].into_iter().chain(others).filter(|&at| self.nodes[at].is_up()) {
            if self.nodes[at].info("role")? == "master" {
                self.set_slot(at, slot, &["NODE", &self.ids[to]])?;
            }
            if at == to {
                // Its claim is to be the newest: two nodes that have moved a slot there and back may have one epoch, and
                // then disagree for ever.
                self.nodes[to].command(&["CLUSTER", "BUMPEPOCH"])?;
            }
        }
        wait_for("all nodes agree about the slot", AGREEMENT, || Ok(self.owner(slot)? == to))
    }

    /// Gives up a move: the slot stays whole at the owner, with the keys that are still there.
    pub fn abandon_move(&self, slot: u16, from: usize, to: usize) -> Result<()> {
        self.set_slot(from, slot, &["STABLE"])?;
        self.set_slot(to, slot, &["STABLE"])
    }

    /// Moves a slot with all keys. Returns, with the number of keys, when all nodes agree.
    pub fn move_slot(&self, slot: u16, from: usize, to: usize) -> Result<usize> {
        self.begin_move(slot, from, to)?;
        let moved = self.move_keys(slot, from, to)?;
        self.end_move(slot, from, to)?;
        Ok(moved)
    }

    /// Has a replica take over from its primary, in agreement with it. Returns when all nodes agree and follow.
    pub fn failover(&self, replica: usize) -> Result<()> {
        let old = self.nodes[replica].info("master_port")?;
        let old = self.nodes.iter().position(|node| node.port().to_string() == old);
        let old = old.ok_or_else(|| Error::new("it is no replica"))?;
        // The two give it up after 5 s, if they do not come to an end.
        wait_for("the replica takes over", AGREEMENT, || {
            self.nodes[replica].command(&["CLUSTER", "FAILOVER"])?;
            let is_primary = || Ok(self.nodes[replica].info("role")? == "master");
            wait_for("the replica takes over", Duration::from_secs(6), is_primary).map(|()| true)
        })?;
        wait_for("the old primary follows", AGREEMENT, || Ok(self.nodes[old].info("role")? == "slave"))?;
        self.taken_over(replica)
    }

    /// Kills a primary. Returns when its replica, `replica`, has taken over and all nodes that are up agree.
    pub fn kill_primary(&mut self, primary: usize, replica: usize) -> Result<()> {
        self.nodes[primary].kill();
        self.taken_over(replica)
    }

    fn taken_over(&self, replica: usize) -> Result<()> {
        wait_for("the replica takes over", AGREEMENT, || Ok(self.nodes[replica].info("role")? == "master"))?;
        // A replica that has not heard of the last epoch yet may be elected in it once more. Two primaries of one epoch
        // settle that between them, but one of these is dead. So the new one gets the last epoch, after another one.
        if self.well_within(SETTLED).is_err() {
            let others = self.nodes.iter().enumerate().filter(|(at, node)| *at != replica && node.is_up());
            for node in others.map(|(_, node)| node).chain([&self.nodes[replica]]) {
                if node.info("role")? == "master" {
                    node.command(&["CLUSTER", "BUMPEPOCH"])?;
                }
            }
        }
        self.well()
    }
}

/// The slots of a primary at the start.
fn part(index: usize) -> RangeInclusive<u16> {
    let edge = |index: usize| u16::try_from(usize::from(SLOTS) * index / PRIMARIES).unwrap_or(SLOTS);
    edge(index)..=edge(index + 1) - 1
}

/// Which node owns which slots, as one node sees it.
fn owners(node: &RedisServer) -> Result<Vec<(RangeInclusive<u16>, String)>> {
    let number = |value: Option<&Value>| value.and_then(Value::int).and_then(|slot| u16::try_from(slot).ok());
    let one = |entry: &Value| {
        let items = entry.items();
        let id = items.get(2)?.items().get(2)?.text()?.to_owned();
        Some((number(items.first())?..=number(items.get(1))?, id))
    };
    let slots = node.command(&["CLUSTER", "SLOTS"])?;
    let all = slots.items().iter().map(|entry| one(entry).ok_or_else(|| Error::new("CLUSTER SLOTS is odd")));
    let mut all = all.collect::<Result<Vec<_>>>()?;
    all.sort_by_key(|(slots, _)| *slots.start());
    Ok(all)
}
