//! The servers of a Cluster, and how a request finds the one that has its place.
//!
//! # What is known, and how it is found
//!
//! The [map] says which server has which slots. It is read from the server that was named, and again in the
//! background whenever something has contradicted it:
//!
//! | what happens to a request | the request | the map |
//! |---|---|---|
//! | `MOVED` | is sent to where it was moved to: nothing of it was executed | is read again, first by the server it was moved to |
//! | `ASK` | is sent there behind `ASKING`: nothing of it was executed | stays: the slot is on its way |
//! | `TRYAGAIN` | is sent again, after a pause, for 250 ms at most: nothing of it was executed | stays |
//! | its server is a replica by now | is sent again, in the same way: nothing of it was executed | is read again |
//! | its server is not reached, or is down, or the connection is lost | fails | is read again |
//! | its caller gives it up | | is read again |
//! | the server refuses it | fails | stays |
//!
//! The last row but one is needed where a server is silent: its callers have gone, each at its time-out, when the
//! heartbeat ends the connection, or the attempt to connect fails.
//!
//! The map is read once a minute, too. No request waits for the new map. One reading is under way at a time, and
//! another one begins 100 ms later at the earliest, if something has contradicted the map since. A reading asks one
//! server after the other, over connections of its own: first the one that a request was moved to, then those that have
//! slots, then their replicas (which may be all that is left of the servers of before), last the one that the URL
//! names. The first server that answers is believed if it sees the Cluster well. A server that is cut off says what was
//! so before; it is believed if no other one answers.
//!
//! # A server that is away at first
//!
//! A process must be able to start while one server is away. So the backend is connected once the map is known and any
//! server that it names is reached. The others are noted, for a warning; an operation that needs one of them connects
//! to it, as to a server that was lost later.
//!
//! # A slot on its way
//!
//! While a slot moves from one server to another, the old one answers `ASK` for the keys that it has not any more, and
//! the new one takes a request for them behind `ASKING`. Looks and counters, which are of one key, find theirs. A
//! script is on several keys of a place, most of which are missing at most times; so it is answered `TRYAGAIN` by both
//! servers until the slot has arrived. That is an error if it takes longer than a request is sent again.
//!
//! A slot that has arrived is in another life: that of its new server. Its grants are void, and its entries are of
//! another life, although nothing was lost.

use super::address::Address;
use super::failure::Failure;
use super::link::{Link, NotOpened, sleep};
use super::map::{self, Answer, Map, slot};
use super::node::Node;
use super::request::Request;
use super::servers::Asked;
use crate::backend::{BackendError, BackendErrorKind, Life};
use crate::time::unless;
use crate::together::Together;
use redis::{AsyncConnectionConfig, Client, Value};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::runtime::Handle;

/// How often a request is sent to where it was moved to. Each is an answer without an effect.
const REDIRECTIONS: usize = 5;

/// The first pause before a request is sent again.
const AGAIN: Duration = Duration::from_millis(10);

/// How long a request is sent again: half of a region's `backend_timeout`, by default.
const AGAIN_FOR: Duration = Duration::from_millis(250);

/// The shortest time between two readings of the map.
const READ_PAUSE: Duration = Duration::from_millis(100);

/// How often the map is read without a doubt: a process that asks for nothing learns of servers that have come.
const REFRESH: Duration = Duration::from_secs(60);

/// How long each server may take to tell the map. If none does, all of them are asked once more, with more patience.
const READ: [Duration; 2] = [Duration::from_millis(300), Duration::from_secs(2)];

/// The servers of a Cluster.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The server that was named.
    seed: Arc<Node>,
    keeper: Handle,
    map: Mutex<Arc<Map>>,
    /// Servers that a server has named, and that the map does not have yet.
    named: Mutex<Vec<Arc<Node>>>,
    /// Servers that were not reached when the backend was connected, and why.
    away: Mutex<Vec<(Arc<Node>, NotOpened)>>,
    doubt: Doubt,
}

/// A server, and the connection to it, or why there is none.
type Opened = (Arc<Node>, Result<Arc<Link>, NotOpened>);

/// What speaks against the map.
#[derive(Debug, Default)]
struct Doubt {
    is_reading: AtomicBool,
    /// Since the last reading has begun.
    is_there: AtomicBool,
    /// Where a request was moved to.
    moved_to: Mutex<Option<Address>>,
}

