//! What each change does to the value, to a grant under way, and to a pause; in one process and from another.

use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, PLACES, Place, Process, SECOND, begin, create, eventually, fresh, gated,
    just_before, now, soon, take, there,
};
use dogpile_cache::observer::{NotPublished, Operation, Overlap, Published};
use dogpile_cache::{CreateError, Got, Made, Outcome, Region};

type Change = fn(&Region<u64, String>);

fn set(region: &Region<u64, String>) {
    soon(region.set(&1, "changed".to_owned())).unwrap();
}

fn set_if(region: &Region<u64, String>) {
    let seen = soon(region.see(&1)).unwrap();
    assert!(soon(region.set_if(&1, &seen, "changed".to_owned())).unwrap());
}

fn add(region: &Region<u64, String>) {
    assert!(soon(region.add(&1, "changed".to_owned())).unwrap());
}

fn invalidate(region: &Region<u64, String>) {
    soon(region.invalidate(&1)).unwrap();
}

fn mark_stale(region: &Region<u64, String>) {
    soon(region.mark_stale(&1)).unwrap();
}

fn touch(region: &Region<u64, String>) {
    soon(region.touch(&1, None)).unwrap();
}

/// Each place, with changes by the process that creates and reads, and by another one.
fn each(mut test: impl FnMut(Place, &Ground, &Process, &Process)) {
    for place in PLACES {
        for is_of_another in [false, true] {
            let ground = Ground::new();
            let (one, other) = ground.pair(place, |builder| builder);
            test(place, &ground, &one, if is_of_another { &other } else { &one });
        }
    }
}

/// What another process keeps near, it keeps for a second.
fn forget_near(ground: &Ground) {
    ground.clock.advance(SECOND);
}

#[test]
fn each_change_does_to_the_value_what_the_table_says() {
    let changed = || Some(("changed".to_owned(), false));
    let old = |is_stale| Some(("old".to_owned(), is_stale));
    // The name, the change, what lies there after it over a fresh value, and over an expired one.
    let table: [(&str, Change, _, _); 5] = [
        ("set", set, changed(), changed()),
        ("set_if", set_if, changed(), changed()),
        ("touch", touch, old(false), old(false)),
        ("mark_stale", mark_stale, old(true), old(true)),
        ("invalidate", invalidate, None, None),
    ];
    for (name, change, over_fresh, over_stale) in table {
        each(|place, ground, one, by| {
            create(&one.region, 1, "old");
            change(&by.region);
            forget_near(ground);
            let see = |region| there(region, 1).map(|(value, outcome)| (value, outcome == Outcome::Stale));
            assert_eq!(see(&one.region), over_fresh, "{place:?} {name}");
            assert_eq!(see(&by.region), over_fresh, "{place:?} {name}");
            soon(one.region.invalidate(&1)).unwrap();
            create(&one.region, 1, "old");
            ground.clock.advance(MINUTE);
            change(&by.region);
            assert_eq!(see(&one.region), over_stale, "{place:?} {name}");
        });
    }
}

#[test]
fn add_stores_where_nothing_is_fresh() {
    each(|place, ground, one, by| {
        create(&one.region, 1, "old");
        assert!(!soon(by.region.add(&1, "changed".to_owned())).unwrap(), "{place:?}");
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("old"));
        soon(by.region.mark_stale(&1)).unwrap();
        forget_near(ground);
        add(&by.region);
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("changed"), "{place:?}");
        ground.clock.advance(MINUTE);
        add(&by.region);
        soon(by.region.invalidate(&1)).unwrap();
        add(&by.region);
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("changed"), "{place:?}");
    });
}

