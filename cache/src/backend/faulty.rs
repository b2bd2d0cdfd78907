//! A backend that delays, loses, doubles and fails, by a seed.

mod request;

use self::request::Request;
use crate::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Life, Limits, Look, PauseFor, Pending, Published, Renewed, Signals,
};
use crate::key::StoredKey;
use fastrand::Rng;
use std::fmt;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

/// A fault that a [`Faulty`] backend makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The server is not reached: [`Unreachable`](BackendErrorKind::Unreachable), without effect.
    Unreachable,
    /// The server refuses: [`Refused`](BackendErrorKind::Refused), without effect.
    Refused,
    /// The request is lost: [`InDoubt`](BackendErrorKind::InDoubt), without effect.
    RequestLost,
    /// The request is late: [`InDoubt`](BackendErrorKind::InDoubt), and the effect comes before one of the next few
    /// operations, or with [`Faulty::deliver`].
    RequestLate,
    /// The reply is lost: [`InDoubt`](BackendErrorKind::InDoubt), after the effect.
    ReplyLost,
    /// The request arrives twice. The second copy takes effect at once after the first, whose reply is returned.
    RequestDoubled,
    /// The request or the reply is delayed. An operation can be delayed in addition to any other fault.
    Delayed,
}

/// All faults, in the order in which they are asked.
const FAULTS: [Fault; 7] = [
    Fault::Unreachable,
    Fault::Refused,
    Fault::RequestLost,
    Fault::RequestLate,
    Fault::ReplyLost,
    Fault::RequestDoubled,
    Fault::Delayed,
];

/// How many operations a late request lets pass at most.
const LATEST: u32 = 4;

type Delay = Box<dyn Fn(f64) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// A backend between a test and another backend, which delays, loses, doubles and fails by a seed.
///
/// A new `Faulty` makes no fault. Each fault has a rate, from 0 to 1, that can be changed at any time. An operation
/// meets one fault at most, the first in the order of [`Fault`]; it may be delayed as well.
///
/// # By its seed
///
/// The fault of an operation depends on the seed, on the rates, and on the number of operations that have begun before.
/// A test that runs on one thread meets the same faults in each run. An operation begins when its future is polled for
/// the first time. `Debug` prints the seed, the rates, and how often each fault has happened.
///
/// # Signals
///
/// To [listen](Backend::listen) is an operation like any other. A request that is late is not sent at all, and what has
/// been listened to without a reply is dropped. The signals themselves meet no fault.
///
/// # Delays
///
/// By default a delay is a few polls: the future wakes its task, and is pending once to seven times. No time passes.
/// [`delayed_by`](Faulty::delayed_by) sets another delay, as a runtime's sleep.
///
/// # Cancel safety
///
/// An operation that is dropped while it is delayed has taken effect if its reply is delayed, and has not if its
/// request is.
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use dogpile_cache::backend::{Backend, Change, Entry, Fault, Faulty, Memory};
/// use dogpile_cache::codec::{Format, Shape};
/// use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let backend = Faulty::new(Memory::new(), 42).with(Fault::ReplyLost, 1.0);
///
/// let shape = Shape { schema: 1, format: Format::RAW };
/// let key = StoredKey::new(&Namespace::new("order")?, &7_u64, shape, KeyLimit::NONE);
/// let entry = Entry { bytes: Bytes::from_static(b"value"), lifetime: None };
/// let set = Change::Set { entry, void_pause: Duration::from_millis(100) };
/// assert!(backend.change(&key, set).await.unwrap_err().is_in_doubt());
///
/// backend.set_rate(Fault::ReplyLost, 0.0);
/// assert!(backend.look(&[key], None).await?[0].entry.is_some());
/// assert_eq!(backend.count_of(Fault::ReplyLost), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct Faulty<B> {
    backend: B,
    seed: u64,
    dice: Mutex<Rng>,
    /// The bits of an `f64` for each fault.
    rates: [AtomicU64; FAULTS.len()],
    counts: [AtomicU64; FAULTS.len()],
    operations: AtomicU64,
    delay: Delay,
    /// Requests that are late, and how many operations each still lets pass.
    late: Mutex<Vec<(u32, Request)>>,
}

/// The fate of one operation.
struct Fate {
    fault: Option<Fault>,
    /// Whether the request is delayed, and for which part of the longest delay.
    request_delay: Option<f64>,
    reply_delay: Option<f64>,
    /// How many operations a late request lets pass.
    lateness: u32,
}

impl<B: Backend> Faulty<B> {
    /// Puts a backend behind faults, all of which have the rate 0. Never blocks.
    #[must_use]
    pub fn new(backend: B, seed: u64) -> Faulty<B> {
        Faulty {
            backend,
            seed,
            dice: Mutex::new(Rng::with_seed(seed)),
            rates: std::array::from_fn(|_| AtomicU64::new(0.0_f64.to_bits())),
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            operations: AtomicU64::new(0),
            delay: Box::new(|part| Box::pin(polls(part))),
            late: Mutex::default(),
        }
    }

