//! Grants: what is claimed, renewed, published and ended.

use super::*;

#[test]
fn a_miss_takes_two_round_trips_and_a_renewal_three() {
    let mut g = Ground::new();
    let grant = g.won(ME);
    assert_eq!(g.trips(|g| g.publish(grant, "one")), (Published::Fresh, 1));
    let look = g.look();
    assert_eq!((look.entry, look.rest), (Some(Bytes::from_static(b"one")), Some(Rest::Free)));
    let (claimed, trips) = g.trips(|g| g.claim(claim(ME, look.seen)));
    assert_eq!(trips, 1);
    let (grant, trips) = g.trips(|g| renewed(g.renew(granted(claimed))));
    assert_eq!(trips, 1);
    assert_eq!(g.look().entry, Some(Bytes::from_static(b"one")));
    assert_eq!(g.trips(|g| g.publish(grant, "two")), (Published::Fresh, 1));
    assert_eq!(g.look().entry, Some(Bytes::from_static(b"two")));
}

#[test]
fn a_stub_is_believed_once() {
    let mut g = Ground::new();
    let grant = g.won(ME);
    for ask in [None, Some(Ask { token: OTHER, lease: LEASE }), Some(Ask { token: ME, lease: LEASE })] {
        let rest = g.look_for(ask).rest;
        assert!(matches!(rest, Some(Rest::Held(by)) if by.token == Token(1) && by.lease_left == LEASE), "{rest:?}");
    }
    assert!(matches!(g.claim(claim(ME, None)), Claimed::Held(by) if by.token == Token(1)));
    let unknown = Grant { cas: 0, ..grant };
    assert_eq!(g.end(unknown, None), Ended::Lost(Refusal::Overtaken));
    assert_eq!(g.publish(unknown, "unknown"), Published::Refused(Refusal::Overtaken));
    // The renewal writes the token.
    let grant = renewed(g.renew(grant));
    assert!(matches!(g.claim(claim(OTHER, None)), Claimed::Held(by) if by.token == ME));
    assert_eq!(g.end(unknown, None), Ended::Yes);
    assert_eq!(g.end(grant, None), Ended::Lost(Refusal::Gone));
    assert_eq!(g.store.len(), 0);
}

#[test]
fn a_marked_stub_is_anothers_until_its_lease_is_over() {
    let mut g = Ground::new();
    let grant = g.won(ME);
    assert_eq!(g.mark(), yes(false, false));
    // The mark makes the next `mg` win.
    for ask in [None, Some(Ask { token: OTHER, lease: LEASE })] {
        assert!(matches!(g.look_for(ask).rest, Some(Rest::Held(by)) if by.token == Token(2)));
    }
    assert!(matches!(g.claim(claim(OTHER, Seen::NOTHING)), Claimed::Held(_)));
    assert_eq!(g.publish(grant, "of a marked stub"), Published::Refused(Refusal::Overtaken));
    assert_eq!(g.renew(grant), Renewed::Lost(Refusal::Overtaken));
    g.wait(10);
    granted(g.claim(claim(OTHER, Seen::NOTHING)));
}

#[test]
fn a_claim_of_nothing_has_a_token_at_once() {
    let mut g = Ground::new();
    let (claimed, trips) = g.trips(|g| g.claim(claim(ME, Seen::NOTHING)));
    let first = granted(claimed);
    assert_eq!(trips, 1);
    // Those who come too late are told of it.
    let (claimed, trips) = g.trips(|g| g.claim(claim(OTHER, Seen::NOTHING)));
    assert!(matches!(claimed, Claimed::Held(by) if by.token == ME && by.lease_left == LEASE), "{claimed:?}");
    assert_eq!(trips, 2);
    // Sent twice: the same grant, with another beat.
    let beat = |g: &mut Ground| match g.claim(claim(OTHER, None)) {
        Claimed::Held(by) => (by.token, by.beat),
        other => panic!("{other:?}"),
    };
    let before = beat(&mut g);
    let second = granted(g.claim(claim(ME, Seen::NOTHING)));
    let after = beat(&mut g);
    assert!(before.0 == ME && after.0 == ME && before.1 != after.1);
    assert_eq!(g.trips(|g| g.publish(first, "value")), (Published::Fresh, 3));
    assert_eq!(g.publish(second, "again"), Published::Refused(Refusal::Gone));
}

