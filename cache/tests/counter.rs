//! Counters (G12, S93), by the typed calls; the laws of the backend's operation are in `tests/contract`.

use dogpile::ManualClock;
use dogpile_cache::backend::{Backend, BackendErrorKind, Change, Claim, Claimed, Fault, Faulty, Limits, Memory, Token};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::counter::{Counters, IncrementError};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::error::Error;
use std::pin::pin;
use std::sync::{Arc, Barrier};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);

type Shared = Arc<Memory<ManualClock>>;

fn memory() -> Shared {
    Arc::new(Memory::with_clock(ManualClock::new()))
}

fn name() -> Namespace {
    Namespace::new("requests").unwrap()
}

fn counters(memory: &Shared) -> Counters<str, Shared> {
    Counters::new(name(), Arc::clone(memory), MINUTE).unwrap()
}

/// The answer of a future that is ready.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(answer) => answer,
        Poll::Pending => panic!("the memory backend has waited"),
    }
}

#[test]
fn g12_counters_count() {
    let memory = memory();
    let counters = counters(&memory);
    assert_eq!(now(counters.get("anna")).unwrap(), 0);
    assert_eq!(now(counters.increment("anna", 1)).unwrap(), 1);
    assert_eq!(now(counters.increment("anna", 41)).unwrap(), 42);
    assert_eq!(now(counters.increment("ben", 7)).unwrap(), 7);
    assert_eq!(now(counters.decrement("anna", 2)).unwrap(), 40);
    assert_eq!(now(counters.increment("anna", 0)).unwrap(), 40);
    assert_eq!(now(counters.get("anna")).unwrap(), 40);
    now(counters.reset("anna")).unwrap();
    assert_eq!((now(counters.get("anna")).unwrap(), now(counters.get("ben")).unwrap()), (0, 7));
}

#[test]
fn g12_the_floor_is_zero() {
    let memory = memory();
    let counters = counters(&memory);
    for by in [1, 6, i64::MAX.unsigned_abs(), 1 << 63, u64::MAX] {
        assert_eq!(now(counters.increment("key", 5)).unwrap(), 5);
        assert_eq!(now(counters.decrement("key", by)).unwrap(), 5_u64.saturating_sub(by));
        now(counters.reset("key")).unwrap();
        // What is missing stays so.
        assert_eq!(now(counters.decrement("key", by)).unwrap(), 0);
        assert!(memory.is_empty());
    }
}

#[test]
fn g12_an_overflow_is_an_error() {
    let memory = memory();
    let counters = counters(&memory);
    let largest = Counters::<str, Shared>::LARGEST;
    for by in [largest + 1, u64::MAX] {
        let error = now(counters.increment("key", by)).unwrap_err();
        assert!(matches!(error, IncrementError::TooLarge { value: 0, ceiling } if ceiling == largest));
        assert!(memory.is_empty());
    }
    assert_eq!(now(counters.increment("key", largest)).unwrap(), largest);
    for by in [1, largest, u64::MAX] {
        let error = now(counters.increment("key", by)).unwrap_err();
        assert!(matches!(error, IncrementError::TooLarge { value, ceiling } if (value, ceiling) == (largest, largest)));
        assert!(error.to_string().contains("9223372036854775807") && error.source().is_none());
    }
    assert_eq!(now(counters.increment("key", 0)).unwrap(), largest);
    assert_eq!(now(counters.decrement("key", u64::MAX)).unwrap(), 0);
}

#[test]
fn g12_a_ceiling_is_an_error() {
    let memory = memory();
    let quota = counters(&memory).ceiling(10);
    assert_eq!(now(quota.increment("key", 8)).unwrap(), 8);
    let error = now(quota.increment("key", 3)).unwrap_err();
    assert!(matches!(error, IncrementError::TooLarge { value: 8, ceiling: 10 }));
    assert_eq!(now(quota.increment("key", 2)).unwrap(), 10);
    assert_eq!(now(counters(&memory).increment("key", 5)).unwrap(), 15, "of another ceiling");
    assert_eq!(now(quota.decrement("key", 1)).unwrap(), 14);
    assert!(now(quota.increment("key", 1)).is_err());
    let none = counters(&memory).ceiling(u64::MAX);
    let largest = Counters::<str, Shared>::LARGEST;
    assert!(
        matches!(now(none.increment("key", largest)), Err(IncrementError::TooLarge { ceiling, .. }) if ceiling == largest)
    );
}

#[test]
fn g12_s93_the_lifetime_is_that_of_the_first_increment() {
    let memory = memory();
    let counters = counters(&memory);
    let second = Duration::from_secs(1);
    for _ in 0..3 {
        assert_eq!(now(counters.increment("key", 1)).unwrap(), 1);
        memory.clock().advance(MINUTE / 2);
        assert_eq!(now(counters.increment("key", 1)).unwrap(), 2);
        assert_eq!(now(counters.decrement("key", 1)).unwrap(), 1);
        memory.clock().advance((MINUTE / 2).saturating_sub(second));
        assert_eq!(now(counters.get("key")).unwrap(), 1);
        memory.clock().advance(second);
        // Never revived.
        assert_eq!(now(counters.get("key")).unwrap(), 0);
        assert_eq!(now(counters.decrement("key", 1)).unwrap(), 0);
    }
    assert!(memory.is_empty());
    now(counters.increment("key", 1)).unwrap();
    memory.clock().advance(MINUTE / 2);
    now(counters.reset("key")).unwrap();
    now(counters.increment("key", 1)).unwrap();
    memory.clock().advance(MINUTE / 2);
    assert_eq!(now(counters.get("key")).unwrap(), 1, "a reset begins a lifetime");
}

