//! What else a server, a role or a caller may do.

use crate::kit::*;
use bytes::Bytes;
use dogpile_cache::backend::{Backend, Change, Claimed, ConnectError, Count, Counted, Entry, Postgres, Seen, Signal};
use dogpile_servers::{PostgresServer, postgres_program};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

/// What a server of version 13 answers to a setting that it does not know.
fn server_of_13() -> std::net::SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            thread::spawn(move || {
                let message = |kind: u8, body: &[u8]| {
                    let mut all = vec![kind];
                    all.extend(u32::try_from(body.len() + 4).unwrap().to_be_bytes());
                    all.extend(body);
                    all
                };
                let mut bytes = [0; 4096];
                if stream.read(&mut bytes).unwrap_or(0) == 0 {
                    return;
                }
                let mut hello = message(b'R', &[0, 0, 0, 0]);
                hello.extend(message(b'S', b"server_version\x0013.9\0"));
                hello.extend(message(b'K', &[0; 8]));
                hello.extend(message(b'Z', b"I"));
                stream.write_all(&hello).unwrap();
                while let Ok(read) = stream.read(&mut bytes) {
                    if read == 0 {
                        return;
                    }
                    let mut answer = if bytes[..read].windows(20).any(|it| it == b"idle_session_timeout") {
                        let what = b"SERROR\0VERROR\0C42704\0Munrecognized configuration parameter\0\0";
                        message(b'E', what)
                    } else {
                        // One row: a version, and what follows it.
                        let mut row = 1u16.to_be_bytes().to_vec();
                        row.extend(6u32.to_be_bytes());
                        row.extend(b"130009");
                        let mut column = 1u16.to_be_bytes().to_vec();
                        column.extend(b"v\0");
                        column.extend([0; 6]);
                        column.extend(25u32.to_be_bytes());
                        column.extend([255, 255, 255, 255, 255, 255, 0, 0]);
                        let mut all = message(b'T', &column);
                        all.extend(message(b'D', &row));
                        all.extend(message(b'C', b"SELECT 1\0"));
                        all
                    };
                    answer.extend(message(b'Z', b"I"));
                    stream.write_all(&answer).unwrap();
                }
            });
        }
    });
    address
}

/// S25: a server that is too old is unfit, also one that does not know each of the session's settings.
#[tokio::test]
async fn s25_a_server_of_13_is_told_to_be_too_old() {
    let url = format!("postgresql://postgres@{}/postgres", server_of_13());
    let error = within(AT_ONCE, Postgres::connect(&url)).await.unwrap_err();
    assert!(matches!(&error, ConnectError::Unfit { why, .. } if why.contains("PostgreSQL 13")), "{error:?}");
}

/// Settings of a role that are not the defaults change nothing.
#[tokio::test]
async fn s76_the_settings_of_a_role_change_nothing() {
    let server = PostgresServer::start().unwrap();
    for setting in [
        "lock_timeout = '1ms'",
        "idle_in_transaction_session_timeout = '1ms'",
        "idle_session_timeout = '50ms'",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_deferrable = on",
        "standard_conforming_strings = off",
        "bytea_output = 'escape'",
        "intervalstyle = 'sql_standard'",
        "datestyle = 'German'",
        "timezone = 'Asia/Kathmandu'",
        "extra_float_digits = -15",
        "quote_all_identifiers = on",
        "array_nulls = off",
        "transform_null_equals = on",
        "plpgsql.extra_errors = 'all'",
        "enable_tidscan = off",
        "enable_indexscan = off",
        "search_path = 'nowhere'",
        "client_encoding = 'LATIN1'",
        "lc_messages = 'C'",
        "row_security = off",
        "work_mem = '64kB'",
    ] {
        server.sql(&format!("ALTER ROLE postgres SET {setting}")).ok();
    }
    Postgres::builder(&server.url()).migrate().await.expect("the tables");
    let postgres = backend(&server).await;
    let one = key("one");
    set(&postgres, &one, "old").await.unwrap();
    tokio::time::sleep(MS * 100).await;
    let grant = granted(&postgres, &one, LONG).await;
    postgres.publish(&one, &grant, entry("new")).await.unwrap();
    assert_eq!(stored(&postgres, &one).await.unwrap(), "new");
    let add = Count::Add { delta: 1, ceiling: 9, lifetime: Some(LONG) };
    assert_eq!(postgres.count(&one, add).await.unwrap(), Counted::Now(1));
    let signals = postgres.listen(&one).unwrap().await.unwrap();
    invalidate(&postgres, &one).await.unwrap();
    drop(signals);
    assert_no_errors(&server);
}

