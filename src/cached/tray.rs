//! How waiters get the value that they were served with.
//!
//! When a waiter wakes, the value that served it need not be in the cell. The value may have been superseded, and so
//! was never in the cell. Or the value may have been invalidated since. So an access that is about to wait holds a
//! share of the *tray*, and a creation that serves puts its value on the tray.
//!
//! 1. An access takes its share before it queues. All accesses that wait at the same time share one tray.
//! 2. A creation that serves puts its value on the tray within its transition, before the waiters that it serves are
//!    out of the queue.
//! 3. Of two values on the tray, the newer stays, by their generations. A creation that was superseded by a value that
//!    was set may end after that value has served a waiter, and that waiter must not be given the older value (L6).
//! 4. A waiter that was served reads the tray. The waiter may find a newer value than the value that served it. The
//!    newer value answers the waiter too, since it was born no earlier.
//! 5. With the last share the tray goes, and so does its value, unless another owner has it.

use super::node::Node;
use crate::sync::{Arc, Mutex, Weak, const_fn};

/// The newest value that has served a waiter.
pub(super) type Tray<T> = Mutex<Option<Arc<Node<T>>>>;

/// Leads to the tray, while an access has a share of it.
pub(super) struct Trays<T>(Mutex<Weak<Tray<T>>>);

impl<T> Trays<T> {
    const_fn! {
        pub(super) const fn new() -> Self {
            Self(Mutex::new(Weak::new()))
        }
    }

    /// Returns a share of the tray, for an access that may come to wait.
    pub(super) fn share(&self) -> Arc<Tray<T>> {
        let mut current = self.0.lock();
        if let Some(tray) = current.upgrade() {
            return tray;
        }
        let tray = Arc::new(Mutex::new(None));
        *current = Arc::downgrade(&tray);
        tray
    }

    /// Puts `node` on the tray, if an access has a share of the tray and no newer value is on it. The caller drops what
    /// is returned outside every lock.
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
