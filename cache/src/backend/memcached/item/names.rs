//! The names by which others know an item: the state of its entry, and the number of its grant.

use super::{Event, Item, LATER, MANY, What, Write};
use crate::backend::memcached::command::Command;
use crate::backend::{Grant, Life, Seen, Token};
use bytes::Bytes;

/// The state of an entry, as a look has [`Seen`] it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    number: u64,
    pub is_marked: bool,
}

impl State {
    /// Returns what a look has seen.
    pub fn seen(life: Life, number: u64, is_marked: bool) -> Seen {
        let mut bytes = [0; 17];
        bytes[..8].copy_from_slice(&life.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        bytes[16] = is_marked.into();
        Seen::entry(Bytes::copy_from_slice(&bytes))
    }

    /// Reads what was seen; `None` if it was no entry, or not in that life.
    pub fn of(seen: &Seen, life: Life) -> Option<State> {
        let bytes: &[u8; 17] = seen.state()?.try_into().ok()?;
        let part = |at| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        (part(0) == life.0).then_some(State { number: part(8), is_marked: bytes[16] == 1 })
    }

    /// Returns the CAS number of an item that is in this state, and to which nothing has happened.
    pub fn untouched(self) -> Option<u64> {
        (self.number & LATER == 0).then_some(self.number)
    }
}

/// The number of a grant ([`Grant::cas`]): the CAS number of the item, and what its holder must know to write over it
/// without a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    pub cas: u64,
    /// The holder looks first: the item says more than its entry and the grant.
    pub is_slow: bool,
    /// Whether there is an entry, so that the holder appends.
    pub has_entry: bool,
    /// How many events there are, at most 63.
    pub events: usize,
}

impl Number {
    /// The number of a grant that nobody has.
    pub const OF_NOBODY: Number = Number { cas: u64::MAX >> 8, is_slow: true, has_entry: false, events: 0 };

    /// The number of a stub.
    pub fn of_stub(cas: u64) -> Number {
        Number { cas, is_slow: false, has_entry: false, events: 0 }
    }

    /// Reads the number.
    pub fn of(number: u64) -> Number {
        let events = usize::try_from(number & 63).unwrap_or(63);
        Number { cas: number >> 8, is_slow: number & 128 != 0, has_entry: number & 64 != 0, events }
    }

    /// Returns the grant. (A server would write for ages until its CAS numbers have 57 bits.)
    pub fn grant(self, token: Token, life: Life) -> Grant {
        let events = u64::try_from(self.events.min(63)).unwrap_or(63);
        let cas = self.cas << 8 | u64::from(self.is_slow) << 7 | u64::from(self.has_entry) << 6 | events;
        Grant { token, life, cas }
    }

    /// Has something happen to the item, as [`Item::write`] does, as far as the holder knows it; `None` if it must look
    /// first.
    pub fn write(self, what: What, now: u64) -> Option<Write> {
        if self.cas == 0 || self.is_slow || self.events >= MANY {
            return None;
        }
        if !self.has_entry {
            return Some(Item::empty(self.cas).write(what, now, false));
        }
        let tail = Event { over: self.cas, takes_mark: false, what }.bytes();
        let then = Number { events: self.events + 1, ..self };
        Some(Write { command: Command::Append { tail, cas: self.cas }, then })
    }
}
