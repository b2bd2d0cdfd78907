//! The load: reader threads that use one strategy until the time is up.

use crate::measure::{Gauge, Read, Record};
use crate::options::{Creator, Options};
use crate::resource::{ITEMS, Index, Log};
use crate::strategy::{Got, Strategy, Value};
use indicatif::ProgressBar;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// The interval at which the progress line moves.
const REFRESH: Duration = Duration::from_millis(50);

/// The source of the values.
#[derive(Debug)]
pub struct Source {
    /// The log that is indexed.
    pub log: Log,
    /// An index that was made before the run: the answer of a creator that only waits.
    pub prepared: Arc<Index>,
    /// How a value is made.
    pub creator: Creator,
}

impl Source {
    /// Makes a value. Panics if the log has become unreadable, since no strategy could go on then.
    pub fn create(&self) -> Arc<Value> {
        let index = match self.creator {
            Creator::Parse => match self.log.index() {
                Ok(index) => Arc::new(index),
                Err(error) => panic!("cannot read {} any more: {error}", self.log.path().display()),
            },
            Creator::Wait(time) => {
                thread::sleep(time);
                Arc::clone(&self.prepared)
            }
        };
        Arc::new(Value { index, ready: Instant::now() })
    }
}

/// Makes the values of one run, and counts them.
#[derive(Debug)]
pub struct Maker {
    source: Arc<Source>,
    gauge: Gauge,
}

impl Maker {
    /// Makes a value.
    pub fn make(&self) -> Arc<Value> {
        self.gauge.count(|| self.source.create())
    }
}

/// The result of a run.
#[derive(Debug)]
pub struct Seen {
    /// The strategy's name.
    pub name: &'static str,
    /// The beginning and the end of each creation, in nanoseconds since the start.
    pub creations: Vec<(u64, u64)>,
    /// How many creations ran at once, at the most.
    pub most_at_once: u64,
    /// The time from the start until the last read had ended.
    pub elapsed: Duration,
    /// The records of all readers, merged.
    pub record: Record,
}

/// Runs one strategy under the load of `options`. An error says which answer was wrong.
pub fn run(
    (name, strategy): (&'static str, impl FnOnce(Duration, Arc<Maker>) -> Box<dyn Strategy>),
    source: &Arc<Source>,
    options: &Options,
    progress: &ProgressBar,
) -> Result<Seen, String> {
    let maker = Arc::new(Maker { source: Arc::clone(source), gauge: Gauge::default() });
    let strategy = &*strategy(options.expires_after(), Arc::clone(&maker));
    let mut record = Record::new(nanoseconds(options.seconds), nanoseconds(options.expires_after()));
    let together = Barrier::new(usize::from(options.threads) + 1);
    let start = OnceLock::new();
    let elapsed = thread::scope(|scope| {
        let readers: Vec<_> = (0..u64::from(options.threads))
            .map(|number| {
                let mut reader = Reader { name, strategy, maker: &maker, record: record.clone(), random: number };
                let (together, start) = (&together, &start);
                scope.spawn(move || {
                    together.wait();
                    let start = *start.get_or_init(Instant::now);
                    while start.elapsed() < options.seconds {
                        reader.read(start)?;
                        if !options.rest().is_zero() {
                            thread::sleep(options.rest());
                        }
                    }
                    Ok(reader.record)
                })
            })
            .collect();
        together.wait();
        let start = *start.get_or_init(Instant::now);
        while start.elapsed() < options.seconds {
            progress.set_position(nanoseconds(start.elapsed()));
            thread::sleep(REFRESH);
        }
        for reader in readers {
            let seen: Result<Record, String> = reader.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            record.merge(&seen?);
        }
        Ok::<_, String>(start.elapsed())
    })?;
    // A creation that was handed over may still run. It would disturb the run of the next strategy.
    while maker.gauge.is_running() {
        thread::sleep(REFRESH);
    }
    let start = *start.get_or_init(Instant::now);
    let since = |time: Instant| nanoseconds(time.saturating_duration_since(start));
    let creations = maker.gauge.spans().into_iter().map(|(began, ended)| (since(began), since(ended))).collect();
    Ok(Seen { name, creations, most_at_once: maker.gauge.most_at_once(), elapsed, record })
}

struct Reader<'a> {
    name: &'static str,
    strategy: &'a dyn Strategy,
    maker: &'a Maker,
    record: Record,
    random: u64,
}

impl Reader<'_> {
    /// Makes one read: gets the value, looks up an item, checks the answer.
    fn read(&mut self, start: Instant) -> Result<(), String> {
        // Knuth's generator. It matters little which item is looked up, as long as it is not always the same.
        self.random = self.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let item = (self.random >> 33) % ITEMS;
        let warm = self.maker.gauge.is_warm();

        let began = start.elapsed();
        let Got { value, created } = self.strategy.get();
        let age = value.ready.elapsed();
        if !warm {
            self.maker.gauge.warm_up();
        }
        let answer = self.maker.source.log.check(&value.index, item);
        let ended = start.elapsed();

        answer.map_err(|wrong| format!("{}: a wrong answer: {wrong}", self.name))?;
        let (began, ended) = (nanoseconds(began), nanoseconds(ended));
        self.record.add(Read { began, ended, age: nanoseconds(age), warm, created });
        Ok(())
    }
}

/// A duration in whole nanoseconds. Runs are far shorter than the 584 years that fit.
pub fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
