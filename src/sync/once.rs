//! A place for something that is made when it is first needed, found by one pointer.
//!
//! Normally the place is `once_cell`'s. Under `cfg(dogpile_loom)` it is std's `OnceLock`, which the model sees as one
//! of loom's atomics with the same orderings: of two makers one is faster, and the other sees all of what the faster
//! one has made.

#[cfg(not(dogpile_loom))]
pub(crate) use once_cell::race::OnceBox;

#[cfg(dogpile_loom)]
mod imp {
    use crate::sync::{AtomicBool, Ordering};
    use std::sync::OnceLock;

    #[derive(Debug)]
    pub(crate) struct OnceBox<T> {
        made: AtomicBool,
        place: OnceLock<Box<T>>,
    }

    impl<T> OnceBox<T> {
        pub(crate) fn new() -> Self {
            Self { made: AtomicBool::new(false), place: OnceLock::new() }
        }

        pub(crate) fn with_value(value: Box<T>) -> Self {
            Self { made: AtomicBool::new(true), place: OnceLock::from(value) }
        }

        pub(crate) fn get(&self) -> Option<&T> {
            // Acquire: pairs with the release in `get_or_init`.
            self.made.load(Ordering::Acquire).then(|| self.place.get()).flatten().map(|made| &**made)
        }

        pub(crate) fn get_or_init(&self, maker: impl FnOnce() -> Box<T>) -> &T {
            if let Some(made) = self.get() {
                return made;
            }
            let made = maker();
            // Release, and acquire for a thread that finds it made: pairs with `get` and with itself. Between this and
            // the next step the model does not switch.
            match self.made.compare_exchange(false, true, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => self.place.get_or_init(|| made),
                Err(_) => self.place.get().expect("it was just made"),
            }
        }
    }
}
#[cfg(dogpile_loom)]
pub(crate) use imp::OnceBox;
