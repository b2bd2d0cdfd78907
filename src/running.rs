//! What this thread is in the middle of: what it takes to see that it would wait for itself (L7).
//!
//! A stack per thread, pushed around each run of a creator, each store and each write lock. It is asked only by who is
//! about to wait, so neither hits nor stale accesses know of it.
//!
//! | doing | of what | how it is named |
//! |---|---|---|
//! | creating, storing | a lock's election | by its [address](address_of): whoever runs a creation borrows or holds the lock, and a closure ends before that |
//! | writing, reading | a lock's readers | by a number given once: a leaked guard must not haunt the next lock at its address |
//!
//! (Of those who read, only they are here whom their thread's record cannot hold: see [`readers`](crate::readers). Of
//! those who write, only threads: what a task has between its polls is noted with the lock, as its creation's.) A
//! creation that can be declared dead is told apart by its ticket, since what it runs may go on, and then keeps nobody
//! waiting. For what several threads are in the middle of together see [`cycle`](crate::cycle), which is told by
//! *rounds* what a creation was waiting for when this thread was last in the middle of it.
//!
//! The stack has no destructor, and so is still there while other locals of an ending thread are destroyed; its memory
//! is given back whenever it is empty.

use crate::sync::{Arc, Flag, Ordering, local};
use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::{ManuallyDrop, take};
use std::ptr;

/// What a thread can be in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doing {
    /// Running a creator.
    Creating,
    /// Running what a creator gave to `publish`.
    Storing,
    /// Reading, and its record does not say so.
    Reading,
    /// Holding the write lock.
    Writing,
}

/// Of what.
pub(crate) type Subject = u64;

/// What has creations: the election of a lock. It is known by its [address](address_of).
pub(crate) trait HasCreations {
    /// Whether its creation with that ticket has not been declared dead. While that runs.
    fn is_live(&self, ticket: u64) -> bool;
}

#[derive(Debug)]
struct Entry {
    subject: Subject,
    doing: Doing,
    creation: Option<Work>,
    /// Made when something waits in the middle of it.
    round: Option<Round>,
}

impl Entry {
    fn is(&self, subject: Subject, doing: Doing) -> bool {
        (self.subject, self.doing) == (subject, doing)
    }
}

/// One poll of a creator's future, or of a store's; or the one run that a closure has. It is true once it is *over*: it
/// has nothing to say any more of what the creation waits for, since the next one has begun, or none will.
pub(crate) type Round = Arc<Flag>;

/// The end of a round, when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Over(Option<Round>);

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(round) = &self.0 {
            // Relaxed: who is to know of it has been told by what the creation does from here on.
            round.store(true, Ordering::Relaxed);
        }
    }
}

/// A creation that a thread is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// Of which lock.
    pub(crate) subject: Subject,
    /// The number that tells it from a creation that was declared dead; 0 if it cannot be.
    pub(crate) ticket: u64,
    /// What the lock is called.
    pub(crate) name: Option<&'static str>,
}

/// A creation, whoever is in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which {
    subject: Subject,
    ticket: u64,
}

impl Which {
    pub(crate) fn of(election: &impl HasCreations, ticket: u64) -> Self {
        Self { subject: address_of(election), ticket }
    }

    /// Whether this thread is in the middle of it.
    pub(crate) fn is_here(self) -> bool {
        creations_here().iter().any(|work| (work.subject, work.ticket) == (self.subject, self.ticket))
    }
}

local! {
    static RUNNING: RefCell<ManuallyDrop<Vec<Entry>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// The subject that lives at that address.
pub(crate) fn address_of<T>(subject: &T) -> Subject {
    ptr::from_ref(subject).addr() as Subject
}

/// What this thread is in the middle of, outermost first.
fn here<R>(see: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
    RUNNING.with(|running| see(&mut running.borrow_mut()))
}

/// This thread begins to do that.
pub(crate) fn begin(subject: Subject, doing: Doing) {
    here(|entries| entries.push(Entry { subject, doing, creation: None, round: None }));
}

/// This thread has done it, once. Returns the round that it was in.
fn pop(subject: Subject, doing: Doing) -> Over {
    here(|entries| {
        let at = entries.iter().rposition(|entry| entry.is(subject, doing));
        let round = at.and_then(|at| entries.remove(at).round);
        if entries.is_empty() {
            drop(take(entries));
        }
        Over(round)
    })
}

/// This thread has done it, once.
pub(crate) fn end(subject: Subject, doing: Doing) {
    drop(pop(subject, doing));
}

/// Whether this thread is in the middle of that.
pub(crate) fn is_here(subject: Subject, doing: Doing) -> bool {
    here(|entries| entries.iter().any(|entry| entry.is(subject, doing)))
}

/// The creations that this thread is in the middle of, outermost first.
pub(crate) fn creations_here() -> Vec<Work> {
    here(|entries| entries.iter().filter_map(|entry| entry.creation).collect())
}

/// Whether this thread is in the middle of any.
pub(crate) fn creates_here() -> bool {
    here(|entries| entries.iter().any(|entry| entry.creation.is_some()))
}

/// The rounds of those creations, outermost first.
pub(crate) fn rounds_here() -> Vec<Round> {
    here(|entries| {
        let creations = entries.iter_mut().filter(|entry| entry.creation.is_some());
        creations.map(|entry| Arc::clone(entry.round.get_or_insert_default())).collect()
    })
}

/// Whether they are those.
pub(crate) fn are_rounds_here(rounds: &[Round]) -> bool {
    here(|entries| {
        let creations = entries.iter().filter(|entry| entry.creation.is_some());
        creations
            .map(|entry| entry.round.as_ref().map(Arc::as_ptr))
            .eq(rounds.iter().map(|round| Some(Arc::as_ptr(round))))
    })
}

/// While it lives, this thread is known to be in the middle of a creation. It stays on its thread.
#[derive(Debug)]
pub(crate) struct Running {
    subject: Subject,
    doing: Doing,
    not_send: PhantomData<*const ()>,
}

impl Running {
    /// A part of that creation.
    pub(crate) fn enter(election: &impl HasCreations, ticket: u64, name: Option<&'static str>, doing: Doing) -> Self {
        let subject = address_of(election);
        let creation = Some(Work { subject, ticket, name });
        here(|entries| entries.push(Entry { subject, doing, creation, round: None }));
        Self { subject, doing, not_send: PhantomData }
    }

    /// This thread has left it for now: what waits in there goes on to, until the next round, or as long as there may
    /// be one.
    pub(crate) fn pause(self) -> Over {
        let running = ManuallyDrop::new(self);
        pop(running.subject, running.doing)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(self.subject, self.doing);
    }
}

/// Whether this thread is in the middle of anything that keeps the creation of that election from ending: to wait for
/// that end would be to wait for itself.
pub(crate) fn is_creating_here(election: &impl HasCreations) -> bool {
    let subject = address_of(election);
    creations_here().iter().any(|work| work.subject == subject && election.is_live(work.ticket))
}

/// Whether this thread is in the middle of a store of that election.
pub(crate) fn is_storing_here(election: &impl HasCreations) -> bool {
    is_here(address_of(election), Doing::Storing)
}
