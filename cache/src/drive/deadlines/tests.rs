use super::*;
use crate::time::keeper::keeper;
use std::future::pending;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;
use tokio::sync::oneshot;

const LONG: Duration = Duration::from_secs(3600);

/// Counts how often it was woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn deadlines() -> (Arc<Deadlines>, RegionTime) {
    let time = RegionTime { clock: RegionClock::Monotonic, keeper: keeper().expect("a thread can be had") };
    (Deadlines::new(&time).expect("the clock is the default one"), time)
}

fn after(time: &RegionTime, duration: Duration) -> Duration {
    time.now() + duration
}

fn waiting(deadlines: &Deadlines) -> usize {
    deadlines.parts.iter().map(|part| lock(part).waits.len()).sum()
}

#[tokio::test]
async fn an_answer_comes_first_and_leaves_nothing() {
    let (deadlines, time) = deadlines();
    assert_eq!(deadlines.until(0, after(&time, LONG), pin!(async { 7 })).await, Ok(7));
    let (answer, answered) = oneshot::channel();
    let at = after(&time, LONG);
    let waits = {
        let deadlines = Arc::clone(&deadlines);
        tokio::spawn(async move { deadlines.until(3, at, pin!(answered)).await })
    };
    while waiting(&deadlines) == 0 {
        tokio::task::yield_now().await;
    }
    answer.send(8).expect("it is awaited");
    assert_eq!(waits.await.expect("no panic"), Ok(Ok(8)));
    assert_eq!(waiting(&deadlines), 0);
}

/// Each wait ends at its own time, whichever came first, and not before.
#[tokio::test]
async fn g5_each_wait_ends_at_its_time() {
    let (deadlines, time) = deadlines();
    let millis = [40, 10, 30, 10, 0, 20];
    let waits = millis.into_iter().enumerate().map(|(part, millis)| {
        let (deadlines, time) = (Arc::clone(&deadlines), time.clone());
        tokio::spawn(async move {
            let at = after(&time, Duration::from_millis(millis));
            assert_eq!(deadlines.until(part, at, pin!(pending::<()>())).await, Err(Over::Time));
            assert!(time.now() >= at);
        })
    });
    // (All are begun before one is awaited.)
    for wait in waits.collect::<Vec<_>>() {
        wait.await.expect("no panic");
    }
    assert_eq!(waiting(&deadlines), 0);
}

/// The task waits for a late deadline when an earlier one comes.
#[tokio::test]
async fn g5_an_earlier_deadline_is_met_while_the_task_waits_for_a_later_one() {
    let (deadlines, time) = deadlines();
    let late = {
        let (deadlines, at) = (Arc::clone(&deadlines), after(&time, LONG));
        tokio::spawn(async move { deadlines.until(0, at, pin!(pending::<()>())).await })
    };
    while deadlines.wakes_at.load(Ordering::Relaxed) == NEVER {
        tokio::task::yield_now().await;
    }
    let at = after(&time, Duration::from_millis(5));
    assert_eq!(deadlines.until(1, at, pin!(pending::<()>())).await, Err(Over::Time));
    late.abort();
    assert!(late.await.expect_err("it was aborted").is_cancelled());
    assert_eq!(waiting(&deadlines), 0);
}

#[tokio::test]
async fn the_end_of_the_region_ends_each_wait() {
    let (deadlines, time) = deadlines();
    let at = after(&time, LONG);
    let wait = {
        let deadlines = Arc::clone(&deadlines);
        tokio::spawn(async move { deadlines.until(0, at, pin!(pending::<()>())).await })
    };
    while waiting(&deadlines) == 0 {
        tokio::task::yield_now().await;
    }
    deadlines.end();
    assert_eq!(wait.await.expect("no panic"), Err(Over::Region));
    // Also one that begins later.
    assert_eq!(deadlines.until(0, at, pin!(pending::<()>())).await, Err(Over::Region));
    assert_eq!(waiting(&deadlines), 0);
}

/// A task that is polled by another waker is woken by that one.
#[test]
fn the_last_waker_counts() {
    let (deadlines, time) = deadlines();
    let mut waiting = pin!(pending::<()>());
    let mut waiting = pin!(deadlines.until(0, after(&time, LONG), waiting.as_mut()));
    let [first, last] = [Arc::new(Count::default()), Arc::new(Count::default())];
    for count in [&first, &last] {
        assert!(waiting.as_mut().poll(&mut Context::from_waker(&Waker::from(Arc::clone(count)))).is_pending());
    }
    deadlines.end();
    assert_eq!([first, last].map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
}

#[test]
fn a_clock_of_the_users_is_asked_for_each_wait() {
    let clock = RegionClock::Other(Arc::new(dogpile::MonotonicClock));
    assert!(Deadlines::new(&RegionTime { clock, keeper: keeper().expect("a thread can be had") }).is_none());
}

/// Panics when it is woken.
struct Hostile;

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics, on purpose");
    }
}

/// A waker is the user's: one that panics must not take their ends from all other looks of the region.
#[tokio::test]
async fn g5_a_waker_that_panics_stops_no_other_wait() {
    let (deadlines, time) = deadlines();
    let mut hostile = Box::pin(pending::<()>());
    let mut waiting = Box::pin(deadlines.until(0, after(&time, Duration::from_millis(5)), hostile.as_mut()));
    let waker = Waker::from(Arc::new(Hostile));
    assert!(waiting.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    while !lock(&deadlines.parts[0]).waits.is_empty() {
        tokio::task::yield_now().await;
    }
    let at = after(&time, Duration::from_millis(5));
    let mut other = pin!(pending::<()>());
    let over = tokio::time::timeout(LONG / 30, deadlines.until(1, at, other.as_mut())).await;
    assert_eq!(over, Ok(Err(Over::Time)));
}
