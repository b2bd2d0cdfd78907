//! A backend of two servers, each of which is behind a probe of its own.

use crate::kit::Ground;
use crate::probe::{Fate, Probe};
use dogpile_cache::backend::{
    Ask, Backend, BackendError, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, Limits, Look,
    PauseFor, Pending, Published, Renewed,
};
use dogpile_cache::key::StoredKey;
use dogpile_cache::observer::Operation;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// Two servers: one has the even numbers, the other one has the odd numbers. A look at keys of both is all or nothing.
pub struct Split {
    pub even: Probe,
    pub odd: Probe,
    /// Whether the numbers of the servers are known. The first operation learns them.
    knows: AtomicBool,
    /// Numbers for servers that never have the same one.
    numbers: Option<AtomicU64>,
}

impl Split {
    pub fn new(ground: &Ground) -> Arc<Split> {
        Split::with(ground, None)
    }

    /// Servers that have another number each time.
    pub fn never_the_same(ground: &Ground) -> Arc<Split> {
        Split::with(ground, Some(AtomicU64::new(0)))
    }

    fn with(ground: &Ground, numbers: Option<AtomicU64>) -> Arc<Split> {
        let probe = || Probe::new(Arc::clone(&ground.memory));
        Arc::new(Split { even: probe(), odd: probe(), knows: AtomicBool::new(true), numbers })
    }

    /// The backend forgets which server has which key, until the next operation.
    pub fn forget(&self) {
        self.knows.store(false, Ordering::Relaxed);
    }

    /// The server of the even numbers meets a fate, whatever it is asked.
    pub fn even_is(&self, fate: Fate) {
        self.even.set_all(fate);
    }

    /// How often the two servers were asked for that.
    pub fn asked(&self, operation: Operation) -> [u64; 2] {
        [self.even.count(operation), self.odd.count(operation)]
    }

    fn is_even(key: &StoredKey) -> bool {
        let (_, number) = key.place().split_once(':').unwrap();
        number.parse::<u64>().unwrap().is_multiple_of(2)
    }

    fn server(&self, key: &StoredKey) -> &Probe {
        self.knows.store(true, Ordering::Relaxed);
        if Split::is_even(key) { &self.even } else { &self.odd }
    }

    async fn look_at_all(&self, keys: &[StoredKey], ask: Option<Ask>) -> Result<Vec<Look>, BackendError> {
        let mut looks: Vec<Option<Look>> = vec![None; keys.len()];
        for server in [&self.even, &self.odd] {
            let (at, part): (Vec<_>, Vec<_>) = keys
                .iter()
                .enumerate()
                .filter(|(_, key)| std::ptr::eq(self.server(key), server))
                .map(|(at, key)| (at, key.clone()))
                .unzip();
            if !part.is_empty() {
                let found = server.look(&part, ask).await?;
                at.into_iter().zip(found).for_each(|(at, look)| looks[at] = Some(look));
            }
        }
        Ok(looks.into_iter().flatten().collect())
    }
}

impl Backend for Split {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        Box::pin(self.look_at_all(keys, ask))
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        self.server(key).claim(key, claim)
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        self.server(key).renew(key, grant, lease)
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        self.server(key).publish(key, grant, entry)
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        self.server(key).end(key, grant, pause)
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        self.server(key).change(key, change)
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        Backend::count(self.server(key), key, count)
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async {
            self.even.ping().await?;
            self.odd.ping().await
        })
    }

    fn server_of(&self, key: &StoredKey) -> u64 {
        if let Some(numbers) = &self.numbers {
            return numbers.fetch_add(1, Ordering::Relaxed);
        }
        match (self.knows.load(Ordering::Relaxed), Split::is_even(key)) {
            (false, _) => 0,
            (true, true) => 2,
            (true, false) => 1,
        }
    }

    fn limits(&self) -> Limits {
        self.even.limits()
    }
}
