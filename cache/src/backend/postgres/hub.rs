//! The signals of a process: one connection for all that wait, and for all that are to be told.
//!
//! # States of a place
//!
//! | state | event | next |
//! |---|---|---|
//! | not said | [`listen`](Hub::listen) | the connection listens, the place is said to be waited for, and was free since then, *said*. If it fails, or the place is not free after [some questions](PROBES), the listening fails, and the access polls |
//! | said | `listen` | the same: no round trip |
//! | | a signal | all who listen are told |
//! | | a sweep, and somebody listens | the place is said again |
//! | | a sweep, and nobody listens | *not said*; the server's row ends by itself, within [`WAITER`] |
//! | | the connection has died | all who listen are told of a gap; while there are any, each place is said on another connection, and they are told of a gap again |
//!
//! While anything is said, there is a sweep a second.
//!
//! What is to be told is gathered while the statement before is under way, and goes out as one. A signal that cannot be
//! sent is lost (G16).

use super::lane::Lanes;
use super::link::{Link, OnNote, Purpose};
use super::reply;
use super::sql::Call;
use crate::backend::signals::{Listeners, Signal, Signals};
use crate::backend::{BackendError, BackendErrorKind};
use std::collections::HashMap;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How long a row says that somebody waits. It is written anew when half of it is over.
const WAITER: Duration = Duration::from_secs(4);

/// How often the places that are waited for are said again.
const SWEEP: Duration = Duration::from_secs(1);

/// How long a process waits until it tries again to say what it waits for.
const AGAIN: Duration = Duration::from_millis(500);

/// The waits between the questions of a listener whether a change from before its row is over: a commit takes as long
/// as a disk.
const PROBES: [Duration; 5] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
];

/// How long an answer counts that a place is locked: several attempts of those who wait for it.
const LATELY: Duration = Duration::from_millis(100);

/// The server, and what is heard of it.
pub(super) struct Hub {
    pub(super) lanes: Arc<Lanes>,
    listeners: Listeners,
    state: Mutex<State>,
    /// The locks of places that another transaction has had, as the server has said last.
    locked: Mutex<Vec<(i64, Instant)>>,
}

#[derive(Default)]
struct State {
    /// The places that were said, by their locks, and by which connection.
    said: HashMap<i64, Said>,
    /// There are sweeps. They end when there is nothing left.
    is_swept: bool,
    /// What is to be told.
    tell: Vec<String>,
    /// There is a task that tells.
    tells: bool,
}

struct Said {
    by: Arc<Link>,
    /// Two places with one lock are told alike.
    places: Vec<Arc<str>>,
}

impl Hub {
    /// `lanes` makes the server, from what is to be done with the signals of a connection.
    pub(super) fn new(lanes: impl FnOnce(OnNote) -> Lanes) -> Arc<Hub> {
        Arc::new_cyclic(|hub: &Weak<Hub>| {
            let noted = Weak::clone(hub);
            let lanes = lanes(Arc::new(move |note| {
                if let Some(hub) = noted.upgrade() {
                    hub.noted(note);
                }
            }));
            Hub {
                lanes: Arc::new(lanes),
                listeners: Listeners::new(),
                state: Mutex::default(),
                locked: Mutex::default(),
            }
        })
    }

    /// Takes an answer of the server: another transaction has a place.
    pub(super) fn note_locked(&self, lock: i64) {
        let (mut locked, now) = (self.locked(), Instant::now());
        // (Of those that are over, none is left for long.)
        locked.retain(|(of, at)| *of != lock && now.duration_since(*at) < LATELY);
        locked.push((lock, now));
    }

