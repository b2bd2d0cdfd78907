//! S2, S42: each operation, cut off after each byte of its requests and of its replies. Afterwards no operation was
//! half done, the answer was true, and the place can be created again.
//!
//! The connection of the operation goes through a proxy, which cuts. All else is done and seen by another connection.

#![allow(dead_code)] // Each test program uses some of it.

use dogpile_cache::backend::{
    Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Look, Over, PauseFor, Pending, Published, Renewed, Token,
};
use dogpile_cache::key::StoredKey;
use dogpile_servers::Direction::{self, FromClient, FromServer};
use dogpile_servers::Proxy;
use std::fmt::Debug;
use std::pin::Pin;
use std::time::{Duration, Instant};

const SECOND: Duration = Duration::from_secs(1);

/// A lifetime that outlives the test.
const LONG: Duration = Duration::from_secs(600);

/// A bound for what hangs only if it is wrong.
const WATCHDOG: Duration = Duration::from_secs(30);

/// What lies at a place before the operation.
pub struct Before {
    grant: Option<Grant>,
    pub look: Look,
}

/// Whether the operation was done, as it has answered.
pub type Asked<'a> = Pin<Box<dyn Future<Output = Result<bool, BackendError>> + Send + 'a>>;

pub struct Operation<B: 'static> {
    pub name: &'static str,
    /// Whether somebody has a grant, an entry, a pause, a counter.
    pub has: [bool; 4],
    pub ask: for<'a> fn(&'a B, &'a StoredKey, &'a Before) -> Asked<'a>,
}

/// What is done at which byte.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    pub direction: Direction,
    pub after: u64,
    /// Some bytes of the requests, or of the replies, are missing.
    pub is_within: bool,
}

/// A server, a proxy before it, and a backend on each of them.
pub trait Ground {
    type Backend: Backend + 'static;
    /// What lies at a place: without what is random, and with what tells a renewed grant from the first.
    type State: Clone + Debug + PartialEq;
    /// What the grant is known by that was there at first.
    type First;

    /// The lease of grants that nobody ends.
    const SHORT: Duration;

    fn proxy(&self) -> &Proxy;

    /// By the proxy.
    fn cut(&self) -> &Self::Backend;

    /// Not by the proxy.
    fn direct(&self) -> &Self::Backend;

    fn key(&self, name: &str) -> StoredKey;

    fn first(&self, key: &StoredKey, look: &Look) -> Self::First;

    fn state(&self, key: &StoredKey, first: &Self::First) -> impl Future<Output = Self::State>;

    /// Is called just before an operation.
    fn begins(&self) {}

    /// Whether a cut of the operation may leave a state that is neither that of before nor that of after it.
    fn may_leave(&self, _: &Operation<Self::Backend>, _: &Self::State) -> bool {
        false
    }

    /// Judges what was done of an operation that was cut, further.
    fn judge(&self, _: Cut, _is_answered: bool, _is_done: bool) {}

    /// Is called after all cuts of an operation, before their places are created again.
    fn look_over(&self) {}
}

pub fn entry(text: &'static str) -> Entry {
    Entry { bytes: text.into(), lifetime: Some(LONG) }
}

pub fn set(text: &'static str) -> Change {
    Change::Set { entry: entry(text), void_pause: SECOND }
}

pub fn add(delta: i64) -> Count {
    Count::Add { delta, ceiling: 100, lifetime: Some(LONG) }
}

pub fn claim(lease: Duration) -> Claim {
    Claim::new(Token::random(), lease)
}

// --- the operations -------------------------------------------------------------------------------------------------

