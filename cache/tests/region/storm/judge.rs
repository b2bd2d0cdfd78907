//! An observer of a storm, with no code of the crate: one counter orders what the tasks do.
//!
//! | law | what is judged |
//! |---|---|
//! | G1 | creators of one key overlap only where a change has voided the earlier grant, or where there were faults; then an overlap was counted |
//! | G2, G3 | an access that began after an invalidation had returned gets no value of before that |
//!
//! (G4 and G5 are judged where the access ends.) The counter is the same for all processes. A value says when its
//! creator began, or its `set`: that is after the grant.

use dogpile_cache::Outcome;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A value: when it was begun to be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    key: u64,
    at: u64,
}

#[derive(Debug)]
pub struct Judge {
    seed: u64,
    clock: AtomicU64,
    book: Mutex<Book>,
}

#[derive(Debug, Default)]
struct Book {
    keys: BTreeMap<u64, Key>,
    accesses: u64,
    creations: u64,
    /// Those that no change explains.
    overlaps: Vec<String>,
    wrongs: Vec<String>,
}

/// What has happened to a key.
#[derive(Debug, Default)]
struct Key {
    /// The creators that run: when their accesses began, and when they did.
    running: Vec<(u64, u64)>,
    /// The changes that void grants: from when, and until when. `u64::MAX`: not ended, or in doubt.
    voiding: Vec<(u64, u64)>,
    /// By process: when the last invalidation began that has returned, and when it returned. Those that the backend has
    /// confirmed count for all processes, the others for their own.
    invalidations: Vec<Invalidated>,
    /// The values that were set: when the `set` began, and when it was confirmed. `u64::MAX`: not, or in doubt.
    sets: BTreeMap<u64, u64>,
}

#[derive(Clone, Copy, Debug)]
struct Invalidated {
    process: usize,
    is_confirmed: bool,
    began: u64,
    returned: u64,
}

impl Judge {
    pub fn new(seed: u64) -> Judge {
        Judge { seed, clock: AtomicU64::new(1), book: Mutex::default() }
    }

    fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn begin_access(&self, process: usize, key: u64) -> Access<'_> {
        self.book().accesses += 1;
        Access { judge: self, process, key, began: self.now() }
    }

    /// The creator of an access begins. Its grant was given after the access began.
    pub fn begin_creation(&self, access: &Access<'_>) -> Running<'_> {
        let (key, since) = (access.key, access.began);
        let mut book = self.book();
        let at = self.now();
        book.creations += 1;
        let of = book.keys.entry(key).or_default();
        let earlier = of.running.clone();
        of.running.push((since, at));
        // A change that was under way, or came, since the earlier of both grants. (The reply to the earlier grant may
        // have been the later one.)
        let is_voided = |since: u64| of.voiding.iter().any(|(began, ended)| *began < at && *ended > since);
        let unexplained: Vec<_> = earlier.into_iter().filter(|(other, _)| !is_voided(since.min(*other))).collect();
        if !unexplained.is_empty() {
            let text = format!("key {key}: {since} created from {at} on, beside {unexplained:?}");
            book.overlaps.push(text);
        }
        drop(book);
        Running { judge: self, key, at }
    }

    pub fn begin_invalidation(&self, process: usize, key: u64) -> Change<'_> {
        self.begin_change(Some(process), key)
    }

    pub fn begin_set(&self, key: u64) -> Change<'_> {
        self.begin_change(None, key)
    }

    fn begin_change(&self, invalidates: Option<usize>, key: u64) -> Change<'_> {
        let mut book = self.book();
        let began = self.now();
        let of = book.keys.entry(key).or_default();
        of.voiding.push((began, u64::MAX));
        if invalidates.is_none() {
            of.sets.insert(began, u64::MAX);
        }
        Change { judge: self, invalidates, key, began }
    }

    /// Judges. `overlaps` is how many the regions have counted.
    pub fn sentence(&self, had_faults: bool, overlaps: u64) {
        let book = self.book();
        println!("{} accesses, {} creations, {} overlaps", book.accesses, book.creations, book.overlaps.len());
        assert!(book.wrongs.is_empty(), "seed {}: {:#?}", self.seed, book.wrongs);
        assert!(book.creations > 0, "seed {}: nothing was created", self.seed);
        if had_faults {
            assert!(
                book.overlaps.is_empty() || overlaps > 0,
                "G1, seed {}: an overlap that nobody has counted",
                self.seed
            );
        } else {
            assert!(book.overlaps.is_empty(), "G1, seed {}: {:#?}", self.seed, book.overlaps);
        }
    }
}

