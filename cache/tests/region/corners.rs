//! Rare cases, each of which has been wrong once.

use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, Place, Probe, SECOND, begin, create, fresh, gated, now, soon, start, there,
};
use crate::wire::{Kind, Wire};
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::{Backend, Memory};
use dogpile_cache::observer::{Operation, Published};
use dogpile_cache::{Claim, Got, Near, OtherLife, Outcome, Region};
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, mpsc};
use std::task::Waker;
use std::thread;
use std::time::Duration;

#[test]
fn s92_an_absence_of_this_process_alone_is_no_value() {
    let ground = Ground::new();
    let one = ground.process(Place::Far);
    one.probe.set_all(Fate::Unreachable);
    let found = soon(one.region.get(&1).or_try_find(async || Ok::<_, Infallible>(None))).unwrap();
    assert!(found.is_none());
    let got = soon(one.region.get(&1).or_create(async || "one".to_owned())).unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("one", Outcome::Created));
}

#[test]
fn s92_an_absence_of_this_process_alone_is_no_value_for_many_keys() {
    let ground = Ground::new();
    let one = ground.process(Place::Far);
    one.probe.set_all(Fate::Unreachable);
    soon(one.region.get(&1).or_try_find(async || Ok::<_, Infallible>(None))).unwrap();
    let got = soon(one.region.get_many(&[1]).or_create(async |_| vec!["one".to_owned()])).unwrap();
    assert_eq!(&**got[0], "one");
}

#[test]
fn g10_a_value_that_the_region_distrusts_is_no_value_and_no_old_one() {
    let ground = Ground::new();
    let builder = ground.builder().max_stale(MINUTE).other_life(OtherLife::Distrust);
    let region: Region<u64, String> = builder.far(Arc::clone(&ground.memory)).build().unwrap();
    soon(region.set(&1, "one".to_owned())).unwrap();
    ground.memory.fail_over_to(&ground.memory.snapshot());
    assert!(soon(region.get(&1).value()).unwrap().is_none());
    let got = soon(region.get(&1).or_create_with(async |creation| {
        assert!(creation.old().is_none());
        "two".to_owned().into()
    }));
    assert_eq!(&**got.unwrap(), "two");
    assert_eq!(fresh(&region, 1).as_deref(), Some("two"));
}

#[test]
fn g3_near_keeps_no_value_that_cannot_be_stored_and_whose_grant_was_voided() {
    let ground = Ground::new();
    let near = Near::holding(100).at_most(SECOND);
    let far = ground.builder().near(near).far(Arc::clone(&ground.memory)).largest_value(8);
    let region: Region<u64, String> = far.build().unwrap();
    let other = ground.region(Place::Far);
    let gate = Gate::new();
    let large = "too large to be stored";
    let creating = begin(region.get(&1).or_create(async || gated(&gate, large).await));
    soon(other.invalidate(&1)).unwrap();
    gate.open();
    assert_eq!(&**creating.end().unwrap(), large);
    assert_eq!(fresh(&region, 1), None);
}

#[test]
fn g4_a_creator_that_blocks_the_only_thread_of_its_runtime_publishes() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let memory = Arc::new(Memory::new());
    // The answers come from another thread.
    let slow = dogpile_cache::backend::Faulty::new(memory, 1)
        .with(dogpile_cache::backend::Fault::Delayed, 1.0)
        .delayed_by(|_| {
            let (tell, told) = tokio::sync::oneshot::channel();
            thread::spawn(move || {
                thread::sleep(MS * 5);
                let _ = tell.send(());
            });
            async move { told.await.unwrap_or(()) }
        });
    let region: Region<u64, String> =
        Region::builder("test").expires_after(MINUTE).far(Arc::new(slow)).build().unwrap();
    runtime.block_on(async {
        let got = region.blocking().get(&1).or_create(|| {
            thread::sleep(MS * 1200);
            "one".to_owned()
        });
        assert_eq!(&**got.expect("the value is not lost"), "one");
    });
}

