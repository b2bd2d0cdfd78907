//! What an access may ask of a value besides its freshness: a newer value than one it was refused with, a new value
//! within some time, or a value that is made anew.

mod anew;
#[path = "../common/mod.rs"]
mod common;
#[allow(dead_code)] // the tests of tasks need more of it
#[path = "../tasks/executor.rs"]
mod executor;
mod newer;
mod shared_errors;
mod soft;