#[test]
fn s85_lifetimes_that_are_too_short_are_refused() {
    let mut limits = Limits::none();
    limits.grain = Duration::from_secs(1);
    let memory = || Memory::with_limits(ManualClock::new(), limits);
    for short in [Duration::ZERO, Duration::from_nanos(1), Duration::from_millis(1999)] {
        let error = Counters::<str, _>::new(name(), memory(), short).unwrap_err();
        assert_eq!((error.lifetime, error.least), (short, Duration::from_secs(2)));
        assert!(error.to_string().contains("2s"), "{error}");
    }
    Counters::<str, _>::new(name(), memory(), Duration::from_secs(2)).unwrap();

    let for_ever = Counters::<str, _>::new(name(), memory(), Duration::MAX).unwrap();
    now(for_ever.increment("key", 1)).unwrap();
    for_ever.backend().clock().advance(Duration::MAX);
    assert_eq!(now(for_ever.get("key")).unwrap(), 1);
}

/// 64 threads × 1,000 increments on a missing key.
#[test]
fn g12_64_threads_count_exactly() {
    let memory = memory();
    let counters = counters(&memory);
    let barrier = Barrier::new(64);
    thread::scope(|scope| {
        for _ in 0..64 {
            scope.spawn(|| {
                let counters = counters.clone();
                barrier.wait();
                for _ in 0..1000 {
                    now(counters.increment("key", 1)).unwrap();
                }
            });
        }
    });
    assert_eq!(now(counters.get("key")).unwrap(), 64_000);
}

/// A region of the same name has entries of the same keys.
#[test]
fn counters_never_meet_the_entries_of_a_region() {
    let memory = memory();
    let counters = counters(&memory);
    now(counters.increment("key", 5)).unwrap();
    let shape = Shape { schema: 0, format: Format::RAW };
    let key = StoredKey::new(&name(), "key", shape, KeyLimit::NONE);
    let claim = Claim::new(Token::random(), MINUTE);
    assert!(matches!(now(memory.claim(&key, claim)).unwrap(), Claimed::Granted { .. }));
    let invalidate = Change::Invalidate { beside: Vec::new(), void_pause: MINUTE };
    now(memory.change(&key, invalidate)).unwrap();
    assert_eq!(now(counters.get("key")).unwrap(), 5);
}

#[test]
fn a_backend_that_fails_is_told_apart() {
    let faulty = Faulty::new(memory(), 1).with(Fault::ReplyLost, 1.0);
    let counters = Counters::<str, _>::new(name(), faulty, MINUTE).unwrap();
    let error = now(counters.increment("key", 1)).unwrap_err();
    assert!(error.source().is_some());
    let IncrementError::Backend(error) = error else { panic!("{error:?}") };
    assert!(error.is_in_doubt());
    assert!(now(counters.decrement("other", 1)).unwrap_err().is_in_doubt());
    counters.backend().set_rate(Fault::ReplyLost, 0.0);
    // It had counted.
    assert_eq!(now(counters.get("key")).unwrap(), 1);
    counters.backend().set_rate(Fault::Unreachable, 1.0);
    assert_eq!(now(counters.get("key")).unwrap_err().kind(), BackendErrorKind::Unreachable);
    assert_eq!(now(counters.reset("key")).unwrap_err().kind(), BackendErrorKind::Unreachable);
}

/// A call whose future is never polled does nothing; futures do not borrow the key, and can be sent.
#[test]
fn futures_are_lazy_and_can_be_sent() {
    fn sent<F: Future + Send>(future: F) -> F {
        future
    }
    let memory = memory();
    let counters: Counters<String> = Counters::new(name(), Arc::clone(&memory) as Arc<_>, MINUTE).unwrap();
    drop(counters.increment(&"key".to_owned(), 1));
    assert!(memory.is_empty());
    let pending = {
        let key = "key".to_owned();
        sent(counters.increment(&key, 1))
    };
    assert_eq!(now(pending).unwrap(), 1);
    drop(sent(counters.get(&"key".to_owned())));
    drop(sent(counters.decrement(&"key".to_owned(), 1)));
    drop(sent(counters.reset(&"key".to_owned())));
    // Not even a key that can be neither shared nor sent.
    let strange: Counters<std::rc::Rc<str>, _> = Counters::new(name(), memory, MINUTE).unwrap();
    assert_eq!(now(sent(strange.get(&"key".into()))).unwrap(), 1);
    assert!(format!("{strange:?}").contains("requests"));
}
