//! How an access reaches its lock, and so how its creation holds the lock.
//!
//! | the access has | its creation | the creation may outlive the access |
//! |---|---|---|
//! | `&'a L` | borrows the lock | if the lock is a `static` |
//! | `&'a Arc<L>` | shares the lock | yes |
//! | `&'a Held<'c, K, L>` | holds the lock's entry in its registry | if the registry is a `static` or in an `Arc` |

use crate::derived::copied;
use crate::keeper::Keeper;
use crate::lock::Lock;
use crate::sync::Arc;

/// How an access reaches its lock: by `&L`, `&Arc<L>` or a `&Held<'_, K, L>` of a [`Registry`](crate::Registry).
///
/// The access borrows the lock for `'a`. Its creation holds the lock for `'c`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not lead to a lock: an access takes `&L`, `&Arc<L>` or `&Held<'_, K, L>`",
    label = "this is no reference to a lock, or to what shares it"
)]
pub trait Reach<'a, 'c>: Reaches<'a, 'c> {}

impl<'a, 'c, K: Reaches<'a, 'c>> Reach<'a, 'c> for K {}

// Public only because it is a supertrait of `Reach`: this module is not public.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not lead to a lock: an access takes `&L`, `&Arc<L>` or `&Held<'_, K, L>`",
    label = "this is no reference to a lock, or to what shares it"
)]
pub trait Reaches<'a, 'c>: Copy {
    type Lock: Lock + 'a + 'c;

    fn lock(self) -> &'a Self::Lock;

    /// Makes a hold on the lock, for a creation. Only an elected access does so: to share the lock is to write beside
    /// it, which a hit and a stale access must not do (L2, L12).
    fn keeper(self) -> Keeper<'c, Self::Lock>;
}

impl<'a, L: Lock> Reaches<'a, 'a> for &'a L {
    type Lock = L;

    #[inline]
    fn lock(self) -> &'a L {
        self
    }

    fn keeper(self) -> Keeper<'a, L> {
        Keeper::Borrowed(self)
    }
}

impl<'a, L: Lock + 'static> Reaches<'a, 'static> for &'a Arc<L> {
    type Lock = L;

    #[inline]
    fn lock(self) -> &'a L {
        self
    }

    fn keeper(self) -> Keeper<'static, L> {
        Keeper::Shared(Arc::clone(self))
    }
}

/// A type that leads to an `L`.
pub trait Refers<L> {
    fn refer(&self) -> &L;
}

macro_rules! refers {
    ($([$($generics:tt)*] $by:ty, |$this:ident| $lock:expr;)+) => {$(
        impl<$($generics)*> Refers<L> for $by {
            #[inline]
            fn refer(&self) -> &L {
                let $this = self;
                $lock
            }
        }
    )+};
}

refers! {
    [L] &L, |this| this;
    [L] &Arc<L>, |this| this;
    [L] ForEver<L>, |this| this.0;
}

/// A type that can share an `L` without an end.
pub trait Shares<L>: Refers<L> + Copy {
    fn share(&self) -> Keeper<'static, L>;
}

impl<L> Shares<L> for &Arc<L> {
    fn share(&self) -> Keeper<'static, L> {
        Keeper::Shared(Arc::clone(self))
    }
}

impl<L> Shares<L> for ForEver<L> {
    fn share(&self) -> Keeper<'static, L> {
        Keeper::Borrowed(self.0)
    }
}

/// A reference that keeps the lock `L` for as long as a task may need it: one to a `static`, an `&Arc<L>`, or a
/// `&Held<'static, K, L>` of a [`Registry`](crate::Registry) that is a `static` or in an `Arc`. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not keep a lock: a task takes `&'static L`, `&Arc<L>` or `&Held<'static, K, L>`",
    label = "this is no reference to a lock that is there for ever, or to what shares it"
)]
pub trait Keep<L>: Keeps<L> {}

impl<L, K: Keeps<L>> Keep<L> for K {}

/// How a task reaches a lock that is [kept](Keep) by a `K`.
pub type Kept<K, L> = <K as Keeps<L>>::Own;

// Public only because it is a supertrait of `Keep`: this module is not public.
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not keep a lock: a task takes `&'static L`, `&Arc<L>` or `&Held<'static, K, L>`",
    label = "this is no reference to a lock that is there for ever, or to what shares it"
)]
pub trait Keeps<L>: Copy {
    type Own;

    fn own(self) -> Self::Own;
}

/// How a task reaches the lock `L`. The trait is sealed.
pub trait ReachByTask<L: Lock>: ReachesByTask<L> {}

impl<L: Lock, K: ReachesByTask<L>> ReachByTask<L> for K {}

// Public only because it is a supertrait of `ReachByTask`: this module is not public. (The implementing types have no
// lifetime but one that may be any, and the lock is no associated type: a future that held such a lifetime or type
// would not be `Send`.)
pub trait ReachesByTask<L: Lock>: Refers<L> + Copy {
    fn owner(&self) -> L::Owner;
}

impl<L: Lock<Owner = ()>> ReachesByTask<L> for &L {
    #[inline]
    fn owner(&self) {}
}

/// How a task reaches a lock that it can share without an end.
pub trait Owns<L: Lock>: ReachesByTask<L> + Shares<L> {}

impl<L: Lock, K: ReachesByTask<L> + Shares<L>> Owns<L> for K {}

/// A reference to a `static` lock.
#[derive(Debug)]
pub struct ForEver<L: 'static>(&'static L);

copied! { [L] ForEver<L> }

impl<L: Lock> ReachesByTask<L> for ForEver<L> {
    fn owner(&self) -> L::Owner {
        self.0.owner_for_ever()
    }
}

impl<L: Lock + 'static> ReachesByTask<L> for &Arc<L> {
    fn owner(&self) -> L::Owner {
        L::owner_shared(self)
    }
}

macro_rules! keeps {
    ($([$($generics:tt)*] $by:ty => $own:ty, |$this:ident| $owned:expr;)+) => {$(
        impl<$($generics)*> Keeps<L> for $by {
            type Own = $own;

            #[inline]
            fn own(self) -> $own {
                let $this = self;
                $owned
            }
        }
    )+};
}

keeps! {
    [L] &'static L => ForEver<L>, |this| ForEver(this);
    [L] &Arc<L> => Self, |this| this;
    // A lock that is kept already.
    [L] ForEver<L> => Self, |this| this;
}
