//! What lies at the key of an entry.
//!
//! | item | what it is |
//! |---|---|
//! | an empty value that `mg … N` has made | a [`Stub`]: a grant without a token |
//! | a head, events, the entry, further events | an [`Item`] of this backend |
//! | anything else | a stranger's: it counts as no value and no rest, and is stored over by its CAS number (G7) |
//!
//! | head: at | bytes | what |
//! |---|---|---|
//! | 0 | 3 | `D9 44 02`: the bytes were written by this backend, in this version |
//! | 3 | 1 | 1: the entry is marked stale; 2: there is an entry; 16 × the number of events behind the head, at most 3 |
//! | 4 | 4 | the length of the entry |
//! | 8 | 8 | the number of the state of the entry; 0: the CAS number of the item |
//! | 16 | 8 | when the entry is over, in milliseconds of the server's clock; all bits: never; without an entry 0 |
//!
//! An item begins as a head and an entry. What happens to it then is appended, as *events* of 32 bytes: nothing of the
//! entry crosses the network, and the lifetime of the item stays as it is. All of them together say what the state is:
//! see [`Event`]. An item is written anew, with its state in at most three events behind the head, where an append does
//! not do:
//!
//! - It has [many](MANY) events.
//! - It would not live as long as what is to be appended, which an append does not change.
//! - Its entry is over, which is left out then; or there is none. What the item says has a lifetime of its own.
//!
//! Numbers are little-endian. Beside the item there is a [note].
//!
//! # Two lifetimes
//!
//! The end of the entry stands in the head, and is not that of the item: a grant or a pause may last longer. An entry
//! that is over is none for all who read the item, whatever else is in it, and has no state. The item lives as long as
//! the last of what is in it, and with an entry a second more, as the server counts whole seconds.
//!
//! # The number of the state
//!
//! | item | number |
//! |---|---|
//! | stored, and nothing has happened to it since | its CAS number |
//! | with events | the CAS number that the entry had before the first of them |
//! | marked by `md I`, without events | its CAS number, which the mark has changed |
//! | marked by `md I`, with events | its CAS number, and the highest bit |
//! | touched, with a grant or a pause | the CAS number before, and the two highest bits |
//!
//! So a claim, a renewal and an end leave the number as it is, and what stores, touches or marks makes another one. A
//! number without the highest bit is the CAS number of an item to which nothing has happened: an operation that has
//! seen such a number need not look again, but names it as the CAS number on which it depends.

mod event;
mod names;
pub mod note;
mod write;

pub use self::event::{EVENT, Event, What};
pub use self::names::{Number, Sending, State, short};
pub use self::write::Write;

use super::command::Reply;
use super::steps::{Moment, Odd};
use super::ttl::NEVER;
use crate::backend::{HeldBy, Life, Look, Pause, Rest, Seen, Token};
use bytes::{BufMut, Bytes, BytesMut};
use std::time::Duration;

/// The length of the head.
pub const HEAD: usize = 24;

/// The number of events from which on an item is written anew.
pub const MANY: usize = 16;

const OURS: [u8; 3] = [0xD9, 0x44, 2];
const MARKED: u8 = 1;
const ENTRY: u8 = 2;

/// In the number of a state: other events came before.
const LATER: u64 = 1 << 63;
/// In what a grant was written over: nothing was there, and the last bits are the number of its [`Sending`].
const ADDED: u64 = 1 << 63;
/// In the number of a state: a touch has made it.
const TOUCHED: u64 = LATER | 1 << 62;

/// What a [`Get`](super::command::Command::Get) has found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing.
    Nothing,
    /// A stub.
    Stub(Stub),
    /// An item; one of a stranger is empty.
    Item(Item),
}

/// An empty value that a client has won.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stub {
    /// Its CAS number: all that its holder is known by.
    pub cas: u64,
    /// Whether the client has won it by the very command that has found it.
    pub is_won: bool,
    ttl_left: Option<u32>,
}

