//! The lock that owns its value: [`Dogpile`] and a place for it.
//!
//! Here are the type, its questions, and what changes the value from outside; how an access comes to its guard is in
//! [`access`], the forms where the creation is handed over in [`in_background`], those for tasks in [`tasks`], the
//! guard in [`guard`], what a creator is handed and hands back in [`renewal`], and how those who waited get their value
//! in [`tray`].
//!
//! # The value and its deadline
//!
//! The value lies in a cell that is read without waiting. It is replaced within the transitions of
//! [`election`](crate::election), under their mutex, so that value, deadline and generation move together:
//!
//! | transition | first | then | the generation | the tray |
//! |---|---|---|---|---|
//! | finish, set | the new value into the cell | the deadline, released | + 1 | the new value |
//! | finish unchanged | - | the deadline, released | + 1, also that of the value | the old value |
//! | finish, superseded | - | - | stays | the value that was made, unless there is a newer one |
//! | invalidate, take | the deadline: missing | the cell: empty | + 1 | - |
//! | mark | - | the deadline: stale | stays | - |
//!
//! # Why it holds
//!
//! - *A hit finds what it was told of, or newer (L4).* It acquires the deadline first and reads the cell second; the
//!   cell was filled before that deadline was released.
//! - *What is missing is not read (L6).* An access that begins after an invalidation has returned finds the deadline
//!   missing, or a newer one, and then what was put into the cell after it was emptied. One that found a deadline and
//!   then an empty cell was overtaken by an invalidation, and looks again; the deadline that it finds then is at least
//!   as new.
//! - *An old value is not brought back (L6).* What a creator may answer "unchanged" of is read under the mutex, in the
//!   generation that it was elected in. While that stands the cell has not moved, and if it has moved at the end
//!   nothing is published.
//! - *Who waited is served (L3),* though the value may have been superseded or invalidated before it wakes: see
//!   [`tray`].
//! - *No user code under the mutex (C22).* What is taken out of cell and tray is carried out of the transition and
//!   dropped after it.

mod access;
mod guard;
mod in_background;
mod renewal;
mod tasks;
mod tray;

pub use guard::CachedGuard;
pub use renewal::{Made, Renewal};

use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::Dogpile;
use crate::election::Generation;
use crate::freshness::Freshness;
use crate::lock::{Elects, Lock, ask_the_dogpile, ruled_as_the_dogpile};
use crate::policy::Policy;
use crate::sync::cell::ArcCell;
use crate::sync::{Arc, AtomicU64, Ordering, const_fn};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::time::Duration;
use tray::Trays;

/// A value that is kept fresh: a [`Dogpile`] that owns it.
///
/// For one expensive thing that many threads read and that ages: a token, a key set, a table of rates, a template, a
/// model, a parsed file. Each read says how to make it anew; if it is fresh, that costs nothing. (To say it once, see
/// [`CachedFn`](crate::CachedFn).)
///
/// A read yields a [`CachedGuard`], which derefs to the value and keeps the one that was read, however long it is held:
/// it delays nobody.
///
/// # Several threads at once
///
/// | the value is | the first to come | the others, until its creation ends |
/// |---|---|---|
/// | fresh | gets it | get it |
/// | stale | is elected, creates, and gets the new one | get the old one, without waiting |
/// | missing | is elected, creates, and gets the new one | wait; that one creation serves them all |
///
/// If a creation fails, the value stays what it was. With a stale one, the next access is elected; with none, exactly
/// one of those who wait is, and the others go on waiting.
///
/// # Cost
///
/// A hit reads the clock as one of [`Dogpile`] does, and marks the value as being read in memory of its own thread: 8
/// to 12 ns in all, as the compiler inlines it, on any number of threads at once. It takes no lock, writes no shared
/// memory, and allocates on a thread's first read only. A thread that holds more than eight guards (of this crate or of
/// arc-swap, which they are made of) counts the others in the value itself, which readers share.
///
/// # Memory ordering
///
/// What a creator did before it returned happens before whatever a reader of its value does, and before the next
/// creator runs. What was done before [`set`](Self::set) happens before whatever a reader of that value does.
///
/// # Deadlocks
///
/// As for [`Dogpile`]: a creator that asks for the value that it is making, where there is none, is told so, and so is
/// the last of several that would wait for each other.
///
/// # Fork
///
/// In a child made by fork(2) a creation that another thread was running does not end: see [`Fork`](crate#fork).
///
/// # Examples
///
/// ```
/// use dogpile::Cached;
/// use std::time::Duration;
///
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600));
///
/// fn rate(currency: usize) -> f64 {
///     RATES.get_or_create(|| vec![1.0, 1.09] /* slow */)[currency]
/// }
/// assert_eq!(rate(1), 1.09);
/// ```
///
/// A token that says itself how long it lives, and that a server may refuse before:
///
/// ```
/// use dogpile::{Cached, CachedGuard, Made};
/// use std::time::Duration;
///
/// static TOKEN: Cached<String> = Cached::never_expires();
/// # fn fetch() -> Result<(String, Duration), std::io::Error> { Ok(("secret".into(), Duration::from_secs(300))) }
/// # fn call(_: &str) -> bool { true }
/// loop {
///     let token = TOKEN.get_or_try_create_with(|_| {
///         let (token, lifetime) = fetch()?;
///         // Before it really ends, so that the one who fetches the next is done by then.
///         Ok::<_, std::io::Error>(Made::new(token).expires_after(lifetime * 9 / 10))
///     })?;
///     if call(&token) {
///         break;
///     }
///     // Refused: of all who were refused with this one, one fetches another. (Give up after a few.)
///     TOKEN.invalidate_if(CachedGuard::generation(&token));
/// }
/// # Ok::<(), dogpile::CreateError<std::io::Error>>(())
/// ```
///
/// How old a stale value may get has no bound unless a policy [sets one](crate::PolicyBuilder::max_stale): after an
/// idle night the first to come fetches the next token, and whoever comes meanwhile is given the old one, dead as it
/// is.
///
/// On a clock of one's own, for tests:
///
/// ```
/// use dogpile::{Cached, Clock, ManualClock, MonotonicClock};
/// use std::{sync::Arc, time::Duration};
///
/// struct Client<C: Clock = MonotonicClock> {
///     token: Cached<String, C>,
/// }
/// impl<C: Clock> Client<C> {
///     fn with_clock(clock: C) -> Self {
///         Self { token: Cached::with_clock(Duration::from_secs(300), clock) } // `Duration::MAX`: it never expires
///     }
/// }
///
/// let clock = Arc::new(ManualClock::new());
/// let client = Client::with_clock(Arc::clone(&clock));
/// client.token.set("secret".into());
/// clock.advance(Duration::from_secs(300));
/// assert!(client.token.is_expired());
/// ```
///
/// `Send` and `Sync` if `T` is both, as for an `Arc<T>`:
///
/// ```
/// fn shared<S: Send + Sync>() {}
/// shared::<dogpile::Cached<String>>();
/// ```
///
/// ```compile_fail
/// fn shared<S: Send + Sync>() {}
/// shared::<dogpile::Cached<std::cell::Cell<u64>>>();
/// ```
pub struct Cached<T, C: Clock = MonotonicClock> {
    dogpile: Dogpile<C>,
    cell: ArcCell<Node<T>>,
    trays: Trays<T>,
}

