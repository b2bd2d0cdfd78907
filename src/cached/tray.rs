//! How those who waited get the value that they were served with.
//!
//! It is not always in the cell by the time they wake: it may have been superseded, and never was there, or have been
//! invalidated since. So whoever is about to wait holds a share of the *tray*, and whoever serves puts the value there.
//!
//! 1. An access takes its share before it queues. All who wait at a time share one tray.
//! 2. A creation that serves puts its value there within its transition, before those who are served are out of the
//!    queue.
//! 3. There the newer of two stays, by their generations: a creation that was superseded by a value that was set may
//!    end after that has served somebody who must not get the older one (L6).
//! 4. Who is served reads it. It may find a newer value than the one that served it, which answers it too: it was born
//!    no earlier.
//! 5. With the last share the tray goes, and the value with it, if nobody else has it.

use super::node::Node;
use crate::sync::{Arc, Mutex, Weak, const_fn};

/// The newest value that has served anybody.
pub(super) type Tray<T> = Mutex<Option<Arc<Node<T>>>>;

/// Where the tray is found, while somebody has a share of it.
pub(super) struct Trays<T>(Mutex<Weak<Tray<T>>>);

impl<T> Trays<T> {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self(Mutex::new(Weak::new()))
        }
    }

    /// A share, for one who may come to wait.
    pub(super) fn share(&self) -> Arc<Tray<T>> {
        let mut current = self.0.lock();
        if let Some(tray) = current.upgrade() {
            return tray;
        }
        let tray = Arc::new(Mutex::new(None));
        *current = Arc::downgrade(&tray);
        tray
    }

    /// Puts it on the tray, if somebody has a share of that and there is no newer one. What is returned is to be
    /// dropped outside every lock.
    pub(super) fn serve(&self, node: &Arc<Node<T>>) -> impl Sized + use<T> {
        let tray = self.0.lock().upgrade();
        let old = tray.as_ref().and_then(|tray| {
            let mut served = tray.lock();
            let is_newer = served.as_ref().is_some_and(|there| there.generation() > node.generation());
            if is_newer { None } else { served.replace(Arc::clone(node)) }
        });
        (old, tray)
    }
}
