//! Who creates: the election, the queue of those who wait, the hand-over on failure.
//!
//! Nothing here knows a value, a clock or a user's closure. The layers above pass in what must happen at the same
//! moment as a transition (storing a deadline) as a small closure of their own, and the time as a number. Here are the
//! states and the transitions; [`queue`] has what is kept behind the mutex, [`waiter`] those who wait for a creation,
//! [`watcher`] those that wait for a value and are never elected.
//!
//! # States
//!
//! One word: four flags and the generation (and a bit that is set once and stays, which says whether there are rules: the
//! lock has a policy, or a value of the lock has said how it ages).
//!
//! | `CREATING` | `MARKED` | `STORING` | `TIMED` | state |
//! |---|---|---|---|---|
//! | 0 | 0 or 1 | 0 | 0 | idle: nobody creates (a mark left here means nothing; the next election clears it) |
//! | 0 | 0 or 1 | 0 | 1 | paused until `hold`: as idle, but whoever can do without a new value is not to be elected before that |
//! | 1 | 0 | 0 | 0 or 1 | a creation runs |
//! | 1 | 1 | 0 | 0 or 1 | a creation runs, and what it makes is stale already (`mark_stale` came after it began) |
//! | 1 | 0 or 1 | 1 | 0 or 1 | it is inside `publish`: its user's closure writes to a store |
//!
//! `hold` is a word beside this one, for locks that need it: by their policy, or because a failure said how long to
//! pause. While a creation runs and `TIMED` is set, it says
//! from when on that creation is *overdue*: it may be declared dead, unless it is storing. Without `TIMED` it says
//! nothing.
//!
//! A creation remembers its [`Birth`]: the generation that it was elected in, and a ticket if it may die. It is
//! *superseded* once the word's generation has moved on, and *dead* once the ticket of the one that runs is another (it
//! may be both). What is dead has no transitions: each of them is refused, or does nothing.
//!
//! # Transitions
//!
//! | name | from → to | generation | how | and, under the same mutex |
//! |---|---|---|---|---|
//! | elect | idle or paused → creating | stays; the first, if there was none | compare-and-swap from the word the access saw; if creations may die, under the mutex | new ticket, `hold` |
//! | take over | creating, overdue → creating | stays | mutex | new ticket, `hold`; the old creation is dead from here on |
//! | finish | creating → idle | + 1 | mutex | new deadline; every waiter is served, every watcher is told; failures are forgotten |
//! | finish, superseded | creating → idle | stays | mutex | waiters from before the superseding are served; then as give up; failures are forgotten (or counted, as below) |
//! | finish, expired at once | creating → paused | + 1 | mutex | as finish, but it counts as a failure |
//! | set | any → same, paused → idle | + 1 | mutex | new deadline; every waiter is served, every watcher is told; failures are forgotten |
//! | stand down | creating → idle, or paused as it was | stays | mutex | every waiter is told to look again |
//! | give up | creating → idle, or paused as it was | stays | mutex | the first waiter that can create is given the baton; if there is none, those who cannot are woken; in a pause that goes on, as fail |
//! | fail | creating → paused | stays | mutex | `hold`; the waiters that share the error are told of that, those that can hear of the pause of that, the rest as give up |
//! | fail, without a pause | creating → idle | stays | mutex | the waiters that share the error are told of that, the rest as give up; the failure is counted if there are others |
//! | begin store | creating → storing | stays | mutex, refused if superseded | - |
//! | end store | storing → creating | stays | mutex | those who invalidated meanwhile are let go; who found the creation overdue is woken |
//! | invalidate | any → same | + 1 | mutex | deadline: missing; then waits while a store runs |
//! | mark | any → `MARKED` | stays | mutex | deadline: stale, if there is a value |
//! | be asked | any → same | stays; the first, if there was none | mutex | - |
//! | queue | creating → creating | stays | mutex | a waiter is added, if a creation still runs in the generation it saw, and unless they would wait for each other ([`cycle`]) |
//! | queue without a creator | any → same | stays | mutex | the same, whether a creation runs or not |
//! | watch | any → same | stays; the first, if there was none | mutex | a watcher is added, unless there is already what it waits for |
//!
//! Everything but *elect* holds the mutex, so while a creation runs the word changes under the mutex only; while nobody
//! creates, only *elect* can come in between, which is why *set*, *invalidate* and *mark* are read-modify-writes. Where
//! creations may die *elect* holds it as well, and nothing comes in between at all.
//!
//! # Why it holds
//!
//! - *One creator (L1).* `CREATING` is set by a compare-and-swap from a word without it and cleared only by its owner,
//!   or by whoever takes over, after which the old owner owns nothing: ownership is compared by ticket, under the
//!   mutex, in each transition.
//! - *No creation of a fresh value.* An access reads the word first and the deadline second, and is elected only from
//!   that same word. Had a creation finished in between, or a value been set, the generation would have moved. (Both
//!   store the deadline first: who is elected before the word moves began before, and is superseded by a set.)
//! - *Invalidation wins (L6).* Invalidate moves the generation and clears the deadline under the mutex; finish compares
//!   the generation and stores the deadline under the mutex. Whichever comes second knows of the first. A creation that
//!   is elected between the two steps of an invalidation was born in the new generation, and began after it.
//! - *No store after an invalidation (L6).* Begin store checks the generation under the mutex. A store that began
//!   before an invalidation is waited for by whoever invalidates, though not its effect on the lock: that is there at
//!   once. Who invalidates in the middle of the creation that stores does not wait for itself (L7).
//! - *No store by the dead (C11).* Begin store checks the ticket, too, and while a store runs nobody takes over.
//! - *A mark is not lost.* Mark is a read-modify-write of the word that elect swaps: either it sees `CREATING`, or the
//!   creation was elected after it and sees what was done before it.
//! - *No lost wake-up (C16).* A waiter queues under the mutex only while a creation runs; whoever ends that creation
//!   takes the mutex afterwards and finds it.
//! - *The dead are found.* Whoever waits where creations may die sleeps no longer than a creation takes that begins
//!   now, nor, if one runs, than until `hold` as it last saw it. No creation that it may come to wait for is overdue
//!   before that (but one whose owner read the clock and was then slow to come to the mutex, which is found that much
//!   later). If it queues behind an overdue creation, or looks again while one stores, it says so under the mutex, and
//!   the end of a store wakes it. Whether it does, and until when it sleeps, go by one reading of the clock.
//! - *The baton.* While nobody creates and somebody waits who can, and is not about to hear of a pause, exactly one
//!   waiter is *called*: woken, and to elect itself when it looks. It stays in its place meanwhile. If a newcomer was
//!   faster, it is no longer called but still the first in line, and the newcomer's creation, when it ends, serves it
//!   or calls it again. If it leaves instead, it calls the next. After *stand down* all of them are awake and will
//!   look, so nobody needs to be called; who then comes to wait finds a creation running.
//! - *Who cannot create is not left behind (L3).* One whose creator was given away (see
//!   [`spawner`](crate::spawner)) is never called, and stays in the queue until it is served, told or leaves: so no end
//!   of a creation is missed. Where one that could create would be elected, it has its turn, which it learns of when it
//!   polls; and somebody sees to that: whoever ends a creation and finds nobody to call wakes it, and so does the last
//!   that could create, when that leaves the queue; an overdue creation it finds by itself, at once if it is alone, and
//!   else after as long again: a waiter that could take over and has not by then is not polled any more.
//! - *Nobody is elected for having waited (L3).* A waiter that is served is taken out of the queue by whoever serves
//!   it. So to be called it must not have been served: no creation since it queued has finished that it could have
//!   used.
//! - *A failure is shared once.* Who is told of a pause, or of the error, stays in its place until it looks; if a
//!   newcomer's creation has served it by then, it has a value instead. Of two errors it is told the first: to put the
//!   second in its place would drop that under the mutex (C22).
//! - *A set value stays (C6).* Set moves the generation as an invalidation does, so a creation from before it does not
//!   publish; it serves everybody as a finish does, since nobody who waits could want a newer value.
//! - *No value is missed by a watcher (C16).* A watcher looks whether there is what it waits for, and is added if not,
//!   under the mutex under which each value is published; and each publishing takes out every watcher. So a value that
//!   was published before the look is seen by it, and one that is published later finds the watcher.
//! - *A watcher keeps nothing from anybody.* It is no waiter: it is never called, holds no baton, is not among those
//!   who can create, and has no edge in [`cycle`]. So a creation that ends calls and serves as if there were none.
//! - *Old news is not served (L6).* Who queued in generation `g` asked after the invalidation that made it `g`; a
//!   creation born in an older one does not answer it. An ordinary finish is born in the current one and answers
//!   everybody.
//!
//! # The generation and the freshness
//!
//! The generation is kept here, not with the deadline in [`freshness`](crate::freshness), because elect must fail when
//! it has moved: one word makes that one compare-and-swap. What it is made of is in [`generation`]; that a lock takes
//! its first one is no move ("+ 1" is one). The mutex guards the queue and orders the rare transitions; neither a hit
//! nor a stale access during a creation or a pause takes it or writes the word (L2, L12).

