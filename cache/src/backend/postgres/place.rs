//! What is asked under the lock of a place: the calls of the functions.

use super::failure::Failure;
use super::hub::Hub;
use super::link::{Link, Purpose};
use super::reply::{self, Answer, Told};
use super::sql::Call;
use super::{millis, shape};
use crate::backend::{
    BackendError, Change, Changed, Claim, Claimed, Ended, Entry, Grant, Over, PauseFor, Published, Refusal, Renewed,
    Signal, random,
};
use crate::codec::Shape;
use crate::key::StoredKey;
use sha2::{Digest, Sha256};
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::types::ToSql;

type Result<T> = std::result::Result<T, BackendError>;

/// A key on the server, and the lock of its place.
#[derive(Clone)]
pub(super) struct Place {
    hub: Arc<Hub>,
    key: StoredKey,
    lock: i64,
}

/// A version that no entry has, or had; not 0.
fn version() -> i64 {
    random().max(1).cast_signed()
}

impl Place {
    pub(super) fn new(hub: &Arc<Hub>, key: &StoredKey) -> Place {
        let schema = hub.lanes.at.schema.name();
        let hash = Sha256::new().chain_update(schema).chain_update([0]).chain_update(key.place()).finalize();
        let lock = i64::from_be_bytes(hash[..8].try_into().expect("the hash has 32 bytes"));
        Place { hub: Arc::clone(hub), key: key.clone(), lock }
    }

    pub(super) fn lock(&self) -> i64 {
        self.lock
    }

    fn name(&self) -> &[u8] {
        self.key.place().as_bytes()
    }

    pub(super) async fn claim(&self, claim: &Claim) -> Result<Answer<Claimed>> {
        let link = self.hub.lanes.opened(Purpose::Claims).await.map_err(|not| not.error())?;
        let ((schema, format), life) = (shape(self.key.shape()), link.life.0.cast_signed());
        let (token, lease) = (claim.token.0.cast_signed(), millis::of(claim.lease));
        let (is_as_seen, seen) = (claim.seen.is_some(), claim.seen.as_ref().and_then(reply::version));
        let (dead, beat) = match claim.over {
            Over::Dead(token, beat) => (Some(token.0.cast_signed()), Some(i64::from(beat))),
            Over::Nobody | Over::Anyone => (None, None),
        };
        let is_over_anyone = claim.over == Over::Anyone;
        let parameters: [&(dyn ToSql + Sync); 13] = [
            &self.name(),
            &schema,
            &format,
            &self.lock,
            &life,
            &token,
            &lease,
            &is_as_seen,
            &seen,
            &is_over_anyone,
            &dead,
            &beat,
            &claim.through_pause,
        ];
        let rows = link.ask(Call::Claim, &parameters).await.map_err(Failure::error)?;
        reply::claimed(rows, claim.token, link.life)
    }

    pub(super) async fn renew(self, grant: Grant, lease: Duration) -> Result<Answer<Renewed>> {
        let Some(link) = self.of_life(&grant).await? else {
            return Ok(Answer::Done(Renewed::Lost(Refusal::OtherLife)));
        };
        let (Holder { life, token, number }, lease) = (Holder::of(&grant), millis::of(lease));
        let parameters: [&(dyn ToSql + Sync); 6] = [&self.name(), &self.lock, &life, &token, &number, &lease];
        reply::renewed(link.ask(Call::Renew, &parameters).await.map_err(Failure::error)?, &grant)
    }

    pub(super) async fn publish(self, grant: Grant, entry: Entry) -> Result<Answer<Published>> {
        let Some(link) = self.of_life(&grant).await? else {
            return Ok(Answer::Done(Published::Refused(Refusal::OtherLife)));
        };
        let ((schema, format), Holder { life, token, number }) = (shape(self.key.shape()), Holder::of(&grant));
        let parameters: [&(dyn ToSql + Sync); 10] = [
            &self.name(),
            &schema,
            &format,
            &self.lock,
            &life,
            &token,
            &number,
            &&entry.bytes[..],
            &version(),
            &millis::lifetime(entry.lifetime),
        ];
        let told = reply::published(link.ask(Call::Publish, &parameters).await.map_err(Failure::error)?)?;
        Ok(self.told(told, |published| match published {
            Published::Fresh | Published::Stale => Signal::Changed,
            // Of a tombstone; the others tell nobody.
            Published::Refused(_) => Signal::Freed,
        }))
    }

