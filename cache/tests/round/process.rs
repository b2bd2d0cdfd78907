//! The processes: the driver of `Access`, with an ideal local election in place of `dogpile`'s.

use crate::checks::{checks_a_time_out, goes_on};
use crate::history::{History, Law, Sight};
use crate::ideal::Ideal;
use crate::messages::{Held, Op, Reply};
use crate::names::Beside;
use crate::server::{Rest, Rules, Server, Tick, Version};
use dogpile_cache::backend::Grant;
use dogpile_cache::round::{Access, Action, Answer, Context, Event, Freshness, Looks, Made, Mark, Outcome, Part};
use dogpile_cache::round::{Remembered, Settings, Shared, Turn, Waits};
use std::time::Duration;

/// An operation on its way.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Flight {
    pub op: Op,
    pub stage: Stage,
    /// Since when it may take longer than a moment.
    pub slow_since: Option<Tick>,
    /// Whether its signal was sent before it, by mistake.
    pub has_signalled: Beside<bool>,
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
    /// Whether a signal is on its way.
    pub coming: Beside<bool>,
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
    /// The number of failures before, by the paper.
    pub failures: Beside<u8>,
    pub made: Option<Version>,
    /// Whether an operation of the access has failed.
    pub has_failed: bool,
    /// Whether the creator hangs.
    pub hangs: bool,
    pub is_cancelled: bool,
    pub refreshes: bool,
    /// The version that the caller has refused; 0 for none.
    pub refuses: Version,
    pub is_out_of_time: bool,
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
    pub backend: dogpile_cache::round::Server,
    /// Whether the leases of the process are longer than those of the others.
    pub is_long: bool,
    pub tasks: Vec<Task>,
    pub turn: Option<usize>,
    pub looks: Looks,
    pub is_stopped: bool,
    /// What the process has read when it connected.
    pub greeting: Beside<u8>,
    /// Whether the connection for signals is lost.
    pub is_in_gap: Beside<bool>,
    pub invalidation: Option<Invalidation>,
    pub releases: Vec<Flight>,
    /// Versions up to this were invalidated by this process, told or not.
    pub gone: Version,
    /// Until then the process has no reason to claim for an old value.
    pub quiet_until: Tick,
    /// Until then the backend may be taken for down.
    pub down_until: Tick,
    /// Until then the process does not create without the backend, as that has failed.
    pub own_pause_until: Tick,
    /// The number of failures of the pause that the process has seen last, and when it saw that number first.
    pub paused: Option<(u8, Tick)>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World<S = Ideal> {
    pub now: Tick,
    pub server: S,
    pub processes: Vec<Process>,
    /// Operations that nobody waits for: given up, doubled, or of a process that was killed. And the greeting of the
    /// connection on which each was sent.
    pub ghosts: Vec<(Op, Beside<u8>)>,
    pub history: History,
}

pub fn time(tick: Tick) -> Duration {
    Duration::from_secs(tick.into())
}

pub fn tick(time: Duration) -> Tick {
    Tick::try_from(time.as_secs()).expect("the run is short")
}

pub fn flight(op: Op) -> Flight {
    Flight { op, stage: Stage::Sent, slow_since: None, has_signalled: Beside(false) }
}

impl Process {
    pub fn new(accesses: &[u8], greeting: u8) -> Process {
        Process {
            memory: Remembered::default(),
            backend: dogpile_cache::round::Server::default(),
            is_long: false,
            tasks: accesses.iter().map(|left| Task { left: *left, ..Task::default() }).collect(),
            turn: None,
            looks: Looks::default(),
            is_stopped: false,
            greeting: Beside(greeting),
            is_in_gap: Beside(false),
            invalidation: None,
            releases: Vec::new(),
            gone: 0,
            quiet_until: 0,
            down_until: 0,
            own_pause_until: 0,
            paused: None,
        }
    }

    /// Whether one task of the process alone can do anything.
    pub fn has_one_mover(&self) -> bool {
        let moves = |task: &&Task| match &task.access {
            Some(_) => task.waits_for.is_none() || task.wake.is_some(),
            None => task.left > 0,
        };
        self.tasks.iter().filter(moves).count() <= 1 && self.invalidation.is_none() && !self.is_stopped
    }

