//! The steps of the processes and of their environment.

use crate::environment::Kind;
use crate::history::{Law, Lost, Sight};
use crate::ideal::Ideal;
use crate::messages::Op;
use crate::names::Beside;
use crate::process::{Flight, Frame, Process, Stage, Task, Way, World, tick, time};
use crate::server::{Rest, Server, Tick};
use dogpile_cache::round::{Access, Event, Made};
use stateright::{Model, Property};
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    Begin(usize, usize),
    BeginLight(usize, usize),
    SendLook(usize),
    Execute(usize, usize),
    Deliver(usize, usize),
    Wake(usize, usize),
    DeliverSignal(usize, usize),
    EndGap(usize),
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
pub struct State<S = Ideal> {
    pub world: World<S>,
    /// How many steps of the environment were made.
    pub spent: u8,
}

impl<S: Server> fmt::Display for State<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let World { now, server, processes, ghosts, history } = &self.world;
        writeln!(f, "at {now}: {server:?}, ghosts {ghosts:?}, {history:?}")?;
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
pub struct Bounds<S = Ideal> {
    pub name: &'static str,
    /// For each process, for each of its tasks: how many accesses it makes.
    pub accesses: Vec<Vec<u8>>,
    pub ticks: Tick,
    pub steps: u8,
    pub menu: Vec<Kind>,
    pub frame: Frame,
    /// What the search has seen.
    pub sights: Arc<AtomicU16>,
    pub server: PhantomData<S>,
}

impl<S: Server> Bounds<S> {
    fn may(&self, state: &State<S>, kind: Kind) -> bool {
        state.spent < self.steps && self.menu.contains(&kind)
    }

