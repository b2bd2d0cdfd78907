//! The plain thread, which has rates from where the tasks have them and knows nothing of tasks.

use crate::Trouble;
use crate::rates::Source;
use crate::upstream::Caller;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Between two looks at the rates.
const REST: Duration = Duration::from_millis(7);

/// What it has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seen {
    /// Looks at the rates.
    pub looks: u64,
    /// Of those, how many found rates that a task had asked for.
    pub of_tasks: u64,
    /// How many found older rates than the look before.
    pub backwards: u64,
    /// How many found none, since the upstream was busy.
    pub failed: u64,
}

/// The thread.
pub struct Auditor {
    thread: JoinHandle<Seen>,
    stop: Arc<AtomicBool>,
}

impl Auditor {
    /// Starts it. Blocks until it asks the upstream for the first rates.
    pub fn start(source: &Arc<Source>) -> Result<Self, Trouble> {
        let (source, stop) = (Arc::clone(source), Arc::new(AtomicBool::new(false)));
        let (asks, has_asked) = mpsc::channel();
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new().name("auditor".into()).spawn(move || {
            let mut seen = Seen::default();
            let mut newest = 0;
            // Relaxed: it tells nothing else.
            while !stopped.load(Ordering::Relaxed) {
                let got = source.get_blocking(|| {
                    // An error means that nobody listens any more, as is so after the first time.
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

    /// Stops it.
    pub fn stop(self) -> Seen {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().unwrap_or_else(|panic| panic::resume_unwind(panic))
    }
}