#[test]
fn set_if_stores_only_over_what_was_seen() {
    each(|place, ground, one, by| {
        let nothing = soon(by.region.see(&1)).unwrap();
        assert!(nothing.value().is_none());
        create(&one.region, 1, "old");
        assert!(!soon(by.region.set_if(&1, &nothing, "x".to_owned())).unwrap(), "{place:?}");
        let seen = soon(by.region.see(&1)).unwrap();
        assert_eq!(seen.value().map(|got| &***got), Some("old"));
        // Each change makes it another state.
        let changes: [Change; 4] = [set, invalidate, mark_stale, touch];
        for (number, change) in changes.into_iter().enumerate() {
            soon(one.region.set(&1, "again".to_owned())).unwrap();
            let seen = soon(by.region.see(&1)).unwrap();
            ground.clock.advance(MS);
            change(&one.region);
            assert!(!soon(by.region.set_if(&1, &seen, "x".to_owned())).unwrap(), "{place:?} {number}");
        }
        forget_near(ground);
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("again"), "{place:?}");
    });
}

#[test]
fn touch_begins_the_lifetime_anew_and_keeps_mark_and_version() {
    each(|place, ground, one, by| {
        assert!(!soon(by.region.touch(&1, None)).unwrap(), "there is nothing to touch");
        let version = Got::version(&create(&one.region, 1, "old"));
        ground.clock.advance(just_before(MINUTE));
        assert!(soon(by.region.touch(&1, None)).unwrap());
        ground.clock.advance(just_before(MINUTE));
        assert_eq!(Got::version(&take(&one.region, 1)), version, "{place:?}");
        // A lifetime of its own.
        assert!(soon(by.region.touch(&1, Some(SECOND * 5))).unwrap());
        ground.clock.advance(just_before(SECOND * 5));
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("old"), "{place:?}");
        ground.clock.advance(MS);
        assert_eq!(fresh(&one.region, 1), None, "{place:?}");
        // Marked it stays marked.
        soon(one.region.set(&1, "set".to_owned())).unwrap();
        mark_stale(&one.region);
        touch(&by.region);
        forget_near(ground);
        assert_eq!(there(&one.region, 1), Some(("set".to_owned(), Outcome::Stale)), "{place:?}");
        assert_eq!(there(&by.region, 1), Some(("set".to_owned(), Outcome::Stale)), "{place:?}");
    });
}

/// A creation is under way, and has read its source; then comes the change. What becomes of its publication?
#[test]
fn each_change_does_to_a_grant_under_way_what_the_table_says() {
    let voided = Published::No(NotPublished::Voided);
    let table: [(&str, Change, Published, Option<&str>); 6] = [
        ("set", set, voided, Some("changed")),
        ("set_if", set_if, voided, Some("changed")),
        ("add", add, voided, Some("changed")),
        ("touch", touch, Published::Fresh, Some("made")),
        ("mark_stale", mark_stale, Published::Stale, None),
        ("invalidate", invalidate, voided, None),
    ];
    for (name, change, published, then_fresh) in table {
        each(|place, ground, one, by| {
            // An old value, so that there is something to touch and to mark.
            create(&one.region, 1, "old");
            ground.clock.advance(MINUTE);
            let gate = Gate::new();
            let mut creating = begin(one.region.get(&1).or_create(async || gated(&gate, "made").await));
            change(&by.region);
            creating.waits();
            gate.open();
            let made = creating.end().unwrap();
            assert_eq!((&**made, Got::published(&made)), ("made", Some(published)), "G4 {place:?} {name}");
            for region in [&one.region, &by.region] {
                assert_eq!(fresh(region, 1).as_deref(), then_fresh, "G3 {place:?} {name}");
            }
            let overlaps = one.region.counts().overlaps;
            assert_eq!(overlaps.get(Overlap::Voided), u64::from(published == voided), "{place:?} {name}");
            assert_eq!(overlaps.total(), u64::from(published == voided), "{place:?} {name}");
            if name == "mark_stale" {
                assert_eq!(there(&by.region, 1), Some(("made".to_owned(), Outcome::Stale)), "{place:?}");
            }
        });
    }
}

