//! A store that runs in the middle of a creation.

use crate::election::Election;
use crate::sync::AtomicU64;

/// A store that runs. The drop of this ends the store, however the user's closure ends.
#[derive(Debug)]
pub struct Store<'a> {
    pub(super) election: &'a Election,
    pub(super) stores: &'a AtomicU64,
}

impl Drop for Store<'_> {
    fn drop(&mut self) {
        self.election.end_store(self.stores);
    }
}
