//! Runs the example `jwks` for a short time, with the lock and without.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;

fn run(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_jwks"), arguments)
}

/// The table that the example prints.
impl Ran {
    /// The numbers in the row of this name.
    fn numbers(&self, name: &str) -> Vec<u64> {
        let row = self.output.lines().find_map(|line| line.trim().strip_prefix(name));
        let row = row.unwrap_or_else(|| panic!("no \"{name}\" in: {self}"));
        row.split([' ', ';']).filter_map(|word| word.replace(',', "").parse().ok()).collect()
    }

    /// The first number in the row of this name.
    fn number(&self, name: &str) -> u64 {
        *self.numbers(name).first().unwrap_or_else(|| panic!("no number in \"{name}\" of: {self}"))
    }

    /// How many requests were answered, and how many one lock needs at the most.
    fn answered(&self) -> (u64, u64) {
        match *self.numbers("in all answered") {
            [answered, allowed] => (answered, allowed),
            _ => panic!("not two numbers of answers in: {self}"),
        }
    }

    /// The most requests that the server had at a time.
    fn most_at_once(&self) -> u64 {
        *self.numbers("requests seen").get(1).unwrap_or_else(|| panic!("no second number of requests in: {self}"))
    }
}

#[test]
fn one_request_serves_all_who_read() {
    let ran = run(&["--seconds=2", "--threads=64"]);
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert_eq!(ran.most_at_once(), 1, "L1: {ran}");
    let (answered, allowed) = ran.answered();
    assert!(answered <= allowed, "{ran}");
    assert!(ran.number("reads served") > 100 * ran.number("requests seen"), "{ran}");
    assert!(ran.number("answered 200") >= 2, "{ran}");
    assert!(ran.number("answered 304") >= 1, "{ran}");
    assert!(ran.number("failed") >= 1, "{ran}");
    assert!(ran.number("rotations") >= 1, "{ran}");
    assert!(ran.number("refused keys") >= 1, "{ran}");
    assert_eq!(answered, ran.number("answered 200") + ran.number("answered 304"), "{ran}");
    assert_eq!(ran.number("requests seen"), answered + ran.number("failed"), "{ran}");
    assert!(ran.output.contains("; seed 1\n"), "{ran}");
    assert!(ran.output.ends_with("\nAll laws were kept.\n") && !ran.output.contains("VIOLATED"), "{ran}");
}

#[test]
fn without_the_lock_the_server_sees_many_at_once() {
    let ran = run(&["--seconds=2", "--threads=64", "--no-lock"]);
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert!(ran.most_at_once() > 1, "{ran}");
    let (answered, allowed) = ran.answered();
    assert!(answered >= 64 && answered > 2 * allowed, "{ran}");
    assert!(ran.output.ends_with("\nThis is what the lock prevents.\n"), "{ran}");
}

#[test]
fn a_server_that_never_fails_is_no_failure() {
    let ran = run(&["--seconds=0.1", "--threads=4", "--failures=0", "--latency=0", "--seed=7"]);
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert_eq!(ran.number("failed"), 0, "{ran}");
    assert!(ran.number("answered 304") >= 1, "{ran}");
    assert!(ran.output.contains("; seed 7\n"), "{ran}");
}

#[test]
fn help_names_every_option() {
    let ran = run(&["--help"]);
    assert!(ran.status.success(), "{ran}");
    for option in [
        "--threads",
        "--seconds",
        "--max-age",
        "--rotate-every",
        "--latency",
        "--failures",
        "--seed",
        "--no-lock",
        "[default: 64]",
    ] {
        assert!(ran.output.contains(option), "no {option} in: {ran}");
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    common::refuses(
        env!("CARGO_BIN_EXE_jwks"),
        &[
            ("--threads", "0"),
            ("--threads", "many"),
            ("--seconds", "0"),
            ("--seconds", "nan"),
            ("--max-age", "0"),
            ("--max-age", "0.5"),
            ("--rotate-every", "1"),
            ("--latency", "201"),
            ("--failures", "51"),
            ("--seed", "lucky"),
        ],
    );
    for (options, hint) in
        [(["--no-lock", "--threads=1"], "--threads 2"), (["--max-age=2", "--rotate-every=2"], "--rotate-every 3")]
    {
        let ran = run(&options);
        assert_eq!(ran.status.code(), Some(2), "{ran}");
        assert!(ran.errors.contains(hint), "no {hint} in: {ran}");
    }
}
