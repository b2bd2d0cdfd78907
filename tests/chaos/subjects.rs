//! Every type and mode, as the chaos uses them.

use crate::observer::Form;
use crate::{Failure, Round, Seen, Value, Whim};
use dogpile::{
    AcquireError, Cached, CachedByKey, CachedGuard, Clock as _, Closures, CreateError, Creation, Dogpile, Job, Made,
    ManualClock, Outcome, Policy, ReadTurn, Registry, Stamped, SyncReaderDogpile, Turn, WriteLockError, cached_by_key,
};
use parking_lot::Mutex;
use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

type Clock = Arc<ManualClock>;

pub trait Subject: Send + Sync {
    /// Whether an elected access may return the old value.
    const HANDS_OVER: bool = false;

    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self;

    /// Makes one access, of a random form.
    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen;

    fn invalidate(&self);
    fn mark_stale(&self);
    fn is_at_rest(&self) -> bool;
}

/// Converts the result of an access with a getter or a value. A panic is not converted: the caller handles it.
fn seen<T, G>(created: bool, got: Result<T, CreateError<Failure, G>>, value: impl FnOnce(T) -> Value) -> Seen {
    match got {
        Ok(got) if created => Seen::Created(value(got)),
        Ok(got) => Seen::Used(value(got)),
        Err(CreateError::Failed(Failure)) => Seen::Failed,
        Err(_) => Seen::Told,
    }
}

/// The result of a creator's access to its own value: the access finds nothing to wait for, unless the creation is
/// dead.
fn asked_again<T>(told: &Result<T, AcquireError>) {
    assert!(!matches!(told, Err(AcquireError::ReadLockHeld | AcquireError::WriteLockHeld)), "it holds nothing");
}

/// The forms of an access: fallible without a time-out, infallible, fallible with a time-out.
const FORMS: u32 = 3;

/// Lets a creator that has no error to return panic instead.
fn or_panic<T>(made: Result<T, Failure>) -> T {
    made.unwrap_or_else(|Failure| std::panic::resume_unwind(Box::new(crate::OnPurpose)))
}

fn patience(whim: &mut Whim) -> Duration {
    [Duration::ZERO, Duration::from_micros(50), Duration::MAX][whim.draw(3) as usize]
}

macro_rules! asks_its_lock {
    () => {
        fn invalidate(&self) {
            self.lock.invalidate();
        }

        fn mark_stale(&self) {
            self.lock.mark_stale();
        }

        fn is_at_rest(&self) -> bool {
            !self.lock.is_creating() && self.lock.waiting() == 0
        }
    };
}

/// A lock, and a value beside it that is written through `publish` only.
pub struct LockMode {
    lock: Arc<Dogpile<Clock>>,
    slot: Mutex<Option<Value>>,
}

impl LockMode {
    fn used(&self) -> Seen {
        Seen::Used(self.slot.lock().expect("somebody has created"))
    }

    fn create(
        &self,
        creation: &Creation<'_, Dogpile<Clock>>,
        whim: &mut Whim,
        round: &Round,
        of: Form,
        since: u64,
    ) -> Result<Value, Failure> {
        let value =
            round.create(whim, of, since, || asked_again(&self.lock.access().timeout(Duration::ZERO).turn()))?;
        // Refused or not, the value goes to the creator's own caller.
        _ = creation.publish(|| *self.slot.lock() = Some(value));
        Ok(value)
    }
}

impl Subject for LockMode {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        let lock = Arc::new(Dogpile::with_clock(lifetime, clock).with_shared_policy(policy));
        Self { lock, slot: Mutex::new(None) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let since = round.clock.now();
        let (form, patience) = (whim.draw(FORMS), patience(whim));
        let mut made = None;
        let mut create = |creation: &Creation<'_, Dogpile<Clock>>, of: Form| {
            made = Some(self.create(creation, whim, round, of, since)?);
            Ok(())
        };
        let access = self.lock.access();
        let outcome = match form {
            0 => access.or_try_create_with(|creation| create(creation, Form::Fallible)),
            1 => Ok(access.or_create_with(|creation| or_panic(create(creation, Form::Infallible)))),
            _ => access.timeout(patience).or_try_create_with(|creation| create(creation, Form::Fallible)),
        };
        match (outcome, made) {
            (Ok(Outcome::Created), Some(made)) => Seen::Created(made),
            (Ok(Outcome::Created), None) => panic!("created without a creator"),
            (Ok(_), _) => self.used(),
            (Err(CreateError::Failed(Failure)), _) => Seen::Failed,
            (Err(_), _) => Seen::Told,
        }
    }

    asks_its_lock!();
}

