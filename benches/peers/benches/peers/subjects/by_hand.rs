//! Caches that a user writes in half an hour, from well-known primitives.

use crate::interleaved::Subject;
use crate::place::{Failed, Place, Source};
use ::arc_swap::ArcSwapOption;
use ::once_cell::sync::OnceCell;
use ::parking_lot::RwLock;
use std::sync::{Arc, Mutex, PoisonError, TryLockError};
use std::time::{Duration, Instant};

/// A value, and the time until which it is fresh.
#[derive(Clone)]
pub struct KeptFor(Instant, Arc<u64>);

impl KeptFor {
    pub fn new(lifetime: Duration, value: u64) -> Self {
        Self(Instant::now() + lifetime, Arc::new(value))
    }

    #[inline(always)]
    pub fn is_fresh(&self) -> bool {
        Instant::now() < self.0
    }

    #[inline(always)]
    pub fn value(&self) -> u64 {
        *self.1
    }
}

/// The thread that gets the mutex creates, and the others carry on with the old value. This comes as near to ours as a
/// few lines can.
struct Swap {
    kept: ArcSwapOption<KeptFor>,
    creates: Mutex<()>,
    lifetime: Duration,
    source: Arc<Source>,
}

impl Subject for Swap {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        match self.kept.load().as_deref() {
            Some(kept) if kept.is_fresh() => Ok(kept.value()),
            old => self.renew(old),
        }
    }
}

impl Swap {
    #[cold]
    fn renew(&self, old: Option<&KeptFor>) -> Result<u64, Failed> {
        let _creates = match (self.creates.try_lock(), old) {
            (Ok(creates), _) => creates,
            (Err(TryLockError::WouldBlock), Some(old)) => return Ok(old.value()),
            (Err(_), _) => self.creates.lock().unwrap_or_else(PoisonError::into_inner),
        };
        if let Some(kept) = self.kept.load().as_deref().filter(|kept| kept.is_fresh()) {
            return Ok(kept.value()); // another thread was faster
        }
        let value = self.source.fetch()?;
        self.kept.store(Some(Arc::new(KeptFor::new(self.lifetime, value))));
        Ok(value)
    }
}

pub fn arc_swap(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    let (kept, creates) = (ArcSwapOption::empty(), Mutex::new(()));
    Box::new(Swap { kept, creates, lifetime, source: Arc::clone(source) })
}

/// Returns the value, for a thread that has exclusive access to it.
fn of_one(kept: &mut Option<KeptFor>, lifetime: Duration, source: &Source) -> Result<u64, Failed> {
    if let Some(kept) = kept.as_ref().filter(|kept| kept.is_fresh()) {
        return Ok(kept.value());
    }
    let value = source.fetch()?;
    *kept = Some(KeptFor::new(lifetime, value));
    Ok(value)
}

/// Readers read side by side, and a value is created under the lock.
struct ReadLock(RwLock<Option<KeptFor>>, Duration, Arc<Source>);

impl Subject for ReadLock {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        match &*self.0.read() {
            Some(kept) if kept.is_fresh() => return Ok(kept.value()),
            _ => {}
        }
        self.renew()
    }
}

impl ReadLock {
    #[cold]
    fn renew(&self) -> Result<u64, Failed> {
        of_one(&mut self.0.write(), self.1, &self.2)
    }
}

pub fn parking_lot(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(ReadLock(RwLock::new(None), lifetime, Arc::clone(source)))
}

/// Readers read one after the other, and a value is created under the lock.
struct OneByOne(Mutex<Option<KeptFor>>, Duration, Arc<Source>);

impl Subject for OneByOne {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        of_one(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner), self.1, &self.2)
    }
}

pub fn std_mutex(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(OneByOne(Mutex::new(None), lifetime, Arc::clone(source)))
}

/// The value is made once, and stays for good.
struct Once(OnceCell<Arc<u64>>, Arc<Source>);

impl Subject for Once {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.get_or_try_init(|| self.1.fetch().map(Arc::new)).map(|value| **value)
    }
}

pub fn once_cell(_: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(Once(OnceCell::new(), Arc::clone(source)))
}
