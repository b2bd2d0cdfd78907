//! What the test does to the servers and to the processes, as the judge is told of it.

use std::fmt;

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A holder is killed in mid-creation.
    KillHolder,
    /// A process ends itself in mid-creation.
    Abort,
    /// A holder is stopped past its lease, and goes on.
    StopHolder,
    /// The server closes all connections, or some of them.
    ClientKill,
    /// The server forgets everything.
    Flush,
    /// The server loses a grant.
    EvictLease,
    /// The server loses an entry.
    EvictEntry,
    /// The tables are emptied under open connections, and perhaps the row that says which life they are of.
    Emptied,
    /// The server is full: it loses entries, and with each of them its grant, and counters.
    Evict,
    /// The server is killed, and starts empty.
    RestartEmpty,
    /// The server ends in peace, and starts with its entries: the grants are none of its new life.
    RestartInPeace,
    /// The server is killed, and starts with what it had a while ago.
    RestartSnapshot,
    /// The server is stopped, and goes on.
    StopServer,
    /// A stranger's transaction has the lock of a place, or rows, for a short time: nothing is lost by that.
    LockedBriefly,
    /// The same for so long that a lease ends meanwhile, and what waits for the place is given up.
    LockedLong,
    /// The server forgets its scripts.
    ScriptFlush,
    /// What a process sends and gets comes late.
    Delay,
    /// What a process sends, or gets, is held back.
    BlackHole,
    /// A connection of a process is cut in the middle of a message.
    Cut,
    /// A replica that lags behind takes over while a grant is out.
    Promote,
    /// Not a fault that the test injects: a process, or the server, had no processor for a while.
    Stall,
}

/// Some of the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keys(u64);

impl Keys {
    pub const ALL: Keys = Keys(u64::MAX);

    /// No key, so far.
    pub const NONE: Keys = Keys(0);

    /// With this key, too.
    pub fn with(self, key: u64) -> Keys {
        Keys(self.0 | 1 << key)
    }

    pub fn has(self, key: u64) -> bool {
        self.0 >> key & 1 == 1
    }
}

/// Whom a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// One process; `None`: all of them.
    pub process: Option<u64>,
    pub keys: Keys,
}

impl Scope {
    pub const FLEET: Scope = Scope { process: None, keys: Keys::ALL };

    pub fn process(process: u64) -> Scope {
        Scope { process: Some(process), keys: Keys::ALL }
    }

    pub fn keys(keys: Keys) -> Scope {
        Scope { process: None, keys }
    }

    pub fn key(key: u64) -> Scope {
        Scope::keys(Keys::NONE.with(key))
    }

    /// Whether the fault reaches what this process does with this key.
    pub fn reaches(self, process: u64, key: u64) -> bool {
        self.process.is_none_or(|of| of == process) && self.keys.has(key)
    }
}

/// A fault: from before it was begun, until after it was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    pub kind: Kind,
    pub scope: Scope,
    pub from: u64,
    pub to: u64,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}
