//! The signals of a process: one connection to each server for all that wait, and a subscription for each place.
//!
//! # States of a place
//!
//! | state | event | next |
//! |---|---|---|
//! | not subscribed | [`listen`](Hub::listen) | the channel is subscribed to on the connection for signals; *subscribed* once the server has confirmed that. If it fails, the listening fails, and the access polls |
//! | subscribed | `listen` | the same: no round trip |
//! | | a message | all who listen are told |
//! | | the last listener goes | the same, until the next *sweep* |
//! | | a sweep, and nobody listens | the subscription is ended: *not subscribed* |
//! | | the server has ended the subscription, and nobody listens | *not subscribed* |
//! | | the connection has died, or the server has ended the subscription (its slot has moved) | all who listen are told of a gap; while there are any, the channel is subscribed to on another connection, and they are told of a gap again |
//!
//! While anything is subscribed to, there is a sweep a second. The drop of a listener sends nothing. The processes of a
//! fleet hear of a publication at the same moment. What one of them does before its waiters return, the others wait
//! for, at the server and at the processors. And a process that soon waits for the key again finds it subscribed.
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
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// How long a process waits until it tries again to subscribe, while somebody listens.
const AGAIN: Duration = Duration::from_millis(500);

/// How long a subscription stays at most that nobody listens to any more.
const SWEEP: Duration = Duration::from_secs(1);

/// The servers, and what is heard of them.
pub(super) struct Hub {
    pub(super) servers: Servers,
    listeners: Listeners,
    subscribed: Mutex<Subscribed>,
    keeper: Handle,
}

#[derive(Default)]
struct Subscribed {
    /// By which connection a place is subscribed to.
    by: HashMap<Arc<str>, Arc<Link>>,
    /// There are sweeps. They end when there is nothing left.
    is_swept: bool,
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
            Hub { servers, listeners: Listeners::new(), subscribed: Mutex::default(), keeper }
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
        if self.subscribed().by.get(place).is_some_and(|by| Arc::ptr_eq(by, &link)) {
            return Ok(());
        }
        let doubted = self.servers.doubted();
        self.send(&link, ["SUBSCRIBE", "SSUBSCRIBE"], place).await?;
        if let Some(doubted) = doubted {
            doubted.not();
        }
        let is_swept = {
            let mut subscribed = self.subscribed();
            subscribed.by.insert(Arc::clone(place), Arc::clone(&link));
            mem::replace(&mut subscribed.is_swept, true)
        };
        if !is_swept {
            self.keeper.spawn(sweep(Arc::downgrade(self)));
        }
        // The connection has died since the server's confirmation: that has not found the subscription.
        if link.is_dead() {
            self.lost();
        }
        Ok(())
    }

    /// Ends the subscriptions that nobody listens to, in the background. Returns whether any are left.
    fn sweep(self: &Arc<Self>) -> bool {
        let mut subscribed = self.subscribed();
        for place in subscribed.by.keys().filter(|place| self.listeners.count(place) == 0) {
            let (hub, place) = (Arc::clone(self), Arc::clone(place));
            self.keeper.spawn(async move { hub.leave(place).await });
        }
        subscribed.is_swept = !subscribed.by.is_empty();
        subscribed.is_swept
    }

    async fn leave(self: &Arc<Self>, place: Arc<str>) {
        if self.listeners.count(&place) > 0 {
            return;
        }
        let Some(link) = self.subscribed().by.remove(&place) else { return };
        // (If it fails, so has the connection, and the subscription with it.)
        drop(self.send(&link, ["UNSUBSCRIBE", "SUNSUBSCRIBE"], &place).await);
        // A listener may have come meanwhile.
        self.subscribe_again(place).await;
    }

    async fn send(&self, link: &Arc<Link>, names: [&str; 2], place: &str) -> Result<Value, BackendError> {
        let name = names[usize::from(link.said.has_shard_channels)];
        let request = redis::cmd(name).arg(keys::channel(place)).into();
        link.ask(&request, false).await.map_err(|failure| link.error(failure))
    }

    /// Subscribes anew for those who listen to a place, and tells them of the gap.
    async fn subscribe_again(self: &Arc<Self>, place: Arc<str>) {
        self.subscribed().by.remove(&place);
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
            subscribed.by.iter().filter(|(_, by)| by.is_dead()).map(|(place, _)| Arc::clone(place)).collect()
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
            // The server has ended a subscription. The client has taken that for a reply.
            PushKind::SUnsubscribe | PushKind::Unsubscribe => {
                let Some(place) = push.data.first().and_then(text).and_then(keys::place) else { return };
                let mut subscribed = self.subscribed();
                if self.listeners.count(place) == 0 {
                    // The next listener is not to find it.
                    subscribed.by.remove(place);
                    return;
                }
                let by = subscribed.by.get(place).cloned();
                drop(subscribed);
                if let Some(link) = by {
                    link.die();
                }
            }
            PushKind::Disconnection => self.lost(),
            _ => {}
        }
    }

    fn subscribed(&self) -> MutexGuard<'_, Subscribed> {
        self.subscribed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Sweeps, until nothing is subscribed to or the backend has gone.
async fn sweep(hub: Weak<Hub>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        if !hub.upgrade().is_some_and(|hub| hub.sweep()) {
            return;
        }
    }
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(text) => std::str::from_utf8(text).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}
