//! One server, and this process's connections to it: one for each runtime that asks.
//!
//! # A connection for each runtime
//!
//! A connection is driven by a task, and a task by its runtime. A creator may block the only thread of its caller's
//! runtime, and with it each connection that runs there. The keeper renews the lease meanwhile, by an operation that it
//! polls on its own thread. So an operation goes by the connection of the runtime that polls it first; a thread without
//! a runtime has those of the keeper. The reply then needs no other thread, which is what makes a hit cheap.
//!
//! # States of a connection
//!
//! | state | event | next |
//! |---|---|---|
//! | none | an operation | *opening*: a task of the runtime connects; each operation of the runtime waits for it |
//! | opening | connected | *open* |
//! | | failed | none; those who have waited fail |
//! | | its runtime ends | none; those who have waited fail |
//! | open | closed, silent, another life, its runtime ends, the sentinels name another server | dead, which is as none for the next operation |
//!
//! The task goes on if the operation is dropped: a server that is far takes longer to connect to than an operation may
//! take, and the next operation finds the connection open.

use super::address::Address;
use super::link::{Link, NotOpened, OPENING, OnPush, sleep};
use super::sentinels;
use crate::backend::{BackendError, Life};
use crate::time::unless;
use redis::ConnectionAddr;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;

/// One server.
pub(super) struct Node {
    at: Address,
    /// Tells this server from others.
    number: u64,
    keeper: Handle,
    /// What is done with the messages of the connection for signals.
    on_push: OnPush,
    lanes: Mutex<Vec<(Of, Lane)>>,
    /// The life that the last connection has shown.
    shown: Mutex<Option<Life>>,
    /// Whether the sentinels are asked where the server is.
    is_watched: AtomicBool,
}

/// The numbers of servers in this process.
static NODES: AtomicU64 = AtomicU64::new(1);

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Of {
    /// The operations of a runtime.
    Runtime(Id),
    /// The signals of the process. They have a connection of their own: the client would take a server's message that a
    /// subscription has ended for the reply to whatever was asked.
    Signals,
}

/// A connection.
#[derive(Clone)]
enum Lane {
    Opening(watch::Receiver<Option<Opened>>),
    Open(Arc<Link>),
}

type Opened = Result<Arc<Link>, NotOpened>;

impl Lane {
    fn is_dead(&self) -> bool {
        match self {
            // The task is gone, and has left nothing.
            Lane::Opening(opened) => opened.has_changed().is_err() && opened.borrow().is_none(),
            Lane::Open(link) => link.is_dead(),
        }
    }
}

impl Node {
    pub(super) fn new(at: Address, keeper: Handle, on_push: OnPush) -> Arc<Node> {
        let (lanes, shown, is_watched) = (Mutex::default(), Mutex::default(), AtomicBool::new(false));
        // Relaxed: only that no number comes twice.
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        Arc::new(Node { at, number, keeper, on_push, lanes, shown, is_watched })
    }

    /// Returns another server, whose connections are made as those to this one.
    pub(super) fn beside(&self, at: Address) -> Arc<Node> {
        Node::new(at, self.keeper.clone(), Arc::clone(&self.on_push))
    }