#[test]
fn a_claim_of_nothing_that_meets_a_holder_goes_on_when_that_is_gone() {
    let mut g = Ground::new();
    let other = granted(g.claim(claim(OTHER, Seen::NOTHING)));
    let (claimed, trips) = g.trips(|g| {
        let run = g.claiming(claim(ME, Seen::NOTHING));
        g.run_and(run, |g| {
            g.invalidate();
        })
    });
    assert_eq!(trips, 3 + 1, "an addition, a look, an addition; and the invalidation");
    let grant = granted(claimed);
    assert_eq!(g.publish(other, "voided"), Published::Refused(Refusal::Overtaken));
    assert_eq!(g.publish(grant, "value"), Published::Fresh);
}

/// What was added has another CAS number once it was marked; its sending tells whose it is.
#[test]
fn a_mark_of_a_grant_where_nothing_was_marks_what_is_published() {
    for renewals in 0..4 {
        let mut g = Ground::new();
        let first = granted(g.claim(claim(ME, Seen::NOTHING)));
        let watched = g.look().rest;
        g.mark();
        // Marked or not, the holder is known by its token and its beat.
        assert_eq!(g.look().rest, watched);
        let mut grant = first;
        for _ in 0..renewals {
            grant = renewed(g.renew(grant));
            g.mark();
        }
        for grant in [first, grant] {
            // (The lease begins anew, and the reply is lost.)
            renewed(g.renew(grant));
        }
        assert_eq!(g.publish(if renewals == 3 { first } else { grant }, "value"), Published::Stale);
        g.invalidate();
        for is_known in [false, true] {
            let grant = granted(g.claim(claim(ME, Seen::NOTHING)));
            g.mark();
            // (A number of 0 is that of a claim without a reply.)
            let cas = if is_known { grant.cas } else { 0 };
            assert_eq!(g.end(Grant { cas, ..grant }, pause(1)), Ended::Yes);
            assert!(matches!(g.claim(claim(OTHER, None)), Claimed::Paused(_)));
            g.invalidate();
        }
    }
}

/// A claim that comes late has another sending than the one whose grant has ended, marked or not.
#[test]
fn a_late_claim_of_nothing_is_not_the_grant_of_its_token() {
    for marks in [false, true] {
        let mut g = Ground::new();
        let first = granted(g.claim(claim(ME, Seen::NOTHING)));
        g.invalidate();
        let late = granted(g.claim(claim(ME, Seen::NOTHING)));
        if marks {
            g.mark();
        }
        assert_eq!(g.renew(first), Renewed::Lost(Refusal::Gone));
        assert_eq!(g.publish(first, "voided"), Published::Refused(Refusal::Gone));
        assert_eq!(g.end(first, None), Ended::Lost(Refusal::Gone));
        assert_eq!(g.publish(late, "value"), if marks { Published::Stale } else { Published::Fresh });
    }
}

/// The command of a claim is executed twice: the CAS number alone tells that the second grant is nobody's.
#[test]
fn a_claim_that_is_executed_twice_is_one_grant() {
    let mut g = Ground::new();
    let mut run = g.claiming(claim(ME, Seen::NOTHING));
    let Step::Ask(requests) = run.begin(g.at) else { panic!("a claim asks") };
    let [first, second] = [(); 2].map(|()| {
        let reply = g.send(Slot::Entry, &requests[0].command);
        g.invalidate();
        reply
    });
    assert!(matches!((&first, &second), (Reply::Stored { .. }, Reply::Stored { .. })));
    let Ok(Step::Done(claimed)) = run.take(vec![first], g.at) else { panic!("granted") };
    g.send(Slot::Entry, &requests[0].command);
    assert_eq!(g.publish(granted(claimed), "voided"), Published::Refused(Refusal::Gone));
}

