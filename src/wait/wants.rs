//! What an access wants of the value, and what a look at the lock may come to for that.

use crate::generation::Generation;

/// What an access wants of a value that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// The value is fresh; or it is old, while a new one is made.
    Any,
    /// The creation of the value begins after the access does.
    Anew,
    /// The value is of a later generation than this.
    Newer(Generation),
}

/// What a look at the lock may come to, without a wait and without a creation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// A fresh value, or an old one that another access is renewing.
    Usable,
    /// A fresh value.
    Fresh,
    /// Nothing: the value that is there may not do.
    Nothing,
}

impl Wants {
    /// Returns what a look may come to, for an access that wants this, and has a soft time-out if `is_soft`.
    #[inline]
    pub(crate) fn glance(self, is_soft: bool) -> Glance {
        match self {
            Self::Any if is_soft => Glance::Fresh,
            Self::Any => Glance::Usable,
            Self::Anew | Self::Newer(_) => Glance::Nothing,
        }
    }
}
