//! The policy that the locks of a registry are given.

use crate::dogpile::Ruling;
use crate::lock::Lock;
use crate::policy::Policy;
use crate::sync::{Arc, const_fn};

/// The policy of all locks of a registry, except of locks whose maker gave them another.
#[derive(Clone)]
pub(crate) struct Rules {
    policy: Option<&'static Policy>,
    shared: Option<Arc<Ruling>>,
}

impl Rules {
    pub(super) const NONE: Self = Self { policy: None, shared: None };

    const_fn! {
        pub(crate) const fn rule(&mut self, policy: &'static Policy) {
            self.policy = Some(policy);
        }
    }

    pub(crate) fn share_rule(&mut self, policy: Arc<Policy>) {
        *self = Self { policy: None, shared: Some(Ruling::of(policy)) };
    }

    /// Gives a lock that was just made the registry's policy, unless the lock has a policy already.
    pub(super) fn applied<L: Lock>(&self, mut lock: L) -> L {
        let status = &mut lock.dogpile_mut().status;
        match (self.policy, &self.shared) {
            _ if status.is_ruled() => {}
            (Some(policy), _) => status.rule(policy),
            (None, Some(ruling)) => status.share_ruling(Arc::clone(ruling)),
            (None, None) => {}
        }
        lock
    }
}
