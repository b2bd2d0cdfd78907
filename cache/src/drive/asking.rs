//! Looks that ask for the grant of a key that has nothing.
//!
//! | state | event | next |
//! |---|---|---|
//! | *asked*: the request is under way, and the access awaits the reply | the reply is there | *answered*: a grant is the access's |
//! | | the access is dropped, or has no time left | *left*: the keeper awaits the reply, for a lease at most |
//! | left | the reply is there, with a grant | the keeper ends the grant, without a pause |
//! | | any other reply, or none | nothing is left: a grant that nobody was told of costs one lease (G8) |

use super::Core;
use crate::backend::{BackendError, Rest};
use crate::key::StoredKey;
use crate::round::Found;
use crate::slot::Value;
use crate::store::{Operation, Store};
use std::hash::Hash;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

/// A look that asks.
pub(super) struct Asking<'a, O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> {
    core: &'a Arc<Core<O, V>>,
    key: &'a StoredKey,
    /// `None`: it was answered.
    asked: Option<Operation<Found<Value<V>>>>,
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    /// Returns whether a first look asks.
    pub(super) fn asks(&self) -> bool {
        matches!(&self.store, Store::Far(far) if far.asks)
    }

    /// Begins a look that asks. `sent` is the time before that.
    pub(super) fn ask<'a>(self: &'a Arc<Self>, key: &'a StoredKey, sent: Duration) -> Asking<'a, O, V> {
        Asking { core: self, key, asked: Some(self.store.ask(key, self.settings.lease, sent)) }
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Future for Asking<'_, O, V> {
    type Output = Result<Found<Value<V>>, BackendError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let asked = self.asked.as_mut().expect("a look is answered once");
        let polled = Pin::new(asked).poll(cx);
        if polled.is_ready() {
            self.asked = None;
        }
        polled
    }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Drop for Asking<'_, O, V> {
    fn drop(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        let (core, key) = (Arc::clone(self.core), self.key.clone());
        let held = core.closing.hold();
        self.core.time.keeper.spawn(async move {
            let _held = held;
            let longest = core.time.now().saturating_add(core.settings.lease);
            let Some(Ok(Found { rest: Some(Rest::Granted(grant)), .. })) = core.time.until(longest, asked).await else {
                return;
            };
            let longest = core.time.now().saturating_add(core.settings.lease);
            drop(core.time.until(longest, core.far().backend().end(&key, &grant, None)).await);
        });
    }
}
