//! S2, S42: each operation, cut off after each byte: see `cutting`. Here an operation is one request. Nothing lives for
//! ever that was not to.

use crate::cutting::{
    Cut, Ground, Operation, add, changed, claim, claimed, counted, cut_all, cut_one, cuts, entry, invalidate, mark,
    measure, set,
};
use crate::kit::{self, PARTS, SECOND, assert_mortal, connect, part};
use dogpile_cache::backend::{Backend, Change, Look, Over, Redis};
use dogpile_cache::key::StoredKey;
use dogpile_servers::Direction::{FromClient, FromServer};
use dogpile_servers::{Proxy, RedisServer, Value};
use std::sync::Arc;
use std::time::Duration;

const SHORT: Duration = SECOND;

const ALL: [Operation<Redis>; 13] = [
    Operation {
        name: "claim",
        has: [false, true, false, false],
        ask: |redis, key, before| {
            let mut claim = claim(SHORT);
            claim.seen = Some(before.look.seen.clone());
            claimed(redis.claim(key, claim))
        },
    },
    Operation {
        name: "claim over another",
        has: [true, true, true, false],
        ask: |redis, key, _| {
            let mut claim = claim(SHORT);
            (claim.over, claim.through_pause) = (Over::Anyone, true);
            claimed(redis.claim(key, claim))
        },
    },
    Operation {
        name: "renew",
        has: [true, true, false, false],
        ask: |redis, key, before| before.renew(redis, key, SHORT),
    },
    Operation { name: "publish", has: [true, true, true, false], ask: |redis, key, before| before.publish(redis, key) },
    Operation { name: "end", has: [true, true, false, false], ask: |redis, key, before| before.end(redis, key, None) },
    Operation {
        name: "end with a pause",
        has: [true, true, false, false],
        ask: |redis, key, before| before.end(redis, key, Some(SHORT)),
    },
    Operation {
        name: "set",
        has: [true, true, true, true],
        ask: |redis, key, _| changed(redis.change(key, set("set"))),
    },
    Operation { name: "set if", has: [true, true, true, false], ask: |redis, key, before| before.set_if(redis, key) },
    Operation {
        name: "touch",
        has: [true, true, false, false],
        ask: |redis, key, before| {
            let change = Change::Touch { entry: entry("touched"), seen: before.look.seen.clone() };
            changed(redis.change(key, change))
        },
    },
    Operation { name: "mark", has: [true, true, true, false], ask: |redis, key, _| mark(redis, key) },
    Operation { name: "invalidate", has: [true, true, true, false], ask: |redis, key, _| invalidate(redis, key) },
    Operation { name: "the first count", has: [false; 4], ask: |redis, key, _| counted(redis.count(key, add(5)), 5) },
    Operation {
        name: "count",
        has: [false, false, false, true],
        ask: |redis, key, _| counted(redis.count(key, add(5)), 12),
    },
];

/// Seen in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    entry: Option<(bool, Vec<u8>)>,
    /// Kind and mark; whether it is the first grant; whether its lease has begun anew.
    grant: Option<(String, String, bool, bool)>,
    pause: Option<String>,
    count: Option<String>,
}

struct Cutting {
    server: RedisServer,
    proxy: Proxy,
    cut: Redis,
    direct: Arc<Redis>,
    /// The server does not know the script: it answers so first, and is sent the script.
    is_unknown: bool,
}

impl Cutting {
    async fn new(is_unknown: bool) -> Cutting {
        let server = RedisServer::start().unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        let cut = Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap();
        let direct = connect(&server).await;
        Cutting { server, proxy, cut, direct, is_unknown }
    }
}

impl Ground for Cutting {
    type Backend = Redis;
    type State = State;
    /// The text of the grant.
    type First = Option<String>;

    const SHORT: Duration = SHORT;

    fn proxy(&self) -> &Proxy {
        &self.proxy
    }

