//! Traits that `derive` could implement only under a bound that is too strong: that the type's parameters have the
//! trait, too.

/// Implements `Debug` for a type that has a name, and nothing else to show.
macro_rules! opaque {
    ([$($generics:tt)*] $type:ty, $name:literal) => {
        impl<$($generics)*> std::fmt::Debug for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct($name).finish_non_exhaustive()
            }
        }
    };
}
pub(crate) use opaque;

/// Implements `Copy`, and so `Clone`.
macro_rules! copied {
    ([$($generics:tt)*] $type:ty) => {
        impl<$($generics)*> Clone for $type {
            fn clone(&self) -> Self {
                *self
            }
        }

        impl<$($generics)*> Copy for $type {}
    };
}
pub(crate) use copied;