    /// Returns the connection of the runtime that this is polled on, and opens it before that if there is none.
    pub(super) async fn opened(self: &Arc<Self>) -> Opened {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.keeper.clone());
        self.opened_on(&runtime, Of::Runtime(runtime.id())).await
    }

    /// Returns the connection of the runtime that this is called on, if it is open.
    pub(super) fn ready(&self) -> Option<Arc<Link>> {
        let of = Of::Runtime(Handle::try_current().ok()?.id());
        let lanes = self.lanes();
        lanes.iter().find_map(|(known, lane)| match lane {
            Lane::Open(link) if *known == of && !link.is_dead() => Some(Arc::clone(link)),
            _ => None,
        })
    }

    /// Returns the connection for signals, and opens it before that if there is none.
    pub(super) async fn for_signals(self: &Arc<Self>) -> Result<Arc<Link>, BackendError> {
        self.opened_on(&self.keeper, Of::Signals).await.map_err(|not| not.error())
    }

    async fn opened_on(self: &Arc<Self>, runtime: &Handle, of: Of) -> Opened {
        let mut opening = match self.lane(runtime, of) {
            Lane::Open(link) => return Ok(link),
            Lane::Opening(opening) => opening,
        };
        // (In a box, as it is rare.)
        let opened = Box::pin(async move {
            let opened = opening.wait_for(Option::is_some).await.ok().and_then(|opened| opened.clone());
            opened.unwrap_or_else(|| Err(NotOpened::new("the runtime of the connection has ended")))
        });
        // The connection has a time-out of its own, on a runtime that may stand still.
        let opened = Box::pin(unless(opened, || sleep(&self.keeper, 2 * OPENING))).await;
        let still = || Err(NotOpened::new("the runtime of the connection stands still"));
        opened.unwrap_or_else(still).map_err(|not| not.at(&self.at))
    }

    /// Returns the connections that are open.
    pub(super) fn open(&self) -> Vec<Arc<Link>> {
        let lanes = self.lanes();
        let open = lanes.iter().filter_map(|(_, lane)| match lane {
            Lane::Open(link) if !link.is_dead() => Some(Arc::clone(link)),
            _ => None,
        });
        open.collect()
    }

    /// Returns a connection, if one is open.
    pub(super) fn any(&self) -> Option<Arc<Link>> {
        self.open().into_iter().next()
    }

    /// Closes the connections to other addresses than this one: there is the primary now.
    pub(super) fn leave_all_but(&self, at: &ConnectionAddr) {
        // (A copy: a task that is woken may ask for a connection.)
        let lanes = self.lanes().clone();
        for (_, lane) in lanes {
            if let Lane::Open(link) = lane
                && link.at != *at
            {
                link.lose();
            }
        }
    }

    /// Returns the life of the server's data, as the last connection has shown it.
    pub(super) fn life(&self) -> Option<Life> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the number that tells this server from others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Returns where the server is, for people: of several that the sentinels may name, the one that there is a
    /// connection to.
    pub(super) fn address(&self) -> String {
        match self.any().filter(|_| self.at.is_of_sentinels()) {
            Some(link) => link.at.to_string(),
            None => format!("{:?}", self.at),
        }
    }

    /// Returns where the server is.
    pub(super) fn at(&self) -> &Address {
        &self.at
    }

    fn lane(self: &Arc<Self>, runtime: &Handle, of: Of) -> Lane {
        let mut lanes = self.lanes();
        if let Some((_, lane)) = lanes.iter().find(|(known, lane)| *known == of && !lane.is_dead()) {
            return lane.clone();
        }
        // Runtimes come and go: what they leave goes here.
        lanes.retain(|(known, lane)| *known != of && !lane.is_dead());
        let (told, opening) = watch::channel(None);
        lanes.push((of, Lane::Opening(opening.clone())));
        drop(lanes);
        // Relaxed: nothing else depends on it.
        if self.at.is_of_sentinels() && !self.is_watched.swap(true, Ordering::Relaxed) {
            self.keeper.spawn(sentinels::watch(Arc::downgrade(self), self.keeper.clone()));
        }
        let node = Arc::clone(self);
        let on_push = (of == Of::Signals).then(|| Arc::clone(&self.on_push));
        runtime.spawn(async move {
            let opened = Link::open(&node.at, &node.keeper, on_push).await;
            node.opened_as(of, &opened);
            told.send_replace(Some(opened));
        });
        Lane::Opening(opening)
    }

    fn opened_as(&self, of: Of, opened: &Opened) {
        let mut lanes = self.lanes();
        lanes.retain(|(known, _)| *known != of);
        if let Ok(link) = opened {
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.life());
            lanes.push((of, Lane::Open(Arc::clone(link))));
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<(Of, Lane)>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without credentials.
impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node").field("at", &self.at).finish_non_exhaustive()
    }
}
