//! What a task does: one call after the other, as the dice say.

use crate::history::{Answer, Call, Ended, Event, Got, How, Known, Outcome, Published, Voids, now};
use crate::process::{Next, Process};
use crate::settings::{KEYS, TIMEOUT, Value, Weather, is_changed, is_touched};
use dogpile_cache::backend::BackendError;
use dogpile_cache::region::Get;
use dogpile_cache::{Claim, CreateError, NotPublished};
use fastrand::Rng;
use std::panic::resume_unwind;
use std::process::abort;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::{sleep, timeout};

/// How long a creator holds on that was told to.
const HOLD: Duration = Duration::from_secs(1);

/// The longest time between two calls of a task, in milliseconds, on a machine without other work.
const PAUSE: u64 = 200;

/// What is done to a counter takes no longer among faults, or is given up: nothing else bounds it.
const PATIENCE: Duration = Duration::from_secs(2);

/// Without faults.
const LONG_PATIENCE: Duration = Duration::from_secs(60);

/// How many counters there are.
const COUNTERS: u64 = 2;

/// What a creator is to do.
#[derive(Clone, Copy, Debug)]
enum Then {
    Make,
    Fail,
    Panic,
    Hang,
}

/// A task of a process.
pub struct Task {
    process: Arc<Process>,
    dice: Rng,
}

/// A call.
#[derive(Clone)]
struct Step {
    process: Arc<Process>,
    call: u64,
    key: u64,
    then: Then,
    /// How long its creator takes.
    work: Duration,
}

impl Task {
    pub fn new(process: Arc<Process>, dice: Rng) -> Self {
        Self { process, dice }
    }

    pub async fn run(mut self) {
        while !self.process.is_over.load(Ordering::Relaxed) {
            self.step().await;
            let pace = self.process.pace.load(Ordering::Relaxed);
            sleep(Duration::from_millis(self.dice.u64(0..PAUSE) * pace)).await;
        }
    }

    async fn step(&mut self) {
        let is_foul = self.process.weather == Weather::Foul;
        let then = match self.dice.u32(0..1000) {
            0..40 => Then::Fail,
            40..50 => Then::Panic,
            50..55 if is_foul => Then::Hang,
            _ => Then::Make,
        };
        let step = Step {
            process: Arc::clone(&self.process),
            call: self.process.identity(),
            key: self.dice.u64(0..KEYS),
            then,
            work: Duration::from_millis(self.dice.u64(1..60)),
        };
        let changes = is_foul && is_changed(step.key);
        match self.dice.u32(0..1000) {
            0..130 => step.gets(Call::Get, false).await,
            130..500 => step.gets(Call::Hurried, false).await,
            500..530 => step.gets(Call::Hurried, true).await,
            530..580 => step.claims().await,
            580..640 => {
                let others = [self.dice.u64(0..KEYS), self.dice.u64(0..KEYS)];
                step.gets_many(others).await;
            }
            640..645 if changes => step.invalidates().await,
            645..650 if changes => step.sets().await,
            650..655 if changes => step.sets_if().await,
            655..670 if is_touched(step.key) => step.touches().await,
            670..680 => step.marks().await,
            680..720 => step.counts(self.dice.u64(0..COUNTERS)).await,
            _ => step.looks().await,
        }
    }
}

/// A creator that runs. It is written down as dropped, unless it says how it ends.
struct Running<'a> {
    process: &'a Process,
    id: u64,
    value: Value,
    how: How,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.process.book.write(Event::Created { id: self.id, at: now(), how: self.how });
    }
}

