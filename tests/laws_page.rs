//! The page `guide::guarantees` leads from each law to what keeps it: the files that it names are there, and each law has
//! models and tests in the files that the page names for it.

use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../src/guide/guarantees.rs");

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The part of the page on one law.
fn section(law: u32) -> &'static str {
    let begin = PAGE.find(&format!("//! ## L{law}: ")).unwrap_or_else(|| panic!("the page has no section on L{law}"));
    let rest = &PAGE[begin + 1..];
    &rest[..rest.find("//! ## ").unwrap_or(rest.len())]
}

/// The files and folders that a line of a law's section names, from one that begins so to the next line of its kind.
fn named(law: u32, line: &str, under: &str) -> Vec<PathBuf> {
    let begin = section(law).split(&format!("//! - *{line}")).nth(1);
    let text = begin.unwrap_or_else(|| panic!("L{law} has no line {line:?}"));
    let text = text.split("//! - *").next().unwrap().split("//!\n").next().unwrap();
    let words = text.split('`').skip(1).step_by(2);
    let paths = words.filter(|word| !word.contains([' ', '(']) && !word.starts_with("benches/")).map(|word| {
        let word = word.trim_end_matches('/');
        let path = if word.starts_with("src/") { root().join(word) } else { root().join(under).join(word) };
        assert!(path.exists(), "L{law}, {line}: {} is not there", path.display());
        path
    });
    paths.collect()
}

/// Whether a test that is named for the law is in that file, or in a file of that folder.
fn has_test(path: &Path, law: u32) -> bool {
    if path.is_dir() {
        return fs::read_dir(path).unwrap().any(|entry| has_test(&entry.unwrap().path(), law));
    }
    let code = fs::read_to_string(path).unwrap();
    let name = format!("l{law}_");
    // (Or for several laws: `l5_l6_…`.)
    code.lines().any(|line| line.contains("fn ") && line.contains(&name))
}

#[test]
fn each_law_leads_to_its_code_its_models_and_its_tests() {
    for law in 1..=12 {
        let code = named(law, "Kept by:", "src");
        assert!(!code.is_empty(), "L{law} is kept by no file");
        let tests = named(law, "Tests:", "tests");
        assert!(tests.iter().any(|path| has_test(path, law)), "no test named for L{law} is in {tests:?}");
        // The package has no models. In the repository they stand beside it.
        if law != 12 && root().join("loom-tests").exists() {
            let models = named(law, "Models:", "loom-tests/tests");
            assert!(models.iter().any(|path| has_test(path, law)), "no model named for L{law} is in {models:?}");
        }
    }
}

#[test]
fn each_planted_fault_is_on_the_page_and_found() {
    let faults = fs::read_to_string(root().join("src/sync/mutant.rs")).unwrap();
    let faults = faults.split("pub enum Mutant {").nth(1).unwrap().split("\n}").next().unwrap().to_owned();
    let faults = faults.lines().map(str::trim).filter_map(|line| line.strip_suffix(','));
    let faults: Vec<&str> = faults.filter(|name| name.chars().all(char::is_alphanumeric)).collect();
    assert!(faults.len() > 20, "{} faults were found", faults.len());
    let models = fs::read_to_string(root().join("loom-tests/tests/mutants.rs")).unwrap_or_default();
    for fault in faults {
        assert!(PAGE.contains(&format!("`{fault}`")), "the fault {fault} is not on the page");
        assert!(models.is_empty() || models.contains(&format!("Mutant::{fault}")), "no model looks for {fault}");
    }
}
