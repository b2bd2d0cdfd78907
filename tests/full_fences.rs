//! The laws of `RmLock` in a process without the kernel's help.

#![cfg(not(dogpile_loom))]

#[macro_use]
mod rm_lock_laws;

use dogpile::force_full_fences;

// Each test first forces full fences. The first test decides it for the process, and the later ones find it decided.
laws!(assert_eq!(force_full_fences(), Ok(())););
