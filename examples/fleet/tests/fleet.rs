//! Runs the example `fleet` small, and checks the numbers that it prints. Its time is virtual, so the numbers are the
//! same every time.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const STRATEGIES: [&str; 6] =
    ["no protection", "lock per process", "stamped values", "early renewal", "early, cost learnt", "one lock for all"];
const SIZES: [f64; 4] = [1.0, 10.0, 100.0, 1000.0];

fn fleet(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_fleet"), arguments)
}

fn good(arguments: &[&str]) -> String {
    let ran = fleet(arguments);
    assert!(ran.status.success(), "{ran}");
    assert!(ran.errors.is_empty(), "{ran}");
    ran.output
}

/// The numbers of a line that begins with this name.
fn numbers(line: &str, name: &str) -> Option<Vec<f64>> {
    line.strip_prefix(name)?.split_whitespace().map(|cell| cell.parse().ok()).collect()
}

/// The only line of this name all of whose cells are numbers.
fn row(printed: &str, name: &str) -> Vec<f64> {
    let rows: Vec<_> = printed.lines().filter_map(|line| numbers(line, name)).collect();
    assert_eq!(rows.len(), 1, "{name}: {printed}");
    rows[0].clone()
}

#[derive(Clone, Copy)]
struct Row {
    mean: f64,
    peak: f64,
    redundant: f64,
    stale: f64,
}

/// The table by strategy. Each strategy comes at all sizes.
fn table(options: &[&str]) -> BTreeMap<&'static str, Vec<Row>> {
    let mut arguments = vec!["--only", "table", "--processes", "1000", "--duration", "100"];
    arguments.extend(options);
    let printed = good(&arguments);
    let named = |line: &str| {
        STRATEGIES
            .iter()
            .find_map(|name| numbers(line, name).filter(|cells| cells.len() == 5).map(|cells| (*name, cells)))
    };
    let rows: Vec<_> = printed.lines().filter_map(named).collect();
    let order: Vec<_> = rows.iter().map(|(name, cells)| (*name, cells[0])).collect();
    let expected: Vec<_> = STRATEGIES.iter().flat_map(|name| SIZES.map(|size| (*name, size))).collect();
    assert_eq!(order, expected, "{printed}");
    let mut table = BTreeMap::<_, Vec<_>>::new();
    for (name, cells) in rows {
        let row = Row { mean: cells[1], peak: cells[2], redundant: cells[3], stale: cells[4] };
        assert!(row.peak >= row.mean, "{name}: {cells:?}");
        table.entry(name).or_default().push(row);
    }
    table
}

fn growth(rows: &[Row]) -> Vec<f64> {
    rows.windows(2).map(|pair| pair[1].mean / pair[0].mean).collect()
}

#[test]
fn each_strategy_costs_the_database_what_its_protocol_says() {
    let table = table(&[]);
    let [none, own, stamped, early, learnt, one] = STRATEGIES.map(|name| &table[name]);

    assert!(growth(none).iter().all(|factor| *factor > 5.0), "every process more adds queries");
    assert!(growth(own).iter().all(|factor| (9.0..11.0).contains(factor)), "each process creates for itself");
    assert!(growth(stamped).iter().all(|factor| *factor > 5.0), "each process that is asked meanwhile creates");
    assert!(growth(one).iter().all(|factor| (0.9..1.1).contains(factor)), "the fleet does not matter");
    for (row, size) in one.iter().zip(SIZES) {
        assert_eq!((row.peak, row.redundant), (1.0, 0.0), "L1, {size} processes");
    }
    for number in 0..SIZES.len() {
        assert!(stamped[number].mean <= none[number].mean, "a lock does no harm");
        assert!(stamped[number].mean <= own[number].mean * 1.05, "nor does looking at what others have made");
        assert!(none[number].stale < f64::EPSILON, "without protection nobody is given an expired value");
        assert!(one[number].stale > 0.0, "with a lock those who are not elected are");
    }
    // A stampede is e - 1 = 1.7 more queries than needed on average. Of the ten or so stampedes here, some are larger.
    for row in &early[1..] {
        assert!((0.3..3.5).contains(&row.redundant), "early renewal: {}", row.redundant);
    }
    assert!(early[3].mean * 50.0 < stamped[3].mean, "early renewal is what helps a fleet of processes");
    // No process has measured the cost by the first expiry, and one in ten of the watched expiries is a first one.
    assert!(learnt[3].peak > 0.9 * stamped[3].peak && learnt[3].mean < 0.2 * stamped[3].mean);
}

#[test]
fn the_seed_alone_decides() {
    let run = |seed| good(&["--only", "table", "--processes", "100", "--duration", "50", "--seed", seed]);
    assert_eq!(run("7"), run("7"));
    assert_ne!(run("7"), run("8"));
}

#[test]
fn many_keys_are_many_of_the_same() {
    let (one, ten) = (table(&[]), table(&["--keys", "10", "--rate", "100"]));
    for name in ["no protection", "lock per process", "stamped values", "one lock for all"] {
        let ratio = ten[name][3].mean / one[name][3].mean;
        assert!((8.5..11.5).contains(&ratio), "{name}: {ratio}");
    }
}

#[test]
fn the_real_locks_query_when_the_simulation_says_so() {
    for seed in ["1", "2"] {
        let printed = good(&["--check", "--seed", seed]);
        let lines: Vec<_> = printed.lines().filter(|line| line.contains(" ms   1: ")).collect();
        // Two strategies do not depend on clocks, and three do.
        assert_eq!(lines.len(), 2 + 3 * 3, "{printed}");
        for line in lines {
            let counts = line.split_once(" ms   ").expect("just seen").1;
            let counts: Vec<usize> =
                counts.split(", ").map(|count| count.split_once(": ").unwrap().1.parse().unwrap()).collect();
            assert!(counts.len() == 4 && counts.iter().all(|count| *count >= 20), "too few to tell anything: {line}");
        }
    }
}

