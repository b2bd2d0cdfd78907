//! Lifetimes, and the server's clock (G6, G17).

use crate::ground::*;
use dogpile_cache::backend::{Change, Claimed, Count, Counted, Ended, Entry, PauseFor, Published};
use dogpile_cache::key::StoredKey;
use std::time::Duration;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// Each way to store an entry.
fn store(g: &Ground, key: &StoredKey, way: usize, entry: Entry) {
    match way {
        0 => assert!(!g.set(key, entry)),
        1 => assert_eq!(g.publish_entry(key, &g.granted(key), entry), Published::Fresh),
        2 => {
            let change = Change::SetIf { entry, seen: g.look(key).seen, void_pause: LEASE };
            assert!(matches!(g.change(key, change), dogpile_cache::backend::Changed::Yes { .. }));
        }
        _ => {
            g.set(key, crate::ground::entry("to be touched"));
            assert!(g.touch(key, entry, &g.look(key).seen));
        }
    }
}

pub fn g17_an_entry_is_gone_after_its_lifetime(g: &Ground) {
    for way in 0..4 {
        let key = g.key("key");
        store(g, &key, way, entry_for("value", 5 * SECOND));
        let seen = g.look(&key).seen;
        g.wait(4 * SECOND);
        g.assert_stored(&key, "value");
        g.wait(SECOND);
        g.assert_nothing(&key);
        // It is gone for each operation.
        let change = Change::Invalidate { beside: Vec::new(), void_pause: LEASE };
        assert_eq!(g.change(&key, change), dogpile_cache::backend::Changed::Yes { was_there: false, voided: false });
        assert!(!g.set_if(&key, "late", &seen));
        assert!(!g.touch(&key, entry("late"), &seen));
        changed(&g.claim(&key, claim(seen)));
        g.assert_nothing(&key);
    }
}

/// An entry that is replaced has the lifetime that was given last: neither a shorter nor a longer one before it.
pub fn g17_the_last_lifetime_counts(g: &Ground) {
    for way in 0..4 {
        let key = g.key("key");
        g.set(&key, entry_for("short", 2 * SECOND));
        store(g, &key, way, entry_for("long", 8 * SECOND));
        g.wait(7 * SECOND);
        g.assert_stored(&key, "long");
        store(g, &key, way, entry_for("short", 2 * SECOND));
        g.wait(2 * SECOND);
        g.assert_nothing(&key);
        store(g, &key, way, entry_for("short", 2 * SECOND));
        store(g, &key, way, entry("for ever"));
        g.wait(LONG);
        g.assert_stored(&key, "for ever");
    }
}

/// S85: what is over at once.
pub fn g17_s85_a_lifetime_of_zero_is_over_at_once(g: &Ground) {
    for way in 0..4 {
        let key = g.key("key");
        g.set(&key, entry("old"));
        store(g, &key, way, entry_for("new", Duration::ZERO));
        g.assert_nothing(&key);
        g.assert_free(&key, 0);
    }
    let key = g.key("other");
    let claimed = g.claim(&key, claim_for(Duration::ZERO));
    g.assert_lost(&key, &granted(&claimed));
    let grant = g.granted(&key);
    assert_eq!(g.end(&key, &grant, Some(PauseFor { failures: 7, pause: Duration::ZERO })), Ended::Yes);
    g.assert_free(&key, 0);
    let grant = g.granted(&key);
    assert!(g.invalidate(&key, Duration::ZERO));
    g.assert_lost(&key, &grant);
    g.assert_free(&key, 0);
    let zero = Count::Add { delta: 5, ceiling: u64::MAX, lifetime: Some(Duration::ZERO) };
    assert_eq!(g.count(&key, zero), Counted::Now(5));
    assert_eq!(g.counted(&key), 0);
    assert_eq!(g.count(&key, zero), Counted::Now(5));
}

/// S84, S85: for ever, and for longer than a server can tell from a date.
pub fn g17_s84_s85_long_lifetimes_and_for_ever(g: &Ground) {
    let lifetimes = [Some(almost(30 * DAY)), Some(30 * DAY), Some(30 * DAY + SECOND), Some(40 * DAY)];
    let for_ever = [None, Some(Duration::MAX), Some(Duration::from_secs(u64::MAX))];
    let keys = ["0", "1", "2", "3", "4", "5", "6"].map(|name| g.key(name));
    for (key, lifetime) in keys.iter().zip(lifetimes.into_iter().chain(for_ever)) {
        g.set(key, Entry { bytes: value("value"), lifetime });
    }
    let there = || g.look_many(&keys).into_iter().filter(|look| look.entry.is_some()).count();
    assert_eq!(there(), 7);
    g.wait(almost(almost(30 * DAY)));
    for left in [7, 6, 5, 4] {
        assert_eq!(there(), left);
        g.wait(SECOND);
    }
    g.wait(10 * DAY);
    assert_eq!(there(), 3);
    g.wait(10_000 * DAY);
    assert_eq!(there(), 3);
    let key = g.key("leases");
    let grant = granted(&g.claim(&key, claim_for(Duration::MAX)));
    g.wait(1000 * DAY);
    g.assert_goes_on(&key, &grant);
    let endless = Some(PauseFor { failures: 1, pause: Duration::MAX });
    assert_eq!(g.end(&key, &grant, endless), Ended::Yes);
    g.wait(1000 * DAY);
    g.assert_paused(&key, 1);
}