    fn cut(&self) -> &Redis {
        &self.cut
    }

    fn direct(&self) -> &Redis {
        &self.direct
    }

    fn key(&self, name: &str) -> StoredKey {
        kit::key(name)
    }

    fn first(&self, key: &StoredKey, _: &Look) -> Option<String> {
        self.server.command(&["GET", &part(key, "grant")]).unwrap().text().map(str::to_owned)
    }

    async fn state(&self, key: &StoredKey, first: &Option<String>) -> State {
        let all = "local all = {} for at, key in ipairs(KEYS) do all[at] = redis.call('GET', key) end return all";
        let mut command = vec!["EVAL".to_owned(), all.to_owned(), "4".to_owned()];
        command.extend(PARTS.map(|name| part(key, name)));
        let found = self.server.command(&command).unwrap();
        let bytes = |at: usize| match &found.items().get(at) {
            Some(Value::Bulk(bytes)) => Some(bytes.clone()),
            _ => None,
        };
        let text = |at| bytes(at).map(|bytes| String::from_utf8(bytes).unwrap());
        let field = |text: &str, at: usize| text.split(' ').nth(at).unwrap().to_owned();
        let first = first.as_deref();
        State {
            entry: bytes(0).map(|bytes| (bytes[1] == 1, bytes[10..].to_vec())),
            grant: text(1).map(|text| {
                let is_first = first.is_some_and(|first| (2..4).all(|at| field(first, at) == field(&text, at)));
                let is_renewed = is_first && first.is_some_and(|first| field(first, 4) != field(&text, 4));
                (field(&text, 0), field(&text, 5), is_first, is_renewed)
            }),
            pause: text(2),
            count: text(3),
        }
    }

    fn begins(&self) {
        if self.is_unknown {
            self.server.command(&["SCRIPT", "FLUSH"]).unwrap();
        }
    }

    /// A request that came only in part is no request; a reply says that it was executed.
    fn judge(&self, cut: Cut, is_answered: bool, is_done: bool) {
        if cut.direction == FromServer && !self.is_unknown {
            assert!(is_done, "{cut:?}: a reply came, and nothing was done");
        } else if cut.direction == FromClient && cut.is_within && !is_answered {
            assert!(!is_done, "{cut:?}: executed before it was there");
        }
    }

    fn look_over(&self) {
        assert_mortal(&self.server);
    }
}

/// The one operation that is two commands: the server answers that it does not know the script, and is sent it.
#[tokio::test]
async fn s2_s42_scripts_that_are_not_known_and_cut() {
    let ground = Cutting::new(true).await;
    let (mut all, mut done) = (0, 0);
    for operation in [&ALL[0], &ALL[3], &ALL[10]] {
        let (bytes, states) = measure(&ground, operation).await;
        // The script itself is the longest part of the request.
        for cut in cuts(bytes).filter(|cut| cut.direction == FromServer || cut.after % 29 == 0) {
            let (_, doubt) = cut_one(&ground, operation, cut, &states).await;
            all += 1;
            done += u32::from(doubt == Some(true));
        }
    }
    println!("{all} cuts, {done} in doubt and done");
    assert!(0 < done && done < all);
    assert_mortal(&ground.server);
}

#[tokio::test]
async fn s2_s42_claims_and_renewals_that_are_cut() {
    cut_all(&Cutting::new(false).await, &ALL[..3]).await;
}

#[tokio::test]
async fn s2_s42_publications_and_ends_that_are_cut() {
    cut_all(&Cutting::new(false).await, &ALL[3..6]).await;
}

#[tokio::test]
async fn s2_s42_changes_that_are_cut() {
    cut_all(&Cutting::new(false).await, &ALL[6..9]).await;
}

#[tokio::test]
async fn s2_s42_marks_invalidations_and_counts_that_are_cut() {
    cut_all(&Cutting::new(false).await, &ALL[9..]).await;
}