/// The tables are made under a role whose statements may take 2 ms.
#[tokio::test]
async fn s76_the_tables_are_made_whatever_the_roles_time_outs_are() {
    let server = PostgresServer::start().unwrap();
    server.sql("ALTER ROLE postgres SET statement_timeout = '2ms'").unwrap();
    Postgres::builder(&server.url()).migrate().await.expect("the tables");
}

/// G11: the look of an entry that is over waits for no other connection. Here a new connection is not to be had: the
/// server's first process stands still, as one does that a pooler keeps in a queue.
#[tokio::test]
async fn g11_a_look_waits_for_no_connection_of_claims() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let short = Entry { lifetime: Some(MS), ..entry("short") };
    postgres.change(&one, Change::Set { entry: short, void_pause: SECOND }).await.unwrap();
    postgres.claim(&key("other"), claim(LONG)).await.unwrap();
    let session = stranger(&server).await;
    // It looks first, so that this runtime has its connection.
    stored(&postgres, &key("other")).await;
    let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'dogpile-cache' AND query ILIKE '%dogpile%claim(%'";
    let kill = |signal: &str| {
        let pid = server.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    };
    kill("-STOP");
    let ended = session.query(ends, &[]).await.unwrap().len();
    tokio::time::sleep(MS * 200).await;
    let began = std::time::Instant::now();
    let looked = tokio::time::timeout(MS * 500, postgres.look(std::slice::from_ref(&one), None)).await;
    let took = began.elapsed();
    kill("-CONT");
    assert_eq!(ended, 1);
    assert!(looked.is_ok(), "the look has taken longer than a region's time: {took:?}");
}

/// A change whose caller goes away has taken effect: those who wait are told.
#[tokio::test]
async fn g16_what_a_caller_has_given_up_is_signalled_all_the_same() {
    let server = server().await;
    let (postgres, other) = (backend(&server).await, backend(&server).await);
    let one = key("one");
    let mut signals = other.listen(&one).unwrap().await.unwrap();
    let mut told = 0;
    for _ in 0..20 {
        set(&postgres, &one, "old").await.unwrap();
        within(AT_ONCE, signals.heard()).await;
        let change = Change::Invalidate { beside: Vec::new(), void_pause: SECOND };
        let mut changing = postgres.change(&one, change);
        // It is sent, and not awaited.
        let polled = std::future::poll_fn(|cx| std::task::Poll::Ready(changing.as_mut().poll(cx))).await;
        assert!(polled.is_pending());
        drop(changing);
        until(async || stored(&postgres, &one).await.is_none()).await;
        told += u32::from(matches!(tokio::time::timeout(MS * 500, signals.heard()).await, Ok(Signal::Freed)));
    }
    assert_eq!(told, 20);
}

/// G16: what happens once the listening has begun is signalled, also what a change does whose commit takes long.
#[tokio::test]
async fn g16_a_change_whose_commit_takes_long_is_signalled() {
    let server = PostgresServer::start().unwrap();
    let logged = Postgres::builder(&server.url()).logged();
    logged.migrate().await.unwrap();
    let (postgres, other) = (std::sync::Arc::new(logged.connect().await.unwrap()), backend(&server).await);
    let one = key("one");
    let standby = |names: &str| {
        server.sql(&format!("ALTER SYSTEM SET synchronous_standby_names = '{names}'")).unwrap();
        server.sql("SELECT pg_reload_conf()").unwrap();
    };
    standby("nobody");
    tokio::time::sleep(MS * 500).await;
    let setting = tokio::spawn({
        let (postgres, one) = (postgres.clone(), one.clone());
        async move { set(&postgres, &one, "new").await }
    });
    until(async || server.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'").unwrap() == "1")
        .await;
    let listening = within(AT_ONCE, other.listen(&one).unwrap()).await;
    let before = stored(&other, &one).await;
    standby("");
    setting.await.unwrap().unwrap();
    let Ok(mut signals) = listening else { return };
    let heard = tokio::time::timeout(SECOND * 2, signals.heard()).await;
    assert!(before.is_some() || heard.is_ok(), "neither seen ({before:?}) nor signalled ({heard:?})");
}

/// G7: a row of a stranger's, whose columns are none, is elected over.
#[tokio::test]
async fn g7_a_hostile_row_of_a_place_is_elected_over() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    granted(&postgres, &one, LONG).await;
    for hostile in ["is_void = NULL", "beat = NULL", "beat = -1", "failures = -1, pause_until = 'infinity'"] {
        server.sql(&format!("UPDATE dogpile.place SET {hostile}")).unwrap();
        let dead = dogpile_cache::backend::Over::Anyone;
        let answer = postgres
            .claim(&one, {
                let mut it = claim(LONG);
                it.over = dead;
                it
            })
            .await;
        assert!(matches!(answer, Ok(Claimed::Granted { .. })), "{hostile}: {answer:?}");
        server.sql(&format!("UPDATE dogpile.place SET {hostile}")).unwrap();
        let answer = postgres.claim(&one, claim(LONG)).await;
        assert!(answer.is_ok(), "{hostile}: {answer:?}");
        server.sql("DELETE FROM dogpile.place").unwrap();
        granted(&postgres, &one, LONG).await;
    }
}

