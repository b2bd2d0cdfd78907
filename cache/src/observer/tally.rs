//! The counters of a region.

use super::case::{By, Case, MOST, NotPublished, Operation, Overlap, Published, index};
use super::counts::{Ages, BUCKETS, Counts, bucket};
use crate::envelope::Why;
use crossbeam_utils::CachePadded;
use std::array;
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

/// A counter. It stands by itself (relaxed): it orders nothing.
#[derive(Debug, Default)]
struct Counter(AtomicU64);

impl Counter {
    fn increment(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds to a sum, which saturates: times that overlap come to more than there is.
    fn add(&self, some: u64) {
        let saturating = |sum: u64| Some(sum.saturating_add(some));
        // The closure never refuses, so the update succeeds.
        let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, saturating);
    }

    fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A counter for each case of an event.
#[derive(Debug)]
struct PerCase<C> {
    counters: [Counter; MOST],
    cases: PhantomData<fn() -> C>,
}

impl<C> Default for PerCase<C> {
    fn default() -> Self {
        PerCase { counters: array::from_fn(|_| Counter::default()), cases: PhantomData }
    }
}

impl<C: Case> PerCase<C> {
    fn increment(&self, case: C) {
        self.counters[index(case)].increment();
    }

    fn get(&self) -> By<C> {
        By::counted(|at| self.counters[at].get())
    }
}

/// The ages of [`Ages`].
#[derive(Debug, Default)]
struct Histogram {
    buckets: [Counter; BUCKETS],
    sum: Counter,
    oldest: AtomicU64,
}

impl Histogram {
    fn record(&self, age: Duration) {
        let millis = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        self.buckets[bucket(millis)].increment();
        self.sum.add(millis);
        // Most ages are not the oldest: those only load.
        if self.oldest.load(Ordering::Relaxed) < millis {
            self.oldest.fetch_max(millis, Ordering::Relaxed);
        }
    }

    fn add_to(&self, ages: &mut Ages) {
        for (sum, bucket) in ages.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.get();
        }
        ages.sum = ages.sum.saturating_add(self.sum.get());
        ages.oldest = ages.oldest.max(self.oldest.load(Ordering::Relaxed));
    }
}

/// How many stripes a counter of near hits has. A power of two, as the next one.
const STRIPES: usize = 32;

/// How many stripes the counters of far hits have: they are larger, and a round trip takes longer than two threads that
/// meet.
const FAR_STRIPES: usize = 8;

/// Counters of which each thread has its own, as long as there are no more threads than stripes.
#[derive(Debug)]
struct Striped<T, const N: usize>([CachePadded<T>; N]);

impl<T: Default, const N: usize> Default for Striped<T, N> {
    fn default() -> Self {
        Striped(array::from_fn(|_| CachePadded::default()))
    }
}

impl<T, const N: usize> Striped<T, N> {
    /// Returns those of this thread.
    #[inline]
    fn here(&self) -> &T {
        thread_local! {
            static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
        }
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let mut stripe = STRIPE.get();
        if stripe == usize::MAX {
            stripe = NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES;
            STRIPE.set(stripe);
        }
        &self.0[stripe % N]
    }

    fn sum(&self, of: impl Fn(&T) -> &Counter) -> u64 {
        self.0.iter().fold(0, |sum, stripe| sum.wrapping_add(of(stripe).get()))
    }
}

/// The counters that each hit by a backend writes.
#[derive(Debug, Default)]
struct FarHits {
    fresh: Counter,
    bytes_read: Counter,
    ages: Histogram,
}

/// The counters of [`Counts`].
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// On a line of its own: a near hit reads it, and must not wait for those that write the other counters.
    near_hits: CachePadded<Option<Box<Striped<Counter, STRIPES>>>>,
    /// Made by the first look at a backend.
    far_hits: OnceLock<Box<Striped<FarHits, FAR_STRIPES>>>,
    near_stale: Counter,
    far_stale: Counter,
    own: Counter,
    misses: Counter,
    saved_looks: Counter,
    creations: Counter,
    failures: Counter,
    creating: Counter,
    renewals: Counter,
    unchanged: Counter,
    waits: Counter,
    waiting: Counter,
    published_fresh: Counter,
    published_stale: Counter,
    refused: PerCase<NotPublished>,
    overlaps: PerCase<Overlap>,
    backend_errors: PerCase<Operation>,
    unreadable: PerCase<Why>,
    invalidations: Counter,
    bytes_written: Counter,
    /// Of old values.
    ages: Histogram,
}