/// Whatever is written is taken away: entries, grants, tombstones, pauses, counters.
pub fn g17_nothing_is_left_of_what_is_over(g: &Ground) {
    assert_eq!(g.server.places(), 0);
    for number in 0..100 {
        let key = g.key(&number.to_string());
        match number % 6 {
            0 => {
                // The end of a place may come nearer: never, late, soon.
                g.set(&key, entry("value"));
                g.set(&key, entry_for("value", 2 * LONG));
                g.set(&key, entry_for("value", LEASE));
            }
            1 => drop(g.granted(&key)),
            2 => {
                g.granted(&key);
                g.invalidate(&key, PAUSE);
            }
            3 => drop(g.end(&key, &g.granted(&key), pause(1))),
            4 => {
                g.count(&key, Count::Add { delta: 1, ceiling: 9, lifetime: Some(LEASE) });
            }
            _ => {
                g.set(&key, entry_for("value", LONG));
                g.set(&key.in_shape(NEXT), entry_for("value", LEASE));
                g.mark_stale(&key);
            }
        }
    }
    assert!(g.server.places() > 60);
    g.wait(almost(LONG));
    assert_eq!(g.server.places(), 16, "the last of these live for {LONG:?}");
    g.wait(SECOND);
    assert_eq!(g.server.places(), 0);
}

/// What leaves nothing behind: looks, refusals, and what was ended or deleted.
pub fn g17_nothing_is_left_of_what_was_ended(g: &Ground) {
    for number in 0..50 {
        let key = g.key(&number.to_string());
        g.look(&key);
        g.mark_stale(&key);
        g.invalidate(&key, LONG);
        let grant = g.granted(&key);
        g.end(&key, &grant, None);
        g.end(&key, &grant, pause(1));
        g.publish(&key, &grant, "late");
        g.set(&key, entry("value"));
        g.claim(&key, claim(dogpile_cache::backend::Seen::NOTHING));
        g.invalidate(&key, LONG);
        g.count(&key, add(5));
        g.count(&key, Count::Reset);
        g.count(&key, add(0));
        g.count(&key, add(-3));
    }
    assert_eq!(g.server.places(), 0);
}

// --- the server's clock ---------------------------------------------------------------------------------------------

const HOUR: i64 = 3_600_000;

/// The server's time of day is told as it is, in milliseconds.
pub fn g6_a_look_tells_the_servers_clock(g: &Ground) {
    let key = g.key("key");
    let before = g.look(&key).now;
    g.server.step(HOUR);
    let forth = g.look(&key).now;
    assert!(forth.abs_diff(before + 3_600_000) < 60_000, "{before}, then {forth}");
    g.server.step(-2 * HOUR);
    let back = g.look(&key).now;
    assert!(back.abs_diff(before - 3_600_000) < 60_000, "{before}, then {back}");
    g.wait(SECOND);
    let on = g.look(&key).now;
    assert!(on >= back + 1000, "{back}, then {on}");
}

/// A step of the server's clock may end a lease early. It never lets a late holder publish.
pub fn g6_no_step_lets_a_late_holder_publish(g: &Ground) {
    for (first, second) in [(0, -HOUR), (HOUR, -2 * HOUR), (-HOUR, HOUR), (-HOUR, 0), (100 * HOUR, -HOUR)] {
        let key = g.key(&format!("{first}, {second}"));
        let late = g.granted(&key);
        g.server.step(first);
        g.wait(LEASE);
        // (A server whose leases go by its time of day may have one that lasts for an hour more.)
        let next = match g.claim_anyhow(&key) {
            Claimed::Granted { grant, .. } => grant,
            Claimed::Held(by) => {
                assert!(first < 0);
                granted(&g.claim(&key, over(claim(None), dogpile_cache::backend::Over::Dead(by.token, by.beat))))
            }
            other => panic!("{other:?}"),
        };
        g.server.step(second);
        assert!(matches!(g.publish(&key, &late, "late"), Published::Refused(_)), "after {first}, {second}");
        assert!(matches!(g.end(&key, &late, pause(1)), Ended::Lost(_)));
        g.assert_nothing(&key);
        if second <= 0 {
            assert_eq!(g.publish(&key, &next, "next"), Published::Fresh);
            g.assert_stored(&key, "next");
        }
        assert!(matches!(g.publish(&key, &late, "late"), Published::Refused(_)));
    }
}

/// A step of the server's clock does not undo an invalidation, nor bring back what is over.
pub fn g6_no_step_undoes_an_invalidation(g: &Ground) {
    for step in [-HOUR, HOUR, -100 * HOUR] {
        let (key, over) = (g.key(&format!("invalidated, {step}")), g.key(&format!("over, {step}")));
        g.set(&key, entry("old"));
        g.set(&over, entry_for("old", LEASE));
        let grant = g.granted(&key);
        g.wait(LEASE);
        g.assert_nothing(&over);
        let voided = g.granted(&key);
        g.invalidate(&key, SECOND);
        g.server.step(step);
        for grant in [&grant, &voided] {
            assert!(matches!(g.publish(&key, grant, "voided"), Published::Refused(_)));
        }
        g.assert_nothing(&key);
        g.assert_nothing(&over);
        g.wait(SECOND);
        g.server.step(-step);
        g.assert_nothing(&key);
        g.assert_nothing(&over);
        assert!(matches!(g.publish(&key, &voided, "voided"), Published::Refused(_)));
    }
}

/// The memory backend's leases and lifetimes go by a monotonic clock: a step moves none of them.
pub fn g6_exact_a_step_moves_no_lifetime(g: &Ground) {
    for step in [-HOUR, HOUR] {
        let key = g.key(&step.to_string());
        g.set(&key, entry_for("value", PAUSE));
        let grant = g.granted(&key);
        g.server.step(step);
        g.wait(almost(LEASE));
        g.assert_stored(&key, "value");
        g.assert_goes_on(&key, &grant);
        g.server.step(-step);
        g.wait(LEASE);
        g.assert_lost(&key, &grant);
        g.wait(SECOND);
        g.assert_nothing(&key);
    }
}
