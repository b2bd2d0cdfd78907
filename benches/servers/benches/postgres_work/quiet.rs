//! A backend whose processes tell each other nothing.

use dogpile_cache::backend::{
    Ask, Backend, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant, Life, Limits, Look, PauseFor,
    Pending, Postgres, Published, Renewed,
};
use dogpile_cache::key::StoredKey;
use std::time::Duration;

/// PostgreSQL without signals: those who wait poll.
pub struct Quiet(pub Postgres);

impl Backend for Quiet {
    fn look<'a>(&'a self, keys: &'a [StoredKey], ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        self.0.look(keys, ask)
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        self.0.claim(key, claim)
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        self.0.renew(key, grant, lease)
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        self.0.publish(key, grant, entry)
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        self.0.end(key, grant, pause)
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        self.0.change(key, change)
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        self.0.count(key, count)
    }

    fn ping(&self) -> Pending<'_, ()> {
        self.0.ping()
    }

    fn address_of(&self, key: &StoredKey) -> Option<String> {
        self.0.address_of(key)
    }

    fn life_of(&self, key: &StoredKey) -> Option<Life> {
        self.0.life_of(key)
    }

    fn is_locked(&self, key: &StoredKey) -> bool {
        self.0.is_locked(key)
    }

    fn limits(&self) -> Limits {
        let mut limits = self.0.limits();
        limits.has_signals = false;
        limits
    }
}
