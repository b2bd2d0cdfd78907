//! Many keys of a `cached_by_key` at once.

mod common;

use common::until;
use dogpile::{
    AsyncStore, Backoff, CachedByKey, CreateError, ManualClock, OnError, Policy, Stamped, Store, cached_by_key,
};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).build_const();
static SERVING: Policy = Policy::builder().on_error(OnError::ServeStale).build_const();

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Down;

impl fmt::Display for Down {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is down")
    }
}

/// A store for threads and for tasks, which can fail.
#[derive(Clone, Default)]
struct Entries(Arc<Stored>);

#[derive(Default)]
struct Stored {
    values: Mutex<HashMap<u64, Stamped<u64>>>,
    gets: AtomicUsize,
    sets: AtomicUsize,
    /// The store refuses a result for this key.
    refuses: Mutex<Option<u64>>,
    is_down: AtomicBool,
}

impl Entries {
    fn ask(&self, key: u64) -> Result<Option<Stamped<u64>>, Down> {
        self.0.gets.fetch_add(1, Ordering::SeqCst);
        if self.0.is_down.load(Ordering::SeqCst) { Err(Down) } else { Ok(self.0.values.lock().get(&key).copied()) }
    }

    fn tell(&self, key: u64, made: &Stamped<u64>) -> Result<(), Down> {
        if *self.0.refuses.lock() == Some(key) {
            return Err(Down);
        }
        self.0.sets.fetch_add(1, Ordering::SeqCst);
        self.0.values.lock().insert(key, *made);
        Ok(())
    }

    fn forget(&self, key: u64) {
        self.0.values.lock().remove(&key);
    }

    fn has(&self, key: u64) -> Option<u64> {
        self.0.values.lock().get(&key).map(|made| made.value)
    }
}

impl Store<u64, u64> for Entries {
    type Error = Down;

    fn get(&self, key: &u64) -> Result<Option<Stamped<u64>>, Down> {
        self.ask(*key)
    }

    fn set(&self, key: &u64, made: &Stamped<u64>) -> Result<(), Down> {
        self.tell(*key, made)
    }

    fn remove(&self, key: &u64) -> Result<(), Down> {
        self.forget(*key);
        Ok(())
    }
}

impl AsyncStore<u64, u64> for Entries {
    type Error = Down;

    async fn get(&self, key: &u64) -> Result<Option<Stamped<u64>>, Down> {
        let asked = self.ask(*key);
        tokio::task::yield_now().await;
        asked
    }

    async fn set(&self, key: &u64, made: &Stamped<u64>) -> Result<(), Down> {
        tokio::task::yield_now().await;
        self.tell(*key, made)
    }

    async fn remove(&self, key: &u64) -> Result<(), Down> {
        self.forget(*key);
        Ok(())
    }
}

type Clock = Arc<ManualClock>;
type Tens<F> = CachedByKey<u64, u64, fn(&u64) -> u64, F, Entries, Clock>;

/// Returns a function by key, whose function for a single key is `one`.
fn tens<F>(entries: &Entries, one: F) -> (Tens<F>, Clock) {
    let clock = Arc::new(ManualClock::new());
    let key: fn(&u64) -> u64 = |key| *key;
    (cached_by_key(MINUTE, key, one, entries.clone()).with_clock(Arc::clone(&clock)), clock)
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as functions are called
fn ten(key: &u64) -> u64 {
    key * 10
}

#[allow(clippy::needless_pass_by_value)] // as batches are called
fn ten_each(keys: Vec<u64>) -> Vec<u64> {
    keys.iter().map(ten).collect()
}

fn values(got: Vec<Stamped<u64>>) -> Vec<u64> {
    got.into_iter().map(|stamped| stamped.value).collect()
}

/// Returns the first so many numbers, in an order of that thread's own.
fn shuffled(keys: u64, thread: u64) -> Vec<u64> {
    let mut all: Vec<_> = (0..keys).collect();
    match thread {
        0 => {}
        1 => all.reverse(),
        seed => fastrand::Rng::with_seed(seed).shuffle(&mut all),
    }
    all
}

/// The result of a call.
type Called = Result<Vec<Stamped<u64>>, CreateError<Down, Down>>;

/// A call on another thread. It stays in the middle of its batch until it is let go, and then returns the given result.
struct HeldCall<'s, T> {
    begins: mpsc::Receiver<Vec<u64>>,
    let_go: mpsc::Sender<()>,
    call: thread::ScopedJoinHandle<'s, T>,
}

