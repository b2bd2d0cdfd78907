//! Runs the example `flaky_upstream` for a short time, with the policy and without.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;

fn run(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_flaky_upstream"), arguments)
}

const SHORT: [&str; 4] = ["--threads=8", "--answers=0.5", "--fails=1", "--hangs=1.5"];

impl Ran {
    /// The numbers in the line of the verdict that contains this text.
    fn numbers(&self, says: &str) -> Vec<u64> {
        let line = self.output.lines().find(|line| line.contains(says));
        let line = line.unwrap_or_else(|| panic!("no \"{says}\" in: {self}"));
        line.split([' ', ';', ',']).filter_map(|word| word.parse().ok()).collect()
    }

    /// The rows of the timeline, split into words.
    fn timeline(&self) -> Vec<Vec<&str>> {
        let rows = self.output.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        rows.filter(|words| words.len() > 5 && words[0].contains('.') && words[0].parse::<f64>().is_ok()).collect()
    }
}

#[test]
fn readers_do_not_notice_and_the_upstream_is_spared() {
    let ran = run(&SHORT);
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    assert!(ran.output.ends_with("\nAll as it should be.\n") && !ran.output.contains("VIOLATED"), "{ran}");
    let [errors, reads] = ran.numbers("ended with an error")[..] else { panic!("{ran}") };
    assert!(errors == 0 && reads > 100, "{ran}");
    for (kind, least) in [("answered", 2), ("failed", 1), ("hung", 1)] {
        let [calls, allowed] = ran.numbers(&format!("calls {kind}"))[..] else { panic!("{ran}") };
        assert!((least..=allowed).contains(&calls), "{kind}: {ran}");
    }
    // While the upstream was down, there were reads of old quotes all the time.
    let timeline = ran.timeline();
    let mut moods: Vec<_> = timeline.iter().map(|row| row[1]).collect();
    moods.dedup();
    assert_eq!(moods, ["answers", "fails", "hangs", "answers"], "{ran}");
    for row in timeline.iter().filter(|row| row[1] != "answers").skip(1) {
        let [_, stale, errors] = row[row.len() - 5..row.len() - 2] else { panic!("{ran}") };
        assert!(stale != "0" && errors == "0", "{row:?} in {ran}");
    }
}

#[test]
fn without_the_policy_readers_fail_and_the_upstream_is_not_spared() {
    let ran = run(&[&SHORT[..], &["--no-policy"]].concat());
    assert!(ran.status.success() && ran.errors.is_empty(), "{ran}");
    let [errors, _] = ran.numbers("ended with an error")[..] else { panic!("{ran}") };
    let [calls, allowed] = ran.numbers("calls failed")[..] else { panic!("{ran}") };
    assert!(errors > 0 && calls > 2 * allowed, "{ran}");
    assert!(ran.output.contains("the upstream says: no capacity"), "{ran}");
    assert!(ran.output.contains("WITHOUT a policy"), "{ran}");
}

#[test]
fn help_names_every_option() {
    let ran = run(&["--help"]);
    assert!(ran.status.success(), "{ran}");
    for option in ["--threads", "--answers", "--fails", "--hangs", "--no-policy", "[default: 16]"] {
        assert!(ran.output.contains(option), "no {option} in: {ran}");
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    common::refuses(
        env!("CARGO_BIN_EXE_flaky_upstream"),
        &[("--threads", "3"), ("--answers", "0"), ("--fails", "never"), ("--hangs", "601")],
    );
}
