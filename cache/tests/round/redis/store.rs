//! The keys of a Redis server, as far as the scripts use them: values, lifetimes, and the commands on them.
//!
//! This file and `scripts.rs` depend on nothing else, so that a test beside a real server can include them by
//! `#[path]`, as two modules beside one another.

use std::collections::BTreeMap;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Value {
    Text(Vec<u8>),
    /// A list, a hash or another type that is no text: commands for texts are answered with an error.
    Other,
}

/// A key's value, and the last millisecond in which it is there; `None` is for ever.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    pub value: Value,
    pub until: Option<i64>,
}

/// The keys of a server. A key that has expired is not there, whether it was removed or not.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Store<K> {
    items: BTreeMap<K, Item>,
}

impl<K> Default for Store<K> {
    fn default() -> Self {
        Store { items: BTreeMap::new() }
    }
}

/// The answer to a command for texts that meets another type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WrongType;

impl<K: Ord + Clone> Store<K> {
    /// Returns what is there at that time, in milliseconds.
    pub fn item(&self, key: &K, now: i64) -> Option<&Item> {
        self.items.get(key).filter(|item| item.until.is_none_or(|until| now <= until))
    }

    /// Puts anything there, as another client may.
    pub fn put(&mut self, key: &K, item: Item) {
        self.items.insert(key.clone(), item);
    }

    /// `GET`, and `GETRANGE` from 0 on.
    pub fn get(&self, key: &K, now: i64) -> Result<Option<&[u8]>, WrongType> {
        match self.item(key, now).map(|item| &item.value) {
            None => Ok(None),
            Some(Value::Text(text)) => Ok(Some(text)),
            Some(Value::Other) => Err(WrongType),
        }
    }

    /// `SET`, with `PX` if there is a lifetime: it replaces a value of any type.
    pub fn set(&mut self, key: &K, text: &[u8], now: i64, lifetime: Option<u64>) {
        let until = lifetime.map(|lifetime| now.saturating_add_unsigned(lifetime));
        self.put(key, Item { value: Value::Text(text.to_vec()), until });
    }

    /// `SET … KEEPTTL`.
    pub fn set_keeping(&mut self, key: &K, text: &[u8], now: i64) {
        let until = self.item(key, now).and_then(|item| item.until);
        self.put(key, Item { value: Value::Text(text.to_vec()), until });
    }

    /// `SETRANGE`: the lifetime stays. What is missing before the offset is filled with zeros.
    pub fn set_range(&mut self, key: &K, offset: usize, bytes: &[u8], now: i64) -> Result<(), WrongType> {
        let mut text = self.get(key, now)?.unwrap_or_default().to_vec();
        text.resize(text.len().max(offset + bytes.len()), 0);
        text[offset..offset + bytes.len()].copy_from_slice(bytes);
        self.set_keeping(key, &text, now);
        Ok(())
    }

    /// `DEL`.
    pub fn delete(&mut self, key: &K) {
        self.items.remove(key);
    }

    /// `PTTL`: -2 for a key that is not there, -1 for one without a lifetime.
    pub fn pttl(&self, key: &K, now: i64) -> i64 {
        self.item(key, now).map_or(-2, |item| item.until.map_or(-1, |until| until - now))
    }

    /// `PERSIST`.
    pub fn persist(&mut self, key: &K) {
        if let Some(item) = self.items.get_mut(key) {
            item.until = None;
        }
    }

    /// Removes what has expired by that time. (For the model: it meets fewer states.)
    pub fn forget_expired(&mut self, now: i64) {
        self.items.retain(|_, item| item.until.is_none_or(|until| now <= until));
    }

    /// Moves the end of each lifetime, as a step of the server's clock does.
    pub fn move_ends(&mut self, by: i64) {
        for until in self.items.values_mut().filter_map(|item| item.until.as_mut()) {
            *until += by;
        }
    }
}
