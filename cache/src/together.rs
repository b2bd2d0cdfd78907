//! Futures that are polled together, each only when it was woken.
//!
//! `FuturesUnordered` of `futures-util` is the same, by a queue without locks and some `unsafe` code. It would bring
//! four crates with it, for calls whose futures each make a round trip.

use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

/// A future, and the waker of it.
type Part<'a, T> = (Pin<Box<dyn Future<Output = T> + Send + 'a>>, Waker);

/// Futures that are polled together. The outputs come in the order in which the futures end.
pub(crate) struct Together<'a, T> {
    /// `None`: it has ended. Its place is free for another one. (The waker of the former one may wake that one for
    /// nothing, which does no harm.)
    futures: Vec<Option<Part<'a, T>>>,
    free: Vec<usize>,
    /// Those that are polled next, and those that were woken since.
    round: VecDeque<usize>,
    woken: Arc<Woken>,
}

/// Which futures are to be polled.
#[derive(Default)]
struct Woken(Mutex<(Vec<usize>, Option<Waker>)>);

/// The waker of one future.
struct One {
    at: usize,
    woken: Arc<Woken>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, (Vec<usize>, Option<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for One {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let waker = {
            let mut woken = self.woken.lock();
            woken.0.push(self.at);
            woken.1.take()
        };
        // Not under the mutex: a waker is the user's.
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<'a, T> Together<'a, T> {
    pub(crate) fn new() -> Together<'a, T> {
        Together { futures: Vec::new(), free: Vec::new(), round: VecDeque::new(), woken: Arc::default() }
    }

    /// Adds a future, which is polled with the next poll.
    pub(crate) fn push(&mut self, future: impl Future<Output = T> + Send + 'a) {
        let at = self.free.pop().unwrap_or(self.futures.len());
        let waker = Waker::from(Arc::new(One { at, woken: Arc::clone(&self.woken) }));
        let part = Some((Box::pin(future) as Pin<Box<_>>, waker));
        match self.futures.get_mut(at) {
            Some(place) => *place = part,
            None => self.futures.push(part),
        }
        self.round.push_back(at);
    }

    fn left(&self) -> usize {
        self.futures.len() - self.free.len()
    }

    /// Returns the output of a future that has ended; `None` if none is left.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<T>> {
        if self.left() == 0 {
            return Poll::Ready(None);
        }
        {
            let mut woken = self.woken.lock();
            woken.1 = Some(cx.waker().clone());
            self.round.extend(woken.0.drain(..));
        }
        while let Some(at) = self.round.pop_front() {
            let Some((future, waker)) = &mut self.futures[at] else { continue };
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(waker)) {
                self.futures[at] = None;
                self.free.push(at);
                return Poll::Ready(Some(output));
            }
        }
        Poll::Pending
    }

    /// Waits for the output of a future; `None` if none is left.
    pub(crate) async fn next(&mut self) -> Option<T> {
        poll_fn(|cx| self.poll_next(cx)).await
    }
}

/// Awaits all futures together. Returns the first error.
#[cfg(any(feature = "memcached", feature = "postgres", feature = "redis"))]
pub(crate) async fn together<T, E, F>(futures: impl Iterator<Item = F>) -> Result<Vec<T>, E>
where
    F: Future<Output = Result<T, E>> + Send,
{
    let mut all = Together::new();
    futures.for_each(|future| all.push(future));
    let mut done = Vec::new();
    while let Some(output) = all.next().await {
        done.push(output?);
    }
    Ok(done)
}

impl<T> fmt::Debug for Together<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Together").field("left", &self.left()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
    use tokio::sync::oneshot;

    /// Counts how often it is woken.
    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn each_is_polled_when_it_was_woken_and_only_then() {
        let (count, polls) = (Arc::new(Count::default()), AtomicUsize::new(0));
        let waker = Waker::from(Arc::clone(&count));
        let mut cx = Context::from_waker(&waker);
        let mut together = Together::new();
        let (mut tell, mut told) = (Vec::new(), Vec::new());
        for _ in 0..100 {
            let (one, other) = oneshot::channel::<usize>();
            tell.push(Some(one));
            told.push(other);
        }
        let polls = &polls;
        for told in told {
            together.push(async move {
                let mut told = pin!(told);
                poll_fn(|cx| {
                    polls.fetch_add(1, Relaxed);
                    told.as_mut().poll(cx)
                })
                .await
                .unwrap()
            });
        }
        assert!(together.poll_next(&mut cx).is_pending());
        assert_eq!(polls.load(Relaxed), 100);
        for at in [7, 99, 0] {
            tell[at].take().unwrap().send(at).unwrap();
        }
        assert_eq!(count.0.load(Relaxed), 1);
        let mut ended: Vec<_> = (0..3)
            .map(|_| match together.poll_next(&mut cx) {
                Poll::Ready(Some(at)) => at,
                other => panic!("{other:?}"),
            })
            .collect();
        ended.sort_unstable();
        assert_eq!(ended, [0, 7, 99]);
        assert!(together.poll_next(&mut cx).is_pending());
        assert_eq!(polls.load(Relaxed), 103);
        for (at, tell) in tell.into_iter().enumerate() {
            if let Some(tell) = tell {
                tell.send(at).unwrap();
            }
        }
        let mut left = 0;
        while let Poll::Ready(Some(_)) = together.poll_next(&mut cx) {
            left += 1;
        }
        assert_eq!((left, together.poll_next(&mut cx)), (97, Poll::Ready(None)));
    }

    #[tokio::test]
    async fn the_places_of_those_that_have_ended_are_used_again() {
        let mut together = Together::new();
        for turn in 0..100 {
            together.push(async move { turn });
            together.push(async move { turn + 1000 });
            assert_eq!([together.next().await, together.next().await], [Some(turn), Some(turn + 1000)]);
        }
        assert_eq!((together.futures.len(), together.next().await), (2, None));
    }

    #[tokio::test]
    async fn a_future_that_wakes_itself_lets_the_others_go_on() {
        let mut together = Together::new();
        together.push(async {
            for _ in 0..3 {
                tokio::task::yield_now().await;
            }
            1
        });
        together.push(async { 2 });
        assert_eq!([together.next().await, together.next().await, together.next().await], [Some(2), Some(1), None]);
    }
}
