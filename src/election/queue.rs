//! What an election keeps behind its mutex: waiters and watchers, by ticket, and the state of creations that the word
//! has no room for.

use super::failures::{Pause, Streak};
use crate::cycle::Edges;
use crate::generation::Generation;
use crate::shared_error::SharedError;
use crate::sync::{Mutant, MutexGuard, mutant};
use crate::wakers::{Sleeper, Sleepers, wake_all};
use std::any::TypeId;
use std::collections::BTreeMap;
use std::mem;

/// What a waiter can come to, beside being served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Role {
    /// The waiter creates, if it is called. Else its creator was given away.
    pub(super) creates: bool,
    /// If there is a pause, the waiter can be told of it, and then need not create.
    pub(super) hears_of_pauses: bool,
    /// If a creation fails with an error of that type, and shares it, the waiter can be told of it, and then need not
    /// create.
    pub(super) shares: Option<TypeId>,
}

/// A waiter, as it stands in the queue.
pub(super) struct Waiting {
    pub(super) sleeper: Sleeper,
    /// The generation in which it queued.
    pub(super) since: Generation,
    pub(super) role: Role,
    /// The waiter has the baton: it was woken to elect itself, and has not looked yet.
    pub(super) called: bool,
    /// The waiter was woken to look at the value once more, and has not looked yet.
    pub(super) again: bool,
    /// The waiter was woken to hear of this pause, and has not heard of it yet.
    pub(super) paused: Option<Pause>,
    /// The waiter was woken to hear what the creation has failed with, and has not heard it yet.
    pub(super) failed: Option<SharedError>,
    /// The edges of this wait in the table of waits: see [`cycle`](crate::cycle). There only while others are to end
    /// this wait.
    pub(super) edges: Edges,
}

impl Waiting {
    /// Returns whether the waiter can be elected: it has a creator, and is not about to hear of a pause or an error.
    pub(super) fn can_create(&self) -> bool {
        self.role.creates && self.paused.is_none() && self.failed.is_none()
    }
}

/// The waiters and the watchers of a lock. A ticket is never used twice in a process, and tickets grow with the order
/// of arrival. The transition that ends a wait takes its ticket out.
#[derive(Default)]
pub(super) struct Book {
    /// The waiters: accesses that wait for a creation.
    pub(super) accesses: BTreeMap<u64, Waiting>,
    /// How many waiters may have edges.
    pub(super) with_edges: usize,
    /// How many waiters cannot be elected.
    pub(super) without_creator: usize,
    /// The accesses that have invalidated while a store ran, and wait for the end of that store.
    pub(super) invalidations: BTreeMap<u64, Sleeper>,
    /// The watchers, which wait for a value and are never elected: see [`watcher`](super::watcher).
    pub(super) watchers: BTreeMap<u64, Sleeper>,
    /// The ticket of the creation that runs, if it can be declared dead.
    pub(super) running: Option<u64>,
    /// A waiter would have declared the creation dead, but for its store, or may come to find it storing.
    pub(super) overdue: bool,
    pub(super) streak: Option<Streak>,
}

impl Book {
    fn is_empty(&self) -> bool {
        self.accesses.is_empty()
            && self.invalidations.is_empty()
            && self.watchers.is_empty()
            && self.running.is_none()
            && !self.overdue
            && self.streak.is_none()
    }

