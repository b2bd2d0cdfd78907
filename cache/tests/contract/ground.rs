//! What a law is given: a backend, the power over its server, and short words for what laws do again and again.

use bytes::Bytes;
use dogpile_cache::backend::{
    Backend, BackendError, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, HeldBy, Look, Over,
    Pause, PauseFor, Pending, Published, Refusal, Renewed, Seen, Signal, Signals, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Times are whole seconds, so that a backend whose grain is a second can keep the laws.
pub const SECOND: Duration = Duration::from_secs(1);
pub const LEASE: Duration = Duration::from_secs(10);
pub const PAUSE: Duration = Duration::from_secs(20);
pub const LONG: Duration = Duration::from_secs(1000);

pub const SHAPE: Shape = Shape { schema: 1, format: Format::RAW };
pub const NEXT: Shape = Shape { schema: 2, format: Format::RAW };
pub const OTHER: Shape = Shape { schema: 2, format: Format::JSON };

/// The power over the server of a backend.
pub trait Server: Send + Sync {
    /// Lets time pass.
    fn wait(&self, time: Duration);

    /// Sets the server's time of day forward, or back, by so many milliseconds.
    fn step(&self, milliseconds: i64);

    /// Ends the server, and starts it without data.
    fn restart(&self);

    /// Remembers the server's data; the function restores them in another life.
    fn snapshot(&self) -> Box<dyn FnOnce()>;

    /// Evicts the entry of a key.
    fn lose_entry(&self, key: &StoredKey);

    /// Evicts the grant of a key.
    fn lose_rest(&self, key: &StoredKey);

    /// Returns how many places take memory on the server, after the server has taken away what is over.
    fn places(&self) -> usize;

    /// Returns how many places are listened to on the server.
    fn listened(&self) -> usize;

    /// Whether a grant keeps its number for as long as it lasts. On memcached each write gives the item another one.
    fn keeps_numbers(&self) -> bool {
        true
    }

    /// Whether entry, grant and pause of a shape lie in one item.
    fn has_items(&self) -> bool {
        false
    }

    /// Whether the server's data can come back.
    fn has_copies(&self) -> bool {
        true
    }

    /// Returns how long a signal may be on its way. Zero: the signals of this backend are exact, and there at once.
    fn patience(&self) -> Duration {
        Duration::ZERO
    }
}

/// A backend under test, empty, and for one law alone.
pub struct Ground {
    pub backend: Arc<dyn Backend>,
    pub server: Arc<dyn Server>,
}

/// Blocks until a future is ready.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => thread::park(),
        }
    }
}

pub fn value(bytes: &'static str) -> Bytes {
    Bytes::from_static(bytes.as_bytes())
}

/// An entry that lives for ever.
pub fn entry(bytes: &'static str) -> Entry {
    Entry { bytes: value(bytes), lifetime: None }
}

pub fn entry_for(bytes: &'static str, lifetime: Duration) -> Entry {
    Entry { bytes: value(bytes), lifetime: Some(lifetime) }
}

/// A second less.
pub fn almost(time: Duration) -> Duration {
    time.saturating_sub(SECOND)
}

/// A claim with a token of its own, of what was seen.
pub fn claim(seen: impl Into<Option<Seen>>) -> Claim {
    let mut claim = claim_for(LEASE);
    claim.seen = seen.into();
    claim
}

/// A claim with a token of its own, whatever is there, with this lease.
pub fn claim_for(lease: Duration) -> Claim {
    Claim::new(Token::random(), lease)
}

pub fn over(mut claim: Claim, over: Over) -> Claim {
    claim.over = over;
    claim
}

pub fn through_pause(mut claim: Claim) -> Claim {
    claim.through_pause = true;
    claim
}

#[allow(clippy::unnecessary_wraps)] // as `end` takes it
pub fn pause(failures: u32) -> Option<PauseFor> {
    Some(PauseFor { failures, pause: PAUSE })
}

pub fn add(delta: i64) -> Count {
    Count::Add { delta, ceiling: u64::MAX, lifetime: None }
}

/// The holder of the grant that is in the way.
#[track_caller]
pub fn held(claimed: &Claimed) -> HeldBy {
    match claimed {
        Claimed::Held(by) => *by,
        other => panic!("expected a grant of another, got {other:?}"),
    }
}

#[track_caller]
pub fn paused(claimed: &Claimed) -> Pause {
    match claimed {
        Claimed::Paused(pause) => *pause,
        other => panic!("expected a pause, got {other:?}"),
    }
}

#[track_caller]
pub fn changed(claimed: &Claimed) -> &Look {
    match claimed {
        Claimed::Changed(look) => look,
        other => panic!("expected another entry, got {other:?}"),
    }
}

#[track_caller]
pub fn granted(claimed: &Claimed) -> Grant {
    match claimed {
        Claimed::Granted { grant, .. } => *grant,
        other => panic!("expected a grant, got {other:?}"),
    }
}

#[track_caller]
pub fn failures(claimed: &Claimed) -> u32 {
    match claimed {
        Claimed::Granted { failures, .. } => *failures,
        other => panic!("expected a grant, got {other:?}"),
    }
}

