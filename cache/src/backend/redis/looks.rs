//! Looks that are asked at the same moment, as one request of the client.
//!
//! The client pays for each request: a message to its task, a channel for the reply, a wake-up. The server pays for
//! each command. The tasks that ask while other looks are under way therefore gather their looks in a *batch*. A task
//! of the connection's runtime sends the batch as one request: an `MGET` of all the keys, or, where that is not
//! possible, so many `GET`s in one write ([`Link::texts`]). Nobody waits for a batch to grow: the task yields once to
//! the tasks that are ready to run, closes the batch, and sends it.
//!
//! # Which looks are gathered
//!
//! | the connection | a look |
//! |---|---|
//! | is *quiet*: fewer than [`FEW`] looks under way | is sent at once, by itself: a `GET` |
//! | is *crowded*: so many, or the last batch had several looks | is added to the open batch, or opens one |
//! | has shown large values | is sent at once, by itself |
//!
//! The client gives the replies to a request when all of them are there. Batches are therefore bounded: by a number of
//! looks, and by the bytes that the replies are expected to have together, from the mean of the last ones.
//!
//! # States of a batch
//!
//! | state | event | next |
//! |---|---|---|
//! | none | a look | *open*: a task is spawned that is to send it |
//! | open | a look | open, or *full* with the last look that it has room for: the next look opens another batch |
//! | open, full | the task has yielded | *sent*: it takes no look any more, and its keys go to the client |
//! | sent | the replies, or the failure of the request | over: each look has its own |
//! | open, full, sent | the task is dropped, as its runtime ends | over: each look has failed |
//!
//! # States of a look in a batch
//!
//! | state | event | next |
//! |---|---|---|
//! | *asked* | the batch is sent | *sent* |
//! | asked | dropped | *gone*: its key is not asked for |
//! | sent | the reply with its number among the keys | *done* |
//! | sent | dropped | gone: its reply is dropped |
//! | asked, sent | the request fails, or the task is dropped | done, with the failure |
//! | done | polled, or dropped | gone |
//!
//! A reply finds its look by the number that its key had when the batch was sent. So a look that is dropped, at
//! whatever state, shifts no reply. The task polls no look and waits for none: a look that is not polled holds up
//! nobody. An error that the server answers to one `GET` is the reply to that look alone; an `MGET` has no error for
//! one key, and gives nothing for a key that has no text.
//!
//! A look is sent after it was asked, as each look: in a batch that was open then, which is closed before it is sent
//! (G3). Looks and other requests overtake one another, which the order of nothing depends on.
//!
//! # Locks
//!
//! The mutex of the open batch, then that of its places. Wakers are called, and the task is spawned, without either.

use super::failure::Failure;
use super::link::Link;
use crate::backend::{BackendError, BackendErrorKind};
use redis::Value;
use std::mem;
use std::ops::Range;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use tokio::runtime::Handle;

/// With fewer looks under way, a look is sent by itself.
const FEW: usize = 4;

/// The largest number of looks in a batch: more of them would leave server and client idle in turn.
const LARGEST: usize = 64;

/// The bytes of the replies to a batch, as far as they can be foreseen.
const BYTES: usize = 64 << 10;

/// The looks of a connection.
pub(super) struct Looks {
    /// The looks that have no reply yet.
    under_way: AtomicUsize,
    /// How many looks the last batch had.
    last: AtomicUsize,
    /// The number of looks that a batch may have.
    room: AtomicUsize,
    open: Mutex<Option<Arc<Batch>>>,
    /// The runtime of the connection.
    runtime: Handle,
}

