//! What `derive` would ask too much for: that the type's parameters have it too.

/// `Debug` of what has a name, and nothing else to show.
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

/// `Copy`, and so `Clone`.
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
