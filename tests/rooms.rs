//! The rooms of the crate, its files: what each imports of the others, and that no files import each other in a circle.
//!
//! ```sh
//! cargo test --test rooms -- --nocapture # prints the list, each file above all that it imports
//! ```
//!
//! A file imports another one if it names an item that the other file defines: in a `use`, in a path in its code, or in
//! a macro. A name that a file re-exports counts for the file that defines the name. A re-export alone is no import, unless
//! the file uses that name itself. The root, `lib.rs`, imports everything and is left out, and so are unit tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit::{self, Visit};
use syn::{Attribute, Item, ItemMod, ItemUse, Macro, Meta, UseTree, Visibility};

/// The names of a module from the root: empty for the root itself.
type Names = Vec<String>;

/// For each file, by its module: the files it imports, and the names it imports them for.
type Imports = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

/// What one file says.
#[derive(Default)]
struct Said {
    /// The paths it names, each with the module inside which it does.
    named: Vec<(Names, Names)>,
    /// The names it re-exports, and what they stand for.
    exports: Vec<(Names, String, Names)>,
    /// All words of its code but those of its re-exports.
    words: BTreeSet<String>,
}

/// A walk through one file.
struct Walk {
    inside: Names,
    said: Said,
}

/// Whether it is `cfg(test)`, or `cfg(all(.., test, ..))`.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    fn needs_test(condition: &Meta) -> bool {
        match condition {
            Meta::Path(path) => path.is_ident("test"),
            Meta::List(list) if list.path.is_ident("all") => list
                .parse_args_with(Punctuated::<Meta, syn::Token![,]>::parse_terminated)
                .is_ok_and(|all| all.iter().any(needs_test)),
            _ => false,
        }
    }
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg") && attribute.parse_args::<Meta>().is_ok_and(|condition| needs_test(&condition))
    })
}

/// The paths of a `use`, each with the name that it gets.
fn leaves(tree: &UseTree, before: &Names, into: &mut Vec<(Names, String)>) {
    let with = |name: &syn::Ident| before.iter().cloned().chain([name.to_string()]).collect::<Names>();
    match tree {
        UseTree::Path(path) => leaves(&path.tree, &with(&path.ident), into),
        UseTree::Name(name) if name.ident == "self" => {
            into.push((before.clone(), before.last().cloned().unwrap_or_default()));
        }
        UseTree::Name(name) => into.push((with(&name.ident), name.ident.to_string())),
        UseTree::Rename(name) if name.ident == "self" => into.push((before.clone(), name.rename.to_string())),
        UseTree::Rename(name) => into.push((with(&name.ident), name.rename.to_string())),
        UseTree::Glob(_) => into.push((before.clone(), "*".to_owned())),
        UseTree::Group(group) => group.items.iter().for_each(|tree| leaves(tree, before, into)),
    }
}

impl Walk {
    fn names(&mut self, path: Names) {
        self.said.words.extend(path.iter().cloned());
        self.said.named.push((self.inside.clone(), path));
    }

    /// The code of a macro: its words, and the paths in it that begin at the root or above.
    fn tokens(&mut self, code: &str) {
        let code = code.replace(" :: ", "::");
        for word in code.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')) {
            let path: Names = word.split("::").filter(|part| !part.is_empty()).map(str::to_owned).collect();
            self.said.words.extend(path.iter().cloned());
            if path.len() > 1 && ["crate", "super", "self"].contains(&&*path[0]) {
                self.names(path);
            }
        }
    }
}

