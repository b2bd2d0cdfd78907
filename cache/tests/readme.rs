//! README is right where it is read: in the repository, on the documentation page, and in the package.

use std::fs;
use std::path::Path;

const README: &str = include_str!("../README.md");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

#[test]
fn readme_is_short() {
    assert!(README.lines().count() <= 200, "README has {} lines, more than 200", README.lines().count());
}

/// Lines that rustdoc hides show everywhere else, and in the guide they hide what a stranger needs.
#[test]
fn examples_hide_no_lines() {
    let mut pages = vec![("README".to_owned(), README.to_owned())];
    for entry in fs::read_dir(Path::new(ROOT).join("src/guide")).unwrap() {
        let path = entry.unwrap().path();
        let page = fs::read_to_string(&path).unwrap();
        let text: String = page
            .lines()
            .filter_map(|line| line.strip_prefix("//!"))
            .fold(String::new(), |text, line| text + line.strip_prefix(' ').unwrap_or(line) + "\n");
        pages.push((path.display().to_string(), text));
    }
    let mut examples = 0;
    for (name, page) in &pages {
        // The language of the block, if there is one.
        let mut block = None;
        for line in page.lines() {
            if let Some(language) = line.strip_prefix("```") {
                block = if block.is_some() { None } else { Some(language) };
                examples += u32::from(matches!(block, Some("rust" | "")));
            } else {
                let is_hidden = block.is_some() && (line == "#" || line.starts_with("# "));
                assert!(!is_hidden, "{name}: a hidden line: {line}");
            }
        }
    }
    assert!(examples >= 30, "{examples} examples were found");
}

/// The labels of the links, and where they lead.
fn links(text: &str, before: &str) -> Vec<(String, String)> {
    let links = text.lines().filter_map(|line| line.strip_prefix(before)?.strip_prefix('[')?.split_once("]: "));
    links.map(|(label, to)| (label.to_owned(), to.to_owned())).collect()
}

#[test]
fn its_links_lead_to_files_of_the_package_and_to_pages_of_the_documentation() {
    let manifest = fs::read_to_string(Path::new(ROOT).join("Cargo.toml")).unwrap();
    let included = manifest.split("\ninclude = [").nth(1).and_then(|list| list.split(']').next());
    let included = included.expect("a list of what is included");
    let root = fs::read_to_string(Path::new(ROOT).join("src/lib.rs")).unwrap();
    // What a label leads to on the documentation page: rustdoc refuses those that lead nowhere.
    let pages = links(root.split("include_str!(\"../README.md\")").next().unwrap(), "//! ");

    let files = links(README, "");
    assert!(files.len() >= 5, "{} links were found", files.len());
    for (label, file) in &files {
        assert!(Path::new(ROOT).join(file).is_file(), "[{label}] leads to {file}, which is not there");
        let folder = file.split('/').next().unwrap();
        assert!(included.contains(&format!("\"/{folder}\"")), "[{label}] leads to {file}, which is not in the package");
        assert!(pages.iter().any(|(page, _)| page == label), "[{label}] leads nowhere on the documentation page");
        assert!(README.contains(&format!("][{label}]")), "[{label}] is no link's label");
    }
    assert_eq!(README.matches("](").count(), 0, "a link that leads to the same place everywhere");
}
