//! The signals of a process: one connection to each server for all that wait, and a subscription for each place.
//!
//! # States of a place
//!
//! | state | event | next |
//! |---|---|---|
//! | not subscribed | [`listen`](Hub::listen) | the channel is subscribed to on the connection for signals; *subscribed* once the server has confirmed that. If it fails, the listening fails, and the access polls |
//! | subscribed | `listen` | the same: no round trip |
//! | | a message | all who listen are told |
//! | | the last listener goes | the subscription is ended: *not subscribed* |
//! | | the connection has died, or the server has ended the subscription (its slot has moved) | all who listen are told of a gap; while there are any, the channel is subscribed to on another connection, and they are told of a gap again |
//!
//! A listener that comes while the subscription is being ended may find it subscribed, and lose what is signalled until
//! it is subscribed anew; it is told of a gap then.
//!
//! A lost connection is noticed when it is closed, or by the heartbeat of the [`link`](super::link) (S67). All of that
//! changes how long an access waits, never for longer than its poll (G5, G16).

use super::keys;
use super::link::Link;
use super::servers::Servers;
use crate::backend::signals::{Listeners, Signal, Signals};
use crate::backend::{BackendError, BackendErrorKind};
use crate::key::StoredKey;
use redis::{PushInfo, PushKind, Value};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a process waits until it tries again to subscribe, while somebody listens.
const AGAIN: Duration = Duration::from_millis(500);

/// The servers, and what is heard of them.
pub(super) struct Hub {
    pub(super) servers: Servers,
    listeners: Listeners,
    /// By which connection a place is subscribed to.
    subscribed: Mutex<HashMap<Arc<str>, Arc<Link>>>,
    keeper: Handle,
}

impl Hub {
    /// `servers` makes the servers, from what is to be done with the messages of a connection for signals.
    pub(super) fn new(keeper: Handle, servers: impl FnOnce(super::link::OnPush) -> Servers) -> Arc<Hub> {
        Arc::new_cyclic(|hub: &Weak<Hub>| {
            let pushed = Weak::clone(hub);
            let servers = servers(Arc::new(move |push| {
                if let Some(hub) = pushed.upgrade() {
                    hub.pushed(&push);
                }
            }));
            let idle = Weak::clone(hub);
            let listeners = Listeners::with_idle(move |place| {
                if let Some(hub) = idle.upgrade() {
                    hub.left(Arc::from(place));
                }
            });
            Hub { servers, listeners, subscribed: Mutex::default(), keeper }
        })
    }

    /// Begins to listen to a place. One round trip, if no other listener of the process has made it.
    pub(super) async fn listen(self: &Arc<Self>, key: &StoredKey) -> Result<Signals, BackendError> {
        // In this order: what is signalled once the server has confirmed is heard.
        let signals = self.listeners.listen(key.place());
        let (hub, place) = (Arc::clone(self), Arc::from(key.place()));
        // On the keeper, so that a caller that goes away leaves no half of it.
        let subscribing = self.keeper.spawn(async move { hub.subscribe(&place).await });
        let ended = || BackendError::new(BackendErrorKind::Unreachable).caused_by("the keeper has ended");
        subscribing.await.map_err(|_| ended())??;
        Ok(signals)
    }

    /// Subscribes to the channel of a place, unless that was done.
    async fn subscribe(self: &Arc<Self>, place: &Arc<str>) -> Result<(), BackendError> {
        let link = self.servers.for_signals(place).await?;
        if self.subscribed().get(place).is_some_and(|by| Arc::ptr_eq(by, &link)) {
            return Ok(());
        }
        let doubted = self.servers.doubted();
        self.send(&link, ["SUBSCRIBE", "SSUBSCRIBE"], place).await?;
        if let Some(doubted) = doubted {
            doubted.not();
        }
        self.subscribed().insert(Arc::clone(place), Arc::clone(&link));
        // What has happened since the server's confirmation has not found the subscription: the connection has died ...
        if link.is_dead() {
            self.lost();
        }
        // ... or the last listener has gone.
        if self.listeners.count(place) == 0 {
            self.left(Arc::clone(place));
        }
        Ok(())
    }

    /// The last listener of a place has gone: ends the subscription, in the background.
    fn left(self: &Arc<Self>, place: Arc<str>) {
        let hub = Arc::clone(self);
        self.keeper.spawn(async move { hub.leave(place).await });
    }

    async fn leave(self: &Arc<Self>, place: Arc<str>) {
        if self.listeners.count(&place) > 0 {
            return;
        }
        let Some(link) = self.subscribed().remove(&place) else { return };
        // (If it fails, so has the connection, and the subscription with it.)
        drop(self.send(&link, ["UNSUBSCRIBE", "SUNSUBSCRIBE"], &place).await);
        // A listener may have come meanwhile.
        self.subscribe_again(place).await;
    }

    async fn send(&self, link: &Link, names: [&str; 2], place: &str) -> Result<Value, BackendError> {
        let name = names[usize::from(link.said.has_shard_channels)];
        let request = redis::cmd(name).arg(keys::channel(place)).into();
        link.ask(&request, false).await.map_err(super::Failure::error)
    }

    /// Subscribes anew for those who listen to a place, and tells them of the gap.
    async fn subscribe_again(self: &Arc<Self>, place: Arc<str>) {
        self.subscribed().remove(&place);
        while self.listeners.count(&place) > 0 {
            self.listeners.tell(&place, Signal::Gap);
            if self.subscribe(&place).await.is_ok() {
                // What was signalled until then is lost.
                self.listeners.tell(&place, Signal::Gap);
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// A connection for signals has died: subscribes to its places anew.
    fn lost(self: &Arc<Self>) {
        let lost: Vec<_> = {
            let subscribed = self.subscribed();
            subscribed.iter().filter(|(_, by)| by.is_dead()).map(|(place, _)| Arc::clone(place)).collect()
        };
        for place in lost {
            let hub = Arc::clone(self);
            self.keeper.spawn(async move { hub.subscribe_again(place).await });
        }
    }

    /// Takes a message of a connection for signals.
    fn pushed(self: &Arc<Self>, push: &PushInfo) {
        match push.kind {
            PushKind::Message | PushKind::SMessage => {
                let [channel, what] = &push.data[..] else { return };
                let Some(place) = text(channel).and_then(keys::place) else { return };
                let signal = if text(what) == Some("ended") { Signal::Freed } else { Signal::Changed };
                self.listeners.tell(place, signal);
            }
            // The server has ended a subscription that somebody needs. The client has taken that for a reply.
            PushKind::SUnsubscribe | PushKind::Unsubscribe => {
                let Some(place) = push.data.first().and_then(text).and_then(keys::place) else { return };
                let by = self.subscribed().get(place).cloned();
                if let Some(link) = by.filter(|_| self.listeners.count(place) > 0) {
                    link.die();
                }
            }
            PushKind::Disconnection => self.lost(),
            _ => {}
        }
    }

    fn subscribed(&self) -> MutexGuard<'_, HashMap<Arc<str>, Arc<Link>>> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(text) => std::str::from_utf8(text).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
