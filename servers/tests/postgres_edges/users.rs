//! What users call by SQL: keys, values and counters are those of regions, whatever the session's search path is.

use crate::kit::*;
use bytes::Bytes;
use dogpile_cache::backend::{Backend, Published, Refusal};
use dogpile_cache::codec::Raw;
use dogpile_cache::counter::{Counters, IncrementError};
use dogpile_cache::key::Namespace;
use dogpile_cache::{Got, Outcome, Region};
use dogpile_servers::PostgresServer;
use std::collections::BTreeMap;
use std::fmt::Write;

/// A text as a statement has it.
fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn place(key: &str) -> String {
    format!("dogpile.place('{NAME}', {})", literal(key))
}

/// The bytes of a text, as two digits each.
fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

/// The value of a key if it is a hit; no creator is called.
async fn hit<V: Send + Sync + Clone + 'static>(region: &Region<str, V>, key: &str) -> Option<V> {
    let got = region.get(key).value().await.unwrap()?;
    assert_eq!(Got::outcome(&got), Outcome::Fresh, "{key}");
    Some((*got).clone())
}

/// Each kind of character, and keys that are hashed: cut behind a character, within one, and within an escape.
fn keys() -> Vec<String> {
    let mut keys: Vec<String> = [
        "a",
        "",
        "50% (new)",
        "größe",
        "a,b",
        "{x}",
        "it's",
        "\u{1}\u{7f}\u{a0}\u{200b}\u{2028}\u{2060}\u{3000}\u{feff}",
        "日本",
    ]
    .map(str::to_owned)
    .into();
    for at in 0..8 {
        for long in ["k", "ö", "日", "%"] {
            keys.push("-".repeat(at) + &long.repeat(1100));
        }
    }
    keys.push("k".repeat(1009 - NAME.len() - 1));
    keys.push("k".repeat(1010 - NAME.len() - 1));
    keys
}

#[tokio::test]
async fn g13_a_value_that_sql_has_set_is_a_hit_of_the_region() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region = region(&postgres);
    for name in keys() {
        let stored = server.sql(&format!("SELECT encode(dogpile.stored({}), 'hex')", place(&name))).unwrap();
        assert_eq!(stored, hex(key(&name).place()), "{name}");
        server
            .sql(&format!("SELECT dogpile.set({}, to_jsonb({}::text), '1 min')", place(&name), literal(&name)))
            .unwrap();
        assert_eq!(hit(&region, &name).await.unwrap(), name);
    }
    // A key of several items.
    let pairs = builder(&postgres).build::<(String, u32), String>().unwrap();
    server.sql("SELECT dogpile.set(dogpile.place('edge', 'a,b', '7'), '\"pair\"', '1 min')").unwrap();
    assert_eq!(*pairs.get(&("a,b".to_owned(), 7)).value().await.unwrap().unwrap(), "pair");
    assert_no_errors(&server);
}

/// What the codecs read.
#[tokio::test]
async fn s79_values_of_sql_are_read_by_the_codecs() {
    let server = server().await;
    let postgres = backend(&server).await;
    let set = |value: &str| server.sql(&format!("SELECT dogpile.set('edge:v', '{value}', '1 min')")).unwrap();
    let texts = region(&postgres);
    for long in [0, 1, 31, 32, 255, 256, 65_535, 65_536] {
        let text = "x".repeat(long);
        server.sql(&format!("SELECT dogpile.set('edge:v', to_jsonb(repeat('x', {long})), '1 min')")).unwrap();
        assert_eq!(hit(&texts, "v").await.unwrap(), text);
    }
    let numbers = builder(&postgres).build::<str, i64>().unwrap();
    for number in [0, 1, 127, 128, -1, -32, -33, 65_536, i64::MAX, i64::MIN] {
        set(&number.to_string());
        assert_eq!(hit(&numbers, "v").await, Some(number));
    }
    let large = builder(&postgres).build::<str, u64>().unwrap();
    for number in [u64::MAX, 1 << 63] {
        set(&number.to_string());
        assert_eq!(hit(&large, "v").await, Some(number));
    }
    let floats = builder(&postgres).build::<str, f64>().unwrap();
    for number in [0.5, -1.25, 1e300, 7.0, 1e19 * 10.0] {
        set(&number.to_string());
        assert_eq!(hit(&floats, "v").await, Some(number));
    }
    let nested = builder(&postgres).build::<str, BTreeMap<String, Vec<Option<bool>>>>().unwrap();
    let mut value = BTreeMap::from([("ä".to_owned(), vec![Some(true), Some(false), None]), ("b".to_owned(), vec![])]);
    set("{\"ä\": [true, false, null], \"b\": []}");
    assert_eq!(hit(&nested, "v").await.as_ref(), Some(&value));
    for count in [15, 16, 300] {
        value = (0..count).map(|n| (n.to_string(), vec![Some(true); if n == 7 { count } else { 0 }])).collect();
        let items = value.iter().map(|(key, list)| format!("\"{key}\": {list:?}").replace("Some(true)", "true"));
        set(&format!("{{{}}}", items.collect::<Vec<_>>().join(",")));
        assert_eq!(hit(&nested, "v").await.as_ref(), Some(&value));
    }
    let bytes = builder(&postgres).codec(Raw).schema(u32::MAX).build::<str, Bytes>().unwrap();
    server.sql("SELECT dogpile.set_bytes('edge:v', decode('00ff27', 'hex'), '1 min', schema => 4294967295)").unwrap();
    assert_eq!(hit(&bytes, "v").await.unwrap(), Bytes::from_static(b"\0\xff'"));
}

