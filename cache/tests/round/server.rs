//! What a search asks of a server, and what lies there.

use crate::environment::Kind;
use crate::history::{History, Lost};
use crate::messages::{Op, Reply};
use crate::redis::scripts::Faults;
use dogpile_cache::round::{Age, Freshness, OtherLife, judge};
use std::fmt::Debug;
use std::hash::Hash;

/// A value is the number of its grant, or of the `set` that has brought it: larger numbers are newer.
pub type Version = u8;

/// Moments, in ticks.
pub type Tick = u8;

/// What is broken in the backend, or in the driver.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::struct_excessive_bools)] // One for each fault.
pub struct Broken {
    pub publishes_without_a_token: bool,
    pub adds_after_a_refusal: bool,
    pub claims_blindly: bool,
    pub shares_what_was_refused: bool,
    pub joins_a_look_in_flight: bool,
    pub loses_invalidations_in_a_pause: bool,
    pub grants_without_a_number: bool,
    pub never_claims_over: bool,
    /// A signal is sent before the change that it tells of.
    pub signals_before_the_change: bool,
    /// A subscription that was lost and is made again wakes nobody.
    pub gap_wakes_nobody: bool,
    /// The life is the server's process alone, which comes back after A to B to A.
    pub life_comes_back: bool,
    /// A connection outlives a failover, and knows the life of before.
    pub connections_outlive_the_life: bool,
    pub redis: Faults,
}

/// How the backend is set up.
#[derive(Clone, Debug)]
#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
pub struct Rules {
    /// The longest lease of the fleet.
    pub lease: Tick,
    pub grain: Tick,
    pub fresh_for: Tick,
    /// How long before it is stale an entry is due; 0 for never.
    pub due_for: Tick,
    pub void_pause: Tick,
    pub pause: Tick,
    /// The pause of a process that is cut off.
    pub own_pause: Tick,
    /// Whether a lease ends by itself. If not, a dead holder must be claimed over, as in an envelope of memcached.
    pub leases_end: bool,
    /// Whether a look shows the rest.
    pub shows_the_rest: bool,
    /// Whether there may be a failover, so that the state before the last change is kept.
    pub fails_over: bool,
    pub other_life: OtherLife,
    /// Whether the ideal backend keeps all of the paper: the pause that lies below a grant, the count of failures that
    /// outlives it, and the state of an entry that a mark changes.
    pub by_the_paper: bool,
    /// Whether signals are messages on their way, and not there at once.
    pub signals_travel: bool,
    /// Whether each step must be that of the ideal backend.
    pub refines: bool,
    /// Whether accesses may begin with a light look.
    pub light: bool,
    pub broken: Broken,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Entry {
    pub version: Version,
    pub fresh_until: Tick,
    pub is_marked: bool,
    pub life: u8,
    /// What a claim compares: the version, or by the paper a number that a mark changes, too.
    pub state: Version,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Rest {
    Free,
    Granted {
        number: Version,
        token: u64,
        beat: u32,
        at: Tick,
        until: Tick,
        is_marked: bool,
        life: u8,
        /// How many creations in a row had failed before.
        failures: u8,
    },
    Tombstone {
        token: u64,
        beat: u32,
        at: Tick,
        until: Tick,
    },
    Paused {
        failures: u8,
        until: Tick,
    },
}

/// A pause by the paper, below a grant or not, and the count of failures that outlives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Pause {
    pub failures: u8,
    pub until: Tick,
}

/// What is lost when the server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Data {
    pub entry: Option<Entry>,
    pub rest: Rest,
    /// By the paper alone; otherwise a pause is a [`Rest`].
    pub pause: Option<Pause>,
}

impl Data {
    pub const NOTHING: Data = Data { entry: None, rest: Rest::Free, pause: None };

    /// What the entry is worth on a server, or on a connection, of that life.
    pub fn freshness(&self, now: Tick, life: u8, rules: &Rules) -> Freshness {
        // (An entry of version 0 is bytes of a stranger.)
        let Some(entry) = self.entry.filter(|entry| entry.version > 0) else { return Freshness::Missing };
        let due_at = (rules.due_for > 0).then(|| entry.fresh_until.saturating_sub(rules.due_for).into());
        let age = Age { due_at, stale_at: entry.fresh_until.into(), useless_at: u64::MAX };
        judge(age, now.into(), entry.is_marked, entry.life == life, rules.other_life)
    }

    /// Returns the number of the grant whose lease is over by now.
    pub fn over(&self, now: Tick, rules: &Rules) -> Option<Version> {
        match self.rest {
            Rest::Granted { number, until, .. } if rules.leases_end && until <= now => Some(number),
            _ => None,
        }
    }

    /// The token of the grant or tombstone; 0 for none.
    pub fn token(&self) -> u64 {
        match self.rest {
            Rest::Granted { token, .. } | Rest::Tombstone { token, .. } => token,
            _ => 0,
        }
    }
}

/// The server of a search: the ideal one, or a model of one that there is.
pub trait Server: Clone + Debug + Eq + Hash + Send + Sync + Sized + 'static {
    fn new() -> Self;

    /// What lies there, as the paper sees it. What has expired is gone.
    fn data(&self) -> Data;

    /// Adds the tokens that are there, or would be there after a failover.
    fn tokens(&self, known: &mut Vec<u64>);

    /// The life of the data.
    fn life(&self) -> u8;

    /// What a process reads of the life when it connects; 0 if its requests do not depend on it.
    fn greeting(&self) -> u8;

    /// Executes an operation that was sent on a connection with that greeting.
    fn execute(&mut self, op: &Op, greeting: u8, now: Tick, rules: &Rules, history: &mut History) -> Reply;

    /// Whether signals are to be sent for what has just happened.
    fn take_signals(&mut self) -> bool;

    /// Whether this step of the environment can do anything to the server.
    fn may(&self, kind: Kind, variant: usize) -> bool;

    /// What happens to the server, or what another client does there.
    fn happens(&mut self, kind: Kind, variant: usize, now: Tick, rules: &Rules, history: &mut History);

    /// Ends the grant, if there is one, for a reason of the server.
    fn lose_grant(&mut self, reason: Lost, history: &mut History);

    /// Forgets what is over by now.
    fn settle(&mut self, now: Tick, rules: &Rules, history: &mut History);
}