impl<T> HeldCall<'_, T> {
    /// Returns the keys that the batch is for.
    fn begun(&self) -> Vec<u64> {
        self.begins.recv().unwrap()
    }

    fn end(self) -> T {
        self.let_go.send(()).unwrap();
        self.call.join().unwrap()
    }
}

fn held<'s, 'e, F: Sync + Send>(
    scope: &'s thread::Scope<'s, 'e>,
    tens: &'s Tens<F>,
    keys: &'s [u64],
    makes: impl Fn(Vec<u64>) -> Result<Vec<u64>, Down> + Send + 's,
) -> HeldCall<'s, Called> {
    let ((begin, begins), (let_go, goes)) = (mpsc::channel(), mpsc::channel());
    let batch = move |asked: Vec<u64>| {
        begin.send(asked.clone()).unwrap();
        goes.recv().unwrap();
        makes(asked)
    };
    HeldCall { begins, let_go, call: scope.spawn(move || tens.access_many(keys, batch).try_get()) }
}

#[test]
fn k5_l1_eight_threads_make_each_of_a_hundred_keys_once() {
    for round in 0..20 {
        let entries = Entries::default();
        let (tens, _clock) = tens(&entries, ten);
        let (made, start) = (Mutex::new(Vec::<u64>::new()), Barrier::new(8));
        thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|thread| {
                    let (tens, made, start) = (&tens, &made, &start);
                    scope.spawn(move || {
                        let keys = shuffled(100, thread + 8 * round * u64::from(thread > 1));
                        let batches = AtomicUsize::new(0);
                        start.wait();
                        let got = tens.access_many(&keys, |asked: Vec<u64>| {
                            batches.fetch_add(1, Ordering::SeqCst);
                            thread::yield_now();
                            made.lock().extend(&asked);
                            ten_each(asked)
                        });
                        let got = values(got.try_get().unwrap());
                        assert_eq!(got, keys.iter().map(ten).collect::<Vec<_>>());
                        assert!(batches.into_inner() <= 1);
                    })
                })
                .collect();
            for thread in threads {
                thread.join().unwrap();
            }
        });
        let mut made = made.into_inner();
        made.sort_unstable();
        assert_eq!(made, (0..100).collect::<Vec<_>>(), "each once");
        assert_eq!(entries.0.sets.load(Ordering::SeqCst), 100);
        assert!(format!("{tens:?}").contains("in_use: 0,"), "no lock outlives its use");
    }
}

#[test]
fn k5_l1_eight_tasks_make_each_of_a_hundred_keys_once() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(3).build().unwrap();
    for round in 0..20 {
        let entries = Entries::default();
        let (tens, _clock) = tens(&entries, async |key: &u64| ten(key));
        let (tens, made) = (Arc::new(tens), Arc::new(Mutex::new(Vec::<u64>::new())));
        let start = Arc::new(tokio::sync::Barrier::new(8));
        let tasks: Vec<_> = (0..8)
            .map(|task| {
                let (tens, made, start) = (Arc::clone(&tens), Arc::clone(&made), Arc::clone(&start));
                runtime.spawn(async move {
                    let keys = shuffled(100, task + 8 * round * u64::from(task > 1));
                    let batches = AtomicUsize::new(0);
                    start.wait().await;
                    let batch = async |asked: Vec<u64>| {
                        batches.fetch_add(1, Ordering::SeqCst);
                        tokio::task::yield_now().await;
                        made.lock().extend(&asked);
                        ten_each(asked)
                    };
                    let got = values(tens.access_many_async(&keys, batch).try_get().await.unwrap());
                    assert_eq!(got, keys.iter().map(ten).collect::<Vec<_>>());
                    assert!(batches.into_inner() <= 1);
                })
            })
            .collect();
        runtime.block_on(async {
            for task in tasks {
                task.await.unwrap();
            }
        });
        let mut made = made.lock().clone();
        made.sort_unstable();
        assert_eq!(made, (0..100).collect::<Vec<_>>(), "each once");
    }
}

