//! Waits that end by a signal (G16), and never rest on one (G5).
//!
//! The clock stands still unless a test moves it. So an access that goes on at once has not waited for a poll.

use crate::kit::{
    Ears, Fate, Gate, Going, Ground, MINUTE, MS, Place, Probe, Process, SECOND, begin, create, eventually, gated,
    just_before, now, soon, start,
};
use crate::wire::WATCHDOG;
use dogpile::ManualClock;
use dogpile_cache::backend::{self, Backend, Fault, Faulty, Memory, Rest, Token};
use dogpile_cache::observer::Operation;
use dogpile_cache::{Claim, CreateError, Creation, Got, Outcome, Region, RegionBuilder};
use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

/// The longest time between a signal that says that nothing was stored, and the look of an access that has heard it.
const SPREAD: Duration = Duration::from_millis(20);

/// The longest poll, unless a test sets another one.
const POLL: Duration = Duration::from_millis(250);

fn hears(ground: &Ground) -> Process {
    ground.process_that_hears(Ears::All, |builder| builder)
}

/// Another process creates.
#[track_caller]
fn holder(ground: &Ground, key: u64) -> Creation<u64, String> {
    held_by(&ground.region_by(Place::Far, RegionBuilder::without_pauses), key)
}

#[track_caller]
fn held_by(region: &Region<u64, String>, key: u64) -> Creation<u64, String> {
    let Claim::Create(creation) = now(region.get(&key).claim()).unwrap() else { panic!("no other one creates") };
    creation
}

/// Begins an access that waits for the other process, and returns what it has got.
#[track_caller]
fn wants(region: &Region<u64, String>) -> Going<'_, (String, Outcome)> {
    begin(async {
        let got = region.get(&1).or_create(async || panic!("another one creates")).await.unwrap();
        (got.to_string(), Got::outcome(&got))
    })
}

/// Returns how many operations of that kind a process has begun.
fn asked(process: &Process, operation: Operation) -> u64 {
    Probe::count(&process.probe, operation)
}

#[test]
fn g16_a_waiter_in_another_process_returns_as_soon_as_the_value_is_there() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creation = holder(&ground, 1);
    let mut waiter = wants(&process.region);
    waiter.waits();
    soon(creation.publish("one".to_owned())).unwrap();
    assert_eq!(waiter.poll().expect("no time has to pass"), ("one".to_owned(), Outcome::Fresh));
    assert_eq!(ground.memory.listened(), 0, "the access has ended");
}

#[test]
fn g16_the_task_of_a_waiter_is_woken() {
    struct Woken(AtomicBool);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.store(true, Ordering::SeqCst);
        }
    }

    let ground = Ground::new();
    let process = hears(&ground);
    let creation = holder(&ground, 1);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut waiter = Box::pin(process.region.get(&1).or_create(async || panic!("another one creates")));
    assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    woken.0.store(false, Ordering::SeqCst);
    soon(creation.publish("one".to_owned())).unwrap();
    assert!(woken.0.load(Ordering::SeqCst));
    assert!(waiter.as_mut().poll(&mut Context::from_waker(&waker)).is_ready());
}

#[test]
fn g16_what_is_published_while_a_waiter_begins_to_listen_is_not_missed() {
    // Before the reply to `listen`, and between that and the look.
    for operation in [Operation::Listen, Operation::Look] {
        let ground = Ground::new();
        let process = hears(&ground);
        let creation = holder(&ground, 1);
        let mut waiter = start(process.region.get(&1).or_create(async || panic!("another one creates")));
        if operation == Operation::Listen {
            process.probe.set(operation, Fate::RequestLate);
            waiter.waits();
        } else {
            process.probe.set(Operation::Listen, Fate::ReplyLate);
            waiter.waits();
            process.probe.set(operation, Fate::ReplyLate);
            process.probe.set(Operation::Listen, Fate::Answers);
            waiter.waits();
        }
        soon(creation.publish("one".to_owned())).unwrap();
        process.probe.set(operation, Fate::Answers);
        assert_eq!(&**waiter.poll().expect("no time has to pass").unwrap(), "one", "{operation:?}");
    }
}

