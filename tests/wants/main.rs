//! What an access may want of a value that is there, beside that it is fresh: another one, a new one within some time,
//! one that is made anew.

mod anew;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)] // the tests of tasks need more of it
#[path = "../tasks/executor.rs"]
mod executor;
mod newer;
mod shared_errors;
mod soft;