impl Step {
    fn begins(&self, key: u64, access: u64) -> Running<'_> {
        let (id, at) = (self.process.identity(), now());
        self.process.book.write(Event::Creating { id, key, call: self.call, access, at });
        Running { process: &self.process, id, value: (key, id, at), how: How::Dropped }
    }

    /// The creator, for one key or for several.
    async fn create(&self, keys: &[u64], access: u64) -> Result<Vec<Value>, &'static str> {
        let mut running: Vec<_> = keys.iter().map(|key| self.begins(*key, access)).collect();
        match self.process.next.take() {
            Next::HOLD => {
                println!("holding {}", keys[0]);
                sleep(HOLD).await;
            }
            Next::DIE => {
                for running in &mut running {
                    running.how = How::Aborted;
                }
                drop(running);
                abort();
            }
            _ => {
                let hang = Duration::from_nanos(self.process.terms.hang);
                sleep(if matches!(self.then, Then::Hang) { hang } else { self.work }).await;
            }
        }
        let how = match self.then {
            Then::Make | Then::Hang => How::Made,
            Then::Fail => How::Failed,
            Then::Panic => How::Panicked,
        };
        for running in &mut running {
            running.how = how;
        }
        match self.then {
            Then::Make | Then::Hang => Ok(running.iter().map(|running| running.value).collect()),
            Then::Fail => Err("no"),
            Then::Panic => panic!("a creator panics, on purpose"),
        }
    }

    fn returned(&self, kind: Call, key: u64, began: u64, answer: Answer) {
        let (call, ended) = (self.call, now());
        self.process.book.write(Event::Returned { call, kind, key, began, ended, answer });
    }

    /// Runs what may panic in a task of its own. `None` if it has.
    async fn guarded<T: Send + 'static>(call: impl Future<Output = T> + Send + 'static) -> Option<T> {
        match tokio::spawn(call).await {
            Ok(output) => Some(output),
            Err(error) => {
                let panic = error.into_panic();
                let text = panic.downcast_ref::<&str>().copied().unwrap_or_default();
                if !text.ends_with("on purpose") {
                    resume_unwind(panic);
                }
                None
            }
        }
    }

    async fn gets(self, kind: Call, refreshes: bool) {
        let (step, began) = (self.clone(), now());
        let got = Self::guarded(async move {
            let region = &step.process.region;
            let get: Get<'_, u64, Value> = if refreshes { region.refresh(&step.key) } else { region.get(&step.key) };
            let get = if kind == Call::Hurried { get.timeout(Duration::from_nanos(TIMEOUT)) } else { get };
            get.or_try_create(async || step.create(&[step.key], began).await.map(|made| made[0])).await
        });
        let answer = got.await.map_or(Answer::Ended(Ended::Panicked), |got| answer(got.as_ref()));
        self.returned(kind, self.key, began, answer);
    }

    async fn gets_many(self, others: [u64; 2]) {
        let (step, began) = (self.clone(), now());
        let keys = [self.key, others[0], others[1]];
        let got = Self::guarded(async move {
            let create = async |missing: Vec<u64>| step.create(&missing, began).await;
            step.process.region.get_many(&keys).or_try_create(create).await
        });
        let got = got.await;
        for (at, key) in keys.into_iter().enumerate() {
            let answer = match &got {
                Some(Ok(values)) => Answer::Value(value(&values[at])),
                Some(Err(error)) => failed(error),
                None => Answer::Ended(Ended::Panicked),
            };
            self.returned(Call::Many, key, began, answer);
        }
    }

    async fn claims(self) {
        let (step, began) = (self.clone(), now());
        let answer = Self::guarded(async move {
            let creation = match step.process.region.get(&step.key).claim().await {
                Ok(Claim::Create(creation)) => creation,
                Ok(Claim::Value(got)) => return Answer::Value(value(&got)),
                Err(error) => return failed(&error),
            };
            match step.create(&[step.key], began).await {
                Ok(made) => answer(creation.publish(made[0]).await.as_ref()),
                Err(error) => {
                    creation.fail(&error).await;
                    Answer::Ended(Ended::Failed)
                }
            }
        });
        let answer = answer.await.unwrap_or(Answer::Ended(Ended::Panicked));
        self.returned(Call::Claim, self.key, began, answer);
    }

    async fn looks(self) {
        let began = now();
        let answer = match self.process.region.get(&self.key).value().await {
            Ok(Some(got)) => Answer::Value(value(&got)),
            Ok(None) => Answer::Ended(Ended::Nothing),
            Err(_) => Answer::Ended(Ended::Down),
        };
        self.returned(Call::Value, self.key, began, answer);
    }

    /// Makes a change that voids grants; `change` gets the value that it may set.
    async fn changes(&self, voids: Voids, change: impl AsyncFnOnce(Value) -> Result<bool, BackendError>) {
        let (id, at) = (self.process.identity(), now());
        self.process.book.write(Event::Changing { id, key: self.key, voids, at });
        let changed = change((self.key, id, at)).await;
        let known = match &changed {
            Ok(true) => Known::Yes,
            Ok(false) => Known::Refused,
            Err(_) => Known::InDoubt,
        };
        self.process.book.write(Event::Changed { id, at: now(), known });
        self.done(at, changed.is_ok());
    }

    fn done(&self, began: u64, is_ok: bool) {
        let ended = if is_ok { Ended::Done } else { Ended::Down };
        self.returned(Call::Change, self.key, began, Answer::Ended(ended));
    }

    async fn invalidates(self) {
        let change = async |_| self.process.region.invalidate(&self.key).await.map(|()| true);
        self.changes(Voids::Invalidate, change).await;
    }

    async fn sets(self) {
        let change = async |value| self.process.region.set(&self.key, value).await.map(|()| true);
        self.changes(Voids::Set, change).await;
    }

    async fn sets_if(self) {
        let began = now();
        let seen = self.process.region.see(&self.key).await;
        self.done(began, seen.is_ok());
        if let Ok(seen) = seen {
            let change = async |value| self.process.region.set_if(&self.key, &seen, value).await;
            self.changes(Voids::SetIf, change).await;
        }
    }

    async fn touches(self) {
        let began = now();
        let touched = self.process.region.touch(&self.key, None).await;
        self.done(began, touched.is_ok());
    }

    async fn marks(self) {
        let began = now();
        let marked = self.process.region.mark_stale(&self.key).await;
        self.done(began, marked.is_ok());
    }

    async fn counts(self, key: u64) {
        let began = now();
        let patience = if self.process.weather == Weather::Calm { LONG_PATIENCE } else { PATIENCE };
        let counted = timeout(patience, self.process.counters.increment(&key, 1)).await;
        if let Ok(Ok(value)) = counted {
            self.process.book.write(Event::Counted { key, began, ended: now(), value });
        }
        let ended = if matches!(counted, Ok(Ok(_))) { Ended::Done } else { Ended::Down };
        self.returned(Call::Count, key, began, Answer::Ended(ended));
    }
}

