//! Tests that run in a child, which is the same program again, told by an environment variable which part to play.

use std::env;
use std::process::{Command, Output};

/// What a child writes when it has done all that it was told to.
pub const DONE: &str = "all was done, and nothing else";
const PART: &str = "DOGPILE_TEST_PART";

/// The part that this process plays, if it is a child.
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

/// Whether the child has done all.
pub fn is_done(child: &Output) -> bool {
    String::from_utf8_lossy(&child.stdout).contains(DONE)
}
