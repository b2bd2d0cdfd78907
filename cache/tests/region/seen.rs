//! What a region counts and tells.

use crate::kit::{
    Fate, Gate, Ground, MINUTE, MS, PLACES, Place, SECOND, begin, create, eventually, gated, now, soon, take, there,
};
use dogpile_cache::backend::BackendError;
use dogpile_cache::envelope::Why;
use dogpile_cache::observer::{NotPublished, Observer, Operation, Overlap, Published, Source};
use dogpile_cache::{Got, Made, Near};
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Debug, Default)]
struct Log(Mutex<Vec<String>>);

impl Log {
    fn note(&self, of: Source<'_>, what: fmt::Arguments<'_>) {
        self.0.lock().unwrap().push(format!("{}:{} {what}", of.region, of.key));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Log {
    fn created(&self, of: Source<'_>, took: Duration, published: Published) {
        self.note(of, format_args!("created in {took:?}, {}", published.name()));
    }

    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        self.note(of, format_args!("failed in {took:?}, {cause}"));
    }

    fn refused(&self, of: Source<'_>, why: NotPublished) {
        self.note(of, format_args!("refused, {}", why.name()));
    }

    fn waited(&self, of: Source<'_>, took: Duration) {
        self.note(of, format_args!("waited {took:?}"));
    }

    fn served_stale(&self, of: Source<'_>, age: Duration) {
        self.note(of, format_args!("stale since {age:?}"));
    }

    fn overlapped(&self, of: Source<'_>, why: Overlap) {
        self.note(of, format_args!("overlapped, {}", why.name()));
    }

    fn backend_failed(&self, of: Source<'_>, operation: Operation, error: &BackendError) {
        self.note(of, format_args!("{operation} failed, {:?}", error.kind()));
    }

    fn unreadable(&self, of: Source<'_>, why: Why) {
        self.note(of, format_args!("unreadable, {why:?}"));
    }

    fn invalidated(&self, of: Source<'_>) {
        self.note(of, format_args!("invalidated"));
    }
}

#[test]
fn an_observer_is_told_of_a_creation_and_of_old_values() {
    for place in PLACES {
        let (ground, log) = (Ground::new(), Arc::new(Log::default()));
        let region = ground.region_by(place, |builder| builder.observer(Arc::clone(&log)));
        let slow = async || {
            ground.clock.advance(SECOND);
            "one".to_owned()
        };
        soon(region.get(&1).or_create(slow)).unwrap();
        assert_eq!(log.take(), ["test:1 created in 1s, fresh"], "{place:?}");
        take(&region, 1);
        assert!(log.take().is_empty(), "{place:?}");
        ground.clock.advance(MINUTE);
        there(&region, 1);
        assert_eq!(log.take(), ["test:1 stale since 60s"], "{place:?}");
        let failed = soon(region.get(&1).or_try_create(async || Err("no source")));
        assert!(failed.is_err());
        assert_eq!(log.take(), ["test:1 failed in 0ns, no source"], "{place:?}");
        soon(region.invalidate(&1)).unwrap();
        assert_eq!(log.take(), ["test:1 invalidated"], "{place:?}");
        let unstored = async |_: &dogpile_cache::Creation<u64, String>| Made::new("mine".to_owned()).unstored();
        soon(region.get(&1).or_create_with(unstored)).unwrap();
        assert_eq!(log.take(), ["test:1 created in 0ns, unwanted", "test:1 refused, unwanted"], "{place:?}");
        let panicking = || soon(region.get(&1).or_create(async || panic!("on purpose")));
        assert!(catch_unwind(AssertUnwindSafe(panicking)).is_err());
        assert_eq!(log.take(), ["test:1 failed in 0ns, the creator has panicked"], "{place:?}");
    }
}

#[derive(Debug)]
struct Panics;

impl Observer for Panics {
    fn failed(&self, _: Source<'_>, _: Duration, _: &dyn fmt::Display) {
        panic!("an observer, on purpose");
    }
}

#[test]
fn an_observer_that_panics_beside_a_panicking_creator_does_not_abort() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region_by(place, |builder| builder.observer(Panics).without_pauses());
        let panicking = || soon(region.get(&1).or_create(async || panic!("a creator, on purpose")));
        let payload = catch_unwind(AssertUnwindSafe(panicking)).unwrap_err();
        assert_eq!(payload.downcast_ref::<&str>(), Some(&"a creator, on purpose"), "{place:?}");
        assert_eq!(region.counts().failures, 1);
    }
}