impl<'code> Visit<'code> for Walk {
    fn visit_item(&mut self, item: &'code Item) {
        let attributes = match item {
            Item::Mod(of) => &of.attrs,
            Item::Fn(of) => &of.attrs,
            Item::Impl(of) => &of.attrs,
            Item::Use(of) => &of.attrs,
            _ => &Vec::new(),
        };
        if !is_for_tests(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_mod(&mut self, module: &'code ItemMod) {
        self.inside.push(module.ident.to_string());
        visit::visit_item_mod(self, module);
        self.inside.pop();
    }

    fn visit_item_use(&mut self, item: &'code ItemUse) {
        let mut found = Vec::new();
        leaves(&item.tree, &Names::new(), &mut found);
        for (path, name) in found {
            if matches!(item.vis, Visibility::Inherited) {
                self.names(path);
            } else {
                self.said.exports.push((self.inside.clone(), name, path));
            }
        }
    }

    // `pub(in path)` imports nothing.
    fn visit_visibility(&mut self, _: &'code Visibility) {}

    fn visit_path(&mut self, path: &'code syn::Path) {
        let names: Names = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if names.len() > 1 {
            self.names(names);
        } else {
            // A variable, or what a `use` has brought.
            self.said.words.extend(names);
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, called: &'code Macro) {
        // Most are called with expressions, whose paths are those of code; a definition is only words.
        let arguments = Punctuated::<syn::Expr, syn::Token![,]>::parse_terminated;
        match arguments.parse2(called.tokens.clone()) {
            Ok(arguments) => arguments.iter().for_each(|argument| self.visit_expr(argument)),
            Err(_) => self.tokens(&called.tokens.to_string()),
        }
    }
}

/// All files, by their modules.
struct Rooms {
    said: BTreeMap<Names, Said>,
}

impl Rooms {
    fn of(files: impl IntoIterator<Item = (Names, String)>) -> Self {
        let said = files.into_iter().map(|(module, code)| {
            let mut walk = Walk { inside: module.clone(), said: Said::default() };
            walk.visit_file(&syn::parse_file(&code).unwrap_or_else(|error| panic!("{module:?}: {error}")));
            (module, walk.said)
        });
        Self { said: said.collect() }
    }

    /// The file that a module is in.
    fn file_of(&self, module: &[String]) -> Names {
        let longest = (0..=module.len()).rev().map(|length| module[..length].to_vec());
        longest.into_iter().find(|file| self.said.contains_key(file)).expect("the root is a file")
    }

    /// A path as one from the root, if it leads into this crate.
    fn rooted(&self, inside: &[String], path: &[String]) -> Option<Names> {
        let mut module = inside.to_vec();
        let mut rest = path;
        match rest.first().map(String::as_str)? {
            "crate" => (module, rest) = (Names::new(), &rest[1..]),
            "self" => rest = &rest[1..],
            "super" => {
                while rest.first().is_some_and(|name| name == "super") {
                    module.pop();
                    rest = &rest[1..];
                }
            }
            child => {
                let as_child: Names = module.iter().cloned().chain([child.to_owned()]).collect();
                if !self.said.contains_key(&as_child) {
                    return None;
                }
            }
        }
        Some(module.into_iter().chain(rest.iter().cloned()).collect())
    }

    /// The file that defines what a path from the root leads to, through all re-exports.
    fn defined_in(&self, path: &Names, hops: u32) -> Names {
        let file = self.file_of(path);
        for length in (file.len()..path.len()).rev() {
            let (module, name) = (&path[..length], &path[length]);
            let exported = self.said[&file].exports.iter().filter(|(of, ..)| of == module);
            for (of, exported_as, target) in exported {
                let through = if exported_as == name {
                    &path[length + 1..]
                } else if exported_as == "*" {
                    &path[length..]
                } else {
                    continue;
                };
                let Some(target) = self.rooted(of, target) else { continue };
                if hops > 0 {
                    let target = target.into_iter().chain(through.iter().cloned()).collect();
                    return self.defined_in(&target, hops - 1);
                }
            }
        }
        file
    }

    fn imports(&self) -> Imports {
        let mut imports = Imports::new();
        for (file, said) in self.said.iter().filter(|(file, _)| !file.is_empty()) {
            let entry = imports.entry(file.join("::")).or_default();
            let own = said.exports.iter().filter(|(_, name, _)| said.words.contains(name));
            let named = said.named.iter().map(|(inside, path)| (inside, path));
            for (inside, path) in named.chain(own.map(|(inside, _, path)| (inside, path))) {
                let Some(path) = self.rooted(inside, path) else { continue };
                let defined_in = self.defined_in(&path, 8);
                if defined_in != *file && !defined_in.is_empty() {
                    let name = path.last().cloned().unwrap_or_default();
                    entry.entry(defined_in.join("::")).or_default().insert(name);
                }
            }
        }
        imports
    }
}

/// The files in an order in which each comes before all that it imports; and those for which there is none, since they
/// lie on a circle or lead to one.
fn in_order(imports: &Imports) -> (Vec<&str>, Vec<&str>) {
    let mut left: BTreeMap<&str, BTreeSet<&str>> =
        imports.iter().map(|(file, of)| (file.as_str(), of.keys().map(String::as_str).collect())).collect();
    let mut order = Vec::new();
    loop {
        let free: Vec<&str> = left.iter().filter(|(_, of)| of.is_empty()).map(|(file, _)| *file).collect();
        if free.is_empty() {
            break;
        }
        for file in &free {
            left.remove(file);
        }
        for of in left.values_mut() {
            of.retain(|file| !free.contains(file));
        }
        order.extend(free);
    }
    order.reverse();
    // What only leads to a circle is not on one.
    loop {
        let imported: BTreeSet<&str> = left.values().flatten().copied().collect();
        let before = left.len();
        left.retain(|file, _| imported.contains(file));
        if left.len() == before {
            break;
        }
    }
    (order, left.into_keys().collect())
}

/// These files, each with those that it imports.
fn shown(imports: &Imports, files: &[&str], only: impl Fn(&str) -> bool) -> String {
    let lines = files.iter().map(|file| {
        let of = imports[*file].iter().filter(|(from, _)| only(from)).map(|(from, names)| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            format!("    {from}: {}\n", names.join(", "))
        });
        format!("{file}\n{}", of.collect::<String>())
    });
    lines.collect()
}

fn read(folder: &Path, module: &Names, into: &mut Vec<(Names, String)>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let inner = module.iter().cloned().chain([name.clone()]).collect();
        if path.is_dir() {
            read(&path, &inner, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let module = if module.is_empty() && name == "lib" { Names::new() } else { inner };
            into.push((module, fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let mut files = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &Names::new(), &mut files);
    let imports = Rooms::of(files).imports();
    let (order, circles) = in_order(&imports);
    println!("{}", shown(&imports, &order, |_| true));
    assert!(order.len() + circles.len() > 50, "the files were found");
    assert!(
        circles.is_empty(),
        "these files are on circles of imports, or between two:\n{}",
        shown(&imports, &circles, |file| circles.contains(&file))
    );
}

/// The imports of files that are given as text, by their modules.
fn imports_of(files: &[(&str, &str)]) -> Imports {
    let files = files.iter().map(|(module, code)| {
        let module = module.split("::").filter(|name| !name.is_empty()).map(str::to_owned).collect();
        (module, (*code).to_owned())
    });
    Rooms::of(files).imports()
}

#[test]
fn a_circle_is_found_through_re_exports_macros_and_modules_in_a_file() {
    let root = ("", "mod a; mod b; mod c; pub use crate::b::B;");
    let a = ("a", "pub struct A; fn f() -> crate::B { todo!() }");
    for b in [
        "pub struct B(crate::a::A);",
        "use crate::a::A; pub struct B;",
        "pub struct B; mod inner { use super::super::a::A; }",
        "pub struct B; fn f() { assert_eq!(size_of::<crate::a::A>(), 0); }",
        "pub struct B; macro_rules! m { ($x:ident) => { $crate::a::A::$x }; }",
        "pub struct B; pub use crate::a::A; fn f(_: A) {}",
        "pub struct B; #[cfg(not(test))] mod inner { use crate::a::A; }",
    ] {
        let imports = imports_of(&[root, a, ("b", b), ("c", "use crate::a::A;")]);
        assert_eq!(in_order(&imports).1, ["a", "b"], "{b}");
    }
    for b in [
        "pub struct B;",
        "pub struct B; pub use crate::a::A;",
        "pub struct B; fn f(a: u8) -> u8 { a }",
        "pub struct B; #[cfg(test)] mod tests { use crate::a::A; }",
        "pub struct B; #[cfg(all(test, not(other)))] mod tests { use crate::a::A; }",
        "/// As [`A`](crate::a::A).\npub struct B;",
    ] {
        let imports = imports_of(&[root, a, ("b", b), ("c", "use crate::a::A;")]);
        assert_eq!(in_order(&imports), (vec!["c", "a", "b"], vec![]), "{b}");
    }
}