#[test]
fn costs_grow_as_is_stated() {
    let printed = good(&["--only", "growth", "--duration", "60"]);
    for name in STRATEGIES.into_iter().filter(|name| *name != "early, cost learnt") {
        let cells = row(&printed, name);
        let pairs: Vec<_> = cells.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let [(measured, stated), exponents @ ..] = &*pairs else { panic!("{name}: {cells:?}") };
        assert_eq!(exponents.len(), 3, "{name}: {cells:?}");
        assert!((measured / stated - 1.0).abs() < 0.15, "{name}: {measured}, not {stated}");
        for (measured, stated) in exponents {
            assert!((measured - stated).abs() < 0.1, "{name}: {measured}, not {stated}");
        }
    }
}

#[test]
fn what_was_published_comes_out_by_the_parameters_beside_it() {
    let printed = good(&["--only", "published", "--duration", "10"]);
    let (leases, early) = printed.split_once("\nEarly renewal (").expect("two comparisons");
    let [none, one] = ["no protection", "one lock for all"].map(|name| row(leases, name));
    assert_eq!((none[2], one[2]), (17_000.0, 1300.0));
    for seen in [&none, &one] {
        assert!((seen[1] / seen[2] - 1.0).abs() < 0.1, "{seen:?}");
    }
    // Requests for a key, queries without protection, queries with early renewal, and the number of renewals.
    let stampedes: Vec<_> =
        early.lines().filter_map(|line| numbers(line, "  ")).filter(|cells| cells.len() == 4).collect();
    assert_eq!(stampedes.len(), 4, "{early}");
    for cells in stampedes {
        assert!((cells[1] / cells[0] - 1.0).abs() < 0.4, "without protection all come that can: {cells:?}");
        assert!(cells[2] < 2.0, "the mean stampede of early renewal: {cells:?}");
        assert!(cells[0] < 5.0 || cells[2] > 1.3, "nor does it vanish: {cells:?}");
    }
}

#[test]
fn clocks_that_disagree_by_more_than_is_tolerated_never_come_to_rest() {
    let printed = good(&["--only", "skew", "--duration", "50"]);
    let rows: Vec<_> = printed.lines().filter_map(|line| numbers(line, " ")).collect();
    let skews: Vec<_> = rows.iter().map(|cells| cells[0]).collect();
    assert_eq!(skews, [0.0, 1.0, 10.0, 100.0, 500.0, 1000.0, 2000.0], "{printed}");
    assert!(rows[4][1] < 0.5 * rows[0][1], "a little skew spreads a stampede");
    assert!(rows[6][1] > 5.0 * rows[4][1], "too much makes one of everything");
}

fn directory(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("fleet").join(name)
}

#[test]
fn pictures_name_their_axes_and_lines() {
    let directory = directory("plots");
    let _ = fs::remove_dir_all(&directory);
    let path = directory.to_str().expect("the path is UTF-8");
    good(&["--only", "table", "--processes", "100", "--duration", "20", "--rate", "2", "--plots", path]);
    for (picture, axes, unnamed) in [
        (
            "fleet-processes.svg",
            &["processes", "queries per second, on average", "queries in the worst second"][..],
            None,
        ),
        (
            "fleet-expiry.svg",
            &["seconds from the expiry", "queries per second, for one key"][..],
            Some("early, cost learnt"),
        ),
    ] {
        let svg = fs::read_to_string(directory.join(picture)).expect("the picture is there");
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{picture}");
        let texts: Vec<_> = svg.lines().map(str::trim).collect();
        let named = STRATEGIES.iter().filter(|name| Some(**name) != unnamed);
        for text in axes.iter().chain(named) {
            assert!(texts.contains(text), "{text}: {picture}");
        }
    }
}

#[test]
fn a_picture_that_cannot_be_written_fails_the_run() {
    let taken = directory("taken");
    fs::create_dir_all(taken.parent().expect("it has one")).expect("the directory can be made");
    fs::write(&taken, "a file stands where the directory should be made").expect("the file can be written");
    let path = taken.to_str().expect("the path is UTF-8");
    let failed = fleet(&["--only", "table", "--processes", "1", "--duration", "10", "--plots", path]);
    assert_eq!(failed.status.code(), Some(1), "{failed}");
    assert!(failed.errors.contains("cannot write the picture to") && failed.errors.contains("taken"), "{failed}");
}

#[test]
fn help_names_the_units_and_the_defaults() {
    let help = good(&["--help"]);
    for part in
        ["per second to each process", "in milliseconds", "in seconds", "[default: 100000]", "--plots", "--check"]
    {
        assert!(help.contains(part), "{part}: {help}");
    }
}

#[test]
fn bad_options_are_refused_by_name() {
    common::refuses(
        env!("CARGO_BIN_EXE_fleet"),
        &[
            ("--processes", "0"),
            ("--processes", "many"),
            ("--keys", "0"),
            ("--rate", "0"),
            ("--rate", "nan"),
            ("--creation", "0"),
            ("--expiry", "-1"),
            ("--skew", "some"),
            ("--beta", "-1"),
            ("--duration", "0"),
            ("--only", "everything"),
        ],
    );
    for (option, value, culprit) in
        [("--keys", "1000", "--processes times --keys"), ("--rate", "1000", "queries at once")]
    {
        let refused = fleet(&[option, value]);
        assert_eq!(refused.status.code(), Some(2), "{refused}");
        assert!(refused.errors.contains(culprit), "{refused}");
    }
}