#[test]
fn a_refused_change_leaves_a_grant_under_way() {
    each(|place, ground, one, by| {
        create(&one.region, 1, "old");
        let seen = soon(by.region.see(&1)).unwrap();
        soon(by.region.set(&1, "newer".to_owned())).unwrap();
        forget_near(ground);
        let gate = Gate::new();
        let creating = begin(one.region.refresh(&1).or_create(async || gated(&gate, "made").await));
        assert!(!soon(by.region.set_if(&1, &seen, "x".to_owned())).unwrap());
        assert!(!soon(by.region.add(&1, "x".to_owned())).unwrap());
        gate.open();
        assert_eq!(Got::published(&creating.end().unwrap()), Some(Published::Fresh), "{place:?}");
    });
}

#[test]
fn each_change_does_to_a_pause_what_the_table_says() {
    let table: [(&str, Change, bool); 6] = [
        ("set", set, true),
        ("set_if", set_if, true),
        ("add", add, true),
        ("touch", touch, false),
        ("mark_stale", mark_stale, false),
        ("invalidate", invalidate, true),
    ];
    for (name, change, clears) in table {
        each(|place, ground, one, by| {
            create(&one.region, 1, "old");
            ground.clock.advance(MINUTE);
            let failed = soon(one.region.get(&1).or_try_create(async || Err("no")));
            assert!(matches!(failed, Err(CreateError::Failed("no"))));
            change(&by.region);
            // Whatever the change has left there is refused, so that the access would create.
            for process in [one, by] {
                let there = now(process.region.get(&1).value()).unwrap().map(|got| Got::version(&got));
                let refusing = process.region.get(&1).renew_if(there.unwrap_or(0));
                let got = soon(refusing.or_try_create(async || Err("again")));
                match got {
                    Err(CreateError::Failed("again")) => assert!(clears, "{place:?} {name}"),
                    Err(CreateError::Paused { failures: 1, .. }) if !clears => {}
                    // The failure of the first of the two.
                    Err(CreateError::Paused { failures: 1, .. }) => assert!(process.region.counts().failures < 3),
                    other => panic!("{place:?} {name} {other:?}"),
                }
            }
        });
    }
}

#[test]
fn a_creation_that_succeeds_clears_the_pause() {
    each(|place, _, one, by| {
        soon(one.region.get(&1).or_try_create(async || Err("no"))).unwrap_err();
        soon(by.region.refresh(&1).or_create(async || "made".to_owned())).unwrap();
        invalidate(&by.region);
        create(&one.region, 1, "again");
        assert_eq!(one.region.counts().failures, 1, "{place:?}");
    });
}

#[test]
fn a_refresh_that_is_dropped_leaves_the_pause() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        soon(one.region.get(&1).or_try_create(async || Err("no"))).unwrap_err();
        let gate = Gate::new();
        let ended = other.probe.count(Operation::End);
        drop(begin(other.region.refresh(&1).or_create(async || gated(&gate, "x").await)));
        if place != Place::Near {
            eventually("the grant is ended", || other.probe.count(Operation::End) > ended);
        }
        let paused = now(one.region.get(&1).or_create(async || panic!("there is a pause")));
        assert!(matches!(paused, Err(CreateError::Paused { failures: 1, .. })), "{place:?} {paused:?}");
    }
}

#[test]
fn g3_an_access_after_an_invalidation_waits_for_no_creation_of_before() {
    each(|place, ground, one, by| {
        let (before, after) = (Gate::new(), Gate::new());
        let creating = begin(one.region.get(&1).or_create(async || gated(&before, "before").await));
        invalidate(&by.region);
        // Of this process and of the other: neither gets "before".
        let mut later = begin(one.region.get(&1).or_create(async || gated(&after, "after").await));
        let mut others = begin(by.region.get(&1).or_create(async || gated(&after, "after").await));
        before.open();
        assert_eq!(&**creating.end().unwrap(), "before", "G4 {place:?}");
        after.open();
        let (mut ones, mut twos) = (None, None);
        eventually("both have a value", || {
            ground.clock.advance(MS);
            ones = ones.take().or_else(|| later.poll());
            twos = twos.take().or_else(|| others.poll());
            ones.is_some() && twos.is_some()
        });
        for got in [ones, twos] {
            assert_eq!(&**got.unwrap().unwrap(), "after", "{place:?}");
        }
        assert!(ground.clock.elapsed() < SECOND, "{place:?}");
    });
}

