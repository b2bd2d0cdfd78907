//! The processes: the driver of `Access`, with an ideal local election in place of `dogpile`'s.

use crate::history::{History, Law, Lost, Sight};
use crate::server::{Data, Held, Op, Reply, Rest, Rules, Server, Tick, Version};
use dogpile_cache::backend::{Grant, Over, Token};
use dogpile_cache::round::{Access, Action, Answer, Context, Event, Freshness, Looks, Mark, Outcome, Part, Remembered};
use dogpile_cache::round::{Settings, Shared, Stored, Turn};
use std::time::Duration;

/// An operation on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    pub op: Op,
    pub stage: Stage,
    /// Since when it may take longer than a moment.
    pub slow_since: Option<Tick>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// A look that waits to be sent, so that others can take part in it.
    Unsent,
    Sent,
    Replied(Reply),
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
pub struct Task {
    pub access: Option<Access<Version>>,
    /// How many accesses the task has still to make.
    pub left: u8,
    pub flight: Option<Flight>,
    /// Whether the look is shared with the other task of the process.
    pub is_shared: bool,
    pub wake: Option<Tick>,
    pub is_subscribed: bool,
    pub signal: bool,
    /// The task for whose answer this one waits in the local election.
    pub waits_for: Option<usize>,
    /// Whether that task has sent its claim since.
    pub waits_since_before_the_claim: bool,
    /// The token of the last claim.
    pub token: u64,
    pub waits_since: Option<Tick>,
    /// What was gone, and marked, when the access began; and what its process has invalidated, told or not.
    pub gone: Version,
    pub stale: Version,
    pub gone_here: Version,
    /// The grant, the number of the creation, and the value that was made.
    pub grant: Option<Grant>,
    pub creation: Version,
    pub made: Option<Version>,
    /// Whether an operation of the access has failed.
    pub has_failed: bool,
    /// Whether the creator hangs.
    pub hangs: bool,
    pub is_cancelled: bool,
    pub refreshes: bool,
}

/// An invalidation by a process.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Invalidation {
    pub number: u64,
    pub flight: Flight,
    pub count: Version,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    pub memory: Remembered<Version>,
    pub tasks: Vec<Task>,
    pub turn: Option<usize>,
    pub looks: Looks,
    pub is_stopped: bool,
    pub invalidation: Option<Invalidation>,
    pub releases: Vec<Flight>,
    /// Versions up to this were invalidated by this process, told or not.
    pub gone: Version,
    /// Until then the process has no reason to claim for an old value.
    pub quiet_until: Tick,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    pub now: Tick,
    pub server: Server,
    pub processes: Vec<Process>,
    /// Operations that nobody waits for: given up, doubled, or of a process that was killed.
    pub ghosts: Vec<Op>,
    pub history: History,
}

pub fn time(tick: Tick) -> Duration {
    Duration::from_secs(tick.into())
}

fn tick(time: Duration) -> Tick {
    Tick::try_from(time.as_secs()).expect("the run is short")
}

pub fn flight(op: Op) -> Flight {
    Flight { op, stage: Stage::Sent, slow_since: None }
}

impl Process {
    pub fn new(accesses: &[u8]) -> Process {
        Process {
            memory: Remembered::default(),
            tasks: accesses.iter().map(|left| Task { left: *left, ..Task::default() }).collect(),
            turn: None,
            looks: Looks::default(),
            is_stopped: false,
            invalidation: None,
            releases: Vec::new(),
            gone: 0,
            quiet_until: 0,
        }
    }

    /// Whether one task of the process alone can do anything.
    pub fn has_one_mover(&self) -> bool {
        let moves = |task: &&Task| match &task.access {
            Some(_) => task.waits_for.is_none(),
            None => task.left > 0,
        };
        self.tasks.iter().filter(moves).count() <= 1 && self.invalidation.is_none() && !self.is_stopped
    }

    pub fn is_idle(&self) -> bool {
        self.tasks.iter().all(|task| task.access.is_none()) && self.invalidation.is_none() && self.releases.is_empty()
    }
}

/// What does not change in a run.
#[derive(Clone, Debug)]
pub struct Frame {
    pub rules: Rules,
    pub settings: Settings,
}

