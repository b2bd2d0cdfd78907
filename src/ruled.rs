//! How a lock is given its policy.
//!
//! All types that elect, and all types that have such a lock inside, are given a policy by the same two functions,
//! before the lock is shared. One takes a policy that lives for ever, the other a policy that is made at run time.

/// Writes the two functions that give a lock its policy before the lock is shared. `by` names the part of the type that
/// takes the policy.
macro_rules! ruled {
    ($(#[$meta:meta])* by $($part:ident).+) => {
        const_fn! {
            $(#[$meta])*
            #[must_use]
            pub const fn with_policy(mut self, policy: &'static crate::Policy) -> Self {
                self.$($part).+.rule(policy);
                self
            }
        }

        /// As [`with_policy`](Self::with_policy), for a policy that is made at run time and may be shared.
        #[must_use]
        pub fn with_shared_policy(mut self, policy: $crate::sync::Arc<crate::Policy>) -> Self {
            self.$($part).+.share_rule(policy);
            self
        }
    };
}
pub(crate) use ruled;
