//! What each process has for itself, because threads belong to it: a child made by fork(2) has the memory of its
//! parent, and none of the parent's threads.
//!
//! What the parent had stays where it is. The child neither uses nor drops it: its mutexes may have been locked when
//! the process forked, by threads that the child does not have. Nothing here waits for anything.
//!
//! (A process is known by its number. The number of a process that is gone is given again, after some ten thousand
//! others. A child that has such a number takes for its own what the earlier process with that number had, unless a
//! process in between has used the place. So does a child that is the first of a namespace of its own, where its parent
//! was the first of another.)

use crate::derived::opaque;
use crate::sync::once::OnceBox;
use std::process;

/// A place for what each process makes when it first needs it.
pub(crate) struct PerProcess<T>(OnceBox<Life<T>>);

struct Life<T> {
    process: u32,
    its: T,
    /// The place of a child of that process that has inherited this.
    forked: PerProcess<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceBox::new())
    }

    /// Returns what this process has made, if it has made anything.
    pub(crate) fn get(&self) -> Option<&T> {
        let last = self.last()?;
        (last.process == process::id()).then_some(&last.its)
    }

    /// Returns what this process has made. Makes it now, if there is nothing yet.
    pub(crate) fn get_or_init(&self, make: impl Fn() -> T) -> &T {
        let process = process::id();
        loop {
            let place = match self.last() {
                Some(last) if last.process == process => return &last.its,
                Some(last) => &last.forked,
                None => self,
            };
            // (Another thread may be faster. Then the loop looks at the place once more.)
            place.0.get_or_init(|| Box::new(Life { process, its: make(), forked: Self::new() }));
        }
    }

    fn last(&self) -> Option<&Life<T>> {
        let mut last = self.0.get()?;
        while let Some(forked) = last.forked.0.get() {
            last = forked;
        }
        Some(last)
    }
}

opaque! { [T] PerProcess<T>, "PerProcess" }
