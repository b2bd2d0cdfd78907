//! The contents of one place, and the operations on them. There is no mutex, no clock and no future here: the caller
//! brings the moment, and keeps other threads out.

use super::moment::{Moment, Until};
use crate::backend::{
    Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, HeldBy, Life, Look, Over, Pause, PauseFor,
    Published, Refusal, Renewed, Rest, Seen, Token,
};
use crate::codec::Shape;
use bytes::Bytes;
use std::time::Duration;

/// The contents of one place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    entries: Vec<Stored>,
    held: Option<Held>,
    /// Beneath the grant, if there is one.
    pause: Option<Paused>,
    counter: Option<Counter>,
}

/// The entry of one shape.
#[derive(Clone, Debug)]
struct Stored {
    shape: Shape,
    bytes: Bytes,
    /// No other state of an entry at this place has, or had, this number.
    version: u64,
    is_marked: bool,
    until: Until,
}

/// A grant, or its tombstone.
#[derive(Clone, Copy, Debug)]
struct Held {
    token: Token,
    /// No other grant of this place has, or had, this number.
    number: u64,
    life: Life,
    /// Of a number that nothing else of this place has, or had.
    beat: u32,
    /// Whether the place was marked stale since the grant.
    is_marked: bool,
    is_void: bool,
    /// The end of the lease, or of the tombstone.
    until: Until,
}

#[derive(Clone, Copy, Debug)]
struct Paused {
    failures: u32,
    /// The end of the pause.
    ends: Until,
    /// The end of its mark.
    until: Until,
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    value: u64,
    until: Until,
}

/// The largest value of a counter.
const LARGEST: u64 = i64::MAX.unsigned_abs();

// --- expired parts ---------------------------------------------------------------------------------------------------

impl Place {
    /// Takes away the expired parts.
    pub(crate) fn purge(&mut self, at: &mut Moment<'_>) {
        let now = at.now;
        let over = self.entries.extract_if(.., |entry| entry.until.is_over(now));
        at.gone.extend(over.map(|entry| entry.bytes));
        // A grant of an earlier life is nobody's: its holder cannot publish any more (G10).
        self.held.take_if(|held| at.is_over(held.until) || held.life != at.life);
        self.pause.take_if(|pause| at.is_over(pause.until));
        self.counter.take_if(|counter| at.is_over(counter.until));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.held.is_none() && self.pause.is_none() && self.counter.is_none()
    }

    /// Returns when the first part expires.
    pub(crate) fn due(&self) -> Until {
        let entries = self.entries.iter().map(|entry| entry.until);
        let held = self.held.map(|held| held.until);
        let pause = self.pause.map(|pause| pause.until);
        let counter = self.counter.map(|counter| counter.until);
        entries.chain(held).chain(pause).chain(counter).min().unwrap_or(Until::NEVER)
    }

    /// Throws everything away.
    pub(crate) fn clear(self, gone: &mut Vec<Bytes>) {
        gone.extend(self.entries.into_iter().map(|entry| entry.bytes));
    }
}

// --- the operations. `purge` comes before each ----------------------------------------------------------------------

impl Place {
    pub(crate) fn look(&self, shape: Shape, at: &Moment<'_>) -> Look {
        let entry = self.entry(shape);
        let mut look = Look::missing(at.wall, at.life);
        look.entry = entry.map(|entry| entry.bytes.clone());
        look.seen = self.seen(shape);
        look.is_marked = entry.is_some_and(|entry| entry.is_marked);
        look.rest = Some(self.rest(at));
        look
    }

    pub(crate) fn claim(&mut self, shape: Shape, claim: &Claim, at: &mut Moment<'_>) -> Claimed {
        if let Some(held) = &mut self.held {
            if held.token == claim.token && !held.is_void {
                held.beat = beat(at.number());
                held.until = at.after(claim.lease);
                return Claimed::Granted { grant: held.grant(), failures: self.failures() };
            }
            let passed = match claim.over {
                Over::Nobody => false,
                Over::Dead(token, beat) => !held.is_void && (held.token, held.beat) == (token, beat),
                Over::Anyone => true,
            };
            if !passed {
                return Claimed::Held(held.by(at));
            }
        }
        if let Some(pause) = self.pause.and_then(|pause| pause.left(at))
            && !claim.through_pause
        {
            return Claimed::Paused(pause);
        }
        if claim.seen.as_ref().is_some_and(|seen| *seen != self.seen(shape)) {
            return Claimed::Changed(self.look(shape, at));
        }
        let (token, number, life, until) = (claim.token, at.number(), at.life, at.after(claim.lease));
        let held = Held { token, number, life, beat: beat(number), is_marked: false, is_void: false, until };
        let held = self.held.insert(held);
        Claimed::Granted { grant: held.grant(), failures: self.failures() }
    }

