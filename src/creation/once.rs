//! A closure that is called once, and is passed by reference until then.

/// A closure of the user's, until it is called. A future that is moved into another takes its place there twice. So the
/// crate passes on the closure that will make a future, by reference, and not the future.
#[derive(Debug)]
pub struct Once<F>(Option<F>);

impl<F> Once<F> {
    pub(crate) fn new(closure: F) -> Self {
        Self(Some(closure))
    }

    pub(crate) fn take(&mut self) -> F {
        self.0.take().expect("it is called once")
    }
}
