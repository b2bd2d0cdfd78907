//! What a [`Cached`] says of itself as a lock: what its accesses give, and what its creations note.

use super::Cached;
use super::guard::CachedGuard;
use super::node::Node;
use crate::clock::Clock;
use crate::lock::{Lock, owns_nothing};
use crate::sync::{Arc, OnceLock};
use std::convert::Infallible;

/// The value that is renewed, once the creator has asked for it. `None` in the inner place says that there was no old
/// value.
#[derive(Debug)]
pub struct Noted<T>(pub(super) OnceLock<Option<Arc<Node<T>>>>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T, C: Clock> Lock for Cached<T, C> {
    type Got<'a, V>
        = CachedGuard<V>
    where
        Self: 'a;
    type GotByTask<V> = CachedGuard<V>;
    type Turn<'a, 'c>
        = Infallible
    where
        Self: 'a + 'c;
    type TurnByTask<'c>
        = Infallible
    where
        Self: 'c;
    type Noted = Noted<T>;

    owns_nothing! {}
}
