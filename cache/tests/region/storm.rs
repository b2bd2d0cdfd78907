//! Storms: many tasks of a few processes do what comes to their minds, on a few keys, over a backend that fails by a
//! seed. An observer that shares no code with the crate judges what has happened.
//!
//! `DOGPILE_CACHE_STORM=600` has the last test storm for so many seconds, each round with another random seed; without
//! it, for one round. `DOGPILE_CACHE_SEED=7` gives the seed.

mod judge;

use self::judge::{Judge, Stamp};
use crate::kit::{MS, SECOND, is_free};
use crate::wire::WATCHDOG;
use dogpile::Backoff;
use dogpile_cache::backend::{Fault, Faulty, Memory};
use dogpile_cache::{Claim, Creation, Got, Near, Region};
use fastrand::Rng;
use std::env;
use std::future::poll_fn;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::task::{JoinSet, yield_now};
use tokio::time::timeout;

type Fleet = Arc<Faulty<Arc<Memory>>>;

/// How wild a storm is.
#[derive(Clone, Copy, Debug)]
struct Storm {
    seed: u64,
    processes: usize,
    tasks: usize,
    steps: usize,
    keys: u64,
    /// The rate of each fault.
    faults: f64,
    /// Whether entries are changed from outside of creations.
    changes: bool,
    /// Whether the even processes keep values near.
    near: bool,
}

const CALM: Storm =
    Storm { seed: 0, processes: 4, tasks: 16, steps: 150, keys: 3, faults: 0.0, changes: false, near: false };

fn region(fleet: &Fleet, storm: &Storm, process: usize) -> Region<u64, Stamp> {
    // Without faults no lease runs out, however slow the machine is.
    let is_faulty = storm.faults > 0.0;
    let builder = Region::builder("test")
        .expires_after(MS * 20)
        .max_stale(MS * 20)
        .retry_after(Backoff::new(MS, MS * 4))
        .poll(MS * 2)
        .void_pause(MS * 5)
        .backend_pause(MS * 3)
        .own_for(MS * 5)
        .backend_timeout(if is_faulty { MS * 100 } else { SECOND * 60 })
        .lease(if is_faulty { MS * 60 } else { SECOND * 60 })
        .creation_timeout(if is_faulty { MS * 500 } else { SECOND * 60 });
    if storm.near && process.is_multiple_of(2) {
        builder.near(Near::holding(100).at_most(MS * 5)).far(Arc::clone(fleet)).build().unwrap()
    } else {
        builder.far(Arc::clone(fleet)).build().unwrap()
    }
}

/// One task of a process.
struct Task {
    region: Region<u64, Stamp>,
    judge: Arc<Judge>,
    process: usize,
    dice: Rng,
    storm: Storm,
}

/// What a creator is to do.
#[derive(Clone, Copy)]
enum Then {
    Make,
    Fail,
    Panic,
}

impl Task {
    async fn run(mut self) {
        for _ in 0..self.storm.steps {
            self.step().await;
        }
    }