impl Tally {
    pub(super) fn new(counts_hits: bool) -> Tally {
        Tally { near_hits: CachePadded::new(counts_hits.then(Box::default)), ..Tally::default() }
    }

    #[inline]
    pub(super) fn near_hit(&self) {
        if let Some(hits) = &*self.near_hits {
            hits.here().increment();
        }
    }

    pub(super) fn near_stale(&self, age: Duration) {
        self.near_stale.increment();
        self.ages.record(age);
    }

    pub(super) fn far_fresh(&self, age: Duration) {
        let hits = self.far_hits();
        hits.fresh.increment();
        hits.ages.record(age);
    }

    fn far_hits(&self) -> &FarHits {
        self.far_hits.get_or_init(Box::default).here()
    }

    pub(super) fn far_stale(&self, age: Duration) {
        self.far_stale.increment();
        self.ages.record(age);
    }

    pub(super) fn own(&self) {
        self.own.increment();
    }

    pub(super) fn missed(&self) {
        self.misses.increment();
    }

    pub(super) fn saved_look(&self) {
        self.saved_looks.increment();
    }

    pub(super) fn created(&self, took: Duration, published: Published) {
        self.creations.increment();
        self.creating.add(nanos(took));
        match published {
            Published::Fresh => self.published_fresh.increment(),
            Published::Stale => self.published_stale.increment(),
            Published::No(why) => self.refused.increment(why),
        }
    }

    pub(super) fn renewed(&self, is_unchanged: bool) {
        self.renewals.increment();
        if is_unchanged {
            self.unchanged.increment();
        }
    }

    pub(super) fn failed(&self, took: Duration) {
        self.failures.increment();
        self.creating.add(nanos(took));
    }

    pub(super) fn waited(&self, took: Duration) {
        self.waits.increment();
        self.waiting.add(nanos(took));
    }

    pub(super) fn overlapped(&self, why: Overlap) {
        self.overlaps.increment(why);
    }

    pub(super) fn backend_failed(&self, operation: Operation) {
        self.backend_errors.increment(operation);
    }

    pub(super) fn unreadable(&self, why: Why) {
        self.unreadable.increment(why);
    }

    pub(super) fn invalidated(&self) {
        self.invalidations.increment();
    }

    pub(super) fn read(&self, bytes: usize) {
        self.far_hits().bytes_read.add(bytes as u64);
    }

    pub(super) fn wrote(&self, bytes: usize) {
        self.bytes_written.add(bytes as u64);
    }

    pub(super) fn counts(&self) -> Counts {
        let far = self.far_hits.get();
        let far_sum = |of: fn(&FarHits) -> &Counter| far.map_or(0, |hits| hits.sum(of));
        let mut ages = Ages::default();
        self.ages.add_to(&mut ages);
        far.iter().flat_map(|hits| &hits.0).for_each(|hits| hits.ages.add_to(&mut ages));
        Counts {
            near_hits: self.near_hits.as_ref().map(|hits| hits.sum(|hits| hits)),
            near_stale: self.near_stale.get(),
            far_fresh: far_sum(|hits| &hits.fresh),
            far_stale: self.far_stale.get(),
            own: self.own.get(),
            misses: self.misses.get(),
            saved_looks: self.saved_looks.get(),
            creations: self.creations.get(),
            failures: self.failures.get(),
            creating: Duration::from_nanos(self.creating.get()),
            renewals: self.renewals.get(),
            unchanged: self.unchanged.get(),
            waits: self.waits.get(),
            waiting: Duration::from_nanos(self.waiting.get()),
            published_fresh: self.published_fresh.get(),
            published_stale: self.published_stale.get(),
            refused: self.refused.get(),
            overlaps: self.overlaps.get(),
            backend_errors: self.backend_errors.get(),
            unreadable: self.unreadable.get(),
            invalidations: self.invalidations.get(),
            bytes_read: far_sum(|hits| &hits.bytes_read),
            bytes_written: self.bytes_written.get(),
            ages,
        }
    }
}

fn nanos(took: Duration) -> u64 {
    u64::try_from(took.as_nanos()).unwrap_or(u64::MAX)
}