#[test]
fn g16_a_waiter_that_listens_polls_seldom() {
    // Both have no idea how long the creation takes; one of them hears of its end.
    let ground = Ground::new();
    let (listens, polls) = (hears(&ground), ground.process(Place::Far));
    let _creation = holder(&ground, 1);
    let (mut one, mut other) = (wants(&listens.region), wants(&polls.region));
    let count = |process: &Process| asked(process, Operation::Look);
    let (before, others) = (count(&listens), count(&polls));
    ground.clock.advance(just_before(POLL * 3 / 4));
    one.waits();
    other.waits();
    assert_eq!((count(&listens), count(&polls) > others), (before, true));
    ground.clock.advance(POLL / 4 + MS);
    one.waits();
    assert_eq!(count(&listens), before + 1, "one poll is over");
}

#[test]
fn g5_s10_a_signal_that_is_lost_costs_a_poll_at_most() {
    let ground = Ground::new();
    let process = ground.process_that_hears(Ears::Loses(2), |builder| builder);
    for round in 1..=10 {
        let creation = holder(&ground, 1);
        let mut waiter = wants(&process.region);
        let began = ground.clock.elapsed();
        soon(creation.publish("one".to_owned())).unwrap();
        let mut got = waiter.poll();
        assert_eq!(got.is_none(), round % 2 == 0, "every second signal is lost");
        while got.is_none() {
            assert!(ground.clock.elapsed() <= began + POLL, "the wait rests on a signal");
            ground.clock.advance(MS);
            got = waiter.poll();
        }
        assert_eq!(process.probe.signalled(), round);
        soon(process.region.invalidate(&1)).unwrap();
    }
}

#[test]
fn g16_s65_a_gap_wakes_to_a_look() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creation = holder(&ground, 1);
    let mut waiter = begin(process.region.get(&1).or_create(async || "next".to_owned()));
    ground.memory.lose_everything();
    waiter.waits();
    ground.clock.advance(SPREAD);
    let got = waiter.poll().expect("the grant is lost with the server's data").unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("next", Outcome::Created));
    drop(creation);
}

#[test]
fn g16_what_leaves_no_value_wakes_to_a_look_in_a_short_time() {
    let ground = Ground::new();
    let process = hears(&ground);
    let failing = ground.region_by(Place::Far, RegionBuilder::without_pauses);
    // Failed, dropped, and voided.
    for case in 0..3 {
        let creation = held_by(&failing, 1);
        let mut waiter = begin(process.region.get(&1).or_create(async || "mine".to_owned()));
        match case {
            0 => soon(creation.fail(&"no")),
            1 => drop(creation),
            _ => {
                soon(failing.invalidate(&1)).unwrap();
                soon(creation.publish("late".to_owned())).unwrap();
            }
        }
        let mut spent = Duration::ZERO;
        let mut got = waiter.poll();
        let is_free = || now(ground.memory.look(&[Ground::key(1)], None)).unwrap()[0].rest == Some(Rest::Free);
        if case == 1 {
            eventually("the keeper ends the grant", is_free);
        }
        while got.is_none() {
            assert!(spent <= SPREAD * 2, "case {case}: the wait rests on a poll");
            ground.clock.advance(MS);
            spent += MS;
            got = waiter.poll();
        }
        assert_eq!(Got::outcome(&got.unwrap().unwrap()), Outcome::Created, "case {case}");
        soon(process.region.invalidate(&1)).unwrap();
    }
}

#[test]
fn g1_g16_a_creator_that_fails_wakes_the_others_and_one_of_them_creates() {
    let ground = Ground::new();
    let fleet: Vec<_> = (0..20).map(|_| hears(&ground)).collect();
    let creation = holder(&ground, 1);
    let (gate, creations) = (Gate::new(), Cell::new(0));
    let creator = async || {
        creations.set(creations.get() + 1);
        gated(&gate, "two").await
    };
    let mut waiters: Vec<_> = fleet.iter().map(|one| begin(one.region.get(&1).or_create(creator))).collect();
    let claims = || fleet.iter().map(|one| asked(one, Operation::Claim)).collect::<Vec<_>>();
    let before = claims();
    soon(creation.fail(&"no"));
    // They do not come all at once.
    let looks = || fleet.iter().map(|one| asked(one, Operation::Look)).sum::<u64>();
    let (mut at_once, mut looked) = (0, looks());
    for _ in 0..=SPREAD.as_millis() {
        waiters.iter_mut().for_each(Going::waits);
        at_once = at_once.max(looks() - looked);
        looked = looks();
        ground.clock.advance(MS);
    }
    assert_eq!(creations.get(), 1);
    assert!(at_once < 20, "all look in the same millisecond");
    let since: Vec<_> = claims().iter().zip(before).map(|(now, before)| now - before).collect();
    assert!(since.iter().all(|claims| *claims <= 1), "one claim each: {since:?}");
    gate.open();
    let mut waiting: Vec<_> = waiters.into_iter().map(Some).collect();
    // The one that creates publishes, and the others hear of it: no time has to pass.
    eventually("all have the value", || {
        for waiter in &mut waiting {
            if let Some(got) = waiter.as_mut().and_then(Going::poll) {
                assert_eq!(&**got.unwrap(), "two");
                *waiter = None;
            }
        }
        waiting.iter().all(Option::is_none)
    });
    assert_eq!((creations.get(), ground.memory.listened()), (1, 0));
}

