//! Two processes share one value in a memcached server, which loses it, dies and comes back: are the laws kept?
//!
//! `cargo run --release -p example-memcached`, and `-- --help` for the options. A memcached binary is needed, or a
//! server that runs already.

mod audit;
mod counts;
mod crew;
mod options;
mod referee;
mod server;
mod store;
mod worker;

use crate::crew::Hand;
use crate::options::Options;
use crate::referee::{Losses, Verdict};
use crate::server::Server;
use crate::store::Memcached;
use clap::Parser;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

/// The exit code if there is no memcached.
const NO_SERVER: u8 = 3;

fn main() -> ExitCode {
    let options = Options::parse();
    if let (Some(key), Some(server)) = (&options.worker, options.server) {
        return match worker::work(&options, server, key) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(&error.to_string(), 1),
        };
    }
    let (own, address) = match find_server(&options) {
        Ok(found) => found,
        Err(error) => return fail(&error, NO_SERVER),
    };
    match Run::begin(&options, own, address) {
        Ok(run) => run.conduct(),
        Err(error) => fail(&error, 1),
    }
}

fn fail(error: &str, code: u8) -> ExitCode {
    eprintln!("memcached: {error}");
    ExitCode::from(code)
}

/// The server of the command line, or a server of the example's own.
fn find_server(options: &Options) -> Result<(Option<Server>, SocketAddr), String> {
    let own = match options.server {
        Some(_) => None,
        None => Some(Server::start(&options.memcached)?),
    };
    let address = options.server.or(own.as_ref().map(Server::address)).ok_or("no server")?;
    let version = server::version(address)?;
    println!("memcached {version} {} at {address}", if own.is_some() { "started" } else { "found" });
    Ok((own, address))
}

struct Run<'a> {
    options: &'a Options,
    // Declared before the server, so that the workers are dropped first.
    hands: Vec<Hand>,
    server: Option<Server>,
    address: SocketAddr,
    key: String,
    begun: Instant,
    losses: Losses,
}

impl<'a> Run<'a> {
    fn begin(options: &'a Options, server: Option<Server>, address: SocketAddr) -> Result<Self, String> {
        let key = store::key();
        let hire = |number| Hand::hire(format!("process {number}"), options, address, &key);
        let hands = (1..=2).map(hire).collect::<Result<_, _>>();
        let hands = hands.map_err(|error| format!("cannot start a worker: {error}"))?;
        println!(
            "2 processes of {} threads; a value lives {} ms and takes {} ms to create",
            options.threads, options.expiry, options.create
        );
        let losses = Losses { others: server.is_none(), ..Losses::default() };
        Ok(Self { options, hands, server, address, key, begun: Instant::now(), losses })
    }

    /// Runs the example, judges the run and prints the verdict.
    fn conduct(mut self) -> ExitCode {
        let mut trouble: Vec<_> = self.play().err().into_iter().collect();
        self.hands.iter_mut().for_each(Hand::release);
        for hand in &mut self.hands {
            trouble.extend(hand.dismiss().err());
        }
        self.say("ended");
        let verdict = Verdict::of(&self.hands, self.losses, &trouble);
        println!("{verdict}");
        if verdict.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
    }

    fn play(&mut self) -> Result<(), String> {
        self.hear("ready")?;
        self.say("every thread has got a value");
        self.lose_now_and_then(self.options.seconds / 2)?;
        self.outage()?;
        self.lose_now_and_then(self.options.seconds / 2)
    }

    /// Kills the server, if it is the example's own, and starts it again when every thread has met an error.
    fn outage(&mut self) -> Result<(), String> {
        if self.server.is_none() {
            return Ok(());
        }
        self.losses.outage = true;
        self.tell("down")?;
        self.lose()?;
        thread::sleep(self.options.creation() / 2);
        self.server.iter_mut().for_each(Server::kill);
        self.say("the server was killed");
        self.hear("lost")?;
        let error = self.hands.iter().find_map(|hand| hand.error.clone()).unwrap_or_default();
        self.say(&format!("every thread has got an error, such as \"{error}\""));
        self.server.iter_mut().try_for_each(Server::restart)?;
        self.tell("up")?;
        self.say("the server was started again, empty");
        self.hear("back")?;
        self.say("every thread has got a value again");
        Ok(())
    }

    /// Lets the workers work, and deletes the value every two and a half lives of a value.
    fn lose_now_and_then(&mut self, how_long: Duration) -> Result<(), String> {
        let end = Instant::now() + how_long;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let pause = self.options.expires_after() * 5 / 2;
            thread::sleep(pause.min(left));
            if left <= pause {
                return Ok(());
            }
            self.lose()?;
        }
    }

    fn lose(&mut self) -> Result<(), String> {
        self.losses.deleted += 1;
        let lost = Memcached::new(self.address, 1).and_then(|memcached| memcached.remove(&self.key));
        lost.map_err(|error| format!("the value could not be deleted: {error}"))
    }

    fn tell(&mut self, order: &str) -> Result<(), String> {
        self.hands.iter_mut().try_for_each(|hand| hand.tell(order))
    }

    fn hear(&mut self, what: &str) -> Result<(), String> {
        self.hands.iter_mut().try_for_each(|hand| hand.hear(what))
    }

    fn say(&self, what: &str) {
        println!("{:6.2} s  {what}", self.begun.elapsed().as_secs_f64());
    }
}
