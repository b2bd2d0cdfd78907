//! Tasks whose creations wait for each other, and tasks whose creations only seem to (L7, C14).

use crate::executor::{Woken, drive, poll, step};
use dogpile::{Cached, CreateError, Dogpile, ManualClock, Outcome, Policy, Turn};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Builder;
use tokio::sync::{Notify, oneshot};
use tokio::time::{sleep, timeout};

type Asked = Result<Outcome, CreateError<&'static str>>;
type Asks<'a> = Pin<Box<dyn Future<Output = Asked> + 'a>>;

fn asks(lock: &Dogpile) -> Asks<'_> {
    Box::pin(lock.access_async().or_try_create(async || Err("unwanted")))
}

/// A task, and the waker that it is polled with.
struct Driven<'a, T>(Pin<Box<dyn Future<Output = T> + 'a>>, Arc<Woken>);

impl<'a, T> Driven<'a, T> {
    fn new(task: impl Future<Output = T> + 'a) -> Self {
        Self(Box::pin(task), Arc::default())
    }

    fn drive(&mut self) -> Poll<T> {
        drive(&mut self.0, &self.1)
    }
}

/// Drives two tasks to their ends, in turn, as often as either is woken.
fn drive_both<T, U>(one: &mut Driven<'_, T>, other: &mut Driven<'_, U>) -> (T, U) {
    let (mut first, mut second) = (Poll::Pending, Poll::Pending);
    for _ in 0..10 {
        if first.is_pending() {
            first = one.drive();
        }
        if second.is_pending() {
            second = other.drive();
        }
    }
    match (first, second) {
        (Poll::Ready(first), Poll::Ready(second)) => (first, second),
        _ => panic!("they wait for each other, and neither is told"),
    }
}

/// The ways in which a creator goes on without the access that it has begun to wait for. It keeps that access.
async fn looks(wanted: &mut Asks<'_>, _: &Notify) {
    assert!(poll_fn(|context| Poll::Ready(wanted.as_mut().poll(context))).await.is_pending());
}

async fn waits_until_it_is_late(wanted: &mut Asks<'_>, late: &Notify) {
    let mut late = Box::pin(late.notified());
    poll_fn(|context| {
        assert!(wanted.as_mut().poll(context).is_pending());
        late.as_mut().poll(context)
    })
    .await;
}

async fn sees_first_whether_it_is_late(wanted: &mut Asks<'_>, late: &Notify) {
    let mut late = Box::pin(late.notified());
    poll_fn(|context| {
        let is_late = late.as_mut().poll(context);
        if is_late.is_pending() {
            assert!(wanted.as_mut().poll(context).is_pending());
        }
        is_late
    })
    .await;
}

macro_rules! goes_on_without {
    ($($name:ident: $gives_up:ident,)+) => { $(
        #[test]
        fn $name() {
            let (a, b) = (Dogpile::never_expires(), Dogpile::never_expires());
            let (late, goes_on, ends) = (Notify::new(), Notify::new(), Notify::new());
            let of_a = RefCell::new(None);
            let mut creates_b = Driven::new(b.access_async().or_create(async || {
                goes_on.notified().await;
                *of_a.borrow_mut() = Some(asks(&a).await);
            }));
            assert!(creates_b.drive().is_pending());
            let mut creates_a = Driven::new(a.access_async().or_create(async || {
                let mut wanted = asks(&b);
                $gives_up(&mut wanted, &late).await;
                ends.notified().await;
            }));
            assert!(creates_a.drive().is_pending());
            late.notify_one();
            assert!(creates_a.drive().is_pending());
            goes_on.notify_one();
            assert!(creates_b.drive().is_pending(), "there is no cycle: {of_a:?}");
            ends.notify_one();
            assert_eq!(drive_both(&mut creates_a, &mut creates_b), (Outcome::Created, Outcome::Created));
            drop(creates_b);
            assert_eq!(of_a.into_inner(), Some(Ok(Outcome::Waited)));
        }
    )+ };
}

