//! Regions as threads use them.

use crate::kit::{
    Gate, Ground, MINUTE, MS, PLACES, Place, SECOND, begin, create, eventually, fresh, gated, just_before, take,
};
use dogpile_cache::observer::Operation;
use dogpile_cache::{Claim, CreateError, Got, Made, Outcome};
use std::convert::Infallible;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

#[test]
fn each_call_does_what_its_asynchronous_form_does() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let blocking = region.blocking();
        assert!(blocking.get(&1).value().unwrap().is_none());
        let one = blocking.get(&1).or_create(|| "1".to_owned()).unwrap();
        assert_eq!(Got::outcome(&one), Outcome::Created);
        blocking.get(&2).or_create_with(|_| Made::new("2".to_owned())).unwrap();
        blocking.get(&3).or_try_create(|| Ok::<_, Infallible>("3".to_owned())).unwrap();
        blocking.get(&4).or_try_create_with(|_| Ok::<_, Infallible>(Made::new("4".to_owned()))).unwrap();
        blocking.get(&5).or_try_find(|| Ok::<_, Infallible>(Some("5".to_owned()))).unwrap().unwrap();
        assert!(blocking.get(&7).or_try_find(|| Ok::<_, Infallible>(None)).unwrap().is_none());
        let Claim::Create(creation) = blocking.get(&6).claim().unwrap() else { panic!("there is no value") };
        creation.publish_blocking("6".to_owned()).unwrap();
        for key in 1..=6 {
            assert_eq!(blocking.get(&key).value().unwrap().unwrap().to_string(), key.to_string(), "{place:?}");
        }
        let refused = blocking.get(&1).renew_if(Got::version(&one)).or_create(|| "again".to_owned()).unwrap();
        assert_eq!(&**refused, "again");
        assert_eq!(&**blocking.refresh(&1).or_create(|| "anew".to_owned()).unwrap(), "anew");
        blocking.set(&1, "set".to_owned()).unwrap();
        assert!(!blocking.add(&1, "added".to_owned()).unwrap());
        let seen = blocking.see(&1).unwrap();
        assert!(blocking.set_if(&1, &seen, "seen".to_owned()).unwrap());
        assert!(blocking.touch(&1, Some(SECOND)).unwrap());
        blocking.mark_stale(&1).unwrap();
        assert_eq!(Got::outcome(&blocking.get(&1).value().unwrap().unwrap()), Outcome::Stale);
        blocking.invalidate(&1).unwrap();
        assert!(blocking.get(&1).value().unwrap().is_none());
        let failed = blocking.get(&1).or_try_create(|| Err("no"));
        assert!(matches!(failed, Err(CreateError::Failed("no"))));
        assert!(matches!(blocking.get(&1).claim(), Err(CreateError::Paused { .. })));
    }
}

#[test]
fn threads_and_tasks_on_a_missing_key_are_one_creation() {
    for place in PLACES {
        let ground = Ground::new();
        let one = ground.process(place);
        let (barrier, creations) = (Barrier::new(16), AtomicU64::new(0));
        // A task creates; the threads wait for it.
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "task").await));
        thread::scope(|scope| {
            for _ in 0..16 {
                scope.spawn(|| {
                    barrier.wait();
                    let got = one.region.blocking().get(&1).or_create(|| {
                        creations.fetch_add(1, Ordering::Relaxed);
                        "thread".to_owned()
                    });
                    assert_eq!(&**got.unwrap(), "task", "{place:?}");
                });
            }
            eventually("all threads have found nothing", || one.region.counts().misses == 17);
            gate.open();
            assert_eq!(&**creating.end().unwrap(), "task");
        });
        assert_eq!(creations.load(Ordering::Relaxed), 0, "{place:?}");
    }
}

#[test]
fn g9_a_creator_that_blocks_its_thread_keeps_its_lease() {
    for place in [Place::Far, Place::NearOverFar] {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        let got = one.region.blocking().get(&1).or_create(|| {
            for renewals in 1..=9 {
                ground.clock.advance(SECOND * 10 / 3);
                eventually("the lease is renewed", || one.probe.count(Operation::Renew) == renewals);
            }
            "slow".to_owned()
        });
        assert_eq!(Got::published(&got.unwrap()), Some(dogpile_cache::observer::Published::Fresh), "{place:?}");
        assert_eq!(fresh(&other.region, 1).as_deref(), Some("slow"));
    }
}