mod generation;
mod queue;
mod waiter;
mod watcher;

pub use generation::Generation;
pub use queue::{Pause, SharedError};
pub use waiter::{StoreEnd, Verdict, Waiter};
pub use watcher::Watcher;

use crate::cycle;
use crate::sync::{Arc, AtomicU64, Mutant, Mutex, MutexGuard, Ordering, const_fn, mutant, unique};
use crate::wakers::Sleeper;
use queue::{Book, Lazy, Role, Streak, Wake, in_book, release};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

const CREATING: u64 = 0b0001;
const MARKED: u64 = 0b0010;
const STORING: u64 = 0b0100;
const TIMED: u64 = 0b1000;
/// There are rules: a policy, or a value that has said how it ages, be it the one that is there or an earlier one. Once
/// set, the bit stays. It is kept here because this word is read where nothing else is to be.
const RULED: u64 = 0b1_0000;
/// The generation takes the other 59 bits: at one invalidation a nanosecond, 18 years.
const GENERATION: u64 = 0b10_0000;

/// The word as somebody saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State(u64);

impl State {
    /// The generation it shows.
    pub const fn generation(self) -> Generation {
        Generation::from_number(self.0 / GENERATION)
    }

    /// The same in that generation.
    const fn moved_to(self, generation: Generation) -> Self {
        Self(self.0 % GENERATION + generation.as_number() * GENERATION)
    }

