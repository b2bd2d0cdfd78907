//! The map of a Cluster: which of its servers has which slots, as one of them says.

use super::address::Address;
use super::node::Node;
use crc::{CRC_16_XMODEM, Crc};
use redis::{Pipeline, Value};
use std::sync::Arc;

/// How many slots a Cluster has.
const SLOTS: u16 = 16_384;

/// The sum by which a Cluster spreads keys.
const CRC: Crc<u16> = Crc::<u16>::new(&CRC_16_XMODEM);

/// Returns the slot of a place: that of the text that the keys of the place have between their first braces.
pub(super) fn slot(place: &str) -> u16 {
    let hashed = place.split('}').next().unwrap_or_default();
    CRC.checksum(hashed.as_bytes()) % SLOTS
}

/// Which server has which slots.
#[derive(Debug, Default)]
pub(super) struct Map {
    /// From, to, and the server; in their order.
    ranges: Vec<(u16, u16, Arc<Node>)>,
    /// The replicas: they know the map, too, and may be all that is left of the servers of before.
    replicas: Vec<Address>,
}

impl Map {
    /// Makes the map of an answer. `node` returns the server at an address.
    pub(super) fn of(answer: Answer, mut node: impl FnMut(&Address) -> Arc<Node>) -> Map {
        let mut map = Map::default();
        let mut known: Vec<Arc<Node>> = Vec::new();
        for Range { from, to, primary, replicas } in answer.ranges {
            let server = match known.iter().find(|node| node.at().is_at(&primary)) {
                Some(server) => Arc::clone(server),
                None => node(&primary),
            };
            known.push(Arc::clone(&server));
            map.ranges.push((from, to, server));
            for replica in replicas {
                if !map.replicas.iter().any(|known| known.is_at(&replica)) {
                    map.replicas.push(replica);
                }
            }
        }
        map.ranges.sort_by_key(|(from, _, _)| *from);
        map
    }

    pub(super) fn node(&self, slot: u16) -> Option<&Arc<Node>> {
        let behind = self.ranges.partition_point(|(from, _, _)| *from <= slot);
        let (_, to, node) = self.ranges.get(behind.checked_sub(1)?)?;
        (slot <= *to).then_some(node)
    }

    /// Returns each server that has slots, once.
    pub(super) fn nodes(&self) -> Vec<Arc<Node>> {
        let mut nodes: Vec<Arc<Node>> = Vec::new();
        for (_, _, node) in &self.ranges {
            if !nodes.iter().any(|known| Arc::ptr_eq(known, node)) {
                nodes.push(Arc::clone(node));
            }
        }
        nodes
    }

    pub(super) fn replicas(&self) -> &[Address] {
        &self.replicas
    }
}

/// What a server says of its Cluster.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether the server sees most of the others, and each slot has a server. One that is cut off goes on saying what
    /// was so before.
    pub(super) is_well: bool,
    ranges: Vec<Range>,
}

/// Some slots, and where they are.
#[derive(Debug)]
struct Range {
    from: u16,
    to: u16,
    primary: Address,
    replicas: Vec<Address>,
}

/// The commands by which a server is asked, in one pipeline.
pub(super) fn questions() -> Pipeline {
    let mut pipeline = redis::pipe();
    pipeline.cmd("CLUSTER").arg("INFO").cmd("CLUSTER").arg("SLOTS");
    pipeline
}

/// Takes the replies of the server at `at`. `None`: it says nothing of a Cluster.
pub(super) fn answer(at: &Address, replies: &[Value]) -> Option<Answer> {
    let [info, Value::Array(ranges)] = replies else { return None };
    // (A user may have no right to ask.)
    let is_well = match info {
        Value::BulkString(text) => is_well(&String::from_utf8_lossy(text)),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => is_well(text),
        _ => true,
    };
    let ranges = ranges.iter().map(|range| read_range(at, range)).collect::<Option<Vec<_>>>()?;
    (!ranges.is_empty()).then_some(Answer { is_well, ranges })
}

fn is_well(info: &str) -> bool {
    !info.lines().any(|line| line.trim_end() == "cluster_state:fail")
}

/// Reads a range of slots, and the servers that have them: `[from, to, [host, port, …], …]`, the primary first.
fn read_range(at: &Address, range: &Value) -> Option<Range> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(from), Value::Int(to), primary, replicas @ ..] = &parts[..] else { return None };
    Some(Range {
        from: u16::try_from(*from).ok()?,
        to: u16::try_from(*to).ok()?,
        primary: at.beside(&read_server(primary)?)?,
        // A replica without an address helps nobody.
        replicas: replicas.iter().filter_map(|replica| at.beside(&read_server(replica)?)).collect(),
    })
}

