//! What is there, without any creation.

use super::deadlines::Over;
use super::{Core, Held};
use crate::backend::{BackendError, BackendErrorKind};
use crate::observer::Operation;
use crate::region::get::closed;
use crate::region::outcome::Outcome;
use crate::round::{Found, Freshness};
use crate::slot::Value;
use crate::store::{Store, local};
use crate::time::unless;
use std::future::poll_fn;
use std::hash::Hash;
use std::pin::{Pin, pin};
use std::time::Duration;

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Performs a part of an access, unless the region ends before.
    pub(crate) fn unless_ended<T>(&self, part: impl Future<Output = T>) -> impl Future<Output = Option<T>> {
        unless(part, || self.closing.ended())
    }

    /// Ends the region.
    pub(crate) fn end(&self) {
        self.closing.end();
        if let Some(deadlines) = &self.deadlines {
            deadlines.end();
        }
    }

    /// Performs a look, until that time, or the end of the region. `part` is any number; looks that come at once
    /// should have different ones. (No `async fn`: its future would have room for all that it is given twice.)
    pub(super) fn in_bounds<T>(
        &self,
        part: usize,
        until: Duration,
        look: Pin<&mut (impl Future<Output = T> + Send)>,
    ) -> impl Future<Output = Result<T, Over>> + Send {
        let (mut by_deadlines, mut by_timer) = match &self.deadlines {
            Some(deadlines) => (Some(deadlines.until(part, until, look)), None),
            // A hit by the default clock has no room for this.
            None => (None, Some(Box::pin(self.unless_ended(self.time.until(until, look))))),
        };
        poll_fn(move |cx| match (&mut by_deadlines, &mut by_timer) {
            (Some(looking), _) => Pin::new(looking).poll(cx),
            (None, Some(looking)) => looking.as_mut().poll(cx).map(|reply| match reply {
                Some(reply) => reply.ok_or(Over::Time),
                None => Err(Over::Region),
            }),
            (None, None) => unreachable!("one of them is there"),
        })
    }

    /// Returns what a fresh value is that was looked up.
    pub(crate) fn fresh(&self) -> Outcome {
        if self.store.has_leases() { Outcome::Fresh } else { Outcome::Near }
    }

    /// Counts that a value was served which was there, and tells of it if it is stale.
    pub(super) fn served(&self, slot: &Held<O, V>, outcome: Outcome, age: Duration) {
        match (outcome, self.store.has_leases()) {
            (Outcome::Fresh, _) => self.seen.far_fresh(age),
            (Outcome::Stale | Outcome::StaleOnError, true) => self.seen.far_stale(&self.key_of(slot), age),
            (Outcome::Stale | Outcome::StaleOnError, false) => self.seen.near_stale(&self.key_of(slot), age),
            _ => self.seen.near_hit(),
        }
    }

    /// Looks at what is there, after what must be told was told.
    pub(crate) async fn found(&self, slot: &Held<O, V>) -> Result<Found<Value<V>>, BackendError> {
        if let Store::Near(near) = &self.store {
            return Ok(local::look(near, slot, self.time.nanos()));
        }
        self.unless_down(slot)?;
        self.tell_untold(slot).await?;
        self.in_time(Operation::Look, Some(slot), self.look(slot, self.time.now())).await
    }

    /// As [`found`](Self::found), for a caller that ends with the region: within one `backend_timeout` (G5).
    async fn found_in_bounds(&self, slot: &Held<O, V>) -> Result<Found<Value<V>>, BackendError> {
        if !self.store.has_leases() || slot.lock().remembered.untold().is_some() {
            // A hit has no room for this.
            return Box::pin(self.in_all(slot, self.found(slot))).await;
        }
        self.unless_down(slot)?;
        let began = self.time.now();
        let looking = pin!(self.look(slot, began));
        let reply = match self.in_bounds(slot.hash(), began.saturating_add(self.backend_timeout), looking).await {
            Ok(reply) => reply,
            Err(Over::Time) => Err(self.no_answer(slot)),
            Err(Over::Region) => return Err(closed()),
        };
        self.note_reply(self.server_of(slot), Operation::Look, Some(slot), &reply);
        reply
    }

    /// Fails while the server of a key is in its pause.
    pub(crate) fn unless_down(&self, slot: &Held<O, V>) -> Result<(), BackendError> {
        let server = self.server_of(slot);
        if self.servers.with(server, |server| server.is_down(self.time.now())) {
            let paused = "the backend has failed a short time ago, and is asked for nothing now";
            let error = BackendError::new(BackendErrorKind::Unreachable).caused_by(paused);
            return Err(error.at_if_known(self.address_of(slot)));
        }
        Ok(())
    }

    /// Tells the backend of an invalidation that it was not told of.
    pub(crate) async fn tell_untold(&self, slot: &Held<O, V>) -> Result<(), BackendError> {
        if slot.lock().remembered.untold().is_none() {
            return Ok(());
        }
        self.in_time(Operation::Change, Some(slot), self.tell_first(slot)).await
    }

    /// Returns the value that is there, and what it is.
    pub(crate) async fn peek(&self, slot: &Held<O, V>) -> Result<(Option<Value<V>>, Outcome), BackendError> {
        match self.found_in_bounds(slot).await {
            Ok(found) => Ok(self.peeked(slot, found)),
            Err(error) if self.closing.has_ended() => Err(error),
            Err(error) => self.peeked_alone(slot).ok_or(error),
        }
    }

    /// Counts what was found.
    pub(super) fn peeked(&self, slot: &Held<O, V>, found: Found<Value<V>>) -> (Option<Value<V>>, Outcome) {
        let Found { value: Some(value), freshness, .. } = found else {
            self.seen.missed();
            return (None, Outcome::Fresh);
        };
        let outcome = if freshness == Freshness::Stale { Outcome::Stale } else { self.fresh() };
        self.served(slot, outcome, value.age(self.time.nanos()));
        (Some(value), outcome)
    }

    /// Returns what this process has created for itself.
    pub(super) fn peeked_alone(&self, slot: &Held<O, V>) -> Option<(Option<Value<V>>, Outcome)> {
        let own = slot.lock().remembered.own(self.time.now())?;
        self.seen.own();
        Some((Some(own), Outcome::Own))
    }
}
