//! The laws of `RmLock` in a process that does without the kernel's help.

#![cfg(not(dogpile_loom))]

#[macro_use]
mod rm_lock_laws;

use dogpile::force_full_fences;

// Whichever test comes first, it does this before anything else; and those that come later hear that it is so.
laws!(assert_eq!(force_full_fences(), Ok(())););
