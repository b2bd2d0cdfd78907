//! The election of one lock: its word, its mutex, and the transitions that make no thread or task wait.

use super::birth::{Birth, Finished};
use super::failures::{Failed, Pause, Pausing, Streak};
use super::queue::{Book, Lazy, Wake, in_book, release};
use super::state::{CREATING, GENERATION, MARKED, RULED, STORING, State, TIMED};
use super::timer::Timer;
use crate::cycle;
use crate::generation::Generation;
use crate::running::{HasCreations, address_of};
use crate::shared_error::SharedError;
use crate::sync::{Arc, AtomicU64, Mutant, Mutex, MutexGuard, Ordering, const_fn, mutant, unique};
use std::fmt;
use std::panic::{RefUnwindSafe, UnwindSafe};

/// The election of one lock.
pub struct Election {
    pub(super) state: AtomicU64,
    pub(super) book: Mutex<Lazy>,
}

impl Election {
    const_fn! {
        /// Makes an election in which no creation runs and no access waits.
        pub const fn new() -> Self {
            Self { state: AtomicU64::new(0), book: Mutex::new(None) }
        }
    }

    const_fn! {
        /// Notes that the lock has a policy. To be called before any access is elected.
        pub const fn be_ruled(&mut self) {
            let word = std::mem::replace(&mut self.state, AtomicU64::new(0)).into_inner();
            self.state = AtomicU64::new(word | RULED);
        }
    }

    /// Notes that a value says how it ages. To be called under the mutex, where the value is published, and before its
    /// deadline is stored.
    pub fn be_ruled_by_value(&self) {
        // A read-modify-write: while no creation runs, an election may come in between. Relaxed: the release of the
        // deadline carries the bit to each thread that sees that deadline (see `is_ruled`).
        self.state.fetch_or(RULED, Ordering::Relaxed);
    }

    /// Returns whether there are rules for the value. The caller has seen the deadline of that value before this call.
    #[inline]
    pub fn is_ruled(&self) -> bool {
        // Relaxed: the deadline was acquired, and the bit was set before that was released.
        State(self.state.load(Ordering::Relaxed)).is_ruled()
    }

    /// Returns the word as it is now.
    #[inline]
    pub fn look(&self) -> State {
        // Acquire: pairs with the releases of every transition. If the word shows that a creation has finished, the
        // deadline that is read next is at least as new as that creation. If the word shows an invalidation, that may
        // still be about to clear the deadline. If the word says to read `hold`, `hold` is at least as new as the word.
        State(self.state.load(Ordering::Acquire))
    }

    /// Returns the word, to a thread that holds the mutex. (Where creations cannot die, an election may come in
    /// between, since it does not take the mutex.)
    pub(super) fn look_locked(&self) -> State {
        // Relaxed: every transition that moves the generation, or ends a creation, holds the mutex.
        State(self.state.load(Ordering::Relaxed))
    }

