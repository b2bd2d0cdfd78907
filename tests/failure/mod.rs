//! The error of the creators of these tests.

use std::fmt;

/// The error that the creators of these tests fail with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Failure;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it failed on purpose")
    }
}