    /// Sets the rate of a fault: 0 is never, 1 is always. Never blocks.
    ///
    /// # Panics
    ///
    /// Panics if `rate` is below 0, above 1, or not a number.
    #[must_use]
    pub fn with(self, fault: Fault, rate: f64) -> Faulty<B> {
        self.set_rate(fault, rate);
        self
    }

    /// Sets the rate of a fault, for the operations that begin later. Never blocks.
    ///
    /// # Panics
    ///
    /// Panics if `rate` is below 0, above 1, or not a number.
    pub fn set_rate(&self, fault: Fault, rate: f64) {
        assert!((0.0..=1.0).contains(&rate), "a rate is from 0 to 1");
        // Relaxed: a number of its own; the operations that a test begins later are ordered by what the test does.
        self.rates[fault as usize].store(rate.to_bits(), Ordering::Relaxed);
    }

    /// Sets the delay: `delay` takes a part of the longest delay, from 0 to 1, and returns a future that the operation
    /// waits for.
    ///
    /// # Examples
    ///
    /// A network that takes up to a second, in the paused time of tokio: no real time passes.
    ///
    /// ```
    /// use dogpile_cache::backend::{Backend, Fault, Faulty, Memory};
    /// use std::time::Duration;
    /// use tokio::time::{sleep, timeout};
    ///
    /// # let paused = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    /// # paused.block_on(async { // or `#[tokio::test(start_paused = true)]`
    /// let second = Duration::from_secs(1);
    /// let backend =
    ///     Faulty::new(Memory::new(), 42).with(Fault::Delayed, 1.0).delayed_by(move |part| sleep(second.mul_f64(part)));
    /// assert!(timeout(second / 1000, backend.ping()).await.is_err());
    /// assert!(timeout(second * 2, backend.ping()).await.is_ok());
    /// # });
    /// ```
    #[must_use]
    pub fn delayed_by<F>(mut self, delay: impl Fn(f64) -> F + Send + Sync + 'static) -> Faulty<B>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.delay = Box::new(move |part| Box::pin(delay(part)));
        self
    }

    /// Returns the backend that is behind the faults. Never blocks.
    #[must_use]
    pub fn backend(&self) -> &B {
        &self.backend
    }

    /// Returns the seed. Never blocks.
    #[must_use]
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns how often a fault has happened. Never blocks.
    #[must_use]
    pub fn count_of(&self, fault: Fault) -> u64 {
        // Relaxed: a number of its own.
        self.counts[fault as usize].load(Ordering::Relaxed)
    }

    /// Returns how many operations have begun. Never blocks.
    #[must_use]
    pub fn operations(&self) -> u64 {
        // Relaxed: a number of its own.
        self.operations.load(Ordering::Relaxed)
    }

    /// Delivers all requests that are late.
    ///
    /// # Cancel safety
    ///
    /// A request whose delivery was dropped is delivered or lost.
    pub async fn deliver(&self) {
        let late = std::mem::take(&mut *lock(&self.late));
        for (_, request) in late {
            request.send(&self.backend).await;
        }
    }

    /// Rolls the dice for an operation: always the same number of times.
    fn fate(&self) -> Fate {
        // Relaxed, here and below: numbers of their own.
        self.operations.fetch_add(1, Ordering::Relaxed);
        let (rolls, part, of_request, lateness) = {
            let mut dice = lock(&self.dice);
            (FAULTS.map(|_| dice.f64()), dice.f64(), dice.bool(), dice.u32(1..=LATEST))
        };
        let happens = |fault: &Fault| {
            let number = *fault as usize;
            rolls[number] < f64::from_bits(self.rates[number].load(Ordering::Relaxed))
        };
        let fault = FAULTS.into_iter().filter(|fault| *fault != Fault::Delayed).find(happens);
        let delay = happens(&Fault::Delayed).then_some(part);
        for fault in fault.into_iter().chain(delay.map(|_| Fault::Delayed)) {
            self.counts[fault as usize].fetch_add(1, Ordering::Relaxed);
        }
        let (request_delay, reply_delay) = if of_request { (delay, None) } else { (None, delay) };
        Fate { fault, request_delay, reply_delay, lateness }
    }

    /// Returns the late requests whose time has come.
    fn due(&self) -> Vec<Request> {
        let mut late = lock(&self.late);
        for (passes, _) in late.iter_mut() {
            *passes -= 1;
        }
        late.extract_if(.., |(passes, _)| *passes == 0).map(|(_, request)| request).collect()
    }

