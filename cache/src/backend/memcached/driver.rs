//! The backend, which runs the protocol's machines over the connections.

use super::LONGEST_KEY;
use super::address::{Place, places};
use super::command::{Command, Reply, Request};
use super::link::Link;
use super::node::{LARGE, Node};
use super::servers::Servers;
use super::steps::{
    Changing, Claiming, Counting, Ending, OVERHEAD, Publishing, Renewing, Run, Sending, Step, looked, looking,
};
use crate::backend::connect::ConnectError;
use crate::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Life, Limits, Look, PauseFor, Pending, Published, Renewed,
};
use crate::key::StoredKey;
use crate::time::RegionClock;
use crate::time::keeper::keeper;
use crate::together::together;
use dogpile::Clock;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// The largest item of a server that has not said it yet, and was not told otherwise, in bytes.
const LARGEST_ITEM: usize = 1 << 20;

/// What a server keeps in an item beside key and value, in bytes: 59, and what a later version may add.
const HEADER: usize = 100;

/// A backend on one memcached server, or on several.
///
/// Regions that name the same servers elect one creator among all processes. A `Memcached` may be shared by regions, by
/// an `Arc`; for each server, and each runtime of tokio that asks, it has one connection, and another one for large
/// values (16 KB and more) once there are some, whatever the number of tasks.
///
/// # Round trips
///
/// | operation | round trips |
/// |---|---|
/// | look, which claims what is missing | 1; of many keys 1 to each server |
/// | claim of what was looked at; renew, publish, end | 1. One more look, and another try, if another has come between; one more look if a lease or a pause may last longer than the entry |
/// | claim of whatever is there | 2 |
/// | change | 1 |
/// | count | 2; a reset 1 |
/// | ping | 1 to each server |
/// | connect | 2 |
///
/// # Errors
///
/// An error names the [server](BackendError::server) that has failed.
///
/// A server that is not reached is [`Unreachable`](BackendErrorKind::Unreachable): nothing was executed. For a moment
/// after a failed attempt to connect, 20 ms at first and a second at most, operations fail so without another attempt.
/// A connection that is lost, or closed after a heartbeat without an answer, is [`InDoubt`](BackendErrorKind::InDoubt)
/// for each operation that may have been written, or has taken a step of several. A server without memory for an item
/// is [`Refused`](BackendErrorKind::Refused), and has deleted what was there.
///
/// A key's server is never another one because that one is away: until it is back, what is asked of its keys fails, and
/// a region creates them for its process alone.
///
/// # Waiting
///
/// An operation has no time-out of its own, but for the heartbeat: it asks once a second, and ends a connection whose
/// answer takes four seconds. A region gives each access [`backend_timeout`](crate::RegionBuilder::backend_timeout).
///
/// # Cancel safety
///
/// An operation that is dropped may have been sent, and takes effect then. A connection that is being made goes on
/// being made.
///
/// # Examples
///
/// ```no_run
/// use dogpile_cache::Region;
/// use dogpile_cache::backend::Memcached;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let region = Region::builder("greeting")
///     .far(Memcached::connect("memcached://127.0.0.1").await?)
///     .expires_after(Duration::from_secs(60))
///     .build::<str, String>()?;
/// let greeting = region.get("anna").or_create(async || "hello".to_owned()).await?;
/// assert_eq!(*greeting, "hello");
/// # Ok(())
/// # }
/// ```
pub struct Memcached {
    servers: Servers,
    /// How many claims there were: each has a [`Sending`] of its own. (Relaxed: it orders nothing.)
    claims: AtomicU64,
}

