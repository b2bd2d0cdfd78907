//! Judges a history. It shares no code with the crate: it knows what the processes have seen, and what the test has
//! done to them and to their servers.
//!
//! | law | what is judged | file |
//! |---|---|---|
//! | G1 | each overlap of two creations of a key has a reason that the test has made itself | `overlaps.rs` |
//! | G2 | no value whose publication was refused is found by another access; once a newer value was found fresh, no older one is | `order.rs` |
//! | G3 | no access that began after an invalidation had returned gets a value of before it | `order.rs` |
//! | G4 | what a creator has made, its caller gets | `results.rs` |
//! | G5 | no call lasts longer than its bound, and none waits for a creation that does not run | `results.rs` |
//! | G9 | a publication that is refused, or in doubt, has one of the reasons of an overlap | `refused.rs` |
//! | away | an access that is told, or finds, that its server is away has a fault that cuts its process off from the key | `refused.rs` |
//! | G12 | no two increments give one number, and a later one gives a larger one, unless the server has lost its data in between | `counters.rs` |
//!
//! A value is granted, or set, at a time between `from` and `until`, which are what could be seen of it from outside.
//! So the judge is lenient where it cannot know, and never wrong where it finds something.
//!
//! A fault of one of several servers tells for its keys alone. On memcached an item has the entry and the grant, so an
//! eviction loses both, and counters; nothing that was lost comes back; and no connection outlives the data of its
//! server. Tombstones, which memcached has not, are not judged: an overlap that began with an invalidation has its
//! reason everywhere.
//!
//! On PostgreSQL the counters outlive all that happens to the rest, and nothing that was lost comes back. A place that a
//! stranger keeps locked for long cuts everybody off from its key, and from no other; one that is locked for a short
//! time is no reason for anything. A session whose process got no processor is a stall of the server.

mod counters;
mod order;
mod overlaps;
pub mod planted;
mod refused;
mod results;

use crate::fault::{Fault, Kind, Scope};
use crate::history::{Answer, Call, Ended, Event, Got, How, Known, MS, Outcome, Published, SECOND, Voids};
use crate::settings::{Terms, Weather};
use std::collections::{BTreeMap, HashMap, HashSet};

/// For how long a fault goes on to tell once it is over: until the processes have connected anew, the pause after a
/// failure is over, and what was on its way has arrived. With slack for a machine that is busy.
const REACH: u64 = 1500 * MS;

/// For how long a change that was not confirmed may still come, once the fault is over that has hit it.
const LATE: u64 = 2 * SECOND;

/// A creation.
#[derive(Clone, Copy, Debug)]
struct Creation {
    id: u64,
    process: u64,
    key: u64,
    call: u64,
    /// When the access began. The grant was given after that.
    access: u64,
    /// When the creator began to run. The grant was given before that.
    began: u64,
    ended: u64,
    how: How,
}

/// A change that voids grants, and the value that it sets, if it sets one.
#[derive(Clone, Copy, Debug)]
struct Change {
    id: u64,
    process: u64,
    key: u64,
    voids: Voids,
    began: u64,
    /// When the change had returned; the end of its process, if it has not.
    returned: u64,
    /// After this the change does not come any more.
    until: u64,
    known: Known,
}

/// What a call has returned for a key.
#[derive(Clone, Copy, Debug)]
struct Returned {
    process: u64,
    call: u64,
    kind: Call,
    key: u64,
    began: u64,
    ended: u64,
    answer: Answer,
}

/// An increment of a counter.
#[derive(Clone, Copy, Debug)]
struct Counted {
    key: u64,
    began: u64,
    ended: u64,
    value: u64,
}

/// When a value was granted or set: not before `from`, and not after `until`.
#[derive(Clone, Copy, Debug)]
struct Value {
    key: u64,
    /// What the source counted.
    source: u64,
    from: u64,
    until: u64,
}

