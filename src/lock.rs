//! What the locks of this crate have in common.

use crate::clock::Clock;
use crate::dogpile::Dogpile;

/// A lock that elects: [`Dogpile`], [`SyncReaderDogpile`](crate::SyncReaderDogpile) or [`Cached`](crate::Cached). A
/// [`Creation`](crate::Creation) is of one, and a [`Registry`](crate::Registry) has many.
///
/// It cannot be implemented elsewhere.
pub trait Lock: Elects {}

/// What is behind a [`Lock`].
pub trait Elects {
    /// What time it is for it.
    type Clock: Clock;

    /// Its election and its freshness.
    fn dogpile(&self) -> &Dogpile<Self::Clock>;

    /// The same, before it is shared.
    fn dogpile_mut(&mut self) -> &mut Dogpile<Self::Clock>;
}

impl<C: Clock> Lock for Dogpile<C> {}

impl<C: Clock> Elects for Dogpile<C> {
    type Clock = C;

    fn dogpile(&self) -> &Self {
        self
    }

    fn dogpile_mut(&mut self) -> &mut Self {
        self
    }
}

/// Questions to a lock that are its `dogpile`'s to answer.
macro_rules! ask_the_dogpile {
    ($($(#[$meta:meta])* fn $name:ident() -> $answer:ty;)+) => {
        $(
            $(#[$meta])*
            #[must_use]
            pub fn $name(&self) -> $answer {
                self.dogpile.$name()
            }
        )+
    };
}
pub(crate) use ask_the_dogpile;

/// A lock is ruled as its `dogpile` is.
macro_rules! ruled_as_the_dogpile {
    () => {
        const_fn! {
            /// Has the lock do as `policy` says as a value ages and when creating goes wrong, in place of the
            /// [defaults](crate::Policy).
            #[must_use]
            pub const fn with_policy(mut self, policy: &'static crate::Policy) -> Self {
                self.dogpile.rule(policy);
                self
            }
        }

        /// As [`with_policy`](Self::with_policy), with a policy that is made at run time, and may be shared.
        #[must_use]
        pub fn with_shared_policy(mut self, policy: $crate::sync::Arc<crate::Policy>) -> Self {
            self.dogpile.share_rule(policy);
            self
        }

        $crate::lock::ask_the_dogpile! {
            /// How long nobody is to create yet, since the last creation has
            /// [failed](crate::PolicyBuilder::retry_after); `None` if there is no pause. On the lock's own clock. Never
            /// blocks.
            fn paused_for() -> Option<std::time::Duration>;
        }

        $crate::lock::ask_the_dogpile! {
            /// What this lock has done so far. As [`Dogpile::stats`](crate::Dogpile::stats). Never blocks.
            fn stats() -> crate::Stats;
        }

        /// The policy that rules this lock.
        #[must_use]
        pub fn policy(&self) -> &crate::Policy {
            self.dogpile.policy()
        }
    };
}
pub(crate) use ruled_as_the_dogpile;