impl Memcached {
    /// Connects to the servers that a URL names.
    ///
    /// | URL | |
    /// |---|---|
    /// | `memcached://HOST[:PORT][,HOST[:PORT]…]` | one server, or several; the port is 11211 if none is named |
    /// | `memcached+unix:///PATH[,/PATH…]` | the same by their sockets |
    ///
    /// Which of several servers has a key is decided by the texts of their addresses: all processes of a fleet write
    /// them alike. Two round trips.
    ///
    /// # Errors
    ///
    /// The URL is none of these, names a server twice, or has a user ([`Malformed`](ConnectError::Malformed)); it has
    /// no scheme ([`NoScheme`](ConnectError::NoScheme)). One of the servers was not reached within two
    /// seconds ([`Unreachable`](ConnectError::Unreachable)). One of them is older than 1.6.12, no memcached, or a proxy
    /// of several ([`Unfit`](ConnectError::Unfit)).
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection.
    pub async fn connect(url: &str) -> Result<Memcached, ConnectError> {
        let memcached = Memcached::lazy(url)?;
        let opened = memcached.servers.all().map(|node| node.opened(false));
        together(opened).await.map_err(|not| {
            let (scheme, why) = (ConnectError::scheme_of(url), not.to_string());
            if not.is_unfit { ConnectError::Unfit { scheme, why } } else { ConnectError::Unreachable { scheme, why } }
        })?;
        Ok(memcached)
    }

    /// Makes the backend of the servers that a URL names, as [`connect`](Memcached::connect) does, but connects when an
    /// operation needs it. A process that is to start while its cache is away does this. Never blocks.
    ///
    /// # Errors
    ///
    /// The URL is none ([`Malformed`](ConnectError::Malformed), [`NoScheme`](ConnectError::NoScheme)), or the operating
    /// system gives no thread for timers.
    pub fn lazy(url: &str) -> Result<Memcached, ConnectError> {
        Memcached::on(RegionClock::Monotonic, url)
    }

    /// The same, by another clock than this machine's: for tests that let time pass on the server and here at once.
    #[doc(hidden)]
    pub fn lazy_by(clock: Arc<dyn Clock>, url: &str) -> Result<Memcached, ConnectError> {
        Memcached::on(RegionClock::Other(clock), url)
    }

    fn on(here: RegionClock, url: &str) -> Result<Memcached, ConnectError> {
        let list = list(url)?;
        let keeper = keeper().map_err(|error| ConnectError::Unreachable {
            scheme: ConnectError::scheme_of(url),
            why: format!("no thread for the connections: {error}"),
        })?;
        Ok(Memcached { servers: Servers::new(list, keeper, here), claims: AtomicU64::new(0) })
    }

    /// Names a second list of servers: that of the last release, or of the next one. Marks and invalidations go
    /// to the servers of both lists; all else goes to this one's. Never blocks.
    ///
    /// Two builds whose lists differ look for some keys at different servers, and what one of them invalidates the
    /// other must not find. So a list is changed in three releases: first `old.formerly(new)`, then
    /// `new.formerly(old)`, and `new` alone once the longest lifetime is over. Counters of keys that move begin anew.
    ///
    /// A server of the second list that is away does not make a key's own server look down. A mark or an invalidation
    /// that the own server has taken, and the second one has not within 200 ms, is an error, of the kind
    /// [`Refused`](BackendErrorKind::Refused) and with that cause, although the own server has executed it. The backend
    /// tells the second server later, twice a second, until that server has answered or the backend was dropped. Until
    /// then builds of the other list may serve the earlier value. The region repeats nothing of it. At most 10,000 keys
    /// are remembered for each server; what is invalidated beyond them is repeated by the region on both servers.
    ///
    /// # Errors
    ///
    /// The URL is none ([`Malformed`](ConnectError::Malformed), [`NoScheme`](ConnectError::NoScheme)).
    pub fn formerly(self, url: &str) -> Result<Memcached, ConnectError> {
        Ok(Memcached { servers: self.servers.formerly(list(url)?), ..self })
    }
}

fn list(url: &str) -> Result<Vec<Place>, ConnectError> {
    let scheme = ConnectError::scheme_of(url);
    match places(url) {
        Some(list) => Ok(list),
        None if scheme.is_empty() => Err(ConnectError::NoScheme),
        None => Err(ConnectError::Malformed { scheme }),
    }
}

/// The place of a key, and its server.
#[derive(Clone, Copy)]
pub(super) struct At<'a> {
    pub(super) key: &'a StoredKey,
    pub(super) node: &'a Arc<Node>,
}

impl Memcached {
    fn at<'a>(&'a self, key: &'a StoredKey) -> At<'a> {
        At { key, node: self.servers.of(key.place()).1 }
    }

