//! What each process has for itself, because threads go with it: a child made by fork(2) has its parent's memory, and
//! none of those threads.
//!
//! What the parent had stays where it is, and is neither used nor dropped in the child: its mutexes may have been
//! locked when the process forked, by threads that the child has not. Nothing here waits for anybody.
//!
//! (A process is known by its number. That of one that is gone is given again, after some ten thousand others; a child
//! that has it takes what that one had for its own, if no process in between has used it. So does a child that is the
//! first of a namespace of its own, where its parent was the first of another.)

use crate::derived::opaque;
use crate::sync::once::OnceBox;
use std::process;

/// A place for what each process makes when it first needs it.
pub(crate) struct PerProcess<T>(OnceBox<Life<T>>);

struct Life<T> {
    process: u32,
    its: T,
    /// In a child of that process that has inherited this.
    forked: PerProcess<T>,
}

impl<T> PerProcess<T> {
    pub(crate) const fn new() -> Self {
        Self(OnceBox::new())
    }

    /// What this process has made, if it has.
    pub(crate) fn get(&self) -> Option<&T> {
        let last = self.last()?;
        (last.process == process::id()).then_some(&last.its)
    }

    /// What this process has made; made now, if it has not.
    pub(crate) fn get_or_init(&self, make: impl Fn() -> T) -> &T {
        let process = process::id();
        loop {
            let place = match self.last() {
                Some(last) if last.process == process => return &last.its,
                Some(last) => &last.forked,
                None => self,
            };
            // (Another thread may be faster: then this is looked at once more.)
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