impl Cluster {
    /// Reads the map by a connection to the server that was named; without one, as that server is a replica, by a
    /// connection for this alone.
    pub(super) async fn of(seed: &Arc<Node>, link: Option<&Link>, keeper: Handle) -> Result<Arc<Cluster>, NotOpened> {
        let answer = if let Some(link) = link {
            let replies = link.send_all(&map::questions()).await;
            let replies = replies.map_err(|failure| NotOpened::new(failure.error()))?;
            map::answer(seed.at(), &replies).ok_or_else(no_map)?
        } else {
            let read = unless(read(seed.at(), &keeper), || sleep(&keeper, READ[1])).await;
            read.unwrap_or_else(|| Err(NotOpened::new("the server has not answered in time")))?
        };
        let (map, named, away, doubt) = (Mutex::default(), Mutex::default(), Mutex::default(), Doubt::default());
        let cluster = Cluster { seed: Arc::clone(seed), keeper, map, named, away, doubt };
        cluster.learn(answer);
        let cluster = Arc::new(cluster);
        let refreshed = Arc::downgrade(&cluster);
        cluster.keeper.spawn(async move {
            loop {
                tokio::time::sleep(REFRESH).await;
                let Some(cluster) = refreshed.upgrade() else { return };
                cluster.suspect(None);
            }
        });
        Ok(cluster)
    }

    fn map(&self) -> Arc<Map> {
        Arc::clone(&lock(&self.map))
    }

    fn learn(&self, answer: Answer) {
        let known = self.known();
        let new = Map::of(answer, |at| {
            let known = known.iter().find(|node| node.at().is_at(at));
            known.map_or_else(|| self.seed.beside(at.clone()), Arc::clone)
        });
        // A server that has no slot any more may be a replica by now. It is left before it may be a primary again: that
        // is another life.
        let has_slots = new.nodes();
        let gone = known.iter().filter(|node| !has_slots.iter().any(|other| Arc::ptr_eq(node, other)));
        for link in gone.flat_map(|node| node.open()) {
            self.keeper.spawn(async move { link.check().await });
        }
        *lock(&self.map) = Arc::new(new);
        lock(&self.named).clear();
    }

    /// Returns all servers that there may be connections to.
    fn known(&self) -> Vec<Arc<Node>> {
        let mut known = self.map().nodes();
        known.extend(lock(&self.named).iter().cloned());
        known.push(Arc::clone(&self.seed));
        known
    }

    /// Returns the number of the server that has a place; 0 if none has.
    pub(super) fn number(&self, place: &str) -> u64 {
        self.map().node(slot(place)).map_or(0, |node| node.number())
    }

    fn node(&self, place: &str) -> Option<Arc<Node>> {
        self.map().node(slot(place)).cloned()
    }

    fn server(self: &Arc<Self>, place: &str) -> Result<Arc<Node>, BackendError> {
        self.node(place).ok_or_else(|| {
            self.suspect(None);
            let why = "no server of the Cluster has the slot";
            BackendError::new(BackendErrorKind::Unreachable).caused_by(why)
        })
    }

    /// Returns the server at an address that another one has named.
    fn moved(&self, from: &Node, to: &str) -> Result<Arc<Node>, BackendError> {
        let odd = || {
            let why = "the server has named an odd address";
            BackendError::new(BackendErrorKind::Refused).caused_by(why).at(from.address())
        };
        let address = from.at().beside(to).ok_or_else(odd)?;
        if let Some(known) = self.known().into_iter().find(|node| node.at().is_at(&address)) {
            return Ok(known);
        }
        let new = self.seed.beside(address);
        lock(&self.named).push(Arc::clone(&new));
        Ok(new)
    }

    /// Returns the connection to the server that has a place.
    pub(super) async fn link(self: &Arc<Self>, place: &str) -> Result<Arc<Link>, BackendError> {
        let doubted = self.doubted();
        let (mut node, mut patience) = (self.server(place)?, Patience::default());
        let link = self.opened(place, &mut node, &mut patience).await?;
        doubted.not();
        Ok(link)
    }

    /// Returns the connection to a server; to another one, if that is a replica by now and the map learns so in time.
    async fn opened(
        self: &Arc<Self>,
        place: &str,
        node: &mut Arc<Node>,
        patience: &mut Patience,
    ) -> Result<Arc<Link>, BackendError> {
        loop {
            match node.opened().await {
                Ok(link) => return Ok(link),
                Err(not) if not.is_replica => {
                    self.suspect(None);
                    if !patience.waits(&self.keeper).await {
                        return Err(not.error());
                    }
                    *node = self.server(place)?;
                }
                Err(not) => return Err(not.error()),
            }
        }
    }

    /// Returns the connection for signals to that server.
    pub(super) async fn for_signals(self: &Arc<Self>, place: &str) -> Result<Arc<Link>, BackendError> {
        let node = self.server(place)?;
        let doubted = self.doubted();
        let link = node.for_signals().await?;
        doubted.not();
        Ok(link)
    }

