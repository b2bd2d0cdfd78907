//! What a process remembers of a key between accesses.

use super::event::Mark;
use super::settings::{OnBackendFailure, Settings, Time};
use crate::backend::{HeldBy, Pause, Token};

/// What a process remembers of a key between accesses.
///
/// All accesses of the key in the process share it. It may be dropped when no access of the key lives, the backend was
/// told of each invalidation, and a lease, `own_for`, the pause of this process and twice the longest pause have gone
/// by. (Dropped earlier, it costs a claim, a creation or a wait more, but for an invalidation that is untold.)
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remembered<V> {
    /// The mark of the last operation sent.
    mark: Mark,
    /// How many invalidations, and `set`s, this process has begun.
    invalidations: u64,
    /// The number of the last invalidation that the backend was not told of.
    untold: Option<u64>,
    /// The holder that was met last.
    watch: Option<Watch>,
    /// Until then no claim is sent for an old value.
    quiet_until: Time,
    /// A value that was created without the backend, and until when it serves. It serves accesses that are cut off.
    own: Option<(V, Time)>,
    /// The pause after a creation without the backend that has failed.
    own_pause: Option<OwnPause>,
    /// The pause that the backend has shown last.
    paused: Option<Paused>,
}

/// A holder, and since when this process has seen no other token and no other beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Watch {
    token: Token,
    beat: u32,
    since: Time,
    /// How long this token and beat must be seen, until the holder is dead.
    lease: Time,
}

/// A pause of this process, while it is cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct OwnPause {
    failures: u32,
    until: Time,
}

/// A pause of the backend, and since when this process has seen no other number of failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Paused {
    failures: u32,
    since: Time,
}

impl Paused {
    /// A pause of this number that is met so much later is likely another one.
    fn is_forgotten(self, settings: &Settings, now: Time) -> bool {
        now >= self.since.saturating_add(settings.longest_pause.saturating_mul(2))
    }
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Remembered {
            mark: Mark(0),
            invalidations: 0,
            untold: None,
            watch: None,
            quiet_until: Time::ZERO,
            own: None,
            own_pause: None,
            paused: None,
        }
    }
}

impl<V: Clone> Remembered<V> {
    /// Begins an invalidation: returns its number, with which the driver sends it, whether the backend is in its pause
    /// or not. The driver also takes the turn of the local election from the access that has it.
    ///
    /// Until the backend has told that it is done, each access that begins tells it first, or reads nothing of the
    /// backend (G3). That begins here, before the invalidation is sent, so that a caller that is cancelled forgets
    /// nothing.
    ///
    /// The driver tells the [`Server`](super::Server) whether the operation was answered or has failed. After a failure
    /// there is nothing more to do here: the next access that begins after the pause tells the invalidation again.
    pub fn invalidate(&mut self) -> u64 {
        self.replaced();
        self.untold = Some(self.invalidations);
        self.invalidations
    }

    /// Begins a `set` of this process: what the process has created for itself is older, so it is dropped, and so is
    /// what a creation that runs now would leave. The pause of the process ends. The driver calls this before it sends
    /// the `set`, and takes the turn of the local election from the access that has it.
    pub fn replaced(&mut self) {
        self.invalidations += 1;
        (self.own, self.own_pause) = (None, None);
    }

    /// The backend has executed the invalidation of this number. (The driver also tells the [`Server`](super::Server)
    /// that it has [answered](super::Server::answered).)
    pub fn told(&mut self, number: u64) {
        self.answered();
        if self.untold.is_some_and(|untold| untold <= number) {
            self.untold = None;
        }
    }

    /// Begins a mark, or a touch, of this process: what was looked up, or claimed, before it is not kept beside the
    /// backend. The pause of the process stays.
    pub fn marked(&mut self) {
        self.invalidations += 1;
        self.own = None;
    }

