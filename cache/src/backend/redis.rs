//! A backend on Redis servers.
//!
//! # What lies on the server
//!
//! | key | what lies there | written by |
//! |---|---|---|
//! | `{place}@SCHEMA.FORMAT` | an entry: ten bytes that name its state, and the envelope | publish, set, touch, mark |
//! | `{place}@grant` | `g LIFE TOKEN NUMBER BEAT MARK`; `v …` is the tombstone of a voided grant | claim, renew, mark; set and invalidate (tombstones) |
//! | `{place}@pause` | `FAILURES LENGTH`, for twice the length: after the pause its mark is left, so that the count goes on | end |
//! | `{place}@count` | a whole number | count |
//!
//! All of them have a lifetime, but an entry or a counter that was asked to live for ever (G17). All keys of a place
//! lie in one slot of a Cluster, whatever braces the place has. A user needs the rights `~{*` for the keys, `&{*` for
//! the channels, and these commands (each connection calls `HELLO` as well, which needs no right):
//!
//! | | commands |
//! |---|---|
//! | always | `GET`, `DEL`, `INFO`, `TIME`, `EVAL`, `EVALSHA`; in the scripts `SET`, `GETRANGE`, `SETRANGE`, `PTTL`, `INCRBY` |
//! | for looks at several keys of a server by one command; without it by so many `GET`s | `MGET` |
//! | for the signals | `PUBLISH`, `SUBSCRIBE`, `UNSUBSCRIBE` |
//! | with the number of a database | `SELECT` |
//! | on a Cluster | `CLUSTER\|SLOTS`, `ASKING`; for the signals `SPUBLISH`, `SSUBSCRIBE`, `SUNSUBSCRIBE` as well |
//!
//! # States and transitions
//!
//! The states of a place are those of the [module `backend`](crate::backend), and each operation that changes something
//! is one script, which is one step of the server. `G` is the key of the grant, `P` that of the pause, `E` the entry.
//!
//! | operation | the script asks | and does, if so |
//! |---|---|---|
//! | claim | `G` is of another token: *held*, unless it is passed over. `P` lasts: *paused*, unless it is passed through. `E` is not as it was seen: *changed* | `SET G PX lease` |
//! | renew | `G` has token and number, and is no tombstone | `SET G PX lease`, with another beat |
//! | publish | the same | `SET E`, as marked if `G` is; `DEL G P` |
//! | end | the same (a number of 0 is any), or a tombstone of the token | `DEL G`; `SET P`, if the creator has failed |
//! | set, set if | `E` is as it was seen | `SET E`; `G` of any life becomes a tombstone; `DEL P` |
//! | touch | `E` is there, as it was seen | `SET E`, marked as before |
//! | mark | | the flag in `E`, with another number of the state; the flag in `G` of any life |
//! | invalidate | | `DEL E…`; `G` of any life becomes a tombstone; `DEL P` |
//! | count | the sum is within its bounds | `INCRBY`, or `SET PX` |
//!
//! A look is a plain `GET`, which sees the entry alone. So a look tells nothing of grant and pause, and an access that
//! would create asks by its claim. Where many tasks ask, [`gather`](super::gather) makes one request of what they ask
//! at the same moment: an `MGET`, or on a Cluster so many `GET`s in one write.
//!
//! A grant counts in its own life alone: each script is given the life that the server had when the connection was
//! made, and a grant of another life is taken for none. The life is a hash of the server's run and of the history of
//! its data. It is asked for on each connection before anything else, and a heartbeat asks for the history again, once
//! a second: a connection whose server has another history is closed. (A server that is demoted answers no script, and
//! what answers no script ends the connection.)
//!
//! Until the next heartbeat two connections may know two lives of one server: a primary begins another history when its
//! first replica comes. Each takes the other's grants for none, and its claim replaces them. A change that voids or
//! marks a grant does so whatever its life (G3).
//!
//! The *number* of a grant is the server's time in microseconds, in the script; but larger than the number of a grant
//! that is there. So a claim that is executed again after its grant has ended gives another number, and the first
//! holder cannot publish by the second grant (G2), unless the server's clock was set back, and shows the very
//! microsecond again.
//!
//! The last step of a script sends the signal. It comes after the change, so that a waiter that hears it looks at what
//! has changed; and its failure fails nothing. [`hub`] says how signals are heard.
//!
//! # What is retried
//!
//! Nothing that may have been executed. A request that a server of a Cluster has not executed, since the slot is
//! elsewhere or on its way, is [sent again](cluster). A script whose hash the server does not know was not executed,
//! and is sent as text. A connection that has failed is of no use any more: its operations fail, in doubt, and the next
//! operation connects anew. No library does that below us, since what a new connection has to ask first decides what a
//! grant is worth.
//!
//! # What kill -9, a failover and an eviction cost
//!
//! A holder that dies costs one lease. A restart without data is a cold start. A failover loses what was not
//! replicated: grants and tombstones are void, entries of the old life are stale, nothing or as they are, as the region
//! says ([`OtherLife`](crate::OtherLife)). A slot of a Cluster that moves to another server is in another life there,
//! too, although nothing is lost. Behind sentinels a process leaves the old primary within a second or two after most
//! of the [sentinels] name another one; what the process has changed there meanwhile is lost. A server that
//! evicts keys by `volatile-ttl` evicts grants first: each evicted grant may be a second creation, whose first holder
//! is refused. [`Redis::warnings`] says so.