    fn steps_of_task(&self, state: &State<S>, p: usize, t: usize, steps: &mut Vec<Step>) {
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
                    environment(Kind::OutOfTime);
                }
                Stage::Replied(_) => {
                    environment(Kind::LoseReply);
                    environment(Kind::OutOfTime);
                }
            }
            if flight.op == Op::Subscribe {
                environment(Kind::NotSubscribed);
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
            if world.server.data().entry.is_some() {
                environment(Kind::Renewal);
            }
        }
        if task.access.as_ref().is_some_and(Access::waits) && !process.is_stopped {
            environment(Kind::WakeEarly);
        }
        if task.signal || task.coming.0 {
            environment(Kind::LoseSignal);
        }
        if task.coming.0 {
            steps.push(Step::DeliverSignal(p, t));
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
            if task.left > 0 && self.frame.rules.light && process.may_be_light(world.now) {
                steps.push(Step::BeginLight(p, t));
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

    fn wake(world: &mut World<S>, frame: &Frame, p: usize, t: usize) {
        let task = &mut world.processes[p].tasks[t];
        (task.wake, task.signal) = (None, false);
        let task = &world.processes[p].tasks[t];
        // In the local election, an access with an old value is told that it waits no longer.
        let is_joining = task.waits_for.is_some();
        let has_old = task.access.as_ref().is_some_and(Access::has_old);
        if has_old && (is_joining || task.access.as_ref().is_some_and(Access::waits)) {
            world.history.sees(Sight::WentOn);
        }
        world.drive(frame, p, t, if is_joining && has_old { Event::Busy } else { Event::Woken });
    }

    /// Whether a moment may pass: nothing is left to be done now.
    fn may_tick(&self, world: &World<S>) -> bool {
        let is_urgent = |flight: &Flight| flight.slow_since.is_none_or(|since| since < world.now);
        let has_to_do = |task: &Task| {
            let is_due = task.wake.is_some_and(|wake| wake <= world.now);
            let is_called = task.signal && task.access.as_ref().is_some_and(Access::waits);
            is_due || is_called || task.coming.0 || task.flight.as_ref().is_some_and(is_urgent)
        };
        let is_quiet = |process: &Process| {
            let call = process.invalidation.as_ref().map(|call| &call.flight);
            process.releases.is_empty()
                && !process.is_in_gap.0
                && !call.is_some_and(is_urgent)
                && !process.tasks.iter().any(has_to_do)
        };
        let is_over =
            world.processes.iter().all(|process| process.is_idle() && process.tasks.iter().all(|task| task.left == 0));
        world.now < self.ticks
            && !is_over
            && world.processes.iter().all(|process| process.is_stopped || is_quiet(process))
    }
}

impl<S: Server> Model for Bounds<S> {
    type State = State<S>;
    type Action = Step;

    fn init_states(&self) -> Vec<State<S>> {
        let mut processes: Vec<Process> = {
            let greeting = S::new().greeting();
            self.accesses.iter().map(|accesses| Process::new(accesses, greeting)).collect()
        };
        processes[0].is_long = self.frame.long.is_some();
        let server = S::new();
        let (now, ghosts) = (0, Vec::new());
        let world = World { now, server, processes, ghosts, history: crate::history::History::default() };
        vec![State { world, spent: 0 }]
    }

    fn actions(&self, state: &State<S>, steps: &mut Vec<Step>) {
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
            if process.is_in_gap.0 {
                steps.push(Step::EndGap(p));
            } else if self.may(state, Kind::Gap) && process.tasks.iter().any(|task| task.is_subscribed) {
                steps.push(Step::Environment(Kind::Gap, p, 0));
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
        let may_lapse = match world.server.data().rest {
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
            Kind::EvictPause,
            Kind::JunkGrant,
            Kind::JunkEntry,
            Kind::JunkPause,
            Kind::Persist,
        ] {
            for variant in 0..3 {
                if self.may(state, kind) && world.server.may(kind, variant) {
                    steps.push(Step::Environment(kind, variant, 0));
                }
            }
        }
        if self.may_tick(world) {
            steps.push(Step::Tick);
        }
    }

    fn next_state(&self, last: &State<S>, step: Step) -> Option<State<S>> {
        let mut state = last.clone();
        let frame = &self.frame;
        let world = &mut state.world;
        match step {
            Step::Begin(p, t) => world.begin(frame, p, t, Way::Plain),
            Step::BeginLight(p, t) => world.begin(frame, p, t, Way::Light),
            Step::SendLook(p) => world.send_look(frame, p),
            Step::Execute(p, t) if world.signals_first(frame, p, t) => {}
            Step::Execute(p, t) => world.execute_of(frame, p, t),
            Step::Deliver(p, t) => world.deliver(frame, p, t),
            Step::Wake(p, t) => Self::wake(world, frame, p, t),
            Step::DeliverSignal(p, t) => {
                let task = &mut world.processes[p].tasks[t];
                (task.coming, task.signal) = (Beside(false), true);
            }
            Step::EndGap(p) => world.end_gap(&frame.rules, p),
            Step::Make(p, t) => {
                let task = &mut world.processes[p].tasks[t];
                task.made = Some(task.creation);
                let made = Made::Value(task.creation);
                world.drive(frame, p, t, Event::Made(made));
            }
            Step::ExecuteRelease(p) => {
                let flight = world.processes[p].releases.remove(0);
                world.execute(frame, &flight.op, world.processes[p].greeting.0);
            }
            Step::ExecuteInvalidation(p) => {
                let op = world.processes[p].invalidation.as_ref().map(|call| call.flight.op.clone())?;
                let reply = world.execute(frame, &op, world.processes[p].greeting.0);
                world.processes[p].invalidation.as_mut()?.flight.stage = Stage::Replied(reply);
            }
            Step::DeliverInvalidation(p) => {
                let call = world.processes[p].invalidation.take()?;
                world.processes[p].memory.told(call.number);
                world.processes[p].backend.answered();
                (world.processes[p].down_until, world.processes[p].own_pause_until) = (0, 0);
                world.history.gone = world.history.gone.max(world.history.gone_if_told);
            }
            Step::ExecuteGhost(ghost) => {
                let (op, greeting) = world.ghosts.remove(ghost);
                world.execute(frame, &op, greeting.0);
            }
            Step::Lapse => {
                if let Rest::Granted { number, .. } = world.server.data().rest {
                    world.checks_the_holder(number);
                }
                world.server.lose_grant(Lost::RanOut, &mut world.history);
            }
            Step::Resume(p) => {
                world.processes[p].is_stopped = false;
                if frame.rules.by_the_paper {
                    world.history.fault_at = world.now;
                }
            }
            Step::Tick => {
                world.now += 1;
                if let Some(number) = world.server.data().over(world.now, &frame.rules) {
                    world.checks_the_holder(number);
                }
                world.server.settle(world.now, &frame.rules, &mut world.history);
                world.checks_the_wait(frame);
            }
            Step::Environment(Kind::GiveUp, p, usize::MAX) => {
                // The invalidation has failed: the caller gets an error.
                let call = world.processes[p].invalidation.take()?;
                world.processes[p].gone = call.count;
                world.processes[p].backend.failed(&frame.settings, time(world.now));
                world.processes[p].down_until = world.now + tick(frame.settings.backend_pause);
                if call.flight.stage == Stage::Sent {
                    let greeting = world.processes[p].greeting.0;
                    world.haunt(call.flight.op, greeting);
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
            state.world.signal(&frame.rules);
            for t in 0..state.world.processes[p].tasks.len() {
                state.world.deliver(frame, p, t);
            }
        }
        let world = &mut state.world;
        world.signal(&frame.rules);
        world.checks(frame);
        self.sights.fetch_or(world.history.take_sights(), Ordering::Relaxed);
        self.normalize(world);
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        fn law<S: Server>(name: &'static str, law: fn(&Bounds<S>, &State<S>) -> bool) -> Property<Bounds<S>> {
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
            law("renew_if", |_, state| state.world.history.keeps(Law::RenewIf)),
            law("refines", |_, state| state.world.history.keeps(Law::Refines)),
        ]
    }
}
