//! The processes of a fleet, as the bench sees them.

use super::child;
use rustix::process::{Pid, Signal, kill_process};
use std::env;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What is compared.
#[derive(Clone)]
pub struct Subject {
    pub name: &'static str,
    /// The interpreter, and whether locks have a lease.
    python: Option<(PathBuf, bool)>,
}

impl Subject {
    pub fn ours(name: &'static str) -> Self {
        Self { name, python: None }
    }

    pub fn python(name: &'static str, program: &Path, has_lease: bool) -> Self {
        Self { name, python: Some((program.into(), has_lease)) }
    }

    /// Starts processes, and returns when all of them are connected.
    pub fn start(&self, url: &str, count: usize, lease: Duration, has_near: bool) -> Vec<Process> {
        let command = || {
            let Some((program, has_lease)) = &self.python else {
                let mut command = Command::new(env::current_exe().expect("a bench knows its own program"));
                let near = if has_near { "near" } else { "far" };
                command.env(child::PART, format!("{} {url} {} {near}", self.name, lease.as_millis()));
                return command;
            };
            let mut command = Command::new(program);
            let lease = if *has_lease { lease.as_secs().max(1) } else { 0 };
            let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/redis_fleet/dogpile_cache.py");
            // (Errors of its client are counted, not shown.)
            command.arg(script).arg(url).arg(lease.to_string()).stderr(Stdio::null());
            command
        };
        let mut processes: Vec<Process> = (0..count).map(|_| Process::start(command())).collect();
        for process in &mut processes {
            process.until(|said| *said == Said::IsReady);
        }
        processes
    }
}

/// What a process has told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    IsReady,
    Creates(u64),
    Created(u64),
    Returned { began: u64, at: u64, value: String },
    Longest { nanos: u64, errors: u64 },
    Done,
}

impl Said {
    fn of(line: &str) -> Option<Said> {
        let words: Vec<&str> = line.split(' ').collect();
        let number = |at: usize| words.get(at)?.parse::<u64>().ok();
        Some(match words[0] {
            "ready" => Said::IsReady,
            "creates" => Said::Creates(number(1)?),
            "created" => Said::Created(number(1)?),
            "returned" => Said::Returned { began: number(1)?, at: number(2)?, value: (*words.get(3)?).to_owned() },
            "longest" => Said::Longest { nanos: number(1)?, errors: number(2)? },
            "done" => Said::Done,
            _ => return None,
        })
    }
}

/// How long the bench waits for a line, unless it says otherwise.
const PATIENCE: Duration = Duration::from_mins(2);

/// A process. SIGKILL ends it when it is dropped.
pub struct Process {
    child: Child,
    input: ChildStdin,
    said: Receiver<Said>,
}

impl Process {
    fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let (input, output) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        let (tell, said) = channel();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let line = Said::of(&line).unwrap_or_else(|| panic!("a process has said {line:?}"));
                if tell.send(line).is_err() {
                    return;
                }
            }
        });
        Self { child, input, said }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn tell(&mut self, line: &str) {
        writeln!(self.input, "{line}").expect("the process runs");
    }

    /// Returns the next line that is as wanted, and all before it.
    pub fn until(&mut self, is_wanted: impl Fn(&Said) -> bool) -> Vec<Said> {
        self.until_within(PATIENCE, is_wanted).expect("the process says it in time")
    }

    /// As [`until`](Process::until), in a time; `None` if it was not said.
    pub fn until_within(&mut self, time: Duration, is_wanted: impl Fn(&Said) -> bool) -> Option<Vec<Said>> {
        let until = Instant::now() + time;
        let mut all = Vec::new();
        loop {
            match self.said.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(said) => all.push(said),
                Err(RecvTimeoutError::Timeout) => return None,
                Err(RecvTimeoutError::Disconnected) => panic!("the process has ended"),
            }
            if is_wanted(all.last().expect("one was pushed")) {
                return Some(all);
            }
        }
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("the process runs");
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // An error means that the process has exited already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}