    /// Marks or invalidates on the server of a key, and on its former one. Each is told, whatever becomes of the other.
    async fn tell(&self, at: At<'_>, change: Change) -> Result<Changed, BackendError> {
        let Some(former) = self.servers.formerly_of(at.key.place()) else {
            return at.run(Changing::new(at.key.shape(), change)).await;
        };
        let owing = former.owe(at.key, &change);
        let (mut own, mut other) = (None, None);
        let parts: [Pending<'_, ()>; 2] = [
            Box::pin(async {
                own = Some(at.run(Changing::new(at.key.shape(), change)).await);
                Ok(())
            }),
            Box::pin(async {
                other = Some(owing.tell().await);
                Ok(())
            }),
        ];
        together(parts.into_iter()).await?;
        let changed = own.expect("it has ended")?;
        match other.expect("it has ended") {
            Ok(()) => Ok(changed),
            Err(why) => Err(owing.untold(&why)),
        }
    }

    async fn look_one(&self, key: &StoredKey, ask: Option<Ask>) -> Result<Look, BackendError> {
        let At { node, .. } = self.at(key);
        let link = node.opened_to_read(key).await.map_err(|not| not.error())?;
        let reply = link.ask(key, &looking(ask)).await;
        reply.and_then(|reply| seen(node, &link, key, ask, reply)).map_err(|error| error.at(node.at()))
    }

    /// Looks at many keys: one round trip to each server that has some of them.
    async fn look_many(&self, keys: &[StoredKey], ask: Option<Ask>) -> Result<Vec<Look>, BackendError> {
        // Those of a connection.
        let mut parts: Vec<(Arc<Link>, Vec<usize>)> = Vec::new();
        for (index, key) in keys.iter().enumerate() {
            let link = self.at(key).node.opened_to_read(key).await.map_err(|not| not.error())?;
            match parts.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &link)) {
                Some((_, part)) => part.push(index),
                None => parts.push((link, vec![index])),
            }
        }
        let request = &looking(ask);
        let asked = parts.iter().map(|(link, part)| async move {
            let replies = link.ask_all(part.iter().map(|index| (&keys[*index], request))).await;
            let of_server = |error: BackendError| error.at(self.at(&keys[part[0]]).node.at());
            Ok::<_, BackendError>((link, part, replies.map_err(of_server)?))
        });
        let mut looks: Vec<Option<Look>> = vec![None; keys.len()];
        for (link, part, replies) in together(asked).await? {
            for (index, reply) in part.iter().zip(replies) {
                let key = &keys[*index];
                let node = self.at(key).node;
                let look = seen(node, link, key, ask, reply).map_err(|error| error.at(node.at()))?;
                looks[*index] = Some(look);
            }
        }
        Ok(looks.into_iter().map(|look| look.expect("each key was looked at")).collect())
    }
}

/// Returns what a look has found, and notes its size.
fn seen(node: &Node, link: &Link, key: &StoredKey, ask: Option<Ask>, reply: Reply) -> Result<Look, BackendError> {
    if let Reply::Value { value, .. } = &reply {
        node.has_size(key, value.len());
    }
    looked(ask, reply, link.moment()).map_err(|_| link.odd())
}

