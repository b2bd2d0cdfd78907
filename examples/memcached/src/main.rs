//! Processes share one value in a memcached server, which loses it, dies and comes back: how often is the source asked?
//!
//! `cargo run --release -p example-memcached`, and `-- --help` for the options. A memcached binary is needed, or a
//! server that runs already. `process.rs` is what a program writes that keeps a value in memcached; the rest starts
//! processes of it, and judges them by what their source has counted.

mod audit;
mod hand;
mod options;
mod process;
mod source;

use crate::audit::Stretch;
use crate::hand::{Hand, PATIENCE};
use crate::options::Options;
use crate::source::Source;
use clap::Parser;
use dogpile_cache::backend::Memcached;
use dogpile_servers::MemcachedServer;
use example_common::{Verdict, chain};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// The exit code if there is no memcached.
const NO_SERVER: u8 = 3;

fn main() -> ExitCode {
    let options = Options::parse();
    if let (Some(source), Some(server), Some(key)) = (options.source, options.server, &options.key) {
        return match process::run(&options, server, source, key) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&chain(&*error), 1),
        };
    }
    let (own, server) = match find_server(&options) {
        Ok(found) => found,
        Err(error) => return fail(&error, NO_SERVER),
    };
    println!("memcached {} at {server}", if own.is_some() { "started" } else { "found" });
    match Run::begin(&options, own, server) {
        Ok(mut run) => run.conduct(),
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &str, code: u8) -> ExitCode {
    eprintln!("memcached: {error}");
    ExitCode::from(code)
}

/// The server of the command line, or a server of the example's own.
fn find_server(options: &Options) -> Result<(Option<MemcachedServer>, SocketAddr), String> {
    let own = match options.server {
        Some(_) => None,
        None => Some(MemcachedServer::builder().program(&options.memcached).start().map_err(|error| {
            format!("{error}\nOr give the address of a server that runs with `--server <ADDRESS:PORT>`.")
        })?),
    };
    let address = options.server.or(own.as_ref().map(MemcachedServer::address)).ok_or("no server")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| error.to_string())?;
    match runtime.block_on(Memcached::connect(&format!("memcached://{address}"))) {
        Ok(_) => Ok((own, address)),
        Err(error) => Err(format!("no memcached answers at {address}: {}", chain(&error))),
    }
}

struct Run<'a> {
    options: &'a Options,
    // Declared before the server, so that the processes end first.
    hands: Vec<Hand>,
    server: Option<MemcachedServer>,
    source: Source,
    begun: Instant,
    stretch: Stretch,
    /// What was judged so far.
    verdict: Verdict,
    /// How many queries were judged.
    judged: usize,
}

impl<'a> Run<'a> {
    fn begin(options: &'a Options, server: Option<MemcachedServer>, at: SocketAddr) -> Result<Self, String> {
        // (memcached counts seconds.)
        let live = process::LIFETIME.saturating_sub(Duration::from_secs(1));
        let source = Source::start(options.creation(), live).map_err(|error| format!("there is no source: {error}"))?;
        // A key that no other run has used or uses.
        let now = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let key = format!("{}-{}", std::process::id(), now.as_nanos());
        let arguments = options.for_process(at, source.address, &key);
        let hands = (0..options.processes).map(|_| Hand::hire(&arguments)).collect::<Result<_, _>>();
        let hands = hands.map_err(|error| format!("cannot start a process: {error}"))?;
        println!("{} processes of {} tasks; a creation takes {} ms", options.processes, options.tasks, options.create);
        let stretch = Stretch::default();
        let verdict = Verdict(Vec::new());
        Ok(Self { options, hands, server, source, begun: Instant::now(), stretch, verdict, judged: 0 })
    }