#[test]
fn no_beat_of_a_token_comes_again() {
    let mut g = Ground::new();
    let mut beats = Vec::new();
    let mut is_new = |g: &mut Ground, what| {
        let Some(Rest::Held(by)) = g.look().rest else { panic!("{what}: nobody holds") };
        assert!(by.token == ME && !beats.contains(&by.beat), "{what}: {by:?} of {beats:?}");
        beats.push(by.beat);
    };
    for _ in 0..3 {
        let grant = granted(g.claim(claim(ME, Seen::NOTHING)));
        is_new(&mut g, "granted");
        granted(g.claim(claim(ME, Seen::NOTHING)));
        is_new(&mut g, "claimed twice");
        g.renew(grant);
        is_new(&mut g, "renewed");
        g.invalidate();
    }
}

#[test]
fn a_token_that_is_granted_again_is_another_grant() {
    let mut g = Ground::new();
    for has_entry in [false, true] {
        g.set("old");
        if !has_entry {
            g.invalidate();
        }
        let first = granted(g.claim(claim(ME, None)));
        g.invalidate();
        if has_entry {
            g.set("old");
        }
        let late = granted(g.claim(claim(ME, None)));
        assert_eq!(g.publish(first, "voided"), Published::Refused(Refusal::Gone));
        assert_eq!(g.renew(first), Renewed::Lost(Refusal::Gone));
        assert_eq!(g.end(first, pause(1)), Ended::Lost(Refusal::Gone));
        assert_eq!(g.publish(late, "value"), Published::Fresh);
    }
}

#[test]
fn a_late_holder_does_nothing() {
    let mut g = Ground::new();
    let late = granted(g.claim(claim(ME, None)));
    g.wait(10);
    let next = granted(g.claim(claim(OTHER, None)));
    assert_eq!(g.renew(late), Renewed::Lost(Refusal::Overtaken));
    assert_eq!(g.publish(late, "late"), Published::Refused(Refusal::Overtaken));
    assert_eq!(g.end(late, pause(1)), Ended::Lost(Refusal::Overtaken));
    assert_eq!(g.publish(next, "next"), Published::Fresh);
    assert_eq!(g.publish(late, "late"), Published::Refused(Refusal::Gone));
}

#[test]
fn nothing_is_added_where_nothing_is() {
    let mut g = Ground::new();
    let grant = granted(g.claim(claim(ME, None)));
    g.invalidate();
    assert_eq!(g.trips(|g| g.publish(grant, "voided")), (Published::Refused(Refusal::Gone), 1));
    assert_eq!(g.end(grant, pause(1)), Ended::Lost(Refusal::Gone));
    assert_eq!(g.store.len(), 0);
}

#[test]
fn no_number_counts_in_another_life() {
    let mut g = Ground::new();
    g.set("old");
    let seen = g.look().seen;
    let grant = granted(g.claim(claim(ME, seen.clone())));
    g.restart();
    g.set("new");
    let next = granted(g.claim(claim(ME, None)));
    assert_eq!(next.cas, grant.cas, "the numbers of two lives collide");
    assert_eq!(g.trips(|g| g.publish(grant, "late")), (Published::Refused(Refusal::OtherLife), 0));
    assert_eq!(g.renew(grant), Renewed::Lost(Refusal::OtherLife));
    assert_eq!(g.end(grant, None), Ended::Lost(Refusal::OtherLife));
    assert!(matches!(g.set_if("late", seen.clone()), Changed::Refused(_)));
    assert!(matches!(g.change(Change::Touch { entry: entry("late"), seen: seen.clone() }), Changed::Refused(_)));
    assert!(matches!(g.claim(claim(OTHER, seen)), Claimed::Held(_)));
    assert_eq!(g.publish(next, "value"), Published::Fresh);
}

