//! The page `guide::guarantees` leads from each law to what keeps it: the files that it names are there, and each law
//! has tests and a model in the files that the page names for it. What the page names over real servers is there, too.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../src/guide/guarantees.rs");

/// The laws on the page. G15 is of a later part.
const LAWS: [u32; 16] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 16, 17];

/// The round has nothing to do with bytes, counters, keys and memory.
const WITHOUT_A_MODEL: [u32; 5] = [7, 12, 13, 14, 17];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The part of the page on one law.
fn section(law: u32) -> &'static str {
    let begin = PAGE.find(&format!("//! ## G{law}: ")).unwrap_or_else(|| panic!("the page has no section on G{law}"));
    let rest = &PAGE[begin + 1..];
    let end = ["//! ## ", "//! # "].iter().filter_map(|heading| rest.find(heading)).min();
    &rest[..end.unwrap_or(rest.len())]
}

/// The files and folders that a line of a law's section names, from one that begins so to the next line of its kind.
fn named(law: u32, line: &str, under: &str) -> Vec<PathBuf> {
    let begin = section(law).split(&format!("//! - *{line}")).nth(1);
    let text = begin.unwrap_or_else(|| panic!("G{law} has no line {line:?}"));
    let text = text.split("//! - *").next().unwrap().split("//!\n").next().unwrap();
    let paths = text.split('`').skip(1).step_by(2).map(|word| {
        let path = root().join(under).join(word);
        assert!(path.exists(), "G{law}, {line}: {} is not there", path.display());
        path
    });
    paths.collect()
}

/// Whether that file, or a file of that folder, has a line that is wanted.
fn has_line(path: &Path, wanted: &dyn Fn(&str) -> bool) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| has_line(&entry.unwrap().path(), wanted));
    }
    fs::read_to_string(path).unwrap().lines().any(wanted)
}

#[test]
fn each_law_leads_to_its_code_its_models_and_its_tests() {
    for law in LAWS {
        assert!(!named(law, "Kept by:", "src").is_empty(), "G{law} is kept by no file");
        let (name, property) = (format!("g{law}_"), format!("law(\"G{law}\""));
        let tests = named(law, "Tests:", "tests");
        let is_test = |line: &str| line.contains("fn ") && line.contains(&name);
        assert!(tests.iter().any(|path| has_line(path, &is_test)), "no test named for G{law} is in {tests:?}");
        if !WITHOUT_A_MODEL.contains(&law) {
            let models = named(law, "Models:", "tests");
            // A notification is a hint as far as each wait ends without it.
            let property = if law == 16 { "law(\"G5\"" } else { &property };
            let has_property = models.iter().any(|path| has_line(path, &|line| line.contains(property)));
            assert!(has_property, "no property of G{law} is in {models:?}");
        }
    }
}

#[test]
fn the_table_has_each_law_and_its_place() {
    for law in LAWS {
        let title = section(law).lines().next().unwrap().rsplit_once("## ").unwrap().1;
        let kept = title.to_lowercase().replace(' ', "-");
        let anchor: String = kept.chars().filter(|c| c.is_alphanumeric() || *c == '-').collect();
        assert!(PAGE.contains(&format!("//! | [G{law}](#{anchor}) |")), "the table does not lead to #{anchor}");
    }
}

#[test]
fn each_fault_that_is_planted_in_the_round_is_on_the_page() {
    for (file, at_least) in [("tests/round/planted.rs", 10), ("tests/round/postgres/planted.rs", 8)] {
        let planted = fs::read_to_string(root().join(file)).unwrap();
        let faults = planted.split("#[test]\nfn ").skip(1).map(|test| test.split('(').next().unwrap());
        let faults: Vec<&str> = faults.collect();
        assert!(faults.len() > at_least, "{file}: {} faults were found", faults.len());
        for fault in faults {
            assert!(PAGE.contains(&format!("`{fault}`")), "{file}: the fault {fault} is not on the page");
        }
    }
}

/// The laws that the judge of the chaos test judges, as the page says it, and as numbers.
const JUDGED: (&str, [u32; 9]) = ("G1 to G5, G7, G9, G12 and G13", [1, 2, 3, 4, 5, 7, 9, 12, 13]);

/// Each violation that the judge writes down names its law.
#[test]
fn the_tests_over_real_servers_are_there_and_judge_what_the_page_says() {
    let servers = root().parent().expect("the package is in the repository").join("servers");
    let named = PAGE.split('`').skip(1).step_by(2).filter_map(|word| word.strip_prefix("servers/"));
    let named: Vec<&str> = named.collect();
    for path in &named {
        assert!(servers.join(path).exists(), "servers/{path} is not there");
    }
    assert!(named.contains(&"tests/chaos"), "the page does not name the chaos test: {named:?}");
    let judge = servers.join("tests/chaos/judge");
    assert!(PAGE.contains(&format!("judges {}", JUDGED.0)), "the page does not say what is judged");
    for law in LAWS {
        let violations = [format!("\"G{law}: "), format!("(\"G{law}\",")];
        let is_judged = has_line(&judge, &|line| violations.iter().any(|violation| line.contains(violation)));
        assert_eq!(is_judged, JUDGED.1.contains(&law), "whether G{law} is judged");
    }
}
