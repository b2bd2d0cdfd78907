//! An asymmetric fence: next to nothing for those who come often, a call to the kernel for the one who comes rarely.
//!
//! Two threads each write a word and then read the other's. That not both of them miss the other's write takes a full
//! fence between the write and the read, on both sides. Linux can put one into every running thread of the process at
//! the will of a single one (membarrier(2), `PRIVATE_EXPEDITED`, since 4.14); then the often-taken side needs only to
//! keep the compiler from moving the read before the write. Where the kernel refuses, and on other platforms, both
//! sides pay.
//!
//! Which of the two it is, is decided once for the whole process, before the first fence, and never changes: a light
//! fence that was taken in the hope of the kernel's help is none without it.
//!
//! A fence only makes the write seen. What else a thread did before is carried by the release and acquire of the words
//! themselves, where `ThreadSanitizer`, which knows no fences, sees it too.

#[cfg(not(dogpile_loom))]
pub(crate) use native::{force_full, heavy, is_asymmetric, light};

#[cfg(not(dogpile_loom))]
mod native {
    use std::sync::atomic::{AtomicU8, Ordering, compiler_fence, fence};

    #[cfg(all(target_os = "linux", not(dogpile_portable)))]
    use rustix::thread::{MembarrierCommand, membarrier};

    const UNDECIDED: u8 = 0;
    const ASYMMETRIC: u8 = 1;
    const FULL: u8 = 2;

    static KIND: AtomicU8 = AtomicU8::new(UNDECIDED);

    /// Decides for that kind, unless it is decided already; returns what it is.
    fn decide(kind: u8) -> u8 {
        // Relaxed, both: the word by itself is all that is asked for; what the kernel was told holds for all threads.
        match KIND.compare_exchange(UNDECIDED, kind, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => kind,
            Err(decided) => decided,
        }
    }

    /// Whether the kernel helps. The first call in a process asks it, which may take it some milliseconds.
    pub(crate) fn is_asymmetric() -> bool {
        // Relaxed: as in `decide`.
        let kind = match KIND.load(Ordering::Relaxed) {
            UNDECIDED => decide(if ask() { ASYMMETRIC } else { FULL }),
            decided => decided,
        };
        kind == ASYMMETRIC
    }

    #[cfg(all(target_os = "linux", not(dogpile_portable)))]
    fn ask() -> bool {
        membarrier(MembarrierCommand::RegisterPrivateExpedited).is_ok()
            && membarrier(MembarrierCommand::PrivateExpedited).is_ok()
    }

    #[cfg(not(all(target_os = "linux", not(dogpile_portable))))]
    fn ask() -> bool {
        false
    }

    /// Decides for full fences; false if it was decided otherwise before.
    pub(crate) fn force_full() -> bool {
        decide(FULL) == FULL
    }

    /// The side of those who come often; `asymmetric` as [`is_asymmetric`] has said.
    #[inline(always)]
    #[allow(clippy::inline_always)] // it is one instruction, or none
    pub(crate) fn light(asymmetric: bool) {
        if asymmetric {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The side of the one who comes rarely. Pairs with [`light`], and with a full fence.
    ///
    /// # Panics
    ///
    /// If the kernel helped before and does not any more.
    pub(crate) fn heavy() {
        // For the full fences of those who do not count on the kernel.
        fence(Ordering::SeqCst);
        // On other platforms all pay.
        #[cfg(all(target_os = "linux", not(dogpile_portable)))]
        if is_asymmetric() {
            membarrier(MembarrierCommand::PrivateExpedited).unwrap_or_else(|error| {
                panic!(
                    "a writer cannot tell who is reading: membarrier worked when this process began, and now fails \
                     with \"{error}\". Install a system-call filter that forbids it before the first read, or allow it."
                )
            });
        }
    }
}

#[cfg(dogpile_loom)]
pub(crate) use twin::{heavy, is_asymmetric, light};

#[cfg(dogpile_loom)]
mod twin {
    use crate::sync::{Mutant, mutant};
    use loom::sync::atomic::{Ordering, fence};

    /// Both sides are full fences here: loom knows no others.
    pub(crate) fn is_asymmetric() -> bool {
        false
    }

    pub(crate) fn light(_: bool) {
        if !mutant(Mutant::NoReaderFence) {
            fence(Ordering::SeqCst);
        }
    }

    pub(crate) fn heavy() {
        fence(Ordering::SeqCst);
    }
}
