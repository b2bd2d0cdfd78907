//! An asymmetric fence: it costs next to nothing for the threads that take it often, and a call to the kernel for the
//! thread that takes it rarely.
//!
//! Two threads each write a word and then read the other's word. To rule out that both of them miss the other's write,
//! each of them needs a full fence between its write and its read. On Linux a single thread can put such a fence into
//! every running thread of the process (membarrier(2), `PRIVATE_EXPEDITED`, since 4.14). Then the often-taken side only
//! needs to keep the compiler from moving the read before the write. Where the kernel refuses, and on other platforms,
//! both sides take full fences.
//!
//! The kind of fence is decided once for the whole process, before the first fence, and never changes: a light fence
//! that was taken in the hope of the kernel's help is no fence without it.
//!
//! A fence only makes the write seen. Anything else that a thread did before is carried by the release and acquire of
//! the words themselves, where `ThreadSanitizer`, which knows no fences, sees it too.

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

    /// Decides for that kind, unless the kind is decided already. Returns the kind that was decided.
    fn decide(kind: u8) -> u8 {
        // Relaxed, both: only the word itself is needed; what the kernel was told holds for all threads.
        match KIND.compare_exchange(UNDECIDED, kind, Ordering::Relaxed, Ordering::Relaxed) {
            Ok(_) => kind,
            Err(decided) => decided,
        }
    }

    /// Returns whether the kernel helps. The first call in a process asks the kernel, which may take some milliseconds.
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

    /// Decides for full fences. Returns false if asymmetric fences were decided before.
    pub(crate) fn force_full() -> bool {
        decide(FULL) == FULL
    }

    /// The fence of the side that comes often. `asymmetric` is what [`is_asymmetric`] has returned.
    #[inline(always)]
    #[allow(clippy::inline_always)] // it is one instruction, or none
    pub(crate) fn light(asymmetric: bool) {
        if asymmetric {
            compiler_fence(Ordering::SeqCst);
        } else {
            fence(Ordering::SeqCst);
        }
    }

    /// The fence of the side that comes rarely. Pairs with [`light`], and with a full fence.
    ///
    /// # Panics
    ///
    /// If the kernel helped before and does not any more.
    pub(crate) fn heavy() {
        // For the full fences of threads that do not count on the kernel.
        fence(Ordering::SeqCst);
        // On other platforms both sides take full fences.
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
