//! What this thread is in the middle of. By that a thread sees that it would wait for itself (L7).
//!
//! There is one stack per thread. An entry is pushed for each run of a creator, each store and each write lock. Only a
//! thread that is about to wait asks the stack, so neither hits nor stale accesses touch it.
//!
//! | doing | of what | how it is named |
//! |---|---|---|
//! | creating, storing | a lock's election | by its [address](address_of): a thread that runs a creation borrows or holds the lock, and a closure ends before that |
//! | writing, reading | a lock's readers | by a number given once: a leaked guard must not haunt the next lock at its address |
//!
//! A reader is on the stack only if its thread's record has no room for it: see [`readers`](crate::readers). A writer
//! is on the stack only if it is a thread: what a task holds between its polls is noted with the lock, as its
//! creation's.
//!
//! A creation that can be declared dead is told apart by its ticket, since what it runs may go on, and then keeps
//! nobody waiting.
//!
//! For what several threads are in the middle of together, see [`cycle`](crate::cycle). That module tells by *rounds*
//! what a creation was waiting for when this thread was last in the middle of it.
//!
//! The stack has no destructor, and so it is still there while other locals of an ending thread are destroyed. Its
//! memory is given back whenever it is empty.

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
    /// Reading, where the thread's record does not say so.
    Reading,
    /// Holding the write lock.
    Writing,
}

/// What is created, stored, read or written.
pub(crate) type Subject = u64;

/// What has creations: the election of a lock. It is known by its [address](address_of).
pub(crate) trait HasCreations {
    /// Returns whether its creation with that ticket has not been declared dead. To be called while the creation runs.
    fn is_live(&self, ticket: u64) -> bool;
}

/// One thing that this thread is in the middle of.
#[derive(Debug)]
struct Entry {
    subject: Subject,
    doing: Doing,
    creation: Option<Work>,
    /// The round, made when something waits in the middle of it.
    round: Option<Round>,
}

impl Entry {
    fn is(&self, subject: Subject, doing: Doing) -> bool {
        (self.subject, self.doing) == (subject, doing)
    }
}

/// One poll of a creator's future, or of a store's; or the one run of a closure. The flag is true once the round is
/// *over*: the next one has begun, or none will. From then on the round says nothing of what the creation waits for.
pub(crate) type Round = Arc<Flag>;

/// Ends a round when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Over(Option<Round>);

impl Drop for Over {
    fn drop(&mut self) {
        if let Some(round) = &self.0 {
            // Relaxed: a thread that must know of the end of the round has been told by what the creation does from
            // here on.
            round.store(true, Ordering::Relaxed);
        }
    }
}

/// A creation that a thread is in the middle of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Work {
    /// The lock that it is of.
    pub(crate) subject: Subject,
    /// The number that tells the creation from one that was declared dead; 0 if it cannot be declared dead.
    pub(crate) ticket: u64,
    /// The name of the lock.
    pub(crate) name: Option<&'static str>,
}

/// A creation, as it is known to threads that are not in the middle of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Which {
    subject: Subject,
    ticket: u64,
}

impl Which {
    /// Returns the creation of that election with that ticket.
    pub(crate) fn of(election: &impl HasCreations, ticket: u64) -> Self {
        Self { subject: address_of(election), ticket }
    }

    /// Returns whether this thread is in the middle of it.
    pub(crate) fn is_here(self) -> bool {
        creations_here().iter().any(|work| (work.subject, work.ticket) == (self.subject, self.ticket))
    }
}

local! {
    static RUNNING: RefCell<ManuallyDrop<Vec<Entry>>> = const { RefCell::new(ManuallyDrop::new(Vec::new())) };
}

/// Returns the subject that lives at that address.
pub(crate) fn address_of<T>(subject: &T) -> Subject {
    ptr::from_ref(subject).addr() as Subject
}

/// Looks at what this thread is in the middle of, outermost first.
fn here<R>(see: impl FnOnce(&mut Vec<Entry>) -> R) -> R {
    RUNNING.with(|running| see(&mut running.borrow_mut()))
}

/// Notes that this thread begins to do that.
pub(crate) fn begin(subject: Subject, doing: Doing) {
    here(|entries| entries.push(Entry { subject, doing, creation: None, round: None }));
}

/// Notes that this thread has done that, once. Returns the end of the round that it was in.
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

/// Notes that this thread has done that, once.
pub(crate) fn end(subject: Subject, doing: Doing) {
    drop(pop(subject, doing));
}

/// Returns whether this thread is in the middle of that.
pub(crate) fn is_here(subject: Subject, doing: Doing) -> bool {
    here(|entries| entries.iter().any(|entry| entry.is(subject, doing)))
}

/// Returns the creations that this thread is in the middle of, outermost first.
pub(crate) fn creations_here() -> Vec<Work> {
    here(|entries| entries.iter().filter_map(|entry| entry.creation).collect())
}

/// Returns whether this thread is in the middle of any creation.
pub(crate) fn creates_here() -> bool {
    here(|entries| entries.iter().any(|entry| entry.creation.is_some()))
}

/// Returns the rounds of the creations that this thread is in the middle of, outermost first.
pub(crate) fn rounds_here() -> Vec<Round> {
    here(|entries| {
        let creations = entries.iter_mut().filter(|entry| entry.creation.is_some());
        creations.map(|entry| Arc::clone(entry.round.get_or_insert_default())).collect()
    })
}

/// Returns whether `rounds` are the rounds of the creations that this thread is in the middle of.
pub(crate) fn are_rounds_here(rounds: &[Round]) -> bool {
    here(|entries| {
        let creations = entries.iter().filter(|entry| entry.creation.is_some());
        creations
            .map(|entry| entry.round.as_ref().map(Arc::as_ptr))
            .eq(rounds.iter().map(|round| Some(Arc::as_ptr(round))))
    })
}

/// While this value lives, its thread is known to be in the middle of a creation. It stays on that thread.
#[derive(Debug)]
pub(crate) struct Running {
    subject: Subject,
    doing: Doing,
    not_send: PhantomData<*const ()>,
}

impl Running {
    /// Enters that creation, to do that part of it.
    pub(crate) fn enter(election: &impl HasCreations, ticket: u64, name: Option<&'static str>, doing: Doing) -> Self {
        let subject = address_of(election);
        let creation = Some(Work { subject, ticket, name });
        here(|entries| entries.push(Entry { subject, doing, creation, round: None }));
        Self { subject, doing, not_send: PhantomData }
    }

    /// Leaves the creation for now. What waits in there goes on doing so until the next round begins, or as long as one
    /// may begin.
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

/// Returns whether this thread is in the middle of anything that keeps a creation of that election from ending. To wait
/// for that end would be to wait for itself.
pub(crate) fn is_creating_here(election: &impl HasCreations) -> bool {
    let subject = address_of(election);
    creations_here().iter().any(|work| work.subject == subject && election.is_live(work.ticket))
}

/// Returns whether this thread is in the middle of a store of that election.
pub(crate) fn is_storing_here(election: &impl HasCreations) -> bool {
    is_here(address_of(election), Doing::Storing)
}
