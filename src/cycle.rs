//! Finds creations that wait for each other, when the last of them would begin to wait (L7, C14).
//!
//! One table for the whole process says which locks' creations wait, and for which lock each of them waits. Only two
//! kinds of threads come here: a thread that is creating and is about to wait for another creation, and a thread that
//! ends such a wait.
//!
//! # States of a wait
//!
//! | the waiter, in the queue of the lock that it waits for | its edges, one for each creation that its thread runs |
//! |---|---|
//! | waits, and it is for others to end the wait | in the table, if they count |
//! | was served, called or told, or has left | not in the table |
//!
//! # Which edges count
//!
//! A thread does nothing else while it waits. A task goes on as the future of its creator does. That future may have
//! lost interest in the wait and keep it all the same: behind a time-out, beside another future that was ready first,
//! or leaked. Nothing tells this module of that. What this module knows is when the wait was last polled, and in which
//! *rounds*. A round is one poll of the future of a creator that the thread was in the middle of. A creator that is a
//! closure has one round.
//!
//! | a task's wait was last polled | its edges |
//! |---|---|
//! | for the first time, or for the sake of another future | are not in the table; the wait *asks* |
//! | because the wait had asked for that, in the last round of each creator | are in the table, and count |
//! | in an earlier round of one of the creators | may be in the table, and do not count |
//!
//! To ask is to wake the wait's own task, once. If the creator still wants the wait, the wait is polled again, and
//! counts from then on. If not, the wait is not polled in that round. So the crate makes sure of a wait when it begins,
//! and whenever another future has had the creator polled. (A creator may lose interest in just the round that the wait
//! has asked for, after it has polled the wait there. Such a wait counts until the next round. A time-out that comes
//! between the two polls is such a case.)
//!
//! # Transitions
//!
//! | name | edges | under the mutex of |
//! |---|---|---|
//! | a task looks: first poll | none, but the wait fails if its edges would close a cycle; otherwise it asks | the queue, then the table |
//! | begin to wait: a thread, or a task that has asked | added, unless they close a cycle: then the wait fails | the queue, then the table |
//! | served, called, told; left | removed | the queue, then the table |
//! | called, but a newcomer was faster: waits again | as *begin to wait* | the queue, then the table |
//! | a task waits on, polled by other creations than before, or in another round | the earlier edges are removed, then as *a task looks* | the queue, then the table |
//! | a task waits on, polled as it has asked | as *begin to wait* | the queue, then the table |
//! | another round begins, or the creator's future is gone | the edges of the round before do not count any more | - |
//! | a creation ends | the creation's edges that are left are removed: of futures that were polled in it, and have gone on elsewhere | the creation's own queue, then the table |
//! | a creation is declared dead | the edges of that creation are removed, and it gets no more | the creation's own queue, then the table |
//! | a lock is gone | the edges of its creation and of its waiters are removed: of futures that were leaked | the table |
//!
//! # Why it holds
//!
//! - *Every cycle is found, as far as edges count.* The edge of a thread is in the table from the moment at which the
//!   thread can no longer do anything but wait. Edges come to count under one mutex. So one of the edges that make up a
//!   cycle is the last, and finds the others.
//! - *A task's wait is its creator's only as long as that creator polls it.* So each poll compares the edges of a wait
//!   with the creations that poll it, and no edge outlives its creation.
//! - *Nothing else is found.* When the last wait of a cycle looks, all edges that it follows are in the table at the
//!   same time. Each of them says that a thread which runs this creation, or stores for it, is in a queue; or, of a
//!   task, that the task was in a queue when it last did anything. So that creation does not end before the next one in
//!   the cycle does, or before a wait in the cycle times out or is dropped. An edge is gone before the transition that
//!   ends its wait lets go of the queue, and so before anything can come of that. What a dead creation waits for keeps
//!   nobody from anything.
//! - *A task that has gone on is in no cycle.* What a task does in a round, it does when the round before is over
//!   already. So a thread that hears of it, and then comes to wait, finds that no edge of the earlier round counts.
//! - *A circle is a mistake even where it would break.* A wait with a time-out, or a creation that may be declared
//!   dead, would end the circle in time. Until then no wait in it gets anywhere. So it is reported as any other circle,
//!   in the same way as a wait for oneself.
//! - *A leaked future does not haunt the next lock at its address.* A lock that is dropped takes the edges of its
//!   creation with it, and its queue takes the edges of the waits in it. (A lock that is moved, with a creation of
//!   which the future was leaked, leaves the edges behind until that wait is served.)
//! - *The table adds no deadlock.* The table is locked last, and nothing else is done under its mutex.
//!
//! A dead creation that never comes to its end leaves its ticket here: eight bytes, beside the thread that hangs.
//!
//! Some waits are not known here, and so not found:
//!
//! - the waits of a [`Creation`](crate::Creation) that was moved to another thread: nothing tells which thread runs it;
//! - the waits of a creator for threads by other means;
//! - a wait that is polled only when it is woken itself, beside other futures of the same task, once one of these was
//!   polled without it.