/// G7: a value that is larger than the backend takes is none.
#[tokio::test]
async fn g7_a_hostile_value_allocates_no_more_than_the_largest_entry() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    set(&postgres, &one, "old").await.unwrap();
    server.sql("UPDATE dogpile.entry SET value = convert_to(repeat('x', 100000000), 'UTF8')").unwrap();
    let found = within(WATCHDOG, postgres.look(std::slice::from_ref(&one), None)).await;
    let large = found.ok().and_then(|looks| looks[0].entry.as_ref().map(Bytes::len));
    assert!(large.is_none_or(|it| it <= postgres.limits().largest_entry), "{large:?}");
}

/// Counters at their ends.
#[tokio::test]
async fn g12_counters_at_their_ends() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let add = |delta, ceiling| postgres.count(&one, Count::Add { delta, ceiling, lifetime: None });
    assert_eq!(add(i64::MIN, u64::MAX).await.unwrap(), Counted::Now(0));
    assert_eq!(add(i64::MAX, u64::MAX).await.unwrap(), Counted::Now(i64::MAX as u64));
    assert_eq!(add(1, u64::MAX).await.unwrap(), Counted::TooLarge(i64::MAX as u64));
    assert_eq!(add(i64::MIN, 0).await.unwrap(), Counted::Now(0));
    assert_eq!(add(5, 4).await.unwrap(), Counted::TooLarge(0));
    assert_eq!(add(5, 5).await.unwrap(), Counted::Now(5));
    assert_eq!(add(1, 4).await.unwrap(), Counted::TooLarge(5));
    assert_eq!(add(0, 0).await.unwrap(), Counted::Now(5));
    assert_no_errors(&server);
}

/// G11: a hit is one statement, and one round trip.
#[tokio::test]
async fn g11_a_hit_is_one_statement() {
    let server = PostgresServer::builder().args(["-c", "log_statement=all"]).start().unwrap();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    let postgres = backend(&server).await;
    let region = region(&postgres);
    let _ = region.get("a").or_create(async || "value".to_owned()).await.unwrap();
    let count = |log: &str| log.lines().filter(|line| line.contains("execute")).count();
    let before = count(&server.log().unwrap());
    for _ in 0..100 {
        let _ = region.get("a").or_create(async || unreachable!()).await.unwrap();
    }
    assert_eq!(count(&server.log().unwrap()) - before, 100);
    let _ = Seen::NOTHING;
}

/// Contention among ourselves alone, on a server whose commits take 10 ms, as those of a disk do: 64 processes that
/// count once each, and change one entry once each. None fails, and the server logs no error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g12_contention_on_a_slow_disk_fails_nothing() {
    let slow = ["-c", "fsync=on", "-c", "commit_delay=10000", "-c", "commit_siblings=0"];
    let server = PostgresServer::builder().args(slow).start().unwrap();
    Postgres::builder(&server.url()).logged().migrate().await.unwrap();
    let mut processes = Vec::new();
    for _ in 0..64 {
        processes.push(backend(&server).await);
    }
    let one = key("one");
    let counting = processes.iter().map(|postgres| {
        let (postgres, one) = (postgres.clone(), one.clone());
        tokio::spawn(async move {
            let count = Count::Add { delta: 1, ceiling: 999, lifetime: None };
            let counted = postgres.count(&one, count).await;
            (counted.is_ok(), set(&postgres, &one, "value").await.is_ok())
        })
    });
    let (mut counted, mut changed) = (0, 0);
    for one in counting.collect::<Vec<_>>() {
        let (is_counted, is_changed) = one.await.unwrap();
        counted += u32::from(is_counted);
        changed += u32::from(is_changed);
    }
    println!("of 64: counted {counted}, changed {changed}");
    assert_eq!((counted, changed), (64, 64));
    assert_no_errors(&server);
}

