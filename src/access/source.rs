//! Where the value of an access is, and what an access asks of those who know.
//!
//! | source | the value is | a creator makes | an access gives |
//! |---|---|---|---|
//! | [`Elsewhere`] | where its user keeps it | nothing | an [`Outcome`] |
//! | [`Inside`] | in the lock | `T`, or [`Made<T>`](crate::Made) by what it is handed | a guard of `T` |
//! | [`ByGetter`] | what a getter brings, [as old as the lock says](ByLock) | `V` | `V` |
//! | the same, [stamped](ByStamp) | what a getter brings, with its stamp | `T` | [`Stamped<T>`](crate::Stamped) |

use crate::clock::Clock;
use crate::derived::opaque;
use crate::dogpile::{Dogpile, Known, Sight};
use crate::election::State;
use crate::outcome::Outcome;
use std::convert::Infallible;
use std::future::Ready;
use std::marker::PhantomData;

/// What a getter returns: `Option<T>`, or `Result<Option<T>, G>` if it can fail.
///
/// `None` is what the origin calls `NeedRegeneration`: the value is missing, and has to be created. An `Err` says that
/// it is not known whether there is one, and fails the access. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a getter returns `Option<T>`, or `Result<Option<T>, G>` if it can fail",
    label = "this getter returns `{Self}`",
    note = "`None` says that the value is missing, and has to be created; an `Err` that it is not known, and fails the \
            access",
    note = "a closure that only panics (`!`) has to say what it would return: `|| -> Option<u64> {{ … }}`"
)]
pub trait Found: Finds {}

impl<R: Finds> Found for R {}

// Public only because it stands above `Found`: this module is not.
#[diagnostic::on_unimplemented(
    message = "a getter returns `Option<T>`, or `Result<Option<T>, G>` if it can fail",
    label = "this getter returns `{Self}`",
    note = "`None` says that the value is missing, and has to be created; an `Err` that it is not known, and fails the \
            access",
    note = "a closure that only panics (`!`) has to say what it would return: `|| -> Option<u64> {{ … }}`"
)]
pub trait Finds {
    type Value;
    type Error;

    fn found(self) -> Result<Option<Self::Value>, Self::Error>;
}

impl<T> Finds for Option<T> {
    type Value = T;
    type Error = Infallible;

    fn found(self) -> Result<Self, Infallible> {
        Ok(self)
    }
}

impl<T, G> Finds for Result<Option<T>, G> {
    type Value = T;
    type Error = G;

    fn found(self) -> Self {
        self
    }
}

/// What a setter returns: nothing, or `Result<(), E>` where `E` is also what the creator fails with. The trait is
/// sealed.
#[diagnostic::on_unimplemented(
    message = "a setter returns `()`, or under `or_try_create` `Result<(), E>` with its creator's error, here `{E}`",
    label = "this setter returns `{Self}`",
    note = "if setter and creator fail with different errors, map them to one",
    note = "a closure that only panics (`!`) has to say what it would return: `|_| -> () {{ … }}`"
)]
pub trait Stored<E>: Stores<E> {}

impl<E, R: Stores<E>> Stored<E> for R {}

// Public only because it stands above `Stored`: this module is not.
#[diagnostic::on_unimplemented(
    message = "a setter returns `()`, or under `or_try_create` `Result<(), E>` with its creator's error, here `{E}`",
    label = "this setter returns `{Self}`",
    note = "if setter and creator fail with different errors, map them to one",
    note = "a closure that only panics (`!`) has to say what it would return: `|_| -> () {{ … }}`"
)]
pub trait Stores<E> {
    fn stored(self) -> Result<(), E>;
}

impl<E> Stores<E> for () {
    fn stored(self) -> Result<(), E> {
        Ok(())
    }
}

impl<E> Stores<E> for Result<(), E> {
    fn stored(self) -> Self {
        self
    }
}

/// What the getter of an access fails with that cannot say so.
#[diagnostic::on_unimplemented(
    message = "the getter of this access can fail, with `{Self}`, and so has the access to: end it in `or_try_create`",
    label = "this has no error to return",
    note = "if its creator cannot fail: `or_try_create(|| Ok::<_, Infallible>(…))`"
)]
pub trait CannotFail: Fails {}

