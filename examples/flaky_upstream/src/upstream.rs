//! The upstream: a server on the loopback, in a mood that changes on schedule, that counts who calls it.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// What it does with those who call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// Gives a quote.
    Answers,
    /// Says at once that it cannot.
    Fails,
    /// Says nothing, until its mood changes.
    Hangs,
}

/// One that it was asked for.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Since the start.
    pub at: Duration,
    pub mood: Mood,
}

type Schedule = [(Mood, Duration); 4];

/// The server. It runs until the process ends.
pub struct Upstream {
    address: SocketAddr,
    schedule: Schedule,
    start: Instant,
    calls: Mutex<Vec<Call>>,
}

impl Upstream {
    pub fn start(schedule: Schedule) -> io::Result<Arc<Self>> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let address = listener.local_addr()?;
        let upstream = Arc::new(Self { address, schedule, start: Instant::now(), calls: Mutex::default() });
        let server = Arc::clone(&upstream);
        thread::Builder::new().spawn(move || {
            for caller in listener.incoming().flatten() {
                let server = Arc::clone(&server);
                // Whoever has given up is not told.
                thread::spawn(move || server.take(caller).ok());
            }
        })?;
        Ok(upstream)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How long it has run.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// How long the schedule is.
    pub fn end(&self) -> Duration {
        self.schedule.iter().map(|(_, lasts)| *lasts).sum()
    }

    /// What it is like at that time, and until when. After its schedule it answers.
    pub fn mood(&self, at: Duration) -> (Mood, Duration) {
        let mut until = Duration::ZERO;
        for (mood, lasts) in self.schedule {
            until += lasts;
            if at < until {
                return (mood, until);
            }
        }
        (Mood::Answers, Duration::MAX)
    }

    /// Who has called so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn take(&self, mut caller: TcpStream) -> io::Result<()> {
        let mut question = String::new();
        BufReader::new(&caller).read_line(&mut question)?;
        let at = self.now();
        let (mood, until) = self.mood(at);
        let number = {
            let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.push(Call { at, mood });
            calls.len()
        };
        match mood {
            Mood::Answers => writeln!(caller, "{number}"),
            Mood::Fails => writeln!(caller, "no capacity"),
            Mood::Hangs => {
                thread::sleep(until.saturating_sub(at));
                writeln!(caller, "{number}")
            }
        }
    }
}
