//! One server, and this process's connections to it: two for each runtime that asks.
//!
//! # Connections for each runtime
//!
//! A connection is driven by a task, and a task by its runtime. A creator may block the only thread of its caller's
//! runtime, and with it each connection that runs there. The keeper renews the lease meanwhile, by an operation that it
//! polls on its own thread. So an operation goes by a connection of the runtime that polls it first; a thread without a
//! runtime has those of the keeper.
//!
//! # One for large values
//!
//! The replies of a connection come one behind the other, so that a large value holds up all that is asked behind it. A
//! runtime therefore has two connections: one for small values, and one for those of [`LARGE`] bytes and more, which is
//! made when the first of them is on its way. What is written has a size that is known. What is read has none: the
//! server says it with the value. So a node remembers by a few bits which keys had a large value when they were read or
//! written last ([`Sizes`]). Those are read by the connection for large values. A key that is not known, or has been
//! forgotten, is read by the other one, once. The bits are a hint: each connection answers each question. So if there
//! is no connection for large values within [`SOON`], as on a server that takes no more connections, the other one
//! carries them.
//!
//! # States of a connection
//!
//! | state | event | next |
//! |---|---|---|
//! | none | an operation | *opening*: a task of the runtime connects; each operation of the runtime waits for it |
//! | opening | connected | *open* |
//! | | failed | *resting*; those who have waited fail |
//! | | its runtime ends | none; those who have waited fail |
//! | resting | an operation | fails at once |
//! | | the pause is over | none |
//! | open | closed, silent, another life, its runtime ends | dead, which is as none for the next operation |
//!
//! The pause after a failure begins with [`SHORTEST`], doubles with each failure, and is [`LONGEST`] at most. Half of
//! it is random, so that the processes of a fleet do not come together.
//!
//! The task goes on if the operation is dropped: a server that is far takes longer to connect to than an operation may
//! take, and the next operation finds the connection open.
//!
//! # One server, not several
//!
//! An address that leads to several servers in turn, as that of a balancer does, shows another life with each
//! connection. Grants and values would come and go. So a connection that shows another life than an open one of this
//! process asks that one again. If both go on to show two lives, the address is refused.

use super::address::Place;
use super::clock;
use super::link::{Link, NotOpened, OPENING, sleep};
use crate::backend::Life;
use crate::key::StoredKey;
use crate::time::{RegionClock, unless};
use foldhash::fast::FixedState;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::{Handle, Id};
use tokio::sync::watch;

/// The size from which on a value is large, in bytes. It is on its way for some 100 µs in a network of 1 Gbit/s, which
/// is what a round trip takes there.
pub(super) const LARGE: usize = 16 << 10;

/// The pause after the first failure to connect, in microseconds.
const SHORTEST: i64 = 20_000;

/// How long an operation waits for the connection for large values before it takes the other one.
const SOON: Duration = Duration::from_millis(100);

/// The longest pause, in microseconds.
const LONGEST: i64 = 1_000_000;

/// One server.
pub(super) struct Node {
    at: Place,
    keeper: Handle,
    /// The clock by which the server's time is estimated.
    here: RegionClock,
    lanes: Mutex<Vec<(Of, Lane)>>,
    sizes: Sizes,
    /// The life that the last connection has shown, and the largest item; 0 of the latter: none has.
    shown: Mutex<Option<Life>>,
    largest_item: AtomicUsize,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Of {
    runtime: Id,
    is_large: bool,
}

/// A connection.
#[derive(Clone)]
enum Lane {
    Opening(watch::Receiver<Option<Opened>>, u32),
    Open(Arc<Link>),
    /// There is none until then, in microseconds of this machine's clock, after so many failures.
    Resting(NotOpened, i64, u32),
}

pub(super) type Opened = Result<Arc<Link>, NotOpened>;

fn now() -> i64 {
    clock::now(&RegionClock::Monotonic)
}

impl Lane {
    fn is_over(&self) -> bool {
        match self {
            // The task is gone, and has left nothing.
            Lane::Opening(opened, _) => opened.has_changed().is_err() && opened.borrow().is_none(),
            Lane::Open(link) => link.is_dead(),
            Lane::Resting(_, until, _) => now() >= *until,
        }
    }