impl Ground {
    /// The key of a name, in the first shape.
    pub fn key(&self, name: &str) -> StoredKey {
        let namespace = Namespace::new("contract").unwrap();
        let longest = self.backend.limits().longest_key;
        let limit = if longest == usize::MAX { KeyLimit::NONE } else { KeyLimit::bytes(longest) };
        StoredKey::new(&namespace, name, SHAPE, limit)
    }

    #[track_caller]
    fn run<T>(pending: Pending<'_, T>) -> T {
        block_on(pending).expect("the backend is there")
    }

    /// Whether a look sees what stands between an old value and a new one.
    pub fn sees_rest(&self) -> bool {
        self.look(&self.key("a look")).rest.is_some()
    }

    pub fn wait(&self, time: Duration) {
        self.server.wait(time);
    }

    #[track_caller]
    pub fn look_many(&self, keys: &[StoredKey]) -> Vec<Look> {
        Ground::run(self.backend.look(keys, None))
    }

    #[track_caller]
    pub fn look(&self, key: &StoredKey) -> Look {
        let mut looks = self.look_many(std::slice::from_ref(key));
        assert_eq!(looks.len(), 1);
        looks.remove(0)
    }

    #[track_caller]
    pub fn claim(&self, key: &StoredKey, claim: Claim) -> Claimed {
        Ground::run(self.backend.claim(key, claim))
    }

    /// Claims what is there by now.
    #[track_caller]
    pub fn claim_anyhow(&self, key: &StoredKey) -> Claimed {
        self.claim(key, claim(None))
    }

    /// Claims what is there by now, and is granted.
    #[track_caller]
    pub fn granted(&self, key: &StoredKey) -> Grant {
        granted(&self.claim_anyhow(key))
    }

    #[track_caller]
    pub fn renew(&self, key: &StoredKey, grant: &Grant) -> Renewed {
        Ground::run(self.backend.renew(key, grant, LEASE))
    }

    #[track_caller]
    pub fn publish(&self, key: &StoredKey, grant: &Grant, bytes: &'static str) -> Published {
        Ground::run(self.backend.publish(key, grant, entry(bytes)))
    }

    #[track_caller]
    pub fn publish_entry(&self, key: &StoredKey, grant: &Grant, entry: Entry) -> Published {
        Ground::run(self.backend.publish(key, grant, entry))
    }

    #[track_caller]
    pub fn end(&self, key: &StoredKey, grant: &Grant, pause: Option<PauseFor>) -> Ended {
        Ground::run(self.backend.end(key, grant, pause))
    }

    #[track_caller]
    pub fn change(&self, key: &StoredKey, change: Change) -> Changed {
        Ground::run(self.backend.change(key, change))
    }

    #[track_caller]
    pub fn try_change(&self, key: &StoredKey, change: Change) -> Result<Changed, BackendError> {
        block_on(self.backend.change(key, change))
    }

    /// Listens to the place of a key; `None` if the backend has no signals.
    #[track_caller]
    pub fn listen(&self, key: &StoredKey) -> Option<Signals> {
        if !self.backend.limits().has_signals {
            assert!(self.backend.listen(key).is_none(), "a backend that says that it has no signals has some");
            return None;
        }
        Some(Ground::run(self.backend.listen(key).expect("a backend has signals, and has none")))
    }

    /// Waits for a signal, for as long as that may be on its way.
    pub fn heard(&self, signals: &mut Signals) -> Option<Signal> {
        let mut heard = None;
        self.in_time(|| {
            heard = match signals.poll_heard(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(signal) => Some(signal),
                Poll::Pending => None,
            };
            heard.is_some()
        });
        heard
    }

    /// Waits for a certain signal. Others may come before, if not all are on their way at once.
    pub fn heard_until(&self, signals: &mut Signals, wanted: Signal) -> Option<Signal> {
        loop {
            let heard = self.heard(signals)?;
            if heard == wanted || self.is_exact() {
                return Some(heard);
            }
        }
    }

    /// Returns whether something is so in time.
    pub fn in_time(&self, mut is_so: impl FnMut() -> bool) -> bool {
        let (began, patience) = (Instant::now(), self.server.patience());
        loop {
            if is_so() {
                return true;
            }
            if began.elapsed() >= patience {
                return false;
            }
            thread::yield_now();
        }
    }

    /// Returns whether the signals of the backend are there at once, and none comes for nothing.
    pub fn is_exact(&self) -> bool {
        self.server.patience().is_zero()
    }

    /// Returns whether a grant was voided.
    #[track_caller]
    pub fn set(&self, key: &StoredKey, entry: Entry) -> bool {
        match self.change(key, Change::Set { entry, void_pause: LEASE }) {
            Changed::Yes { voided, .. } => voided,
            Changed::Refused(look) => panic!("a set was refused: {look:?}"),
        }
    }