    /// Elects the caller if no creation runs and nothing has moved since `seen`. With a timer, also elects the caller
    /// in place of a creation that is overdue, in the generation that was `seen`. An elected caller owes a `finish`, a
    /// `stand_down`, a `give_up` or an `abandon`.
    ///
    /// Whether there is a timer depends on the lock: either all elections have one, or none has.
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
        // creators wrote, and what was done before an invalidation or a mark. Release: pairs with the acquire in
        // `begun`, for the lock's number alone. Nothing else is read on the strength of a creation having begun.
        self.state.compare_exchange(seen.0, creating, Ordering::AcqRel, Ordering::Relaxed).ok().map(|_| Birth {
            generation,
            ticket: 0,
            started: 0,
            buried: None,
        })
    }

    /// As [`elect`](Self::elect), for a caller that holds the mutex.
    pub(super) fn elect_locked(&self, book: &mut Lazy, seen: State, timer: Option<Timer<'_>>) -> Option<Birth> {
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
                cycle::bury(address_of(self), dead);
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
        // Release: pairs with the acquire in `look`, for `hold`. The mutex has brought what `elect_at_once` acquires:
        // where creations may die, every transition holds the mutex.
        self.state.store((state.moved_to(generation).0 & !MARKED) | CREATING | TIMED, Ordering::Release);
        Some(Birth { generation, ticket, started: 0, buried })
    }

    /// Returns whether the creation `born` then may still publish, as far as invalidations go.
    pub fn is_current(&self, born: Birth) -> bool {
        self.look().generation() == born.generation
    }

    /// Returns whether the creation with that ticket has not been declared dead. To be called while the creation runs.
    pub fn is_live(&self, ticket: u64) -> bool {
        ticket == 0 || self.book.lock().as_ref().and_then(|book| book.running) == Some(ticket)
    }

    /// Takes the creation `born` then out of the book, at its end. Returns whether it was live.
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

    /// Ends a creation with success. `publish` runs under the mutex, and is told how the creation ended and in which
    /// generation. The value of a superseded creation is for the waiters that are served; `publish` must not make it
    /// the current value.
    ///
    /// `kept_back` says that the creation knows that it is superseded, and has left its value where no access finds it.
    /// Then, if the creation is superseded, it serves no waiter, and `publish` does not run. `publish` does not run for
    /// a dead creation either. With `failed`, the value counts as a failure all the same.
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

    /// Counts a failure, and tells waiters of the pause that it causes. Without a failure, forgets all earlier ones.
    /// Returns the flag that goes with the pause, or 0.
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

    /// Ends a creation that need not run after all, because the value was found where it lives, or because nothing can
    /// be found out there. All waiters are told to look for themselves. If the creation was elected in a pause, that
    /// pause goes on (with `hold`).
    pub fn stand_down(&self, born: Birth, hold: Option<&AtomicU64>) {
        let mut book = self.book.lock();
        if Self::strike_out(&mut book, born) {
            let wake = Wake { again: in_book(&mut book, Book::tell_again), ..Wake::default() };
            let paused = hold.and_then(|hold| Self::resume(&book, hold)).map_or(0, |_| TIMED);
            self.free(book, wake, self.look_locked(), paused);
        }
    }

    /// Ends a creation that failed. The waiters that have waited for it, and share its error, are told of the error. If
    /// there is a pause, the waiters that can hear of it are told of the pause. One of the other waiters is called.
    ///
    /// Returns whether the creation was live until then. If so, `note` has run under the mutex. So a waiter that is
    /// woken finds what `note` has noted, and of two failures the later one notes last.
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

    /// Ends a creation that was dropped or never ran. Such a creation has not failed. One waiter is called. If the
    /// creation was elected in a pause, that pause goes on (with `hold`). If the pause is not over by now, waiters are
    /// told of it as after a failure.
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

    /// Ends a creation without a value. `tell` tells waiters, and returns the flag of the pause, or 0. Returns whether
    /// the creation was live.
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

    /// Makes the last pause since a success, if there was one, the pause of the lock again, whether it is over or not.
    fn resume(book: &Lazy, hold: &AtomicU64) -> Option<Pause> {
        let streak = book.as_ref()?.streak.as_ref()?;
        // Relaxed: the release of the word that says to read it carries it.
        hold.store(streak.until, Ordering::Relaxed);
        Some(Pause { cause: Arc::clone(&streak.cause), until: streak.until })
    }

    /// Hands on after the end of a creation: calls the first waiter that can create; if there is none, wakes the
    /// waiters that cannot.
    fn hand_on(book: &mut Lazy, wake: &mut Wake) {
        wake.called = in_book(book, Book::call_next);
        wake.again.extend(in_book(book, Book::wake_if_alone));
    }

    /// Frees the lock: the creation has ended, and the word was `state`. The stores of the creation that were leaked
    /// end with it, so that no access waits for them.
    fn free(&self, mut book: MutexGuard<'_, Lazy>, mut wake: Wake, state: State, paused: u64) {
        if state.is_storing() {
            wake.let_go = in_book(&mut book, Book::let_go);
        }
        cycle::ended(address_of(self));
        // Release: pairs with the acquires in `look` and `elect`, so that the next creator sees what this one left
        // behind. This store comes after that of the deadline: a thread that sees this word idle in a new generation
        // sees the new deadline, too.
        self.state.store(state.0 & !(CREATING | MARKED | TIMED | STORING) | paused, Ordering::Release);
        release(book, wake);
    }

    /// Returns why no access is elected just now, if there is a pause.
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

    /// Returns the word, with a generation: if the lock had none, it takes its first. To be called under the mutex,
    /// without which the generation moves no further.
    pub(super) fn begun(&self) -> State {
        let begin = |word| {
            let state = State(word);
            state.generation().is_none().then(|| state.moved_to(state.generation().or_first()).0)
        };
        // Acquire: pairs with the release in `elect_at_once`, so that the number that this lock takes next is greater
        // than the number taken there. Relaxed: a first generation carries no news.
        let _had_one = self.state.fetch_update(Ordering::Relaxed, Ordering::Acquire, begin);
        self.look_locked()
    }

    /// Moves the generation on from that word. To be called under the mutex.
    pub(super) fn move_on(&self, from: State, to: Generation) {
        let by = to.as_number().wrapping_sub(from.generation().as_number());
        // A read-modify-write, since an election may come in between. Release: pairs with the acquire in `elect` and
        // `look`, so that a creation born in the new generation sees what was done before the invalidation.
        self.state.fetch_add(by.wrapping_mul(GENERATION), Ordering::Release);
    }

    /// Sets a value that came from elsewhere. `publish` makes it the current one under the mutex, in the generation
    /// that it is told. A creation that runs is superseded, and every waiter is served. This is for locks with
    /// creations that store nothing by themselves.
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
            // The end of a pause. Relaxed: the flag tells nothing but that. (An access that is elected in between,
            // without the mutex, has cleared the flag already.)
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

    /// Returns the generation. An invalidation that has moved it has taken effect.
    pub fn generation(&self) -> Generation {
        self.still(|| self.begun().generation())
    }

    /// Marks the creation that runs, if any, as one that makes a stale value, and runs `mark` under the mutex.
    pub fn mark(&self, mark: impl FnOnce()) {
        let _book = self.book.lock();
        // A read-modify-write even if no creation runs. Release: pairs with the acquire in `elect`: a creation that
        // does not carry the mark was elected after it, and sees what was done before it.
        self.state.fetch_or(MARKED, Ordering::Release);
        mark();
    }
}

impl Drop for Election {
    /// A creation may still be running although nothing is left that could end it: its future was leaked.
    fn drop(&mut self) {
        cycle::ended(address_of(self));
    }
}

impl HasCreations for Election {
    fn is_live(&self, ticket: u64) -> bool {
        Self::is_live(self, ticket)
    }
}

// A panic can leave nothing half-done in here: user code runs between the transitions, never within one.
impl UnwindSafe for Election {}
impl RefUnwindSafe for Election {}

impl fmt::Debug for Election {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.look();
        f.debug_struct("Election")
            .field("generation", &state.generation())
            .field("creating", &state.is_creating())
            .finish_non_exhaustive()
    }
}
