//! Entries that are over before a grant or a pause is: round trips, and what changes find.

use super::*;

fn set_for(g: &mut Ground, seconds: u64) -> Seen {
    let entry = Entry { lifetime: Some(Duration::from_secs(seconds)), ..entry("old") };
    g.change(Change::Set { entry, void_pause: LEASE });
    g.look().seen
}

/// Returns how many round trips each renewal takes, every five seconds.
fn renewals(g: &mut Ground, grant: &mut Grant, count: usize) -> Vec<usize> {
    let mut all = Vec::new();
    for _ in 0..count {
        g.wait(5);
        let (next, trips) = g.trips(|g| renewed(g.renew(*grant)));
        *grant = next;
        all.push(trips);
    }
    all
}

#[test]
fn an_item_is_written_anew_once_a_minute() {
    let mut g = Ground::new();
    let seen = set_for(&mut g, 30);
    let (claimed, trips) = g.trips(|g| g.claim(claim(ME, seen)));
    assert_eq!(trips, 1);
    let mut grant = granted(claimed);
    // Until the lease would end after the entry, and then until it would end after the item.
    assert_eq!(renewals(&mut g, &mut grant, 6), [1, 1, 1, 1, 2, 1]);
    assert_eq!(g.look().entry, None);
    let more = renewals(&mut g, &mut grant, 20);
    assert!(more.iter().sum::<usize>() <= 22, "{more:?}");
    // A pause, and its mark.
    let (ended, trips) = g.trips(|g| g.end(grant, pause(1)));
    assert!(ended == Ended::Yes && trips <= 2);
    assert!(matches!(g.look().rest, Some(Rest::Paused(_))));
    g.wait(39);
    let Claimed::Granted { grant, failures: 1 } = g.claim(claim(OTHER, Seen::NOTHING)) else { panic!("not granted") };
    assert_eq!(g.publish(grant, "new"), Published::Fresh);
}

#[test]
fn a_claim_near_the_end_takes_a_look() {
    let mut g = Ground::new();
    for (left, expected) in [(11, 1), (10, 1), (9, 2), (1, 2)] {
        let seen = set_for(&mut g, 20);
        g.wait(20 - left);
        let (claimed, trips) = g.trips(|g| g.claim(claim(ME, seen)));
        assert_eq!(trips, expected, "{left}");
        let grant = granted(claimed);
        assert_eq!(g.look().entry, Some(Bytes::from_static(b"old")));
        g.wait(9);
        assert!(matches!(g.claim(claim(OTHER, None)), Claimed::Held(_)));
        assert_eq!(g.trips(|g| g.publish(grant, "new")), (Published::Fresh, 1));
    }
}

#[test]
fn an_entry_that_is_over_is_none_for_all() {
    let mut g = Ground::new();
    for is_held in [false, true] {
        let seen = set_for(&mut g, 5);
        let grant = is_held.then(|| granted(g.claim(claim(ME, seen.clone()))));
        g.wait(5);
        assert_eq!(g.store.len(), 1, "the server has the item");
        let look = g.look();
        assert_eq!((look.entry, look.seen, look.is_marked), (None, Seen::NOTHING, false));
        assert!(matches!(g.set_if("late", seen.clone()), Changed::Refused(look) if look.seen == Seen::NOTHING));
        let touch = Change::Touch { entry: entry("late"), seen: seen.clone() };
        assert!(matches!(g.change(touch), Changed::Refused(_)));
        match g.claim(claim(OTHER, seen)) {
            Claimed::Changed(look) => assert!(!is_held && look.entry.is_none()),
            Claimed::Held(by) => assert!(is_held && by.token == ME),
            other => panic!("{other:?}"),
        }
        assert_eq!(g.mark(), yes(false, false));
        assert!(!g.look().is_marked);
        if let Some(grant) = grant {
            // L6: its source may be older than the mark.
            let grant = renewed(g.renew(grant));
            assert_eq!(g.publish(grant, "new"), Published::Stale);
        } else {
            assert_eq!(g.set_if("new", Seen::NOTHING), yes(false, false));
        }
        assert_eq!(g.look().entry, Some(Bytes::from_static(b"new")));
    }
}
