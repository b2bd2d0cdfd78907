//! Runs the example `memcached` against a real server. The memcached binary must be installed.

#[path = "../../common/tests.rs"]
mod common;

use common::{HANGS, Ran, Running};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

fn run(arguments: &[&str]) -> Ran {
    common::run(env!("CARGO_BIN_EXE_memcached"), arguments)
}

/// A loopback address on which no server listens.
fn nowhere() -> SocketAddr {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap()
}

/// Lines that the output of every good run must have.
const KEPT: [&str; 9] = [
    "ok  nothing hangs: every process ended by itself and reported",
    "ok  L1: most creations at once in a process: 1",
    "ok  L8: most getter calls in an access: ",
    "ok  process 1: ",
    "ok  process 2: ",
    "ok  every value read had its right checksum",
    "ok  no error while the server was up",
    "failures of the client carry its own error",
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
fn the_laws_are_kept_while_values_expire_get_lost_and_the_server_dies_and_comes_back() {
    let ran = run(&["--seconds", "1", "--threads", "4", "--expiry", "50", "--create", "10"]);
    let facts = [
        " started at 127.0.0.1:",
        "the server was killed",
        "every thread has got an error, such as \"the getter failed: no answer from the store: ",
        "ok  while the server was down, errors reached the callers in every process",
        "accesses got a value after the restart, some in every process",
        "every thread has got a value again",
    ];
    assert_clean(&ran, &facts);
}

#[test]
fn the_laws_are_kept_when_look_ups_and_creations_race() {
    assert_clean(&run(&["--seconds", "1", "--threads", "12", "--expiry", "10", "--create", "0"]), &[]);
}

#[test]
fn a_server_that_runs_already_is_used_and_left_alone() {
    let address = nowhere();
    let mut server = Command::new("memcached");
    server.args(["-l", "127.0.0.1", "-p", &address.port().to_string(), "-U", "0", "-u", "nobody"]);
    let mut server = Running(server.spawn().expect("memcached is not installed"));
    let begun = Instant::now();
    while TcpStream::connect(address).is_err() {
        assert!(server.0.try_wait().unwrap().is_none() && begun.elapsed() < HANGS, "memcached does not come up");
        thread::sleep(Duration::from_millis(10));
    }
    let ran = run(&["--seconds", "0.5", "--threads", "2", "--expiry", "50", "--server", &address.to_string()]);
    assert_clean(&ran, &[" found at 127.0.0.1:"]);
    assert!(!ran.output.contains("killed"), "{ran}");
    assert!(server.0.try_wait().unwrap().is_none(), "the server was ended");
}

#[test]
fn a_wrong_address_is_an_error_and_nothing_hangs() {
    let address = nowhere();
    let ran = run(&["--server", &address.to_string()]);
    assert_eq!(ran.status.code(), Some(3), "{ran}");
    assert!(ran.errors.contains(&format!("no memcached answers at {address}: ")), "{ran}");

    common::refuses(env!("CARGO_BIN_EXE_memcached"), &[("--server", "nowhere")]);
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
    for part in ["`there-is-no-such-memcached` was not found", "apt-get install memcached", "--server"] {
        assert!(ran.errors.contains(part), "no \"{part}\" in: {ran}");
    }
}

#[test]
fn help_names_every_option_and_no_hidden_one() {
    let ran = run(&["--help"]);
    assert!(ran.status.success(), "{ran}");
    for option in ["--threads", "--seconds", "--expiry", "--create", "--server", "--memcached"] {
        assert!(ran.output.contains(option), "no {option} in: {ran}");
    }
    assert!(!ran.output.contains("--worker"), "{ran}");
}