#[test]
fn k5_a_batch_makes_only_missing_results_and_each_key_once() {
    let entries = Entries::default();
    let clock = Arc::new(ManualClock::new());
    // The key is the number without its last digit.
    let by_tens = cached_by_key(MINUTE, |key: &u64| key / 10, ten, entries.clone()).with_clock(Arc::clone(&clock));
    assert_eq!(by_tens.try_get(&7).unwrap().value, 70);
    let batch = |asked: Vec<u64>| {
        assert_eq!(asked, [31, 20]);
        ten_each(asked)
    };
    let got = by_tens.access_many(&[31, 3, 20, 39, 31], batch).try_get().unwrap();
    assert_eq!(values(got), [310, 70, 200, 310, 310]);
    assert_eq!([0, 2, 3].map(|key| entries.has(key)), [Some(70), Some(200), Some(310)]);
    let none = |_: Vec<u64>| -> Vec<u64> { panic!("all are there") };
    assert_eq!(values(by_tens.access_many(&[20, 30], none).try_get().unwrap()), [200, 310]);
    assert_eq!(values(by_tens.access_many(&[], none).try_get().unwrap()), []);
    // Expired: one batch makes all of them anew.
    clock.advance(MINUTE);
    let got =
        by_tens.access_many(&[20, 30], |asked: Vec<u64>| asked.into_iter().map(|key| key + 1).collect::<Vec<_>>());
    assert_eq!(values(got.try_get().unwrap()), [21, 31]);
}

#[test]
fn k5_l2_an_old_result_is_used_at_once_while_another_thread_creates() {
    let entries = Entries::default();
    let (tens, clock) = tens(&entries, ten);
    tens.access_many(&[1, 2, 3], ten_each).try_get().unwrap();
    clock.advance(MINUTE);
    thread::scope(|scope| {
        let renews = held(scope, &tens, &[1, 2], |asked| Ok(asked.into_iter().map(|key| key + 1).collect()));
        assert_eq!(renews.begun(), [1, 2]);
        let batch = |asked: Vec<u64>| {
            assert_eq!(asked, [3]);
            vec![4]
        };
        assert_eq!(values(tens.access_many(&[2, 3, 1], batch).try_get().unwrap()), [20, 4, 10]);
        assert_eq!(values(renews.end().unwrap()), [2, 3]);
    });
}

#[test]
fn k5_l7_a_thread_that_waits_for_a_key_holds_none() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    thread::scope(|scope| {
        let first = held(scope, &tens, &[1], |asked| Ok(ten_each(asked)));
        assert_eq!(first.begun(), [1]);
        let second = held(scope, &tens, &[2, 1, 3], |asked| Ok(ten_each(asked)));
        assert_eq!(second.begun(), [2, 3], "all that nobody else creates");
        assert!(tens.is_creating(&2) && tens.is_creating(&3));
        second.let_go.send(()).unwrap();
        // The second call goes on to wait for the first.
        until(|| {
            entries.has(2).is_some() && entries.has(3).is_some() && !tens.is_creating(&2) && !tens.is_creating(&3)
        });
        assert!(!second.call.is_finished());
        assert_eq!(values(tens.access_many(&[3, 2], ten_each).try_get().unwrap()), [30, 20]);
        assert_eq!(values(first.end().unwrap()), [10]);
        assert_eq!(values(second.call.join().unwrap().unwrap()), [20, 10, 30]);
    });
    assert_eq!(entries.0.sets.load(Ordering::SeqCst), 3);
}

