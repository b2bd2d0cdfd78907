//! The four ways to share an expiring value. Only the protection differs.

use crate::resource::Index;
use arc_swap::ArcSwapOption;
use dogpile::Dogpile;
use moka::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The index, and when it was ready.
#[derive(Debug)]
pub struct Value {
    /// The index.
    pub index: Arc<Index>,
    /// When its creation ended.
    pub ready: Instant,
}

/// A creator: makes the value, at whatever cost.
pub type Create<'a> = &'a mut dyn FnMut() -> Arc<Value>;

/// A way to get the value, and to make it when need be.
pub trait Strategy: Sync {
    /// What the table and the picture call it.
    fn name(&self) -> &'static str;

    /// The value, as this strategy sees fit.
    fn get(&self, create: Create<'_>) -> Arc<Value>;
}

/// The four, each with nothing there yet.
pub fn all(expires_after: Duration) -> [Box<dyn Strategy>; 4] {
    [
        Box::new(Unprotected { slot: Slot::new(expires_after) }),
        Box::new(DoubleCheck { slot: Slot::new(expires_after), lock: Mutex::new(()) }),
        Box::new(Moka(Cache::builder().max_capacity(1).time_to_live(expires_after).build())),
        Box::new(Protected { value: ArcSwapOption::empty(), lock: Dogpile::new(expires_after) }),
    ]
}

/// A value that knows when it expires, for the strategies without a lock that does.
struct Slot {
    value: ArcSwapOption<Value>,
    expires_after: Duration,
}

impl Slot {
    fn new(expires_after: Duration) -> Self {
        Self { value: ArcSwapOption::empty(), expires_after }
    }

    fn unless_expired(&self) -> Option<Arc<Value>> {
        self.value.load_full().filter(|value| value.ready.elapsed() < self.expires_after)
    }

    fn renew(&self, create: Create<'_>) -> Arc<Value> {
        let value = create();
        self.value.store(Some(Arc::clone(&value)));
        value
    }
}

/// Whoever finds the value expired or missing makes a new one.
struct Unprotected {
    slot: Slot,
}

impl Strategy for Unprotected {
    fn name(&self) -> &'static str {
        "no protection"
    }

    fn get(&self, create: Create<'_>) -> Arc<Value> {
        self.slot.unless_expired().unwrap_or_else(|| self.slot.renew(create))
    }
}

/// Whoever finds the value expired or missing queues for a mutex, and looks again before making a new one.
struct DoubleCheck {
    slot: Slot,
    lock: Mutex<()>,
}

impl Strategy for DoubleCheck {
    fn name(&self) -> &'static str {
        "mutex, check twice"
    }

    fn get(&self, create: Create<'_>) -> Arc<Value> {
        self.slot.unless_expired().unwrap_or_else(|| {
            let _turn = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.slot.unless_expired().unwrap_or_else(|| self.slot.renew(create))
        })
    }
}

/// A cache with one hot key: one of those who find it expired makes it, the others wait for that one.
struct Moka(Cache<(), Arc<Value>>);

impl Strategy for Moka {
    fn name(&self) -> &'static str {
        "moka get_with"
    }

    fn get(&self, create: Create<'_>) -> Arc<Value> {
        self.0.get_with((), create)
    }
}

/// The dogpile lock: one makes it, and the others carry on with the old one.
struct Protected {
    value: ArcSwapOption<Value>,
    lock: Dogpile,
}

impl Strategy for Protected {
    fn name(&self) -> &'static str {
        "Dogpile"
    }

    fn get(&self, create: Create<'_>) -> Arc<Value> {
        self.lock.acquire_or_create(|| self.value.store(Some(create())));
        self.value.load_full().expect("`acquire_or_create` returns when there is a value")
    }
}
