//! Processes that share values by a server, and wait for one another.

#![allow(clippy::inline_always)] // the subjects of `interleaved`

pub mod child;
#[path = "../../../interleaved/mod.rs"]
#[allow(dead_code)]
pub mod interleaved;
#[allow(dead_code)] // not each bench has a subject in Python, or ends its processes
pub mod process;

use interleaved::median;
use process::{Process, Said};
use std::time::Duration;

/// Returns nanoseconds as milliseconds.
#[allow(clippy::cast_precision_loss)] // far below 2^53
pub fn millis(nanos: u64) -> f64 {
    nanos as f64 / 1e6
}

/// Returns the line by which so many tasks of a process want the value of a key, which takes so long to be created.
pub fn get(key: u64, tasks: usize, creation: Duration) -> String {
    format!("get {key} {tasks} {}", creation.as_millis())
}

/// What a subject has come to in some rounds.
#[derive(Default)]
pub struct Woken {
    /// The processes that have created, in each round.
    pub creations: Vec<usize>,
    /// Milliseconds from the end of the creator.
    pub late: Vec<f64>,
    /// The median of each round.
    pub medians: Vec<f64>,
}

/// Has a fleet do what the line says, once.
pub fn wake_once(fleet: &mut [Process], line: &str, woken: &mut Woken) {
    for process in &mut *fleet {
        process.tell(line);
    }
    let said: Vec<Vec<Said>> = fleet.iter_mut().map(|process| process.until(|said| *said == Said::Done)).collect();
    let created =
        |said: &Vec<Said>| said.iter().find_map(|said| if let Said::Created(at) = said { Some(*at) } else { None });
    let creators = said.iter().filter(|said| created(said).is_some()).count();
    woken.creations.push(creators);
    let first = said.iter().filter_map(created).min().expect("one process has created");
    let mut late = Vec::new();
    for said in said.iter().filter(|said| created(said).is_none()).flatten() {
        match said {
            // (A task that began later has not waited.)
            Said::Returned { began, at, .. } if *began < first => late.push(millis(at.saturating_sub(first))),
            _ => {}
        }
    }
    if !late.is_empty() {
        woken.medians.push(median(late.iter().copied()));
    }
    woken.late.extend(late);
}