mod address;
mod clock;
mod cluster;
mod entry;
mod failure;
mod hub;
mod keys;
mod link;
mod map;
mod millis;
mod node;
mod reply;
mod request;
mod scripts;
mod sentinels;
mod server;
mod servers;

use self::address::Address;
use self::failure::{Failure, another_dialect};
use self::hub::Hub;
use self::link::{Link, Looked};
use self::request::{Call, Request};
use self::scripts::Script;
use self::servers::{Asked, Servers};
use super::connect::ConnectError;
use crate::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Life, Limits, Look, Over, PauseFor, Pending, Published, Refusal, Renewed, Signals,
};
use crate::codec::Shape;
use crate::key::StoredKey;
use crate::time::keeper::keeper;
use crate::together::together;
use redis::Value;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

/// The largest entry. The server takes half a gigabyte, but an entry that is read holds up all that is asked behind it
/// on the connection, the heartbeat among it.
const LARGEST_ENTRY: usize = 64 << 20;

/// The longest key. The server takes half a gigabyte, but compares and stores each byte of a key; a longer key is
/// hashed, and the entry has the whole of it.
const LONGEST_KEY: usize = 1024;

/// A backend on a Redis server, its replicas behind sentinels, or a Cluster.
///
/// Regions that name the same servers elect one creator among all processes. A `Redis` may be shared by regions, by an
/// `Arc`; it has one connection for each runtime of tokio that asks, whatever the number of tasks.
///
/// # Round trips
///
/// | operation | round trips |
/// |---|---|
/// | look | 1: a plain `GET`; with what other tasks look at in the same moment, and of many keys, 1 to each server: one `MGET`; on a Cluster, or without the right to `MGET`, `GET`s in one write |
/// | claim, renew, publish, end, change, count | 1: a script. Another one, once, on a server that does not know the script yet |
/// | listen | 1, for the first who listens to a place in the process |
/// | ping | 1 to each server. It fails if one of them does not answer |
/// | connect | 2 to each server, and those of TLS and of the user's name |
///
/// # Errors
///
/// An error names the [server](BackendError::server) that has failed.
///
/// A server that is not reached, loads its data, is a replica, or belongs to a Cluster that is down, is
/// [`Unreachable`](BackendErrorKind::Unreachable): nothing was executed. A connection that is lost, or closed after a
/// heartbeat without an answer, is [`InDoubt`](BackendErrorKind::InDoubt) for each operation under way. A look at keys
/// of several servers fails if one of these does; a region looks at the keys of each server by themselves. Each other
/// error of the server is [`Refused`](BackendErrorKind::Refused), `NOPERM` and `OOM` among them, and a connection whose
/// user is not let in is `Unreachable`. But `ERR` for a script of several changes is `InDoubt`: the script may have
/// ended between two of them, for want of a right. No error, and no `Debug`, contains a name or a password.
///
/// A server that has no memory left, and evicts nothing, refuses claims, publications and marks. It goes on to answer
/// looks, to end grants and to invalidate.
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
/// use dogpile_cache::backend::Redis;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let region = Region::builder("greeting")
///     .far(Redis::connect("redis://127.0.0.1/").await?)
///     .expires_after(Duration::from_secs(60))
///     .build::<str, String>()?;
/// let greeting = region.get("anna").or_create(async || "hello".to_owned()).await?;
/// assert_eq!(*greeting, "hello");
/// # Ok(())
/// # }
/// ```
pub struct Redis {
    hub: Arc<Hub>,
    /// What became of the last signal.
    mute: AtomicU8,
}

