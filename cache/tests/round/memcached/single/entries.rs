//! Entries: their state, their lifetime, their changes, and bytes of strangers.

use super::*;

#[test]
fn a_grant_leaves_the_state_of_the_entry() {
    let mut g = Ground::new();
    g.set("old");
    for is_marked in [false, true] {
        if is_marked {
            g.mark();
        }
        let look = g.look();
        for _ in 0..40 {
            let grant = granted(g.claim(claim(ME, look.seen.clone())));
            assert_eq!((g.look().seen, g.look().is_marked), (look.seen.clone(), is_marked));
            let grant = renewed(g.renew(grant));
            assert_eq!(g.end(grant, None), Ended::Yes);
            assert_eq!((g.look().seen, g.look().is_marked), (look.seen.clone(), is_marked));
        }
        let grant = granted(g.claim(claim(ME, look.seen.clone())));
        assert_eq!(g.set_if("new", look.seen), yes(true, true));
        assert_eq!(g.publish(grant, "late"), Published::Refused(Refusal::Gone));
    }
    // An item is written anew before it becomes large.
    assert!(g.store.item(Slot::Entry).unwrap().value.len() < 1000);
}

#[test]
fn a_grant_over_an_entry_moves_no_lifetime() {
    let mut g = Ground::new();
    let entry = Entry { lifetime: Some(Duration::from_secs(30)), ..entry("old") };
    g.change(Change::Set { entry, void_pause: LEASE });
    for second in 0..30 {
        assert_eq!(g.look().entry, Some(Bytes::from_static(b"old")), "{second}");
        let grant = granted(g.claim(claim(ME, None)));
        g.end(grant, if second == 5 { None } else { Some(PauseFor { failures: 1, pause: Duration::from_millis(1) }) });
        g.wait(1);
    }
    assert_eq!(g.look().entry, None);
    // The item lives for as long as its last grant and its last pause, and a minute more.
    assert_eq!(g.store.len(), 1);
    g.wait(71);
    assert_eq!((g.look().rest, g.store.len()), (Some(Rest::Free), 0));
}

#[test]
fn an_item_that_takes_no_event_is_written_anew() {
    let mut g = Ground::new();
    g.set("a value as large as may be");
    g.store.largest = Some(g.store.item(Slot::Entry).unwrap().value.len() + 40);
    let seen = g.look().seen;
    let mut grant = granted(g.claim(claim(ME, seen)));
    for _ in 0..5 {
        grant = renewed(g.renew(grant));
    }
    assert_eq!(g.end(grant, pause(1)), Ended::Yes);
    let look = g.look();
    assert_eq!(look.entry, Some(Bytes::from_static(b"a value as large as may be")));
    assert!(matches!(look.rest, Some(Rest::Paused(Pause { failures: 1, .. }))));
    g.store.largest = Some(g.store.item(Slot::Entry).unwrap().value.len());
    let mut through = claim(ME, look.seen);
    through.through_pause = true;
    let grant = granted(g.claim(through));
    assert_eq!(g.publish(grant, "new"), Published::Fresh);
}

#[test]
fn what_is_not_ours_counts_as_nothing() {
    let head = [0xD9, 0x44, 2];
    let mut odd: Vec<Vec<u8>> = vec![b"none of ours".to_vec(), vec![], head.to_vec(), vec![0; 48]];
    for (flags, length, more) in [(2, 9, 0), (4, 0, 0), (0, 1, 1), (64, 0, 128), (16, 0, 31), (2, 0, 32), (16, 0, 32)] {
        odd.push([&head[..], &[flags], &u32::to_le_bytes(length)[..], &[0; 16], &vec![0; more][..]].concat());
    }
    odd.push([&head[..], &[2], &[0xFF; 4], &[0; 16]].concat());
    // An item of the version before, without the end of its entry.
    odd.push([&[0xD9, 0x44, 1, 2][..], &u32::to_le_bytes(9), &[0; 8], b"value, 1"].concat());
    for value in odd {
        let mut g = Ground::new();
        let junk = Command::Store {
            head: Bytes::new(),
            body: value.clone().into(),
            note: 0,
            ttl: Ttl::ForEver,
            only: Only::Always,
        };
        g.send(Slot::Entry, &junk);
        let look = g.look_for(Some(Ask { token: ME, lease: LEASE }));
        assert_eq!((look.entry, look.seen, look.rest), (None, Seen::NOTHING, Some(Rest::Free)), "{value:?}");
        let grant = granted(g.claim(claim(ME, Seen::NOTHING)));
        assert_eq!(g.publish(grant, "value"), Published::Fresh);
        g.send(Slot::Entry, &junk);
        assert_eq!(g.set_if("value", Seen::NOTHING), yes(false, false));
    }
}

