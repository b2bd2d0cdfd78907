//! What an access is told, and what it answers.

use super::judge::Freshness;
use super::settings::Time;
use crate::backend::{Claim, Grant, HeldBy, Pause, Published, Refusal, Renewed, Rest, Seen};

/// The number of an operation that an access has sent, counted in the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Mark(pub u64);

/// What has happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event<V> {
    /// The access begins.
    Begin,
    /// The backend has executed the invalidation of this number.
    Told(u64),
    /// The look has been answered.
    Looked(Found<V>),
    /// The access has the turn of its process.
    Elected,
    /// Another access has the turn, and this one has an old value and does not wait any longer.
    Busy,
    /// The access has waited for the one with the turn, which has ended with this.
    Shared(Shared<V>),
    /// The claim has been answered.
    Claimed(Reply<V>),
    /// Signals of the key are delivered from now on.
    Subscribed,
    /// The time given with the last action is there, or a signal of the key has come. (An access that waits may be
    /// woken for nothing.)
    Woken,
    /// The renewal has been answered.
    Renewed(Renewed),
    /// The creator has ended.
    Made(Made<V>),
    /// The publication has been answered.
    Published(Published),
    /// The end has been answered.
    Ended,
    /// The backend has not answered the operation under way, or was not reached. Begins the pause of the
    /// [`Server`](super::Server).
    Failed,
    /// The access has no time left for the operation under way, which may be slow, and not lost. As
    /// [`Failed`](Event::Failed), but no pause begins, and the access asks the backend for nothing more.
    OutOfTime,
    /// The subscription has failed, or takes too long: the access goes on by polls. No pause begins, as the backend may
    /// do everything else.
    NotSubscribed,
    /// The caller is gone, or the process shuts down.
    Cancelled,
}

impl<V> Event<V> {
    /// Returns whether the backend has answered.
    pub(super) fn is_of_the_backend(&self) -> bool {
        match self {
            Event::Told(_) | Event::Looked(_) | Event::Claimed(_) | Event::Subscribed => true,
            event => matches!(event, Event::Renewed(_) | Event::Published(_) | Event::Ended),
        }
    }
}

/// What a look or a claim has returned, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<V> {
    /// The value, unless it is missing.
    pub value: Option<V>,
    /// What the value is worth. For a [renewal](super::Access::renewal) the refused version is missing, and so is its
    /// value.
    pub freshness: Freshness,
    /// The state of the entry.
    pub seen: Seen,
    /// The rest, if the backend has shown it.
    pub rest: Option<Rest>,
}

/// The answer to a claim, judged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply<V> {
    /// The access creates.
    Granted {
        /// The right to create.
        grant: Grant,
        /// How many creations in a row had failed before. (The round does not use it: the driver computes the next
        /// pause by it.)
        failures: u32,
    },
    /// The entry is in another state than the access has seen.
    Changed(Found<V>),
    /// Another holder creates, or a voided grant has not ended.
    Held(HeldBy),
    /// A creation has failed a short time ago.
    Paused(Pause),
}

/// What a creator has ended with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Made<V> {
    /// A value.
    Value(V),
    /// A value that is not to be stored, or that the backend cannot take.
    Unwanted(V),
    /// An error, or a panic.
    Failed,
    /// The creation was dropped.
    Dropped,
}

/// What to do next. The driver tells the access how that has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action<V> {
    /// Send the invalidation of this number again.
    ///
    /// Accesses that are to tell the same number may share one request, also one that is under way when they begin.
    /// (Otherwise than for a look, its execution may come before their beginning: the invalidation is older than they
    /// are, and once the request is answered, it is done.)
    Tell(u64),
    /// Look, by a look that is sent from now on.
    Look,
    /// Join the local election.
    Join {
        /// `None`: there is no old value. If another access has the turn, wait for it, until the deadline of the
        /// access, and then tell it [`Event::Woken`].
        ///
        /// A time: there is an old value. If another access has the turn, wait for it until that time, and then tell
        /// this access [`Event::Busy`]. A time that is over (zero, for an access that never waits with an old value):
        /// at once.
        old_until: Option<Time>,
    },
    /// Send a claim.
    Claim(Claim),
    /// Subscribe to the signals of the key.
    Subscribe,
    /// Wait for a signal, until then.
    Wait {
        /// The end of the wait.
        until: Time,
    },
    /// Run the creator, and wake the access then, unless the creator has ended.
    Create {
        /// The grant. `None`: the process has elected by itself.
        grant: Option<Grant>,
        /// When to wake.
        wake: Time,
    },
    /// Let the creator run on, and wake the access then.
    CarryOn {
        /// When to wake. `None`: never.
        wake: Option<Time>,
    },
    /// Let the creator run on, and renew the lease.
    Renew(Grant),
    /// Publish the value.
    Publish(Grant, V),
    /// End the grant. While the creator runs, it runs on.
    End {
        /// The grant.
        grant: Grant,
        /// Whether a pause takes its place.
        pauses: bool,
    },
    /// Do nothing new: the reply to the operation under way comes first.
    Await,
    /// The access has ended.
    Finish(Answer<V>),
}

/// What an access has ended with.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Answer<V> {
    /// What the caller gets.
    pub outcome: Outcome<V>,
    /// The mark of the operation that has shown it.
    pub as_of: Mark,
}

impl<V> Answer<V> {
    /// Returns what those get who have waited for this access in the local election. `None`: one of them is elected.
    pub fn shared(self) -> Option<Shared<V>> {
        match self.outcome {
            Outcome::Failed | Outcome::TimedOut | Outcome::Cancelled => None,
            _ => Some(Shared(self)),
        }
    }
}

/// The answer of an access, for those who have waited for it in the local election.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shared<V>(pub Answer<V>);

/// What a caller gets.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Outcome<V> {
    /// A fresh value of the backend.
    Fresh(V),
    /// A stale value of the backend.
    Stale(V),
    /// A value that was created by this access, or by one for which it has waited, and what has become of it.
    Created(V, Stored),
    /// A value that this process has created a short time ago, without the backend.
    Own(V),
    /// The creator has failed. (The old value, if there is one, is with the driver.)
    Failed,
    /// A creation has failed a short time ago, in any process or, cut off, in this one, and there is no old value.
    Paused(Pause),
    /// The backend is down, or was too slow for this access, and there is nothing to return.
    Down,
    /// The deadline is over, and there is no old value.
    TimedOut,
    /// The access was cancelled.
    Cancelled,
}

/// What has become of a value that was created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stored {
    /// The value is published.
    Fresh,
    /// The value is stored as stale: it was marked during its creation.
    Stale,
    /// The backend has refused it.
    Refused(Refusal),
    /// Nobody knows: the reply is missing.
    Unknown,
    /// The creation took longer than `creation_timeout`.
    Late,
    /// The value was not to be stored.
    Unwanted,
    /// The value was created without the backend.
    CutOff,
}

/// What becomes of the turn of an access.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Turn {
    /// The access keeps the turn until it ends.
    Keep,
    /// The lease is lost. The next access to join is elected; those who wait go on waiting, as they get the value.
    Leave,
    /// The creation is dead. One of those who wait is elected.
    HandOn,
}
