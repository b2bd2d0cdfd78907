//! Running an example to its end, from outside.

use std::fmt;
use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// The time after which a run is taken to hang. No run takes nearly as long.
pub const HANGS: Duration = Duration::from_secs(180);

/// A process that is killed when the test drops it.
pub struct Running(pub Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _gone = self.0.kill();
        let _gone = self.0.wait();
    }
}

/// The output and the exit code of a run.
pub struct Ran {
    pub status: ExitStatus,
    pub output: String,
    pub errors: String,
}

impl fmt::Display for Ran {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n--- stdout\n{}--- stderr\n{}", self.status, self.output, self.errors)
    }
}

pub fn run(program: &str, arguments: &[&str]) -> Ran {
    let process = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = Running(process.unwrap());
    let output = read(process.0.stdout.take().unwrap());
    let errors = read(process.0.stderr.take().unwrap());
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.0.try_wait().unwrap() {
            break status;
        }
        assert!(begun.elapsed() < HANGS, "`{program} {}` hangs", arguments.join(" "));
        thread::sleep(Duration::from_millis(10));
    };
    Ran { status, output: output.join().unwrap(), errors: errors.join().unwrap() }
}

/// Checks that each of these options is refused with this value, and that the message names both.
pub fn refuses(program: &str, wrong: &[(&str, &str)]) {
    for (option, value) in wrong {
        let ran = run(program, &[&format!("{option}={value}")]);
        assert_eq!(ran.status.code(), Some(2), "{option} {value}: {ran}");
        assert!(ran.errors.contains(option) && ran.errors.contains(value), "{ran}");
    }
}

fn read(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        from.read_to_string(&mut text).unwrap();
        text
    })
}