#[test]
fn g16_a_pause_of_another_process_is_heard_of() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creation = held_by(&ground.region(Place::Far), 1);
    let mut waiter = begin(process.region.get(&1).or_create(async || panic!("there is a pause")));
    soon(creation.fail(&"no"));
    waiter.waits();
    ground.clock.advance(SPREAD);
    let got = waiter.poll().expect("the pause is there");
    assert!(matches!(got, Err(CreateError::Paused { failures: 1, .. })), "{got:?}");
}

#[test]
fn g5_a_backend_that_cannot_listen_is_polled_and_is_not_down() {
    for fate in [Fate::Unreachable, Fate::ReplyLost, Fate::NeverAnswers] {
        let ground = Ground::new();
        let process = hears(&ground);
        process.probe.set(Operation::Listen, fate);
        let creation = holder(&ground, 1);
        let mut waiter = wants(&process.region);
        assert_eq!(asked(&process, Operation::Listen), 1, "{fate:?}");
        if fate == Fate::NeverAnswers {
            ground.clock.advance(POLL);
            waiter.waits();
        }
        soon(creation.publish("one".to_owned())).unwrap();
        let mut spent = Duration::ZERO;
        let mut got = waiter.poll();
        assert!(got.is_none(), "{fate:?}: nobody has signalled");
        while got.is_none() {
            assert!(spent <= POLL, "{fate:?}: the wait rests on a signal");
            ground.clock.advance(MS);
            spent += MS;
            got = waiter.poll();
        }
        assert_eq!(got.unwrap().1, Outcome::Fresh, "{fate:?}");
        assert_eq!((asked(&process, Operation::Listen), ground.memory.listened()), (1, 0), "{fate:?}");
        // Another access is asked of the backend, at once.
        create(&process.region, 2, "two");
        let errors = process.region.counts().backend_errors;
        assert_eq!((errors.get(Operation::Listen), errors.total()), (1, 1), "{fate:?}");
        assert_eq!(process.region.counts().overlaps.total(), 0, "{fate:?}");
    }
}

#[test]
fn g11_an_access_that_begins_to_listen_goes_on_with_its_old_value_in_time() {
    let ground = Ground::new();
    let process = hears(&ground);
    create(&process.region, 1, "old");
    ground.clock.advance(MINUTE);
    let _creation = holder(&ground, 1);
    process.probe.set(Operation::Listen, Fate::NeverAnswers);
    let mut access = begin(process.region.get(&1).soft_timeout(MS * 50).or_create(async || panic!("held")));
    ground.clock.advance(just_before(MS * 50));
    access.waits();
    ground.clock.advance(MS);
    assert_eq!(Got::outcome(&access.poll().expect("it goes on").unwrap()), Outcome::Stale);
}

#[test]
fn g5_a_signal_does_not_make_a_deadline_longer() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creation = holder(&ground, 1);
    let mut access = begin(process.region.get(&1).timeout(MS * 100).or_create(async || panic!("held")));
    ground.clock.advance(MS * 99);
    // It would look a little later, in vain: the grant has left a tombstone.
    soon(ground.region(Place::Far).invalidate(&1)).unwrap();
    access.waits();
    ground.clock.advance(MS);
    assert!(matches!(access.poll(), Some(Err(CreateError::TimedOut))));
    drop(creation);
}

