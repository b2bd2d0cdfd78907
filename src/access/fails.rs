//! Whether a getter, a function or a store of the user can fail, that is, whether a value of its error type can exist.

use std::convert::Infallible;

/// The error of a getter whose access has no error to return. Such a getter cannot fail.
#[diagnostic::on_unimplemented(
    message = "the getter of this access can fail, with `{Self}`, and so has the access to: end it in `or_try_create`",
    label = "this has no error to return",
    note = "if its creator cannot fail: `or_try_create(|| Ok::<_, Infallible>(…))`"
)]
pub trait CannotFail: Fails {}

impl CannotFail for Infallible {}

/// The error of a function, or of the store of its results, in a call that has no error to return. Neither can fail
/// there.
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
