//! Which server has a place: by rendezvous, without failover.
//!
//! Each server draws a number for each place, a hash of its address and of the place. The server with the largest
//! number has the place. So each process that names the same servers finds the same one, in whatever order they are
//! named; and a server that joins or goes moves no place between the others.
//!
//! A server that is away has its places still: they are not cached meanwhile, and to invalidate one of them is an
//! error. Were they another server's, two processes could disagree about which one has them.
//!
//! # A list that is changed
//!
//! Two builds whose lists differ look for some places at different servers. What one of them invalidates the other must
//! not read. So a list is changed in two steps:
//!
//! | | reads and writes | marks and invalidates |
//! |---|---|---|
//! | the builds of before | old | old |
//! | 1. `old.formerly(new)`, to all processes | old | old and new |
//! | 2. `new.formerly(old)`, to all processes | new | new and old |
//! | 3. `new`, once the longest lifetime is over | new | new |
//!
//! A server of the other list that is away is owed what it was not told: see [`former`](super::former).

use super::address::Place;
use super::former::Former;
use super::node::Node;
use crate::time::RegionClock;
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use tokio::runtime::Handle;

/// The servers that the places lie on.
pub(super) struct Servers {
    now: Vec<Server>,
    /// Those of the other list, where a place has to be invalidated as well.
    formerly: Vec<Server<Arc<Former>>>,
    keeper: Handle,
    here: RegionClock,
}

struct Server<N = Arc<Node>> {
    /// Of its address.
    hash: u64,
    node: N,
}

impl Servers {
    /// The servers of a list, which is not empty. `here` is the clock by which the servers' times are estimated.
    pub(super) fn new(list: Vec<Place>, keeper: Handle, here: RegionClock) -> Servers {
        let now = list.into_iter().map(|at| Server::new(at, &keeper, &here)).collect();
        Servers { now, formerly: Vec::new(), keeper, here }
    }

    /// The same, with another list of servers.
    pub(super) fn formerly(mut self, list: Vec<Place>) -> Servers {
        let known = |at: &Place| self.now.iter().find(|server| server.node.at() == at).map(Server::again);
        self.formerly = list
            .into_iter()
            .map(|at| known(&at).unwrap_or_else(|| Server::new(at, &self.keeper, &self.here)))
            .map(|Server { hash, node }| Server { hash, node: Former::new(node, self.keeper.clone()) })
            .collect();
        self
    }

    /// Returns the server that has a place, and its number.
    pub(super) fn of(&self, place: &str) -> (u64, &Arc<Node>) {
        owner(&self.now, place).expect("there is a server")
    }

    /// Returns the server that has a place by the other list, if that is another one.
    pub(super) fn formerly_of(&self, place: &str) -> Option<&Arc<Former>> {
        let (_, former) = owner(&self.formerly, place)?;
        (!Arc::ptr_eq(former.node(), self.of(place).1)).then_some(former)
    }

    /// Returns all servers.
    pub(super) fn all(&self) -> impl Iterator<Item = &Arc<Node>> {
        self.now.iter().map(|server| &server.node)
    }
}

impl Server {
    fn new(at: Place, keeper: &Handle, here: &RegionClock) -> Server {
        let hash = Sha256::digest(at.to_string());
        let first: [u8; 8] = hash[..8].try_into().expect("the hash has 32 bytes");
        Server { hash: u64::from_le_bytes(first), node: Node::new(at, keeper.clone(), here.clone()) }
    }

    fn again(&self) -> Server {
        Server { hash: self.hash, node: Arc::clone(&self.node) }
    }
}

fn owner<'a, N>(servers: &'a [Server<N>], place: &str) -> Option<(u64, &'a N)> {
    let [one] = servers else {
        let place = hash(place);
        let drawn = servers.iter().zip(0..).max_by_key(|(server, _)| (mixed(server.hash ^ place), server.hash));
        return drawn.map(|(server, number)| (number, &server.node));
    };
    Some((0, &one.node))
}

/// A hash of a place, the same in every process of every build: FNV-1a, of 64 bits.
fn hash(place: &str) -> u64 {
    place.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// All bits of a number depend on all of its bits: the last step of `SplitMix64`.
fn mixed(number: u64) -> u64 {
    let number = (number ^ (number >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let number = (number ^ (number >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    number ^ (number >> 31)
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.all()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::places;
    use super::*;
    use crate::time::keeper::keeper;
    use std::collections::HashMap;

    fn servers(list: &str) -> Servers {
        Servers::new(places(&format!("memcached://{list}")).unwrap(), keeper().unwrap(), RegionClock::Monotonic)
    }

    fn owner_of(servers: &Servers, place: &str) -> String {
        servers.of(place).1.at().to_string()
    }

    const PLACES: usize = 10_000;

    fn places_of_keys() -> impl Iterator<Item = String> {
        (0..PLACES).map(|key| format!("order:{key}"))
    }

    #[test]
    fn each_server_has_its_share_in_whatever_order_they_are_named() {
        let (servers, other) = (servers("a,b,c"), servers("c,a,b"));
        let mut shares: HashMap<String, usize> = HashMap::new();
        for place in places_of_keys() {
            let owner = owner_of(&servers, &place);
            assert_eq!(owner, owner_of(&other, &place));
            *shares.entry(owner).or_default() += 1;
        }
        assert!(
            shares.len() == 3 && shares.values().all(|share| share.abs_diff(PLACES / 3) < PLACES / 30),
            "{shares:?}"
        );
    }

    #[test]
    fn a_server_that_joins_moves_nothing_between_the_others() {
        let (before, after) = (servers("a,b,c"), servers("a,b,c,d"));
        let moved = places_of_keys().filter(|place| owner_of(&before, place) != owner_of(&after, place));
        let moved: Vec<_> = moved.map(|place| owner_of(&after, &place)).collect();
        assert!(moved.iter().all(|to| to == "d:11211"));
        assert!(moved.len().abs_diff(PLACES / 4) < PLACES / 30, "{}", moved.len());
    }

    /// A server is never another one in a later build.
    #[test]
    fn the_owners_are_those_of_every_build() {
        let servers = servers("10.0.0.1,10.0.0.2:7000,[::1]");
        let owners: String = places_of_keys()
            .take(32)
            .map(|place| char::from(b'0' + u8::try_from(servers.of(&place).0).unwrap()))
            .collect();
        assert_eq!(owners, "22200101001012022101011120100020");
    }

    #[test]
    fn the_former_owner_is_another_server() {
        let both = servers("a,b").formerly(places("memcached://a,c").unwrap());
        let (mut same, mut other) = (0, 0);
        for place in places_of_keys().take(1000) {
            match both.formerly_of(&place) {
                None => same += usize::from(owner_of(&both, &place) == "a:11211"),
                Some(former) => other += usize::from(former.node().at() != both.of(&place).1.at()),
            }
        }
        assert!(same > 100 && same + other == 1000, "{same} {other}");
        assert!(servers("a,b").formerly_of("x").is_none());
    }
}
