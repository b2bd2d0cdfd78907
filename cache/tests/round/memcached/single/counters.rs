//! Counters.

use super::*;

#[test]
fn counters_stay_in_their_bounds() {
    let mut g = Ground::new();
    let add = |delta| Count::Add { delta, ceiling: u64::MAX, lifetime: Some(Duration::from_secs(10)) };
    let to = |delta, ceiling| Count::Add { delta, ceiling, lifetime: None };
    let largest = i64::MAX.unsigned_abs();
    for (count, counted) in [
        (Count::Get, Counted::Now(0)),
        (add(-1), Counted::Now(0)),
        (add(0), Counted::Now(0)),
        (to(11, 10), Counted::TooLarge(0)),
        (add(5), Counted::Now(5)),
        (to(6, 10), Counted::TooLarge(5)),
        (to(5, 10), Counted::Now(10)),
        (add(-7), Counted::Now(3)),
        (Count::Get, Counted::Now(3)),
        (add(i64::MIN), Counted::Now(0)),
        (add(i64::MAX), Counted::Now(largest)),
        (add(1), Counted::TooLarge(largest)),
        (add(-1), Counted::Now(largest - 1)),
        (add(1), Counted::Now(largest)),
    ] {
        assert_eq!(g.count(count), counted, "{count:?}");
    }
    g.wait(9);
    assert_eq!(g.count(Count::Get), Counted::Now(largest));
    g.wait(1);
    // The server keeps it for a second more.
    assert_eq!((g.count(Count::Get), g.store.len()), (Counted::Now(0), 1));
    g.wait(1);
    assert_eq!((g.count(Count::Get), g.store.len()), (Counted::Now(0), 0));
    assert_eq!(g.count(add(3)), Counted::Now(3));
    assert_eq!((g.count(Count::Reset), g.store.len()), (Counted::Now(0), 0));
    assert_eq!(g.count(Count::Reset), Counted::Now(0));
    for text in ["", " ", "05", "-1", "+1", "9223372036854775808", "1 x", "\u{ff}"] {
        let body = Bytes::copy_from_slice(text.as_bytes());
        let junk = Command::Store { head: Bytes::new(), body, note: 0, ttl: Ttl::ForEver, only: Only::Always };
        g.send(Slot::Count, &junk);
        assert_eq!(g.count(Count::Get), Counted::Now(0), "{text}");
        assert_eq!(g.count(add(1)), Counted::Now(1), "{text}");
        g.count(Count::Reset);
    }
}

#[test]
fn a_counter_that_another_moves_is_moved_once_more() {
    let mut g = Ground::new();
    let to = |delta, ceiling| Count::Add { delta, ceiling, lifetime: None };
    for there in [false, true] {
        g.count(Count::Reset);
        if there {
            g.count(to(1, 9));
        }
        let counted = g.run_and(Counting::new(to(3, 9)), |g| {
            g.count(to(2, 9));
        });
        assert_eq!(counted, Counted::Now(if there { 6 } else { 5 }));
        let now = if there { 6 } else { 5 };
        let counted = g.run_and(Counting::new(to(4, now + 5)), |g| {
            g.count(to(2, 99));
        });
        assert_eq!(counted, Counted::TooLarge(now + 2));
        let counted = g.run_and(Counting::new(to(1, 9)), |g| {
            g.count(Count::Reset);
        });
        assert_eq!(counted, Counted::Now(1));
    }
}
