//! A wire between regions and their backend: a test counts operations there, holds them, and has them panic.

use dogpile_cache::backend::{
    Ask, Backend, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, Limits, Look, PauseFor,
    Pending, Published, Renewed,
};
use dogpile_cache::key::StoredKey;
use std::mem;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;
use tokio::sync::watch;

/// No test waits for longer than this for what must come.
pub const WATCHDOG: Duration = Duration::from_secs(120);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Look,
    Claim,
    Renew,
    Publish,
    End,
    Change,
}

/// Where an operation is held: before its effect, or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    Request,
    Reply,
}

pub struct Wire<B> {
    backend: B,
    state: Mutex<State>,
    counted: Condvar,
}

#[derive(Default)]
struct State {
    counts: [u64; 6],
    holds: Vec<(Kind, At, Hold)>,
    panics: Vec<Kind>,
}

/// One operation that is held.
#[derive(Clone)]
pub struct Hold(Arc<watch::Sender<Stage>>);

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stage {
    Set,
    Reached,
    LetGo,
}

impl Hold {
    /// Waits until the operation is held.
    pub async fn reached(&self) {
        let mut stage = self.0.subscribe();
        let reached = tokio::time::timeout(WATCHDOG, stage.wait_for(|stage| *stage >= Stage::Reached));
        assert!(reached.await.is_ok(), "the operation has not come");
    }

    pub fn let_go(&self) {
        self.0.send_replace(Stage::LetGo);
    }

    async fn pass(self) {
        self.0.send_if_modified(|stage| {
            let is_new = *stage == Stage::Set;
            *stage = (*stage).max(Stage::Reached);
            is_new
        });
        let mut stage = self.0.subscribe();
        stage.wait_for(|stage| *stage == Stage::LetGo).await.expect("the sender is here");
    }
}

impl<B: Backend> Wire<B> {
    pub fn new(backend: B) -> Arc<Wire<B>> {
        Arc::new(Wire { backend, state: Mutex::default(), counted: Condvar::new() })
    }

    pub fn count_of(&self, kind: Kind) -> u64 {
        self.state.lock().unwrap().counts[kind as usize]
    }

    /// How many operations there were, of all kinds.
    pub fn counts(&self) -> u64 {
        self.state.lock().unwrap().counts.iter().sum()
    }

    /// Blocks until there were so many operations of a kind.
    pub fn block_until(&self, kind: Kind, count: u64) {
        let state = self.state.lock().unwrap();
        let waited = self.counted.wait_timeout_while(state, WATCHDOG, |state| state.counts[kind as usize] < count);
        assert!(!waited.unwrap().1.timed_out(), "there were not {count} operations {kind:?}");
    }

    /// Holds the next operation of a kind.
    pub fn hold_next(&self, kind: Kind, at: At) -> Hold {
        let hold = Hold(Arc::new(watch::Sender::new(Stage::Set)));
        self.state.lock().unwrap().holds.push((kind, at, hold.clone()));
        hold
    }

    /// Has the next operation of a kind panic.
    pub fn panic_next(&self, kind: Kind) {
        self.state.lock().unwrap().panics.push(kind);
    }

    fn operate<'a, T: Send + 'a>(&'a self, kind: Kind, operation: Pending<'a, T>) -> Pending<'a, T> {
        Box::pin(async move {
            let (hold, panics) = {
                let mut state = self.state.lock().unwrap();
                state.counts[kind as usize] += 1;
                let panics = state.panics.iter().position(|panics| *panics == kind);
                let panics = panics.map(|at| state.panics.remove(at)).is_some();
                let hold = state.holds.iter().position(|(held, ..)| *held == kind);
                (hold.map(|at| state.holds.remove(at)), panics)
            };
            self.counted.notify_all();
            assert!(!panics, "a backend that panics, on purpose");
            let (before, after) = match hold {
                Some((_, At::Request, hold)) => (Some(hold), None),
                Some((_, At::Reply, hold)) => (None, Some(hold)),
                None => (None, None),
            };
            if let Some(hold) = before {
                hold.pass().await;
            }
            let done = operation.await;
            if let Some(hold) = after {
                hold.pass().await;
            }
            done
        })
    }
}

impl<B> Drop for Wire<B> {
    fn drop(&mut self) {
        for (.., hold) in mem::take(&mut self.state.lock().unwrap().holds) {
            hold.let_go();
        }
    }
}

impl<B: Backend> Backend for Wire<B> {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        self.operate(Kind::Look, self.backend.look(keys, ask))
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        self.operate(Kind::Claim, self.backend.claim(key, claim))
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        self.operate(Kind::Renew, self.backend.renew(key, grant, lease))
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        self.operate(Kind::Publish, self.backend.publish(key, grant, entry))
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        self.operate(Kind::End, self.backend.end(key, grant, pause))
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        self.operate(Kind::Change, self.backend.change(key, change))
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        self.backend.count(key, count)
    }

    fn ping(&self) -> Pending<'_, ()> {
        self.backend.ping()
    }

    fn limits(&self) -> Limits {
        self.backend.limits()
    }
}
