//! Ours, in three forms. They differ in the thread that creates, and in the policy for failures.

use crate::interleaved::Subject;
use crate::place::{Failed, Place, Source};
use dogpile::{Backoff, Cached, CachedFn, OnError, Policy, Pool};
use std::sync::Arc;
use std::time::Duration;

/// The elected thread runs the creator itself.
struct Blocking(Cached<u64>, Arc<Source>);

impl Subject for Blocking {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.get_or_try_create(|| self.1.fetch()).map(|value| *value).map_err(|_| Failed)
    }
}

pub fn blocking(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    Box::new(Blocking(Cached::new(lifetime), Arc::clone(source)))
}

pub fn ruled(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    static POLICY: Policy = Policy::builder()
        .retry_after(Backoff::new(Duration::from_millis(20), Duration::from_millis(500)))
        .on_error(OnError::ServeStale)
        .build_const();
    Box::new(Blocking(Cached::new(lifetime).with_policy(&POLICY), Arc::clone(source)))
}

type Creator = Box<dyn Fn() -> Result<u64, Failed> + Send + Sync>;

/// The elected thread hands the creation over to a thread of a pool.
struct InBackground(Arc<CachedFn<u64, Creator>>);

static POOL: Pool = Pool::new(1, 10);

impl Subject for InBackground {
    type Seen = Result<u64, Failed>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        CachedFn::kept(&self.0).in_background(&POOL).try_get().map(|value| *value).map_err(|_| Failed)
    }
}

pub fn in_background(lifetime: Duration, source: &Arc<Source>) -> Box<dyn Place> {
    let source = Arc::clone(source);
    Box::new(InBackground(Arc::new(CachedFn::new(lifetime, Box::new(move || source.fetch())))))
}