    /// Runs the example, judges the run and prints the verdict.
    fn conduct(&mut self) -> ExitCode {
        let played = self.play();
        let Verdict(lines) = &mut self.verdict;
        lines.push(match played {
            Ok(()) => (true, "nothing hangs, nothing fails: each task of each process got a whole value".into()),
            Err(error) => (false, error),
        });
        println!("\n{}", self.verdict);
        if self.verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn play(&mut self) -> Result<(), String> {
        for round in 0..self.options.rounds {
            if round > 0 {
                self.order("invalidate")?;
            }
            self.stretch.missing += 1;
            let numbers = self.all_get()?;
            if round == 0 {
                self.say(&format!("the value was missing: all tasks got {}", list(&numbers)));
            }
            self.order("mark")?;
            self.stretch.marked += 1;
            let numbers = self.all_get()?;
            if round == 0 {
                self.say(&format!("the value was stale: the tasks got {}", list(&numbers)));
            }
        }
        self.say(&format!("the value was missing, and then stale: {} times", self.options.rounds));
        thread::sleep(process::LIFETIME + Duration::from_secs(2));
        self.stretch.expired += 1;
        let numbers = self.all_get()?;
        self.say(&format!("the value has expired: the tasks got {}", list(&numbers)));
        self.judge();
        self.kill_a_creator()?;
        self.outage()?;
        // Nothing is left behind on a server that is not the example's own.
        self.order("invalidate")
    }

    /// Kills a process while it creates. The others wait for its lease, and then one of them creates.
    fn kill_a_creator(&mut self) -> Result<(), String> {
        let mut victim = self.hands.pop().ok_or("there is no process")?;
        self.order("invalidate")?;
        self.source.hold_next();
        victim.tell("begin")?;
        if !self.source.holds(PATIENCE) {
            return Err("the source was not asked by the process that is to be killed".into());
        }
        victim.kill();
        self.say("a process was killed while it created");
        // Once for the process that was killed, and once for the others.
        self.stretch.missing += 2;
        let numbers = self.all_get()?;
        self.say(&format!("its lease is over: all tasks of the others got {}", list(&numbers)));
        self.judge();
        Ok(())
    }

    /// Kills the server, if it is the example's own, and starts it again, empty.
    fn outage(&mut self) -> Result<(), String> {
        if self.server.is_none() {
            return Ok(());
        }
        self.server.iter_mut().for_each(MemcachedServer::kill);
        self.say("the server was killed");
        let numbers = self.all_get()?;
        self.say(&format!("each process creates for itself: the tasks got {}", list(&numbers)));
        let processes: Vec<_> = self.hands.iter().map(Hand::id).collect();
        let queries = self.source.queries();
        self.verdict.0.extend(audit::without_server(&queries[self.judged..], &processes));
        self.judged = queries.len();
        self.server.iter_mut().try_for_each(MemcachedServer::restart).map_err(|error| error.to_string())?;
        for hand in &mut self.hands {
            hand.tell("find")?;
            hand.hear()?;
        }
        self.stretch.missing += 1;
        let numbers = self.all_get()?;
        self.say(&format!("the server was started again, empty: all tasks got {}", list(&numbers)));
        self.judge();
        Ok(())
    }

    /// Judges what the fleet has done with its server since the last judgement.
    fn judge(&mut self) {
        let queries = self.source.queries();
        self.verdict.0.extend(audit::with_server(&queries[self.judged..], self.stretch));
        (self.judged, self.stretch) = (queries.len(), Stretch::default());
    }

    /// Has all tasks of all processes get the value at once. Returns the numbers of the values that they got.
    fn all_get(&mut self) -> Result<BTreeSet<u64>, String> {
        self.hands.iter_mut().try_for_each(|hand| hand.tell("get"))?;
        let mut numbers = BTreeSet::new();
        for hand in &mut self.hands {
            let answer = hand.hear()?;
            let got: Result<Vec<u64>, _> = answer.split(' ').map(str::parse).collect();
            let got = got.map_err(|_| format!("process {} makes no sense: {answer}", hand.id()))?;
            if got.len() != usize::from(self.options.tasks) {
                return Err(format!("process {}: {} tasks got a value", hand.id(), got.len()));
            }
            numbers.extend(got);
        }
        Ok(numbers)
    }

    /// Gives an order to one process, and waits until it is carried out.
    fn order(&mut self, order: &str) -> Result<(), String> {
        let hand = self.hands.first_mut().ok_or("there is no process")?;
        hand.tell(order)?;
        hand.hear().map(drop)
    }

    fn say(&self, what: &str) {
        println!("{:6.2} s  {what}", self.begun.elapsed().as_secs_f64());
    }
}

/// The values of these numbers.
fn list(numbers: &BTreeSet<u64>) -> String {
    let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
    format!("value {}", numbers.join(" or "))
}
