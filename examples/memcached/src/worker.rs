//! One of the two processes that share the value: one function that keeps its result, and many threads that call it.
//!
//! The worker takes orders on its standard input, and reports on its standard output, one line each:
//!
//! | order | report | meaning of the report |
//! |---|---|---|
//! | | `ready` | every thread has got a value |
//! | `down` | `told down` | from now on errors are to be expected |
//! | | `lost <error>` | every thread has got an error; this is the last of them |
//! | `up` | `told up` | from now on values are to be expected again |
//! | | `back` | every thread has got a value since then |
//! | (end of input) | `report <counts>` | the worker has ended |
//! | | `violation <text>` | a law was violated; this may come at any time |
//!
//! The end of the input is the order to end. So the worker does not outlive the process that has started it.
//!
//! When the server dies during a creation, the creation fails, and the lock elects one of the waiters (L5). The elected
//! thread first asks the server, and learns that there is none. Then all others ask at once. So most threads have their
//! error after three times the client's patience. Only a thread that had already asked twice creates, and fails to
//! store. Such threads do so one after the other.

use crate::audit;
use crate::counts::Counts;
use crate::options::Options;
use crate::store::{Document, Memcached, StoreError};
use dogpile::{Closures, CreateError, Stamped, cached_by_key};
use example_common::chain;
use memcache::MemcacheError;
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write};
use std::iter;
use std::net::SocketAddr;
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

/// How long an access waits for other creations.
const PATIENCE: Duration = Duration::from_secs(15);

/// The time between two accesses of a thread.
const PAUSE: Duration = Duration::from_micros(500);

const UP: u8 = 0;
const DOWN: u8 = 1;
const UP_AGAIN: u8 = 2;

type AccessError = CreateError<Infallible, StoreError>;
type Got = Result<Stamped<Document>, AccessError>;

struct Worker<'a> {
    expires_after: Duration,
    /// The function that keeps its result.
    document: &'a (dyn Fn() -> Got + Sync),
    stop: AtomicBool,
    /// `UP`, `DOWN` or `UP_AGAIN`, by the last order.
    phase: AtomicU8,
    ready: Gate,
    lost: Gate,
    back: Gate,
}

/// Works until the end of the input.
pub fn work(options: &Options, server: SocketAddr, key: &str) -> Result<(), Box<dyn Error>> {
    let memcached = Memcached::new(server, options.threads)?;
    let numbers = AtomicU64::new(0);
    let document = cached_by_key(
        options.expires_after(),
        |key: &str| key.to_owned(),
        |_: &str| {
            audit::create(options.expires_after());
            thread::sleep(options.creation()); // as long as a query
            Document::new(process::id(), numbers.fetch_add(1, Ordering::Relaxed))
        },
        Closures {
            get: |key: &String| audit::get(|| memcached.get(key)),
            set: |key: &String, made: &Stamped<Document>| audit::set(|| Ok(memcached.set(key, made)?)),
            remove: |key: &String| Ok(memcached.remove(key)?),
        },
    );
    let worker = Worker {
        expires_after: options.expires_after(),
        document: &|| document.access(key).timeout(PATIENCE).try_get(),
        stop: AtomicBool::new(false),
        phase: AtomicU8::new(UP),
        ready: Gate::new(options.threads),
        lost: Gate::new(options.threads),
        back: Gate::new(options.threads),
    };
    let mut counts = Counts::default();
    thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads).map(|_| scope.spawn(|| worker.run())).collect();
        for line in io::stdin().lines() {
            match line.as_deref() {
                Ok("down") => worker.enter(DOWN, "told down"),
                Ok("up") => worker.enter(UP_AGAIN, "told up"),
                _ => break,
            }
        }
        worker.stop.store(true, Ordering::Relaxed);
        for thread in threads {
            match thread.join() {
                Ok(counted) => counts.absorb(&counted),
                Err(_) => tell("violation a thread panicked"),
            }
        }
    });
    tell(&format!("report {counts}"));
    Ok(())
}