/// No signal was sent yet.
const UNKNOWN: u8 = 0;
/// The signal was sent.
const HEARD: u8 = 1;
/// The user has no right to the channel.
const MUTE: u8 = 2;

/// What may make a server give less than it could.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RedisWarning {
    /// The server has a bound of its memory, and evicts keys by this policy: with its grants, if there are no other
    /// keys to evict. Each evicted grant may be a second creation. By `volatile-ttl` grants go first.
    Evicts {
        /// The policy, as `maxmemory-policy` names it.
        policy: String,
    },
    /// This user has no right to the channels of the signals, so that those who wait for another process poll.
    NoChannels,
    /// A server of the Cluster was not reached by [`connect`](Redis::connect), nor since then: its keys are those of a
    /// backend that is down.
    Away {
        /// The address of the server.
        server: String,
        /// Why it was not reached.
        why: String,
    },
}

impl fmt::Display for RedisWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RedisWarning::Evicts { policy } => write!(f, "the server evicts keys by {policy}, grants among them"),
            RedisWarning::NoChannels => f.write_str("the user has no right to the channels {*@signal"),
            RedisWarning::Away { server, why } => {
                write!(f, "the server {server} of the Cluster was not reached: {why}")
            }
        }
    }
}

impl Redis {
    /// Connects to the server that a URL names, or to the Cluster that the server belongs to.
    ///
    /// | URL | |
    /// |---|---|
    /// | `redis://[USER][:PASSWORD@]HOST[:PORT][/DATABASE]` | one server, or a Cluster by one of its servers |
    /// | `rediss://…` | the same by TLS (feature `redis-tls`), with the operating system's certificates, or those of `lazy_trusting` |
    /// | `unix:///PATH[?db=…&user=…&pass=…]` | one server by its socket |
    /// | `redis+sentinel://[USER][:PASSWORD@]HOST[:PORT][,HOST[:PORT]…]/SERVICE[/DATABASE]` | the primary of a service, by its sentinels. User and password are those of the primary |
    ///
    /// Two round trips, and those of TLS and of the user's name. A Cluster: the same for each of its servers, all at
    /// once. A Cluster needs the server that the URL names, which tells of the others. If one of the others is not
    /// reached, that is a [warning](RedisWarning::Away), and the operations on its keys connect to it later.
    ///
    /// What the server gives less than it could is told by [`warnings`](Redis::warnings), and by events of the feature
    /// `tracing`.
    ///
    /// # Errors
    ///
    /// The URL is none of these ([`Malformed`](ConnectError::Malformed)). The server was not reached within two
    /// seconds, takes no writes, or does not let this user in ([`Unreachable`](ConnectError::Unreachable)). The server,
    /// or another one of its Cluster, is older than 6.2, or no Redis ([`Unfit`](ConnectError::Unfit)).
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped leaves no connection.
    pub async fn connect(url: &str) -> Result<Redis, ConnectError> {
        let redis = Redis::lazy(url)?;
        redis.hub.servers.connect().await.map_err(|not| {
            let (scheme, why) = (ConnectError::scheme_of(url), not.to_string());
            if not.is_unfit { ConnectError::Unfit { scheme, why } } else { ConnectError::Unreachable { scheme, why } }
        })?;
        #[cfg(feature = "tracing")]
        for warning in redis.warnings() {
            tracing::warn!(target: "dogpile_cache", %warning, "a backend gives less than it could");
        }
        Ok(redis)
    }

