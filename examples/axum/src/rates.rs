//! Where rates are had from: the one `Cached` of all, or a copy that whoever finds it expired replaces.

use crate::options::{LIFETIME, Options};
use crate::upstream::{Busy, Rates, Upstream};
use dogpile::{Cached, CachedGuard, CreateError, Outcome};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

/// Rates that were had, and how.
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
    /// One creates, the others carry on with the old ones.
    Shared(Cached<Rates>),
    /// And until when they are good.
    Copy(RwLock<Option<(Arc<Rates>, Instant)>>),
}

impl Source {
    /// None yet.
    pub fn new(options: &Options) -> Self {
        let kept = if options.no_lock { Kept::Copy(RwLock::default()) } else { Kept::Shared(Cached::new(LIFETIME)) };
        Self { upstream: Upstream::default(), kept }
    }

    /// What it has them from.
    pub fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// The rates, for a task. It may be dropped wherever it is: whoever comes next, or waits, is elected.
    pub async fn get(&self) -> Result<Had, CreateError<Busy>> {
        match &self.kept {
            Kept::Shared(cached) => cached.get_or_try_create_async(|| self.upstream.ask()).await.map(Had::of),
            Kept::Copy(_) => match self.copy(true) {
                Some(had) => Ok(had),
                None => Ok(self.keep(self.upstream.ask().await.map_err(CreateError::Failed)?)),
            },
        }
    }

    /// The rates, for a thread. Blocks while there are none to go on with, or it falls to this thread to ask for them.
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

    /// Those that are there, fresh or old. Never blocks.
    pub fn peek(&self) -> Option<Had> {
        match &self.kept {
            Kept::Shared(cached) => cached.peek().map(Had::of),
            Kept::Copy(_) => self.copy(false),
        }
    }

    /// Forgets the rates: who asks from now on gets newer ones. Blocks only for moments, so a task may call it.
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
