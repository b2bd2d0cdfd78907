//! The return types of a batch function.

use crate::dogpile::Stamped;
use crate::failure::Cause;
use std::convert::Infallible;

/// The kinds of [`Brings`].
#[doc(hidden)]
#[allow(missing_debug_implementations)]
pub mod kinds {
    pub enum All {}
    pub enum TryAll {}
    pub enum Some {}
    pub enum TrySome {}
}

/// A type that a batch function of a [`CachedByKey`](crate::CachedByKey) can return.
///
/// A batch function returns one element for each of its arguments, in the order of the arguments.
///
/// | returned | an element is | an access returns for each key |
/// |---|---|---|
/// | `Vec<V>` | a result | [`Stamped<V>`](Stamped) |
/// | `Vec<Option<V>>` | a result, or `None` if there is none, which is not kept | `Option<Stamped<V>>` |
/// | `Result<Vec<V>, E>` | a result; an error says that all of them failed | `Stamped<V>` |
/// | `Result<Vec<Option<V>>, E>` | a result or `None`; an error says that all of them failed | `Option<Stamped<V>>` |
///
/// `Kind` tells the four apart. A program never names it. The trait is sealed.
#[diagnostic::on_unimplemented(
    message = "a batch function of a `CachedByKey` of `{V}` cannot return this",
    label = "not `Vec<{V}>`, `Vec<Option<{V}>>` or one of them in a `Result`"
)]
pub trait Brings<V, Kind>: sealed::Brings {
    /// The error of the batch function: [`Infallible`] if the batch function cannot fail.
    type Error: Cause;
    /// The type that an access returns for each key.
    type Got;

    #[doc(hidden)]
    #[allow(clippy::missing_errors_doc)]
    fn brought(self) -> Result<Vec<Option<V>>, Self::Error>;

    #[doc(hidden)]
    fn give(got: Option<Stamped<V>>) -> Self::Got;
}

mod sealed {
    pub trait Brings {}

    impl<T> Brings for Vec<T> {}
    impl<T, E> Brings for Result<Vec<T>, E> {}
}

/// Returns the result of a key for which the batch function must have one.
fn whole<V>(got: Option<Stamped<V>>) -> Stamped<V> {
    got.expect("a batch without options has a result for each key")
}

impl<V> Brings<V, kinds::All> for Vec<V> {
    type Error = Infallible;
    type Got = Stamped<V>;

    fn brought(self) -> Result<Vec<Option<V>>, Infallible> {
        Ok(self.into_iter().map(Some).collect())
    }

    fn give(got: Option<Stamped<V>>) -> Stamped<V> {
        whole(got)
    }
}

impl<V, E: Cause> Brings<V, kinds::TryAll> for Result<Vec<V>, E> {
    type Error = E;
    type Got = Stamped<V>;

    fn brought(self) -> Result<Vec<Option<V>>, E> {
        self.map(|values| values.into_iter().map(Some).collect())
    }

    fn give(got: Option<Stamped<V>>) -> Stamped<V> {
        whole(got)
    }
}

impl<V> Brings<V, kinds::Some> for Vec<Option<V>> {
    type Error = Infallible;
    type Got = Option<Stamped<V>>;

    fn brought(self) -> Result<Self, Infallible> {
        Ok(self)
    }

    fn give(got: Option<Stamped<V>>) -> Option<Stamped<V>> {
        got
    }
}

impl<V, E: Cause> Brings<V, kinds::TrySome> for Result<Vec<Option<V>>, E> {
    type Error = E;
    type Got = Option<Stamped<V>>;

    fn brought(self) -> Self {
        self
    }

    fn give(got: Option<Stamped<V>>) -> Option<Stamped<V>> {
        got
    }
}
