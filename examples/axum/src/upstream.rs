//! The upstream. It is slow, can handle a few calls at a time, and counts its callers.

use crate::options::{CAPACITY, LATENCY};
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

/// The kind of a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Caller {
    /// A task.
    Task,
    /// The plain thread.
    Thread,
}

/// An answer of the upstream.
#[derive(Debug)]
pub struct Rates {
    /// The number of the answer. Answers are counted from 1 on.
    pub edition: u64,
    /// The caller that got the answer.
    pub caller: Caller,
    /// The rate of the euro.
    pub euro: f64,
}

/// The upstream.
#[derive(Debug, Default)]
pub struct Upstream(Mutex<Seen>);

/// The counts of the upstream.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Calls of tasks.
    pub of_tasks: u64,
    /// Calls of the thread.
    pub of_the_thread: u64,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that were refused, since too many were in hand.
    pub refused: u64,
    /// Calls that were given up half-way.
    pub given_up: u64,
    /// The most calls that were in hand at a time.
    pub most_at_once: u64,
    in_hand: u64,
}

impl Seen {
    /// All calls.
    pub fn calls(&self) -> u64 {
        self.of_tasks + self.of_the_thread
    }
}

/// A call in hand.
struct Call<'a> {
    upstream: &'a Upstream,
    caller: Caller,
    is_answered: bool,
}

impl Upstream {
    /// Asks for the rates, as a task does. If the future is dropped half-way, the call is given up.
    pub async fn ask(&self) -> Result<Rates, Busy> {
        let call = self.begin(Caller::Task)?;
        tokio::time::sleep(LATENCY).await;
        Ok(call.answer())
    }

    /// Asks for the rates, as a thread does. Blocks until the upstream has answered.
    pub fn ask_blocking(&self) -> Result<Rates, Busy> {
        let call = self.begin(Caller::Thread)?;
        thread::sleep(LATENCY);
        Ok(call.answer())
    }

    /// The counts so far.
    pub fn seen(&self) -> Seen {
        *self.count()
    }

    fn begin(&self, caller: Caller) -> Result<Call<'_>, Busy> {
        let mut seen = self.count();
        match caller {
            Caller::Task => seen.of_tasks += 1,
            Caller::Thread => seen.of_the_thread += 1,
        }
        if seen.in_hand == CAPACITY {
            seen.refused += 1;
            return Err(Busy);
        }
        seen.in_hand += 1;
        seen.most_at_once = seen.most_at_once.max(seen.in_hand);
        Ok(Call { upstream: self, caller, is_answered: false })
    }

    fn count(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Call<'_> {
    fn answer(mut self) -> Rates {
        let mut seen = self.upstream.count();
        seen.answered += 1;
        self.is_answered = true;
        #[allow(clippy::cast_precision_loss)] // there are far fewer answers than 2^53
        let euro = 1.0 + (seen.answered as f64).sin() / 10.0;
        Rates { edition: seen.answered, caller: self.caller, euro }
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        let mut seen = self.upstream.count();
        seen.in_hand -= 1;
        seen.given_up += u64::from(!self.is_answered);
    }
}

/// The upstream has too many calls in hand.
#[derive(Debug)]
pub struct Busy;

impl fmt::Display for Busy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the upstream is busy")
    }
}

impl Error for Busy {}
