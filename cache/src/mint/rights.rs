//! The rights that a reader holds.
//!
//! # States
//!
//! The reader has each key in one of these states:
//!
//! | state | the reader | it ends by |
//! |---|---|---|
//! | none | has no right | a `get` that is elected: *held* |
//! | held | has the right, until the backend, a change, or the clock says otherwise | `set`, `add`, `delete`, `give_up`, `fail`: *none*; a `set` or `add` that is refused, or a sweep after its `creation_timeout`: *lapsed*; a `get` after the right was lost: *lapsed*, if it gives nothing, else *none*, or *held* anew |
//! | lapsed | had the right, and has not used it in time | a `get` that gives a value, `delete`, `give_up`, `fail`, or ten times `creation_timeout`: *none*; a `get` that is elected: *held* anew. A `set` or `add` is refused, and leaves it so |
//!
//! A reader that is dropped drops its creations, and their grants end.
//!
//! # Why a right that has lapsed is remembered
//!
//! The reader may still set the value that it was elected to make. Without the memory that would be a `set` without a
//! right, and overwrite what others have created since. So the key stays, without its creation: see [`Rights::take`].
//! A call that is refused leaves the key so, or a second try would do what the first must not.
//!
//! This memory is bounded. A reader that has [`MOST_LAPSED`] of these keys is not elected any more: a reader that never
//! sets what it was elected for is no loss as a creator. So there are as many at most, and those that it held at once
//! by then. And each key goes after [`FORGOTTEN_AFTER`] times `creation_timeout`, or a reader that has met a thousand
//! keys without a value would be elected no more for as long as it lives.

use crate::region::{Creation, RegionKey};
use std::collections::HashMap;
use std::time::Duration;

/// How many rights that have lapsed keep a reader from being elected.
pub(super) const MOST_LAPSED: usize = 1_000;

/// After how many times `creation_timeout` a right that has lapsed is forgotten.
const FORGOTTEN_AFTER: u32 = 10;

/// In which part of `creation_timeout` rights that have lapsed are looked for once, however few there are.
const SWEEPS: u32 = 8;

/// From how many rights on the reader looks for those that have lapsed.
const FIRST_SWEEP: usize = 16;

/// The rights that a reader holds.
pub(super) struct Rights<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    held: HashMap<K::Owned, Right<K, V>>,
    /// Since when they have lapsed, by the region's clock.
    lapsed: HashMap<K::Owned, Duration>,
    /// No key has lapsed before.
    lapsed_since: Duration,
    /// With how many rights the next sweep is due. It doubles with what a sweep has left, so that a right costs a
    /// constant number of steps.
    sweep_at: usize,
    /// When the next sweep is due, by the region's clock, with any number of rights.
    sweep_after: Duration,
}

struct Right<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    creation: Creation<K, V>,
    /// When the creation is dead, by the region's clock.
    until: Duration,
}

/// What a reader has of a key that it is about to change.
pub(super) enum Taken<K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    Nothing,
    Right(Creation<K, V>),
    /// The right has ended unused, and the key stays lapsed.
    Lapsed,
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Rights<K, V> {
    pub(super) fn new() -> Rights<K, V> {
        Rights {
            held: HashMap::new(),
            lapsed: HashMap::new(),
            lapsed_since: Duration::MAX,
            sweep_at: FIRST_SWEEP,
            sweep_after: Duration::ZERO,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.held.len()
    }

    /// Returns whether the reader has the right, as far as this process knows.
    pub(super) fn is_held(&self, key: &K) -> bool {
        self.held.get(key).is_some_and(|right| right.creation.is_elected())
    }

    /// Returns whether the reader has let so many rights lapse that it gets no more.
    pub(super) fn are_too_many_lapsed(&self) -> bool {
        self.lapsed.len() >= MOST_LAPSED
    }

    /// Drops the creations that are dead, if that is due, and forgets the oldest of the keys that have lapsed.
    pub(super) fn tidy(&mut self, now: Duration, creation_timeout: Duration) {
        if !self.held.is_empty() && (self.held.len() >= self.sweep_at || now >= self.sweep_after) {
            self.sweep(now);
            self.sweep_after = now.saturating_add(creation_timeout / SWEEPS);
        }
        let kept = creation_timeout.saturating_mul(FORGOTTEN_AFTER);
        if self.lapsed_since.saturating_add(kept) <= now {
            self.lapsed.retain(|_, since| since.saturating_add(kept) > now);
            self.lapsed.shrink_to(MOST_LAPSED);
            self.lapsed_since = self.lapsed.values().min().copied().unwrap_or(Duration::MAX);
        }
    }

    /// Ends what the reader had of a key.
    pub(super) fn forget(&mut self, key: &K) {
        if !self.held.is_empty() {
            self.held.remove(key);
        }
        if !self.lapsed.is_empty() {
            self.lapsed.remove(key);
        }
    }

    /// Ends the right that the reader had of a key before an access that gives nothing. Of the right, the key stays.
    pub(super) fn lose(&mut self, key: &K, now: Duration) {
        if !self.held.is_empty()
            && let Some((key, _)) = self.held.remove_entry(key)
        {
            self.lapse(key, now);
        }
    }

    /// Takes the right of a key away if it has ended. Its key stays lapsed.
    pub(super) fn take_lost(&mut self, key: &K, now: Duration) -> Option<Creation<K, V>> {
        if self.held.get(key)?.creation.is_elected() {
            return None;
        }
        let (key, right) = self.held.remove_entry(key)?;
        self.lapse(key, now);
        Some(right.creation)
    }

    /// Remembers that a right to set a key has ended, and its value was refused.
    pub(super) fn lapse(&mut self, key: K::Owned, now: Duration) {
        self.lapsed_since = self.lapsed_since.min(now);
        self.lapsed.insert(key, now);
    }

    /// Takes a new right.
    pub(super) fn hold(&mut self, creation: Creation<K, V>, now: Duration, creation_timeout: Duration) {
        let right = Right { until: now.saturating_add(creation_timeout), creation };
        let key = right.creation.key().clone();
        self.lapsed.remove::<K::Owned>(&key);
        self.held.insert(key, right);
    }

    /// Takes what the reader has of a key, to set it. A key that has lapsed stays so, and so does one whose right has
    /// ended by now: a `set` of it that is dropped leaves no more behind than one that is refused.
    pub(super) fn take(&mut self, key: &K, now: Duration) -> Taken<K, V> {
        match self.held.remove_entry(key) {
            Some((key, right)) => {
                if !right.creation.is_elected() {
                    self.lapse(key, now);
                }
                Taken::Right(right.creation)
            }
            None if self.lapsed.contains_key(key) => Taken::Lapsed,
            None => Taken::Nothing,
        }
    }

    /// Takes the right of a key away, and ends what else the reader has of it.
    pub(super) fn end(&mut self, key: &K) -> Option<Creation<K, V>> {
        self.lapsed.remove(key);
        self.held.remove(key).map(|right| right.creation)
    }

    /// Drops the creations that are dead.
    fn sweep(&mut self, now: Duration) {
        let dead = self.held.extract_if(|_, right| right.until <= now);
        for (key, right) in dead {
            self.lapsed_since = self.lapsed_since.min(right.until);
            self.lapsed.insert(key, right.until);
        }
        self.sweep_at = FIRST_SWEEP.max(self.held.len().saturating_mul(2));
    }
}
