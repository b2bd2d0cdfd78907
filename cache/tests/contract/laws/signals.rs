//! Signals (G16). On a backend without signals each of these laws has nothing to ask.

use crate::ground::*;
use dogpile_cache::backend::{Change, Count, Ended, Published, Refusal, Renewed, Seen, Signal, Signals};
use dogpile_cache::key::StoredKey;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

/// Whatever stores, moves or marks an entry wakes the listeners.
pub fn g16_what_is_stored_is_signalled(g: &Ground) {
    let key = g.key("key");
    let Some(mut signals) = g.listen(&key) else { return };
    let mut changes = |what: &str| assert_eq!(g.heard(&mut signals), Some(Signal::Changed), "{what}");
    let grant = g.granted(&key);
    assert_eq!(g.publish(&key, &grant, "published"), Published::Fresh);
    changes("publish");
    g.set(&key, entry("set"));
    changes("set");
    let seen = g.look(&key).seen;
    assert!(g.set_if(&key, "set if", &seen));
    changes("set if as seen");
    let seen = g.look(&key).seen;
    assert!(g.touch(&key, entry_for("touched", LONG), &seen));
    changes("touch");
    let grant = g.granted(&key);
    g.mark_stale(&key);
    changes("mark stale");
    assert_eq!(g.publish(&key, &grant, "marked"), Published::Stale);
    changes("publish as stale");
}

/// Whatever leaves a place to the next creation wakes the listeners.
pub fn g16_what_is_freed_is_signalled(g: &Ground) {
    let key = g.key("key");
    let Some(mut signals) = g.listen(&key) else { return };
    let mut frees = |what: &str| assert_eq!(g.heard(&mut signals), Some(Signal::Freed), "{what}");
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, None), Ended::Yes);
    frees("end");
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, pause(1)), Ended::Yes);
    frees("end with a pause");
    g.invalidate(&key, LEASE);
    frees("invalidate");
    if !g.backend.limits().has_tombstones {
        return;
    }
    for publishes in [true, false] {
        let grant = g.granted(&key);
        assert!(g.invalidate(&key, LEASE));
        frees("invalidate, with a grant");
        if publishes {
            assert_eq!(g.publish(&key, &grant, "late"), Published::Refused(Refusal::Voided));
        } else {
            assert_eq!(g.end(&key, &grant, None), Ended::Lost(Refusal::Voided));
        }
        frees("the end of a tombstone");
    }
}

/// From when `listen` has returned on, nothing is lost, whether somebody waits for it or not.
pub fn g16_what_happens_before_it_is_waited_for_is_not_lost(g: &Ground) {
    let key = g.key("key");
    let Some(mut signals) = g.listen(&key) else { return };
    g.set(&key, entry("one"));
    assert_eq!(g.heard(&mut signals), Some(Signal::Changed), "before the first wait");
    g.set(&key, entry("two"));
    assert_eq!(g.heard(&mut signals), Some(Signal::Changed), "between two waits");
    // Several are one, which calls for the earlier look.
    for last in [false, true] {
        g.invalidate(&key, LEASE);
        g.set(&key, entry("three"));
        if last {
            g.invalidate(&key, LEASE);
        }
        assert_eq!(g.heard_until(&mut signals, Signal::Changed), Some(Signal::Changed));
    }
    // A second listener has its own.
    let Some(mut second) = g.listen(&key) else { panic!("a backend has signals, and has none") };
    g.set(&key, entry("four"));
    // (What was freed before may be on its way to the first one.)
    let heard = [&mut signals, &mut second].map(|signals| g.heard_until(signals, Signal::Changed));
    assert_eq!(heard, [Some(Signal::Changed); 2]);
    drop(signals);
    g.set(&key, entry("five"));
    assert_eq!(g.heard(&mut second), Some(Signal::Changed), "another listener has gone");
}

/// The task that waits is woken.
pub fn g16_a_task_that_waits_is_woken(g: &Ground) {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let key = g.key("key");
    let Some(mut signals) = g.listen(&key) else { return };
    for _ in 0..2 {
        let woken = Arc::new(Woken(AtomicBool::new(false)));
        let waker = Waker::from(Arc::clone(&woken));
        assert!(signals.poll_heard(&mut Context::from_waker(&waker)).is_pending());
        g.set(&key, entry("value"));
        assert!(g.in_time(|| woken.0.load(Ordering::SeqCst)), "the task is not woken");
        assert_eq!(g.heard(&mut signals), Some(Signal::Changed));
    }
}

