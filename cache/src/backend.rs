//! What a region asks of the place where its entries lie: the operations, on paper and as a trait.
//!
//! The paper came first. It says for each operation what must be atomic, what the four backends do for it, and how many
//! round trips that takes. The trait [`Backend`] is the smallest interface that all four can keep.
//!
//! # What lies on a backend
//!
//! For each [place](crate::key::StoredKey::place) a backend has at most
//!
//! - one *entry* for each shape: an [envelope](crate::envelope::Envelope) with the value's bytes;
//! - one *grant* that is under way, or the *tombstone* of a grant that was voided. The grant is the place's, whatever
//!   the shape: two builds of two schemas create one after the other. (memcached keeps a grant in the entry, so there
//!   each shape has a grant of its own.)
//! - one *pause* after a failure. A grant that has passed through a pause lies over the pause: the pause is there again
//!   if its holder gives up;
//! - one *counter*, which nothing but [`count`](Backend::count) moves.
//!
//! The *rest* of a place is what stands between a missing or old value and a new one: the grant or tombstone if there
//! is one, otherwise the pause. A place without any of them is free.
//!
//! # Lifetimes
//!
//! Everything that a backend writes has a lifetime (G17). An entry, a grant, a tombstone, a pause or a counter that has
//! expired is gone for each operation, whether its memory was given back or not. The mark of a pause outlives the
//! pause, since the count of failures goes on from there.
//!
//! A lifetime is rounded up to the [grain](Limits::grain) of the backend, and nothing expires early. A lifetime of
//! zero expires at once: an entry with that lifetime replaces the old entry and is not found, a pause of zero is no
//! pause (an end with it leaves an earlier pause as it is), and a grant whose lease is zero is lost before its holder
//! can publish. `Duration::MAX`, and any lifetime that ends after the time of the backend's clock, is for ever. `None`
//! is for ever, too.
//!
//! # The life of a grant
//!
//! ```text
//!                 claim                         renew
//!        free ───────────────▶ granted(token) ────────┐
//!         ▲                    │  │  │  ▲             │
//!         │   publish, end     │  │  │  └─────────────┘
//!         ├────────────────────┘  │  │
//!         │   end with a pause    │  │ invalidate, set, set_if that stores
//!         │      ┌── paused ◀─────┘  └──▶ tombstone ──┐
//!         └──────┴── its time is over ────────────────┘ its holder ends, or `void_pause` is over
//! ```
//!
//! | from | operation | to | answer |
//! |---|---|---|---|
//! | free | claim, with what was seen still there | granted | [`Claimed::Granted`] |
//! | free | claim, with something else there | free | [`Claimed::Changed`], with the entry |
//! | granted | claim with the same token | granted | `Granted`: a claim that is sent twice does no harm |
//! | granted | claim with another token | granted | [`Claimed::Held`] |
//! | granted | claim over the dead: the token and the beat are those that the caller has watched for a whole lease | granted to the caller | `Granted` |
//! | granted, tombstone | claim over any other, as another election makes it | granted to the caller | `Granted` |
//! | paused, tombstone | any other claim | as it was | [`Claimed::Paused`], [`Claimed::Held`] |
//! | paused | claim that passes through pauses (a refresh by hand) | granted, over the pause | `Granted` |
//! | granted | renew with its token and number, in the life of the grant | granted, with another beat | yes |
//! | granted | publish with its token and number, in the life of the grant | free; the pause is cleared | yes |
//! | granted | end with its token, and its number or 0, in the life of the grant | paused if a pause was given; else as below the grant | yes |
//! | granted | its lease is over | as below the grant | |
//! | tombstone | publish, end with its token | as below the tombstone | refused |
//! | tombstone | renew with its token | as it was: its holder still creates | refused |
//! | tombstone | claim over the dead | as it was: its time is over soon | [`Claimed::Held`] |
//! | granted to another, by another number, or in another life | renew, publish, end | as it was | refused |
//! | granted in an earlier life | claim | as if it were free | |
//!
//! The rows of a claim are asked in the order of the rest: first the grant or tombstone, then the pause, and what was
//! seen last. So a claim over another's grant is answered `Changed`, too, if the entry is another by now.
//!
//! A grant is known by its *token*, a random number that the process has made before it asks. So a claim whose reply
//! was lost can be sent again, or released. The second claim begins the lease anew, with another beat: its caller
//! counts the lease from the second request, and a process that watches the grant must see that the lease has begun
//! anew. (memcached makes the token of a grant on a missing key itself: there a lost reply costs one lease.)
//!
//! A claim may also arrive late: after the grant of its token was voided or has ended. If the claim is granted then,
//! the token has another grant, which has no holder and costs one lease at most. The holder of the earlier grant must
//! not publish a value of before an invalidation by it. Therefore the backend gives each grant a number of its own,
//! [`Grant::cas`], and `renew` and `publish` ask for it. `end` takes 0 for any number: so a caller that has lost the
//! reply to its claim releases the grant, if there is one.
//!
//! A process that watches a grant takes the same token and beat for the same lease, and a grant whose token and beat it
//! has seen for a whole lease for that of a dead holder. A token can be granted again, by a claim that has arrived
//! late. So the beat is not a count that begins with each grant: for one token a backend never shows the same beat for
//! two grants, or for two renewals (in 2^32 of them). A number of the whole server will do, as the memory has it.
//!
//! To publish is one operation of the backend, conditional on token, number and life (G2). It depends on no clock.
//!
//! # Marks
//!
//! A mark changes the state of the entry, as a `set` does: a claim, a `set_if` or a `touch` that has seen the entry
//! before the mark is answered with what is there now. The mark stays with the entry through a `touch`, and is gone
//! with the entry that replaces the marked one. A grant that was marked publishes a marked entry. A mark where there is
//! neither entry nor grant does nothing.
//!
//! # Counters
//!
//! A counter is a whole number of 0 to 2^63 - 1. Only an addition of more than 0 creates one; its lifetime begins with
//! that addition, and no later move changes it (G12). After its lifetime the counter is missing, and counts from 0. A
//! sum below 0 becomes 0. An addition whose sum would be larger than the ceiling changes nothing, and creates nothing.
//! A subtraction asks for no ceiling.
//!
//! # Signals
//!
//! A backend may tell the accesses that wait at a place that something has happened there: [`listen`](Backend::listen).
//! A signal is a hint, and says "look again" (G16). It is sent after the step that it tells of, never before: an access
//! that looks upon a signal finds what was signalled, or what has come since.
//!
//! | operation | signal |
//! |---|---|
//! | publish that stores; set, set if, touch, mark, if they are not refused | [`Signal::Changed`] |
//! | end of a grant, with a pause or without; the end or refused publication that removes a tombstone | [`Signal::Freed`] |
//! | invalidate | [`Signal::Freed`] |
//! | look, claim, renew, count; what is refused and removes no tombstone; whatever expires | none |
//! | a connection made anew, data that was lost, a failover | [`Signal::Gap`], to all who listen |
//!
//! # The operations by backend
//!
//! | operation | memory | Redis | memcached | PostgreSQL |
//! |---|---|---|---|---|
//! | [`look`](Backend::look) of one key | a mutex | one `GET` | one `mg … N` where the access would create, else `mg` | one `SELECT` by primary key |
//! | of many keys | each key by itself | one `MGET`; on a Cluster `GET`s, pipelined: 1 round trip a node | pipelined, `mn` ends it: 1 round trip a server | one `SELECT … = ANY` |
//! | [`claim`](Backend::claim) | a mutex | one script, on entry and lease | a miss: the look has claimed, or `ms … ME` does. An old value: an append, `ms … MA C` | one function, under a try-lock of the place; `FOR UPDATE SKIP LOCKED` of its rows |
//! | [`renew`](Backend::renew) | a mutex | one script: `SET PX` with a new beat if the token is ours | an append with a new beat; without an old value `ms … C` | the same |
//! | [`publish`](Backend::publish) | a mutex | one script: `SET` and `DEL` of the lease if the token is ours | `ms … C`; on `EX` one look, and if the token is still ours, `ms … C` once more, as stale if the place was marked | the same, tried again while the place is locked |
//! | [`end`](Backend::end) | a mutex | one script | an append; without an old value `md … C`, or `ms … C` with the pause | the same |
//! | [`change`](Backend::change): set | a mutex | one script | `ms`, behind a look for the answer | one function, behind the lock of the place |
//! | set if as seen | a mutex | one script | `ms … C` | the same |
//! | touch | a mutex | one script | `ms … C` | the same |
//! | mark stale, for some shapes | a mutex | one script: a note on entries and lease | `md … I`, pipelined, behind a look for the answer, which asks for no value | the same |
//! | invalidate, for some shapes | a mutex | one script: `DEL` of the entries, tombstone in place of the lease | `md`, pipelined, behind a look for the answer; no tombstone | the same |
//! | [`count`](Backend::count) | a mutex | one script (`INCRBY` keeps the lifetime); `GET`; `DEL` | `ma`, behind a look for the bounds; `mg`; `md` | one function; `SELECT`; `DELETE` |
//! | seen identity ([`Seen`]) | a number of the entry | the first bytes of the entry, with its version | the CAS number that the entry had when it was stored, touched or marked, and the life | the row's version, a random number |
//! | number of a grant ([`Grant::cas`]) | a count | `TIME` in microseconds, in the script | the CAS number | a sequence |
//! | server's clock | the time of day of its clock | `TIME`, once a heartbeat, and estimated between | `time` of `stats`, once a heartbeat, and estimated between | `clock_timestamp()` in each statement |
//! | life | never changes, unless a test says so | hash of `run_id` and `master_replid`, read at connect, and by each heartbeat | process id and start, read at connect | a hash of system, timeline, start, and a row that a crash loses, read at connect |
//! | [`listen`](Backend::listen) | exact, in the process | a channel for each place that is waited for | none: polls | `NOTIFY`, only where a waiter has asked |
//! | grain of leases | as set: 1 ms | 1 ms | 1 s | 1 ms |
//! | largest entry | as set | 64 MB | 1 MB, unless set otherwise | 64 MB |
//! | longest key | as set | 1 KB | 250 bytes | 1 KB |
//!
//! An `add` of a region (store where nothing fresh is) is a look and a set if as seen. A backend reads no envelopes, so
//! that it cannot tell what is fresh; memcached, which keeps grants and pauses in the entry, reads only those parts.
//!
//! # What later parts add
//!
//! - *Tags* (part 6). The versions of tags are captured at the grant, before the source is read, and lie in the
//!   envelope. A look of a tagged entry asks for the versions as well, so the trait gets `versions(&[Tag])` and
//!   `bump(&Tag)`. A version is a random number, compared for equality. A missing version is made anew, so lost state
//!   makes misses.
//! - *Change after commit* (part 7). The outbox sends `change` again until the backend has confirmed it. For that, each
//!   change must do no harm when it arrives twice or late: invalidations and marks do none. `set` is not fenced.
//! - *Another election* (part 5). An advisory lock elects, and its holder claims over any other's token
//!   ([`Over::Anyone`]). So the token fences a holder that was cut off, whatever has elected it.