/// A look that has no reply yet.
pub(super) struct UnderWay<'a> {
    looks: &'a Looks,
    /// Whether it is to be sent by itself.
    pub(super) is_alone: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // Relaxed: the number decides what is cheaper, and nothing else.
        self.looks.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Looks {
    /// To be called on the runtime of the connection.
    pub(super) fn new() -> Looks {
        Looks {
            under_way: AtomicUsize::new(0),
            last: AtomicUsize::new(0),
            room: AtomicUsize::new(LARGEST),
            open: Mutex::default(),
            runtime: Handle::current(),
        }
    }

    /// A look begins.
    pub(super) fn begin(&self) -> UnderWay<'_> {
        // Relaxed, all three: they decide what is cheaper, and nothing else.
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        let is_quiet = others < FEW && self.last.load(Ordering::Relaxed) < 2;
        UnderWay { looks: self, is_alone: is_quiet || self.room.load(Ordering::Relaxed) == 1 }
    }

    /// Some looks have had replies of so many bytes together.
    pub(super) fn replied(&self, looks: usize, bytes: usize) {
        let room = (BYTES * looks / bytes.max(1)).clamp(1, LARGEST);
        // Relaxed: it decides what is cheaper, and nothing else.
        self.room.store(room, Ordering::Relaxed);
    }

    /// Adds a look to a batch. The second part is a batch that nobody sends yet.
    fn add(&self, key: &[&str], waker: Waker) -> (Place, bool) {
        let mut open = self.open();
        let is_new = open.is_none();
        let batch = open.get_or_insert_with(|| {
            // (As many as there were last time come again; their keys are about as long.)
            let looks = self.last.load(Ordering::Relaxed).max(FEW);
            let bytes = looks * key.iter().map(|part| part.len()).sum::<usize>();
            Arc::new(Batch::with_capacity(looks, bytes.min(BYTES)))
        });
        let at = batch.all().add(key, waker);
        let place = Place { batch: Arc::clone(batch), at, is_over: false };
        // Relaxed: it decides what is cheaper, and nothing else.
        if at + 1 >= self.room.load(Ordering::Relaxed) {
            *open = None;
        }
        (place, is_new)
    }

    /// No look is added to the batch any more.
    fn close(&self, batch: &Arc<Batch>) {
        let mut open = self.open();
        if open.as_ref().is_some_and(|open| Arc::ptr_eq(open, batch)) {
            *open = None;
        }
    }

    fn open(&self) -> MutexGuard<'_, Option<Arc<Batch>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Looks that are sent as one request.
struct Batch(Mutex<All>);

struct All {
    /// The keys, one after the other, until the batch is sent.
    keys: String,
    /// Where the key of each look ends.
    ends: Vec<usize>,
    looks: Vec<State>,
}

impl All {
    /// Adds a look. Returns its place.
    fn add(&mut self, key: &[&str], waker: Waker) -> usize {
        key.iter().for_each(|part| self.keys.push_str(part));
        self.ends.push(self.keys.len());
        self.looks.push(State::Asked(waker));
        self.looks.len() - 1
    }
}

/// The keys of a batch that is sent.
struct Keys {
    text: String,
    places: Vec<Range<usize>>,
}

impl Keys {
    fn all(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        self.places.iter().map(|place| &self.text[place.clone()])
    }
}

/// What a look has found.
pub(super) struct Looked {
    pub(super) text: Value,
    /// The server's time when the reply came, in milliseconds since the Unix epoch. (One reading of the clock serves
    /// all looks of a batch.)
    pub(super) now: u64,
}

/// The state of a look: the table is above.
enum State {
    Asked(Waker),
    Sent(Waker),
    Done(Result<Looked, Failure>),
    Gone,
}

impl Batch {
    /// Makes a batch with room for so many looks, whose keys have so many bytes together.
    fn with_capacity(looks: usize, bytes: usize) -> Batch {
        let (ends, keys) = (Vec::with_capacity(looks), String::with_capacity(bytes));
        Batch(Mutex::new(All { keys, ends, looks: Vec::with_capacity(looks) }))
    }

    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keys that are to be asked for, and the looks that they belong to.
    fn send(&self) -> (Keys, Vec<usize>) {
        let mut all = self.all();
        let All { keys, ends, looks } = &mut *all;
        let (mut sent, mut of) = (Keys { text: mem::take(keys), places: Vec::with_capacity(looks.len()) }, Vec::new());
        of.reserve_exact(looks.len());
        let mut start = 0;
        for (at, (look, end)) in looks.iter_mut().zip(mem::take(ends)).enumerate() {
            if let State::Asked(waker) = mem::replace(look, State::Gone) {
                *look = State::Sent(waker);
                sent.places.push(start..end);
                of.push(at);
            }
            start = end;
        }
        (sent, of)
    }

