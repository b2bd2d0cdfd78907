//! What the memory backend promises beyond the contract of all backends.

use bytes::Bytes;
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::{
    Backend, Change, Changed, Claim, Claimed, Count, Entry, Grant, Limits, Memory, PauseFor, Pending, Published, Rest,
    Seen, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{Key, KeyLimit, Namespace, StoredKey};
use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::{Duration, SystemTime};

const SHAPE: Shape = Shape { schema: 1, format: Format::RAW };
const LEASE: Duration = Duration::from_secs(10);

fn key<K: Key + ?Sized>(key: &K) -> StoredKey {
    StoredKey::new(&Namespace::new("memory").unwrap(), key, SHAPE, KeyLimit::NONE)
}

/// The answer of a future that must be ready when it is polled for the first time.
fn now<T>(mut pending: Pending<'_, T>) -> T {
    match pending.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer.unwrap(),
        Poll::Pending => panic!("the memory backend has waited"),
    }
}

fn claim() -> Claim {
    Claim::new(Token::random(), LEASE)
}

fn set(bytes: Bytes, lifetime: Option<Duration>) -> Change {
    Change::Set { entry: Entry { bytes, lifetime }, void_pause: LEASE }
}

fn value(bytes: &'static str) -> Bytes {
    Bytes::from_static(bytes.as_bytes())
}

#[test]
fn g17_a_million_keys_that_are_over_leave_no_memory_behind() {
    const KEYS: usize = 1_000_000;
    const ALIVE: usize = 1000;
    let memory = Memory::with_clock(ManualClock::new());
    let second = Duration::from_secs(1);
    let mut most = 0;
    for number in 0..KEYS {
        now(memory.change(&key(&number), set(value("value"), Some(second))));
        if number % ALIVE == 0 {
            most = most.max(memory.len());
            memory.clock().advance(second);
        }
    }
    // Without a sweep by hand: what each operation takes away is enough. (A table learns that something is over with
    // its next operation; there are a few more tables than one.)
    assert!(most <= 2 * ALIVE, "{most} places take memory, of which {ALIVE} are alive");
    memory.clock().advance(second);
    memory.sweep();
    assert!(memory.is_empty());
}

#[test]
fn g17_operations_give_the_memory_of_many_back_by_and_by() {
    let memory = Memory::with_clock(ManualClock::new());
    let keys: Vec<_> = (0..10_000).map(|number| key(&number)).collect();
    for (number, key) in keys.iter().enumerate() {
        match number % 4 {
            0 => drop(now(memory.change(key, set(value("value"), Some(LEASE))))),
            1 => drop(now(memory.claim(key, claim()))),
            2 => drop(now(memory.count(key, Count::Add { delta: 1, ceiling: 1, lifetime: Some(LEASE) }))),
            _ => {
                let Claimed::Granted { grant, .. } = now(memory.claim(key, claim())) else { panic!() };
                now(memory.end(key, &grant, Some(PauseFor { failures: 1, pause: LEASE / 2 })));
            }
        }
    }
    assert_eq!(memory.len(), keys.len());
    memory.clock().advance(LEASE);
    assert_eq!(memory.len(), keys.len(), "nothing has run");
    for number in 0..4000 {
        now(memory.look(&[key(&("another", number))], None));
    }
    assert!(memory.len() < 100, "{}", memory.len());
}

#[test]
fn a_future_is_ready_at_once_and_does_nothing_before() {
    let memory = Memory::with_clock(ManualClock::new());
    let key = key("key");
    let pending = memory.change(&key, set(value("value"), None));
    assert!(memory.is_empty());
    drop(pending);
    assert!(memory.is_empty());
    let pending = memory.change(&key, set(value("value"), None));
    assert_eq!(now(pending), Changed::Yes { was_there: false, voided: false });
    assert_eq!(memory.len(), 1);
    now(memory.ping());
}