    /// Whether a creation runs.
    #[inline]
    pub const fn is_creating(self) -> bool {
        self.0 & CREATING != 0
    }

    /// Whether `hold` has something to say: when the creation is overdue, or until when there is a pause.
    #[inline]
    pub const fn is_timed(self) -> bool {
        self.0 & TIMED != 0
    }

    /// Whether there is a policy, or a value has said how it ages.
    #[inline]
    pub const fn is_ruled(self) -> bool {
        self.0 & RULED != 0
    }

    /// Whether the creation that runs is inside `publish`.
    pub const fn is_storing(self) -> bool {
        self.0 & STORING != 0
    }

    /// Whether this is a creation that runs in the generation that was `seen`; marks and stores aside.
    const fn is_the_creation(self, seen: Self) -> bool {
        self.is_creating() && self.generation().is_still(seen.generation())
    }

    const fn is_marked(self) -> bool {
        self.0 & MARKED != 0
    }
}

/// When a creation was elected, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The generation.
    pub generation: Generation,
    /// A number of its own, if it may be declared dead; else 0.
    pub ticket: u64,
    /// When it began, on the lock's clock: noted by the layers above.
    pub started: u64,
    /// For how long the one had run that was declared dead for this, if one was.
    pub buried: Option<u64>,
}

/// What it takes to elect where creations may die: times are those of the lock's clock.
#[derive(Clone, Copy, Debug)]
pub struct Timer<'a> {
    /// See the [module docs](self).
    pub hold: &'a AtomicU64,
    /// What time it is.
    pub now: u64,
    /// For how long a creation is not overdue.
    pub timeout: u64,
}

impl Timer<'_> {
    /// Whether the creation that runs could be declared dead, but for its store. Under the mutex.
    fn finds_overdue(&self, state: State) -> bool {
        // Relaxed: under the mutex.
        state.is_timed() && self.hold.load(Ordering::Relaxed) <= self.now
    }

    /// Whether it is overdue for as long again, and nobody has taken its place. Under the mutex.
    fn finds_long_overdue(&self, state: State) -> bool {
        // Relaxed: under the mutex.
        state.is_timed() && self.hold.load(Ordering::Relaxed).saturating_add(self.timeout) <= self.now
    }
}

/// A failure that is counted, and what it takes to pause after it.
pub struct Failed<'a> {
    /// See the [module docs](self).
    pub hold: &'a AtomicU64,
    /// What it failed with.
    pub cause: Arc<str>,
    /// How long to pause.
    pub pause: Pausing<'a>,
}