/// `add` is refused where a value is fresh, and only there; `touch` keeps the value and its mark.
#[tokio::test]
async fn s78_add_and_touch_by_sql_are_those_of_the_region() {
    let server = server().await;
    let postgres = backend(&server).await;
    let region = region(&postgres);
    let sql = |text: &str| server.sql(text).unwrap();
    let add = || sql("SELECT dogpile.add('edge:a', '\"added\"', '1 min', '1 min')");
    assert_eq!(sql("SELECT dogpile.touch('edge:a', '1 min')"), "f");
    assert_eq!(add(), "t");
    assert_eq!(add(), "f");
    region.set("a", "set".to_owned()).await.unwrap();
    assert_eq!(add(), "f");
    region.mark_stale("a").await.unwrap();
    assert_eq!(sql("SELECT dogpile.touch('edge:a', '1 hour', NULL)"), "t");
    let got = region.get("a").value().await.unwrap().unwrap();
    assert_eq!((&**got, Got::outcome(&got)), ("set", Outcome::Stale));
    assert_eq!(sql("SELECT expires FROM dogpile.entry"), "infinity");
    assert_eq!(add(), "t");
    assert_eq!(hit(&region, "a").await.unwrap(), "added");
    // Its time is over, and what it is worth then is there still.
    sql("SELECT dogpile.set('edge:a', '\"old\"', '0', '1 min')");
    assert_eq!(add(), "t");
    // Bytes that are no envelope are no value.
    for bytes in ["''", "'theirs'", "substr(value, 1, 41)", "value || '0'", "overlay(value PLACING '0' FROM 45)"] {
        sql(&format!("UPDATE dogpile.entry SET value = {bytes}"));
        assert_eq!(sql("SELECT dogpile.touch('edge:a', '1 min')"), "f", "{bytes}");
        assert_eq!(add(), "t", "{bytes}");
    }
    // A touch of a value without an end has one then, and the other way round; one that is hashed stays itself.
    let long = "k".repeat(2000);
    sql(&format!("SELECT dogpile.set({}, '1', NULL)", place(&long)));
    let numbers = builder(&postgres).build::<str, u64>().unwrap();
    for lifetime in ["'1 min'", "'2 min'", "NULL", "'3 min'"] {
        assert_eq!(sql(&format!("SELECT dogpile.touch({}, {lifetime})", place(&long))), "t");
        assert_eq!(hit(&numbers, &long).await, Some(1));
        assert_eq!(sql(&format!("SELECT dogpile.add({}, '2', '1 min')", place(&long))), "f");
    }
    // What was stored before the server has lost data is not fresh.
    server.sql("DELETE FROM dogpile.life").unwrap();
    assert_eq!(add(), "t");
}

/// The changes reach a creation that is under way, and every shape.
#[tokio::test]
async fn g3_changes_by_sql_void_and_mark() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    // (The tombstones outlive the test.)
    for change in [
        "invalidate('edge:one', '10 min')",
        "set('edge:one', '1', '1 min', void_pause => '10 min')",
        "invalidate(ARRAY['edge:two', 'edge:one'], '10 min')",
    ] {
        let grant = granted(&postgres, &one, LONG).await;
        server.sql(&format!("SELECT dogpile.{change}")).unwrap();
        let published = postgres.publish(&one, &grant, entry("late")).await.unwrap();
        assert_eq!(published, Published::Refused(Refusal::Voided), "{change}");
    }
    let grant = granted(&postgres, &one, LONG).await;
    server.sql("SELECT dogpile.mark_stale('edge:one')").unwrap();
    assert_eq!(postgres.publish(&one, &grant, entry("late")).await.unwrap(), Published::Stale);
    server.sql("SELECT dogpile.set('edge:one', '1', '1 min', schema => 3, format => 3)").unwrap();
    assert_eq!(server.sql("SELECT count(*) FROM dogpile.entry").unwrap(), "2");
    assert_eq!(server.sql("SELECT dogpile.mark_stale('edge:one')").unwrap(), "t");
    assert_eq!(server.sql("SELECT count(*) FROM dogpile.entry WHERE is_marked").unwrap(), "2");
    assert_eq!(server.sql("SELECT dogpile.invalidate(ARRAY['edge:one', 'edge:two'])").unwrap(), "1");
    assert_eq!(server.sql("SELECT count(*) FROM dogpile.entry").unwrap(), "0");
    assert_eq!(server.sql("SELECT dogpile.invalidate('edge:one')").unwrap(), "f");
    assert_no_errors(&server);
}

