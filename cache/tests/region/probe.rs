//! A backend that a test sees through, and whose answers it decides.

use dogpile::ManualClock;
use dogpile_cache::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Limits, Look, Memory, PauseFor, Pending, Published, Renewed,
};
use dogpile_cache::key::StoredKey;
use dogpile_cache::observer::Operation;
use std::collections::HashMap;
use std::future::pending;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// What becomes of the operations of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Answers,
    /// They fail without effect.
    Unreachable,
    /// They fail after their effect.
    ReplyLost,
    /// They are lost, and there is no reply.
    NeverAnswers,
    /// They wait, before their effect, until they have another fate.
    RequestLate,
    /// They wait, after their effect, until they have another fate.
    ReplyLate,
}

/// A backend that a test sees through, and whose answers it decides.
pub struct Probe {
    memory: Arc<Memory<Arc<ManualClock>>>,
    counts: Mutex<HashMap<Operation, u64>>,
    fates: watch::Sender<HashMap<Operation, Fate>>,
}

impl Probe {
    pub fn new(memory: Arc<Memory<Arc<ManualClock>>>) -> Probe {
        Probe { memory, counts: Mutex::default(), fates: watch::Sender::new(HashMap::new()) }
    }

    /// Returns how many operations of that kind have begun.
    pub fn count(&self, operation: Operation) -> u64 {
        self.counts.lock().unwrap().get(&operation).copied().unwrap_or(0)
    }

    /// Returns how many operations have begun.
    pub fn total(&self) -> u64 {
        self.counts.lock().unwrap().values().sum()
    }

    pub fn set(&self, operation: Operation, fate: Fate) {
        self.fates.send_modify(|fates| _ = fates.insert(operation, fate));
    }

    pub fn set_all(&self, fate: Fate) {
        use Operation::{Change, Claim, Count, End, Look, Ping, Publish, Renew};
        for operation in [Look, Claim, Renew, Publish, End, Change, Count, Ping] {
            self.set(operation, fate);
        }
    }

    fn fate(&self, operation: Operation) -> Fate {
        self.fates.borrow().get(&operation).copied().unwrap_or(Fate::Answers)
    }

    async fn until_not(&self, operation: Operation, fate: Fate) {
        let mut fates = self.fates.subscribe();
        drop(fates.wait_for(|fates| fates.get(&operation) != Some(&fate)).await);
    }

    fn pass<'a, T: Send + 'a>(&'a self, operation: Operation, inner: Pending<'a, T>) -> Pending<'a, T> {
        Box::pin(async move {
            *self.counts.lock().unwrap().entry(operation).or_default() += 1;
            match self.fate(operation) {
                Fate::Answers => inner.await,
                Fate::Unreachable => Err(BackendError::new(BackendErrorKind::Unreachable)),
                Fate::ReplyLost => {
                    drop(inner.await?);
                    Err(BackendError::new(BackendErrorKind::InDoubt))
                }
                Fate::NeverAnswers => pending().await,
                Fate::RequestLate => {
                    self.until_not(operation, Fate::RequestLate).await;
                    inner.await
                }
                Fate::ReplyLate => {
                    let reply = inner.await;
                    self.until_not(operation, Fate::ReplyLate).await;
                    reply
                }
            }
        })
    }
}

impl Backend for Probe {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        self.pass(Operation::Look, self.memory.look(keys, ask))
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        self.pass(Operation::Claim, self.memory.claim(key, claim))
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        self.pass(Operation::Renew, self.memory.renew(key, grant, lease))
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        self.pass(Operation::Publish, self.memory.publish(key, grant, entry))
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        self.pass(Operation::End, self.memory.end(key, grant, pause))
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        self.pass(Operation::Change, self.memory.change(key, change))
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        self.pass(Operation::Count, self.memory.count(key, count))
    }

    fn ping(&self) -> Pending<'_, ()> {
        self.pass(Operation::Ping, self.memory.ping())
    }

    fn limits(&self) -> Limits {
        self.memory.limits()
    }
}
