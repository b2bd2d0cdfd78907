//! What `cached_by_key` makes of a function, a store and the stamped getter mode (`tests/stamped_mode.rs`).

mod common;
mod failure;
#[macro_use]
mod traits;

use common::until;
use dogpile::{
    AcquireError, CachedByKey, Clock as _, Closures, CreateError, ManualClock, Policy, Stamped, Store, cached_by_key,
};
use failure::Failure;
use parking_lot::Mutex;
use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::Duration;
use traits::Otherwise;

const MINUTE: Duration = Duration::from_secs(60);
/// Trusts every stamp.
static TRUSTING: Policy = Policy::builder().max_skew(Duration::MAX).build_const();
/// Trusts no clock but its own.
static STRICT: Policy = Policy::builder().max_skew(Duration::ZERO).build_const();

/// The error of a store.
#[derive(Debug, PartialEq, Eq)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is down")
    }
}

/// A store, with its state and counts of the calls to it.
#[derive(Default)]
struct Entries {
    values: Mutex<HashMap<String, Stamped<usize>>>,
    gets: AtomicUsize,
    sets: AtomicUsize,
    is_down: AtomicBool,
}

impl Entries {
    fn get(&self, key: &str) -> Option<Stamped<usize>> {
        self.gets.fetch_add(1, Ordering::SeqCst);
        self.values.lock().get(key).copied()
    }

    fn set(&self, key: &str, value: &Stamped<usize>) {
        self.sets.fetch_add(1, Ordering::SeqCst);
        self.values.lock().insert(key.to_owned(), *value);
    }

    fn remove(&self, key: &str) {
        self.values.lock().remove(key);
    }

    fn has(&self, key: &str) -> Option<usize> {
        self.values.lock().get(key).map(|stamped| stamped.value)
    }

    fn gets(&self) -> usize {
        self.gets.swap(0, Ordering::SeqCst)
    }

    fn up(&self) -> Result<&Self, Down> {
        if self.is_down.load(Ordering::SeqCst) { Err(Down) } else { Ok(self) }
    }
}

/// A store that can fail.
impl Store<String, usize> for &Entries {
    type Error = Down;

    fn get(&self, key: &String) -> Result<Option<Stamped<usize>>, Down> {
        self.up().map(|up| up.get(key))
    }

    fn set(&self, key: &String, value: &Stamped<usize>) -> Result<(), Down> {
        self.up().map(|up| up.set(key, value))
    }

    fn remove(&self, key: &String) -> Result<(), Down> {
        self.up().map(|up| up.remove(key))
    }
}

/// Returns the key of a name and a number.
#[allow(clippy::trivially_copy_pass_by_ref)] // a key function is called so
fn key(&(name, number): &(&str, u32)) -> String {
    format!("{name}:{number}")
}

/// A function of a name and a number, over a store that cannot fail.
macro_rules! infallible {
    ($entries:ident, $clock:ident, $function:expr) => {
        cached_by_key(
            MINUTE,
            key,
            $function,
            Closures {
                get: |key: &String| $entries.get(key),
                set: |key: &String, value: &Stamped<usize>| $entries.set(key, value),
                remove: |key: &String| $entries.remove(key),
            },
        )
        .with_clock(Arc::clone(&$clock))
    };
}

#[test]
fn results_are_stored_by_key_and_made_anew_when_they_expire() {
    let (entries, clock, runs) = (Entries::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let double = infallible!(entries, clock, |&(_, number): &(&str, u32)| {
        runs.fetch_add(1, Ordering::SeqCst);
        number as usize * 2
    });
    assert_eq!(double.get(&("a", 1)), Stamped { value: 2, created: clock.wall() });
    assert_eq!(double.get(&("a", 1)).value, 2);
    assert_eq!(double.get(&("b", 1)).value, 2);
    assert_eq!(double.get(&("a", 3)).value, 6);
    assert_eq!(runs.load(Ordering::SeqCst), 3);
    assert_eq!(entries.has("a:3"), Some(6));
    clock.advance(MINUTE);
    assert_eq!(double.peek(&("a", 1)).map(|stamped| stamped.value), Some(2), "however old");
    assert_eq!(double.access(&("a", 1)).timeout(Duration::ZERO).try_get().unwrap().value, 2);
    assert_eq!(runs.load(Ordering::SeqCst), 4);
    // A result that another process has stored counts as well.
    entries.set("a:3", &Stamped { value: 70, created: clock.wall() });
    assert_eq!(double.get(&("a", 3)).value, 70);
    // A result that the store has lost is made anew.
    entries.remove("a:3");
    assert_eq!(double.peek(&("a", 3)), None);
    assert_eq!(double.get(&("a", 3)).value, 6);
    assert_eq!(double.expires_after(), MINUTE);
    assert_eq!(format!("{double:?}"), "CachedByKey { expires_after: 60s, in_use: 0, .. }", "no lock outlives its use");
}

#[test]
fn l1_l2_l3_one_thread_runs_the_function_and_none_waits_for_an_old_result() {
    let (entries, clock, runs) = (Entries::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let slow = infallible!(entries, clock, |_: &(&str, u32)| {
        gone.lock().recv().unwrap();
        runs.fetch_add(1, Ordering::SeqCst)
    });
    let start = Barrier::new(8);
    thread::scope(|scope| {
        let calls: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    start.wait();
                    slow.get(&("a", 1)).value
                })
            })
            .collect();
        until(|| slow.is_creating(&("a", 1)));
        assert_eq!(slow.access(&("a", 1)).timeout(Duration::ZERO).try_get().unwrap_err(), AcquireError::TimedOut);
        assert!(!slow.is_creating(&("a", 2)));
        go.send(()).unwrap();
        assert!(calls.into_iter().all(|call| call.join().unwrap() == 0));
        // With an old result, the other threads go on with that.
        clock.advance(MINUTE);
        let renewal = scope.spawn(|| slow.get(&("a", 1)).value);
        until(|| slow.is_creating(&("a", 1)));
        entries.gets();
        for _ in 0..10 {
            assert_eq!(slow.get(&("a", 1)).value, 0);
        }
        assert_eq!(entries.gets(), 10, "L8: once on a hit");
        go.send(()).unwrap();
        assert_eq!(renewal.join().unwrap(), 1);
    });
    assert_eq!(runs.into_inner(), 2);
}

