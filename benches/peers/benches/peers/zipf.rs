//! What does it cost to read among a million keys, few of which are hot?
//!
//! The keys are drawn by Zipf's law (exponent 1, so that every 14th read is of the hottest key), before the clock runs.
//! A value is made when its key is read for the first time, or when it has not been kept. Ours is a `Registry` of
//! `Cached`, which keeps the values that were in use in the last ten seconds. moka does the same. All stores have room
//! for a million values.
//!
//! The limits of the peers: `quick_cache`, foyer and the maps by hand have no expiry, so that their reads look at the
//! clock by hand. The sharded store of `cached` and the maps by hand do not leave the making of a value to one thread
//! alone. Here a value costs nothing to make, so this does not show. An `ArcSwap` or a `OnceCell` would have to be in
//! one of these maps. Only ours serves an old value while a new one is made. On the other hand, moka, `quick_cache`,
//! `cached` and foyer bound here how many keys they keep. A registry would do so by `at_most_idle`, which is not used here.

use crate::drawn::{DRAWN, Drawn, KEYS, Store, value_of};
use crate::interleaved::{self, Effort, Timed};
use crate::subjects::by_hand::KeptFor;
use crate::table::{self, digits};
use crate::{HOUR, THREADS};
use cached::{ConcurrentCached, ShardedLruTtlCache};
use criterion::Criterion;
use dashmap::DashMap;
use dogpile::{Cached, Registry};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const IDLE: Duration = Duration::from_secs(10);

/// Rounds of some 0.1 ms to 1 ms. With more threads than cores, few of them are interrupted.
const EFFORT: Effort = Effort { rounds: 800, hits: 1_024 };

impl Store for Registry<u64, Cached<u64>> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        *self.get(&key).get_or_create(|| value_of(key))
    }
}

impl Store for moka::sync::Cache<u64, Arc<u64>> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        *self.get_with(key, || Arc::new(value_of(key)))
    }
}

impl Store for quick_cache::sync::Cache<u64, KeptFor> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        match self.get(&key) {
            Some(kept) if kept.is_fresh() => kept.value(),
            _ => {
                let made = KeptFor::new(HOUR, value_of(key));
                self.insert(key, made.clone());
                made.value()
            }
        }
    }
}

impl Store for ShardedLruTtlCache<u64, Arc<u64>> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        let Ok(kept) = self.cache_get(&key);
        *kept.unwrap_or_else(|| {
            let made = Arc::new(value_of(key));
            let Ok(_) = self.cache_set(key, Arc::clone(&made));
            made
        })
    }
}

impl Store for foyer_memory::Cache<u64, KeptFor> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        match self.get(&key) {
            Some(kept) if kept.value().is_fresh() => kept.value().value(),
            _ => self.insert(key, KeptFor::new(HOUR, value_of(key))).value().value(),
        }
    }
}

impl Store for DashMap<u64, KeptFor> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        match self.get(&key) {
            Some(kept) if kept.is_fresh() => return kept.value().value(),
            _ => {}
        }
        let made = KeptFor::new(HOUR, value_of(key));
        self.insert(key, made.clone());
        made.value()
    }
}

impl Store for RwLock<HashMap<u64, KeptFor>> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        match RwLock::read(self).get(&key) {
            Some(kept) if kept.is_fresh() => return kept.value(),
            _ => {}
        }
        let made = KeptFor::new(HOUR, value_of(key));
        self.write().insert(key, made.clone());
        made.value()
    }
}

impl Store for Mutex<HashMap<u64, KeptFor>> {
    #[inline(always)]
    fn read(&self, key: u64) -> u64 {
        let mut map = self.lock().unwrap_or_else(PoisonError::into_inner);
        match map.get(&key) {
            Some(kept) if kept.is_fresh() => kept.value(),
            _ => map.entry(key).insert_entry(KeptFor::new(HOUR, value_of(key))).get().value(),
        }
    }
}

type Named = (&'static str, Box<dyn Timed>);

/// The stores, with ours first. Each of them is full: all keys that were drawn have been read.
fn stores() -> Vec<Named> {
    const MOST: usize = KEYS as usize;
    fn full<S: Store + 'static>(store: S) -> Box<dyn Timed> {
        let store = Drawn(store);
        store.time(DRAWN as u64);
        Box::new(store)
    }
    let moka = moka::sync::Cache::builder().max_capacity(u64::from(KEYS)).time_to_live(HOUR).time_to_idle(IDLE);
    let sharded = ShardedLruTtlCache::builder().max_size(MOST).ttl(HOUR).build().expect("both bounds are given");
    vec![
        ("Registry", full(Registry::new(|_: &u64| Cached::<u64>::new(HOUR)).keep_idle(IDLE))),
        ("moka", full::<moka::sync::Cache<u64, Arc<u64>>>(moka.build())),
        ("quick_cache", full(quick_cache::sync::Cache::<u64, KeptFor>::new(MOST))),
        ("cached (crate)", full::<ShardedLruTtlCache<u64, Arc<u64>>>(sharded)),
        ("foyer", full(foyer_memory::Cache::<u64, KeptFor>::builder(MOST).build())),
        ("dashmap by hand", full(DashMap::<u64, KeptFor>::new())),
        ("parking_lot by hand", full(RwLock::new(HashMap::<u64, KeptFor>::new()))),
        ("std by hand", full(Mutex::new(HashMap::<u64, KeptFor>::new()))),
    ]
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("zipf");
    for (name, store) in stores() {
        for threads in THREADS {
            interleaved::bench(&mut group, name, threads, &*store);
        }
    }
    group.finish();
}

pub fn compare() {
    let stores = stores();
    let (_, ours) = &stores[0];
    let rows = stores[1..].iter().map(|(name, other)| {
        let cell = |threads| {
            let [ours, other, ratio] = interleaved::compare_in(EFFORT, threads, &**ours, &**other);
            format!("{} × ({other:.0} ns / {ours:.0} ns)", digits(ratio))
        };
        [vec![(*name).to_owned()], THREADS.map(cell).to_vec()].concat()
    });
    println!(
        "\nzipf: how often a read of a `Registry` of `Cached` is over while one of the peer's is, among {KEYS} keys\n"
    );
    table::print(&["", "1 thread", "2 threads", "4 threads"], &rows.collect::<Vec<_>>());
}
