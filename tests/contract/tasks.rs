//! Accesses of tasks join the contract, on each type and each executor.
//!
//! Each access is a task, and the thread that makes it waits for the task. A time-out is a race with the executor's
//! timer. The creators of the laws block at their gates in the middle of a poll, so each executor has a thread for each
//! of them.

use crate::cached::{self, told};
use crate::dogpile::{self as lock, Beside, outcome_of_value};
use crate::stage::{AccessResult, Creator, FOREVER, Failure};
use crate::sync_reader::{self, Swapped};
use dogpile::{Cached, CreateError, Made, ManualClock, Renewal, SyncReaderDogpile};
use std::cell::Cell;
use std::future::poll_fn;
use std::marker::PhantomData;
use std::mem;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::OnceCell;

/// An executor, which polls tasks.
pub trait Executor: Send + Sync + 'static {
    /// Polls a task to its end.
    fn run<'a, T: Send + 'a>(task: impl Future<Output = T> + Send + 'a) -> T;

    /// Polls a task, and returns `None` if the time is out first.
    fn race<T: Send>(timeout: Duration, task: impl Future<Output = T> + Send)
    -> impl Future<Output = Option<T>> + Send;
}

/// Threads that steal tasks from each other: any of them may poll a task.
pub struct TokioThreads;

impl Executor for TokioThreads {
    fn run<'a, T: Send + 'a>(task: impl Future<Output = T> + Send + 'a) -> T {
        // In a cell of tokio's, not of std's: ThreadSanitizer does not see that a reader of std's cell waits for its
        // writer.
        static RUNTIME: OnceCell<Runtime> = OnceCell::const_new();
        let made = async || Builder::new_multi_thread().worker_threads(24).enable_time().build().expect("it is made");
        let runtime = smol::future::block_on(RUNTIME.get_or_init(made));
        let mut ended = None;
        let task = async { ended = Some(task.await) };
        let task: Pin<Box<dyn Future<Output = ()> + Send + '_>> = Box::pin(task);
        // SAFETY: the task is gone when this function returns or unwinds, since it waits for the end of the task.
        let task: Pin<Box<dyn Future<Output = ()> + Send>> = unsafe { mem::transmute(task) };
        if let Err(error) = smol::future::block_on(runtime.spawn(task)) {
            resume_unwind(error.into_panic());
        }
        ended.expect("it has ended")
    }

    async fn race<T: Send>(timeout: Duration, task: impl Future<Output = T> + Send) -> Option<T> {
        tokio::time::timeout(timeout, task).await.ok()
    }
}

/// One thread, which blocks while there is nothing to poll.
pub struct TokioThread;

impl Executor for TokioThread {
    fn run<'a, T: Send + 'a>(task: impl Future<Output = T> + Send + 'a) -> T {
        Builder::new_current_thread().enable_time().build().expect("it is made").block_on(task)
    }

    async fn race<T: Send>(timeout: Duration, task: impl Future<Output = T> + Send) -> Option<T> {
        tokio::time::timeout(timeout, task).await.ok()
    }
}

/// One thread, by another runtime.
pub struct Smol;

impl Executor for Smol {
    fn run<'a, T: Send + 'a>(task: impl Future<Output = T> + Send + 'a) -> T {
        let executor = smol::LocalExecutor::new();
        smol::future::block_on(executor.run(executor.spawn(task)))
    }

    async fn race<T: Send>(timeout: Duration, task: impl Future<Output = T> + Send) -> Option<T> {
        let timer = async {
            smol::Timer::after(timeout).await;
            None
        };
        smol::future::or(async { Some(task.await) }, timer).await
    }
}

thread_local! {
    /// Whether this thread is in the middle of a creator, and so of a poll.
    static CREATES: Cell<bool> = const { Cell::new(false) };
}

