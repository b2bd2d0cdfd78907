//! S2, S42: each operation, cut off after each byte of its requests and of its replies. Afterwards no operation was
//! half done, the answer was true, and the place can be created again.
//!
//! The connection of the operation goes through a proxy, which cuts. All else is done and seen by another connection.

use crate::kit::{LEASE, PATIENCE, SECOND, entry, key};
use crate::{connect, connect_by, connected, kit, within};
use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Grant, HeldBy,
    Look, Memcached, Over, PauseFor, Pending, Published, Renewed, Rest, Token,
};
use dogpile_cache::key::StoredKey;
use dogpile_servers::Direction::{self, FromClient, FromServer};
use dogpile_servers::{MemcachedServer, Proxy};
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The lease of grants that nobody ends.
const SHORT: Duration = Duration::from_secs(3);

/// What lies at a place before the operation.
struct Before {
    grant: Option<Grant>,
    by: Option<HeldBy>,
    look: Look,
}

/// Whether the operation was done, as it has answered.
type Asked<'a> = Pin<Box<dyn Future<Output = Result<bool, BackendError>> + Send + 'a>>;

struct Operation {
    name: &'static str,
    /// Whether somebody has a grant, an entry, a counter.
    has: [bool; 3],
    /// Whether a cut may leave a stub: a grant of nobody, for a lease.
    may_leave_stub: bool,
    ask: for<'a> fn(&'a Memcached, &'a StoredKey, &'a Before) -> Asked<'a>,
}

fn changed(changing: Pending<'_, Changed>) -> Asked<'_> {
    Box::pin(async move { Ok(matches!(changing.await?, Changed::Yes { .. })) })
}

fn claimed(claiming: Pending<'_, Claimed>) -> Asked<'_> {
    Box::pin(async move { Ok(matches!(claiming.await?, Claimed::Granted { .. })) })
}

fn end<'a>(memcached: &'a Memcached, key: &'a StoredKey, before: &'a Before, pause: Option<PauseFor>) -> Asked<'a> {
    Box::pin(async move { Ok(memcached.end(key, before.grant.as_ref().unwrap(), pause).await? == Ended::Yes) })
}

fn count<'a>(memcached: &'a Memcached, key: &'a StoredKey) -> Asked<'a> {
    Box::pin(async move {
        let add = Count::Add { delta: 5, ceiling: 100, lifetime: Some(LEASE) };
        Ok(matches!(memcached.count(key, add).await?, Counted::Now(5 | 12)))
    })
}

