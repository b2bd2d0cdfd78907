//! The server, its sessions, the clients and a user's transaction.
//!
//! | file | what is in it |
//! |---|---|
//! | this one | what there is, and what the clients do |
//! | `environment` | what happens to them |

mod environment;

use super::client::{Client, Phase, Program};
use super::model::Bounds;
use super::run::Run;
use super::session::{Answer, Call, Owner, Session};
use super::statements::At;
use super::tables::Tables;
use crate::history::{History, Law};
use crate::messages::{Op, Reply};
use crate::names::Beside;
use crate::server::{Rules, Tick, Version};
use dogpile_cache::backend::{Grant, Life, Over, Token};
use dogpile_cache::round::Freshness;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

/// A mistake in the functions, or in their driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plant {
    #[default]
    Nothing,
    /// `pg_advisory_xact_lock`, by those who claim and hold.
    WaitsForTheLock,
    /// `FOR UPDATE`, without `SKIP LOCKED`.
    WaitsForRows,
    /// A publication in one statement: its snapshot is older than its lock.
    PublishesBySnapshot,
    /// A claim that decides by the row that was read before it had the lock.
    DecidesByThePeek,
    /// A user's change that does not take the lock of the place.
    ChangesWithoutTheLock,
    /// The lock is released before the commit can be seen.
    UnlocksBeforeTheCommit,
    /// A change signals before its commit.
    SignalsBeforeTheCommit,
    /// A listener does not ask for the lock, once its row is there.
    SleepsWithoutAProbe,
    /// A grant counts in any life.
    CountsAnyLife,
    /// A grant is known by its token alone.
    KnowsByToken,
}

/// What has been seen, so that a search that cannot find anything is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sight {
    Locked,
    LockedByAUser,
    /// A row was skipped; and it was gone when it was read.
    Skipped,
    Vanished,
    /// A user's transaction has waited for the lock.
    AUserWaits,
    /// The holder was refused by the row as it was committed: the lock, or the row, was not to be had.
    LostByTheRow,
    Refused,
    Renewed,
    Changed,
    Paused,
    Overlap,
    Stored,
    OtherLife,
    /// A listener has met a change under way.
    NotFree,
    Woken,
    /// A claim has passed over a dead holder.
    TakenOver,
    /// A claim has found its own grant.
    Again,
}

impl Sight {
    pub const ALL: [Sight; 17] = [
        Sight::Locked,
        Sight::LockedByAUser,
        Sight::Skipped,
        Sight::Vanished,
        Sight::AUserWaits,
        Sight::LostByTheRow,
        Sight::Refused,
        Sight::Renewed,
        Sight::Changed,
        Sight::Paused,
        Sight::Overlap,
        Sight::Stored,
        Sight::OtherLife,
        Sight::NotFree,
        Sight::Woken,
        Sight::TakenOver,
        Sight::Again,
    ];
}

/// What happens. A run has a few of these.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The caller goes: what was sent is executed, and its answer is the keeper's.
    GiveUp,
    /// The connection is lost, and the server does not know: what was sent is executed.
    Lose,
    /// The server ends the session, or the statement: it is rolled back.
    Abort,
    /// The process is killed.
    Kill,
    /// A claim is executed twice, the second time at any time.
    Double,
    /// The creator fails; the caller goes.
    Fail,
    Drop,
    /// A tick passes while functions are under way.
    Slow,
    /// A user calls a function in a transaction that stays open.
    UserSets,
    UserMarks,
    UserInvalidates,
    /// A user takes a row by `SELECT … FOR UPDATE`, or deletes it, in a transaction that stays open.
    UserTakesPlace,
    UserTakesEntry,
    UserDeletesPlace,
    UserDeletesEntry,
    /// The server is killed: its UNLOGGED tables are empty. It is restarted in peace. The tables are made anew under
    /// open connections.
    Crash,
    Restart,
    Anew,
    /// The server's clock steps by a lease.
    ClockForward,
    ClockBack,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: Tick,
    pub tables: Tables,
    pub sessions: Vec<Session>,
    pub clients: Vec<Client>,
    /// Whether a signal is to be sent, or on its way.
    pub is_telling: bool,
    pub history: History,
    pub spent: u8,
    sights: u32,
    /// The statements that were executed.
    executed: u64,
}

impl World {
    pub fn new(clients: &[Client]) -> World {
        World {
            now: 0,
            tables: Tables::EMPTY,
            sessions: Vec::new(),
            clients: clients.to_vec(),
            is_telling: false,
            history: History::default(),
            spent: 0,
            sights: 0,
            executed: 0,
        }
    }

    pub fn sees(&mut self, sight: Sight) {
        self.sights |= 1 << sight as u8;
    }

    pub fn take_sights(&mut self) -> u32 {
        std::mem::take(&mut self.sights)
    }

    pub fn executes(&mut self, at: At) {
        self.executed |= 1 << at as u8;
    }

    pub fn take_executed(&mut self) -> u64 {
        std::mem::take(&mut self.executed)
    }

