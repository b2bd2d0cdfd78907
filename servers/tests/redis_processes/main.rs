//! Many processes that want one missing value at once, over one Redis server.
//!
//! The processes run this program. A process is told what to do by lines at its input, and tells what happens by lines
//! at its output; the test goes on when it has read them, and when the server has seen what it waits for.

mod process;

#[path = "../monitor/mod.rs"]
mod monitor;

use dogpile_servers::RedisServer;
use libtest_mimic::{Arguments, Trial};
use monitor::{Command, Monitor, polls_in};
use process::{Fleet, Said, value};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    if process::is_child() {
        process::run();
        return ExitCode::SUCCESS;
    }
    let tests: [(&str, fn()); 2] = [
        (
            "g1_a_hundred_processes_that_start_together_create_once",
            g1_a_hundred_processes_that_start_together_create_once,
        ),
        ("g5_operations_go_with_processes_not_with_waiters", g5_operations_go_with_processes_not_with_waiters),
    ];
    let trials = tests.map(|(name, test)| {
        Trial::test(name, move || {
            test();
            Ok(())
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.into()).exit_code()
}

/// What has come of a value that a fleet wanted.
struct Outcome {
    creations: usize,
    /// Of those the processes have sent.
    commands: Vec<Command>,
    time: Duration,
}

impl Outcome {
    fn count(&self, name: &str) -> usize {
        self.commands.iter().filter(|command| command.name == name).count()
    }
}

/// Has all processes ask at once. The creation ends when each process has claimed, and so waits or creates.
fn cold(processes: usize, tasks: usize) -> Outcome {
    let server = RedisServer::start().expect("a Redis server");
    // The server knows the scripts.
    process::region(&server.url()).blocking().get(&0).or_create(value).expect("a creation");
    let mut fleet = Fleet::start(&server.url(), processes, tasks);
    let mut monitor = Monitor::new(&server).expect("a connection");
    let began = Instant::now();
    fleet.tell_all("go");
    let mut commands = Vec::new();
    let mut claims = 0;
    while claims < processes {
        let command = monitor.next().expect("each process claims");
        claims += usize::from(command.name == "EVALSHA");
        commands.push(command);
    }
    let (creator, said) = fleet.next();
    assert_eq!(said, Said::Creates);
    fleet.tell(creator, "create");
    let mut creations = 1;
    for _ in 0..processes {
        match fleet.next() {
            (_, Said::Returned(returned)) => assert_eq!(returned, tasks),
            (_, Said::Creates) => creations += 1,
            (process, said) => panic!("process {process} has said {said:?}"),
        }
    }
    let time = began.elapsed();
    commands.extend(monitor.until_now(&server).expect("the server answers"));
    Outcome { creations, commands, time }
}

fn g1_a_hundred_processes_that_start_together_create_once() {
    let outcome = cold(100, 1);
    assert_eq!(outcome.creations, 1);
}

fn g5_operations_go_with_processes_not_with_waiters() {
    const PROCESSES: usize = 10;
    let outcome = cold(PROCESSES, 100);
    assert_eq!(outcome.creations, 1);
    // In a process the first task looks, and the others share a second look; then one of them claims. From then on that
    // one alone looks and claims: after it has begun to listen, when it hears a signal, and by polls. The others take
    // what it has found.
    let most = PROCESSES * (4 + polls_in(outcome.time));
    for name in ["GET", "EVALSHA"] {
        let count = outcome.count(name);
        assert!(count <= most, "{count} times {name} in {:?}, at most {most}", outcome.time);
    }
    let listening = ["SUBSCRIBE", "UNSUBSCRIBE"].map(|name| outcome.count(name));
    assert!(listening.iter().all(|count| *count <= PROCESSES), "{listening:?}");
    let known = outcome.count("GET") + outcome.count("EVALSHA") + listening.iter().sum::<usize>();
    assert_eq!(outcome.commands.len(), known, "{:?}", outcome.commands);
}
