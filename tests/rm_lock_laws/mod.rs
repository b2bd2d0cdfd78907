//! The laws of `RmLock`, with either kind of fences: `tests/rm_lock.rs` and `tests/full_fences.rs` run them all.
//!
//! The laws use none of std's locks and channels, since `ThreadSanitizer` does not see them. It does not see the end of
//! a scope either, so each thread is joined.

#[path = "../common/mod.rs"]
mod common;
pub mod ending;
pub mod nesting;
pub mod own_thread;
pub mod owned;
pub mod waiting;

pub use common::until;
use parking_lot::{Condvar, Mutex};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::thread::{self, Scope, ScopedJoinHandle};
use std::time::Duration;

/// Makes a test of each law. The test first runs the given statements.
macro_rules! laws {
    ($($first:tt)*) => {
        laws_of! { { $($first)* }
            waiting {
                l9_no_thread_reads_while_one_writes
                l9_the_fences_of_both_sides_meet
                l9_a_writer_that_waits_keeps_new_readers_out
                l9_a_writer_keeps_others_waiting_until_it_has_ended
                l9_readers_that_waited_go_before_the_next_writer
                l9_readers_that_waited_go_before_a_later_writer
                l9_readers_that_waited_for_a_writer_that_gave_up_go_before_the_next_writer
                l9_a_writer_that_gives_up_leaves_no_trace
                l9_a_writer_that_gives_up_lets_the_next_one_in
                c15_a_thread_that_reads_gets_in_while_a_writer_waits
                c17_a_panic_while_writing_releases_the_lock
                c17_a_panic_while_reading_lets_the_writer_in
                f16_a_writer_finds_each_of_many_readers
                l10_zero_does_not_wait
                l10_a_timed_out_waiter_leaves_the_queue
                l10_a_wait_without_an_end_lasts_until_the_lock_is_free
            }
            own_thread {
                c25_write_while_reading
                c25_write_while_reading_nested
                c25_write_while_reading_deeper_than_a_record
                c25_write_while_reading_through_a_thread_local
                l7_read_or_write_while_writing
                l7_a_guard_is_of_its_own_lock_alone
                l7_a_leaked_guard_does_not_haunt_the_next_lock_at_its_address
                l9_a_leaked_guard_holds_up_its_own_lock
                l9_a_leaked_guard_outlives_its_thread
            }
            nesting {
                c15_deeper_than_a_record_in_one_lock
                c15_deeper_than_a_record_in_three_locks
                c15_deeper_than_a_record_in_twenty_locks
            }
            owned {
                l9_an_owned_guard_is_waited_for_wherever_it_goes
                l9_an_owned_guard_that_was_counted_again_is_waited_for
                l9_an_owned_guard_made_while_a_writer_waits_is_waited_for
                l9_owned_readers_wait_for_writers
                l10_owned_readers_run_out_of_time
                l7_an_owned_guard_belongs_to_no_thread
                into_owned_with_the_owner_of_another_lock_panics_and_lets_go
                an_owned_guard_keeps_its_lock_alive
                every_guard_can_be_narrowed_down
            }
            ending {
                l9_a_guard_in_a_thread_local_holds_until_it_is_dropped
                l9_several_guards_in_thread_locals_are_dropped_in_any_order
                l7_guards_of_an_ending_thread_are_known
                l9_an_ending_thread_reads_and_writes
                l9_an_ending_thread_waits_for_a_writer
                l9_a_guard_that_outlives_its_record_is_no_other_threads
            }
        }
    };
}

macro_rules! laws_of {
    ($first:block $($module:ident { $($law:ident)+ })+) => {$($(
        #[test]
        fn $law() {
            $first
            rm_lock_laws::$module::$law();
        }
    )+)+};
}

pub const FOREVER: Duration = Duration::MAX;
pub const MOMENT: Duration = Duration::from_millis(5);

/// More guards than a record has entries.
pub const DEEP: usize = 20;

/// Asserts a few times that the state stays as it is. Another thread may still change it later, so this may miss a
/// fault, but it never reports one that is not there.
#[track_caller]
pub fn stays(state: impl Fn() -> bool) {
    for _ in 0..20 {
        assert!(state());
        thread::yield_now();
    }
}

/// Returns the message of the panic in which `run` ends.
#[track_caller]
pub fn message(run: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(run)).expect_err("it panics");
    panic.downcast_ref::<String>().expect("a formatted message").clone()
}

/// An event that happens once.
#[derive(Default)]
pub struct Signal {
    given: Mutex<bool>,
    changed: Condvar,
}

impl Signal {
    pub fn give(&self) {
        *self.given.lock() = true;
        self.changed.notify_all();
    }

    pub fn is_given(&self) -> bool {
        *self.given.lock()
    }

    pub fn wait(&self) {
        self.changed.wait_while(&mut self.given.lock(), |given| !*given);
    }
}

/// Joins a thread, and panics as it did.
pub fn join<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| resume_unwind(panic))
}

/// Another thread, which takes a guard and keeps it until the test tells it to let go, or until a failed test forgets
/// it.
pub struct Holder<'scope> {
    has_it: Arc<Signal>,
    let_go: Arc<Signal>,
    thread: Option<ScopedJoinHandle<'scope, ()>>,
}

impl<'scope> Holder<'scope> {
    /// Begins to take the guard, which may have to wait.
    pub fn begins<G>(scope: &'scope Scope<'scope, '_>, take: impl FnOnce() -> G + Send + 'scope) -> Self {
        let [has_it, let_go] = [(); 2].map(|()| Arc::new(Signal::default()));
        let thread = {
            let (has_it, let_go) = (Arc::clone(&has_it), Arc::clone(&let_go));
            scope.spawn(move || {
                let taken = catch_unwind(AssertUnwindSafe(take));
                // The failure shows when the thread is joined.
                has_it.give();
                let _guard = taken.unwrap_or_else(|panic| resume_unwind(panic));
                let_go.wait();
            })
        };
        Self { has_it, let_go, thread: Some(thread) }
    }

    /// Returns once the thread has its guard.
    pub fn holds<G>(scope: &'scope Scope<'scope, '_>, take: impl FnOnce() -> G + Send + 'scope) -> Self {
        let other = Self::begins(scope, take);
        other.see_in();
        other
    }

    pub fn see_in(&self) {
        self.has_it.wait();
    }

    pub fn is_in(&self) -> bool {
        self.has_it.is_given()
    }

    /// Lets go of the guard, and waits until the thread has ended.
    pub fn lets_go(mut self) {
        self.let_go.give();
        if let Some(thread) = self.thread.take() {
            join(thread);
        }
    }

    /// Waits until the thread has its guard, and lets go.
    pub fn ends(self) {
        self.see_in();
        self.lets_go();
    }
}

impl Drop for Holder<'_> {
    fn drop(&mut self) {
        self.let_go.give();
    }
}