/// The same by turns: the creation is run on this thread, moved to another thread, or dropped.
pub struct ByTurn(LockMode);

impl Subject for ByTurn {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        Self(LockMode::new(lifetime, clock, policy))
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let since = round.clock.now();
        let access = Dogpile::kept(&self.0.lock);
        let (turn, form) = match whim.draw(FORMS) {
            0 => (access.timeout(Duration::MAX).turn(), Form::Fallible),
            1 => (Ok(access.turn()), Form::Infallible),
            _ => (access.timeout(patience(whim)).turn(), Form::Fallible),
        };
        let creation = match turn {
            Ok(Turn::Create(creation)) => creation,
            Ok(Turn::Fresh | Turn::Stale) => return self.0.used(),
            Err(_) => return Seen::Told,
        };
        let run = |whim: &mut Whim| creation.try_run(|creation| self.0.create(creation, whim, round, form, since));
        let made = match whim.draw(4) {
            1 => return Seen::Failed, // dropped
            2 => thread::scope(|scope| {
                let job = scope.spawn(|| run(whim));
                job.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            }),
            _ => run(whim),
        };
        made.map_or(Seen::Failed, Seen::Created)
    }

    fn invalidate(&self) {
        self.0.lock.invalidate();
    }

    fn mark_stale(&self) {
        self.0.lock.mark_stale();
    }

    fn is_at_rest(&self) -> bool {
        self.0.lock.waiting() == 0 && !self.0.lock.is_creating()
    }
}

/// How often one access has called its getter, and whether its creator had run by then (L8).
#[derive(Default)]
struct Calls {
    gets: Cell<u32>,
    made: Cell<bool>,
}

impl Calls {
    fn get(&self) {
        self.gets.set(self.gets.get() + 1);
        assert!(self.gets.get() <= 2, "L8: a third call");
        assert!(!self.made.get(), "L8: after having created");
    }

    fn made(&self) {
        self.made.set(true);
    }
}

/// Makes one access by a getter and a separate setter. The arguments say how it begins, how the value is got and set,
/// and what the value is.
macro_rules! by_getter {
    ($self:ident, $whim:ident, $round:ident, $fetch:ident, $get:expr, $set:expr, $value:expr) => {{
        let (since, calls) = ($round.clock.now(), Calls::default());
        let (form, patience) = ($whim.draw(FORMS), patience($whim));
        let access = $self.lock.$fetch(|| {
            calls.get();
            $get()
        });
        let mut create = |of: Form| {
            let again = || asked_again(&$self.lock.access().timeout(Duration::ZERO).turn().map(|_| ()));
            let made = $round.create($whim, of, since, again);
            if made.is_ok() {
                calls.made();
            }
            made
        };
        let try_set = |value: &_| {
            $set(value);
            Ok(())
        };
        let got = match form {
            0 => access.and_set(try_set).or_try_create(|| create(Form::Fallible)),
            1 => Ok(access.and_set($set).or_create(|| or_panic(create(Form::Infallible)))),
            _ => access.and_set(try_set).timeout(patience).or_try_create(|| create(Form::Fallible)),
        };
        seen(calls.made.get(), got, $value)
    }};
}

/// A getter that finds the value in the slot, or now and then nothing, and a setter for the creator.
pub struct GetterMode {
    lock: Dogpile<Clock>,
    slot: Mutex<Option<Value>>,
}

impl Subject for GetterMode {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        Self { lock: Dogpile::with_clock(lifetime, clock).with_shared_policy(policy), slot: Mutex::new(None) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let loses = whim.draw(20) == 1;
        let get = || {
            let mut slot = self.slot.lock();
            slot.take_if(|_| loses);
            *slot
        };
        let set = |value: &Value| *self.slot.lock() = Some(*value);
        by_getter!(self, whim, round, fetch, get, set, |value| value)
    }

    asks_its_lock!();
}

/// The same with stamps.
pub struct StampedMode {
    lock: Dogpile<Clock>,
    slot: Mutex<Option<Stamped<Value>>>,
}

