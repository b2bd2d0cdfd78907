//! A run: a calm phase, the faults, and what is left behind.

use crate::crew::{Crew, Result};
use crate::fault::{Fault, Kind, Scope};
use crate::history::{Answer, Event, MS, now};
use crate::inject::Injector;
use crate::judge::{Case, Verdict};
use crate::process::{Job, STALL};
use crate::servers::{Dial, Servers, Starved};
use crate::settings::Weather;
use fastrand::Rng;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How many processes there are.
const PROCESSES: usize = 8;

/// A run of so many seconds injects each fault at least once. A shorter one injects what it comes to.
const ALL_FAULTS: u64 = 30;

/// A process of the server that has waited for so long may have kept a place from others: they take it for a
/// stranger's after this time.
const STARVED: u64 = 200 * MS;

/// Asks a server again and again, through a proxy, to know when it, or the proxy, got no processor.
struct Pinger {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<(u64, u64)>>,
}

impl Pinger {
    fn start(dial: Dial, address: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let (mut stalls, mut server) = (Vec::new(), None);
            while !seen.load(Ordering::Relaxed) {
                let from = now();
                let connected = server.take().or_else(|| dial(address));
                server = connected.and_then(|mut ping| ping().then_some(ping));
                thread::sleep(Duration::from_millis(20));
                let to = now();
                if to - from > STALL {
                    stalls.push((from, to));
                }
            }
            stalls
        });
        Self { is_over, thread }
    }

    /// Returns the stalls.
    fn end(self) -> Vec<(u64, u64)> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the pinger does not panic")
    }
}

/// Asks again and again which processes of the server have waited for a processor.
struct Watch {
    is_over: Arc<AtomicBool>,
    thread: thread::JoinHandle<Vec<(u64, u64)>>,
}

impl Watch {
    fn start(mut starved: Starved) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&is_over);
        let thread = thread::spawn(move || {
            let mut stalls = Vec::new();
            while !seen.load(Ordering::Relaxed) {
                let longest = starved();
                if longest > STARVED {
                    let to = now();
                    stalls.push((to.saturating_sub(longest), to));
                }
                thread::sleep(Duration::from_millis(20));
            }
            stalls
        });
        Self { is_over, thread }
    }

    /// Returns the stalls.
    fn end(self) -> Vec<(u64, u64)> {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the watch does not panic")
    }
}

/// Runs for so many seconds, more or less.
pub fn run(mut servers: Box<dyn Servers>, seconds: u64, seed: u64) -> Result<()> {
    println!("chaos: {seconds} s, DOGPILE_CACHE_SEED={seed}");
    let (servers, mut dice) = (&mut *servers, Rng::with_seed(seed));
    let calm = Duration::from_secs((seconds / 5).clamp(1, 4));
    let foul = Duration::from_secs(seconds).saturating_sub(calm);
    phase(Weather::Calm, servers, calm, seconds, dice.fork())
        .and_then(|()| phase(Weather::Foul, servers, foul, seconds, dice.fork()))
        .map_err(|error| format!("DOGPILE_CACHE_SEED={seed}: {error}"))
}

