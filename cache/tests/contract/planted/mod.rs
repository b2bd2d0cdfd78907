//! The contract, against backends that are wrong: each has one fault, and the laws that find it are named here.

mod count;
mod entries;
mod faults;
mod rest;
mod signals;
mod wrong;

pub use self::faults::{FAULTS, Fault};

use self::wrong::Wrong;
use crate::ground::{Ground, Server};
use crate::laws::{LAWS, Law};
use crate::subjects::{Machine, limits_of_a_small_server, with_signals};
use crate::{quiet, script};
use dogpile::{Clock, ManualClock};
use dogpile_cache::backend::Memory;
use dogpile_cache::key::StoredKey;
use libtest_mimic::{Failed, Trial};
use std::env;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The wrapper without a fault: what the laws find is the fault, not the wrapper.
pub fn nothing() -> Ground {
    ground(Fault::Nothing)
}

/// A clock whose monotonic reading is the time of day.
struct WallClock(Arc<ManualClock>);

impl Clock for WallClock {
    fn now(&self) -> u64 {
        let wall = self.0.wall().duration_since(SystemTime::UNIX_EPOCH).unwrap();
        wall.as_nanos().try_into().unwrap()
    }

    fn wall(&self) -> SystemTime {
        self.0.wall()
    }
}

fn ground(fault: Fault) -> Ground {
    let small = matches!(fault, Fault::WhatIsTooLargeDeletes | Fault::KeysThatAreTooLongAreInDoubt);
    let limits = if small { limits_of_a_small_server() } else { with_signals() };
    let mut machine = Machine::new(limits);
    if fault == Fault::LeasesGoByTheTimeOfDay {
        let clock: Arc<dyn Clock> = Arc::new(WallClock(Arc::clone(&machine.clock)));
        machine.memory = Arc::new(Memory::with_limits(clock, limits));
    }
    let backend = Arc::new(Wrong::new(Arc::clone(&machine.memory), fault));
    let server = WrongServer { machine, wrong: Arc::clone(&backend), fault };
    Ground { backend, server: Arc::new(server) }
}

struct WrongServer {
    machine: Machine,
    wrong: Arc<Wrong>,
    fault: Fault,
}

impl Server for WrongServer {
    fn wait(&self, time: Duration) {
        self.machine.wait(time);
    }

    fn step(&self, milliseconds: i64) {
        self.machine.step(milliseconds);
    }

    fn restart(&self) {
        self.machine.restart();
        self.wrong.tell_of_a_gap();
    }

    fn snapshot(&self) -> Box<dyn FnOnce()> {
        let (wrong, fail_over) = (Arc::clone(&self.wrong), self.machine.snapshot());
        Box::new(move || {
            fail_over();
            wrong.tell_of_a_gap();
        })
    }

    fn lose_entry(&self, key: &StoredKey) {
        self.machine.lose_entry(key);
        if self.fault == Fault::AnEvictionTakesTheGrant {
            self.machine.lose_rest(key);
        }
    }

    fn lose_rest(&self, key: &StoredKey) {
        self.machine.lose_rest(key);
    }

    fn places(&self) -> usize {
        self.machine.places()
    }

    fn listened(&self) -> usize {
        self.wrong.listened()
    }
}

fn law(name: &str) -> &'static Law {
    LAWS.iter().find(|(law, _)| *law == name).unwrap_or_else(|| panic!("there is no law {name}"))
}