mod connect;
mod faulty;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod gather;
#[cfg(feature = "memcached")]
#[doc(hidden)] // `tests/round` drives its protocol.
pub mod memcached;
mod memory;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
mod redis;
mod signals;

pub use self::connect::{ConnectError, connect};
pub use self::faulty::{Fault, Faulty};
#[cfg(feature = "memcached")]
pub use self::memcached::Memcached;
pub use self::memory::{Memory, Snapshot};
pub(crate) use self::memory::{Moment, Place};
#[cfg(feature = "postgres")]
pub use self::postgres::{Postgres, PostgresBuilder};
#[cfg(feature = "redis")]
pub use self::redis::{Redis, RedisWarning};
pub use self::signals::{Listener, Listeners, Signal, Signals};

use crate::codec::Shape;
use crate::key::StoredKey;
use bytes::Bytes;
use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// A future that a backend returns. It is boxed, since a region does not know the type of its backend. The box is small
/// beside a round trip.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, BackendError>> + Send + 'a>>;

/// A place where the entries of regions lie.
///
/// Each method is one step: nothing of another client takes effect in the middle of it. The [module docs](self) say
/// what each step does, and what it costs on each backend.
///
/// # Errors
///
/// A method that changes something returns an error only if the backend cannot have done it, or if nobody can know. The
/// kind of the error tells these two apart: see [`BackendError::is_in_doubt`]. A method tries nothing again by itself,
/// nor does the client below it: the second execution of a [`publish`](Backend::publish), of a
/// [`SetIf`](Change::SetIf) or of a [`Touch`](Change::Touch) looks refused, although the first one has stored.
/// An entry or a key that is larger than the [limits](Backend::limits) is an error before anything is sent.
///
/// # Threads
///
/// Each method may be called by any thread, at any time. A region renews a lease by another thread than the one that
/// has claimed, while a creation runs.
///
/// # Cancel safety
///
/// A future that is dropped may have taken effect, or may take effect later. A claim that was dropped is therefore
/// released by its caller, by an [`end`](Backend::end) with its token.
pub trait Backend: Send + Sync + 'static {
    /// Returns what lies on the backend for each key, in the order of the keys. One round trip to each server.
    ///
    /// A look succeeds or fails as a whole. A region looks at the keys of each [server](Backend::server_of) by a look
    /// of their own, all these looks at once, so that a server that is down fails its own keys alone. Only while a
    /// backend does not know its servers, or when a key has just moved to another one, a look has keys of several
    /// servers.
    ///
    /// With an [`Ask`], the access would create if there were nothing. A backend whose look can claim by the same step
    /// (memcached) then grants a key that has neither an entry nor a rest. No other backend does.
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>>;

    /// Asks for the right to create the entry of a key. One round trip.
    ///
    /// A claim that is granted has its lease from when the backend executes the claim.
    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed>;

    /// Begins the lease of a grant anew, from when the backend executes this, with another beat. One round trip.
    ///
    /// A renewal that is refused since the grant was voided leaves the tombstone: the holder has learned that its grant
    /// is void, but its creation goes on, and the tombstone keeps the next creation from beginning beside it.
    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed>;

    /// Stores an entry and ends its grant, if the backend still has this grant: token, number and life (G2). Clears
    /// the pause. One round trip; three on memcached where the entry was marked or touched meanwhile.
    ///
    /// A publication that is refused since the grant was voided ends the tombstone. An entry that is too large is an
    /// error, and changes nothing: the grant is still there, and so is the old entry.
    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published>;

    /// Ends a grant without a value, if the backend still has it. A [number](Grant::cas) of 0 is any: the grant of a
    /// token whose number the caller does not know. With a pause, the pause takes the place of the grant in the same
    /// step (G8); without one, a pause that the grant has passed through is there again. The end of a voided grant
    /// removes its tombstone, and sets no pause. One round trip.
    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended>;

    /// Changes the entry of a key from outside of any creation. One round trip.
    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed>;

    /// Reads, moves or deletes the counter of a place (G12). One round trip.
    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted>;

    /// Begins to listen to the [signals](Signals) of the place of a key. `None`: this backend has none, as by default.
    ///
    /// Once the future has returned, what happens at the place is signalled, also what happens before
    /// [`heard`](Signals::heard) is called. What happened before need not be: the caller looks after it has begun to
    /// listen. One round trip, or none if this process listens to the place already: however many of its accesses
    /// listen, they are one subscription. The signals of other shapes of the place are heard, too.
    ///
    /// A backend that has signals says so by [`Limits::has_signals`] as well: a region asks only then.
    ///
    /// # Errors
    ///
    /// The backend cannot listen now. That says nothing of its other operations. A caller then waits by polls.
    ///
    /// # Cancel safety
    ///
    /// A future that is dropped listens to nothing any more, nor do [`Signals`] that are dropped. What the server must
    /// be told of that is sent later, by the backend.
    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        let _ = key;
        None
    }

    /// Makes one round trip to each server that does nothing.
    fn ping(&self) -> Pending<'_, ()>;

    /// Returns the number of the server that has this key. Never blocks.
    ///
    /// A region that a server does not answer leaves that server in peace for a moment, and goes on asking the others.
    /// The number is a hint: it may change at any time, and an operation goes to the server that has the key by then.
    /// Keys of different servers never have the same number, unless the backend does not know its servers yet. A
    /// backend of one server has the default. One that passes its operations on to another backend passes this on, too.
    fn server_of(&self, key: &StoredKey) -> u64 {
        let _ = key;
        0
    }

    /// Returns the address of the server that has this key, for the errors of those whom it does not answer: without
    /// credentials. `None`: the backend does not know it, or has no server, as by default. Never blocks.
    fn address_of(&self, key: &StoredKey) -> Option<String> {
        let _ = key;
        None
    }

    /// Returns the life of the server that has this key, if the backend knows it without asking. Never blocks.
    ///
    /// A backend of several servers implements this, since each of them has a life of its own. For a backend that does
    /// not, the life is that of the last look, whatever its key.
    fn life_of(&self, key: &StoredKey) -> Option<Life> {
        let _ = key;
        None
    }

    /// Returns whether the server that has this key has said just now that another transaction keeps the key locked.
    /// `false`: no, or the backend does not know, or has no such locks, as by default. Never blocks.
    ///
    /// An operation on such a key may take until that transaction ends. A region that gives it up then does not take
    /// the server for one that does not answer: the other keys go on. The answer is a hint. A backend that passes its
    /// operations on to another backend passes this on, too.
    fn is_locked(&self, key: &StoredKey) -> bool {
        let _ = key;
        false
    }

    /// Returns the tables that this backend has its entries in, for what is changed within a transaction of the
    /// caller's ([`Region::invalidate_in`](crate::Region::invalidate_in) and others). `None`: it has none, as by
    /// default. Never blocks. A backend that passes its operations on to another one as they are passes this on, too.
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    fn tables(&self) -> Option<&Postgres> {
        None
    }

    /// Returns what the backend takes, and how exact it is. Never blocks.
    fn limits(&self) -> Limits;
}

