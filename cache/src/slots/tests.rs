use super::*;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Barrier, Mutex, Weak};
use std::thread;

/// The state of a slot in these tests.
struct State {
    number: u64,
    until: Mutex<Until>,
}

impl Idle for State {
    fn needed_until(&self) -> Until {
        *self.until.lock().unwrap()
    }
}

impl State {
    fn set(&self, until: Until) {
        *self.until.lock().unwrap() = until;
    }
}

type Table = Arc<Slots<u64, State>>;

fn table(most_idle: usize) -> Table {
    Arc::new(Slots::new(most_idle, true))
}

fn hold(slots: &Table, key: u64, now: u64, until: Until) -> HeldSlot<u64, State> {
    static NUMBERS: AtomicU64 = AtomicU64::new(0);
    let held = slots.hold(&key, now, |_| State { number: NUMBERS.fetch_add(1, Relaxed), until: Mutex::new(until) });
    assert_eq!(*held.key(), key);
    held
}

fn numbers(slots: &Table) -> (usize, usize) {
    (slots.len(), slots.idle())
}

#[test]
fn all_holds_of_a_key_give_one_slot() {
    let slots = table(10);
    let first = hold(&slots, 1, 0, Until::Never);
    let second = hold(&slots, 1, 0, Until::Never);
    let third = first.clone();
    let fourth = slots.find(&1).unwrap();
    assert!(slots.find(&2).is_none());
    let other = hold(&slots, 2, 0, Until::Never);
    assert_ne!(first.number, other.number);
    let number = first.number;
    for held in [first, second, third, fourth] {
        assert_eq!(held.number, number);
        assert_eq!(slots.len(), 2);
    }
    assert_eq!(numbers(&slots), (1, 0));
    assert!(slots.find(&1).is_none());
}

#[test]
fn a_slot_that_is_not_needed_goes_at_once() {
    let slots = table(10);
    let number = hold(&slots, 1, 0, Until::Never).number;
    assert_eq!(numbers(&slots), (0, 0));
    let again = hold(&slots, 1, 0, Until::Never);
    assert_ne!(again.number, number);
    // What counts is the state at the end.
    again.set(Until::Time(5));
    drop(again);
    assert_eq!(numbers(&slots), (1, 1));
    slots.find(&1).unwrap().set(Until::Never);
    assert_eq!(numbers(&slots), (0, 0));
}

#[test]
fn a_slot_is_idle_until_its_time() {
    let slots = table(10);
    let number = hold(&slots, 1, 0, Until::Time(5)).number;
    assert_eq!(hold(&slots, 1, 4, Until::Never).number, number);
    assert_eq!(numbers(&slots), (1, 1));
    // No sweep was there before.
    let later = hold(&slots, 1, 5, Until::Time(7));
    assert_ne!(later.number, number);
    assert_eq!(numbers(&slots), (1, 0));
    // The time is over when the last holder lets go.
    assert_eq!(hold(&slots, 1, 7, Until::Never).number, later.number);
    drop(later);
    assert_eq!(numbers(&slots), (0, 0));
    drop(hold(&slots, 1, 8, Until::Time(u64::MAX)));
    assert_eq!(numbers(&slots), (1, 1));
}

#[test]
fn idle_slots_are_bounded_and_the_first_due_goes_first() {
    let slots = table(10);
    for key in 0..100 {
        // 37 is prime to 100, so each time comes once, in another order than the keys.
        drop(hold(&slots, key, 0, Until::Time(1 + key * 37 % 100)));
        assert!(slots.idle() <= 10);
    }
    assert_eq!(numbers(&slots), (10, 10));
    for key in 0..100 {
        assert_eq!(slots.find(&key).is_some(), key * 37 % 100 >= 90, "{key}");
    }
    // Held ones do not count.
    let held: Vec<_> = (0..50).map(|key| hold(&slots, 1_000 + key, 0, Until::Time(2))).collect();
    assert_eq!(numbers(&slots), (60, 10));
    drop(held);
    assert_eq!(numbers(&slots), (10, 10));

    let none = table(0);
    drop(hold(&none, 1, 0, Until::Time(u64::MAX)));
    assert_eq!(numbers(&none), (0, 0));
}