    /// Takes a state for all that are alike but for the order of the sessions.
    pub fn normalize(&mut self) {
        self.sessions.sort_by_cached_key(|session| {
            let mut hasher = DefaultHasher::new();
            session.hash(&mut hasher);
            hasher.finish()
        });
    }

    /// Whether none of the others has the lock of the place, shared or not.
    pub fn has_no_lock(&self) -> bool {
        self.sessions.iter().all(|other| !other.has_lock)
            && self.clients.iter().all(|client| client.phase != Phase::Probed)
    }

    pub fn user(&self) -> Option<usize> {
        self.sessions.iter().position(|session| session.owner == Owner::User)
    }

    /// The session that a client waits for.
    pub fn session_of(&self, c: usize) -> Option<usize> {
        self.sessions.iter().position(|session| session.owner == Owner::Client(c))
    }

    /// The numbers of the grants that clients have, or are about to get.
    pub fn holders(&self) -> impl Iterator<Item = Version> + '_ {
        let granted = self.sessions.iter().filter_map(Session::granted);
        let grants = self.clients.iter().filter_map(Client::grant).chain(granted);
        let of_this_life = grants.filter(|grant| grant.life == Life(self.tables.life.into()));
        of_this_life.map(|grant| Version::try_from(grant.cas).expect("few grants"))
    }

    /// Whether the next statement of a session can be executed: a user's waits for the lock.
    pub fn may_step(&self, s: usize) -> bool {
        match self.sessions[s].at {
            At::Open => false,
            At::EnterWait => {
                let others = || self.sessions.iter().enumerate().filter(|(other, _)| *other != s);
                let is_shared = self.clients.iter().any(|client| client.phase == Phase::Probed);
                !is_shared && others().all(|(_, other)| !other.has_lock)
            }
            _ => true,
        }
    }

    fn asks(&mut self, c: usize, call: Call, grant: Option<Grant>) {
        let life = self.clients[c].life;
        self.sessions.push(Session::new(Owner::Client(c), call, life));
        self.clients[c].phase = Phase::Asks(grant);
    }

    /// A client begins its program, or goes on with it after it was woken.
    pub fn begin(&mut self, c: usize, rules: &Rules) {
        let client = &mut self.clients[c];
        let wants_another = client.program == Program::Refreshes;
        if let Program::Changes(change) = client.program {
            return self.asks(c, Call::Change(change), None);
        }
        // What was signalled before the look is seen by it.
        client.is_called = false;
        let data = self.tables.data(self.now, rules);
        if data.freshness(self.now, client.life, rules) == Freshness::Fresh && !wants_another {
            if data.entry.is_some_and(|entry| entry.version <= self.history.gone) {
                self.history.breaks(Law::G3);
            }
            return self.clients[c].ends();
        }
        client.tokens += 1;
        let token = 16 * (u64::try_from(c).expect("few clients") + 1) + u64::from(client.tokens);
        let seen = (!wants_another).then(|| data.entry.map_or(0, |entry| entry.state));
        let lease = rules.lease;
        // A watched holder whose lease is over by the watcher's own clock is dead.
        let over = match self.clients[c].watched {
            Some((token, beat, since)) if self.now >= since + lease => Over::Dead(Token(token), beat),
            _ => Over::Nobody,
        };
        let claim = Op::Claim { token, seen, lease, over, through_pause: wants_another, wants_another };
        self.asks(c, Call::Op(claim), None);
    }

    /// Asks as the holder of a grant. If the connection is of another life, nothing is sent.
    fn asks_as_holder(&mut self, c: usize, grant: Grant, op: Op, plant: Plant) -> bool {
        let is_of_life = grant.life == Life(self.clients[c].life.into()) || plant == Plant::CountsAnyLife;
        if is_of_life {
            self.asks(c, Call::Op(op), Some(grant));
        } else {
            self.sees(Sight::OtherLife);
        }
        is_of_life
    }

    pub fn publish(&mut self, c: usize, plant: Plant) {
        let Phase::Creates { grant, .. } = self.clients[c].phase else { return };
        let version = Version::try_from(grant.cas).expect("few grants");
        if !self.asks_as_holder(c, grant, Op::Publish(grant, version), plant) {
            self.clients[c].ends();
        }
    }

    pub fn renew(&mut self, c: usize, rules: &Rules, plant: Plant) {
        let Phase::Creates { grant, .. } = self.clients[c].phase else { return };
        self.clients[c].renewals -= 1;
        self.asks_as_holder(c, grant, Op::Renew(grant, rules.lease), plant);
    }

    /// The creator fails, or its caller goes.
    pub fn end(&mut self, c: usize, pauses: bool, plant: Plant) {
        let Phase::Creates { grant, failures } = self.clients[c].phase else { return };
        let failures = Beside(if pauses { failures + 1 } else { 0 });
        if !self.asks_as_holder(c, grant, Op::End { grant, pauses, failures }, plant) {
            self.clients[c].ends();
        }
    }

    /// Executes the next statement of a session.
    pub fn step(&mut self, s: usize, bounds: &Bounds) {
        let me = self.sessions.remove(s);
        let mut run = Run { me, world: self, rules: &bounds.rules, plant: bounds.plant };
        // What asks for the life alone goes with the next statement, where the life does not change under a connection.
        let is_with_the_next = run.me.at == At::Check && bounds.checks_at_once();
        run.step();
        if (is_with_the_next && !matches!(run.me.at, At::Done | At::EnterWait)) || run.me.at.is_nothing() {
            run.step();
        }
        let me = run.me;
        if me.at == At::Done { self.answered(&me) } else { self.sessions.push(me) }
    }

    /// The server has answered.
    fn answered(&mut self, me: &Session) {
        if me.owner == Owner::User {
            return;
        }
        let answer = me.answer.clone().expect("an answer");
        if me.owner == Owner::Nobody {
            self.history.signal_lost |= me.is_awaited;
            return;
        }
        self.is_telling |= me.is_awaited;
        let Owner::Client(c) = me.owner else {
            // A holder's call is sent until its answer is another one; that of a claim or a change is sent once.
            if answer == Answer::Locked && me.call.holder().is_some() {
                self.sessions.push(me.again());
            }
            return;
        };
        match answer {
            Answer::Locked => self.sessions.push(me.again()),
            Answer::Failed => {
                self.clients[c].life = self.tables.life;
                self.clients[c].ends();
            }
            Answer::Yes => self.clients[c].ends(),
            Answer::Reply(reply) => self.takes(c, &reply),
        }
    }

    fn takes(&mut self, c: usize, reply: &Reply) {
        if matches!(reply, Reply::Published(Ok(_))) {
            self.sees(Sight::Stored);
        }
        let client = &mut self.clients[c];
        if client.program == Program::Watches {
            client.watched = match *reply {
                Reply::Held { token, beat, is_void: false, .. } => {
                    let before = client.watched.filter(|(of, at, _)| (*of, *at) == (token, beat));
                    before.or(Some((token, beat, self.now)))
                }
                _ => None,
            };
        }
        match reply {
            Reply::Granted(grant, failures) => {
                client.phase = Phase::Creates { grant: *grant, failures: *failures };
            }
            Reply::Renewed(_) => {
                let grant = client.grant().expect("a holder");
                client.phase = Phase::Creates { grant, failures: 0 };
            }
            Reply::Held { .. } if client.program == Program::Listens => self.waits(c, true),
            _ => client.ends(),
        }
    }

    /// A client waits for another.
    fn waits(&mut self, c: usize, is_held: bool) {
        let client = &mut self.clients[c];
        client.phase = if client.is_said { Phase::Sleeps { is_held } } else { Phase::Says };
        client.listens = true;
    }

    /// A claim or a change that was answered *locked* is not sent again.
    pub fn gives_up(&mut self, c: usize) {
        let Some(s) = self.session_of(c) else { return };
        let session = self.sessions.remove(s);
        if session.call.is_claim() && self.clients[c].program == Program::Listens {
            self.waits(c, false);
        } else {
            self.clients[c].ends();
        }
    }

    /// The row of `waiter` is committed.
    pub fn say(&mut self, c: usize, plant: Plant) {
        self.tables.is_waited_for = true;
        self.clients[c].is_said = true;
        self.clients[c].phase = if plant == Plant::SleepsWithoutAProbe { Phase::Idle } else { Phase::Probes };
    }

    /// `pg_try_advisory_xact_lock_shared`.
    pub fn probe(&mut self, c: usize) {
        if self.sessions.iter().any(|session| session.has_lock) {
            self.sees(Sight::NotFree);
        } else {
            self.clients[c].phase = Phase::Probed;
        }
    }

    /// The lock is released. Next comes a look.
    pub fn probed(&mut self, c: usize) {
        self.clients[c].phase = Phase::Idle;
    }

    /// A signal comes to those who listen.
    pub fn signal(&mut self) {
        self.is_telling = false;
        for client in self.clients.iter_mut().filter(|client| client.listens) {
            client.is_called = true;
        }
    }

    pub fn wake(&mut self, c: usize) {
        self.sees(Sight::Woken);
        self.clients[c].phase = Phase::Idle;
    }

    /// A poll is over, or the listening has failed.
    pub fn poll(&mut self, c: usize) {
        self.clients[c].ends();
    }

    /// Whether a moment may pass: nothing goes on that is done at once.
    pub fn may_tick(&self) -> bool {
        let is_waiting = |phase: &Phase| matches!(phase, Phase::Says | Phase::Probes | Phase::Probed);
        self.sessions.iter().all(Session::is_quiet)
            && !self.is_telling
            && self.clients.iter().all(|client| !is_waiting(&client.phase))
    }

    pub fn tick(&mut self, rules: &Rules) {
        let before = self.tables.data(self.now, rules).rest;
        self.now += 1;
        let after = self.tables.data(self.now, rules).rest;
        self.notes_a_silence(before, after, false);
    }
}