/// A backend that several regions, or the processes of a test, share.
impl<B: Backend + ?Sized> Backend for Arc<B> {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        (**self).look(keys, ask)
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        (**self).claim(key, claim)
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        (**self).renew(key, grant, lease)
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        (**self).publish(key, grant, entry)
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        (**self).end(key, grant, pause)
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        (**self).change(key, change)
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        (**self).count(key, count)
    }

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        (**self).listen(key)
    }

    fn ping(&self) -> Pending<'_, ()> {
        (**self).ping()
    }

    fn server_of(&self, key: &StoredKey) -> u64 {
        (**self).server_of(key)
    }

    fn address_of(&self, key: &StoredKey) -> Option<String> {
        (**self).address_of(key)
    }

    fn life_of(&self, key: &StoredKey) -> Option<Life> {
        (**self).life_of(key)
    }

    fn is_locked(&self, key: &StoredKey) -> bool {
        (**self).is_locked(key)
    }

    #[cfg(feature = "postgres")]
    fn tables(&self) -> Option<&Postgres> {
        (**self).tables()
    }

    fn limits(&self) -> Limits {
        (**self).limits()
    }
}

/// What a backend takes, and how exact it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The shortest time that the backend tells from none: lifetimes are rounded up to a multiple of it, and a holder's
    /// own lease ends that much earlier (G6).
    pub grain: Duration,
    /// The largest entry, in bytes, with its envelope.
    pub largest_entry: usize,
    /// The longest [full key](StoredKey::full), in bytes.
    pub longest_key: usize,
    /// Whether a voided grant leaves a tombstone, so that invalidations cannot make one creation begin after the other
    /// (G1).
    pub has_tombstones: bool,
    /// Whether the backend has [signals](Backend::listen), so that it is worth a round trip to listen.
    pub has_signals: bool,
}

