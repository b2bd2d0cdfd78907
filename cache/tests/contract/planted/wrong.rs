//! A backend with a fault: the memory backend, asked for something else than it was asked for, or answering something
//! else than it has answered.

use super::Fault;
use super::signals::Common;
use bytes::Bytes;
use dogpile::Clock;
use dogpile_cache::backend::{
    Ask, Backend, BackendError, BackendErrorKind, Change, Changed, Claim, Claimed, Count, Counted, Ended, Entry, Grant,
    Life, Limits, Listeners, Look, Over, PauseFor, Pending, Published, Renewed, Rest, Seen, Signals, Token,
};
use dogpile_cache::codec::{Format, Shape};
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

pub type Result<T> = std::result::Result<T, BackendError>;

pub struct Wrong {
    pub memory: Arc<Memory>,
    pub fault: Fault,
    /// Those of the memory hear what a fault does to it. These hear what is wrong.
    pub listeners: Listeners,
    pub common: Arc<Common>,
    known: Mutex<Known>,
}

type Memory = dogpile_cache::backend::Memory<Arc<dyn Clock>>;

/// What a fault remembers.
#[derive(Default)]
pub struct Known {
    /// The last pause of each place.
    pub pauses: HashMap<String, PauseFor>,
    /// The voided grants over a pause.
    pub beneath: HashSet<Token>,
    /// A pause that begins later, and whether an operation has come since.
    pub later: Option<(StoredKey, PauseFor, bool)>,
    pub counters: HashMap<String, u64>,
    pub lifetimes: HashMap<String, Option<Duration>>,
    /// The ends of leases, by the time of day.
    pub leases: HashMap<Token, u64>,
    pub unmarked: HashSet<Seen>,
    /// The states that marks have made of others.
    pub marks: HashMap<Seen, Seen>,
    pub marked: HashSet<String>,
    pub invalidated: HashMap<String, (Bytes, u64)>,
    pub granted: Option<StoredKey>,
    /// The keys that have had an entry at the operation before.
    pub there: HashSet<String>,
    /// The number of the grant that stands for an earlier one of the same token.
    pub again: HashMap<Token, u64>,
    /// The number of the last grant of each token.
    pub numbers: HashMap<Token, u64>,
    pub first_life: Option<Life>,
    pub first_now: Option<u64>,
    /// The life, the newest state then and now, and what is taken from states that are newer.
    pub states: HashMap<String, States>,
}

#[derive(Clone, Copy)]
pub struct States {
    pub life: Life,
    pub newest: u64,
    pub began: u64,
    pub less: u64,
}

pub fn number(seen: &Seen) -> u64 {
    seen.state().map_or(0, |state| u64::from_be_bytes(state.try_into().unwrap_or_default()))
}

pub fn named(state: u64) -> Seen {
    if state == 0 { Seen::NOTHING } else { Seen::entry(state.to_be_bytes().to_vec()) }
}

/// The moment between two steps that should be one: another thread may come.
pub fn two_steps() {
    thread::yield_now();
}

impl Wrong {
    pub fn new(memory: Arc<Memory>, fault: Fault) -> Wrong {
        Wrong { memory, fault, listeners: Listeners::new(), common: Arc::default(), known: Mutex::default() }
    }

    pub fn has(&self, fault: Fault) -> bool {
        self.fault == fault
    }

