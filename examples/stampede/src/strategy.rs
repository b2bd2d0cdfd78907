//! The ways to share an expiring value. Only the protection differs.

use crate::load::Maker;
use crate::resource::Index;
use arc_swap::ArcSwapOption;
use dogpile::{CachedFn, CachedGuard, Dogpile, Outcome, Policy, Pool};
use moka::sync::Cache;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An index, and the time when it was ready.
#[derive(Debug)]
pub struct Value {
    /// The index.
    pub index: Arc<Index>,
    /// The time when the creation of the index ended.
    pub ready: Instant,
}

/// The result of a read.
pub struct Got {
    /// The value.
    pub value: Arc<Value>,
    /// Whether this read has made the value.
    pub created: bool,
}

impl Got {
    fn made(value: Arc<Value>) -> Self {
        Self { value, created: true }
    }

    fn found(value: Arc<Value>) -> Self {
        Self { value, created: false }
    }
}

/// A way to get the value, and to make it when need be.
pub trait Strategy: Sync {
    /// Gets the value in the way of this strategy.
    fn get(&self) -> Got;
}

/// Makes a strategy without a value, from the lifetime of values and the maker of values.
type New = fn(Duration, Arc<Maker>) -> Box<dyn Strategy>;

/// All strategies, by the names that the table and the picture use.
pub const ALL: [(&str, New); 6] = [
    ("no protection", |expires_after, maker| Box::new(Unprotected { slot: Slot::new(expires_after), maker })),
    ("mutex, check twice", |expires_after, maker| {
        Box::new(DoubleCheck { slot: Slot::new(expires_after), lock: Mutex::new(()), maker })
    }),
    ("moka get_with", |expires_after, maker| {
        Box::new(Moka { cache: Cache::builder().max_capacity(1).time_to_live(expires_after).build(), maker })
    }),
    ("Dogpile", |expires_after, maker| Box::new(Protected::by(Dogpile::new(expires_after), maker))),
    ("Dogpile, early", |expires_after, maker| {
        Box::new(Protected::by(Dogpile::new(expires_after).with_policy(&EARLY), maker))
    }),
    ("Dogpile, background", |expires_after, maker| Box::new(InBackground::new(expires_after, maker))),
];

/// Values are renewed when half of their lifetime is over.
static EARLY: Policy = Policy::builder().refresh_at(0.5).build_const();

/// A value that knows when it expires, for the strategies without a lock that knows that.
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

    fn renew(&self, maker: &Maker) -> Got {
        let value = maker.make();
        self.value.store(Some(Arc::clone(&value)));
        Got::made(value)
    }
}

/// Each read that finds the value expired or missing makes a new one.
struct Unprotected {
    slot: Slot,
    maker: Arc<Maker>,
}

impl Strategy for Unprotected {
    fn get(&self) -> Got {
        self.slot.unless_expired().map_or_else(|| self.slot.renew(&self.maker), Got::found)
    }
}

/// Each read that finds the value expired or missing queues for a mutex, and looks again before it makes a new one.
struct DoubleCheck {
    slot: Slot,
    lock: Mutex<()>,
    maker: Arc<Maker>,
}

impl Strategy for DoubleCheck {
    fn get(&self) -> Got {
        let slowly = || {
            let _turn = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.slot.unless_expired().map_or_else(|| self.slot.renew(&self.maker), Got::found)
        };
        self.slot.unless_expired().map_or_else(slowly, Got::found)
    }
}

/// A cache with one hot key. Of the reads that find the value expired, one makes a new value, and the others wait for
/// it.
struct Moka {
    cache: Cache<(), Arc<Value>>,
    maker: Arc<Maker>,
}

impl Strategy for Moka {
    fn get(&self) -> Got {
        let mut created = false;
        let value = self.cache.get_with((), || {
            created = true;
            self.maker.make()
        });
        Got { value, created }
    }
}

/// The dogpile lock: one read makes a new value, and the others carry on with the old one.
struct Protected {
    value: ArcSwapOption<Value>,
    lock: Dogpile,
    maker: Arc<Maker>,
}

impl Protected {
    fn by(lock: Dogpile, maker: Arc<Maker>) -> Self {
        Self { value: ArcSwapOption::empty(), lock, maker }
    }
}

impl Strategy for Protected {
    fn get(&self) -> Got {
        let outcome = self.lock.acquire_or_create(|| self.value.store(Some(self.maker.make())));
        let value = self.value.load_full().expect("`acquire_or_create` returns when there is a value");
        Got { value, created: outcome == Outcome::Created }
    }
}

type Function = Box<dyn Fn() -> Arc<Value> + Send + Sync>;

/// The dogpile lock with early renewal by a thread of its own: a read that finds the value due carries on as well.
struct InBackground {
    value: Arc<CachedFn<Arc<Value>, Function>>,
    pool: Pool,
}

impl InBackground {
    fn new(expires_after: Duration, maker: Arc<Maker>) -> Self {
        let value = CachedFn::new(expires_after, Box::new(move || maker.make()) as Function).with_policy(&EARLY);
        Self { value: Arc::new(value), pool: Pool::new(1, 1) }
    }
}

impl Strategy for InBackground {
    fn get(&self) -> Got {
        let guard = CachedFn::kept(&self.value).in_background(&self.pool).get();
        Got { value: Arc::clone(&guard), created: CachedGuard::outcome(&guard) == Outcome::Created }
    }
}