impl Limits {
    /// Returns limits without bounds: a grain of one millisecond, entries and keys of any size, with tombstones. A
    /// backend that has signals sets [`has_signals`](Self::has_signals) itself.
    #[must_use]
    pub const fn none() -> Limits {
        let (largest_entry, longest_key) = (usize::MAX, usize::MAX);
        let grain = Duration::from_millis(1);
        Limits { grain, largest_entry, longest_key, has_tombstones: true, has_signals: false }
    }
}

/// What a grant is known by: a random number that the process has made before it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token(pub u64);

impl Token {
    /// Makes a token. It is not 0, and any two tokens of a fleet are different but for a chance of 1 in 2^64.
    #[must_use]
    pub fn random() -> Token {
        Token(random().max(1))
    }
}

/// Returns a number that no other process draws, but for that chance. (The generator of a thread goes on as it is in
/// the children of fork(2), so that two of them draw the same: their ids tell them apart.)
pub(crate) fn random() -> u64 {
    let process = u64::from(std::process::id()).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    fastrand::u64(..) ^ process
}

/// The number of a server's data, from one start, loss or failover to the next. A grant counts only in its own life
/// (G10).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Life(pub u64);

/// The state of an entry that a look has seen, compared for equality. What is in it only the backend knows.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Seen(State);