impl Subject for StampedMode {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        Self { lock: Dogpile::with_clock(lifetime, clock).with_shared_policy(policy), slot: Mutex::new(None) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let loses = whim.draw(20) == 1;
        let get = || {
            let mut slot = self.slot.lock();
            slot.take_if(|_| loses);
            *slot
        };
        let set = |value: &Stamped<Value>| *self.slot.lock() = Some(*value);
        by_getter!(self, whim, round, fetch_stamped, get, set, |stamped| stamped.value)
    }

    asks_its_lock!();
}

/// A value of two halves, swapped under the write lock and read under the guard.
#[derive(Default)]
struct Swapped([Mutex<u64>; 2]);

impl Swapped {
    fn read(&self) -> Value {
        let [first, second] = [0, 1].map(|half| *self.0[half].lock());
        Value(first, second)
    }

    fn write(&self, value: Value) {
        *self.0[0].lock() = value.0;
        thread::yield_now();
        *self.0[1].lock() = value.1;
    }
}

pub struct Readers {
    lock: SyncReaderDogpile<Clock>,
    value: Swapped,
}

impl Readers {
    fn create(
        &self,
        creation: &Creation<'_, SyncReaderDogpile<Clock>>,
        whim: &mut Whim,
        round: &Round,
        of: Form,
        since: u64,
    ) -> Result<Value, Failure> {
        let again = || {
            let turn = self.lock.access().timeout(Duration::ZERO).turn();
            asked_again(&turn.map(|turn| matches!(turn, ReadTurn::Fresh(_))));
        };
        let value = round.create(whim, of, since, again)?;
        if let Ok(_alone) = creation.write_lock() {
            self.value.write(value);
        }
        Ok(value)
    }
}

impl Subject for Readers {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        let lock = SyncReaderDogpile::with_clock(lifetime, clock).with_shared_policy(policy);
        Self { lock, value: Swapped::default() }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let since = round.clock.now();
        let (form, patience) = (whim.draw(FORMS), patience(whim));
        let mut made = None;
        let mut create = |creation: &Creation<'_, SyncReaderDogpile<Clock>>, of: Form| {
            made = Some(self.create(creation, whim, round, of, since)?);
            Ok(())
        };
        let access = self.lock.access();
        let guard = match form {
            0 => access.or_try_create_with(|creation| create(creation, Form::Fallible)),
            1 => Ok(access.or_create_with(|creation| or_panic(create(creation, Form::Infallible)))),
            _ => access.timeout(patience).or_try_create_with(|creation| create(creation, Form::Fallible)),
        };
        match guard {
            Ok(guard) if *guard == Outcome::Created => Seen::Created(made.expect("its creator has run")),
            Ok(_guard) => Seen::Used(self.value.read()),
            Err(CreateError::Failed(Failure)) => Seen::Failed,
            Err(_) => Seen::Told,
        }
    }

    asks_its_lock!();
}

pub struct ReadersByGetter {
    lock: SyncReaderDogpile<Clock>,
    value: Swapped,
}

impl Subject for ReadersByGetter {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        let lock = SyncReaderDogpile::with_clock(lifetime, clock).with_shared_policy(policy);
        Self { lock, value: Swapped::default() }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let get = || Some(self.value.read()).filter(|value| value.0 != 0);
        let set = |value: &Value| self.value.write(*value);
        by_getter!(self, whim, round, fetch, get, set, |guard| *guard)
    }

    asks_its_lock!();
}

fn of_guard(guard: &CachedGuard<Value>) -> Seen {
    match CachedGuard::outcome(guard) {
        Outcome::Created => Seen::Created(**guard),
        _ => Seen::Used(**guard),
    }
}

fn access_cached(lock: &Cached<Value, Clock>, whim: &mut Whim, round: &Round) -> Seen {
    let since = round.clock.now();
    let (form, patience) = (whim.draw(FORMS), patience(whim));
    let mut create = |of: Form| {
        // A dead creator may be elected once more here, and then fails at once.
        let again = || drop(lock.access().timeout(Duration::ZERO).or_try_create(|| Err(Failure)));
        round.create(whim, of, since, again)
    };
    let got = match form {
        0 => lock.get_or_try_create(|| create(Form::Fallible)),
        1 => Ok(lock.access().or_create_with(|_| Made::new(or_panic(create(Form::Infallible))))),
        _ => lock.access().timeout(patience).or_try_create(|| create(Form::Fallible)),
    };
    match got {
        Ok(guard) => of_guard(&guard),
        Err(CreateError::Failed(Failure)) => Seen::Failed,
        Err(_) => Seen::Told,
    }
}

