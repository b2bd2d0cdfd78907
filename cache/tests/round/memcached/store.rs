//! The items of a memcached server, as far as the steps use them: values, CAS numbers, lifetimes, and the commands.
//!
//! Written from what a real server (1.6.18) answers: `servers/tests/memcached_commands.rs` compares the two, and
//! includes this file, which depends on nothing else of the model. The time is given in seconds of the server's clock.

use bytes::Bytes;
use dogpile_cache::backend::memcached::command::{Command, Only, Reply, Slot, Ttl};
use std::collections::BTreeMap;

/// An item.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Stored {
    pub value: Bytes,
    pub cas: u64,
    pub note: u32,
    /// The second in which it is gone.
    pub until: Option<u64>,
    /// Whether the win was given, and not yet told of: a stub that was just made, or a mark.
    gives_win: bool,
    /// Whether a client has won.
    was_won: bool,
    pub is_stale: bool,
}

impl Stored {
    fn left(&self, second: u64) -> Option<u32> {
        self.until.map(|until| u32::try_from(until - second).expect("a short time"))
    }
}

/// A key, as the steps name it: an entry, a counter, or the entry of another shape.
type Key = (u8, u32);

fn key(slot: Slot) -> Key {
    match slot {
        Slot::Entry => (0, 0),
        Slot::Count => (1, 0),
        Slot::Beside(shape) => (2, shape.schema),
    }
}

/// The items of a place.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Store {
    items: BTreeMap<Key, Stored>,
    /// The CAS number that was given last; the numbers begin anew with the server.
    cas: u64,
    /// The largest item.
    pub largest: Option<usize>,
}

impl Store {
    /// Returns the item of a slot.
    pub fn item(&self, slot: Slot) -> Option<&Stored> {
        self.items.get(&key(slot))
    }

    /// Returns how many items there are.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Removes what is over.
    pub fn forget(&mut self, second: u64) {
        self.items.retain(|_, item| item.until.is_none_or(|until| second < until));
    }

    /// Removes an item, as an eviction does.
    pub fn evict(&mut self, slot: Slot) {
        self.items.remove(&key(slot));
    }

    /// Takes the lifetime from an item, as a stranger's `mg … T0` does.
    pub fn persist(&mut self, slot: Slot) {
        if let Some(item) = self.items.get_mut(&key(slot)) {
            item.until = None;
        }
    }

    fn next(&mut self) -> u64 {
        self.cas += 1;
        self.cas
    }

    fn put(&mut self, slot: Slot, value: Bytes, note: u32, until: Option<u64>) -> Reply {
        let cas = self.next();
        let item = Stored { value, cas, note, until, gives_win: false, was_won: false, is_stale: false };
        self.items.insert(key(slot), item);
        Reply::Stored { cas }
    }

    /// Executes a command.
    pub fn execute(&mut self, slot: Slot, command: &Command, second: u64) -> Reply {
        self.forget(second);
        let there = self.items.get(&key(slot)).map(|item| item.cas);
        match command {
            Command::Get { win } => self.get(slot, win.map(|seconds| seconds.get().into()), second),
            Command::Head => self.head(slot, second),
            Command::Store { head, body, note, ttl, only } => {
                match (*only, there) {
                    (Only::Missing, Some(_)) => return Reply::NotStored,
                    (Only::Cas(_), None) => return Reply::NotFound,
                    (Only::Cas(cas), Some(there)) if cas != there => return Reply::Exists,
                    _ => {}
                }
                let value = Bytes::from([&head[..], &body[..]].concat());
                match ttl {
                    Ttl::Nothing => {
                        self.evict(slot);
                        Reply::Stored { cas: self.next() }
                    }
                    Ttl::Seconds(seconds) => self.put(slot, value, *note, Some(second + u64::from(seconds.get()))),
                    Ttl::Until(end) => self.put(slot, value, *note, Some(u64::from(*end))),
                    Ttl::ForEver => self.put(slot, value, *note, None),
                }
            }
            Command::Append { tail, cas } => {
                let Some(item) = self.items.get(&key(slot)) else { return Reply::NotStored };
                if item.cas != *cas {
                    return Reply::Exists;
                }
                let (value, note) = (Bytes::from([&item.value[..], &tail[..]].concat()), item.note);
                let until = item.until;
                if self.largest.is_some_and(|largest| value.len() > largest) {
                    return Reply::NotStored;
                }
                self.put(slot, value, note, until)
            }
            Command::Delete { cas } => match (cas, there) {
                (_, None) => Reply::NotFound,
                (Some(cas), Some(there)) if *cas != there => Reply::Exists,
                _ => {
                    self.evict(slot);
                    Reply::Done
                }
            },
            Command::Mark => {
                if there.is_none() {
                    return Reply::NotFound;
                }
                let cas = self.next();
                let item = self.items.get_mut(&key(slot)).expect("it is there");
                (item.cas, item.is_stale, item.gives_win, item.was_won) = (cas, true, true, false);
                Reply::Done
            }
            Command::Move { by, is_down, cas } => {
                let Some(there) = there else { return Reply::NotFound };
                if cas.is_some_and(|cas| cas != there) {
                    return Reply::Exists;
                }
                let cas = self.next();
                let item = self.items.get_mut(&key(slot)).expect("it is there");
                let text = std::str::from_utf8(&item.value).expect("a number").trim_end_matches(' ');
                let now: u64 = text.parse().expect("a number");
                let now = if *is_down { now.saturating_sub(*by) } else { now.wrapping_add(*by) };
                let mut text = now.to_string();
                while text.len() < item.value.len() {
                    text.push(' ');
                }
                (item.value, item.cas) = (Bytes::from(text), cas);
                Reply::Number(now)
            }
        }
    }

    /// It takes the win, as any `mg` does.
    fn head(&mut self, slot: Slot, second: u64) -> Reply {
        if let Reply::Missing = self.get(slot, None, second) {
            return Reply::Missing;
        }
        let item = self.item(slot).expect("it is there");
        Reply::Head { size: item.value.len() as u64, ttl_left: item.left(second), note: item.note }
    }

    fn get(&mut self, slot: Slot, win: Option<u64>, second: u64) -> Reply {
        if self.item(slot).is_none() {
            let Some(seconds) = win else { return Reply::Missing };
            self.put(slot, Bytes::new(), 0, Some(second + seconds));
            self.items.get_mut(&key(slot)).expect("it is there").gives_win = true;
        }
        let item = self.items.get_mut(&key(slot)).expect("it is there");
        let has_won = std::mem::take(&mut item.gives_win);
        let another_won = item.was_won;
        item.was_won |= has_won;
        Reply::Value {
            value: item.value.clone(),
            cas: item.cas,
            ttl_left: item.left(second),
            note: if slot == Slot::Count { item.note } else { 0 },
            has_won,
            another_won,
            is_stale: item.is_stale,
        }
    }
}
