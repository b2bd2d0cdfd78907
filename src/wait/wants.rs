//! What an access wants of the value, and what a look at the lock may come to by that.

use crate::generation::Generation;

/// What an access wants of a value that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wants {
    /// That it is fresh; or old, while a new one is made.
    Any,
    /// That its creation begins after the access does.
    Anew,
    /// That it is of a later generation than this.
    Newer(Generation),
}

/// What a look at the lock may come to, short of waiting and of creating.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Glance {
    /// A fresh value, or an old one that somebody else is renewing.
    Usable,
    /// A fresh value.
    Fresh,
    /// Nothing: the value that is there may not do.
    Nothing,
}

impl Wants {
    /// What a look may come to, of an access that wants this, and may have a soft time-out.
    #[inline]
    pub(crate) fn glance(self, is_soft: bool) -> Glance {
        match self {
            Self::Any if is_soft => Glance::Fresh,
            Self::Any => Glance::Usable,
            Self::Anew | Self::Newer(_) => Glance::Nothing,
        }
    }
}