/// How long to pause after a failure. Times are those of the lock's clock.
#[derive(Clone, Copy)]
pub enum Pausing<'a> {
    /// As the failure itself says: until then, or not at all; whatever was said before.
    Said(Option<u64>),
    /// As the policy says after so many failures in a row: until then, and no shorter than an earlier failure said.
    Grown(&'a dyn Fn(u32) -> u64),
    /// Nothing is said of it `now`: the pause that an earlier failure said goes on, unless that is over.
    Unsaid {
        /// What time it is.
        now: u64,
    },
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
    /// It took longer than its [time-out](crate::PolicyBuilder::creation_timeout), and another was elected in its
    /// place: its value did not become the current one.
    Dead,
}

/// The election of one lock.
pub struct Election {
    state: AtomicU64,
    book: Mutex<Lazy>,
}

impl Election {
    const_fn! {
        /// Nobody creates, nobody waits.
        pub const fn new() -> Self {
            Self { state: AtomicU64::new(0), book: Mutex::new(None) }
        }
    }

    const_fn! {
        /// There is a policy. Before anybody is elected.
        pub const fn be_ruled(&mut self) {
            let word = std::mem::replace(&mut self.state, AtomicU64::new(0)).into_inner();
            self.state = AtomicU64::new(word | RULED);
        }
    }

    /// A value says how it ages. Under the mutex, where the value is published, and before its deadline is stored.
    pub fn be_ruled_by_value(&self) {
        // A read-modify-write: an election may come in between, if nobody creates. Relaxed: the release of the deadline
        // carries it to whoever sees that (see `is_ruled`).
        self.state.fetch_or(RULED, Ordering::Relaxed);
    }

    /// Whether there are rules for the value whose deadline was seen before this call.
    #[inline]
    pub fn is_ruled(&self) -> bool {
        // Relaxed: the deadline was acquired, and the bit was set before that was released.
        State(self.state.load(Ordering::Relaxed)).is_ruled()
    }

    /// The word as it is now.
    #[inline]
    pub fn look(&self) -> State {
        // Acquire: pairs with the releases of every transition. The deadline that is read next is at least as new as a
        // creation that is seen finished here; an invalidation that is seen here may still be about to clear it.
        // `hold`, if the word says to read it, is at least as new as the word.
        State(self.state.load(Ordering::Acquire))
    }

    /// The word, to somebody who holds the mutex. (Unless creations may die, who is elected does not take it.)
    fn look_locked(&self) -> State {
        // Relaxed: whatever moves the generation, or ends a creation, holds the mutex.
        State(self.state.load(Ordering::Relaxed))
    }

    /// Elects the caller if nobody creates and nothing has moved since `seen`; with a timer, also in place of a
    /// creation that is overdue, in the generation that was `seen`. It owes a `finish`, a `stand_down`, a `give_up` or
    /// an `abandon`.
    ///
    /// The timer goes by the lock: either all elections have one or none.
    pub fn elect(&self, seen: State, timer: Option<Timer<'_>>) -> Option<Birth> {
        if timer.is_none() {
            return self.elect_at_once(seen);
        }
        let mut book = self.book.lock();
        self.elect_locked(&mut book, seen, timer)
    }

    fn elect_at_once(&self, seen: State) -> Option<Birth> {
        if seen.is_creating() {
            return None;
        }
        let generation = seen.generation().or_first();
        let creating = (seen.moved_to(generation).0 & !(MARKED | TIMED)) | CREATING;
        // Acquire: pairs with the releases in `free`, `invalidate` and `mark`, so that the creator sees what earlier
        // creators wrote and what was done before an invalidation or a mark. Release: pairs with the acquire in
        // `begun`, for the lock's number alone; nobody reads anything else on the strength of a creation having begun.
        self.state.compare_exchange(seen.0, creating, Ordering::AcqRel, Ordering::Relaxed).ok().map(|_| Birth {
            generation,
            ticket: 0,
            started: 0,
            buried: None,
        })
    }