    /// Gives each look its reply, which came at this time of the server.
    fn reply(&self, of: &[usize], replies: Vec<Value>, now: u64) {
        let mut wakers = Vec::with_capacity(of.len());
        let mut all = self.all();
        for (at, text) in of.iter().zip(replies) {
            if let State::Sent(_) = &all.looks[*at]
                && let State::Sent(waker) = mem::replace(&mut all.looks[*at], State::Done(Ok(Looked { text, now })))
            {
                wakers.push(waker);
            }
        }
        drop(all);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Gives each look that has no reply a failure.
    fn fail(&self, failure: impl Fn() -> Failure) {
        let mut wakers = Vec::new();
        let mut all = self.all();
        for look in &mut all.looks {
            if let State::Asked(_) | State::Sent(_) = look
                && let State::Asked(waker) | State::Sent(waker) = mem::replace(look, State::Done(Err(failure())))
            {
                wakers.push(waker);
            }
        }
        drop(all);
        wakers.into_iter().for_each(Waker::wake);
    }
}

/// The place of a look in a batch.
struct Place {
    batch: Arc<Batch>,
    at: usize,
    /// Whether the reply was taken.
    is_over: bool,
}

impl Place {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<Looked, Failure>> {
        let mut all = self.batch.all();
        let look = &mut all.looks[self.at];
        match look {
            State::Asked(waker) | State::Sent(waker) => {
                waker.clone_from(cx.waker());
                return Poll::Pending;
            }
            State::Done(_) | State::Gone => {}
        }
        match mem::replace(look, State::Gone) {
            State::Done(done) => {
                self.is_over = true;
                Poll::Ready(done)
            }
            _ => unreachable!("a look is not polled once it is over"),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // (What was there is dropped without the lock.)
        let _gone = mem::replace(&mut self.batch.all().looks[self.at], State::Gone);
    }
}

/// A look in a batch.
pub(super) struct Gathered<'a> {
    link: &'a Arc<Link>,
    /// The parts of the key.
    key: &'a [&'a str],
    place: Option<Place>,
}

impl<'a> Gathered<'a> {
    pub(super) fn new(link: &'a Arc<Link>, key: &'a [&'a str]) -> Gathered<'a> {
        Gathered { link, key, place: None }
    }
}

impl Future for Gathered<'_> {
    type Output = Result<Looked, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(place) = &mut self.place {
            return place.poll(cx);
        }
        let (place, is_new) = self.link.looks.add(self.key, cx.waker().clone());
        if is_new {
            let sending = Sending { link: Arc::clone(self.link), batch: Arc::clone(&place.batch) };
            // A runtime that has ended drops it, and that wakes this look.
            self.link.looks.runtime.spawn(sending.run());
        }
        self.place = Some(place);
        Poll::Pending
    }
}

/// Sends a batch. A batch that it leaves behind has failed.
struct Sending {
    link: Arc<Link>,
    batch: Arc<Batch>,
}

impl Sending {
    async fn run(self) {
        // The tasks that are ready to run add their looks now.
        tokio::task::yield_now().await;
        let looks = &self.link.looks;
        looks.close(&self.batch);
        let (keys, of) = self.batch.send();
        // Relaxed: it decides what is cheaper, and nothing else.
        looks.last.store(of.len(), Ordering::Relaxed);
        if of.is_empty() {
            return;
        }
        match Box::pin(self.link.texts(keys.all())).await {
            Ok(replies) => {
                looks.replied(replies.len(), replies.iter().map(long).sum());
                self.batch.reply(&of, replies, self.link.clock.millis());
            }
            Err(failure) => self.batch.fail(|| failure.clone()),
        }
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.link.looks.close(&self.batch);
        self.batch.fail(|| {
            let why = BackendError::new(BackendErrorKind::InDoubt).caused_by("the runtime of the connection has ended");
            Failure::Broken(why.at(&self.link.at))
        });
    }
}

/// The bytes of a text.
pub(super) fn long(reply: &Value) -> usize {
    if let Value::BulkString(bytes) = reply { bytes.len() } else { 0 }
}