#[test]
fn g5_a_holder_that_is_dead_is_taken_over_though_no_signal_comes() {
    let ground = Ground::new();
    let process = hears(&ground);
    // A grant that nobody renews.
    let claim = backend::Claim::new(Token(7), SECOND * 10);
    now(ground.memory.claim(&Ground::key(1), claim)).unwrap();
    let mut waiter = begin(process.region.get(&1).or_create(async || "two".to_owned()));
    for _ in 0..99 {
        ground.clock.advance(MS * 100);
        waiter.waits();
    }
    ground.clock.advance(MS * 100);
    assert_eq!(&**waiter.poll().expect("its lease is over").unwrap(), "two");
}

#[test]
fn s12_a_thousand_waiters_of_a_process_are_one_listening_that_ends_with_them() {
    let ground = Ground::new();
    let process = hears(&ground);
    let _creation = holder(&ground, 1);
    let mut waiters: Vec<_> = (0..1000).map(|_| wants(&process.region)).collect();
    waiters.iter_mut().for_each(Going::waits);
    assert_eq!((asked(&process, Operation::Listen), ground.memory.listened()), (1, 1));
    // The one that listens goes: the next one does.
    drop(waiters.remove(0));
    waiters.iter_mut().for_each(Going::waits);
    assert_eq!((asked(&process, Operation::Listen), ground.memory.listened()), (2, 1));
    drop(waiters);
    assert_eq!(ground.memory.listened(), 0, "all were cancelled");
}

#[test]
fn a_creation_does_not_listen() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creation = holder(&ground, 1);
    let mut claiming = begin(process.region.get(&1).claim());
    assert_eq!(ground.memory.listened(), 1);
    soon(creation.fail(&"no"));
    claiming.waits();
    ground.clock.advance(SPREAD);
    let Some(Ok(Claim::Create(creation))) = claiming.poll() else { panic!("the place is free") };
    assert_eq!(ground.memory.listened(), 0);
    drop(creation);
}

#[test]
fn g16_a_claim_hears_that_the_value_is_there() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creation = holder(&ground, 1);
    let mut claiming = begin(process.region.get(&1).claim());
    soon(creation.publish("one".to_owned())).unwrap();
    assert!(matches!(claiming.poll(), Some(Ok(Claim::Value(got))) if *got == "one"));
}

// --- many keys ------------------------------------------------------------------------------------------------------

#[test]
fn g16_g14_an_access_to_many_keys_hears_of_each() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creations: Vec<_> = (1..=3).map(|key| holder(&ground, key)).collect();
    let mut waiting = begin(process.region.get_many(&[1, 2, 3]).or_create(async |_| panic!("others create")));
    assert_eq!((asked(&process, Operation::Listen), ground.memory.listened()), (3, 3));
    let (looks, looked) = (asked(&process, Operation::Look), process.probe.looked());
    let mut creations = creations.into_iter();
    let mut publish = || soon(creations.next().unwrap().publish("there".to_owned())).unwrap();
    publish();
    waiting.waits();
    assert_eq!((ground.memory.listened(), asked(&process, Operation::Look)), (2, looks + 1));
    assert_eq!(process.probe.looked(), looked + 1, "it looks at what it has heard of");
    publish();
    publish();
    let got = waiting.poll().expect("no time has to pass").unwrap();
    assert!(got.iter().all(|got| **got == "there" && Got::outcome(got) == Outcome::Fresh));
    assert_eq!((ground.memory.listened(), asked(&process, Operation::Look)), (0, looks + 2));
}

#[test]
fn g16_g14_what_others_fail_to_create_is_heard_of() {
    let ground = Ground::new();
    let process = hears(&ground);
    let creations: Vec<_> = (1..=10).map(|key| holder(&ground, key)).collect();
    let keys: Vec<_> = (1..=11).collect();
    let batches = RefCell::new(Vec::new());
    let mut waiting = begin(process.region.get_many(&keys).or_create(async |keys| {
        batches.borrow_mut().push(keys.clone());
        keys.iter().map(u64::to_string).collect()
    }));
    // Nothing is listened to before what is granted is created.
    assert_eq!((asked(&process, Operation::Listen), &*batches.borrow()), (10, &vec![vec![11]]));
    let looks = asked(&process, Operation::Look);
    for creation in creations {
        soon(creation.fail(&"no"));
    }
    let (mut got, mut spent) = (waiting.poll(), Duration::ZERO);
    while got.is_none() {
        assert!(spent <= SPREAD, "the wait rests on a poll");
        ground.clock.advance(MS);
        spent += MS;
        got = waiting.poll();
    }
    let got = got.unwrap().unwrap();
    assert!(got.iter().zip(1_u64..).all(|(got, key)| **got == key.to_string()));
    assert_eq!(batches.borrow()[1], keys[..10], "in one batch");
    assert_eq!((asked(&process, Operation::Look), ground.memory.listened()), (looks + 1, 0), "by one look");
}

