//! What `Registry` does with its entries. `tests/contract` tests that its locks keep the laws.

#[macro_use]
mod traits;

use dogpile::{
    AcquireError, Backoff, Cached, CachedGuard, Dogpile, Held, Made, ManualClock, OnError, Outcome, Policy, ReadGuard,
    ReadTurn, Registry, SyncReaderDogpile, Turn,
};
use std::cell::Cell;
use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier};
use std::thread::{self, ScopedJoinHandle};
use std::time::Duration;
use traits::Otherwise;

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const ALMOST_A_MINUTE: Duration = Duration::from_nanos(59_999_999_999);

type Clock = Arc<ManualClock>;
type Lock = Dogpile<Clock>;

/// Joins each thread. The end of a scope alone is an ordering that ThreadSanitizer does not see.
fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn same<L>(one: &L, other: &L) -> bool {
    ptr::eq(one, other)
}

/// Returns a registry of locks on one clock, and that clock.
fn manual(idle_for: Duration) -> (Registry<u64, Lock, impl Fn(&u64) -> Lock>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    (Registry::with_maker(move |_: &u64| Dogpile::with_clock(MINUTE, Arc::clone(&its))).keep_idle(idle_for), clock)
}

#[test]
fn a_key_has_one_lock_which_goes_with_its_last_holder() {
    let (locks, _) = manual(Duration::ZERO);
    assert!(locks.is_empty() && locks.find(&1).is_none());
    let one = locks.get(&1);
    let again = locks.get(&1);
    let found = locks.find(&1).unwrap();
    let other = locks.get(&2);
    assert!(same(&*one, &*again) && same(&*one, &*found) && !same(&*one, &*other));
    assert_eq!((Held::key(&one), Held::key(&other), locks.len()), (&1, &2, 2));
    one.acquire_or_create(|| ());
    drop((one, again, other));
    assert_eq!(locks.len(), 1);
    assert!(found.has_value());
    let clone = found.clone();
    drop(found);
    assert!(locks.get(&1).has_value());
    drop(clone);
    assert!(locks.is_empty() && locks.find(&1).is_none());
    assert!(!locks.get(&1).has_value(), "another one");
}

#[test]
fn keys_are_looked_up_by_their_borrowed_form() {
    static WORDS: Registry<String> = Registry::new(|_| Dogpile::never_expires());
    static BYTES: Registry<Vec<u8>> = Registry::new(|_| Dogpile::never_expires());
    let (word, bytes) = (WORDS.get("word"), BYTES.get(&[1, 2][..]));
    assert!(same(&*word, &*WORDS.get(&String::from("word"))));
    assert!(same(&*bytes, &*BYTES.get(&vec![1, 2])));
    assert!(!WORDS.is_creating("word") && !WORDS.is_creating("never seen"));
    word.acquire_or_create(|| assert!(WORDS.is_creating("word")));
    assert_eq!((WORDS.len(), BYTES.len()), (1, 1));
    // A holder of a registry in a `static` may go to any thread.
    let elsewhere: Held<'static, String> = word.clone();
    thread::spawn(move || assert!(elsewhere.has_value())).join().unwrap();
}

#[test]
fn two_look_ups_at_once_get_the_same_lock() {
    for round in 0..300 {
        let (made, dropped) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
        let registry = Registry::with_maker(|_: &u64| {
            made.fetch_add(1, Ordering::SeqCst);
            Cached::<Counted>::never_expires()
        })
        .keep_idle(Duration::ZERO);
        let start = Barrier::new(3);
        thread::scope(|scope| {
            let ask = || {
                start.wait();
                let held = registry.get(&round);
                start.wait();
                held.get_or_create(|| Counted(Arc::clone(&dropped)));
                start.wait();
            };
            join((0..3).map(|_| scope.spawn(ask)).collect());
        });
        assert!(registry.is_empty());
        assert!((1..=3).contains(&made.into_inner()));
        assert_eq!(dropped.load(Ordering::SeqCst), 1, "they shared one lock, so one value was created");
    }
}

struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_release_that_races_a_look_up_never_yields_two_locks() {
    for idle_for in [Duration::ZERO, Duration::from_nanos(1), MINUTE] {
        let (locks, clock) = manual(idle_for);
        let (inside, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        thread::scope(|scope| {
            let come_and_go = || {
                for round in 0..2_000 {
                    let held = locks.get(&7);
                    if let Ok(Turn::Create(creation)) = held.try_acquire() {
                        // There is one creation for the key, whatever comes and goes.
                        let now = inside.fetch_add(1, Ordering::SeqCst) + 1;
                        most.fetch_max(now, Ordering::SeqCst);
                        thread::yield_now();
                        inside.fetch_sub(1, Ordering::SeqCst);
                        drop(creation);
                    }
                    if round % 50 == 0 {
                        clock.advance(Duration::from_nanos(1));
                    }
                }
            };
            join((0..4).map(|_| scope.spawn(come_and_go)).collect());
        });
        assert_eq!(most.into_inner(), 1, "idle for {idle_for:?}");
    }
}

#[test]
fn c7_a_creation_in_flight_holds_its_lock_and_nothing_is_left_of_it() {
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    let locks = Arc::new(Registry::with_maker(move |_: &u64| Dogpile::with_clock(MINUTE, Arc::clone(&its))));
    let Turn::Create(creation) = Dogpile::kept(&locks.get_owned(&1)).turn() else { panic!("nobody else creates") };
    // No `Held` is left.
    assert!(locks.is_creating(&1));
    assert_eq!(locks.len(), 1);
    assert!(locks.get(&1).try_acquire().is_err(), "L1: the same lock, in which somebody creates");
    assert_eq!(locks.get(&1).access().timeout(Duration::ZERO).turn().unwrap_err(), AcquireError::TimedOut);
    let elsewhere = Arc::clone(&locks);
    thread::spawn(move || {
        creation.run(|_| assert!(elsewhere.is_creating(&1)));
        assert!(elsewhere.is_empty());
    })
    .join()
    .unwrap();
    // Given up by a drop, by a panic and by an error.
    for give_up in 0..3 {
        let turn = Dogpile::kept(&locks.get_owned(&2)).timeout(MINUTE).turn();
        let Ok(Turn::Create(creation)) = turn else { panic!("nobody else creates") };
        assert_eq!(locks.len(), 1);
        match give_up {
            0 => drop(creation),
            1 => assert!(catch_unwind(AssertUnwindSafe(|| creation.run(|_| panic!("on purpose")))).is_err()),
            _ => assert_eq!(creation.try_run(|_| Err::<(), _>("no")), Err("no")),
        }
        assert!(locks.is_empty());
    }
    // A closure form borrows the `Held`, wherever that is.
    locks.get(&3).acquire_or_create(|| assert_eq!(locks.len(), 1));
    assert!(catch_unwind(AssertUnwindSafe(|| locks.get(&3).acquire_or_create(|| panic!("on purpose")))).is_err());
    assert!(locks.is_empty());
    let turn = Dogpile::kept(&locks.get(&4)).timeout(Duration::ZERO).turn();
    let Ok(Turn::Create(creation)) = turn else { panic!("nobody else creates") };
    assert!(locks.is_creating(&4));
    drop(creation);
    assert!(locks.is_empty());
}

#[test]
fn guards_that_own_their_lock_hold_it() {
    static FILES: Registry<u64, SyncReaderDogpile> = Registry::new(|_| SyncReaderDogpile::new(MINUTE));
    let ReadTurn::Create(creation) = SyncReaderDogpile::kept(&FILES.get(&1)).turn() else {
        panic!("nobody else creates")
    };
    assert!(FILES.is_creating(&1));
    let held = FILES.get(&1);
    let timed_out = SyncReaderDogpile::kept(&held).timeout(Duration::ZERO).turn().unwrap_err();
    assert_eq!(timed_out, AcquireError::TimedOut);
    creation.run(|creation| drop(creation.write_lock().unwrap()));
    let ReadTurn::Fresh(guard) = SyncReaderDogpile::kept(&held).turn() else { panic!("just created") };
    let guard = ReadGuard::into_owned(guard, held.clone());
    drop(held);
    assert_eq!(FILES.len(), 1, "the guard has a share");
    assert!(FILES.get(&1).acquire_write_lock_timeout(Duration::ZERO).is_err(), "L9: it is the same lock");
    thread::spawn(move || drop(guard)).join().unwrap();
    assert!(FILES.is_empty());
}

#[test]
fn an_idle_lock_is_kept_with_its_value_until_its_time_is_up() {
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    let pages =
        Registry::with_maker(move |_: &u64| Cached::with_clock(Duration::MAX, Arc::clone(&its))).keep_idle(MINUTE);
    assert_eq!(*pages.get(&1).get_or_create(|| 10), 10);
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(CachedGuard::outcome(&pages.get(&1).get_or_create(|| 11)), Outcome::Fresh);
    // The read was a use, and the time of the lock begins anew.
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(pages.sweep(), 0);
    assert_eq!(pages.len(), 1);
    // The time does not run while the lock is held.
    let held = pages.get(&1);
    clock.advance(MINUTE * 5);
    assert_eq!(pages.sweep(), 0);
    assert!(same(&*held, &*pages.find(&1).unwrap()));
    drop(held);
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(pages.sweep(), 0);
    clock.advance(Duration::from_nanos(1));
    assert_eq!((pages.sweep(), pages.len()), (1, 0));
    assert_eq!(CachedGuard::outcome(&pages.get(&1).get_or_create(|| 12)), Outcome::Created);
}

#[test]
fn idle_locks_are_swept_by_uses_of_the_registry() {
    let (locks, clock) = manual(MINUTE);
    for key in 0..10_000 {
        drop(locks.get(&key));
    }
    assert_eq!(locks.len(), 10_000);
    clock.advance(MINUTE);
    // The uses are of one key, in one of many shards. Each use also looks after another shard in turn, and removes a
    // few locks there.
    let mut uses = 0;
    while locks.len() > 1 {
        drop(locks.get(&u64::MAX));
        uses += 1;
        assert!(uses <= 10_000, "{} left", locks.len());
    }
    // All of them at once, by hand.
    for key in 0..10_000 {
        drop(locks.get(&key));
    }
    clock.advance(MINUTE);
    assert_eq!((locks.sweep(), locks.len()), (10_001, 0));
}

#[test]
fn idle_locks_may_be_kept_for_good() {
    let (locks, clock) = manual(Duration::MAX);
    drop(locks.get(&1));
    clock.advance(Duration::from_secs(1 << 33));
    assert_eq!((locks.sweep(), locks.len()), (0, 1));
}

#[test]
fn an_idle_lock_can_be_removed_and_a_held_one_cannot() {
    let (locks, clock) = manual(Duration::MAX);
    assert!(!locks.remove_idle(&1), "there is none");
    let held = locks.get(&1);
    held.acquire_or_create(|| ());
    assert!(!locks.remove_idle(&1));
    assert!(locks.get(&1).has_value());
    drop(held);
    locks.get(&2).acquire_or_create(|| ());
    assert!(locks.remove_idle(&1));
    assert!(!locks.remove_idle(&1));
    assert_eq!(locks.len(), 1);
    assert!(!locks.get(&1).has_value(), "another one");
    // No trace of the removed lock is left for a sweep.
    clock.advance(Duration::MAX);
    assert_eq!((locks.sweep(), locks.len()), (2, 0));
}

#[test]
fn an_idle_lock_used_again_goes_when_its_new_time_is_up() {
    let (locks, clock) = manual(MINUTE);
    drop(locks.get(&1));
    clock.advance(MINUTE / 2);
    drop(locks.get(&1));
    clock.advance(MINUTE / 2);
    assert_eq!((locks.sweep(), locks.len()), (0, 1));
    clock.advance(MINUTE / 2);
    assert_eq!((locks.sweep(), locks.len()), (1, 0));
}

#[test]
fn a_lock_kept_for_a_pause_goes_once_the_pause_is_over() {
    static POLICY: Policy = Policy::builder().retry_after(Backoff::new(HOUR, HOUR)).build_const();
    let (locks, clock) = manual(MINUTE);
    let locks = locks.with_policy(&POLICY);
    assert!(locks.get(&1).acquire_or_try_create(|| Err("no answer")).is_err());
    clock.advance(MINUTE);
    assert_eq!((locks.sweep(), locks.len()), (0, 1), "it pauses");
    locks.get(&1).acquire_or_create(|| ());
    clock.advance(MINUTE);
    assert_eq!((locks.sweep(), locks.len()), (1, 0));
}

#[test]
fn looking_at_the_keys_is_no_use_of_them() {
    let (locks, clock) = manual(MINUTE);
    let held = locks.get(&0);
    for key in 1..1_000 {
        locks.get(&key).acquire_or_create(|| ());
    }
    clock.advance(MINUTE / 2);
    let seen: HashSet<u64> = locks.iter().map(|held| *Held::key(&held)).collect();
    assert_eq!(seen, (0..1_000).collect());
    assert_eq!((&locks).into_iter().filter(|held| held.has_value()).count(), 999);
    // A lock that is looked at exists during the look. An iteration that stops half-way keeps no lock.
    let mut looking = locks.iter();
    let looked_at = looking.find(|held| *Held::key(held) != 0).unwrap();
    clock.advance(MINUTE / 2);
    locks.sweep();
    assert!(locks.find(Held::key(&looked_at)).is_some());
    drop(locks.find(&0));
    drop((looked_at, looking));
    locks.sweep();
    assert_eq!(locks.len(), 2, "the one that is held, and the one that was found just now");
    drop(held);
    clock.advance(MINUTE);
    assert_eq!(locks.sweep(), 2);
    assert!(locks.is_empty());
}

/// A key, and a value, that uses its registry when it is cloned or dropped. So does the maker.
#[derive(PartialEq, Eq, Hash)]
struct Nosy(u64, Home);

type Home = &'static NosyRegistry;

#[derive(PartialEq, Eq, Hash)]
enum NosyRegistry {
    Plain,
    Idle,
}

type OfNosy = Registry<Nosy, Cached<Nosy>>;

static PLAIN: OfNosy = Registry::new(make_nosily).keep_idle(Duration::ZERO);
/// A lock without a holder is swept when the next holder lets go.
static IDLE: OfNosy = Registry::new(make_nosily).keep_idle(Duration::from_nanos(1));

fn make_nosily(key: &Nosy) -> Cached<Nosy> {
    key.pry();
    Cached::never_expires()
}

impl Nosy {
    fn registry(&self) -> &'static OfNosy {
        match self.1 {
            NosyRegistry::Plain => &PLAIN,
            NosyRegistry::Idle => &IDLE,
        }
    }

    /// Asks every shard.
    fn pry(&self) {
        assert!(self.registry().len() < usize::MAX);
    }
}

