use super::*;
use std::borrow::Borrow;
use std::hash::Hasher;
use std::sync::Weak;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The time at which the tests look.
const NOW: u64 = 1_000;

fn numbers(entries: usize) -> NearStore<u64, Arc<u64>> {
    NearStore::holding(entries)
}

#[test]
fn a_value_serves_before_its_time_only() {
    let store = numbers(10);
    store.put(1, Arc::new(10), NOW);
    assert_eq!(store.hit(&1, NOW - 1), Some(Arc::new(10)));
    assert_eq!(store.hit(&1, NOW), None);
    assert_eq!(store.peek(&1), Some((Arc::new(10), NOW)));
    store.put(1, Arc::new(11), NOW + 1);
    assert_eq!(store.hit(&1, NOW), Some(Arc::new(11)));
    assert_eq!(store.len(), 1);
    // For ever is for ever.
    store.put(1, Arc::new(12), u64::MAX);
    assert_eq!(store.hit(&1, u64::MAX - 1), Some(Arc::new(12)));
}

#[test]
fn a_value_whose_service_ended_is_the_old_value() {
    let store = numbers(10);
    assert!(!store.end_service(&1));
    store.put(1, Arc::new(10), u64::MAX);
    store.put(2, Arc::new(20), u64::MAX);
    assert!(store.end_service(&1));
    assert_eq!(store.hit(&1, 0), None);
    assert_eq!(store.peek(&1), Some((Arc::new(10), 0)));
    assert_eq!(store.hit(&2, NOW), Some(Arc::new(20)));
    assert_eq!((store.len(), store.weight()), (2, 2));
    // Its successor serves.
    store.put(1, Arc::new(11), NOW + 1);
    assert_eq!(store.hit(&1, NOW), Some(Arc::new(11)));
}

/// Threads put ever newer values. What is there never becomes older.
/// Another change that begins after the question takes effect after the put.
#[test]
fn values_are_removed() {
    let store = numbers(10);
    assert_eq!(store.remove(&1), None);
    store.put(1, Arc::new(10), NOW);
    assert_eq!(store.len(), 1);
    assert_eq!(store.remove(&1), Some(Arc::new(10)));
    store.put(1, Arc::new(11), NOW);
    store.put(2, Arc::new(20), NOW);
    assert_eq!(store.remove(&1), Some(Arc::new(11)));
    assert_eq!((store.len(), store.weight()), (1, 1));
    store.clear();
    assert_eq!((store.len(), store.weight(), store.peek(&2)), (0, 0, None));
}

#[test]
fn a_key_is_looked_up_by_what_it_borrows_as() {
    let store = NearStore::<String, Arc<u64>>::holding(10);
    store.put("one".to_owned(), Arc::new(1), NOW);
    assert_eq!(store.hit("one", 0), Some(Arc::new(1)));
    assert!(store.end_service("one"));
    assert_eq!(store.remove("one"), Some(Arc::new(1)));
}

#[test]
fn the_number_of_values_is_bounded() {
    for entries in [0, 1, 2, 31, 33, 100, 1_001, 10_000] {
        let store = numbers(entries);
        for key in 0..entries as u64 * 3 + 3 {
            store.put(key, Arc::new(key), NOW);
            assert!(store.len() <= entries, "{} of {entries}", store.len());
        }
        // Keys are not spread evenly, so that is not all of the room.
        assert!(store.len() >= entries * 3 / 4, "{} of {entries}", store.len());
    }
    let boundless = numbers(usize::MAX);
    for key in 0..10_000 {
        boundless.put(key, Arc::new(key), NOW);
    }
    assert_eq!(boundless.len(), 10_000);
}

#[test]
fn the_weight_of_the_values_is_bounded() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&asked);
    let near = Near::weighing(100_000, move |value: &u64| {
        counted.fetch_add(1, Relaxed);
        *value
    });
    let store = near.store(|kept: &Arc<Option<u64>>| kept.as_ref().as_ref()).unwrap();
    for key in 0..1_000_u64 {
        store.put(key, Arc::new(Some(1_000)), NOW); // A hundredth.
        assert!(store.peek(&key).is_some());
        assert!(store.weight() <= 100_000);
    }
    assert!(store.len() > 60, "{}", store.len());
    assert_eq!(asked.load(Relaxed), 1_000);

    // What is heavier than all is not kept, and what it would have replaced is not kept either.
    store.put(999, Arc::new(Some(100_001)), NOW);
    assert_eq!(store.peek(&999), None);
    // No weight is zero, and none overflows.
    store.clear();
    store.put(1, Arc::new(Some(0)), NOW);
    store.put(2, Arc::new(None), NOW);
    store.put(3, Arc::new(Some(u64::MAX)), NOW);
    assert_eq!((store.len(), store.weight()), (2, 2));

    let boundless = Near::weighing(u64::MAX, |value: &u64| *value);
    let boundless = boundless.store(|value: &Arc<u64>| Some(&**value)).unwrap();
    for key in 0..200_u64 {
        boundless.put(key, Arc::new(u64::MAX), NOW);
        boundless.put(key + 1_000, Arc::new(5), NOW);
    }
    assert!(boundless.peek(&1_199).is_some());
}