    /// Makes the backend of the servers that a URL names, as [`connect`](Redis::connect) does, but connects when an
    /// operation needs it. A process that is to start while its cache is away does this. Never blocks.
    ///
    /// # Errors
    ///
    /// The URL names nothing ([`Malformed`](ConnectError::Malformed)), or the operating system gives no thread for
    /// timers.
    pub fn lazy(url: &str) -> Result<Redis, ConnectError> {
        Redis::at(url, Address::of(url))
    }

    /// Makes the backend of a server that shows a certificate of the program's own authority, as [`lazy`](Redis::lazy)
    /// does. `roots` are the certificates of the authorities to trust, as PEM: these alone, not those of the operating
    /// system. Never blocks. [`ping`](Backend::ping) connects.
    ///
    /// # Errors
    ///
    /// The URL is no `rediss:` URL, or `roots` has no certificate, or one that cannot be read
    /// ([`Malformed`](ConnectError::Malformed)). The operating system gives no thread for timers.
    #[cfg(feature = "redis-tls")]
    pub fn lazy_trusting(url: &str, roots: &[u8]) -> Result<Redis, ConnectError> {
        Redis::at(url, Address::of(url).and_then(|at| at.trusting(roots)))
    }

    fn at(url: &str, at: Option<Address>) -> Result<Redis, ConnectError> {
        let scheme = ConnectError::scheme_of(url);
        let at = match at {
            Some(at) => at,
            None if scheme.is_empty() => return Err(ConnectError::NoScheme),
            None => return Err(ConnectError::Malformed { scheme }),
        };
        let keeper = keeper().map_err(|error| ConnectError::Unreachable {
            scheme,
            why: format!("no thread for the connections: {error}"),
        })?;
        let hub = Hub::new(keeper.clone(), |on_push| Servers::new(at, keeper, on_push));
        Ok(Redis { hub, mute: AtomicU8::new(UNKNOWN) })
    }

    /// Returns what may make a server give less than it could, as the connections that are open have found. Never
    /// blocks.
    #[must_use]
    pub fn warnings(&self) -> Vec<RedisWarning> {
        let mut warnings = Vec::new();
        let mut warn = |warning| {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        };
        // Relaxed: nothing else depends on it.
        let signalled = self.mute.load(Ordering::Relaxed);
        let mut is_mute = signalled == MUTE;
        for link in self.hub.servers.open() {
            if let Some(policy) = &link.said.evicts {
                warn(RedisWarning::Evicts { policy: policy.clone() });
            }
            // (A user may have the rights to the channels of its regions alone.)
            is_mute |= link.said.is_mute && signalled == UNKNOWN;
        }
        if is_mute {
            warn(RedisWarning::NoChannels);
        }
        self.hub.servers.away().into_iter().for_each(|(server, why)| warn(RedisWarning::Away { server, why }));
        warnings
    }
}

/// The reply to a request.
type Reply = (Value, reply::From);

impl Redis {
    /// Asks the server that has a key.
    async fn ask(&self, key: &StoredKey, request: impl Into<Request>) -> Result<Reply, BackendError> {
        let reply = self.ask_in(None, key, request).await?;
        Ok(reply.expect("nothing but a grant is of a life"))
    }