/// A creator of the laws as a future. It is suspended once, and then runs in one poll.
async fn creating(timeout: Duration, creator: Creator<'_>) -> Result<u64, Failure> {
    struct Midst(bool);

    impl Drop for Midst {
        fn drop(&mut self) {
            CREATES.set(self.0);
        }
    }

    // Under a time-out, the creator is not suspended: the time-out would end it there, and a time-out must bound waits
    // only.
    let mut suspended = timeout != FOREVER;
    poll_fn(|context| {
        if mem::replace(&mut suspended, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
    let _midst = Midst(CREATES.replace(true));
    creator()
}

fn access_by<X: Executor>(timeout: Duration, access: impl Future<Output = AccessResult> + Send) -> AccessResult {
    run::<X>(timeout, Box::pin(access))
}

fn run<X: Executor>(
    timeout: Duration,
    access: Pin<Box<dyn Future<Output = AccessResult> + Send + '_>>,
) -> AccessResult {
    if CREATES.get() {
        // A poll within a poll: this task's creator waits for another task.
        return smol::future::block_on(access);
    }
    X::run(async {
        if timeout == FOREVER {
            return access.await;
        }
        X::race(timeout, access).await.unwrap_or(Err(CreateError::TimedOut))
    })
}

/// In lock mode, or as the type is.
pub struct AsTask<X>(PhantomData<fn() -> X>);

/// In getter mode.
pub struct ByGetter<X>(PhantomData<fn() -> X>);

/// In stamped getter mode.
pub struct ByStampedGetter<X>(PhantomData<fn() -> X>);

/// By creators that are given a `Renewal`.
pub struct ByRenewal<X>(PhantomData<fn() -> X>);

type Value = Arc<Cached<u64, Arc<ManualClock>>>;

impl<X: Executor> lock::Way for AsTask<X> {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let mut created = None;
        access_by::<X>(timeout, async {
            let creator = async || {
                created = Some(creating(timeout, creator).await?);
                Ok(())
            };
            let outcome = beside.lock.access_async().or_try_create(creator).await?;
            Ok((outcome, created.unwrap_or_else(|| beside.value())))
        })
    }
}

impl<X: Executor> lock::Way for ByGetter<X> {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, beside.lock.freshness());
        access_by::<X>(timeout, async {
            let creator = async || {
                created = Some(false);
                let value = creating(timeout, creator).await?;
                created = Some(true);
                Ok(value)
            };
            let got = beside.lock.access_async().fetch(|| async { beside.get() }).or_try_create(creator).await;
            Ok((outcome_of_value(created, before), got?))
        })
    }
}

impl<X: Executor> lock::Way for ByStampedGetter<X> {
    fn access(beside: &Beside<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, beside.lock.freshness());
        access_by::<X>(timeout, async {
            let getter = || async { beside.get_stamped() };
            let creator = async || {
                created = Some(false);
                let value = creating(timeout, creator).await?;
                created = Some(true);
                beside.stamp(value);
                Ok(value)
            };
            let got = beside.lock.access_async().fetch_stamped(getter).or_try_create(creator).await;
            Ok((outcome_of_value(created, before), got?.value))
        })
    }
}

impl<X: Executor> cached::Way for AsTask<X> {
    fn access(lock: &Value, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        access_by::<X>(timeout, async {
            Ok(told(&lock.get_or_try_create_async(async || creating(timeout, creator).await).await?))
        })
    }
}

impl<X: Executor> cached::Way for ByRenewal<X> {
    fn access(lock: &Value, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        access_by::<X>(timeout, async {
            let creator = async |renewal: &Renewal<'_, u64, Arc<ManualClock>>| {
                let value = creating(timeout, creator).await?;
                let same = renewal.old() == Some(&value);
                Ok(renewal.unchanged().filter(|_| same).unwrap_or_else(|| Made::new(value)))
            };
            Ok(told(&lock.access_async().or_try_create_with(creator).await?))
        })
    }
}

impl<X: Executor> sync_reader::Way for AsTask<X> {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let mut created = None;
        access_by::<X>(timeout, async {
            let creator = async || {
                created = Some(creating(timeout, creator).await?);
                Ok(())
            };
            let guard = SyncReaderDogpile::kept_async(&swapped.lock).or_try_create(creator).await?;
            let read = swapped.value.read();
            Ok((*guard, created.unwrap_or(read)))
        })
    }
}

impl<X: Executor> sync_reader::Way for ByGetter<X> {
    fn access(swapped: &Swapped<Self>, timeout: Duration, creator: Creator<'_>) -> AccessResult {
        let (mut created, before) = (None, swapped.lock.freshness());
        access_by::<X>(timeout, async {
            let getter = || async { swapped.get() };
            let creator = async || {
                created = Some(false);
                let value = creating(timeout, creator).await?;
                created = Some(true);
                Ok(value)
            };
            let got = SyncReaderDogpile::kept_async(&swapped.lock).fetch(getter).or_try_create(creator).await;
            let value = *got?;
            Ok((outcome_of_value(created, before), value))
        })
    }
}