#[test]
fn misses_and_hits_are_counted_once_for_each_access() {
    for place in PLACES {
        let ground = Ground::new();
        let region = ground.region_by(place, dogpile_cache::RegionBuilder::count_hits);
        assert_eq!(there(&region, 1), None);
        assert_eq!(region.counts().misses, 1, "{place:?}");
        let gate = Gate::new();
        let creating = begin(region.get(&1).or_create(async || gated(&gate, "one").await));
        let waiting: Vec<_> =
            (0..5).map(|_| begin(region.get(&1).or_create(async || panic!("another creates")))).collect();
        ground.clock.advance(SECOND);
        gate.open();
        creating.end().unwrap();
        for waiting in waiting {
            waiting.end().unwrap();
        }
        let counts = region.counts();
        assert_eq!((counts.misses, counts.waits, counts.waiting), (7, 5, SECOND * 5), "{place:?}");
        assert_eq!((counts.creations, counts.creating, counts.published_fresh), (1, SECOND, 1), "{place:?}");
        for _ in 0..3 {
            take(&region, 1);
        }
        let (hits, far) = (region.counts().near_hits, region.counts().far_fresh);
        assert_eq!((hits, far), if place == Place::Far { (Some(0), 3) } else { (Some(3), 0) }, "{place:?}");
        ground.clock.advance(MINUTE);
        there(&region, 1);
        let counts = region.counts();
        let stale = if place == Place::Near { (1, 0) } else { (0, 1) };
        assert_eq!((counts.near_stale, counts.far_stale), stale, "{place:?}");
        // A renewal has something to be served, and a refresh by hand wants something else.
        create(&region, 1, "two");
        soon(region.refresh(&1).or_create(async || "three".to_owned())).unwrap();
        assert_eq!((region.counts().misses, region.counts().renewals), (7, 2), "{place:?}");
    }
}

#[test]
fn a_wait_for_another_process_is_counted_once_however_it_ends() {
    for place in [Place::Far, Place::NearOverFar] {
        let (ground, log) = (Ground::new(), Arc::new(Log::default()));
        let one = ground.process(place);
        let other = ground.process_by(place, |builder| builder.observer(Arc::clone(&log)));
        let gate = Gate::new();
        let creating = begin(one.region.get(&1).or_create(async || gated(&gate, "one").await));
        let mut waiting = begin(other.region.get(&1).or_create(async || panic!("another creates")));
        let dropped = begin(other.region.get(&1).or_create(async || panic!("another creates")));
        let mut timed_out = begin(other.region.get(&1).timeout(MS * 500).or_create(async || panic!("another creates")));
        let mut over = false;
        for _ in 0..4 {
            ground.clock.advance(MS * 250);
            waiting.waits();
            over |= !over && timed_out.poll().is_some();
        }
        assert_eq!(log.take(), ["test:1 waited 500ms"], "{place:?}");
        drop(dropped);
        assert_eq!(log.take(), ["test:1 waited 1s"], "{place:?}");
        gate.open();
        creating.end().unwrap();
        ground.clock.advance(MS * 250);
        waiting.end().unwrap();
        assert_eq!(log.take(), ["test:1 waited 1.25s"], "{place:?}");
        assert_eq!(other.region.counts().waits, 3);
    }
}

