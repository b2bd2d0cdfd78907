// The labels of README's links, which lead to files there and to pages here: the first definition of a label counts.
//! [guide]: crate::guide
//! [accesses]: crate::guide::accesses
//! [changes]: crate::guide::changes
//! [policy]: crate::guide::policy
//! [failures]: crate::guide::failures
//! [keys]: crate::guide::keys
//! [mint]: crate::mint
//! [redis]: crate::guide::redis
//! [memcached]: crate::guide::memcached
//! [postgres]: crate::guide::postgres
//! [seen]: crate::guide::seen
//! [testing]: crate::guide::testing
//! [guarantees]: crate::guide::guarantees
//!
#![doc = include_str!("../README.md")]
//!
//! # Where to go from here
//!
//! | the program | uses |
//! |---|---|
//! | keeps the entries of a type | [`Region`], made by its [`RegionBuilder`] |
//! | asks for a key | [`Region::get`], whose steps and terminals [`Get`](region::Get) has; [`Got`] is what it gets |
//! | is made of threads | [`Region::blocking`] |
//! | creates outside of a closure | [`Claim`] and [`Creation`] |
//! | gets and sets, as with `MintCache` | [`Mint`](mint::Mint) |
//! | says how long one value lives | [`Made`] |
//! | has changed the source | [`Region::invalidate`], [`Region::mark_stale`]; [the table of changes](guide::changes) |
//! | keeps values decoded in the process | [`Near`] |
//! | shares entries with other processes | [`RegionBuilder::far`], with a [`Backend`](backend::Backend): [the page on Redis](guide::redis); by URL: [`connect`](backend::connect()) |
//! | has keys or values of types of its own | [`Key`], [`Codec`] |
//! | counts for a fleet | [`Counters`](counter::Counters) |
//! | watches what happens | [`Region::counts`], [`Observer`] |
//! | is tested | [`Memory`](backend::Memory), [`Faulty`](backend::Faulty), [`TokioClock`]; [the page on testing](guide::testing) |
//!
//! The [`guide`] answers the questions that this page leaves open, one on each page.
//!
//! # The modules
//!
//! | module | what it has |
//! |---|---|
//! | [`guide`] | a page for each question |
//! | [`region`] | [`Region`], its accesses, its changes, and what they return |
//! | [`backend`] | [`Backend`](backend::Backend), which keeps entries: `Redis` (feature `redis`), `Memcached` (feature `memcached`), `Postgres` (feature `postgres`); [`Memory`](backend::Memory), and [`Faulty`](backend::Faulty) for tests |
//! | [`key`] | [`Key`], and the text of a key in a backend |
//! | [`codec`] | [`Codec`], which turns a value into bytes |
//! | [`envelope`] | [`Envelope`](envelope::Envelope), which surrounds these bytes on a server |
//! | [`observer`] | [`Counts`](observer::Counts) of what happens in a region, and the [`Observer`] that is told |
//! | [`counter`] | [`Counters`](counter::Counters) that a fleet shares |
//! | [`mint`] | [`Mint`](mint::Mint): get and set, with one reader that renews |
//!
//! # Glossary
//!
//! The words of the crate `dogpile` hold here, too: access, step, terminal, caller, creator, creation, waiter, old
//! value, fresh, due, stale, missing, pause, renewal. In addition:
//!
//! | word | meaning |
//! |---|---|
//! | region | the entries of one type under one name |
//! | fleet | the processes that share a backend |
//! | backend | the server, or the memory, that keeps the entries |
//! | far | on a backend |
//! | near | in this process, decoded: see [`Near`] |
//! | entry | the envelope of a key, with the value's bytes, in a backend |
//! | absence | the knowledge that there is no value: see [`or_try_find`](region::Get::or_try_find) |
//! | place | the stored key without schema and format: it decides slot and server |
//! | format, schema, shape | the number of a codec; the number that a user gives to the value's type; both |
//! | local election | the election among the accesses of one process to one key |
//! | turn | the right to ask the backend for a grant, which the local election gives to one access of a process |
//! | look | the operation that asks what lies on the backend; accesses of a process share it |
//! | claim | the operation that asks for a grant; also the [terminal](region::Get::claim) that hands the creation out |
//! | grant | the backend's "you create": a token with a lease |
//! | token, beat | a random number that names a grant; a number that changes whenever its lease begins anew |
//! | lease | for how long a grant lasts without a renewal |
//! | reader | a caller that gets and sets, by a [`Mint`](mint::Mint) of its own |
//! | holder | the process, and the creation in it, to which a grant was given |
//! | dead | a holder whose token and beat have been the same for a whole lease |
//! | to void | to end a grant by a change, so that its holder publishes nothing |
//! | tombstone | what a voided grant leaves until its holder ends, for [`void_pause`](RegionBuilder::void_pause) at most |
//! | to publish | to store the value of a creation on the backend, with its grant |
//! | superseded | voided, lost or out of time; said of a creation |
//! | overlap | two creations of one key at a time: see [`Overlap`](observer::Overlap) |
//! | version | a number that names one state of a value or of a tag, compared for equality |
//! | life | a number that names the data of a server from one start, or loss, to the next |
//! | cut off | without a backend that answers; said of a process |
//! | poll | the longest time between two looks of a waiter |
//! | grain | the unit of a backend's leases and lifetimes |
//! | keeper | the thread of this crate in a process: timers, renewals, and what no caller waits for |

#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]

pub mod backend;
pub mod codec;
pub mod counter;
mod drive;
pub mod envelope;
pub mod guide;
mod hasher;
pub mod key;
pub mod mint;
mod near;
pub mod observer;
pub mod region;
#[doc(hidden)] // Regions drive it, and `tests/round`.
pub mod round;
mod slot;
mod slots;
mod store;
mod time;
mod together;

pub use crate::codec::Codec;
pub use crate::key::Key;
pub use crate::near::Near;
#[cfg(feature = "metrics")]
pub use crate::observer::Metrics;
#[cfg(feature = "tracing")]
pub use crate::observer::Tracing;
pub use crate::observer::{NotPublished, Observer, Published};
pub use crate::region::{
    BuildError, Claim, CreateError, Creation, GetError, Got, Made, Outcome, Region, RegionBuilder,
};
pub use crate::round::{OnBackendFailure, OtherLife};
pub use crate::time::TokioClock;
pub use dogpile::{Backoff, Clock, ManualClock, MonotonicClock, OnError, PolicyError, Spawner, Task};
