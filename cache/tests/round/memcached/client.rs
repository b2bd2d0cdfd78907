//! The clients: which operations they make, by the steps of the crate.

use super::paper::{Tick, Version};
use bytes::Bytes;
use dogpile_cache::backend::memcached::command::{Command, Reply, Request, Slot};
use dogpile_cache::backend::memcached::steps::{
    Changing, Claiming, Ending, Moment, Odd, Publishing, Renewing, Run, Step, looked, looking,
};
use dogpile_cache::backend::{
    Ask, Change, Changed, Claim, Claimed, Ended, Entry, Grant, Life, Look, Over, PauseFor, Published, Refusal, Renewed,
    Seen, Token,
};
use dogpile_cache::codec::{Format, Shape};
use std::fmt::Write;
use std::hash::{Hash, Hasher};
use std::time::Duration;

pub const LEASE: Tick = 3;
pub const PAUSE: Tick = 1;
/// How long a value is fresh.
pub const FRESH: Tick = 1;

pub const SHAPE: Shape = Shape { schema: 1, format: Format::RAW };

pub fn seconds(ticks: Tick) -> Duration {
    Duration::from_secs(ticks.into())
}

/// When the search begins, by the server's clock, in milliseconds. (Times of the first minute are no notes.)
const BEGIN: u64 = 1_000_000;

pub fn moment(now: Tick, life: u8) -> Moment {
    Moment { now: BEGIN + u64::from(now) * 1000, life: Life(life.into()) }
}

/// The entry of a version, for so long; `None`: for ever. Its bytes say until when it is fresh.
pub fn entry(version: Version, now: Tick, lifetime: Option<Tick>) -> Entry {
    Entry { bytes: Bytes::copy_from_slice(&[version, now + FRESH]), lifetime: lifetime.map(seconds) }
}

/// The bytes of the entry that a command stores, if it stores one.
pub fn stored(command: &Command) -> Option<[u8; 2]> {
    let Command::Store { body, .. } = command else { return None };
    body[..].try_into().ok()
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Program {
    /// Gets the value, and creates it where it is missing or old.
    Gets,
    /// The same, by a look that does not ask.
    GetsPlainly,
    /// The same as a refresh by hand: whatever is there, through pauses.
    Refreshes,
    /// Touches the entry.
    Touches,
    /// Stores another entry if the one there is as it was.
    SetsIf,
}

/// An operation that is under way.
#[derive(Clone, Debug)]
pub enum Machine {
    Look(Option<Ask>),
    Claim(Claiming),
    Renew(Renewing),
    /// A renewal by `md I` and `mg`, by mistake. What has been asked, and the grant.
    RenewByMark(u8, Grant),
    Publish(Publishing),
    End(Ending),
    Change(Changing),
}

/// What an operation has answered.
#[derive(Debug)]
pub enum Answer {
    Looked(Look),
    Claimed(Claimed),
    Renewed(Renewed),
    Published(Published),
    Ended(Ended),
    Changed(Changed),
}

/// What to do next.
pub type Next = Result<Request, Box<Answer>>;

fn next<T>(step: Step<T>, answer: impl FnOnce(T) -> Answer) -> Next {
    match step {
        Step::Ask(mut requests) => {
            assert_eq!(requests.len(), 1, "these operations ask for one thing at a time");
            Ok(requests.remove(0))
        }
        Step::Done(done) => Err(Box::new(answer(done))),
    }
}

impl Machine {
    pub fn begin(&mut self, at: Moment) -> Next {
        match self {
            Machine::Look(ask) => Ok(looking(*ask)),
            Machine::Claim(run) => next(run.begin(at), Answer::Claimed),
            Machine::Renew(run) => next(run.begin(at), Answer::Renewed),
            Machine::RenewByMark(..) => Ok(Request { slot: Slot::Entry, command: Command::Mark }),
            Machine::Publish(run) => next(run.begin(at), Answer::Published),
            Machine::End(run) => next(run.begin(at), Answer::Ended),
            Machine::Change(run) => next(run.begin(at), Answer::Changed),
        }
    }

    pub fn take(&mut self, reply: Reply, at: Moment) -> Result<Next, Odd> {
        let replies = vec![reply.clone()];
        Ok(match self {
            Machine::Look(ask) => Err(Box::new(Answer::Looked(looked(*ask, reply, at)?))),
            Machine::Claim(run) => next(run.take(replies, at)?, Answer::Claimed),
            Machine::Renew(run) => next(run.take(replies, at)?, Answer::Renewed),
            Machine::RenewByMark(step, grant) => Self::renew_by_mark(step, *grant, &reply),
            Machine::Publish(run) => next(run.take(replies, at)?, Answer::Published),
            Machine::End(run) => next(run.take(replies, at)?, Answer::Ended),
            Machine::Change(run) => next(run.take(replies, at)?, Answer::Changed),
        })
    }

    fn renew_by_mark(step: &mut u8, grant: Grant, reply: &Reply) -> Next {
        *step += 1;
        match (*step, reply) {
            (1, Reply::Done) => Ok(Request { slot: Slot::Entry, command: Command::Get { win: None } }),
            (_, Reply::Value { has_won: true, cas, .. }) => {
                let cas = cas << 20 | (grant.cas & 0xF_FFFF);
                Err(Box::new(Answer::Renewed(Renewed::Yes(Grant { cas, ..grant }))))
            }
            _ => Err(Box::new(Answer::Renewed(Renewed::Lost(Refusal::Gone)))),
        }
    }
}

/// A machine is what it prints.
impl Hash for Machine {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        struct Into<'a, H>(&'a mut H);
        impl<H: Hasher> Write for Into<'_, H> {
            fn write_str(&mut self, text: &str) -> std::fmt::Result {
                self.0.write(text.as_bytes());
                Ok(())
            }
        }
        write!(Into(hasher), "{self:?}").expect("a hasher takes everything");
    }
}

