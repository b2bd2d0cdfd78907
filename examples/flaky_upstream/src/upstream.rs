//! The upstream: a server on the loopback, whose mood changes on schedule, and which counts its calls.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// How the upstream treats its callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    /// The upstream gives a quote.
    Answers,
    /// The upstream says at once that it cannot give one.
    Fails,
    /// The upstream says nothing until its mood changes.
    Hangs,
}

/// A call that the upstream has received.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// The time since the start.
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
                // An error means that the caller has given up.
                thread::spawn(move || server.take(caller).ok());
            }
        })?;
        Ok(upstream)
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The time since the start.
    pub fn now(&self) -> Duration {
        self.start.elapsed()
    }

    /// The length of the schedule.
    pub fn end(&self) -> Duration {
        self.schedule.iter().map(|(_, lasts)| *lasts).sum()
    }

    /// The mood at this time, and the end of that mood. After the schedule the upstream answers.
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

    /// The calls so far, in order.
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
