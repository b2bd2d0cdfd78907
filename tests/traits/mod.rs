//! Which traits a type implements, asked both ways.

/// The answer for every type. A type's own answer takes precedence.
pub trait Otherwise {
    const IT_IS: bool = false;
}

impl<T: ?Sized> Otherwise for T {}

/// Whether the type implements the trait. [`Otherwise`] must be in scope.
macro_rules! is {
    ($type:ty: $bound:path) => {{
        struct Asked<T: ?Sized>(std::marker::PhantomData<T>);
        #[allow(dead_code)] // where the answer is no
        impl<T: ?Sized + $bound> Asked<T> {
            const IT_IS: bool = true;
        }
        Asked::<$type>::IT_IS
    }};
}

/// `Send`, `Sync`, `UnwindSafe`, `RefUnwindSafe`.
macro_rules! traits {
    ($type:ty) => {
        [
            is!($type: Send),
            is!($type: Sync),
            is!($type: std::panic::UnwindSafe),
            is!($type: std::panic::RefUnwindSafe),
        ]
    };
}
