//! Who creates: the election, the queue of those who wait, the hand-over on failure.
//!
//! Nothing here knows a value, a clock or a user's closure. The layers above pass in what must happen at the same moment
//! as a transition (storing a deadline) as a small closure of their own.
//!
//! # States
//!
//! One word: three flags and the generation.
//!
//! | `CREATING` | `MARKED` | `STORING` | state |
//! |---|---|---|---|
//! | 0 | 0 or 1 | 0 | idle: nobody creates (a mark left here means nothing; the next election clears it) |
//! | 1 | 0 | 0 | a creation runs |
//! | 1 | 1 | 0 | a creation runs, and what it makes is stale already (`mark_stale` came after it began) |
//! | 1 | 0 or 1 | 1 | it is inside `publish`: its user's closure writes to a store |
//!
//! A creation remembers the generation it was elected in, its `born`. It is *superseded* once the word's generation has
//! moved on from that.
//!
//! # Transitions
//!
//! | name | from → to | generation | how | and, under the same mutex |
//! |---|---|---|---|---|
//! | elect | idle → creating | stays | compare-and-swap from the word the access saw | - |
//! | finish | creating → idle | + 1 | mutex | new deadline; every waiter is served |
//! | finish, superseded | creating → idle | stays | mutex | waiters from before the superseding are served; then as abandon |
//! | set | idle or creating → same | + 1 | mutex | new deadline; every waiter is served |
//! | stand down | creating → idle | stays | mutex | every waiter is told to look again |
//! | abandon | creating → idle | stays | mutex | the first waiter is given the baton |
//! | begin store | creating → storing | stays | mutex, refused if superseded | - |
//! | end store | storing → creating | stays | mutex | those who invalidated meanwhile are let go |
//! | invalidate | any → same | + 1 | mutex | deadline: missing; then waits while a store runs |
//! | mark | any → `MARKED` | stays | mutex | deadline: stale, if there is a value |
//! | queue | creating → creating | stays | mutex | a waiter is added, if a creation still runs in the generation it saw |
//!
//! Everything but *elect* holds the mutex, so while a creation runs the word changes under the mutex only; while nobody
//! creates, only *elect* can come in between, which is why *set*, *invalidate* and *mark* are read-modify-writes.
//!
//! # Why it holds
//!
//! - *One creator (L1).* `CREATING` is set by a compare-and-swap from a word without it and cleared only by its owner.
//! - *No creation of a fresh value.* An access reads the word first and the deadline second, and is elected only from
//!   that same word. Had a creation finished in between, or a value been set, the generation would have moved. (Both store
//!   the deadline first: who is elected before the word moves began before, and is superseded by a set.)
//! - *Invalidation wins (L6).* Invalidate moves the generation and clears the deadline under the mutex; finish compares
//!   the generation and stores the deadline under the mutex. Whichever comes second knows of the first. A creation that
//!   is elected between the two steps of an invalidation was born in the new generation, and began after it.
//! - *No store after an invalidation (L6).* Begin store checks the generation under the mutex. A store that began before an
//!   invalidation is waited for by whoever invalidates, though not its effect on the lock: that is there at once. Who
//!   invalidates from inside the store itself, on the storing thread, does not wait for itself (L7).
//! - *A mark is not lost.* Mark is a read-modify-write of the word that elect swaps: either it sees `CREATING`, or the
//!   creation was elected after it and sees what was done before it.
//! - *No lost wake-up (C16).* A waiter queues under the mutex only while a creation runs; whoever ends that creation takes
//!   the mutex afterwards and finds it.
//! - *The baton.* While nobody creates and somebody waits, exactly one waiter is *called*: woken, and to elect itself
//!   when it looks. It stays in its place meanwhile. If a newcomer was faster, it is no longer called but still the first
//!   in line, and the newcomer's creation, when it ends, serves it or calls it again. If it leaves instead, it calls the
//!   next. After *stand down* all of them are awake and will look, so nobody needs to be called; who then comes to wait
//!   finds a creation running.
//! - *Nobody is elected for having waited (L3).* A waiter that is served is taken out of the queue by whoever serves it.
//!   So to be called it must not have been served: no creation since it queued has finished that it could have used.
//! - *A set value stays (C6).* Set moves the generation as an invalidation does, so a creation from before it does not
//!   publish; it serves everybody as a finish does, since nobody who waits could want a newer value.
//! - *Old news is not served (L6).* Who queued in generation `g` asked after the invalidation that made it `g`; a creation
//!   born in an older one does not answer it. An ordinary finish is born in the current one and answers everybody.
//!
//! # The generation and the freshness
//!
//! The generation is kept here, not with the deadline in [`freshness`](crate::freshness), because elect must fail when
//! it has moved: one word makes that one compare-and-swap. The mutex guards the queue and orders the rare transitions;
//! neither a hit nor a stale access during a creation takes it or writes the word (L2, L12).