    pub(super) async fn end(self, grant: Grant, pause: Option<PauseFor>) -> Result<Answer<Ended>> {
        let Some(link) = self.of_life(&grant).await? else {
            return Ok(Answer::Done(Ended::Lost(Refusal::OtherLife)));
        };
        let Holder { life, token, number } = Holder::of(&grant);
        // (A caller that does not know the number has lost the reply to its claim.)
        let number = (number != 0).then_some(number);
        let failures = pause.map(|pause| i64::from(pause.failures));
        let pause = pause.and_then(|pause| millis::of(pause.pause));
        let parameters: [&(dyn ToSql + Sync); 7] =
            [&self.name(), &self.lock, &life, &token, &number, &failures, &pause];
        let told = reply::ended(link.ask(Call::End, &parameters).await.map_err(Failure::error)?)?;
        Ok(self.told(told, |_| Signal::Freed))
    }

    pub(super) async fn change(&self, change: &Change) -> Result<Answer<Changed>> {
        let link = self.hub.lanes.opened(Purpose::Changes).await.map_err(|not| not.error())?;
        let ((schema, format), life) = (shape(self.key.shape()), link.life.0.cast_signed());
        let (name, lock, new) = (self.name(), self.lock, version());
        let asked = match change {
            Change::Set { entry, void_pause } | Change::SetIf { entry, void_pause, .. } => {
                let (bytes, lifetime) = (&entry.bytes[..], millis::lifetime(entry.lifetime));
                let (is_as_seen, seen) = match change {
                    Change::SetIf { seen, .. } => (true, reply::version(seen)),
                    _ => (false, None),
                };
                let tombstone = millis::of(*void_pause);
                let parameters: [&(dyn ToSql + Sync); 11] =
                    [&name, &schema, &format, &lock, &life, &bytes, &new, &lifetime, &is_as_seen, &seen, &tombstone];
                link.ask(Call::Set, &parameters).await
            }
            Change::Touch { entry, seen } => {
                let (bytes, lifetime) = (&entry.bytes[..], millis::lifetime(entry.lifetime));
                let seen = reply::version(seen);
                let parameters: [&(dyn ToSql + Sync); 8] =
                    [&name, &schema, &format, &lock, &bytes, &new, &lifetime, &seen];
                link.ask(Call::Touch, &parameters).await
            }
            Change::MarkStale { beside } => {
                let (schemas, formats) = self.shapes(beside);
                link.ask(Call::Mark, &[&name, &schemas, &formats, &lock, &life, &new]).await
            }
            Change::Invalidate { beside, void_pause } => {
                let ((schemas, formats), tombstone) = (self.shapes(beside), millis::of(*void_pause));
                link.ask(Call::Invalidate, &[&name, &schemas, &formats, &lock, &life, &tombstone]).await
            }
        };
        let told = reply::changed(asked.map_err(Failure::error)?, link.life)?;
        let signal = if matches!(change, Change::Invalidate { .. }) { Signal::Freed } else { Signal::Changed };
        Ok(self.told(told, |_| signal))
    }

    /// The key's own shape, and those beside it.
    fn shapes(&self, beside: &[Shape]) -> (Vec<i64>, Vec<i16>) {
        [self.key.shape()].iter().chain(beside).map(|of| shape(*of)).unzip()
    }

    /// Returns the connection for the holder of a grant. `None`: the grant is of another life.
    async fn of_life(&self, grant: &Grant) -> Result<Option<Arc<Link>>> {
        let link = self.hub.lanes.opened(Purpose::Claims).await.map_err(|not| not.error())?;
        Ok(Some(link).filter(|link| link.life == grant.life))
    }

    /// Tells those who wait, if there are any, once the operation has taken effect.
    fn told<T>(&self, (answer, is_awaited): Told<T>, signal: impl FnOnce(&T) -> Signal) -> Answer<T> {
        if let (Answer::Done(done), true) = (&answer, is_awaited) {
            self.hub.tell(self.lock, signal(done));
        }
        answer
    }
}

/// A grant, as the functions have it.
struct Holder {
    life: i64,
    token: i64,
    number: i64,
}

impl Holder {
    fn of(grant: &Grant) -> Holder {
        let [life, token, number] = [grant.life.0, grant.token.0, grant.cas].map(u64::cast_signed);
        Holder { life, token, number }
    }
}
