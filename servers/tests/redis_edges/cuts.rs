//! S2, S42: each operation, cut off after each byte of its request and of its reply. Afterwards nothing lives for ever
//! that was not to, no operation was half done, the answer was true, and each place can be created again.
//!
//! The connection of the operation goes through a proxy, which cuts. All else is done and seen by another connection.

use crate::kit::{
    LONG, PARTS, SECOND, WATCHDOG, assert_mortal, claim, connect, connected, entry, granted, invalidate, key, look,
    mark, part, set, set_if, within,
};
use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Changed, Claimed, Count, Counted, Ended, Grant, Look, Over,
    PauseFor, Pending, Published, Redis, Renewed,
};
use dogpile_cache::key::StoredKey;
use dogpile_servers::Direction::{self, FromClient, FromServer};
use dogpile_servers::{Proxy, RedisServer, Value};
use std::sync::Arc;
use std::time::Instant;

/// What an operation has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Yes,
    /// It has changed nothing.
    No,
}

/// What lies at a place before the operation.
struct Before {
    grant: Option<Grant>,
    look: Look,
}

type Asked<'a> = std::pin::Pin<Box<dyn Future<Output = Result<Answer, BackendError>> + Send + 'a>>;

struct Operation {
    name: &'static str,
    /// Whether somebody has a grant, an entry, a pause, a counter.
    has: [bool; 4],
    ask: for<'a> fn(&'a Redis, &'a StoredKey, &'a Before) -> Asked<'a>,
}

fn changed(changing: Pending<'_, Changed>) -> Asked<'_> {
    Box::pin(async move {
        Ok(match changing.await? {
            Changed::Yes { .. } => Answer::Yes,
            Changed::Refused(_) => Answer::No,
        })
    })
}

fn claimed(claiming: Pending<'_, Claimed>) -> Asked<'_> {
    Box::pin(async move {
        Ok(match claiming.await? {
            Claimed::Granted { .. } => Answer::Yes,
            _ => Answer::No,
        })
    })
}

fn end<'a>(redis: &'a Redis, key: &'a StoredKey, before: &'a Before, pause: Option<PauseFor>) -> Asked<'a> {
    Box::pin(async move {
        Ok(match redis.end(key, before.grant.as_ref().unwrap(), pause).await? {
            Ended::Yes => Answer::Yes,
            Ended::Lost(_) => Answer::No,
        })
    })
}

/// The lease of grants that nobody ends.
const SHORT: std::time::Duration = SECOND;

const ALL: [Operation; 13] = [
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
        ask: |redis, key, before| {
            Box::pin(async move {
                Ok(match redis.renew(key, before.grant.as_ref().unwrap(), SHORT).await? {
                    Renewed::Yes(_) => Answer::Yes,
                    Renewed::Lost(_) => Answer::No,
                })
            })
        },
    },
    Operation {
        name: "publish",
        has: [true, true, true, false],
        ask: |redis, key, before| {
            Box::pin(async move {
                Ok(match redis.publish(key, before.grant.as_ref().unwrap(), entry("published")).await? {
                    Published::Refused(_) => Answer::No,
                    _ => Answer::Yes,
                })
            })
        },
    },
    Operation { name: "end", has: [true, true, false, false], ask: |redis, key, before| end(redis, key, before, None) },
    Operation {
        name: "end with a pause",
        has: [true, true, false, false],
        ask: |redis, key, before| end(redis, key, before, Some(PauseFor { failures: 3, pause: SHORT })),
    },
    Operation {
        name: "set",
        has: [true, true, true, true],
        ask: |redis, key, _| changed(redis.change(key, set("set"))),
    },
    Operation {
        name: "set if",
        has: [true, true, true, false],
        ask: |redis, key, before| changed(redis.change(key, set_if("set", before.look.seen.clone()))),
    },
    Operation {
        name: "touch",
        has: [true, true, false, false],
        ask: |redis, key, before| {
            let change = Change::Touch { entry: entry("touched"), seen: before.look.seen.clone() };
            changed(redis.change(key, change))
        },
    },
    Operation { name: "mark", has: [true, true, true, false], ask: |redis, key, _| changed(redis.change(key, mark())) },
    Operation {
        name: "invalidate",
        has: [true, true, true, false],
        ask: |redis, key, _| changed(redis.change(key, invalidate())),
    },
    Operation {
        name: "the first count",
        has: [false; 4],
        ask: |redis, key, _| {
            Box::pin(async move {
                let add = Count::Add { delta: 5, ceiling: 100, lifetime: Some(LONG) };
                redis.count(key, add).await.map(|counted| {
                    assert_eq!(counted, Counted::Now(5));
                    Answer::Yes
                })
            })
        },
    },
    Operation {
        name: "count",
        has: [false, false, false, true],
        ask: |redis, key, _| {
            Box::pin(async move {
                let add = Count::Add { delta: 5, ceiling: 100, lifetime: Some(LONG) };
                redis.count(key, add).await.map(|counted| {
                    assert_eq!(counted, Counted::Now(12));
                    Answer::Yes
                })
            })
        },
    },
];

