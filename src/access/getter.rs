//! What a getter returns.

use std::convert::Infallible;

/// What a getter returns: `Option<T>`, or `Result<Option<T>, G>` if it can fail.
///
/// `None` says that the value is missing, and has to be created. The origin, Python's `dogpile`, calls this
/// `NeedRegeneration`. An `Err` says that the getter does not know whether there is a value, and fails the access. The
/// trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a getter returns `Option<T>`, or `Result<Option<T>, G>` if it can fail",
    label = "this getter returns `{Self}`",
    note = "`None` says that the value is missing, and has to be created; an `Err` that it is not known, and fails the \
            access",
    note = "a closure that only panics (`!`) has to say what it would return: `|| -> Option<u64> {{ … }}`"
)]
pub trait Found: Finds {}

impl<R: Finds> Found for R {}

// Public only because it is a supertrait of `Found`: this module is not public.
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