use crate::sync::{AtomicU64, Mutant, Mutex, MutexGuard, Ordering, const_fn, mutant, together, unique};
use std::collections::BTreeMap;
use std::collections::btree_map::IntoValues;
use std::fmt;
use std::mem;
use std::panic::{RefUnwindSafe, UnwindSafe};
use std::task::{Poll, Waker};

/// A counter that moves with every published creation and every invalidation of a lock.
///
/// It orders them without a clock: of two generations of one lock, the greater is the later. Generations of different
/// locks have nothing to do with each other. A creation that was superseded publishes nothing and moves nothing, nor
/// does [`mark_stale`](crate::Dogpile::mark_stale): the value stays the one it was.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Generation(u64);

impl Generation {
    /// The one that comes after it.
    const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// As a number that an atomic holds.
    pub(crate) const fn as_number(self) -> u64 {
        self.0
    }

    pub(crate) const fn from_number(number: u64) -> Self {
        Self(number)
    }
}

impl fmt::Debug for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Generation({})", self.0)
    }
}

const CREATING: u64 = 0b001;
const MARKED: u64 = 0b010;
const STORING: u64 = 0b100;
/// The generation takes the other 61 bits: at one invalidation a nanosecond, 73 years.
const GENERATION: u64 = 0b1000;

/// The word as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u64);

impl State {
    /// The generation it shows.
    pub const fn generation(self) -> Generation {
        Generation(self.0 / GENERATION)
    }

    /// Whether a creation runs.
    #[inline]
    pub const fn is_creating(self) -> bool {
        self.0 & CREATING != 0
    }

    /// Whether this is the running creation that was `seen`, in the same generation; marks and stores aside.
    const fn is_the_creation(self, seen: Self) -> bool {
        self.is_creating() && self.0 / GENERATION == seen.0 / GENERATION
    }

    const fn is_marked(self) -> bool {
        self.0 & MARKED != 0
    }

    const fn is_storing(self) -> bool {
        self.0 & STORING != 0
    }
}

/// How a creation ended that was finished. More ways arise as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Finished {
    /// Its value is the current one.
    Published,
    /// Its value is the current one, but stale: [`mark_stale`](crate::Dogpile::mark_stale) was called after it began.
    PublishedStale,
    /// It was overtaken by an invalidation: its value did not become the current one.
    Superseded,
}

/// What became of a waiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// A creation that it could wait for has finished.
    Served,
    /// It is elected, in this generation, and has to create.
    Elected(Generation),
    /// The creation that the access saw has ended before it could queue.
    Moved,
    /// The creation that it waited for has stood down: look at everything again.
    LookAgain,
}

struct Waiting {
    waker: Waker,
    since: Generation,
    /// Has the baton: was woken to elect itself and has not looked yet.
    called: bool,
    /// Was woken to look at the value once more, and has not yet.
    again: bool,
}

/// Those who wait, by ticket. Tickets are never used twice in a process, and grow with the order of arrival. Whoever
/// ends a wait takes its ticket out.
#[derive(Default)]
struct Queue {
    /// For a creation.
    accesses: BTreeMap<u64, Waiting>,
    /// For the end of a store, having invalidated while it ran.
    invalidations: BTreeMap<u64, Waker>,
}