    pub(crate) fn renew(&mut self, grant: &Grant, lease: Duration, at: &mut Moment<'_>) -> Renewed {
        match self.own(grant, at) {
            Ok(held) => {
                held.beat = beat(at.number());
                held.until = at.after(lease);
                Renewed::Yes(held.grant())
            }
            Err(refusal) => Renewed::Lost(refusal),
        }
    }

    pub(crate) fn publish(&mut self, shape: Shape, grant: &Grant, entry: Entry, at: &mut Moment<'_>) -> Published {
        match self.own(grant, at).map(|held| held.is_marked) {
            Ok(is_marked) => {
                self.held = None;
                self.pause = None;
                self.store(shape, entry, is_marked, at);
                if is_marked { Published::Stale } else { Published::Fresh }
            }
            Err(refusal) => {
                at.gone.push(entry.bytes);
                self.bury(grant, refusal);
                Published::Refused(refusal)
            }
        }
    }

    pub(crate) fn end(&mut self, grant: &Grant, pause: Option<PauseFor>, at: &Moment<'_>) -> Ended {
        // A caller that does not know the number has lost the reply to its claim.
        let number = if grant.cas == 0 { self.held.map_or(0, |held| held.number) } else { grant.cas };
        match self.own(&Grant { cas: number, ..*grant }, at).map(|_| ()) {
            Ok(()) => {
                self.held = None;
                if let Some(PauseFor { failures, pause }) = pause.filter(|pause| !pause.pause.is_zero()) {
                    let (ends, until) = (at.after(pause), at.after(pause.saturating_mul(2)));
                    self.pause = Some(Paused { failures, ends, until });
                }
                Ended::Yes
            }
            Err(refusal) => {
                self.bury(grant, refusal);
                Ended::Lost(refusal)
            }
        }
    }

    pub(crate) fn change(&mut self, shape: Shape, change: Change, at: &mut Moment<'_>) -> Changed {
        let was_there = self.entry(shape).is_some();
        let mut voided = false;
        match change {
            Change::Set { entry, void_pause } => {
                voided = self.void(void_pause, at);
                self.store(shape, entry, false, at);
            }
            Change::SetIf { entry, seen, void_pause } => {
                if seen != self.seen(shape) {
                    at.gone.push(entry.bytes);
                    return Changed::Refused(self.look(shape, at));
                }
                voided = self.void(void_pause, at);
                self.store(shape, entry, false, at);
            }
            Change::Touch { entry, seen } => {
                if seen != self.seen(shape) || !was_there {
                    at.gone.push(entry.bytes);
                    return Changed::Refused(self.look(shape, at));
                }
                let is_marked = self.entry(shape).is_some_and(|entry| entry.is_marked);
                self.store(shape, entry, is_marked, at);
            }
            Change::MarkStale { beside } => {
                for entry in &mut self.entries {
                    if entry.shape == shape || beside.contains(&entry.shape) {
                        entry.is_marked = true;
                        entry.version = at.number();
                    }
                }
                if let Some(held) = &mut self.held {
                    held.is_marked = true;
                }
            }
            Change::Invalidate { beside, void_pause } => {
                voided = self.void(void_pause, at);
                let deleted = self.entries.extract_if(.., |e| e.shape == shape || beside.contains(&e.shape));
                at.gone.extend(deleted.map(|entry| entry.bytes));
            }
        }
        Changed::Yes { was_there, voided }
    }

    pub(crate) fn count(&mut self, count: Count, at: &Moment<'_>) -> Counted {
        let now = self.counter.map_or(0, |counter| counter.value);
        match count {
            Count::Get => {}
            Count::Reset => self.counter = None,
            Count::Add { delta, ceiling, lifetime } => {
                // Neither end of the sum is out of reach: a value is at most 2^63 - 1.
                let sum = now.saturating_add_signed(delta);
                if delta > 0 && sum > ceiling.min(LARGEST) {
                    return Counted::TooLarge(now);
                }
                match &mut self.counter {
                    Some(counter) => counter.value = sum,
                    None if delta > 0 => {
                        self.counter = Some(Counter { value: sum, until: at.after_or_never(lifetime) });
                    }
                    None => {}
                }
                return Counted::Now(sum);
            }
        }
        Counted::Now(self.counter.map_or(0, |counter| counter.value))
    }

