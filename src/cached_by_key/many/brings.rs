//! What a batch function returns.

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

/// What a batch function of a [`CachedByKey`](crate::CachedByKey) returns, for as many arguments as it is given and in
/// their order. `Kind` tells the four apart and is never named. The trait is sealed.
///
/// | returned | says | an access gives |
/// |---|---|---|
/// | `Vec<V>` | a result for each | [`Stamped<V>`](Stamped) for each |
/// | `Vec<Option<V>>` | or that there is none, which is not kept | `Option<Stamped<V>>` for each |
/// | `Result<Vec<V>, E>`, `Result<Vec<Option<V>>, E>` | or that all of them have failed | the same |
#[diagnostic::on_unimplemented(
    message = "a batch function of a `CachedByKey` of `{V}` cannot return this",
    label = "not `Vec<{V}>`, `Vec<Option<{V}>>` or one of them in a `Result`"
)]
pub trait Brings<V, Kind>: sealed::Brings {
    /// What it can fail with: [`Infallible`], for one that cannot.
    type Error: Cause;
    /// What an access gives for each key.
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

/// Of a key for which a batch function must have a result.
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
