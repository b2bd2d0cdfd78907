//! Where the value of an access is, and what the access makes and gives because of that.
//!
//! | source | the value is | a creator makes | an access gives |
//! |---|---|---|---|
//! | [`Elsewhere`] | where its user keeps it | nothing | an [`Outcome`] |
//! | [`Inside`] | in the lock | `T`, or [`Made<T>`](crate::Made) by what it is handed | a guard of `T` |
//! | [`ByGetter`] | what a getter brings, [as old as the lock says](ByLock) | `V` | `V` |
//! | the same, [stamped](super::age::ByStamp) | what a getter brings, with its stamp | `T` | [`Stamped<T>`](crate::Stamped) |

use super::age::{Age, ByLock};
use super::getter::Finds;
use super::setter::Unset;
use crate::derived::opaque;
use crate::outcome::Outcome;
use std::convert::Infallible;
use std::marker::PhantomData;

/// The value is where its user keeps it, and the lock says how old it is.
#[derive(Clone, Copy, Debug)]
pub struct Elsewhere;

/// The value is in the lock.
pub struct Inside<T>(pub(crate) PhantomData<fn() -> T>);

/// A getter fetches the value. `A` is who says how old that is, and `S` the setter.
pub struct ByGetter<F, A = ByLock, S = Unset> {
    pub(crate) getter: F,
    pub(crate) setter: S,
    pub(crate) age: PhantomData<fn() -> A>,
}

/// A thread accesses: its getters and setters return what they say.
#[derive(Debug)]
pub enum ByThread {}

/// A task accesses: its getters and setters give futures of what they say.
#[derive(Debug)]
pub enum ByTask {}

/// Where an access finds the value, by a thread or by a task. The trait is sealed.
pub trait Origin<By>: Asks<By> {}

impl<By, S: Asks<By>> Origin<By> for S {}

// Public only because it stands above `Origin`: this module is not.
pub trait Asks<By> {
    /// What a creator makes.
    type Made;
    /// What a creator makes by what it is handed.
    type MadeWith;
    /// What an access gives.
    type Value;
    /// What the getter fails with.
    type Error;
    /// Stores what is made.
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