/// The signals are those of the place: another build waits for the same grant.
pub fn g16_the_shapes_of_a_place_are_heard_as_one(g: &Ground) {
    let key = g.key("key");
    let Some(mut signals) = g.listen(&key) else { return };
    let next = key.in_shape(NEXT);
    let grant = g.granted(&next);
    assert_eq!(g.publish(&next, &grant, "next"), Published::Fresh);
    assert_eq!(g.heard(&mut signals), Some(Signal::Changed));
    g.change(&next, Change::Invalidate { beside: Vec::new(), void_pause: LEASE });
    assert_eq!(g.heard(&mut signals), Some(Signal::Freed));
}

/// A backend may signal for nothing. One that is exact does not.
pub fn g16_exact_nothing_else_is_signalled(g: &Ground) {
    let (key, other) = (g.key("key"), g.key("other"));
    let Some(mut signals) = g.listen(&key).filter(|_| g.is_exact()) else { return };
    let mut nothing = |what: &str| assert_eq!(g.heard(&mut signals), None, "{what}");
    g.set(&other, entry("other"));
    g.invalidate(&other, LEASE);
    let grant = g.granted(&other);
    g.end(&other, &grant, pause(1));
    nothing("what happens to another key");
    g.look(&key);
    nothing("a look");
    let grant = g.granted(&key);
    held(&g.claim_anyhow(&key));
    nothing("a claim");
    assert!(matches!(g.renew(&key, &grant), Renewed::Yes(_)));
    nothing("a renewal");
    g.count(&key, add(1));
    g.count(&key, Count::Reset);
    nothing("a counter");
    let stale = g.look(&other).seen;
    assert!(!g.touch(&key, entry("value"), &stale) && !g.set_if(&key, "value", &nowhere()));
    nothing("what is refused");
    g.wait(LEASE);
    assert!(matches!(g.publish(&key, &grant, "late"), Published::Refused(_)));
    nothing("a late holder, and a lease that is over");
}

/// A state that no entry is in.
fn nowhere() -> Seen {
    Seen::entry(vec![0; 8])
}

/// Listeners of one place are one to the server, and nothing is left of those that have gone.
pub fn g17_nothing_is_left_of_what_was_listened_to(g: &Ground) {
    let (key, other) = (g.key("key"), g.key("other"));
    let Some(first) = g.listen(&key) else { return };
    let all: Vec<Signals> = (0..1000).filter_map(|_| g.listen(&key)).collect();
    let another = g.listen(&other);
    assert!(g.in_time(|| g.server.listened() == 2), "{} places", g.server.listened());
    drop(all);
    drop(another);
    assert!(g.in_time(|| g.server.listened() == 1), "{} places", g.server.listened());
    drop(first);
    assert!(g.in_time(|| g.server.listened() == 0), "{} places", g.server.listened());
    assert_eq!(g.server.places(), 0, "a listener stores nothing");
    // A listener keeps nothing that was stored.
    let listening = g.listen(&key);
    g.set(&key, entry_for("value", SECOND));
    g.wait(SECOND);
    assert_eq!(g.server.places(), 0);
    drop(listening);
}

/// A server that has lost its data, or has older data now: each listener hears of a gap.
pub fn g16_s65_a_gap_is_signalled_and_the_listening_goes_on(g: &Ground) {
    let key = g.key("key");
    let Some(mut signals) = g.listen(&key) else { return };
    let fail_over = g.server.snapshot();
    g.server.restart();
    assert_eq!(g.heard(&mut signals), Some(Signal::Gap), "a restart");
    hears_again(g, &key, &mut signals, "after a restart");
    fail_over();
    assert_eq!(g.heard_until(&mut signals, Signal::Gap), Some(Signal::Gap), "a failover");
    hears_again(g, &key, &mut signals, "after a failover");
}

/// What is stored is heard of again: at once, or once the backend has subscribed anew. One signal at a time is on its
/// way, or a late one would be taken for the gap that comes next: a change and a gap are one signal.
fn hears_again(g: &Ground, key: &StoredKey, signals: &mut Signals, when: &str) {
    let is_heard = g.in_time(|| {
        g.set(key, entry("stored"));
        let began = Instant::now();
        loop {
            if signals.poll_heard(&mut Context::from_waker(Waker::noop())) == Poll::Ready(Signal::Changed) {
                return true;
            }
            if g.is_exact() || began.elapsed() > Duration::from_secs(1) {
                return false;
            }
            thread::yield_now();
        }
    });
    assert!(is_heard, "{when}");
}
