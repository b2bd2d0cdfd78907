//! Hits that are awaited.

use crate::interleaved::Timed;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A subject that is awaited. All of them are inlined into the same loop, as a `Subject` is.
pub trait Awaited: Sync {
    type Seen<'a>
    where
        Self: 'a;

    fn hit(&self) -> impl Future<Output = Self::Seen<'_>>;
}

/// The loop over the hits of a task.
pub struct Task<'a, A>(pub &'a A);

impl<A: Awaited> Timed for Task<'_, A> {
    #[inline(never)]
    fn time(&self, hits: u64) -> Duration {
        let all = async {
            let start = Instant::now();
            for _ in 0..hits {
                black_box(black_box(self.0).hit().await);
            }
            start.elapsed()
        };
        match pin!(all).poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(time) => time,
            Poll::Pending => unreachable!("a hit waits for nobody"),
        }
    }
}