    /// Returns where the server is that has a place, if one has.
    pub(super) fn address(&self, place: &str) -> Option<String> {
        self.node(place).map(|node| node.address())
    }

    /// Returns the life of the server that has a place.
    pub(super) fn life(&self, place: &str) -> Option<Life> {
        self.node(place)?.life()
    }

    /// Returns a connection to each server that there is one to.
    pub(super) fn open(&self) -> Vec<Arc<Link>> {
        self.map().nodes().iter().filter_map(|node| node.any()).collect()
    }

    /// Returns a connection to each server. Fails if one server is not reached.
    pub(super) async fn all(self: &Arc<Self>) -> Result<Vec<Arc<Link>>, NotOpened> {
        let doubted = self.doubted();
        let (mut opening, mut links) = (self.opening(), Vec::new());
        while let Some((_, link)) = opening.next().await {
            links.push(link?);
        }
        doubted.not();
        Ok(links)
    }

    /// Connects to each server, and notes which of them are not reached. Fails if none is, or if one will never do.
    pub(super) async fn connect(self: &Arc<Self>) -> Result<(), NotOpened> {
        let doubted = self.doubted();
        let (mut opening, mut is_reached, mut away) = (self.opening(), false, Vec::new());
        while let Some((node, link)) = opening.next().await {
            match link {
                Ok(_) => is_reached = true,
                Err(not) if not.is_unfit => return Err(not),
                Err(not) => away.push((node, not)),
            }
        }
        match away.first() {
            None => doubted.not(),
            Some((_, not)) if !is_reached => return Err(not.clone()),
            Some(_) => *lock(&self.away) = away,
        }
        Ok(())
    }

    fn opening(&self) -> Together<'static, Opened> {
        let mut opening = Together::new();
        for node in self.map().nodes() {
            opening.push(async move {
                let link = node.opened().await;
                (node, link)
            });
        }
        opening
    }

    /// Returns the servers that have slots, and were not reached yet since the backend was connected, and why.
    pub(super) fn away(&self) -> Vec<(String, String)> {
        let has_slots = self.map().nodes();
        let is_away = |node: &Arc<Node>| node.life().is_none() && has_slots.iter().any(|has| Arc::ptr_eq(has, node));
        let away = lock(&self.away);
        away.iter()
            .filter(|(node, _)| is_away(node))
            .map(|(node, not)| (format!("{:?}", node.at()), not.why.clone()))
            .collect()
    }

    /// Asks the server that has a place; for a grant, in its life.
    pub(super) async fn ask(
        self: &Arc<Self>,
        place: &str,
        request: &Request,
        of: Option<Life>,
    ) -> Result<Asked, Failure> {
        let doubted = self.doubted();
        let mut node = self.server(place).map_err(Failure::Backend)?;
        if let Some(life) = of.filter(|life| node.life() != Some(*life)) {
            // The map may be older than the grant. A server that has not the slot any more says so.
            let gave = |other: &Arc<Node>| other.any().is_some_and(|link| link.life() == life);
            node = self.known().into_iter().find(gave).unwrap_or(node);
        }
        let (mut is_asking, mut redirections, mut patience) = (false, 0, Patience::default());
        loop {
            let link = self.opened(place, &mut node, &mut patience).await.map_err(Failure::Backend)?;
            if of.is_some_and(|life| life != link.life()) {
                doubted.not();
                return Ok(Asked::OtherLife);
            }
            match link.ask(request, is_asking).await {
                Ok(value) => {
                    doubted.not();
                    return Ok(Asked::Replied(value, link));
                }
                // What is no text was not written by this backend, and counts as missing (G7).
                Err(Failure::WrongType) => {
                    doubted.not();
                    return Ok(Asked::Replied(Value::Nil, link));
                }
                Err(Failure::Moved(to)) if redirections < REDIRECTIONS => {
                    node = self.moved(&node, &to).map_err(Failure::Backend)?;
                    self.suspect(Some(node.at()));
                    // A server that is a replica by now is left, before it may be a primary again: that is another
                    // life.
                    self.keeper.spawn(async move { link.check().await });
                    (is_asking, redirections) = (false, redirections + 1);
                }
                Err(Failure::Ask(to)) if redirections < REDIRECTIONS => {
                    node = self.moved(&node, &to).map_err(Failure::Backend)?;
                    (is_asking, redirections) = (true, redirections + 1);
                }
                // Two servers that send the request to each other do not agree yet.
                Err(Failure::Moved(_) | Failure::Ask(_)) if patience.waits(&self.keeper).await => {
                    let server = self.server(place).map_err(Failure::Backend)?;
                    (node, is_asking, redirections) = (server, false, 0);
                }
                Err(Failure::Moved(_) | Failure::Ask(_)) => {
                    let why = "the Cluster moves the request again and again";
                    return Err(Failure::Backend(BackendError::new(BackendErrorKind::Unreachable).caused_by(why)));
                }
                Err(Failure::TryAgain) if patience.waits(&self.keeper).await => {
                    (node, is_asking) = (self.server(place).map_err(Failure::Backend)?, false);
                }
                Err(failure) => {
                    if failure.is_of_the_request() {
                        doubted.not();
                    }
                    return Err(failure.at(&link.at));
                }
            }
        }
    }

    /// A request is under way. If it does not come to its end, it has contradicted the map.
    pub(super) fn doubted(self: &Arc<Self>) -> Doubted {
        Doubted(Some(Arc::clone(self)))
    }

    /// Something has contradicted the map: reads it again, in the background.
    pub(super) fn suspect(self: &Arc<Self>, moved_to: Option<&Address>) {
        if let Some(to) = moved_to {
            *lock(&self.doubt.moved_to) = Some(to.clone());
        }
        // Relaxed: what a reading has found is behind a mutex. (A doubt that comes just when a reading has looked for
        // one is passed over. The next request that contradicts the map has it again.)
        self.doubt.is_there.store(true, Ordering::Relaxed);
        if self.doubt.is_reading.swap(true, Ordering::Relaxed) {
            return;
        }
        let reading = Reading(Arc::downgrade(self));
        self.keeper.spawn(async move {
            loop {
                let Some(cluster) = reading.0.upgrade() else { return };
                let pause = sleep(&cluster.keeper, READ_PAUSE);
                cluster.doubt.is_there.store(false, Ordering::Relaxed);
                cluster.read().await;
                drop(cluster);
                pause.await;
                if !reading.0.upgrade().is_some_and(|cluster| cluster.doubt.is_there.load(Ordering::Relaxed)) {
                    return;
                }
            }
        });
    }

    /// Reads the map by any server that answers.
    async fn read(&self) {
        let moved_to = lock(&self.doubt.moved_to).take();
        let map = self.map();
        let mut nodes: Vec<Address> = map.nodes().iter().map(|node| node.at().clone()).collect();
        fastrand::shuffle(&mut nodes);
        let mut replicas = map.replicas().to_vec();
        fastrand::shuffle(&mut replicas);
        let seed = self.seed.at().clone();
        let all: Vec<Address> = moved_to.into_iter().chain(nodes).chain(replicas).chain([seed]).collect();
        let mut otherwise = None;
        for patience in READ {
            for at in &all {
                match unless(read(at, &self.keeper), || sleep(&self.keeper, patience)).await {
                    Some(Ok(answer)) if answer.is_well => return self.learn(answer),
                    Some(Ok(answer)) => otherwise = otherwise.or(Some(answer)),
                    Some(Err(_)) | None => {}
                }
            }
            if let Some(answer) = otherwise {
                return self.learn(answer);
            }
        }
    }
}