const ALL: [Operation; 12] = [
    Operation {
        name: "claim of nothing",
        has: [false; 3],
        may_leave_stub: true,
        ask: |memcached, key, _| claimed(memcached.claim(key, claim())),
    },
    Operation {
        name: "claim as seen",
        has: [false, true, false],
        may_leave_stub: false,
        ask: |memcached, key, before| {
            let mut claim = claim();
            claim.seen = Some(before.look.seen.clone());
            claimed(memcached.claim(key, claim))
        },
    },
    Operation {
        name: "claim over another",
        has: [true, true, false],
        may_leave_stub: false,
        ask: |memcached, key, _| {
            let mut claim = claim();
            claim.over = Over::Anyone;
            claimed(memcached.claim(key, claim))
        },
    },
    Operation {
        name: "renew",
        has: [true, true, false],
        may_leave_stub: false,
        ask: |memcached, key, before| {
            let renewing = memcached.renew(key, before.grant.as_ref().unwrap(), SHORT);
            Box::pin(async move { Ok(matches!(renewing.await?, Renewed::Yes(_))) })
        },
    },
    Operation {
        name: "publish",
        has: [true, true, false],
        may_leave_stub: false,
        ask: |memcached, key, before| {
            let publishing = memcached.publish(key, before.grant.as_ref().unwrap(), entry("published"));
            Box::pin(async move { Ok(matches!(publishing.await?, Published::Fresh)) })
        },
    },
    Operation {
        name: "end",
        has: [true, false, false],
        may_leave_stub: false,
        ask: |memcached, key, before| end(memcached, key, before, None),
    },
    Operation {
        name: "end with a pause",
        has: [true, true, false],
        may_leave_stub: false,
        ask: |memcached, key, before| end(memcached, key, before, Some(PauseFor { failures: 3, pause: SECOND })),
    },
    Operation {
        name: "set",
        has: [true, true, false],
        may_leave_stub: false,
        ask: |memcached, key, _| {
            changed(memcached.change(key, Change::Set { entry: entry("set"), void_pause: SECOND }))
        },
    },
    Operation {
        name: "set if",
        has: [false, true, false],
        may_leave_stub: false,
        ask: |memcached, key, before| {
            let seen = before.look.seen.clone();
            changed(memcached.change(key, Change::SetIf { entry: entry("set"), seen, void_pause: SECOND }))
        },
    },
    Operation {
        name: "mark",
        has: [false, true, false],
        may_leave_stub: false,
        ask: |memcached, key, _| changed(memcached.change(key, Change::MarkStale { beside: Vec::new() })),
    },
    Operation {
        name: "invalidate",
        has: [true, true, false],
        may_leave_stub: false,
        ask: |memcached, key, _| {
            changed(memcached.change(key, Change::Invalidate { beside: Vec::new(), void_pause: SECOND }))
        },
    },
    Operation {
        name: "count",
        has: [false, false, true],
        may_leave_stub: false,
        ask: |memcached, key, _| count(memcached, key),
    },
];

fn claim() -> Claim {
    Claim::new(Token::random(), SHORT)
}

/// What lies at a place: without what is random, and with what tells a renewed grant from the first.
#[derive(Clone, Debug, PartialEq, Eq)]
struct State {
    entry: Option<Vec<u8>>,
    is_marked: bool,
    rest: &'static str,
    count: u64,
}

const STUB: &str = "a grant";

async fn state(memcached: &Memcached, key: &StoredKey, first: Option<HeldBy>) -> State {
    let look = kit::look(memcached, key).await.unwrap();
    let rest = match look.rest.unwrap() {
        Rest::Free => "free",
        Rest::Paused(_) => "paused",
        Rest::Granted(_) => unreachable!("nobody asks"),
        Rest::Held(by) => match first {
            Some(first) if first.token == by.token && first.beat == by.beat => "the first grant",
            Some(first) if first.token == by.token => "the first grant, renewed",
            _ => STUB,
        },
    };
    let Counted::Now(count) = memcached.count(key, Count::Get).await.unwrap() else { unreachable!() };
    State { entry: look.entry.map(|bytes| bytes.to_vec()), is_marked: look.is_marked, rest, count }
}

struct Ground {
    proxy: Proxy,
    /// By the proxy.
    cut: Arc<Memcached>,
    /// Not by the proxy.
    direct: Arc<Memcached>,
    _server: MemcachedServer,
}

impl Ground {
    async fn new() -> Ground {
        let server = MemcachedServer::start().unwrap();
        let proxy = Proxy::start(server.address()).unwrap();
        Ground { cut: connect_by(&proxy).await, direct: connect(&server).await, proxy, _server: server }
    }

    /// Brings a place to where the operation begins.
    async fn prepare(&self, operation: &Operation, key: &StoredKey) -> (Before, State) {
        let [has_grant, has_entry, has_count] = operation.has;
        let direct = &*self.direct;
        if has_entry {
            kit::set(direct, key, "before").await.unwrap();
        }
        if has_count {
            let add = Count::Add { delta: 7, ceiling: 100, lifetime: Some(LEASE) };
            direct.count(key, add).await.unwrap();
        }
        let mut grant = None;
        if has_grant {
            let Claimed::Granted { grant: granted, .. } = direct.claim(key, claim()).await.unwrap() else { panic!() };
            grant = Some(granted);
        }
        let look = kit::look(direct, key).await.unwrap();
        let by = if let Some(Rest::Held(by)) = look.rest { Some(by) } else { None };
        (Before { grant, by, look }, state(direct, key, by).await)
    }