/// A value, and the latest generation in which it is known to be the current one.
#[derive(Debug)]
struct Node<T> {
    value: Arc<T>,
    generation: AtomicU64,
}

impl<T> Node<T> {
    /// Before anybody else sees it, it is given its generation.
    fn new(value: T) -> Arc<Self> {
        Arc::new(Self { value: Arc::new(value), generation: AtomicU64::new(0) })
    }

    fn renew(&self, generation: Generation) {
        // Relaxed: whoever reads it only compares it, under the mutex, with the generation that is current then.
        self.generation.store(generation.as_number(), Ordering::Relaxed);
    }

    fn generation(&self) -> Generation {
        // Relaxed: see `renew`.
        Generation::from_number(self.generation.load(Ordering::Relaxed))
    }
}

// As for an `Arc<T>`: a panic leaves nothing half-done in here, but `T` may be seen from outside. User code runs
// between the transitions, never within one.
impl<T: RefUnwindSafe, C: Clock + UnwindSafe> UnwindSafe for Cached<T, C> {}
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> RefUnwindSafe for Cached<T, C> {}

impl<T> Cached<T> {
    const_fn! {
        /// No value yet; one expires `expires_after` its creator returned, unless it [says itself](Made::expires_after)
        /// when.
        ///
        /// Precision, zero and `Duration::MAX` are those of [`Dogpile::new`].
        #[must_use]
        pub const fn new(expires_after: Duration) -> Self {
            Self::with_clock(expires_after, MonotonicClock)
        }
    }

    const_fn! {
        /// No value yet; it does not expire, unless it [says itself](Made::expires_after) when. It is created once, and
        /// again when [invalidated](Self::invalidate) or [marked stale](Self::mark_stale).
        #[must_use]
        pub const fn never_expires() -> Self {
            Self::new(Duration::MAX)
        }
    }
}

impl<T, C: Clock> Cached<T, C> {
    const_fn! {
        /// As [`new`](Cached::new), on a clock of one's own.
        #[must_use]
        pub const fn with_clock(expires_after: Duration, clock: C) -> Self {
            Self { dogpile: Dogpile::with_clock(expires_after, clock), cell: ArcCell::new(), trays: Trays::new() }
        }
    }

    ruled_as_the_dogpile! {}

    ask_the_dogpile! {
        /// Whether the value is fresh, stale or missing. Never blocks.
        fn freshness() -> Freshness;
        /// Whether the value has expired or is missing. Never blocks.
        fn is_expired() -> bool;
        /// Whether there is a value, fresh or stale. Never blocks.
        fn has_value() -> bool;
        /// How long ago the value was created, set, or found unchanged, as [`Dogpile::age`]; `None` if it is missing.
        /// Never blocks.
        fn age() -> Option<Duration>;
        /// Whether a creation is running. Never blocks.
        fn is_creating() -> bool;
        /// How many threads and tasks wait for a creation right now. Blocks only for the moments in which the queue
        /// changes. A wait of a task in the middle of a creator is counted from when the creator has polled it again, as the
        /// wait has asked.
        fn waiting() -> usize;
        /// The current generation. Blocks only for the moments in which it moves.
        ///
        /// That of a value which was read is told by [`CachedGuard::generation`].
        fn generation() -> Generation;
        /// How long a value lives that does not say so itself; `Duration::MAX` if it never expires.
        fn expires_after() -> Duration;
    }

