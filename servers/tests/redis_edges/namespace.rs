//! Nothing outside the namespace is read or touched (G17), and nothing is called but what the documentation names.

use crate::kit::{MINUTE, NAME, SECOND, builder, connect, keys, part, process, until};
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use dogpile_cache::{Made, Near};
use dogpile_servers::{RedisServer, Value};
use std::collections::BTreeSet;

/// All uses of a region and of counters.
async fn live(server: &RedisServer) {
    let region = process(server).await;
    region.get("a").or_create(async || "one".to_owned()).await.unwrap();
    region.get("a").or_create(async || unreachable!()).await.unwrap();
    region.mark_stale("a").await.unwrap();
    region.get("a").or_create(async || "two".to_owned()).await.unwrap();
    region.set("b", "one".to_owned()).await.unwrap();
    let seen = region.see("b").await.unwrap();
    assert!(region.set_if("b", &seen, "two".to_owned()).await.unwrap());
    assert!(region.touch("b", None).await.unwrap());
    assert!(region.add("c", "one".to_owned()).await.unwrap());
    assert!(region.get("d").or_try_create(async || Err::<String, _>("no")).await.is_err());
    region.get_many(["a", "b", "c", "e", "f"]).or_create(|keys| async move { keys }).await.unwrap();
    region.invalidate("a").await.unwrap();
    region.ping().await.unwrap();
    // A waiter listens, and polls.
    let other = process(server).await;
    let mut waiter = None;
    let create = async || {
        waiter = Some(tokio::spawn(async move { other.get("w").or_create(async || unreachable!()).await.unwrap() }));
        let channel = format!("{{{}}}@signal", crate::kit::key("w").place());
        until(|| server.command(&["PUBSUB", "NUMSUB", &channel]).unwrap().items()[1].int() != Some(0)).await;
        "one".to_owned()
    };
    region.get("w").or_create(create).await.unwrap();
    assert_eq!(&**waiter.unwrap().await.unwrap(), "one");
    let near = builder(&connect(server).await).near(Near::holding(10).at_most(SECOND)).build::<str, String>().unwrap();
    near.get("n").or_create_with(async |_| Made::new("one".to_owned()).expires_after(SECOND * 5)).await.unwrap();
    let counters = Counters::<str, _>::new(Namespace::new(NAME).unwrap(), connect(server).await, MINUTE).unwrap();
    counters.increment("a", 2).await.unwrap();
    counters.decrement("a", 1).await.unwrap();
    counters.get("a").await.unwrap();
    counters.reset("b").await.unwrap();
}

#[tokio::test]
async fn g17_nothing_of_strangers_is_touched() {
    let server = RedisServer::start().unwrap();
    let place = crate::kit::key("a");
    let near = [
        "",
        "a",
        NAME,
        "edge:a",
        "{edge:a",
        "edge:a}",
        "{edge:a}",
        "{edge:a}@",
        "{edge:a}@other",
        "{edge:a}@0",
        "x{edge:a}@grant",
        "{edge:a}@grant2",
        "{edge}:a@grant",
        "{edge:a }@grant",
        "{edges:a}@grant",
        "{EDGE:a}@grant",
        "@grant",
    ];
    let mut admin = server.client().unwrap();
    for (at, name) in near.iter().enumerate() {
        assert_ne!(*name, part(&place, "grant"));
        match at % 3 {
            0 => admin.command(&["SET", name, "a stranger's"]).unwrap(),
            1 => admin.command(&["RPUSH", name, "a stranger's"]).unwrap(),
            _ => admin.command(&["SET", name, "a stranger's", "EX", "100000"]).unwrap(),
        };
    }
    admin.command(&["SELECT", "1"]).unwrap();
    admin.command(&["SET", &part(&place, "grant"), "of another database"]).unwrap();
    let state = || {
        near.map(|name| {
            let expires = server.command(&["PEXPIRETIME", name]).unwrap();
            (server.command(&["DUMP", name]).unwrap(), expires)
        })
    };
    let before = state();
    assert!(before.iter().all(|(dump, _)| *dump != Value::Nil));
    live(&server).await;
    assert!(state() == before, "a stranger's key was touched");
    assert_eq!(admin.command(&["GET", &part(&place, "grant")]).unwrap(), Value::bulk("of another database"));
    let strange = keys(&server).into_iter().filter(|key| !near.contains(&&**key) && !key.starts_with("{edge:"));
    assert_eq!(strange.collect::<Vec<_>>(), Vec::<String>::new());
}

/// The words of a line of MONITOR: `1.2 [0 127.0.0.1:7] "GET" "key"`.
fn words(line: &str) -> Vec<String> {
    let rest = &line[line.find("] ").unwrap() + 2..];
    let whole = rest.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
    whole.split("\" \"").map(str::to_owned).collect()
}

#[tokio::test]
async fn g17_each_command_is_one_that_is_named_on_a_key_of_ours() {
    let server = RedisServer::start().unwrap();
    let mut monitor = server.client().unwrap();
    monitor.command(&["MONITOR"]).unwrap();
    live(&server).await;
    server.command(&["ECHO", "the end"]).unwrap();
    let (mut called, mut asked) = (BTreeSet::new(), 0);
    loop {
        let line = monitor.receive().unwrap();
        let words = words(line.text().expect("a line of text"));
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match (&*words[0].to_ascii_uppercase(), &words[1..]) {
            ("ECHO", _) => break,
            // The questions of the test.
            ("PUBSUB", _) => continue,
            ("HELLO" | "CLIENT" | "INFO" | "TIME" | "EVAL" | "EVALSHA", _) => {}
            ("GET" | "SET" | "GETRANGE" | "SETRANGE" | "PTTL" | "INCRBY", [key, ..]) => {
                assert!(key.starts_with("{edge:"), "{words:?}");
                asked += 1;
            }
            ("MGET" | "DEL", all) => assert!(all.iter().all(|key| key.starts_with("{edge:")), "{words:?}"),
            ("PUBLISH" | "SUBSCRIBE" | "UNSUBSCRIBE", [channel, ..]) => {
                assert!(channel.ends_with("}@signal") && channel.starts_with('{'), "{words:?}");
            }
            other => panic!("this is not named: {other:?}"),
        }
        called.insert(words[0].to_ascii_uppercase());
    }
    assert!(asked > 50, "MONITOR shows what scripts do");
    for name in ["GET", "MGET", "DEL", "INFO", "TIME", "EVALSHA", "SET", "GETRANGE", "SETRANGE", "PTTL", "INCRBY"] {
        assert!(called.contains(name), "{name} is named and not called: {called:?}");
    }
}
