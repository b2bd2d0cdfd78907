//! The backend `Redis` on a Cluster of three primaries.

#[path = "../kit/mod.rs"]
mod kit;

mod down;
mod failover;
mod keys;
mod moves;

use dogpile_cache::backend::Redis;
use dogpile_cache::key::StoredKey;
use dogpile_servers::{Cluster, Value};

/// A Cluster whose nodes serve on while another one is gone.
fn cluster(replicas: bool) -> Cluster {
    let cluster = Cluster::start(replicas).unwrap();
    for node in &cluster.nodes {
        node.command(&["CONFIG", "SET", "cluster-require-full-coverage", "no"]).unwrap();
    }
    cluster
}

/// The index of the node that has a key.
fn owner(cluster: &Cluster, key: &StoredKey) -> usize {
    cluster.owner(cluster.slot(&kit::on_server(key)).unwrap()).unwrap()
}

/// Keys, by a prefix, that lie on a node.
fn keys_on<'a>(cluster: &'a Cluster, node: usize, prefix: &'a str) -> impl Iterator<Item = StoredKey> + 'a {
    (0..).map(move |number| kit::key(&format!("{prefix}{number}"))).filter(move |key| owner(cluster, key) == node)
}

fn key_on(cluster: &Cluster, node: usize, prefix: &str) -> StoredKey {
    keys_on(cluster, node, prefix).next().unwrap()
}

async fn connected(cluster: &Cluster, node: usize) -> Redis {
    Redis::connect(&cluster.nodes[node].url()).await.unwrap()
}

/// A number of a section of INFO, such as `calls` of `cmdstat_get`, summed over the nodes that are up. 0 if there is
/// none.
fn stat(cluster: &Cluster, field: &str, part: &str) -> i64 {
    let up = cluster.nodes.iter().filter(|node| node.is_up());
    up.map(|node| {
        let info = node.command(&["INFO", "everything"]).unwrap();
        let Value::Bulk(info) = info else { panic!("{info:?}") };
        let info = String::from_utf8(info).unwrap();
        let line = info.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let value = line.and_then(|line| {
            line.split(',').find_map(|each| each.strip_prefix(part)?.strip_prefix('=')?.parse::<i64>().ok())
        });
        value.unwrap_or(0)
    })
    .sum()
}

/// How many requests were answered `MOVED` so far.
fn moved(cluster: &Cluster) -> i64 {
    stat(cluster, "errorstat_MOVED", "count")
}
