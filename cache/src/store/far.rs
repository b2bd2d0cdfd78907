//! The entries of a region on a backend: codec and envelope, and what an entry is worth.

use super::aging::Aging;
use super::{Change, Changed, Ready};
use crate::backend::{self, Backend, BackendError, Claim, Claimed, Entry, Grant, Life, Look, Pending, Published};
use crate::codec::{Codec, Shape};
use crate::envelope::{Compression, Content, Envelope, SizeLimits, Why};
use crate::key::StoredKey;
use crate::observer::{NotPublished, Seen};
use crate::region::kept::{Kept, Times};
use crate::round::{Age, Found, Freshness, Reply, judge};
use crate::slot::Value;
use crate::time::RegionTime;
use bytes::Bytes;
use std::mem;
use std::slice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The entries of a region on a backend.
pub(crate) struct Far<V> {
    pub(crate) backend: Arc<dyn Backend>,
    pub(crate) codec: Arc<dyn Codec<V> + Send + Sync>,
    pub(crate) sizes: SizeLimits,
    pub(crate) compression: Compression,
    /// The shapes that a change reaches beside that of the region (G7).
    pub(crate) beside: Vec<Shape>,
    pub(crate) aging: Arc<Aging>,
    pub(crate) seen: Arc<Seen>,
    pub(crate) time: RegionTime,
    /// What the last reply has shown of the server.
    pub(crate) shown: LastShown,
}

/// What a reply has shown of the server, and when it was there. The estimate of the server's clock lags behind by no
/// more than a round trip, and is off by two milliseconds at most beside. Freshness alone depends on it (G6).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// Milliseconds since the Unix epoch.
    now: u64,
    life: Life,
    at: u64,
}

/// The last that was shown.
#[derive(Debug, Default)]
pub(crate) struct LastShown {
    last: Mutex<Option<Shown>>,
    /// The numbers of `last`, written under its mutex. Each hit compares them with what it was shown, and mostly has
    /// nothing to note. Relaxed: of a note that is being made it may see a part, as if it came just before or after.
    seen: [AtomicU64; 3],
}

impl LastShown {
    /// Notes what was shown, unless it says no more than the last: within a millisecond, the grain of an envelope.
    fn note(&self, shown: Shown) {
        let [now, life, at] = self.seen.each_ref().map(|number| number.load(Ordering::Relaxed));
        // (0: nothing was noted.)
        let is_soon = at > 0 && (at..at.saturating_add(1_000_000)).contains(&shown.at);
        if is_soon && shown.now.abs_diff(now) <= 1 && shown.life.0 == life {
            return;
        }
        let mut last = self.last();
        *last = Some(shown);
        for (number, shown) in self.seen.iter().zip([shown.now, shown.life.0, shown.at]) {
            number.store(shown, Ordering::Relaxed);
        }
    }

