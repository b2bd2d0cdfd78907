//! The steps of the processes and of their environment.

use crate::history::{Law, Lost};
use crate::process::{Flight, Frame, Invalidation, Process, Stage, Task, World, flight};
use crate::server::{Data, Op, Rest, Server, Tick};
use dogpile_cache::round::{Access, Event, Made};
use stateright::{Model, Property};
use std::collections::hash_map::DefaultHasher;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::mem;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

/// A step of the environment. A run has a few of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The creator fails, or panics.
    Fail,
    /// The creator makes what is not to be stored.
    Unwanted,
    /// The creator never ends.
    Hang,
    /// The task is cancelled.
    Cancel,
    /// The process is killed. It begins anew.
    Kill,
    /// The process stops, until it resumes at any time.
    Stop,
    /// A reply is lost, and the caller's time is over.
    LoseReply,
    /// The caller's time is over. The request is executed later, or never.
    GiveUp,
    /// A request is doubled. The copy is executed at any time.
    Double,
    /// A request or a reply takes a tick more than the others.
    Slow,
    /// A signal is lost.
    LoseSignal,
    /// The server evicts the grant; the entry.
    EvictGrant,
    EvictEntry,
    /// The server begins a new life without data.
    Flush,
    /// The server fails over to the state before its last change.
    FailOver,
    /// The server's clock steps by a lease.
    ClockForward,
    ClockBack,
    /// Another client invalidates, sets, marks stale.
    Invalidate,
    Set,
    Mark,
    /// One of the processes invalidates.
    InvalidateHere,
    /// An access is a refresh by hand.
    Refresh,
}

impl Kind {
    pub const ALL: [Kind; 22] = [
        Kind::Fail,
        Kind::Unwanted,
        Kind::Hang,
        Kind::Cancel,
        Kind::Kill,
        Kind::Stop,
        Kind::LoseReply,
        Kind::GiveUp,
        Kind::Double,
        Kind::Slow,
        Kind::LoseSignal,
        Kind::EvictGrant,
        Kind::EvictEntry,
        Kind::Flush,
        Kind::FailOver,
        Kind::ClockForward,
        Kind::ClockBack,
        Kind::Invalidate,
        Kind::Set,
        Kind::Mark,
        Kind::InvalidateHere,
        Kind::Refresh,
    ];
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Begin(usize, usize),
    SendLook(usize),
    Execute(usize, usize),
    Deliver(usize, usize),
    Wake(usize, usize),
    Make(usize, usize),
    ExecuteRelease(usize),
    ExecuteInvalidation(usize),
    DeliverInvalidation(usize),
    ExecuteGhost(usize),
    Lapse,
    Resume(usize),
    Tick,
    Environment(Kind, usize, usize),
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct State {
    pub world: World,
    /// How many steps of the environment were made.
    pub spent: u8,
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World { now, server, processes, ghosts, history } = &self.world;
        writeln!(f, "at {now}: {:?}, ghosts {ghosts:?}, {history:?}", server.data)?;
        for process in processes {
            writeln!(f, "      turn {:?}, told {:?}, {:?}", process.turn, process.invalidation, process.memory)?;
            for task in &process.tasks {
                writeln!(f, "        {:?}, {:?}, waits for {:?}", task.access, task.flight, task.waits_for)?;
            }
        }
        Ok(())
    }
}

/// A model with its bounds.
#[derive(Clone, Debug)]
pub struct Bounds {
    pub name: &'static str,
    /// For each process, for each of its tasks: how many accesses it makes.
    pub accesses: Vec<Vec<u8>>,
    pub ticks: Tick,
    pub steps: u8,
    pub menu: Vec<Kind>,
    pub frame: Frame,
    /// What the search has seen.
    pub sights: Arc<AtomicU16>,
}

