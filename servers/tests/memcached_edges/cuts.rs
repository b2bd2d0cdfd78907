//! S2, S42: each operation, cut off after each byte: see `cutting`.

use crate::cutting::{Ground, Operation, add, changed, claim, claimed, counted, cut_all, invalidate, mark, set};
use crate::{connect, connect_by, kit};
use dogpile_cache::backend::{Backend, Count, Counted, HeldBy, Look, Memcached, Over, Rest};
use dogpile_cache::key::StoredKey;
use dogpile_servers::{MemcachedServer, Proxy};
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = Duration::from_secs(3);

/// A cut may leave a stub of it: a grant of nobody, for a lease.
const CLAIM_OF_NOTHING: &str = "claim of nothing";

const ALL: [Operation<Memcached>; 12] = [
    Operation {
        name: CLAIM_OF_NOTHING,
        has: [false; 4],
        ask: |memcached, key, _| claimed(memcached.claim(key, claim(SHORT))),
    },
    Operation {
        name: "claim as seen",
        has: [false, true, false, false],
        ask: |memcached, key, before| {
            let mut claim = claim(SHORT);
            claim.seen = Some(before.look.seen.clone());
            claimed(memcached.claim(key, claim))
        },
    },
    Operation {
        name: "claim over another",
        has: [true, true, false, false],
        ask: |memcached, key, _| {
            let mut claim = claim(SHORT);
            claim.over = Over::Anyone;
            claimed(memcached.claim(key, claim))
        },
    },
    Operation {
        name: "renew",
        has: [true, true, false, false],
        ask: |memcached, key, before| before.renew(memcached, key, SHORT),
    },
    Operation {
        name: "publish",
        has: [true, true, false, false],
        ask: |memcached, key, before| before.publish(memcached, key),
    },
    Operation {
        name: "end",
        has: [true, false, false, false],
        ask: |memcached, key, before| before.end(memcached, key, None),
    },
    Operation {
        name: "end with a pause",
        has: [true, true, false, false],
        ask: |memcached, key, before| before.end(memcached, key, Some(kit::SECOND)),
    },
    Operation {
        name: "set",
        has: [true, true, false, false],
        ask: |memcached, key, _| changed(memcached.change(key, set("set"))),
    },
    Operation {
        name: "set if",
        has: [false, true, false, false],
        ask: |memcached, key, before| before.set_if(memcached, key),
    },
    Operation { name: "mark", has: [false, true, false, false], ask: |memcached, key, _| mark(memcached, key) },
    Operation {
        name: "invalidate",
        has: [true, true, false, false],
        ask: |memcached, key, _| invalidate(memcached, key),
    },
    Operation {
        name: "count",
        has: [false, false, false, true],
        ask: |memcached, key, _| counted(memcached.count(key, add(5)), 12),
    },
];

#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    entry: Option<Vec<u8>>,
    is_marked: bool,
    rest: &'static str,
    count: u64,
}

const A_GRANT: &str = "a grant";

struct Cutting {
    proxy: Proxy,
    cut: Arc<Memcached>,
    direct: Arc<Memcached>,
    _server: MemcachedServer,
}

impl Cutting {
    async fn new() -> Cutting {
        let server = MemcachedServer::start().unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        Cutting { cut: connect_by(&proxy).await, direct: connect(&server).await, proxy, _server: server }
    }
}

impl Ground for Cutting {
    type Backend = Memcached;
    type State = State;
    type First = Option<HeldBy>;

    const SHORT: Duration = SHORT;

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn cut(&self) -> &Memcached {
        &self.cut
    }

    fn direct(&self) -> &Memcached {
        &self.direct
    }

    fn key(&self, name: &str) -> StoredKey {
        kit::key(name)
    }

    fn first(&self, _: &StoredKey, look: &Look) -> Option<HeldBy> {
        if let Some(Rest::Held(by)) = look.rest { Some(by) } else { None }
    }

    async fn state(&self, key: &StoredKey, first: &Option<HeldBy>) -> State {
        let look = kit::look(&self.direct, key).await.unwrap();
        let rest = match look.rest.unwrap() {
            Rest::Free => "free",
            Rest::Paused(_) => "paused",
            Rest::Granted(_) => unreachable!("nobody asks"),
            Rest::Held(by) => match first {
                Some(first) if first.token == by.token && first.beat == by.beat => "the first grant",
                Some(first) if first.token == by.token => "the first grant, renewed",
                _ => A_GRANT,
            },
        };
        let Counted::Now(count) = self.direct.count(key, Count::Get).await.unwrap() else { unreachable!() };
        State { entry: look.entry.map(|bytes| bytes.to_vec()), is_marked: look.is_marked, rest, count }
    }

    fn may_leave(&self, operation: &Operation<Memcached>, state: &State) -> bool {
        operation.name == CLAIM_OF_NOTHING && state.rest == A_GRANT
    }
}

#[tokio::test]
async fn s2_s42_claims_that_are_cut() {
    cut_all(&Cutting::new().await, &ALL[..3]).await;
}

#[tokio::test]
async fn s2_s42_renewals_publications_and_ends_that_are_cut() {
    cut_all(&Cutting::new().await, &ALL[3..7]).await;
}

#[tokio::test]
async fn s2_s42_changes_and_counts_that_are_cut() {
    cut_all(&Cutting::new().await, &ALL[7..]).await;
}