    async fn step(&mut self) {
        let key = self.dice.u64(0..self.storm.keys);
        let kind = self.dice.u32(0..100);
        // Two in ten are dropped, if they take so many polls.
        let mut polls = if self.dice.u32(0..10) < 2 { self.dice.usize(0..20) } else { usize::MAX };
        let (work, then) = (self.dice.usize(0..8), self.dice.u32(0..20));
        let then = match then {
            0 | 1 => Then::Fail,
            2 => Then::Panic,
            _ => Then::Make,
        };
        let changes = if self.storm.changes { 100 } else { 80 };
        let step: Pin<Box<dyn Future<Output = ()> + Send + '_>> = match kind * changes / 100 {
            0..50 => Box::pin(self.get(key, kind, work, then)),
            50..62 => Box::pin(self.claim(key, work, then)),
            62..70 => Box::pin(self.read(key)),
            70..80 => Box::pin(self.get(key, 100 + kind, work, then)),
            80..88 => {
                // One that is dropped is told later, at a time that the judge does not know.
                polls = if self.storm.faults > 0.0 { polls } else { usize::MAX };
                Box::pin(self.invalidate(key))
            }
            88..92 => Box::pin(self.mark_stale(key)),
            92..96 => Box::pin(self.set(key)),
            _ => Box::pin(self.set_if(key)),
        };
        poll_and_drop(step, polls).await;
        if self.dice.u32(0..4) == 0 {
            yield_now().await;
        }
    }

    fn has_near(&self) -> bool {
        self.storm.near && self.process.is_multiple_of(2)
    }

    /// An access with a creator.
    async fn get(&self, key: u64, kind: u32, work: usize, then: Then) {
        let access = self.judge.begin_access(self.process, key);
        let made = std::sync::Mutex::new(None);
        let create = async |_: Option<&Creation<u64, Stamp>>| {
            let creation = self.judge.begin_creation(&access);
            for _ in 0..work {
                yield_now().await;
            }
            match then {
                Then::Make => {
                    let stamp = creation.stamp();
                    *made.lock().unwrap() = Some(stamp);
                    Ok(stamp)
                }
                Then::Fail => Err("no"),
                Then::Panic => panic!("a creator that panics, on purpose"),
            }
        };
        let get = match kind {
            100.. => self.region.refresh(&key),
            _ => self.region.get(&key),
        };
        let get = if kind.is_multiple_of(7) { get.soft_timeout(MS) } else { get };
        let get = if kind.is_multiple_of(11) { get.timeout(MS * 3) } else { get };
        let got = match kind % 3 {
            0 => get.or_try_create(async || create(None).await).await.ok(),
            1 => {
                let with = async |creation: &Creation<u64, Stamp>| create(Some(creation)).await.map(Into::into);
                get.or_try_create_with(with).await.ok()
            }
            _ => get.or_try_find(async || create(None).await.map(Some)).await.ok().flatten(),
        };
        // G4: what a creator has made, its own caller gets.
        if let Some(stamp) = *made.lock().unwrap() {
            assert_eq!(got.as_ref().map(|got| **got), Some(stamp), "G4, seed {}", self.storm.seed);
        }
        if let Some(got) = got {
            access.got(*got, Got::outcome(&got), self.has_near());
        }
    }

    async fn claim(&self, key: u64, work: usize, then: Then) {
        let access = self.judge.begin_access(self.process, key);
        match self.region.get(&key).claim().await {
            Ok(Claim::Value(got)) => {
                access.got(*got, Got::outcome(&got), self.has_near());
            }
            Ok(Claim::Create(creation)) => {
                let running = self.judge.begin_creation(&access);
                for _ in 0..work {
                    yield_now().await;
                }
                let stamp = running.stamp();
                drop(running);
                match then {
                    Then::Make => {
                        let got = creation.publish(stamp).await.expect("a value comes back");
                        assert_eq!(*got, stamp, "G4, seed {}", self.storm.seed);
                    }
                    Then::Fail => creation.fail(&"no").await,
                    Then::Panic => drop(creation),
                }
            }
            Err(_) => {}
        }
    }

    async fn read(&self, key: u64) {
        let access = self.judge.begin_access(self.process, key);
        if let Ok(Some(got)) = self.region.get(&key).value().await {
            access.got(*got, Got::outcome(&got), self.has_near());
        }
    }

    async fn invalidate(&self, key: u64) {
        let invalidation = self.judge.begin_invalidation(self.process, key);
        let reply = self.region.invalidate(&key).await;
        invalidation.returned(reply.is_ok());
    }

    async fn mark_stale(&self, key: u64) {
        drop(self.region.mark_stale(&key).await);
    }

    async fn set(&self, key: u64) {
        let set = self.judge.begin_set(key);
        let reply = self.region.set(&key, set.stamp()).await;
        set.returned(reply.is_ok());
    }

    async fn set_if(&self, key: u64) {
        let Ok(seen) = self.region.see(&key).await else { return };
        let set = self.judge.begin_set(key);
        let reply = self.region.set_if(&key, &seen, set.stamp()).await;
        set.returned(reply.is_ok());
    }
}

/// Polls so often, and then drops. A panic of a creator ends there.
async fn poll_and_drop(step: Pin<Box<dyn Future<Output = ()> + Send + '_>>, polls: usize) {
    let (mut step, mut left) = (pin!(step), polls);
    poll_fn(|cx| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(cx)));
        match polled {
            Ok(polled) => polled,
            Err(panic) => {
                let text = panic.downcast_ref::<&str>().copied().unwrap_or_default();
                assert!(text.ends_with("on purpose"), "{panic:?} {text}");
                Poll::Ready(())
            }
        }
    })
    .await;
}