/// A grant that has a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub token: Token,
    /// The CAS number of the item over which the grant was written; if nothing was there, [`ADDED`], and the number of
    /// the sending.
    base: u64,
    /// The same of the last lease.
    beat: u64,
    /// When the lease ends, in milliseconds of the server's clock.
    until: u64,
    /// Whether the place was marked since the grant.
    pub is_marked: bool,
}

/// A pause, and its mark, which lives twice as long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Paused {
    failures: u32,
    /// When the pause ends, in milliseconds of the server's clock.
    until: u64,
    /// In milliseconds.
    length: u64,
}

impl Paused {
    fn marked_until(self) -> u64 {
        self.until.saturating_add(self.length)
    }
}

/// What an item of this backend says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// Its CAS number.
    pub cas: u64,
    /// It may be [over](Item::entry).
    entry: Option<Bytes>,
    /// When the entry is over, in milliseconds of the server's clock.
    end: u64,
    number: u64,
    is_marked: bool,
    held: Option<Held>,
    pause: Option<Paused>,
    events: usize,
    /// Whether the server's own mark is on it, which no event has taken in yet.
    is_stale: bool,
    ttl_left: Option<u32>,
}

impl Found {
    /// Reads the reply to a [`Get`](super::command::Command::Get).
    ///
    /// # Errors
    ///
    /// It is no reply to that.
    pub fn of(reply: Reply) -> Result<Found, Odd> {
        match reply {
            Reply::Missing => Ok(Found::Nothing),
            Reply::Value { value, cas, ttl_left, has_won, another_won, is_stale, .. } => {
                if value.is_empty() && (has_won || another_won || is_stale) {
                    // A marked stub makes any `mg` win: it is another's all the same.
                    return Ok(Found::Stub(Stub { cas, is_won: has_won && !is_stale, ttl_left }));
                }
                let item = Item { is_stale, ttl_left, ..Item::empty(cas) };
                Ok(Found::Item(item.read(&value).unwrap_or_else(|| Item::empty(cas))))
            }
            _ => Err(Odd),
        }
    }

    /// Returns what a look shows of it.
    pub fn look(&self, at: Moment) -> Look {
        let mut look = Look::missing(at.now, at.life);
        look.rest = Some(Rest::Free);
        match self {
            Found::Nothing => {}
            Found::Stub(stub) => look.rest = Some(Rest::Held(stub.by(at.life))),
            Found::Item(item) => {
                look.entry = item.entry(at.now).cloned();
                look.seen = item.seen(at);
                look.is_marked = look.entry.is_some() && item.is_marked();
                if let Some(held) = item.held(at.now) {
                    look.rest = Some(Rest::Held(held.by(at)));
                } else if let Some(pause) = item.paused(at.now) {
                    look.rest = Some(Rest::Paused(pause));
                }
            }
        }
        look
    }

    /// Returns the state of the entry.
    pub fn seen(&self, at: Moment) -> Seen {
        if let Found::Item(item) = self { item.seen(at) } else { Seen::NOTHING }
    }

    /// Returns whether there is an entry.
    pub fn has_entry(&self, now: u64) -> bool {
        matches!(self, Found::Item(item) if item.entry(now).is_some())
    }

    /// Returns whether a grant is under way.
    pub fn is_held(&self, now: u64) -> bool {
        match self {
            Found::Nothing => false,
            Found::Stub(_) => true,
            Found::Item(item) => item.held(now).is_some(),
        }
    }
}

impl Stub {
    /// Returns the holder, as far as it is known: token and beat are the CAS number, which a mark changes.
    pub fn by(self, life: Life) -> HeldBy {
        let lease_left = Duration::from_secs(self.ttl_left.unwrap_or(0).into());
        HeldBy { token: Token(self.cas), beat: beat(self.cas, life), lease_left, is_void: false }
    }
}

impl Held {
    /// Returns the holder.
    pub fn by(self, at: Moment) -> HeldBy {
        let lease_left = left(self.until, at.now);
        // (The complement: numbers of sendings are as small as the first CAS numbers of a server.)
        let last = if self.beat & ADDED == 0 { self.beat } else { !self.beat };
        HeldBy { token: self.token, beat: beat(last, at.life), lease_left, is_void: false }
    }