    pub fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap()
    }

    /// What is there really.
    pub async fn there(&self, key: &StoredKey) -> Result<Look> {
        Ok(self.memory.look(std::slice::from_ref(key), None).await?.remove(0))
    }

    /// The token that holds the place, if its grant was not voided.
    pub async fn holder(&self, key: &StoredKey) -> Result<Option<Token>> {
        Ok(match self.there(key).await?.rest {
            Some(Rest::Held(by)) if !by.is_void => Some(by.token),
            _ => None,
        })
    }

    /// Gives the place to a token again.
    pub async fn grant_again(&self, key: &StoredKey, token: Token) -> Result<Grant> {
        let lease = Duration::from_secs(10);
        let mut claim = Claim::new(token, lease);
        (claim.over, claim.through_pause) = (Over::Anyone, true);
        match self.memory.claim(key, claim).await? {
            Claimed::Granted { grant, .. } => {
                self.known().again.insert(token, grant.cas);
                Ok(grant)
            }
            other => panic!("not granted: {other:?}"),
        }
    }

    /// Begins the last pause of a place again, beneath the grant.
    pub async fn pause_again(&self, key: &StoredKey) -> Result<()> {
        let pause = self.known().pauses.get(key.place()).copied();
        if let Some(pause) = pause {
            let holder = self.holder(key).await?;
            let grant = self.grant_again(key, Token::random()).await?;
            self.memory.end(key, &grant, Some(pause)).await?;
            if let Some(holder) = holder {
                self.grant_again(key, holder).await?;
            }
        }
        Ok(())
    }

    pub async fn set(&self, key: &StoredKey, entry: Entry) -> Result<Changed> {
        self.memory.change(key, Change::Set { entry, void_pause: Duration::ZERO }).await
    }

    /// The key as the backend takes it.
    fn key(&self, key: &StoredKey) -> StoredKey {
        if self.has(Fault::ShapesAreOne) {
            return key.in_shape(Shape { schema: 1, format: Format::RAW });
        }
        if self.has(Fault::KeysAreCut) {
            let cut: String = key.place().replace("%0D", "").replace("%0A", "").replace("%20", "");
            return StoredKey::new(&Namespace::new("cut").unwrap(), &cut, key.shape(), KeyLimit::NONE);
        }
        key.clone()
    }

    /// The grant as the backend knows it.
    fn grant(&self, grant: &Grant) -> Grant {
        let life = if self.has(Fault::LivesAreOne) { self.memory.life() } else { grant.life };
        let again = self.known().again.get(&grant.token).copied().filter(|_| grant.cas != 0);
        Grant { life, cas: again.unwrap_or(grant.cas), ..*grant }
    }

    /// What is done before each operation.
    async fn before(&self, key: &StoredKey) -> Result<()> {
        if self.has(Fault::APauseIsSetLater) {
            let later = self.known().later.take();
            match later {
                Some((key, pause, true)) => {
                    let grant = self.grant_again(&key, Token::random()).await?;
                    self.memory.end(&key, &grant, Some(pause)).await?;
                }
                later => self.known().later = later.map(|(key, pause, _)| (key, pause, true)),
            }
        }
        if self.has(Fault::TheRestEndsWithItsEntry) {
            let is_there = self.there(key).await?.entry.is_some();
            let mut known = self.known();
            if is_there {
                known.there.insert(key.full().to_owned());
            } else if known.there.remove(key.full()) {
                self.memory.lose_rest(key);
            }
        }
        if self.has(Fault::StatesBeginAnew) {
            let look = self.there(key).await?;
            let (life, now) = (look.life, number(&look.seen));
            let mut known = self.known();
            let states =
                known.states.entry(key.full().to_owned()).or_insert(States { life, newest: 0, began: 0, less: 0 });
            if states.life != life {
                (states.life, states.began) = (life, states.newest);
                states.less = states.newest - now.min(states.newest);
            }
            states.newest = states.newest.max(now);
        }
        Ok(())
    }

    fn after<T>(&self, key: &StoredKey, done: Result<T>) -> Result<T> {
        match done {
            Err(error) if error.kind() == BackendErrorKind::TooLarge && self.has(Fault::WhatIsTooLargeDeletes) => {
                self.memory.lose_entry(key);
                Err(error)
            }
            Err(error)
                if error.kind() == BackendErrorKind::Refused && self.has(Fault::KeysThatAreTooLongAreInDoubt) =>
            {
                Err(BackendError::new(BackendErrorKind::InDoubt))
            }
            done => done,
        }
    }
}

impl Backend for Wrong {
    fn look<'a>(&'a self, keys: &'a [StoredKey], _ask: Option<Ask>) -> Pending<'a, Vec<Look>> {
        Box::pin(async move {
            let mut looks = Vec::new();
            for key in keys {
                let key = self.key(key);
                let look = async {
                    self.before(&key).await?;
                    self.look_wrong(&key).await
                };
                looks.push(self.after(&key, look.await)?);
                self.looked(&key);
            }
            if self.has(Fault::LooksAreInTheWrongOrder) {
                looks.reverse();
            }
            if self.has(Fault::LooksOfOneKeyAreOne) {
                let mut seen = HashSet::new();
                let firsts = looks.into_iter().zip(keys).filter(|(_, key)| seen.insert(key.full()));
                looks = firsts.map(|(look, _)| look).collect();
            }
            Ok(looks)
        })
    }