    fn last(&self) -> MutexGuard<'_, Option<Shown>> {
        self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V> Far<V> {
    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Looks at some keys. `sent` is the time before that.
    pub(crate) async fn look(&self, keys: &[StoredKey], sent: u64) -> Result<Vec<Found<Value<V>>>, BackendError> {
        let looks = self.backend.look(keys, None).await?;
        Ok(keys.iter().zip(looks).map(|(key, look)| self.judge(key, look, sent)).collect())
    }

    /// Looks at one key. `sent` is the time before that.
    pub(crate) async fn look_one(&self, key: &StoredKey, sent: Duration) -> Result<Found<Value<V>>, BackendError> {
        let looks = self.ask(key).await?;
        Ok(self.looked(key, looks, sent, self.time.nanos()))
    }

    /// Asks for one key. [`looked`](Self::looked) takes the reply.
    pub(crate) fn ask<'a>(&'a self, key: &'a StoredKey) -> Pending<'a, Vec<Look>> {
        self.backend.look(slice::from_ref(key), None)
    }

    /// Returns what a reply to [`ask`](Self::ask) is worth. `sent` is the time before the request, and `received` that
    /// of the reply.
    pub(crate) fn looked(
        &self,
        key: &StoredKey,
        mut looks: Vec<Look>,
        sent: Duration,
        received: u64,
    ) -> Found<Value<V>> {
        let sent = u64::try_from(sent.as_nanos()).unwrap_or(u64::MAX);
        self.judge_at(key, looks.pop().expect("one look for each key"), sent, received)
    }

    pub(crate) async fn claim(
        &self,
        key: &StoredKey,
        claim: Claim,
        sent: u64,
    ) -> Result<Reply<Value<V>>, BackendError> {
        Ok(match self.backend.claim(key, claim).await? {
            Claimed::Granted { grant, failures } => Reply::Granted { grant, failures },
            Claimed::Changed(look) => Reply::Changed(self.judge(key, look, sent)),
            Claimed::Held(held) => Reply::Held(held),
            Claimed::Paused(pause) => Reply::Paused(pause),
        })
    }

    pub(crate) async fn publish(
        &self,
        key: &StoredKey,
        grant: &Grant,
        ready: Ready<V>,
    ) -> Result<Published, BackendError> {
        self.backend.publish(key, grant, entry(ready)).await
    }

    pub(crate) async fn change(
        &self,
        key: &StoredKey,
        change: Change<V>,
        void_pause: Duration,
        sent: u64,
    ) -> Result<Changed<V>, BackendError> {
        let beside = || self.beside.clone();
        let change = match change {
            Change::Set(ready) => backend::Change::Set { entry: entry(ready), void_pause },
            Change::SetIf(ready, seen) => backend::Change::SetIf { entry: entry(ready), seen, void_pause },
            Change::Touch(ready, seen) => backend::Change::Touch { entry: entry(ready), seen },
            Change::MarkStale => backend::Change::MarkStale { beside: beside() },
            Change::Invalidate => backend::Change::Invalidate { beside: beside(), void_pause },
        };
        Ok(match self.backend.change(key, change).await? {
            backend::Changed::Yes { .. } => Changed::Yes,
            backend::Changed::Refused(look) => Changed::Refused(self.judge(key, look, sent)),
        })
    }

    /// Encodes a value, as created at this moment, in a life of the server. Some look must have been answered before.
    ///
    /// # Errors
    ///
    /// The value cannot be encoded, or is larger than the backend takes.
    pub(crate) fn encode(&self, key: &StoredKey, value: Value<V>, life: Life) -> Result<Ready<V>, NotPublished> {
        // (The bytes of a value are written where the envelope has them.)
        let content = if value.value().is_some() { Content::Value(Bytes::new()) } else { Content::Absence };
        let (Times { took, fresh_for, stale_for, .. }, now) = (value.times, self.server_now());
        let mut envelope = Envelope::new(content);
        envelope.created = now;
        envelope.fresh_until = until(now, fresh_for);
        envelope.took = took;
        envelope.version = Some(value.version);
        let lifetime = fresh_for.zip(stale_for).and_then(|(fresh, stale)| fresh.checked_add(stale));
        envelope.ttl = lifetime;
        // What is touched stays of its life (G10).
        envelope.life = value.times.life.or(Some(life.0));
        let encoded = envelope.encode_by(key, self.sizes, self.compression, |out| match value.value() {
            Some(value) => self.append(value, out),
            None => Ok(()),
        });
        let bytes = encoded?.map_err(|_| NotPublished::TooLarge)?;
        Ok(Ready { value, entry: Some((bytes, lifetime)) })
    }

    /// Appends what the codec makes of a value. A codec that touches what was there has not encoded it.
    fn append(&self, value: &V, out: &mut Vec<u8>) -> Result<(), NotPublished> {
        let before = out.clone();
        self.codec.encode(value, out).map_err(|_| NotPublished::NotEncodable)?;
        if out.starts_with(&before) { Ok(()) } else { Err(NotPublished::NotEncodable) }
    }

    /// Judges what a look has shown.
    pub(crate) fn judge(&self, key: &StoredKey, look: Look, sent: u64) -> Found<Value<V>> {
        self.judge_at(key, look, sent, self.time.nanos())
    }

    fn judge_at(&self, key: &StoredKey, mut look: Look, sent: u64, received: u64) -> Found<Value<V>> {
        self.shown.note(Shown { now: look.now, life: look.life, at: received });
        let (value, freshness) = match look.entry.take() {
            None => (None, Freshness::Missing),
            Some(bytes) => self.read(key, bytes, &look, sent).unwrap_or_else(|why| {
                self.seen.unreadable(key, why);
                (None, Freshness::Missing)
            }),
        };
        Found { value, freshness, seen: look.seen, rest: look.rest }
    }

    fn read(
        &self,
        key: &StoredKey,
        bytes: Bytes,
        look: &Look,
        sent: u64,
    ) -> Result<(Option<Value<V>>, Freshness), Why> {
        self.seen.read(bytes.len());
        let mut envelope = Envelope::new(Content::Nothing);
        envelope.decode_whole(bytes, key, self.sizes)?;
        let value = match &mut envelope.content {
            Content::Nothing => return Ok((None, Freshness::Missing)),
            Content::Absence => None,
            Content::Value(bytes) => Some(self.codec.decode_owned(mem::take(bytes)).map_err(|_| Why::Undecodable)?),
        };
        let fresh_for = (envelope.fresh_until != Envelope::FOR_EVER)
            .then(|| Duration::from_millis(envelope.fresh_until.saturating_sub(envelope.created)));
        let told = envelope.ttl.zip(fresh_for).map(|(ttl, fresh)| ttl.saturating_sub(fresh));
        let stale_for = match (self.aging.max_stale, told) {
            (Some(ours), Some(told)) => Some(ours.min(told)),
            (ours, told) => ours.or(told),
        };
        let undisturbed_for = self.aging.undisturbed_for(fresh_for, envelope.took);
        let after = |duration: Option<Duration>| until(envelope.created, duration);
        let age = Age {
            due_at: Some(after(undisturbed_for)).filter(|due| *due < envelope.fresh_until),
            stale_at: envelope.fresh_until,
            useless_at: stale_for.map_or(u64::MAX, |stale| until(envelope.fresh_until, Some(stale))),
        };
        let is_of_this_life = envelope.life == Some(look.life.0);
        let freshness = judge(age, look.now, look.is_marked, is_of_this_life, self.aging.other_life);
        if freshness == Freshness::Missing {
            // Too old, or not to be trusted: the server has it still, and nobody may get it.
            return Ok((None, Freshness::Missing));
        }

        // All times count from before the request: so no value is taken for younger than it is.
        let is_for = Duration::from_millis(look.now.saturating_sub(envelope.created));
        let serves_until = if freshness == Freshness::Fresh {
            let left = undisturbed_for.map(|undisturbed| undisturbed.saturating_sub(is_for));
            self.aging.serves_until(sent, left)
        } else {
            0
        };
        let created = i128::from(sent) - i128::try_from(is_for.as_nanos()).unwrap_or(i128::MAX);
        let times = Times { created, took: envelope.took, fresh_for, stale_for, serves_until, life: envelope.life };
        let version = envelope.version.unwrap_or(envelope.created);
        Ok((Some(Arc::new(Kept::new(value, version, times))), freshness))
    }

    /// Returns the life of the data of the server that has a key: as the backend knows it, or as the last reply has
    /// shown it.
    pub(crate) fn life(&self, key: &StoredKey) -> Option<Life> {
        let shown = self.shown.last().map(|shown| shown.life)?;
        Some(self.backend.life_of(key).unwrap_or(shown))
    }

    fn server_now(&self) -> u64 {
        let shown = *self.shown.last();
        shown.map_or(0, |Shown { now, at, .. }| {
            until(now, Some(Duration::from_nanos(self.time.nanos().saturating_sub(at))))
        })
    }
}

/// Returns the end of a duration, in milliseconds. A duration for ever, or one that ends later than the clock, never
/// ends.
fn until(from: u64, duration: Option<Duration>) -> u64 {
    duration.map_or(Envelope::FOR_EVER, |duration| {
        u64::try_from(duration.as_millis()).map_or(Envelope::FOR_EVER, |millis| from.saturating_add(millis))
    })
}

fn entry<V>(ready: Ready<V>) -> Entry {
    let (bytes, lifetime) = ready.entry.expect("a value for a backend is encoded");
    Entry { bytes, lifetime }
}
