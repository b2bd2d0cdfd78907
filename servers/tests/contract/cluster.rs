//! A Redis Cluster as a backend under test: three nodes, whose clocks the law moves together.
//!
//! A Cluster takes two seconds to start, so the laws share a few of them, each law alone with one.

use crate::ground::{Ground, Server, block_on};
use crate::redis;
use crate::{Subject, connected};
use dogpile_cache::backend::{Backend, Redis};
use dogpile_cache::key::StoredKey;
use dogpile_servers::{Cluster, RedisServer};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Two random scripts: a restart of all nodes takes seconds.
pub const SUBJECT: Subject = Subject { name: "redis_cluster", make: cluster, scripts: 2, not_kept: &[] };

/// A step of the clocks is no silence of the other nodes: in milliseconds.
const LONG_SILENCE: &str = "2000000000";

/// A node that was started takes no writes for 2 s of its clock. One that was started empty is told that they are over.
const AHEAD: i64 = 2100;

/// A node that was started with data begins earlier, so that nothing expires in that time.
const BEHIND: i64 = -8000;

/// Those that no law has now.
static FREE: Mutex<Vec<Cluster>> = Mutex::new(Vec::new());

/// Ends the Clusters.
pub fn end() {
    free().clear();
}

fn free() -> MutexGuard<'static, Vec<Cluster>> {
    FREE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn new() -> Cluster {
    let cluster = Cluster::start_with(false, &RedisServer::builder().fake_time()).expect("a Cluster");
    for node in &cluster.nodes {
        node.command(&["CONFIG", "SET", "cluster-node-timeout", LONG_SILENCE]).unwrap();
    }
    cluster
}

struct Machine {
    /// Taken when the law has ended.
    cluster: Arc<Mutex<Option<Cluster>>>,
    backend: Arc<Redis>,
}

fn cluster() -> Ground {
    let known = free().pop();
    let cluster = known.unwrap_or_else(new);
    let backend = Arc::new(block_on(Redis::connect(&cluster.nodes[0].url())).expect("a connection"));
    let machine = Machine { cluster: Arc::new(Mutex::new(Some(cluster))), backend: Arc::clone(&backend) };
    Ground { backend, server: Arc::new(machine) }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // A law that has failed may have left anything behind.
        let Some(cluster) = self.cluster.lock().ok().and_then(|mut cluster| cluster.take()) else { return };
        if thread::panicking() {
            return;
        }
        for node in &cluster.nodes {
            node.flush().unwrap();
            node.step(-node.clock_offset()).unwrap();
        }
        free().push(cluster);
    }
}

impl Machine {
    /// Does something with the Cluster, which is there until the law has ended.
    fn with<T>(&self, what: impl FnOnce(&mut Cluster) -> T) -> T {
        what(self.cluster.lock().unwrap().as_mut().expect("the law has not ended"))
    }

    /// Deletes keys of one place.
    fn delete(&self, keys: &[String]) {
        self.with(|cluster| {
            let slot = cluster.slot(&keys[0]).unwrap();
            redis::delete(&cluster.nodes[cluster.owner(slot).unwrap()], keys);
        });
    }
}

/// Starts the nodes again. For the law no time passes meanwhile.
fn again(cluster: &mut Cluster, backend: &Redis, start: impl Fn(usize, &mut RedisServer), ahead: i64) {
    let began = Instant::now();
    let step = |cluster: &Cluster, by: i64| cluster.nodes.iter().for_each(|node| node.step(by).unwrap());
    step(cluster, ahead.min(0));
    for (index, node) in cluster.nodes.iter_mut().enumerate() {
        start(index, node);
        node.command(&["CONFIG", "SET", "cluster-node-timeout", LONG_SILENCE]).unwrap();
    }
    step(cluster, ahead.max(0));
    cluster.well().unwrap();
    step(cluster, -ahead - i64::try_from(began.elapsed().as_millis()).unwrap());
    connected(backend);
}

impl Server for Machine {
    fn wait(&self, time: Duration) {
        self.with(|cluster| cluster.nodes.iter().for_each(|node| node.advance(time).unwrap()));
        // The estimates of the nodes' times are as of now.
        block_on(self.backend.ping()).unwrap();
    }

    fn step(&self, milliseconds: i64) {
        self.with(|cluster| cluster.nodes.iter().for_each(|node| node.step(milliseconds).unwrap()));
        block_on(self.backend.ping()).unwrap();
    }

    fn restart(&self) {
        self.with(|cluster| {
            again(cluster, &self.backend, |_, node| node.restart_empty().unwrap(), AHEAD);
        });
    }

    fn snapshot(&self) -> Box<dyn FnOnce()> {
        let (cluster, backend) = (Arc::clone(&self.cluster), Arc::clone(&self.backend));
        let snapshots =
            self.with(|cluster| cluster.nodes.iter().map(|node| node.snapshot().unwrap()).collect::<Vec<_>>());
        Box::new(move || {
            let mut cluster = cluster.lock().unwrap();
            let cluster = cluster.as_mut().expect("the law has not ended");
            let start = |index: usize, node: &mut RedisServer| node.restart_from(&snapshots[index]).unwrap();
            again(cluster, &backend, start, BEHIND);
        })
    }

    fn lose_entry(&self, key: &StoredKey) {
        self.delete(&[redis::entry(key)]);
    }

    fn lose_rest(&self, key: &StoredKey) {
        self.delete(&redis::rest(key));
    }

    fn places(&self) -> usize {
        self.with(|cluster| cluster.nodes.iter().map(redis::places).sum())
    }

    fn listened(&self) -> usize {
        self.with(|cluster| cluster.nodes.iter().map(|node| redis::channels(node, "SHARDCHANNELS")).sum())
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}
