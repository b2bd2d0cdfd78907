//! The guide: one page for each question.
//!
//! | page | question |
//! |---|---|
//! | [`start`] | How does a program begin, alone and as a fleet? |
//! | [`accesses`] | What can be asked of a key, and what does an access do? |
//! | [`changes`] | What does a program do after it has written to the source? |
//! | [`policy`] | What happens as a value ages, and which setting is right? |
//! | [`failures`] | What happens when something fails, hangs, dies or lies? |
//! | [`redis`] | What does a fleet on Redis get, and what must its operator know? |
//! | [`memcached`] | What does a fleet on memcached get, and what must its operator know? |
//! | [`postgres`] | What does a fleet on PostgreSQL get, and what must its operator know? |
//! | [`testing`] | How does a program test what it does with a region? |
//! | [`keys`] | How does a key look on a backend, and how is one found and deleted by hand? |
//! | [`seen`] | How does a program learn of what happens in a region? |
//! | [`guarantees`] | What does the crate promise, and what shows it? |

pub mod accesses;
pub mod changes;
pub mod failures;
pub mod guarantees;
pub mod keys;
pub mod memcached;
pub mod policy;
pub mod postgres;
pub mod redis;
pub mod seen;
pub mod start;
pub mod testing;
