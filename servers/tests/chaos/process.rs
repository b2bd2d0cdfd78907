//! A process of the fleet, as it sees itself. It takes orders on its standard input, and answers on its standard
//! output, one line each:
//!
//! | order | answer | meaning |
//! |---|---|---|
//! | `hold` | `holding KEY` | the next creator runs for a second |
//! | `die` | - | the next creator ends the process |
//! | `end` | `counted WHAT NUMBER` | the tasks end; then what the crate has counted, and the process ends |
//! | the end of the input | - | the process ends at once: so it does not outlive the process that has started it |

use crate::history::{Book, Event, MS, now};
use crate::settings::{self, KEYS, Terms, Value, Weather};
use crate::steps::Task;
use dogpile_cache::backend::{Backend, Memcached, Postgres, Redis};
use dogpile_cache::counter::Counters;
use dogpile_cache::key::Namespace;
use dogpile_cache::observer::{Observer, Overlap, Source};
use dogpile_cache::{Got, Published, Region};
use fastrand::Rng;
use rustix::process::{Resource, Rlimit, setrlimit};
use std::io;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How many tasks a process has.
const TASKS: usize = 64;

/// How long a process waits for its connections before it begins.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a process looks whether it got a processor.
const TICK: Duration = Duration::from_millis(20);

/// A process that has got none for so long may have missed what it was to do: a round trip is several such turns.
pub const STALL: u64 = 75 * MS;

/// On a machine that is busy the tasks pause longer, so that the time-outs still are long beside a round trip.
const SLOWEST: u64 = 10;

/// A debug build takes several times as long for each call.
const FASTEST: u64 = if cfg!(debug_assertions) { 4 } else { 1 };

/// After so many ticks that were on time, the tasks pause for less time again.
const ON_TIME: u64 = 50;

/// What a process is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Job {
    /// To storm, in this weather.
    Storm(Weather),
    /// To create each key once, after a storm.
    Audit,
}

/// How a process is started: by the text of this, in a variable of its environment.
#[derive(Clone, Debug)]
pub struct Orders {
    pub job: Job,
    pub number: u64,
    pub seed: u64,
    pub url: String,
    pub book: PathBuf,
}

impl Orders {
    /// The variable.
    pub const NAME: &str = "DOGPILE_CACHE_CHAOS_PROCESS";

    /// Returns the text.
    pub fn text(&self) -> String {
        let Orders { job, number, seed, url, book } = self;
        let job = match job {
            Job::Storm(Weather::Calm) => "calm",
            Job::Storm(Weather::Foul) => "foul",
            Job::Audit => "audit",
        };
        format!("{job} {number} {seed} {url} {}", book.display())
    }
}

impl FromStr for Orders {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut words = text.splitn(5, ' ');
        let mut word = || words.next().ok_or("a word is missing");
        let job = match word()? {
            "calm" => Job::Storm(Weather::Calm),
            "foul" => Job::Storm(Weather::Foul),
            "audit" => Job::Audit,
            _ => return Err("no job"),
        };
        let number = |word: &str| word.parse::<u64>().map_err(|_| "no number");
        Ok(Orders {
            job,
            number: number(word()?)?,
            seed: number(word()?)?,
            url: word()?.to_owned(),
            book: word()?.into(),
        })
    }
}

/// What the next creator is to do.
#[derive(Debug, Default)]
pub struct Next(AtomicU8);

impl Next {
    pub const NOTHING: u8 = 0;
    pub const HOLD: u8 = 1;
    pub const DIE: u8 = 2;

    /// Takes the order: one creator alone gets it.
    pub fn take(&self) -> u8 {
        self.0.swap(Self::NOTHING, Ordering::Relaxed)
    }
}

/// What all tasks of a process share.
pub struct Process {
    pub number: u64,
    pub weather: Weather,
    pub terms: Terms,
    pub book: Arc<Book>,
    backend: Arc<dyn Backend>,
    pub region: Region<u64, Value>,
    pub counters: Counters<u64>,
    pub next: Next,
    pub is_over: AtomicBool,
    /// How many times longer the tasks pause than they would on a machine without other work.
    pub pace: AtomicU64,
    identities: AtomicU64,
}

impl Process {
    /// Returns a number that is unique in the fleet.
    pub fn identity(&self) -> u64 {
        self.number << 32 | self.identities.fetch_add(1, Ordering::Relaxed)
    }
}

/// Writes down what the crate counts.
#[derive(Debug)]
struct Watches(Arc<Book>);

impl Observer for Watches {
    fn overlapped(&self, of: Source<'_>, _: Overlap) {
        let key = of.key.parse().expect("the keys are numbers");
        self.0.write(Event::Overlapped { key, at: now() });
    }
}