/// What lies at a place, seen in one step: without what is random, and with what tells a renewed grant from the first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    entry: Option<(bool, Vec<u8>)>,
    /// Kind and mark; whether it is the first grant; whether its lease has begun anew.
    grant: Option<(String, String, bool, bool)>,
    pause: Option<String>,
    count: Option<String>,
}

/// The text of the grant that was there at first.
fn state(server: &RedisServer, key: &StoredKey, first: Option<&str>) -> State {
    let all = "local all = {} for at, key in ipairs(KEYS) do all[at] = redis.call('GET', key) end return all";
    let mut command = vec!["EVAL".to_owned(), all.to_owned(), "4".to_owned()];
    command.extend(PARTS.map(|name| part(key, name)));
    let found = server.command(&command).unwrap();
    let bytes = |at: usize| match &found.items().get(at) {
        Some(Value::Bulk(bytes)) => Some(bytes.clone()),
        _ => None,
    };
    let text = |at| bytes(at).map(|bytes| String::from_utf8(bytes).unwrap());
    let field = |text: &str, at: usize| text.split(' ').nth(at).unwrap().to_owned();
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

struct Ground {
    server: RedisServer,
    proxy: Proxy,
    /// By the proxy.
    cut: Arc<Redis>,
    /// Not by the proxy.
    direct: Arc<Redis>,
}

impl Ground {
    async fn new() -> Ground {
        let server = RedisServer::start().unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        let cut = Redis::connect(&format!("redis://{}", proxy.address())).await.unwrap();
        let direct = connect(&server).await;
        Ground { server, proxy, cut: Arc::new(cut), direct }
    }

    /// Brings a place to where the operation begins.
    async fn prepare(&self, operation: &Operation, key: &StoredKey) -> (Before, State, Option<String>) {
        let [has_grant, has_entry, has_pause, has_count] = operation.has;
        let redis = &self.direct;
        if has_entry {
            redis.change(key, set("before")).await.unwrap();
        }
        if has_pause {
            let failed = granted(redis, key, LONG).await;
            redis.end(key, &failed, Some(PauseFor { failures: 2, pause: SHORT })).await.unwrap();
        }
        if has_count {
            let add = Count::Add { delta: 7, ceiling: 100, lifetime: Some(LONG) };
            redis.count(key, add).await.unwrap();
        }
        let mut grant = None;
        if has_grant {
            let mut claim = claim(SHORT * 10);
            claim.through_pause = true;
            let Claimed::Granted { grant: granted, .. } = redis.claim(key, claim).await.unwrap() else { panic!() };
            grant = Some(granted);
        }
        let look = look(redis, key).await;
        let first = self.server.command(&["GET", &part(key, "grant")]).unwrap().text().map(str::to_owned);
        let before = state(&self.server, key, first.as_deref());
        (Before { grant, look }, before, first)
    }

    /// Returns how many bytes the operation takes in both directions, and what lies at a place before and after it.
    async fn measure(&self, operation: &Operation, is_unknown: bool) -> ([u64; 2], State, State) {
        connected(&self.cut).await;
        // The script is known once it was called.
        for round in 0..2 {
            let place = key(&format!("{} {round} whole", operation.name));
            let (before, was, first) = self.prepare(operation, &place).await;
            if is_unknown {
                self.server.command(&["SCRIPT", "FLUSH"]).unwrap();
            }
            let bytes = || [FromClient, FromServer].map(|direction| self.proxy.bytes(direction));
            let begun = bytes();
            assert_eq!((operation.ask)(&self.cut, &place, &before).await.unwrap(), Answer::Yes, "{}", operation.name);
            let ended = bytes();
            let is = state(&self.server, &place, first.as_deref());
            assert_ne!(was, is, "{} does nothing", operation.name);
            if round == 1 {
                return ([ended[0] - begun[0], ended[1] - begun[1]], was, is);
            }
        }
        unreachable!()
    }

    /// Returns the place, and, if the answer was in doubt, whether the operation was done.
    async fn cut(&self, operation: &Operation, cut: Cut, states: [&State; 2]) -> (StoredKey, Option<bool>) {
        let what = format!("{} {:?} {}", operation.name, cut.direction, cut.after);
        let place = key(&what);
        connected(&self.cut).await;
        let (before, was, first) = self.prepare(operation, &place).await;
        assert_eq!(&was, states[0], "{what}");
        if cut.is_unknown {
            self.server.command(&["SCRIPT", "FLUSH"]).unwrap();
        }
        self.proxy.cut_after(cut.direction, cut.after);
        let answer = within((operation.ask)(&self.cut, &place, &before)).await;
        self.proxy.normal();
        let is = state(&self.server, &place, first.as_deref());
        assert!(states.contains(&&is), "{what}: half done, and {answer:?}: {is:?}, not {states:?}");
        let is_done = &is == states[1];
        match &answer {
            Ok(Answer::Yes) => assert!(is_done, "{what}: yes, and {is:?}"),
            Ok(Answer::No) => panic!("{what}: refused, and it was not"),
            Err(error) if error.is_in_doubt() => {}
            Err(error) => {
                assert_eq!(error.kind(), BackendErrorKind::Unreachable, "{what}: {error:?}");
                assert!(!is_done, "{what}: {error:?}, and {is:?}");
            }
        }
        // A request that came only in part is no request; a reply says that it was executed.
        if cut.direction == FromServer && !cut.is_unknown {
            assert!(is_done, "{what}: a reply came, and {is:?}");
        } else if cut.direction == FromClient && cut.is_within && answer.is_err() {
            assert!(!is_done, "{what}: executed before it was there");
        }
        (place, answer.is_err().then_some(is_done))
    }
}

#[derive(Clone, Copy)]
struct Cut {
    direction: Direction,
    after: u64,
    /// Some bytes of the request, or of the reply, are missing.
    is_within: bool,
    /// The server does not know the script: it answers so first, and is sent the script.
    is_unknown: bool,
}

/// All cuts of requests and replies of so many bytes.
fn cuts([sent, replied]: [u64; 2], is_unknown: bool) -> impl Iterator<Item = Cut> {
    let cut = move |direction, after, all| Cut { direction, after, is_within: after < all, is_unknown };
    let requests = (0..=sent).map(move |after| cut(FromClient, after, sent));
    // (After its last byte nothing is lost.)
    requests.chain((0..replied).map(move |after| cut(FromServer, after, replied)))
}

/// Cuts a few operations after each byte.
async fn cut_all(operations: impl Iterator<Item = &Operation>) {
    let ground = Ground::new().await;
    for operation in operations {
        let ([sent, replied], before, after) = ground.measure(operation, false).await;
        let (mut places, mut in_doubt, mut done) = (Vec::new(), 0, 0);
        for cut in cuts([sent, replied], false) {
            let (place, doubt) = ground.cut(operation, cut, [&before, &after]).await;
            places.push(place);
            in_doubt += u32::from(doubt.is_some());
            done += u32::from(doubt == Some(true));
        }
        let cuts = places.len();
        println!(
            "{}: {sent} + {replied} bytes; {cuts} cuts, {in_doubt} in doubt, {done} of these done",
            operation.name
        );
        assert!(u64::from(in_doubt) >= sent && done > 0 && in_doubt > done, "the cuts were not where they were to be");
        assert_mortal(&ground.server);
        // Each place is free again, within its lease.
        let began = Instant::now();
        for place in places {
            loop {
                let mut claim = claim(SHORT);
                claim.through_pause = true;
                if operation.has[0] {
                    // The first grant is of a holder that lives.
                    claim.over = Over::Anyone;
                }
                if let Claimed::Granted { .. } = ground.direct.claim(&place, claim).await.unwrap() {
                    break;
                }
                assert!(began.elapsed() < WATCHDOG, "{} is not free", place.full());
                tokio::time::sleep(SECOND / 100).await;
            }
        }
        ground.server.flush().unwrap();
    }
}

/// The one operation that is two commands: the server answers that it does not know the script, and is sent it.
#[tokio::test]
async fn s2_s42_scripts_that_are_not_known_and_cut() {
    let ground = Ground::new().await;
    let (mut all, mut done) = (0, 0);
    for operation in [&ALL[0], &ALL[3], &ALL[10]] {
        let (bytes, before, after) = ground.measure(operation, true).await;
        // The script itself is the longest part of the request.
        let few = cuts(bytes, true).filter(|cut| cut.direction == FromServer || cut.after % 29 == 0);
        for cut in few {
            let (_, doubt) = ground.cut(operation, cut, [&before, &after]).await;
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
    cut_all(ALL[..3].iter()).await;
}

#[tokio::test]
async fn s2_s42_publications_and_ends_that_are_cut() {
    cut_all(ALL[3..6].iter()).await;
}

#[tokio::test]
async fn s2_s42_changes_that_are_cut() {
    cut_all(ALL[6..9].iter()).await;
}

#[tokio::test]
async fn s2_s42_marks_invalidations_and_counts_that_are_cut() {
    cut_all(ALL[9..].iter()).await;
}