/// A clock, and values, that use the backend which uses them: under a mutex they would block for ever.
#[test]
fn c22_no_code_of_the_user_runs_under_a_mutex() {
    type Curious = Memory<CuriousClock>;

    static DROPS: AtomicUsize = AtomicUsize::new(0);

    struct CuriousClock(ManualClock, OnceLock<Weak<Curious>>);

    impl CuriousClock {
        fn look_around(&self) {
            if let Some(memory) = self.1.get().and_then(Weak::upgrade) {
                let _ = (memory.len(), memory.life());
            }
        }
    }

    impl Clock for CuriousClock {
        fn now(&self) -> u64 {
            self.look_around();
            self.0.now()
        }

        fn wall(&self) -> SystemTime {
            self.look_around();
            self.0.wall()
        }
    }

    struct CuriousValue(Weak<Curious>);

    impl AsRef<[u8]> for CuriousValue {
        fn as_ref(&self) -> &[u8] {
            b"value"
        }
    }

    impl Drop for CuriousValue {
        fn drop(&mut self) {
            DROPS.fetch_add(1, Ordering::Relaxed);
            if let Some(memory) = self.0.upgrade() {
                let _ = (memory.len(), memory.snapshot());
            }
        }
    }

    let (done, is_done) = std::sync::mpsc::channel();
    let test = thread::spawn(move || {
        let memory = Arc::new(Memory::with_clock(CuriousClock(ManualClock::new(), OnceLock::new())));
        memory.clock().1.set(Arc::downgrade(&memory)).unwrap();
        let entry = || Bytes::from_owner(CuriousValue(Arc::downgrade(&memory)));
        let mut dropped = 0;
        let mut is_dropped = |what| {
            dropped += 1;
            assert_eq!(DROPS.load(Ordering::Relaxed), dropped, "{what}");
        };
        let key = key("key");
        now(memory.change(&key, set(entry(), None)));
        now(memory.change(&key, set(entry(), Some(LEASE))));
        is_dropped("replaced");
        memory.clock().0.advance(LEASE);
        now(memory.look(std::slice::from_ref(&key), None));
        is_dropped("over, and looked at");
        now(memory.change(&key, set(entry(), Some(LEASE))));
        memory.clock().0.advance(LEASE);
        memory.sweep();
        is_dropped("swept");
        now(memory.change(&key, set(entry(), Some(Duration::ZERO))));
        is_dropped("over at once");
        now(memory.change(&key, set(entry(), None)));
        now(memory.change(&key, Change::Invalidate { beside: Vec::new(), void_pause: LEASE }));
        is_dropped("invalidated");
        let refused = || Entry { bytes: entry(), lifetime: None };
        let grant = Grant { token: Token(1), life: memory.life(), cas: 1 };
        now(memory.publish(&key, &grant, refused()));
        is_dropped("published without a grant");
        let seen = Seen::entry("another state");
        now(memory.change(&key, Change::SetIf { entry: refused(), seen, void_pause: LEASE }));
        is_dropped("set as if another state had been seen");
        now(memory.change(&key, Change::Touch { entry: refused(), seen: Seen::NOTHING }));
        is_dropped("touched without being there");
        now(memory.change(&key, set(entry(), None)));
        memory.lose_entry(&key);
        is_dropped("lost");
        now(memory.change(&key, set(entry(), None)));
        memory.lose_everything();
        is_dropped("lost with everything");
        let snapshot = memory.snapshot();
        now(memory.change(&key, set(entry(), None)));
        memory.fail_over_to(&snapshot);
        is_dropped("lost by a failover");
        done.send(()).unwrap();
    });
    let waited = is_done.recv_timeout(Duration::from_secs(30));
    assert_ne!(waited, Err(std::sync::mpsc::RecvTimeoutError::Timeout), "blocked for ever");
    test.join().unwrap();
}

/// The grant is the place's: two builds create one after the other.
#[test]
fn g1_one_grant_for_all_shapes() {
    let memory = Memory::with_clock(ManualClock::new());
    let (key, next) = (key("key"), key("key").in_shape(Shape { schema: 2, ..SHAPE }));
    let Claimed::Granted { grant, .. } = now(memory.claim(&key, claim())) else { panic!() };
    let Claimed::Held(by) = now(memory.claim(&next, claim())) else { panic!() };
    assert_eq!(by.token, grant.token);
    assert!(matches!(now(memory.look(std::slice::from_ref(&next), None))[0].rest, Some(Rest::Held(_))));
    let entry = Entry { bytes: value("value"), lifetime: None };
    assert_eq!(now(memory.publish(&key, &grant, entry.clone())), Published::Fresh);
    // The other build's entry is still missing.
    let mut seen_nothing = claim();
    seen_nothing.seen = Some(Seen::NOTHING);
    let Claimed::Granted { grant, .. } = now(memory.claim(&next, seen_nothing)) else { panic!() };
    // A mark of one shape marks what is published next in another: it comes from the same source.
    now(memory.change(&key, Change::MarkStale { beside: Vec::new() }));
    assert_eq!(now(memory.publish(&next, &grant, entry)), Published::Stale);
}

