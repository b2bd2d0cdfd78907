//! An operation that outlives its caller.

use crate::backend::{Ask, Backend, Change, Claim, Count, Entry, Grant, PauseFor};
use crate::key::StoredKey;
use std::time::Duration;

/// An operation whose caller has given up.
pub(super) enum Request {
    Look(Vec<StoredKey>, Ask),
    Claim(StoredKey, Claim),
    Renew(StoredKey, Grant, Duration),
    Publish(StoredKey, Grant, Entry),
    End(StoredKey, Grant, Option<PauseFor>),
    Change(StoredKey, Change),
    Count(StoredKey, Count),
}

impl Request {
    /// Sends the request. Nobody waits for the reply.
    pub(super) async fn send<B: Backend>(self, backend: &B) {
        match self {
            Request::Look(keys, ask) => drop(backend.look(&keys, Some(ask)).await),
            Request::Claim(key, claim) => drop(backend.claim(&key, claim).await),
            Request::Renew(key, grant, lease) => drop(backend.renew(&key, &grant, lease).await),
            Request::Publish(key, grant, entry) => drop(backend.publish(&key, &grant, entry).await),
            Request::End(key, grant, pause) => drop(backend.end(&key, &grant, pause).await),
            Request::Change(key, change) => drop(backend.change(&key, change).await),
            Request::Count(key, count) => drop(backend.count(&key, count).await),
        }
    }
}