pub fn changed(changing: Pending<'_, Changed>) -> Asked<'_> {
    Box::pin(async move { Ok(matches!(changing.await?, Changed::Yes { .. })) })
}

pub fn claimed(claiming: Pending<'_, Claimed>) -> Asked<'_> {
    Box::pin(async move { Ok(matches!(claiming.await?, Claimed::Granted { .. })) })
}

pub fn counted(counting: Pending<'_, Counted>, sum: u64) -> Asked<'_> {
    Box::pin(async move {
        assert_eq!(counting.await?, Counted::Now(sum));
        Ok(true)
    })
}

impl Before {
    pub fn grant(&self) -> &Grant {
        self.grant.as_ref().expect("somebody has a grant")
    }

    pub fn renew<'a>(&'a self, backend: &'a impl Backend, key: &'a StoredKey, lease: Duration) -> Asked<'a> {
        Box::pin(async move { Ok(matches!(backend.renew(key, self.grant(), lease).await?, Renewed::Yes(_))) })
    }

    pub fn publish<'a>(&'a self, backend: &'a impl Backend, key: &'a StoredKey) -> Asked<'a> {
        Box::pin(async move {
            let published = backend.publish(key, self.grant(), entry("published")).await?;
            Ok(!matches!(published, Published::Refused(_)))
        })
    }

    pub fn end<'a>(&'a self, backend: &'a impl Backend, key: &'a StoredKey, pause: Option<Duration>) -> Asked<'a> {
        Box::pin(async move {
            let pause = pause.map(|pause| PauseFor { failures: 3, pause });
            Ok(backend.end(key, self.grant(), pause).await? == Ended::Yes)
        })
    }

    pub fn set_if<'a>(&'a self, backend: &'a impl Backend, key: &'a StoredKey) -> Asked<'a> {
        let change = Change::SetIf { entry: entry("set"), seen: self.look.seen.clone(), void_pause: SECOND };
        changed(backend.change(key, change))
    }
}

pub fn mark<'a>(backend: &'a impl Backend, key: &'a StoredKey) -> Asked<'a> {
    changed(backend.change(key, Change::MarkStale { beside: Vec::new() }))
}

pub fn invalidate<'a>(backend: &'a impl Backend, key: &'a StoredKey) -> Asked<'a> {
    changed(backend.change(key, Change::Invalidate { beside: Vec::new(), void_pause: SECOND }))
}

// --- the cuts -------------------------------------------------------------------------------------------------------

/// Waits until a backend has its server.
async fn connected(backend: &impl Backend) {
    let began = Instant::now();
    while let Err(error) = backend.ping().await {
        assert!(began.elapsed() < WATCHDOG, "{error:?}");
    }
}

/// Brings a place to where the operation begins.
async fn prepare<G: Ground>(
    ground: &G,
    operation: &Operation<G::Backend>,
    key: &StoredKey,
) -> (Before, G::State, G::First) {
    let [has_grant, has_entry, has_pause, has_count] = operation.has;
    let direct = ground.direct();
    let granted = async || {
        let mut claim = claim(G::SHORT * 10);
        claim.through_pause = true;
        let Claimed::Granted { grant, .. } = direct.claim(key, claim).await.unwrap() else { panic!("no grant") };
        grant
    };
    if has_entry {
        direct.change(key, set("before")).await.unwrap();
    }
    if has_pause {
        let pause = PauseFor { failures: 2, pause: SECOND };
        direct.end(key, &granted().await, Some(pause)).await.unwrap();
    }
    if has_count {
        direct.count(key, add(7)).await.unwrap();
    }
    let grant = if has_grant { Some(granted().await) } else { None };
    let look = direct.look(std::slice::from_ref(key), None).await.unwrap().remove(0);
    let first = ground.first(key, &look);
    let before = ground.state(key, &first).await;
    (Before { grant, look }, before, first)
}

/// Returns how many bytes the operation takes in both directions, and what lies at a place before and after it.
pub async fn measure<G: Ground>(ground: &G, operation: &Operation<G::Backend>) -> ([u64; 2], [G::State; 2]) {
    connected(ground.cut()).await;
    let mut measured = None;
    // (A server may learn something by the first.)
    for round in 0..2 {
        let place = ground.key(&format!("{} {round} whole", operation.name));
        let (before, was, first) = prepare(ground, operation, &place).await;
        ground.begins();
        let bytes = || [FromClient, FromServer].map(|direction| ground.proxy().bytes(direction));
        let begun = bytes();
        assert!((operation.ask)(ground.cut(), &place, &before).await.unwrap(), "{}", operation.name);
        let ended = bytes();
        let is = ground.state(&place, &first).await;
        assert_ne!(was, is, "{} does nothing", operation.name);
        measured = Some(([ended[0] - begun[0], ended[1] - begun[1]], [was, is]));
    }
    measured.expect("two rounds")
}

