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
//! | | another connection shows another life | dead |
//!
//! The task goes on if the operation is dropped: a server that is far takes longer to connect to than an operation may
//! take, and the next operation finds the connection open.
//!
//! # One life
//!
//! An address may come to lead elsewhere, while the server from before lives on. A process whose changes go to the one
//! and whose looks go to the other serves what it has invalidated (G3). So all open connections are of the life that
//! was *shown* last:
//!
//! | a connection is made, and its life is | then |
//! |---|---|
//! | the one that is shown, or none is | it is open |
//! | another, and that one was shown before the making began | all others die, then it is open, and its life is shown |
//! | another, and that one was shown since | it is closed: it may be the one from before. What has waited for it fails, and the next operation connects anew |

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
    /// Locked after `open`.
    shown: Mutex<Shown>,
}

/// The life that the last connection has shown.
#[derive(Default)]
struct Shown {
    life: Option<Life>,
    /// How often it has come to be another one.
    turns: u64,
}

/// What a connection's life is beside the one that is shown.
#[derive(Debug, PartialEq, Eq)]
enum Shows {
    TheSame,
    /// Another one, which is shown now.
    Another,
    /// One that may be from before.
    Former,
}

impl Shown {
    /// Takes the life of a connection, whose making began when the life had come to be another one `turns` times.
    fn take(&mut self, life: Life, turns: u64) -> Shows {
        match self.life {
            Some(shown) if shown == life => return Shows::TheSame,
            Some(_) if self.turns != turns => return Shows::Former,
            _ => {}
        }
        *self = Shown { life: Some(life), turns: self.turns + 1 };
        Shows::Another
    }
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
        self.shown().life
    }

    /// Begins to open a connection of the keeper, if there is none.
    pub(super) fn begin(self: &Arc<Self>, purpose: Purpose) {
        let keeper = self.keeper.clone();
        self.lane(&keeper, purpose);
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
        let turns = self.shown().turns;
        let server = Arc::clone(self);
        let on_note = (purpose == Purpose::Signals).then(|| Arc::clone(&self.on_note));
        runtime.spawn(async move {
            let opened = Link::open(&server.at, purpose, &server.keeper, on_note).await;
            told.send_replace(Some(server.opened_as(of, opened, turns)));
        });
        Lane::Opening(opening)
    }

    /// Takes what has become of a connection, whose making began when the life had come to be another one `turns`
    /// times.
    fn opened_as(&self, of: (Purpose, Id), opened: Opened, turns: u64) -> Opened {
        let mut lanes = self.lanes();
        lanes.retain(|(known, _)| *known != of);
        let link = opened?;
        let shows = self.shown().take(link.life, turns);
        let mut former = Vec::new();
        match shows {
            Shows::TheSame => {}
            // Before anybody can have the new one. (What a death does to the signals takes a lane by a task alone.)
            Shows::Another => {
                for (_, lane) in lanes.iter() {
                    if let Lane::Open(other) = lane {
                        other.die();
                        former.push(Arc::clone(other));
                    }
                }
            }
            Shows::Former => {
                link.die();
                return Err(NotOpened::new("the server's data were in another life meanwhile"));
            }
        }
        lanes.push((of, Lane::Open(Arc::clone(&link))));
        drop(lanes);
        for link in former {
            link.lose();
        }
        Ok(link)
    }

    fn shown(&self) -> MutexGuard<'_, Shown> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g3_a_life_that_is_shown_late_is_not_shown_again() {
        let mut shown = Shown::default();
        let (former, next) = (Life(1), Life(2));
        // Three begin at once, before any life is shown.
        assert_eq!(shown.take(former, 0), Shows::Another);
        assert_eq!(shown.take(former, 0), Shows::TheSame);
        assert_eq!(shown.take(next, 0), Shows::Former);
        assert_eq!(shown.life, Some(former));
        // One begins, and takes long; meanwhile another one is made, and shows the next life.
        let (slow, quick) = (shown.turns, shown.turns);
        assert_eq!(shown.take(next, quick), Shows::Another);
        assert_eq!(shown.take(former, slow), Shows::Former);
        assert_eq!(shown.life, Some(next));
        // One that begins after that is believed.
        let after = shown.turns;
        assert_eq!(shown.take(former, after), Shows::Another);
        assert_eq!(shown.take(former, slow), Shows::TheSame);
    }
}