#[test]
fn pinned_slots_stay_and_do_not_count() {
    let slots = table(1);
    for key in 0..100 {
        drop(hold(&slots, key, 0, Until::Always));
    }
    drop(hold(&slots, 100, 0, Until::Time(5)));
    drop(hold(&slots, 101, 0, Until::Time(6)));
    assert_eq!(numbers(&slots), (101, 1));
    for now in 0..1_000 {
        drop(hold(&slots, 102, 10 + now, Until::Never));
    }
    assert_eq!(numbers(&slots), (100, 0));
    // What was told is not needed any more.
    slots.for_each(|slot| slot.set(Until::Never));
    assert_eq!(numbers(&slots), (0, 0));
}

#[test]
fn the_tables_become_small_again() {
    const KEYS: usize = 10_000;
    let slots = table(KEYS);
    for key in 0..KEYS as u64 {
        drop(hold(&slots, key, 0, Until::Time(5)));
    }
    assert_eq!(numbers(&slots), (KEYS, KEYS));
    let room = || slots.shards.iter().map(Shard::capacity).sum::<usize>();
    assert!(room() >= KEYS);
    // One other key is enough: each hold sweeps its own shard and another.
    let mut holds = 0;
    while slots.idle() > 0 {
        drop(hold(&slots, 1_000_000, 5, Until::Never));
        holds += 1;
        assert!(holds <= KEYS, "{} are left", slots.idle());
    }
    assert_eq!(slots.len(), 0);
    assert!(room() <= SHARDS * 64, "{}", room());
}

#[test]
fn the_held_slots_are_visited() {
    let slots = table(10);
    let held: Vec<_> = (0..5).map(|key| hold(&slots, key, 0, Until::Never)).collect();
    drop(hold(&slots, 5, 0, Until::Time(5)));
    drop(hold(&slots, 6, 0, Until::Always));
    let visited = |all| {
        let mut keys = Vec::new();
        let visit = |slot: &HeldSlot<u64, State>| {
            // Outside of the mutexes.
            assert!(slots.find(slot.key()).is_some());
            drop(hold(&slots, 100 + slot.key(), 0, Until::Never));
            keys.push(*slot.key());
        };
        if all {
            slots.for_each(visit);
        } else {
            slots.for_each_held(visit);
        }
        keys.sort_unstable();
        keys
    };
    assert_eq!(visited(false), [0, 1, 2, 3, 4]);
    assert_eq!(visited(true), [0, 1, 2, 3, 4, 5, 6]);
    assert_eq!(numbers(&slots), (7, 1));
    drop(held);
    assert_eq!(visited(false), Vec::<u64>::new());
    assert_eq!(numbers(&slots), (2, 1));
    // A visitor that panics leaves no holder behind.
    assert!(catch_unwind(AssertUnwindSafe(|| slots.for_each(|_| panic!("on purpose")))).is_err());
    assert_eq!((visited(false), numbers(&slots)), (vec![], (2, 1)));
}

#[test]
fn a_maker_that_panics_leaves_nothing() {
    let slots = table(10);
    assert!(catch_unwind(AssertUnwindSafe(|| slots.hold(&1, 0, |_| panic!("on purpose")))).is_err());
    assert_eq!(numbers(&slots), (0, 0));
    drop(hold(&slots, 1, 0, Until::Never));
}

/// Its drop and its `needed_until` use the table. Under a mutex of the table they would wait for ever.
struct Uses {
    slots: Weak<Slots<u64, Uses>>,
    used: Arc<AtomicU64>,
    until: Until,
}

impl Uses {
    fn all(&self) {
        if let Some(slots) = self.slots.upgrade() {
            // All shards.
            slots.len();
            slots.for_each_held(|_| ());
            self.used.fetch_add(1, Relaxed);
        }
    }
}

impl Idle for Uses {
    fn needed_until(&self) -> Until {
        let slots = self.slots.upgrade().unwrap();
        slots.len();
        self.used.fetch_add(1, Relaxed);
        self.until
    }
}

