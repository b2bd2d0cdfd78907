//! The readers, and their counts.

use crate::options::Options;
use crate::quote::Source;
use crate::upstream::Upstream;
use dogpile::{CachedGuard, CreateError, Outcome};
use std::error::Error;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

/// The length of a step of time.
pub const STEP: Duration = Duration::from_millis(250);

/// The time between two reads of one reader.
const REST: Duration = Duration::from_millis(1);

/// The counts of one step of time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Step {
    /// Reads of a fresh quote, or of one that was just made.
    pub fresh: u64,
    /// Reads of an old quote.
    pub stale: u64,
    /// Reads that ended with an error.
    pub errors: u64,
    /// The greatest age of a quote that was read.
    pub oldest: Duration,
}

/// The counts of a run.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    pub steps: Vec<Step>,
    /// Old quotes that went to a reader which was elected and has failed.
    pub stale_on_error: u64,
    /// The first error, if there was any.
    pub first_error: Option<String>,
}

impl Ran {
    pub fn total(&self, of: impl Fn(&Step) -> u64) -> u64 {
        self.steps.iter().map(of).sum()
    }

    fn step(&mut self, at: Duration) -> &mut Step {
        let step = usize::try_from(at.as_nanos() / STEP.as_nanos()).expect("a run is not as long");
        if self.steps.len() <= step {
            self.steps.resize(step + 1, Step::default());
        }
        &mut self.steps[step]
    }
}

/// Runs the readers until the schedule is over.
pub fn run(source: &Source, upstream: &Upstream, options: &Options) -> Result<Ran, Box<dyn Error>> {
    let ran = Mutex::new(Ran::default());
    // The first quote is read here, before there is any old quote to go on with.
    source.read(upstream.address(), || upstream.now()).map_err(|error| error.to_string())?;
    thread::scope(|scope| {
        for _ in 0..options.threads {
            scope.spawn(|| {
                while upstream.now() < upstream.end() {
                    let read = source.read(upstream.address(), || upstream.now());
                    let now = upstream.now();
                    let mut ran = ran.lock().expect("no reader panics");
                    match read {
                        Ok(quote) => {
                            let outcome = CachedGuard::outcome(&quote);
                            let step = ran.step(now);
                            step.oldest = step.oldest.max(now.saturating_sub(quote.asked_at));
                            match outcome {
                                Outcome::Stale | Outcome::StaleOnError => step.stale += 1,
                                _ => step.fresh += 1,
                            }
                            ran.stale_on_error += u64::from(outcome == Outcome::StaleOnError);
                        }
                        Err(error) => {
                            ran.step(now).errors += 1;
                            ran.first_error.get_or_insert_with(|| match &error {
                                CreateError::Failed(cause) => format!("{error}: {cause}"),
                                other => other.to_string(),
                            });
                        }
                    }
                    drop(ran);
                    thread::sleep(REST);
                }
            });
        }
    });
    Ok(ran.into_inner().expect("no reader panics"))
}