impl CannotFail for Infallible {}

/// What a function, or the store of its results, fails with that cannot say so.
#[diagnostic::on_unimplemented(
    message = "this function, or the store of its results, can fail, with `{Self}`: use the method with `try_`",
    label = "this has no error to return",
    note = "that is `try_get`, `try_peek` or `try_invalidate`, and `access().anew().try_get()` in place of `refresh`"
)]
pub trait FunctionCannotFail: Fails {}

impl FunctionCannotFail for Infallible {}

pub trait Fails {
    fn fails(self) -> Infallible;
}

impl Fails for Infallible {
    fn fails(self) -> Infallible {
        self
    }
}

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

/// The creator stores what it has made.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

/// A setter stores what the creator has made, unless the creation was superseded.
#[derive(Clone, Copy)]
pub struct Set<F>(pub(crate) F);

/// As [`Set`], by a task; or the creator stores.
pub struct SetByTask<F, M = Whole> {
    pub(crate) setter: Option<F>,
    pub(crate) of: PhantomData<fn() -> M>,
}

impl<F, M> SetByTask<F, M> {
    pub(crate) fn new(setter: Option<F>) -> Self {
        Self { setter, of: PhantomData }
    }
}

/// What a task has for a setter, if its creator stores.
pub type UnsetByTask = SetByTask<fn(&()) -> Ready<()>, Nothing>;

/// A setter is lent the value.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

/// There is no setter to lend the value.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

/// What a setter is lent of a value. (If there is none, its type is to say nothing of the value's: the future of an
/// access would not be `Send` where that has a lifetime.)
pub trait Lends<V> {
    type Lent;

    fn lend(value: &mut V) -> Option<&mut Self::Lent>;
}

impl<V> Lends<V> for Whole {
    type Lent = V;

    fn lend(value: &mut V) -> Option<&mut V> {
        Some(value)
    }
}

impl<V> Lends<V> for Nothing {
    type Lent = ();

    fn lend(_: &mut V) -> Option<&mut ()> {
        None
    }
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

/// The lock says how old a value is that a getter brings.
#[derive(Clone, Copy, Debug)]
pub struct ByLock;

/// A value that a getter brings says itself how old it is.
#[derive(Clone, Copy, Debug)]
pub struct ByStamp;

/// Who says how old a value is. Both are asked after the word was read.
pub trait Age<V> {
    /// What a creator makes.
    type Made;

    /// What is needed, if the lock knows without the getter.
    fn known<C: Clock>(lock: &Dogpile<C>, seen: State) -> Known;

    /// What to think of the getter's value.
    fn judge<C: Clock>(lock: &Dogpile<C>, value: &V) -> Sight;

    /// Whether the getter's value may cover a failure, as far as the lock knows without the getter.
    fn may_cover<C: Clock>(lock: &Dogpile<C>) -> bool;

    /// Whether it does.
    fn covers<C: Clock>(lock: &Dogpile<C>, value: &V) -> bool;

    /// The getter has brought none.
    fn missed<C: Clock>(_: &Dogpile<C>) {}

    /// The value, of what a creator has made just now.
    fn value<C: Clock>(lock: &Dogpile<C>, made: Self::Made) -> V;
}

/// What a setter comes to, for a creator that fails with `E`.
pub trait Sets<V, E> {
    /// Whether there is one.
    const SETS: bool;

    fn set(self, value: &V) -> Result<(), E>;
}

impl<V, E> Sets<V, E> for Unset {
    const SETS: bool = false;

    fn set(self, _: &V) -> Result<(), E> {
        Ok(())
    }
}

impl<V, E, R: Stored<E>, F: FnOnce(&V) -> R> Sets<V, E> for Set<F> {
    const SETS: bool = true;

    fn set(self, value: &V) -> Result<(), E> {
        (self.0)(value).stored()
    }
}

opaque! { [T] Inside<T>, "Inside" }
opaque! { [F, A, S] ByGetter<F, A, S>, "ByGetter" }
opaque! { [F, M] SetByTask<F, M>, "SetByTask" }
opaque! { [F] Set<F>, "Set" }