impl Drop for Uses {
    fn drop(&mut self) {
        self.all();
    }
}

#[test]
fn a_drop_may_use_the_table() {
    let slots = Arc::new(Slots::new(3, true));
    let used = Arc::new(AtomicU64::new(0));
    let hold = |key: u64, now, until| {
        slots.hold(&key, now, |_| {
            slots.len(); // The maker may, too.
            Uses { slots: Arc::downgrade(&slots), used: Arc::clone(&used), until }
        })
    };
    drop(hold(1, 0, Until::Never)); // Gone at once.
    assert_eq!(used.load(Relaxed), 2);
    drop(hold(1, 0, Until::Time(1)));
    drop(hold(1, 1, Until::Time(2))); // Found over.
    assert_eq!(used.load(Relaxed), 5);
    for key in 0..10 {
        drop(hold(key, 1, Until::Time(2))); // Evicted.
    }
    let before = used.load(Relaxed);
    for _ in 0..100 {
        drop(hold(100, 2, Until::Never)); // Swept.
    }
    assert_eq!(used.load(Relaxed), before + 200 + 3);
    assert_eq!((slots.len(), slots.idle()), (0, 0));
    // A maker that holds the same key was slower than itself.
    let inner = Mutex::new(None);
    let outer = slots.hold(&7, 2, |_| {
        *inner.lock().unwrap() = Some(hold(7, 2, Until::Never));
        Uses { slots: Arc::downgrade(&slots), used: Arc::clone(&used), until: Until::Never }
    });
    assert!(std::ptr::eq(&raw const *outer, &raw const **inner.lock().unwrap().as_ref().unwrap()));
}

/// The last holder asks the state while another holds the slot, pins it, and lets go: the pin must count.
#[test]
fn an_answer_that_is_out_of_date_is_asked_again() {
    struct Slow {
        slots: Weak<Slots<u64, Slow>>,
        pinned: AtomicBool,
        asked: AtomicU64,
    }
    impl Idle for Slow {
        fn needed_until(&self) -> Until {
            let until = if self.pinned.load(Relaxed) { Until::Always } else { Until::Never };
            if self.asked.fetch_add(1, Relaxed) == 0 {
                let slots = self.slots.upgrade().unwrap();
                let other = slots.find(&1).expect("the slot is still held");
                other.pinned.store(true, Relaxed);
            }
            until
        }
    }
    let slots = Arc::new(Slots::new(10, true));
    let make = |_: &u64| Slow { slots: Arc::downgrade(&slots), pinned: false.into(), asked: 0.into() };
    drop(slots.hold(&1, 0, make));
    assert_eq!((slots.len(), slots.idle()), (1, 0));
    let slot = slots.find(&1).expect("the slot is pinned");
    assert!(slot.pinned.load(Relaxed));
    assert_eq!(slot.asked.load(Relaxed), 2);
}

