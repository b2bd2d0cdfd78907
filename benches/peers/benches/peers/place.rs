//! A place for one value that expires, and the source of the value.

use crate::interleaved::{Subject, Timed};
use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

/// A place where a peer keeps the value. The place holds an `Arc` of the value, or the peer's own form of that. A hit
/// hands out the form that is cheapest for the peer.
pub trait Place: Timed + Send + Sync {
    /// Returns the value, created if need be.
    ///
    /// # Errors
    ///
    /// Returns an error if the creator fails and there is no other value to return.
    fn read(&self) -> Result<u64, Failed>;
}

impl<S: Subject<Seen = Result<u64, Failed>> + Send + Sync> Place for S {
    fn read(&self) -> Result<u64, Failed> {
        self.hit()
    }
}

/// The creator had no value to give.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

impl Display for Failed {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("no value this time")
    }
}

impl Error for Failed {}

/// The source of the value: the creator, and how often it was called.
pub struct Source {
    /// The creator is given the number of earlier calls.
    creator: Box<dyn Fn(u64) -> Result<u64, Failed> + Send + Sync>,
    calls: AtomicU64,
    running: AtomicU64,
    at_once: AtomicU64,
}

impl Source {
    pub fn new(creator: impl Fn(u64) -> Result<u64, Failed> + Send + Sync + 'static) -> Arc<Self> {
        let (calls, running, at_once) = Default::default();
        Arc::new(Self { creator: Box::new(creator), calls, running, at_once })
    }

    /// A source that takes this long, without using a core, as a query to a database does.
    pub fn taking(time: Duration) -> Arc<Self> {
        Self::new(move |call| {
            thread::sleep(time);
            Ok(call)
        })
    }

    /// A source that takes this long, and of which every second call fails.
    pub fn failing_by_turns(time: Duration) -> Arc<Self> {
        Self::new(move |call| {
            thread::sleep(time);
            if call % 2 == 0 { Ok(call) } else { Err(Failed) }
        })
    }

    pub fn fetch(&self) -> Result<u64, Failed> {
        // Relaxed, all of them: they only count.
        let call = self.calls.fetch_add(1, Ordering::Relaxed);
        let running = self.running.fetch_add(1, Ordering::Relaxed) + 1;
        self.at_once.fetch_max(running, Ordering::Relaxed);
        let created = (self.creator)(call);
        self.running.fetch_sub(1, Ordering::Relaxed);
        created
    }

    pub fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// The greatest number of calls that ran at one time.
    pub fn at_once(&self) -> u64 {
        self.at_once.load(Ordering::Relaxed)
    }
}