/// A state. (Each state has one form, so that two of them are equal if their forms are.)
#[derive(Clone, PartialEq, Eq, Hash)]
enum State {
    /// A short one: its length, and its bytes, with zeros behind them. [`NONE`]: there was no entry.
    Short(u8, [u8; SHORT]),
    Long(Bytes),
}

/// The longest state that needs no memory of its own, in bytes. (A state has the size of `Bytes` all the same.)
const SHORT: usize = 23;

/// The length that says that there was no entry.
const NONE: u8 = u8::MAX;

impl Seen {
    /// There was no entry.
    pub const NOTHING: Seen = Seen(State::Short(NONE, [0; SHORT]));

    /// There was an entry, in the state that the backend names so.
    #[must_use]
    pub fn entry(state: impl Into<Bytes>) -> Seen {
        let state = state.into();
        if state.len() <= SHORT { Seen::copied(&state) } else { Seen(State::Long(state)) }
    }

    /// The same, of a copy of the name. Up to 23 bytes allocate nothing.
    #[must_use]
    pub fn copied(state: &[u8]) -> Seen {
        let Some(length) = u8::try_from(state.len()).ok().filter(|length| usize::from(*length) <= SHORT) else {
            return Seen(State::Long(Bytes::copy_from_slice(state)));
        };
        let mut bytes = [0; SHORT];
        bytes[..state.len()].copy_from_slice(state);
        Seen(State::Short(length, bytes))
    }

    /// Returns the backend's name of the state, if there was an entry.
    #[must_use]
    pub fn state(&self) -> Option<&[u8]> {
        match &self.0 {
            State::Short(length, bytes) => bytes.get(..usize::from(*length)),
            State::Long(bytes) => Some(bytes),
        }
    }
}

impl fmt::Debug for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state() {
            None => f.write_str("Nothing"),
            Some(state) => write!(f, "Entry({state:02x?})"),
        }
    }
}

/// What a look asks for, beside what is there: the grant of a key that has nothing, on a backend that can give it by
/// the same step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The token of the grant, if the backend lets its clients choose.
    pub token: Token,
    /// The lease of the grant.
    pub lease: Duration,
}

