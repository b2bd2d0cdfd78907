//! Whether what the user gives can fail: whether its error can be made.

use std::convert::Infallible;

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