    fn claim<'a>(&'a self, key: &'a StoredKey, claim: Claim) -> Pending<'a, Claimed> {
        Box::pin(async move {
            let key = self.key(key);
            let done = async {
                self.before(&key).await?;
                let mut claim = claim;
                claim.seen = claim.seen.map(|seen| self.known_as(&key, seen));
                let claimed = self.claim_wrong(&key, claim).await?;
                Ok(match claimed {
                    Claimed::Changed(look) => Claimed::Changed(self.told(&key, look)),
                    Claimed::Granted { grant, failures } => {
                        let life = self.told_life(grant.life);
                        Claimed::Granted { grant: Grant { life, ..grant }, failures }
                    }
                    other => other,
                })
            };
            self.after(&key, done.await)
        })
    }

    fn renew<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, lease: Duration) -> Pending<'a, Renewed> {
        Box::pin(async move {
            let key = self.key(key);
            self.before(&key).await?;
            Ok(match self.renew_wrong(&key, self.grant(grant), lease).await? {
                Renewed::Yes(grant) => Renewed::Yes(Grant { life: self.told_life(grant.life), ..grant }),
                lost @ Renewed::Lost(_) => lost,
            })
        })
    }

    fn publish<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, entry: Entry) -> Pending<'a, Published> {
        Box::pin(async move {
            let key = self.key(key);
            let done = async {
                self.before(&key).await?;
                let entry = self.lifetime_wrong(&key, entry);
                self.publish_wrong(&key, self.grant(grant), entry).await
            };
            let published = self.after(&key, done.await)?;
            self.tell_of_a_publication(&key, published);
            Ok(published)
        })
    }

    fn end<'a>(&'a self, key: &'a StoredKey, grant: &'a Grant, pause: Option<PauseFor>) -> Pending<'a, Ended> {
        Box::pin(async move {
            let key = self.key(key);
            self.before(&key).await?;
            let ended = self.end_wrong(&key, self.grant(grant), pause).await?;
            self.tell_of_an_end(&key, ended, pause.is_some());
            Ok(ended)
        })
    }

    fn change<'a>(&'a self, key: &'a StoredKey, change: Change) -> Pending<'a, Changed> {
        Box::pin(async move {
            let key = self.key(key);
            let (muted_by, signal) = self.signal_of(&change);
            let done = async {
                self.before(&key).await?;
                let change = match change {
                    Change::Set { entry, void_pause } => {
                        Change::Set { entry: self.lifetime_wrong(&key, entry), void_pause }
                    }
                    Change::SetIf { entry, seen, void_pause } => {
                        let (entry, seen) = (self.lifetime_wrong(&key, entry), self.known_as(&key, seen));
                        Change::SetIf { entry, seen, void_pause }
                    }
                    Change::Touch { entry, seen } => {
                        let (entry, seen) = (self.lifetime_wrong(&key, entry), self.known_as(&key, seen));
                        Change::Touch { entry, seen }
                    }
                    other => other,
                };
                Ok(match self.change_wrong(&key, change).await? {
                    Changed::Refused(look) => Changed::Refused(self.told(&key, look)),
                    done @ Changed::Yes { .. } => done,
                })
            };
            let changed = self.after(&key, done.await)?;
            if matches!(changed, Changed::Yes { .. }) || self.has(Fault::WhatIsRefusedIsSignalled) {
                self.tell(&key, muted_by, signal);
            }
            Ok(changed)
        })
    }

    fn count<'a>(&'a self, key: &'a StoredKey, count: Count) -> Pending<'a, Counted> {
        Box::pin(async move {
            let done = self.count_wrong(&self.key(key), count).await;
            self.after(key, done)
        })
    }

    fn listen<'a>(&'a self, key: &'a StoredKey) -> Option<Pending<'a, Signals>> {
        let has_signals = self.limits().has_signals;
        has_signals.then(|| Box::pin(async move { Ok(self.listen_wrong(&self.key(key))) }) as Pending<'a, Signals>)
    }

    fn ping(&self) -> Pending<'_, ()> {
        Box::pin(async {
            if self.has(Fault::PingFails) { Err(BackendError::new(BackendErrorKind::Unreachable)) } else { Ok(()) }
        })
    }

    fn limits(&self) -> Limits {
        self.memory.limits()
    }
}