    /// Asks the server that has a key; for a grant, in its life. `None`: it is of another one.
    async fn ask_in(
        &self,
        of: Option<Life>,
        key: &StoredKey,
        request: impl Into<Request>,
    ) -> Result<Option<Reply>, BackendError> {
        takes(key)?;
        let request = request.into();
        let (value, link) = match self.hub.servers.ask(key.place(), &request, of).await {
            Ok(Asked::Replied(value, link)) => (value, link),
            Ok(Asked::OtherLife) => return Ok(None),
            Err(failure) => return Err(self.at_server(key)(failure.error())),
        };
        if request.signals() {
            // Relaxed: nothing else depends on it.
            self.mute.store(if reply::is_mute(&value) { MUTE } else { HEARD }, Ordering::Relaxed);
        }
        Ok(Some((value, from(&link))))
    }

    /// Names the server of a key in an error that names none.
    fn at_server<'a>(&'a self, key: &'a StoredKey) -> impl FnOnce(BackendError) -> BackendError + 'a {
        |error| error.at_if_known(self.address_of(key))
    }

    /// Reads a text.
    async fn get(&self, key: &StoredKey, name: String) -> Result<(Option<Vec<u8>>, reply::From), BackendError> {
        let (value, from) = self.ask(key, Request::Look(name)).await?;
        Ok((reply::found(value).map_err(self.at_server(key))?, from))
    }
}

fn from(link: &Link) -> reply::From {
    reply::From { now: link.clock.millis(), life: link.life() }
}

fn takes(key: &StoredKey) -> Result<(), BackendError> {
    let long = key.full().len();
    if long <= LONGEST_KEY {
        return Ok(());
    }
    let why = format!("a key of {long} bytes is longer than {LONGEST_KEY}");
    Err(BackendError::new(BackendErrorKind::Refused).caused_by(why))
}

fn hex(number: u64) -> String {
    format!("{number:016x}")
}