impl Queue {
    fn is_empty(&self) -> bool {
        self.accesses.is_empty() && self.invalidations.is_empty()
    }
}

/// The queue, in a box that exists only while somebody waits: memory is given back, and the lock stays small.
type Lazy = Option<Box<Queue>>;

/// Who is to be woken once the mutex is released: a waker is user code, and neither run, cloned nor dropped under it (C22).
#[must_use = "wake them, after the mutex"]
#[derive(Default)]
struct Wake {
    served: IntoValues<u64, Waiting>,
    called: Option<Waker>,
    again: Vec<Waker>,
    let_go: IntoValues<u64, Waker>,
}

impl Wake {
    fn now(mut self) {
        together(|| self.wake());
    }

    fn wake(&mut self) {
        if let Some(called) = self.called.take() {
            called.wake();
        }
        while let Some(again) = self.again.pop() {
            again.wake();
        }
        for waiting in self.served.by_ref() {
            waiting.waker.wake();
        }
        for invalidation in self.let_go.by_ref() {
            invalidation.wake();
        }
    }
}

impl Drop for Wake {
    /// After a waker that panicked, the others are woken all the same.
    fn drop(&mut self) {
        self.wake();
    }
}

/// The election of one lock.
pub struct Election {
    state: AtomicU64,
    queue: Mutex<Lazy>,
}

impl Election {
    const_fn! {
        /// Nobody creates, nobody waits.
        pub const fn new() -> Self {
            Self { state: AtomicU64::new(0), queue: Mutex::new(None) }
        }
    }

    /// The word as it is now.
    #[inline]
    pub fn look(&self) -> State {
        // Acquire: pairs with the releases of every transition. The deadline that is read next is at least as new as a
        // creation that is seen finished here; an invalidation that is seen here may still be about to clear it.
        State(self.state.load(Ordering::Acquire))
    }

    /// Elects the caller if nobody creates and nothing has moved since `seen`. It owes a `finish` or an `abandon`.
    pub fn elect(&self, seen: State) -> Option<Generation> {
        if seen.is_creating() {
            return None;
        }
        let creating = (seen.0 & !MARKED) | CREATING;
        // Acquire: pairs with the releases in `finish`, `abandon`, `invalidate` and `mark`, so that the creator sees what
        // earlier creators wrote and what was done before an invalidation or a mark. Nothing is released: nobody
        // reads anything on the strength of a creation having begun.
        self.state
            .compare_exchange(seen.0, creating, Ordering::Acquire, Ordering::Relaxed)
            .ok()
            .map(|_| seen.generation())
    }