fn digest(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

impl Bounds {
    fn may(&self, state: &State, kind: Kind) -> bool {
        state.spent < self.steps && self.menu.contains(&kind)
    }

    fn steps_of_task(&self, state: &State, p: usize, t: usize, steps: &mut Vec<Step>) {
        let world = &state.world;
        let process = &world.processes[p];
        let task = &process.tasks[t];
        let mut environment = |kind| {
            if self.may(state, kind) {
                steps.push(Step::Environment(kind, p, t));
            }
        };
        if let Some(flight) = &task.flight {
            match flight.stage {
                Stage::Unsent => {}
                Stage::Sent => {
                    if flight.op != Op::Look && flight.op != Op::Subscribe {
                        environment(Kind::Double);
                    }
                    environment(Kind::GiveUp);
                }
                Stage::Replied(_) => environment(Kind::LoseReply),
            }
            if flight.slow_since.is_none() && flight.stage != Stage::Unsent {
                environment(Kind::Slow);
            }
        }
        if let Some(access) = &task.access {
            if !process.is_stopped {
                if access.creates() && !task.hangs {
                    [Kind::Fail, Kind::Unwanted, Kind::Hang].into_iter().for_each(&mut environment);
                }
                if !task.is_cancelled {
                    environment(Kind::Cancel);
                }
            }
        } else if task.left > 0 && !process.is_stopped {
            environment(Kind::Refresh);
        }
        if task.signal {
            environment(Kind::LoseSignal);
        }
        // What the task does.
        if task.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Sent) {
            steps.push(Step::Execute(p, t));
        }
        if process.is_stopped {
            return;
        }
        let Some(access) = &task.access else {
            if task.left > 0 {
                steps.push(Step::Begin(p, t));
            }
            return;
        };
        if task.flight.as_ref().is_some_and(|flight| matches!(flight.stage, Stage::Replied(_))) {
            steps.push(Step::Deliver(p, t));
        }
        if task.wake.is_some_and(|wake| wake <= world.now) || (task.signal && access.waits()) {
            steps.push(Step::Wake(p, t));
        }
        if access.creates() && !task.hangs {
            steps.push(Step::Make(p, t));
        }
    }

    /// Whether a moment may pass: nothing is left to be done now.
    fn may_tick(&self, world: &World) -> bool {
        let is_urgent = |flight: &Flight| flight.slow_since.is_none_or(|since| since < world.now);
        let has_to_do = |task: &Task| {
            let is_due = task.wake.is_some_and(|wake| wake <= world.now);
            let is_called = task.signal && task.access.as_ref().is_some_and(Access::waits);
            is_due || is_called || task.flight.as_ref().is_some_and(is_urgent)
        };
        let is_quiet = |process: &Process| {
            let call = process.invalidation.as_ref().map(|call| &call.flight);
            process.releases.is_empty() && !call.is_some_and(is_urgent) && !process.tasks.iter().any(has_to_do)
        };
        let is_over =
            world.processes.iter().all(|process| process.is_idle() && process.tasks.iter().all(|task| task.left == 0));
        world.now < self.ticks
            && !is_over
            && world.processes.iter().all(|process| process.is_stopped || is_quiet(process))
    }

    fn environment(&self, state: &mut State, kind: Kind, p: usize, t: usize) {
        let State { world, spent } = state;
        let (frame, now) = (&self.frame, world.now);
        *spent += 1;
        let costs_nothing = matches!(
            kind,
            Kind::Fail | Kind::Unwanted | Kind::Cancel | Kind::Invalidate | Kind::Set | Kind::Mark | Kind::Refresh
        );
        if !costs_nothing {
            world.history.is_disturbed = true;
        }
        world.history.fault_at = now;
        match kind {
            Kind::Fail => world.drive(frame, p, t, Event::Made(Made::Failed)),
            Kind::Unwanted => {
                let task = &mut world.processes[p].tasks[t];
                task.made = Some(task.creation);
                let made = Made::Unwanted(task.creation);
                world.drive(frame, p, t, Event::Made(made));
            }
            Kind::Hang => world.processes[p].tasks[t].hangs = true,
            Kind::Cancel => self.cancel(world, p, t),
            Kind::Kill => Self::kill(world, p),
            Kind::Stop => world.processes[p].is_stopped = true,
            Kind::LoseReply => {
                world.processes[p].tasks[t].flight = None;
                world.drive(frame, p, t, Event::Failed);
            }
            Kind::GiveUp => {
                if let Some(flight) = world.processes[p].tasks[t].flight.take() {
                    world.haunt(flight.op);
                }
                world.drive(frame, p, t, Event::Failed);
            }
            Kind::Double => {
                let op = world.processes[p].tasks[t].flight.as_ref().map(|flight| flight.op.clone());
                if let Some(op) = op {
                    world.haunt(op);
                }
            }
            Kind::Slow => {
                if let Some(flight) = &mut world.processes[p].tasks[t].flight {
                    flight.slow_since = Some(now);
                }
            }
            Kind::LoseSignal => {
                world.processes[p].tasks[t].signal = false;
                world.history.signal_lost = true;
            }
            Kind::EvictGrant => world.server.lose_grant(Lost::Evicted, &mut world.history),
            Kind::EvictEntry => world.server.data.entry = None,
            Kind::Flush => {
                let data = Data { entry: None, rest: Rest::Free };
                world.server.begin_life(data, &mut world.history);
            }
            Kind::FailOver => {
                world.history.other_life = true;
                if let Some(data) = world.server.before {
                    world.server.begin_life(data, &mut world.history);
                }
            }
            Kind::ClockForward | Kind::ClockBack => {
                world.history.clock_stepped = true;
                world.server.step_clock(kind == Kind::ClockForward, &frame.rules);
                world.server.settle(now, &frame.rules, &mut world.history);
            }
            Kind::Invalidate => {
                world.server.invalidate(now, &frame.rules, &mut world.history);
                world.history.gone = world.history.gone.max(world.history.gone_if_told);
            }
            Kind::Set => world.server.set(now, &frame.rules, &mut world.history),
            Kind::Mark => world.server.mark(&mut world.history),
            Kind::InvalidateHere => {
                let count = world.history.count;
                let process = &mut world.processes[p];
                if frame.rules.broken.loses_invalidations_in_a_pause
                    && process.memory.is_down(crate::process::time(now))
                {
                    // The caller gets an error, and nobody remembers.
                    process.gone = count;
                    return;
                }
                let number = process.memory.invalidate();
                process.turn = None;
                let flight = flight(Op::Tell(number));
                process.invalidation = Some(Invalidation { number, flight, count });
            }
            Kind::Refresh => world.begin(frame, p, t, true),
        }
    }

    fn cancel(&self, world: &mut World, p: usize, t: usize) {
        let task = &mut world.processes[p].tasks[t];
        task.is_cancelled = true;
        task.made = None;
        // The caller of a look, or of a wait in the local election, is gone at once.
        let is_cut =
            task.flight.as_ref().is_some_and(|flight| matches!(flight.op, Op::Look | Op::Subscribe | Op::Tell(_)));
        if is_cut {
            let flight = task.flight.take();
            let is_unsent = flight.is_some_and(|flight| flight.stage == Stage::Unsent);
            if is_unsent && !task.is_shared {
                world.processes[p].looks.sent();
            }
        }
        world.drive(&self.frame, p, t, Event::Cancelled);
    }

    fn kill(world: &mut World, p: usize) {
        let left: Vec<u8> = world.processes[p].tasks.iter().map(|task| task.left).collect();
        let gone = mem::replace(&mut world.processes[p], Process::new(&left));
        let flights = gone.tasks.into_iter().filter_map(|task| task.flight);
        let calls = gone.invalidation.into_iter().map(|call| call.flight);
        for flight in flights.chain(calls).chain(gone.releases) {
            if flight.stage == Stage::Sent {
                world.haunt(flight.op);
            }
        }
    }

    /// Takes a state for all that are alike but for names.
    fn normalize(&self, world: &mut World) {
        let known = world.known_tokens();
        for process in &mut world.processes {
            process.memory.forget_the_past(crate::process::time(world.now), self.frame.settings.lease);
            if process.memory.watched().is_some_and(|token| !known.contains(&token.0)) {
                process.memory.forget_watched();
            }
            if process.is_idle() {
                process.memory.forget_marks();
            }
            if process.quiet_until <= world.now {
                process.quiet_until = 0;
            }
            if process.tasks.len() == 2 && digest(&process.tasks[0]) > digest(&process.tasks[1]) {
                process.tasks.swap(0, 1);
                let swap = |task: &mut Option<usize>| *task = task.map(|task| 1 - task);
                swap(&mut process.turn);
                process.tasks.iter_mut().for_each(|task| swap(&mut task.waits_for));
            }
        }
        world.processes.sort_by_cached_key(digest);
        world.ghosts.sort_by_cached_key(digest);
    }
}

