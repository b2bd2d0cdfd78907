//! The entries of a region without a backend: the values in the near store, everything else in the slots of their keys.
//!
//! Grants, tombstones, pauses and marks are those of [`Memory`](crate::backend::Memory), so that they keep the laws in
//! the same way: each slot has a [`Place`], which holds no entries. (The place stores an entry of no length for no time
//! where a backend would store the value.) All steps happen under the mutex of the slot.
//!
//! A value that near has let go for others is gone; so is a value that can no longer be used, once it is looked at.

use super::{Change, Changed};
use crate::backend::{Change as Step, Moment, Place};
use crate::backend::{Claim, Claimed, Ended, Entry, Grant, Life, PauseFor, Published, Renewed, Rest, Seen};
use crate::codec::{Format, Shape};
use crate::drive::{Held, NearValues};
use crate::round::{Found, Freshness, Reply};
use crate::slot::Value;
use bytes::Bytes;
use std::hash::Hash;
use std::time::Duration;

/// Grant, tombstone and pause of a key.
#[derive(Debug, Default)]
pub(crate) struct Local {
    place: Place,
    numbers: u64,
}

/// One shape, which nobody else reads.
const SHAPE: Shape = Shape { schema: 0, format: Format::RAW };

/// The data of this process have one life.
const LIFE: Life = Life(1);

