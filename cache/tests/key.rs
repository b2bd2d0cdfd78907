//! Keys: their texts are readable, and no two keys have the same text (G13, S29, S86, S87).
//!
//! A parser that shares no code with the crate reads each text back. If every text can be read back, then no two are
//! equal.

use bytes::Bytes;
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{FieldsWriter, Key, KeyLimit, KeyWriter, NameError, Namespace, StoredKey, Written, to_text};
use proptest::collection::vec;
use proptest::prelude::*;
use std::borrow::Cow;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

/// Any item that a writer can be given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Tree {
    Atom(Vec<u8>),
    List(Vec<Tree>),
}

use Tree::{Atom, List};

impl Key for Tree {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        match self {
            Atom(bytes) => to.bytes(bytes),
            List(fields) => fields.iter().fold(to.fields(), FieldsWriter::field).end(),
        }
    }
}

fn text(atom: &str) -> Tree {
    Atom(atom.as_bytes().to_vec())
}

// --- the parser -----------------------------------------------------------------------------------------------------

fn parse(text: &str) -> Tree {
    let mut rest = text.as_bytes();
    let mut items = items(&mut rest);
    assert!(rest.is_empty(), "{text:?} has a rest");
    if items.len() == 1 { items.remove(0) } else { List(items) }
}

/// One item or more, separated by commas.
fn items(rest: &mut &[u8]) -> Vec<Tree> {
    let mut items = vec![item(rest)];
    while eat(rest, b',') {
        items.push(item(rest));
    }
    items
}

fn item(rest: &mut &[u8]) -> Tree {
    if !eat(rest, b'(') {
        return atom(rest);
    }
    let fields = if rest.first() == Some(&b')') { Vec::new() } else { items(rest) };
    assert!(eat(rest, b')'), "a list is not closed");
    List(fields)
}

fn atom(rest: &mut &[u8]) -> Tree {
    let end = rest.iter().position(|byte| b",()".contains(byte)).unwrap_or(rest.len());
    let (atom, behind) = rest.split_at(end);
    *rest = behind;
    assert!(!atom.is_empty(), "an atom is missing");
    if atom == b"%-" {
        return Atom(Vec::new());
    }
    let mut bytes = Vec::new();
    let mut at = 0;
    while let Some(byte) = atom.get(at) {
        if *byte == b'%' {
            let digits = std::str::from_utf8(&atom[at + 1..at + 3]).expect("two digits");
            bytes.push(u8::from_str_radix(digits, 16).expect("two digits"));
            at += 3;
        } else {
            bytes.push(*byte);
            at += 1;
        }
    }
    Atom(bytes)
}

fn eat(rest: &mut &[u8], byte: u8) -> bool {
    let found = rest.first() == Some(&byte);
    *rest = &rest[usize::from(found)..];
    found
}

// --- the text of a key ------------------------------------------------------------------------------------------

#[test]
fn a_key_is_readable() {
    assert_eq!(to_text("anna"), "anna");
    assert_eq!(to_text("größe/日本語"), "größe/日本語");
    assert_eq!(to_text("https://example.org/a?b=c&d=e#f@g"), "https://example.org/a?b=c&d=e#f@g");
    assert_eq!(to_text(&7_u64), "7");
    assert_eq!(to_text(&i128::MIN), "-170141183460469231731687303715884105728");
    assert_eq!(to_text(&true), "true");
    assert_eq!(to_text(&'ä'), "ä");
    assert_eq!(to_text(&()), "()");
    assert_eq!(to_text(&("a",)), "(a)");
    assert_eq!(to_text(&("anna", 7, false)), "anna,7,false");
    assert_eq!(to_text(&("anna", ("de", 7), ())), "anna,(de,7),()");
    assert_eq!(to_text(&((("a", "b"), "c"), "d")), "((a,b),c),d");
    assert_eq!(to_text(&(1, 2, 3, 4, 5, 6)), "1,2,3,4,5,6");
    assert_eq!(to_text(&(None::<u8>, Some(7))), "(),(7)");
}

