//! Runs the example `swap_datafile` on small files, with the lock and without.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// No run takes nearly as long: who does hangs.
const HANGS: Duration = Duration::from_secs(180);

/// A process that does not outlive its test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

struct Ran {
    status: ExitStatus,
    output: String,
    errors: String,
}

impl Ran {
    /// The row of the table, without its name.
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

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}", self.status, self.output, self.errors)
    }
}

fn run(arguments: &[&str]) -> Ran {
    let process = Command::new(env!("CARGO_BIN_EXE_swap_datafile"))
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = Running(process.unwrap());
    let output = read(process.0.stdout.take().unwrap());
    let errors = read(process.0.stderr.take().unwrap());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < HANGS, "`swap_datafile {}` hangs", arguments.join(" "));
        thread::sleep(Duration::from_millis(10));
    };
    Ran { status, output: output.join().unwrap(), errors: errors.join().unwrap() }
}

fn read(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}

/// An empty directory.
fn empty(name: &str) -> PathBuf {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("swap_datafile").join(name);
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).expect("the directory can be made");
    directory
}

/// Two rounds of editions that keep the length, shorten the file and lengthen it, one soon after the other.
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
    for (option, value) in [
        ("--threads", "0"),
        ("--threads", "many"),
        ("--seconds", "0"),
        ("--seconds", "nan"),
        ("--size", "0"),
        ("--swap-every", "0"),
        ("--swap-every", "-1"),
        ("--swaps", "0"),
        ("--seed", "lucky"),
    ] {
        let ran = run(&[&format!("{option}={value}")]);
        assert_eq!(ran.status.code(), Some(2), "{option} {value}: {ran}");
        assert!(ran.errors.contains(option) && ran.errors.contains(value), "{ran}");
    }
    let alone = run(&["--no-lock", "--threads=1"]);
    assert_eq!(alone.status.code(), Some(2), "{alone}");
    assert!(alone.errors.contains("--threads 2"), "{alone}");
}
