//! The worker processes, seen from the process that starts them. No worker outlives its [`Hand`].

use crate::counts::Counts;
use crate::options::Options;
use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

/// How long a worker may take for anything. This is far more than a worker should need: a worker that needs longer
/// hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// How many violations of each worker are kept. A broken lock makes thousands.
const KEPT: usize = 20;

/// One worker.
pub struct Hand {
    /// The worker's name in messages.
    pub name: String,
    /// The counts of the worker, once it has ended.
    pub counts: Option<Counts>,
    /// The violations that the worker has found.
    pub violations: Vec<String>,
    /// An error that the worker met while the server was down.
    pub error: Option<String>,
    process: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
    heard: BTreeSet<String>,
}

impl Hand {
    /// Starts a worker.
    pub fn hire(name: String, options: &Options, server: SocketAddr, key: &str) -> io::Result<Self> {
        let mut process = Command::new(std::env::current_exe()?)
            .args(options.for_worker(server, key))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (send, lines) = mpsc::channel();
        let orders = process.stdin.take();
        if let Some(output) = process.stdout.take() {
            // This thread ends with the process, or with the receiver.
            thread::spawn(move || {
                BufReader::new(output).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
            });
        }
        Ok(Self {
            name,
            counts: None,
            violations: Vec::new(),
            error: None,
            process,
            orders,
            lines,
            heard: BTreeSet::new(),
        })
    }

    /// Gives an order. Blocks until the worker has understood it.
    pub fn tell(&mut self, order: &str) -> Result<(), String> {
        let sent = self.orders.as_mut().map(|orders| writeln!(orders, "{order}"));
        match sent {
            Some(Ok(())) => self.hear(&format!("told {order}")),
            _ => Err(format!("{} takes no orders any more", self.name)),
        }
    }

    /// Blocks until the worker has said this.
    pub fn hear(&mut self, what: &str) -> Result<(), String> {
        let give_up = Instant::now() + PATIENCE;
        while !self.heard.contains(what) {
            match self.lines.recv_timeout(give_up.saturating_duration_since(Instant::now())) {
                Ok(line) => self.note(&line),
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    return Err(format!("{} hangs: it has not said `{what}` for {PATIENCE:?}", self.name));
                }
                Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(format!("{} has ended without saying `{what}`", self.name));
                }
            }
        }
        Ok(())
    }

    /// Tells the worker to end. Blocks until the worker has reported and has ended.
    pub fn dismiss(&mut self) -> Result<(), String> {
        self.release();
        self.hear("report")?;
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            match self.process.try_wait() {
                Ok(Some(status)) if status.success() => return Ok(()),
                Ok(Some(status)) => return Err(format!("{} failed ({status})", self.name)),
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(format!("{}: {error}", self.name)),
            }
        }
        Err(format!("{} hangs: it has reported but does not exit", self.name))
    }

    /// Tells the worker to end, without waiting for that.
    pub fn release(&mut self) {
        self.orders = None;
    }

    fn note(&mut self, line: &str) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        match word {
            "violation" if self.violations.len() < KEPT => self.violations.push(rest.into()),
            "violation" => {}
            "lost" => {
                self.error = Some(rest.into());
                self.heard.insert(word.into());
            }
            "report" => match rest.parse() {
                Ok(counts) => {
                    self.counts = Some(counts);
                    self.heard.insert(word.into());
                }
                Err(error) => self.violations.push(format!("its report makes no sense: {error}")),
            },
            _ => {
                self.heard.insert(line.into());
            }
        }
    }
}

impl Drop for Hand {
    fn drop(&mut self) {
        // An error means that the worker has exited already.
        let _gone = self.process.kill();
        let _gone = self.process.wait();
    }
}
