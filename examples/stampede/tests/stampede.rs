//! Runs the example `stampede` on a small file and checks what it prints that does not depend on time.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;
use std::fs;
use std::path::{Path, PathBuf};

const STRATEGIES: [&str; 6] =
    ["no protection", "mutex, check twice", "moka get_with", "Dogpile", "Dogpile, early", "Dogpile, background"];

fn stampede(options: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_stampede"), options)
}

fn picture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("stampede").join(name)
}

/// Runs the example, which succeeds. Returns the creations, the most at once and the reads per second of each strategy.
fn run(picture: &Path, creator: &str) -> Vec<[u64; 3]> {
    let _ = fs::remove_file(picture);
    let sizes = ["--megabytes", "1", "--threads", "4", "--seconds", "0.5", "--expiry", "20", "--pause", "200"];
    let mut options = sizes.to_vec();
    options.extend(["--creator", creator, "--output", picture.to_str().expect("the path is UTF-8")]);
    let ran = stampede(&options);
    assert!(ran.status.success(), "{ran}");
    assert!(ran.errors.is_empty(), "no progress line where there is no terminal: {ran}");

    let printed = ran.output;
    let row = |name: &&str| {
        let line = printed
            .lines()
            .find(|line| line.starts_with(&format!("{name}  ")))
            .unwrap_or_else(|| panic!("{name}: {printed}"));
        let cells: Vec<_> = line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).collect();
        assert_eq!(cells.len(), 10, "{line}");
        [1, 2, 3].map(|cell: usize| cells[cell].parse().unwrap_or_else(|_| panic!("not a number: {}", cells[cell])))
    };
    // In the background, a read that finds a value goes on with it, however old it is.
    assert!(printed.contains("in the background, too,") && printed.contains("and 0 ran the creator."), "{printed}");
    STRATEGIES.iter().map(row).collect()
}

fn check(name: &str, creator: &str) {
    let picture = picture(name);
    let rows = run(&picture, creator);
    for (strategy, [creations, most_at_once, reads_per_second]) in STRATEGIES.iter().zip(rows) {
        assert!(creations >= 1, "{strategy} created nothing");
        assert!(reads_per_second > 0, "{strategy} read nothing");
        if *strategy == "no protection" {
            assert!((1..=4).contains(&most_at_once));
        } else {
            assert_eq!(most_at_once, 1, "{strategy}");
        }
    }

    let svg = fs::read_to_string(&picture).expect("the picture is there");
    assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
    let texts: Vec<_> = svg.lines().map(str::trim).collect();
    for strategy in STRATEGIES {
        assert_eq!(texts.iter().filter(|text| **text == strategy).count(), 1, "one panel for {strategy}");
    }
    assert_eq!(
        texts.iter().filter(|text| **text == "read latency").count(),
        STRATEGIES.len(),
        "each panel names its axis"
    );
}

#[test]
fn l1_one_creator_at_a_time_indexing_a_file() {
    check("parse.svg", "parse");
}

#[test]
fn l1_one_creator_at_a_time_waiting() {
    check("wait.svg", "wait:10");
}

#[test]
fn help_names_the_units_and_the_defaults() {
    let help = stampede(&["--help"]);
    assert!(help.status.success(), "{help}");
    for part in
        ["milliseconds", "microseconds", "in seconds", "in megabytes", "wait:<ms>", "[default: 16]", "stampede.svg"]
    {
        assert!(help.output.contains(part), "{part}: {help}");
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    common::refuses(
        env!("CARGO_BIN_EXE_stampede"),
        &[
            ("--threads", "0"),
            ("--threads", "many"),
            ("--seconds", "0"),
            ("--seconds", "nan"),
            ("--expiry", "0"),
            ("--pause", "-1"),
            ("--megabytes", "0"),
            ("--creator", "wait"),
            ("--creator", "wait:long"),
        ],
    );
}

#[test]
fn a_picture_that_cannot_be_written_fails_the_run() {
    // A directory stands at the path of the file.
    let taken = picture("taken.svg");
    fs::create_dir_all(&taken).expect("the directory can be made");
    let path = taken.to_str().expect("the path is UTF-8");
    let failed = stampede(&["--megabytes=1", "--threads=1", "--seconds=0.1", "--creator=wait:1", "--output", path]);
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    assert!(failed.errors.contains("cannot write the picture to") && failed.errors.contains("taken.svg"), "{failed}");
}