impl Backend for Redis {
    fn look<'a>(&'a self, keys: &'a [StoredKey], _ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        Box::pin(async move {
            // (In a box, so that the future of a look of one key, which is a hit, is small. The same goes for what is
            // rare in the modules below.)
            let [key] = keys else { return Box::pin(self.look_many(keys)).await };
            Ok(vec![self.look_one(key).await?])
        })
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        Box::pin(async move {
            let over = match claim.over {
                Over::Nobody => String::new(),
                Over::Dead(token, beat) => format!("{} {beat}", hex(token.0)),
                Over::Anyone => "*".to_owned(),
            };
            let call = Call::on(&scripts::CLAIM, key)
                .with(hex(claim.token.0))
                .with(millis::bounded(claim.lease))
                .with(entry::seen(claim.seen.as_ref()))
                .with(over)
                .with(if claim.through_pause { "1" } else { "0" });
            let (value, from) = self.ask(key, call).await?;
            reply::claimed(value, claim.token, from).map_err(self.at_server(key))
        })
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        Box::pin(async move {
            let call = held(&scripts::RENEW, key, grant).with(millis::bounded(lease));
            match self.ask_in(Some(grant.life), key, call).await? {
                Some((value, _)) => reply::renewed(value, grant).map_err(self.at_server(key)),
                None => Ok(Renewed::Lost(Refusal::OtherLife)),
            }
        })
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        Box::pin(async move {
            let call = storing(held(&scripts::PUBLISH, key, grant), &entry)?.signals(key);
            match self.ask_in(Some(grant.life), key, call).await? {
                Some((value, _)) => reply::published(value).map_err(self.at_server(key)),
                None => Ok(Published::Refused(Refusal::OtherLife)),
            }
        })
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        Box::pin(async move {
            let PauseFor { failures, pause } = pause.unwrap_or(PauseFor { failures: 0, pause: Duration::ZERO });
            let (length, twice) = millis::pause(pause);
            let call = held(&scripts::END, key, grant).with(failures.to_string()).with(length).with(twice);
            match self.ask_in(Some(grant.life), key, call.signals(key)).await? {
                Some((value, _)) => reply::ended(value).map_err(self.at_server(key)),
                None => Ok(Ended::Lost(Refusal::OtherLife)),
            }
        })
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        Box::pin(async move {
            let (value, from) = self.ask(key, changing(key, change)?.signals(key)).await?;
            reply::changed(value, from).map_err(self.at_server(key))
        })
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        Box::pin(async move {
            let (delta, ceiling, lifetime) = match count {
                Count::Get => {
                    let (found, _) = self.get(key, keys::count(key)).await?;
                    return Ok(Counted::Now(found.map_or(0, |text| reply::counter(&text))));
                }
                Count::Reset => {
                    self.ask(key, redis::cmd("DEL").arg(keys::count(key))).await?;
                    return Ok(Counted::Now(0));
                }
                Count::Add { delta, ceiling, lifetime } => (delta, ceiling, lifetime),
            };
            let ceiling = i64::try_from(ceiling).unwrap_or(i64::MAX);
            let largest = match delta {
                1.. if ceiling < delta => String::new(),
                1.. => (ceiling - delta).to_string(),
                _ => i64::MAX.to_string(),
            };
            let call = Call::on_count(&scripts::COUNT, key).with(delta.to_string()).with(largest);
            let (value, _) = self.ask(key, call.with(millis::lifetime(lifetime))).await?;
            reply::counted(value).map_err(self.at_server(key))
        })
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async move {
            let links = self.hub.servers.all().await.map_err(|not| not.error())?;
            together(links.iter().map(|link| async { link.check().await.map_err(|failure| link.error(failure)) }))
                .await?;
            Ok(())
        })
    }

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        Some(Box::pin(async move {
            takes(key)?;
            self.hub.listen(key).await
        }))
    }

    fn server_of(&self, key: &StoredKey) -> u64 {
        self.hub.servers.number(key.place())
    }

    fn address_of(&self, key: &StoredKey) -> Option<String> {
        self.hub.servers.address(key.place())
    }

    fn life_of(&self, key: &StoredKey) -> Option<Life> {
        self.hub.servers.life(key.place())
    }

    fn limits(&self) -> Limits {
        let mut limits = Limits::none();
        (limits.largest_entry, limits.longest_key) = (LARGEST_ENTRY, LONGEST_KEY);
        limits.has_signals = true;
        limits
    }
}

impl Redis {
    /// Looks at one key. A hit by one server, with a connection that is open, needs nothing else.
    async fn look_one(&self, key: &StoredKey) -> Result<Look, BackendError> {
        let (found, from) = match self.hub.servers.ready() {
            Some(link) => {
                takes(key)?;
                let (found, now) = match link.look(&keys::parts(key)).await {
                    Ok(Looked { text, now }) => (reply::found(text).map_err(|error| error.at(&link.at))?, now),
                    Err(Failure::WrongType) => (None, link.clock.millis()),
                    Err(failure) => return Err(link.error(failure)),
                };
                (found, reply::From { now, life: link.life() })
            }
            None => Box::pin(self.get(key, keys::entry(key))).await?,
        };
        Ok(entry::look(found, from.now, from.life))
    }