#[test]
fn a_look_that_nobody_polls_keeps_nobody_from_the_backend() {
    let ground = Ground::new();
    let one = ground.process(Place::Far);
    one.probe.set(Operation::Look, Fate::RequestLate);
    // It is polled once, and never again.
    let _asleep = begin(one.region.get(&1).or_create(async || "asleep".to_owned()));
    one.probe.set(Operation::Look, Fate::Answers);
    let mut other = start(one.region.get(&1).or_create(async || "one".to_owned()));
    if other.poll().is_none() {
        ground.clock.advance(MS * 500);
        drop(other.end());
    }
    let got = soon(one.region.get(&2).or_create(async || "two".to_owned())).unwrap();
    assert!(Got::published(&got) == Some(Published::Fresh), "{got:?}");
}

#[test]
fn near_serves_no_longer_than_a_touch_has_said() {
    let ground = Ground::new();
    let near = Near::holding(100).at_most(Duration::MAX);
    let region: Region<u64, String> = ground.builder().near(near).far(Arc::clone(&ground.memory)).build().unwrap();
    create(&region, 1, "one");
    assert!(soon(region.touch(&1, Some(SECOND))).unwrap());
    ground.clock.advance(SECOND * 2);
    assert_eq!(fresh(&region, 1), None);
}

#[test]
fn g10_a_touch_makes_no_value_of_another_life_fresh() {
    let ground = Ground::new();
    let region = ground.region(Place::Far);
    create(&region, 1, "one");
    let before = ground.memory.snapshot();
    soon(region.invalidate(&1)).unwrap();
    ground.memory.fail_over_to(&before);
    assert_eq!(there(&region, 1), Some(("one".to_owned(), Outcome::Stale)));
    assert!(soon(region.touch(&1, None)).unwrap());
    assert_eq!(fresh(&region, 1), None);
}

#[test]
fn g5_a_claim_that_is_never_ended_is_taken_over_though_there_is_an_old_value() {
    for place in [Place::Near, Place::Far] {
        let ground = Ground::new();
        let region = ground.region_by(place, |builder| builder.max_stale(Duration::MAX));
        create(&region, 1, "old");
        ground.clock.advance(MINUTE);
        let Claim::Create(_kept) = soon(region.get(&1).claim()).unwrap() else { panic!("it is stale") };
        ground.clock.advance(MINUTE * 60);
        // (The keeper of a creation is another thread.)
        thread::sleep(MS * 50);
        let got = soon(region.get(&1).or_create(async || "new".to_owned())).unwrap();
        assert_eq!((&**got, Got::outcome(&got)), ("new", Outcome::Created), "{place:?}");
    }
}

#[test]
fn an_invalidation_that_fails_ten_times_is_told_again_once_in_a_pause() {
    let ground = Ground::new();
    let one = ground.process(Place::Far);
    one.probe.set(Operation::Change, Fate::Unreachable);
    for _ in 0..10 {
        soon(one.region.invalidate(&1)).unwrap_err();
    }
    thread::sleep(MS * 50);
    let before = Probe::count(&one.probe, Operation::Change);
    ground.clock.advance(SECOND);
    thread::sleep(MS * 100);
    assert_eq!(Probe::count(&one.probe, Operation::Change) - before, 1);
}

struct Looks {
    region: Arc<OnceLock<Region<u64, Looks>>>,
}

impl Drop for Looks {
    fn drop(&mut self) {
        if let Some(region) = self.region.get() {
            drop(now(region.get(&1).value()));
        }
    }
}

#[test]
fn a_value_may_use_its_region_when_it_is_dropped() {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        let region: Region<u64, Looks> =
            Region::builder("test").expires_after(MINUTE).near(Near::holding(10)).build().unwrap();
        let cell = Arc::new(OnceLock::new());
        let value = || Looks { region: Arc::clone(&cell) };
        drop(now(region.get(&1).or_create(async || value())).unwrap());
        assert!(cell.set(region.clone()).is_ok());
        now(region.set(&1, value())).unwrap();
        tell.send("set").unwrap();
        now(region.invalidate(&1)).unwrap();
        tell.send("invalidate").unwrap();
    });
    for done in ["set", "invalidate"] {
        assert_eq!(told.recv_timeout(SECOND * 5), Ok(done));
    }
}

