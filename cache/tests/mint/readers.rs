//! Which reader gets what.

use crate::kit::{Ground, MINUTE, MS, PLACES, Place, SECOND, eventually, is_free, just_before, now, soon};
use crate::wire::{At, Kind, Wire};
use crate::{GRACE, NOTHING, RIGHT, get, readers, set, value};
use dogpile_cache::mint::{Mint, Timeout};
use dogpile_cache::{ManualClock, Published};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use tokio::sync::Barrier;

#[test]
fn a_cold_key_elects_one_and_the_others_get_nothing() {
    for place in PLACES {
        let mut all = readers(place);
        assert_eq!(get(&mut all.one), RIGHT, "{place:?}");
        for _ in 0..3 {
            assert_eq!((get(&mut all.beside), get(&mut all.far)), (NOTHING, NOTHING), "{place:?}");
        }
        set(&mut all.one, "new");
        for mint in [&mut all.one, &mut all.beside, &mut all.far] {
            assert_eq!(get(mint), value("new"), "{place:?}");
        }
    }
}

#[test]
fn a_late_value_elects_one_and_the_others_get_it_for_the_grace() {
    for place in PLACES {
        let mut all = readers(place);
        all.late("old");
        assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
        for _ in 0..3 {
            assert_eq!((get(&mut all.one), get(&mut all.beside)), (value("old"), value("old")), "{place:?}");
        }
        set(&mut all.far, "new");
        for mint in [&mut all.one, &mut all.beside, &mut all.far] {
            // (A process that has met the holder a moment ago only looks.)
            eventually("the new value", || get(mint) == value("new"));
        }
    }
}

/// The grace ends during the renewal: there is nothing left to be served, and still one right.
#[test]
fn at_the_end_of_the_grace_a_late_key_is_cold() {
    let mut all = readers(Place::Near);
    set(&mut all.one, "old");
    all.ground.clock.advance(MINUTE);
    assert_eq!((get(&mut all.one), get(&mut all.far)), (RIGHT, value("old")));
    all.ground.clock.advance(just_before(GRACE));
    assert_eq!(get(&mut all.far), value("old"));
    all.ground.clock.advance(MS);
    assert_eq!((get(&mut all.far), get(&mut all.one)), (NOTHING, RIGHT));
}