    const_fn! {
        pub(crate) const fn rule(&mut self, policy: &'static Policy) {
            self.dogpile.rule(policy);
        }
    }

    /// Puts a value there, which counts as a finished creation: it is fresh from now on. Blocks only for moments.
    ///
    /// Whoever waits for a value is given this one at once. A creation that is running is superseded: its own caller
    /// gets what it makes, and nobody else does (C6). The old value is dropped here, unless somebody reads it.
    pub fn set(&self, value: T) {
        self.put(value, None);
    }

    /// As [`set`](Self::set), with a value that says itself how long it lives, as [`Made::expires_after`] does.
    pub fn set_expiring(&self, value: T, expires_after: Duration) {
        self.put(value, Some(expires_after));
    }

    fn put(&self, value: T, lifetime: Option<Duration>) {
        let node = Node::new(value);
        // The clock is the user's: it stays outside the mutex.
        let now = self.dogpile.clock().now();
        let mut old = None;
        self.dogpile.election().set(|generation| {
            old = Some(self.publish(&node, generation));
            self.dogpile.renew(now, lifetime, None);
        });
        drop(old);
    }

    /// Makes that node the current one, and the one that whoever waits is served with. Under the mutex; what is
    /// returned is to be dropped after it.
    fn publish(&self, node: &Arc<Node<T>>, generation: Generation) -> impl Sized + use<T, C> {
        node.renew(generation);
        (self.cell.swap(Some(Arc::clone(node))), self.trays.serve(node))
    }

    /// Takes the value out, and [invalidates](Self::invalidate). Blocks only for moments.
    ///
    /// Those who are reading it keep it as well.
    pub fn take(&self) -> Option<Arc<T>> {
        self.forget(None).1.map(|node| Arc::clone(&node.value))
    }

    /// Forgets the value: the next access creates, the others wait for it. Blocks only for moments.
    ///
    /// A creation that is running is superseded: its value does not become the current one (L6); those who waited for
    /// it since before get it, whoever asks from now on waits until it has ended and a new one is made. The old value
    /// is dropped here, unless somebody reads it.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever the next creator does.
    pub fn invalidate(&self) {
        drop(self.take());
    }

    /// [Invalidates](Self::invalidate), unless the generation has moved since `seen`. Returns whether it did.
    ///
    /// With the [generation of the guard](CachedGuard::generation) whose value was found useless: of 64 threads that
    /// were refused with one token, one causes a renewal, and none throws away a newer one than it has seen.
    ///
    /// If not, there is most often another value by now: read again. It may be the same one once more, if it was found
    /// [unchanged](Renewal::unchanged) just before this call, by a creator who asked before it went bad; then the next
    /// round has it invalidated. The value of a creation that was superseded, which only its own caller and those who
    /// waited have, cannot be invalidated, since it is not there.
    ///
    /// A renewal that is already running on a stale value is superseded, since it may have begun before the value went
    /// bad.
    pub fn invalidate_if(&self, seen: Generation) -> bool {
        self.forget(Some(seen)).0
    }

    /// Returns whether the generation allowed it, and what was there, to be dropped outside every lock.
    fn forget(&self, only_if: Option<Generation>) -> (bool, Option<Arc<Node<T>>>) {
        let mut taken = None;
        let forgotten = self.dogpile.election().invalidate(only_if, || {
            self.dogpile.expiry().forget();
            taken = self.cell.swap(None);
        });
        (forgotten.is_some(), taken)
    }

    /// Makes the value stale: the next access creates, the others carry on with it. Never blocks on a creation.
    ///
    /// A creation that is running publishes its value as stale, so that the next access creates once more. A value that
    /// is missing stays missing.
    ///
    /// # Memory ordering
    ///
    /// What this thread did before happens before whatever a creator does that is elected afterwards.
    pub fn mark_stale(&self) {
        self.dogpile.mark_stale();
    }
}

impl<T, C: Clock> Lock for Cached<T, C> {}

impl<T, C: Clock> Elects for Cached<T, C> {
    type Clock = C;

    fn dogpile(&self) -> &Dogpile<C> {
        &self.dogpile
    }

    fn dogpile_mut(&mut self) -> &mut Dogpile<C> {
        &mut self.dogpile
    }
}

impl<T: fmt::Debug, C: Clock> fmt::Debug for Cached<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cached")
            .field("value", &self.cell.load().as_deref().map(|node| &node.value))
            .field("freshness", &self.freshness())
            .field("generation", &self.generation())
            .field("creating", &self.is_creating())
            .finish_non_exhaustive()
    }
}
