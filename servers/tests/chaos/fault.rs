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
    /// The server closes all connections.
    ClientKill,
    /// The server forgets everything.
    Flush,
    /// The server loses grants.
    EvictLease,
    /// The server loses entries.
    EvictEntry,
    /// The server is killed, and starts empty.
    RestartEmpty,
    /// The server is killed, and starts with what it had a while ago.
    RestartSnapshot,
    /// The server is stopped, and goes on.
    StopServer,
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

impl Kind {
    /// Those that the test injects.
    pub const INJECTED: [Kind; 15] = [
        Kind::KillHolder,
        Kind::Abort,
        Kind::StopHolder,
        Kind::ClientKill,
        Kind::Flush,
        Kind::EvictLease,
        Kind::EvictEntry,
        Kind::RestartEmpty,
        Kind::RestartSnapshot,
        Kind::StopServer,
        Kind::ScriptFlush,
        Kind::Delay,
        Kind::BlackHole,
        Kind::Cut,
        Kind::Promote,
    ];
}

/// Whom a fault reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Fleet,
    Process(u64),
    Key(u64),
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