/// All that has happened.
#[derive(Debug)]
pub struct Case {
    terms: Terms,
    creations: Vec<Creation>,
    changes: Vec<Change>,
    returned: Vec<Returned>,
    counted: Vec<Counted>,
    /// The overlaps that the crate has counted: process, key and time.
    overlapped: Vec<(u64, u64, u64)>,
    /// Those that were injected, and the stalls.
    faults: Vec<Fault>,
    /// Processes that did not end in order.
    dead: BTreeMap<u64, u64>,
    values: HashMap<u64, Value>,
    /// What each call has returned for each key.
    answers: HashMap<(u64, u64), Answer>,
    /// What makes no sense by itself.
    strange: Vec<String>,
}

/// What the judge has found.
#[derive(Debug, Default)]
pub struct Verdict {
    pub violations: Vec<String>,
    /// How many creations there were.
    pub creations: usize,
    /// To how many of them no fault and no change was near: any other creation beside them would have been found.
    pub without_excuse: usize,
    /// Overlaps by their reason.
    pub overlaps: BTreeMap<String, usize>,
    /// Overlaps that the crate has counted.
    pub counted: usize,
    /// The longest call, in nanoseconds.
    pub longest: u64,
}

fn touch(one: (u64, u64), other: (u64, u64)) -> bool {
    one.0 <= other.1 && other.0 <= one.1
}

/// Returns the milliseconds from one time to another, with a tenth.
fn millis(from: u64, to: u64) -> String {
    let tenths = (i128::from(to) - i128::from(from)) / i128::from(MS / 10);
    format!("{}{}.{}", if tenths < 0 { "-" } else { "" }, tenths.abs() / 10, tenths.abs() % 10)
}

impl Fault {
    /// Whether the fault takes the processors from this process, or its connection, or the server of this key.
    fn cuts_off(&self, process: u64, key: u64) -> bool {
        let cuts = match self.kind {
            Kind::StopHolder
            | Kind::ClientKill
            | Kind::RestartEmpty
            | Kind::RestartInPeace
            | Kind::Emptied
            | Kind::RestartSnapshot
            | Kind::StopServer
            | Kind::LockedLong
            | Kind::Delay
            | Kind::BlackHole
            | Kind::Cut
            | Kind::Promote
            | Kind::Stall => true,
            Kind::KillHolder
            | Kind::Abort
            | Kind::Flush
            | Kind::EvictLease
            | Kind::EvictEntry
            | Kind::Evict
            | Kind::LockedBriefly
            | Kind::ScriptFlush => false,
        };
        cuts && self.scope.reaches(process, key)
    }

    /// Whether the server loses, or may lose, the grants of this key.
    fn loses_grants(&self, key: u64) -> bool {
        let loses = matches!(self.kind, Kind::EvictLease | Kind::RestartInPeace);
        self.loses_all(key) || loses && self.scope.keys.has(key)
    }

    /// Whether the server loses, or may lose, all that it had of this key.
    fn loses_all(&self, key: u64) -> bool {
        let loses = matches!(
            self.kind,
            Kind::Flush | Kind::Evict | Kind::RestartEmpty | Kind::Emptied | Kind::RestartSnapshot | Kind::Promote
        );
        loses && self.scope.keys.has(key)
    }

    /// Whether something of before can come back.
    fn brings_back(&self) -> bool {
        matches!(self.kind, Kind::RestartSnapshot | Kind::Promote)
    }

    fn time(&self) -> (u64, u64) {
        (self.from, self.to)
    }

    fn with_reach(&self, terms: Terms) -> (u64, u64) {
        let longer = match self.kind {
            Kind::RestartEmpty | Kind::Emptied | Kind::RestartSnapshot | Kind::Promote => terms.history,
            _ => 0,
        };
        (self.from, self.to + REACH + longer)
    }
}