    /// Returns the number of the sending, if the grant was added where nothing was.
    fn added(self) -> u16 {
        let is_added = self.base & ADDED != 0;
        u16::try_from(if is_added { self.base & !ADDED } else { 0 }).unwrap_or(0)
    }
}

/// How long it is until then. The last number is for ever.
fn left(until: u64, now: u64) -> Duration {
    if until == NEVER { Duration::MAX } else { Duration::from_millis(until.saturating_sub(now)) }
}

/// CAS numbers begin anew with the server, so that the life is a part of the beat: what a process has watched in one
/// life is no dead holder in the next.
#[allow(clippy::cast_possible_truncation)] // The lower half: no watcher sees 2^32 writes in one lease.
fn beat(cas: u64, life: Life) -> u32 {
    (cas ^ life.0) as u32
}

// --- what it says ---------------------------------------------------------------------------------------------------

impl Item {
    /// An item that says nothing, with that CAS number.
    pub fn empty(cas: u64) -> Item {
        Item {
            cas,
            entry: None,
            end: 0,
            number: 0,
            is_marked: false,
            held: None,
            pause: None,
            events: 0,
            is_stale: false,
            ttl_left: None,
        }
    }

    /// Returns the entry, if it is not over.
    fn entry(&self, now: u64) -> Option<&Bytes> {
        self.entry.as_ref().filter(|_| now < self.end)
    }

    /// Returns until when the server keeps the item at least, in milliseconds of its clock.
    fn lives(&self, now: u64) -> u64 {
        // (It counts whole seconds: the last of them may be almost over.)
        let seconds = self.ttl_left.map(|left| u64::from(left.saturating_sub(1)));
        seconds.map_or(NEVER, |seconds| now.saturating_add(seconds * 1000))
    }

    /// Returns the grant that is under way.
    pub fn held(&self, now: u64) -> Option<Held> {
        self.held.filter(|held| now < held.until)
    }

    /// Returns the pause, if it is not over; its mark may live on.
    pub fn paused(&self, now: u64) -> Option<Pause> {
        let Paused { failures, until, .. } = self.pause.filter(|pause| now < pause.until)?;
        Some(Pause { failures, left: left(until, now) })
    }

    /// Returns how many creations in a row have failed.
    pub fn failures(&self, now: u64) -> u32 {
        self.marked_pause(now).map_or(0, |pause| pause.failures)
    }

    fn marked_pause(&self, now: u64) -> Option<Paused> {
        self.pause.filter(|pause| now < pause.marked_until())
    }

    /// Returns whether the entry is marked stale.
    pub fn is_marked(&self) -> bool {
        self.is_marked || self.is_stale
    }

    /// Returns whether a grant of this item's token is that of a holder which knows this number of it.
    ///
    /// | the grant was written | it is the holder's if |
    /// |---|---|
    /// | over an item | that is no younger than what the holder knows: a later grant of the same token, by a claim that has arrived late, was written over a younger one |
    /// | where nothing was | it is of the holder's own sending. (If the CAS number alone tells that something has happened to the item, the same command was executed twice, and the grant is nobody's) |
    pub fn is_of(&self, number: Number, held: Held) -> bool {
        if number == Number::ANY {
            return true;
        }
        if held.base & ADDED == 0 {
            return held.base <= number.cas;
        }
        let has_happened = self.is_stale || held.is_marked || held.beat != held.base;
        held.added() == number.added && (number.cas == self.cas || has_happened)
    }

    /// Returns whether what the grant publishes is marked.
    pub fn publishes_stale(&self) -> bool {
        self.is_stale || self.held.is_some_and(|held| held.is_marked)
    }

    fn state(&self) -> u64 {
        match self.number {
            _ if self.is_stale => self.cas | self.later(),
            0 => self.cas,
            number => number,
        }
    }

    fn later(&self) -> u64 {
        if self.events > 0 { LATER } else { 0 }
    }

    fn seen(&self, at: Moment) -> Seen {
        if self.entry(at.now).is_none() {
            return Seen::NOTHING;
        }
        State { number: self.state(), is_marked: self.is_marked(), end: self.end }.seen(at.life)
    }