/// Of all tasks of two processes, one is elected each time. Each of them keeps what it has until all have read.
fn one_is_elected(place: Place, is_cold: bool) {
    const TASKS: usize = 32;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(4).build().unwrap();
    runtime.block_on(async {
        let mut all = readers(place);
        for round in 0..30 {
            let old = format!("{round}");
            if is_cold {
                all.one.delete(&1).await.unwrap();
            } else {
                all.one.set(&1, old.as_str(), Timeout::Default).await.unwrap();
                all.ground.clock.advance(MINUTE + SECOND);
            }
            let (elected, has_read) = (Arc::new(AtomicUsize::new(0)), Arc::new(Barrier::new(TASKS)));
            let tasks: Vec<_> = (0..TASKS)
                .map(|task| {
                    let mut mint = if task % 2 == 0 { all.one.clone() } else { all.far.clone() };
                    let (elected, has_read, old) = (Arc::clone(&elected), Arc::clone(&has_read), old.clone());
                    tokio::spawn(async move {
                        has_read.wait().await;
                        let got = mint.get(&1).await.unwrap();
                        if mint.is_elected(&1) {
                            elected.fetch_add(1, Relaxed);
                            assert_eq!(got, None);
                        } else {
                            assert_eq!(got, (!is_cold).then_some(old));
                        }
                        has_read.wait().await;
                        if mint.is_elected(&1) {
                            assert_eq!(mint.set(&1, "new", Timeout::Default).await.unwrap(), Published::Fresh);
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert_eq!(elected.load(Relaxed), 1, "{place:?}, round {round}");
            assert_eq!(all.far.get(&1).await.unwrap().as_deref(), Some("new"));
            all.ground.clock.advance(MINUTE * 2);
        }
    });
}

#[test]
fn two_late_readers_never_both_renew() {
    for place in PLACES {
        one_is_elected(place, false);
    }
}

#[test]
fn two_readers_of_a_cold_key_are_never_both_elected() {
    for place in PLACES {
        one_is_elected(place, true);
    }
}

/// An elected reader that reads again is elected still, and asks nothing of the backend.
#[test]
fn a_reader_with_the_right_keeps_it() {
    let mut all = readers(Place::Far);
    assert_eq!(get(&mut all.one), RIGHT);
    let operations = all.process.probe.total();
    assert_eq!((get(&mut all.one), get(&mut all.one)), (RIGHT, RIGHT));
    assert!(now(all.one.get_many(&[1, 1])).unwrap().is_empty());
    assert_eq!(all.process.probe.total(), operations);
    set(&mut all.one, "new");
}

#[test]
fn a_reader_that_is_dropped_or_gives_up_leaves_the_right_to_the_next() {
    for place in PLACES {
        for is_cold in [true, false] {
            let mut all = readers(place);
            if !is_cold {
                all.late("old");
            }
            assert_eq!(get(&mut all.one), RIGHT);
            all.one = all.beside.clone();
            all.are_free();
            // (The thread that has told the backend ends the turn of this process a moment later.)
            eventually("the next is elected", || get(&mut all.beside) == RIGHT);
            assert!(all.beside.give_up(&1) && !all.beside.is_elected(&1) && !all.beside.give_up(&1));
            all.are_free();
            assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
            set(&mut all.far, "new");
        }
    }
}

/// The claim is granted, and its reader is gone by then.
#[tokio::test]
async fn a_get_that_is_dropped_leaves_no_right_behind() {
    for at in [At::Request, At::Reply] {
        let ground = Ground::new();
        let wire = Wire::new(Arc::clone(&ground.memory));
        let region = ground.builder().far(Arc::clone(&wire)).build::<u64, String>().unwrap();
        let mut mint = Mint::new(region);
        let held = wire.hold_next(Kind::Claim, at);
        let mut reader = mint.clone();
        let task = tokio::spawn(async move { reader.get(&1).await });
        held.reached().await;
        task.abort();
        assert!(task.await.unwrap_err().is_cancelled());
        held.let_go();
        is_free(&ground.memory, 1).await;
        while !mint.is_elected(&1) {
            assert_eq!(mint.get(&1).await.unwrap(), None);
            tokio::task::yield_now().await;
        }
    }
}

/// A process that dies with the right: the others get the old value, and one lease later the next is elected.
#[test]
fn an_elected_reader_that_dies_costs_one_lease() {
    use crate::probe::Fate;
    for place in [Place::Far, Place::NearOverFar] {
        for is_cold in [true, false] {
            let mut all = readers(place);
            if !is_cold {
                all.late("old");
            }
            assert_eq!(get(&mut all.one), RIGHT);
            // From here on nothing comes from that process.
            all.process.probe.set_all(Fate::NeverAnswers);
            let nothing = if is_cold { NOTHING } else { value("old") };
            assert_eq!(get(&mut all.far), nothing);
            all.ground.clock.advance(SECOND * 9);
            assert_eq!(get(&mut all.far), nothing, "the lease is not over: {place:?}");
            all.ground.clock.advance(SECOND);
            assert_eq!(get(&mut all.far), RIGHT, "{place:?}");
            let mut third = all.far.clone();
            assert_eq!(get(&mut third), nothing);
            set(&mut all.far, "new");
            assert_eq!(get(&mut third), value("new"));
        }
    }
}

/// A creator of the region and a reader are one election.
#[test]
fn a_creation_of_the_region_is_another_one_that_renews() {
    for place in PLACES {
        let mut all = readers(place);
        all.late("old");
        let region = all.far.region().clone();
        let seen = soon(region.get(&1).or_create(async || {
            assert_eq!(get(&mut all.one), value("old"), "{place:?}");
            "new".to_owned()
        }));
        assert_eq!(&**seen.unwrap(), "new");
        eventually("the new value", || get(&mut all.one) == value("new"));
    }
}

#[test]
fn the_settings_of_the_builder_are_those_of_the_region() {
    let clock = Arc::new(ManualClock::new());
    let mint = || Mint::builder("test").with(|region| region.clock(Arc::clone(&clock)));
    let mut plain = mint().build::<u64, String>().unwrap();
    set(&mut plain, "old");
    clock.advance(SECOND * 299);
    assert_eq!(get(&mut plain), value("old"));
    clock.advance(SECOND);
    assert_eq!(get(&mut plain.clone()), RIGHT);
    let held = {
        let mut one = plain.clone();
        assert_eq!(get(&mut one), RIGHT);
        one
    };
    clock.advance(SECOND * 29);
    assert_eq!(get(&mut plain), value("old"));
    clock.advance(SECOND);
    assert_eq!(get(&mut plain), NOTHING);
    drop(held);
    let mut own = mint().default_timeout(MINUTE).grace(std::time::Duration::ZERO).build::<u64, String>().unwrap();
    set(&mut own, "old");
    clock.advance(MINUTE);
    assert_eq!((get(&mut own.clone()), own.region().name()), (RIGHT, "test"));
    assert!(mint().default_timeout(std::time::Duration::ZERO).build::<u64, String>().is_err());
}