/// Cuts the operation. Returns the place; and, if there was no answer, whether the operation was done.
pub async fn cut_one<G: Ground>(
    ground: &G,
    operation: &Operation<G::Backend>,
    cut: Cut,
    [before, done]: &[G::State; 2],
) -> (StoredKey, Option<bool>) {
    let what = format!("{} {:?} {}", operation.name, cut.direction, cut.after);
    let place = ground.key(&what);
    connected(ground.cut()).await;
    let (at, was, first) = prepare(ground, operation, &place).await;
    assert_eq!(&was, before, "{what}");
    ground.begins();
    ground.proxy().cut_after(cut.direction, cut.after);
    let answer = tokio::time::timeout(WATCHDOG, (operation.ask)(ground.cut(), &place, &at)).await;
    let answer = answer.unwrap_or_else(|_| panic!("{what}: it hangs"));
    ground.proxy().normal();
    let is = ground.state(&place, &first).await;
    let is_left = ground.may_leave(operation, &is);
    assert!(is == *before || is == *done || is_left, "{what}: half done, and {answer:?}: {is:?}");
    let is_done = is == *done && !is_left;
    match &answer {
        Ok(true) => assert!(is == *done, "{what}: yes, and {is:?}"),
        Ok(false) => panic!("{what}: refused, and it was not"),
        Err(error) if error.is_in_doubt() => {}
        Err(error) => {
            assert_eq!(error.kind(), BackendErrorKind::Unreachable, "{what}: {error:?}");
            assert!(is == *before, "{what}: {error:?}, and {is:?}");
        }
    }
    ground.judge(cut, answer.is_ok(), is_done);
    (place, answer.is_err().then_some(is_done))
}

/// All cuts of requests and replies of so many bytes.
pub fn cuts([sent, replied]: [u64; 2]) -> impl Iterator<Item = Cut> {
    let cut = |direction, after, all| Cut { direction, after, is_within: after < all };
    let requests = (0..=sent).map(move |after| cut(FromClient, after, sent));
    // (After its last byte nothing is lost.)
    requests.chain((0..replied).map(move |after| cut(FromServer, after, replied)))
}

/// Cuts a few operations after each byte.
pub async fn cut_all<G: Ground>(ground: &G, operations: &[Operation<G::Backend>]) {
    for operation in operations {
        let ([sent, replied], states) = measure(ground, operation).await;
        let (mut places, mut in_doubt, mut done) = (Vec::new(), 0, 0);
        for cut in cuts([sent, replied]) {
            let (place, doubt) = cut_one(ground, operation, cut, &states).await;
            places.push(place);
            in_doubt += u32::from(doubt.is_some());
            done += u32::from(doubt == Some(true));
        }
        let (name, cuts) = (operation.name, places.len());
        println!("{name}: {sent} + {replied} bytes; {cuts} cuts, {in_doubt} in doubt, {done} of these done");
        assert!(u64::from(in_doubt) >= sent, "the cuts were not where they were to be");
        let is_both = done > 0 && in_doubt > done;
        assert!(is_both || ground.may_leave(operation, &states[1]), "the cuts were not where they were to be");
        ground.look_over();
        // Each place is free again, within its lease.
        let began = Instant::now();
        for place in places {
            let mut claim = claim(G::SHORT);
            claim.through_pause = true;
            if operation.has[0] {
                // The first grant is of a holder that lives.
                claim.over = Over::Anyone;
            }
            while !matches!(ground.direct().claim(&place, claim.clone()).await.unwrap(), Claimed::Granted { .. }) {
                assert!(began.elapsed() < WATCHDOG, "{} is not free", place.full());
                tokio::time::sleep(SECOND / 100).await;
            }
        }
    }
}
