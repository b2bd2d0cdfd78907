//! Tests that run in a child process. The child runs the same program, and an environment variable tells it which part
//! to play.

use std::env;
use std::process::{Command, Output};

/// The text that a child writes when it has done its part.
pub const DONE: &str = "all was done, and nothing else";
const PART: &str = "DOGPILE_TEST_PART";

/// Returns the part that this process plays, if it is a child.
pub fn part() -> Option<String> {
    env::var(PART).ok()
}

/// Runs one test of this program as a child.
pub fn play(part: &str, test: &str) -> Output {
    let program = env::current_exe().expect("a test knows its own program");
    let mut child = Command::new(program);
    child.args([test, "--exact", "--nocapture", "--test-threads=1"]).env(PART, part);
    child.output().expect("a test can run itself")
}

/// Returns whether the child has done its part.
pub fn is_done(child: &Output) -> bool {
    String::from_utf8_lossy(&child.stdout).contains(DONE)
}
