//! How a lock is given its policy.
//!
//! All types that elect, and all that have such a lock inside, are given a policy by the same two methods: before the
//! lock is shared, with a policy that lives for ever or with one that is made at run time.

/// How a lock is given its policy, before it is shared: by the part of it that is named.
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

        /// As [`with_policy`](Self::with_policy), with a policy that is made at run time, and may be shared.
        #[must_use]
        pub fn with_shared_policy(mut self, policy: $crate::sync::Arc<crate::Policy>) -> Self {
            self.$($part).+.share_rule(policy);
            self
        }
    };
}
pub(crate) use ruled;