#[test]
fn s86_what_cannot_be_seen_is_escaped() {
    assert_eq!(to_text("50% (new)"), "50%25%20%28new%29");
    assert_eq!(to_text("a,b{c}"), "a%2Cb%7Bc%7D");
    assert_eq!(to_text("get x\r\nset y\0\x7f"), "get%20x%0D%0Aset%20y%00%7F");
    assert_eq!(to_text(""), "%-");
    assert_eq!(to_text(&("", "")), "%-,%-");
    assert_eq!(to_text(b"\xffok\xc3"), "%FFok%C3");
    // A no-break space, a line separator, a mark of direction, a mark without width.
    assert_eq!(to_text("\u{a0}\u{2028}\u{202e}\u{feff}"), "%C2%A0%E2%80%A8%E2%80%AE%EF%BB%BF");
}

#[test]
fn a_key_is_written_as_what_it_points_to() {
    let expected = to_text("a b");
    assert_eq!(to_text(&String::from("a b")), expected);
    assert_eq!(to_text(&&&"a b"), expected);
    assert_eq!(to_text::<&mut String>(&&mut String::from("a b")), expected);
    assert_eq!(to_text(&Box::<str>::from("a b")), expected);
    assert_eq!(to_text(&Rc::<str>::from("a b")), expected);
    assert_eq!(to_text(&Arc::new("a b")), expected);
    assert_eq!(to_text(&Cow::Borrowed("a b")), expected);
    assert_eq!(to_text::<[u8]>(b"a b".as_slice()), expected);
    assert_eq!(to_text(b"a b"), expected);
    assert_eq!(to_text(&b"a b".to_vec()), expected);
    assert_eq!(to_text(&Bytes::from_static(b"a b")), expected);
    // In a tuple as well.
    assert_eq!(to_text(&(Arc::<str>::from("a"), Box::new(7))), to_text(&("a", 7)));
}

// --- injective ------------------------------------------------------------------------------------------------------

/// All small items over atoms that look like what the writer adds itself.
#[test]
fn s87_no_two_small_items_are_written_alike() {
    let hostile =
        ["", "a", "%", "%-", "%25", "%2", ",", "(", ")", "()", "(a)", "a,a", "%#", "\0", "\n", " ", "-", "\u{a0}"];
    let mut atoms: Vec<Tree> = hostile.iter().map(|atom| text(atom)).collect();
    atoms.extend([Atom(vec![0xff]), Atom(vec![0xc2]), Atom(vec![0xa0])]);

    let up_to_two = |items: &[Tree]| {
        let mut lists = vec![List(Vec::new())];
        lists.extend(items.iter().map(|a| List(vec![a.clone()])));
        lists.extend(items.iter().flat_map(|a| items.iter().map(|b| List(vec![a.clone(), b.clone()]))));
        lists
    };
    let flat = up_to_two(&atoms);
    let few: Vec<Tree> =
        up_to_two(&[text(""), text("a"), text(",")]).into_iter().chain([text(""), text("a")]).collect();
    let nested = up_to_two(&few);
    let twice = up_to_two(&up_to_two(&up_to_two(&[text("a")])));

    let mut texts = HashMap::new();
    for tree in atoms.into_iter().chain(flat).chain(nested).chain(twice) {
        let written = to_text(&tree);
        assert_eq!(parse(&written), tree, "{written:?}");
        if let Some(other) = texts.insert(written.clone(), tree.clone()) {
            assert_eq!(other, tree, "both are written {written:?}");
        }
    }
    assert!(texts.len() > 600, "{} items", texts.len());
}

/// A character with a meaning for the writer, or any text.
fn piece() -> impl Strategy<Value = String> {
    const HOSTILE: &[&str] =
        &["%", "%-", "%2C", "%#", ",", "(", ")", "{", "}", ":", "@", " ", "\r\n", "\0", "\\", "'", "a"];
    prop_oneof![4 => prop::sample::select(HOSTILE).prop_map(str::to_owned), 1 => any::<String>()]
}

