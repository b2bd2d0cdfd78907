//! How guards show themselves: as what they guard.

/// Implements `Debug` and `Display` for a guard, as the type that it derefs to has them.
macro_rules! shown_by_deref {
    ([$of:ident $(: ?$unsized:ident)?] $type:ty) => {
        crate::shown::shown_by_deref! { Debug [$of $(: ?$unsized)?] $type }
        crate::shown::shown_by_deref! { Display [$of $(: ?$unsized)?] $type }
    };
    ($by:ident [$of:ident $(: ?$unsized:ident)?] $type:ty) => {
        impl<$of: $(?$unsized +)? std::fmt::$by> std::fmt::$by for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                (**self).fmt(f)
            }
        }
    };
}
pub(crate) use shown_by_deref;
