//! What is written over an item.

use super::{Event, Item, MANY, Number, Paused, TOUCHED, What, left};
use crate::backend::memcached::command::{Command, Only, Ttl};
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

impl Item {
    /// Returns the command that stores an entry to which nothing has happened.
    pub fn store(entry: Bytes, is_marked: bool, ttl: Ttl, only: Only) -> Command {
        let mut item = Item { entry: Some(entry), is_marked, ..Item::empty(0) };
        let head = item.head();
        Command::Store { head, body: item.entry.unwrap_or_default(), ttl, only }
    }

    /// Has something happen to this item: an append where there is an entry; otherwise the item is written anew, or
    /// deleted if it says nothing any more. `is_whole`: it is written anew in any case.
    pub fn write(&self, what: What, now: u64, is_whole: bool) -> Write {
        let mut then = self.clone();
        let event = Event { over: self.cas, takes_mark: self.is_stale, what };
        then.happens(event);
        if self.entry.is_some() && self.events < MANY && !is_whole {
            let command = Command::Append { tail: event.bytes(), cas: self.cas };
            return Write { command, then: then.for_holder() };
        }
        then.held = then.held(now);
        then.pause = then.marked_pause(now);
        let ttl = match (&then.entry, self.ttl_left) {
            (None, _) => then.ttl_of_rest(now),
            (Some(_), None) => Ttl::ForEver,
            (Some(_), Some(left)) => ttl::lifetime(Some(Duration::from_secs(left.into())), now),
        };
        if then.entry.is_none() && then.held.is_none() && then.pause.is_none() {
            return Write { command: Command::Delete { cas: Some(self.cas) }, then: then.for_holder() };
        }
        let head = then.head();
        let body = then.entry.clone().unwrap_or_default();
        Write { command: Command::Store { head, body, ttl, only: Only::Cas(self.cas) }, then: then.for_holder() }
    }

    /// Returns the command that gives this item another entry: the mark, the grant and the pause stay.
    pub fn touch(&self, entry: Bytes, ttl: Ttl, now: u64) -> Command {
        let mut then = self.clone();
        then.entry = Some(entry);
        (then.is_marked, then.held, then.pause) = (self.is_marked(), self.held(now), self.marked_pause(now));
        if let Some(held) = &mut then.held {
            held.is_marked |= self.is_stale;
        }
        let is_alone = then.held.is_none() && then.pause.is_none();
        then.number = if is_alone { 0 } else { self.cas | TOUCHED };
        let head = then.head();
        Command::Store { head, body: then.entry.unwrap_or_default(), ttl, only: Only::Cas(self.cas) }
    }

    fn ttl_of_rest(&self, now: u64) -> Ttl {
        let ends = [self.held.map(|held| held.until), self.pause.map(Paused::marked_until)];
        let until = ends.into_iter().flatten().max().unwrap_or(now);
        ttl::lifetime(Some(left(until, now)), now)
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