#[test]
fn k5_l7_two_orders_of_keys_do_not_deadlock() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    thread::scope(|scope| {
        let threads: Vec<_> = (0..4)
            .map(|thread| {
                let (tens, entries) = (&tens, &entries);
                scope.spawn(move || {
                    let keys = shuffled(4, thread % 2);
                    for round in 0..1_000_u64 {
                        let batch = |asked: Vec<u64>| {
                            thread::yield_now();
                            if (round + thread) % 7 == 0 { Err(Down) } else { Ok(ten_each(asked)) }
                        };
                        match tens.access_many(&keys, batch).try_get() {
                            Ok(got) => assert_eq!(values(got), keys.iter().map(ten).collect::<Vec<_>>()),
                            Err(error) => assert_eq!(error, CreateError::Failed(Down)),
                        }
                        entries.forget(round % 4);
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn k5_l5_a_waiter_of_a_batch_that_fails_makes_all_of_it_in_one_batch() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    thread::scope(|scope| {
        let fails = held(scope, &tens, &[1, 2, 3], |_| Err(Down));
        assert_eq!(fails.begun(), [1, 2, 3]);
        let makes = held(scope, &tens, &[4, 1, 2, 3], |asked| Ok(ten_each(asked)));
        assert_eq!(makes.begun(), [4]);
        makes.let_go.send(()).unwrap();
        until(|| entries.has(4).is_some());
        assert_eq!(fails.end(), Err(CreateError::Failed(Down)));
        assert_eq!(makes.begun(), [1, 2, 3], "all of them at once");
        assert_eq!(values(makes.end().unwrap()), [40, 10, 20, 30]);
    });
}

#[test]
fn k5_l5_a_batch_that_fails_panics_or_miscounts_frees_its_keys() {
    let entries = Entries::default();
    let (tens, clock) = tens(&entries, ten);
    let tens = tens.with_policy(&PAUSING);
    let batch = |_: Vec<u64>| Err::<Vec<u64>, _>(Down);
    assert_eq!(tens.access_many(&[1, 2], batch).try_get(), Err(CreateError::Failed(Down)));
    for key in [1, 2] {
        assert!(!tens.is_creating(&key));
        let paused = tens.try_get(&key).unwrap_err();
        assert!(matches!(&paused, CreateError::Paused { cause, .. } if **cause == *"it is down"), "{paused:?}");
    }
    // A paused key is not made, and the other one is.
    let paused = tens.access_many(&[1, 3], ten_each).try_get().unwrap_err();
    assert!(matches!(paused, CreateError::Paused { .. }));
    assert_eq!((entries.has(1), entries.has(3)), (None, Some(30)));
    clock.advance(MINUTE);
    let panics = |_: Vec<u64>| -> Vec<u64> { panic!("in the batch") };
    catch_unwind(AssertUnwindSafe(|| tens.access_many(&[1, 2], panics).try_get())).unwrap_err();
    for key in [1, 2] {
        let paused = tens.try_get(&key).unwrap_err();
        assert!(
            matches!(&paused, CreateError::Paused { cause, .. } if **cause == *"the creator panicked"),
            "{paused:?}"
        );
    }
    for given in [0, 1, 3] {
        clock.advance(MINUTE);
        let miscounts = |_: Vec<u64>| vec![0; given];
        let error = tens.access_many(&[1, 2], miscounts).try_get().unwrap_err();
        assert_eq!(error, CreateError::WrongCount { asked: 2, given });
        assert_eq!(error.to_string(), format!("a batch function returned {given} results for 2 keys"));
        let paused = tens.try_get(&1).unwrap_err();
        assert!(matches!(&paused, CreateError::Paused { cause, .. } if **cause == *error.to_string()), "{paused:?}");
    }
    assert_eq!([1, 2].map(|key| entries.has(key)), [None; 2]);
    clock.advance(MINUTE);
    assert_eq!(values(tens.access_many(&[1, 2], ten_each).try_get().unwrap()), [10, 20]);
}

#[test]
fn k5_a_key_that_a_batch_does_not_find_is_neither_stored_nor_paused() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    let tens = tens.with_policy(&PAUSING);
    let even = |asked: Vec<u64>| asked.into_iter().map(|key| (key % 2 == 0).then_some(key * 10)).collect::<Vec<_>>();
    for _ in 0..2 {
        let got = tens.access_many(&[1, 2, 3, 4], even).try_get().unwrap();
        let got: Vec<_> = got.into_iter().map(|got| got.map(|stamped| stamped.value)).collect();
        assert_eq!(got, [None, Some(20), None, Some(40)]);
    }
    assert_eq!(entries.0.values.lock().len(), 2);
    assert!(format!("{tens:?}").contains("in_use: 0,"), "nobody has failed");
    let tries = |asked: Vec<u64>| Ok::<_, Down>(even(asked));
    assert_eq!(tens.access_many(&[5], tries).try_get(), Ok(vec![None]));
}

#[test]
fn k5_a_store_that_refuses_one_result_has_the_others() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    *entries.0.refuses.lock() = Some(2);
    assert_eq!(tens.access_many(&[1, 2, 3], ten_each).try_get(), Err(CreateError::SetterFailed(Down)));
    assert_eq!([1, 2, 3].map(|key| entries.has(key)), [Some(10), None, Some(30)]);
    entries.0.is_down.store(true, Ordering::SeqCst);
    entries.0.gets.store(0, Ordering::SeqCst);
    assert_eq!(tens.access_many(&[1, 2, 3], ten_each).try_get(), Err(CreateError::GetterFailed(Down)));
    assert_eq!(entries.0.gets.load(Ordering::SeqCst), 1, "it is not asked for the others");
    assert!([1, 2, 3].iter().all(|key| !tens.is_creating(key)));
}

#[test]
fn k5_old_results_in_place_of_an_error_if_the_policy_says_so() {
    let entries = Entries::default();
    let (tens, clock) = tens(&entries, ten);
    let tens = tens.with_policy(&SERVING);
    tens.access_many(&[1, 2], ten_each).try_get().unwrap();
    clock.advance(MINUTE);
    let fails = |_: Vec<u64>| Err::<Vec<u64>, _>(Down);
    assert_eq!(values(tens.access_many(&[2, 1], fails).try_get().unwrap()), [20, 10]);
    assert_eq!(tens.access_many(&[2, 1, 3], fails).try_get(), Err(CreateError::Failed(Down)), "there is no third");
    *entries.0.refuses.lock() = Some(2);
    let anew = |asked: Vec<u64>| asked.into_iter().map(|key| key + 1).collect::<Vec<_>>();
    assert_eq!(values(tens.access_many(&[2, 1], anew).try_get().unwrap()), [20, 2]);
}

#[test]
fn k5_l10_one_time_out_bounds_all_keys() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    thread::scope(|scope| {
        let first = held(scope, &tens, &[1, 2], |asked| Ok(ten_each(asked)));
        assert_eq!(first.begun(), [1, 2]);
        let access = tens.access_many(&[1, 3, 2], ten_each).timeout(Duration::ZERO);
        assert_eq!(access.try_get(), Err(CreateError::TimedOut));
        assert_eq!(entries.has(3), Some(30), "what was won is made");
        first.end().unwrap();
    });
}

#[test]
fn k5_l6_a_result_invalidated_during_its_batch_is_not_stored() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    thread::scope(|scope| {
        let first = held(scope, &tens, &[1, 2], |asked| Ok(ten_each(asked)));
        assert_eq!(first.begun(), [1, 2]);
        Store::remove(&entries, &1).unwrap();
        tens.try_invalidate(&1).unwrap();
        assert_eq!(values(first.end().unwrap()), [10, 20], "its own caller gets it");
    });
    assert_eq!([1, 2].map(|key| entries.has(key)), [None, Some(20)]);
}

#[test]
fn k5_l7_a_batch_that_asks_for_its_own_keys_gets_an_error() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    let batch = |asked: Vec<u64>| {
        for key in [1, 2] {
            assert!(matches!(tens.try_get(&key), Err(CreateError::WouldDeadlock(_))));
            let again = tens.access_many(&[3, key], ten_each).try_get();
            assert!(matches!(again, Err(CreateError::WouldDeadlock(_))), "{again:?}");
        }
        ten_each(asked)
    };
    assert_eq!(values(tens.access_many(&[1, 2], batch).try_get().unwrap()), [10, 20]);
    assert_eq!(values(tens.access_many(&[1, 2, 3], ten_each).try_get().unwrap()), [10, 20, 30]);
}

#[test]
fn k5_l3_results_that_arrive_expired_serve_their_waiters() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, ten);
    let tens = tens.expires_after_by(|_| Some(Duration::ZERO));
    thread::scope(|scope| {
        let first = held(scope, &tens, &[1, 2, 3], |asked| Ok(ten_each(asked)));
        assert_eq!(first.begun(), [1, 2, 3]);
        let gets = entries.0.gets.load(Ordering::SeqCst);
        let waits = scope.spawn(|| {
            let none = |_: Vec<u64>| -> Vec<u64> { panic!("one creation serves all") };
            values(tens.access_many(&[3, 1, 2], none).try_get().unwrap())
        });
        // The waiter has looked at all keys, and they are being made.
        until(|| entries.0.gets.load(Ordering::SeqCst) == gets + 3);
        first.end().unwrap();
        assert_eq!(waits.join().unwrap(), [30, 10, 20]);
    });
}

