//! What a lock consists of, except for the value.
//!
//! The questions that a lock can be asked exist once, for all types that elect: each of these types derefs to its
//! [`Status`]. So the status owns everything that the questions read. The [`Dogpile`](super::Dogpile) around the status
//! is what changes it. The questions themselves are in [`questions`](super::questions).

use super::terms::{Ruling, Terms};
use crate::clock::{Clock, MonotonicClock};
use crate::election::Election;
use crate::freshness::Expiry;
use crate::policy::Policy;
use crate::sync::{Arc, const_fn};
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;

/// The questions that a lock can be asked. No question changes the lock.
///
/// [`Dogpile`](crate::Dogpile), [`SyncReaderDogpile`](crate::SyncReaderDogpile), [`Cached`](crate::Cached) and
/// [`CachedFn`](crate::CachedFn) deref to their `Status`. No question waits for a creation, except for the functions
/// that are there [to wait for a value](#waiting-for-a-value). An answer is of some moment during the call: another
/// thread may have changed the lock since.
///
/// # Stamped getter mode
///
/// In [stamped getter mode](crate::Dogpile::fetch_stamped) a value may come from elsewhere. Of such a value the lock
/// knows only the stamp that the getter of the last access has brought. `freshness`, `is_expired`, `has_value`, `age`,
/// `expires_in` and `due_in` judge that stamp as an access would judge it now.
///
/// | the value | the answers |
/// |---|---|
/// | was created or removed by another process since the last access | do not tell of that: without an access the lock hears of nothing |
/// | was [invalidated](crate::Dogpile::invalidate) through this lock | say that the value is missing, until a value is created through this lock |
/// | was created through this lock, and a getter has brought a stamp since | are about the younger of the two |
///
/// # Examples
///
/// ```
/// use dogpile::{Cached, Clock, Dogpile, Status};
/// use std::time::Duration;
///
/// /// Tells of any lock.
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

// A panic can leave nothing half-done in a status: user code runs between the transitions, never within one.
impl<C: Clock + UnwindSafe> UnwindSafe for Status<C> {}
impl<C: Clock + RefUnwindSafe> RefUnwindSafe for Status<C> {}

impl<C: Clock> Status<C> {
    const_fn! {
        /// Returns the status of a lock without a value.
        pub(super) const fn missing(expires_after: Duration, clock: C) -> Self {
            Self { expiry: Expiry::missing(expires_after), election: Election::new(), terms: Terms::none(), clock }
        }
    }

    /// Returns the policy that rules this lock. Never blocks.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        self.terms.find().unwrap_or(const { &Policy::DEFAULT })
    }

    /// Tells the lock, for its observer, which key it is of. Called before the lock is shared.
    pub(crate) fn be_called(&mut self, key: String) {
        self.terms.call(key.into());
    }

    /// Returns whether the lock was given a policy of its own.
    pub(crate) fn is_ruled(&self) -> bool {
        self.terms.find().is_some()
    }

    const_fn! {
        /// Gives the lock a policy that lives for ever. Called before the lock is shared.
        pub(crate) const fn rule(&mut self, policy: &'static Policy) {
            self.terms.policy = Some(policy);
            self.election.be_ruled();
        }
    }

    /// Gives the lock a share of a policy. Called before the lock is shared.
    pub(crate) fn share_rule(&mut self, policy: Arc<Policy>) {
        self.share_ruling(Ruling::of(policy));
    }

    /// As [`share_rule`](Self::share_rule), with a ruling that several locks may have in common.
    pub(crate) fn share_ruling(&mut self, ruling: Arc<Ruling>) {
        self.terms.policy = None;
        self.terms.be_ruled_by(ruling);
        self.election.be_ruled();
    }
}