use crate::error::WaitCycle;
use crate::running::{Round, Subject, Work, are_rounds_here, creations_here, rounds_here};
use crate::sync::{Mutant, Mutex, Ordering, count, global, mutant};
use std::collections::{BTreeMap, BTreeSet};

/// An edge: the creation of a lock waits for a creation of another lock.
#[derive(Debug)]
struct Edge {
    /// The lock that it waits for.
    to: Subject,
    /// The name of the lock with the creation that waits.
    name: Option<&'static str>,
    /// The rounds in which the wait was last polled. The edge counts until one of them is over.
    rounds: Vec<Round>,
}

impl Edge {
    fn counts(&self) -> bool {
        // Relaxed: a thread that has been told of what came after a round sees that the round is over.
        self.rounds.iter().all(|round| !round.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Table {
    /// The edges, by the lock with the creation that waits, and by the wait. (A creation may wait in several places: it
    /// can store on several threads.)
    edges: BTreeMap<(Subject, u64), Edge>,
    /// The tickets of creations that were declared dead and have not come to their end yet.
    dead: BTreeSet<u64>,
}

global! {
    static TABLE: Mutex<Table> = Mutex::new(Table { edges: BTreeMap::new(), dead: BTreeSet::new() });
}

count! {
    /// How many edges there are, or were taken from waits that go on. So the end of a creation hardly ever needs to
    /// look.
    fn edges;
}

/// The edges of one wait. They are taken back by [`end`](Self::end), under the mutex of the queue that the wait is in.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    wait: u64,
    from: Vec<Work>,
    /// The rounds in which the wait was last polled, if it is a task's.
    rounds: Vec<Round>,
    /// The wait has asked to be polled again, and has not been polled since.
    asks: bool,
}

impl Edges {
    /// Notes that this thread polls a wait for a creation of the lock `to`. A thread that `blocks` does nothing else
    /// until the wait is over. `wait` is a number of the wait's own. To be called under the mutex of the queue.
    ///
    /// Returns whether the wait asks to be polled once more; then it is to be woken after the mutex, and does not count
    /// until it is polled.
    ///
    /// # Errors
    ///
    /// [`WaitCycle`] if the wait would close a cycle. Then the wait has no edges any more.
    pub(crate) fn poll(&mut self, wait: u64, to: Subject, blocks: bool) -> Result<bool, WaitCycle> {
        let here = creations_here();
        if here == self.from && !self.asks && (blocks || are_rounds_here(&self.rounds)) {
            return Ok(false);
        }
        let mut table = TABLE.lock();
        let here: Vec<Work> = here.into_iter().filter(|work| !table.dead.contains(&work.ticket)).collect();
        let asks = !(blocks || here.is_empty() || (self.asks && here == self.from));
        table.remove(self);
        // The edges of other waits may count or not. This wait counts, since it is polled just now.
        if let Some(cycle) = table.cycle(&here, to) {
            return Err(cycle);
        }
        let rounds = if blocks || here.is_empty() { Vec::new() } else { rounds_here() };
        if !asks {
            for work in &here {
                let edge = Edge { to, name: work.name, rounds: rounds.clone() };
                table.edges.insert((work.subject, wait), edge);
            }
        }
        edges(|count| count.fetch_add(here.len() as u64, Ordering::Relaxed));
        *self = Self { wait, from: here, rounds, asks };
        Ok(asks)
    }

    /// Returns whether no edge is to be taken back.
    pub(crate) fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// Returns whether the edges are to count once the wait is polled as it has asked.
    pub(crate) fn are_asked_for(&self) -> bool {
        self.asks && !self.is_empty()
    }

    /// Takes the edges back: the wait is over, or is going to be.
    pub(crate) fn end(&mut self) {
        if self.is_empty() || mutant(Mutant::EdgesStay) {
            return;
        }
        TABLE.lock().remove(self);
    }
}

impl Drop for Edges {
    /// Takes back the edges of a wait that was leaked, when its lock is gone.
    fn drop(&mut self) {
        self.end();
    }
}

impl Table {
    /// Returns the edges of that lock's creation.
    fn edges_from(&self, subject: Subject) -> impl Iterator<Item = (&(Subject, u64), &Edge)> {
        self.edges.range((subject, 0)..=(subject, u64::MAX))
    }

    /// Takes the edges of that wait out.
    fn remove(&mut self, of: &mut Edges) {
        edges(|count| count.fetch_sub(of.from.len() as u64, Ordering::Relaxed));
        for from in of.from.drain(..) {
            self.edges.remove(&(from.subject, of.wait));
        }
    }

    /// Takes out all edges of that lock's creation.
    fn take(&mut self, of: Subject) {
        let gone: Vec<_> = self.edges_from(of).map(|(key, _)| *key).collect();
        for key in gone {
            self.edges.remove(&key);
        }
    }

    /// Returns the locks of the cycle that a wait of the creations `here` for `to` would close.
    fn cycle(&self, here: &[Work], to: Subject) -> Option<WaitCycle> {
        // Depth first. On the way there is each lock, its name, and which of the locks that it waits for are still to
        // be looked at.
        let mut path: Vec<(Option<&'static str>, Vec<&Edge>)> = Vec::new();
        let mut seen = BTreeSet::new();
        let mut at = to;
        loop {
            if let Some(work) = here.iter().rfind(|work| work.subject == at) {
                let on_the_way = path.iter().map(|(name, _)| *name);
                return Some(WaitCycle::of([work.name].into_iter().chain(on_the_way).collect()));
            }
            if seen.insert(at) {
                let waits: Vec<_> = self.edges_from(at).map(|(_, edge)| edge).filter(|edge| edge.counts()).collect();
                path.extend(waits.first().map(|edge| edge.name).map(|name| (name, waits)));
            }
            // The next lock to look at: of the last lock on the way that has any left.
            at = loop {
                match path.last_mut()?.1.pop() {
                    Some(edge) => break edge.to,
                    None => path.pop(),
                };
            };
        }
    }
}

/// Notes that the live creation of that lock has ended, under the mutex of its queue; or that the lock is gone, and
/// with it any creation that had been leaked.
pub(crate) fn ended(of: Subject) {
    // Relaxed: what is left of this creation was counted on its own way here.
    if edges(|count| count.load(Ordering::Relaxed)) != 0 {
        TABLE.lock().take(of);
    }
}

/// Notes that a creation of that lock was declared dead: what that creation waits for keeps nobody from anything. To be
/// called under the mutex of the lock's queue.
pub(crate) fn bury(of: Subject, ticket: u64) {
    let mut table = TABLE.lock();
    table.take(of);
    table.dead.insert(ticket);
}

/// Notes that a dead creation has come to its end.
pub(crate) fn forget(ticket: u64) {
    TABLE.lock().dead.remove(&ticket);
}
