//! A backend on memcached servers.
//!
//! # What lies on the server
//!
//! | key | what lies there | written by |
//! |---|---|---|
//! | `place@SCHEMA.FORMAT` | an *item*: the entry of this shape, its grant and its pause | look, claim, renew, publish, end, change |
//! | `place@count` | a whole number, in decimal digits | count |
//!
//! All of them have a lifetime, but an entry or a counter that was asked to live for ever (G17). The server changes one
//! key at a time, so all that an operation must see and change in one step lies in one item; so a grant is that of one
//! shape. The module `item` has the bytes.
//!
//! # States and transitions
//!
//! ```text
//!                      ┌───────────────────────── md I: marked, the same state ──────────┐
//!   ┌────────┐  mg N   ▼                 granted                                         │
//!   │ absent │───────▶ stub ───────────▶ ┌────────────────┐ ────────────────────────────┘
//!   │        │         (no token)        │ item, held     │ ◀── renewed (another beat)
//!   │        │  ms ME ─────────────────▶ │ by token, beat │
//!   └────────┘                           │                │
//!     ▲  ▲   md ───────────┴───────────▶ │                │
//!     │  │                               └────────────────┘
//!     │  │                                │        ▲     │
//!     │  │ freed, without an entry        │ freed, │     │ paused
//!     │  └────────────────────────────────┤ stored │     ▼
//!     │                                   ▼        │  ┌────────────────────────────┐
//!     └── its lifetime is over ── ┌─────────────┐  ├──│ item, paused; the pause is │
//!                                 │ item, free  │──┘  │ over before its mark is    │
//!                                 └─────────────┘     └────────────────────────────┘
//! ```
//!
//! An item has an entry or not, is held or not, and has a pause or not, below a grant or alone. Each step but the two
//! that begin where nothing is (`mg N`, `ms ME`) is a compare-and-swap on the CAS number of what was seen; so one of
//! two that come at once is refused, looks, and decides anew. `set`, `invalidate` and marks ask for nothing.
//!
//! An entry ends at its own time, whatever else is in its item:
//!
//! | state | event | next |
//! |---|---|---|
//! | entry; the item lives for the entry, and a second more | the entry's end | nothing is there, for all who read the item, until the server removes it |
//! | | a grant, or a pause, that ends earlier | appended: the item lives as before |
//! | | a grant, or a pause, that ends later | written anew: the item lives for that |
//! | entry; held or paused for longer | the entry's end | no entry; held, or paused, as before |
//! | entry; held or paused | touched | another end of the entry; the item lives for the later of both |
//! | entry over; held or paused | the end of grant and pause | nothing is there; the server removes the item within a minute |
//! | | renewed, freed, paused, claimed | the same, without the entry; or appended to |
//! | | touched | refused |
//! | | stored, by whichever operation | an item with the new entry alone |
//!
//! | operation | commands | round trips |
//! |---|---|---|
//! | look | `mg v c t` | 1 |
//! | look that would create | `mg v c t N<lease>`: where nothing was, `W` is the grant | 1 |
//! | claim of an entry as it was stored, which lasts for the lease | `ms MA C<seen>`: append *granted* | 1 |
//! | claim of nothing | `ms ME`: add *granted* | 1; where something is by now, 1 more to be told of it, as below |
//! | claim of another entry, or of whatever is there | `mg`; `ms MA C`, or `ms C` with the entry, or `ms ME` where nothing is | 2 |
//! | renew | `ms MA C`: append *renewed*. Without an entry `ms C`, with the lease as lifetime | 1; 2 if the holder does not know that the item lives as long |
//! | publish | `ms C` | 1 |
//! | end | `ms MA C`: append *freed* or *paused*. Without an entry `md C`, or `ms C` with twice the pause as lifetime | 1; 2 with a pause, as with a renewal |
//! | set | `mg` and `ms` in one write | 1 |
//! | set if, touch | `ms C<seen>`, `ms ME` where nothing was seen | 1 |
//! | mark | `mg s t f`, without the value, and `md I` of each shape, in one write | 1; 2 where nothing is noted beside the value |
//! | invalidate | `mg` and `md` of each shape, in one write | 1 |
//! | count | `mg`; `ma`, or `ms ME`. A reset: `md` | 2; 1 |
//!
//! What is refused since another has come in between costs a look and another try: `EX` of a publication, a renewal or
//! an end is answered by one look, and if the grant is still there (a mark or a touch has moved the CAS number, but not
//! the token), the same once more, over what was found; a publication then is marked if the place was. `NF` is answered
//! by no write: what is gone stays gone (G2). So a creation takes three round trips: look, claim, publish; and that of
//! a missing value two, if the look has claimed.
//!
//! What happens to an item with an entry is *appended* to it, in 32 bytes, so that the old value does not cross the
//! network for the sake of a claim, a renewal or an end. An append removes the server's own mark (`X`), so the event
//! says that it has taken in the mark. An append moves no lifetime: where the item would not live as long as the lease,
//! or as the mark of the pause, it is written anew, with the value, which a look has brought. For the sake of a grant
//! the item gets a minute more than that, so that the next renewals append.
//!
//! # What the flags mean
//!
//! `W` is believed in one place: on an empty value without `X`, answered to an `mg … N`. `W` and `Z` beside a value
//! mean nothing, since any client's `mg` may have taken them. `X` says "marked stale", and nothing else: a marked stub
//! gives `W` to the next `mg`, with or without `N`, and is another's all the same. `R` is not asked for.
//!
//! # Grants
//!
//! A grant that is won by `mg N` is a *stub*: an empty value, which has no room for a token. Its holder is known by the
//! CAS number of the stub alone, and others see it as held by a token that is this number. The first renewal writes an
//! item with the token over it. So of a stub:
//!
//! - The same token that claims once more is answered `Held`: a reply that was lost costs one lease. An end without the
//!   number of the grant (`cas` is 0) does not find it.
//! - A mark gives the stub another CAS number, and there is nothing by which the holder would know it again: what the
//!   holder publishes is refused, and the place is closed until the stub's lease is over. For those who watch it, it is
//!   another holder from then on.
//!
//! A claim of nothing adds an item with the token (`ms ME`), so that it is known when it comes again, and is released
//! when its reply was lost. Nothing was there whose CAS number the item could name. It names its *sending*, a number
//! that each run of a claim has of its own: so its grant is told from another one of the same token, which a claim that
//! has arrived late may have been given, and a mark, which changes the CAS number, changes nothing about whose it is.
//!
//! Of a grant with a token, all rows of the paper hold, but for what this section and the next say:
//!
//! - [`Grant::cas`](crate::backend::Grant::cas) is the CAS number of the item, and what the holder must know to write
//!   over it without a look. So each renewal, and a claim by the same token, makes it another number; with the former
//!   one, the holder still finds its grant, by a look.
//! - Two grants of one token are told apart: an item names the CAS number over which its grant was written. It is not
//!   larger than any number that the holder knows, and larger than any that the holder of an earlier grant knows, since
//!   CAS numbers only grow in one life of a server. Where nothing was, it names the sending, which is in the number
//!   that the holder knows. A command is executed once: TCP delivers it once, and the client never sends it again. (An
//!   addition that a proxy sends twice is found out by its CAS number, unless the place is marked behind it.)
//! - The beat is the CAS number over which the lease began, which no other write of that life has; where nothing was,
//!   the complement of the sending.
//! - The lease of an item without an entry ends with the item. That over an entry (or over the mark of a pause) ends by
//!   the server's clock, as a process estimates it: it ends for those who claim. If nobody has claimed, the holder's
//!   next renewal is granted (unless it has to look), and its publication stored: nothing has come in between, and no
//!   clock decides whether a holder may publish (G2).
//!
//! # What memcached cannot do
//!
//! - *An invalidation that fetches nothing.* It says whether it has voided a grant. Whether one is under way stands in
//!   the last event of the item, which only a look at the whole value shows, and only before the value is deleted: so
//!   the look is in the same write, and brings up to a megabyte of what is then gone. To ask for the length first, and
//!   for the value only where events have come, would be a second round trip for each invalidation. A mark voids
//!   nothing, and leaves the value: its answer is in the *note*, the item's client flags, which say when its entry is
//!   over (module `item::note`).
//! - *Tombstones.* There is no place for one beside a deleted item: an invalidation makes the place free at once.
//! - *One grant for a place.* The grant is in the item of its shape.
//! - *Signals.* Those who wait poll.
//! - *Leases by the millisecond.* The server counts seconds: `N3` lives for more than two. No lease under three seconds
//!   is of use.
//! - *Counts of what was voided.* `set`, `invalidate` and marks answer what was there just before: others may have come
//!   in between.
//!
//! # Lifetimes
//!
//! The end of an entry stands in the head of its item, in milliseconds of the server's clock; that of a lease or a
//! pause stands in its event. The item lives until the last of these ends. So each of them is over at its own time:
//!
//! - *Readers* that find the entry over take the item for one without an entry: [`Seen::NOTHING`], no mark, and the
//!   grant or the pause as it is. A claim, a `set_if` or an `add` by such a reader has seen nothing, and is a
//!   compare-and-swap on the CAS number of the item.
//! - *Callers that have seen the entry* know its end, which is a part of what they have [`Seen`]. A claim, a `set_if`
//!   or a touch that comes later is refused, though the item may be there.
//! - *A claim* of an entry as it was stored knows by that end how long the item lives, and appends without a look.
//! - *A holder* knows it by the [number](crate::backend::Grant::cas) of its grant, up to two hours ahead. A holder that
//!   does not know it looks.
//!
//! The server counts whole seconds of its clock: `T5` lives for more than four seconds, and for five at most. So an
//! item with an entry gets a second more, and by the server's count no entry is over early. The item of a grant or a
//! pause alone gets none: a lease is shorter than it was asked for by less than the
//! [grain](crate::backend::Limits::grain), and its holder takes that into account.
//!
//! A counter has no head: the client flags beside it (`F`), which stay when it is moved, are a *note*, the last 32 bits
//! of its end, and `t` tells the others. It gets a second more, too. The note is believed if it agrees with `t` within
//! six seconds. Else the counter is over when the server removes it, by `t` alone: never early, and late by no more
//! than what its seconds are rounded up by. So it is with a counter without flags (a stranger's, or an earlier build's:
//! flags of 0 are no note), and with one whose lifetime an operator has moved (`mg KEY T600`).
//!
//! The ends go by each process's estimate of the server's clock, as freshness does. The estimate is wrong by half a
//! second at most when a connection is new, and by some hundredths after twenty heartbeats. A server's clock that steps
//! is known with the next heartbeat. For so long a lifetime may seem over early, or late.
//!
//! A number over 2,592,000 would be a time of day: a longer lifetime is given as such, by the server's clock, and an
//! item that would live beyond January 2038 lives for ever; the head has the end all the same. A counter has no head,
//! so one that is to end after January 2038 never ends. Zero is `T-1`, since `T0` is for ever. `ms` never goes without
//! `T`.
//!
//! [`Seen`]: crate::backend::Seen
//! [`Seen::NOTHING`]: crate::backend::Seen::NOTHING
//!
//! # Traps
//!
//! - An `ms` larger than the item limit deletes what is there, whatever its CAS number: sizes are checked before. An
//!   entry is stored only where there is room for more events than an item has that is written anew. An append that
//!   would make an item too large is `NS`, and leaves it: then the item is written anew. An append that finds no memory
//!   for its 32 bytes deletes the item: a cold start of the key.
//! - `NS` of an append does not tell "nothing is there" from "too large". Both are answered by a look.
//! - `ms … I` with an old CAS number ousts a legitimate holder, and a renewal by `md I` and `mg` gives the win to any
//!   reader in between: neither is used.
//! - `C0` is no compare-and-swap for an append: a CAS number of 0 is never sent.
//! - `ma` may fill a number that has become shorter with spaces, wraps around at 2^64, and answers `CLIENT_ERROR` for
//!   what is no number. So a look comes first, and a counter near its ceiling is moved by `C`.
//! - CAS numbers begin anew with the server: nothing that names one is sent to another life.
//! - Bytes of a stranger at our keys count as nothing, and are stored over by `C` (G7).
//!
//! # What kill -9, a restart and an eviction cost
//!
//! A holder that dies costs one lease. A restart is a cold start. An evicted item takes its grant with it: another
//! process is granted, and the first holder is refused. A stranger's item that says "held" for ever is passed over by
//! those who have seen it for a whole lease (G5).

mod address;
mod clock;
pub mod command;
mod connection;
mod driver;
mod former;
mod item;
mod link;
mod node;
mod parse;
mod server;
mod servers;
mod socket;
pub mod steps;
mod ttl;
mod wire;

pub use self::driver::Memcached;

/// The longest [full key](crate::key::StoredKey::full), in bytes: what the server takes. A counter's key is not longer.
pub const LONGEST_KEY: usize = 250;