    /// As [`elect`](Self::elect), for whoever holds the mutex.
    fn elect_locked(&self, book: &mut Lazy, seen: State, timer: Option<Timer<'_>>) -> Option<Birth> {
        let Some(timer) = timer else { return self.elect_at_once(seen) };
        let state = self.look_locked();
        let mut buried = None;
        if state.is_creating() {
            if !timer.finds_overdue(state) || !state.generation().is_still(seen.generation()) {
                return None;
            }
            let book = book.get_or_insert_default();
            if state.is_storing() && !mutant(Mutant::StorerTakenOver) {
                book.overdue = true;
                return None;
            }
            book.overdue = false;
            if let Some(dead) = book.running.take() {
                cycle::bury(self, dead);
            }
            // Relaxed: under the mutex.
            let overdue_since = timer.hold.load(Ordering::Relaxed);
            buried = Some(timer.now.saturating_sub(overdue_since).saturating_add(timer.timeout));
        } else if state != seen {
            return None;
        }
        let (ticket, generation) = (unique() + 1, state.generation().or_first());
        book.get_or_insert_default().running = Some(ticket);
        // Relaxed: the release below carries it.
        timer.hold.store(timer.now.saturating_add(timer.timeout), Ordering::Relaxed);
        // Release: pairs with the acquire in `look`, for `hold`. What `elect_at_once` acquires the mutex has brought:
        // where creations may die, whoever changes the word holds it.
        self.state.store((state.moved_to(generation).0 & !MARKED) | CREATING | TIMED, Ordering::Release);
        Some(Birth { generation, ticket, started: 0, buried })
    }

