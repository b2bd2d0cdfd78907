//! Lives of the server's data: copies that were restored, and two lives at a time.

use crate::kit::*;
use dogpile_cache::backend::{Backend, Change, Claimed, ConnectError, Postgres, Published};
use dogpile_servers::{PostgresServer, Proxy, postgres_program};
use std::process::Command;
use std::sync::Arc;
use std::time::Instant;

fn dump(server: &PostgresServer) -> String {
    let address = server.address();
    let dump = Command::new(postgres_program("pg_dump").unwrap())
        .args(["-h", "127.0.0.1", "-p", &address.port().to_string(), "-U", "postgres", "-n", "dogpile", "--clean"])
        .arg("--inserts")
        .arg("postgres")
        .output()
        .unwrap();
    assert!(dump.status.success(), "{dump:?}");
    // (Commands of psql alone are no statements.)
    let lines = String::from_utf8(dump.stdout).unwrap();
    lines.lines().filter(|line| !line.starts_with('\\')).collect::<Vec<_>>().join("\n")
}

/// G10: a dump of the database, restored while the server runs on. What was invalidated since is of another life.
#[tokio::test]
async fn g10_a_dump_that_is_restored_is_another_life() {
    let server = server().await;
    let (one, two) = (key("one"), key("two"));
    let postgres = backend(&server).await;
    set(&postgres, &one, "revoked").await.unwrap();
    let before = look(&postgres, &one).await.life;
    let grant = granted(&postgres, &two, LONG).await;
    let dumped = dump(&server);
    invalidate(&postgres, &one).await.unwrap();
    invalidate(&postgres, &two).await.unwrap();
    drop(postgres);
    server.sql(&dumped).unwrap();
    let postgres = backend(&server).await;
    let after = look(&postgres, &one).await;
    let published = postgres.publish(&two, &grant, entry("of before")).await.unwrap();
    assert_ne!(after.life, before, "the same life; entry {:?}; the voided grant publishes: {published:?}", after.entry);
    assert!(matches!(published, Published::Refused(_)), "{published:?}");
}

/// G10: the same, and the process's connections stay open all the time.
#[tokio::test]
async fn g10_a_dump_that_is_restored_under_open_connections_is_another_life() {
    let server = server().await;
    let (one, two) = (key("one"), key("two"));
    let postgres = backend(&server).await;
    set(&postgres, &one, "revoked").await.unwrap();
    let before = look(&postgres, &one).await.life;
    let grant = granted(&postgres, &two, LONG).await;
    let dumped = dump(&server);
    invalidate(&postgres, &one).await.unwrap();
    invalidate(&postgres, &two).await.unwrap();
    server.sql(&dumped).unwrap();
    let mut published = None;
    until(async || {
        published = postgres.publish(&two, &grant, entry("of before")).await.ok();
        published.is_some()
    })
    .await;
    connected(&postgres).await;
    let after = look(&postgres, &one).await;
    assert_ne!(after.life, before, "the same life; entry {:?}; the voided grant publishes: {published:?}", after.entry);
}

/// G10: the same of a dump of the rows alone, and of a process that only looks: its heartbeat finds it. While the
/// tables are being restored, its looks wait for nothing.
#[tokio::test]
async fn g10_a_process_that_only_looks_finds_that_the_rows_were_restored() {
    let server = server().await;
    let one = key("one");
    let (postgres, looks) = (backend(&server).await, backend(&server).await);
    set(&postgres, &one, "revoked").await.unwrap();
    let before = look(&looks, &one).await.life;
    invalidate(&postgres, &one).await.unwrap();
    let client = stranger(&server).await;
    client.batch_execute("BEGIN; LOCK TABLE dogpile.life IN ACCESS EXCLUSIVE MODE").await.unwrap();
    client.batch_execute("CREATE TEMP TABLE rows AS SELECT id FROM dogpile.life").await.unwrap();
    client.batch_execute("DELETE FROM dogpile.life; INSERT INTO dogpile.life (id) SELECT id FROM rows").await.unwrap();
    // Longer than a heartbeat.
    let began = Instant::now();
    while began.elapsed() < SECOND * 2 {
        let slow = Instant::now();
        assert_eq!(look(&looks, &one).await.life, before);
        assert!(slow.elapsed() < SECOND, "a look has waited for a heartbeat");
        tokio::time::sleep(MS * 10).await;
    }
    client.batch_execute("COMMIT").await.unwrap();
    until(async || looks.look(std::slice::from_ref(&one), None).await.is_ok_and(|looks| looks[0].life != before)).await;
}