#[test]
fn l6_invalidate_removes_the_result_and_keeps_a_running_one_out() {
    let (entries, clock, runs) = (Entries::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let slow = infallible!(entries, clock, |_: &(&str, u32)| {
        gone.lock().recv().unwrap();
        runs.fetch_add(1, Ordering::SeqCst)
    });
    thread::scope(|scope| {
        let first = scope.spawn(|| slow.get(&("a", 1)).value);
        until(|| slow.is_creating(&("a", 1)));
        slow.invalidate(&("a", 1));
        go.send(()).unwrap();
        assert_eq!(first.join().unwrap(), 0, "its own caller gets it");
        assert_eq!((entries.has("a:1"), entries.sets.load(Ordering::SeqCst)), (None, 0), "and nobody else");
        go.send(()).unwrap();
        assert_eq!(slow.get(&("a", 1)).value, 1);
        assert_eq!(entries.has("a:1"), Some(1));
        slow.invalidate(&("a", 1));
        assert_eq!((entries.has("a:1"), slow.peek(&("a", 1))), (None, None));
    });
}

#[test]
fn refresh_makes_a_fresh_result_anew_by_a_creation_that_begins_after_it() {
    let (entries, clock, runs) = (Entries::default(), Arc::new(ManualClock::new()), AtomicUsize::new(0));
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let slow = infallible!(entries, clock, |_: &(&str, u32)| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        gone.lock().recv().unwrap();
        run
    });
    let arguments = ("a", 1);
    let [sent, also_sent] = [(); 2].map(|()| go.send(()).unwrap());
    assert_eq!((sent, also_sent), ((), ()));
    assert_eq!(slow.get(&arguments).value, 0);
    assert_eq!(slow.refresh(&arguments).value, 1);
    assert_eq!(entries.has("a:1"), Some(1));
    clock.advance(MINUTE);
    thread::scope(|scope| {
        let before = scope.spawn(|| slow.get(&arguments).value);
        until(|| slow.is_creating(&arguments));
        let refreshes: Vec<_> = (0..4).map(|_| scope.spawn(|| slow.refresh(&arguments).value)).collect();
        // The other threads go on with the old result meanwhile.
        assert_eq!(slow.get(&arguments).value, 1);
        let held = entries.gets();
        assert!(held >= 1);
        go.send(()).unwrap();
        go.send(()).unwrap();
        assert_eq!(before.join().unwrap(), 2);
        // Some refreshes may have come only after the first one had ended. Then more runs are needed.
        until(|| {
            let all = refreshes.iter().all(thread::ScopedJoinHandle::is_finished);
            let _more = (!all && slow.is_creating(&arguments)).then(|| go.send(()));
            all
        });
        for refresh in refreshes {
            assert!(refresh.join().unwrap() >= 3);
        }
    });
}

#[test]
fn errors_go_to_the_caller_and_tell_where_they_come_from() {
    let entries = &Entries::default();
    tells_errors_apart(entries, entries);
    let closures = Closures {
        get: |key: &String| entries.up().map(|up| up.get(key)),
        set: |key: &String, value: &Stamped<usize>| entries.up().map(|up| up.set(key, value)),
        remove: |key: &String| entries.up().map(|up| up.remove(key)),
    };
    tells_errors_apart(entries, closures);
}