    /// Prepares to wait for the creation that was `seen`. The first poll queues.
    pub fn wait(&self, seen: State) -> Waiter<'_> {
        Waiter { election: self, seen, ticket: None }
    }

    /// Whether a creation born in `born` may still publish.
    pub fn is_current(&self, born: Generation) -> bool {
        self.look().generation() == born
    }

    /// Ends a creation with success. `publish` runs under the mutex and is told how it ended, and in which generation; what
    /// was superseded is to be given to those who are served, and is not to become the current value. `kept_back` says
    /// that the creation knows itself superseded and has left its value where nobody finds it: then it serves nobody, and
    /// `publish` does not run.
    pub fn finish(&self, born: Generation, kept_back: bool, publish: impl FnOnce(Finished, Generation)) -> Finished {
        let mut queue = self.queue.lock();
        // Relaxed: while we are creating the word changes only under the mutex that we hold.
        let state = State(self.state.load(Ordering::Relaxed));
        debug_assert!(state.is_creating() && !state.is_storing());
        let superseded = state.generation() != born && !mutant(Mutant::LateFinishPublishes);
        let mut wake = Wake::default();
        let finished = if superseded {
            if !kept_back {
                publish(Finished::Superseded, born);
                wake.served = take_until(&mut queue, born);
            }
            wake.called = call_next(&mut queue);
            Finished::Superseded
        } else {
            let finished = if state.is_marked() { Finished::PublishedStale } else { Finished::Published };
            publish(finished, born.next());
            wake.served = take_all(&mut queue);
            finished
        };
        let moved = if superseded { 0 } else { GENERATION };
        // Release: pairs with the acquires in `look` and `elect`. It comes after the deadline: who sees this word idle
        // in the new generation sees the new deadline too.
        self.state.store((state.0 & !(CREATING | MARKED)) + moved, Ordering::Release);
        release(queue, wake);
        finished
    }

    /// Ends a creation that need not run after all, since the value was found where it lives, or nothing can be found out
    /// there: all who wait are to look for themselves.
    pub fn stand_down(&self) {
        let mut queue = self.queue.lock();
        let mut wake = Wake::default();
        wake.again = all_again(&mut queue);
        self.free(queue, wake);
    }

    /// Ends a creation that failed, was dropped or never ran: one waiter is called.
    pub fn abandon(&self) {
        let mut queue = self.queue.lock();
        let mut wake = Wake::default();
        wake.called = call_next(&mut queue);
        self.free(queue, wake);
    }

    fn free(&self, queue: MutexGuard<'_, Lazy>, wake: Wake) {
        // Release: pairs with the acquire in `elect`: the next creator sees what this one left behind.
        self.state.fetch_and(!(CREATING | MARKED), Ordering::Release);
        release(queue, wake);
    }

    /// Begins a store of the creation born in `born`, unless it was superseded. `stores` counts that creation's stores,
    /// which may overlap. Whoever is let in owes an `end_store`.
    pub fn begin_store(&self, born: Generation, stores: &AtomicU64) -> bool {
        let _queue = self.queue.lock();
        // Relaxed: the generation moves only under the mutex that we hold, which also orders a refusal after its reason.
        if State(self.state.load(Ordering::Relaxed)).generation() != born {
            return false;
        }
        // Relaxed, both: under the mutex.
        stores.fetch_add(1, Ordering::Relaxed);
        self.state.fetch_or(STORING, Ordering::Relaxed);
        true
    }

    /// Ends a store: once no other runs, those who invalidated meanwhile are let go.
    pub fn end_store(&self, stores: &AtomicU64) {
        let mut queue = self.queue.lock();
        let mut wake = Wake::default();
        // Relaxed, both: under the mutex, which also carries what was stored to those who are let go.
        if stores.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.state.fetch_and(!STORING, Ordering::Relaxed);
            if let Some(queue) = queue.as_mut() {
                wake.let_go = mem::take(&mut queue.invalidations).into_values();
            }
        }
        release(queue, wake);
    }

    /// Moves the generation and runs `forget` under the mutex; with `only_if`, only from that generation (else `None`).
    /// It has taken effect when this returns; what is returned waits for a store that was under way.
    pub fn invalidate(&self, only_if: Option<Generation>, forget: impl FnOnce()) -> Option<StoreEnd<'_>> {
        let mut queue = self.queue.lock();
        // Relaxed: the generation moves only under the mutex that we hold, and so does `STORING`.
        let state = State(self.state.load(Ordering::Relaxed));
        if only_if.is_some_and(|seen| seen != state.generation()) {
            return None;
        }
        // A read-modify-write, since an election may come in between. Release: pairs with the acquire in `elect` and
        // `look`: a creation born in the new generation sees what was done before it was invalidated.
        self.state.fetch_add(GENERATION, Ordering::Release);
        forget();
        let ticket = state.is_storing().then(unique);
        if let Some(ticket) = ticket {
            queue.get_or_insert_default().invalidations.insert(ticket, Waker::noop().clone());
        }
        drop(queue);
        Some(StoreEnd { election: self, ticket })
    }

    /// A value came from elsewhere: `publish` makes it the current one under the mutex, in the generation that it is told.
    /// Whatever is being created is superseded, and everybody who waits is served. For locks whose creations store nothing
    /// by themselves.
    pub fn set(&self, publish: impl FnOnce(Generation)) {
        let mut queue = self.queue.lock();
        // Relaxed: as in `invalidate`.
        let state = State(self.state.load(Ordering::Relaxed));
        debug_assert!(!state.is_storing());
        publish(state.generation().next());
        // After the deadline, as in `finish`, and a read-modify-write, as in `invalidate`. Release: as in both.
        self.state.fetch_add(GENERATION, Ordering::Release);
        let mut wake = Wake::default();
        wake.served = take_all(&mut queue);
        release(queue, wake);
    }

    /// Runs `look` while no transition is half-way.
    pub fn still<R>(&self, look: impl FnOnce() -> R) -> R {
        let _queue = self.queue.lock();
        look()
    }

    /// The generation, with what went before it: an invalidation that has moved it has taken effect.
    pub fn generation(&self) -> Generation {
        self.still(|| self.look().generation())
    }

    /// Marks the creation that runs, if any, as making a stale value, and runs `mark` under the mutex.
    pub fn mark(&self, mark: impl FnOnce()) {
        let _queue = self.queue.lock();
        // A read-modify-write even if nobody creates. Release: pairs with the acquire in `elect`: a creation that does
        // not carry the mark was elected after it, and sees what was done before it.
        self.state.fetch_or(MARKED, Ordering::Release);
        mark();
    }

    /// How many wait for a creation.
    pub fn waiting(&self) -> usize {
        self.queue.lock().as_ref().map_or(0, |queue| queue.accesses.len())
    }

    fn leave(&self, ticket: u64) {
        let mut queue = self.queue.lock();
        let Some(left) = queue.as_mut().and_then(|queue| queue.accesses.remove(&ticket)) else {
            return; // served: whoever served us took us out
        };
        // Relaxed: an election that is missed here ends under the mutex, after us, and sees to the queue itself.
        let idle = !State(self.state.load(Ordering::Relaxed)).is_creating();
        let mut wake = Wake::default();
        if left.called && idle && !mutant(Mutant::BatonKept) {
            wake.called = call_next(&mut queue);
        }
        release(queue, wake);
    }
}

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl UnwindSafe for Election {}
impl RefUnwindSafe for Election {}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.look();
        f.debug_struct("Election")
            .field("generation", &state.generation().0)
            .field("creating", &state.is_creating())
            .finish_non_exhaustive()
    }
}

