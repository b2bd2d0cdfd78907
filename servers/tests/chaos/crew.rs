//! The processes, seen from the test that has started them. None outlives its [`Worker`].

use crate::fault::{Fault, Kind, Scope};
use crate::history::{Histories, now, read};
use crate::links::Links;
use crate::process::{Job, Orders};
use crate::servers::{Servers, text};
use dogpile_servers::Proxy;
use fastrand::Rng;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
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
    /// Starts a process, in its directory.
    fn start(orders: &Orders, directory: &Path) -> Result<Self> {
        let program = std::env::current_exe().map_err(text)?;
        let mut command = Command::new(program);
        command.current_dir(directory).env(Orders::NAME, orders.text()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(text)?;
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

    /// Has the next creator hold on. Returns when it runs, and its key.
    pub fn hold(&mut self) -> Result<u64> {
        self.tell("hold")?;
        let line = self.lines.recv_timeout(UNTIL_HELD);
        let key = line.as_ref().ok().and_then(|line| line.strip_prefix("holding ")?.parse().ok());
        key.ok_or_else(|| format!("process {} does not create: {line:?}", self.number))
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
        kill_process(Pid::from_child(&self.child), signal).map_err(text)
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

/// The processes of a fleet, each with links of its own. One that dies is replaced.
#[derive(Debug)]
pub struct Crew {
    /// Those of each process.
    pub links: Vec<Links>,
    /// A proxy for each server that no process uses, and that is never disturbed by itself.
    idle: Vec<Proxy>,
    pub workers: Vec<Worker>,
    job: Job,
    dice: Rng,
    /// The directory of the books, and of the links.
    directory: TempDir,
    numbers: u64,
    /// When each process was killed that was.
    killed: BTreeMap<u64, u64>,
}

impl Crew {
    /// Starts a number of processes.
    pub fn start(job: Job, count: usize, servers: &dyn Servers, dice: Rng) -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("dogpile-chaos-").tempdir().map_err(text)?;
        let links = |slot: usize| Links::start(servers, &directory.path().join(format!("links-{slot}")));
        let links = (0..count).map(links).collect::<Result<_>>()?;
        let idle = servers.addresses().into_iter().map(|address| Proxy::start(address).map_err(text));
        let idle = idle.collect::<Result<_>>()?;
        let (workers, killed) = (Vec::new(), BTreeMap::new());
        let mut crew = Self { links, idle, workers, job, dice, directory, numbers: 0, killed };
        for slot in 0..count {
            let worker = crew.worker(slot)?;
            crew.workers.push(worker);
        }
        Ok(crew)
    }

    /// Returns one of the processes.
    pub fn any(&self, dice: &mut Rng) -> usize {
        dice.usize(0..self.workers.len())
    }

    /// Returns the addresses of the proxies that no process uses.
    pub fn idle(&self) -> Vec<SocketAddr> {
        self.idle.iter().map(Proxy::address).collect()
    }

    /// Returns all proxies.
    pub fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        self.links.iter().flat_map(|links| &links.proxies).chain(&self.idle)
    }

    fn book(&self, number: u64) -> PathBuf {
        self.directory.path().join(number.to_string())
    }

    fn worker(&mut self, slot: usize) -> Result<Worker> {
        self.numbers += 1;
        let (number, seed) = (self.numbers, self.dice.u64(..));
        let (links, book) = (&self.links[slot], self.book(number));
        Worker::start(&Orders { job: self.job, number, seed, url: links.url.clone(), book }, links.directory())
    }

    /// Kills a process in mid-creation, and starts another one in its place.
    pub fn kill_holder(&mut self, slot: usize) -> Result<Fault> {
        self.workers[slot].hold()?;
        let (from, number) = (now(), self.workers[slot].number);
        self.workers[slot].kill();
        let to = now();
        self.killed.insert(number, from);
        self.workers[slot] = self.worker(slot)?;
        Ok(Fault { kind: Kind::KillHolder, scope: Scope::process(number), from, to })
    }

    /// Has a process end itself in mid-creation, and starts another one in its place.
    pub fn abort(&mut self, slot: usize) -> Result<Fault> {
        let (from, number) = (now(), self.workers[slot].number);
        self.workers[slot].die()?;
        let to = now();
        self.workers[slot] = self.worker(slot)?;
        Ok(Fault { kind: Kind::Abort, scope: Scope::process(number), from, to })
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
