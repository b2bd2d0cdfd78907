//! The lock that owns its value: [`Dogpile`] and a place for it.
//!
//! Here are the type, and what changes the value from outside; how a lock is made is in [`new`], and what it can be
//! asked in its [`Status`]. How an access begins is in [`accesses`], how it comes to its guard in [`hit`] and
//! [`settle`], how it is served in [`serve`], [`tasks`] and [`spawned`], and what it is made of in [`crate::access`];
//! the guard is in [`guard`], what a reader keeps between its accesses in [`reader`], what a creator is handed in
//! [`renewal`], what it hands back in [`made`], and how those who waited get their value in [`tray`].
//!
//! # The value and its deadline
//!
//! The value lies in a cell that is read without waiting. It is replaced within the transitions of
//! [`election`](crate::election), under their mutex, so that value, deadline and generation move together. (Each change
//! of the cell is counted at once, for the [readers](reader).)
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

// First, so that its part of the documentation is.
mod new;

mod accesses;
mod guard;
mod hit;
mod lock;
mod made;
mod node;
mod reader;
mod renewal;
mod serve;
mod settle;
mod spawned;
mod tasks;
mod tray;

pub use guard::CachedGuard;
pub use made::Made;
pub use reader::{Guarded, Reader};
pub use renewal::Renewal;

use crate::clock::{Clock, MonotonicClock};
use crate::dogpile::{Dogpile, Status};
use crate::generation::Generation;
use crate::lock::Elects;
use crate::policy::Life;
use crate::sync::cell::ArcCell;
use crate::sync::{Arc, AtomicU64, Ordering};
use node::Node;
use std::fmt;
use std::ops::Deref;
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
/// A token that says itself how long it lives, and that a server may refuse before (see
/// [`renew_if`](crate::Access::renew_if)):
///
/// ```
/// use dogpile::{Cached, CachedGuard, Made, Renewal};
/// use std::{io, time::Duration};
///
/// static TOKEN: Cached<String> = Cached::never_expires();
/// # fn fetch(_old: Option<&String>) -> io::Result<(String, Duration)> { Ok(("secret".into(), Duration::from_secs(300))) }
/// # fn call(_: &str) -> bool { true }
///
/// fn renew(renewal: &Renewal<'_, String>) -> io::Result<Made<String>> {
///     let (token, lifetime) = fetch(renewal.old())?;
///     // Before it really ends, so that the next one is there by then.
///     Ok(Made::new(token).expires_after(lifetime * 9 / 10))
/// }
///
/// let mut token = TOKEN.access().or_try_create_with(renew)?;
/// if !call(&token) {
///     // Refused: of all threads that were refused with this token, one fetches another. The others wait for that one,
///     // and threads that were not refused go on with the old one.
///     token = TOKEN.access().renew_if(CachedGuard::generation(&token)).or_try_create_with(renew)?;
///     call(&token);
/// }
/// # Ok::<(), dogpile::CreateError<io::Error>>(())
/// ```
///
/// How old a stale value may get has no bound unless a policy [sets one](crate::PolicyBuilder::max_stale), or the value
/// does [itself](Made::max_stale): after an idle night the first to come fetches the next token, and whoever comes
/// meanwhile is given the old one, dead as it is.
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
    pub(crate) dogpile: Dogpile<C>,
    cell: ArcCell<Node<T>>,
    /// How often the cell has changed, for those who hold what was in it: see [`reader`].
    changes: AtomicU64,
    trays: Trays<T>,
}

// As for an `Arc<T>`: a panic leaves nothing half-done in here, but `T` may be seen from outside. User code runs
// between the transitions, never within one.
impl<T: RefUnwindSafe, C: Clock + UnwindSafe> UnwindSafe for Cached<T, C> {}
impl<T: RefUnwindSafe, C: Clock + RefUnwindSafe> RefUnwindSafe for Cached<T, C> {}

impl<T, C: Clock> Cached<T, C> {
    /// Puts a value there, which counts as a finished creation: it is fresh from now on. Blocks only for moments.
    ///
    /// Whoever waits for a value is given this one at once. A creation that is running is superseded: its own caller
    /// gets what it makes, and nobody else does (C6). The old value is dropped here, unless somebody reads it.
    pub fn set(&self, value: T) {
        self.put(value, Life::AS_USUAL);
    }

    /// As [`set`](Self::set), with a value that says itself how long it lives, as [`Made::expires_after`] does.
    pub fn set_expiring(&self, value: T, expires_after: Duration) {
        self.put(value, Life::of(expires_after));
    }

    fn put(&self, value: T, life: Life) {
        let node = Node::new(value);
        // The clock is the user's: it stays outside the mutex.
        let now = self.dogpile.clock().now();
        let mut old = None;
        self.dogpile.election().set(|generation| {
            old = Some(self.publish(&node, generation, now));
            self.dogpile.renew(now, life, None);
        });
        drop(old);
    }

    /// Makes that node the current one, and the one that whoever waits is served with. Under the mutex; what is
    /// returned is to be dropped after it.
    fn publish(&self, node: &Arc<Node<T>>, generation: Generation, now: u64) -> impl Sized + use<T, C> {
        node.renew(generation, now);
        (self.swap(Some(Arc::clone(node))), self.trays.serve(node))
    }

    /// Changes the cell; returns what was there. Under the mutex.
    fn swap(&self, new: Option<Arc<Node<T>>>) -> Option<Arc<Node<T>>> {
        let old = self.cell.swap(new);
        // Release: pairs with the acquires in `reader`. Whoever acquires the deadline that is stored next
        // finds this, or later.
        self.changes.fetch_add(1, Ordering::Release);
        old
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
    /// With the [generation of the guard](CachedGuard::generation) whose value was found useless, none throws away a
    /// newer value than the one that was seen.
    ///
    /// **For a caller that was refused with a value there is [`renew_if`](crate::Access::renew_if)**: by that the
    /// others carry on with the old value meanwhile, it stays there if the renewal fails, and its creator sees it. An
    /// invalidation takes the value from everybody: what can drive this method must not be in the hands of those who
    /// are refused, as a token with a made-up key id is.
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
            taken = self.swap(None);
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

impl<T, C: Clock> Elects for Cached<T, C> {
    type Clock = C;

    const OWNS_ITS_VALUE: bool = true;

    fn dogpile(&self) -> &Dogpile<C> {
        &self.dogpile
    }

    fn dogpile_mut(&mut self) -> &mut Dogpile<C> {
        &mut self.dogpile
    }
}

impl<T, C: Clock> Deref for Cached<T, C> {
    type Target = Status<C>;

    #[inline]
    fn deref(&self) -> &Status<C> {
        &self.dogpile
    }
}

/// As of any lock: whether there is a value, not what it is. That may be a secret.
impl<T, C: Clock> fmt::Debug for Cached<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.dogpile.describe("Cached", f)
    }
}