/// What lies on the backend for a key. A backend begins with [`Look::missing`], and sets what it has found.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Look {
    /// The bytes of the entry, as they were stored; `None` if there is no entry.
    pub entry: Option<Bytes>,
    /// The state of the entry, for a claim or a change that depends on it.
    pub seen: Seen,
    /// Whether the entry was marked stale since it was stored.
    pub is_marked: bool,
    /// The rest of the place, if the look has seen it. (A plain `GET` of Redis has not.)
    pub rest: Option<Rest>,
    /// The server's clock, in milliseconds since the Unix epoch, at some moment between the request and the reply.
    pub now: u64,
    /// The life of the server's data.
    pub life: Life,
}

impl Look {
    /// Returns a look that has found no entry, and has not seen the rest.
    #[must_use]
    pub const fn missing(now: u64, life: Life) -> Look {
        Look { entry: None, seen: Seen::NOTHING, is_marked: false, rest: None, now, life }
    }
}

/// What stands between a missing or old value and a new one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rest {
    /// Nothing.
    Free,
    /// The look has claimed: its caller creates.
    Granted(Grant),
    /// A grant of another holder, or the tombstone of one.
    Held(HeldBy),
    /// A pause after a failure.
    Paused(Pause),
}

/// A right to create that a backend has given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Grant {
    /// The token.
    pub token: Token,
    /// The life in which the grant was given, and counts.
    pub life: Life,
    /// The number that the backend has given to this grant: on memcached it has the CAS number of the item in it. Two
    /// grants of one token differ in it. It is never 0; a caller that does not know the number [ends](Backend::end) the
    /// grant with 0.
    pub cas: u64,
}

/// The grant of another holder.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HeldBy {
    /// The token of that grant.
    pub token: Token,
    /// A number that changes whenever the lease begins anew. For one token a backend never shows the same beat for two
    /// grants, or for two renewals.
    pub beat: u32,
    /// How long its lease lasts from now on, as far as the backend knows; 0 if the backend does not know. A watcher
    /// whose own lease is shorter waits for that long, but no longer than a creation may take.
    pub lease_left: Duration,
    /// Whether the grant was voided, so that this is its tombstone.
    pub is_void: bool,
}

/// A pause after a failure, in which no creator is called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    /// How many creations in a row have failed.
    pub failures: u32,
    /// How long the pause lasts from now on.
    pub left: Duration,
}

/// A pause that the end of a grant begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PauseFor {
    /// How many creations in a row have failed.
    pub failures: u32,
    /// How long the pause lasts. The backend keeps its mark twice as long, so that the count goes on. Zero is no pause:
    /// an end with it is one without a pause.
    pub pause: Duration,
}

/// How a process asks for a grant. A caller begins with [`Claim::new`], and sets what it asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Claim {
    /// The token of the grant that is asked for.
    pub token: Token,
    /// The state of the entry that the caller has seen. If the entry is in another state by now, nothing is granted,
    /// since the entry may be fresh (G1). `None` is for a creation whatever is there.
    pub seen: Option<Seen>,
    /// The lease, from when the backend executes the claim.
    pub lease: Duration,
    /// The grants that the claim passes over.
    pub over: Over,
    /// Whether the claim passes through a pause, as a refresh by hand does.
    pub through_pause: bool,
}

impl Claim {
    /// Returns a claim whatever the entry is, that passes over no grant and through no pause.
    #[must_use]
    pub const fn new(token: Token, lease: Duration) -> Claim {
        Claim { token, seen: None, lease, over: Over::Nobody, through_pause: false }
    }
}

/// The grants that a claim passes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Over {
    /// None: the rest must be free.
    Nobody,
    /// The grant of a holder that is dead: the caller has seen this token and this beat for a whole lease of its own
    /// monotonic clock (G5). A tombstone is not passed over, since its time is over soon.
    Dead(Token, u32),
    /// Any other grant, and its tombstone: something else than the backend has elected the caller.
    Anyone,
}

/// The answer to a claim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claimed {
    /// The caller creates.
    Granted {
        /// The right to create.
        grant: Grant,
        /// How many creations in a row had failed before, as far as the backend still knows: the number of the last
        /// [`PauseFor`], until twice its pause is over or something was stored.
        failures: u32,
    },
    /// The entry is in another state than the caller has seen: this is what is there.
    Changed(Look),
    /// Another holder creates, or a voided grant has not ended.
    Held(HeldBy),
    /// A creation has failed a short time ago.
    Paused(Pause),
}

/// The answer to a renewal of a lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewed {
    /// The lease has begun anew. This is the grant from now on.
    Yes(Grant),
    /// The backend does not have the grant any more.
    Lost(Refusal),
}

