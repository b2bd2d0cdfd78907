//! What is said of a value, and of an access that has looked at it.
//!
//! Five types say something like that. Each of them answers a question of its own, and so has answers that the others
//! cannot have:
//!
//! | type | it answers | it goes by | what it alone can say |
//! |---|---|---|---|
//! | [`Look`](crate::freshness::Look) | what does the deadline word say? | that word | that the time of the value has passed, or that nobody has started its life |
//! | [`Sight`] | of what use is the value to an access? | `Look` and the policy, or the stamp of a value that a getter brought | that the value is due |
//! | [`Freshness`] | of what use is the value to the user? | `Sight` | nothing: to the user a value that is due is fresh |
//! | [`Need`] | why is an access to create? | `Sight`, if that is not `Fresh`; or else what the access asked for | that the access wants another value than the one there is |
//! | [`Known`] | what is an access with a getter to do first? | the lock, before the getter is asked | to ask the getter, with a value that is fresh or with one that is old |

use crate::freshness::Freshness;

/// What an access finds that looks at the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    Fresh,
    /// Fresh, and may be renewed early.
    Due,
    Stale,
    /// Missing, or too old to be used.
    Missing,
}

impl Sight {
    /// What is told of it.
    pub(crate) fn freshness(self) -> Freshness {
        match self {
            Self::Fresh | Self::Due => Freshness::Fresh,
            Self::Stale => Freshness::Stale,
            Self::Missing => Freshness::Missing,
        }
    }

    /// Why an access that sees this is to create, if it is.
    pub(crate) fn need(self) -> Option<Need> {
        match self {
            Self::Fresh => None,
            Self::Due => Some(Need::Due),
            Self::Stale => Some(Need::Stale),
            Self::Missing => Some(Need::Missing),
        }
    }
}

/// What an access has seen, short of a fresh value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A fresh value that is to be renewed early.
    Due,
    /// An old value: a new one is due, but not worth waiting for.
    Stale,
    /// No value.
    Missing,
    /// A value whose creation begins after the access does.
    Anew,
    /// A value of a later generation than the one there is.
    Newer,
}

impl Need {
    /// Whether the access has a value to go on with.
    pub(crate) fn is_met_by_old(self) -> bool {
        matches!(self, Self::Due | Self::Stale)
    }
}

/// What the lock says before the getter is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// What is needed.
    Need(Need),
    /// Nothing: ask the getter.
    Ask,
    /// Nothing either: ask the getter; but what it brings has expired, and somebody else creates, or nobody is to.
    AskForOld,
}
