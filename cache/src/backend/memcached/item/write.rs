//! What is written over an item.

use super::{Event, Item, MANY, Number, Paused, Sending, TOUCHED, What, note};
use crate::backend::memcached::command::{Command, Only};
use crate::backend::memcached::ttl;
use crate::backend::{PauseFor, Token};
use bytes::Bytes;
use std::time::Duration;

/// A command that has something happen to an item.
#[derive(Clone, Debug)]
pub struct Write {
    pub command: Command,
    /// What the holder must know then, but for the CAS number, which is in the reply.
    pub then: Number,
}

/// How much longer than needed an item lives that is written anew with its entry for the sake of a grant, in
/// milliseconds: so that the next renewals, each of which needs more, append.
const SPARE: u64 = 60_000;

impl Item {
    /// Returns the command that stores an entry that is over at `end`, and to which nothing has happened.
    pub fn store(entry: Bytes, is_marked: bool, end: u64, only: Only, now: u64) -> Command {
        let mut item = Item { entry: Some(entry), end, is_marked, ..Item::empty(0) };
        let head = item.head();
        Command::Store {
            head,
            body: item.entry.unwrap_or_default(),
            note: note::of(end, end),
            ttl: ttl::entry(end, now),
            only,
        }
    }

    /// Makes an item by a grant, where nothing is.
    pub fn begin(granted: What, sending: Sending, now: u64) -> Write {
        let mut item = Item::empty(0);
        item.happens(Event { over: sending.base(), takes_mark: false, what: granted });
        let (head, ttl) = (item.head(), ttl::rest(granted.until(), now));
        let command = Command::Store { head, body: Bytes::new(), note: 0, ttl, only: Only::Missing };
        Write { command, then: item.for_holder(0, now) }
    }

    /// Has something happen to this item: an append where there is an entry, and where the item lives long enough;
    /// otherwise the item is written anew, or deleted if it says nothing any more. `is_whole`: it is written anew in
    /// any case.
    pub fn write(&self, what: What, now: u64, is_whole: bool) -> Write {
        let mut then = self.clone();
        let event = Event { over: self.cas, takes_mark: self.is_stale, what };
        then.happens(event);
        let lives = self.lives(now);
        if self.entry(now).is_some() && self.events < MANY && !is_whole && what.until() <= lives {
            let command = Command::Append { tail: event.bytes(), cas: self.cas };
            return Write { command, then: then.for_holder(lives, now) };
        }
        then.anew(now)
    }

    /// Returns the command that gives this item another entry, which is over at `end`: the mark, the grant and the
    /// pause stay.
    pub fn touch(&self, entry: Bytes, end: u64, now: u64) -> Command {
        let mut then = self.clone();
        (then.entry, then.end, then.is_marked) = (Some(entry), end, self.is_marked());
        if let Some(held) = &mut then.held {
            held.is_marked |= self.is_stale;
        }
        let is_alone = self.held(now).is_none() && self.marked_pause(now).is_none();
        then.number = if is_alone { 0 } else { self.cas | TOUCHED };
        then.anew(now).command
    }

    /// Writes the item anew over that with its CAS number, with what is not over; deletes it if all is.
    fn anew(mut self, now: u64) -> Write {
        let lease = self.held(now).map_or(0, |held| held.until);
        let rest = self.marked_pause(now).map_or(0, Paused::marked_until).max(lease);
        (self.held, self.pause) = (self.held(now), self.marked_pause(now));
        let (lives, ttl) = if self.entry(now).is_some() {
            let lease = if lease > self.end { lease.saturating_add(SPARE) } else { 0 };
            let lives = self.end.max(rest).max(lease);
            (lives, ttl::entry(lives, now))
        } else {
            (self.entry, self.end, self.is_marked) = (None, 0, false);
            (rest, ttl::rest(rest, now))
        };
        if self.entry.is_none() && self.held.is_none() && self.pause.is_none() {
            return Write { command: Command::Delete { cas: Some(self.cas) }, then: self.for_holder(0, now) };
        }
        let only = Only::Cas(self.cas);
        let head = self.head();
        let body = self.entry.clone().unwrap_or_default();
        let note = if self.entry.is_some() { note::of(self.end, lives) } else { note::NO_ENTRY };
        let command = Command::Store { head, body, note, ttl, only };
        Write { command, then: self.for_holder(lives, now) }
    }
}

impl What {
    /// A grant whose lease begins now.
    pub fn granted(token: Token, lease: Duration, now: u64) -> What {
        What::Granted { token, until: ttl::end(lease, now), is_marked: false }
    }

    /// A lease that begins now, anew.
    pub fn renewed(lease: Duration, now: u64) -> What {
        What::Renewed { until: ttl::end(lease, now) }
    }

    /// The end of a grant.
    pub fn ended(pause: Option<PauseFor>, now: u64) -> What {
        match pause {
            Some(PauseFor { failures, pause }) if !pause.is_zero() => {
                What::Paused { failures, until: ttl::end(pause, now), length: ttl::millis(pause) }
            }
            _ => What::Freed,
        }
    }
}