impl Case {
    /// Puts together what the processes have written, what the test has done, and when it has killed which process.
    pub fn new(written: Vec<(u64, Vec<Event>)>, faults: Vec<Fault>, killed: &BTreeMap<u64, u64>, terms: Terms) -> Self {
        let mut case = Case {
            terms,
            creations: Vec::new(),
            changes: Vec::new(),
            returned: Vec::new(),
            counted: Vec::new(),
            overlapped: Vec::new(),
            faults,
            dead: killed.clone(),
            values: HashMap::new(),
            answers: HashMap::new(),
            strange: Vec::new(),
        };
        for (process, events) in &written {
            for event in events {
                match *event {
                    Event::Created { how: How::Aborted, at, .. } => drop(case.dead.insert(*process, at)),
                    Event::Stalled { from, to } => {
                        case.faults.push(Fault { kind: Kind::Stall, scope: Scope::process(*process), from, to });
                    }
                    _ => {}
                }
            }
        }
        for (process, events) in written {
            case.add(process, events);
        }
        case.creations.sort_by_key(|creation| creation.began);
        case.returned.sort_by_key(|returned| returned.began);
        case.changes.sort_by_key(|change| change.began);
        case.answers = case.returned.iter().map(|of| ((of.call, of.key), of.answer)).collect();
        let of_creation =
            |of: &Creation| (of.id, Value { key: of.key, source: of.began, from: of.access, until: of.began });
        let of_change = |of: &Change| (of.id, Value { key: of.key, source: of.began, from: of.began, until: of.until });
        case.values = case.creations.iter().map(of_creation).collect();
        case.values.extend(case.changes.iter().filter(|change| change.voids != Voids::Invalidate).map(of_change));
        case
    }

    fn add(&mut self, process: u64, events: Vec<Event>) {
        let (mut creations, mut changes) = (BTreeMap::new(), BTreeMap::new());
        let died = self.dead.get(&process).copied();
        for event in events {
            match event {
                Event::Creating { id, key, call, access, at } => {
                    // That of a process that was killed has run until then.
                    let (ended, how) = (died.unwrap_or(u64::MAX), How::Dropped);
                    creations.insert(id, Creation { id, process, key, call, access, began: at, ended, how });
                }
                Event::Created { id, at, how } => match creations.get_mut(&id) {
                    Some(creation) => (creation.ended, creation.how) = (at, how),
                    None => self.strange.push(format!("creation {id} of process {process} ends before it begins")),
                },
                Event::Returned { call, kind, key, began, ended, answer } => {
                    self.returned.push(Returned { process, call, kind, key, began, ended, answer });
                }
                Event::Changing { id, key, voids, at } => {
                    let returned = died.unwrap_or(u64::MAX);
                    let known = Known::InDoubt;
                    changes.insert(id, Change { id, process, key, voids, began: at, returned, until: returned, known });
                }
                Event::Changed { id, at, known } => match changes.get_mut(&id) {
                    Some(change) => (change.returned, change.until, change.known) = (at, at, known),
                    None => self.strange.push(format!("change {id} of process {process} ends before it begins")),
                },
                Event::Counted { key, began, ended, value } => {
                    self.counted.push(Counted { key, began, ended, value });
                }
                Event::Overlapped { key, at } => self.overlapped.push((process, key, at)),
                Event::Stalled { .. } => {}
            }
        }
        let open = creations.values().filter(|creation: &&Creation| creation.ended == u64::MAX);
        self.strange.extend(open.map(|open| format!("G5: a creation has not ended: {open:?}")));
        let open = changes.values().filter(|change: &&Change| change.returned == u64::MAX);
        self.strange.extend(open.map(|open| format!("G5: a change has not returned: {open:?}")));
        self.creations.extend(creations.into_values());
        for mut change in changes.into_values() {
            if change.known == Known::InDoubt {
                let call = (change.began, change.returned);
                let hit = self.faults.iter().filter(|fault| fault.scope.reaches(process, change.key));
                let hit = hit.map(|fault| fault.with_reach(self.terms)).filter(|reach| touch(*reach, call));
                change.until = hit.map(|reach| reach.1).max().unwrap_or(0).max(change.returned) + LATE;
                change.until = change.until.max(self.told(&change));
            }
            self.changes.push(change);
        }
    }

