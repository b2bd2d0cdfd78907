//! Counters (G12, S93).

use crate::ground::*;
use dogpile_cache::backend::{Count, Counted};

const LARGEST: u64 = (1 << 63) - 1;

fn add_for(delta: i64, seconds: u32) -> Count {
    Count::Add { delta, ceiling: u64::MAX, lifetime: Some(seconds * SECOND) }
}

fn add_to(delta: i64, ceiling: u64) -> Count {
    Count::Add { delta, ceiling, lifetime: None }
}

pub fn g12_a_counter_counts(g: &Ground) {
    let (key, other) = (g.key("key"), g.key("other"));
    assert_eq!(g.count(&key, Count::Get), Counted::Now(0));
    for (delta, sum) in [(1, 1), (1, 2), (40, 42), (-2, 40), (0, 40), (-39, 1), (5, 6)] {
        assert_eq!(g.count(&key, add(delta)), Counted::Now(sum));
        assert_eq!(g.counted(&key), sum);
    }
    assert_eq!(g.counted(&other), 0);
    // Of the place, whatever the shape.
    assert_eq!(g.counted(&key.in_shape(NEXT)), 6);
}

pub fn g12_the_floor_is_zero(g: &Ground) {
    let key = g.key("key");
    assert_eq!(g.count(&key, add(5)), Counted::Now(5));
    assert_eq!(g.count(&key, add(-6)), Counted::Now(0));
    assert_eq!(g.count(&key, add(i64::MIN)), Counted::Now(0));
    assert_eq!(g.count(&key, add(2)), Counted::Now(2));
    assert_eq!(g.count(&key, add(i64::MIN)), Counted::Now(0));
}

pub fn g12_an_overflow_changes_nothing(g: &Ground) {
    let key = g.key("key");
    assert_eq!(g.count(&key, add(i64::MAX)), Counted::Now(LARGEST));
    for delta in [1, 2, i64::MAX] {
        assert_eq!(g.count(&key, add(delta)), Counted::TooLarge(LARGEST));
        assert_eq!(g.counted(&key), LARGEST);
    }
    assert_eq!(g.count(&key, add(0)), Counted::Now(LARGEST));
    assert_eq!(g.count(&key, add(-1)), Counted::Now(LARGEST - 1));
    assert_eq!(g.count(&key, add(1)), Counted::Now(LARGEST));
}

pub fn g12_the_ceiling_changes_nothing(g: &Ground) {
    let key = g.key("key");
    assert_eq!(g.count(&key, add_to(11, 10)), Counted::TooLarge(0));
    assert_eq!(g.server.places(), 0, "an addition that was refused has created a counter");
    assert_eq!(g.count(&key, add_to(7, 10)), Counted::Now(7));
    assert_eq!(g.count(&key, add_to(4, 10)), Counted::TooLarge(7));
    assert_eq!(g.count(&key, add_to(3, 10)), Counted::Now(10));
    assert_eq!(g.count(&key, add_to(1, 10)), Counted::TooLarge(10));
    // Of another ceiling, a subtraction asks for none.
    assert_eq!(g.count(&key, add_to(10, 20)), Counted::Now(20));
    assert_eq!(g.count(&key, add_to(-1, 5)), Counted::Now(19));
    assert_eq!(g.count(&key, add_to(0, 5)), Counted::Now(19));
    assert_eq!(g.count(&key, add_to(1, 0)), Counted::TooLarge(19));
}

/// The lifetime is that of the first addition.
pub fn g12_s93_the_lifetime_is_not_moved(g: &Ground) {
    let key = g.key("key");
    assert_eq!(g.count(&key, add_for(1, 10)), Counted::Now(1));
    for (second, count) in [(3, add_for(1, 100)), (6, add(1)), (8, add_for(-1, 1)), (9, add_for(0, 1))] {
        g.wait(
            (if second == 9 {
                1
            } else if second == 8 {
                2
            } else {
                3
            }) * SECOND,
        );
        assert!(matches!(g.count(&key, count), Counted::Now(_)));
        assert_eq!(g.count(&key, add_to(5, 5)), Counted::TooLarge(g.counted(&key)));
        assert!(g.counted(&key) > 0, "after {second} s");
    }
    g.wait(SECOND);
    assert_eq!(g.counted(&key), 0);
}