/// Threads hold few keys. While a thread holds a slot, it is alone in what the slot guards, and nothing is lost.
#[test]
fn threads_share_one_slot_while_it_is_held() {
    const THREADS: u64 = 4;
    const ROUNDS: u64 = 4_000;
    const KEYS: u64 = 8;
    struct Counted {
        holders: AtomicU64,
        live: Arc<[AtomicU64]>,
        key: usize,
        untold: AtomicU64,
    }
    impl Idle for Counted {
        fn needed_until(&self) -> Until {
            match self.untold.load(Relaxed) {
                0 if self.key.is_multiple_of(2) => Until::Never,
                0 => Until::Time(u64::MAX),
                _ => Until::Always,
            }
        }
    }
    impl Drop for Counted {
        fn drop(&mut self) {
            assert_eq!(self.holders.load(Relaxed), 0);
            assert_eq!(self.untold.load(Relaxed), 0, "an untold invalidation was forgotten");
            self.live[self.key].fetch_sub(1, Relaxed);
        }
    }
    // How many slots of each key are in use.
    let live: Arc<[AtomicU64]> = (0..KEYS).map(|_| AtomicU64::new(0)).collect();
    let slots: Arc<Slots<u64, Counted>> = Arc::new(Slots::new(2, true));
    let told = AtomicU64::new(0);
    let start = Barrier::new(THREADS.try_into().unwrap());
    thread::scope(|threads| {
        for thread in 0..THREADS {
            let (slots, live, start, told) = (&slots, &live, &start, &told);
            threads.spawn(move || {
                let mut random = fastrand::Rng::with_seed(thread);
                start.wait();
                for now in 0..ROUNDS {
                    let key = random.u64(..KEYS);
                    let held = slots.hold(&key, now, |key| {
                        let key = usize::try_from(*key).unwrap();
                        let live = Arc::clone(live);
                        live[key].fetch_add(1, Relaxed);
                        Counted { holders: 0.into(), live, key, untold: 0.into() }
                    });
                    held.holders.fetch_add(1, Relaxed);
                    let twin = random.bool().then(|| held.clone());
                    assert!(slots.find(&key).is_some_and(|found| std::ptr::eq(&raw const *found, &raw const *held)));
                    match random.u8(..4) {
                        0 => {
                            held.untold.fetch_add(1, Relaxed);
                        }
                        1 => {
                            told.fetch_add(held.untold.swap(0, Relaxed), Relaxed);
                        }
                        _ => {}
                    }
                    held.holders.fetch_sub(1, Relaxed);
                    drop(held);
                    drop(twin);
                }
            });
        }
    });
    assert!(slots.idle() <= 2);
    slots.for_each_held(|_| panic!("no slot is held"));
    slots.for_each(|slot| {
        told.fetch_add(slot.untold.swap(0, Relaxed), Relaxed);
    });
    assert!(told.load(Relaxed) > 0);
    assert!(slots.idle() <= 2 && slots.idle() == slots.len());
    drop(slots);
    assert!(live.iter().all(|live| live.load(Relaxed) == 0));
}

/// A held slot goes wherever its key and state may go.
#[test]
fn a_held_slot_may_cross_threads() {
    fn crosses<T: Send + Sync + 'static>() {}
    crosses::<HeldSlot<String, State>>();
    crosses::<Slots<String, State>>();
}

#[test]
fn a_key_is_alone_while_it_has_no_slot_and_no_other_guard() {
    let slots = table(10);
    // The keys of the two buckets are told apart: one of many is in another one.
    let alone = slots.alone(&1).expect("there is no slot");
    assert!(slots.alone(&1).is_none());
    let others = (2..100).filter(|key| slots.alone(key).is_some()).count();
    assert!(others > 90, "{others} keys are in other buckets");
    drop(alone);

    // A slot counts while it is held, idle and pinned.
    for until in [Until::Time(10), Until::Always] {
        let held = hold(&slots, 1, 0, until);
        assert!(slots.alone(&1).is_none());
        drop(held);
        assert!(slots.alone(&1).is_none());
        let held = hold(&slots, 1, 0, until);
        held.set(Until::Never);
        drop(held);
        assert!(slots.alone(&1).is_some());
    }

    // A slot may come while a guard is there: then both count.
    let alone = slots.alone(&1).unwrap();
    let held = hold(&slots, 1, 0, Until::Never);
    drop(alone);
    assert!(slots.alone(&1).is_none());
    drop(held);
    assert!(slots.alone(&1).is_some());
}

/// A maker of a slot that panics leaves nothing behind in the bucket, nor does a slot that came second.
#[test]
fn a_slot_that_is_not_in_the_table_does_not_count() {
    let slots = table(10);
    let made = catch_unwind(AssertUnwindSafe(|| slots.hold(&1, 0, |_| panic!("on purpose"))));
    assert!(made.is_err() && slots.alone(&1).is_some());
    let first = Mutex::new(None);
    let second = slots.hold(&1, 0, |_| {
        *first.lock().unwrap() = Some(hold(&slots, 1, 0, Until::Never));
        State { number: 0, until: Mutex::new(Until::Never) }
    });
    drop((first, second));
    assert!(slots.alone(&1).is_some());
}