/// An entry to be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The bytes of its envelope.
    pub bytes: Bytes,
    /// How long the backend keeps the entry. `None`: for ever.
    pub lifetime: Option<Duration>,
}

/// The answer to a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Published {
    /// The entry is stored.
    Fresh,
    /// The entry is stored, and marked stale, as the place was marked during the creation.
    Stale,
    /// The entry is not stored.
    Refused(Refusal),
}

/// Why the backend does not have a grant any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// An invalidation or a `set` has voided it.
    Voided,
    /// Another holder has a grant of this place by now.
    Overtaken,
    /// There is no such grant: its lease is over, or the server has lost it.
    Gone,
    /// The grant is of an earlier life.
    OtherLife,
}

impl Refusal {
    /// Returns the refusal that scripts and functions name by this word. `None`: another one.
    #[cfg(any(feature = "postgres", feature = "redis"))]
    fn of(word: &str) -> Option<Refusal> {
        match word {
            "gone" => Some(Refusal::Gone),
            "overtaken" => Some(Refusal::Overtaken),
            "voided" => Some(Refusal::Voided),
            _ => None,
        }
    }
}

/// The answer to the end of a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The grant has ended, and the pause has begun, if one was given.
    Yes,
    /// The backend did not have the grant any more.
    Lost(Refusal),
}

/// A change of an entry from outside of any creation. What it does to the value, to a grant and to a pause is one step.
///
/// A change that voids a grant leaves its tombstone. The tombstone is gone once the holder of the grant ends, and lives
/// for `void_pause` at most. A `void_pause` of zero leaves none.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Stores an entry, whatever is there. Voids the grant, clears the pause.
    Set {
        /// What is stored.
        entry: Entry,
        /// How long the tombstone of the grant lives.
        void_pause: Duration,
    },
    /// Stores an entry if the one there is in this state. If so: voids the grant, clears the pause.
    SetIf {
        /// What is stored.
        entry: Entry,
        /// The state that the caller has seen: [`Seen::NOTHING`] stores where no entry is.
        seen: Seen,
        /// How long the tombstone of the grant lives.
        void_pause: Duration,
    },
    /// Gives the entry other bytes (an envelope with another lifetime) and another lifetime, if the entry is in this
    /// state. Mark, grant and pause stay. Where no entry is, nothing is stored, whatever was seen.
    Touch {
        /// What the entry becomes.
        entry: Entry,
        /// The state that the caller has seen.
        seen: Seen,
    },
    /// Marks the entries of these shapes stale, and what a grant publishes next. Grant and pause stay.
    MarkStale {
        /// The shapes beside that of the key.
        beside: Vec<Shape>,
    },
    /// Deletes the entries of these shapes. Voids the grant, clears the pause.
    Invalidate {
        /// The shapes beside that of the key.
        beside: Vec<Shape>,
        /// How long the tombstone of the grant lives.
        void_pause: Duration,
    },
}

/// The answer to a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The change is done.
    Yes {
        /// Whether there was an entry before, of the shape of the key.
        was_there: bool,
        /// Whether a grant was voided.
        voided: bool,
    },
    /// The change depends on a state that is not there any more: this is what is there.
    Refused(Look),
}

/// What is asked of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// The value; 0 for a counter that is missing. Nothing is created.
    Get,
    /// A move.
    Add {
        /// What is added. A counter is never below 0: a negative sum becomes 0. Only a `delta` of more than 0 creates a
        /// counter.
        delta: i64,
        /// The counter stays as it is if `delta` is more than 0 and the sum would be larger than this. A ceiling above
        /// 2^63 - 1 is taken as 2^63 - 1.
        ceiling: u64,
        /// The lifetime of a counter that this move creates. `None`: for ever. A counter that exists keeps its
        /// lifetime.
        lifetime: Option<Duration>,
    },
    /// Deletes the counter: the next addition creates one, with a lifetime of its own.
    Reset,
}

/// The answer of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Counted {
    /// The counter is now this; 0 if it is missing.
    Now(u64),
    /// The sum would be larger than the ceiling. The counter stays as it was: this.
    TooLarge(u64),
}

/// A failure of a backend. All accesses that share a look share its failure.
#[derive(Clone, Debug)]
pub struct BackendError {
    kind: BackendErrorKind,
    /// (Behind a pointer: each operation has room for an error.)
    cause: Option<Arc<Cause>>,
    /// Whether the key's own server was told all the same, and another one will be, without the caller.
    is_told: bool,
    /// Whether the key is locked, at a server that answers.
    is_of_the_key: bool,
}