impl Clone for Nosy {
    fn clone(&self) -> Self {
        self.pry();
        Self(self.0, self.1)
    }
}

impl Drop for Nosy {
    fn drop(&mut self) {
        self.pry();
    }
}

#[test]
fn c22_keys_locks_and_values_are_made_and_dropped_outside_the_shards() {
    for home in [&NosyRegistry::Plain, &NosyRegistry::Idle] {
        for key in 0..500 {
            let nosy = Nosy(key, home);
            let held = nosy.registry().get(&nosy);
            held.get_or_create(|| Nosy(key, home));
        }
    }
    assert!(PLAIN.is_empty());
    // The last few may have been let go within the last nanosecond.
    while !IDLE.is_empty() {
        IDLE.sweep();
    }
}

#[test]
fn a_maker_that_panics_leaves_the_registry_as_it_was() {
    let fails = Cell::new(true);
    let registry = Registry::with_maker(|_: &u64| {
        assert!(!fails.get(), "a maker panics on purpose");
        Dogpile::never_expires()
    });
    assert!(catch_unwind(AssertUnwindSafe(|| registry.get(&1))).is_err());
    assert!(registry.is_empty());
    fails.set(false);
    drop(registry.get(&1));
    assert!(registry.is_empty());
}

#[test]
fn debug_shows_the_number_of_locks() {
    let (locks, _) = manual(Duration::ZERO);
    let held = locks.get(&5);
    assert_eq!(format!("{locks:?}"), "Registry { len: 1, .. }");
    assert!(format!("{held:?}").starts_with("Held { key: 5, lock: Dogpile {"), "{held:?}");
    assert_eq!(format!("{:?}", locks.iter()), "Iter { .. }");
}

