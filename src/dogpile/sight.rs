//! What the crate says of a value, and of an access that has looked at it.
//!
//! Five types say something of that kind. Each type answers a question of its own, and so has answers that the other
//! types cannot have:
//!
//! | type | the question | it goes by | the answer that it alone can give |
//! |---|---|---|---|
//! | [`Look`](crate::freshness::Look) | what does the deadline word say? | that word | that the time of the value has passed, or that no access has started its life |
//! | [`Sight`] | of what use is the value to an access? | `Look` and the policy, or the stamp of a value that a getter brought | that the value is due |
//! | [`Freshness`] | of what use is the value to the user? | `Sight` | nothing: to the user a value that is due is fresh |
//! | [`Need`] | why is an access to create? | `Sight`, if that is not `Fresh`; or else what the access asked for | that the access wants another value than the one that is there |
//! | [`Known`] | what is an access with a getter to do first? | the lock, before the getter is asked | to ask the getter, with a value that is fresh or with one that is old |

use crate::freshness::Freshness;

/// What an access finds when it looks at the lock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sight {
    /// The value is fresh.
    Fresh,
    /// The value is fresh, and may be renewed early.
    Due,
    /// The value is stale, and may be used.
    Stale,
    /// The value is missing, or is too old to be used.
    Missing,
}

impl Sight {
    /// Returns what the user is told of it.
    pub(crate) fn freshness(self) -> Freshness {
        match self {
            Self::Fresh | Self::Due => Freshness::Fresh,
            Self::Stale => Freshness::Stale,
            Self::Missing => Freshness::Missing,
        }
    }

    /// Returns why an access that sees this is to create, if it is.
    pub(crate) fn need(self) -> Option<Need> {
        match self {
            Self::Fresh => None,
            Self::Due => Some(Need::Due),
            Self::Stale => Some(Need::Stale),
            Self::Missing => Some(Need::Missing),
        }
    }
}

/// Why an access is to create: what it has seen, short of a fresh value, or what it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// The value is fresh, and is to be renewed early.
    Due,
    /// The value is old: a new value is due, but not worth waiting for.
    Stale,
    /// There is no value.
    Missing,
    /// The access wants a value whose creation begins after the access does.
    Anew,
    /// The access wants a value of a later generation than that of the value that is there.
    Newer,
}

impl Need {
    /// Returns whether the access has a value to go on with.
    pub(crate) fn is_met_by_old(self) -> bool {
        matches!(self, Self::Due | Self::Stale)
    }
}

/// What the lock says before an access asks its getter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// The lock knows what the access needs.
    Need(Need),
    /// The lock knows of no need: the access asks the getter.
    Ask,
    /// The access asks the getter for the old value: the value has expired, and another access creates, or no access is
    /// to create for a while.
    AskForOld,
}
