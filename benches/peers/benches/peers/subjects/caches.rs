//! The crates that cache. Each is used by its own form of "this value, created by one of the threads that want it".

use super::KEY;
use super::by_hand::KeptFor;
use crate::interleaved::Subject;
use crate::place::{Failed, Place, Source};
use crate::{HOUR, SHORT, STILL};
use ::cached::TtlSortedCache;
use quick_cache::sync::{EntryAction, EntryResult, GuardResult};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};

struct Moka(moka::sync::Cache<u64, Arc<u64>>, Arc<Source>);

impl Subject for Moka {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.try_get_with(KEY, || self.1.fetch().map(Arc::new)).map(|value| *value).map_err(|failed| *failed)
    }
}

pub fn moka(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(Moka(moka::sync::Cache::builder().time_to_live(lifetime).build(), Arc::clone(source)))
}

/// `quick_cache` has no expiry. A thread that finds the value expired removes it and gets the right to replace it, in
/// one step.
struct Quick(quick_cache::sync::Cache<u64, KeptFor>, Duration, Arc<Source>);

impl Subject for Quick {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        match self.0.get_value_or_guard(&KEY, None) {
            GuardResult::Value(kept) if kept.is_fresh() => Ok(kept.value()),
            GuardResult::Value(_) => self.renew(),
            GuardResult::Guard(place) => self.create(|made| place.insert(made)),
            GuardResult::Timeout => unreachable!("none is given"),
        }
    }
}

impl Quick {
    #[cold]
    fn renew(&self) -> Result<u64, Failed> {
        let look = |_: &u64, kept: &mut KeptFor| {
            if kept.is_fresh() { EntryAction::Retain(kept.value()) } else { EntryAction::ReplaceWithGuard }
        };
        match self.0.entry(&KEY, None, look) {
            EntryResult::Retained(value) => Ok(value),
            EntryResult::Vacant(place) | EntryResult::Replaced(place, _) => self.create(|made| place.insert(made)),
            EntryResult::Removed(..) | EntryResult::Timeout => unreachable!("neither is asked for"),
        }
    }

    #[cold]
    fn create(&self, insert: impl FnOnce(KeptFor) -> Result<(), KeptFor>) -> Result<u64, Failed> {
        let made = KeptFor::new(self.1, self.2.fetch()?);
        // This is refused only if the place was removed meanwhile.
        let _ = insert(made.clone());
        Ok(made.value())
    }
}

pub fn quick_cache(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(Quick(quick_cache::sync::Cache::new(100), lifetime, Arc::clone(source)))
}

/// The functions of this crate are static. Their results live for whole seconds, unless the function is given a store.
/// Of the stores, this uses one whose hits share their lock. Each place has a key of its own.
struct Memoized(u64, Arc<Source>, fn(u64, &Source) -> Result<Arc<u64>, Failed>);

impl Subject for Memoized {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        (self.2)(self.0, &self.1).map(|value| *value)
    }
}

/// Creates a value. It does not depend on the key.
fn create(_place: u64, source: &Source) -> Result<Arc<u64>, Failed> {
    source.fetch().map(Arc::new)
}

fn living(lifetime: Duration) -> TtlSortedCache<u64, Arc<u64>> {
    TtlSortedCache::builder().ttl(lifetime).build().expect("a lifetime is given")
}

/// One function for each lifetime.
macro_rules! memoized {
    ($($name:ident by $store:tt;)+) => {$(
        #[::cached::macros::cached(
            ty = "TtlSortedCache<u64, Arc<u64>>",
            create = $store,
            key = "u64",
            convert = "{ place }",
            sync_writes = "by_key",
            unsync_reads = true
        )]
        fn $name(place: u64, source: &Source) -> Result<Arc<u64>, Failed> {
            create(place, source)
        }
    )+};
}
memoized! {
    for_short by "{ living(SHORT) }";
    for_still by "{ living(STILL) }";
    for_an_hour by "{ living(HOUR) }";
}

pub fn cached(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    static PLACES: AtomicU64 = AtomicU64::new(0);
    let function = match lifetime {
        SHORT => for_short,
        STILL => for_still,
        HOUR => for_an_hour,
        _ => unreachable!("no bench has another lifetime"),
    };
    // Relaxed: the numbers need only differ.
    Box::new(Memoized(PLACES.fetch_add(1, Ordering::Relaxed), Arc::clone(source), function))
}

/// In memory foyer has no expiry. A thread that finds the value expired removes it. (A thread that is late removes a
/// new value. That costs one more creation, which is counted.) foyer creates in a task.
struct Foyer(foyer_memory::Cache<u64, KeptFor>, Duration, Arc<Source>);

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_multi_thread().worker_threads(2).build().expect("threads can be had"));

impl Subject for Foyer {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        match self.0.get(&KEY) {
            Some(kept) if kept.value().is_fresh() => Ok(kept.value().value()),
            _ => self.renew(),
        }
    }
}

impl Foyer {
    #[cold]
    fn renew(&self) -> Result<u64, Failed> {
        if self.0.get(&KEY).is_some_and(|kept| !kept.value().is_fresh()) {
            self.0.remove(&KEY);
        }
        let fetch = || {
            let (lifetime, source) = (self.1, Arc::clone(&self.2));
            async move { source.fetch().map(|value| KeptFor::new(lifetime, value)) }
        };
        let kept = RUNTIME.block_on(async { self.0.get_or_fetch(&KEY, fetch).await });
        kept.map(|kept| kept.value().value()).map_err(|_| Failed)
    }
}

pub fn foyer(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(Foyer(foyer_memory::Cache::builder(100).build(), lifetime, Arc::clone(source)))
}