    /// Returns whether the server has said just now that another transaction has a place.
    pub(super) fn is_locked(&self, lock: i64) -> bool {
        self.locked().iter().any(|(of, at)| *of == lock && at.elapsed() < LATELY)
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(i64, Instant)>> {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to listen to a place. One round trip, if no other listener of the process has made it.
    pub(super) async fn listen(self: &Arc<Self>, place: &str, lock: i64) -> Result<Signals, BackendError> {
        // In this order: what is signalled once the server knows is heard.
        let signals = self.listeners.listen(place);
        let (hub, place) = (Arc::clone(self), Arc::from(place));
        // On the keeper, so that a caller that goes away leaves no half of it.
        let saying = self.lanes.keeper.spawn(async move { hub.say(&place, lock).await });
        let ended = || BackendError::new(BackendErrorKind::Unreachable).caused_by("the keeper has ended");
        saying.await.map_err(|_| ended())??;
        Ok(signals)
    }

    /// Says that somebody waits for a place, unless that was said.
    async fn say(self: &Arc<Self>, place: &Arc<str>, lock: i64) -> Result<(), BackendError> {
        let link = self.lanes.opened(Purpose::Signals).await.map_err(|not| not.error())?;
        let is_said = |said: &Said| Arc::ptr_eq(&said.by, &link) && said.places.contains(place);
        if self.state().said.get(&lock).is_some_and(is_said) {
            return Ok(());
        }
        // Relaxed: LISTEN twice does no harm.
        if !link.listens.load(Ordering::Relaxed) {
            let listen = format!("LISTEN \"{}\"", self.lanes.at.schema.channel());
            link.execute(&listen).await.map_err(super::Failure::error)?;
            link.listens.store(true, Ordering::Relaxed);
        }
        wait(&link, &[lock]).await?;
        // A change that has not seen the row has the lock until it can be seen itself.
        let is_free = async || {
            let free = link.ask(Call::Probe, &[&lock]).await.map_err(super::Failure::error)?;
            reply::is_so(free)
        };
        let mut probes = PROBES.into_iter();
        while !is_free().await? {
            let Some(pause) = probes.next() else {
                let why = "a change of the place is under way, which has not seen the listener";
                return Err(BackendError::new(BackendErrorKind::Refused).caused_by(why));
            };
            tokio::time::sleep(pause).await;
        }
        let is_swept = {
            let mut state = self.state();
            let said = state.said.entry(lock).or_insert_with(|| Said { by: Arc::clone(&link), places: Vec::new() });
            said.by = Arc::clone(&link);
            if !said.places.contains(place) {
                said.places.push(Arc::clone(place));
            }
            mem::replace(&mut state.is_swept, true)
        };
        if !is_swept {
            self.lanes.keeper.spawn(sweep(Arc::downgrade(self)));
        }
        // The connection has died since: that has not found the place.
        if link.is_dead() {
            self.lost();
        }
        Ok(())
    }

    /// Forgets the places that nobody listens to, and says the others again. Returns whether any are left.
    async fn sweep(self: &Arc<Self>) -> bool {
        let (locks, link) = {
            let mut state = self.state();
            for said in state.said.values_mut() {
                said.places.retain(|place| self.listeners.count(place) > 0);
            }
            state.said.retain(|_, said| !said.places.is_empty());
            state.is_swept = !state.said.is_empty();
            let link = state.said.values().find(|said| !said.by.is_dead()).map(|said| Arc::clone(&said.by));
            (state.said.keys().copied().collect::<Vec<_>>(), link)
        };
        if let Some(link) = link {
            // (If it fails, so has the connection, or those who wait poll.)
            drop(wait(&link, &locks).await);
        }
        !locks.is_empty()
    }

    /// The connection has died: says its places anew, and tells those who listen of the gap.
    fn lost(self: &Arc<Self>) {
        let lost: Vec<_> = {
            let mut state = self.state();
            let dead: Vec<i64> =
                state.said.iter().filter(|(_, said)| said.by.is_dead()).map(|(lock, _)| *lock).collect();
            dead.into_iter().filter_map(|lock| Some((lock, state.said.remove(&lock)?.places))).collect()
        };
        for (lock, place) in lost.into_iter().flat_map(|(lock, places)| places.into_iter().map(move |it| (lock, it))) {
            let hub = Arc::clone(self);
            self.lanes.keeper.spawn(async move { hub.say_again(&place, lock).await });
        }
    }

    async fn say_again(self: &Arc<Self>, place: &Arc<str>, lock: i64) {
        while self.listeners.count(place) > 0 {
            self.listeners.tell(place, Signal::Gap);
            if self.say(place, lock).await.is_ok() {
                // What was signalled until then is lost.
                self.listeners.tell(place, Signal::Gap);
                return;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes a signal of the connection.
    fn noted(self: &Arc<Self>, note: Option<&str>) {
        let Some(note) = note else { return self.lost() };
        let Some((lock, signal)) = read(note) else { return };
        let places = self.state().said.get(&lock).map(|said| said.places.clone()).unwrap_or_default();
        for place in places {
            self.listeners.tell(&place, signal);
        }
    }

    /// Tells those who wait for a place, in the background.
    pub(super) fn tell(self: &Arc<Self>, lock: i64, signal: Signal) {
        let note = written(lock, signal);
        let tells = {
            let mut state = self.state();
            if !state.tell.contains(&note) {
                state.tell.push(note);
            }
            mem::replace(&mut state.tells, true)
        };
        if !tells {
            let hub = Arc::clone(self);
            self.lanes.keeper.spawn(async move { hub.tell_all().await });
        }
    }

    async fn tell_all(self: &Arc<Self>) {
        loop {
            let notes = {
                let mut state = self.state();
                state.tells = !state.tell.is_empty();
                mem::take(&mut state.tell)
            };
            if notes.is_empty() {
                return;
            }
            if let Ok(link) = self.lanes.opened(Purpose::Signals).await {
                // (A signal that is lost is one of those that may be.)
                drop(link.ask(Call::Tell, &[&notes]).await);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn wait(link: &Link, locks: &[i64]) -> Result<(), BackendError> {
    let millis = super::millis::of(WAITER);
    link.ask(Call::Wait, &[&locks, &millis]).await.map_err(super::Failure::error)?;
    Ok(())
}

/// Sweeps, until nothing is said or the backend has gone.
async fn sweep(hub: Weak<Hub>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        let Some(hub) = hub.upgrade() else { return };
        if !hub.sweep().await {
            return;
        }
    }
}

/// The payload of a signal.
fn written(lock: i64, signal: Signal) -> String {
    let what = if signal == Signal::Changed { 'c' } else { 'f' };
    format!("{:016x}{what}", lock.cast_unsigned())
}

/// Reads a payload. What is no such text was not sent by this crate.
fn read(note: &str) -> Option<(i64, Signal)> {
    let (lock, what) = note.split_at_checked(16)?;
    let signal = match what {
        "c" => Signal::Changed,
        "f" => Signal::Freed,
        _ => return None,
    };
    let is_written = lock.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_written.then(|| u64::from_str_radix(lock, 16).ok())?.map(|lock| (lock.cast_signed(), signal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s70_a_payload_is_short_and_read_as_it_was_written() {
        for lock in [0, 1, -1, i64::MIN, i64::MAX] {
            for signal in [Signal::Changed, Signal::Freed] {
                let note = written(lock, signal);
                assert_eq!((note.len(), read(&note)), (17, Some((lock, signal))));
            }
        }
        for other in
            ["", "c", "0123456789abcdef", "0123456789abcdefx", "+123456789abcdefc", "ääääääääc", "0123456789abcdefcc"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }
}