impl Worker<'_> {
    fn enter(&self, phase: u8, answer: &str) {
        // Release, pairs with the Acquire in `run`: all that a thread meets after it has seen the phase, it meets in
        // that phase.
        self.phase.store(phase, Ordering::Release);
        tell(answer);
    }

    /// Runs one thread, which makes accesses with pauses between them.
    fn run(&self) -> Counts {
        let mut sum = Counts::default();
        let (mut ready, mut lost, mut back) = (false, false, false);
        while !self.stop.load(Ordering::Relaxed) {
            let begun_in = self.phase.load(Ordering::Acquire);
            let (counts, got) = self.watched();
            let ended_in = self.phase.load(Ordering::Acquire);
            sum.absorb(&counts);
            match got {
                Ok(_) => {
                    self.ready.pass(&mut ready, || "ready".into());
                    if begun_in == UP_AGAIN {
                        sum.after_restart += 1;
                        self.back.pass(&mut back, || "back".into());
                    }
                }
                Err(error) => {
                    let text = in_one_line(&error);
                    if ended_in == UP {
                        sum.early_errors += 1;
                        tell(&format!("violation an error while the server was up: {text}"));
                    }
                    self.lost.pass(&mut lost, || format!("lost {text}"));
                }
            }
            thread::sleep(PAUSE);
        }
        sum
    }

    /// Makes one access, and reports its violations.
    fn watched(&self) -> (Counts, Got) {
        let begun = Instant::now();
        let got = (self.document)();
        let took = begun.elapsed();
        let (mut counts, violations) = audit::conclude();
        for violation in violations {
            tell(&format!("violation {violation}"));
        }
        counts.longest = took.as_micros().try_into().unwrap_or(u64::MAX);
        match &got {
            Ok(value) => self.classify(value, &mut counts),
            Err(error) => blame(error, &mut counts),
        }
        (counts, got)
    }

    fn classify(&self, got: &Stamped<Document>, counts: &mut Counts) {
        // A value that was fresh when the lock looked may have expired since. This is only for the statistics.
        let stale = SystemTime::now().duration_since(got.created).unwrap_or_default() >= self.expires_after;
        let created = counts.creations > 0;
        counts.foreign = (got.value.maker != process::id()).into();
        counts.created = created.into();
        counts.stale = (!created && stale).into();
        counts.fresh = (!created && !stale).into();
    }
}

/// Counts an error by its kind, and looks for an error of the client among its causes.
fn blame(error: &AccessError, counts: &mut Counts) {
    match error {
        CreateError::GetterFailed(error) => {
            counts.getter_failed = 1;
            counts.damaged = matches!(error, StoreError::Damaged).into();
        }
        CreateError::SetterFailed(_) => counts.setter_failed = 1,
        CreateError::TimedOut => counts.timed_out = 1,
        CreateError::WouldDeadlock(_) => counts.would_deadlock = 1,
        _ => tell(&format!("violation an error of no known kind: {}", in_one_line(error))),
    }
    let mut causes = iter::successors(Some(error as &dyn Error), |&error| error.source());
    counts.kept_cause = causes.any(<dyn Error>::is::<MemcacheError>).into();
}

/// An error with its causes.
fn in_one_line(error: &AccessError) -> String {
    chain(error).replace('\n', " ")
}

/// Reports a line. If there is no reader any more, the input has ended too, and this process is about to end.
fn tell(line: &str) {
    let _unheard = writeln!(io::stdout(), "{line}");
}

/// Reports a line once, when all threads have passed.
struct Gate {
    missing: AtomicU16,
}

impl Gate {
    fn new(threads: u16) -> Self {
        Self { missing: AtomicU16::new(threads) }
    }

    fn pass(&self, passed: &mut bool, line: impl FnOnce() -> String) {
        if !*passed {
            *passed = true;
            if self.missing.fetch_sub(1, Ordering::Relaxed) == 1 {
                tell(&line());
            }
        }
    }
}