#[test]
fn a_mark_during_a_grant_marks_what_is_published() {
    for renews in [false, true] {
        let mut g = Ground::new();
        g.set("old");
        let seen = g.look().seen;
        let mut grant = granted(g.claim(claim(ME, seen.clone())));
        assert_eq!(g.mark(), yes(true, false));
        let look = g.look();
        assert!(look.is_marked && look.seen != seen && matches!(look.rest, Some(Rest::Held(_))));
        if renews {
            grant = renewed(g.renew(grant));
            assert_eq!(g.look().seen, look.seen, "a renewal leaves the state");
            grant = renewed(g.renew(grant));
        }
        assert_eq!(g.publish(grant, "new"), Published::Stale);
        let look = g.look();
        assert!(look.is_marked);
        // The next creation began after the mark.
        let grant = granted(g.claim(claim(ME, look.seen)));
        assert!(g.look().is_marked);
        assert_eq!(g.publish(grant, "newer"), Published::Fresh);
        assert!(!g.look().is_marked);
    }
}

#[test]
fn a_pause_is_over_before_its_mark_and_lies_below_a_grant() {
    for has_entry in [false, true] {
        let mut g = Ground::new();
        if has_entry {
            g.set("old");
        }
        let grant = granted(g.claim(claim(ME, None)));
        assert_eq!(g.end(grant, pause(3)), Ended::Yes);
        let paused = Pause { failures: 3, left: Duration::from_secs(20) };
        assert_eq!(g.claim(claim(OTHER, None)), Claimed::Paused(paused));
        assert_eq!(g.look().rest, Some(Rest::Paused(paused)));
        let mut through = claim(OTHER, None);
        through.through_pause = true;
        let Claimed::Granted { grant, failures: 3 } = g.claim(through.clone()) else { panic!("not passed") };
        g.wait(9);
        let grant = renewed(g.renew(grant));
        assert_eq!(g.end(grant, None), Ended::Yes);
        assert!(matches!(g.claim(claim(ME, None)), Claimed::Paused(Pause { failures: 3, .. })));
        // The holder dies.
        let dead = granted(g.claim(through));
        g.wait(10);
        assert!(matches!(g.claim(claim(ME, None)), Claimed::Paused(Pause { failures: 3, .. })));
        if !has_entry {
            assert_eq!(g.publish(dead, "late"), Published::Refused(Refusal::Gone));
        }
        g.wait(1);
        let Claimed::Granted { grant, failures: 3 } = g.claim(claim(ME, None)) else { panic!("still paused") };
        assert_eq!(g.end(grant, None), Ended::Yes);
        g.wait(20);
        let Claimed::Granted { failures: 0, .. } = g.claim(claim(ME, None)) else { panic!("still marked") };
    }
}

#[test]
fn the_dead_are_claimed_over() {
    for is_stub in [false, true] {
        let mut g = Ground::new();
        let dead = if is_stub { g.won(ME) } else { granted(g.claim(claim(ME, Seen::NOTHING))) };
        let Some(Rest::Held(by)) = g.look().rest else { panic!("nobody holds") };
        for (token, beat) in [(Token(by.token.0 ^ 8), by.beat), (by.token, by.beat.wrapping_add(1))] {
            let mut wrong = claim(OTHER, Seen::NOTHING);
            wrong.over = Over::Dead(token, beat);
            assert!(matches!(g.claim(wrong), Claimed::Held(_)));
        }
        let mut over = claim(OTHER, Seen::NOTHING);
        over.over = Over::Dead(by.token, by.beat);
        let next = granted(g.claim(over.clone()));
        assert!(matches!(g.claim(over), Claimed::Granted { .. }), "the same token");
        assert_eq!(g.publish(dead, "dead"), Published::Refused(Refusal::Overtaken));
        assert_eq!(g.publish(next, "value"), Published::Fresh);
    }
}
