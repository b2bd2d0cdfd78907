//! Faults on purpose. A model plants one to see itself fail.

/// A fault that a model may plant to see itself fail. Each fault names the line of code that it breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// `Expiry` stores a new deadline without release ordering (L4).
    UnreleasedDeadline,
    /// A waiter queues without looking again whether the creation still runs (C16).
    NoRecheck,
    /// A watcher looks for its value before it takes the mutex, and is added without another look (C16).
    LooksBeforeItWatches,
    /// A waiter that leaves after it was woken keeps the baton (L5).
    BatonKept,
    /// `finish` publishes although the generation has moved (L6).
    LateFinishPublishes,
    /// An access that finds a creation overdue takes over though the creation is storing (C11).
    StorerTakenOver,
    /// A creation that was declared dead is taken for the one that runs (L1).
    DeadIsLive,
    /// A waiter that comes while an overdue creation stores does not say so (C16).
    OverdueUntold,
    /// A waiter that is served stays in the table of creations that wait for each other (L7, C14).
    EdgesStay,
    /// A waiter that has given its creator away is not told that no other waiter is left to create (L3).
    AloneUntold,
    /// A waiter that has given its creator away is called all the same (L5).
    CalledWithoutCreator,
    /// A spawned creation ends without a word before (L5).
    EndingUnsaid,
    /// `settle` has an access with an old value wait for the creation that runs (L2).
    OldValueAwaited,
    /// `settle` elects although the generation has moved since the access looked (L8).
    ElectedOnOldNews,
    /// An access that is elected to renew what was refused does not look once more at the last such renewal (L1).
    RenewedAgain,
    /// A waiter that shares the error of a creation is not woken to hear of it (C16).
    FailureUntold,
    /// A reader looks for a writer without a fence behind the mark that it has left (L9).
    #[cfg(dogpile_loom)]
    NoReaderFence,
    /// A record that is taken counts as free (L9).
    TakenUncounted,
    /// A reader that leaves does not look for a writer that waits for it (L9).
    LeavesSilently,
    /// A reader that is let in while a writer drains is not waited for (L9).
    NestedNotWaitedFor,
    /// `Cached` stores the deadline before the value (L4).
    DeadlineBeforeValue,
    /// A `Reader` of a `Cached` looks at the cell before the deadline (L4).
    CellBeforeDeadline,
    /// `Renewal` reads the old value without the mutex (L6).
    OldOutsideMutex,
    /// A holder that lets go of an entry of a registry takes itself for the last without another look under the mutex
    /// (L1).
    LastWithoutALook,
    /// An entry of a registry is evicted without a look whether it is held (L1).
    HeldEvicted,
}

/// Returns whether that fault is planted: there is none outside the models.
#[cfg(not(dogpile_loom))]
pub(crate) const fn mutant(_: Mutant) -> bool {
    false
}

#[cfg(dogpile_loom)]
pub(crate) use planted::mutant;
#[cfg(dogpile_loom)]
pub use planted::plant;

#[cfg(dogpile_loom)]
mod planted {
    use super::Mutant;
    use std::sync::{Mutex, PoisonError};

    static PLANTED: Mutex<Option<Mutant>> = Mutex::new(None);

    /// Plants a fault in all models of this process, or takes it out.
    pub fn plant(fault: Option<Mutant>) {
        *PLANTED.lock().unwrap_or_else(PoisonError::into_inner) = fault;
    }

    /// Returns whether that fault is planted.
    pub(crate) fn mutant(fault: Mutant) -> bool {
        *PLANTED.lock().unwrap_or_else(PoisonError::into_inner) == Some(fault)
    }
}
