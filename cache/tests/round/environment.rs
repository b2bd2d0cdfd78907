//! The steps of the environment.

use crate::messages::Op;
use crate::model::{Bounds, State};
use crate::names::Beside;
use crate::process::{Frame, Invalidation, Process, Stage, Way, World, flight, time};
use crate::server::{Rules, Server};
use dogpile_cache::round::{Event, Made};
use std::mem;

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
    /// An access is a refresh by hand; it renews the version that is there, which its caller has refused.
    Refresh,
    Renewal,
    /// The access has no time left. The request is executed later, or never, or its reply is lost.
    OutOfTime,
    /// The subscription fails.
    NotSubscribed,
    /// An access that waits is woken for nothing.
    WakeEarly,
    /// The server evicts the pause, and its count.
    EvictPause,
    /// A stranger writes at one of the keys: another type, or bytes that are none of ours.
    JunkGrant,
    JunkEntry,
    JunkPause,
    /// A stranger takes the lifetime from the grant or tombstone.
    Persist,
    /// The connection for signals is lost, and made again.
    Gap,
}

impl Kind {
    pub const ALL: [Kind; 26] = [
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
        Kind::Renewal,
        Kind::OutOfTime,
        Kind::NotSubscribed,
        Kind::WakeEarly,
    ];

    /// What can happen on Redis alone.
    pub const OF_REDIS: [Kind; 6] =
        [Kind::EvictPause, Kind::JunkGrant, Kind::JunkEntry, Kind::JunkPause, Kind::Persist, Kind::Gap];
}