/// Tests a function over `entries`, through `store`.
fn tells_errors_apart(entries: &Entries, store: impl Store<String, usize, Error = Down>) {
    let clock = Arc::new(ManualClock::new());
    let (fails, runs) = (AtomicBool::new(true), AtomicUsize::new(0));
    let function = |_: &(&str, u32)| {
        let run = runs.fetch_add(1, Ordering::SeqCst);
        if fails.load(Ordering::SeqCst) { Err(Failure) } else { Ok(run) }
    };
    let call = cached_by_key(MINUTE, key, function, store).with_clock(clock);
    let arguments = ("a", 1);
    assert_eq!(call.try_get(&arguments), Err(CreateError::Failed(Failure)));
    assert_eq!(call.access(&arguments).anew().try_get(), Err(CreateError::Failed(Failure)));
    fails.store(false, Ordering::SeqCst);
    assert_eq!(call.try_get(&arguments).unwrap().value, 2, "errors are not kept");
    fails.store(true, Ordering::SeqCst);
    assert_eq!(call.access(&arguments).anew().try_get(), Err(CreateError::Failed(Failure)));
    assert_eq!(call.try_get(&arguments).unwrap().value, 2, "the old one stays");
    fails.store(false, Ordering::SeqCst);
    assert_eq!(call.access(&arguments).anew().try_get().unwrap().value, 4);
    entries.is_down.store(true, Ordering::SeqCst);
    assert_eq!(call.try_get(&arguments), Err(CreateError::GetterFailed(Down)), "not taken for a miss");
    assert_eq!(call.access(&arguments).timeout(Duration::ZERO).try_get(), Err(CreateError::GetterFailed(Down)));
    assert_eq!(call.try_peek(&arguments), Err(Down));
    assert_eq!(call.try_invalidate(&arguments), Err(Down));
    assert_eq!(
        call.access(&arguments).anew().try_get(),
        Err(CreateError::SetterFailed(Down)),
        "not taken for the function's"
    );
    entries.is_down.store(false, Ordering::SeqCst);
    assert_eq!(call.try_peek(&arguments).unwrap().unwrap().value, 4);
    assert_eq!(call.try_invalidate(&arguments), Ok(()));
    assert_eq!(call.try_peek(&arguments), Ok(None));
    assert!(!call.is_creating(&arguments));
}

/// A function of a name and a number, as such a function calls itself.
type Call<'a> = &'a (dyn Fn(&(&str, u32)) -> usize + Sync);

#[test]
fn l7_c13_a_function_that_calls_itself_for_its_own_key_panics() {
    let (entries, clock) = (Entries::default(), Arc::new(ManualClock::new()));
    let itself: Mutex<Option<Call<'_>>> = Mutex::new(None);
    let call = || itself.lock().unwrap();
    let told = AtomicUsize::new(0);
    let factorial = infallible!(entries, clock, |&(name, number): &(&str, u32)| match number {
        0 => 1,
        // Another key has another lock.
        _ if name == "fine" => number as usize * call()(&(name, number - 1)),
        _ => {
            let mistake = catch_unwind(AssertUnwindSafe(|| call()(&(name, number))));
            let message = mistake.unwrap_err().downcast::<String>().unwrap();
            told.fetch_add(
                usize::from(message.contains("asked for the value that it is creating itself")),
                Ordering::SeqCst,
            );
            7
        }
    });
    let call = |arguments: &(&str, u32)| factorial.get(arguments).value;
    *itself.lock() = Some(&call);
    assert_eq!(call(&("fine", 5)), 120);
    assert_eq!(entries.has("fine:4"), Some(24));
    assert_eq!((call(&("itself", 1)), told.load(Ordering::SeqCst)), (7, 1));
}

#[test]
fn c23_a_stamp_from_the_future_is_trusted_up_to_max_skew() {
    let (entries, clock) = (Entries::default(), Arc::new(ManualClock::new()));
    let strict = infallible!(entries, clock, |_: &(&str, u32)| 1).with_policy(&STRICT);
    let lenient = infallible!(entries, clock, |_: &(&str, u32)| 2).with_policy(&TRUSTING);
    entries.set("a:1", &Stamped { value: 0, created: clock.wall() + MINUTE });
    assert_eq!(lenient.get(&("a", 1)).value, 0);
    assert_eq!(strict.get(&("a", 1)).value, 1);
}

#[test]
fn a_function_and_a_store_in_a_static() {
    type Get = fn(&u64) -> Option<Stamped<u64>>;
    type Nothing = Closures<Get, fn(&u64, &Stamped<u64>), fn(&u64)>;
    type Squares = CachedByKey<u64, u64, fn(&u64) -> u64, fn(&u64) -> u64, Nothing>;
    static SQUARES: Squares = cached_by_key(
        MINUTE,
        |number| *number,
        |number| number * number,
        Closures { get: |_| None, set: |_, _| (), remove: |_| () },
    );
    assert_eq!(SQUARES.get(&12).value, 144);
    assert_eq!(SQUARES.peek(&12), None);
}

#[test]
fn functions_by_key_cross_threads_and_panics_as_their_parts_do() {
    type StoreOf<K> = Closures<fn(&K) -> Option<Stamped<u8>>, fn(&K, &Stamped<u8>), fn(&K)>;
    type By<K, F> = CachedByKey<K, u8, fn(&u8) -> K, F, StoreOf<K>>;
    assert_eq!(traits!(By<String, fn(&u8) -> u8>), [true; 4]);
    assert_eq!(traits!(By<Cell<u8>, fn(&u8) -> u8>), [false; 4]);
    assert_eq!(traits!(By<String, Rc<u8>>), [false, false, true, true]);
    assert_eq!(traits!(Closures<u8, u8, Cell<u8>>), [true, false, true, false]);
}