impl Local {
    fn at<T>(&mut self, now: u64, step: impl FnOnce(&mut Place, &mut Moment<'_>) -> T) -> T {
        let (numbers, gone) = (&mut self.numbers, &mut Vec::new());
        let mut moment = Moment { now, wall: 0, life: LIFE, grain: 1, has_tombstones: true, numbers, gone };
        self.place.purge(&mut moment);
        step(&mut self.place, &mut moment)
    }

    /// Loses the grant, if there is one.
    pub(crate) fn lose_grant(&mut self) {
        self.place.lose_grant();
    }

    /// Returns until when the slot has something to remember, without any access. Zero: nothing.
    pub(crate) fn needed_until(&self) -> Duration {
        if self.place.is_empty() { Duration::ZERO } else { self.place.due().time() }
    }
}

/// What an entry of no length, stored for no time, stands for.
fn nothing() -> Entry {
    Entry { bytes: Bytes::new(), lifetime: Some(Duration::ZERO) }
}

/// The state of a value: its version, whether it was marked, and its times, which a touch moves.
fn seen<V>(value: Option<&Value<V>>) -> Seen {
    value.map_or(Seen::NOTHING, |value| {
        let lifetime = value.times.fresh_for.map_or(u128::MAX, |fresh_for| fresh_for.as_nanos());
        let mut state = [0; 41];
        state[..8].copy_from_slice(&value.version.to_le_bytes());
        state[8..24].copy_from_slice(&value.times.created.to_le_bytes());
        state[24..40].copy_from_slice(&lifetime.to_le_bytes());
        state[40] = value.is_marked().into();
        Seen::copied(&state)
    })
}

/// Returns what is there, judged. The caller has the slot's mutex.
fn found<O: Hash + Eq + Clone, V>(near: &NearValues<O, V>, key: &O, rest: Option<Rest>, now: u64) -> Found<Value<V>> {
    let value = near.peek(key).map(|(value, _)| value);
    let seen = seen(value.as_ref());
    let (value, freshness) = match value {
        Some(value) => match worth(&value, now) {
            Freshness::Missing => (None, Freshness::Missing),
            freshness => (Some(value), freshness),
        },
        None => (None, Freshness::Missing),
    };
    Found { value, freshness, seen, rest }
}

/// Returns what a value is worth that this process has kept.
pub(crate) fn worth<V>(value: &Value<V>, now: u64) -> Freshness {
    let (times, age) = (&value.times, value.age(now));
    let Some(fresh_for) = times.fresh_for else {
        return if value.is_marked() { Freshness::Stale } else { Freshness::Fresh };
    };
    let useful_for = times.stale_for.map(|stale_for| fresh_for.saturating_add(stale_for));
    if useful_for.is_some_and(|useful_for| age >= useful_for) {
        Freshness::Missing
    } else if age >= fresh_for || value.is_marked() {
        Freshness::Stale
    } else if now >= times.serves_until {
        Freshness::Due
    } else {
        Freshness::Fresh
    }
}

pub(crate) fn look<O: Hash + Eq + Clone, V>(near: &NearValues<O, V>, slot: &Held<O, V>, now: u64) -> Found<Value<V>> {
    let mut state = slot.lock();
    let rest = state.local.at(now, |place, at| place.look(SHAPE, at).rest);
    found(near, slot.key(), rest, now)
}

pub(crate) fn claim<O: Hash + Eq + Clone, V>(
    near: &NearValues<O, V>,
    slot: &Held<O, V>,
    claim: &Claim,
    now: u64,
) -> Reply<Value<V>> {
    let mut state = slot.lock();
    let here = found(near, slot.key(), None, now);
    let is_as_seen = claim.seen.as_ref().is_none_or(|seen| *seen == here.seen);
    let claim = Claim { seen: None, ..claim.clone() };
    let claimed = state.local.at(now, |place, at| {
        let claimed = place.claim(SHAPE, &claim, at);
        if let (Claimed::Granted { grant, .. }, false) = (&claimed, is_as_seen) {
            place.end(grant, None, at);
        }
        claimed
    });
    match claimed {
        Claimed::Granted { .. } if !is_as_seen => Reply::Changed(Found { rest: Some(Rest::Free), ..here }),
        Claimed::Granted { grant, failures } => Reply::Granted { grant, failures },
        Claimed::Changed(_) => unreachable!("the place was asked for nothing that it has seen"),
        Claimed::Held(held) => Reply::Held(held),
        Claimed::Paused(pause) => Reply::Paused(pause),
    }
}

pub(crate) fn renew<O, V>(slot: &Held<O, V>, grant: &Grant, lease: Duration, now: u64) -> Renewed {
    slot.lock().local.at(now, |place, at| place.renew(grant, lease, at))
}

pub(crate) fn publish<O: Hash + Eq + Clone, V>(
    near: &NearValues<O, V>,
    slot: &Held<O, V>,
    grant: &Grant,
    value: Value<V>,
    now: u64,
) -> Published {
    // Dropped after the mutex, as is what the change below has found: values are the user's.
    let mut _gone = None;
    let mut state = slot.lock();
    let published = state.local.at(now, |place, at| place.publish(SHAPE, grant, nothing(), at));
    match published {
        Published::Fresh => _gone = Some(put(near, slot.key(), value)),
        Published::Stale => {
            value.mark();
            _gone = Some(put(near, slot.key(), value));
        }
        Published::Refused(_) => {}
    }
    published
}

pub(crate) fn end<O, V>(slot: &Held<O, V>, grant: &Grant, pause: Option<PauseFor>, now: u64) -> Ended {
    slot.lock().local.at(now, |place, at| place.end(grant, pause, at))
}

pub(crate) fn change<O: Hash + Eq + Clone, V>(
    near: &NearValues<O, V>,
    slot: &Held<O, V>,
    change: Change<V>,
    void_pause: Duration,
    now: u64,
) -> Changed<V> {
    let (mut _gone, mut _removed) = (None, None);
    let here;
    let mut state = slot.lock();
    here = found(near, slot.key(), None, now);
    let was_there = here.value.is_some();
    let void = |local: &mut Local| {
        let void = Step::Invalidate { beside: Vec::new(), void_pause };
        local.at(now, |place, at| drop(place.change(SHAPE, void, at)));
    };
    match change {
        Change::SetIf(_, seen) if seen != here.seen => return Changed::Refused(here),
        Change::Set(ready) | Change::SetIf(ready, _) => {
            void(&mut state.local);
            _gone = Some(put(near, slot.key(), ready.value));
        }
        Change::Touch(_, seen) if seen != here.seen || !was_there => return Changed::Refused(here),
        Change::Touch(ready, _) => {
            if here.value.as_ref().is_some_and(|here| here.is_marked()) {
                ready.value.mark();
            }
            _gone = Some(put(near, slot.key(), ready.value));
        }
        Change::MarkStale => {
            let mark = Step::MarkStale { beside: Vec::new() };
            state.local.at(now, |place, at| drop(place.change(SHAPE, mark, at)));
            if let Some((value, _)) = near.peek(slot.key()) {
                value.mark();
                near.end_service(slot.key());
            }
        }
        Change::Invalidate => {
            void(&mut state.local);
            _removed = near.remove(slot.key());
        }
    }
    Changed::Yes
}

/// Keeps a value. One that is marked serves no hit. Returns what has gone for it.
fn put<O: Hash + Eq + Clone, V>(near: &NearValues<O, V>, key: &O, value: Value<V>) -> impl Sized + use<O, V> {
    let until = if value.is_marked() { 0 } else { value.times.serves_until };
    near.put(key.clone(), value, until)
}