    /// Returns how many bytes the operation takes in both directions, and what lies at a place before and after it.
    async fn measure(&self, operation: &Operation) -> ([u64; 2], State, State) {
        connected(&self.cut).await;
        let place = key(&format!("{} whole", operation.name));
        let (before, was) = self.prepare(operation, &place).await;
        let bytes = || [FromClient, FromServer].map(|direction| self.proxy.bytes(direction));
        let begun = bytes();
        assert!((operation.ask)(&self.cut, &place, &before).await.unwrap(), "{}", operation.name);
        let ended = bytes();
        let is = state(&self.direct, &place, before.by).await;
        assert_ne!(was, is, "{} does nothing", operation.name);
        ([ended[0] - begun[0], ended[1] - begun[1]], was, is)
    }

    /// Cuts the operation. Returns the place; and, if there was no answer, whether the operation was done.
    async fn cut(
        &self,
        operation: &Operation,
        (direction, after): (Direction, u64),
        [before, done]: [&State; 2],
    ) -> (StoredKey, Option<bool>) {
        let what = format!("{} {direction:?} {after}", operation.name);
        let place = key(&what);
        connected(&self.cut).await;
        let (at, was) = self.prepare(operation, &place).await;
        assert_eq!(&was, before, "{what}");
        self.proxy.cut_after(direction, after);
        let answer = within((operation.ask)(&self.cut, &place, &at)).await;
        self.proxy.normal();
        let is = state(&self.direct, &place, at.by).await;
        let is_stub = operation.may_leave_stub && is.rest == STUB;
        assert!(is == *before || is == *done || is_stub, "{what}: half done, and {answer:?}: {is:?}");
        let is_done = is == *done && !is_stub;
        match &answer {
            Ok(true) => assert!(is == *done, "{what}: yes, and {is:?}"),
            Ok(false) => panic!("{what}: refused, and it was not"),
            Err(error) if error.is_in_doubt() => {}
            Err(error) => {
                assert_eq!(error.kind(), BackendErrorKind::Unreachable, "{what}: {error:?}");
                assert!(is == *before, "{what}: {error:?}, and {is:?}");
            }
        }
        (place, answer.is_err().then_some(is_done))
    }
}

/// Cuts a few operations after each byte.
async fn cut_all(operations: &[Operation]) {
    let ground = Ground::new().await;
    for operation in operations {
        let ([sent, replied], before, after) = ground.measure(operation).await;
        let (mut places, mut in_doubt, mut done) = (Vec::new(), 0, 0);
        let requests = (0..=sent).map(|after| (FromClient, after));
        for cut in requests.chain((0..replied).map(|after| (FromServer, after))) {
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
        assert!(u64::from(in_doubt) >= sent, "the cuts were not where they were to be");
        assert!(operation.may_leave_stub || (done > 0 && in_doubt > done), "the cuts were not where they were to be");
        // Each place is free again, within its lease.
        let began = Instant::now();
        for place in places {
            let mut claim = claim();
            claim.through_pause = true;
            if operation.has[0] {
                // The first grant is of a holder that lives.
                claim.over = Over::Anyone;
            }
            while !matches!(ground.direct.claim(&place, claim.clone()).await.unwrap(), Claimed::Granted { .. }) {
                assert!(began.elapsed() < PATIENCE, "{} is not free", place.full());
                tokio::time::sleep(SECOND / 100).await;
            }
        }
    }
}

#[tokio::test]
async fn s2_s42_claims_that_are_cut() {
    cut_all(&ALL[..3]).await;
}

#[tokio::test]
async fn s2_s42_renewals_publications_and_ends_that_are_cut() {
    cut_all(&ALL[3..7]).await;
}

#[tokio::test]
async fn s2_s42_changes_and_counts_that_are_cut() {
    cut_all(&ALL[7..]).await;
}