/// An access that is under way.
pub struct Access<'a> {
    judge: &'a Judge,
    process: usize,
    key: u64,
    began: u64,
}

impl Access<'_> {
    pub fn got(self, stamp: Stamp, outcome: Outcome, has_near: bool) {
        let mut book = self.judge.book();
        let Book { keys, wrongs, .. } = &mut *book;
        let of = keys.entry(self.key).or_default();
        if stamp.key != self.key {
            wrongs.push(format!("a value of key {} for key {}", stamp.key, self.key));
        }
        // What other processes have invalidated reaches neither what is kept near, for a while, nor what a process that
        // is cut off has made for itself.
        let is_own = matches!(outcome, Outcome::Near | Outcome::Own) || has_near;
        // A `set` is not fenced: one that was under way, or in doubt, may have come after the invalidation.
        let set_until = of.sets.get(&stamp.at).copied().unwrap_or(0);
        for invalidated in &of.invalidations {
            let Invalidated { process, is_confirmed, began, returned } = *invalidated;
            let counts = process == self.process || (is_confirmed && !is_own);
            if counts && returned < self.began && stamp.at < began && set_until < began {
                wrongs.push(format!(
                    "G3: process {} began an access to key {} at {}, and got the value of {} as {outcome:?}: {invalidated:?}",
                    self.process, self.key, self.began, stamp.at
                ));
            }
        }
    }
}

/// A creator that runs.
pub struct Running<'a> {
    judge: &'a Judge,
    key: u64,
    at: u64,
}

impl Running<'_> {
    pub fn stamp(&self) -> Stamp {
        Stamp { key: self.key, at: self.at }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let mut book = self.judge.book();
        book.keys.entry(self.key).or_default().running.retain(|(_, at)| *at != self.at);
    }
}

/// A change that is under way. If it is dropped, a `set` does not come any more, but for a request that is late; an
/// invalidation is told again.
pub struct Change<'a> {
    judge: &'a Judge,
    invalidates: Option<usize>,
    key: u64,
    began: u64,
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        if self.invalidates.is_none() {
            let mut book = self.judge.book();
            let now = self.judge.now();
            let voiding = &mut book.keys.entry(self.key).or_default().voiding;
            voiding.iter_mut().filter(|change| change.0 == self.began).for_each(|change| change.1 = change.1.min(now));
        }
    }
}

impl Change<'_> {
    pub fn stamp(&self) -> Stamp {
        Stamp { key: self.key, at: self.began }
    }

    pub fn returned(self, is_confirmed: bool) {
        let mut book = self.judge.book();
        let returned = self.judge.now();
        let of = book.keys.entry(self.key).or_default();
        let (invalidates, began) = (self.invalidates, self.began);
        if is_confirmed {
            of.voiding.iter_mut().filter(|(at, _)| *at == began).for_each(|change| change.1 = returned);
            of.sets.entry(began).and_modify(|until| *until = returned);
        }
        if let Some(process) = invalidates {
            // The newest is the strictest of those of one kind.
            of.invalidations
                .retain(|old| old.process != process || old.is_confirmed != is_confirmed || old.began > began);
            of.invalidations.push(Invalidated { process, is_confirmed, began, returned });
        }
        // Before the drop of this change, which takes the mutex.
        drop(book);
    }
}
