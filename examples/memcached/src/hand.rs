//! A process of the fleet, seen from the one that starts it. No process outlives its [`Hand`].

use std::io::{self, BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

/// How long a process may take for an order. This is far more than it should need: one that needs longer hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// One process.
pub struct Hand {
    process: Child,
    orders: Option<ChildStdin>,
    answers: Receiver<String>,
}

impl Hand {
    /// Starts a process of the fleet.
    pub fn hire(arguments: &[String]) -> io::Result<Hand> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (send, answers) = mpsc::channel();
        let orders = process.stdin.take();
        if let Some(output) = process.stdout.take() {
            // This thread ends with the process, or with the receiver.
            thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
            });
        }
        Ok(Hand { process, orders, answers })
    }

    /// The number of the process.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Gives an order, without waiting for the answer.
    pub fn tell(&mut self, order: &str) -> Result<(), String> {
        match self.orders.as_mut().map(|orders| writeln!(orders, "{order}")) {
            Some(Ok(())) => Ok(()),
            _ => Err(format!("process {} takes no orders any more", self.id())),
        }
    }

    /// Blocks until the answer is there.
    pub fn hear(&mut self) -> Result<String, String> {
        match self.answers.recv_timeout(PATIENCE) {
            Ok(line) => match line.strip_prefix("failed ") {
                Some(error) => Err(format!("process {}: {error}", self.id())),
                None => Ok(line),
            },
            Err(_) => Err(format!("process {} hangs, or has ended: no answer within {PATIENCE:?}", self.id())),
        }
    }

    /// Kills the process, by SIGKILL. Returns when it is gone.
    pub fn kill(&mut self) {
        // An error means that it has exited already.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        self.kill();
    }
}