fn phase(weather: Weather, servers: &mut dyn Servers, time: Duration, seconds: u64, mut dice: Rng) -> Result<()> {
    let until = Instant::now() + time;
    let mut crew = Crew::start(Job::Storm(weather), PROCESSES, servers, dice.fork())?;
    let pingers: Vec<_> = crew.idle().into_iter().map(|address| Pinger::start(servers.dial(), address)).collect();
    let watch = servers.starved().map(Watch::start);
    let mut faults = Vec::new();
    if weather == Weather::Foul {
        servers.settle()?;
        let stop = Duration::from_secs(if seconds >= ALL_FAULTS { 5 } else { 1 });
        let mut injector =
            Injector { servers: &mut *servers, crew: &mut crew, dice: dice.fork(), stop, faults: Vec::new() };
        inject(&mut injector, &mut dice, until, seconds >= ALL_FAULTS)?;
        faults = injector.faults;
    }
    thread::sleep(until.saturating_duration_since(Instant::now()));
    let said = crew.end()?;
    if weather == Weather::Foul {
        crew.audit()?;
        servers.settle()?;
    }
    let injected = counts(faults.iter().map(|fault| fault.kind));
    for (server, pinger) in pingers.into_iter().enumerate() {
        let scope = Scope::keys(servers.keys_of(server));
        faults.extend(pinger.end().into_iter().map(|(from, to)| Fault { kind: Kind::Stall, scope, from, to }));
    }
    let starved = watch.map(Watch::end).unwrap_or_default();
    faults.extend(starved.into_iter().map(|(from, to)| Fault { kind: Kind::Stall, scope: Scope::FLEET, from, to }));
    let (history, killed) = crew.history()?;
    let outcomes = outcomes(&history);
    let verdict = Case::new(history, faults, killed, servers.terms()).judge(weather);
    let missing: Vec<_> = servers.kinds().iter().filter(|kind| !injected.contains_key(&kind.to_string())).collect();
    if weather == Weather::Foul && seconds >= ALL_FAULTS && !missing.is_empty() {
        return Err(format!("these faults were never injected: {missing:?}"));
    }
    report(weather, &injected, &outcomes, &verdict, &said);
    sentence(&verdict)
}

/// Injects all faults in a random order, again and again.
fn inject(injector: &mut Injector<'_>, dice: &mut Rng, until: Instant, all: bool) -> Result<()> {
    let longest = if all { 1200 } else { 400 };
    let mut kinds = injector.servers.kinds().to_vec();
    for round in 0.. {
        dice.shuffle(&mut kinds);
        for kind in &kinds {
            // The processes come back to themselves in between.
            thread::sleep(Duration::from_millis(dice.u64(100..longest)));
            if Instant::now() >= until && !(all && round == 0) {
                return Ok(());
            }
            injector.inject(*kind).map_err(|error| format!("{kind}: {error}"))?;
        }
    }
    Ok(())
}

fn counts<T: Display>(all: impl Iterator<Item = T>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    all.for_each(|one| *counts.entry(one.to_string()).or_default() += 1);
    counts
}

/// Counts what the calls have returned.
fn outcomes(history: &[(u64, Vec<Event>)]) -> BTreeMap<String, u64> {
    let events = history.iter().flat_map(|(_, events)| events);
    counts(events.filter_map(|event| match event {
        Event::Returned { answer: Answer::Value(got), .. } => Some(got.outcome.to_string()),
        Event::Returned { answer: Answer::Ended(ended), .. } => Some(ended.to_string()),
        _ => None,
    }))
}

/// Prints all counts in one line.
fn report(
    weather: Weather,
    faults: &BTreeMap<String, u64>,
    outcomes: &BTreeMap<String, u64>,
    verdict: &Verdict,
    said: &[String],
) {
    let mut crate_counts: BTreeMap<&str, u64> = BTreeMap::new();
    for line in said {
        let mut words = line.split(' ').skip(1);
        if let (Some(what), Some(Ok(number))) = (words.next(), words.next().map(str::parse::<u64>)) {
            *crate_counts.entry(what).or_default() += number;
        }
    }
    crate_counts.retain(|_, number| *number > 0);
    println!(
        "chaos, {weather:?}: faults {faults:?}, outcomes {outcomes:?}, {} creations ({} without any \
         excuse), overlaps {:?}, counted by the crate {}, its counts {crate_counts:?}, longest call {} ms",
        verdict.creations,
        verdict.without_excuse,
        verdict.overlaps,
        verdict.counted,
        verdict.longest / MS,
    );
}

fn sentence(verdict: &Verdict) -> Result<()> {
    match &verdict.violations[..] {
        [] => Ok(()),
        some => {
            let law = |text: &str| text.split(':').next().unwrap_or_default().to_owned();
            let mut firsts = BTreeMap::new();
            for one in some.iter().rev() {
                firsts.insert(law(one), one.as_str());
            }
            let firsts = firsts.into_values().collect::<Vec<_>>().join("\n");
            Err(format!("violations {:?}, the first of each:\n{firsts}", counts(some.iter().map(|one| law(one)))))
        }
    }
}