/// G10: a copy of the database that takes its place.
#[tokio::test]
async fn g10_a_database_that_was_copied_is_another_life() {
    let server = server().await;
    let other = |name: &str| format!("postgresql://postgres@{}/{name}", server.address());
    server.sql("CREATE DATABASE cache").unwrap();
    Postgres::builder(&other("cache")).migrate().await.unwrap();
    let one = key("one");
    let postgres = Postgres::connect(&other("cache")).await.unwrap();
    set(&postgres, &one, "revoked").await.unwrap();
    let before = look(&postgres, &one).await.life;
    drop(postgres);
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'cache'";
    until(async || server.sql(sessions).unwrap() == "0").await;
    server.sql("CREATE DATABASE copy TEMPLATE cache").unwrap();
    let postgres = Postgres::connect(&other("cache")).await.unwrap();
    invalidate(&postgres, &one).await.unwrap();
    drop(postgres);
    until(async || server.sql(sessions).unwrap() == "0").await;
    server.sql("ALTER DATABASE cache RENAME TO former").unwrap();
    server.sql("ALTER DATABASE copy RENAME TO cache").unwrap();
    let postgres = Postgres::connect(&other("cache")).await.unwrap();
    let after = look(&postgres, &one).await;
    assert_ne!(after.life, before, "the same life, with {:?}", after.entry);
}

/// G1: somebody empties the tables, all of them, while a process has its connections. Two processes then do not both
/// have a grant of one key.
#[tokio::test]
async fn g1_emptied_tables_make_no_two_lives_at_a_time() {
    for what in [
        "TRUNCATE dogpile.entry, dogpile.place, dogpile.counter, dogpile.waiter, dogpile.life",
        "DROP SCHEMA dogpile CASCADE",
    ] {
        let server = server().await;
        let (one, early) = (key("one"), backend(&server).await);
        granted(&early, &key("other"), LONG).await;
        server.sql(what).unwrap();
        Postgres::builder(&server.url()).migrate().await.unwrap();
        let late = backend(&server).await;
        let first = granted(&late, &one, LONG).await;
        // (A connection that finds other tables may fail first.)
        let mut second = None;
        until(async || {
            second = early.claim(&one, claim(LONG)).await.ok();
            second.is_some()
        })
        .await;
        let lives = (look(&early, &one).await.life, look(&late, &one).await.life);
        assert!(matches!(second, Some(Claimed::Held(_))), "{what}: {second:?} beside {first:?}; the lives: {lives:?}");
        assert_eq!(lives.0, lives.1, "{what}");
    }
}

/// L6 by G1's way: a mark that a process of one life has made counts for a grant of the other.
#[tokio::test]
async fn g6_a_mark_reaches_a_grant_of_another_life() {
    let server = server().await;
    let (one, early) = (key("one"), backend(&server).await);
    let grant = granted(&early, &one, LONG).await;
    server.sql("TRUNCATE dogpile.life").unwrap();
    let late = backend(&server).await;
    late.change(&one, Change::MarkStale { beside: Vec::new() }).await.unwrap();
    let published = early.publish(&one, &grant, entry("of before the mark")).await;
    assert!(!matches!(published, Ok(Published::Fresh)), "{published:?}");
    assert_eq!(stored(&late, &one).await, None);
}

/// G3: the address leads to another server, as after a failover by name or by proxy, while the one from before lives
/// on. A process whose changes go to the new one does not look at the former one any more.
#[tokio::test]
async fn g3_looks_and_changes_are_of_one_server() {
    let (former, next) = (server().await, server().await);
    let proxy = Proxy::start(former.address()).unwrap();
    let url = format!("postgresql://postgres@{}/postgres", proxy.address());
    let postgres = Arc::new(Postgres::connect(&url).await.unwrap());
    let one = key("one");
    set(&postgres, &one, "revoked").await.unwrap();
    assert_eq!(stored(&postgres, &one).await.unwrap(), "revoked");
    proxy.forward_to(next.address());
    // The session of the changes ends, for any reason.
    let ends = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name = 'dogpile-cache' AND query ILIKE '%dogpile%set(%'";
    assert_eq!(former.sql(ends).unwrap(), "t");
    let mut invalidated = None;
    until(async || {
        invalidated = invalidate(&postgres, &one).await.ok();
        invalidated.is_some()
    })
    .await;
    // A heartbeat, and more.
    tokio::time::sleep(SECOND * 3).await;
    let after = postgres.look(std::slice::from_ref(&one), None).await;
    let entry = after.as_ref().ok().and_then(|looks| looks[0].entry.clone());
    assert_eq!(
        entry,
        None,
        "invalidated: {invalidated:?}, life of the look {:?}, of the backend {:?}",
        after.unwrap()[0].life,
        postgres.life_of(&one)
    );
}

