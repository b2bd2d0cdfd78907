//! How many round trips an access takes: the commands of its client, as the server has counted them. None of these
//! accesses has two commands under way at once.

use bytes::Bytes;
use dogpile_cache::Region;
use dogpile_cache::backend::Memcached;
use dogpile_cache::codec::Raw;
use dogpile_servers::MemcachedServer;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

struct Trips {
    server: MemcachedServer,
    region: Region<u64, Bytes>,
}

impl Trips {
    /// A server, and a process that is connected.
    fn new() -> Trips {
        let server = MemcachedServer::start().unwrap();
        let builder = Region::builder("trips").expires_after(HOUR).max_stale(HOUR);
        let region = builder.far(Memcached::lazy(&server.url()).unwrap()).codec(Raw).build().unwrap();
        region.blocking().get(&0).or_create(value).unwrap();
        Trips { server, region }
    }

    /// Returns how many commands there were. (The heartbeat's is none of those that count.)
    fn of(&self, access: impl FnOnce(&Region<u64, Bytes>)) -> u64 {
        let count = || -> u64 {
            let kinds = ["cmd_get", "cmd_set", "delete_hits", "delete_misses"];
            kinds.map(|kind| self.server.count(kind).unwrap()).iter().sum()
        };
        let before = count();
        access(&self.region);
        count() - before
    }
}

fn value() -> Bytes {
    Bytes::from_static(b"value")
}

fn create(region: &Region<u64, Bytes>) {
    let mut created = false;
    let creator = || {
        created = true;
        value()
    };
    region.blocking().get(&7).or_create(creator).unwrap();
    assert!(created);
}

#[test]
fn a_hit_is_one_round_trip() {
    let trips = Trips::new();
    create(&trips.region);
    let hit = trips.of(|region| drop(region.blocking().get(&7).or_create(|| unreachable!("the value is there"))));
    assert_eq!(hit, 1);
    assert_eq!(trips.of(|region| drop(region.blocking().get(&7).value())), 1);
    assert_eq!(trips.of(|region| drop(region.blocking().get(&8).value())), 1);
}

#[test]
fn a_creation_on_a_cold_key_is_three_round_trips() {
    assert_eq!(Trips::new().of(create), 3);
}

#[test]
fn a_renewal_of_a_stale_value_is_three_round_trips() {
    let trips = Trips::new();
    create(&trips.region);
    trips.region.blocking().mark_stale(&7).unwrap();
    assert_eq!(trips.of(create), 3);
}

#[test]
fn a_failed_creation_is_three_round_trips() {
    let failed = |region: &Region<u64, Bytes>| drop(region.blocking().get(&7).or_try_create(|| Err("fails")));
    assert_eq!(Trips::new().of(failed), 3);
}