fn hostile() -> impl Strategy<Value = String> {
    vec(piece(), 0..5).prop_map(|pieces| pieces.concat())
}

fn any_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![vec(any::<u8>(), 0..20), hostile().prop_map(String::into_bytes)]
}

fn any_tree() -> impl Strategy<Value = Tree> {
    any_bytes().prop_map(Atom).prop_recursive(4, 24, 4, |tree| vec(tree, 0..4).prop_map(List))
}

/// The text of an integer, a `bool` or a `char`.
fn shown(value: &impl ToString) -> Tree {
    text(&value.to_string())
}

/// A failure is shown, and leaves no file behind.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 1000, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn s87_any_item_can_be_read_back(tree in any_tree()) {
        let written = to_text(&tree);
        prop_assert_eq!(parse(&written), tree);
        prop_assert!(!written.contains(|c: char| c.is_control() || c.is_whitespace()), "{:?}", written);
    }

    #[test]
    fn s87_each_type_can_be_read_back(
        a in hostile(), b in any_bytes(), c in any::<char>(), d in any::<bool>(),
        array in any::<[u8; 5]>(), option in proptest::option::of(hostile()),
        n in any::<(u8, u16, u32, u64, u128, usize)>(), m in any::<(i8, i16, i32, i64, i128, isize)>(),
    ) {
        prop_assert_eq!(parse(&to_text(&a)), text(&a));
        prop_assert_eq!(parse(&to_text(&b)), Atom(b.clone()));
        prop_assert_eq!(parse(&to_text(&Bytes::from(b.clone()))), Atom(b.clone()));
        prop_assert_eq!(parse(&to_text(&array)), Atom(array.to_vec()));
        prop_assert_eq!(parse(&to_text(&c)), shown(&c));
        prop_assert_eq!(parse(&to_text(&d)), shown(&d));
        prop_assert_eq!(parse(&to_text(&option)), List(option.iter().map(|it| text(it)).collect()));
        let numbers = vec![shown(&n.0), shown(&n.1), shown(&n.2), shown(&n.3), shown(&n.4), shown(&n.5)];
        prop_assert_eq!(parse(&to_text(&n)), List(numbers));
        let numbers = vec![shown(&m.0), shown(&m.1), shown(&m.2), shown(&m.3), shown(&m.4), shown(&m.5)];
        prop_assert_eq!(parse(&to_text(&m)), List(numbers));
        let tuple = ((&a, &b), (c,), (), (d, &a, &b));
        let tree = List(vec![
            List(vec![text(&a), Atom(b.clone())]),
            List(vec![shown(&c)]),
            List(vec![]),
            List(vec![shown(&d), text(&a), Atom(b.clone())]),
        ]);
        prop_assert_eq!(parse(&to_text(&tuple)), tree);
    }

    /// The same pieces, divided between the fields of a tuple at two places.
    #[test]
    fn s87_a_tuple_says_where_its_fields_end(pieces in vec(piece(), 2..6), at in any::<[prop::sample::Index; 2]>()) {
        let divided = |at: &prop::sample::Index| {
            let (a, b) = pieces.split_at(at.index(pieces.len() + 1));
            (a.concat(), b.concat())
        };
        let (a, b) = (divided(&at[0]), divided(&at[1]));
        prop_assert_eq!(a == b, to_text(&a) == to_text(&b));
    }
}

// --- types of users -------------------------------------------------------------------------------------------------

#[derive(Clone, Debug, PartialEq)]
enum Query {
    All,
    Id(u64),
    Name(String),
    Within { tenant: String, words: Vec<String> },
}

impl Key for Query {
    fn write(&self, to: KeyWriter<'_>) -> Written {
        match self {
            Query::All => to.text("all"),
            Query::Id(id) => to.fields().field("id").field(id).end(),
            Query::Name(name) => to.fields().field("name").field(name).end(),
            Query::Within { tenant, words } => {
                words.iter().fold(to.fields().field("within").field(tenant), FieldsWriter::field).end()
            }
        }
    }
}

