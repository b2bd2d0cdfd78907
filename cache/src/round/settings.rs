//! What an access is given: the durations of its region, and its process.

use super::remembered::Remembered;
use crate::backend::Token;
use std::time::Duration;

/// A moment on the monotonic clock of the process: the time since a moment that the process has chosen.
pub type Time = Duration;

/// The durations of a region, and what it does when the backend is down.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Settings {
    /// The lease of a grant.
    pub lease: Duration,
    /// The grain of the backend's leases: a holder's lease ends that much earlier for the holder.
    pub grain: Duration,
    /// The longest time between two looks of an access that waits, and the time for which a process that has met a
    /// holder sends no claim for an old value. It is not zero.
    pub poll: Duration,
    /// The longest time that a creation has the grant.
    pub creation_timeout: Duration,
    /// Whether the backend has signals, so that it is worth a round trip to subscribe.
    pub has_signals: bool,
    /// What an access does when the backend is down.
    pub on_backend_failure: OnBackendFailure,
    /// How long the process asks the backend for nothing after an operation has failed.
    pub backend_pause: Duration,
    /// How long a value that was created without the backend serves this process.
    pub own_for: Duration,
    /// What is broken: nothing, except in the tests of the model.
    pub faults: Faults,
}

/// What an access does when the backend is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum OnBackendFailure {
    /// The process elects among its own accesses.
    Elect,
    /// The access returns an old value, if there is one.
    OldOnly,
    /// The access fails.
    Fail,
}

/// Mistakes that the model must find. A product makes none of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Faults {
    /// The holder counts its lease from the reply.
    pub leases_from_the_reply: bool,
    /// A waiter does not look after it has subscribed.
    pub waits_without_a_look: bool,
    /// A created value is as of the reply to its claim, or to its publication, not as of the request.
    pub marks_replies: bool,
}

/// What an access needs of its process in one step.
#[derive(Debug)]
pub struct Context<'a, V> {
    /// The settings of the region.
    pub settings: &'a Settings,
    /// What the process remembers of the key.
    pub memory: &'a mut Remembered<V>,
    /// The moment of the step.
    pub now: Time,
    /// A token that was never used, for the claim that the step may send.
    pub token: Token,
}

impl<V> Context<'_, V> {
    /// Returns until when a holder has the lease that it has asked for at that time: the backend's begins later, and
    /// may end a grain earlier (G6).
    pub(super) fn holds_from(&self, sent: Time) -> Time {
        sent.saturating_add(self.settings.lease.saturating_sub(self.settings.grain))
    }

    /// Returns when to renew the lease that was asked for at that time.
    pub(super) fn renews_at(&self, sent: Time) -> Time {
        sent.saturating_add(self.settings.lease.saturating_sub(self.settings.grain) / 3)
    }
}