pub struct OfCached {
    lock: Cached<Value, Clock>,
}

impl Subject for OfCached {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        Self { lock: Cached::with_clock(lifetime, clock).with_shared_policy(policy) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        access_cached(&self.lock, whim, round)
    }

    asks_its_lock!();
}

/// A runner that runs its jobs on another thread, runs them on this thread, or drops them.
fn run_somehow(whim: u32, round: &Arc<Round>, job: Job) {
    struct Ends(Arc<Round>);

    impl Drop for Ends {
        fn drop(&mut self) {
            self.0.jobs.fetch_sub(1, Ordering::SeqCst);
        }
    }

    match whim {
        1 => drop(job),
        2 => job(),
        3 => {
            let _dropped_by_the_panic = job;
            std::panic::resume_unwind(Box::new(crate::OnPurpose));
        }
        _ => {
            round.jobs.fetch_add(1, Ordering::SeqCst);
            let ends = Ends(Arc::clone(round));
            drop(thread::spawn(move || {
                let _ends = ends;
                job();
            }));
        }
    }
}

/// A `Cached` whose creations are handed over if there is an old value.
pub struct InBackground {
    lock: Arc<Cached<Value, Clock>>,
}

impl Subject for InBackground {
    const HANDS_OVER: bool = true;

    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        Self { lock: Arc::new(Cached::with_clock(lifetime, clock).with_shared_policy(policy)) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let since = round.clock.now();
        let (form, patience, runs) = (whim.draw(FORMS), patience(whim), whim.draw(12));
        let (mut whims, of_creator, of_job) = (whim.fork(), Arc::clone(round), Arc::clone(&self.lock));
        let mut create = move |of: Form| {
            let again = || drop(of_job.access().timeout(Duration::ZERO).or_try_create(|| Err(Failure)));
            of_creator.create(&mut whims, of, since, again)
        };
        let runner = |job: Job| run_somehow(runs, round, job);
        let access = Cached::kept(&self.lock);
        let got = match form {
            0 => access.in_background(&runner).or_try_create(move || create(Form::Fallible)),
            1 => Ok(access.in_background(&runner).or_create(move || or_panic(create(Form::Infallible)))),
            _ => access.timeout(patience).in_background(&runner).or_try_create(move || create(Form::Fallible)),
        };
        match got {
            Ok(guard) => of_guard(&guard),
            Err(CreateError::Failed(Failure)) => Seen::Failed,
            Err(_) => Seen::Told,
        }
    }

    asks_its_lock!();
}

/// A resource that jobs swap.
pub struct ReadersInBackground {
    lock: Arc<SyncReaderDogpile<Clock>>,
    value: Arc<Swapped>,
}

impl Subject for ReadersInBackground {
    const HANDS_OVER: bool = true;

    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        let lock = Arc::new(SyncReaderDogpile::with_clock(lifetime, clock).with_shared_policy(policy));
        Self { lock, value: Arc::default() }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let since = round.clock.now();
        let (form, patience, runs) = (whim.draw(2), patience(whim), whim.draw(12));
        let (mut whims, of_creator, value) = (whim.fork(), Arc::clone(round), Arc::clone(&self.value));
        let made = Arc::new(Mutex::new(None));
        let tell = Arc::clone(&made);
        let creator = move |creation: &Creation<'_, SyncReaderDogpile<Clock>>| {
            let new = of_creator.create(&mut whims, Form::Fallible, since, || ())?;
            match creation.write_lock() {
                Ok(_alone) => value.write(new),
                // The job ran on the thread that handed it over. That thread reads, so nothing was swapped in.
                Err(WriteLockError::ReadLockHeld) => return Err(Failure),
                Err(_superseded_or_dead) => {}
            }
            *tell.lock() = Some(new);
            Ok(())
        };
        let runner = |job: Job| run_somehow(runs, round, job);
        let access = SyncReaderDogpile::kept(&self.lock);
        let guard = match form {
            0 => access.in_background(&runner).or_try_create_with(creator),
            _ => access.timeout(patience).in_background(&runner).or_try_create_with(creator),
        };
        match guard {
            Ok(guard) if *guard == Outcome::Created => Seen::Created(made.lock().expect("its creator has run")),
            Ok(_guard) => Seen::Used(self.value.read()),
            Err(CreateError::Failed(Failure)) => Seen::Failed,
            Err(_) => Seen::Told,
        }
    }

    asks_its_lock!();
}

