//! The source of the values: slow, and it counts. It runs in the process that starts the fleet, so that the audit does
//! not depend on what the processes of the fleet say of themselves.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// One question to the source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query {
    /// The process that has asked.
    pub process: u32,
    /// The number of the value that is to be replaced; 0 if that process has found none.
    pub old: usize,
    /// How many others were being answered when this one came, and how many of the same process.
    pub beside: usize,
    pub beside_own: usize,
    /// Whether the value that is to be replaced was too young to have expired.
    pub is_early: bool,
    /// When it was answered.
    answered: Option<Instant>,
}

/// A source that is asked over TCP.
pub struct Source {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    answers_after: Duration,
    values_live: Duration,
}

#[derive(Default)]
struct State {
    queries: Vec<Query>,
    /// The next query is not answered.
    holds_next: bool,
}

impl Source {
    /// Begins to listen. No value expires before that age.
    pub fn start(answers_after: Duration, values_live: Duration) -> io::Result<Source> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let shared = Arc::new(Shared { state: Mutex::default(), changed: Condvar::new(), answers_after, values_live });
        let source = Source { address: listener.local_addr()?, shared: Arc::clone(&shared) };
        // These threads end with the process.
        thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.answer(connection));
            }
        });
        Ok(source)
    }

    /// Returns all queries so far.
    pub fn queries(&self) -> Vec<Query> {
        self.shared.lock().queries.clone()
    }

    /// Does not answer the next query.
    pub fn hold_next(&self) {
        self.shared.lock().holds_next = true;
    }

    /// Blocks until the query that is not answered has come, but no longer than this. Returns whether it has.
    pub fn holds(&self, patience: Duration) -> bool {
        let waited = self.shared.changed.wait_timeout_while(self.shared.lock(), patience, |state| state.holds_next);
        !waited.unwrap_or_else(PoisonError::into_inner).0.holds_next
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Answers one query. The answer is its number, from 1 on.
    fn answer(&self, connection: TcpStream) -> Option<()> {
        let (mut reader, mut line) = (BufReader::new(connection), String::new());
        reader.read_line(&mut line).ok()?;
        let (process, old) = line.trim().split_once(' ')?;
        let (process, old): (u32, usize) = (process.parse().ok()?, old.parse().ok()?);
        let (number, is_held) = {
            let mut state = self.lock();
            let running = || state.queries.iter().filter(|query| query.answered.is_none());
            let (beside, beside_own) = (running().count(), running().filter(|query| query.process == process).count());
            let made = old.checked_sub(1).and_then(|at| state.queries.get(at)?.answered);
            let is_early = made.is_some_and(|made| made.elapsed() < self.values_live);
            let query = Query { process, old, beside, beside_own, is_early, answered: None };
            state.queries.push(query);
            (state.queries.len(), std::mem::take(&mut state.holds_next))
        };
        self.changed.notify_all();
        if is_held {
            // Until the process is gone.
            let _gone = reader.read(&mut [0]);
        } else {
            thread::sleep(self.answers_after);
        }
        // It is over before the answer is read: what begins after that does not run beside it.
        self.lock().queries[number - 1].answered = Some(Instant::now());
        writeln!(reader.get_mut(), "{number}").ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(source: &Source, line: &str) -> TcpStream {
        let mut asked = TcpStream::connect(source.address).unwrap();
        writeln!(asked, "{line}").unwrap();
        asked
    }

    fn answer(asked: TcpStream) -> String {
        io::read_to_string(asked).unwrap()
    }

    #[test]
    fn it_counts_what_runs_beside_what() {
        let source = Source::start(Duration::ZERO, Duration::MAX).unwrap();
        assert_eq!(answer(ask(&source, "7 0")), "1\n");
        source.hold_next();
        let held = ask(&source, "7 1");
        assert!(source.holds(Duration::from_secs(60)));
        assert_eq!((answer(ask(&source, "7 1")), answer(ask(&source, "8 0"))), ("3\n".into(), "4\n".into()));
        drop(held);
        while source.queries()[1].answered.is_none() {
            thread::yield_now();
        }
        assert_eq!(answer(ask(&source, "8 4")), "5\n");
        let seen: Vec<_> = source.queries().iter().map(|query| (query.old, query.beside, query.beside_own)).collect();
        assert_eq!(seen, [(0, 0, 0), (1, 0, 0), (1, 1, 1), (0, 1, 0), (4, 0, 0)]);
        let early: Vec<_> = source.queries().iter().map(|query| query.is_early).collect();
        assert_eq!(early, [false, true, true, false, true]);
    }
}
