//! Looks that are asked at the same moment, as one request of the client.
//!
//! The client pays for each request: a message to its task, a channel for the reply, a wake-up. The server pays for
//! each command. The tasks that ask while other looks are under way therefore gather their looks in a *batch*. A task
//! of the connection's runtime sends the batch as one request ([`LooksAt::look_at_all`]). Nobody waits for a batch to
//! grow: the task yields once to the tasks that are ready to run, closes the batch, and sends it.
//!
//! # Which looks are gathered
//!
//! | the connection | a look |
//! |---|---|
//! | is *quiet*: fewer than [`FEW`] looks under way | is sent at once, by itself |
//! | is *crowded*: so many, or the last batch had several looks | is added to the open batch, or opens one |
//! | has shown large values, or its last batch has failed | is sent at once, by itself |
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
//! | open, full, sent | the task is dropped, as its runtime ends, or the connection [is lost](Looks::lose) | over: each look has failed |
//!
//! # States of a look in a batch
//!
//! | state | event | next |
//! |---|---|---|
//! | *asked* | the batch is sent | *sent* |
//! | asked | dropped | *gone*: its key is not asked for |
//! | sent | the reply with its number among the keys | *done* |
//! | sent | dropped | gone: its reply is dropped |
//! | asked, sent | the request fails, the task is dropped, or the connection is lost | done, with the failure |
//! | done | polled, or dropped | gone |
//!
//! A reply finds its look by the number that its key had when the batch was sent. So a look that is dropped, at
//! whatever state, shifts no reply. The task polls no look and waits for none: a look that is not polled holds up
//! nobody. The runtime of the connection may stand still: those who wait for it are told once the connection is taken
//! for lost.
//!
//! A look is sent after it was asked, as each look: in a batch that was open then, which is closed before it is sent
//! (G3). Looks and other requests overtake one another, which the order of nothing depends on.
//!
//! # Locks
//!
//! The mutex of the batches, then that of the places of one. Nobody is woken, and no task is spawned, under either.

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

/// A connection, which asks for what was gathered.
pub(super) trait LooksAt: Send + Sync + Sized + 'static {
    /// What belongs to a key beside its text.
    type Of: Copy + Send;
    type Reply: Send;
    type Failure: Clone + Send;

    fn looks(&self) -> &Looks<Self>;

    /// Asks for the key whose text has these parts, by itself.
    fn look_at_one(
        &self,
        key: &[&str],
        of: Self::Of,
    ) -> impl Future<Output = Result<Self::Reply, Self::Failure>> + Send;

    /// Asks for some keys. Returns one reply for each of them, in their order.
    fn look_at_all(&self, keys: Keys<Self::Of>)
    -> impl Future<Output = Result<Vec<Self::Reply>, Self::Failure>> + Send;

    /// The bytes of a reply.
    fn long(reply: &Self::Reply) -> usize;

    /// What looks return whose request has gone with the connection, or with the runtime of it.
    fn lost(&self) -> Self::Failure;
}

/// Asks for the key whose text has these parts, and awaits the reply. One round trip, perhaps by one request with other
/// looks.
pub(super) async fn look<C: LooksAt<Of: Unpin>>(
    connection: &Arc<C>,
    key: &[&str],
    of: C::Of,
) -> Result<C::Reply, C::Failure> {
    let looks = connection.looks();
    let under_way = looks.begin();
    if !under_way.is_alone {
        return Gathered { connection, key, of, place: None }.await;
    }
    // (In a box: the client's future is several times as large as all that a gathered look has.)
    let reply = Box::pin(connection.look_at_one(key, of)).await?;
    looks.replied(1, C::long(&reply));
    Ok(reply)
}

/// The looks of a connection.
pub(super) struct Looks<C: LooksAt> {
    /// The looks that have no reply yet.
    under_way: AtomicUsize,
    /// How many looks the last batch had.
    last: AtomicUsize,
    /// The number of looks that a batch may have.
    room: AtomicUsize,
    batches: Mutex<Batches<C>>,
    /// The runtime of the connection.
    runtime: Handle,
}

struct Batches<C: LooksAt> {
    open: Option<Arc<Batch<C>>>,
    /// All that are not over.
    all: Vec<Arc<Batch<C>>>,
    is_lost: bool,
}

