//! A naive lock: one mutex around everything, and every change wakes every waiter. It is written without a thought for
//! speed.
//!
//! The naive lock keeps the laws because it is simple. The contract runs over it, which shows that the suite asks for
//! the laws and not for this crate's way to keep them. Random scripts compare the real lock with it step by step.

use crate::stage::{AccessResult, Creator, Mark, Subject, would_deadlock};
use dogpile::{Clock, CreateError, Finished, Freshness, ManualClock, Outcome, Policy};
use parking_lot::{Condvar, Mutex, MutexGuard};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

pub struct Naive {
    expires_after: Duration,
    clock: Arc<ManualClock>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    value: Option<Value>,
    /// The value that the newest creator made, published or not.
    slot: u64,
    generation: u64,
    running: Option<Running>,
    /// The creations that served their waiters, by the generation in which each began.
    served: Vec<u64>,
    waiting: usize,
}

struct Value {
    created: Duration,
    marked: bool,
}

struct Running {
    born: u64,
    marked: bool,
    owner: Option<ThreadId>,
}

/// The outcome of an access. `Elected` must be followed by a call of `end`.
#[derive(Debug, PartialEq, Eq)]
pub enum NaiveTurn {
    Fresh,
    Stale,
    Waited,
    Elected { born: u64 },
    TimedOut,
    WouldDeadlock,
}

impl Naive {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(self.clock.now())
    }

    fn look(&self, state: &State) -> Freshness {
        match &state.value {
            None => Freshness::Missing,
            Some(value) if value.marked => Freshness::Stale,
            Some(_) if self.expires_after >= Duration::from_nanos(u64::MAX) => Freshness::Fresh,
            Some(value) if self.now() < value.created.saturating_add(self.expires_after) => Freshness::Fresh,
            Some(_) => Freshness::Stale,
        }
    }

    pub fn turn(&self, timeout: Duration, owner: Option<ThreadId>) -> NaiveTurn {
        let mut state = self.state();
        let (arrived, served_before) = (state.generation, state.served.len());
        let deadline = Instant::now().checked_add(timeout);
        loop {
            if state.served[served_before..].iter().any(|born| *born >= arrived) {
                return NaiveTurn::Waited;
            }
            match (self.look(&state), &state.running) {
                (Freshness::Fresh, _) => return NaiveTurn::Fresh,
                (Freshness::Stale, Some(_)) => return NaiveTurn::Stale,
                (Freshness::Stale | Freshness::Missing, None) => {
                    let born = state.generation;
                    state.running = Some(Running { born, marked: false, owner });
                    return NaiveTurn::Elected { born };
                }
                (Freshness::Missing, Some(running)) => {
                    if owner.is_some() && running.owner == owner {
                        return NaiveTurn::WouldDeadlock;
                    }
                    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
                    if left == Some(Duration::ZERO) {
                        return NaiveTurn::TimedOut;
                    }
                    state.waiting += 1;
                    match left {
                        Some(left) => drop(self.changed.wait_for(&mut state, left)),
                        None => self.changed.wait(&mut state),
                    }
                    state.waiting -= 1;
                }
            }
        }
    }

    /// Ends a creation. `kept_back` is `None` if it failed, else it says whether a refused publish kept its value back.
    pub fn end(&self, kept_back: Option<bool>) -> Option<Finished> {
        let (mut state, now) = (self.state(), self.now());
        let running = state.running.take().expect("a creation runs");
        let finished = kept_back.map(|kept_back| {
            if running.born != state.generation {
                if !kept_back {
                    state.served.push(running.born);
                }
                return Finished::Superseded;
            }
            state.value = Some(Value { created: now, marked: running.marked });
            state.served.push(running.born);
            state.generation += 1;
            if running.marked { Finished::PublishedStale } else { Finished::Published }
        });
        self.changed.notify_all();
        finished
    }
}

impl Subject for Naive {
    fn new(expires_after: Duration, clock: Arc<ManualClock>, _none: &'static Policy) -> Self {
        Self { expires_after, clock, state: Mutex::default(), changed: Condvar::new() }
    }

    fn access_boxed(&self, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let outcome = match self.turn(timeout, Some(thread::current().id())) {
            NaiveTurn::Fresh => Outcome::Fresh,
            NaiveTurn::Stale => Outcome::Stale,
            NaiveTurn::Waited => Outcome::Waited,
            NaiveTurn::TimedOut => return Err(CreateError::TimedOut),
            NaiveTurn::WouldDeadlock => return Err(would_deadlock()),
            NaiveTurn::Elected { .. } => match catch_unwind(AssertUnwindSafe(creator)) {
                Ok(Ok(value)) => {
                    self.state().slot = value;
                    self.end(Some(false));
                    return Ok((Outcome::Created, value));
                }
                Ok(Err(failure)) => {
                    self.end(None);
                    return Err(CreateError::Failed(failure));
                }
                Err(panic) => {
                    self.end(None);
                    resume_unwind(panic);
                }
            },
        };
        Ok((outcome, self.state().slot))
    }

    fn invalidate(&self) {
        let mut state = self.state();
        state.generation += 1;
        state.value = None;
    }

    fn invalidate_if(&self, seen: Mark) -> bool {
        let mut state = self.state();
        if Mark::Naive(state.generation) != seen {
            return false;
        }
        state.generation += 1;
        state.value = None;
        true
    }

    fn mark_stale(&self) {
        let mut state = self.state();
        if let Some(value) = &mut state.value {
            value.marked = true;
        }
        if let Some(running) = &mut state.running {
            running.marked = true;
        }
    }

    fn freshness(&self) -> Freshness {
        self.look(&self.state())
    }

    fn age(&self) -> Option<Duration> {
        self.state().value.as_ref().map(|value| self.now().saturating_sub(value.created))
    }

    fn generation(&self) -> Mark {
        Mark::Naive(self.state().generation)
    }

    fn is_creating(&self) -> bool {
        self.state().running.is_some()
    }

    fn waiting(&self) -> usize {
        self.state().waiting
    }
}
