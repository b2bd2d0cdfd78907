//! The names by which others know an item: the state of its entry, and the number of its grant.

use super::{ADDED, Event, Item, LATER, MANY, What, Write};
use crate::backend::memcached::command::Command;
use crate::backend::{Grant, Life, Seen, Token};

/// The state of an entry, as a look has [`Seen`] it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub number: u64,
    pub is_marked: bool,
    /// When the entry is over, in milliseconds of the server's clock. An item to which nothing has happened lives as
    /// long at least.
    pub end: u64,
}

impl State {
    /// Returns what a look has seen.
    pub fn seen(self, life: Life) -> Seen {
        let mut bytes = [0; 25];
        bytes[..8].copy_from_slice(&life.0.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.number.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.end.to_le_bytes());
        bytes[24] = self.is_marked.into();
        Seen::copied(&bytes)
    }

    /// Reads what was seen; `None` if it was no entry, or not in that life.
    pub fn of(seen: &Seen, life: Life) -> Option<State> {
        let bytes: &[u8; 25] = seen.state()?.try_into().ok()?;
        let part = |at| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        (part(0) == life.0).then_some(State { number: part(8), is_marked: bytes[24] == 1, end: part(16) })
    }

    /// Returns the CAS number of an item that is in this state, and to which nothing has happened. `None`: that cannot
    /// be known, or the entry is over.
    pub fn untouched(self, now: u64) -> Option<u64> {
        (self.number & LATER == 0 && now < self.end).then_some(self.number)
    }
}

/// The number of an addition, of 14 bits: no two additions of a token have the same, so that others that find the token
/// know which of them has stored the item, whatever has happened to its CAS number since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sending(u16);

impl Sending {
    /// The number of the addition that comes after so many others of the process. (The numbers begin anew behind
    /// 16,383. Of one token there are few, one after the other.)
    #[must_use]
    pub fn after(others: u64) -> Sending {
        Sending(u16::try_from(1 + others % (2 * HALF - 1)).expect("14 bits"))
    }

    /// What its grant was written over.
    #[must_use]
    pub fn base(self) -> u64 {
        ADDED | u64::from(self.0)
    }
}

/// The number of a grant ([`Grant::cas`]): the CAS number of the item, and what its holder must know to write over it
/// without a look.
///
/// | bits | what |
/// |---|---|
/// | 0 | 1: the holder looks first; see below |
/// | 1 | whether there is an entry |
/// | 2 to 5 | how many events there are |
/// | 6 to 19 | the last bits of the second until which the item lives; without an entry, the number of the sending |
/// | 20 to 63 | the CAS number |
///
/// | of a holder that looks first: bits | what |
/// |---|---|
/// | 0 | 1 |
/// | 1 to 14 | the number of the sending |
/// | 15 to 63 | the CAS number |
///
/// (A server that writes a million times a second has CAS numbers of more than 44 bits after half a year. Each holder
/// looks first then. After 17 years it has some of more than 49, and a grant is known by its token alone.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Number {
    pub cas: u64,
    /// The holder looks first: the item says more than its entry and the grant.
    pub is_slow: bool,
    /// Whether there is an entry, so that the holder appends.
    pub has_entry: bool,
    /// How many events there are.
    pub events: usize,
    /// The second of the server's clock until which the item lives at least, [shortened](short). 0 of an item without an
    /// entry: all that is written over it has a lifetime of its own.
    pub lives: u16,
    /// Of a grant that was added where nothing was: the number of the [`Sending`]. 0: it was not.
    pub added: u16,
}

/// How many bits of a second a [`Number`] has.
const BITS: u32 = 14;

/// The largest CAS number that a slow [`Number`] tells from others.
const MOST: u64 = u64::MAX >> (1 + BITS);

/// Half of the seconds that so many bits tell apart: a second is one of the next or of the last so many.
const HALF: u64 = 1 << (BITS - 1);

/// How far ahead a second is at most: two hours.
const AHEAD: u64 = 2 * 3600;

/// Returns the last bits of a second that comes not later than this time, nor than in two hours.
pub fn short(time: u64, now: u64) -> u16 {
    let second = (time / 1000).min(now / 1000 + AHEAD);
    u16::try_from(second % (2 * HALF)).expect("14 bits")
}

impl Number {
    /// The number of a grant that nobody has: it is that of any grant of its token.
    pub const ANY: Number = Number { cas: MOST, is_slow: true, ..Number::of_stub(0) };

    /// The number of a stub.
    pub const fn of_stub(cas: u64) -> Number {
        Number { cas, is_slow: false, has_entry: false, events: 0, lives: 0, added: 0 }
    }

    /// Reads the number.
    pub fn of(number: u64) -> Number {
        let part = |from: u32, bits: u32| number >> from & ((1 << bits) - 1);
        let short = |from| u16::try_from(part(from, BITS)).expect("14 bits");
        if number & 1 == 1 {
            let cas = number >> (1 + BITS);
            // (All bits are those of any grant.)
            let added = if cas == MOST { 0 } else { short(1) };
            return Number { cas, added, ..Number::ANY };
        }
        let events = usize::try_from(part(2, 4)).expect("4 bits");
        let (cas, has_entry) = (number >> 20, part(1, 1) == 1);
        let (lives, added) = if has_entry { (short(6), 0) } else { (0, short(6)) };
        Number { cas, is_slow: false, has_entry, events, lives, added }
    }

    /// Returns the grant.
    pub fn grant(self, token: Token, life: Life) -> Grant {
        let events = u64::try_from(self.events).unwrap_or(u64::MAX);
        let is_slow = self.is_slow || self.cas >> 44 > 0 || events > 15;
        let cas = if self.cas >= MOST {
            u64::MAX
        } else if is_slow {
            self.cas << (1 + BITS) | u64::from(self.added) << 1 | 1
        } else {
            let short = u64::from(if self.has_entry { self.lives } else { self.added });
            self.cas << 20 | short << 6 | events << 2 | u64::from(self.has_entry) << 1
        };
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
        if self.lives(now) < what.until() {
            return None;
        }
        let tail = Event { over: self.cas, takes_mark: false, what }.bytes();
        let then = Number { events: self.events + 1, ..self };
        Some(Write { command: Command::Append { tail, cas: self.cas }, then })
    }

    /// Until when the item lives at least, in milliseconds of the server's clock. (A holder that asks more than two
    /// hours after that second may be told a later one. Its lease, of which it must be told, is over by then.)
    fn lives(self, now: u64) -> u64 {
        let second = now / 1000;
        let ahead = u64::from(self.lives).wrapping_sub(second) % (2 * HALF);
        if ahead < HALF { (second + ahead) * 1000 } else { 0 }
    }
}