goes_on_without! {
    f9_a_creator_that_goes_on_after_a_time_out_is_in_no_cycle: waits_until_it_is_late,
    f9_a_creator_that_does_not_even_look_again_is_in_no_cycle: sees_first_whether_it_is_late,
    f9_a_creator_that_has_only_looked_is_in_no_cycle: looks,
}

/// The same with the timer of a runtime. Such a timer polls the bounded future before it reports the time-out.
#[test]
fn f9_a_time_out_of_the_runtime_within_a_creator() {
    let runtime = Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for patience in [Duration::from_millis(5), Duration::ZERO] {
        runtime.block_on(goes_on_after(patience));
    }
}

async fn goes_on_after(patience: Duration) {
    let (a, b) = (Arc::new(Cached::never_expires()), Arc::new(Cached::never_expires()));
    let (gave_up, has_given_up) = oneshot::channel::<()>();
    let of_b = {
        let (a, b) = (Arc::clone(&a), Arc::clone(&b));
        tokio::spawn(async move {
            let creator = async || {
                has_given_up.await.unwrap();
                let a = a.get_or_try_create_async(async || Ok::<_, String>(1)).await;
                a.map(|a| *a).map_err(|error| error.to_string())
            };
            b.get_or_try_create_async(creator).await.map(|b| *b).map_err(|error| error.to_string())
        })
    };
    while !b.is_creating() {
        tokio::task::yield_now().await;
    }
    let of_a = a.get_or_create_async(async || {
        let mut wanted = Box::pin(b.get_or_create_async(async || 2));
        assert!(timeout(patience, &mut wanted).await.is_err());
        gave_up.send(()).unwrap();
        sleep(Duration::from_millis(50)).await;
        3
    });
    assert_eq!(*of_a.await, 3);
    assert_eq!(of_b.await.unwrap(), Ok(3));
}

/// A creation whose future is leaked is left to itself. A task that waits for another lock, at the same address, does
/// not get an error because of it.
#[test]
fn f9_a_leaked_creation_does_not_haunt_the_next_lock_at_its_address() {
    let woken = Arc::<Woken>::default();
    let b = Dogpile::never_expires();
    let goes_on = Notify::new();
    let mut place = Box::new(Dogpile::never_expires());
    let of_a = RefCell::new(None);
    let next = Cell::<Option<&Dogpile>>::new(None);
    let mut creates_b = Driven::new(b.access_async().or_create(async || {
        goes_on.notified().await;
        *of_a.borrow_mut() = Some(asks(next.get().unwrap()).await);
    }));
    assert!(creates_b.drive().is_pending());
    {
        let mut leaked = Box::pin(place.access_async().or_create(async || _ = asks(&b).await));
        assert!(drive(&mut leaked, &woken).is_pending() && b.waiting() == 1);
        mem::forget(leaked);
    }
    *place = Dogpile::never_expires();
    let place = &*Box::leak(place);
    next.set(Some(place));
    let Turn::Create(creation) = place.acquire() else { panic!("nobody else creates") };
    goes_on.notify_one();
    assert!(creates_b.drive().is_pending(), "there is no cycle: {of_a:?}");
    creation.finish();
    assert!(creates_b.drive().is_ready());
    drop(creates_b);
    assert_eq!(of_a.into_inner(), Some(Ok(Outcome::Waited)));
}