#[test]
fn g5_s10_an_access_to_many_keys_rests_on_no_signal() {
    let ground = Ground::new();
    let process = ground.process_that_hears(Ears::Loses(1), |builder| builder);
    let creations: Vec<_> = (1..=3).map(|key| holder(&ground, key)).collect();
    let mut waiting = begin(process.region.get_many(&[1, 2, 3]).or_create(async |_| panic!("others create")));
    for creation in creations {
        soon(creation.publish("there".to_owned())).unwrap();
    }
    waiting.waits();
    ground.clock.advance(POLL);
    assert_eq!(waiting.poll().expect("one poll is over").unwrap().len(), 3);
}

#[test]
fn g5_signals_of_one_key_do_not_keep_an_access_from_another() {
    let ground = Ground::new();
    let process = ground.process_that_hears(Ears::Loses(3), |builder| builder);
    let (_one, two) = (holder(&ground, 1), holder(&ground, 2));
    let access = process.region.get_many(&[1, 2]).timeout(SECOND).or_create(async |_| panic!("others create"));
    let mut waiting = begin(access);
    let region = ground.region(Place::Far);
    for number in 0..2 {
        soon(region.mark_stale(&1)).unwrap();
        waiting.waits();
        assert_eq!(process.probe.signalled(), number + 1);
    }
    soon(two.publish("two".to_owned())).unwrap(); // This one is lost.
    for _ in 0..25 {
        ground.clock.advance(MS * 10);
        soon(region.mark_stale(&1)).unwrap();
        waiting.waits();
    }
    assert_eq!(ground.memory.listened(), 1, "the access has looked at the second key after a poll");
}

#[test]
fn s12_an_access_to_many_keys_that_is_dropped_listens_no_more() {
    let ground = Ground::new();
    let process = hears(&ground);
    let _creations: Vec<_> = (1..=3).map(|key| holder(&ground, key)).collect();
    let waiting = begin(process.region.get_many(&[1, 2, 3]).or_create(async |_| panic!("others create")));
    assert_eq!(ground.memory.listened(), 3);
    drop(waiting);
    assert_eq!(ground.memory.listened(), 0);
}

// --- a fleet --------------------------------------------------------------------------------------------------------

/// Threads, a server that delays, and a clock that stands still: what is not heard of is waited for in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn g16_a_fleet_hears_of_each_creation() {
    let clock = Arc::new(ManualClock::new());
    let memory = Arc::new(Memory::with_clock(Arc::clone(&clock)));
    let server = Arc::new(Faulty::new(Arc::clone(&memory), fastrand::u64(..)).with(Fault::Delayed, 0.5));
    println!("{server:?}");
    let process = || -> Region<u64, String> {
        let builder = Region::builder("test").expires_after(MINUTE).clock(Arc::clone(&clock));
        builder.far(Arc::clone(&server)).build().unwrap()
    };
    let fleet: Vec<_> = (0..8).map(|_| process()).collect();
    for key in 0..50_u64 {
        let mut accesses = JoinSet::new();
        for task in 0..64 {
            let region = fleet[task % fleet.len()].clone();
            accesses.spawn(async move {
                let creator = async || {
                    for _ in 0..fastrand::u32(0..200) {
                        yield_now().await;
                    }
                    "one".to_owned()
                };
                region.get(&key).or_create(creator).await.unwrap().to_string()
            });
        }
        let got = timeout(WATCHDOG, accesses.join_all()).await.expect("what was published is heard of");
        assert!(got.iter().all(|got| got == "one"));
    }
    let creations: u64 = fleet.iter().map(|region| region.counts().creations).sum();
    assert_eq!((creations, memory.listened()), (50, 0));
}
