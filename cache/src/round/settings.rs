//! What an access is given: the durations of its region, and its process.

use super::remembered::Remembered;
use super::server::Server;
use crate::backend::Token;
use std::fmt;
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
    /// The longest time that a creation has the grant, and that a holder is watched for.
    pub creation_timeout: Duration,
    /// Whether the backend has signals, so that it is worth a round trip to subscribe.
    pub has_signals: bool,
    /// What an access does when the backend is down.
    pub on_backend_failure: OnBackendFailure,
    /// The longest pause of this region: a pause that another process has begun is believed no longer than that, from
    /// when this process first saw a pause of that number of failures (G8). Zero believes none, `MAX` any.
    pub longest_pause: Duration,
    /// How long the process asks the backend for nothing after an operation has failed.
    pub backend_pause: Duration,
    /// How long a value that was created without the backend serves this process.
    pub own_for: Duration,
    /// What is broken: nothing, except in the tests of the model.
    pub faults: Faults,
}

/// How long an access waits for others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Waits {
    /// An access without an old value waits until then, and ends with [`TimedOut`](super::Outcome::TimedOut). `None`:
    /// the access waits for as long as others create.
    pub deadline: Option<Time>,
    /// An access with an old value waits until then as one without, and goes on with the old value from then on.
    /// `None`: it never waits (G11). A deadline that is earlier counts for both.
    pub soft: Option<Time>,
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
#[allow(clippy::struct_excessive_bools)] // One for each mistake.
pub struct Faults {
    /// The holder counts its lease from the reply.
    pub leases_from_the_reply: bool,
    /// A waiter does not look after it has subscribed.
    pub waits_without_a_look: bool,
    /// A created value is as of the reply to its claim, or to its publication, not as of the request.
    pub marks_replies: bool,
    /// An access that is out of time begins the pause of the server.
    pub out_of_time_is_down: bool,
    /// An access with an old value that has waited until `soft` ends with an error.
    pub soft_is_an_error: bool,
    /// A pause of another process is believed however long it is.
    pub believes_any_pause: bool,
    /// A process that is cut off creates again at once after a failure.
    pub forgets_its_pause: bool,
    /// A watcher counts its own lease, however long the lease is that it was shown.
    pub watches_its_own_lease: bool,
    /// An access that began with a light look takes what was sent before the reply to it.
    pub light_looks_begin_early: bool,
    /// A renewal takes what another access has found.
    pub renews_with_anything: bool,
}

/// What an access needs of its process in one step.
pub struct Context<'a, V> {
    /// The settings of the region.
    pub settings: &'a Settings,
    /// What the process remembers of the key.
    pub memory: &'a mut Remembered<V>,
    /// What the process remembers of the key's server.
    pub server: &'a mut Server,
    /// The moment of the step.
    pub now: Time,
    /// Makes a token that was never used, for the claim that the step may send.
    pub token: &'a dyn Fn() -> Token,
}

impl<V: fmt::Debug> fmt::Debug for Context<'_, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Context { settings, memory, server, now, .. } = self;
        let mut context = f.debug_struct("Context");
        context.field("settings", settings).field("memory", memory).field("server", server).field("now", now);
        context.finish_non_exhaustive()
    }
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