    async fn wait(&self, delay: Option<f64>) {
        if let Some(part) = delay {
            (self.delay)(part).await;
        }
    }

    /// Makes an operation. `request` returns the request that is sent late; `None` if the operation has no effect.
    fn operate<'a, T: Send + 'a>(
        &'a self,
        request: impl Fn() -> Option<Request> + Send + Sync + 'a,
        send: impl Fn() -> Pending<'a, T> + Send + Sync + 'a,
    ) -> Pending<'a, T> {
        Box::pin(async move {
            let fate = self.fate();
            for request in self.due() {
                request.send(&self.backend).await;
            }
            self.wait(fate.request_delay).await;
            let fails = |kind| Err(BackendError::new(kind).caused_by(format!("by the seed {}", self.seed)));
            let done = match fate.fault {
                Some(Fault::Unreachable) => fails(BackendErrorKind::Unreachable),
                Some(Fault::Refused) => fails(BackendErrorKind::Refused),
                Some(Fault::RequestLost) => fails(BackendErrorKind::InDoubt),
                Some(Fault::RequestLate) => {
                    if let Some(request) = request() {
                        lock(&self.late).push((fate.lateness, request));
                    }
                    fails(BackendErrorKind::InDoubt)
                }
                Some(Fault::ReplyLost) => {
                    // The reply is lost, whatever it says.
                    let _ = send().await;
                    fails(BackendErrorKind::InDoubt)
                }
                Some(Fault::RequestDoubled) => {
                    let first = send().await;
                    let _ = send().await;
                    first
                }
                Some(Fault::Delayed) | None => send().await,
            };
            self.wait(fate.reply_delay).await;
            done
        })
    }
}

impl<B: Backend> Backend for Faulty<B> {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        // With an ask it may claim.
        let request = move || ask.map(|ask| Request::Look(keys.to_vec(), ask));
        self.operate(request, move || self.backend.look(keys, ask))
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        let late = claim.clone();
        let request = move || Some(Request::Claim(key.clone(), late.clone()));
        self.operate(request, move || self.backend.claim(key, claim.clone()))
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        let request = move || Some(Request::Renew(key.clone(), *grant, lease));
        self.operate(request, move || self.backend.renew(key, grant, lease))
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        let late = entry.clone();
        let request = move || Some(Request::Publish(key.clone(), *grant, late.clone()));
        self.operate(request, move || self.backend.publish(key, grant, entry.clone()))
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        let request = move || Some(Request::End(key.clone(), *grant, pause));
        self.operate(request, move || self.backend.end(key, grant, pause))
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        let late = change.clone();
        let request = move || Some(Request::Change(key.clone(), late.clone()));
        self.operate(request, move || self.backend.change(key, change.clone()))
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        let request = move || Some(Request::Count(key.clone(), count));
        self.operate(request, move || self.backend.count(key, count))
    }

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        let send = move || self.backend.listen(key).unwrap_or_else(|| Box::pin(ready(Err(deaf()))));
        self.backend.limits().has_signals.then(|| self.operate(|| None, send))
    }

    fn ping(&self) -> Pending<'_, ()> {
        self.operate(|| None, || self.backend.ping())
    }

    fn address_of(&self, key: &StoredKey) -> Option<String> {
        self.backend.address_of(key)
    }

    fn server_of(&self, key: &StoredKey) -> u64 {
        self.backend.server_of(key)
    }

    fn life_of(&self, key: &StoredKey) -> Option<Life> {
        self.backend.life_of(key)
    }

    fn is_locked(&self, key: &StoredKey) -> bool {
        self.backend.is_locked(key)
    }

    fn limits(&self) -> Limits {
        self.backend.limits()
    }
}

impl<B: fmt::Debug> fmt::Debug for Faulty<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Faulty");
        shown.field("backend", &self.backend).field("seed", &self.seed);
        shown.field("operations", &self.operations.load(Ordering::Relaxed));
        for fault in FAULTS {
            let rate = f64::from_bits(self.rates[fault as usize].load(Ordering::Relaxed));
            let count = self.counts[fault as usize].load(Ordering::Relaxed);
            if rate > 0.0 || count > 0 {
                shown.field(&format!("{fault:?}"), &format_args!("{count} at {rate}"));
            }
        }
        shown.finish_non_exhaustive()
    }
}

/// A backend says that it has signals, and has none.
fn deaf() -> BackendError {
    BackendError::new(BackendErrorKind::Refused).caused_by("this backend has no signals")
}

/// Is pending for up to seven polls, and wakes its task each time.
async fn polls(part: f64) {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // from 1 to 7
    let mut left = 1 + (part * 6.99) as u32;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(());
        }
        left -= 1;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Takes a mutex, under which nothing panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