/// G3: a URL of several hosts (the client would take the first that lets it in, or any, if the URL says so) is refused:
/// two servers that both take writes would be mixed.
#[tokio::test]
async fn g3_a_url_of_two_servers_is_refused() {
    let (first, second) = (server().await, server().await);
    let hosts = format!("{},{}", first.address(), second.address());
    for rest in ["", "?load_balance_hosts=random", "?target_session_attrs=read-write"] {
        let error = Postgres::connect(&format!("postgresql://postgres@{hosts}/postgres{rest}")).await.unwrap_err();
        assert!(matches!(error, ConnectError::Malformed { .. }), "{error:?}");
    }
}

/// The same as the emptied tables, for each way by itself.
#[tokio::test]
async fn g1_tables_that_were_made_anew_make_no_two_lives_at_a_time() {
    let server = server().await;
    let (one, early) = (key("one"), backend(&server).await);
    granted(&early, &key("other"), LONG).await;
    server.sql("DROP SCHEMA dogpile CASCADE").unwrap();
    Postgres::builder(&server.url()).migrate().await.unwrap();
    let late = backend(&server).await;
    let first = granted(&late, &one, LONG).await;
    let mut second = None;
    until(async || {
        second = early.claim(&one, claim(LONG)).await.ok();
        second.is_some()
    })
    .await;
    assert!(matches!(second, Some(Claimed::Held(_))), "{second:?} beside {first:?}");
}

/// Ends a server that the tests' own starter has not started.
struct Standby(std::process::Child);

impl Drop for Standby {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        drop(Command::new("kill").args(["-QUIT", &pid]).status());
        drop(self.0.wait());
    }
}

/// G10: a standby is refused; once it takes over it has the LOGGED entries, in another life, and no grant of before.
#[tokio::test]
async fn g10_a_standby_that_takes_over_is_another_life() {
    let server = PostgresServer::start().unwrap();
    let logged = Postgres::builder(&server.url()).logged();
    logged.migrate().await.unwrap();
    let postgres = logged.connect().await.unwrap();
    let (one, two) = (key("one"), key("two"));
    set(&postgres, &one, "value").await.unwrap();
    let before = look(&postgres, &one).await.life;
    let grant = granted(&postgres, &two, LONG).await;
    let user = String::from_utf8(Command::new("id").args(["-u", "postgres"]).output().unwrap().stdout).unwrap();
    let (user, data) = (user.trim().to_owned(), server.socket_directory().join("standby"));
    let run = |program: &str| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid", &user, "--clear-groups", "--pdeathsig", "QUIT"]);
        command.arg(postgres_program(program).unwrap()).arg("-D").arg(&data);
        command.stderr(std::process::Stdio::null()).stdout(std::process::Stdio::null());
        command
    };
    let port = server.address().port().to_string();
    let copied =
        run("pg_basebackup").args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-R", "-c", "fast"]).status();
    assert!(copied.unwrap().success());
    let free = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port().to_string();
    let standby = run("postgres")
        .args(["-p", &free, "-k", "", "-F", "-c", "listen_addresses=127.0.0.1"])
        .args(["-c", "max_connections=300", "-c", "dynamic_shared_memory_type=mmap"])
        .spawn()
        .unwrap();
    let _standby = Standby(standby);
    let url = format!("postgresql://postgres@127.0.0.1:{free}/postgres");
    let mut error = String::new();
    until(async || {
        error = Postgres::connect(&url).await.unwrap_err().to_string();
        error.contains("standby")
    })
    .await;
    set(&postgres, &one, "last").await.unwrap();
    let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    until(async || {
        let value = client.query_one("SELECT convert_from(value, 'UTF8') FROM dogpile.entry", &[]).await;
        value.is_ok_and(|row| row.get::<_, String>(0) == "last")
    })
    .await;
    client.batch_execute("SELECT pg_promote()").await.unwrap();
    let next = within(AT_ONCE, Postgres::connect(&url)).await.unwrap();
    let found = look(&next, &one).await;
    assert_eq!(found.entry.as_deref(), Some(&b"last"[..]));
    assert_ne!(found.life, before);
    assert!(matches!(next.publish(&two, &grant, entry("of before")).await.unwrap(), Published::Refused(_)));
    granted(&next, &two, LONG).await;
}
