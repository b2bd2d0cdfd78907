//! The listeners of a process, by place.

use super::{Listener, Signal, Signals};
use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The listeners of a process, by place: what a backend with signals is made of.
///
/// A backend that is asked to listen calls [`listen`](Self::listen) first, and subscribes at its server if the place
/// was not listened to. It [tells](Self::tell) what it hears of the server to all who listen to that place. When the
/// last listener of a place has gone, it is told by the function of [`with_idle`](Self::with_idle), and ends its
/// subscription. Clones are the same listeners.
///
/// # Threads
///
/// Each method may be called by any thread, at any time. Neither a waker nor that function is called under a mutex.
///
/// # Examples
///
/// ```
/// use dogpile_cache::backend::{Listeners, Signal};
/// use std::sync::mpsc;
///
/// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
/// # runtime.block_on(async {
/// let (unsubscribe, unsubscribed) = mpsc::channel();
/// let listeners = Listeners::with_idle(move |place| unsubscribe.send(place.to_owned()).unwrap());
/// let (mut one, other) = (listeners.listen("place"), listeners.listen("place"));
/// assert_eq!((listeners.places(), listeners.count("place")), (1, 2));
///
/// listeners.tell("place", Signal::Freed);
/// listeners.tell("place", Signal::Changed);
/// assert_eq!(one.heard().await, Signal::Changed); // Several signals are one.
///
/// drop((one, other));
/// assert_eq!(unsubscribed.try_iter().collect::<Vec<_>>(), ["place"]);
/// assert_eq!(listeners.places(), 0);
/// # });
/// ```
#[derive(Clone, Default)]
pub struct Listeners(Arc<Table>);

type Idle = Box<dyn Fn(&str) + Send + Sync>;

#[derive(Default)]
struct Table {
    places: Mutex<HashMap<Arc<str>, Vec<Arc<Ear>>>>,
    idle: Option<Idle>,
}

/// What one listener has heard, and the waker of the task that waits for it.
#[derive(Default)]
struct Ear(Mutex<(Option<Signal>, Option<Waker>)>);

/// One listener.
struct Listening {
    listeners: Listeners,
    place: Arc<str>,
    ear: Arc<Ear>,
}

impl Listeners {
    /// Makes an empty table. Never blocks.
    #[must_use]
    pub fn new() -> Listeners {
        Listeners::default()
    }

    /// Makes an empty table that calls `idle` with the name of a place whenever its last listener has gone. Never
    /// blocks.
    ///
    /// By the time of the call another thread may listen to the place again. A backend therefore asks for the
    /// [count](Self::count) when it comes to end the subscription. `idle` must not block: it is called by the drop of
    /// [`Signals`].
    #[must_use]
    pub fn with_idle(idle: impl Fn(&str) + Send + Sync + 'static) -> Listeners {
        Listeners(Arc::new(Table { places: Mutex::default(), idle: Some(Box::new(idle)) }))
    }

    /// Begins to listen to a place. What is told from now on is heard.
    ///
    /// Blocks for a mutex that is held for a step.
    pub fn listen(&self, place: &str) -> Signals {
        let ear = Arc::new(Ear::default());
        let mut places = lock(&self.0.places);
        let place = match places.get_key_value(place) {
            Some((place, _)) => Arc::clone(place),
            None => place.into(),
        };
        places.entry(Arc::clone(&place)).or_default().push(Arc::clone(&ear));
        drop(places);
        Signals::new(Listening { listeners: self.clone(), place, ear })
    }

    /// Tells all who listen to a place. Their wakers are called by this thread.
    ///
    /// Blocks for a mutex that is held for a step.
    pub fn tell(&self, place: &str, signal: Signal) {
        let ears = lock(&self.0.places).get(place).cloned().unwrap_or_default();
        for ear in ears {
            ear.hear(signal);
        }
    }

    /// Tells all who listen, to whatever place.
    ///
    /// Blocks for a mutex that is held for as long as the copy of a list of all of them takes.
    pub fn tell_all(&self, signal: Signal) {
        let ears: Vec<_> = lock(&self.0.places).values().flatten().cloned().collect();
        for ear in ears {
            ear.hear(signal);
        }
    }

    /// Returns how many listen to a place.
    ///
    /// Blocks for a mutex that is held for a step.
    #[must_use]
    pub fn count(&self, place: &str) -> usize {
        lock(&self.0.places).get(place).map_or(0, Vec::len)
    }