/// The laws that are named must find the fault. `CONTRACT_SHOW=1` prints what they say.
fn is_found(fault: Fault, by: &[&'static str]) -> Result<(), Failed> {
    let mut passed = Vec::new();
    for name in by {
        let (_, law) = law(name);
        // A fault that only threads meet is met in one of a few runs.
        let runs = if name.contains("threads") { 20 } else { 1 };
        match (0..runs).find_map(|_| quiet::panic_of(|| law(&ground(fault)))) {
            Some(panic) if env::var_os("CONTRACT_SHOW").is_some() => eprintln!("{fault:?}\n    {name}\n    {panic}"),
            Some(_) => {}
            None => passed.push(*name),
        }
    }
    if passed.is_empty() { Ok(()) } else { Err(format!("{fault:?} was not found by {passed:?}").into()) }
}

/// Random scripts find most faults, too.
fn is_found_by_scripts(fault: Fault) -> bool {
    (0..3000).any(|seed| {
        let mut differs = false;
        quiet::panic_of(|| differs = script::script(&ground(fault), seed).is_err()).is_some() || differs
    })
}

/// Faults that no script can find: they show on several threads, in the server's clock, in memory, beyond the limits,
/// in keys and times that scripts do not have, in signals, to which no script listens, or in what the naive one does
/// not tell.
const NOT_FOUND_BY_SCRIPTS: &[Fault] = &[
    Fault::AClaimIsTwoSteps,
    Fault::ATakeoverIsTwoSteps,
    Fault::ASetIfIsTwoSteps,
    Fault::AnInvalidationIsTwoSteps,
    Fault::CountsAreReadAndWritten,
    Fault::TheCeilingIsAskedBefore,
    Fault::LooksAreInTheWrongOrder,
    Fault::LooksOfOneKeyAreOne,
    Fault::LongLifetimesAreDates,
    Fault::TheClockIsTheProcesss,
    Fault::LeasesGoByTheTimeOfDay,
    Fault::PublishesByItsClock,
    Fault::AnInvalidationGoesByTheClock,
    Fault::AnEndLeavesSomething,
    Fault::TokensAreTimes,
    Fault::KeysAreCut,
    Fault::WhatIsTooLargeDeletes,
    Fault::KeysThatAreTooLongAreInDoubt,
    Fault::PingFails,
    Fault::CountersHaveShapes,
    Fault::APublicationIsNotSignalled,
    Fault::ASetIsNotSignalled,
    Fault::ASetIfIsNotSignalled,
    Fault::ATouchIsNotSignalled,
    Fault::AMarkIsNotSignalled,
    Fault::AnInvalidationIsNotSignalled,
    Fault::AnEndIsNotSignalled,
    Fault::APauseIsNotSignalled,
    Fault::ATombstoneThatGoesIsNotSignalled,
    Fault::AnInvalidationIsAChange,
    Fault::ListeningBeginsWithTheFirstWait,
    Fault::TheLastSignalCounts,
    Fault::NobodyIsWoken,
    Fault::ShapesAreHeardApart,
    Fault::AllPlacesAreTold,
    Fault::ALookIsSignalled,
    Fault::WhatIsRefusedIsSignalled,
    Fault::AListenerIsNeverForgotten,
    Fault::AListenerEndsAllOthers,
    Fault::GapsAreNotSignalled,
];

pub fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for &(fault, by) in FAULTS {
        trials.push(Trial::test(format!("planted::{fault:?}"), move || is_found(fault, by)));
    }
    trials.push(Trial::test("planted::each_law_is_broken_by_a_fault", || {
        let named = |law: &str| FAULTS.iter().any(|(_, by)| by.contains(&law));
        let unbroken: Vec<_> = LAWS.iter().map(|(name, _)| *name).filter(|name| !named(name)).collect();
        if unbroken.is_empty() { Ok(()) } else { Err(format!("no fault breaks {unbroken:?}").into()) }
    }));
    trials.push(Trial::test("planted::random_scripts_find_the_other_faults", || {
        let others = || FAULTS.iter().map(|(fault, _)| *fault).filter(|fault| !NOT_FOUND_BY_SCRIPTS.contains(fault));
        let missed: Vec<_> = others().filter(|fault| !is_found_by_scripts(*fault)).collect();
        if missed.is_empty() { Ok(()) } else { Err(format!("no script finds {missed:?}").into()) }
    }));
    trials
}
