//! A closure that is called once, and handed around by reference until then.

/// A closure of the user's, until it is called. Futures are handed around by what they will be made of, and that by
/// reference: each future that is moved into another takes its place there twice.
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