#[test]
fn lifetimes_are_rounded_up_to_the_grain() {
    let nanosecond = Duration::from_nanos(1);
    for (grain, lifetime, lives) in [
        (Duration::ZERO, nanosecond, nanosecond),
        (nanosecond, 7 * nanosecond, 7 * nanosecond),
        (Duration::from_millis(1), nanosecond, Duration::from_millis(1)),
        (Duration::from_millis(1), Duration::from_millis(5), Duration::from_millis(5)),
        (Duration::from_secs(1), Duration::from_millis(1), Duration::from_secs(1)),
        (Duration::from_secs(1), Duration::from_millis(1001), Duration::from_secs(2)),
        (Duration::from_secs(1), Duration::from_secs(2), Duration::from_secs(2)),
    ] {
        let mut limits = Limits::none();
        limits.grain = grain;
        let memory = Memory::with_limits(ManualClock::new(), limits);
        assert_eq!(memory.limits().grain, grain.max(nanosecond));
        let key = key("key");
        now(memory.change(&key, set(value("value"), Some(lifetime))));
        let grant = now(memory.claim(&key, Claim::new(Token::random(), lifetime)));
        memory.clock().advance(lives.saturating_sub(nanosecond));
        let look = now(memory.look(std::slice::from_ref(&key), None)).remove(0);
        assert!(look.entry.is_some(), "{lifetime:?} by {grain:?}");
        let Some(Rest::Held(by)) = look.rest else { panic!("{grant:?}") };
        assert_eq!(by.lease_left, nanosecond);
        memory.clock().advance(nanosecond);
        let look = now(memory.look(std::slice::from_ref(&key), None)).remove(0);
        assert_eq!((look.entry, look.rest), (None, Some(Rest::Free)), "{lifetime:?} by {grain:?}");
    }
}

/// The end of time: what is for ever stays, and zero is over.
#[test]
fn the_clock_may_come_to_its_end() {
    let memory = Memory::with_clock(ManualClock::new());
    let key = key("key");
    now(memory.change(&key, set(value("value"), Some(Duration::MAX))));
    memory.clock().advance(Duration::MAX);
    let look = now(memory.look(std::slice::from_ref(&key), None)).remove(0);
    assert_eq!(look.entry, Some(value("value")));
    now(memory.change(&key, set(value("value"), Some(Duration::ZERO))));
    assert!(memory.is_empty());
}

/// While threads move the clock over leases: between a grant and its publication there was no other publication.
#[test]
fn g2_threads_no_late_holder_publishes_while_the_clock_moves() {
    let memory = Memory::with_clock(ManualClock::new());
    let key = key("key");
    let (published, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        for thread in 0..8 {
            let (memory, key, published, refused) = (&memory, &key, &published, &refused);
            scope.spawn(move || {
                let look = || now(memory.look(std::slice::from_ref(key), None)).remove(0);
                for round in 0..500 {
                    let Claimed::Granted { grant, .. } = now(memory.claim(key, claim())) else {
                        // (A holder may have come to its end.)
                        memory.clock().advance(LEASE / 100);
                        continue;
                    };
                    let before = look();
                    thread::yield_now();
                    // Each holder is late now and then, also if it runs alone.
                    let is_late = (thread + round) % 3 == 0;
                    memory.clock().advance(if is_late { LEASE } else { LEASE / 100 });
                    thread::yield_now();
                    let was_overtaken = look().seen != before.seen;
                    let entry = Entry { bytes: value("value"), lifetime: None };
                    match now(memory.publish(key, &grant, entry)) {
                        Published::Fresh => {
                            assert!(!is_late && !was_overtaken, "a late holder has published");
                            published.fetch_add(1, Ordering::Relaxed);
                        }
                        Published::Refused(_) => {
                            refused.fetch_add(1, Ordering::Relaxed);
                        }
                        Published::Stale => panic!("no mark was set"),
                    }
                }
            });
        }
    });
    let (published, refused) = (published.into_inner(), refused.into_inner());
    assert!(published > 0 && refused > 0, "{published} published, {refused} refused");
}

/// A failover from one backend's data to another's would make states that were never there.
#[test]
#[should_panic(expected = "the snapshot of another backend")]
fn a_snapshot_belongs_to_its_backend() {
    let (one, another) = (Memory::new(), Memory::new());
    another.fail_over_to(&one.snapshot());
}

#[test]
fn s18_a_million_tokens_are_distinct() {
    let tokens: HashSet<_> = (0..1_000_000).map(|_| Token::random()).collect();
    assert_eq!(tokens.len(), 1_000_000);
    assert!(!tokens.contains(&Token(0)));
}

#[test]
fn debug_shows_no_values() {
    let memory = Memory::new();
    now(memory.change(&key("secret"), set(value("secret"), None)));
    let shown = format!("{memory:?} {:?}", memory.snapshot());
    assert!(!shown.contains("secret") && shown.contains("len: 1"), "{shown}");
    let _: Arc<dyn Backend> = Arc::new(Memory::default());
}
