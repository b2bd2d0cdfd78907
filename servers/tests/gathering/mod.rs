//! Looks that are asked at the same moment, and sent as one request, over whatever server gathers them.

use bytes::Bytes;
use dogpile_cache::backend::{Backend, BackendError, BackendErrorKind, Change, Entry, Look};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::task::yield_now;

/// A bound for what hangs only if it is wrong.
const WATCHDOG: Duration = Duration::from_secs(30);

const SHAPE: Shape = Shape { schema: 0, format: Format::MESSAGE_PACK };

pub type Outcome = Result<Look, BackendError>;

/// A look under way at the key of a number.
pub struct Asked {
    pub number: usize,
    future: Pin<Box<dyn Future<Output = Outcome> + Send>>,
}

impl Asked {
    pub async fn outcome(self) -> Outcome {
        within(self.future).await
    }

    /// Awaits what the look has found: the value of its own number.
    pub async fn finds_its_own(self) {
        let number = self.number;
        assert_own(number, &self.outcome().await);
    }
}

pub async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(WATCHDOG, future).await.expect("it does not wait")
}

pub fn named(number: usize) -> StoredKey {
    StoredKey::new(&Namespace::new("edge").unwrap(), &format!("n{number}"), SHAPE, KeyLimit::bytes(1024))
}

/// Begins looks at so many keys, and polls each of them once, the one after the other.
pub async fn begin<B: Backend + 'static>(backend: &Arc<B>, count: usize) -> Vec<Asked> {
    let ask = |number| {
        let backend = Arc::clone(backend);
        let future = Box::pin(async move { Ok(backend.look(&[named(number)], None).await?.remove(0)) });
        Asked { number, future }
    };
    let mut all: Vec<Asked> = (0..count).map(ask).collect();
    poll_fn(|cx| {
        for asked in &mut all {
            assert!(asked.future.as_mut().poll(cx).is_pending());
        }
        Poll::Ready(())
    })
    .await;
    all
}

pub fn value(number: usize) -> String {
    format!("v{number}")
}

pub async fn store<B: Backend>(backend: &B, count: usize) {
    for number in 0..count {
        let entry = Entry { bytes: Bytes::from(value(number)), lifetime: Some(Duration::from_secs(600)) };
        within(backend.change(&named(number), Change::Set { entry, void_pause: Duration::ZERO })).await.unwrap();
    }
}

#[track_caller]
pub fn assert_own(number: usize, outcome: &Outcome) {
    let found = outcome.as_ref().unwrap_or_else(|error| panic!("{number}: {error:?}"));
    assert_eq!(found.entry.as_deref(), Some(value(number).as_bytes()), "{number}");
}

/// Has all tasks of the runtime run that can: what is to be written is written then. (The runtime has one thread.)
pub async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

pub async fn each_look_has_its_own_reply<B: Backend + 'static>(backend: Arc<B>) {
    store(&*backend, 300).await;
    for count in [1, 2, 5, 6, 64, 68, 69, 300] {
        for asked in begin(&backend, count).await {
            asked.finds_its_own().await;
        }
    }
}

/// To be called on a runtime with several threads.
pub async fn tasks_have_their_own_replies<B: Backend + 'static>(backend: Arc<B>) {
    store(&*backend, 100).await;
    let task = |number| {
        let backend = Arc::clone(&backend);
        tokio::spawn(async move {
            let key = [named(number)];
            for _ in 0..200 {
                let looked = backend.look(&key, None).await;
                assert_own(number, &looked.map(|mut looks| looks.remove(0)));
            }
        })
    };
    for task in (0..100).map(task).collect::<Vec<_>>() {
        within(task).await.unwrap();
    }
}

/// Before the batch is sent, after that, and when the replies are there.
pub async fn a_dropped_look_shifts_no_reply<B: Backend + 'static>(backend: Arc<B>) {
    store(&*backend, 40).await;
    let seed = fastrand::u64(..);
    let mut random = fastrand::Rng::with_seed(seed);
    println!("seed {seed}");
    for _ in 0..300 {
        let mut asked = begin(&backend, 40).await;
        for _ in 0..random.usize(..4) {
            asked.retain(|_| random.usize(..4) > 0);
            for _ in 0..random.usize(..6) {
                yield_now().await;
            }
        }
        random.shuffle(&mut asked);
        for asked in asked {
            asked.finds_its_own().await;
        }
    }
}

/// The same, while the server is stopped.
pub async fn a_look_dropped_at_the_server_shifts_no_reply<B: Backend + 'static>(
    backend: Arc<B>,
    stop: impl Fn(),
    go_on: impl Fn(),
) {
    store(&*backend, 40).await;
    for round in 0..10 {
        stop();
        let mut asked = begin(&backend, 40).await;
        settle().await;
        asked.retain(|asked| asked.number % 3 != round % 3);
        go_on();
        for asked in asked {
            asked.finds_its_own().await;
        }
    }
}

/// The first look of a batch least of all: nobody waits for its task.
pub async fn a_look_that_is_not_polled_holds_up_nobody<B: Backend + 'static>(backend: Arc<B>) {
    store(&*backend, 200).await;
    let mut asked = begin(&backend, 200).await;
    for asked in asked.drain(1..).filter(|asked| asked.number % 5 == 0).collect::<Vec<_>>() {
        asked.finds_its_own().await;
    }
    let mut asked = begin(&backend, 200).await;
    asked.pop().unwrap().finds_its_own().await;
    // Nor are the others lost.
    for asked in asked {
        asked.finds_its_own().await;
    }
}

/// The task of a batch goes with its runtime; the looks are told so.
pub fn looks_whose_runtime_has_ended_fail<B: Backend + 'static>(connect: impl AsyncFn() -> Arc<B>) {
    let runtime = || -> Runtime { tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap() };
    for yields in 0..5 {
        let (first, second) = (runtime(), runtime());
        let (backend, asked) = first.block_on(async {
            let backend = connect().await;
            store(&*backend, 40).await;
            let asked = begin(&backend, 40).await;
            for _ in 0..yields {
                yield_now().await;
            }
            (backend, asked)
        });
        drop(first);
        second.block_on(async {
            for asked in asked {
                let number = asked.number;
                match asked.outcome().await {
                    Err(error) => assert_eq!(error.kind(), BackendErrorKind::InDoubt, "{error:?}"),
                    found => assert_own(number, &found),
                }
            }
            // The next look has a connection of its own runtime.
            let looked = within(backend.look(&[named(7)], None)).await;
            assert_own(7, &looked.map(|mut looks| looks.remove(0)));
        });
    }
}
