//! Where the value of an access is. What its creator makes, and what the access gives, follow from that.
//!
//! | source | the value is | the creator makes | the access gives |
//! |---|---|---|---|
//! | [`Elsewhere`] | where the user keeps it | nothing | an [`Outcome`] |
//! | [`Inside`] | in the lock | `T`; [`Made<T>`](crate::Made) if it is handed its creation | a guard of `T` |
//! | [`ByGetter`] | what a getter brings, [as old as the lock says](ByLock) | `V` | `V` |
//! | the same, [stamped](super::age::ByStamp) | what a getter brings, with its stamp | `T` | [`Stamped<T>`](crate::Stamped) |

use super::age::{Age, ByLock};
use super::getter::Finds;
use super::setter::Unset;
use crate::derived::opaque;
use crate::outcome::Outcome;
use std::convert::Infallible;
use std::marker::PhantomData;

/// The value is where the user keeps it, and the lock says how old it is.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere;

/// The value is in the lock.
pub struct Inside<T>(pub(crate) PhantomData<fn() -> T>);

/// A getter fetches the value. `A` says what knows the value's age, and `S` is the setter.
pub struct ByGetter<F, A = ByLock, S = Unset> {
    pub(crate) getter: F,
    pub(crate) setter: S,
    pub(crate) age: PhantomData<fn() -> A>,
}

/// The access is a thread's: its getter and setter return plain values.
#[derive(Debug)]
pub enum ByThread {}

/// The access is a task's: its getter and setter give futures.
#[derive(Debug)]
pub enum ByTask {}

/// Where an access finds the value. `By` is [`ByThread`] or [`ByTask`]. The trait is sealed.
pub trait Origin<By>: Asks<By> {}

impl<By, S: Asks<By>> Origin<By> for S {}

// Public only because it is a supertrait of `Origin`: this module is not public.
pub trait Asks<By> {
    /// What a creator makes.
    type Made;
    /// What a creator makes that is handed its creation.
    type MadeWith;
    /// What the access gives.
    type Value;
    /// The error of the getter.
    type Error;
    /// The setter, or what there is in its place.
    type Setter;

    fn with(made: Self::Made) -> Self::MadeWith;
}

impl<By> Asks<By> for Elsewhere {
    type Made = ();
    type MadeWith = ();
    type Value = Outcome;
    type Error = Infallible;
    type Setter = Unset;

    #[inline]
    fn with((): ()) {}
}

impl<R: Finds, F: FnMut() -> R, A: Age<R::Value>, S> Asks<ByThread> for ByGetter<F, A, S> {
    type Made = A::Made;
    type MadeWith = A::Made;
    type Value = R::Value;
    type Error = R::Error;
    type Setter = S;

    fn with(made: A::Made) -> A::Made {
        made
    }
}

impl<R: Finds, N: Future<Output = R>, F: FnMut() -> N, A: Age<R::Value>, S> Asks<ByTask> for ByGetter<F, A, S> {
    type Made = A::Made;
    type MadeWith = A::Made;
    type Value = R::Value;
    type Error = R::Error;
    type Setter = S;

    fn with(made: A::Made) -> A::Made {
        made
    }
}

opaque! { [T] Inside<T>, "Inside" }
opaque! { [F, A, S] ByGetter<F, A, S>, "ByGetter" }
