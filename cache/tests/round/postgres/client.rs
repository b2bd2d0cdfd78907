//! The clients: what they do one after the other, and how they take an answer.

use crate::environment::Kind as Change;
use crate::server::Tick;
use dogpile_cache::backend::Grant;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// Looks, claims if nothing fresh is there, creates and publishes.
    Gets,
    /// As `Gets`, and waits for signals while another has the place.
    Listens,
    /// As `Gets`, and claims over a holder that it has watched for a whole lease.
    Watches,
    /// Claims whatever is there.
    Refreshes,
    /// Sets, marks or invalidates.
    Changes(Change),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Idle,
    /// A session of its own is under way; the grant is what it asks for, if it has one.
    Asks(Option<Grant>),
    Creates {
        grant: Grant,
        failures: u8,
    },
    /// It has sent LISTEN; then the row of `waiter`; then the question for the lock, which it has, shared.
    Says,
    Probes,
    Probed,
    /// It waits for a signal, or for a poll.
    Sleeps {
        /// Whether it was answered who holds the place.
        is_held: bool,
    },
}

/// A process, with one task.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub program: Program,
    /// How many times it begins its program anew.
    pub left: u8,
    /// How many renewals it makes in all.
    pub renewals: u8,
    pub phase: Phase,
    /// The life of its connections.
    pub life: u8,
    /// How many tokens it has used.
    pub tokens: u8,
    /// Whether it listens, and was said to wait.
    pub listens: bool,
    pub is_said: bool,
    /// Whether a signal has come, and was not taken yet.
    pub is_called: bool,
    /// The token and the beat of the holder that it watches, and since when.
    pub watched: Option<(u64, u32, Tick)>,
}

impl Client {
    pub fn new(program: Program, left: u8, renewals: u8) -> Client {
        Client {
            program,
            left,
            renewals,
            phase: Phase::Idle,
            life: 1,
            tokens: 0,
            listens: false,
            is_said: false,
            is_called: false,
            watched: None,
        }
    }

    /// The program is over; it may begin anew.
    pub fn ends(&mut self) {
        self.phase = Phase::Idle;
        self.left -= 1;
        self.is_called = false;
        if self.left == 0 {
            (self.listens, self.is_said) = (false, false);
        }
    }

    /// The grant that it has, whatever it does with it.
    pub fn grant(&self) -> Option<Grant> {
        match self.phase {
            Phase::Asks(grant) => grant,
            Phase::Creates { grant, .. } => Some(grant),
            _ => None,
        }
    }
}
