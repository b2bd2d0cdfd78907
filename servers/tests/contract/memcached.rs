//! memcached as a backend under test: a server of its own for each law, whose clock, and that of the backend, the law
//! moves.
//!
//! In the random scripts the naive backend has items, as a memcached has them: `cache/tests/contract/naive.rs` says
//! what that changes.

use crate::ground::{Ground, Server};
use crate::{NotKept, Subject, connected};
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::Memcached;
use dogpile_cache::key::StoredKey;
use dogpile_servers::MemcachedServer;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub const SUBJECT: Subject = Subject { name: "memcached", make: memcached, scripts: 40, not_kept: &NOT_KEPT };

/// What a memcached does not keep, and why.
const NOT_KEPT: [NotKept; 5] = [
    ("g9_s31_an_evicted_grant_is_lost", "a grant lies in the item of its entry, and is evicted with it"),
    ("g6_a_look_tells_the_servers_clock", "the server's time goes by a monotonic clock, and knows no step"),
    ("g10_s19_a_failover_accepts_no_earlier_token", NO_COPIES),
    ("g10_g17_a_failover_brings_nothing_back_that_is_over", NO_COPIES),
    ("g10_s40_no_state_comes_again_after_a_failover", NO_COPIES),
];

const NO_COPIES: &str = "there is no copy of a server's data";

struct Machine {
    server: Arc<Mutex<MemcachedServer>>,
    backend: Arc<Memcached>,
    /// By which the backend estimates the server's time: it stands still with the server's clock.
    clock: Arc<ManualClock>,
}

fn memcached() -> Ground {
    let server = MemcachedServer::builder().fake_time().start().expect("a memcached");
    let clock = Arc::new(ManualClock::new());
    let by = Arc::clone(&clock) as Arc<dyn Clock>;
    let backend = Arc::new(Memcached::lazy_by(by, &server.url()).expect("a URL"));
    connected(&*backend);
    let machine = Machine { server: Arc::new(Mutex::new(server)), backend: Arc::clone(&backend), clock };
    Ground { backend, server: Arc::new(machine) }
}

impl Machine {
    fn server(&self) -> MutexGuard<'_, MemcachedServer> {
        self.server.lock().unwrap()
    }

    fn delete(&self, key: &str) {
        self.server().command(format!("md {key}")).unwrap();
    }
}

impl Server for Machine {
    fn wait(&self, time: Duration) {
        self.server().advance(time).unwrap();
        self.clock.advance(time);
        // A heartbeat between the two has seen a server whose clock had stepped. The next one knows better.
        connected(&*self.backend);
    }

    /// The server's time goes by a monotonic clock: a step of its time of day moves nothing.
    fn step(&self, _milliseconds: i64) {}

    fn restart(&self) {
        self.server().restart().unwrap();
        connected(&*self.backend);
    }

    /// There are no copies.
    fn snapshot(&self) -> Box<dyn FnOnce()> {
        unimplemented!("{NO_COPIES}")
    }

    fn lose_entry(&self, key: &StoredKey) {
        self.delete(key.full());
    }

    /// A grant lies in the item of its entry.
    fn lose_rest(&self, key: &StoredKey) {
        self.delete(key.full());
    }

    fn places(&self) -> usize {
        places(&self.server())
    }

    fn listened(&self) -> usize {
        0
    }

    fn keeps_numbers(&self) -> bool {
        false
    }

    fn has_items(&self) -> bool {
        true
    }

    fn has_copies(&self) -> bool {
        false
    }
}

/// Returns how many places have items on a server. An item lives for a second more than what is in it: one that is in
/// its last second does not count.
fn places(server: &MemcachedServer) -> usize {
    let keys = server.client().unwrap().keys().unwrap();
    let is_there = |key: &&String| {
        let reply = server.command(format!("mg {key} t")).unwrap();
        reply.line.starts_with("HD") && reply.flag('t') != Some("1")
    };
    let places: HashSet<&str> =
        keys.iter().filter(is_there).map(|key| key.rsplit_once('@').expect("a key of ours").0).collect();
    places.len()
}