#[test]
fn a_weigher_of_another_type_is_an_error() {
    let near = Near::weighing(10, |text: &String| text.len() as u64);
    let store = near.store::<u64, Arc<u64>, u64>(|value| Some(value));
    assert_eq!(store.unwrap_err(), WeighsAnother { weighs: std::any::type_name::<String>(), region: "u64" });
    assert!(near.clone().store::<u64, Arc<String>, String>(|value| Some(value)).is_ok());
    let debug = format!("{:?}", near.at_most(Duration::from_secs(1)));
    assert_eq!(debug, r#"Near { weighing: 10, of: "alloc::string::String", at_most: Some(1s) }"#);
}

#[test]
fn the_settings_are_kept() {
    let near = Near::holding(3);
    assert_eq!(near.longest(), None);
    let near = near.at_most(Duration::ZERO);
    assert_eq!(near.longest(), Some(Duration::ZERO));
    assert_eq!(format!("{near:?}"), "Near { holding: 3, at_most: Some(0ns) }");
    let store = near.store(|value: &Arc<u64>| Some(&**value)).unwrap();
    for key in 0..10_u64 {
        store.put(key, Arc::new(key), NOW);
    }
    assert_eq!(store.len(), 3);
}

/// A key and a value whose drops use the store. Under a lock of the store they would wait for ever.
struct Uses(u64, Weak<NearStore<Uses, Arc<Uses>>>, Arc<AtomicUsize>);

impl Drop for Uses {
    fn drop(&mut self) {
        self.2.fetch_add(1, Relaxed);
        if let Some(store) = self.1.upgrade() {
            for key in 0..40_u64 {
                store.peek(&key);
                store.end_service(&key); // This takes the lock alone.
            }
        }
    }
}

impl PartialEq for Uses {
    fn eq(&self, other: &Uses) -> bool {
        self.0 == other.0
    }
}

impl Eq for Uses {}

impl Hash for Uses {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl Borrow<u64> for Uses {
    fn borrow(&self) -> &u64 {
        &self.0
    }
}

#[test]
fn drops_may_use_the_store() {
    let drops = Arc::new(AtomicUsize::new(0));
    let store = Arc::new(NearStore::<Uses, Arc<Uses>>::weighing(60, |value| value.0)); // One part.
    let uses = |number| Uses(number, Arc::downgrade(&store), Arc::clone(&drops));
    for key in 0..10 {
        store.put(uses(key), Arc::new(uses(6)), NOW);
    }
    assert_eq!(drops.load(Relaxed), 0);
    // Several go at once. The cache's own way would drop the third and the others under its lock.
    store.put(uses(100), Arc::new(uses(36)), NOW);
    assert!(drops.load(Relaxed) >= 2 * 3, "{}", drops.load(Relaxed));
    store.put(uses(100), Arc::new(uses(36)), NOW); // Replaced.
    store.put(uses(100), Arc::new(uses(36)), NOW);
    assert!(store.remove(&100).is_some());
    store.put(uses(101), Arc::new(uses(36)), NOW);
    assert!(store.remove(&101).is_some());
    store.put(uses(101), Arc::new(uses(200)), NOW); // Too heavy.
    store.clear();
    assert_eq!(store.len(), 0);
    // 15 keys were put, and as many values.
    assert_eq!(drops.load(Relaxed), 2 * 15);
}

#[test]
fn a_weigher_that_panics_keeps_nothing() {
    let store = NearStore::<u64, Arc<u64>>::weighing(100, |value| if **value == 7 { panic!("7") } else { **value });
    store.put(1, Arc::new(1), NOW);
    let put = std::panic::AssertUnwindSafe(|| store.put(1, Arc::new(7), NOW));
    assert!(std::panic::catch_unwind(put).is_err());
    assert_eq!(store.peek(&1), Some((Arc::new(1), NOW)));
}

#[test]
fn two_stores_hash_differently() {
    let order = |store: &NearStore<u64, Arc<u64>>| {
        for key in 0..1_000 {
            store.put(key, Arc::new(key), NOW);
        }
        // A store that is too small for all keeps others than its twin.
        (0..1_000).map(|key| store.peek(&key).is_some()).collect::<Vec<_>>()
    };
    assert_ne!(order(&numbers(500)), order(&numbers(500)));
}

#[test]
fn a_store_may_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<Near>();
    crosses::<NearStore<String, Arc<u64>>>();
}