    /// Takes the edges of the waits that end out of the table. There are hardly ever any.
    fn end_edges<'a>(with_edges: &mut usize, waits: impl Iterator<Item = &'a mut Waiting>) {
        if *with_edges == 0 {
            return;
        }
        for waiting in waits.filter(|waiting| !waiting.edges.is_empty()) {
            waiting.edges.end();
            *with_edges -= 1;
        }
    }

    /// Takes a waiter out.
    pub(super) fn remove(&mut self, ticket: u64) -> Option<Waiting> {
        let mut left = self.accesses.remove(&ticket)?;
        self.without_creator -= usize::from(!left.role.creates);
        Self::end_edges(&mut self.with_edges, [&mut left].into_iter());
        Some(left)
    }

    /// Takes out all waiters.
    pub(super) fn take_all(&mut self) -> BTreeMap<u64, Waiting> {
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut());
        self.without_creator = 0;
        mem::take(&mut self.accesses)
    }

    /// Takes out the waiters that have waited since `born` or before. Tickets and generations grow together.
    pub(super) fn take_until(&mut self, born: Generation) -> BTreeMap<u64, Waiting> {
        let later = self.accesses.iter().find(|(_, waiting)| waiting.since > born).map(|(ticket, _)| *ticket);
        let later = later.map(|ticket| self.accesses.split_off(&ticket)).unwrap_or_default();
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut());
        if self.without_creator != 0 {
            self.without_creator = later.values().filter(|waiting| !waiting.role.creates).count();
        }
        mem::replace(&mut self.accesses, later)
    }

    /// Tells all waiters to look again. They stay in their places until they look, so that the first creation that
    /// comes serves them.
    pub(super) fn tell_again(&mut self) -> Vec<Sleeper> {
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut());
        let tell = |waiting: &mut Waiting| {
            waiting.again = true;
            waiting.sleeper.take()
        };
        self.accesses.values_mut().map(tell).collect()
    }

    /// Lets the accesses go that wait for the end of a store.
    pub(super) fn let_go(&mut self) -> BTreeMap<u64, Sleeper> {
        mem::take(&mut self.invalidations)
    }

    /// Wakes all waiters, to see what has become of an overdue creation, if one of them has found it overdue.
    pub(super) fn wake_overdue(&mut self) -> Vec<Sleeper> {
        if !mem::take(&mut self.overdue) {
            return Vec::new();
        }
        self.accesses.values_mut().map(|waiting| waiting.sleeper.take()).collect()
    }

    /// Tells the waiters that can hear of pauses of this pause. These waiters stay in their places, too, until they
    /// look.
    pub(super) fn tell_of_pause(&mut self, pause: &Pause) -> Vec<Sleeper> {
        let tell = |waiting: &mut Waiting| {
            waiting.paused = Some(pause.clone());
            waiting.sleeper.take()
        };
        let hears = |waiting: &&mut Waiting| waiting.role.hears_of_pauses && waiting.failed.is_none();
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut().filter(hears));
        self.accesses.values_mut().filter(hears).map(tell).collect()
    }

    /// Tells what the creation `born` then has failed with, to the waiters that can be told and have waited for that
    /// creation. These waiters stay in their places, too, until they look.
    pub(super) fn tell_of_failure(&mut self, born: Generation, error: &SharedError) -> Vec<Sleeper> {
        let shared = error.type_of_error();
        let hears = |waiting: &&mut Waiting| {
            waiting.role.shares == Some(shared) && waiting.since <= born && waiting.failed.is_none()
        };
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut().filter(hears));
        let told = self.accesses.values_mut().filter(hears).map(|waiting| {
            waiting.failed = Some(error.clone());
            if mutant(Mutant::FailureUntold) { Sleeper::default() } else { waiting.sleeper.take() }
        });
        told.collect()
    }

    /// Takes out every watcher, since a value has been published.
    pub(super) fn tell_watchers(&mut self) -> BTreeMap<u64, Sleeper> {
        mem::take(&mut self.watchers)
    }

    /// Returns how many accesses are known to wait: see [`cycle`](crate::cycle).
    pub(super) fn waiting(&self) -> usize {
        let asking = |waiting: &&Waiting| waiting.edges.are_asked_for();
        let asked = if self.with_edges == 0 { 0 } else { self.accesses.values().filter(asking).count() };
        self.accesses.len() - asked
    }

    /// Returns whether there is a waiter that can be elected and is not about to hear of a pause.
    pub(super) fn has_who_can(&self) -> bool {
        self.accesses.values().any(Waiting::can_create)
    }

    /// Wakes the waiters that cannot be elected, if no other waiter is left: for all that they know it is their turn.
    /// There are hardly ever any.
    pub(super) fn wake_if_alone(&mut self) -> Vec<Sleeper> {
        if self.without_creator == 0 || self.has_who_can() || mutant(Mutant::AloneUntold) {
            return Vec::new();
        }
        let cannot = |waiting: &&mut Waiting| !waiting.role.creates;
        Self::end_edges(&mut self.with_edges, self.accesses.values_mut().filter(cannot));
        self.accesses.values_mut().filter(cannot).map(|waiting| waiting.sleeper.take()).collect()
    }

    /// Gives the baton to the first waiter in line that can create. Waiters that were told of a pause, or cannot be
    /// elected, are left out. Returns the sleeper to wake, unless that waiter has been woken already.
    pub(super) fn call_next(&mut self) -> Option<Sleeper> {
        let can = |waiting: &Waiting| waiting.can_create() || mutant(Mutant::CalledWithoutCreator);
        let first = self.accesses.values_mut().find(|waiting| can(waiting))?;
        if first.called {
            return None;
        }
        first.called = true;
        let called = first.sleeper.take();
        if !first.edges.is_empty() {
            first.edges.end();
            self.with_edges -= 1;
        }
        Some(called)
    }
}

/// The book, in a box that exists only while there is something in it. So memory is given back, and the lock stays
/// small.
pub(super) type Lazy = Option<Box<Book>>;

/// The sleepers that are to be woken once the mutex is released (C22).
#[must_use = "wake them, after the mutex"]
#[derive(Default)]
pub(super) struct Wake {
    pub(super) served: BTreeMap<u64, Waiting>,
    pub(super) called: Option<Sleeper>,
    pub(super) again: Vec<Sleeper>,
    pub(super) let_go: BTreeMap<u64, Sleeper>,
    pub(super) watchers: BTreeMap<u64, Sleeper>,
}

impl Sleepers for Wake {
    fn each(&mut self, mut visit: impl FnMut(&mut Sleeper)) {
        self.called.iter_mut().for_each(&mut visit);
        self.again.iter_mut().for_each(&mut visit);
        self.served.values_mut().for_each(|waiting| visit(&mut waiting.sleeper));
        self.let_go.values_mut().for_each(&mut visit);
        self.watchers.values_mut().for_each(visit);
    }
}

/// Releases the mutex, gives memory back, and wakes, in this order.
pub(super) fn release(mut book: MutexGuard<'_, Lazy>, mut wake: Wake) {
    let empty = book.take_if(|book| book.is_empty());
    drop(book);
    drop(empty);
    wake_all(&mut wake);
}

/// Changes the book, and returns what comes of that; the default, if there is no book.
pub(super) fn in_book<R: Default>(book: &mut Lazy, change: impl FnOnce(&mut Book) -> R) -> R {
    book.as_mut().map(|book| change(book)).unwrap_or_default()
}