fn read_server(server: &Value) -> Option<String> {
    let Value::Array(server) = server else { return None };
    let [host, Value::Int(port), ..] = &server[..] else { return None };
    let host = match host {
        Value::BulkString(host) => std::str::from_utf8(host).ok()?,
        Value::SimpleString(host) => host,
        // The server does not know its own address: it is the one that was asked.
        Value::Nil => "",
        _ => return None,
    };
    Some(format!("{host}:{port}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::runtime::Runtime;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    fn server(host: Value, port: i64) -> Value {
        Value::Array(vec![host, Value::Int(port), text("id")])
    }

    fn range(from: i64, to: i64, servers: &[Value]) -> Value {
        Value::Array([&[Value::Int(from), Value::Int(to)], servers].concat())
    }

    fn asked() -> Address {
        Address::of("redis://10.0.0.9:7000").unwrap()
    }

    #[test]
    fn s88_the_slot_is_that_of_the_text_between_the_first_braces() {
        // (From the specification of the Cluster: the sum of "123456789" is 31C3.)
        assert_eq!(slot("123456789"), 0x31C3 % SLOTS);
        assert_eq!(slot("order:7"), slot("order:7}x"));
        assert_ne!(slot("order:7"), slot("order:8"));
    }

    #[test]
    fn each_slot_has_the_server_that_the_answer_names() {
        let runtime = Runtime::new().unwrap();
        let (one, other) = (server(text("10.0.0.1"), 7000), server(Value::Nil, 7001));
        let replies = [
            text("cluster_state:ok\r\ncluster_slots_assigned:16384\r\n"),
            Value::Array(vec![
                range(100, 200, &[other, server(text("10.0.0.3"), 7002)]),
                range(300, 300, std::slice::from_ref(&one)),
                range(0, 99, &[one, server(text("10.0.0.3"), 7002)]),
            ]),
        ];
        let answer = answer(&asked(), &replies).unwrap();
        assert!(answer.is_well);
        let keeper = runtime.handle();
        let map = Map::of(answer, |at| Node::new(at.clone(), keeper.clone(), Arc::new(|_| {})));
        let at = |slot| map.node(slot).map(|node| format!("{:?}", node.at()));
        for (slot, named) in [(0, "10.0.0.1:7000"), (99, "10.0.0.1:7000"), (100, "10.0.0.9:7001")] {
            assert_eq!(at(slot).as_deref(), Some(named), "{slot}");
        }
        assert_eq!((at(200).as_deref(), at(201), at(299)), (Some("10.0.0.9:7001"), None, None));
        assert_eq!((at(300).as_deref(), at(301), at(SLOTS - 1)), (Some("10.0.0.1:7000"), None, None));
        assert_eq!(map.nodes().len(), 2, "each server is one");
        assert_eq!(format!("{:?}", map.replicas()), "[10.0.0.3:7002]");
        assert!(Map::default().node(0).is_none());
    }

    #[test]
    fn a_server_that_is_cut_off_says_so() {
        let slots = Value::Array(vec![range(0, 1, &[server(Value::Nil, 1)])]);
        let is_well = |info| answer(&asked(), &[info, slots.clone()]).unwrap().is_well;
        assert!(!is_well(text("cluster_state:fail\r\ncluster_slots_ok:3\r\n")));
        assert!(is_well(text("cluster_state:ok\r\n")));
        assert!(is_well(Value::Nil), "it was not allowed to say");
    }

    #[test]
    fn g7_an_odd_range_is_none() {
        let odd = [
            Value::Nil,
            range(0, 1, &[Value::Nil]),
            range(0, 1, &[server(Value::Int(1), 7000)]),
            range(0, 70_000, &[server(Value::Nil, 7000)]),
            range(0, 1, &[server(Value::Nil, 70_000)]),
            Value::Array(vec![]),
        ];
        for odd in odd {
            assert!(answer(&asked(), &[Value::Nil, Value::Array(vec![odd.clone()])]).is_none(), "{odd:?}");
        }
        assert!(answer(&asked(), &[Value::Nil, Value::Array(vec![])]).is_none());
        assert!(answer(&asked(), &[Value::Nil, Value::Nil]).is_none());
        assert!(answer(&asked(), &[]).is_none());
    }
}