/// Which server has failed, and by what.
#[derive(Clone, Debug, Default)]
struct Cause {
    server: Option<Arc<str>>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// What kind of failure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum BackendErrorKind {
    /// The backend was not reached. The operation has not taken effect.
    Unreachable,
    /// The reply is missing: the time was out, or the connection was lost. The operation may have taken effect, or may
    /// take effect later.
    InDoubt,
    /// The entry is larger than the backend takes. The operation has not taken effect.
    TooLarge,
    /// The backend has refused the operation: no permission, not enough memory, another dialect, a key that is too
    /// long. The operation has not taken effect.
    Refused,
}

impl BackendError {
    /// Makes an error of that kind.
    #[must_use]
    pub fn new(kind: BackendErrorKind) -> BackendError {
        BackendError { kind, cause: None, is_told: false, is_of_the_key: false }
    }

    /// Adds what has caused it. An error of a client may contain an address; a backend takes credentials out first.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn Error + Send + Sync>>) -> BackendError {
        self.cause_mut().source = Some(Arc::from(source.into()));
        self
    }

    /// Names the server that has failed, by its address. A backend takes credentials out first. An error that names a
    /// server already goes on naming that one.
    #[must_use]
    pub fn at(mut self, server: impl fmt::Display) -> BackendError {
        if self.server().is_none() {
            self.cause_mut().server = Some(Arc::from(server.to_string()));
        }
        self
    }

    /// The same, if the address is known.
    pub(crate) fn at_if_known(self, server: Option<String>) -> BackendError {
        if let Some(server) = server { self.at(server) } else { self }
    }

    fn cause_mut(&mut self) -> &mut Cause {
        Arc::make_mut(self.cause.get_or_insert_default())
    }

    /// Returns the address of the server that has failed, as the URL or another server names it: of a backend of
    /// several servers, this one alone. `None`: no server was asked, or the backend has none.
    #[must_use]
    pub fn server(&self) -> Option<&str> {
        self.cause.as_ref()?.server.as_deref()
    }

    /// Returns what kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// Returns whether the operation may have taken effect, or may take effect later.
    #[must_use]
    pub fn is_in_doubt(&self) -> bool {
        self.kind == BackendErrorKind::InDoubt
    }

    /// The same of an operation whose other parts may have taken effect.
    #[cfg(feature = "memcached")]
    pub(crate) fn in_doubt(mut self) -> BackendError {
        self.kind = BackendErrorKind::InDoubt;
        self
    }

    /// The same of a change that the key's own server has executed: nobody need repeat it.
    #[cfg(feature = "memcached")]
    pub(crate) fn but_told(mut self) -> BackendError {
        self.is_told = true;
        self
    }

    /// Returns whether the key's own server has executed the change, so that nobody need repeat it.
    pub(crate) fn is_told(&self) -> bool {
        self.is_told
    }

    /// The backend has not answered within the time that the region gives it.
    pub(crate) fn no_answer_in_time() -> BackendError {
        BackendError::new(BackendErrorKind::InDoubt).caused_by("no answer in time")
    }

    /// The time that the region gives it is over, and the server, which answers, has the key locked.
    pub(crate) fn locked_in_time() -> BackendError {
        let why = "another transaction keeps the key locked";
        BackendError { is_of_the_key: true, ..BackendError::new(BackendErrorKind::InDoubt).caused_by(why) }
    }

    /// Returns whether the backend is down, as far as this tells. One that refuses an operation, or cannot take an
    /// entry, has answered; and so has one that has the key locked.
    pub(crate) fn is_down(&self) -> bool {
        matches!(self.kind, BackendErrorKind::InDoubt | BackendErrorKind::Unreachable) && !self.is_of_the_key
    }
}

impl fmt::Display for BackendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            BackendErrorKind::Unreachable => "the backend was not reached",
            BackendErrorKind::InDoubt => "the backend has not answered: the operation may or may not take effect",
            BackendErrorKind::TooLarge => "the entry is larger than the backend takes",
            BackendErrorKind::Refused => "the backend has refused the operation",
        })?;
        self.server().map_or(Ok(()), |server| write!(f, " (server {server})"))
    }
}

impl Error for BackendError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source = self.cause.as_ref()?.source.as_deref()?;
        Some(source as &(dyn Error + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A state is what its bytes are, whether they are kept within it or not.
    #[test]
    fn states_are_equal_if_their_names_are() {
        assert_eq!(size_of::<Seen>(), size_of::<Bytes>());
        assert_eq!(Seen::NOTHING.state(), None);
        for length in 0..60 {
            let name: Vec<u8> = (0..length).collect();
            let seen = Seen::entry(name.clone());
            assert_eq!((seen.state(), &seen), (Some(&name[..]), &Seen::copied(&name)));
            let longer = [&name[..], &[0]].concat();
            assert!(seen != Seen::NOTHING && seen != Seen::entry(longer), "{length}");
        }
    }
}
