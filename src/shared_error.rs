//! The error of a creation, as the waiters that wait for that creation share it.

use crate::sync::Arc;
use std::any::{Any, TypeId};

/// The error that a creation has failed with, of any type.
#[derive(Clone, Debug)]
pub struct SharedError(Arc<dyn Any + Send + Sync>);

impl SharedError {
    pub(crate) fn new<E: Any + Send + Sync>(error: E) -> Self {
        Self(Arc::new(error))
    }

    /// Returns the error, if it is of that type.
    pub(crate) fn get<E: Any>(&self) -> Option<&E> {
        self.0.downcast_ref()
    }

    /// Returns the type of the error.
    pub(crate) fn type_of_error(&self) -> TypeId {
        (*self.0).type_id()
    }
}

impl PartialEq for SharedError {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for SharedError {}
