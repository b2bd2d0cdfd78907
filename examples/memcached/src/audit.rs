//! Watches the accesses of this process from inside their closures, and finds what the laws of the lock forbid:
//!
//! - L1: a creation that begins while another runs.
//! - L8: a third call of the getter, or a call after the access has created.
//! - An access that ends without a call of the getter on its own thread. The audit would have seen nothing of such an
//!   access.
//! - A creation without a cause. The cause is the answer to the last getter call of the access: no value, or a value
//!   that has expired. An error is no cause.
//! - A creation whose cause was out of date. Its last getter call began before the last creation of this process had
//!   ended, so the access cannot have known of that creation. It should have looked again. L8 excuses an access that
//!   has called the getter twice, and found nothing the second time.
//! - Two creations that were stored for one expired value. The first has overwritten that value, so no later access has
//!   seen it.
//!
//! Each of these holds whatever the timing. Together they say how many creations there may be in a process: one for
//! each value that expired, and one for each time that the server lost the value, not counting the excused ones.

use crate::counts::Counts;
use crate::store::LookUp;
use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// The number of creations that run in this process.
static RUNNING: AtomicU64 = AtomicU64::new(0);

/// The creations that this process has stored.
static STORED: Mutex<Stored> = Mutex::new(Stored { last: None, replaced: BTreeSet::new() });

thread_local! {
    /// The access of this thread. Getter, creator and setter run on the thread of the caller.
    static ACCESS: RefCell<Access> = RefCell::default();
}

struct Stored {
    /// The time when the last creation was stored.
    last: Option<Instant>,
    /// The stamps of the expired values that were replaced.
    replaced: BTreeSet<SystemTime>,
}

#[derive(Default)]
struct Access {
    /// The time of the last getter call. `found` is its answer.
    asked: Option<Instant>,
    found: Found,
    counts: Counts,
    violations: Vec<String>,
}

/// The answer to the last getter call of an access.
#[derive(Clone, Copy, Default)]
enum Found {
    #[default]
    NotAsked,
    Nothing,
    Value(SystemTime),
    Error,
}

/// Runs the getter.
pub fn get(look_up: impl FnOnce() -> LookUp) -> LookUp {
    ACCESS.with_borrow_mut(|access| {
        if access.counts.creations > 0 {
            access.violation("L8: the getter was called after this access had created");
        }
        access.counts.most_calls += 1;
        if access.counts.most_calls > 2 {
            access.violation("L8: the getter was called a third time");
        }
        access.asked = Some(Instant::now());
        let found = look_up();
        access.found = match &found {
            Ok(Some(value)) => Found::Value(value.created),
            Ok(None) => Found::Nothing,
            Err(_) => Found::Error,
        };
        access.counts.misses += u64::from(matches!(found, Ok(None)));
        found
    })
}

/// Notes that the creator begins. A value lives for `expires_after`.
pub fn create(expires_after: Duration) {
    // Relaxed, here and in `set`: the lock has to order the end of one creation before the beginning of the next.
    let at_once = RUNNING.fetch_add(1, Ordering::Relaxed) + 1;
    ACCESS.with_borrow_mut(|access| {
        if at_once > 1 {
            access.violation(&format!("L1: {at_once} creations at once"));
        }
        access.counts.creations += 1;
        access.counts.most_at_once = at_once;
        match access.found {
            Found::NotAsked => access.violation("created without asking the getter"),
            Found::Error => access.violation("created because the getter failed"),
            Found::Nothing => {}
            Found::Value(stamp) => {
                let age = SystemTime::now().duration_since(stamp).unwrap_or_default();
                if age < expires_after {
                    access.violation(&format!("created although the value was only {age:?} old"));
                }
            }
        }
        if access.is_late(&stored()) && !access.must_not_ask_again() {
            access.violation("created for what was seen before the last creation of this process had ended");
        }
    });
}

/// Runs the setter. After that the creation is as good as over.
pub fn set<E>(store: impl FnOnce() -> Result<(), E>) -> Result<(), E> {
    let ended = store();
    if ended.is_ok() {
        ACCESS.with_borrow_mut(|access| access.has_stored(&mut stored()));
    }
    RUNNING.fetch_sub(1, Ordering::Relaxed);
    ended
}

/// Ends an access. Returns its counts and the violations that it has found.
pub fn conclude() -> (Counts, Vec<String>) {
    let mut access = ACCESS.take();
    if access.counts.most_calls == 0 {
        access.violation("ended without asking the getter");
    }
    (Counts { accesses: 1, ..access.counts }, access.violations)
}

fn stored() -> MutexGuard<'static, Stored> {
    STORED.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    fn has_stored(&mut self, all: &mut Stored) {
        let late = self.is_late(all);
        all.last = Some(Instant::now());
        if let Found::Value(stamp) = self.found {
            self.counts.for_expiry += 1;
            if !all.replaced.insert(stamp) {
                self.violation("created twice for one expired value");
            }
        } else {
            self.counts.for_loss += 1;
            self.counts.for_loss_unseen += u64::from(late);
        }
    }

    /// Whether the last getter call began before the last creation was stored.
    fn is_late(&self, all: &Stored) -> bool {
        self.asked < all.last
    }

    fn must_not_ask_again(&self) -> bool {
        self.counts.most_calls == 2 && matches!(self.found, Found::Nothing)
    }

    fn violation(&mut self, what: &str) {
        self.violations.push(what.to_owned());
    }
}