fn answer<E>(got: Result<&dogpile_cache::Got<Value>, &CreateError<E>>) -> Answer {
    got.map_or_else(failed, |got| Answer::Value(value(got)))
}

fn value(got: &dogpile_cache::Got<Value>) -> Got {
    let (_, id, source) = **got;
    let outcome = match dogpile_cache::Got::outcome(got) {
        dogpile_cache::Outcome::Near | dogpile_cache::Outcome::Fresh => Outcome::Fresh,
        dogpile_cache::Outcome::Created => Outcome::Created,
        dogpile_cache::Outcome::Waited => Outcome::Waited,
        dogpile_cache::Outcome::Own => Outcome::Own,
        _ => Outcome::Stale,
    };
    let published = match dogpile_cache::Got::published(got) {
        None => Published::Elsewhere,
        Some(dogpile_cache::Published::Fresh) => Published::Fresh,
        Some(dogpile_cache::Published::Stale) => Published::Stale,
        Some(dogpile_cache::Published::No(NotPublished::InDoubt)) => Published::InDoubt,
        Some(dogpile_cache::Published::No(NotPublished::CutOff)) => Published::CutOff,
        Some(_) => Published::Refused,
    };
    Got { id, source, outcome, published }
}

/// By default no access that may create ends with an error of the backend.
fn failed<E>(error: &CreateError<E>) -> Answer {
    Answer::Ended(match error {
        CreateError::Failed(_) => Ended::Failed,
        CreateError::Paused { .. } => Ended::Paused,
        CreateError::TimedOut => Ended::TimedOut,
        _ => Ended::Strange,
    })
}
