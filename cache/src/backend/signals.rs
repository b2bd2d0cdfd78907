//! Signals: hints of a backend that something has happened at a place (G16).
//!
//! An access that waits for the creation of another process would like to know when that has ended. It asks its backend
//! to [`listen`](crate::backend::Backend::listen) to the place, and holds the [`Signals`] while it waits.
//!
//! [`Signals`] says what a signal promises. A process listens to a place once, however many of its accesses do:
//! [`Listeners`] counts them by place, and hands the signals over. A backend that does that in another way implements
//! [`Listener`].

mod listeners;

pub use self::listeners::Listeners;

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

/// A hint that something has happened at a place: a reason to look again. [`Signals`] says what it
/// promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// An entry was stored, moved or marked. A waiter looks at once: there may be a value to be had.
    Changed,
    /// A grant has ended without a value, or an invalidation has deleted what was there. A waiter looks after a short
    /// random time: each waiting process of the fleet would claim now.
    Freed,
    /// Signals may have been lost: a connection was made anew, or the server has lost its data. A waiter looks after a
    /// short random time, since all waiters of the fleet may have heard of the same gap.
    Gap,
}

impl Signal {
    /// Returns the signal that stands for two, in any order: the one that calls for the earlier look. `Changed` stands
    /// for all others, and `Gap` for `Freed`.
    #[must_use]
    pub const fn fold(self, other: Signal) -> Signal {
        match (self, other) {
            (Signal::Changed, _) | (_, Signal::Changed) => Signal::Changed,
            (Signal::Gap, _) | (_, Signal::Gap) => Signal::Gap,
            (Signal::Freed, Signal::Freed) => Signal::Freed,
        }
    }
}

/// The signals of one place, from when the backend began to listen until this is dropped.
///
/// # What a signal says
///
/// A signal says "look again", and nothing of what is there. A backend may drop any signal, repeat it, delay it, and
/// hand signals over in another order. None of that changes what an access returns, but only how long it waits: an
/// access that listens looks after each [poll](crate::RegionBuilder::poll), too, whether it has heard a signal or not
/// (G5).
///
/// # What is not lost
///
/// Between [`listen`](crate::backend::Backend::listen) and the first [`heard`](Self::heard), and between one `heard`
/// and the next, signals are kept. Several of them fold into one: see [`Signal::fold`]. So a waiter listens, then
/// looks, then waits: what happens after the look ends the wait. (A backend that has lost its connection cannot keep
/// that. It says so by [`Signal::Gap`].)
///
/// # Cancel safety
///
/// The future of [`heard`](Self::heard) may be dropped: a signal is taken by the poll that returns it. To drop the
/// `Signals` ends the listening. That never blocks; what a server must be told is sent later, by the backend.
///
/// # Examples
///
/// ```
/// use dogpile_cache::backend::{Backend, Change, Entry, Memory, Signal};
/// use dogpile_cache::codec::{Format, Shape};
/// use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
/// use std::time::Duration;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let memory = Memory::new();
/// let shape = Shape { schema: 1, format: Format::RAW };
/// let key = StoredKey::new(&Namespace::new("order")?, &7_u64, shape, KeyLimit::NONE);
/// let mut signals = memory.listen(&key).expect("this backend has signals").await?;
///
/// let entry = Entry { bytes: "value".into(), lifetime: None };
/// memory.change(&key, Change::Set { entry, void_pause: Duration::ZERO }).await?;
/// assert_eq!(signals.heard().await, Signal::Changed); // That was before `heard`, and is not lost.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
#[must_use = "dropped signals are not listened to any more"]
pub struct Signals(Box<dyn Listener>);

/// What hands signals over. A backend implements it if [`Listeners`] does not do.
///
/// The drop of a listener ends its listening, and never blocks.
pub trait Listener: Send {
    /// Takes what was signalled since the listening began, or since this has last returned a signal, as one signal.
    /// Otherwise notes the waker of this poll, and wakes it with the next signal. Never blocks.
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Signal>;
}

impl Signals {
    /// Makes the signals of a listener.
    pub fn new(listener: impl Listener + 'static) -> Signals {
        Signals(Box::new(listener))
    }

    /// Waits for a signal: for one that was sent since the listening began or since the last signal was taken, else for
    /// the next one. It may wait for ever (G16).
    ///
    /// # Cancel safety
    ///
    /// No signal is lost if the future is dropped.
    pub fn heard(&mut self) -> impl Future<Output = Signal> + Send {
        Heard(self)
    }

    /// Takes a signal, if there is one, as [`heard`](Self::heard) does. Never blocks.
    pub fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        self.0.poll_heard(cx)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signals").finish_non_exhaustive()
    }
}

/// The future of [`Signals::heard`].
struct Heard<'a>(&'a mut Signals);

impl Future for Heard<'_> {
    type Output = Signal;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Signal> {
        self.0.poll_heard(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::Signal::{Changed, Freed, Gap};

    #[test]
    fn g16_two_signals_are_one_in_any_order() {
        let folds = [(Changed, Changed, Changed), (Changed, Freed, Changed), (Changed, Gap, Changed)];
        let others = [(Freed, Freed, Freed), (Freed, Gap, Gap), (Gap, Gap, Gap)];
        for (one, other, both) in folds.into_iter().chain(others) {
            assert_eq!((one.fold(other), other.fold(one)), (both, both));
        }
    }
}
