//! Decides which access creates: the election, the queue of waiters, and the hand-over when a creation fails.
//!
//! Nothing here knows a value, a clock or a user's closure. The layers above pass the time as a number. What must
//! happen at the same moment as a transition, such as storing a deadline, they pass as a small closure of their own.
//!
//! This page describes the states and the transitions, and why they hold. The code is in the modules below:
//! [`transitions`] has most of the transitions, [`store`] the stores of a creation and the invalidations, [`queue`]
//! what is kept behind the mutex, [`waiter`] the accesses that wait for a creation, and [`watcher`] the accesses that
//! wait for a value and are never elected.
//!
//! # States
//!
//! The state is one word: four flags, the generation, and one more bit. That bit says that the lock has *rules*: a
//! policy, or a value that has said how it ages. Once set, the bit stays set.
//!
//! | `CREATING` | `MARKED` | `STORING` | `TIMED` | state |
//! |---|---|---|---|---|
//! | 0 | 0 or 1 | 0 | 0 | idle: no creation runs (a mark that was left here means nothing; the next election clears it) |
//! | 0 | 0 or 1 | 0 | 1 | paused until `hold`: as idle, but an access that can do without a new value is not to be elected before that |
//! | 1 | 0 | 0 | 0 or 1 | a creation runs |
//! | 1 | 1 | 0 | 0 or 1 | a creation runs, and what it makes is stale already (`mark_stale` was called after it began) |
//! | 1 | 0 or 1 | 1 | 0 or 1 | a creation runs and is inside `publish`: its user's closure writes to a store |
//!
//! `hold` is a second word beside this one. A lock has it only if it needs it: because of its policy, or because a
//! failure has said how long to pause. Without `TIMED`, `hold` says nothing. While no creation runs and `TIMED` is set,
//! `hold` is the end of the pause. While a creation runs and `TIMED` is set, `hold` is the moment from which that
//! creation is *overdue*: from then on it may be declared dead, unless it is storing.
//!
//! A creation remembers its [`Birth`]: the generation in which it was elected, and a ticket if it may die. A creation
//! is *superseded* once the generation of the word has moved on. It is *dead* once the ticket of the running creation
//! is no longer its own. It may be both. A dead creation has no transitions: each of them is refused, or does nothing.
//!
//! # Transitions
//!
//! | name | from → to | generation | how | and, under the same mutex |
//! |---|---|---|---|---|
//! | elect | idle or paused → creating | stays; becomes the first, if there was none | compare-and-swap from the word that the access saw; if creations may die, under the mutex | new ticket, `hold` |
//! | take over | creating, overdue → creating | stays | mutex | new ticket, `hold`; the old creation is dead from here on |
//! | finish | creating → idle | + 1 | mutex | new deadline; every waiter is served, every watcher is told; failures are forgotten |
//! | finish, superseded | creating → idle | stays | mutex | waiters from before the superseding are served, then as *give up*; failures are forgotten (or counted, as in the next row) |
//! | finish, expired at once | creating → paused, or idle if the failure says no pause | + 1 | mutex | as *finish*, but the value counts as a failure |
//! | set | any → same, paused → idle | + 1 | mutex | new deadline; every waiter is served, every watcher is told; failures are forgotten |
//! | stand down | creating → idle, or paused as it was | stays | mutex | every waiter is told to look again |
//! | give up | creating → idle, or paused as it was | stays | mutex | the first waiter that can create is given the baton; if there is none, the waiters that cannot create are woken; in a pause that goes on, waiters are told of it as by *fail* |
//! | fail | creating → paused | stays | mutex | `hold`; waiters that share the error are told of it; waiters that can hear of a pause are told of that; for the rest as *give up* |
//! | fail, without a pause | creating → idle | stays | mutex | waiters that share the error are told of it; for the rest as *give up*; the failure is counted if the policy has pauses, or a failure has said one before |
//! | begin store | creating → storing | stays | mutex, refused if superseded | - |
//! | end store | storing → creating | stays | mutex | accesses that have invalidated meanwhile are let go; if a waiter has found the creation overdue, the waiters are woken |
//! | invalidate | any → same | + 1 | mutex | deadline: missing; then the access that invalidates waits while a store runs |
//! | mark | any → `MARKED` | stays | mutex | deadline: stale, if there is a value |
//! | be asked | any → same | stays; becomes the first, if there was none | mutex | - |
//! | queue | creating → creating | stays | mutex | a waiter is added, if a creation still runs in the generation that it saw, and unless that would close a cycle of waits ([`cycle`](crate::cycle)) |
//! | queue without a creator | any → same | stays | mutex | as *queue*, whether a creation runs or not |
//! | watch | any → same | stays; becomes the first, if there was none | mutex | a watcher is added, unless the value that it waits for is there already |
//!
//! Every transition but *elect* holds the mutex. So while a creation runs, the word changes under the mutex only. While
//! no creation runs, *elect* alone can come in between. That is why *set*, *invalidate* and *mark* are
//! read-modify-writes. Where creations may die, *elect* holds the mutex as well, and nothing comes in between at all.
//!
//! # Why it holds
//!
//! - *One creator (L1).* `CREATING` is set by a compare-and-swap from a word without it. Only the creation that owns
//!   the word clears it. A creation that takes over becomes the owner, and the old one owns nothing from then on: each
//!   transition compares the ticket, under the mutex.
//! - *No creation of a fresh value.* An access reads the word first and the deadline second, and is elected only from
//!   that same word. If a creation had finished in between, or a value had been set, the generation would have moved.
//!   (Both *finish* and *set* store the deadline before they move the word. An access that is elected before *set*
//!   moves the word has begun before the set, and is superseded by it.)
//! - *Invalidation wins (L6).* *Invalidate* moves the generation and clears the deadline under the mutex. *Finish*
//!   compares the generation and stores the deadline under the mutex. So the second of the two knows of the first. A
//!   creation that is elected between the two steps of an invalidation is born in the new generation, and so it began
//!   after the invalidation.
//! - *No store after an invalidation (L6).* *Begin store* checks the generation under the mutex. An access that
//!   invalidates waits for a store that began before the invalidation. The invalidation's effect on the lock does not
//!   wait: it is there at once. A thread that invalidates in the middle of the creation that stores does not wait for
//!   itself (L7).
//! - *No store by the dead (C11).* *Begin store* checks the ticket, too. While a store runs, no access takes over.
//! - *A mark is not lost.* *Mark* is a read-modify-write of the word that *elect* swaps. Either the mark sees
//!   `CREATING`, or the creation was elected after the mark and sees what was done before it.
//! - *No lost wake-up (C16).* A waiter queues under the mutex, and only while a creation runs. The end of that creation
//!   takes the mutex afterwards, and finds the waiter.
//! - *The dead are found.* Where creations may die, a waiter sleeps no longer than until a creation that begins now
//!   would be overdue. If a creation runs, the waiter sleeps no longer than until `hold` as the waiter last saw it. So
//!   no creation that the waiter may come to wait for is overdue before the waiter looks. (One exception: the owner of
//!   a creation may have read the clock and then been slow to come to the mutex. Such a creation is found that much
//!   later.) A waiter that queues behind an overdue creation, or that looks again while an overdue creation stores,
//!   says so under the mutex, and the end of the store wakes it. The same reading of the clock decides whether the
//!   waiter says so and until when the waiter sleeps.
//! - *The baton.* While no creation runs, and there is a waiter that can create and is not about to hear of a pause,
//!   exactly one such waiter is *called*: it has been woken, and elects itself when it looks. Meanwhile it stays in its
//!   place. If a newcomer is elected first, the waiter is no longer called, but it is still the first in line. The
//!   newcomer's creation, when it ends, serves that waiter or calls it again. If the called waiter leaves instead, it
//!   calls the next one. After *stand down* all waiters are awake and will look, so no waiter needs to be called; an
//!   access that comes to wait after that finds a creation running.
//! - *A waiter that cannot create is not left behind (L3).* A waiter that has given its creator away (see
//!   [`spawner`](crate::spawner)) is never called. It stays in the queue until it is served, is told, or leaves, so it
//!   misses no end of a creation. Where a waiter that can create would be elected, this waiter has its *turn*, which it
//!   learns of when it is polled. It is polled in time for these reasons. The end of a creation that finds no waiter to
//!   call wakes it. The last waiter that can create wakes it when that waiter leaves the queue. An overdue creation the
//!   waiter finds by itself: at once if no waiter is left that can create, and otherwise after the time-out once more,
//!   since a waiter that could take over and has not done so by then is not polled any more.
//! - *No waiter is elected for having waited (L3).* The transition that serves a waiter takes it out of the queue. So a
//!   waiter that is called has not been served: since it queued, no creation has finished that it could have used.
//! - *A failure is shared once.* A waiter that is told of a pause, or of the error, stays in its place until it looks.
//!   If a newcomer's creation has served it by then, it has a value instead. Of two errors the waiter is told the
//!   first: to put the second in its place would drop the first under the mutex (C22).
//! - *A set value stays (C6).* *Set* moves the generation as an invalidation does, so a creation from before it does
//!   not publish. *Set* serves every waiter as *finish* does, since no waiter could want a newer value.
//! - *No watcher misses a value (C16).* A watcher looks for the value that it waits for, and is added if that is not
//!   there, under the mutex under which each value is published. Each publishing takes out every watcher. So the look
//!   sees a value that was published before it, and a value that is published later finds the watcher.
//! - *A watcher takes nothing from a waiter.* A watcher is no waiter: it is never called, holds no baton, is not among
//!   the waiters that can create, and has no edge in [`cycle`](crate::cycle). So a creation that ends calls and serves
//!   as if there were no watchers.
//! - *Old news is not served (L6).* A waiter that queued in generation `g` asked after the invalidation that made it
//!   `g`. A creation that was born in an older generation does not answer that waiter. A creation that finishes without
//!   having been superseded was born in the current generation, and answers every waiter.
//!
//! # The generation and the freshness
//!
//! The generation is kept here, and not with the deadline in [`freshness`](crate::freshness), because *elect* must fail
//! when the generation has moved. In one word, that takes one compare-and-swap. The module
//! [`generation`](crate::generation) says what a generation is made of. That a lock takes its first generation is no
//! move ("+ 1" is one).
//!
//! The mutex guards the queue and orders the rare transitions. A hit neither takes the mutex nor writes the word. Nor
//! does a stale access during a creation or a pause (L2, L12).

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
#[cfg(any(doc, dogpile_loom))] // only the models and the docs name what `watch` returns
pub use watcher::Watcher;