    /// When a process has told an invalidation at the latest that was not confirmed: it by-passes the key until then, so
    /// that it was told before the first call ended that has asked the server again. 0: it by-passes nothing.
    fn told(&self, change: &Change) -> u64 {
        let is_later = |of: &&Returned| {
            (of.process, of.key) == (change.process, change.key)
                && of.began >= change.returned
                && of.kind != Call::Change
        };
        let mut later: Vec<_> = self.returned.iter().filter(is_later).collect();
        later.sort_by_key(|of| of.ended);
        let is_by_passed = |of: &&Returned| {
            let Answer::Value(got) = of.answer else { return of.answer == Answer::Ended(Ended::Down) };
            got.outcome == Outcome::Own || got.published == Published::CutOff
        };
        if change.voids != Voids::Invalidate || !later.first().is_some_and(is_by_passed) {
            return 0;
        }
        later.iter().find(|of| !is_by_passed(of)).map_or(u64::MAX, |of| of.ended)
    }

    /// Judges.
    pub fn judge(&self, weather: Weather) -> Verdict {
        let mut verdict =
            Verdict { violations: self.strange.clone(), counted: self.overlapped.len(), ..Verdict::default() };
        self.judge_overlaps(weather, &mut verdict);
        self.judge_order(&mut verdict);
        self.judge_results(weather, &mut verdict);
        self.judge_refused(&mut verdict);
        self.judge_counters(&mut verdict);
        verdict
    }

    /// The part of the history that a violation is about: what has happened to a key in a time, in milliseconds since
    /// its beginning.
    fn excerpt(&self, key: u64, (from, to): (u64, u64)) -> String {
        const LINES: usize = 60;
        let ms = |at: u64| millis(from, at);
        let mut lines = Vec::new();
        for of in self.creations.iter().filter(|of| of.key == key && touch((of.access, of.ended), (from, to))) {
            let Creation { id, process, how, .. } = of;
            let times = [of.access, of.began, of.ended].map(ms);
            lines.push((of.began, format!("creation {id} of process {process}: access, creator {times:?} {how}")));
        }
        for of in self.changes.iter().filter(|of| of.key == key && touch((of.began, of.until), (from, to))) {
            let Change { id, process, voids, known, .. } = of;
            let times = [of.began, of.returned, of.until].map(ms);
            lines.push((of.began, format!("{voids} {id} of process {process}: {times:?} {known}")));
        }
        for of in self.faults.iter().filter(|fault| touch(fault.with_reach(self.terms), (from, to))) {
            lines.push((of.from, format!("fault {} {:?}: {:?}", of.kind, of.scope, [of.from, of.to].map(ms))));
        }
        let mut shown = HashSet::new();
        for of in self.returned.iter().filter(|of| of.key == key && touch((of.began, of.ended), (from, to))) {
            let (times, Returned { process, kind, answer, .. }) = ([of.began, of.ended].map(ms), of);
            // What a process has found, once.
            let Answer::Value(Got { id, outcome, published, .. }) = answer else {
                if *kind == Call::Change {
                    lines.push((of.ended, format!("change by process {process}: {times:?} {answer:?}")));
                }
                continue;
            };
            if shown.insert((*process, *id, outcome.to_string())) {
                let line = format!("{kind} of process {process}: {times:?} got {id} as {outcome}, {published}");
                lines.push((of.ended, line));
            }
        }
        lines.sort();
        let left = lines.len().saturating_sub(LINES);
        let shown: Vec<_> = lines.into_iter().rev().take(LINES).map(|(_, line)| format!("\n    {line}")).collect();
        format!("{}\n    ({left} lines before)", shown.into_iter().rev().collect::<String>())
    }
}