/// Nor does a task get an error because of a leaked wait for the lock that was at the address before.
#[test]
fn f9_a_leaked_wait_does_not_haunt_the_next_lock_at_its_address() {
    static MORTAL: Policy = Policy::builder().creation_timeout(Duration::from_secs(1)).build_const();
    let (clock, woken) = (Arc::new(ManualClock::new()), Arc::<Woken>::default());
    let a = Dogpile::with_clock(Duration::MAX, Arc::clone(&clock)).with_policy(&MORTAL);
    let mut place = Box::new(Dogpile::never_expires());
    {
        let Turn::Create(creation) = place.acquire() else { panic!("nobody else creates") };
        let mut leaked = Box::pin(a.access_async().or_create(async || _ = asks(&place).await));
        assert!(drive(&mut leaked, &woken).is_pending() && place.waiting() == 1);
        mem::forget((leaked, creation));
    }
    *place = Dogpile::never_expires();
    let of_a = RefCell::new(None);
    let mut creates = Driven::new(place.access_async().or_create(async || {
        *of_a.borrow_mut() = Some(a.access_async().or_try_create(async || Err("none")).await);
    }));
    assert!(creates.drive().is_pending(), "there is no cycle: {of_a:?}");
    clock.advance(Duration::from_secs(1));
    assert!(creates.drive().is_ready());
    drop(creates);
    assert_eq!(of_a.into_inner(), Some(Err(CreateError::Failed("none"))), "it has taken the place of the leaked one");
}

/// A creator waits for another future besides. That does not hide its wait for the lock.
#[test]
fn l7_a_cycle_beside_another_wait_is_found() {
    let (a, b) = (Dogpile::never_expires(), Dogpile::never_expires());
    let (else_where, goes_on) = (Notify::new(), Notify::new());
    let (of_a, of_b) = (RefCell::new(None), RefCell::new(None));
    let mut creates_b = Driven::new(b.access_async().or_create(async || {
        goes_on.notified().await;
        step().await;
        *of_a.borrow_mut() = Some(asks(&a).await);
    }));
    assert!(creates_b.drive().is_pending());
    let mut creates_a = Driven::new(a.access_async().or_create(async || {
        let other = async {
            else_where.notified().await;
            else_where.notified().await;
            pending::<()>().await;
        };
        let wanted = async { *of_b.borrow_mut() = Some(asks(&b).await) };
        tokio::select! { biased; () = wanted => {}, () = other => {} }
    }));
    assert!(creates_a.drive().is_pending());
    for _ in 0..2 {
        else_where.notify_one();
        assert!(creates_a.drive().is_pending());
    }
    goes_on.notify_one();
    assert_eq!(drive_both(&mut creates_b, &mut creates_a), (Outcome::Created, Outcome::Created));
    drop((creates_a, creates_b));
    let told = [of_a, of_b].map(|asked| matches!(asked.into_inner(), Some(Err(CreateError::WouldDeadlock(_)))));
    assert_eq!(told, [true, false], "only the access that has closed the cycle");
}

/// Accesses within creators wait from their first poll on. The creation that ends before their second poll serves all
/// of them, though its value has expired by then.
#[test]
fn l3_f9_one_creation_serves_all_accesses_in_creators() {
    async fn creates(wanted: &Dogpile, made: &Cell<u8>, until: oneshot::Receiver<()>) -> Outcome {
        let creator = async || {
            made.set(made.get() + 1);
            until.await.unwrap();
        };
        wanted.access_async().or_create(creator).await
    }

    async fn asks(outer: &Dogpile, wanted: &Dogpile, made: &Cell<u8>) {
        let creator = async || {
            let (_never, until) = oneshot::channel();
            assert_eq!(creates(wanted, made, until).await, Outcome::Waited);
        };
        outer.access_async().or_create(creator).await;
    }

    let (wanted, made) = (Dogpile::new(Duration::ZERO), Cell::new(0));
    let (opens, opened) = oneshot::channel();
    let mut first = Driven::new(creates(&wanted, &made, opened));
    assert!(first.drive().is_pending());
    let outer = [(); 10].map(|()| Dogpile::never_expires());
    let mut all: Vec<_> = outer.iter().map(|outer| Driven::new(asks(outer, &wanted, &made))).collect();
    for Driven(task, woken) in &mut all {
        assert!(poll(task, woken).is_pending());
    }
    opens.send(()).unwrap();
    assert!(first.drive().is_ready());
    assert!(all.iter_mut().all(|task| task.drive().is_ready()));
    assert_eq!(made.get(), 1);
}
