//! The compiler's messages to users that misuse the crate. Each `ui/*.rs` fails to compile, and its message stands
//! beside it.
//!
//! The messages are those of one version of the compiler. `TRYBUILD=overwrite cargo test -p dogpile-ui-tests` writes
//! down the message of a new case. Read it then: the message must name the mistake.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

/// The compiler whose messages stand in `ui/*.stderr`.
const COMPILER: &str = "rustc 1.95.";

/// Returns the version of the compiler that compiles the cases.
fn compiler() -> String {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let said = Command::new(rustc).arg("--version").output().expect("there is a compiler");
    String::from_utf8(said.stdout).expect("a version is text").trim_end().to_owned()
}

/// Returns whether a case has its message. Without it, trybuild would write the case's message to a directory beside
/// `ui`, and a test must leave nothing there.
fn has_its_message(case: &Path) -> bool {
    case.with_extension("stderr").exists() || env::var_os("TRYBUILD").is_some()
}

#[test]
fn the_compiler_names_each_mistake() {
    let version = compiler();
    assert!(
        version.starts_with(COMPILER),
        "the messages in ui-tests/ui are those of {COMPILER}*, and this is {version}; with a new compiler, write them \
         down anew (see tests/ui.rs) and say so in COMPILER"
    );
    let files = fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("ui")).expect("there is such a directory");
    let files = files.map(|file| file.expect("a file").path());
    let cases: Vec<_> = files.filter(|file| file.extension().is_some_and(|extension| extension == "rs")).collect();
    assert!(!cases.is_empty(), "no case is found");
    for case in &cases {
        assert!(has_its_message(case), "{} has no .stderr beside it: see tests/ui.rs", case.display());
    }
    trybuild::TestCases::new().compile_fail("ui/*.rs");
}
