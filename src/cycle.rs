//! Creations that wait for each other: finds the cycle when the last of them would begin to wait (L7, C14).
//!
//! One table for the process says of each lock whose creation waits, for which lock. Only a thread that is creating,
//! and that is about to wait for somebody else's creation, comes here, and whoever ends its wait.
//!
//! # States of a wait
//!
//! | the waiter, in the queue of the lock that it waits for | its edges, one for each creation that its thread runs |
//! |---|---|
//! | waits, and it is for others to end that | in the table, if they count |
//! | was served, called, told something, or has left | not in the table |
//!
//! # Which of them count
//!
//! A thread does nothing else while it waits. A task goes on as its creator's future does, and that may have lost
//! interest in the wait and keep it all the same: behind a time-out, beside something that came first, leaked. Nobody
//! says so. What is known is when the wait was polled, and in which *rounds*: in which poll of the future of each
//! creator that its thread was in the middle of. (A creator that is a closure has one round.)
//!
//! | a task's wait was last polled | its edges |
//! |---|---|
//! | for the first time, or for the sake of something else | are not in the table; it *asks* |
//! | because it had asked for that, in the last round of each of those creators | are in the table, and count |
//! | in an earlier round of one of them | may be in the table, and do not count |
//!
//! To ask is to wake its own task, once. If its creator wants it still, it is polled again, and counts from then on. If
//! not, it is not polled in that round. So a wait is made sure of as it begins, and whenever something else has its
//! creator polled. (If a creator loses interest in just the round that the wait has asked for, after it has polled it
//! there, that counts until the next round: a time-out that comes between the two polls is such a case.)
//!
//! # Transitions
//!
//! | name | edges | under the mutex of |
//! |---|---|---|
//! | a task looks: first poll | none, but if they would close a cycle it fails; it asks | the queue, then the table |
//! | begin to wait: a thread, or a task that has asked | added, unless that closes a cycle: then it does not wait, and fails | the queue, then the table |
//! | served, called, told; left | removed | the queue, then the table |
//! | called, but a newcomer was faster: waits again | as begin | the queue, then the table |
//! | a task waits on, polled by other creations than before, or in another round | those of before are removed, then as look | the queue, then the table |
//! | a task waits on, polled as it has asked | as begin | the queue, then the table |
//! | another round begins, or the creator's future is gone | those of the round before do not count any more | - |
//! | a creation ends | those of it that are left are removed: futures that were polled in it, and have gone on elsewhere | its own queue, then the table |
//! | a creation is declared dead | those of that creation are removed, and it gets no more | its own queue, then the table |
//! | a lock is gone | those of its creation and of those who wait for it are removed: futures that were leaked | the table |
//!
//! # Why it holds
//!
//! - *Every cycle is found, as far as edges count.* An edge of a thread is there from the moment at which that can no
//!   longer but wait. Edges come to count under one mutex, so of those that make up a cycle one is the last, and finds
//!   the others.
//! - *A task's wait is its creator's only as long as that polls it.* So its edges are compared with who polls it at
//!   each poll, and none outlives its creation.
//! - *Nothing else is.* When the last one looks, all of the edges that it follows are there at the same time. Each says
//!   that a thread which runs this creation, or stores for it, is in a queue, or that its task was when that last did
//!   anything; so that creation does not end before the next one in the cycle does, or somebody loses patience. An edge
//!   is gone before whoever ends that wait lets go of its queue, and so before anything can come of it. What a dead
//!   creation waits for keeps nobody from anything.
//! - *Who has gone on is in no cycle.* What a task does in a round, it does when the round before is over already. So
//!   who hears of it, and then comes to wait, finds nothing of that counting.
//! - *A circle is a mistake even where it would break.* A wait with a time-out, or a creation that may be declared
//!   dead, would end it in time; until then nobody in it gets anywhere. It is told as any other, and as a wait for
//!   oneself is.
//! - *A leaked future does not haunt the next lock at its address.* A lock takes the edges of its creation with it, and
//!   its queue those of who waits there. (One that is moved, with a creation of which the future was leaked, leaves
//!   them behind until that wait is served.)
//! - *No deadlock of its own.* The table is locked last, and nothing is done under it but this.
//!
//! A dead creation that never comes back leaves its ticket here, eight bytes beside the thread that hangs.
//!
//! What is not known is not found: who runs a [`Creation`](crate::Creation) that was moved about, or which threads a
//! creator waits for by other means; nor a wait whose future is polled only when it is woken itself, beside others of
//! the same task, once one of those was polled without it.

use crate::error::WaitCycle;
use crate::running::{Round, Subject, Work, are_rounds_here, creations_here, rounds_here};
use crate::sync::{Mutant, Mutex, Ordering, count, global, mutant};
use std::collections::{BTreeMap, BTreeSet};

/// The creation of a lock waits.
#[derive(Debug)]
struct Edge {
    /// For that lock.
    to: Subject,
    /// What the lock is called whose creation waits.
    name: Option<&'static str>,
    /// As of when: it counts until one of them is over.
    rounds: Vec<Round>,
}

