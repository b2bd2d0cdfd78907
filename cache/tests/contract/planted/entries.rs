//! Looks, changes and lifetimes that are wrong.

use super::Fault;
use super::wrong::{Result, Wrong, named, number, two_steps};
use crate::ground::{NEXT, OTHER, SHAPE};
use bytes::Bytes;
use dogpile_cache::backend::{Backend, Change, Changed, Count, Entry, Life, Look, Rest, Seen, Token};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::time::Duration;

/// Another key that belongs to a key.
pub fn beside(key: &StoredKey, what: &str) -> StoredKey {
    StoredKey::new(&Namespace::new("beside").unwrap(), &(key.place(), what), key.shape(), KeyLimit::NONE)
}

impl Wrong {
    pub async fn look_wrong(&self, key: &StoredKey) -> Result<Look> {
        let look = self.there(key).await?;
        if self.has(Fault::ALookClaims) && look.rest == Some(Rest::Free) && look.entry.is_none() {
            self.grant_again(key, Token::random()).await?;
        }
        Ok(self.told(key, look))
    }

    pub fn told_life(&self, life: Life) -> Life {
        if self.has(Fault::LivesAreOne) { *self.known().first_life.get_or_insert(life) } else { life }
    }

    /// What the caller is told of a look.
    pub fn told(&self, key: &StoredKey, mut look: Look) -> Look {
        look.life = self.told_life(look.life);
        let mut known = self.known();
        match self.fault {
            Fault::WhatIsEmptyIsMissing if look.entry.as_ref().is_some_and(Bytes::is_empty) => {
                (look.entry, look.seen) = (None, Seen::NOTHING);
            }
            Fault::StatesAreBytes => look.seen = look.entry.clone().map_or(Seen::NOTHING, Seen::entry),
            Fault::StatesBeginAnew => {
                if let Some(states) = known.states.get(key.full()) {
                    let state = number(&look.seen);
                    look.seen = named(if state > states.began { state - states.less } else { state });
                }
            }
            Fault::TheClockIsTheProcesss => look.now = *known.first_now.get_or_insert(look.now),
            Fault::ATouchForgetsTheMark => look.is_marked &= !known.unmarked.contains(&look.seen),
            Fault::AnInvalidationGoesByTheClock => {
                if let Some((bytes, when)) = known.invalidated.get(key.full())
                    && look.entry.is_none()
                    && look.now < *when
                {
                    look.entry = Some(bytes.clone());
                }
            }
            _ => {}
        }
        look
    }

    /// The state that the caller means.
    pub fn known_as(&self, key: &StoredKey, seen: Seen) -> Seen {
        let there = crate::ground::block_on(self.there(key)).unwrap();
        match self.fault {
            Fault::StatesAreBytes if there.entry.as_deref() == seen.state() => there.seen,
            Fault::WhatIsEmptyIsMissing if there.entry.as_deref() == Some(b"") && seen == Seen::NOTHING => there.seen,
            Fault::StatesBeginAnew => {
                let known = self.known();
                let Some(states) = known.states.get(key.full()) else { return seen };
                let state = number(&seen);
                // A number that has come again is taken for the newer one.
                let newer = named(state + states.less);
                if state != 0 && newer == there.seen { newer } else { seen }
            }
            Fault::AMarkKeepsTheState => {
                let known = self.known();
                let mut seen = seen;
                while let Some(marked) = known.marks.get(&seen) {
                    seen = marked.clone();
                }
                seen
            }
            _ => seen,
        }
    }

    pub fn lifetime_wrong(&self, key: &StoredKey, mut entry: Entry) -> Entry {
        const MONTH: Duration = Duration::from_secs(30 * 24 * 3600);
        let lifetime = &mut entry.lifetime;
        match self.fault {
            Fault::WhatIsOverIsReturned if *lifetime != Some(Duration::ZERO) => *lifetime = None,
            Fault::ZeroIsForEver if *lifetime == Some(Duration::ZERO) => *lifetime = None,
            Fault::LongLifetimesAreDates if lifetime.is_some_and(|lifetime| lifetime > MONTH) => {
                *lifetime = Some(Duration::ZERO);
            }
            Fault::TheFirstLifetimeCounts => {
                *lifetime = *self.known().lifetimes.entry(key.full().to_owned()).or_insert(*lifetime);
            }
            _ => {}
        }
        entry
    }