type Maker = Box<dyn Fn(&u8) -> Cached<Value, Clock> + Send + Sync>;

/// One key of a registry that keeps nothing idle: its lock lives as long as an access uses it.
pub struct Registered {
    locks: Registry<u8, Cached<Value, Clock>, Maker>,
}

impl Subject for Registered {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        let maker: Maker = Box::new(move |_| Cached::with_clock(lifetime, Arc::clone(&clock)));
        Self { locks: Registry::with_maker(maker).with_shared_policy(policy).keep_idle(Duration::ZERO) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        access_cached(&self.locks.get(&1), whim, round)
    }

    fn invalidate(&self) {
        self.locks.get(&1).invalidate();
    }

    fn mark_stale(&self) {
        self.locks.get(&1).mark_stale();
    }

    fn is_at_rest(&self) -> bool {
        let held = self.locks.get(&1);
        held.waiting() == 0 && !held.is_creating()
    }
}

/// The arguments of a function by key. An access passes `Some`; questions about the lock pass `None`.
type Arguments<'a> = Option<&'a Asking<'a>>;

struct Asking<'a> {
    whim: RefCell<&'a mut Whim>,
    round: &'a Round,
    since: u64,
    calls: Calls,
}

type Key = for<'a, 'b> fn(&'a Arguments<'b>) -> u8;
type Function = for<'a, 'b> fn(&'a Arguments<'b>) -> Result<Value, Failure>;
type Get = Box<dyn Fn(&u8) -> Result<Option<Stamped<Value>>, Infallible> + Send + Sync>;
type Set = Box<dyn Fn(&u8, &Stamped<Value>) -> Result<(), Infallible> + Send + Sync>;
type Remove = Box<dyn Fn(&u8) -> Result<(), Infallible> + Send + Sync>;

pub struct ByKey {
    function: CachedByKey<u8, Value, Key, Function, Closures<Get, Set, Remove>, Clock>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as a function by key is called
fn make(arguments: &Arguments<'_>) -> Result<Value, Failure> {
    let asking = arguments.expect("only accesses make anything");
    let made = asking.round.create(&mut asking.whim.borrow_mut(), Form::Fallible, asking.since, || ());
    if made.is_ok() {
        asking.calls.made();
    }
    made
}

impl Subject for ByKey {
    fn new(lifetime: Duration, clock: Clock, policy: Arc<Policy>) -> Self {
        let slot = Arc::new(Mutex::new(None));
        let [of_get, of_set, of_remove] = [(); 3].map(|()| Arc::clone(&slot));
        let store: Closures<Get, Set, Remove> = Closures {
            get: Box::new(move |_| Ok(*of_get.lock())),
            set: Box::new(move |_, value| {
                *of_set.lock() = Some(*value);
                Ok(())
            }),
            remove: Box::new(move |_| {
                *of_remove.lock() = None;
                Ok(())
            }),
        };
        let function: CachedByKey<_, _, Key, Function, _> = cached_by_key(lifetime, |_| 1, make, store);
        Self { function: function.with_shared_policy(policy).with_clock(clock) }
    }

    fn access(&self, whim: &mut Whim, round: &Arc<Round>) -> Seen {
        let (form, patience) = (whim.draw(FORMS), patience(whim));
        let (whim, since) = (RefCell::new(whim), round.clock.now());
        let asking = Asking { whim, round, since, calls: Calls::default() };
        let got = match form {
            0 | 1 => self.function.try_get(&Some(&asking)),
            _ => self.function.access(&Some(&asking)).timeout(patience).try_get(),
        };
        seen(asking.calls.made.get(), got, |stamped| stamped.value)
    }

    fn invalidate(&self) {
        self.function.try_invalidate(&None).unwrap_or_else(|never| match never {});
    }

    fn mark_stale(&self) {} // it cannot

    fn is_at_rest(&self) -> bool {
        !self.function.is_creating(&None)
    }
}