#[test]
fn types_cross_threads_and_panics_as_their_parts_do() {
    assert_eq!([traits!(Registry<u64>), traits!(Held<'static, u64>)], [[true; 4]; 2]);
    assert_eq!(traits!(Registry<u64, Cached<u64>>), [true; 4]);
    // The last holder drops key and lock, on whichever thread it is.
    assert_eq!(traits!(Registry<Cell<u64>>)[..2], [false; 2]);
    assert_eq!(traits!(Held<'static, Cell<u64>>), [false; 4]);
    assert_eq!(traits!(Held<'static, u64, Cached<Cell<u64>>>), [false; 4]);
    assert_eq!(traits!(Registry<u64, Cached<Cell<u64>>>), [false; 4]);
    assert_eq!(traits!(Registry<u64, Dogpile, Rc<u8>>), [false, false, true, true]);
}

/// A key's lock is gone and was made anew. A generation of the old lock says nothing about the new one.
#[test]
fn f10_a_generation_is_of_its_own_lock_only() {
    let values: Registry<u64, Cached<u64>> = Registry::new(|_| Cached::never_expires()).keep_idle(Duration::ZERO);
    let seen = values.get(&1).generation();
    let old = values.get(&1).get_or_create(|| 1);
    assert!(values.is_empty());
    let held = values.get(&1);
    assert!(!held.invalidate_if(seen) && !held.invalidate_if(CachedGuard::generation(&old)), "there is none yet");
    let new = held.access().or_create_with(|renewal| {
        assert!(!held.invalidate_if(seen) && !renewal.is_superseded(), "it began after that was seen");
        Made::new(2)
    });
    assert!(!held.invalidate_if(seen) && !held.invalidate_if(CachedGuard::generation(&old)));
    assert_eq!(held.get_fresh().as_deref(), Some(&2), "it is newer than what was seen");
    assert!(held.invalidate_if(CachedGuard::generation(&new)));
    held.set(3);
    assert!(!held.invalidate_if(CachedGuard::generation(&new)) && held.has_value());

    let swapped: Registry<u64, SyncReaderDogpile> = Registry::new(|_| SyncReaderDogpile::never_expires().born_fresh());
    let seen = swapped.get(&1).generation();
    let held = swapped.get(&1);
    assert!(!held.invalidate_if(seen) && held.has_value());
    assert!(held.invalidate_if(held.generation()) && !held.has_value());
    drop(held.acquire_or_create(|| assert!(!held.invalidate_if(seen))));
    assert!(!held.invalidate_if(seen) && held.has_value());
}

const NANOSECOND: Duration = Duration::from_nanos(1);

fn almost(time: Duration) -> Duration {
    time.saturating_sub(NANOSECOND)
}

type Values<F> = Registry<u64, Cached<u64, Clock>, F>;

/// Returns a registry of values with that lifetime, without a `keep_idle`, and its clock.
fn values(lifetime: Duration) -> (Values<impl Fn(&u64) -> Cached<u64, Clock>>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    (Registry::with_maker(move |_: &u64| Cached::with_clock(lifetime, Arc::clone(&its))), clock)
}

/// Each read lets go of its key before the next one.
#[test]
fn f12_a_registry_of_values_keeps_them_unasked() {
    static VALUES: Registry<u64, Cached<u64>> = Registry::new(|_| Cached::new(HOUR));
    let creations = Cell::new(0);
    for _ in 0..3 {
        let value = VALUES.get(&1).get_or_create(|| {
            creations.set(creations.get() + 1);
            7
        });
        assert_eq!(*value, 7);
    }
    assert_eq!((creations.get(), VALUES.len()), (1, 1));
}

#[test]
fn f12_a_value_is_kept_for_its_lifetime_after_its_last_use() {
    let (values, clock) = values(MINUTE);
    values.get(&1).set(1);
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(CachedGuard::outcome(&values.get(&1).get_or_create(|| 2)), Outcome::Fresh);
    // The value has expired meanwhile, and still serves while the next one is made.
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(values.sweep(), 0);
    let renewed = values.get(&1).access().or_create_with(|renewal| {
        assert_eq!(renewal.old(), Some(&1));
        assert_eq!(values.get(&1).peek().as_deref(), Some(&1));
        Made::new(3)
    });
    assert_eq!(*renewed, 3);
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!((values.sweep(), values.len()), (0, 1));
    clock.advance(NANOSECOND);
    assert_eq!((values.sweep(), values.len()), (1, 0));
}

/// A look-up of a key without a value costs a registry nothing. That matters because keys also come from outsiders.
#[test]
fn f12_a_key_without_a_value_goes_with_its_last_holder() {
    let (values, _) = values(MINUTE);
    drop(values.get(&1));
    assert!(values.get(&1).get_fresh().is_none() && values.is_empty());
    assert!(values.get(&1).get_or_try_create(|| Err("there is none")).is_err());
    assert!(values.is_empty());
    values.get(&1).set(1);
    assert_eq!(values.len(), 1);
    values.get(&1).invalidate();
    assert!(values.is_empty());
}

/// The values say themselves how long they live. By their lock, values never expire.
#[test]
fn f12_a_value_that_never_expires_stays_and_others_go_by_their_own_lifetimes() {
    let (values, clock) = values(Duration::MAX);
    values.get(&0).set_expiring(0, Duration::ZERO);
    assert_eq!((values.sweep(), values.len()), (0, 0), "not for a moment");
    values.get(&1).set(1);
    values.get(&2).set_expiring(2, MINUTE);
    values.get(&3).set_expiring(3, HOUR);
    clock.advance(MINUTE);
    assert_eq!(values.sweep(), 1);
    clock.advance(MINUTE * 59);
    assert_eq!((values.sweep(), values.len()), (1, 1));
    clock.advance(Duration::from_secs(1 << 33));
    assert_eq!(values.sweep(), 0);
    assert_eq!(values.find(&1).unwrap().get_fresh().as_deref(), Some(&1));
    // A value that is marked stale is kept for as long as it has lived.
    values.get(&4).set(4);
    clock.advance(MINUTE);
    values.get(&4).mark_stale();
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(values.sweep(), 0);
    assert_eq!(values.find(&4).unwrap().peek().as_deref(), Some(&4));
    clock.advance(MINUTE * 5);
    assert_eq!((values.sweep(), values.len()), (1, 1));
}

/// Also a value that lives for longer than the others.
#[test]
fn f12_a_value_is_kept_until_it_expires() {
    let (values, clock) = values(MINUTE);
    values.get(&1).set_expiring(1, HOUR);
    clock.advance(almost(HOUR));
    assert_eq!(values.sweep(), 0);
    assert_eq!(CachedGuard::outcome(&values.get(&1).get_or_create(|| 2)), Outcome::Fresh);
    // The read was a use. Now the value is stale.
    clock.advance(ALMOST_A_MINUTE);
    assert_eq!(values.sweep(), 0);
    clock.advance(NANOSECOND);
    assert_eq!((values.sweep(), values.len()), (1, 0));
}

#[test]
fn f12_a_value_is_kept_as_long_as_it_may_be_served() {
    static AN_HOUR: Policy = Policy::builder().max_stale(HOUR).build_const();
    static NOT_AT_ALL: Policy = Policy::builder().max_stale(Duration::ZERO).build_const();
    static WITHOUT_END: Policy = Policy::builder().max_stale(Duration::MAX).build_const();
    for (policy, kept_for) in [(&AN_HOUR, HOUR + MINUTE), (&NOT_AT_ALL, MINUTE), (&WITHOUT_END, almost(MINUTE * 2))] {
        let (values, clock) = values(MINUTE);
        let values = values.with_policy(policy);
        values.get(&1).set(1);
        // A use meanwhile does not prolong this, except where there is no end to it.
        clock.advance(ALMOST_A_MINUTE);
        assert_eq!(values.get(&1).peek().as_deref(), Some(&1));
        clock.advance(kept_for.saturating_sub(MINUTE));
        assert_eq!(values.sweep(), 0, "{policy:?}");
        clock.advance(NANOSECOND);
        assert_eq!((values.sweep(), values.len()), (1, 0), "{policy:?}");
    }
    // Once the value is marked stale, its time begins to run.
    let (values, clock) = values(MINUTE);
    let values = values.with_policy(&AN_HOUR);
    values.get(&1).set(1);
    clock.advance(MINUTE / 2);
    values.get(&1).mark_stale();
    clock.advance(almost(HOUR));
    assert_eq!(values.sweep(), 0);
    clock.advance(NANOSECOND);
    assert_eq!((values.sweep(), values.len()), (1, 0));
}

/// The value is used while creating fails, so it is not lost.
#[test]
fn f12_an_old_value_is_kept_while_it_is_served() {
    static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();
    let (values, clock) = values(MINUTE);
    let values = values.with_policy(&SERVING);
    values.get(&1).set(1);
    for _ in 0..100 {
        clock.advance(ALMOST_A_MINUTE);
        values.sweep();
        assert_eq!(values.get(&1).get_or_try_create(|| Err("no answer")).as_deref(), Ok(&1));
    }
}

#[test]
fn f12_looking_at_the_values_is_no_use_of_them() {
    let (values, clock) = values(MINUTE);
    for key in 1..=4 {
        values.get(&key).set(key);
    }
    clock.advance(MINUTE / 2);
    for held in &values {
        match Held::key(&held) {
            1 => held.set(1),
            2 => held.mark_stale(),
            3 => held.invalidate(),
            _ => assert!(held.has_value()),
        }
    }
    clock.advance(MINUTE / 2);
    values.sweep();
    let left: Vec<u64> = values.iter().map(|held| *Held::key(&held)).collect();
    assert_eq!(left, [1], "renewed, it is kept until it expires");
    clock.advance(MINUTE / 2);
    assert_eq!((values.sweep(), values.len()), (1, 0));
}

#[test]
fn f12_keep_idle_overrides_the_lifetime() {
    let (values_for_an_hour, clock) = values(MINUTE);
    let kept = values_for_an_hour.keep_idle(HOUR);
    kept.get(&1).set(1);
    drop(kept.get(&2));
    clock.advance(almost(HOUR));
    assert_eq!((kept.sweep(), kept.len()), (0, 2), "with a value or without");
    clock.advance(NANOSECOND);
    assert_eq!((kept.sweep(), kept.len()), (2, 0));

    let kept = values(MINUTE).0.keep_idle(Duration::ZERO);
    kept.get(&1).set(1);
    assert!(kept.is_empty());
    // The last setting counts.
    let kept = values(MINUTE).0.keep_idle(HOUR).keep_idle(Duration::ZERO);
    kept.get(&1).set(1);
    assert!(kept.is_empty());
}

/// These locks own no values. Their state goes with their last holders, unless the registry is told to keep them.
#[test]
fn f12_locks_without_values_go_with_their_last_holders() {
    let locks: Registry<u64> = Registry::new(|_| Dogpile::new(MINUTE));
    locks.get(&1).acquire_or_create(|| ());
    let readers: Registry<u64, SyncReaderDogpile> = Registry::new(|_| SyncReaderDogpile::new(MINUTE));
    drop(readers.get(&1).acquire_or_create(|| ()));
    assert!(locks.is_empty() && readers.is_empty());
}