#[tokio::test]
async fn g12_counters_of_sql_are_those_of_the_program() {
    let server = server().await;
    let counters = Counters::<str, _>::new(Namespace::new(NAME).unwrap(), backend(&server).await, MINUTE).unwrap();
    let counters = counters.ceiling(10);
    for name in ["a b", &"k".repeat(2000)] {
        let sql = |call: &str| server.sql(&call.replace("$1", &place(name))).unwrap();
        assert_eq!(sql("SELECT dogpile.counter($1)"), "0");
        assert_eq!(sql("SELECT dogpile.increment($1, 3, '1 min')"), "3");
        assert_eq!(counters.increment(name, 1).await.unwrap(), 4);
        assert_eq!(sql("SELECT dogpile.increment($1, 7, '1 min', 10)"), "");
        assert!(matches!(counters.increment(name, 7).await, Err(IncrementError::TooLarge { value: 4, .. })));
        assert_eq!(sql("SELECT dogpile.decrement($1, 1)"), "3");
        assert_eq!(sql("SELECT dogpile.counter($1)"), "3");
        assert_eq!(sql("SELECT dogpile.reset($1)"), "t");
        assert_eq!(counters.get(name).await.unwrap(), 0);
    }
    assert_no_errors(&server);
}

/// Each call that a user may make of a place.
const CALLS: [&str; 12] = [
    "set('edge:a', '{\"a\": [1, 0.5, \"x\"]}', '1 min')",
    "add('edge:a', '1', '1 min')",
    "add('edge:b', '1', '1 min')",
    "touch('edge:a', '2 min')",
    "set_bytes(dogpile.place('edge', 'ä ö'), dogpile.message_pack('1'), '1 min', format => 2)",
    "mark_stale('edge:a')",
    "invalidate(ARRAY['edge:a', 'edge:b'])",
    "increment('edge:a', 1, '1 min')",
    "increment('edge:a', 1, '1 min')",
    "decrement('edge:a', 1)",
    "counter('edge:a')",
    "reset('edge:a')",
];

/// Functions, operators and types of a stranger's that a call with another search path would find first: one for each
/// that the functions use, with arguments that match better or as well.
fn traps() -> String {
    let mut traps = String::from("CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC;");
    let body = "LANGUAGE plpgsql AS 'BEGIN RAISE ''a stranger was called''; END'";
    for (function, returns) in [
        ("clock_timestamp()", "timestamptz"),
        ("octet_length(bytea)", "integer"),
        ("sha256(bytea)", "bytea"),
        ("convert_to(text, name)", "bytea"),
        ("convert_to(text, text)", "bytea"),
        ("substr(bytea, integer)", "bytea"),
        ("get_byte(bytea, integer)", "integer"),
        ("set_byte(bytea, integer, integer)", "bytea"),
        ("pg_advisory_xact_lock(bigint)", "void"),
        ("current_setting(text)", "text"),
        ("current_setting(text, boolean)", "text"),
        ("jsonb_typeof(jsonb)", "text"),
        ("gen_random_uuid()", "uuid"),
        ("concat_ws(text, bigint, oid, xid)", "text"),
        ("ascii(text)", "integer"),
    ] {
        writeln!(traps, "CREATE FUNCTION evil.{function} RETURNS {returns} {body};").unwrap();
    }
    for (operator, left, right, returns) in [
        ("=", "bytea", "bytea", "boolean"),
        ("=", "text", "text", "boolean"),
        ("=", "bigint", "bigint", "boolean"),
        (">", "timestamptz", "timestamptz", "boolean"),
        ("||", "bytea", "bytea", "bytea"),
        ("*", "bigint", "interval", "interval"),
        ("+", "bigint", "bigint", "bigint"),
        ("<=", "bigint", "bigint", "boolean"),
        ("#", "bigint", "integer", "bigint"),
    ] {
        let name = format!("o{}", hex(operator));
        writeln!(traps, "CREATE FUNCTION evil.{name}({left}, {right}) RETURNS {returns} {body};").unwrap();
        let arguments = format!("LEFTARG = {left}, RIGHTARG = {right}, FUNCTION = evil.{name}");
        writeln!(traps, "CREATE OPERATOR evil.{operator} ({arguments});").unwrap();
    }
    traps
}