/// All queries over words that could be mistaken for each other.
#[test]
fn s87_a_type_of_ones_own_is_injective() {
    let words = ["", "a", "id", "7", ",", "a,a", "(a)", "%-"].map(str::to_owned);
    let mut queries = vec![Query::All];
    queries.extend((0..9).map(Query::Id));
    queries.extend(words.iter().cloned().map(Query::Name));
    for tenant in &words {
        let mut within = |words: &[&String]| {
            let words = words.iter().copied().cloned().collect();
            queries.push(Query::Within { tenant: tenant.clone(), words });
        };
        within(&[]);
        for first in &words {
            within(&[first]);
            for second in &words {
                within(&[first, second]);
            }
        }
    }
    let mut written = HashMap::new();
    for query in queries {
        if let Some(other) = written.insert(to_text(&query), query.clone()) {
            panic!("{other:?} and {query:?} are written alike");
        }
    }
    assert_eq!(written.len(), 1 + 9 + 8 + 8 * (1 + 8 + 64));
}

// --- stored keys ----------------------------------------------------------------------------------------------------

const SHAPE: Shape = Shape { schema: 3, format: Format::MESSAGE_PACK };
const MEMCACHED: KeyLimit = KeyLimit::bytes(250);

fn named(name: &str) -> Namespace {
    Namespace::new(name).expect("a name")
}

#[test]
fn names_are_checked() {
    for name in ["a", "product", "Shop/order_2.cache-v1", &"x".repeat(64)] {
        assert_eq!(named(name).name(), name);
        assert_eq!(named(name).to_string(), name);
    }
    assert_eq!(Namespace::new(""), Err(NameError::Empty));
    assert_eq!(Namespace::new(&"x".repeat(65)), Err(NameError::TooLong(65)));
    for character in [':', '%', '{', '}', '*', '?', '[', '@', ',', ' ', '\n', '\0', 'ä'] {
        assert_eq!(Namespace::new(&format!("a{character}")), Err(NameError::Character(character)));
    }
}

#[test]
fn a_stored_key_has_a_place_and_a_shape() {
    let key = StoredKey::new(&named("order"), &("anna", 7), SHAPE, MEMCACHED);
    assert_eq!((key.place(), key.full()), ("order:anna,7", "order:anna,7@3.2"));
    assert_eq!((key.whole(), key.is_hashed(), key.shape()), ("order:anna,7", false, SHAPE));

    let beside = Shape { schema: u32::MAX, format: Format::custom(255) };
    assert_eq!(key.in_shape(beside).full(), "order:anna,7@4294967295.255");
    assert_eq!(key.in_shape(beside), StoredKey::new(&named("order"), &("anna", 7), beside, MEMCACHED));
    assert_ne!(key.in_shape(beside), key);
}

/// A list of fewer than two fields gets its parentheses behind the name, not before it.
#[test]
fn a_place_begins_with_the_name() {
    for (key, place) in [(List(vec![]), "order:()"), (List(vec![text("a")]), "order:(a)"), (text(""), "order:%-")] {
        assert_eq!(StoredKey::new(&named("order"), &key, SHAPE, MEMCACHED).place(), place);
    }
}

#[test]
fn s29_the_keys_of_two_regions_differ() {
    let keys = ["", "a", ":a", "b:a", ":", "@3.2"];
    let names = ["a", "ab", "b", "a.b", "a/b"];
    let mut all = HashMap::new();
    for (name, key) in names.iter().flat_map(|name| keys.iter().map(move |key| (name, key))) {
        let stored = StoredKey::new(&named(name), key, SHAPE, KeyLimit::NONE);
        assert!(stored.full().starts_with(&format!("{name}:")));
        assert_eq!(all.insert(stored.full().to_owned(), (name, key)), None, "{}", stored.full());
    }
}