/// G17: the culling of one process keeps up with one process that writes: 20,000 rows of 1.5 kB that are over, which
/// are more than 6,000 blocks, are gone within its first rounds (each of 5 s to 15 s).
#[tokio::test]
async fn g17_the_culling_keeps_up() {
    let server = server().await;
    server
        .sql(
            "INSERT INTO dogpile.entry SELECT convert_to(i::text, 'UTF8'), 0, 0, convert_to(repeat('x', 1500), 'UTF8'),
                1, false, clock_timestamp() FROM generate_series(1, 20000) i",
        )
        .unwrap();
    let _postgres = backend(&server).await;
    until(async || server.sql("SELECT count(*) FROM dogpile.entry").unwrap() == "0").await;
}

/// G7: a schema of this name that another user of the database has made first: nothing of that user's is executed.
#[tokio::test]
async fn g7_a_schema_of_another_user_executes_nothing() {
    let server = PostgresServer::start().unwrap();
    server.sql("CREATE ROLE eve LOGIN; GRANT CREATE ON DATABASE postgres TO eve").unwrap();
    let mut eve = Command::new(postgres_program("psql").unwrap());
    eve.args(["-X", "-d", &server.url_of("eve"), "-c"]).arg(
        "CREATE SCHEMA dogpile; GRANT ALL ON SCHEMA dogpile TO public;
        CREATE FUNCTION dogpile.layout() RETURNS integer LANGUAGE plpgsql AS $$
        BEGIN ALTER ROLE eve SUPERUSER; RETURN 1; END $$;
        CREATE FUNCTION dogpile.life(bigint) RETURNS bigint LANGUAGE sql AS 'SELECT 1'",
    );
    assert!(eve.output().unwrap().status.success());
    let builder = Postgres::builder(&server.url());
    let made = builder.migrate().await;
    let connected = builder.connect().await.map(drop);
    let is_super = server.sql("SELECT rolsuper FROM pg_roles WHERE rolname = 'eve'").unwrap();
    assert_eq!(is_super, "f", "migrate: {made:?}, connect: {connected:?}");
    for refused in [made, connected] {
        let error = refused.unwrap_err();
        assert!(matches!(&error, ConnectError::Unfit { why, .. } if why.contains("stranger")), "{error:?}");
    }
    // Nor do the statements take over what is there.
    let error = server.sql(&builder.sql().unwrap()).unwrap_err();
    assert!(error.to_string().contains("stranger"), "{error}");
    // Said to be the owner, she is none.
    assert!(!format!("{:?}", builder.owner("eve").migrate().await).contains("stranger"));
}

/// G7: so is a schema of ours, if something in it is a stranger's: a function, or a table.
#[tokio::test]
async fn g7_what_a_stranger_has_in_the_schema_is_refused() {
    let server = server().await;
    server.sql("CREATE ROLE eve LOGIN; CREATE ROLE \"o'hara\\\" LOGIN").unwrap();
    let builder = || Postgres::builder(&server.url());
    let is_refused = async |builder: dogpile_cache::backend::PostgresBuilder| match builder.connect().await {
        Ok(_) => false,
        Err(ConnectError::Unfit { why, .. }) if why.contains("stranger") => true,
        Err(other) => panic!("{other:?}"),
    };
    for what in ["TABLE dogpile.entry", "SEQUENCE dogpile.number", "FUNCTION dogpile.layout()", "SCHEMA dogpile"] {
        assert!(!is_refused(builder()).await);
        server.sql(&format!("ALTER {what} OWNER TO eve")).unwrap();
        assert!(is_refused(builder()).await, "{what}");
        assert!(is_refused(builder().owner("o'hara\\")).await, "{what}");
        assert!(!is_refused(builder().owner("eve")).await, "{what}");
        server.sql(&format!("ALTER {what} OWNER TO \"o'hara\\\"")).unwrap();
        assert!(!is_refused(builder().owner("o'hara\\")).await, "{what}");
        server.sql(&format!("ALTER {what} OWNER TO postgres")).unwrap();
    }
    server.sql("ALTER SCHEMA dogpile OWNER TO eve; ALTER DATABASE postgres OWNER TO eve").unwrap();
    assert!(!is_refused(builder()).await, "the owner of the database");
}

