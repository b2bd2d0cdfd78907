//! The peers, and what each of them cannot do.

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
    /// A new place, whose values live that long.
    pub make: fn(Duration, &Arc<Source>) -> Box<dyn Place>,
    /// What it cannot do when a value expires, and when creating fails.
    pub cannot: Cannot,
}

/// What a peer cannot do that others can, in a few words; empty if there is nothing.
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

/// A failure is nobody's but the policy's.
pub const RULED: Peer = Peer {
    name: "Cached, retry_after, ServeStale",
    make: ours::ruled,
    cannot: Cannot { expire: "spare the one read that creates", fail: "" },
};

/// Those of others, and those written by hand.
pub const OTHERS: [Peer; 7] = [
    Peer {
        name: "moka",
        make: caches::moka,
        cannot: Cannot { expire: WAITS, fail: "serve the old value: all who wait are told of the failure" },
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
            expire: "spare the one read that creates; bound a wait; find who waits for himself",
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

/// Those that take part where nothing has to expire.
pub fn others_without_expiry() -> impl Iterator<Item = &'static Peer> {
    OTHERS.iter().chain([&ONCE_CELL])
}