impl Edge {
    fn counts(&self) -> bool {
        // Relaxed: who has been told of what came after a round sees that it is over.
        self.rounds.iter().all(|round| !round.load(Ordering::Relaxed))
    }
}

#[derive(Debug)]
struct Table {
    /// By the lock whose creation waits, and the wait. (It may wait in several places: a creation can store on several
    /// threads.)
    edges: BTreeMap<(Subject, u64), Edge>,
    /// The tickets of creations that were declared dead and have not come back yet.
    dead: BTreeSet<u64>,
}

global! {
    static TABLE: Mutex<Table> = Mutex::new(Table { edges: BTreeMap::new(), dead: BTreeSet::new() });
}

count! {
    /// How many edges there are, or were taken from waits that go on: so that the end of a creation need hardly ever
    /// look.
    fn edges;
}

/// The edges of one wait. To be taken back by [`end`](Self::end) under the mutex of the queue that it is in.
#[derive(Debug, Default)]
pub(crate) struct Edges {
    wait: u64,
    from: Vec<Work>,
    /// In which it was last polled, if it is a task's.
    rounds: Vec<Round>,
    /// It has asked to be polled again, and was not yet.
    asks: bool,
}

impl Edges {
    /// This thread polls a wait for a creation of that lock; as one that `blocks`, it does nothing else until that is
    /// over. Under the mutex of the queue; `wait` is a number of its own. Returns whether the wait asks to be polled
    /// once more, which it is to be woken for after the mutex: until then it does not count.
    ///
    /// If it would close a cycle it has no edges any more.
    pub(crate) fn poll(&mut self, wait: u64, to: Subject, blocks: bool) -> Result<bool, WaitCycle> {
        let here = creations_here();
        if here == self.from && !self.asks && (blocks || are_rounds_here(&self.rounds)) {
            return Ok(false);
        }
        let mut table = TABLE.lock();
        let here: Vec<Work> = here.into_iter().filter(|work| !table.dead.contains(&work.ticket)).collect();
        let asks = !(blocks || here.is_empty() || (self.asks && here == self.from));
        table.remove(self);
        // Whatever is known of the others: this one is polled just now.
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

    /// Whether anything is to be taken back.
    pub(crate) fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// Whether they are to count once the wait is polled as it has asked.
    pub(crate) fn are_asked_for(&self) -> bool {
        self.asks && !self.is_empty()
    }

    /// The wait is over, or is going to be.
    pub(crate) fn end(&mut self) {
        if self.is_empty() || mutant(Mutant::EdgesStay) {
            return;
        }
        TABLE.lock().remove(self);
    }
}

impl Drop for Edges {
    /// Of a wait that was leaked, when its lock is gone.
    fn drop(&mut self) {
        self.end();
    }
}

impl Table {
    /// The waits of that lock's creation.
    fn edges_from(&self, subject: Subject) -> impl Iterator<Item = (&(Subject, u64), &Edge)> {
        self.edges.range((subject, 0)..=(subject, u64::MAX))
    }

    /// Takes out those edges.
    fn remove(&mut self, of: &mut Edges) {
        edges(|count| count.fetch_sub(of.from.len() as u64, Ordering::Relaxed));
        for from in of.from.drain(..) {
            self.edges.remove(&(from.subject, of.wait));
        }
    }

    /// Takes out all edges from that lock.
    fn take(&mut self, of: Subject) {
        let gone: Vec<_> = self.edges_from(of).map(|(key, _)| *key).collect();
        for key in gone {
            self.edges.remove(&key);
        }
    }

    /// The locks of the cycle that a wait for `to` would close, if their creations are run `here`.
    fn cycle(&self, here: &[Work], to: Subject) -> Option<WaitCycle> {
        // Depth first. On the way: each lock, what it is called, and which of the locks that it waits for are still to
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
            // The next one to look at, of the last lock on the way that has any left.
            at = loop {
                match path.last_mut()?.1.pop() {
                    Some(edge) => break edge.to,
                    None => path.pop(),
                };
            };
        }
    }
}

/// The live creation of that lock has ended. Under the mutex of its queue; or the lock is gone, and with it whatever
/// creation had been leaked.
pub(crate) fn ended(of: Subject) {
    // Relaxed: what is left of this creation was counted on its own way here.
    if edges(|count| count.load(Ordering::Relaxed)) != 0 {
        TABLE.lock().take(of);
    }
}

/// A creation of that lock was declared dead: whatever it waits for keeps nobody. Under the mutex of its queue.
pub(crate) fn bury(of: Subject, ticket: u64) {
    let mut table = TABLE.lock();
    table.take(of);
    table.dead.insert(ticket);
}

/// A dead creation has come to its end.
pub(crate) fn forget(ticket: u64) {
    TABLE.lock().dead.remove(&ticket);
}
