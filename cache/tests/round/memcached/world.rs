//! The server, its clients and their environment.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | what there is, and what the clients ask |
//! | `answers` | what an answer leads to |
//! | `laws` | what a command has done by the paper, and the laws |
//! | `environment` | what happens to the server |

mod answers;
mod environment;
mod laws;

use super::client::{
    Client, Creation, LEASE, Machine, Next, Phase, Program, Running, claim, entry, moment, pause, seconds,
};
use super::paper::{Paper, Tick};
use super::store::Store;
use dogpile_cache::backend::memcached::command::{Command, Request, Slot};
use dogpile_cache::backend::memcached::steps::{Claiming, Ending, Moment, Publishing, Renewing, Sending};
use dogpile_cache::backend::{Ask, Claim, Grant, Life, Over, Token};

/// A mistake in the steps, or in their driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    #[default]
    Nothing,
    /// A renewal by `md I` and `mg`.
    RenewsByMark,
    /// A publication that finds nothing is stored where nothing is.
    AddsAfterNotFound,
    /// A grant counts in any life.
    CountsAnyLife,
    /// A stub that is marked, and answers `W`, is believed.
    BelievesMarks,
    /// A grant that was added where nothing was names no CAS number, so that its token alone is its name.
    KnowsByToken,
    /// An append that removes the server's mark does not say so.
    AppendsInSilence,
    /// What is stored conditionally is stored whatever is there.
    StoresAnyhow,
    /// An item lives no longer than its entry, whatever else is in it.
    EndsWithItsEntry,
}

/// What has been seen, so that a search that cannot find anything is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sight {
    WonStub,
    Added,
    Appended,
    OverDead,
    Changed,
    Renewed,
    Late,
    Refused,
    Stale,
    Orphan,
    Paused,
    Fenced,
    /// A grant, and a pause, over an entry that is over.
    Outlived,
    PausedOn,
}

/// A step of the environment on the server. A run has a few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A reply is lost; a command is executed later, or never; it is executed twice; the process is killed.
    Lose,
    GiveUp,
    Double,
    Kill,
    /// A second passes, while operations are under way.
    Slow,
    /// The creator fails; the caller goes.
    Fail,
    Drop,
    /// Another client invalidates, sets, marks stale.
    Invalidate,
    Set,
    Mark,
    /// The item is evicted; the server restarts.
    Evict,
    Restart,
    /// A stranger's `mg`, without `N` and with it; a stranger's bytes; a stranger takes the lifetime from an item.
    Peek,
    Win,
    Junk,
    Persist,
}

impl Kind {
    pub const OF_THE_SERVER: [Kind; 9] = [
        Kind::Invalidate,
        Kind::Set,
        Kind::Mark,
        Kind::Evict,
        Kind::Restart,
        Kind::Peek,
        Kind::Win,
        Kind::Junk,
        Kind::Persist,
    ];
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub store: Store,
    pub life: u8,
    /// How long entries live; `None`: for ever. Those that were touched live for a tick.
    pub lifetime: Option<Tick>,
    pub now: Tick,
    pub paper: Paper,
    pub clients: Vec<Client>,
    /// Commands that nobody waits for.
    pub ghosts: Vec<(usize, Running)>,
    pub spent: u8,
    sights: u16,
}

impl World {
    pub fn new(clients: &[Client], lifetime: Option<Tick>) -> World {
        let (store, paper, clients, ghosts) = (Store::default(), Paper::default(), clients.to_vec(), Vec::new());
        World { store, life: 1, lifetime, now: 0, paper, clients, ghosts, spent: 0, sights: 0 }
    }

    /// How long entries of a client live.
    pub fn lifetime_of(&self, program: Program) -> Option<Tick> {
        self.lifetime.map(|lifetime| if program == Program::Touches { 1 } else { lifetime })
    }

    pub fn sees(&mut self, sight: Sight) {
        self.sights |= 1 << sight as u8;
    }

    pub fn take_sights(&mut self) -> u16 {
        std::mem::take(&mut self.sights)
    }

    /// A client begins its program.
    pub fn begin(&mut self, c: usize) {
        let client = &mut self.clients[c];
        client.left -= 1;
        let token = Self::token(c, client);
        match client.program {
            Program::Gets => self.run(c, Machine::Look(Some(Ask { token: Token(token), lease: seconds(LEASE) })), None),
            Program::Refreshes => self.run(c, self.claiming(c, claim(token, None, Over::Nobody)), None),
            Program::GetsPlainly | Program::Touches | Program::SetsIf => self.run(c, Machine::Look(None), None),
        }
    }

    /// The claim of a client. (A token claims once; two clients have the same sending, and different tokens.)
    pub fn claiming(&self, c: usize, claim: Claim) -> Machine {
        Machine::Claim(Claiming::new(claim, Sending::after(self.clients[c].left.into())))
    }