impl At<'_> {
    /// Runs an operation that stores nothing.
    pub(super) async fn run<R: Run>(self, run: R) -> Result<R::Answer, BackendError> {
        let link = self.node.opened_to_read(self.key).await.map_err(|not| not.error())?;
        self.run_over(&link, run).await
    }

    /// Runs an operation that stores an entry of this size, in bytes.
    async fn store<R: Run>(self, size: usize, run: R) -> Result<R::Answer, BackendError> {
        let is_large = size >= LARGE || self.node.is_large(self.key);
        let link = self.node.opened(is_large).await.map_err(|not| not.error())?;
        let largest = largest_entry(link.largest_item());
        if size > largest {
            let why = format!("an entry of {size} bytes is larger than {largest}");
            return Err(BackendError::new(BackendErrorKind::TooLarge).caused_by(why).at(self.node.at()));
        }
        self.node.has_size(self.key, size);
        self.run_over(&link, run).await
    }

    async fn run_over<R: Run>(self, link: &Link, run: R) -> Result<R::Answer, BackendError> {
        self.steps(link, run).await.map_err(|error| error.at(self.node.at()))
    }

    /// All steps go over one connection, and so to one life.
    async fn steps<R: Run>(self, link: &Link, mut run: R) -> Result<R::Answer, BackendError> {
        let mut step = run.begin(link.moment());
        let mut is_first = true;
        loop {
            let requests = match step {
                Step::Done(answer) => return Ok(answer),
                Step::Ask(requests) => requests,
            };
            let replies = self.ask(link, &requests).await.map_err(|error| match error.kind() {
                // Earlier steps may have changed something.
                BackendErrorKind::Unreachable if !is_first => error.in_doubt(),
                _ => error,
            })?;
            is_first = false;
            step = run.take(replies, link.moment()).map_err(|_| link.odd())?;
        }
    }

    async fn ask(self, link: &Link, requests: &[Request]) -> Result<Vec<Reply>, BackendError> {
        let largest = link.largest_item().saturating_sub(LONGEST_KEY + HEADER);
        for Request { command, .. } in requests {
            // An item that is written anew is as large as one that was appended to at most. All the same: the server
            // would delete what is there.
            if let Command::Store { head, body, .. } = command
                && head.len() + body.len() > largest
            {
                let why = format!("an item of {} bytes is larger than {largest}", head.len() + body.len());
                return Err(BackendError::new(BackendErrorKind::Refused).caused_by(why));
            }
        }
        match requests {
            [request] => Ok(vec![link.ask(self.key, request).await?]),
            requests => link.ask_all(requests.iter().map(|request| (self.key, request))).await,
        }
    }
}

/// The largest entry of a server whose items are that large, in bytes.
fn largest_entry(largest_item: usize) -> usize {
    largest_item.saturating_sub(LONGEST_KEY + HEADER + OVERHEAD)
}

impl Backend for Memcached {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        Box::pin(async move {
            // (In a box, so that the future of a look of one key, which is a hit, is small.)
            let [key] = keys else { return Box::pin(self.look_many(keys, ask)).await };
            Ok(vec![self.look_one(key, ask).await?])
        })
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        let sending = Sending::after(self.claims.fetch_add(1, Relaxed));
        Box::pin(async move { self.at(key).run(Claiming::new(claim, sending)).await })
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        Box::pin(async move { self.at(key).run(Renewing::new(*grant, lease)).await })
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        Box::pin(async move { self.at(key).store(entry.bytes.len(), Publishing::new(*grant, entry)).await })
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        Box::pin(async move { self.at(key).run(Ending::new(*grant, pause)).await })
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        Box::pin(async move {
            let at = self.at(key);
            let size = match &change {
                Change::Set { entry, .. } | Change::SetIf { entry, .. } | Change::Touch { entry, .. } => {
                    entry.bytes.len()
                }
                Change::MarkStale { .. } | Change::Invalidate { .. } => return self.tell(at, change).await,
            };
            at.store(size, Changing::new(key.shape(), change)).await
        })
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        Box::pin(async move { self.at(key).run(Counting::new(count)).await })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            together(self.servers.all().map(|node| async move {
                let link = node.opened(false).await.map_err(|not| not.error())?;
                link.check().await.map_err(|error| error.at(node.at()))
            }))
            .await
            .map(drop)
        })
    }

    fn server_of(&self, key: &StoredKey) -> u64 {
        self.servers.of(key.place()).0
    }

    fn address_of(&self, key: &StoredKey) -> Option<String> {
        Some(self.at(key).node.at().to_string())
    }

    fn life_of(&self, key: &StoredKey) -> Option<Life> {
        self.at(key).node.life()
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::none();
        let largest_item = self.servers.all().map(|node| node.largest_item().unwrap_or(LARGEST_ITEM)).min();
        limits.grain = Duration::from_secs(1);
        limits.largest_entry = largest_entry(largest_item.unwrap_or(LARGEST_ITEM));
        limits.longest_key = LONGEST_KEY;
        limits.has_tombstones = false;
        limits
    }
}

impl fmt::Debug for Memcached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memcached").field("servers", &self.servers).finish_non_exhaustive()
    }
}