#[test]
fn bytes_are_counted_when_they_are_read_or_stored() {
    let ground = Ground::new();
    let (one, other) = ground.pair(Place::Far, |builder| builder);
    create(&one.region, 1, &"x".repeat(1000));
    let written = one.region.counts().bytes_written;
    assert!(written > 1000 && written < 1200, "{written}");
    take(&other.region, 1);
    assert_eq!(other.region.counts().bytes_read, written);
    soon(one.region.set(&1, "x".repeat(1000))).unwrap();
    assert_eq!(one.region.counts().bytes_written, written * 2);
    let gate = Gate::new();
    let creating = begin(one.region.refresh(&1).or_create(async || gated(&gate, "refused").await));
    soon(other.region.invalidate(&1)).unwrap();
    gate.open();
    creating.end().unwrap();
    assert_eq!(one.region.counts().bytes_written, written * 2, "what was refused is not stored");
    assert_eq!(one.region.counts().refused.get(NotPublished::Voided), 1);
}

#[test]
fn failures_of_the_backend_are_told_once() {
    for place in [Place::Far, Place::NearOverFar] {
        let (ground, log) = (Ground::new(), Arc::new(Log::default()));
        let one = ground.process_by(place, |builder| builder.observer(Arc::clone(&log)));
        one.probe.set_all(Fate::Unreachable);
        let failed = soon(one.region.invalidate(&1));
        assert!(failed.is_err());
        assert_eq!(log.take(), ["test:1 change failed, Unreachable"], "{place:?}");
        soon(one.region.get(&1).or_create(async || "own".to_owned())).unwrap();
        let expected = ["test:1 overlapped, cut_off", "test:1 created in 0ns, cut_off", "test:1 refused, cut_off"];
        assert_eq!(log.take(), expected, "{place:?}");
        take(&one.region, 1);
        assert_eq!(one.region.counts().own, 1, "{place:?}");
        assert!(soon(one.region.ping()).is_err());
        assert_eq!(log.take(), ["test: ping failed, Unreachable"], "{place:?}");
        // The invalidation is counted when it is told.
        assert_eq!(one.region.counts().invalidations, 0);
        one.probe.set_all(Fate::Answers);
        ground.clock.advance(SECOND);
        soon(one.region.get(&1).value()).unwrap();
        // (By the keeper or by the access, whichever comes first.)
        let mut told = Vec::new();
        eventually("the invalidation is told", || {
            told.extend(log.take());
            !told.is_empty()
        });
        assert_eq!(told, ["test:1 invalidated"], "{place:?}");
        there(&one.region, 1);
        assert_eq!(one.region.counts().invalidations, 1, "{place:?}");
    }
}

#[test]
fn an_overlap_is_told_with_its_reason() {
    for place in PLACES {
        let (ground, log) = (Ground::new(), Arc::new(Log::default()));
        let region = ground.region_by(place, |builder| builder.observer(Arc::clone(&log)));
        let gate = Gate::new();
        let creating = begin(region.get(&1).or_create(async || gated(&gate, "one").await));
        soon(region.invalidate(&1)).unwrap();
        gate.open();
        creating.end().unwrap();
        let expected = [
            "test:1 invalidated",
            "test:1 overlapped, voided",
            "test:1 created in 0ns, voided",
            "test:1 refused, voided",
        ];
        assert_eq!(log.take(), expected, "{place:?}");
    }
}

#[test]
fn a_region_that_is_shown_says_what_it_is() {
    let ground = Ground::new();
    let region = ground.builder().near(Near::holding(10)).build::<u64, String>().unwrap();
    create(&region, 1, "x");
    let shown = format!("{region:?}");
    assert!(shown.contains("\"test\"") && shown.contains("kept_near: 1"), "{shown}");
    let got = take(&region, 1);
    assert_eq!((Got::into_value(got), region.name()), ("x".to_owned(), "test"));
    now(region.ping()).unwrap();
}