    /// How many openings have failed, one after the other.
    fn failures(&self) -> u32 {
        match self {
            Lane::Opening(_, failures) | Lane::Resting(.., failures) => *failures,
            Lane::Open(_) => 0,
        }
    }
}

impl Node {
    pub(super) fn new(at: Place, keeper: Handle, here: RegionClock) -> Arc<Node> {
        let (lanes, shown, largest_item) = (Mutex::default(), Mutex::default(), AtomicUsize::new(0));
        Arc::new(Node { at, keeper, here, lanes, sizes: Sizes::new(), shown, largest_item })
    }

    /// Returns where the server is.
    pub(super) fn at(&self) -> &Place {
        &self.at
    }

    /// Returns the connection of the runtime that this is polled on, for small values or for large ones, and opens it
    /// before that if there is none. Without one for large values, it is that for small ones.
    pub(super) async fn opened(self: &Arc<Self>, is_large: bool) -> Opened {
        let runtime = Handle::try_current().unwrap_or_else(|_| self.keeper.clone());
        let opened = match self.lane(&runtime, Of { runtime: runtime.id(), is_large }) {
            Lane::Open(link) => return Ok(link),
            // (In boxes, as they are rare.)
            lane if is_large => Box::pin(self.one_of_both(&runtime, lane)).await,
            lane => Box::pin(self.once_open(lane)).await,
        };
        opened.map_err(|not| not.at(&self.at))
    }

    async fn one_of_both(self: &Arc<Self>, runtime: &Handle, large: Lane) -> Opened {
        if let Some(Ok(link)) = unless(self.once_open(large), || sleep(&self.keeper, SOON)).await {
            return Ok(link);
        }
        self.once_open(self.lane(runtime, Of { runtime: runtime.id(), is_large: false })).await
    }

    async fn once_open(&self, lane: Lane) -> Opened {
        let mut opening = match lane {
            Lane::Open(link) => return Ok(link),
            Lane::Resting(not, ..) => return Err(not),
            Lane::Opening(opening, _) => opening,
        };
        let opened = async move {
            let opened = opening.wait_for(Option::is_some).await.ok().and_then(|opened| opened.clone());
            opened.unwrap_or_else(|| Err(NotOpened::new("the runtime of the connection has ended")))
        };
        // The connection has a time-out of its own, on a runtime that may stand still.
        let opened = unless(opened, || sleep(&self.keeper, 2 * OPENING)).await;
        opened.unwrap_or_else(|| Err(NotOpened::new("the runtime of the connection stands still")))
    }

    /// Returns the connection by which a key is read.
    pub(super) async fn opened_to_read(self: &Arc<Self>, key: &StoredKey) -> Opened {
        self.opened(self.is_large(key)).await
    }

    /// Whether the value of a key was large when it was read or written last, as far as that is known.
    pub(super) fn is_large(&self, key: &StoredKey) -> bool {
        self.sizes.is_large(key)
    }

