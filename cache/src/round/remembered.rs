//! What a process remembers of a key between accesses.

use super::event::Mark;
use super::settings::{OnBackendFailure, Settings, Time};
use crate::backend::{HeldBy, Token};

/// What a process remembers of a key between accesses.
///
/// All accesses of the key in the process share it. It may be dropped when no access of the key lives, the backend was told
/// of each invalidation, and a lease, `own_for` and the pauses have gone by.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Remembered<V> {
    /// The mark of the last operation sent.
    mark: Mark,
    /// How many invalidations this process has begun.
    invalidations: u64,
    /// The number of the last invalidation that the backend was not told of.
    untold: Option<u64>,
    /// The holder that was met last.
    watch: Option<Watch>,
    /// Until then no claim is sent for an old value.
    quiet_until: Time,
    /// Until then the backend is asked for nothing.
    down_until: Time,
    /// A value that was created without the backend, and until when it serves.
    own: Option<(V, Time)>,
}

/// A holder, and since when this process has seen no other token and no other beat.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Watch {
    token: Token,
    beat: u32,
    since: Time,
}

impl<V> Default for Remembered<V> {
    fn default() -> Self {
        Remembered {
            mark: Mark(0),
            invalidations: 0,
            untold: None,
            watch: None,
            quiet_until: Time::ZERO,
            down_until: Time::ZERO,
            own: None,
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
    pub fn invalidate(&mut self) -> u64 {
        self.invalidations += 1;
        self.untold = Some(self.invalidations);
        self.own = None;
        self.invalidations
    }

    /// The backend has executed the invalidation of this number.
    pub fn told(&mut self, number: u64) {
        self.answered();
        if self.untold.is_some_and(|untold| untold <= number) {
            self.untold = None;
        }
    }

    /// An invalidation has failed. It is told again by the next access that begins after the pause.
    pub fn not_told(&mut self, settings: &Settings, now: Time) {
        self.failed(settings, now);
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
    pub fn forget_the_past(&mut self, now: Time, lease: Time) {
        if self.quiet_until <= now {
            self.quiet_until = Time::ZERO;
        }
        if self.down_until <= now {
            self.down_until = Time::ZERO;
        }
        if self.own.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.own = None;
        }
        if let Some(watch) = &mut self.watch {
            watch.since = watch.since.max(now.saturating_sub(lease));
        }
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
        self.down_until = Time::ZERO;
        self.own = None;
    }

    /// The backend has not answered.
    pub(super) fn failed(&mut self, settings: &Settings, now: Time) {
        self.down_until = now.saturating_add(settings.backend_pause);
    }

    /// Returns whether the backend is to be asked for nothing.
    #[must_use]
    pub fn is_down(&self, now: Time) -> bool {
        now < self.down_until
    }

    /// Returns how many invalidations this process has begun.
    pub(super) fn invalidations(&self) -> u64 {
        self.invalidations
    }

    /// Keeps a value that the backend has not taken, unless this process has invalidated since the creation began.
    pub(super) fn keep(&mut self, settings: &Settings, now: Time, value: &V, invalidations: u64) {
        if settings.on_backend_failure == OnBackendFailure::Elect && invalidations == self.invalidations {
            self.own = Some((value.clone(), now.saturating_add(settings.own_for)));
        }
    }

    /// Returns the value that was created without the backend, while it serves.
    pub(super) fn own(&self, now: Time) -> Option<V> {
        self.own.as_ref().filter(|(_, until)| now < *until).map(|(value, _)| value.clone())
    }

    /// This holder was met just now. The time counts from here, after the reply: the holder's lease began before.
    pub(super) fn met(&mut self, held: &HeldBy, now: Time) {
        let Some(watch) = self.watch.filter(|watch| watch.token == held.token && watch.beat == held.beat) else {
            self.watch = Some(Watch { token: held.token, beat: held.beat, since: now });
            return;
        };
        debug_assert!(watch.since <= now, "the clock is monotonic");
    }

    /// The grant was free, or was given to this process: nobody is watched.
    pub(super) fn met_nobody(&mut self) {
        self.watch = None;
        self.quiet_until = Time::ZERO;
    }

    /// Returns until when the holder that was met last has to show another beat.
    pub(super) fn watched_until(&self, settings: &Settings) -> Option<Time> {
        self.watch.map(|watch| watch.since.saturating_add(settings.lease))
    }

    /// Returns the holder that was met last, if a whole lease has gone by.
    pub(super) fn dead(&self, settings: &Settings, now: Time) -> Option<(Token, u32)> {
        self.watch
            .filter(|watch| now >= watch.since.saturating_add(settings.lease))
            .map(|watch| (watch.token, watch.beat))
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