    /// Returns how many places are listened to.
    ///
    /// Blocks for a mutex that is held for a step.
    #[must_use]
    pub fn places(&self) -> usize {
        lock(&self.0.places).len()
    }
}

impl Ear {
    fn hear(&self, signal: Signal) {
        let waker = {
            let (heard, waker) = &mut *lock(&self.0);
            *heard = Some(heard.map_or(signal, |before| before.fold(signal)));
            waker.take()
        };
        // Not under the mutex: a waker is the user's.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Listener for Listening {
    fn poll_heard(&mut self, cx: &mut Context<'_>) -> Poll<Signal> {
        // A waker is the user's: it is cloned before the mutex, and dropped after.
        let mut waker = Some(cx.waker().clone());
        let heard = {
            let (heard, waiting) = &mut *lock(&self.ear.0);
            let heard = heard.take();
            if heard.is_none() {
                mem::swap(waiting, &mut waker);
            }
            heard
        };
        heard.map_or(Poll::Pending, Poll::Ready)
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let is_last = {
            let mut places = lock(&self.listeners.0.places);
            let Some(ears) = places.get_mut(&self.place) else { return };
            // (This listener has a share of the ear, so that its waker is not dropped here.)
            ears.retain(|ear| !Arc::ptr_eq(ear, &self.ear));
            let is_last = ears.is_empty();
            if is_last {
                places.remove(&self.place);
                if places.capacity() > SMALL && places.len() < places.capacity() / 8 {
                    let twice = places.len() * 2;
                    places.shrink_to(twice);
                }
            }
            is_last
        };
        if let Some(idle) = self.listeners.0.idle.as_ref().filter(|_| is_last) {
            idle(&self.place);
        }
    }
}

/// A table with room for fewer places is not made smaller.
const SMALL: usize = 64;

impl fmt::Debug for Listeners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listeners").field("places", &self.places()).finish_non_exhaustive()
    }
}

/// Takes a mutex. Only a bug panics under it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn taken(signals: &mut Signals) -> Option<Signal> {
        match signals.poll_heard(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(signal) => Some(signal),
            Poll::Pending => None,
        }
    }

    #[test]
    fn g16_what_is_told_is_kept_until_it_is_taken_and_taken_once() {
        let listeners = Listeners::new();
        listeners.tell("one", Signal::Changed);
        let (mut one, mut two) = (listeners.listen("one"), listeners.listen("two"));
        assert_eq!(taken(&mut one), None, "that was before");
        listeners.tell("one", Signal::Freed);
        listeners.tell("one", Signal::Freed);
        assert_eq!((taken(&mut one), taken(&mut one), taken(&mut two)), (Some(Signal::Freed), None, None));
        listeners.tell_all(Signal::Gap);
        assert_eq!((taken(&mut one), taken(&mut two)), (Some(Signal::Gap), Some(Signal::Gap)));
    }

    #[test]
    fn g16_the_waker_of_the_last_poll_is_woken() {
        let listeners = Listeners::new();
        let mut signals = listeners.listen("one");
        let (first, second) = (Arc::new(Count::default()), Arc::new(Count::default()));
        for count in [&first, &second] {
            let waker = Waker::from(Arc::clone(count));
            assert!(signals.poll_heard(&mut Context::from_waker(&waker)).is_pending());
        }
        listeners.tell("one", Signal::Changed);
        listeners.tell("one", Signal::Changed);
        assert_eq!([first, second].map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        assert_eq!(taken(&mut signals), Some(Signal::Changed));
    }

    #[test]
    fn g17_nothing_is_left_of_listeners_that_have_gone() {
        let gone = Arc::new(AtomicUsize::new(0));
        let counts = Arc::clone(&gone);
        let listeners = Listeners::with_idle(move |_| _ = counts.fetch_add(1, Ordering::Relaxed));
        let all: Vec<_> = (0..10_000).map(|place| listeners.listen(&place.to_string())).collect();
        let again = listeners.listen("7");
        assert_eq!((listeners.places(), listeners.count("7")), (10_000, 2));
        drop(all);
        assert_eq!((listeners.places(), gone.load(Ordering::Relaxed)), (1, 9_999));
        drop(again);
        assert_eq!((listeners.places(), gone.load(Ordering::Relaxed)), (0, 10_000));
        assert!(lock(&listeners.0.places).capacity() <= SMALL);
    }
}