    /// The value of a key has this size, in bytes.
    pub(super) fn has_size(&self, key: &StoredKey, size: usize) {
        self.sizes.set(key, size >= LARGE);
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

    /// Returns the life of the server's items, as the last connection has shown it.
    pub(super) fn life(&self) -> Option<Life> {
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the largest item that the server takes, as the last connection has shown it, in bytes.
    pub(super) fn largest_item(&self) -> Option<usize> {
        // Relaxed: nothing else depends on it.
        Some(self.largest_item.load(Ordering::Relaxed)).filter(|largest| *largest > 0)
    }

    fn lane(self: &Arc<Self>, runtime: &Handle, of: Of) -> Lane {
        let mut lanes = self.lanes();
        let mut failures = 0;
        if let Some((_, lane)) = lanes.iter().find(|(known, _)| *known == of) {
            if !lane.is_over() {
                return lane.clone();
            }
            failures = lane.failures();
        }
        // Runtimes come and go: what they leave goes here.
        lanes.retain(|(known, lane)| *known != of && !lane.is_over());
        let (told, opening) = watch::channel(None);
        let lane = Lane::Opening(opening, failures);
        lanes.push((of, lane.clone()));
        drop(lanes);
        let node = Arc::clone(self);
        runtime.spawn(async move {
            let opened = match Link::open(&node.at, &node.keeper, &node.here).await {
                Ok(link) => node.is_one_server(&link).await.map(|()| link),
                Err(not) => Err(not),
            };
            node.opened_as(of, &opened, failures);
            told.send_replace(Some(opened));
        });
        lane
    }

    /// Fails if another connection goes on to show another life than this one. One that does not answer may be that of
    /// a runtime that stands still, and has not heard of a restart.
    async fn is_one_server(&self, link: &Link) -> Result<(), NotOpened> {
        for other in self.open().iter().filter(|other| other.life() != link.life()) {
            if let Some(Ok(())) = unless(other.check(), || sleep(&self.keeper, OPENING)).await {
                let why = "two connections show two servers: the address has to lead to one";
                return Err(NotOpened::unfit(why));
            }
        }
        Ok(())
    }

    fn opened_as(&self, of: Of, opened: &Opened, failures: u32) {
        let lane = match opened {
            Ok(link) => {
                *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(link.life());
                // Relaxed: nothing else depends on it.
                self.largest_item.store(link.largest_item(), Ordering::Relaxed);
                Lane::Open(Arc::clone(link))
            }
            Err(not) => Lane::Resting(not.clone(), now() + pause(failures), failures.saturating_add(1)),
        };
        let mut lanes = self.lanes();
        lanes.retain(|(known, _)| *known != of);
        lanes.push((of, lane));
    }

    fn lanes(&self) -> MutexGuard<'_, Vec<(Of, Lane)>> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How long there is no connection after one more failure than `failures`, in microseconds.
fn pause(failures: u32) -> i64 {
    let whole = (SHORTEST << failures.min(16)).min(LONGEST);
    whole / 2 + fastrand::i64(0..=whole / 2)
}

impl fmt::Debug for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.at)
    }
}

/// Which keys had a large value when they were read or written last: a table of so many hashes.
struct Sizes(Box<[AtomicU32]>);

/// How many keys with large values are known at most. Two whose hashes meet here displace one another.
const KNOWN: usize = 1024;

impl Sizes {
    fn new() -> Sizes {
        Sizes((0..KNOWN).map(|_| AtomicU32::new(0)).collect())
    }

    /// The place in the table, and what stands there if the value is large: the rest of the hash, and never 0.
    fn slot(&self, key: &StoredKey) -> (&AtomicU32, u32) {
        // (Fixed: strangers who choose keys could make values read by the other connection, and no more.)
        let hash = FixedState::with_seed(0).hash_one(key.full());
        let (at, rest) = (hash % KNOWN as u64, hash >> 32);
        (&self.0[usize::try_from(at).expect("it is small")], u32::try_from(rest).expect("32 bits") | 1)
    }

    fn is_large(&self, key: &StoredKey) -> bool {
        let (at, name) = self.slot(key);
        // Relaxed, as below: it is a hint.
        at.load(Ordering::Relaxed) == name
    }

    fn set(&self, key: &StoredKey, is_large: bool) {
        let (at, name) = self.slot(key);
        match at.load(Ordering::Relaxed) == name {
            was if was == is_large => {}
            true => at.store(0, Ordering::Relaxed),
            false => at.store(name, Ordering::Relaxed),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::{Format, Shape};
    use crate::key::{KeyLimit, Namespace};

    #[test]
    fn pauses_grow_and_have_a_bound() {
        for failures in 0..100 {
            let whole = (SHORTEST << failures.min(20)).min(LONGEST);
            for _ in 0..100 {
                let pause = pause(failures);
                assert!((whole / 2..=whole).contains(&pause), "{pause} after {failures}");
            }
        }
    }

    #[test]
    fn a_key_with_a_large_value_is_known_until_it_has_a_small_one() {
        let key = |name: u64| {
            let shape = Shape { schema: 1, format: Format::RAW };
            StoredKey::new(&Namespace::new("size").unwrap(), &name, shape, KeyLimit::NONE)
        };
        let sizes = Sizes::new();
        assert!(!sizes.is_large(&key(1)));
        sizes.set(&key(1), true);
        sizes.set(&key(1), true);
        assert!(sizes.is_large(&key(1)) && !sizes.is_large(&key(2)));
        sizes.set(&key(2), false);
        assert!(sizes.is_large(&key(1)));
        sizes.set(&key(1), false);
        assert!(!sizes.is_large(&key(1)));
        (0..100_000).for_each(|name| sizes.set(&key(name), true));
        assert!((0..100_000).filter(|name| sizes.is_large(&key(*name))).count() <= KNOWN);
    }
}