    /// Prepares to wait for the creation that was `seen`. The first poll queues. Who `hears_of_pauses` need not create
    /// after a failure that others pause for.
    pub fn wait(&self, seen: State, hears_of_pauses: bool) -> Waiter<'_> {
        Waiter::new(self, seen, Role { creates: true, hears_of_pauses, shares: None })
    }

    /// The same for one who cannot create: it is never called, and waits for whatever comes, also while nobody creates.
    /// It hears of pauses.
    pub fn wait_without_creator(&self) -> Waiter<'_> {
        Waiter::new(self, self.look(), Role { creates: false, hears_of_pauses: true, shares: None })
    }

    /// Prepares to wait for a value: for any, or for one that is newer than the generation `since`. The first poll
    /// looks, and else adds the watcher.
    pub fn watch(&self, since: Option<Generation>) -> Watcher<'_> {
        Watcher::new(self, since)
    }

    /// Whether a creation born then may still publish, as far as invalidations go.
    pub fn is_current(&self, born: Birth) -> bool {
        self.look().generation() == born.generation
    }

    /// Whether the creation with that ticket has not been declared dead. While it runs.
    pub fn is_live(&self, ticket: u64) -> bool {
        ticket == 0 || self.book.lock().as_ref().and_then(|book| book.running) == Some(ticket)
    }

    /// Takes the creation born then out of the book, at its end; returns whether it was live.
    fn strike_out(book: &mut Lazy, born: Birth) -> bool {
        if born.ticket == 0 || mutant(Mutant::DeadIsLive) {
            return true;
        }
        let Some(book) = book.as_mut().filter(|book| book.running == Some(born.ticket)) else {
            cycle::forget(born.ticket);
            return false;
        };
        (book.running, book.overdue) = (None, false);
        true
    }

    /// Ends a creation with success. `publish` runs under the mutex and is told how it ended, and in which generation;
    /// what was superseded is to be given to those who are served, and is not to become the current value. `kept_back`
    /// says that the creation knows itself superseded and has left its value where nobody finds it: then it serves
    /// nobody, and `publish` does not run; nor does it if the creation is dead. If it `failed`, the value counts as a
    /// failure all the same.
    pub fn finish(
        &self,
        born: Birth,
        kept_back: bool,
        failed: Option<Failed<'_>>,
        publish: impl FnOnce(Finished, Generation),
    ) -> Finished {
        let mut book = self.book.lock();
        if !Self::strike_out(&mut book, born) {
            return Finished::Dead;
        }
        let state = self.look_locked();
        debug_assert!(state.is_creating());
        let superseded = state.generation() != born.generation && !mutant(Mutant::LateFinishPublishes);
        let mut wake = Wake::default();
        let mut generation = state.generation();
        let finished = if superseded {
            if !kept_back {
                publish(Finished::Superseded, born.generation);
                wake.served = in_book(&mut book, |book| book.take_until(born.generation));
            }
            Finished::Superseded
        } else {
            let finished = if state.is_marked() { Finished::PublishedStale } else { Finished::Published };
            generation = generation.next();
            publish(finished, generation);
            wake.served = in_book(&mut book, Book::take_all);
            wake.watchers = in_book(&mut book, Book::tell_watchers);
            finished
        };
        let paused = Self::count(&mut book, failed, &mut wake);
        if superseded {
            Self::hand_on(&mut book, &mut wake);
        }
        // The word is read once more: the value may have set the bit of the rules.
        let state = self.look_locked().moved_to(generation);
        self.free(book, wake, state, paused);
        finished
    }

    /// Counts a failure, and tells of the pause it causes; or else forgets all earlier ones. Returns the flag that goes
    /// with it.
    fn count(book: &mut Lazy, failed: Option<Failed<'_>>, wake: &mut Wake) -> u64 {
        let Some(Failed { hold, cause, pause }) = failed else {
            if let Some(book) = book {
                book.streak = None;
            }
            return 0;
        };
        let book = book.get_or_insert_default();
        let (before, said) = book.streak.as_ref().map_or((0, 0), |streak| (streak.failures, streak.said));
        let failures = before.saturating_add(1);
        let (until, said) = match pause {
            Pausing::Said(until) => (until, until.unwrap_or(0)),
            Pausing::Grown(until) => (Some(until(failures).max(said)), said),
            Pausing::Unsaid { now } => (Some(said).filter(|said| now < *said), said),
        };
        book.streak = Some(Streak { failures, until: until.unwrap_or(0), said, cause: Arc::clone(&cause) });
        let Some(until) = until else { return 0 };
        // Relaxed: the release of the word that says to read it carries it.
        hold.store(until, Ordering::Relaxed);
        wake.again = book.tell_of_pause(&Pause { cause, until });
        TIMED
    }

    /// Ends a creation that need not run after all, since the value was found where it lives, or nothing can be found
    /// out there: all who wait are to look for themselves. If it was elected in a pause, that goes on (with `hold`).
    pub fn stand_down(&self, born: Birth, hold: Option<&AtomicU64>) {
        let mut book = self.book.lock();
        if Self::strike_out(&mut book, born) {
            let wake = Wake { again: in_book(&mut book, Book::tell_again), ..Wake::default() };
            let paused = hold.and_then(|hold| Self::resume(&book, hold)).map_or(0, |_| TIMED);
            self.free(book, wake, self.look_locked(), paused);
        }
    }

    /// Ends a creation that failed. Those who waited for it, and share its error, are told of that. Without a pause one
    /// of the others is called; with one, those who can be told of it are, and one of the rest is called.
    ///
    /// Returns whether it was live until then. If so, `note` has run under the mutex: a waiter that is woken finds
    /// what it has noted, and of two failures the later one notes last.
    pub fn abandon(
        &self,
        born: Birth,
        failed: Option<Failed<'_>>,
        error: Option<&SharedError>,
        note: impl FnOnce(),
    ) -> bool {
        self.hand_over(born, |book, wake| {
            note();
            let told = error.map(|error| in_book(book, |book| book.tell_of_failure(born.generation, error)));
            let paused = if failed.is_some() { Self::count(book, failed, wake) } else { 0 };
            wake.again.extend(told.into_iter().flatten());
            paused
        })
    }

    /// Ends a creation that was dropped or never ran: nobody has failed. One waiter is called. If it was elected in a
    /// pause, that goes on (with `hold`); and if it is not over by now, as after a failure.
    pub fn give_up(&self, born: Birth, pause: Option<(&AtomicU64, u64)>) {
        self.hand_over(born, |book, wake| {
            let Some((hold, now)) = pause else { return 0 };
            let Some(pause) = Self::resume(book, hold) else { return 0 };
            if let Some(book) = book.as_mut().filter(|_| now < pause.until) {
                wake.again = book.tell_of_pause(&pause);
            }
            TIMED
        });
    }

    /// Ends a creation without a value, in the pause that `tell` returns the flag of. Returns whether it was live.
    fn hand_over(&self, born: Birth, tell: impl FnOnce(&mut Lazy, &mut Wake) -> u64) -> bool {
        let mut book = self.book.lock();
        let live = Self::strike_out(&mut book, born);
        if live {
            let mut wake = Wake::default();
            let paused = tell(&mut book, &mut wake);
            Self::hand_on(&mut book, &mut wake);
            self.free(book, wake, self.look_locked(), paused);
        }
        live
    }

    /// Has the last pause, if there was one since a success, be that of the lock again, whether it is over or not.
    fn resume(book: &Lazy, hold: &AtomicU64) -> Option<Pause> {
        let streak = book.as_ref()?.streak.as_ref()?;
        // Relaxed: the release of the word that says to read it carries it.
        hold.store(streak.until, Ordering::Relaxed);
        Some(Pause { cause: Arc::clone(&streak.cause), until: streak.until })
    }

    /// Nobody creates any more: the first who can is called; if there is none, those are woken who cannot.
    fn hand_on(book: &mut Lazy, wake: &mut Wake) {
        wake.called = in_book(book, Book::call_next);
        wake.again.extend(in_book(book, Book::wake_if_alone));
    }

    /// A creation has ended in that word, and with it those of its stores that were leaked: nobody is to wait for them.
    fn free(&self, mut book: MutexGuard<'_, Lazy>, mut wake: Wake, state: State, paused: u64) {
        if state.is_storing() {
            wake.let_go = in_book(&mut book, Book::let_go);
        }
        cycle::ended(self);
        // Release: pairs with the acquires in `look` and `elect`: the next creator sees what this one left behind. It
        // comes after the deadline: who sees this word idle in a new generation sees the new deadline too.
        self.state.store(state.0 & !(CREATING | MARKED | TIMED | STORING) | paused, Ordering::Release);
        release(book, wake);
    }

    /// Why nobody creates just now, if that is so.
    pub fn pause(&self, hold: &AtomicU64) -> Option<Pause> {
        let book = self.book.lock();
        let state = self.look_locked();
        if state.is_creating() || !state.is_timed() {
            return None;
        }
        let cause = Arc::clone(&book.as_ref()?.streak.as_ref()?.cause);
        // Relaxed: under the mutex.
        Some(Pause { cause, until: hold.load(Ordering::Relaxed) })
    }

    /// Begins a store of the creation born then, unless it was superseded or is dead. `stores` counts that creation's
    /// stores, which may overlap. Whoever is let in owes an `end_store`.
    ///
    /// # Errors
    ///
    /// [`Finished::Superseded`] or [`Finished::Dead`], as which it will end.
    pub fn begin_store(&self, born: Birth, stores: &AtomicU64) -> Result<(), Finished> {
        let book = self.book.lock();
        if born.ticket != 0
            && book.as_ref().and_then(|book| book.running) != Some(born.ticket)
            && !mutant(Mutant::DeadIsLive)
        {
            return Err(Finished::Dead);
        }
        // The mutex also orders a refusal after its reason.
        if self.look_locked().generation() != born.generation {
            return Err(Finished::Superseded);
        }
        // Relaxed, both: under the mutex.
        stores.fetch_add(1, Ordering::Relaxed);
        self.state.fetch_or(STORING, Ordering::Relaxed);
        Ok(())
    }

    /// Ends a store: once no other runs, those who invalidated meanwhile are let go.
    pub fn end_store(&self, stores: &AtomicU64) {
        let mut book = self.book.lock();
        let mut wake = Wake::default();
        // Relaxed, both: under the mutex, which also carries what was stored to those who are let go.
        if stores.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.state.fetch_and(!STORING, Ordering::Relaxed);
            if let Some(book) = book.as_mut() {
                wake.let_go = book.let_go();
                wake.again = book.wake_overdue();
            }
        }
        release(book, wake);
    }

    /// The word, which is in a generation from now on: in its first, if there was none. Under the mutex, without which
    /// that moves no further.
    fn begun(&self) -> State {
        let begin = |word| {
            let state = State(word);
            state.generation().is_none().then(|| state.moved_to(state.generation().or_first()).0)
        };
        // Acquire: pairs with the release in `elect_at_once`: what this lock takes next is greater than what that took.
        // Relaxed: the first generation says nothing to anybody.
        let _had_one = self.state.fetch_update(Ordering::Relaxed, Ordering::Acquire, begin);
        self.look_locked()
    }

    /// Moves on from that word. Under the mutex.
    fn move_on(&self, from: State, to: Generation) {
        let by = to.as_number().wrapping_sub(from.generation().as_number());
        // A read-modify-write, since an election may come in between. Release: pairs with the acquire in `elect` and
        // `look`: a creation born in the new generation sees what was done before it was invalidated.
        self.state.fetch_add(by.wrapping_mul(GENERATION), Ordering::Release);
    }

    /// Moves the generation and runs `forget` under the mutex; with `only_if`, only from that generation (else `None`).
    /// It has taken effect when this returns; what is returned waits for a store that was under way.
    pub fn invalidate(&self, only_if: Option<Generation>, forget: impl FnOnce()) -> Option<StoreEnd<'_>> {
        let mut book = self.book.lock();
        let state = self.begun();
        if only_if.is_some_and(|seen| !state.generation().is_still(seen)) {
            return None;
        }
        self.move_on(state, state.generation().next());
        forget();
        let ticket = state.is_storing().then(unique);
        if let Some(ticket) = ticket {
            book.get_or_insert_default().invalidations.insert(ticket, Sleeper::default());
        }
        drop(book);
        Some(StoreEnd { election: self, ticket })
    }

    /// A value came from elsewhere: `publish` makes it the current one under the mutex, in the generation that it is
    /// told. Whatever is being created is superseded, and everybody who waits is served. For locks whose creations
    /// store nothing by themselves.
    pub fn set(&self, publish: impl FnOnce(Generation)) {
        let mut book = self.book.lock();
        let state = self.begun();
        debug_assert!(!state.is_storing());
        let generation = state.generation().next();
        publish(generation);
        // After the deadline, as in `finish`.
        self.move_on(state, generation);
        let mut wake = Wake::default();
        if !state.is_creating() {
            // The end of a pause. Relaxed: it tells nothing but that. (Whoever is elected in between, without the
            // mutex, has cleared the flag already.)
            self.state.fetch_and(!TIMED, Ordering::Relaxed);
        }
        Self::count(&mut book, None, &mut wake);
        wake.served = in_book(&mut book, Book::take_all);
        wake.watchers = in_book(&mut book, Book::tell_watchers);
        release(book, wake);
    }

    /// Runs `look` while no transition is half-way.
    pub fn still<R>(&self, look: impl FnOnce() -> R) -> R {
        let _book = self.book.lock();
        look()
    }

    /// The generation, with what went before it: an invalidation that has moved it has taken effect.
    pub fn generation(&self) -> Generation {
        self.still(|| self.begun().generation())
    }

    /// Marks the creation that runs, if any, as making a stale value, and runs `mark` under the mutex.
    pub fn mark(&self, mark: impl FnOnce()) {
        let _book = self.book.lock();
        // A read-modify-write even if nobody creates. Release: pairs with the acquire in `elect`: a creation that does
        // not carry the mark was elected after it, and sees what was done before it.
        self.state.fetch_or(MARKED, Ordering::Release);
        mark();
    }

    /// How many wait for a creation, and are known to: one that has asked its creator whether it is wanted is not yet.
    pub fn waiting(&self) -> usize {
        self.book.lock().as_ref().map_or(0, |book| book.waiting())
    }

    fn leave(&self, ticket: u64) {
        let mut book = self.book.lock();
        let Some(left) = in_book(&mut book, |book| book.remove(ticket)) else {
            return; // served: whoever served us took us out
        };
        // An election that is missed here ends under the mutex, after us, and sees to the queue itself.
        let idle = !self.look_locked().is_creating();
        let mut wake = Wake::default();
        if left.called && idle && !mutant(Mutant::BatonKept) {
            wake.called = in_book(&mut book, Book::call_next);
        }
        if left.can_create() {
            wake.again = in_book(&mut book, Book::wake_if_alone);
        }
        release(book, wake);
    }
}

impl Drop for Election {
    /// With nobody left who could end it, a creation may still be running: its future was leaked.
    fn drop(&mut self) {
        cycle::ended(self);
    }
}

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl UnwindSafe for Election {}
impl RefUnwindSafe for Election {}

impl fmt::Debug for Pausing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(until) => f.debug_tuple("Said").field(until).finish(),
            Self::Grown(_) => f.debug_tuple("Grown").finish_non_exhaustive(),
            Self::Unsaid { now } => f.debug_struct("Unsaid").field("now", now).finish(),
        }
    }
}

impl fmt::Debug for Failed<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Failed").field("cause", &self.cause).field("pause", &self.pause).finish_non_exhaustive()
    }
}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.look();
        f.debug_struct("Election")
            .field("generation", &state.generation())
            .field("creating", &state.is_creating())
            .finish_non_exhaustive()
    }
}
