//! What is asked of a server and what it answers, without the bytes of the wire.
//!
//! | command | on the wire | replies |
//! |---|---|---|
//! | [`Get`](Command::Get) | `mg KEY v c t`, with `N` if it may win; of a counter with `f` | `Value`, `Missing` |
//! | [`Head`](Command::Head) | `mg KEY s t f` | `Head`, `Missing` |
//! | [`Store`](Command::Store) | `ms KEY LENGTH c T`, with `F`, with `C` or `ME` | `Stored`, `Exists`, `NotFound`, `NotStored` |
//! | [`Append`](Command::Append) | `ms KEY LENGTH c MA C` | `Stored`, `Exists`, `NotStored` |
//! | [`Delete`](Command::Delete) | `md KEY`, with `C` | `Done`, `Exists`, `NotFound` |
//! | [`Mark`](Command::Mark) | `md KEY I` | `Done`, `NotFound` |
//! | [`Move`](Command::Move) | `ma KEY v D`, with `MD`, with `C` | `Number`, `Exists`, `NotFound` |
//!
//! Each other reply is an error of the client, or ends its connection.

use crate::codec::Shape;
use crate::key::StoredKey;
use bytes::Bytes;
use std::num::NonZeroU32;

/// A command, and the key of the place that it is for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Request {
    /// Which key of the place.
    pub slot: Slot,
    /// What is asked.
    pub command: Command,
}

/// A key of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slot {
    /// The entry of the key itself, with its grant and its pause.
    Entry,
    /// The entry of the same place in another shape.
    Beside(Shape),
    /// The counter.
    Count,
}

impl Slot {
    /// Returns the key on the server. It has no space and no control character, so that the wire takes it as it is; a
    /// key of at most [`LONGEST_KEY`](super::LONGEST_KEY) bytes has no slot that is longer than 250.
    #[must_use]
    pub fn text(self, key: &StoredKey) -> String {
        match self {
            Slot::Entry => key.full().to_owned(),
            Slot::Beside(shape) => key.in_shape(shape).full().to_owned(),
            Slot::Count => format!("{}@count", key.place()),
        }
    }
}

/// What is asked of a key.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Command {
    /// Returns the item: value, CAS number and the lifetime that is left.
    Get {
        /// Where nothing is, an empty item is made that lives for so many seconds, and the reply has won. `None`: the
        /// command makes nothing.
        win: Option<NonZeroU32>,
    },
    /// Returns what lies beside the value, and the value's length, but not the value.
    Head,
    /// Stores `head` and `body`, one behind the other, as the value.
    Store {
        /// The first bytes of the value.
        head: Bytes,
        /// The others.
        body: Bytes,
        /// A number beside the value, which stays when the value is moved or appended to: `F`.
        note: u32,
        /// How long the item lives.
        ttl: Ttl,
        /// On which condition the server stores.
        only: Only,
    },
    /// Appends bytes to the value of the item that has this CAS number. Its lifetime stays, and its mark goes. The
    /// reply is `Exists` if the item has another CAS number, and `NotStored` if nothing is there, or if the item would
    /// be too large; what is there stays as it is.
    Append {
        /// The bytes.
        tail: Bytes,
        /// The CAS number.
        cas: u64,
    },
    /// Deletes the item, if it has this CAS number. `None`: whatever is there.
    Delete {
        /// The CAS number.
        cas: Option<u64>,
    },
    /// Marks the item as stale. Its CAS number becomes another; its lifetime stays.
    Mark,
    /// Adds to a number in decimal digits, or subtracts from it. A number never falls below 0, and wraps around at
    /// 2^64. The lifetime stays.
    Move {
        /// What is added, or subtracted.
        by: u64,
        /// Whether it is subtracted.
        is_down: bool,
        /// Only if the item has this CAS number.
        cas: Option<u64>,
    },
}

/// On which condition a server stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Only {
    /// Whatever is there.
    Always,
    /// If nothing is there: `ME`. Otherwise the reply is `NotStored`.
    Missing,
    /// If the item has this CAS number: `C`. Otherwise the reply is `Exists`, or `NotFound` where nothing is.
    Cas(u64),
}

/// How long an item lives, as `T` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ttl {
    /// Not at all: `T-1`. What was there is gone, too.
    Nothing,
    /// So many seconds, of 1 to 2,592,000: the server takes a larger number for a time of day.
    Seconds(NonZeroU32),
    /// Until the server's clock (`time` in `stats`) shows this second since the Unix epoch, of 2,592,001 to 2^31 - 1.
    Until(u32),
    /// For ever: `T0`.
    ForEver,
}

/// What a server answers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Reply {
    /// `VA`: the item.
    Value {
        /// Its value.
        value: Bytes,
        /// `c`: its CAS number.
        cas: u64,
        /// `t`: how many seconds of its lifetime are left. `None`: it lives for ever.
        ttl_left: Option<u32>,
        /// `f`: the number beside the value. Of an entry it is not asked for, and 0.
        note: u32,
        /// `W`: the client has won. (On a stub that the same command has made, `t` says nothing.)
        has_won: bool,
        /// `Z`: another client has won.
        another_won: bool,
        /// `X`: the item was marked as stale.
        is_stale: bool,
    },
    /// `HD` to a [`Head`](Command::Head).
    Head {
        /// `s`: the length of the value, in bytes.
        size: u64,
        /// `t`: how many seconds of its lifetime are left. `None`: it lives for ever.
        ttl_left: Option<u32>,
        /// `f`: the number beside the value.
        note: u32,
    },
    /// `EN`: nothing is there.
    Missing,
    /// `HD` to a [`Store`](Command::Store) or an [`Append`](Command::Append), with the CAS number of the new item.
    Stored {
        /// `c`.
        cas: u64,
    },
    /// `HD` to a [`Delete`](Command::Delete) or a [`Mark`](Command::Mark).
    Done,
    /// `VA` to a [`Move`](Command::Move): the number.
    Number(u64),
    /// `EX`: the item has another CAS number.
    Exists,
    /// `NF`: nothing is there.
    NotFound,
    /// `NS`: something is there; or nothing to append to.
    NotStored,
}