    /// Whether an access may begin with a light look: nothing is remembered that must be heeded before a look. (A driver
    /// asks for more: that the process remembers nothing at all.)
    pub fn may_be_light(&self, now: Tick) -> bool {
        self.memory.untold().is_none() && !self.backend.is_down(time(now))
    }

    /// The process has seen a pause, or that there is none.
    fn sees_a_pause(&mut self, reply: &Reply, now: Tick) {
        let rest = match reply {
            Reply::Looked(picture) | Reply::Changed(picture) => picture.rest,
            Reply::Paused { failures, left } => Some(Held::Paused { failures: *failures, left: *left }),
            Reply::Granted(..) => Some(Held::Free),
            _ => None,
        };
        match rest {
            Some(Held::Paused { failures, .. }) if self.paused.is_none_or(|(before, _)| before != failures) => {
                self.paused = Some((failures, now));
            }
            Some(Held::Free) => self.paused = None,
            _ => {}
        }
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
    /// The settings of a process whose leases are longer, if there is one.
    pub long: Option<Settings>,
    /// How long an access waits, from its beginning.
    pub deadline: Option<Tick>,
    pub soft: Option<Tick>,
}

impl Frame {
    pub fn settings(&self, process: &Process) -> &Settings {
        self.long.as_ref().filter(|_| process.is_long).unwrap_or(&self.settings)
    }
}

/// How an access begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    Plain,
    Refresh,
    /// The caller has refused the version that is there.
    Renewal,
    /// With a light look.
    Light,
}

impl<S: Server> World<S> {
    pub fn begin(&mut self, frame: &Frame, p: usize, t: usize, way: Way) {
        let now = self.now;
        let there = self.server.data().entry.map_or(0, |entry| entry.version);
        let (gone, stale) = (self.history.gone, self.history.stale);
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        let memory = &process.memory;
        let until = |ticks: Option<Tick>| ticks.map(|ticks| time(now + ticks));
        let waits = Waits { deadline: until(frame.deadline), soft: until(frame.soft) };
        let access = match way {
            Way::Plain => Access::new(memory, waits),
            Way::Refresh => Access::refresh(memory, waits),
            Way::Renewal => Access::renewal(memory, waits),
            Way::Light => Access::light(waits),
        };
        let (refreshes, refuses) = (way == Way::Refresh, if way == Way::Renewal { there } else { 0 });
        let left = task.left - 1;
        let gone_here = process.gone;
        *task = Task { access: Some(access), left, gone, stale, gone_here, refreshes, refuses, ..Task::default() };
        if way == Way::Light {
            // It holds nothing of its process, and shares its look with nobody.
            self.processes[p].tasks[t].flight = Some(flight(Op::Look));
            return;
        }
        self.drive(frame, p, t, Event::Begin);
    }