#[test]
fn a_reply_of_another_command_is_odd() {
    let at = Ground::new().at;
    for reply in [Reply::Number(1), Reply::Done, Reply::NotStored] {
        assert!(looked(None, reply.clone(), at).is_err());
        let mut run = Claiming::new(claim(ME, None), Sending::after(0));
        run.begin(at);
        assert!(run.take(vec![reply], at).is_err());
    }
    let mut run = Changing::new(SHAPE, Change::Set { entry: entry("x"), void_pause: LEASE });
    run.begin(at);
    assert!(run.take(vec![Reply::Number(1)], at).is_err());
}

#[test]
fn a_touch_keeps_mark_grant_and_pause() {
    for is_held in [false, true] {
        let mut g = Ground::new();
        g.set("old");
        let grant = is_held.then(|| granted(g.claim(claim(ME, None))));
        g.mark();
        let seen = g.look().seen;
        let touch = |seen| {
            let entry = Entry { lifetime: Some(Duration::from_secs(5)), ..entry("touched") };
            Change::Touch { entry, seen }
        };
        assert!(matches!(g.change(touch(Seen::NOTHING)), Changed::Refused(_)));
        assert_eq!(g.change(touch(seen.clone())), yes(true, false));
        let look = g.look();
        assert!(look.is_marked && look.seen != seen);
        assert_eq!(look.entry, Some(Bytes::from_static(b"touched")));
        assert!(matches!(g.change(touch(seen)), Changed::Refused(_)));
        if let Some(grant) = grant {
            assert!(matches!(look.rest, Some(Rest::Held(by)) if by.token == ME));
            assert_eq!(g.publish(grant, "new"), Published::Stale);
        }
        g.set("last");
        let seen = g.look().seen;
        g.change(touch(seen));
        g.wait(5);
        assert_eq!(g.look().entry, None);
        let seen = g.look().seen;
        assert!(matches!(g.change(touch(seen)), Changed::Refused(_)));
    }
}

#[test]
fn changes_reach_the_shapes_beside() {
    let mut g = Ground::new();
    let beside = |g: &mut Ground| g.send(Slot::Beside(NEXT), &Command::Get { win: None });
    let there = Command::Store { head: Bytes::new(), body: "x".into(), note: 0, ttl: Ttl::ForEver, only: Only::Always };
    g.send(Slot::Beside(NEXT), &there);
    g.set("value");
    let shapes = vec![NEXT, SHAPE, NEXT];
    let marks = Changing::new(SHAPE, Change::MarkStale { beside: shapes.clone() });
    assert_eq!(g.trips(|g| g.run(marks)), (yes(true, false), 1));
    assert!(matches!(beside(&mut g), Reply::Value { is_stale: true, .. }));
    let invalidate = Change::Invalidate { beside: shapes, void_pause: LEASE };
    assert_eq!(g.trips(|g| g.change(invalidate)), (yes(true, false), 1));
    assert_eq!(g.store.len(), 0);
    let grant = g.won(ME);
    assert_eq!(g.set("value"), yes(false, true));
    assert!(matches!(g.publish(grant, "voided"), Published::Refused(_)));
}

