//! A place for a shared value that is read without waiting and replaced as a whole.
//!
//! Normally the place is arc-swap's. A reader marks a slot of its own thread, so it writes no memory that other threads
//! write. Under `cfg(dogpile_loom)` the place is a number in one of loom's atomics, with the orderings that arc-swap
//! documents and no stronger ones. The values that the numbers stand for lie outside the model's view. The models do
//! not cover how arc-swap keeps alive what is being read.

#[cfg(not(dogpile_loom))]
mod imp {
    use crate::sync::Arc;
    use arc_swap::ArcSwapOption;

    /// A shared value, or none.
    pub(crate) struct ArcCell<T>(ArcSwapOption<T>);

    /// The value as it was read.
    pub(crate) type Loaded<T> = arc_swap::Guard<Option<Arc<T>>>;

    impl<T> ArcCell<T> {
        pub(crate) const fn new() -> Self {
            Self(ArcSwapOption::const_empty())
        }

        /// Returns the value that is there. (Acquire: pairs with [`swap`](Self::swap).)
        #[inline]
        pub(crate) fn load(&self) -> Loaded<T> {
            self.0.load()
        }

        /// Replaces the value, and returns the old one, with every reader's share of it accounted for. (Release.)
        pub(crate) fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
            self.0.swap(new)
        }
    }

    pub(crate) fn loaded<T>(value: Arc<T>) -> Loaded<T> {
        Loaded::from_inner(Some(value))
    }
}

#[cfg(dogpile_loom)]
mod imp {
    use crate::sync::{Arc, AtomicU64, Ordering};
    use std::ops::Deref;
    use std::sync::{Mutex, PoisonError};

    /// A shared value, or none: number 0 is none, number n the n-th that was ever put here.
    pub(crate) struct ArcCell<T> {
        number: AtomicU64,
        values: Mutex<Vec<Arc<T>>>,
    }

    pub(crate) struct Loaded<T>(Option<Arc<T>>);

    impl<T> Deref for Loaded<T> {
        type Target = Option<Arc<T>>;

        fn deref(&self) -> &Option<Arc<T>> {
            &self.0
        }
    }

    impl<T> ArcCell<T> {
        pub(crate) fn new() -> Self {
            Self { number: AtomicU64::new(0), values: Mutex::new(Vec::new()) }
        }

        fn value(&self, number: u64) -> Option<Arc<T>> {
            let values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
            let index = usize::try_from(number).unwrap().checked_sub(1)?;
            Some(Arc::clone(&values[index]))
        }

        pub(crate) fn load(&self) -> Loaded<T> {
            Loaded(self.value(self.number.load(Ordering::Acquire)))
        }

        pub(crate) fn swap(&self, new: Option<Arc<T>>) -> Option<Arc<T>> {
            let number = new.map_or(0, |new| {
                let mut values = self.values.lock().unwrap_or_else(PoisonError::into_inner);
                values.push(new);
                values.len() as u64
            });
            self.value(self.number.swap(number, Ordering::AcqRel))
        }
    }

    pub(crate) fn loaded<T>(value: Arc<T>) -> Loaded<T> {
        Loaded(Some(value))
    }
}

pub(crate) use imp::{ArcCell, Loaded, loaded};