impl World {
    /// Nobody waits for this operation any more, but it may be executed.
    fn haunt(&mut self, op: Op) {
        if !matches!(op, Op::Look | Op::Subscribe) {
            self.ghosts.push(op);
        }
    }
}

impl Model for Bounds {
    type State = State;
    type Action = Step;

    fn init_states(&self) -> Vec<State> {
        let processes = self.accesses.iter().map(|accesses| Process::new(accesses)).collect();
        let server = Server::new();
        let (now, ghosts) = (0, Vec::new());
        let world = World { now, server, processes, ghosts, history: crate::history::History::default() };
        vec![State { world, spent: 0 }]
    }

    fn actions(&self, state: &State, steps: &mut Vec<Step>) {
        let world = &state.world;
        for (p, process) in world.processes.iter().enumerate() {
            for t in 0..process.tasks.len() {
                self.steps_of_task(state, p, t, steps);
            }
            let is_unsent = |flight: &Flight| flight.stage == Stage::Unsent;
            if !process.is_stopped && process.tasks.iter().any(|task| task.flight.as_ref().is_some_and(is_unsent)) {
                steps.push(Step::SendLook(p));
            }
            if !process.releases.is_empty() {
                steps.push(Step::ExecuteRelease(p));
            }
            if let Some(call) = &process.invalidation {
                let is_sent = call.flight.stage == Stage::Sent;
                steps.push(if is_sent { Step::ExecuteInvalidation(p) } else { Step::DeliverInvalidation(p) });
                if self.may(state, if is_sent { Kind::GiveUp } else { Kind::LoseReply }) {
                    steps.push(Step::Environment(Kind::GiveUp, p, usize::MAX));
                }
            } else if self.may(state, Kind::InvalidateHere) && !process.is_stopped {
                steps.push(Step::Environment(Kind::InvalidateHere, p, 0));
            }
            if process.is_stopped {
                steps.push(Step::Resume(p));
            } else if !process.is_idle() {
                for kind in [Kind::Kill, Kind::Stop] {
                    if self.may(state, kind) {
                        steps.push(Step::Environment(kind, p, 0));
                    }
                }
            }
        }
        (0..world.ghosts.len()).for_each(|ghost| steps.push(Step::ExecuteGhost(ghost)));
        let may_lapse = match world.server.data.rest {
            Rest::Granted { until, .. } => self.frame.rules.leases_end && world.now + self.frame.rules.grain >= until,
            _ => false,
        };
        if may_lapse {
            steps.push(Step::Lapse);
        }
        for kind in [
            Kind::EvictGrant,
            Kind::EvictEntry,
            Kind::Flush,
            Kind::FailOver,
            Kind::ClockForward,
            Kind::ClockBack,
            Kind::Invalidate,
            Kind::Set,
            Kind::Mark,
        ] {
            let has_effect = match kind {
                Kind::EvictGrant => matches!(world.server.data.rest, Rest::Granted { .. }),
                Kind::EvictEntry => world.server.data.entry.is_some(),
                Kind::FailOver => world.server.before.is_some(),
                _ => true,
            };
            if has_effect && self.may(state, kind) {
                steps.push(Step::Environment(kind, 0, 0));
            }
        }
        if self.may_tick(world) {
            steps.push(Step::Tick);
        }
    }