    /// What the holder of the grant must know, of an item that lives until then at least.
    fn for_holder(&self, lives: u64, now: u64) -> Number {
        // (The lifetime of an item without an entry is that of its rest, which a holder can write without a look if it
        // is the lease alone.)
        let is_slow = self.held.is_some_and(|held| held.is_marked) || (self.entry.is_none() && self.pause.is_some());
        let has_entry = self.entry.is_some();
        let lives = if has_entry { short(lives, now) } else { 0 };
        let added = self.held.filter(|_| !has_entry).map_or(0, Held::added);
        Number { cas: self.cas, is_slow, has_entry, events: self.events, lives, added }
    }
}

// --- bytes ----------------------------------------------------------------------------------------------------------

impl Item {
    /// Reads the bytes; `None` if they are not ours.
    fn read(mut self, value: &Bytes) -> Option<Item> {
        let head = value.get(..HEAD)?;
        let (flags, front) = (head[3] & 15, usize::from(head[3] >> 4));
        if head[..3] != OURS || flags & !(MARKED | ENTRY) != 0 || front > 3 {
            return None;
        }
        let length = usize::try_from(u32::from_le_bytes([head[4], head[5], head[6], head[7]])).ok()?;
        let part = |at: usize| u64::from_le_bytes(std::array::from_fn(|byte| head[at + byte]));
        (self.number, self.end) = (part(8), part(16));
        self.is_marked = flags & MARKED != 0;
        let begin = HEAD + front * EVENT;
        let end = begin.checked_add(length).filter(|end| *end <= value.len())?;
        if flags & ENTRY != 0 {
            self.entry = Some(value.slice(begin..end));
        } else if length > 0 {
            return None;
        }
        for event in value[HEAD..begin].chunks(EVENT).chain(value[end..].chunks(EVENT)) {
            self.happens(Event::read(event)?);
        }
        Some(self)
    }

    /// What becomes of the state by an event.
    fn happens(&mut self, event: Event) {
        if event.takes_mark {
            self.number = event.over | self.later();
            self.is_marked = true;
            if let Some(held) = &mut self.held {
                held.is_marked = true;
            }
        } else if self.number == 0 {
            self.number = event.over;
        }
        self.events += 1;
        match event.what {
            What::Granted { token, until, is_marked } => {
                self.held = Some(Held { token, base: event.over, beat: event.over, until, is_marked });
            }
            What::Renewed { until } => {
                if let Some(held) = &mut self.held {
                    (held.beat, held.until) = (event.over, until);
                }
            }
            What::Freed => self.held = None,
            What::Paused { failures, until, length } => {
                self.held = None;
                self.pause = Some(Paused { failures, until, length });
            }
        }
    }

    /// Returns the bytes before the entry, with what the item says in at most three events. It counts these from now
    /// on.
    fn head(&mut self) -> Bytes {
        let mut events = Vec::new();
        if let Some(Paused { failures, until, length }) = self.pause {
            let what = What::Paused { failures, until, length };
            events.push(Event { over: 0, takes_mark: false, what });
        }
        if let Some(Held { token, base, beat, until, is_marked }) = self.held {
            events.push(Event { over: base, takes_mark: false, what: What::Granted { token, until, is_marked } });
            if beat != base {
                events.push(Event { over: beat, takes_mark: false, what: What::Renewed { until } });
            }
        }
        let flags = u8::from(self.is_marked) * MARKED + u8::from(self.entry.is_some()) * ENTRY;
        let front = u8::try_from(events.len()).expect("three events") << 4;
        let length = self.entry.as_ref().map_or(0, Bytes::len);
        let mut bytes = BytesMut::with_capacity(HEAD + events.len() * EVENT);
        bytes.put_slice(&OURS);
        bytes.put_u8(flags | front);
        bytes.put_u32_le(u32::try_from(length).expect("sizes are checked before"));
        bytes.put_u64_le(self.number);
        bytes.put_u64_le(self.end);
        for event in &events {
            event.write(&mut bytes);
        }
        self.events = events.len();
        bytes.freeze()
    }
}

#[cfg(test)]
mod tests;
