//! The plain thread. It gets rates from the same source as the tasks, and knows nothing of tasks.

use crate::Trouble;
use crate::rates::Source;
use crate::upstream::Caller;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The time between two looks at the rates.
const REST: Duration = Duration::from_millis(7);

/// The counts of the thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Looks at the rates.
    pub looks: u64,
    /// Looks that found rates that a task had asked for.
    pub of_tasks: u64,
    /// Looks that found older rates than the look before.
    pub backwards: u64,
    /// Looks that found no rates, since the upstream was busy.
    pub failed: u64,
}

/// The thread.
pub struct Auditor {
    thread: JoinHandle<Seen>,
    stop: Arc<AtomicBool>,
}

impl Auditor {
    /// Starts the thread. Blocks until the thread asks the upstream for the first rates.
    pub fn start(source: &Arc<Source>) -> Result<Self, Trouble> {
        let (source, stop) = (Arc::clone(source), Arc::new(AtomicBool::new(false)));
        let (asks, has_asked) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("auditor".into()).spawn(move || {
            let mut seen = Seen::default();
            let mut newest = 0;
            // Relaxed: the flag guards no other memory.
            while !stopped.load(Ordering::Relaxed) {
                let got = source.get_blocking(|| {
                    // An error means that the receiver has gone, as it has after the first time.
                    let _told = asks.send(());
                });
                seen.looks += 1;
                match got {
                    Ok(had) => {
                        seen.of_tasks += u64::from(had.rates.caller == Caller::Task);
                        seen.backwards += u64::from(had.rates.edition < newest);
                        newest = had.rates.edition;
                    }
                    Err(_busy) => seen.failed += 1,
                }
                thread::sleep(REST);
            }
            seen
        })?;
        has_asked.recv()?;
        Ok(Self { thread, stop })
    }

    /// Stops the thread.
    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}