/// Panics that are on purpose are not printed.
fn quiet_panics() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let print = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.payload().downcast_ref::<&str>().is_some_and(|text| text.ends_with("on purpose")) {
                print(info);
            }
        }));
    });
}

fn rage(storm: Storm) {
    quiet_panics();
    println!("{storm:?}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).enable_time().build().unwrap();
    runtime.block_on(async {
        let memory = Arc::new(Memory::new());
        let fleet = Faulty::new(Arc::clone(&memory), storm.seed).with(Fault::Delayed, 0.5);
        let each = [
            Fault::Unreachable,
            Fault::Refused,
            Fault::RequestLost,
            Fault::RequestLate,
            Fault::ReplyLost,
            Fault::RequestDoubled,
        ];
        for fault in each {
            fleet.set_rate(fault, storm.faults);
        }
        let fleet: Fleet = Arc::new(fleet);
        let judge = Arc::new(Judge::new(storm.seed));
        let regions: Vec<_> = (0..storm.processes).map(|process| region(&fleet, &storm, process)).collect();
        let mut dice = Rng::with_seed(storm.seed);
        let mut tasks = JoinSet::new();
        for (process, region) in regions.iter().enumerate() {
            for _ in 0..storm.tasks {
                let (region, judge) = (region.clone(), Arc::clone(&judge));
                tasks.spawn(Task { region, judge, process, dice: dice.fork(), storm }.run());
            }
        }
        let all = async {
            while let Some(ended) = tasks.join_next().await {
                ended.unwrap_or_else(|error| panic!("seed {}: {error}", storm.seed));
            }
        };
        let has_ended = timeout(WATCHDOG, all).await.is_ok();
        assert!(has_ended, "G5, seed {}: the storm does not end: {regions:#?} {fleet:?} {judge:?}", storm.seed);
        // Nobody has a grant any more. (A late request that was granted to nobody has it for one lease.)
        for fault in each {
            fleet.set_rate(fault, 0.0);
        }
        fleet.deliver().await;
        for key in 0..storm.keys {
            is_free(&memory, key).await;
        }
        let overlaps: u64 = regions.iter().map(|region| region.counts().overlaps.total()).sum();
        for region in &regions {
            let counts = region.counts();
            println!("{:?} {:?} {:?}", counts.overlaps, counts.refused, counts.backend_errors);
        }
        judge.sentence(storm.faults > 0.0, overlaps);
        println!("{fleet:?}, {overlaps} overlaps counted");
    });
}

#[test]
fn g1_a_calm_fleet_has_one_creator_at_a_time() {
    for seed in [1, 2] {
        rage(Storm { seed, ..CALM });
    }
}

#[test]
fn g1_g3_a_fleet_without_faults_whose_entries_change() {
    for seed in [3, 4] {
        rage(Storm { seed, changes: true, ..CALM });
        rage(Storm { seed, changes: true, near: true, ..CALM });
    }
}

#[test]
fn g2_g3_g4_g5_a_fleet_whose_backend_fails() {
    for seed in [5, 6] {
        rage(Storm { seed, changes: true, faults: 0.02, ..CALM });
        rage(Storm { seed, changes: true, near: true, faults: 0.1, ..CALM });
    }
}

#[test]
fn a_storm_by_a_random_seed() {
    let seconds = env::var("DOGPILE_CACHE_STORM").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(0);
    let given = env::var("DOGPILE_CACHE_SEED").ok().and_then(|seed| seed.parse().ok());
    let until = Instant::now() + Duration::from_secs(seconds);
    loop {
        let seed = given.unwrap_or_else(|| fastrand::u64(..));
        let mut dice = Rng::with_seed(seed);
        let faults = [0.0, 0.02, 0.1, 0.3][dice.usize(0..4)];
        rage(Storm { seed, changes: dice.bool(), near: dice.bool(), faults, keys: dice.u64(1..6), ..CALM });
        if given.is_some() || Instant::now() >= until {
            return;
        }
    }
}
