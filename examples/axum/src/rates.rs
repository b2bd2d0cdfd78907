//! The source of the rates: one `Cached` for all, or a copy that is replaced by each access that finds it expired.

use crate::options::{LIFETIME, Options};
use crate::upstream::{Busy, Rates, Upstream};
use dogpile::{Cached, CachedGuard, CreateError, Outcome};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// Rates, and how they were obtained.
pub struct Had {
    pub rates: Arc<Rates>,
    pub outcome: Outcome,
}

/// Rates for tasks and for threads.
pub struct Source {
    upstream: Upstream,
    kept: Kept,
}

enum Kept {
    /// One access creates, and the others carry on with the old rates.
    Shared(Cached<Rates>),
    /// The rates, and the time until which they are good.
    Copy(RwLock<Option<(Arc<Rates>, Instant)>>),
}

impl Source {
    /// A source that has no rates yet.
    pub fn new(options: &Options) -> Self {
        let kept = if options.no_lock { Kept::Copy(RwLock::default()) } else { Kept::Shared(Cached::new(LIFETIME)) };
        Self { upstream: Upstream::default(), kept }
    }

    /// The upstream of the rates.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Gets the rates, for a task. The future may be dropped at any time: the next access or a waiter is elected then.
    pub async fn get(&self) -> Result<Had, CreateError<Busy>> {
        match &self.kept {
            Kept::Shared(cached) => cached.get_or_try_create_async(|| self.upstream.ask()).await.map(Had::of),
            Kept::Copy(_) => match self.copy(true) {
                Some(had) => Ok(had),
                None => Ok(self.keep(self.upstream.ask().await.map_err(CreateError::Failed)?)),
            },
        }
    }

    /// Gets the rates, for a thread. Blocks while this thread asks the upstream, or while there are no rates to go on
    /// with.
    pub fn get_blocking(&self, asks: impl FnOnce()) -> Result<Had, CreateError<Busy>> {
        let ask = || {
            asks();
            self.upstream.ask_blocking()
        };
        match &self.kept {
            Kept::Shared(cached) => cached.get_or_try_create(ask).map(Had::of),
            Kept::Copy(_) => match self.copy(true) {
                Some(had) => Ok(had),
                None => Ok(self.keep(ask().map_err(CreateError::Failed)?)),
            },
        }
    }

    /// The present rates, fresh or old. Never blocks.
    pub fn peek(&self) -> Option<Had> {
        match &self.kept {
            Kept::Shared(cached) => cached.peek().map(Had::of),
            Kept::Copy(_) => self.copy(false),
        }
    }

    /// Forgets the rates. Every later access gets newer ones. Blocks only for moments, so a task may call it.
    pub fn invalidate(&self) {
        match &self.kept {
            Kept::Shared(cached) => cached.invalidate(),
            Kept::Copy(copy) => *copy.write().unwrap_or_else(PoisonError::into_inner) = None,
        }
    }

    fn copy(&self, only_fresh: bool) -> Option<Had> {
        let Kept::Copy(copy) = &self.kept else { return None };
        let (rates, expires) = copy.read().unwrap_or_else(PoisonError::into_inner).clone()?;
        let outcome = if Instant::now() < expires { Outcome::Fresh } else { Outcome::Stale };
        (outcome == Outcome::Fresh || !only_fresh).then_some(Had { rates, outcome })
    }

    fn keep(&self, rates: Rates) -> Had {
        let rates = Arc::new(rates);
        if let Kept::Copy(copy) = &self.kept {
            let expires = Instant::now() + LIFETIME;
            *copy.write().unwrap_or_else(PoisonError::into_inner) = Some((Arc::clone(&rates), expires));
        }
        Had { rates, outcome: Outcome::Created }
    }
}

impl Had {
    fn of(guard: CachedGuard<Rates>) -> Self {
        let outcome = CachedGuard::outcome(&guard);
        Self { rates: CachedGuard::into_arc(guard), outcome }
    }
}