    /// Loses an entry, as a server that needs memory does.
    pub(crate) fn lose_entry(&mut self, shape: Shape, at: &mut Moment<'_>) {
        at.gone.extend(self.entries.extract_if(.., |entry| entry.shape == shape).map(|entry| entry.bytes));
    }

    /// Loses grant or tombstone.
    pub(crate) fn lose_grant(&mut self) {
        self.held = None;
    }

    /// Loses grant, tombstone and pause.
    pub(crate) fn lose_rest(&mut self) {
        (self.held, self.pause) = (None, None);
    }
}

// --- the parts of the operations
// ----------------------------------------------------------------------------------------------------

impl Place {
    fn entry(&self, shape: Shape) -> Option<&Stored> {
        self.entries.iter().find(|entry| entry.shape == shape)
    }

    fn seen(&self, shape: Shape) -> Seen {
        self.entry(shape).map_or(Seen::NOTHING, |entry| Seen::copied(&entry.version.to_be_bytes()))
    }

    fn rest(&self, at: &Moment<'_>) -> Rest {
        if let Some(held) = &self.held {
            return Rest::Held(held.by(at));
        }
        self.pause.and_then(|pause| pause.left(at)).map_or(Rest::Free, Rest::Paused)
    }

    fn failures(&self) -> u32 {
        self.pause.map_or(0, |pause| pause.failures)
    }

    /// Returns the grant if the caller is its holder.
    fn own(&mut self, grant: &Grant, at: &Moment<'_>) -> Result<&mut Held, Refusal> {
        if grant.life != at.life {
            return Err(Refusal::OtherLife);
        }
        match &mut self.held {
            None => Err(Refusal::Gone),
            Some(held) if held.token != grant.token => Err(Refusal::Overtaken),
            Some(held) if held.is_void => Err(Refusal::Voided),
            // A claim with this token has come late, after the end of the caller's grant.
            Some(held) if held.number != grant.cas => Err(Refusal::Gone),
            Some(held) => Ok(held),
        }
    }

    /// Removes the tombstone of a grant whose holder has ended.
    fn bury(&mut self, grant: &Grant, refusal: Refusal) {
        if refusal == Refusal::Voided {
            debug_assert!(self.held.is_some_and(|held| held.is_void && held.token == grant.token));
            self.held = None;
        }
    }

    /// Stores an entry in a state that no entry of this place had before.
    fn store(&mut self, shape: Shape, Entry { bytes, lifetime }: Entry, is_marked: bool, at: &mut Moment<'_>) {
        let stored = Stored { shape, bytes, version: at.number(), is_marked, until: at.after_or_never(lifetime) };
        match self.entries.iter_mut().find(|entry| entry.shape == shape) {
            Some(entry) => at.gone.push(std::mem::replace(entry, stored).bytes),
            None => self.entries.push(stored),
        }
    }

    /// Puts a tombstone in the place of the grant, and clears the pause. Returns whether there was a grant. A tombstone
    /// that is there already stays as it is: another change does not make it last longer.
    fn void(&mut self, void_pause: Duration, at: &Moment<'_>) -> bool {
        self.pause = None;
        let Some(held) = self.held.as_mut().filter(|held| !held.is_void) else { return false };
        held.is_void = true;
        held.until = at.after(void_pause);
        if !at.has_tombstones {
            self.held = None;
        }
        true
    }
}

/// Returns the beat of a number. Beats come again after 2^32 numbers, which no watcher sees in the same lease.
#[allow(clippy::cast_possible_truncation)]
fn beat(number: u64) -> u32 {
    number as u32
}

impl Held {
    fn grant(&self) -> Grant {
        Grant { token: self.token, life: self.life, cas: self.number }
    }

    fn by(&self, at: &Moment<'_>) -> HeldBy {
        HeldBy { token: self.token, beat: self.beat, lease_left: at.left(self.until), is_void: self.is_void }
    }
}

impl Paused {
    /// Returns the pause, if it is not over; its mark may live on.
    fn left(self, at: &Moment<'_>) -> Option<Pause> {
        (!at.is_over(self.ends)).then(|| Pause { failures: self.failures, left: at.left(self.ends) })
    }
}