/// A look that has no reply yet.
struct UnderWay<'a> {
    under_way: &'a AtomicUsize,
    /// Whether it is to be sent by itself.
    is_alone: bool,
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        // Relaxed: the number decides what is cheaper, and nothing else.
        self.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<C: LooksAt> Looks<C> {
    /// To be called on the runtime of the connection.
    pub(super) fn new() -> Looks<C> {
        Looks {
            under_way: AtomicUsize::new(0),
            last: AtomicUsize::new(0),
            room: AtomicUsize::new(LARGEST),
            batches: Mutex::new(Batches { open: None, all: Vec::new(), is_lost: false }),
            runtime: Handle::current(),
        }
    }

    /// A look begins.
    fn begin(&self) -> UnderWay<'_> {
        // Relaxed, all three: they decide what is cheaper, and nothing else.
        let others = self.under_way.fetch_add(1, Ordering::Relaxed);
        let is_quiet = others < FEW && self.last.load(Ordering::Relaxed) < 2;
        let is_alone = is_quiet || self.room.load(Ordering::Relaxed) == 1;
        UnderWay { under_way: &self.under_way, is_alone }
    }

    /// Some looks have had replies of so many bytes together.
    fn replied(&self, looks: usize, bytes: usize) {
        let room = (BYTES * looks / bytes.max(1)).clamp(1, LARGEST);
        // Relaxed: it decides what is cheaper, and nothing else.
        self.room.store(room, Ordering::Relaxed);
    }

    /// Adds a look to a batch. The second part says whether nobody sends that yet. `None`: the connection is lost.
    fn add(&self, key: &[&str], of: C::Of, waker: Waker) -> Option<(Place<C>, bool)> {
        let mut batches = self.batches();
        if batches.is_lost {
            return None;
        }
        let open = batches.open.take();
        let is_new = open.is_none();
        let batch = open.unwrap_or_else(|| {
            // As many as there were last time come again; their keys are about as long. (Relaxed: it decides what is
            // cheaper, and nothing else.)
            let looks = self.last.load(Ordering::Relaxed).max(FEW);
            let bytes = looks * key.iter().map(|part| part.len()).sum::<usize>();
            let batch = Arc::new(Batch::with_capacity(looks, bytes.min(BYTES)));
            batches.all.push(Arc::clone(&batch));
            batch
        });
        let at = batch.all().add(key, of, waker);
        // Relaxed: it decides what is cheaper, and nothing else.
        if at + 1 < self.room.load(Ordering::Relaxed) {
            batches.open = Some(Arc::clone(&batch));
        }
        Some((Place { batch, at, is_over: false }, is_new))
    }

    /// No look is added to the batch any more.
    fn close(&self, batch: &Arc<Batch<C>>) {
        let mut batches = self.batches();
        if batches.open.as_ref().is_some_and(|open| Arc::ptr_eq(open, batch)) {
            batches.open = None;
        }
    }

    /// The batch is over.
    fn end(&self, batch: &Arc<Batch<C>>) {
        self.close(batch);
        self.batches().all.retain(|other| !Arc::ptr_eq(other, batch));
    }

    /// The connection is lost: all looks of batches fail, now and from now on.
    pub(super) fn lose(&self, failure: impl Fn() -> C::Failure) {
        let all = {
            let mut batches = self.batches();
            batches.is_lost = true;
            batches.open = None;
            mem::take(&mut batches.all)
        };
        for batch in all {
            batch.fail(&failure);
        }
    }

    fn batches(&self) -> MutexGuard<'_, Batches<C>> {
        self.batches.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The keys of a batch.
pub(super) struct Keys<T> {
    /// Their texts, one after the other.
    text: String,
    keys: Vec<(Range<usize>, T)>,
}

impl<T: Copy> Keys<T> {
    /// Adds the key whose text has these parts.
    fn push(&mut self, key: &[&str], of: T) {
        let start = self.text.len();
        for part in key {
            self.text.push_str(part);
        }
        self.keys.push((start..self.text.len(), of));
    }

    /// Returns each key, and what belongs to it.
    pub(super) fn all(&self) -> impl ExactSizeIterator<Item = (&str, T)> + Clone {
        self.keys.iter().map(|(place, of)| (&self.text[place.clone()], *of))
    }
}

/// Looks that are sent as one request.
struct Batch<C: LooksAt>(Mutex<All<C>>);

struct All<C: LooksAt> {
    /// The keys of the looks, until the batch is sent.
    keys: Keys<C::Of>,
    looks: Vec<State<C>>,
}

impl<C: LooksAt> All<C> {
    /// Adds a look. Returns its place.
    fn add(&mut self, key: &[&str], of: C::Of, waker: Waker) -> usize {
        self.keys.push(key, of);
        self.looks.push(State::Asked(waker));
        self.looks.len() - 1
    }
}

/// The state of a look: the table is above.
enum State<C: LooksAt> {
    Asked(Waker),
    Sent(Waker),
    Done(Result<C::Reply, C::Failure>),
    Gone,
}