/// Releases the mutex, gives memory back, and wakes, in this order.
fn release(mut queue: MutexGuard<'_, Lazy>, wake: Wake) {
    let empty = queue.take_if(|queue| queue.is_empty());
    drop(queue);
    drop(empty);
    wake.now();
}

/// Takes out all accesses.
fn take_all(queue: &mut Lazy) -> IntoValues<u64, Waiting> {
    queue.as_mut().map(|queue| mem::take(&mut queue.accesses)).unwrap_or_default().into_values()
}

/// Takes out the accesses that have waited since `born` or before. Tickets and generations grow together.
fn take_until(queue: &mut Lazy, born: Generation) -> IntoValues<u64, Waiting> {
    let Some(queue) = queue.as_mut() else { return IntoValues::default() };
    let later = queue.accesses.iter().find(|(_, waiting)| waiting.since > born).map(|(ticket, _)| *ticket);
    let later = later.map(|ticket| queue.accesses.split_off(&ticket)).unwrap_or_default();
    mem::replace(&mut queue.accesses, later).into_values()
}

/// Tells all accesses to look again. They stay in their places until they do, so that whoever creates first serves them.
fn all_again(queue: &mut Lazy) -> Vec<Waker> {
    let accesses = queue.iter_mut().flat_map(|queue| queue.accesses.values_mut());
    let wakers = accesses.map(|waiting| {
        waiting.again = true;
        // As in `call_next`.
        mem::replace(&mut waiting.waker, Waker::noop().clone())
    });
    wakers.collect()
}

/// Gives the first in line the baton; returns its waker unless it has been woken already.
fn call_next(queue: &mut Lazy) -> Option<Waker> {
    let mut first = queue.as_mut()?.accesses.first_entry()?;
    let first = first.get_mut();
    if first.called {
        return None;
    }
    first.called = true;
    // Whoever is called polls again before it waits again, and brings a new one.
    Some(mem::replace(&mut first.waker, Waker::noop().clone()))
}

