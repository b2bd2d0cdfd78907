//! Runs the example `axum` for a small number of requests, with the lock and without.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;

fn run(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_axum"), arguments)
}

const SMALL: [&str; 3] = ["--requests=3000", "--connections=32", "--invalidate-every=150"];

impl Ran {
    /// The numbers in the line that begins with this name.
    fn numbers(&self, begins: &str) -> Vec<u64> {
        let line = self.output.lines().find_map(|line| line.strip_prefix(begins));
        let line = line.unwrap_or_else(|| panic!("no \"{begins}\" in: {self}"));
        line.split([' ', ';', ',']).filter_map(|word| word.parse().ok()).collect()
    }

    /// How many requests ended in this way.
    fn ended(&self, so: &str) -> u64 {
        if self.output.lines().any(|line| line.starts_with(so)) { self.numbers(so)[0] } else { 0 }
    }
}

const ENDS: [&str; 7] =
    ["fresh rates", "old rates", "asked upstream", "waited", "out of time", "refused", "invalidated"];

#[test]
fn one_call_at_a_time_serves_tasks_and_the_thread() {
    let ran = run(&SMALL);
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert_eq!(ran.numbers("all")[0], 3_000, "{ran}");
    assert_eq!(ENDS.map(|end| ran.ended(end)).iter().sum::<u64>(), 3_000, "{ran}");
    assert_eq!((ran.ended("refused"), ran.ended("invalidated")), (0, 20), "{ran}");
    let [calls, requests, by_tasks, by_the_thread, at_once] = ran.numbers("upstream calls: ")[..] else {
        panic!("{ran}")
    };
    assert_eq!(at_once, 1, "L1: {ran}");
    assert_eq!((requests, by_tasks + by_the_thread), (3_000, calls), "{ran}");
    // The first call is the thread's. And the thread cannot win all of twenty races with 32 connections.
    assert!(by_the_thread >= 1 && by_tasks >= 1, "{ran}");
    let [answered, refused, given_up] = ran.numbers("of those: ")[..] else { panic!("{ran}") };
    assert_eq!((answered + given_up, refused), (calls, 0), "{ran}");
    let [dropped, invalidations] = ran.numbers("futures dropped, out of time: ")[..] else { panic!("{ran}") };
    assert!(given_up <= dropped && invalidations == 20, "L5: {ran}");
    let [_, of_tasks, in_vain] = ran.numbers("looks of the thread: ")[..] else { panic!("{ran}") };
    assert!(of_tasks >= 1 && in_vain == 0, "{ran}");
    // There were twenty invalidations. A request that came just after one had no rates to go on with.
    assert!(ran.ended("waited") + ran.ended("out of time") >= 1, "{ran}");
    assert!(ran.output.ends_with("\nAll laws were kept.\n") && !ran.output.contains("VIOLATED"), "{ran}");
}

#[test]
fn without_the_lock_the_upstream_sees_many_at_once() {
    let ran = run(&[&SMALL[..], &["--no-lock"]].concat());
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert_eq!(ran.numbers("all")[0], 3_000, "{ran}");
    let [.., at_once] = ran.numbers("upstream calls: ")[..] else { panic!("{ran}") };
    assert!(at_once > 1, "{ran}");
    assert!(ran.output.contains("WITHOUT the lock"), "{ran}");
    assert!(ran.output.ends_with("\nThis is what the lock prevents.\n"), "{ran}");
}

#[test]
fn help_names_every_option() {
    let ran = run(&["--help"]);
    assert!(ran.status.success(), "{ran}");
    for option in ["--requests", "--connections", "--invalidate-every", "--no-lock", "[default: 20000]"] {
        assert!(ran.output.contains(option), "no {option} in: {ran}");
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    common::refuses(
        env!("CARGO_BIN_EXE_axum"),
        &[("--requests", "0"), ("--connections", "3"), ("--invalidate-every", "never")],
    );
}