impl<C: LooksAt> Batch<C> {
    /// Makes a batch with room for so many looks, whose keys have so many bytes together.
    fn with_capacity(looks: usize, bytes: usize) -> Batch<C> {
        let keys = Keys { text: String::with_capacity(bytes), keys: Vec::with_capacity(looks) };
        Batch(Mutex::new(All { keys, looks: Vec::with_capacity(looks) }))
    }

    fn all(&self) -> MutexGuard<'_, All<C>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the keys that are to be asked for, and the places of their looks.
    fn send(&self) -> (Keys<C::Of>, Vec<usize>) {
        let mut all = self.all();
        let All { keys, looks } = &mut *all;
        let mut sent = Keys { text: mem::take(&mut keys.text), keys: mem::take(&mut keys.keys) };
        let (mut places, mut at) = (Vec::with_capacity(looks.len()), 0);
        sent.keys.retain(|_| {
            let (look, place) = (&mut looks[at], at);
            at += 1;
            let State::Asked(waker) = mem::replace(look, State::Gone) else { return false };
            *look = State::Sent(waker);
            places.push(place);
            true
        });
        (sent, places)
    }

    /// Gives each look its reply.
    fn reply(&self, places: &[usize], replies: Vec<C::Reply>) {
        debug_assert_eq!(replies.len(), places.len());
        let mut wakers = Vec::with_capacity(places.len());
        let mut all = self.all();
        for (at, reply) in places.iter().zip(replies) {
            if let State::Sent(_) = &all.looks[*at]
                && let State::Sent(waker) = mem::replace(&mut all.looks[*at], State::Done(Ok(reply)))
            {
                wakers.push(waker);
            }
        }
        drop(all);
        wakers.into_iter().for_each(Waker::wake);
    }

    /// Gives each look that has no reply a failure.
    fn fail(&self, failure: impl Fn() -> C::Failure) {
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
struct Place<C: LooksAt> {
    batch: Arc<Batch<C>>,
    at: usize,
    /// Whether the reply was taken.
    is_over: bool,
}

impl<C: LooksAt> Place<C> {
    fn poll(&mut self, cx: &Context<'_>) -> Poll<Result<C::Reply, C::Failure>> {
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

impl<C: LooksAt> Drop for Place<C> {
    fn drop(&mut self) {
        if self.is_over {
            return;
        }
        // (What was there is dropped without the lock.)
        let _gone = mem::replace(&mut self.batch.all().looks[self.at], State::Gone);
    }
}

/// A look in a batch.
struct Gathered<'a, C: LooksAt> {
    connection: &'a Arc<C>,
    /// The parts of the key's text.
    key: &'a [&'a str],
    of: C::Of,
    place: Option<Place<C>>,
}

impl<C: LooksAt<Of: Unpin>> Future for Gathered<'_, C> {
    type Output = Result<C::Reply, C::Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(place) = &mut self.place {
            return place.poll(cx);
        }
        let looks = self.connection.looks();
        let Some((place, is_new)) = looks.add(self.key, self.of, cx.waker().clone()) else {
            return Poll::Ready(Err(self.connection.lost()));
        };
        if is_new {
            let sending = Sending { connection: Arc::clone(self.connection), batch: Arc::clone(&place.batch) };
            // A runtime that has ended drops it, and that wakes this look.
            looks.runtime.spawn(sending.run());
        }
        self.place = Some(place);
        Poll::Pending
    }
}

/// Sends a batch. A batch that it leaves behind has failed.
struct Sending<C: LooksAt> {
    connection: Arc<C>,
    batch: Arc<Batch<C>>,
}

impl<C: LooksAt> Sending<C> {
    async fn run(self) {
        // The tasks that are ready to run add their looks now.
        tokio::task::yield_now().await;
        let looks = self.connection.looks();
        looks.close(&self.batch);
        let (keys, places) = self.batch.send();
        // Relaxed: it decides what is cheaper, and nothing else.
        looks.last.store(places.len(), Ordering::Relaxed);
        if places.is_empty() {
            return;
        }
        // (In a box: a task is moved when it is spawned.)
        match Box::pin(self.connection.look_at_all(keys)).await {
            Ok(replies) => {
                looks.replied(replies.len(), replies.iter().map(C::long).sum());
                self.batch.reply(&places, replies);
            }
            Err(failure) => {
                // It may have been too much at once. Relaxed: as above.
                looks.room.store(1, Ordering::Relaxed);
                self.batch.fail(|| failure.clone());
            }
        }
    }
}

impl<C: LooksAt> Drop for Sending<C> {
    fn drop(&mut self) {
        self.connection.looks().end(&self.batch);
        self.batch.fail(|| self.connection.lost());
    }
}
