//! The guide: one page for each question.
//!
//! | page | question |
//! |---|---|
//! | [`modes`] | Which type, and which mode of it, does a program need? |
//! | [`policy`] | What happens as a value ages, and when creating goes wrong? |
//! | [`background`] | How is a value renewed so that no caller waits for it? |
//! | [`tasks`] | How do tasks use a lock, and how do they share it with threads? |
//! | [`readers`] | How is something swapped that threads are reading? |
//! | [`registry`] | How does each of many keys get a lock or a value of its own? |
//! | [`guarantees`] | What does the crate promise, and what proves it? |
//! | [`performance`] | What does an access cost, and beside what? |
//! | [`limitations`] | What can the crate not do? |
//! | [`internals`] | How is the crate built, and where does a reader of its source begin? |
//! | [`recipes`] | How is a task of every day solved? |

pub mod background;
pub mod guarantees;
pub mod internals;
pub mod limitations;
pub mod modes;
pub mod performance;
pub mod policy;
pub mod readers;
pub mod recipes;
pub mod registry;
pub mod tasks;