    /// Returns whether the entry was stored.
    #[track_caller]
    pub fn set_if(&self, key: &StoredKey, bytes: &'static str, seen: &Seen) -> bool {
        let change = Change::SetIf { entry: entry(bytes), seen: seen.clone(), void_pause: LEASE };
        matches!(self.change(key, change), Changed::Yes { .. })
    }

    /// Returns whether the entry was touched.
    #[track_caller]
    pub fn touch(&self, key: &StoredKey, entry: Entry, seen: &Seen) -> bool {
        matches!(self.change(key, Change::Touch { entry, seen: seen.clone() }), Changed::Yes { .. })
    }

    #[track_caller]
    pub fn mark_stale(&self, key: &StoredKey) -> Changed {
        self.change(key, Change::MarkStale { beside: Vec::new() })
    }

    /// Returns whether a grant was voided.
    #[track_caller]
    pub fn invalidate(&self, key: &StoredKey, void_pause: Duration) -> bool {
        match self.change(key, Change::Invalidate { beside: Vec::new(), void_pause }) {
            Changed::Yes { voided, .. } => voided,
            Changed::Refused(look) => panic!("an invalidation was refused: {look:?}"),
        }
    }

    #[track_caller]
    pub fn count(&self, key: &StoredKey, count: Count) -> Counted {
        Ground::run(self.backend.count(key, count))
    }

    /// The value of a counter.
    #[track_caller]
    pub fn counted(&self, key: &StoredKey) -> u64 {
        match self.count(key, Count::Get) {
            Counted::Now(value) => value,
            Counted::TooLarge(value) => panic!("a counter that is read is too large: {value}"),
        }
    }

    /// The bytes of the entry of a key.
    #[track_caller]
    pub fn stored(&self, key: &StoredKey) -> Option<Bytes> {
        self.look(key).entry
    }

    #[track_caller]
    pub fn assert_stored(&self, key: &StoredKey, bytes: &'static str) {
        assert_eq!(self.stored(key), Some(value(bytes)), "of {}", key.full());
    }

    #[track_caller]
    pub fn assert_nothing(&self, key: &StoredKey) {
        let look = self.look(key);
        assert_eq!((look.entry, look.seen, look.is_marked), (None, Seen::NOTHING, false), "of {}", key.full());
    }

    /// The grant is under way: its lease is renewed, and nobody else is granted.
    #[track_caller]
    pub fn assert_goes_on(&self, key: &StoredKey, grant: &Grant) {
        let by = held(&self.claim(key, through_pause(claim(None))));
        assert_eq!((by.token, by.is_void), (grant.token, false));
        match self.renew(key, grant) {
            Renewed::Yes(renewed) => assert_eq!((renewed.token, renewed.life), (grant.token, grant.life)),
            Renewed::Lost(why) => panic!("the grant is lost: {why:?}"),
        }
    }

    /// The grant is under way. Its lease is not begun anew.
    #[track_caller]
    pub fn assert_held(&self, key: &StoredKey, grant: &Grant) {
        let by = held(&self.claim_anyhow(key));
        assert_eq!((by.token, by.is_void), (grant.token, false));
        assert!(by.lease_left > Duration::ZERO);
    }

    /// The grant is not under way. Its holder can do nothing with it, and what is there stays as it is.
    #[track_caller]
    pub fn assert_lost(&self, key: &StoredKey, grant: &Grant) {
        let before = self.look(key);
        assert!(matches!(self.renew(key, grant), Renewed::Lost(_)), "a lost grant was renewed");
        let published = self.publish_entry(key, grant, entry("of a lost grant"));
        assert!(matches!(published, Published::Refused(_)), "a lost grant was published: {published:?}");
        assert!(matches!(self.end(key, grant, pause(9)), Ended::Lost(_)), "a lost grant was ended");
        let after = self.look(key);
        assert_eq!(
            (before.entry, before.seen, before.is_marked),
            (after.entry, after.seen, after.is_marked),
            "the holder of a lost grant has changed the entry"
        );
    }

    /// The grant was voided. The place stays closed until its holder ends, where there are tombstones.
    #[track_caller]
    pub fn assert_voided(&self, key: &StoredKey, grant: &Grant) {
        if self.backend.limits().has_tombstones {
            let by = held(&self.claim(key, through_pause(claim(None))));
            assert_eq!((by.token, by.is_void), (grant.token, true));
            assert_eq!(self.renew(key, grant), Renewed::Lost(Refusal::Voided));
            assert_eq!(self.end(key, grant, pause(9)), Ended::Lost(Refusal::Voided), "a voided grant was ended");
        }
        self.assert_lost(key, grant);
    }

    /// A claim is granted, by this number of failures; the place is as before.
    #[track_caller]
    pub fn assert_free(&self, key: &StoredKey, of_failures: u32) {
        let claimed = self.claim_anyhow(key);
        assert_eq!(failures(&claimed), of_failures);
        assert_eq!(self.end(key, &granted(&claimed), None), Ended::Yes);
    }

    /// A claim meets a pause after this number of failures.
    #[track_caller]
    pub fn assert_paused(&self, key: &StoredKey, of_failures: u32) {
        assert_eq!(paused(&self.claim_anyhow(key)).failures, of_failures);
    }
}
