//! Watches one process's accesses from inside their closures, and finds what the laws of the lock forbid.
//!
//! - L1: a creation begins while another runs.
//! - L8: the getter is called a third time, or after this access has created.
//! - A creation without a cause. The cause is what the last getter call of the access found: nothing, or a value that has
//!   expired. An error is no cause.
//! - A creation whose cause was out of date: that getter call began before this process's last creation had ended, so the
//!   access cannot have known of it. It should have looked again. L8 excuses who has asked twice, and found nothing the second time.
//! - Two creations that were stored for one expired value. The first has overwritten it, so it was never seen again.
//!
//! Each holds whatever the timing, and from them follows how many creations there may be in a process: one for each
//! value that expired and one for each time that the server lost the value, not counting the excused.

use crate::counts::Counts;
use crate::store::{Document, StoreError};
use dogpile::Stamped;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// What one process knows of its creations.
pub struct Audit {
    expires_after: Duration,
    running: AtomicU64,
    stored: Mutex<Stored>,
}

#[derive(Default)]
struct Stored {
    /// When the last creation was stored.
    last: Option<Instant>,
    /// The stamps of the expired values that were replaced.
    replaced: HashSet<SystemTime>,
}

/// What the last getter call of an access found.
#[derive(Clone, Copy)]
enum Found {
    NotAsked,
    Nothing,
    Value(SystemTime),
    Error,
}

impl Audit {
    /// Of values that live so long.
    pub fn new(expires_after: Duration) -> Self {
        Self { expires_after, running: AtomicU64::new(0), stored: Mutex::default() }
    }

    /// Begins to watch an access.
    pub fn access(&self) -> Access<'_> {
        Access {
            audit: self,
            calls: Cell::new(0),
            asked: Cell::new(Instant::now()),
            found: Cell::new(Found::NotAsked),
            created: Cell::new(false),
            counts: RefCell::default(),
            violations: RefCell::default(),
        }
    }
}

/// One access. Cells, for its getter, creator and setter all report to it.
pub struct Access<'a> {
    audit: &'a Audit,
    calls: Cell<u64>,
    asked: Cell<Instant>,
    found: Cell<Found>,
    created: Cell<bool>,
    counts: RefCell<Counts>,
    violations: RefCell<Vec<String>>,
}

impl Access<'_> {
    /// Runs the getter.
    pub fn ask(
        &self,
        look_up: impl FnOnce() -> Result<Option<Stamped<Document>>, StoreError>,
    ) -> Result<Option<Stamped<Document>>, StoreError> {
        if self.created.get() {
            self.violation("L8: the getter was called after this access had created");
        }
        self.calls.set(self.calls.get() + 1);
        if self.calls.get() > 2 {
            self.violation("L8: the getter was called a third time");
        }
        self.asked.set(Instant::now());
        let found = look_up();
        self.found.set(match &found {
            Ok(Some(value)) => Found::Value(value.created),
            Ok(None) => Found::Nothing,
            Err(_) => Found::Error,
        });
        self.counts.borrow_mut().misses += u64::from(matches!(found, Ok(None)));
        found
    }

    /// The creator begins.
    pub fn create(&self) {
        // Relaxed, here and in `end`: to order one creation's end before the next one's beginning is for the lock.
        let at_once = self.audit.running.fetch_add(1, Ordering::Relaxed) + 1;
        if at_once > 1 {
            self.violation(&format!("L1: {at_once} creations at once"));
        }
        self.created.set(true);
        let mut counts = self.counts.borrow_mut();
        counts.creations = 1;
        counts.most_at_once = at_once;
        drop(counts);
        match self.found.get() {
            Found::NotAsked => self.violation("created without asking the getter"),
            Found::Error => self.violation("created because the getter failed"),
            Found::Nothing => {}
            Found::Value(stamp) => {
                let age = SystemTime::now().duration_since(stamp).unwrap_or_default();
                if age < self.audit.expires_after {
                    self.violation(&format!("created although the value was only {age:?} old"));
                }
            }
        }
        if self.is_late() && !self.must_not_ask_again() {
            self.violation("created for what was seen before the last creation of this process had ended");
        }
    }

    /// The setter has ended, and the creation is as good as over.
    pub fn end(&self, stored: bool) {
        let late = self.is_late();
        if stored {
            let mut all = self.audit.stored.lock().unwrap_or_else(PoisonError::into_inner);
            all.last = Some(Instant::now());
            let mut counts = self.counts.borrow_mut();
            if let Found::Value(stamp) = self.found.get() {
                counts.for_expiry = 1;
                if !all.replaced.insert(stamp) {
                    self.violation("created twice for one expired value");
                }
            } else {
                counts.for_loss = 1;
                counts.for_loss_unseen = late.into();
            }
        }
        self.audit.running.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether this access has run its creator.
    pub fn has_created(&self) -> bool {
        self.created.get()
    }

    /// What was counted, and what was found to be wrong.
    pub fn conclude(self) -> (Counts, Vec<String>) {
        let counts = Counts { accesses: 1, most_calls: self.calls.get(), ..self.counts.into_inner() };
        (counts, self.violations.into_inner())
    }

    /// Whether the last getter call began before the last creation was stored.
    fn is_late(&self) -> bool {
        let all = self.audit.stored.lock().unwrap_or_else(PoisonError::into_inner);
        all.last.is_some_and(|last| self.asked.get() < last)
    }

    fn must_not_ask_again(&self) -> bool {
        self.calls.get() == 2 && matches!(self.found.get(), Found::Nothing)
    }

    fn violation(&self, what: &str) {
        self.violations.borrow_mut().push(what.to_owned());
    }
}