    pub async fn change_wrong(&self, key: &StoredKey, change: Change) -> Result<Changed> {
        let before = self.there(key).await?;
        let holder = self.holder(key).await?;
        let stores = matches!(change, Change::Set { .. } | Change::SetIf { .. });
        let invalidates = matches!(change, Change::Invalidate { .. });
        let marks = matches!(change, Change::MarkStale { .. });
        let touches = matches!(change, Change::Touch { .. });
        let is_if = matches!(change, Change::SetIf { .. });
        if invalidates
            && self.has(Fault::TombstonesAreMadeAnew)
            && let Some(Rest::Held(by)) = before.rest
            && by.is_void
        {
            self.grant_again(key, by.token).await?;
        }
        if self.has(Fault::AnInvalidationIsTwoSteps)
            && let Change::Invalidate { .. } = &change
        {
            self.memory.lose_entry(key);
            two_steps();
            self.memory.lose_rest(key);
            return Ok(Changed::Yes { was_there: before.entry.is_some(), voided: holder.is_some() });
        }
        let change = self.other_change(&before, change);
        let changed = self.memory.change(key, change).await?;
        if let Changed::Refused(_) = changed {
            return Ok(changed);
        }
        match self.fault {
            Fault::ASetDoesNotVoid if stores && !is_if => self.go_on(key, holder).await?,
            Fault::ASetIfDoesNotVoid if is_if => self.go_on(key, holder).await?,
            Fault::AnInvalidationDoesNotVoid if invalidates => self.go_on(key, holder).await?,
            Fault::ASetKeepsThePause if stores => self.keep_pause(key).await?,
            Fault::AnInvalidationKeepsThePause if invalidates => self.keep_pause(key).await?,
            Fault::ASetKeepsTheMark if stores && before.is_marked => {
                self.memory.change(key, Change::MarkStale { beside: Vec::new() }).await?;
            }
            Fault::ATouchForgetsTheMark if touches => {
                let now = self.there(key).await?.seen;
                self.known().unmarked.insert(now);
            }
            Fault::AMarkDeletesTheGrant if marks && holder.is_some() => self.memory.lose_rest(key),
            Fault::AMarkClearsThePause if marks => {
                self.memory.lose_rest(key);
                self.go_on(key, holder).await?;
            }
            Fault::AMarkKeepsTheState if marks && before.entry.is_some() => {
                let now = self.there(key).await?.seen;
                self.known().marks.insert(before.seen, now);
            }
            Fault::AMarkIsRemembered if marks && before.entry.is_none() => {
                self.known().marked.insert(key.place().to_owned());
            }
            Fault::AnInvalidationGoesByTheClock if invalidates => {
                if let Some(bytes) = before.entry {
                    self.known().invalidated.insert(key.full().to_owned(), (bytes, before.now));
                }
            }
            Fault::AnInvalidationResetsTheCounter if invalidates => {
                self.memory.count(key, Count::Reset).await?;
            }
            _ => {}
        }
        Ok(changed)
    }

    /// What is asked for instead.
    fn other_change(&self, before: &Look, change: Change) -> Change {
        match (self.fault, change) {
            (Fault::ASetIfStoresAnyhow, Change::SetIf { entry, void_pause, .. }) => Change::Set { entry, void_pause },
            (Fault::ASetIfIsTwoSteps, Change::SetIf { entry, seen, void_pause }) if seen == before.seen => {
                two_steps();
                Change::Set { entry, void_pause }
            }
            (Fault::ATouchVoids, Change::Touch { entry, seen }) if before.entry.is_some() => {
                Change::SetIf { entry, seen, void_pause: Duration::from_secs(10) }
            }
            (Fault::ATouchStoresAnyhow, Change::Touch { entry, .. }) => {
                Change::Set { entry, void_pause: Duration::ZERO }
            }
            (Fault::AMarkForgetsOtherShapes, Change::MarkStale { .. }) => Change::MarkStale { beside: Vec::new() },
            (Fault::AnInvalidationForgetsOtherShapes, Change::Invalidate { void_pause, .. }) => {
                Change::Invalidate { beside: Vec::new(), void_pause }
            }
            (Fault::AnInvalidationDeletesAllShapes, Change::Invalidate { void_pause, .. }) => {
                Change::Invalidate { beside: vec![SHAPE, NEXT, OTHER], void_pause }
            }
            (Fault::AnInvalidationLeavesNoTombstone, Change::Invalidate { beside, .. }) => {
                Change::Invalidate { beside, void_pause: Duration::ZERO }
            }
            (Fault::TombstonesNeverEnd, Change::Invalidate { beside, .. }) => {
                Change::Invalidate { beside, void_pause: Duration::MAX }
            }
            (_, change) => change,
        }
    }

    /// The grant that was there goes on.
    async fn go_on(&self, key: &StoredKey, holder: Option<Token>) -> Result<()> {
        if let Some(holder) = holder {
            self.grant_again(key, holder).await?;
        }
        Ok(())
    }

    /// The pause that was there is there again: beneath the tombstone, until the holder ends.
    async fn keep_pause(&self, key: &StoredKey) -> Result<()> {
        if let Some(Rest::Held(by)) = self.there(key).await?.rest
            && by.is_void
        {
            self.known().beneath.insert(by.token);
            return Ok(());
        }
        self.pause_again(key).await
    }
}