impl World {
    pub fn begin(&mut self, frame: &Frame, p: usize, t: usize, refreshes: bool) {
        let (gone, stale) = (self.history.gone, self.history.stale);
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        let memory = &process.memory;
        let access = if refreshes { Access::refresh(memory, None) } else { Access::new(memory, None) };
        let left = task.left - 1;
        let gone_here = process.gone;
        *task = Task { access: Some(access), left, gone, stale, gone_here, refreshes, ..Task::default() };
        self.drive(frame, p, t, Event::Begin);
    }

    /// Tells an access what has happened, and does what it answers.
    pub fn drive(&mut self, frame: &Frame, p: usize, t: usize, event: Event<Version>) {
        let now = time(self.now);
        let token = self.unknown_token();
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        let Some(mut access) = task.access.take() else { return };
        if matches!(event, Event::Failed) {
            task.has_failed = true;
        }
        let is_after_subscribing = matches!(event, Event::Subscribed);
        task.is_subscribed |= is_after_subscribing;
        let mut cx = Context { settings: &frame.settings, memory: &mut process.memory, now, token };
        let action = access.next(&mut cx, event);
        let (release, turn) = (access.release(), access.turn());
        let has_old = access.has_old();
        task.access = Some(access);
        if let Some(token) = release {
            let release = flight(Op::Release(token.0));
            process.releases.push(release);
        }
        if process.turn == Some(t) && turn != Turn::Keep {
            process.turn = None;
            if turn == Turn::HandOn {
                self.hand_on(frame, p, t);
            }
        }
        self.act(frame, p, t, action, has_old);
    }

    fn act(&mut self, frame: &Frame, p: usize, t: usize, action: Action<Version>, has_old: bool) {
        let now = self.now;
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        match action {
            Action::Tell(number) => task.flight = Some(flight(Op::Tell(number))),
            Action::Look => self.look(frame, p, t),
            Action::Join { has_old } => match process.turn {
                None => {
                    process.turn = Some(t);
                    self.drive(frame, p, t, Event::Elected);
                }
                Some(_) if has_old => self.drive(frame, p, t, Event::Busy),
                Some(other) => {
                    task.waits_for = Some(other);
                    task.waits_since_before_the_claim = false;
                }
            },
            Action::Claim(claim) => {
                task.token = claim.token.0;
                if has_old && now < process.quiet_until {
                    self.history.breaks(Law::G11);
                }
                task.flight = Some(flight(Op::claim(&claim, frame.rules.broken)));
                self.waiters_see_a_claim(p, t, true);
            }
            Action::Subscribe => task.flight = Some(flight(Op::Subscribe)),
            Action::Wait { until } => {
                if has_old {
                    self.history.breaks(Law::G11);
                }
                task.wake = Some(tick(until));
                task.waits_since.get_or_insert(now);
            }
            Action::Create { grant, wake } => {
                task.wake = Some(tick(wake));
                task.grant = grant;
                if let Some(grant) = grant {
                    task.creation = u8::try_from(grant.cas).expect("few grants");
                } else {
                    self.history.count += 1;
                    task.creation = self.history.count;
                    self.history.sees(Sight::CutOff);
                    self.waiters_see_a_claim(p, t, true);
                }
            }
            Action::CarryOn { wake } => task.wake = wake.map(tick),
            Action::Renew(grant) => {
                task.wake = None;
                task.flight = Some(flight(Op::Renew(grant)));
            }
            Action::Publish(grant, value) => {
                task.wake = None;
                task.flight = Some(flight(Op::Publish(grant, value)));
            }
            Action::End { grant, pauses } => {
                task.wake = None;
                task.flight = Some(flight(Op::End { grant, pauses }));
            }
            Action::Await => {}
            Action::Finish(answer) => self.finish(frame, p, t, answer),
        }
    }

