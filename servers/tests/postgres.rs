//! The PostgreSQL servers of the tests, by themselves.

use dogpile_servers::PostgresServer;
use std::path::Path;
use std::thread;
use std::time::Duration;

#[test]
fn a_server_answers_and_leaves_nothing() {
    let server = PostgresServer::start().unwrap();
    assert_eq!(server.sql("SELECT 1 + 1").unwrap(), "2");
    assert!(server.sql("SELECT nothing").unwrap_err().to_string().contains("nothing"));
    let (directory, pid) = (server.socket_directory(), server.pid());
    drop(server);
    assert!(!directory.exists());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
}

#[test]
fn an_end_at_once_empties_unlogged_tables_and_one_in_peace_does_not() {
    let mut server = PostgresServer::start().unwrap();
    server.sql("CREATE UNLOGGED TABLE u (n int); CREATE TABLE l (n int)").unwrap();
    server.sql("INSERT INTO u VALUES (1); INSERT INTO l VALUES (1)").unwrap();
    let count =
        |server: &PostgresServer| server.sql("SELECT (SELECT count(*) FROM u), (SELECT count(*) FROM l)").unwrap();
    server.end_in_peace();
    assert!(!server.is_up());
    server.start_again().unwrap();
    assert_eq!(count(&server), "1|1");
    server.end_at_once();
    server.start_again().unwrap();
    assert_eq!(count(&server), "0|1");
}

#[test]
fn a_stopped_server_answers_when_it_goes_on() {
    let server = PostgresServer::start().unwrap();
    server.stop().unwrap();
    thread::scope(|scope| {
        let asked = scope.spawn(|| server.sql("SELECT 1").unwrap());
        assert!(!asked.is_finished());
        server.go_on().unwrap();
        assert_eq!(asked.join().unwrap(), "1");
    });
}

#[test]
fn the_clock_moves_both_ways() {
    let server = PostgresServer::builder().fake_time().start().unwrap();
    let now = || server.sql("SELECT extract(epoch FROM clock_timestamp())::bigint").unwrap().parse::<i64>().unwrap();
    let before = now();
    server.advance(Duration::from_secs(3600)).unwrap();
    assert!((3600..3660).contains(&(now() - before)));
    server.step(-7_200_000).unwrap();
    assert!((-3600..-3540).contains(&(now() - before)));
}