#[test]
fn k5_l5_a_task_that_is_dropped_in_its_batch_frees_its_keys() {
    let entries = Entries::default();
    let (tens, _clock) = tens(&entries, async |key: &u64| ten(key));
    let tens = tens.with_policy(&PAUSING);
    {
        let never = async |_: Vec<u64>| -> Vec<u64> { std::future::pending().await };
        let mut call = pin!(tens.access_many_async(&[1, 2], never).try_get());
        let mut polls = 0;
        while !(tens.is_creating(&1) && tens.is_creating(&2)) {
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
            polls += 1;
            assert!(polls < 10);
        }
    }
    assert!(!tens.is_creating(&1) && !tens.is_creating(&2));
    let mut again = pin!(tens.access_many_async(&[2, 1], async |asked: Vec<u64>| ten_each(asked)).try_get());
    let got = loop {
        if let Poll::Ready(got) = again.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            break got.unwrap();
        }
    };
    assert_eq!(values(got), [20, 10], "nobody has failed");
}

#[test]
fn k5_infallible_forms_return_results_alone() {
    #[derive(Default)]
    struct Plain(Mutex<HashMap<String, Stamped<usize>>>);
    impl Store<String, usize> for Plain {
        type Error = Infallible;

        fn get(&self, key: &String) -> Result<Option<Stamped<usize>>, Infallible> {
            Ok(self.0.lock().get(key).copied())
        }

        fn set(&self, key: &String, made: &Stamped<usize>) -> Result<(), Infallible> {
            self.0.lock().insert(key.clone(), *made);
            Ok(())
        }

        fn remove(&self, key: &String) -> Result<(), Infallible> {
            self.0.lock().remove(key);
            Ok(())
        }
    }
    let lengths = cached_by_key(MINUTE, |word: &str| word.to_owned(), |word: &str| word.len(), Plain::default());
    let lengths = lengths.with_policy(&PAUSING);
    let all = |words: Vec<String>| words.iter().map(String::len).collect::<Vec<_>>();
    let got = lengths.access_many(["a", "bc"], all).get();
    assert_eq!(got.iter().map(|stamped| stamped.value).collect::<Vec<_>>(), [1, 2]);
    let got = lengths.access_many(["a", "bcd"], all).timeout(Duration::from_secs(1)).get().unwrap();
    assert_eq!(got[1].value, 3);
    // This form is not told of a pause, and creates.
    catch_unwind(AssertUnwindSafe(|| lengths.access_many(["x"], |_: Vec<String>| Vec::<usize>::new()).get()))
        .unwrap_err();
    assert_eq!(lengths.access_many(["x"], all).get()[0].value, 1);
}