#[test]
fn s32_s33_an_invalidation_in_a_background_creation_wins() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    each(|place, ground, one, by| {
        create(&one.region, 1, "old");
        ground.clock.advance(MINUTE);
        let gate = Gate::new();
        let passed = std::sync::Arc::clone(&gate);
        runtime.block_on(async {
            let creator = move || async move { gated(&passed, "before").await };
            let old = one.region.get(&1).in_background().or_create(creator).await.unwrap();
            assert_eq!(Got::outcome(&old), Outcome::Stale);
            tokio::task::yield_now().await;
            by.region.invalidate(&1).await.unwrap();
            gate.open();
            while one.region.counts().creations < 2 {
                tokio::task::yield_now().await;
            }
        });
        assert_eq!(there(&one.region, 1), None, "{place:?}");
        assert_eq!(one.region.counts().refused.get(NotPublished::Voided), 1, "{place:?}");
    });
}

#[test]
fn s47_s48_what_was_looked_up_before_an_invalidation_is_not_shared_after_it() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&other.region, 1, "before");
        // The reply is late, so the invalidation comes between.
        one.probe.set(Operation::Look, Fate::ReplyLate);
        let looking = begin(one.region.get(&1).value());
        soon(one.region.invalidate(&1)).unwrap();
        let mut later = begin(one.region.get(&1).value());
        one.probe.set(Operation::Look, Fate::Answers);
        assert_eq!(looking.end().unwrap().map(|got| got.to_string()).as_deref(), Some("before"), "it began before");
        assert!(later.poll().unwrap().unwrap().is_none(), "{place:?}");
        assert_eq!(there(&one.region, 1), None, "S55: it was not kept near, either");
    }
}

#[test]
fn g3_near_never_serves_what_its_process_has_changed() {
    let changes: [(&str, Change, Option<&str>); 4] = [
        ("set", set, Some("changed")),
        ("set_if", set_if, Some("changed")),
        ("invalidate", invalidate, None),
        ("mark_stale", mark_stale, None),
    ];
    for (name, change, then) in changes {
        let ground = Ground::new();
        let one = ground.process(Place::NearOverFar);
        create(&one.region, 1, "old");
        assert_eq!(Got::outcome(&take(&one.region, 1)), Outcome::Near);
        change(&one.region);
        assert_eq!(fresh(&one.region, 1).as_deref(), then, "{name}");
        // A creation of before its own change is not kept near, either.
        let gate = Gate::new();
        let creating = begin(one.region.refresh(&1).or_create(async || gated(&gate, "made").await));
        change(&one.region);
        gate.open();
        drop(creating.end());
        assert_eq!(fresh(&one.region, 1).as_deref(), then, "{name}");
    }
}

#[test]
fn near_over_a_backend_is_late_for_what_others_change_by_at_most_its_bound() {
    for change in [set as Change, invalidate, mark_stale] {
        let ground = Ground::new();
        let (one, other) = ground.pair(Place::NearOverFar, |builder| builder);
        create(&one.region, 1, "old");
        change(&other.region);
        assert_ne!(fresh(&other.region, 1).as_deref(), Some("old"), "the process itself knows at once");
        ground.clock.advance(just_before(SECOND));
        assert_eq!(Got::outcome(&take(&one.region, 1)), Outcome::Near);
        ground.clock.advance(MS);
        assert_ne!(fresh(&one.region, 1).as_deref(), Some("old"));
    }
}