/// The statements of `sql()` may be executed again, at each deploy: that waits for no reader, and makes none wait.
#[tokio::test]
async fn g11_the_statements_executed_again_hold_up_no_look() {
    let server = server().await;
    let postgres = backend(&server).await;
    set(&postgres, &key("one"), "value").await.unwrap();
    let reader = stranger(&server).await;
    // As a dump does.
    reader.batch_execute("BEGIN; SELECT count(*) FROM dogpile.entry").await.unwrap();
    let again = stranger(&server).await;
    let sql = Postgres::builder(&server.url()).sql().unwrap();
    let again = tokio::spawn(async move { again.batch_execute(&sql).await.is_ok() });
    tokio::time::sleep(MS * 300).await;
    let looked = tokio::time::timeout(MS * 500, postgres.look(&[key("one")], None)).await;
    reader.batch_execute("COMMIT").await.unwrap();
    assert!(again.await.unwrap());
    assert!(looked.is_ok_and(|it| it.is_ok()), "a look waits behind the statements");
}

/// G9, G5: autovacuum and a user's plain readers (`SELECT`, a dump) hold up nothing.
#[tokio::test]
async fn g5_a_dump_and_a_vacuum_hold_up_nothing() {
    let server = server().await;
    let postgres = backend(&server).await;
    let one = key("one");
    let reader = stranger(&server).await;
    reader
        .batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM dogpile.entry, dogpile.place")
        .await
        .unwrap();
    for _ in 0..20 {
        let grant = granted(&postgres, &one, LONG).await;
        within(SECOND, postgres.publish(&one, &grant, entry("value"))).await.unwrap();
        server.sql("VACUUM dogpile.entry").unwrap();
        within(SECOND, invalidate(&postgres, &one)).await.unwrap();
    }
    assert_no_errors(&server);
}

/// G16: listening that is dropped half-way, and sessions that are ended while it begins: who listens then is told, of
/// what happens or of a gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn g16_listening_that_is_dropped_or_cut_is_told() {
    let server = server().await;
    let (postgres, other) = (backend(&server).await, backend(&server).await);
    let ends = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'dogpile-cache'
            AND (query ILIKE '%wait(%' OR query ILIKE '%listen%' OR query ILIKE '%shared%')";
    let session = stranger(&server).await;
    for round in 0..60u32 {
        let one = key(&format!("{}", round % 3));
        let mut dropped = other.listen(&one).unwrap();
        for _ in 0..round % 4 {
            if std::future::poll_fn(|cx| std::task::Poll::Ready(dropped.as_mut().poll(cx).is_ready())).await {
                break;
            }
            tokio::time::sleep(MS).await;
        }
        drop(dropped);
        let listening = tokio::spawn({
            let (other, one) = (other.clone(), one.clone());
            async move { other.listen(&one).unwrap().await }
        });
        if round % 2 == 0 {
            tokio::time::sleep(MS * (round % 5)).await;
            session.query(ends, &[]).await.unwrap();
        }
        let Ok(mut signals) = listening.await.unwrap() else { continue };
        let change = Change::Invalidate { beside: Vec::new(), void_pause: MS };
        postgres.change(&one, change).await.unwrap();
        assert!(tokio::time::timeout(AT_ONCE, signals.heard()).await.is_ok(), "round {round}: nothing heard");
    }
}

/// Bytes of each kind in keys and values.
#[tokio::test]
async fn g13_s86_keys_and_values_of_every_byte() {
    let server = server().await;
    let postgres = backend(&server).await;
    let names: Vec<String> =
        (0..=0x17fu32).filter_map(char::from_u32).map(|it| format!("{it}'\\\"$${it}")).chain([String::new()]).collect();
    let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
    for (key, name) in keys.iter().zip(&names) {
        let mut bytes = (0..=255u8).collect::<Vec<_>>();
        bytes.extend(name.bytes());
        let change = Change::Set { entry: Entry { bytes: bytes.into(), lifetime: None }, void_pause: MS };
        postgres.change(key, change).await.unwrap();
        postgres
            .count(key, Count::Add { delta: i64::try_from(name.len()).unwrap(), ceiling: 99, lifetime: None })
            .await
            .unwrap();
    }
    let looks = postgres.look(&keys, None).await.unwrap();
    for (look, name) in looks.iter().zip(&names) {
        assert_eq!(&look.entry.as_ref().unwrap()[256..], name.as_bytes());
    }
    assert_no_errors(&server);
}