    /// Begins a pause of this process: a creation without a grant has failed, this many in a row, and the next one
    /// begins then at the earliest. The driver calls this before it tells the access that its creator has
    /// [failed](super::Made::Failed), so that nobody who waits for the access creates at once.
    ///
    /// The pause ends early, and the count begins anew, when a creation without a grant succeeds, when the backend has
    /// answered an access of the key, and when this process invalidates or sets.
    pub fn pause(&mut self, failures: u32, until: Time) {
        self.own_pause = Some(OwnPause { failures, until });
    }

    /// Returns how many creations without a grant have failed in a row.
    #[must_use]
    pub fn own_failures(&self) -> u32 {
        self.own_pause.map_or(0, |pause| pause.failures)
    }

    /// Returns the number of the invalidation that is to be told before anything else.
    #[must_use]
    pub fn untold(&self) -> Option<u64> {
        self.untold
    }

    /// The accesses in the process have ended: the marks begin anew, as nobody compares them any more. (For the model:
    /// it meets fewer states.)
    #[doc(hidden)]
    pub fn forget_marks(&mut self) {
        self.mark = Mark(0);
    }

    /// Forgets what time has made void by now. (For the model: it meets fewer states.)
    #[doc(hidden)]
    pub fn forget_the_past(&mut self, settings: &Settings, now: Time) {
        if self.quiet_until <= now {
            self.quiet_until = Time::ZERO;
        }
        if self.own.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.own = None;
        }
        if let Some(watch) = &mut self.watch {
            watch.since = watch.since.max(now.saturating_sub(watch.lease));
        }
        if let Some(pause) = self.own_pause.as_mut().filter(|pause| pause.until <= now) {
            pause.until = Time::ZERO;
        }
        self.paused.take_if(|paused| paused.is_forgotten(settings, now));
    }

    /// Returns the token of the holder that was met last. (For the model: it gives a token again that nobody knows.)
    #[doc(hidden)]
    #[must_use]
    pub fn watched(&self) -> Option<Token> {
        self.watch.map(|watch| watch.token)
    }

    /// Forgets that holder. (For the model: nobody will meet it again.)
    #[doc(hidden)]
    pub fn forget_watched(&mut self) {
        self.watch = None;
    }

    /// Forgets the pause that was met last. (For the model: no run lasts as long as it is believed.)
    #[doc(hidden)]
    pub fn forget_pauses(&mut self) {
        self.paused = None;
    }

    /// Returns the mark of the last operation sent: an access that begins now takes it.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Returns the mark of an operation that is sent now.
    pub(super) fn next_mark(&mut self) -> Mark {
        self.mark.0 += 1;
        self.mark
    }

    /// The backend has answered.
    pub(super) fn answered(&mut self) {
        (self.own, self.own_pause) = (None, None);
    }

    /// Returns the pause of this process, while it lasts.
    pub(super) fn own_pause(&self, now: Time) -> Option<Pause> {
        let pause = self.own_pause.filter(|pause| now < pause.until)?;
        Some(Pause { failures: pause.failures, left: pause.until.saturating_sub(now) })
    }

    /// A creation without a grant has succeeded.
    pub(super) fn succeeded(&mut self) {
        self.own_pause = None;
    }

    /// Returns until when any of this is of use without an access. Zero: nothing is. (An invalidation that is
    /// [untold](Remembered::untold) is of use until it is told.)
    pub(crate) fn needed_until(&self, longest_pause: Time) -> Time {
        let watched = self.watched_until();
        let own = self.own.as_ref().map(|(_, until)| *until);
        // The count of failures goes on after the pause, or the next pause would be no longer.
        let own_pause = self.own_pause.map(|pause| pause.until.saturating_add(longest_pause));
        let paused = self.paused.map(|paused| paused.since.saturating_add(longest_pause.saturating_mul(2)));
        [watched, own, own_pause, paused].into_iter().flatten().fold(self.quiet_until, Time::max)
    }

    /// Returns the value that was created without the backend, whether it serves or not.
    pub(crate) fn kept(&self) -> Option<&V> {
        self.own.as_ref().map(|(value, _)| value)
    }

    /// Returns how many invalidations and other changes this process has begun.
    pub(crate) fn invalidations(&self) -> u64 {
        self.invalidations
    }

    /// Keeps a value that the backend has not taken, unless this process has invalidated since the creation began.
    pub(super) fn keep(&mut self, settings: &Settings, now: Time, value: &V, invalidations: u64) {
        if settings.on_backend_failure == OnBackendFailure::Elect && invalidations == self.invalidations {
            self.own = Some((value.clone(), now.saturating_add(settings.own_for)));
        }
    }

    /// Returns the value that was created without the backend, while it serves.
    pub(crate) fn own(&self, now: Time) -> Option<V> {
        self.own.as_ref().filter(|(_, until)| now < *until).map(|(value, _)| value.clone())
    }

    /// This holder was met just now. The time counts from here, after the reply: the holder's lease began before.
    pub(super) fn met(&mut self, settings: &Settings, held: &HeldBy, now: Time) {
        let Some(watch) = self.watch.filter(|watch| watch.token == held.token && watch.beat == held.beat) else {
            let lease = if settings.faults.watches_its_own_lease {
                settings.lease
            } else {
                // A holder of another build may have a longer lease. No creation has a grant for longer than its
                // timeout, so that a wrong answer of the backend does not make the wait endless (G5).
                settings.lease.max(held.lease_left.min(settings.creation_timeout))
            };
            self.watch = Some(Watch { token: held.token, beat: held.beat, since: now, lease });
            return;
        };
        debug_assert!(watch.since <= now, "the clock is monotonic");
    }

    /// The grant was given to this process: nobody is watched, and there is no pause.
    pub(super) fn met_nobody(&mut self) {
        (self.watch, self.paused) = (None, None);
        self.quiet_until = Time::ZERO;
    }

    /// The place is free: a pause that is met later is another one.
    pub(super) fn met_no_pause(&mut self) {
        self.paused = None;
    }

    /// A pause was met just now.
    pub(super) fn met_pause(&mut self, settings: &Settings, pause: Pause, now: Time) {
        let is_known = |known: &Paused| known.failures == pause.failures && !known.is_forgotten(settings, now);
        if !self.paused.as_ref().is_some_and(is_known) {
            self.paused = Some(Paused { failures: pause.failures, since: now });
        }
    }

    /// Returns a pause that was met just now, no longer than it is believed. `None`: it is passed through (G8).
    pub(super) fn believed(&self, settings: &Settings, pause: Pause, now: Time) -> Option<Pause> {
        if settings.faults.believes_any_pause {
            return Some(pause);
        }
        let since = self.paused.map_or(now, |paused| paused.since);
        let left = since.saturating_add(settings.longest_pause).saturating_sub(now);
        (!left.is_zero()).then(|| Pause { left: pause.left.min(left), ..pause })
    }

    /// Returns until when the holder that was met last has to show another beat.
    pub(super) fn watched_until(&self) -> Option<Time> {
        self.watch.map(|watch| watch.since.saturating_add(watch.lease))
    }

    /// Returns the holder that was met last, if a whole lease has gone by.
    pub(super) fn dead(&self, now: Time) -> Option<(Token, u32)> {
        self.watch.filter(|watch| now >= watch.since.saturating_add(watch.lease)).map(|watch| (watch.token, watch.beat))
    }

    /// An access has gone on with its old value, as another holds the grant: the next ones only look, for one poll.
    pub(super) fn be_quiet(&mut self, settings: &Settings, now: Time) {
        self.quiet_until = now.saturating_add(settings.poll);
    }

    /// Returns whether a claim for an old value is not worth a round trip.
    pub(super) fn is_quiet(&self, now: Time) -> bool {
        now < self.quiet_until
    }
}