impl<S: Server> Bounds<S> {
    pub fn environment(&self, state: &mut State<S>, kind: Kind, p: usize, t: usize) {
        let State { world, spent } = state;
        let frame = &self.frame;
        *spent += 1;
        let costs_nothing = matches!(
            kind,
            Kind::Fail
                | Kind::Unwanted
                | Kind::Cancel
                | Kind::Invalidate
                | Kind::Set
                | Kind::Mark
                | Kind::Refresh
                | Kind::Renewal
                | Kind::NotSubscribed
                | Kind::WakeEarly
        );
        if !costs_nothing {
            world.history.is_disturbed = true;
        }
        world.history.fault_at = world.now;
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
            Kind::LoseSignal => {
                let task = &mut world.processes[p].tasks[t];
                (task.signal, task.coming) = (false, Beside(false));
                world.history.signal_lost = true;
            }
            Kind::Refresh => world.begin(frame, p, t, Way::Refresh),
            Kind::Renewal => world.begin(frame, p, t, Way::Renewal),
            Kind::InvalidateHere => Self::invalidate_here(world, frame, p),
            Kind::LoseReply | Kind::GiveUp | Kind::OutOfTime | Kind::NotSubscribed | Kind::Double | Kind::Slow => {
                Self::network(world, frame, kind, p, t);
            }
            Kind::WakeEarly => {
                world.processes[p].tasks[t].wake = None;
                world.drive(frame, p, t, Event::Woken);
            }
            Kind::Gap => world.begin_gap(p),
            _ => Self::server(world, frame, kind, p),
        }
    }

    fn cancel(&self, world: &mut World<S>, p: usize, t: usize) {
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

    fn kill(world: &mut World<S>, p: usize) {
        let left: Vec<u8> = world.processes[p].tasks.iter().map(|task| task.left).collect();
        let greeting = world.server.greeting();
        let gone = mem::replace(&mut world.processes[p], Process::new(&left, greeting));
        world.processes[p].is_long = gone.is_long;
        let flights = gone.tasks.into_iter().filter_map(|task| task.flight);
        let calls = gone.invalidation.into_iter().map(|call| call.flight);
        for flight in flights.chain(calls).chain(gone.releases) {
            if flight.stage == Stage::Sent {
                world.haunt(flight.op, gone.greeting.0);
            }
        }
    }

    /// What happens to an operation on its way.
    fn network(world: &mut World<S>, frame: &Frame, kind: Kind, p: usize, t: usize) {
        let (now, greeting) = (world.now, world.processes[p].greeting.0);
        match kind {
            Kind::LoseReply => {
                world.processes[p].tasks[t].flight = None;
                world.drive(frame, p, t, Event::Failed);
            }
            Kind::GiveUp => {
                if let Some(flight) = world.processes[p].tasks[t].flight.take() {
                    world.haunt(flight.op, greeting);
                }
                world.drive(frame, p, t, Event::Failed);
            }
            Kind::OutOfTime => {
                if let Some(flight) = world.processes[p].tasks[t].flight.take()
                    && flight.stage == Stage::Sent
                {
                    world.haunt(flight.op, greeting);
                }
                world.drive(frame, p, t, Event::OutOfTime);
            }
            Kind::NotSubscribed => {
                world.processes[p].tasks[t].flight = None;
                world.drive(frame, p, t, Event::NotSubscribed);
            }
            Kind::Double => {
                let op = world.processes[p].tasks[t].flight.as_ref().map(|flight| flight.op.clone());
                if let Some(op) = op {
                    world.haunt(op, greeting);
                }
            }
            Kind::Slow => {
                if let Some(flight) = &mut world.processes[p].tasks[t].flight {
                    flight.slow_since = Some(now);
                }
            }
            _ => unreachable!("{kind:?} is none of the network"),
        }
    }

    /// What happens to the server, or what another client does there.
    fn server(world: &mut World<S>, frame: &Frame, kind: Kind, variant: usize) {
        let now = world.now;
        match kind {
            Kind::FailOver => world.history.other_life = true,
            Kind::ClockForward | Kind::ClockBack => world.history.clock_stepped = true,
            _ => {}
        }
        world.server.happens(kind, variant, now, &frame.rules, &mut world.history);
        if kind == Kind::Invalidate {
            world.history.gone = world.history.gone.max(world.history.gone_if_told);
        }
        if matches!(kind, Kind::FailOver | Kind::Flush) {
            world.connect_again(&frame.rules);
        }
    }

    fn invalidate_here(world: &mut World<S>, frame: &Frame, p: usize) {
        let now = world.now;
        let count = world.history.count;
        let process = &mut world.processes[p];
        if frame.rules.broken.loses_invalidations_in_a_pause && process.backend.is_down(time(now)) {
            // The caller gets an error, and nobody remembers.
            process.gone = count;
            return;
        }
        let number = process.memory.invalidate();
        process.own_pause_until = 0;
        process.turn = None;
        let flight = flight(Op::Tell(number));
        process.invalidation = Some(Invalidation { number, flight, count });
    }
}

impl<S: Server> World<S> {
    /// Nobody waits for this operation any more, but it may be executed.
    pub fn haunt(&mut self, op: Op, greeting: u8) {
        if !matches!(op, Op::Look | Op::Subscribe) {
            self.ghosts.push((op, Beside(greeting)));
        }
    }

    /// The life is another: each connection is made again, and reads it. What was sent on the old ones, and is answered
    /// to nobody, is lost with them.
    fn connect_again(&mut self, rules: &Rules) {
        let greeting = self.server.greeting();
        if rules.broken.connections_outlive_the_life {
            return;
        }
        self.ghosts.retain(|(_, before)| before.0 == greeting || before.0 == 0);
        for process in &mut self.processes {
            process.greeting.0 = greeting;
        }
    }

    /// The connection for signals is lost, with what is on its way.
    fn begin_gap(&mut self, p: usize) {
        let process = &mut self.processes[p];
        process.is_in_gap.0 = true;
        process.tasks.iter_mut().for_each(|task| task.coming.0 = false);
    }

    /// The connection is there again: each waiter may have missed something.
    pub fn end_gap(&mut self, rules: &Rules, p: usize) {
        let process = &mut self.processes[p];
        process.is_in_gap.0 = false;
        for task in &mut process.tasks {
            task.signal |= task.is_subscribed && !rules.broken.gap_wakes_nobody;
        }
    }
}