#[test]
fn g5_backend_timeout_bounds_the_sum_of_a_change() {
    let ground = Ground::new();
    let one = ground.process(Place::Far);
    one.probe.set_all(Fate::RequestLate);
    let mut setting = begin(one.region.set(&1, "one".to_owned()));
    ground.clock.advance(MS * 400);
    one.probe.set(Operation::Look, Fate::Answers);
    // The look is answered; the change is not.
    setting.waits();
    ground.clock.advance(MS * 100);
    assert!(setting.poll().is_some_and(|set| set.is_err()), "it has taken half a second");
}

#[test]
fn g5_a_lease_for_ever_is_none() {
    let ground = Ground::new();
    let by = |builder: dogpile_cache::RegionBuilder<dogpile_cache::region::NearAlone>| builder.lease(Duration::MAX);
    let one = ground.process_by(Place::Far, by);
    let Claim::Create(creation) = soon(one.region.get(&1).claim()).unwrap() else { panic!("there is no value") };
    let looks = now(ground.memory.look(&[Ground::key(1)], None)).unwrap();
    let held = format!("{:?}", looks[0].rest);
    drop(creation);
    assert!(!held.contains("18446744073709551615"), "a holder that is killed would hold for ever: {held}");
}

#[test]
fn what_is_unchanged_of_one_key_is_no_value_of_another() {
    let ground = Ground::new();
    let region = ground.region(Place::Far);
    create(&region, 1, "old");
    ground.clock.advance(MINUTE);
    let Claim::Create(one) = soon(region.get(&1).claim()).unwrap() else { panic!("it is stale") };
    let unchanged = one.unchanged().unwrap();
    soon(region.set(&2, unchanged)).unwrap();
    let source = soon(region.get(&2).or_try_find(async || Ok::<_, Infallible>(Some("two".to_owned())))).unwrap();
    assert_eq!(source.as_deref().map(String::as_str), Some("old"));
    let unchanged = one.unchanged().unwrap();
    let Claim::Create(three) = soon(region.get(&3).claim()).unwrap() else { panic!("there is no value") };
    assert_eq!(&**soon(three.publish(unchanged)).unwrap(), "old");
}

#[test]
fn the_polls_for_many_keys_begin_at_what_the_last_creation_took() {
    let ground = Ground::new();
    let wire = Wire::new(Arc::clone(&ground.memory));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&wire)).build().unwrap();
    let other = ground.region(Place::Far);
    crate::kit::create_slowly(&ground, &other, 1, MS * 200);
    ground.clock.advance(MINUTE);
    let Claim::Create(_creation) = soon(other.get(&1).claim()).unwrap() else { panic!("it is stale") };
    let keys = [1];
    let access = region.get_many(&keys).soft_timeout(SECOND * 5).or_create(async |_| vec!["x".to_owned()]);
    let mut access = begin(access);
    let before = wire.count_of(Kind::Look);
    ground.clock.advance(MS * 100);
    access.waits();
    assert_eq!(wire.count_of(Kind::Look), before, "the last creation took 200 ms");
}

#[test]
fn a_missing_key_is_a_miss_for_many_keys_too() {
    let ground = Ground::new();
    let one = ground.region(Place::Far);
    soon(one.get(&1).or_create(async || "one".to_owned())).unwrap();
    let other = ground.region(Place::Far);
    soon(other.get_many(&[2]).or_create(async |_| vec!["two".to_owned()])).unwrap();
    assert_eq!(format!("{:?}", one.counts()), format!("{:?}", other.counts()));
}

#[test]
fn an_entry_that_is_refused_is_no_backend_that_is_down() {
    let ground = Ground::new();
    let faulty = Arc::new(dogpile_cache::backend::Faulty::new(Arc::clone(&ground.memory), 1));
    let region: Region<u64, String> = ground.builder().far(Arc::clone(&faulty)).build().unwrap();
    let refused = dogpile_cache::backend::Fault::Refused;
    let got = soon(region.get(&1).or_create(async || {
        faulty.set_rate(refused, 1.0);
        "one".to_owned()
    }));
    assert_eq!(&**got.unwrap(), "one");
    faulty.set_rate(refused, 0.0);
    let got = soon(region.get(&2).or_create(async || "two".to_owned())).unwrap();
    assert!(Got::published(&got) == Some(Published::Fresh), "{got:?}");
}