#[tokio::test]
async fn g7_a_users_search_path_leads_to_no_stranger() {
    let server = server().await;
    let _postgres = backend(&server).await;
    server.sql(&traps()).unwrap();
    let client = stranger(&server).await;
    client.batch_execute("SET search_path = evil, pg_catalog").await.unwrap();
    for _ in 0..2 {
        for call in CALLS {
            client
                .batch_execute(&format!("SELECT dogpile.{call}"))
                .await
                .unwrap_or_else(|error| panic!("{call}: {error:?}"));
        }
    }
    // The session's own path is as it was.
    client.batch_execute("SELECT clock_timestamp()").await.expect_err("the traps are not there");
}

/// A user's calls leave the transaction usable, and each is an answer.
#[tokio::test]
async fn s76_calls_by_sql_at_another_level_are_refused() {
    let server = server().await;
    let _postgres = backend(&server).await;
    for call in CALLS {
        let is_of_a_counter = ["crement", "counter", "reset"].iter().any(|it| call.contains(it));
        for level in ["REPEATABLE READ", "SERIALIZABLE"] {
            let called = server.sql(&format!("BEGIN ISOLATION LEVEL {level}; SELECT dogpile.{call}; COMMIT"));
            assert_eq!(called.is_ok(), is_of_a_counter, "{call} {called:?}");
            if let Err(error) = called {
                assert!(error.to_string().contains("not READ COMMITTED"), "{error}");
            }
        }
    }
}

/// Two that change the same places in other orders deadlock nowhere, if each names them in one call.
#[tokio::test]
async fn s97_two_lists_of_places_do_not_deadlock() {
    let server = server().await;
    let _postgres = backend(&server).await;
    server.sql("SELECT dogpile.set('edge:' || n, '1', '1 hour') FROM generate_series(1, 40) n").unwrap();
    let order = |order: &str| format!("ARRAY(SELECT 'edge:' || n FROM generate_series(1, 40) n ORDER BY n {order})");
    let tasks = ["ASC", "DESC", "ASC", "DESC"].map(|way| {
        let (one, two) = (order(way), order(if way == "ASC" { "DESC" } else { "ASC" }));
        let url = server.url();
        tokio::spawn(async move {
            let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
            tokio::spawn(connection);
            for _ in 0..8 {
                client.batch_execute(&format!("SELECT dogpile.mark_stale({one})")).await.unwrap();
                client.batch_execute(&format!("SELECT dogpile.invalidate({two})")).await.unwrap();
            }
        })
    });
    for task in tasks {
        within(WATCHDOG, task).await.unwrap();
    }
    assert_no_errors(&server);
}

/// A user with the rights that the documentation names, and no others, may call all of it.
#[tokio::test]
async fn s25_the_rights_of_a_program_are_enough() {
    let server = server().await;
    let _postgres = backend(&server).await;
    grant_anna(&server);
    let call = |call: &str| server.sql(&format!("SET ROLE anna; SELECT dogpile.{call}"));
    for text in CALLS {
        call(text).unwrap();
    }
    server.sql("REVOKE DELETE ON dogpile.entry FROM anna").unwrap();
    call("set('edge:a', '1', '1 min')").unwrap();
    assert!(call("invalidate('edge:a')").unwrap_err().to_string().contains("permission denied"));
}

fn grant_anna(server: &PostgresServer) {
    let to = "IN SCHEMA dogpile TO anna";
    server
        .sql(&format!(
            "CREATE ROLE anna LOGIN; GRANT USAGE ON SCHEMA dogpile TO anna; GRANT USAGE ON ALL SEQUENCES {to}"
        ))
        .unwrap();
    server.sql(&format!("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES {to}")).unwrap();
}

/// Misuse is an error that says it.
#[tokio::test]
async fn g17_misuse_by_sql_is_told() {
    let server = server().await;
    for (call, says) in [
        ("set(NULL, '1', '1 min')", "a place is a text"),
        ("set('edge:a', NULL, '1 min')", "a value is not null"),
        ("set('edge:a', '1', '-1 min')", "not negative"),
        ("set('edge:a', '1', '1 min', format => 1)", "2 or 3"),
        ("increment('edge:a', -1, '1 min')", "an increment adds"),
        ("decrement('edge:a', -1)", "a decrement subtracts"),
        ("place('edge', NULL)", "null"),
        ("set_bytes('edge:a', decode(repeat('00', 67108864), 'hex'), '1 min')", "larger than 67108864"),
    ] {
        let error = server.sql(&format!("SELECT dogpile.{call}")).expect_err(call).to_string();
        assert!(error.contains(says), "{call}: {error}");
    }
}