/// One who waits for a creation, thread or task. Dropping it leaves the queue, and passes the baton on.
#[must_use = "a waiter waits only while it is polled"]
#[derive(Debug)]
pub struct Waiter<'a> {
    election: &'a Election,
    seen: State,
    ticket: Option<u64>,
}

impl Waiter<'_> {
    /// Queues at first; then tells what became of it. The newest waker is the one that is woken (C5).
    pub fn poll(&mut self, waker: &Waker) -> Poll<Verdict> {
        // Before the mutex: cloning a waker is user code.
        let waker = waker.clone();
        match self.ticket {
            None => self.queue(waker),
            Some(ticket) => self.check(ticket, waker),
        }
    }

    fn queue(&mut self, waker: Waker) -> Poll<Verdict> {
        let mut queue = self.election.queue.lock();
        // Relaxed: a running creation's word changes only under the mutex that we hold.
        let state = State(self.election.state.load(Ordering::Relaxed));
        if !state.is_the_creation(self.seen) && !mutant(Mutant::NoRecheck) {
            drop(queue);
            return Poll::Ready(Verdict::Moved);
        }
        let ticket = unique();
        let waiting = Waiting { waker, since: state.generation(), called: false, again: false };
        queue.get_or_insert_default().accesses.insert(ticket, waiting);
        self.ticket = Some(ticket);
        Poll::Pending
    }

    fn check(&mut self, ticket: u64, mut waker: Waker) -> Poll<Verdict> {
        let mut queue = self.election.queue.lock();
        let Some(waiting) = queue.as_mut().and_then(|queue| queue.accesses.get_mut(&ticket)) else {
            drop(queue);
            self.ticket = None;
            return Poll::Ready(Verdict::Served);
        };
        if waiting.called {
            if let Some(born) = self.election.elect(self.election.look()) {
                return self.go(queue, ticket, Verdict::Elected(born));
            }
            // A newcomer was faster: back to waiting, first in line. Its creation ends under the mutex, after us.
            waiting.called = false;
        }
        if waiting.again {
            return self.go(queue, ticket, Verdict::LookAgain);
        }
        mem::swap(&mut waiting.waker, &mut waker);
        drop(queue);
        drop(waker); // the old one
        Poll::Pending
    }

    /// Takes itself out of the queue with a verdict.
    fn go(&mut self, mut queue: MutexGuard<'_, Lazy>, ticket: u64, verdict: Verdict) -> Poll<Verdict> {
        let left = queue.as_mut().and_then(|queue| queue.accesses.remove(&ticket));
        release(queue, Wake::default());
        drop(left); // a waker
        self.ticket = None;
        Poll::Ready(verdict)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.election.leave(ticket);
        }
    }
}

/// The end of a store that was under way when somebody invalidated. Dropping it stops waiting for that.
#[must_use = "it waits only while it is polled"]
#[derive(Debug)]
pub struct StoreEnd<'a> {
    election: &'a Election,
    ticket: Option<u64>,
}

impl StoreEnd<'_> {
    /// Whether there is nothing to wait for, as far as has been seen.
    pub fn is_over(&self) -> bool {
        self.ticket.is_none()
    }

    /// Ready once no store runs that began before the invalidation.
    pub fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let Some(ticket) = self.ticket else { return Poll::Ready(()) };
        let mut waker = waker.clone();
        let mut queue = self.election.queue.lock();
        let Some(waiting) = queue.as_mut().and_then(|queue| queue.invalidations.get_mut(&ticket)) else {
            drop(queue);
            self.ticket = None;
            return Poll::Ready(());
        };
        mem::swap(waiting, &mut waker);
        drop(queue);
        drop(waker); // the old one
        Poll::Pending
    }
}

impl Drop for StoreEnd<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            let mut queue = self.election.queue.lock();
            let left = queue.as_mut().and_then(|queue| queue.invalidations.remove(&ticket));
            release(queue, Wake::default());
            drop(left); // a waker
        }
    }
}