    fn next_state(&self, last: &State, step: Step) -> Option<State> {
        let mut state = last.clone();
        let frame = &self.frame;
        let world = &mut state.world;
        match step {
            Step::Begin(p, t) => world.begin(frame, p, t, false),
            Step::SendLook(p) => world.send_look(frame, p),
            Step::Execute(p, t) => world.execute_of(frame, p, t),
            Step::Deliver(p, t) => world.deliver(frame, p, t),
            Step::Wake(p, t) => {
                let task = &mut world.processes[p].tasks[t];
                (task.wake, task.signal) = (None, false);
                world.drive(frame, p, t, Event::Woken);
            }
            Step::Make(p, t) => {
                let task = &mut world.processes[p].tasks[t];
                task.made = Some(task.creation);
                let made = Made::Value(task.creation);
                world.drive(frame, p, t, Event::Made(made));
            }
            Step::ExecuteRelease(p) => {
                let flight = world.processes[p].releases.remove(0);
                world.execute(frame, &flight.op);
            }
            Step::ExecuteInvalidation(p) => {
                let op = world.processes[p].invalidation.as_ref().map(|call| call.flight.op.clone())?;
                let reply = world.execute(frame, &op);
                world.processes[p].invalidation.as_mut()?.flight.stage = Stage::Replied(reply);
            }
            Step::DeliverInvalidation(p) => {
                let call = world.processes[p].invalidation.take()?;
                world.processes[p].memory.told(call.number);
                world.history.gone = world.history.gone.max(world.history.gone_if_told);
            }
            Step::ExecuteGhost(ghost) => {
                let op = world.ghosts.remove(ghost);
                world.execute(frame, &op);
            }
            Step::Lapse => {
                if let Rest::Granted { number, .. } = world.server.data.rest {
                    world.checks_the_holder(number);
                }
                world.server.lose_grant(Lost::RanOut, &mut world.history);
            }
            Step::Resume(p) => world.processes[p].is_stopped = false,
            Step::Tick => {
                world.now += 1;
                if let Some(number) = world.server.over(world.now, &frame.rules) {
                    world.checks_the_holder(number);
                }
                world.server.settle(world.now, &frame.rules, &mut world.history);
                world.checks_the_wait(frame);
            }
            Step::Environment(Kind::GiveUp, p, usize::MAX) => {
                // The invalidation has failed: the caller gets an error.
                let call = world.processes[p].invalidation.take()?;
                world.processes[p].gone = call.count;
                world.processes[p].memory.not_told(&frame.settings, crate::process::time(world.now));
                if call.flight.stage == Stage::Sent {
                    world.haunt(call.flight.op);
                }
                state.spent += 1;
                state.world.history.is_disturbed = true;
            }
            Step::Environment(kind, p, t) => self.environment(&mut state, kind, p, t),
        }
        // A reply is delivered at once where nothing of its process, and nothing of the environment, can come between.
        if let Step::Execute(p, _) | Step::SendLook(p) = step
            && state.spent == self.steps
            && state.world.processes[p].has_one_mover()
        {
            state.world.signal();
            for t in 0..state.world.processes[p].tasks.len() {
                state.world.deliver(frame, p, t);
            }
        }
        let world = &mut state.world;
        world.signal();
        world.checks(frame);
        self.sights.fetch_or(world.history.take_sights(), Ordering::Relaxed);
        self.normalize(world);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn law(name: &'static str, law: fn(&Bounds, &State) -> bool) -> Property<Bounds> {
            Property::always(name, law)
        }
        vec![
            law("G1", |_, state| state.world.history.keeps(Law::G1)),
            law("G2", |_, state| state.world.history.keeps(Law::G2)),
            law("G3", |_, state| state.world.history.keeps(Law::G3)),
            law("G4", |_, state| state.world.history.keeps(Law::G4)),
            law("G5", |_, state| state.world.history.keeps(Law::G5)),
            law("G6", |_, state| state.world.history.keeps(Law::G6)),
            law("G8", |_, state| state.world.history.keeps(Law::G8)),
            law("G9", |_, state| state.world.history.keeps(Law::G9)),
            law("G10", |_, state| state.world.history.keeps(Law::G10)),
            law("G11", |_, state| state.world.history.keeps(Law::G11)),
        ]
    }
}