/// The value stays where it is: a mark asks for what lies beside it.
#[test]
fn a_mark_asks_for_no_value_and_says_whether_there_was_one() {
    let lifetimes = [None, Some(Duration::from_secs(30)), Some(Duration::from_secs(40 * 24 * 3600))];
    for lifetime in lifetimes {
        let mut g = Ground::new();
        let mark = |g: &mut Ground, was_there| {
            assert_eq!(g.look().entry.is_some(), was_there, "{lifetime:?}");
            assert_eq!(g.trips(Ground::mark), (yes(was_there, false), 1), "{lifetime:?}");
        };
        mark(&mut g, false);
        let stub = g.won(ME);
        mark(&mut g, false);
        assert!(matches!(g.publish(stub, "an orphan"), Published::Refused(_)));
        g.invalidate();
        let store = Change::Set { entry: Entry { lifetime, ..entry("old") }, void_pause: LEASE };
        assert_eq!(g.change(store), yes(false, false));
        mark(&mut g, true);
        let grant = granted(g.claim(claim(ME, None)));
        mark(&mut g, true);
        let grant = renewed(g.renew(grant));
        mark(&mut g, true);
        assert_eq!(g.end(grant, pause(1)), Ended::Yes);
        mark(&mut g, true);
        g.wait(20);
        let mut through = claim(ME, None);
        through.through_pause = true;
        let grant = granted(g.claim(through));
        g.wait(9);
        let mut grant = renewed(g.renew(grant));
        // The item outlives its entry for the sake of the grant.
        let is_short = lifetime == Some(Duration::from_secs(30));
        g.wait(1);
        mark(&mut g, !is_short);
        for _ in 0..20 {
            g.wait(1);
            grant = renewed(g.renew(grant));
            mark(&mut g, !is_short);
        }
        assert_eq!(g.end(grant, pause(1)), Ended::Yes);
        mark(&mut g, !is_short);
    }
}

#[test]
fn a_mark_looks_where_nothing_is_noted() {
    for (note, is_ours) in [(0, true), (1, false), (65_535, false)] {
        let mut g = Ground::new();
        g.set("value");
        let value = g.store.item(Slot::Entry).unwrap().value.clone();
        // As an earlier build has stored it, or a stranger with flags of its own.
        let body = if is_ours { value } else { Bytes::from_static(b"none of ours, of some length") };
        let (head, ttl, only) = (Bytes::new(), Ttl::ForEver, Only::Always);
        g.send(Slot::Entry, &Command::Store { head, body, note, ttl, only });
        assert_eq!(g.trips(Ground::mark), (yes(is_ours, false), 2), "{note}");
        assert_eq!(g.look().is_marked, is_ours);
    }
}

#[test]
fn set_if_asks_for_what_was_seen() {
    let mut g = Ground::new();
    assert_eq!(g.trips(|g| g.set_if("first", Seen::NOTHING)), (yes(false, false), 1));
    assert!(matches!(g.set_if("second", Seen::NOTHING), Changed::Refused(_)));
    let seen = g.look().seen;
    assert_eq!(g.trips(|g| g.set_if("second", seen.clone())), (yes(true, false), 1));
    assert!(matches!(g.set_if("third", seen.clone()), Changed::Refused(look) if look.entry.is_some()));
    g.invalidate();
    assert!(matches!(g.set_if("third", seen), Changed::Refused(look) if look.entry.is_none()));
    // Over a stub: nothing was seen, and nothing is there.
    let grant = g.won(ME);
    assert_eq!(g.set_if("value", Seen::NOTHING), yes(false, true));
    assert_eq!(g.publish(grant, "voided"), Published::Refused(Refusal::Gone));
}

#[test]
fn what_is_over_at_once_is_not_there() {
    let mut g = Ground::new();
    let zero = || Entry { lifetime: Some(Duration::ZERO), ..entry("new") };
    g.set("old");
    g.change(Change::Set { entry: zero(), void_pause: LEASE });
    assert_eq!(g.store.len(), 0);
    g.set("old");
    let grant = granted(g.claim(claim(ME, None)));
    assert_eq!(g.run(Publishing::new(grant, zero())), Published::Fresh);
    assert_eq!(g.store.len(), 0);
    for has_entry in [false, true] {
        if has_entry {
            g.set("old");
        }
        let mut asked = claim(ME, None);
        asked.lease = Duration::ZERO;
        let grant = granted(g.claim(asked));
        assert!(matches!(g.publish(grant, "late"), Published::Refused(_)));
        assert!(matches!(g.renew(grant), Renewed::Lost(_)));
        assert!(matches!(g.end(grant, pause(1)), Ended::Lost(_)));
        assert_eq!(g.store.len(), usize::from(has_entry));
    }
}