/// Runs a process until it is told to end.
pub fn run(orders: &Orders) {
    let no_core = Rlimit { current: Some(0), maximum: Some(0) };
    setrlimit(Resource::Core, no_core).expect("an abort leaves no file");
    quiet_panics();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let book = Arc::new(Book::open(&orders.book).expect("a new file"));
        let (backend, terms) = (backend(&orders.url), Terms::of(&orders.url));
        let weather = match orders.job {
            Job::Storm(weather) => weather,
            Job::Audit => Weather::Foul,
        };
        let shared = Arc::clone(&backend);
        let names = Namespace::new(weather.region()).expect("a good name");
        let counters = Counters::new(names, Arc::clone(&backend), Duration::from_secs(3600)).expect("long enough");
        let process = Arc::new(Process {
            number: orders.number,
            weather,
            terms,
            book: Arc::clone(&book),
            backend: shared,
            region: settings::region(weather, terms, backend, Watches(book)),
            counters,
            next: Next::default(),
            is_over: AtomicBool::new(false),
            pace: AtomicU64::new(FASTEST * terms.slower),
            identities: AtomicU64::new(1),
        });
        match orders.job {
            Job::Storm(_) => storm(&process, orders.seed).await,
            Job::Audit => audit(&process).await,
        }
    });
}

/// The backend, which connects when it is asked: any fault may come before.
fn backend(url: &str) -> Arc<dyn Backend> {
    match url.split_once(':') {
        Some(("redis", _)) => Arc::new(Redis::lazy(url).expect("a good URL")),
        Some(("postgresql", _)) => Arc::new(Postgres::lazy(url).expect("a good URL")),
        _ => Arc::new(Memcached::lazy(url).expect("a good URL")),
    }
}

async fn storm(process: &Arc<Process>, seed: u64) {
    let listening = Arc::clone(process);
    thread::spawn(move || listen(&listening));
    // A connection to PostgreSQL takes several times as long to be made as what is asked then; and a fleet makes all of
    // them at once.
    while matches!(timeout(PATIENCE, process.backend.ping()).await, Ok(Err(_))) {
        tokio::time::sleep(TICK).await;
    }
    let book = Arc::clone(&process.book);
    thread::spawn(move || ticks(&book, || thread::sleep(TICK)));
    // The runtime has less time than its process, if its tasks take it all.
    let ticked = Arc::clone(process);
    let ticking = tokio::spawn(async move {
        let (mut on_time, slower) = (0, ticked.terms.slower);
        loop {
            let from = now();
            tokio::time::sleep(TICK).await;
            let late = stalled(&ticked.book, from).as_nanos() > TICK.as_nanos() * 2;
            on_time = if late { 0 } else { on_time + 1 };
            let pace = ticked.pace.load(Ordering::Relaxed);
            let pace = if late { pace + 1 } else { pace - u64::from(on_time % ON_TIME == ON_TIME - 1) };
            ticked.pace.store(pace.clamp(FASTEST * slower, SLOWEST * slower), Ordering::Relaxed);
        }
    });
    let mut dice = Rng::with_seed(seed);
    let mut tasks = JoinSet::new();
    for _ in 0..TASKS {
        tasks.spawn(Task::new(Arc::clone(process), dice.fork()).run());
    }
    while let Some(ended) = tasks.join_next().await {
        ended.expect("a task panics in its creators alone");
    }
    ticking.abort();
    let counts = process.region.counts();
    for (reason, number) in counts.overlaps.iter() {
        println!("counted overlap:{} {number}", reason.name());
    }
    for (reason, number) in counts.refused.iter() {
        println!("counted refused:{} {number}", reason.name());
    }
    println!("counted published:fresh {}", counts.published_fresh);
    println!("counted published:stale {}", counts.published_stale);
    for (operation, number) in counts.backend_errors.iter() {
        println!("counted backend_error:{} {number}", operation.name());
    }
}

fn listen(process: &Process) {
    for line in io::stdin().lines() {
        match line.as_deref() {
            Ok("hold") => process.next.0.store(Next::HOLD, Ordering::Relaxed),
            Ok("die") => process.next.0.store(Next::DIE, Ordering::Relaxed),
            Ok("end") => process.is_over.store(true, Ordering::Relaxed),
            _ => break,
        }
    }
    std::process::exit(1);
}

fn ticks(book: &Book, mut tick: impl FnMut()) {
    loop {
        let from = now();
        tick();
        stalled(book, from);
    }
}

/// Writes down a stall, if there was one. Returns how long the tick took.
fn stalled(book: &Book, from: u64) -> Duration {
    let to = now();
    if to - from > STALL {
        book.write(Event::Stalled { from, to });
    }
    Duration::from_nanos(to - from)
}

/// Creates each key once more, and finds it. A holder that has died keeps a key for a lease.
async fn audit(process: &Process) {
    for key in 0..KEYS {
        let until = now() + process.terms.lease + 4000 * MS;
        loop {
            let made = (key, process.identity(), now());
            let got = process.region.refresh(&key).or_try_create(async || Ok::<_, &str>(made)).await;
            if let Ok(got) = &got
                && (**got == made, Got::published(got)) == (true, Some(Published::Fresh))
            {
                break;
            }
            assert!(now() < until, "key {key} cannot be created: {got:?}");
        }
        let found = process.region.get(&key).value().await;
        assert!(matches!(found, Ok(Some(_))), "key {key} was created, and is not there: {found:?}");
    }
    println!("audited");
}

/// Panics that are on purpose are not printed.
fn quiet_panics() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        if !info.payload().downcast_ref::<&str>().is_some_and(|text| text.ends_with("on purpose")) {
            print(info);
        }
    }));
}
