//! Where the entries of a region lie, with their values decoded.
//!
//! | | the entries | grants, pauses |
//! |---|---|---|
//! | near alone ([`local`]) | in the near store of this process | in the slots of their keys |
//! | with a backend ([`far`]) | in envelopes on the backend; the near store, if there is one, has copies | on the backend |
//!
//! Both are asked by the same round, so that a region without a backend keeps the same laws. The answers are those of
//! [`Backend`](crate::backend::Backend), judged: an entry is fresh, due, stale or missing when it gets here.

pub(crate) mod aging;
pub(crate) mod far;
pub(crate) mod local;

use crate::backend::{BackendError, Claim, Ended, Grant, PauseFor, Published, Renewed, Seen};
use crate::drive::{Held, NearValues};
use crate::round::{Found, Reply};
use crate::slot::Value;
use bytes::Bytes;
use far::Far;
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// An operation that owns what it needs, so that it can go on without its caller.
pub(crate) enum Operation<T> {
    /// It was performed at once: in this process. `None`: the answer was taken.
    Done(Option<T>),
    /// It is under way to a backend.
    UnderWay(Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send>>),
}

// Answers are moved, not pinned.
impl<T> Unpin for Operation<T> {}

impl<T> Operation<T> {
    /// Returns the answer, if it needs no wait.
    pub(crate) fn done(&mut self) -> Option<T> {
        if let Operation::Done(answer) = self { answer.take() } else { None }
    }
}

impl<T> Future for Operation<T> {
    type Output = Result<T, BackendError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.get_mut() {
            Operation::Done(answer) => Poll::Ready(Ok(answer.take().expect("an answer is taken once"))),
            Operation::UnderWay(operation) => operation.as_mut().poll(cx),
        }
    }
}

/// Where the entries of a region lie.
pub(crate) enum Store<O, V> {
    /// In this process alone.
    Near(Arc<NearValues<O, V>>),
    /// On a backend.
    Far(Arc<Far<V>>),
}

/// A value that is ready to be stored.
pub(crate) struct Ready<V> {
    pub(crate) value: Value<V>,
    /// Its envelope, and how long the backend keeps it, if there is a backend.
    pub(crate) entry: Option<(Bytes, Option<Duration>)>,
}

/// A change of an entry from outside of any creation.
pub(crate) enum Change<V> {
    Set(Ready<V>),
    SetIf(Ready<V>, Seen),
    Touch(Ready<V>, Seen),
    MarkStale,
    Invalidate,
}

impl<V> Ready<V> {
    /// Returns the size of the envelope, if there is one.
    pub(crate) fn bytes(&self) -> usize {
        self.entry.as_ref().map_or(0, |(bytes, _)| bytes.len())
    }
}

impl<V> Change<V> {
    /// Returns the size of the envelope that it stores.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Change::Set(ready) | Change::SetIf(ready, _) | Change::Touch(ready, _) => ready.bytes(),
            Change::MarkStale | Change::Invalidate => 0,
        }
    }
}

/// The answer to a change.
pub(crate) enum Changed<V> {
    Yes,
    Refused(Found<Value<V>>),
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Store<O, V> {
    /// Returns whether grants have leases that must be renewed.
    pub(crate) fn has_leases(&self) -> bool {
        matches!(self, Store::Far(_))
    }

    pub(crate) fn claim(&self, slot: &Held<O, V>, claim: Claim, sent: u64) -> Operation<Reply<Value<V>>> {
        match self {
            Store::Near(near) => done(local::claim(near, slot, &claim, sent)),
            Store::Far(far) => {
                let (far, key) = (Arc::clone(far), slot.stored().clone());
                under_way(async move { far.claim(&key, claim, sent).await })
            }
        }
    }

    pub(crate) fn renew(&self, slot: &Held<O, V>, grant: Grant, lease: Duration, now: u64) -> Operation<Renewed> {
        match self {
            Store::Near(..) => done(local::renew(slot, &grant, lease, now)),
            Store::Far(far) => {
                let (far, key) = (Arc::clone(far), slot.stored().clone());
                under_way(async move { far.backend().renew(&key, &grant, lease).await })
            }
        }
    }

    pub(crate) fn publish(&self, slot: &Held<O, V>, grant: Grant, ready: Ready<V>, now: u64) -> Operation<Published> {
        match self {
            Store::Near(near) => done(local::publish(near, slot, &grant, ready.value, now)),
            Store::Far(far) => {
                let (far, key) = (Arc::clone(far), slot.stored().clone());
                under_way(async move { far.publish(&key, &grant, ready).await })
            }
        }
    }

    pub(crate) fn end(&self, slot: &Held<O, V>, grant: Grant, pause: Option<PauseFor>, now: u64) -> Operation<Ended> {
        match self {
            Store::Near(..) => done(local::end(slot, &grant, pause, now)),
            Store::Far(far) => {
                let (far, key) = (Arc::clone(far), slot.stored().clone());
                under_way(async move { far.backend().end(&key, &grant, pause).await })
            }
        }
    }

    pub(crate) fn change(
        &self,
        slot: &Held<O, V>,
        change: Change<V>,
        void_pause: Duration,
        now: u64,
    ) -> Operation<Changed<V>> {
        match self {
            Store::Near(near) => done(local::change(near, slot, change, void_pause, now)),
            Store::Far(far) => {
                let (far, key) = (Arc::clone(far), slot.stored().clone());
                under_way(async move { far.change(&key, change, void_pause, now).await })
            }
        }
    }
}

fn done<T>(answer: T) -> Operation<T> {
    Operation::Done(Some(answer))
}

fn under_way<T>(operation: impl Future<Output = Result<T, BackendError>> + Send + 'static) -> Operation<T> {
    Operation::UnderWay(Box::pin(operation))
}
