//! Which traits a type has, asked both ways.

/// What holds for every type, and gives way to what a type has of its own.
pub trait Otherwise {
    const IT_IS: bool = false;
}

impl<T: ?Sized> Otherwise for T {}

/// Whether the type has that trait. Needs [`Otherwise`] in scope.
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