#[test]
fn g13_a_key_that_is_too_long_is_hashed() {
    let orders = named("order");
    let long = |last: char| format!("{}{last}", "x".repeat(300));
    let (a, b) = (long('a'), long('b'));
    let key = StoredKey::new(&orders, &a, SHAPE, MEMCACHED);
    assert!(key.is_hashed());
    assert_eq!(key.whole(), format!("order:{a}"));
    // The hash is that of another implementation: sha256sum.
    assert_eq!(
        key.place(),
        format!(
            "order:{}%#15853005be32fdb70741a4f9bce64bf4396da7af725201d7784a99c081e0b055",
            "x".repeat(250 - 15 - 66 - 6)
        )
    );
    assert_eq!(key.full(), format!("{}@3.2", key.place()));
    assert!(key.full().len() <= 250);
    assert_ne!(key, StoredKey::new(&orders, &b, SHAPE, MEMCACHED));
    assert_ne!(key.place(), StoredKey::new(&orders, &b, SHAPE, MEMCACHED).place());
    assert_eq!(key.whole(), StoredKey::new(&orders, &a, SHAPE, KeyLimit::NONE).place());
}

/// Slot and server go by the place, so it must not depend on what follows it, not even where room is scarce (G7).
#[test]
fn g7_the_place_is_the_same_in_all_shapes() {
    let shapes = [(0, Format::RAW), (9, Format::RAW), (10, Format::JSON), (u32::MAX, Format::custom(255))];
    for length in 0..300 {
        let key = "k".repeat(length);
        let places: Vec<String> = shapes
            .iter()
            .map(|(schema, format)| Shape { schema: *schema, format: *format })
            .map(|shape| StoredKey::new(&named("order"), &key, shape, MEMCACHED))
            .inspect(|stored| assert!(stored.full().len() <= 250, "{stored:?}"))
            .map(|stored| stored.place().to_owned())
            .collect();
        assert!(places.iter().all(|place| *place == places[0]), "{places:?}");
    }
}

#[test]
fn a_limit_leaves_room_for_name_and_hash() {
    let name = "n".repeat(Namespace::LONGEST);
    let shape = Shape { schema: u32::MAX, format: Format::custom(255) };
    let key = StoredKey::new(&named(&name), &"k".repeat(1000), shape, KeyLimit::bytes(KeyLimit::SMALLEST));
    assert_eq!(key.full().len(), KeyLimit::SMALLEST);
    assert!(key.place().starts_with(&format!("{name}:%#")));
    assert!(std::panic::catch_unwind(|| KeyLimit::bytes(KeyLimit::SMALLEST - 1)).is_err());
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn s86_a_stored_key_is_one_word_and_within_its_limit(
        key in prop_oneof![any_bytes(), vec(any::<u8>(), 0..400), "[%-ä日]{0,200}".prop_map(String::into_bytes)],
        schema in any::<u32>(), limit in KeyLimit::SMALLEST..400,
    ) {
        let shape = Shape { schema, format: Format::RAW };
        let stored = StoredKey::new(&named("order"), &key, shape, KeyLimit::bytes(limit));
        let full = stored.full();
        prop_assert!(full.len() <= limit);
        prop_assert!(!full.contains(|c: char| c.is_control() || c.is_whitespace()), "{:?}", full);
        // Name, place and shape can be told apart, from the front and from the back.
        let (place, suffix) = full.rsplit_once('@').expect("a suffix");
        prop_assert_eq!(place, stored.place());
        prop_assert_eq!(suffix, format!("{schema}.1"));
        let (name, text) = place.split_once(':').expect("a name");
        prop_assert_eq!(name, "order");
        let whole = stored.whole().strip_prefix("order:").expect("the name");
        prop_assert_eq!(parse(whole), Atom(key));
        match text.split_once("%#") {
            None => prop_assert_eq!(text, whole),
            Some((prefix, hash)) => {
                prop_assert!(stored.is_hashed());
                prop_assert!(whole.starts_with(prefix));
                // As long as it can be, but for a character or an escape that would be cut.
                prop_assert!(stored.place().len() + 15 + 4 > limit);
                if !prefix.is_empty() {
                    parse(prefix);
                }
                prop_assert_eq!(hash.len(), 64);
            }
        }
    }
}
