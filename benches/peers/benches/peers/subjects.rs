//! The peers, and the limits of each of them.

pub mod by_hand;
mod caches;
mod ours;

use crate::place::{Place, Source};
use std::sync::Arc;
use std::time::Duration;

/// The one key of the caches.
const KEY: u64 = 1;

/// One way to keep a value.
pub struct Peer {
    pub name: &'static str,
    /// Makes a new place, whose values live this long.
    pub make: fn(Duration, &Arc<Source>) -> Box<dyn Place>,
    /// The limits of the peer.
    pub cannot: Cannot,
}

/// What a peer cannot do, in a few words, when a value expires and when creating fails. Empty if there is no such
/// limit.
pub struct Cannot {
    pub expire: &'static str,
    pub fail: &'static str,
}

const WAITS: &str = "serve the old value: all wait for the creator";
const LOSES: &str = "serve the old value: it is gone, and each reader is told of a failure or creates in turn";

pub const CACHED: Peer = Peer {
    name: "Cached",
    make: ours::blocking,
    cannot: Cannot {
        expire: "spare the one read that creates",
        fail: "hide the failure from the one read that creates",
    },
};

pub const IN_BACKGROUND: Peer =
    Peer { name: "Cached, in background", make: ours::in_background, cannot: Cannot { expire: "", fail: "" } };

/// With this policy no read is told of a failure.
pub const RULED: Peer = Peer {
    name: "Cached, retry_after, ServeStale",
    make: ours::ruled,
    cannot: Cannot { expire: "spare the one read that creates", fail: "" },
};

/// The peers from other crates, and the peers written by hand.
pub const OTHERS: [Peer; 7] = [
    Peer {
        name: "moka",
        make: caches::moka,
        cannot: Cannot { expire: WAITS, fail: "serve the old value: all waiters are told of the failure" },
    },
    Peer {
        name: "quick_cache",
        make: caches::quick_cache,
        cannot: Cannot { expire: "expire (done by hand); serve the old value: all wait for the creator", fail: LOSES },
    },
    Peer {
        name: "cached (crate)",
        make: caches::cached,
        cannot: Cannot {
            expire: WAITS,
            fail: "serve the old value while it has one creator (`result_fallback` excludes `sync_writes`)",
        },
    },
    Peer {
        name: "foyer",
        make: caches::foyer,
        cannot: Cannot { expire: "expire (done by hand); serve the old value: all wait for the creator", fail: LOSES },
    },
    Peer {
        name: "arc-swap by hand",
        make: by_hand::arc_swap,
        cannot: Cannot {
            expire: "spare the one read that creates; bound a wait; find a thread that waits for itself",
            fail: "hide the failure from the one read that creates; pause",
        },
    },
    Peer { name: "parking_lot by hand", make: by_hand::parking_lot, cannot: Cannot { expire: WAITS, fail: LOSES } },
    Peer {
        name: "std by hand",
        make: by_hand::std_mutex,
        cannot: Cannot { expire: "serve the old value: all wait for the creator; read side by side", fail: LOSES },
    },
];

/// A value that is made once.
const ONCE_CELL: Peer =
    Peer { name: "once_cell", make: by_hand::once_cell, cannot: Cannot { expire: "expire", fail: "expire" } };

/// The peers that take part where no value has to expire.
pub fn others_without_expiry() -> impl Iterator<Item = &'static Peer> {
    OTHERS.iter().chain([&ONCE_CELL])
}
