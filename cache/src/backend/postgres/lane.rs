//! The server, and this process's connections to it.
//!
//! # Which thread drives a connection
//!
//! A connection is driven by a task, and a task by its runtime. Looks go by a connection of the runtime that polls them
//! first: the result then needs no other thread, which is what makes a hit cheap. A thread without a runtime has that
//! of the keeper. All others are driven by the keeper: a creator may block the only thread of its caller's runtime, and
//! its lease is to be renewed all the same.
//!
//! # States of a connection
//!
//! | state | event | next |
//! |---|---|---|
//! | none | an operation | *opening*: a task of the runtime connects; each operation that needs the connection waits for it |
//! | opening | connected | *open* |
//! | | failed | none; those who have waited fail |
//! | | its runtime ends | none; those who have waited fail |
//! | open | closed, silent, its runtime ends, a statement that the server will not take any more | dead, which is as none for the next operation |
//!
//! The task goes on if the operation is dropped: a server that is far takes longer to connect to than an operation may
//! take, and the next operation finds the connection open.

use super::address::Address;
use super::link::{Link, NotOpened, OPENING, OnNote, Purpose, sleep};
use crate::backend::Life;
use crate::time::unless;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;

/// The server.
pub(super) struct Lanes {
    pub(super) at: Address,
    pub(super) keeper: Handle,
    /// What is done with the signals.
    on_note: OnNote,
    open: Mutex<Vec<((Purpose, Id), Lane)>>,
    /// The life that the last connection has shown.
    shown: Mutex<Option<Life>>,
}

/// A connection.
#[derive(Clone)]
enum Lane {
    Opening(watch::Receiver<Option<Opened>>),
    Open(Arc<Link>),
}

pub(super) type Opened = Result<Arc<Link>, NotOpened>;

impl Lane {
    fn is_dead(&self) -> bool {
        match self {
            // The task is gone, and has left nothing.
            Lane::Opening(opened) => opened.has_changed().is_err() && opened.borrow().is_none(),
            Lane::Open(link) => link.is_dead(),
        }
    }
}

impl Lanes {
    pub(super) fn new(at: Address, keeper: Handle, on_note: OnNote) -> Lanes {
        Lanes { at, keeper, on_note, open: Mutex::default(), shown: Mutex::default() }
    }

    /// Returns a connection, and opens it before that if there is none.
    pub(super) async fn opened(self: &Arc<Self>, purpose: Purpose) -> Opened {
        let runtime = match purpose {
            Purpose::Looks => Handle::try_current().unwrap_or_else(|_| self.keeper.clone()),
            _ => self.keeper.clone(),
        };
        let mut opening = match self.lane(&runtime, purpose) {
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
        opened.unwrap_or_else(|| Err(NotOpened::new("the runtime of the connection stands still")))
    }

    /// Returns a connection that is open.
    pub(super) fn ready(&self, of: Purpose) -> Option<Arc<Link>> {
        self.lanes().iter().find_map(|((purpose, _), lane)| match lane {
            Lane::Open(link) if *purpose == of && !link.is_dead() => Some(Arc::clone(link)),
            _ => None,
        })
    }

    /// Returns the life of the server's data, as the last connection has shown it.
    pub(super) fn life(&self) -> Option<Life> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lane(self: &Arc<Self>, runtime: &Handle, purpose: Purpose) -> Lane {
        let of = (purpose, runtime.id());
        let mut lanes = self.lanes();
        if let Some((_, lane)) = lanes.iter().find(|(known, lane)| *known == of && !lane.is_dead()) {
            return lane.clone();
        }
        // Runtimes come and go: what they leave goes here.
        lanes.retain(|(known, lane)| *known != of && !lane.is_dead());
        let (told, opening) = watch::channel(None);
        lanes.push((of, Lane::Opening(opening.clone())));
        drop(lanes);
        let server = Arc::clone(self);
        let on_note = (purpose == Purpose::Signals).then(|| Arc::clone(&self.on_note));
        runtime.spawn(async move {
            let opened = Link::open(&server.at, purpose, &server.keeper, on_note).await;
            server.opened_as(of, &opened);
            told.send_replace(Some(opened));
        });
        Lane::Opening(opening)
    }

    fn opened_as(&self, of: (Purpose, Id), opened: &Opened) {
        let mut lanes = self.lanes();
        lanes.retain(|(known, _)| *known != of);
        if let Ok(link) = opened {
            *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.life);
            lanes.push((of, Lane::Open(Arc::clone(link))));
        }
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<((Purpose, Id), Lane)>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Without credentials.
impl fmt::Debug for Lanes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lanes").field("at", &self.at).finish_non_exhaustive()
    }
}