    /// A look that is not sent yet is shared by all who ask for one.
    fn look(&mut self, frame: &Frame, p: usize, t: usize) {
        let process = &mut self.processes[p];
        let in_flight =
            |task: &Task| task.flight.clone().filter(|flight| flight.op == Op::Look && flight.stage != Stage::Unsent);
        let other = process.tasks.iter().find_map(in_flight).filter(|_| frame.rules.broken.joins_a_look_in_flight);
        if other.is_some() {
            process.tasks[t].flight = other;
            return;
        }
        let look = Flight { op: Op::Look, stage: Stage::Unsent, slow_since: None };
        let is_shared = process.looks.take_part() == Part::Join;
        for task in &mut process.tasks {
            task.is_shared |= is_shared && task.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Unsent);
        }
        process.tasks[t].is_shared = is_shared;
        process.tasks[t].flight = Some(look);
    }

    /// Sends the look of a process that was not sent yet. The server executes it: nobody can tell these moments apart.
    pub fn send_look(&mut self, frame: &Frame, p: usize) {
        let reply = self.execute(frame, &Op::Look);
        let process = &mut self.processes[p];
        process.looks.sent();
        for task in &mut process.tasks {
            if let Some(flight) = task.flight.as_mut().filter(|flight| flight.stage == Stage::Unsent) {
                flight.stage = Stage::Replied(reply.clone());
            }
        }
    }

    pub fn execute(&mut self, frame: &Frame, op: &Op) -> Reply {
        self.server.execute(op, self.now, &frame.rules, &mut self.history)
    }

    /// The server executes the operation of a task.
    pub fn execute_of(&mut self, frame: &Frame, p: usize, t: usize) {
        let Some(op) = self.processes[p].tasks[t].flight.as_ref().map(|flight| flight.op.clone()) else { return };
        if let Op::Claim { over, .. } = &op {
            self.checks_a_claim_over(*over);
        }
        let was_held = matches!(self.server.data.rest, Rest::Granted { .. });
        let reply = self.execute(frame, &op);
        if was_held && matches!(reply, Reply::Granted(_)) {
            self.history.sees(Sight::TakenOver);
        }
        if matches!(reply, Reply::Renewed(Ok(_))) {
            self.history.sees(Sight::Renewed);
        }
        if matches!(reply, Reply::Changed(_)) {
            self.history.sees(Sight::Changed);
        }
        if let Some(flight) = &mut self.processes[p].tasks[t].flight {
            flight.stage = Stage::Replied(reply);
        }
    }

    /// A holder that is claimed over must know before that its lease is over (G6).
    fn checks_a_claim_over(&mut self, over: Over) {
        match self.server.data.rest {
            Rest::Granted { token, beat, number, .. } if over == Over::Dead(Token(token), beat) => {
                self.checks_the_holder(number);
            }
            _ => {}
        }
    }

    /// The lease of this grant is over at the backend: its holder must know.
    pub fn checks_the_holder(&mut self, number: Version) {
        let now = time(self.now);
        let holds = |task: &Task| {
            let grant = task.access.as_ref().and_then(|access| access.holds(now));
            grant.is_some_and(|grant| grant.cas == u64::from(number))
        };
        let any =
            self.processes.iter().filter(|process| !process.is_stopped).flat_map(|process| &process.tasks).any(holds);
        // (A failover can bring back a grant that was lost before.)
        if any && !self.history.clock_stepped && !self.history.is_lost(number) {
            self.history.breaks(Law::G6);
        }
    }

    /// A reply reaches its task.
    pub fn deliver(&mut self, frame: &Frame, p: usize, t: usize) {
        let now = self.now;
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        let Some(Flight { stage: Stage::Replied(reply), .. }) = task.flight.clone() else { return };
        task.flight = None;
        task.is_shared = false;
        match &reply {
            Reply::Told(_) => self.history.gone = self.history.gone.max(self.history.gone_if_told),
            Reply::Granted(_) => process.quiet_until = 0,
            Reply::Held { .. } if task.access.as_ref().is_some_and(Access::has_old) => {
                process.quiet_until = now + tick(frame.settings.poll);
                self.history.sees(Sight::Held);
            }
            _ => {}
        }
        if matches!(reply, Reply::Held { .. } | Reply::Paused | Reply::Changed(_)) {
            self.waiters_see_a_claim(p, t, false);
        }
        self.drive(frame, p, t, reply.event());
    }

    fn waiters_see_a_claim(&mut self, p: usize, t: usize, is_claim: bool) {
        for task in &mut self.processes[p].tasks {
            if task.waits_for == Some(t) {
                task.waits_since_before_the_claim = is_claim;
            }
        }
    }

    fn finish(&mut self, frame: &Frame, p: usize, t: usize, answer: Answer<Version>) {
        self.checks_the_answer(p, t, &answer);
        let process = &mut self.processes[p];
        let had_turn = process.turn == Some(t);
        let task = &mut process.tasks[t];
        let made = task.made;
        *task = Task { left: task.left, ..Task::default() };
        if had_turn {
            process.turn = None;
        }
        // Those who have waited for this access.
        let shared = answer.shared().map(|Shared(mut answer)| {
            if frame.rules.broken.shares_what_was_refused {
                answer.as_of = Mark(u64::MAX);
            }
            answer
        });
        let Some(answer) = shared else {
            self.hand_on(frame, p, t);
            return;
        };
        for other in 0..self.processes[p].tasks.len() {
            let task = &mut self.processes[p].tasks[other];
            if task.waits_for != Some(t) {
                continue;
            }
            task.waits_for = None;
            let owed = made.filter(|_| task.waits_since_before_the_claim);
            self.drive(frame, p, other, Event::Shared(Shared(answer.clone())));
            let is_done = self.processes[p].tasks[other].access.is_none();
            self.history.sees(if is_done { Sight::Shared } else { Sight::NotCovered });
            // Who has waited since before the claim gets the value, whatever has become of it (G4).
            let gets_it = is_done && matches!(answer.outcome, Outcome::Created(value, _) if Some(value) == owed);
            if owed.is_some() && !gets_it {
                self.history.breaks(Law::G4);
            }
        }
    }

    /// One of those who wait for this task is elected, if the turn is free; the others wait for that one.
    fn hand_on(&mut self, frame: &Frame, p: usize, t: usize) {
        let process = &mut self.processes[p];
        let mut next = process.turn;
        let mut elected = None;
        for (other, task) in process.tasks.iter_mut().enumerate() {
            if task.waits_for != Some(t) {
                continue;
            }
            task.waits_since_before_the_claim = false;
            if next.is_none() {
                (next, elected, task.waits_for) = (Some(other), Some(other), None);
            } else {
                task.waits_for = next;
            }
        }
        if let Some(other) = elected {
            process.turn = next;
            self.drive(frame, p, other, Event::Elected);
        }
    }

    fn checks_the_answer(&mut self, p: usize, t: usize, answer: &Answer<Version>) {
        let task = &self.processes[p].tasks[t];
        let (gone, stale, gone_here) = (task.gone, task.stale, task.gone_here);
        let history = &mut self.history;
        match answer.outcome {
            Outcome::Fresh(value) if value <= gone || value <= stale || value <= gone_here => {
                history.breaks(Law::G3);
            }
            Outcome::Stale(value) if value <= gone && !history.other_life => history.breaks(Law::G3),
            Outcome::Stale(value) if value <= gone_here && !history.other_life => history.breaks(Law::G3),
            Outcome::Own(value) if value <= gone_here => history.breaks(Law::G3),
            Outcome::Created(value, stored) => {
                let is_own = task.made == Some(value);
                let is_cut_off = stored == Stored::CutOff;
                if !is_own && !is_cut_off && (value <= gone || value <= stale) || value <= gone_here {
                    history.breaks(Law::G3);
                }
                if is_own {
                    Self::checks_what_became_of_it(history, task, value, stored);
                }
            }
            Outcome::Paused(_) => history.sees(Sight::Paused),
            _ => {}
        }
        // A value that was made is not lost.
        if task.made.is_some() && !matches!(answer.outcome, Outcome::Created(value, _) if Some(value) == task.made) {
            history.breaks(Law::G4);
        }
        // A grant has ended with its access, unless the backend could not be told.
        let is_there = |grant: Grant| match self.server.data.rest {
            Rest::Granted { number, .. } => grant.cas == u64::from(number),
            _ => false,
        };
        if task.grant.is_some_and(is_there) && !task.has_failed && !history.other_life {
            history.breaks(Law::G8);
        }
    }

    fn checks_what_became_of_it(history: &mut History, task: &Task, value: Version, stored: Stored) {
        match stored {
            Stored::Refused(_) => {
                history.sees(Sight::Refused);
                let has_reason = match history.why(value) {
                    Some(Lost::Voided) => true,
                    _ => history.is_disturbed,
                };
                if !has_reason {
                    history.breaks(Law::G9);
                }
            }
            Stored::Unknown if !task.has_failed => history.breaks(Law::G9),
            Stored::Stale if history.stale < value => history.breaks(Law::G9),
            _ => {}
        }
    }

    /// Returns the smallest token that nobody knows.
    fn unknown_token(&self) -> Token {
        let mut known = self.known_tokens();
        known.extend(self.processes.iter().filter_map(|process| process.memory.watched()).map(|token| token.0));
        Token((1..u64::MAX).find(|token| !known.contains(token)).expect("few are known"))
    }

    /// Returns all tokens that can still be met.
    pub fn known_tokens(&self) -> Vec<u64> {
        let of_op = |op: &Op| match op {
            Op::Claim { token, .. } | Op::Release(token) => *token,
            Op::Renew(grant) | Op::Publish(grant, _) | Op::End { grant, .. } => grant.token.0,
            Op::Tell(_) | Op::Look | Op::Subscribe => 0,
        };
        let of_reply = |reply: &Reply| match reply {
            Reply::Held { token, .. } => *token,
            Reply::Looked(picture) | Reply::Changed(picture) => match picture.rest {
                Some(Held::Held { token, .. }) => token,
                _ => 0,
            },
            _ => 0,
        };
        let of_rest = |data: &Data| match data.rest {
            Rest::Granted { token, .. } | Rest::Tombstone { token, .. } => token,
            _ => 0,
        };
        let mut known: Vec<u64> = self.ghosts.iter().map(of_op).collect();
        known.push(of_rest(&self.server.data));
        known.extend(self.server.before.iter().map(of_rest));
        for process in &self.processes {
            known.extend(process.releases.iter().map(|flight| of_op(&flight.op)));
            for task in &process.tasks {
                known.push(task.token);
                if let Some(Flight { stage: Stage::Replied(reply), .. }) = &task.flight {
                    known.push(of_reply(reply));
                }
            }
        }
        known
    }

    /// Delivers the signals of what has just happened at the server.
    pub fn signal(&mut self) {
        if std::mem::take(&mut self.server.signals) {
            for task in self.processes.iter_mut().flat_map(|process| &mut process.tasks) {
                task.signal |= task.is_subscribed;
            }
        }
    }

    /// What must hold in each state.
    pub fn checks(&mut self, frame: &Frame) {
        let (mut creations, mut lost) = (0, 0);
        let fresh = self.server.freshness(self.now, &frame.rules) == Freshness::Fresh;
        for process in &self.processes {
            for task in &process.tasks {
                let Some(access) = &task.access else { continue };
                if access.creates() && access.turn() != Turn::HandOn && task.grant.is_some() {
                    if self.history.is_lost(task.creation) { lost += 1 } else { creations += 1 }
                }
                // A subscribed waiter has been woken by what it waits for (G16).
                let sleeps = access.waits() && task.is_subscribed && !task.signal;
                if sleeps && fresh && !self.history.signal_lost && !self.history.clock_stepped {
                    self.history.breaks(Law::G5);
                }
                if access.waits() && access.has_old() {
                    self.history.breaks(Law::G11);
                }
            }
        }
        if creations > 1 {
            self.history.breaks(Law::G1);
        }
        if creations + lost > 1 {
            self.history.sees(Sight::Overlap);
        }
        let tasks = || self.processes.iter().flat_map(|process| &process.tasks);
        let is_of = |task: &Task, number: Version| {
            let reply = task.flight.as_ref().map(|flight| &flight.stage);
            let is_granted = |grant: &Grant| grant.cas == u64::from(number);
            task.creation == number || matches!(reply, Some(Stage::Replied(Reply::Granted(grant))) if is_granted(grant))
        };
        self.history.lost.retain(|(number, _)| tasks().any(|task| is_of(task, *number)));
    }

    /// Nobody waits for a holder for longer than its lease, a poll and an operation (G5).
    pub fn checks_the_wait(&mut self, frame: &Frame) {
        let (Rest::Granted { at, .. } | Rest::Tombstone { at, .. }) = self.server.data.rest else { return };
        let bound = frame.rules.lease + tick(frame.settings.poll) + 1;
        for process in self.processes.iter().filter(|process| !process.is_stopped) {
            for task in process.tasks.iter().filter(|task| task.access.as_ref().is_some_and(Access::waits)) {
                let since = at.max(task.waits_since.unwrap_or(0)).max(self.history.fault_at);
                if self.now > since + bound {
                    self.history.breaks(Law::G5);
                }
            }
        }
    }
}
