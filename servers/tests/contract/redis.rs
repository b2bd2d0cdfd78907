//! Redis as a backend under test: a server of its own for each law, whose clock the law moves.

use crate::ground::{Ground, Server, block_on};
use crate::{Subject, connected};
use dogpile_cache::backend::{Backend, Redis};
use dogpile_cache::key::StoredKey;
use dogpile_servers::RedisServer;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub const SUBJECT: Subject = Subject { name: "redis", make: redis, scripts: 40, not_kept: &[] };

struct Machine {
    server: Arc<Mutex<RedisServer>>,
    backend: Arc<Redis>,
}

fn redis() -> Ground {
    let server = RedisServer::builder().fake_time().start().expect("a Redis server");
    let backend = Arc::new(block_on(Redis::connect(&server.url())).expect("a connection"));
    let machine = Machine { server: Arc::new(Mutex::new(server)), backend: Arc::clone(&backend) };
    Ground { backend, server: Arc::new(machine) }
}

impl Machine {
    fn server(&self) -> MutexGuard<'_, RedisServer> {
        self.server.lock().unwrap()
    }

    fn delete(&self, keys: &[String]) {
        delete(&self.server(), keys);
    }
}

impl Server for Machine {
    fn wait(&self, time: Duration) {
        self.server().advance(time).unwrap();
        // The estimate of the server's time is as of now.
        block_on(self.backend.ping()).unwrap();
    }

    fn step(&self, milliseconds: i64) {
        self.server().step(milliseconds).unwrap();
        block_on(self.backend.ping()).unwrap();
    }

    fn restart(&self) {
        self.server().restart_empty().unwrap();
        connected(&*self.backend);
    }

    fn snapshot(&self) -> Box<dyn FnOnce()> {
        let (server, backend) = (Arc::clone(&self.server), Arc::clone(&self.backend));
        let snapshot = self.server().snapshot().unwrap();
        Box::new(move || {
            server.lock().unwrap().restart_from(&snapshot).unwrap();
            connected(&*backend);
        })
    }

    fn lose_entry(&self, key: &StoredKey) {
        self.delete(&[entry(key)]);
    }

    fn lose_rest(&self, key: &StoredKey) {
        self.delete(&rest(key));
    }

    fn places(&self) -> usize {
        places(&self.server())
    }

    fn listened(&self) -> usize {
        channels(&self.server(), "CHANNELS")
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// Returns the key of an entry on its server.
pub fn entry(key: &StoredKey) -> String {
    format!("{{{}}}{}", key.place(), &key.full()[key.place().len()..])
}

/// Returns the keys of a place that are no entries, on its server.
pub fn rest(key: &StoredKey) -> [String; 2] {
    ["grant", "pause"].map(|part| format!("{{{}}}@{part}", key.place()))
}

/// Deletes keys of a server.
pub fn delete(server: &RedisServer, keys: &[String]) {
    server.command(&[&["DEL".to_owned()], keys].concat()).unwrap();
}

/// Returns how many channels of a kind are listened to on a server: `CHANNELS`, or those of a Cluster.
pub fn channels(server: &RedisServer, kind: &str) -> usize {
    server.command(&["PUBSUB", kind]).unwrap().items().len()
}

/// Returns how many places take memory on a server.
pub fn places(server: &RedisServer) -> usize {
    let (mut places, mut cursor) = (HashSet::new(), "0".to_owned());
    loop {
        let reply = server.command(&["SCAN", &cursor, "COUNT", "1000"]).unwrap();
        let keys = reply.items()[1].items().iter().map(|key| key.text().unwrap().to_owned());
        places.extend(keys.map(|key| key.rsplit_once('}').expect("a key of ours").0.to_owned()));
        reply.items()[0].text().unwrap().clone_into(&mut cursor);
        if cursor == "0" {
            return places.len();
        }
    }
}