    /// Larger than any CAS number.
    fn token(c: usize, client: &Client) -> u64 {
        1000 * (c as u64 + 1) + u64::from(client.left)
    }

    pub fn renew(&mut self, c: usize, plant: Plant) {
        let Phase::Creates(creation) = self.clients[c].phase else { return };
        self.clients[c].renewals -= 1;
        let machine = match plant {
            Plant::RenewsByMark => Machine::RenewByMark(0, creation.grant),
            _ => Machine::Renew(Renewing::new(creation.grant, seconds(LEASE))),
        };
        self.run_as(c, machine, creation, plant);
    }

    pub fn publish(&mut self, c: usize, plant: Plant) {
        let Phase::Creates(creation) = self.clients[c].phase else { return };
        let entry = entry(creation.version, self.now, self.lifetime);
        self.run_as(c, Machine::Publish(Publishing::new(creation.grant, entry)), creation, plant);
    }

    pub fn end(&mut self, c: usize, has_failed: bool, plant: Plant) {
        let Phase::Creates(creation) = self.clients[c].phase else { return };
        let pause = has_failed.then(|| pause(creation.failures + 1));
        self.run_as(c, Machine::End(Ending::new(creation.grant, pause)), creation, plant);
        if let Phase::Runs(running) = &mut self.clients[c].phase {
            running.pauses = has_failed;
        }
    }

    /// What a holder does.
    fn run_as(&mut self, c: usize, machine: Machine, creation: Creation, plant: Plant) {
        let Life(life) = creation.grant.life;
        let life = if plant == Plant::CountsAnyLife { u8::try_from(life).expect("few lives") } else { self.life };
        self.run_in(life, c, machine, Some(creation));
    }

    fn run(&mut self, c: usize, machine: Machine, creation: Option<Creation>) {
        self.run_in(self.life, c, machine, creation);
    }

    fn run_in(&mut self, life: u8, c: usize, mut machine: Machine, creation: Option<Creation>) {
        let (began, asked) = (self.now, self.now);
        let before = match &self.clients[c].phase {
            Phase::Runs(running) => Some((running.began, running.saw)),
            _ => None,
        };
        let next = machine.begin(moment(self.now, life));
        let token = creation.map_or_else(|| Self::token(c, &self.clients[c]), |creation| creation.grant.token.0);
        let request = Request { slot: Slot::Entry, command: Command::Get { win: None } };
        let is_blind = self.clients[c].program == Program::Refreshes;
        let saw = before.map_or(0, |(_, saw)| saw);
        let (won, over_dead, pauses) = (None, false, false);
        let running =
            Running { machine, request, began, asked, creation, won, saw, token, is_blind, over_dead, pauses };
        self.goes_on(c, running, next);
    }

    fn goes_on(&mut self, c: usize, mut running: Running, next: Next) {
        match next {
            Ok(request) => {
                (running.request, running.asked) = (request, self.now);
                self.clients[c].phase = Phase::Runs(Box::new(running));
            }
            Err(answer) => self.answered(c, &running, *answer),
        }
    }

    /// The server executes the command of a client. The reply reaches the client, or is lost.
    pub fn execute(&mut self, c: usize, is_lost: bool, plant: Plant) {
        let Phase::Runs(running) = self.clients[c].phase.clone() else { return };
        let mut running = *running;
        let reply = self.executes(c, &mut running, plant);
        if is_lost {
            self.clients[c].phase = Phase::Runs(Box::new(running));
            return self.fails(c);
        }
        let life = match (plant, running.creation) {
            (Plant::CountsAnyLife, Some(creation)) => creation.grant.life,
            _ => Life(self.life.into()),
        };
        let at = Moment { life, ..moment(self.now, 0) };
        let next = running.machine.take(reply, at).expect("a reply of the command");
        self.goes_on(c, running, next);
    }

    pub fn execute_ghost(&mut self, ghost: usize, plant: Plant) {
        let (c, mut running) = self.ghosts.remove(ghost);
        self.executes(c, &mut running, plant);
    }

    /// The operation of a client has no answer.
    pub fn fails(&mut self, c: usize) {
        let Phase::Runs(running) = self.clients[c].phase.clone() else { return };
        self.clients[c].phase = Phase::Idle;
        let release = |token| Grant { token: Token(token), life: Life(self.life.into()), cas: 0 };
        match (&running.machine, running.creation) {
            (Machine::Renew(_) | Machine::RenewByMark(..), Some(creation)) => {
                self.clients[c].phase = Phase::Creates(creation);
            }
            (Machine::Claim(_) | Machine::Look(Some(_)), _) => {
                let release = release(running.token);
                self.run(c, Machine::End(Ending::new(release, None)), None);
            }
            _ => {}
        }
    }

    pub fn kills(&mut self, c: usize) {
        let client = &mut self.clients[c];
        (client.phase, client.watched) = (Phase::Idle, None);
    }
}