/// What is done, and after how many readings.
type Hook = (usize, Box<dyn FnOnce() + Send>);

/// A clock that does something at one of its next readings.
struct Hooked {
    clock: Arc<ManualClock>,
    hook: Mutex<Option<Hook>>,
}

impl Clock for Hooked {
    fn now(&self) -> u64 {
        let mut hook = self.hook.lock().unwrap();
        match hook.take() {
            Some((0, does)) => {
                drop(hook);
                does();
            }
            Some((left, does)) => *hook = Some((left - 1, does)),
            None => {}
        }
        self.clock.now()
    }

    fn wake_at(&self, at: u64, ticket: u64, waker: &Waker) -> bool {
        self.clock.wake_at(at, ticket, waker)
    }

    fn cancel_wake(&self, at: u64, ticket: u64) {
        self.clock.cancel_wake(at, ticket);
    }
}

#[test]
fn g1_a_creation_that_begins_is_not_taken_for_the_dead_one_before_it() {
    // The other access comes at each reading of the clock of an access that creates.
    for reading in 0..16 {
        let clock = Arc::new(Hooked { clock: Arc::new(ManualClock::new()), hook: Mutex::new(None) });
        let builder = Region::builder("test").expires_after(MINUTE).max_stale(Duration::ZERO);
        let region: Region<u64, u64> = builder.clock(Arc::clone(&clock)).near(Near::holding(10)).build().unwrap();
        let creations = Arc::new(AtomicU64::new(0));
        let create = {
            let (region, creations) = (region.clone(), Arc::clone(&creations));
            move || region.blocking().get(&1).or_create(|| creations.fetch_add(1, Relaxed)).unwrap()
        };
        // There is always some access to the key.
        let Claim::Create(first) = now(region.get(&1).claim()).unwrap() else { panic!("there is no value") };
        let _other = begin(region.get(&1).or_create(async || panic!("no creator is to be called")));
        now(first.publish(0)).unwrap();
        // The value expires, and the time of its creation is over.
        clock.clock.advance(MINUTE * 60);
        let (ended, end) = mpsc::channel();
        let other = create.clone();
        let hook = move || {
            let (end, has_ended) = mpsc::channel();
            thread::spawn(move || {
                other();
                _ = end.send(());
                _ = ended.send(());
            });
            // (It may have to wait.)
            _ = has_ended.recv_timeout(MS * 50);
        };
        *clock.hook.lock().unwrap() = Some((reading, Box::new(hook)));
        create();
        if clock.hook.lock().unwrap().take().is_none() {
            end.recv_timeout(SECOND * 10).unwrap();
        }
        assert_eq!(creations.load(Relaxed), 1, "{reading}");
    }
}

/// What a region does with a value that lies on the backend, and is none to it.
#[track_caller]
fn finds_nothing(region: &Region<u64, String>) {
    assert_eq!(there(region, 1), None);
    assert!(now(region.get_many(&[1]).values()).unwrap()[0].is_none());
    assert!(now(region.see(&1)).unwrap().value().is_none());
    assert!(!soon(region.touch(&1, None)).unwrap(), "it would be fresh again");
    assert_eq!(there(region, 1), None);
}

#[test]
fn g10_a_value_that_is_distrusted_is_found_by_no_look() {
    let ground = Ground::new();
    let region = ground.region_by(Place::Far, |builder| builder.other_life(OtherLife::Distrust));
    create(&region, 1, "revoked");
    let before = ground.memory.snapshot();
    soon(region.invalidate(&1)).unwrap();
    ground.memory.fail_over_to(&before);
    finds_nothing(&region);
}

#[test]
fn a_value_that_is_too_old_for_this_region_is_found_by_no_look() {
    let ground = Ground::new();
    let (one, strict) = (ground.region(Place::Far), ground.region_by(Place::Far, |b| b.max_stale(Duration::ZERO)));
    create(&one, 1, "old");
    ground.clock.advance(MINUTE);
    finds_nothing(&strict);
}
