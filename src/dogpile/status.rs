//! What a lock consists of, but for the value.
//!
//! The questions that a lock can be asked are there once, for all types that elect: each of them derefs to its
//! [`Status`]. So it is the status that owns what the questions read; the [`Dogpile`](super::Dogpile) around it is what
//! changes that. The questions themselves are in [`questions`](super::questions).

use super::terms::{Ruling, Terms};
use crate::clock::{Clock, MonotonicClock};
use crate::election::Election;
use crate::freshness::Expiry;
use crate::policy::Policy;
use crate::sync::{Arc, const_fn};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// What a lock can be asked; nothing in it changes the lock.
///
/// [`Dogpile`](crate::Dogpile), [`SyncReaderDogpile`](crate::SyncReaderDogpile), [`Cached`](crate::Cached) and
/// [`CachedFn`](crate::CachedFn) deref to it. No question waits for a creation, but those that are there
/// [to wait for a value](#waiting-for-a-value). An answer is of some moment during the call: another thread may have
/// changed the lock since.
///
/// # Stamped getter mode
///
/// In [stamped getter mode](crate::Dogpile::fetch_stamped) a value may come from elsewhere. Of such a value the lock
/// knows what the last access was brought: `freshness`, `is_expired`, `has_value`, `age`, `expires_in` and `due_in`
/// judge that stamp as an access would now. A lock that nobody accesses hears of nothing: what another process has
/// created or removed since, it does not tell. What was [invalidated](crate::Dogpile::invalidate) through this lock is
/// missing until something is created through it, and of what was created through it and what was brought since, the
/// younger one is told of.
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, Clock, Dogpile, Status};
/// use std::time::Duration;
///
/// /// Of any lock.
/// fn report(of: &str, status: &Status<impl Clock>) -> String {
///     format!("{of} is {:?}, {} wait", status.freshness(), status.waiting())
/// }
///
/// static LOCK: Dogpile = Dogpile::never_expires();
/// static RATE: Cached<f64> = Cached::new(Duration::from_secs(600));
/// RATE.set(1.09);
/// assert_eq!(report("the file", &LOCK), "the file is Missing, 0 wait");
/// assert_eq!(report("the rate", &RATE), "the rate is Fresh, 0 wait");
/// ```
pub struct Status<C: Clock = MonotonicClock> {
    pub(super) expiry: Expiry,
    pub(super) election: Election,
    pub(super) terms: Terms,
    pub(super) clock: C,
}

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl<C: Clock + UnwindSafe> UnwindSafe for Status<C> {}
impl<C: Clock + RefUnwindSafe> RefUnwindSafe for Status<C> {}

impl<C: Clock> Status<C> {
    const_fn! {
        /// Of a lock without a value yet.
        pub(super) const fn missing(expires_after: Duration, clock: C) -> Self {
            Self { expiry: Expiry::missing(expires_after), election: Election::new(), terms: Terms::none(), clock }
        }
    }

    /// The policy that rules this lock. Never blocks.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.terms.find().unwrap_or(const { &Policy::DEFAULT })
    }

    /// Tells the lock which key it is of, for its observer. Before it is shared.
    pub(crate) fn be_called(&mut self, key: String) {
        self.terms.call(key.into());
    }

    /// Whether it was given a policy of its own.
    pub(crate) fn is_ruled(&self) -> bool {
        self.terms.find().is_some()
    }

    const_fn! {
        pub(crate) const fn rule(&mut self, policy: &'static Policy) {
            self.terms.policy = Some(policy);
            self.election.be_ruled();
        }
    }

    pub(crate) fn share_rule(&mut self, policy: Arc<Policy>) {
        self.share_ruling(Ruling::of(policy));
    }

    pub(crate) fn share_ruling(&mut self, ruling: Arc<Ruling>) {
        self.terms.policy = None;
        self.terms.be_ruled_by(ruling);
        self.election.be_ruled();
    }
}
