//! What a region counts, and what it tells an observer.

mod case;
mod histogram;
#[cfg(feature = "metrics")]
mod metrics;
#[cfg(feature = "tracing")]
mod tracing;

use super::seen::KeyText;
use super::span::SpanOfCreation;
use super::*;
use crate::backend::BackendErrorKind;
use crate::codec::{Format, Shape};
use crate::key::{KeyLimit, Namespace, StoredKey};
use crate::observer::case::index;
use std::borrow::Cow;
use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

const SECOND: Duration = Duration::from_secs(1);

/// Writes down what it is told, under a name.
#[derive(Debug, Default)]
struct Diary(Mutex<Vec<String>>);

impl Diary {
    fn write(&self, of: Source<'_>, event: &dyn fmt::Display) {
        self.0.lock().unwrap().push(format!("{}/{}: {event}", of.region, of.key));
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

impl Observer for Diary {
    fn created(&self, of: Source<'_>, took: Duration, published: Published) {
        self.write(of, &format_args!("created in {took:?}, {published}"));
    }

    fn failed(&self, of: Source<'_>, took: Duration, cause: &dyn fmt::Display) {
        self.write(of, &format_args!("failed in {took:?}, {cause}"));
    }

    fn refused(&self, of: Source<'_>, why: NotPublished) {
        self.write(of, &format_args!("refused, {}", why.name()));
    }

    fn waited(&self, of: Source<'_>, took: Duration) {
        self.write(of, &format_args!("waited for {took:?}"));
    }

    fn served_stale(&self, of: Source<'_>, age: Duration) {
        self.write(of, &format_args!("served stale, {age:?} old"));
    }

    fn overlapped(&self, of: Source<'_>, why: Overlap) {
        self.write(of, &format_args!("overlapped, {}", why.name()));
    }

    fn backend_failed(&self, of: Source<'_>, operation: Operation, error: &BackendError) {
        self.write(of, &format_args!("{operation} failed, {error}"));
    }

    fn unreadable(&self, of: Source<'_>, why: Why) {
        self.write(of, &format_args!("unreadable, {}", why.name()));
    }

    fn invalidated(&self, of: Source<'_>) {
        self.write(of, &"invalidated");
    }
}

fn region() -> Namespace {
    Namespace::new("order").unwrap()
}

fn seen_by(observer: impl Observer + 'static) -> Seen {
    Seen::new(region(), Some(Arc::new(observer)), true)
}

fn unseen(counts_hits: bool) -> Seen {
    Seen::new(region(), None, counts_hits)
}

/// One event of each kind, but those of a hit: two reasons of each event that has some.
fn one_event_of_each_kind(seen: &Seen) {
    let error = BackendError::new(BackendErrorKind::InDoubt).caused_by("no reply");
    seen.created("7", SECOND * 2, Published::Fresh);
    seen.created("7", SECOND * 3, Published::No(NotPublished::Late));
    seen.created("7", SECOND * 4, Published::No(NotPublished::Voided));
    seen.failed("7", SECOND * 5, &"no answer");
    seen.waited("7", SECOND * 6);
    seen.far_stale("7", SECOND * 7);
    seen.overlapped("7", Overlap::Voided);
    seen.overlapped("7", Overlap::Late);
    seen.backend_failed("7", Operation::Publish, &error);
    seen.backend_failed("", Operation::Ping, &BackendError::new(BackendErrorKind::Unreachable));
    seen.unreadable("7", Why::Foreign);
    seen.invalidated("7");
}

/// A count of one.
fn once<C: Case>(case: C) -> By<C> {
    By::counted(|at| u64::from(at == index(case)))
}

/// The ages if one was recorded.
fn one_age(seconds: u64) -> Ages {
    let mut ages = Ages { sum: seconds * 1000, oldest: seconds * 1000, ..Ages::default() };
    ages.buckets[counts::bucket(seconds * 1000)] = 1;
    ages
}

fn nothing() -> Counts {
    Counts { near_hits: Some(0), ..Counts::default() }
}

/// Asserts that the event is counted as this, and is told as that, and that nothing else is counted or told.
fn check(event: impl Fn(&Seen), counted: &Counts, told: &[&str]) {
    let diary = Arc::new(Diary::default());
    let seen = seen_by(Arc::clone(&diary));
    assert_eq!(seen.counts(), nothing());
    event(&seen);
    assert_eq!(seen.counts(), *counted);
    assert_eq!(diary.take(), told);
    let seen = unseen(true);
    event(&seen);
    assert_eq!(seen.counts(), *counted, "without an observer");
}

#[test]
fn hits_are_counted_and_not_told() {
    check(Seen::near_hit, &Counts { near_hits: Some(1), ..nothing() }, &[]);
    check(|seen| seen.far_fresh(SECOND), &Counts { far_fresh: 1, ages: one_age(1), ..nothing() }, &[]);
    check(Seen::own, &Counts { own: 1, ..nothing() }, &[]);
    check(Seen::missed, &Counts { misses: 1, ..nothing() }, &[]);
    check(Seen::saved_look, &Counts { saved_looks: 1, ..nothing() }, &[]);
    check(|seen| seen.read(7), &Counts { bytes_read: 7, ..nothing() }, &[]);
    check(|seen| seen.wrote(8), &Counts { bytes_written: 8, ..nothing() }, &[]);
}

#[test]
fn old_values_are_counted_and_told() {
    let ages = one_age(3);
    let told = ["order/7: served stale, 3s old"];
    let near = Counts { near_stale: 1, ages: ages.clone(), ..nothing() };
    check(|seen| seen.near_stale("7", SECOND * 3), &near, &told);
    check(|seen| seen.far_stale("7", SECOND * 3), &Counts { far_stale: 1, ages, ..nothing() }, &told);
}

#[test]
fn creations_are_counted_and_told() {
    let created = Counts { creations: 1, creating: SECOND, ..nothing() };
    check(
        |seen| seen.created("7", SECOND, Published::Fresh),
        &Counts { published_fresh: 1, ..created.clone() },
        &["order/7: created in 1s, published"],
    );
    check(
        |seen| seen.created("7", SECOND, Published::Stale),
        &Counts { published_stale: 1, ..created.clone() },
        &["order/7: created in 1s, published, but marked stale during the creation"],
    );
    for why in NotPublished::ALL {
        check(
            |seen| seen.created("7", SECOND, Published::No(*why)),
            &Counts { refused: once(*why), ..created.clone() },
            &[&format!("order/7: created in 1s, not published: {why}"), &format!("order/7: refused, {}", why.name())],
        );
    }
    check(
        |seen| seen.failed("7", SECOND, &"no answer"),
        &Counts { failures: 1, creating: SECOND, ..nothing() },
        &["order/7: failed in 1s, no answer"],
    );
    check(|seen| seen.renewed(false), &Counts { renewals: 1, ..nothing() }, &[]);
    check(|seen| seen.renewed(true), &Counts { renewals: 1, unchanged: 1, ..nothing() }, &[]);
}

#[test]
fn waits_faults_and_invalidations_are_counted_and_told() {
    check(
        |seen| seen.waited("7", SECOND),
        &Counts { waits: 1, waiting: SECOND, ..nothing() },
        &["order/7: waited for 1s"],
    );
    for operation in Operation::ALL {
        let error = BackendError::new(BackendErrorKind::Refused);
        check(
            |seen| seen.backend_failed("", *operation, &error),
            &Counts { backend_errors: once(*operation), ..nothing() },
            &[&format!("order/: {operation} failed, the backend has refused the operation")],
        );
    }
    for why in Why::ALL {
        check(
            |seen| seen.unreadable("7", *why),
            &Counts { unreadable: once(*why), ..nothing() },
            &[&format!("order/7: unreadable, {}", why.name())],
        );
    }
    check(|seen| seen.invalidated("7"), &Counts { invalidations: 1, ..nothing() }, &["order/7: invalidated"]);
}

#[test]
fn g1_overlaps_are_counted_by_reason() {
    for why in Overlap::ALL {
        check(
            |seen| seen.overlapped("7", *why),
            &Counts { overlaps: once(*why), ..nothing() },
            &[&format!("order/7: overlapped, {}", why.name())],
        );
    }
}

#[test]
fn the_share_of_unchanged_renewals() {
    let seen = unseen(false);
    assert_eq!(seen.counts().share_unchanged(), None);
    for is_unchanged in [true, false, true, true] {
        seen.renewed(is_unchanged);
    }
    assert_eq!(seen.counts().share_unchanged(), Some(0.75));
}

#[test]
fn near_hits_are_counted_only_if_asked_for() {
    let seen = unseen(false);
    seen.near_hit();
    assert_eq!(seen.counts(), Counts::default());
}

/// More threads than there are stripes.
#[test]
fn near_hits_of_many_threads_add_up() {
    let seen = unseen(true);
    thread::scope(|scope| {
        for _ in 0..40 {
            scope.spawn(|| (0..100).for_each(|_| seen.near_hit()));
        }
    });
    assert_eq!(seen.counts().near_hits, Some(4000));
}

#[test]
fn sums_saturate() {
    let seen = unseen(false);
    for _ in 0..2 {
        seen.waited("7", Duration::MAX);
        seen.failed("7", Duration::MAX, &"no answer");
        seen.far_fresh(Duration::MAX);
        seen.read(usize::MAX);
    }
    let counts = seen.counts();
    let longest = Duration::from_nanos(u64::MAX);
    assert_eq!((counts.waiting, counts.creating, counts.bytes_read), (longest, longest, u64::MAX));
    assert_eq!(counts.ages.oldest(), Duration::from_millis(u64::MAX));
    assert_eq!((counts.ages.count(), counts.ages.mean()), (2, Duration::from_millis(u64::MAX / 2)));
}

/// A key whose text nobody may ask for.
struct Silent;

impl KeyText for Silent {
    fn text(&self) -> Cow<'_, str> {
        panic!("the text of the key is asked for")
    }
}

#[test]
fn keys_are_told_by_their_whole_text_and_only_if_there_is_an_observer() {
    let shape = Shape { schema: 3, format: Format::RAW };
    let long = "x".repeat(300) + ":y";
    let diary = Arc::new(Diary::default());
    let seen = seen_by(Arc::clone(&diary));
    let key = StoredKey::new(&region(), &("anna", 7), shape, KeyLimit::NONE);
    seen.invalidated(&key);
    let key = StoredKey::new(&region(), long.as_str(), shape, KeyLimit::bytes(250));
    assert!(key.is_hashed());
    seen.invalidated(&key);
    let told = diary.take();
    assert_eq!(told[0], "order/anna,7: invalidated");
    let whole = key.whole().strip_prefix("order:").unwrap();
    assert!(whole.starts_with(&"x".repeat(300)));
    assert_eq!(told[1], format!("order/{whole}: invalidated"));
    unseen(false).invalidated(&Silent);
}

/// The events of [`one_event_of_each_kind`], as they are told.
const TOLD: [&str; 14] = [
    "order/7: created in 2s, published",
    "order/7: created in 3s, not published: the creation took longer than its time-out",
    "order/7: refused, late",
    "order/7: created in 4s, not published: the key was invalidated or set during the creation",
    "order/7: refused, voided",
    "order/7: failed in 5s, no answer",
    "order/7: waited for 6s",
    "order/7: served stale, 7s old",
    "order/7: overlapped, voided",
    "order/7: overlapped, late",
    "order/7: publish failed, the backend has not answered: the operation may or may not take effect",
    "order/: ping failed, the backend was not reached",
    "order/7: unreadable, foreign",
    "order/7: invalidated",
];

#[test]
fn a_pair_of_observers_is_told_of_each_event_once() {
    let (one, other) = (Arc::new(Diary::default()), Arc::new(Diary::default()));
    let erased: Arc<dyn Observer> = other.clone();
    one_event_of_each_kind(&seen_by((Arc::clone(&one), erased)));
    assert_eq!(one.take(), TOLD);
    assert_eq!(other.take(), TOLD);
}

/// By default an observer does nothing.
#[derive(Debug)]
struct Deaf;

impl Observer for Deaf {}

#[test]
fn an_observer_may_ignore_everything() {
    let seen = seen_by((Deaf, Deaf));
    one_event_of_each_kind(&seen);
    assert_eq!(seen.counts().creations, 3);
}

/// Panics at an event.
#[derive(Debug)]
struct Touchy;

impl Observer for Touchy {
    fn created(&self, _: Source<'_>, _: Duration, _: Published) {
        resume_unwind(Box::new("told"));
    }
}

#[test]
fn a_panic_of_an_observer_ends_in_the_region_and_loses_no_count() {
    let seen = seen_by(Touchy);
    seen.created("7", SECOND, Published::No(NotPublished::Closed));
    let counts = seen.counts();
    assert_eq!((counts.creations, counts.refused.get(NotPublished::Closed)), (1, 1));
}

#[test]
fn types_cross_threads() {
    fn check<T: Send + Sync + ?Sized>() {}
    check::<dyn Observer>();
    check::<Seen>();
    check::<Counts>();
    check::<SpanOfCreation>();
    check::<Source<'_>>();
}
