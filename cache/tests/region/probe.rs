//! A backend that a test sees through, and whose answers it decides.

use dogpile::ManualClock;
use dogpile_cache::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Limits, Listener, Look, Memory, PauseFor, Pending, Published, Renewed, Signal, Signals,
};
use dogpile_cache::key::StoredKey;
use dogpile_cache::observer::Operation;
use std::collections::HashMap;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
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

/// Which signals get through. (Most tests are of waits by polls.)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ears {
    /// The backend has no signals.
    None,
    All,
    /// Of so many signals the last one is lost.
    Loses(u64),
}

/// A backend that a test sees through, and whose answers it decides.
pub struct Probe {
    memory: Arc<Memory<Arc<ManualClock>>>,
    ears: Ears,
    signalled: Arc<AtomicU64>,
    looked: AtomicU64,
    counts: Mutex<HashMap<Operation, u64>>,
    fates: watch::Sender<HashMap<Operation, Fate>>,
}

impl Probe {
    pub fn new(memory: Arc<Memory<Arc<ManualClock>>>) -> Probe {
        Probe::with_ears(memory, Ears::None)
    }

    pub fn with_ears(memory: Arc<Memory<Arc<ManualClock>>>, ears: Ears) -> Probe {
        let (counts, fates) = (Mutex::default(), watch::Sender::new(HashMap::new()));
        Probe { memory, ears, signalled: Arc::default(), looked: AtomicU64::new(0), counts, fates }
    }

    /// Returns how many keys all looks together have looked at.
    pub fn looked(&self) -> u64 {
        self.looked.load(Ordering::Relaxed)
    }

    /// Returns how many signals have come, lost or not.
    pub fn signalled(&self) -> u64 {
        self.signalled.load(Ordering::Relaxed)
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
        use Operation::{Change, Claim, Count, End, Listen, Look, Ping, Publish, Renew};
        for operation in [Look, Claim, Renew, Publish, End, Change, Count, Listen, Ping] {
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
        self.looked.fetch_add(keys.len() as u64, Ordering::Relaxed);
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

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        if self.ears == Ears::None {
            return None;
        }
        let listening = self.memory.listen(key)?;
        let (ears, signalled) = (self.ears, Arc::clone(&self.signalled));
        Some(self.pass(
            Operation::Listen,
            Box::pin(async move { Ok(Signals::new(Ear { signals: listening.await?, ears, signalled })) }),
        ))
    }

    fn ping(&self) -> Pending<'_, ()> {
        self.pass(Operation::Ping, self.memory.ping())
    }

    fn limits(&self) -> Limits {
        let mut limits = self.memory.limits();
        limits.has_signals &= self.ears != Ears::None;
        limits
    }
}

/// Signals of which some are lost.
struct Ear {
    signals: Signals,
    ears: Ears,
    signalled: Arc<AtomicU64>,
}

impl Listener for Ear {
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        loop {
            let signal = ready!(self.signals.poll_heard(cx));
            let number = self.signalled.fetch_add(1, Ordering::Relaxed) + 1;
            if !matches!(self.ears, Ears::Loses(of) if number.is_multiple_of(of)) {
                return Poll::Ready(signal);
            }
        }
    }
}