#[test]
fn g1_a_voided_grant_keeps_the_next_creation_waiting_for_void_pause_at_most() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.void_pause(MS * 100));
        let gate = Gate::new();
        let _creating = begin(one.region.get(&1).or_create(async || gated(&gate, "before").await));
        invalidate(&other.region);
        let mut next = begin(other.region.get(&1).or_create(async || "after".to_owned()));
        ground.clock.advance(MS * 99);
        next.waits();
        let mut got = None;
        eventually("the next creates", || {
            ground.clock.advance(MS);
            got = next.poll();
            got.is_some()
        });
        assert_eq!(&**got.unwrap().unwrap(), "after", "{place:?}");
        assert!(ground.clock.elapsed() <= MS * 100 + MS * 250, "{place:?} a poll later at most");
    }
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.void_pause(std::time::Duration::ZERO));
        let gate = Gate::new();
        let _creating = begin(one.region.get(&1).or_create(async || gated(&gate, "before").await));
        invalidate(&other.region);
        create(&other.region, 1, "after");
    }
}

#[test]
fn s59_after_an_invalidation_the_next_access_creates_at_once() {
    each(|_, _, one, by| {
        create(&one.region, 1, "old");
        invalidate(&by.region);
        create(&by.region, 1, "new");
        soon(by.region.get(&2).or_try_create(async || Err("no"))).unwrap_err();
        soon(by.region.invalidate(&2)).unwrap();
        create(&by.region, 2, "new");
    });
}

#[test]
fn a_change_may_set_a_lifetime_of_its_own() {
    each(|place, ground, one, by| {
        soon(by.region.set(&1, Made::new("short".to_owned()).expires_after(SECOND * 2))).unwrap();
        ground.clock.advance(just_before(SECOND * 2));
        assert_eq!(fresh(&one.region, 1).as_deref(), Some("short"), "{place:?}");
        ground.clock.advance(MS);
        assert_eq!(fresh(&one.region, 1), None, "{place:?}");
        soon(by.region.set(&1, Made::new("none".to_owned()).expires_after(SECOND).max_stale(SECOND))).unwrap();
        ground.clock.advance(SECOND * 2);
        assert_eq!(there(&one.region, 1), None, "{place:?}");
    });
}

#[test]
fn a_waiter_gets_what_was_set_meanwhile() {
    each(|place, ground, one, by| {
        let gate = Gate::new();
        let _creating = begin(one.region.get(&1).or_create(async || gated(&gate, "made").await));
        let mut waiting = begin(by.region.get(&1).or_create(async || panic!("a value was set")));
        set(&by.region);
        let mut got = None;
        eventually("the waiter has a value", || {
            ground.clock.advance(MS);
            got = waiting.poll();
            got.is_some() || ground.clock.elapsed() > SECOND
        });
        // In the process of the creation the waiter waits for that one; its value is as good (the waiter is older).
        let got = got.map(|got| got.unwrap().to_string());
        assert!(
            got.as_deref() == Some("changed") || std::ptr::eq(one, by) || place == Place::Near,
            "{place:?} {got:?}"
        );
    });
}

#[test]
fn g1_what_was_touched_between_look_and_claim_is_not_created() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "old");
        ground.clock.advance(MINUTE);
        // The access has seen an old value, and waits for its claim; near alone it waits for the turn.
        one.probe.set(Operation::Claim, Fate::RequestLate);
        let gate = Gate::new();
        if place == Place::Near {
            let Ok(dogpile_cache::Claim::Create(creation)) = now(one.region.get(&1).claim()) else {
                panic!("it is old")
            };
            let creator = async || panic!("it was touched");
            let mut patient = begin(one.region.get(&1).soft_timeout(SECOND).or_create(creator));
            touch(&other.region);
            drop(creation);
            let got = patient.poll().expect("it is elected, and claims").unwrap();
            assert_eq!(&**got, "old", "{place:?}");
            continue;
        }
        let mut claiming = begin(one.region.get(&1).or_create(async || gated(&gate, "made").await));
        touch(&other.region);
        one.probe.set(Operation::Claim, Fate::Answers);
        let got = claiming.poll().expect("it is fresh by now").unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("old", Outcome::Fresh), "{place:?}");
    }
}
