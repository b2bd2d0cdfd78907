//! Polls a future on this thread, until it is ready.

use super::BlocksRuntime;
use crossbeam_utils::sync::{Parker, Unparker};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::{block_in_place, unconstrained};

/// How long the only thread of a runtime may do nothing while an access waits, until this thread is taken for it.
const NOTHING_RUNS: Duration = Duration::from_secs(1);

struct Unpark(Unparker);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.unpark();
    }
}

/// Polls a future on this thread, until it is ready. Blocks until then.
///
/// # Errors
///
/// This thread is in a runtime that has one thread, the future has to wait, and nothing of that runtime has run for a
/// second: that thread is this one, or it is blocked as well. The future is dropped.
pub(crate) fn block_on<F: Future>(future: F) -> Result<F::Output, BlocksRuntime> {
    let Ok(runtime) = Handle::try_current() else { return poll_on_this_thread(future, None) };
    match runtime.runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(|| poll_on_this_thread(future, None)),
        // This thread returns to no scheduler meanwhile, so the budget of its task would never be given back.
        _ => poll_on_this_thread(unconstrained(future), Some(&runtime)),
    }
}

fn poll_on_this_thread<F: Future>(future: F, watched: Option<&Handle>) -> Result<F::Output, BlocksRuntime> {
    let mut future = pin!(future);
    let parker = Parker::new();
    let waker = Waker::from(Arc::new(Unpark(parker.unparker().clone())));
    let mut cx = Context::from_waker(&waker);
    // How long this thread has waited. What the access itself takes, its creator above all, is no wait.
    let mut sign: Option<(Arc<AtomicBool>, Duration)> = None;
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut cx) {
            return Ok(done);
        }
        let Some(runtime) = watched else {
            parker.park();
            continue;
        };
        let (sign, waited) = sign.get_or_insert_with(|| (sign_of_life(runtime), Duration::ZERO));
        // Acquire, with the release of the task: what that runtime did before has happened.
        if sign.load(Ordering::Acquire) {
            parker.park();
            continue;
        }
        match NOTHING_RUNS.checked_sub(*waited) {
            Some(left) if !left.is_zero() => {
                let since = Instant::now();
                parker.park_timeout(left);
                *waited += since.elapsed();
            }
            _ => return Err(BlocksRuntime),
        }
    }
}

/// Returns a flag that a task of the runtime sets.
fn sign_of_life(runtime: &Handle) -> Arc<AtomicBool> {
    let sign = Arc::new(AtomicBool::new(false));
    let set = Arc::clone(&sign);
    // Release: see `poll_on_this_thread`.
    runtime.spawn(async move { set.store(true, Ordering::Release) });
    sign
}