impl PartialEq for Machine {
    fn eq(&self, other: &Machine) -> bool {
        format!("{self:?}") == format!("{other:?}")
    }
}

impl Eq for Machine {}

/// A grant, as its holder knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Creation {
    pub grant: Grant,
    pub version: Version,
    /// When the lease is over for the holder: a grain before it is for others.
    pub own_until: Tick,
    pub failures: u8,
}

/// An operation, and what its client must remember.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Running {
    pub machine: Machine,
    pub request: Request,
    /// When the operation began, and when the request was made.
    pub began: Tick,
    pub asked: Tick,
    pub creation: Option<Creation>,
    /// The CAS number of a stub that the operation has won.
    pub won: Option<u64>,
    /// The state of the entry that the client has seen; 0 for nothing.
    pub saw: u8,
    pub token: u64,
    /// Whether the client takes whatever is there.
    pub is_blind: bool,
    pub over_dead: bool,
    /// Whether it ends a grant with a pause.
    pub pauses: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    Idle,
    Runs(Box<Running>),
    Creates(Creation),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Client {
    pub program: Program,
    /// How many times it begins its program anew.
    pub left: u8,
    /// How many renewals it makes in all.
    pub renewals: u8,
    pub phase: Phase,
    /// The grant of another that it watches, and since when.
    pub watched: Option<(u64, u32, Tick)>,
}

impl Client {
    pub fn new(program: Program, left: u8, renewals: u8) -> Client {
        Client { program, left, renewals, phase: Phase::Idle, watched: None }
    }

    /// The grant that it has, whatever it does with it.
    pub fn creation(&self) -> Option<Creation> {
        match &self.phase {
            Phase::Idle => None,
            Phase::Runs(running) => running.creation,
            Phase::Creates(creation) => Some(*creation),
        }
    }
}

/// The claim of what was seen.
pub fn claim(token: u64, seen: Option<Seen>, over: Over) -> Claim {
    let mut claim = Claim::new(Token(token), seconds(LEASE));
    claim.through_pause = seen.is_none();
    (claim.seen, claim.over) = (seen, over);
    claim
}

pub fn pause(failures: u8) -> PauseFor {
    PauseFor { failures: failures.into(), pause: seconds(PAUSE) }
}

pub fn change(program: Program, entry: Entry, seen: Seen) -> Changing {
    let void_pause = Duration::ZERO;
    let change = match program {
        Program::Touches => Change::Touch { entry, seen },
        _ => Change::SetIf { entry, seen, void_pause },
    };
    Changing::new(SHAPE, change)
}