    /// Tells an access what has happened, and does what it answers.
    pub fn drive(&mut self, frame: &Frame, p: usize, t: usize, event: Event<Version>) {
        let now = time(self.now);
        let token = self.unknown_token();
        let settings = frame.settings(&self.processes[p]);
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        let Some(mut access) = task.access.take() else { return };
        match event {
            Event::Failed => {
                task.has_failed = true;
                process.down_until = self.now + tick(frame.settings.backend_pause);
            }
            Event::OutOfTime => (task.has_failed, task.is_out_of_time) = (true, true),
            Event::Made(Made::Value(_) | Made::Unwanted(_)) if task.grant.is_none() => process.own_pause_until = 0,
            Event::Made(Made::Failed) if task.grant.is_none() => {
                process.own_pause_until = self.now + frame.rules.own_pause;
                let failures = process.memory.own_failures() + 1;
                process.memory.pause(failures, time(process.own_pause_until));
            }
            _ => {}
        }
        let was_old = access.has_old();
        let is_after_subscribing = matches!(event, Event::Subscribed);
        task.is_subscribed |= is_after_subscribing;
        let mut cx =
            Context { settings, memory: &mut process.memory, server: &mut process.backend, now, token: &|| token };
        let action = access.next(&mut cx, event);
        let (release, turn) = (access.release(), access.turn());
        let has_old = access.has_old();
        if let Action::Finish(Answer { outcome: Outcome::TimedOut, .. }) = action {
            checks_a_time_out(&mut self.history, &access, was_old, now);
        }
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
        let settings = frame.settings(&self.processes[p]);
        let process = &mut self.processes[p];
        let task = &mut process.tasks[t];
        match action {
            Action::Tell(number) => task.flight = Some(flight(Op::Tell(number))),
            Action::Look => self.look(frame, p, t),
            Action::Join { old_until } => match process.turn {
                None => {
                    process.turn = Some(t);
                    self.drive(frame, p, t, Event::Elected);
                }
                Some(_) if old_until.is_some_and(|until| until <= time(now)) => self.drive(frame, p, t, Event::Busy),
                Some(other) => {
                    let deadline = task.access.as_ref().and_then(Access::deadline);
                    task.wake = old_until.or(deadline).map(tick);
                    task.waits_for = Some(other);
                    task.waits_since_before_the_claim = false;
                }
            },
            Action::Claim(claim) => {
                task.token = claim.token.0;
                if has_old && goes_on(task, now) && now < process.quiet_until {
                    self.history.breaks(Law::G11);
                }
                if claim.through_pause && !task.refreshes {
                    self.history.sees(Sight::PassedThrough);
                }
                task.flight = Some(flight(Op::claim(&claim, task.refreshes || task.refuses > 0, frame.rules.broken)));
                self.waiters_see_a_claim(p, t, true);
            }
            Action::Subscribe => task.flight = Some(flight(Op::Subscribe)),
            Action::Wait { until } => {
                if has_old && goes_on(task, now) {
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
                    // A creation without a grant has a reason (G1), and is none of a series (G8).
                    if now >= process.down_until && !task.is_out_of_time {
                        self.history.breaks(Law::G1);
                    }
                    if now < process.own_pause_until && !task.refreshes {
                        self.history.breaks(Law::G8);
                    }
                    self.history.count += 1;
                    task.creation = self.history.count;
                    self.history.sees(Sight::CutOff);
                    self.waiters_see_a_claim(p, t, true);
                }
            }
            Action::CarryOn { wake } => task.wake = wake.map(tick),
            Action::Renew(grant) => {
                task.wake = None;
                task.flight = Some(flight(Op::Renew(grant, tick(settings.lease))));
            }
            Action::Publish(grant, value) => {
                task.wake = None;
                task.flight = Some(flight(Op::Publish(grant, value)));
            }
            Action::End { grant, pauses } => {
                task.wake = None;
                let failures = if pauses && frame.rules.by_the_paper { task.failures.0 + 1 } else { 0 };
                task.flight = Some(flight(Op::End { grant, pauses, failures: Beside(failures) }));
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
        let look = Flight { op: Op::Look, stage: Stage::Unsent, slow_since: None, has_signalled: Beside(false) };
        let is_shared = process.looks.take_part() == Part::Join;
        for task in &mut process.tasks {
            task.is_shared |= is_shared && task.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Unsent);
        }
        process.tasks[t].is_shared = is_shared;
        process.tasks[t].flight = Some(look);
    }

    /// Sends the look of a process that was not sent yet. The server executes it: nobody can tell these moments apart.
    pub fn send_look(&mut self, frame: &Frame, p: usize) {
        let reply = self.execute(frame, &Op::Look, self.processes[p].greeting.0);
        let process = &mut self.processes[p];
        process.looks.sent();
        for task in &mut process.tasks {
            if let Some(flight) = task.flight.as_mut().filter(|flight| flight.stage == Stage::Unsent) {
                flight.stage = Stage::Replied(reply.clone());
            }
        }
    }

    pub fn execute(&mut self, frame: &Frame, op: &Op, greeting: u8) -> Reply {
        self.server.execute(op, greeting, self.now, &frame.rules, &mut self.history)
    }

    /// The server executes the operation of a task.
    pub fn execute_of(&mut self, frame: &Frame, p: usize, t: usize) {
        let Some(op) = self.processes[p].tasks[t].flight.as_ref().map(|flight| flight.op.clone()) else { return };
        if let Op::Claim { over, .. } = &op {
            self.checks_a_claim_over(*over);
        }
        let was_held = matches!(self.server.data().rest, Rest::Granted { .. });
        let reply = self.execute(frame, &op, self.processes[p].greeting.0);
        if was_held && matches!(reply, Reply::Granted(..)) {
            self.history.sees(Sight::TakenOver);
        }
        if matches!(reply, Reply::Renewed(Ok(_))) {
            self.history.sees(Sight::Renewed);
        }
        if matches!(reply, Reply::Changed(_)) {
            self.history.sees(Sight::Changed);
        }
        if let Some(flight) = &mut self.processes[p].tasks[t].flight {
            if flight.has_signalled.0 {
                self.server.take_signals();
            }
            flight.stage = Stage::Replied(reply);
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
        // An answer of the backend.
        (process.down_until, process.own_pause_until) = (0, 0);
        process.sees_a_pause(&reply, now);
        let task = &mut process.tasks[t];
        match &reply {
            Reply::Told(_) => self.history.gone = self.history.gone.max(self.history.gone_if_told),
            Reply::Granted(_, failures) => {
                process.quiet_until = 0;
                task.failures = Beside(if frame.rules.by_the_paper { *failures } else { 0 });
            }
            Reply::Looked(picture) if picture.freshness == Freshness::Due => self.history.sees(Sight::Due),
            Reply::Held { .. } if task.access.as_ref().is_some_and(Access::has_old) => {
                process.quiet_until = now + tick(frame.settings.poll);
                self.history.sees(Sight::Held);
            }
            _ => {}
        }
        if matches!(reply, Reply::Held { .. } | Reply::Paused { .. } | Reply::Changed(_)) {
            self.waiters_see_a_claim(p, t, false);
        }
        let refused = self.processes[p].tasks[t].refuses;
        self.drive(frame, p, t, reply.event(refused));
    }

    fn waiters_see_a_claim(&mut self, p: usize, t: usize, is_claim: bool) {
        for task in &mut self.processes[p].tasks {
            if task.waits_for == Some(t) {
                task.waits_since_before_the_claim = is_claim;
            }
        }
    }

    fn finish(&mut self, frame: &Frame, p: usize, t: usize, answer: Answer<Version>) {
        self.checks_the_answer(frame, p, t, &answer);
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
            (task.waits_for, task.wake) = (None, None);
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
                (next, elected) = (Some(other), Some(other));
                (task.waits_for, task.wake) = (None, None);
            } else {
                task.waits_for = next;
            }
        }
        if let Some(other) = elected {
            process.turn = next;
            self.drive(frame, p, other, Event::Elected);
        }
    }

    /// Delivers, or sends, the signals of what has just happened at the server.
    pub fn signal(&mut self, rules: &Rules) {
        if self.server.take_signals() {
            self.send_signals(rules);
        }
    }

    /// Sends the signal of a step before the step itself, by mistake.
    pub fn signals_first(&mut self, frame: &Frame, p: usize, t: usize) -> bool {
        let flight = self.processes[p].tasks[t].flight.as_mut();
        let is_first = |flight: &&mut Flight| {
            frame.rules.broken.signals_before_the_change
                && matches!(flight.op, Op::Publish(..) | Op::End { .. })
                && !flight.has_signalled.0
        };
        let Some(flight) = flight.filter(is_first) else { return false };
        flight.has_signalled.0 = true;
        self.send_signals(&frame.rules);
        true
    }

    fn send_signals(&mut self, rules: &Rules) {
        for process in self.processes.iter_mut().filter(|process| !process.is_in_gap.0) {
            for task in process.tasks.iter_mut().filter(|task| task.is_subscribed) {
                if rules.signals_travel { task.coming.0 = true } else { task.signal = true }
            }
        }
    }
}
