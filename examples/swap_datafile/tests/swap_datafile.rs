//! Runs the example `swap_datafile` on small files, with the lock and without.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;
use std::fs;
use std::path::{Path, PathBuf};

fn run(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_swap_datafile"), arguments)
}

/// The table that the example prints.
impl Ran {
    /// The row, without its name.
    fn row(&self, name: &str) -> &str {
        let row = self.output.lines().find_map(|line| line.strip_prefix(name));
        row.unwrap_or_else(|| panic!("no \"{name}\" in: {self}")).trim()
    }

    /// The first number of the row.
    fn number(&self, name: &str) -> u64 {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>();
        let numbers = self.row(name).split([' ', ':', ';']).map(digits);
        let first = numbers.into_iter().find(|digits| !digits.is_empty());
        first.and_then(|digits| digits.parse().ok()).unwrap_or_else(|| panic!("no number in \"{name}\" of: {self}"))
    }
}

/// An empty directory.
fn empty(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("swap_datafile").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("the directory can be made");
    directory
}

/// Two rounds of editions that keep the length, shorten the file and lengthen it. They follow soon after each other.
const SMALL: [&str; 5] = ["--size=2", "--threads=4", "--seconds=0.1", "--swap-every=0.01", "--swaps=6"];

fn small<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&SMALL, more].concat()
}

#[test]
fn l9_no_read_is_torn_under_the_lock() {
    let directory = empty("locked");
    let ran = run(&small(&["--dir", directory.to_str().unwrap()]));
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert_eq!(ran.row("torn reads"), "0", "{ran}");
    assert!(ran.number("swaps") >= 6, "{ran}");
    assert!(ran.number("lookups per second") > 0, "{ran}");
    assert!(ran.row("longest reader wait").ends_with('s'), "{ran}");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "files are left over");
}

#[test]
fn without_the_lock_reads_are_torn_or_the_process_is_killed() {
    let directory = empty("unlocked");
    let ran = run(&small(&["--no-lock", "--dir", directory.to_str().unwrap()]));
    assert!(ran.status.success(), "{ran}");
    let killed = ran.row("the child process").starts_with("was killed by SIGBUS");
    assert!(killed || ran.number("torn reads") > 0, "{ran}");
    assert!(ran.output.ends_with("\nThis is what the lock prevents.\n"), "{ran}");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0, "files are left over");
}

#[test]
fn a_directory_that_is_not_there_is_an_error() {
    let nowhere = empty("nowhere").join("here");
    for more in [&[][..], &["--no-lock"]] {
        let ran = run(&small(&[&["--dir", nowhere.to_str().unwrap()], more].concat()));
        assert_eq!(ran.status.code(), Some(1), "{ran}");
        assert!(ran.errors.contains(&format!("cannot make a file in {}: ", nowhere.display())), "{ran}");
    }
}

#[test]
fn help_names_every_option_and_no_hidden_one() {
    let ran = run(&["--help"]);
    assert!(ran.status.success(), "{ran}");
    for option in
        ["--threads", "--seconds", "--size", "--swap-every", "--swaps", "--dir", "--seed", "--no-lock", "[default: 64]"]
    {
        assert!(ran.output.contains(option), "no {option} in: {ran}");
    }
    assert!(!ran.output.contains("--child"), "{ran}");
}

#[test]
fn bad_options_are_refused_by_name() {
    common::refuses(
        env!("CARGO_BIN_EXE_swap_datafile"),
        &[
            ("--threads", "0"),
            ("--threads", "many"),
            ("--seconds", "0"),
            ("--seconds", "nan"),
            ("--size", "0"),
            ("--swap-every", "0"),
            ("--swap-every", "-1"),
            ("--swaps", "0"),
            ("--seed", "lucky"),
        ],
    );
    let alone = run(&["--no-lock", "--threads=1"]);
    assert_eq!(alone.status.code(), Some(2), "{alone}");
    assert!(alone.errors.contains("--threads 2"), "{alone}");
}