pub fn g12_s93_a_counter_that_is_over_counts_from_zero(g: &Ground) {
    let key = g.key("key");
    for round in 0..3 {
        assert_eq!(g.count(&key, add_for(5, 10)), Counted::Now(5), "round {round}");
        assert_eq!(g.count(&key, add_for(2, 10)), Counted::Now(7));
        g.wait(10 * SECOND);
        match round {
            0 => assert_eq!(g.counted(&key), 0),
            1 => assert_eq!(g.count(&key, add(-1)), Counted::Now(0)),
            _ => {}
        }
        // The new one has a lifetime.
        assert_eq!(g.count(&key, add_for(1, 10)), Counted::Now(1), "round {round}");
        g.wait(10 * SECOND);
    }
    assert_eq!(g.counted(&key), 0);
    assert_eq!(g.server.places(), 0);
}

/// Zero is a value: a counter that was brought there keeps its lifetime.
pub fn g12_a_counter_at_zero_is_there(g: &Ground) {
    let key = g.key("key");
    assert_eq!(g.count(&key, add_for(5, 10)), Counted::Now(5));
    assert_eq!(g.count(&key, add(-5)), Counted::Now(0));
    g.wait(9 * SECOND);
    assert_eq!(g.count(&key, add_for(1, 10)), Counted::Now(1));
    g.wait(SECOND);
    assert_eq!(g.counted(&key), 0);
}

/// What adds nothing creates nothing: it would fix a lifetime.
pub fn g12_only_an_addition_creates(g: &Ground) {
    let key = g.key("key");
    for count in [Count::Get, add(0), add(-1), Count::Reset, add_for(0, 1), add_for(-1, 1)] {
        assert_eq!(g.count(&key, count), Counted::Now(0));
    }
    assert_eq!(g.server.places(), 0);
    assert_eq!(g.count(&key, add_for(1, 10)), Counted::Now(1));
    g.wait(9 * SECOND);
    assert_eq!(g.counted(&key), 1);
}

pub fn g12_a_reset_deletes(g: &Ground) {
    let key = g.key("key");
    assert_eq!(g.count(&key, add_for(5, 10)), Counted::Now(5));
    g.wait(9 * SECOND);
    assert_eq!(g.count(&key, Count::Reset), Counted::Now(0));
    assert_eq!(g.counted(&key), 0);
    assert_eq!(g.server.places(), 0);
    // The next has a lifetime of its own.
    assert_eq!(g.count(&key, add_for(1, 10)), Counted::Now(1));
    g.wait(9 * SECOND);
    assert_eq!(g.counted(&key), 1);
    g.wait(SECOND);
    assert_eq!(g.counted(&key), 0);
}

/// Entries and counters of one place have nothing to do with each other.
pub fn g12_counters_lie_apart_from_entries(g: &Ground) {
    let key = g.key("key");
    let grant = g.granted(&key);
    assert_eq!(g.count(&key, add(5)), Counted::Now(5));
    g.assert_nothing(&key);
    g.assert_goes_on(&key, &grant);
    g.mark_stale(&key);
    g.publish(&key, &grant, "value");
    assert_eq!(g.count(&key, add(1)), Counted::Now(6));
    g.assert_stored(&key, "value");
    g.set(&key, entry_for("value", SECOND));
    g.invalidate(&key, LEASE);
    assert_eq!(g.counted(&key), 6);
    g.wait(LONG);
    assert_eq!(g.counted(&key), 6);
    g.set(&key, entry("value"));
    let grant = g.granted(&key);
    g.count(&key, Count::Reset);
    g.assert_stored(&key, "value");
    g.assert_goes_on(&key, &grant);
}
