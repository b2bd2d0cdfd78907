//! Runs the example `memcached` against a real server. The memcached binary must be installed.

#[path = "../../common/tests.rs"]
mod common;

use common::Ran;
use dogpile_servers::MemcachedServer;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};

fn run(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_memcached"), arguments)
}

/// A loopback address on which no server listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Lines that the output of every good run must have.
const KEPT: [&str; 4] = [
    "ok  most creations at once in the whole fleet: 1\n",
    "a process was killed while it created",
    "ok  nothing hangs, nothing fails: each task of each process got a whole value",
    "All laws were kept.",
];

fn assert_clean(ran: &Ran, facts: &[&str]) {
    assert!(ran.status.success(), "the laws were not kept, or memcached is not installed: {ran}");
    for fact in KEPT.iter().chain(facts) {
        assert!(ran.output.contains(fact), "no \"{fact}\" in: {ran}");
    }
    assert!(!ran.output.contains("VIOLATED"), "{ran}");
}

#[test]
fn one_creation_in_the_fleet_while_values_go_a_process_is_killed_and_the_server_dies_and_comes_back() {
    let ran = run(&["--processes", "4", "--tasks", "20", "--rounds", "5", "--create", "20"]);
    let facts = [
        " started at 127.0.0.1:",
        "the value was missing: all tasks got value 1\n",
        "ok  creations for nothing: 5; the value was missing 5 times\n",
        "ok  the value was marked, or has expired, 6 times: ",
        "ok  creations before the value can have expired: ",
        // For the process that was killed, and for the others after that.
        "ok  creations for nothing: 2; the value was missing 2 times\n",
        "the server was killed",
        "ok  most creations at once in a process that is cut off: 1\n",
        "ok  3 of them created for themselves\n",
        "ok  creations for nothing: 1; the value was missing 1 times\n",
    ];
    assert_clean(&ran, &facts);
}

#[test]
fn one_creation_in_the_fleet_when_many_race_for_a_creation_that_takes_no_time() {
    let ran = run(&["--processes", "8", "--tasks", "100", "--rounds", "20", "--create", "0"]);
    assert_clean(&ran, &["ok  creations for nothing: 20; the value was missing 20 times\n"]);
}

#[test]
fn a_server_that_runs_already_is_used_left_alone_and_left_clean() {
    let server = MemcachedServer::start().expect("memcached is not installed");
    let ran = run(&["--rounds", "2", "--processes", "2", "--server", &server.address().to_string()]);
    assert_clean(&ran, &[" found at 127.0.0.1:"]);
    assert!(!ran.output.contains("the server was killed"), "{ran}");
    assert!(server.is_up(), "the server was ended");
    let left = server.client().unwrap().keys().unwrap();
    assert!(left.is_empty(), "{left:?}");
}

#[test]
fn a_wrong_address_is_an_error_and_nothing_hangs() {
    let address = nowhere();
    let ran = run(&["--server", &address.to_string()]);
    assert_eq!(ran.status.code(), Some(3), "{ran}");
    assert!(ran.errors.contains(&format!("no memcached answers at {address}: ")), "{ran}");

    let wrong = [("--server", "nowhere"), ("--processes", "1"), ("--tasks", "0"), ("--rounds", "0")];
    common::refuses(env!("CARGO_BIN_EXE_memcached"), &wrong);
}

#[test]
fn somebody_who_listens_but_does_not_answer_is_an_error_and_nothing_hangs() {
    let mute = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let ran = run(&["--server", &mute.local_addr().unwrap().to_string()]);
    assert_eq!(ran.status.code(), Some(3), "{ran}");
    assert!(ran.errors.contains("no memcached answers at "), "{ran}");
}

#[test]
fn without_the_binary_it_says_how_to_install_it() {
    let ran = run(&["--memcached", "there-is-no-such-memcached"]);
    assert_eq!(ran.status.code(), Some(3), "{ran}");
    for part in ["there-is-no-such-memcached", "apt-get install memcached", "--server"] {
        assert!(ran.errors.contains(part), "no \"{part}\" in: {ran}");
    }
}

#[test]
fn help_names_every_option_and_no_hidden_one() {
    let ran = run(&["--help"]);
    assert!(ran.status.success(), "{ran}");
    for option in ["--processes", "--tasks", "--rounds", "--create", "--server", "--memcached"] {
        assert!(ran.output.contains(option), "no {option} in: {ran}");
    }
    for hidden in ["--source", "--key"] {
        assert!(!ran.output.contains(hidden), "{ran}");
    }
}