#[test]
fn g5_a_thread_whose_creator_never_ends_costs_one_creation_timeout() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder.creation_timeout(SECOND * 2));
        let (began, may_end) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            let late = scope.spawn(|| {
                one.region.blocking().get(&1).or_create(|| {
                    began.store(true, Ordering::Release);
                    eventually("it may end", || may_end.load(Ordering::Acquire));
                    "late".to_owned()
                })
            });
            eventually("the creator runs", || began.load(Ordering::Acquire));
            let mut waiting = begin(other.region.get(&1).or_create(async || "two".to_owned()));
            ground.clock.advance(just_before(SECOND * 2));
            waiting.waits();
            let mut got = None;
            eventually("another is elected", || {
                ground.clock.advance(MS);
                got = waiting.poll();
                got.is_some()
            });
            assert_eq!(&**got.unwrap().unwrap(), "two", "{place:?}");
            may_end.store(true, Ordering::Release);
            let late = late.join().unwrap().unwrap();
            let published = Got::published(&late);
            let why = dogpile_cache::observer::NotPublished::Late;
            assert_eq!(published, Some(dogpile_cache::observer::Published::No(why)), "{place:?}");
            assert_eq!(fresh(&other.region, 1).as_deref(), Some("two"), "{place:?}");
        });
    }
}

#[test]
fn a_thread_waits_no_longer_than_its_timeouts() {
    for place in PLACES {
        let ground = Ground::new();
        let (one, other) = ground.pair(place, |builder| builder);
        create(&one.region, 1, "old");
        ground.clock.advance(MINUTE);
        let gate = Gate::new();
        let _renewing = begin(one.region.get(&1).or_create(async || gated(&gate, "new").await));
        let _creating = begin(one.region.get(&2).or_create(async || gated(&gate, "new").await));
        thread::scope(|scope| {
            let old = scope.spawn(|| other.region.blocking().get(&1).soft_timeout(SECOND).or_create(|| unreachable!()));
            let none = scope.spawn(|| other.region.blocking().get(&2).timeout(SECOND).or_create(|| unreachable!()));
            // The threads wait on the clock.
            eventually("both end", || {
                ground.clock.advance(MS);
                old.is_finished() && none.is_finished()
            });
            assert_eq!(Got::outcome(&old.join().unwrap().unwrap()), Outcome::Stale, "{place:?}");
            assert!(matches!(none.join().unwrap(), Err(CreateError::TimedOut)), "{place:?}");
        });
    }
}

#[test]
fn on_a_runtimes_own_single_thread_a_wait_for_its_task_is_an_error() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        runtime.block_on(async {
            // What has nothing to wait for works there.
            region.blocking().get(&1).or_create(|| "one".to_owned()).unwrap();
            assert_eq!(&**take(&region, 1), "one");
            let creating = tokio::spawn({
                let region = region.clone();
                async move { region.get(&2).or_create(std::future::pending::<String>).await.is_ok() }
            });
            tokio::task::yield_now().await;
            let got = region.blocking().get(&2).or_create(|| unreachable!());
            assert!(matches!(got, Err(CreateError::BlocksRuntime)), "{place:?} {got:?}");
            creating.abort();
        });
    }
}

#[test]
fn on_a_runtime_of_several_threads_a_wait_blocks_nobody_else() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region(place);
        let gate = Gate::new();
        let got = runtime.block_on(async {
            let creating = tokio::spawn({
                let (region, gate) = (region.clone(), std::sync::Arc::clone(&gate));
                async move { region.get(&1).or_create(async || gated(&gate, "task").await).await.unwrap().to_string() }
            });
            let waiting = tokio::spawn({
                let region = region.clone();
                async move { region.blocking().get(&1).or_create(|| "thread".to_owned()).unwrap().to_string() }
            });
            gate.open();
            (creating.await.unwrap(), waiting.await.unwrap())
        });
        assert_eq!(got.0, got.1, "{place:?}");
        assert_eq!(region.counts().creations, 1, "{place:?}");
    }
}
