//! How those who waited get the value that they were served with.
//!
//! It is not always in the cell by the time they wake: it may have been superseded, and never was there, or have been
//! invalidated since. So whoever is about to wait holds a share of the *tray*, and whoever serves puts the value there.
//!
//! 1. An access takes its share before it queues. All who wait at a time share one tray.
//! 2. A creation that serves puts its value there within its transition, before those who are served are out of the queue.
//! 3. Who is served reads it. It may find the value of a later creation than the one that served it, but never of an older
//!    one: creations follow each other (L1). A later one was born no earlier, so it too answers whoever the first did.
//! 4. With the last share the tray goes, and the value with it, if nobody else has it.

use super::Node;
use crate::sync::{Arc, Mutex, Weak, const_fn};

/// The value of the last creation that served anybody.
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

    /// Puts it on the tray, if somebody has a share of that. What is returned is to be dropped outside every lock.
    pub(super) fn serve(&self, node: &Arc<Node<T>>) -> impl Sized + use<T> {
        let tray = self.0.lock().upgrade();
        let old = tray.as_ref().and_then(|tray| tray.lock().replace(Arc::clone(node)));
        (old, tray)
    }
}
