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
//! | queue | creating → creating | stays | mutex | a waiter is added, if a creation still runs in the generation it saw, and unless they would wait for each other ([`cycle`](crate::cycle)) |
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
//!   who can create, and has no edge in [`cycle`](crate::cycle). So a creation that ends calls and serves as if there were none.
//! - *Old news is not served (L6).* Who queued in generation `g` asked after the invalidation that made it `g`; a
//!   creation born in an older one does not answer it. An ordinary finish is born in the current one and answers
//!   everybody.
//!
//! # The generation and the freshness
//!
//! The generation is kept here, not with the deadline in [`freshness`](crate::freshness), because elect must fail when
//! it has moved: one word makes that one compare-and-swap. What it is made of is in [`generation`](crate::generation); that a lock takes
//! its first one is no move ("+ 1" is one). The mutex guards the queue and orders the rare transitions; neither a hit
//! nor a stale access during a creation or a pause takes it or writes the word (L2, L12).

mod birth;
mod failures;
mod queue;
mod state;
mod store;
mod timer;
mod transitions;
mod waiter;
mod watcher;

pub use birth::{Birth, Finished};
pub use failures::{Failed, Pause, Pausing};
pub use state::State;
pub use store::StoreEnd;
pub use timer::Timer;
pub use transitions::Election;
pub use waiter::{Verdict, Waiter};
#[cfg(any(doc, dogpile_loom))] // beside those, what `watch` returns need not be named
pub use watcher::Watcher;

pub use crate::generation::Generation;
pub use crate::shared_error::SharedError;
