//! Counts an event, and tells it.

use super::case::{Operation, Overlap, Published};
use super::counts::Counts;
use super::span::SpanOfCreation;
use super::tally::Tally;
use super::{Observer, Source};
use crate::backend::BackendError;
use crate::envelope::Why;
use crate::key::{Namespace, StoredKey};
use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

/// A key whose text can be told.
pub(crate) trait KeyText {
    /// Returns the text of the key, without the region's name. It is asked for only if it is told.
    fn text(&self) -> Cow<'_, str>;
}

impl KeyText for StoredKey {
    fn text(&self) -> Cow<'_, str> {
        // The name of a region contains no colon.
        Cow::Borrowed(self.whole().split_once(':').map_or("", |(_, key)| key))
    }
}

impl KeyText for str {
    fn text(&self) -> Cow<'_, str> {
        Cow::Borrowed(self)
    }
}

/// How a region is seen: each method counts one event, and then tells it.
///
/// No method is called while a mutex is held, as the observer is the user's code.
#[derive(Debug)]
pub(crate) struct Seen {
    tally: Tally,
    observer: Option<Arc<dyn Observer>>,
    region: Namespace,
}

impl Seen {
    /// Makes the counters of a region. `counts_hits` is whether [`near_hit`](Seen::near_hit) counts.
    pub(crate) fn new(region: Namespace, observer: Option<Arc<dyn Observer>>, counts_hits: bool) -> Seen {
        Seen { tally: Tally::new(counts_hits), observer, region }
    }

    /// Returns whether anybody is told.
    pub(crate) fn has_observer(&self) -> bool {
        self.observer.is_some()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.tally.counts()
    }

    /// An access was served a fresh value that this process keeps near.
    #[inline]
    pub(crate) fn near_hit(&self) {
        self.tally.near_hit();
    }

    /// An access was served the old value that this process keeps near.
    pub(crate) fn near_stale(&self, key: &(impl KeyText + ?Sized), age: Duration) {
        self.tally.near_stale(age);
        self.tell(key, |observer, of| observer.served_stale(of, age));
    }

    /// An access was served a fresh value of the far backend.
    pub(crate) fn far_fresh(&self, age: Duration) {
        self.tally.far_fresh(age);
    }

    /// An access was served the old value of the far backend.
    pub(crate) fn far_stale(&self, key: &(impl KeyText + ?Sized), age: Duration) {
        self.tally.far_stale(age);
        self.tell(key, |observer, of| observer.served_stale(of, age));
    }

    /// An access was served a value that this process had created without the backend.
    pub(crate) fn own(&self) {
        self.tally.own();
    }

    /// An access has nothing to be served: once for each access, before it waits or creates.
    pub(crate) fn missed(&self) {
        self.tally.missed();
    }

    /// An access shared the look of another: once for each access but the one that has sent the look.
    pub(crate) fn saved_look(&self) {
        self.tally.saved_look();
    }

    /// A creation has ended with a value, and so has its publication.
    pub(crate) fn created(&self, key: &(impl KeyText + ?Sized), took: Duration, published: Published) {
        self.tally.created(took, published);
        self.tell(key, |observer, of| {
            observer.created(of, took, published);
            if let Published::No(why) = published {
                observer.refused(of, why);
            }
        });
    }

    /// The creator of a creation that has ended with a value had an old value. Beside [`created`](Seen::created).
    pub(crate) fn renewed(&self, is_unchanged: bool) {
        self.tally.renewed(is_unchanged);
    }

    /// A creation has failed: with an error, or a panic.
    pub(crate) fn failed(&self, key: &(impl KeyText + ?Sized), took: Duration, cause: &dyn fmt::Display) {
        self.tally.failed(took);
        self.tell(key, |observer, of| observer.failed(of, took, cause));
    }

    /// The wait of an access has ended, in any way.
    pub(crate) fn waited(&self, key: &(impl KeyText + ?Sized), took: Duration) {
        self.tally.waited(took);
        self.tell(key, |observer, of| observer.waited(of, took));
    }

    /// A creation of this process may run beside another: once for each creation, by the first reason.
    pub(crate) fn overlapped(&self, key: &(impl KeyText + ?Sized), why: Overlap) {
        self.tally.overlapped(why);
        self.tell(key, |observer, of| observer.overlapped(of, why));
    }

    /// An operation has failed: once for each operation. The key of an operation on no key, or on many, is `""`.
    pub(crate) fn backend_failed(&self, key: &(impl KeyText + ?Sized), operation: Operation, error: &BackendError) {
        self.tally.backend_failed(operation);
        self.tell(key, |observer, of| observer.backend_failed(of, operation, error));
    }

    /// An entry was no value: once for each look that has read it.
    pub(crate) fn unreadable(&self, key: &(impl KeyText + ?Sized), why: Why) {
        self.tally.unreadable(why);
        self.tell(key, |observer, of| observer.unreadable(of, why));
    }

    /// The backend was told of an invalidation by this process.
    pub(crate) fn invalidated(&self, key: &(impl KeyText + ?Sized)) {
        self.tally.invalidated();
        self.tell(key, |observer, of| observer.invalidated(of));
    }

    /// An entry of so many bytes was read.
    pub(crate) fn read(&self, bytes: usize) {
        self.tally.read(bytes);
    }

    /// An entry of so many bytes was stored.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.tally.wrote(bytes);
    }

    /// Returns the span in which the creator of a creation runs. It is made where the access runs, whose span is its
    /// parent.
    pub(crate) fn span_of_creation(&self, key: &(impl KeyText + ?Sized)) -> SpanOfCreation {
        SpanOfCreation::new(self.region.name(), key)
    }

    fn tell(&self, key: &(impl KeyText + ?Sized), event: impl FnOnce(&dyn Observer, Source<'_>)) {
        if let Some(observer) = &self.observer {
            let tell = || event(&**observer, Source { region: self.region.name(), key: &key.text() });
            // The access goes on, or the keeper does. (Whatever a panic leaves half done is the observer's.)
            drop(catch_unwind(AssertUnwindSafe(tell)));
        }
    }
}