fn no_map() -> NotOpened {
    NotOpened::new("the server does not say which slots its Cluster has")
}

/// Reads the map by a connection for this alone: a replica, which has no other use, may be asked, too.
async fn read(at: &Address, keeper: &Handle) -> Result<Answer, NotOpened> {
    let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
    let client = Client::open(at.find(keeper).await?)?;
    let mut connection = client.get_multiplexed_async_connection_with_config(&config).await?;
    let questions = map::questions();
    let replies = connection.send_packed_commands(&questions, 0, questions.len()).await?;
    map::answer(at, &replies).ok_or_else(no_map)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a request waits in all, to be sent again.
#[derive(Default)]
struct Patience {
    waited: Duration,
}

impl Patience {
    /// Waits for a pause, each twice as long as the one before. `false`: there was time enough.
    async fn waits(&mut self, keeper: &Handle) -> bool {
        if self.waited >= AGAIN_FOR {
            return false;
        }
        let pause = self.waited.max(AGAIN);
        sleep(keeper, pause).await;
        self.waited += pause;
        true
    }
}

/// A request that contradicts the map, unless it says that it does not.
pub(super) struct Doubted(Option<Arc<Cluster>>);

impl Doubted {
    pub(super) fn not(mut self) {
        self.0 = None;
    }
}

impl Drop for Doubted {
    fn drop(&mut self) {
        if let Some(cluster) = &self.0 {
            cluster.suspect(None);
        }
    }
}

/// A reading of the map, which ends in any way.
struct Reading(Weak<Cluster>);

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(cluster) = self.0.upgrade() {
            // Relaxed: what a reading has found is behind a mutex.
            cluster.doubt.is_reading.store(false, Ordering::Relaxed);
        }
    }
}