    /// Looks at many keys: one round trip to each server that has some of them.
    async fn look_many(&self, keys: &[StoredKey]) -> Result<Vec<Look>, BackendError> {
        // Those of a server, by its connection.
        let mut parts: Vec<(Arc<Link>, Vec<usize>)> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            takes(key)?;
            let link = self.hub.servers.link(key.place()).await?;
            match parts.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &link)) {
                Some((_, part)) => part.push(at),
                None => parts.push((link, vec![at])),
            }
        }
        let doubted = self.hub.servers.doubted();
        let mut looks: Vec<Option<Look>> = vec![None; keys.len()];
        let parts = parts
            .iter()
            .map(|(link, part)| async move { Ok::<_, BackendError>((part, look_at(link, keys, part).await?)) });
        for (part, found) in together(parts).await? {
            for (at, look) in part.iter().zip(found) {
                looks[*at] = look;
            }
        }
        if let Some(doubted) = doubted {
            doubted.not();
        }
        // Keys that were moved to other servers: they are asked for there, all at once.
        let moved = looks.iter().enumerate().filter(|(_, look)| look.is_none()).map(|(at, _)| at).collect::<Vec<_>>();
        let moved =
            moved.into_iter().map(|at| async move { Ok::<_, BackendError>((at, self.look_one(&keys[at]).await?)) });
        for (at, look) in together(moved).await? {
            looks[at] = Some(look);
        }
        Ok(looks.into_iter().map(|look| look.expect("each key was looked at")).collect())
    }
}

/// Looks at some of the keys on one server. `None`: the key is not there, but on another server.
async fn look_at(link: &Arc<Link>, keys: &[StoredKey], part: &[usize]) -> Result<Vec<Option<Look>>, BackendError> {
    let names: Vec<String> = part.iter().map(|at| keys::entry(&keys[*at])).collect();
    let replies = link.texts(names.iter().map(String::as_str)).await.map_err(|failure| link.error(failure))?;
    if replies.len() != part.len() {
        return Err(another_dialect().at(&link.at));
    }
    let from = from(link);
    let look = |reply| match link.value(reply) {
        Ok(value) => {
            let found = reply::found(value).map_err(|error| error.at(&link.at))?;
            Ok(Some(entry::look(found, from.now, from.life)))
        }
        Err(Failure::WrongType) => Ok(Some(Look::missing(from.now, from.life))),
        Err(Failure::Moved(_) | Failure::Ask(_)) => Ok(None),
        Err(failure) => Err(link.error(failure)),
    };
    replies.into_iter().map(look).collect()
}

/// Returns the call of a script that a holder of a grant makes.
fn held(script: &'static Script, key: &StoredKey, grant: &Grant) -> Call {
    Call::on(script, key).with(hex(grant.token.0)).with(grant.cas.to_string())
}

/// Adds what is stored.
fn storing(call: Call, entry: &Entry) -> Result<Call, BackendError> {
    let large = entry.bytes.len();
    if large > LARGEST_ENTRY {
        let why = format!("an entry of {large} bytes is larger than {LARGEST_ENTRY}");
        return Err(BackendError::new(BackendErrorKind::TooLarge).caused_by(why));
    }
    Ok(call.with(entry::written(&entry.bytes)).with(millis::lifetime(entry.lifetime)))
}

/// Returns the call of a change.
fn changing(key: &StoredKey, change: Change) -> Result<Call, BackendError> {
    let with_shapes =
        |call: Call, beside: Vec<Shape>| beside.iter().fold(call, |call, shape| call.and(&key.in_shape(*shape)));
    Ok(match change {
        Change::Set { entry, void_pause } => {
            storing(Call::on(&scripts::SET, key), &entry)?.with("*").with(millis::bounded(void_pause))
        }
        Change::SetIf { entry, seen, void_pause } => storing(Call::on(&scripts::SET, key), &entry)?
            .with(entry::seen(Some(&seen)))
            .with(millis::bounded(void_pause)),
        Change::Touch { entry, seen } => {
            storing(Call::on(&scripts::TOUCH, key), &entry)?.with(entry::seen(Some(&seen)))
        }
        Change::MarkStale { beside } => with_shapes(Call::on(&scripts::MARK, key), beside).with(entry::number()),
        Change::Invalidate { beside, void_pause } => {
            with_shapes(Call::on(&scripts::INVALIDATE, key), beside).with(millis::bounded(void_pause))
        }
    })
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("servers", &self.hub.servers).finish_non_exhaustive()
    }
}
