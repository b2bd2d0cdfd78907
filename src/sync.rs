//! The shim. This module and the modules below it are the only ones that use the primitives of synchronization of std,
//! `parking_lot`, crossbeam, the kernel and loom.
//!
//! Normally these are std's atomics, `parking_lot`'s mutex and crossbeam's `Parker` for each thread. Under
//! `cfg(dogpile_loom)` they are twins that the model checker sees. Two things differ there:
//!
//! - A time-out has no clock. A wait that may time out does so at its first chance. Since loom runs the other threads
//!   in every order up to that moment, this covers a time-out before, during and after anything that they do.
//! - A model can `plant` a [`Mutant`], which is a fault on purpose, and must then fail. This shows that the model looks
//!   at the code that it claims to look at.

pub(crate) mod cell;
pub(crate) mod fences;
#[cfg(not(dogpile_loom))]
pub(crate) mod monitor;
mod mutant;
pub(crate) mod once;
#[cfg(not(dogpile_loom))]
mod parking;
#[cfg(not(dogpile_loom))]
pub(crate) mod process;

#[cfg(any(test, dogpile_loom))]
use std::task::Poll;
use std::task::Waker;

pub(crate) use imp::{AtomicBool, AtomicU32, AtomicU64, Mutex, MutexGuard, Ordering, count, global, local};
pub use imp::{Deadline, block_by};
pub use mutant::Mutant;
pub(crate) use mutant::mutant;
#[cfg(dogpile_loom)]
pub use mutant::plant;
use std::cell::Cell;
pub(crate) use std::sync::{Arc, OnceLock, Weak};

/// A number that orders nothing: the models need not see it.
pub(crate) type Counter = std::sync::atomic::AtomicU64;
/// A flag that orders nothing.
pub(crate) type Flag = std::sync::atomic::AtomicBool;

