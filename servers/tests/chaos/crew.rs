//! The processes, seen from the test that has started them. None outlives its [`Worker`].

use crate::fault::{Fault, Kind, Scope};
use crate::history::{Histories, now, read};
use crate::process::{Job, Orders};
use dogpile_servers::Proxy;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};
use tempfile::TempDir;

/// How long a process may take to end, once there are no faults: each of its calls is bounded, and so are the creations
/// that they wait for (G5).
const PATIENCE: Duration = Duration::from_secs(30);

/// How long the beginning of a creation is waited for. (While all entries are fresh, none begins.)
const UNTIL_HELD: Duration = Duration::from_secs(10);

/// What can go wrong with a process.
pub type Result<T> = std::result::Result<T, String>;

/// A process.
#[derive(Debug)]
pub struct Worker {
    pub number: u64,
    child: Child,
    orders: Option<ChildStdin>,
    lines: Receiver<String>,
}

impl Worker {
    fn start(orders: &Orders) -> Result<Self> {
        let program = std::env::current_exe().map_err(|error| error.to_string())?;
        let mut command = Command::new(program);
        command.env(Orders::NAME, orders.text()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(|error| error.to_string())?;
        let (send, lines) = mpsc::channel();
        let output = child.stdout.take().expect("a pipe");
        // This thread ends with the process, or with the receiver.
        thread::spawn(move || {
            BufReader::new(output).lines().map_while(std::result::Result::ok).try_for_each(|line| send.send(line))
        });
        Ok(Self { number: orders.number, orders: child.stdin.take(), child, lines })
    }

    fn tell(&mut self, order: &str) -> Result<()> {
        let sent = self.orders.as_mut().map(|orders| writeln!(orders, "{order}"));
        match sent {
            Some(Ok(())) => Ok(()),
            _ => Err(format!("process {} has ended by itself", self.number)),
        }
    }

    /// Has the next creator hold on. Returns when it runs.
    pub fn hold(&mut self) -> Result<()> {
        self.tell("hold")?;
        match self.lines.recv_timeout(UNTIL_HELD) {
            Ok(line) if line.starts_with("holding") => Ok(()),
            other => Err(format!("process {} does not create: {other:?}", self.number)),
        }
    }

    /// Has the next creator end the process. Returns when it has.
    pub fn die(&mut self) -> Result<()> {
        self.tell("die")?;
        self.ended(UNTIL_HELD).map(drop)
    }

    /// Kills the process. Returns when it is gone.
    pub fn kill(&mut self) {
        // An error means that the process has exited already.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }

    /// Stops the process, and lets it go on after a time.
    pub fn stop_for(&self, time: Duration) -> Result<()> {
        self.signal(Signal::STOP)?;
        thread::sleep(time);
        self.signal(Signal::CONT)
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        kill_process(Pid::from_child(&self.child), signal).map_err(|error| error.to_string())
    }

    fn ended(&mut self, patience: Duration) -> Result<ExitStatus> {
        let give_up = Instant::now() + patience;
        while Instant::now() < give_up {
            match self.child.try_wait() {
                Ok(Some(status)) => return Ok(status),
                Ok(None) => thread::sleep(Duration::from_millis(5)),
                Err(error) => return Err(error.to_string()),
            }
        }
        Err(format!("G5: process {} hangs", self.number))
    }

    /// Waits until the process has ended well. Returns what it has said.
    fn dismissed(&mut self) -> Result<Vec<String>> {
        let status = self.ended(PATIENCE)?;
        if status.success() {
            Ok(self.lines.iter().collect())
        } else {
            Err(format!("process {} has failed: {status}", self.number))
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The processes of a fleet, each behind a proxy of its own. One that dies is replaced.
#[derive(Debug)]
pub struct Crew {
    /// One for each process, and another one: see [`Crew::idle_proxy`].
    pub proxies: Vec<Proxy>,
    pub workers: Vec<Worker>,
    job: Job,
    dice: Rng,
    books: TempDir,
    numbers: u64,
    /// When each process was killed that was.
    killed: BTreeMap<u64, u64>,
}

impl Crew {
    /// Starts a number of processes.
    pub fn start(job: Job, count: usize, server: SocketAddr, dice: Rng) -> Result<Self> {
        let proxies: dogpile_servers::Result<_> = (0..=count).map(|_| Proxy::start(server)).collect();
        let books = tempfile::Builder::new().prefix("dogpile-chaos-").tempdir().map_err(|error| error.to_string())?;
        let proxies = proxies.map_err(|error| error.to_string())?;
        let mut crew = Self { proxies, workers: Vec::new(), job, dice, books, numbers: 0, killed: BTreeMap::new() };
        for slot in 0..count {
            let worker = crew.worker(slot)?;
            crew.workers.push(worker);
        }
        Ok(crew)
    }

    /// Returns the address of a proxy that no process uses, and that is never disturbed by itself.
    pub fn idle_proxy(&self) -> SocketAddr {
        self.proxies[self.workers.len()].address()
    }

    fn book(&self, number: u64) -> PathBuf {
        self.books.path().join(number.to_string())
    }

    fn worker(&mut self, slot: usize) -> Result<Worker> {
        self.numbers += 1;
        let (number, seed) = (self.numbers, self.dice.u64(..));
        let (port, book) = (self.proxies[slot].port(), self.book(number));
        Worker::start(&Orders { job: self.job, number, seed, port, book })
    }

    /// Kills a process in mid-creation, and starts another one in its place.
    pub fn kill_holder(&mut self, slot: usize) -> Result<Fault> {
        self.workers[slot].hold()?;
        let (from, number) = (now(), self.workers[slot].number);
        self.workers[slot].kill();
        let to = now();
        self.killed.insert(number, from);
        self.workers[slot] = self.worker(slot)?;
        Ok(Fault { kind: Kind::KillHolder, scope: Scope::Process(number), from, to })
    }

    /// Has a process end itself in mid-creation, and starts another one in its place.
    pub fn abort(&mut self, slot: usize) -> Result<Fault> {
        let (from, number) = (now(), self.workers[slot].number);
        self.workers[slot].die()?;
        let to = now();
        self.workers[slot] = self.worker(slot)?;
        Ok(Fault { kind: Kind::Abort, scope: Scope::Process(number), from, to })
    }

    /// Ends all processes. Returns what they have said.
    pub fn end(&mut self) -> Result<Vec<String>> {
        // All are told before one is waited for.
        let told: Result<Vec<_>> = self.workers.iter_mut().map(|worker| worker.tell("end")).collect();
        told?;
        let said: Result<Vec<_>> = self.workers.iter_mut().map(Worker::dismissed).collect();
        said.map(|said| said.into_iter().flatten().collect())
    }

    /// Has one process create each key once.
    pub fn audit(&mut self) -> Result<()> {
        self.job = Job::Audit;
        let said = self.worker(0)?.dismissed()?;
        if said == ["audited"] { Ok(()) } else { Err(format!("the audit: {said:?}")) }
    }

    /// Returns what all processes have written, and when those were killed that were.
    pub fn history(&self) -> Result<(Histories, &BTreeMap<u64, u64>)> {
        let books = (1..=self.numbers).filter(|number| self.book(*number).exists());
        let books: Result<_> = books.map(|number| Ok((number, read(&self.book(number))?))).collect();
        Ok((books?, &self.killed))
    }
}
