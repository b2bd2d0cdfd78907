//! Whether an access stores what its creator has made, and by which setter.

use crate::derived::opaque;
use std::future::Ready;
use std::marker::PhantomData;

/// What a setter returns: nothing, or `Result<(), E>`, where `E` is also the error of the creator. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a setter returns `()`, or under `or_try_create` `Result<(), E>` with its creator's error, here `{E}`",
    label = "this setter returns `{Self}`",
    note = "if setter and creator fail with different errors, map them to one",
    note = "a closure that only panics (`!`) has to say what it would return: `|_| -> () {{ … }}`"
)]
pub trait Stored<E>: Stores<E> {}

impl<E, R: Stores<E>> Stored<E> for R {}

// Public only because it is a supertrait of `Stored`: this module is not public.
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

/// There is no setter: the creator stores what it has made.
#[derive(Clone, Copy, Debug)]
pub struct Unset;

/// A setter stores what the creator has made, unless the creation was superseded.
#[derive(Clone, Copy)]
pub struct Set<F>(pub(crate) F);

/// The setter of a task's access, if there is one. As [`Set`] and [`Unset`].
pub struct SetByTask<F, M = Whole> {
    pub(crate) setter: Option<F>,
    pub(crate) of: PhantomData<fn() -> M>,
}

impl<F, M> SetByTask<F, M> {
    pub(crate) fn new(setter: Option<F>) -> Self {
        Self { setter, of: PhantomData }
    }
}

/// What the access of a task has in place of a setter, if its creator stores what it has made.
pub type UnsetByTask = SetByTask<fn(&()) -> Ready<()>, Nothing>;

/// A setter is lent the whole value.
#[derive(Clone, Copy, Debug)]
pub struct Whole;

/// There is no setter, and so nothing is lent.
#[derive(Clone, Copy, Debug)]
pub struct Nothing;

/// What a setter is lent of a value. (If there is no setter, the type of what is lent says nothing of the value's type.
/// Otherwise the future of an access would not be `Send` where the value's type has a lifetime.)
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

/// A setter, or none, for a creator that fails with `E`.
pub trait Sets<V, E> {
    /// Whether there is a setter.
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

opaque! { [F, M] SetByTask<F, M>, "SetByTask" }
opaque! { [F] Set<F>, "Set" }