/// Makes a `const fn`, or a plain one where loom's constructors forbid a `const` one.
macro_rules! const_fn {
    ($(#[$meta:meta])* $vis:vis const fn $($rest:tt)+) => {
        #[cfg(not(dogpile_loom))]
        $(#[$meta])*
        $vis const fn $($rest)+

        #[cfg(dogpile_loom)]
        $(#[$meta])*
        #[allow(clippy::missing_const_for_fn)]
        $vis fn $($rest)+
    };
}
pub(crate) use const_fn;

/// Returns a number that no other call in this process returns, larger than the numbers before it in this thread's
/// view. (The models do not see how it is made: it orders nothing.)
pub(crate) fn unique() -> u64 {
    static NEXT: Counter = Counter::new(0);
    // Relaxed: only the count itself is needed.
    NEXT.fetch_add(1, Ordering::Relaxed)
}

local! {
    /// Where the data of this thread's own waker lie; 0 if the thread has none. (It has no destructor, since threads
    /// wait in the destructors of other locals.)
    static OWN: Cell<usize> = const { Cell::new(0) };
}

/// Returns whether this thread parks by that waker. (The answer may be no all the same: then the thread is woken as a
/// task is.)
pub(crate) fn is_of_this_thread(waker: &Waker) -> bool {
    let own = OWN.with(Cell::get);
    // No other waker's data lie where this thread's do.
    own == waker.data().addr() && own != 0
}

/// As `block_by`, with a `poll` that need not be called before it is woken. For tests and models.
#[cfg(any(test, dogpile_loom))]
pub fn block_until<T>(deadline: Deadline, mut poll: impl FnMut(&Waker) -> Poll<T>) -> Option<T> {
    block_by(deadline, |waker| match poll(waker) {
        Poll::Ready(ready) => Ok(ready),
        Poll::Pending => Err(None),
    })
}

/// The loop by which a thread waits: it polls. If that is pending, it parks until it is woken, or until it is to poll
/// again, or until it is out of time. A thread that has slept until its time was out polls once more.
fn park_until_ready<T>(
    deadline: Deadline,
    poll: &mut impl FnMut(&Waker) -> Result<T, Option<Deadline>>,
    waker: &Waker,
    park: impl Fn(Deadline) -> bool,
) -> Option<T> {
    loop {
        match poll(waker) {
            Ok(ready) => return Some(ready),
            Err(nap) => {
                let until = nap.map_or(deadline, |nap| nap.sooner(deadline));
                if !park(until) && deadline.has_passed() {
                    return None;
                }
            }
        }
    }
}

#[cfg(not(dogpile_loom))]
mod imp {
    use super::parking::Parking;
    use super::{OWN, park_until_ready};
    use std::task::Waker;
    use std::time::{Duration, Instant};

    pub(crate) use parking_lot::{Mutex, MutexGuard};
    pub(crate) use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
    pub(crate) use std::thread_local as local;

    /// A `static`, as it is.
    macro_rules! global {
        ($(#[$meta:meta])* static $name:ident: $type:ty = $init:expr;) => {
            $(#[$meta])*
            static $name: $type = $init;
        };
    }
    pub(crate) use global;

    /// A count of the whole process that orders nothing. What is to be done with it is passed as a closure.
    macro_rules! count {
        ($(#[$meta:meta])* fn $name:ident;) => {
            $(#[$meta])*
            fn $name<R>(with: impl FnOnce(&$crate::sync::Counter) -> R) -> R {
                static COUNT: $crate::sync::Counter = $crate::sync::Counter::new(0);
                with(&COUNT)
            }
        };
    }
    pub(crate) use count;

    /// When a wait ends for want of time; a deadline past the end of `Instant` never comes.
    #[derive(Clone, Copy, Debug)]
    pub struct Deadline(Option<Instant>);

    impl Deadline {
        pub(crate) const fn never() -> Self {
            Self(None)
        }

        pub(crate) fn after(timeout: Duration) -> Self {
            Self(Instant::now().checked_add(timeout))
        }

        /// Returns how long it is until the deadline; `None` if that never comes.
        pub(crate) fn left(self) -> Option<Duration> {
            self.0.map(|at| at.saturating_duration_since(Instant::now()))
        }

        pub(crate) fn has_passed(self) -> bool {
            self.left().is_some_and(|left| left.is_zero())
        }

        /// Returns the moment, if it ever comes.
        pub(crate) fn at(self) -> Option<Instant> {
            self.0
        }

        /// Returns the deadline of the two that comes first.
        pub(crate) fn sooner(self, other: Self) -> Self {
            Self(self.0.into_iter().chain(other.0).min())
        }
    }

    /// This thread's place to park, as long as its waker is known for its own.
    struct Own(Parking);

    impl Own {
        fn new() -> Self {
            let parking = Parking::new();
            OWN.set(parking.waker().data().addr());
            Self(parking)
        }
    }

    impl Drop for Own {
        fn drop(&mut self) {
            OWN.set(0);
        }
    }

    std::thread_local! {
        // Made once per thread that ever waits. A token left over from an earlier wait costs only one more poll.
        static HERE: Own = Own::new();
    }

    /// Blocks this thread until `poll` is ready (`Some`) or the deadline has passed (`None`). `poll` runs once at the
    /// least. A `poll` that is pending has arranged for its waker to be woken, and may say when it is to be called
    /// again at the latest.
    pub fn block_by<T>(deadline: Deadline, mut poll: impl FnMut(&Waker) -> Result<T, Option<Deadline>>) -> Option<T> {
        let mut block = |Own(parking): &Own| {
            let park = |until: Deadline| {
                if until.has_passed() {
                    return false;
                }
                parking.park(until.at());
                true
            };
            park_until_ready(deadline, &mut poll, parking.waker(), park)
        };
        // Where this thread's locals are already gone, it waits inside a destructor of one of them.
        HERE.try_with(&mut block).unwrap_or_else(|_| block(&Own::new()))
    }
}

#[cfg(dogpile_loom)]
mod imp {
    use super::{Arc, OWN, park_until_ready};
    use loom::sync::Condvar;
    use std::task::{Wake, Waker};
    use std::time::Duration;

    pub(crate) use loom::sync::MutexGuard;
    pub(crate) use loom::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

    /// `loom::thread_local!`, which does not know `const` initializers.
    macro_rules! local {
        ($($(#[$meta:meta])* static $name:ident: $type:ty = const $init:block;)+) => {
            loom::thread_local! { $($(#[$meta])* static $name: $type = $init;)+ }
        };
    }
    pub(crate) use local;

    /// A `static` that each run of a model finds as it was in the beginning.
    macro_rules! global {
        ($(#[$meta:meta])* static $name:ident: $type:ty = $init:expr;) => {
            loom::lazy_static! { $(#[$meta])* static ref $name: $type = $init; }
        };
    }
    pub(crate) use global;

    /// A count of each model by itself: all threads of a model are one thread of the system, and other models run
    /// beside it.
    macro_rules! count {
        ($(#[$meta:meta])* fn $name:ident;) => {
            $(#[$meta])*
            fn $name<R>(with: impl FnOnce(&$crate::sync::Counter) -> R) -> R {
                std::thread_local! { static COUNT: $crate::sync::Counter = const { $crate::sync::Counter::new(0) }; }
                COUNT.with(with)
            }
        };
    }
    pub(crate) use count;

    /// `loom::sync::Mutex` with `parking_lot`'s signature: no poisoning.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Self {
            Self(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().expect("loom's mutex is not poisoned: a model that panics is over")
        }
    }

    /// Either never, or at the first chance.
    #[derive(Clone, Copy, Debug)]
    pub struct Deadline(bool);

    impl Deadline {
        pub(crate) const fn never() -> Self {
            Self(false)
        }

        /// Returns the deadline at the first chance, or the one that never comes if the time-out has no end.
        pub fn after(timeout: Duration) -> Self {
            Self(timeout != Duration::MAX)
        }

        /// Returns whether the deadline may have passed, which is whether there is one.
        pub fn has_passed(self) -> bool {
            self.0
        }

        pub(crate) fn sooner(self, other: Self) -> Self {
            Self(self.0 || other.0)
        }
    }

    /// A parker made of loom's parts: `loom::thread::park` shares its token with `Condvar`, so it will not do.
    struct Token {
        given: loom::sync::Mutex<bool>,
        changed: Condvar,
    }

    impl Token {
        fn take(&self) {
            let mut given = self.given.lock().unwrap();
            while !*given {
                given = self.changed.wait(given).unwrap();
            }
            *given = false;
        }
    }

    impl Wake for Token {
        fn wake(self: Arc<Self>) {
            *self.given.lock().unwrap() = true;
            self.changed.notify_one();
        }
    }

    /// As its namesake above. A nap is for a clock that goes by itself, which no model has. So a nap ends by a wake-up
    /// here, or not at all.
    pub fn block_by<T>(deadline: Deadline, mut poll: impl FnMut(&Waker) -> Result<T, Option<Deadline>>) -> Option<T> {
        let token = Arc::new(Token { given: loom::sync::Mutex::new(false), changed: Condvar::new() });
        let waker = Waker::from(Arc::clone(&token));
        let outer = OWN.with(|own| own.replace(waker.data().addr()));
        let ended = park_until_ready(deadline, &mut poll, &waker, |_| {
            if deadline.has_passed() {
                return false;
            }
            token.take();
            true
        });
        OWN.with(|own| own.set(outer));
        ended
    }
}
