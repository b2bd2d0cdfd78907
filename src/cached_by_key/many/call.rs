//! One call for many keys, as [`many`](super) describes it.

use super::super::lived::{ByLife, Lived};
use super::super::{AsyncStore, CachedByKey, Store};
use super::Brings;
use crate::access::Age;
use crate::beside::elected::StandsDown;
use crate::clock::Clock;
use crate::creation::{Creation, enter_all};
use crate::dogpile::{Dogpile, Need, Settled, Sight, Stamped};
use crate::election::State;
use crate::error::{AcquireError, CreateError, Either, NotStored, Refusal};
use crate::failure::{Cause, HasCause, Hints};
use crate::freshness::Freshness;
use crate::keeper::Keeper;
use crate::registry::Held;
use crate::running::Doing;
use crate::wait::Wait;
use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Display;
use std::future::ready;
use std::hash::Hash;
use std::marker::PhantomData;
use std::{mem, ptr};

/// The number of times that the store is asked for one key at the most (L8).
const CALLS: u32 = 2;

/// The state in which a key was seen when it was left off, before it was settled.
struct LeftOff {
    seen: State,
    need: Need,
    /// Whether `need` follows from an answer of the store, and not from the lock alone.
    asked: bool,
}

/// One key of the call.
struct One<V> {
    calls: u32,
    left_off: Option<LeftOff>,
    /// A value that the store has brought and that is not fresh.
    old: Option<Lived<V>>,
    got: Got<V>,
}

/// The end of one key.
enum Got<V> {
    NotYet,
    /// The batch has no value for the key.
    Missed,
    Found(Stamped<V>),
}

/// The result of one step of a key.
enum Step<'l, C: Clock> {
    /// The key has come to its end.
    Found,
    Won(Creation<'l, Dogpile<C>>),
    /// Another thread creates, and there is no old value to go on with.
    Waits,
}

impl<V> One<V> {
    fn new() -> Self {
        Self { calls: 0, left_off: None, old: None, got: Got::NotYet }
    }

    fn is_open(&self) -> bool {
        matches!(self.got, Got::NotYet)
    }

    fn value(self) -> Option<Stamped<V>> {
        match self.got {
            Got::Found(stamped) => Some(stamped),
            Got::NotYet | Got::Missed => None,
        }
    }

    fn has(&mut self, lived: Lived<V>) {
        self.got = Got::Found(lived.stamped);
    }
}

/// The store and the batch function of a call, asked by a thread or by a task.
pub(super) trait Means<K, V, O> {
    type Error: Cause;
    type StoreError: Display;

    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, Self::StoreError>>;

    fn set(&self, key: &K, made: &Stamped<V>) -> impl Future<Output = Result<(), Self::StoreError>>;

    fn load(&self, arguments: Vec<O>) -> impl Future<Output = Result<Vec<Option<V>>, Self::Error>>;
}

pub(super) struct ByThread<'m, S, B, Kind>(pub(super) &'m S, pub(super) &'m B, pub(super) PhantomData<fn() -> Kind>);

impl<K, V, O, S, B, R, Kind> Means<K, V, O> for ByThread<'_, S, B, Kind>
where
    S: Store<K, V>,
    B: Fn(Vec<O>) -> R,
    R: Brings<V, Kind>,
{
    type Error = R::Error;
    type StoreError = S::Error;

    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, S::Error>> {
        ready(self.0.get(key))
    }

    fn set(&self, key: &K, made: &Stamped<V>) -> impl Future<Output = Result<(), S::Error>> {
        ready(self.0.set(key, made))
    }

    fn load(&self, arguments: Vec<O>) -> impl Future<Output = Result<Vec<Option<V>>, R::Error>> {
        ready((self.1)(arguments).brought())
    }
}

pub(super) struct ByTask<'m, S, B, Kind>(pub(super) &'m S, pub(super) &'m B, pub(super) PhantomData<fn() -> Kind>);

impl<K, V, O, S, B, Q, R, Kind> Means<K, V, O> for ByTask<'_, S, B, Kind>
where
    S: AsyncStore<K, V>,
    B: Fn(Vec<O>) -> Q,
    Q: Future<Output = R>,
    R: Brings<V, Kind>,
{
    type Error = R::Error;
    type StoreError = S::Error;

    fn get(&self, key: &K) -> impl Future<Output = Result<Option<Stamped<V>>, S::Error>> {
        self.0.get(key)
    }

    fn set(&self, key: &K, made: &Stamped<V>) -> impl Future<Output = Result<(), S::Error>> {
        self.0.set(key, made)
    }

    fn load(&self, arguments: Vec<O>) -> impl Future<Output = Result<Vec<Option<V>>, R::Error>> {
        let loading = (self.1)(arguments);
        async { loading.await.brought() }
    }
}

/// The error of a call.
pub(super) type Error<K, V, O, T> = CreateError<<T as Means<K, V, O>>::Error, <T as Means<K, V, O>>::StoreError>;

/// One call: its function, its means and its keys.
struct Call<'l, 'f, 'a, K, V, Key, F, S, C: Clock, A: ?Sized, T> {
    function: &'f CachedByKey<K, V, Key, F, S, C>,
    means: &'l T,
    /// The locks of the keys.
    locks: &'l [Held<'f, K, Dogpile<C>>],
    /// For each key, the first argument that has it.
    arguments: &'l [&'a A],
}

impl<'l, K, V, Key, F, S, C, A, T> Call<'l, '_, '_, K, V, Key, F, S, C, A, T>
where
    C: Clock,
    A: ToOwned + ?Sized,
    T: Means<K, V, A::Owned>,
{
    fn lock(&self, at: usize) -> &'l Dogpile<C> {
        &self.locks[at]
    }

    async fn ask(&self, at: usize, one: &mut One<V>) -> Result<Option<Lived<V>>, T::StoreError> {
        one.calls += 1;
        Ok(self.function.lifetimes.lived(self.means.get(Held::key(&self.locks[at])).await?))
    }

    /// Looks at a key. Returns the state in which the key is left off, or `None` if its value was found.
    async fn look(
        &self,
        at: usize,
        one: &mut One<V>,
        served: bool,
    ) -> Result<Option<LeftOff>, Error<K, V, A::Owned, T>> {
        let lock = self.lock(at);
        // The election's word is loaded first, and what the lock was told second: `election` says why.
        let seen = lock.election().look();
        let left_off = |need, asked| Ok(Some(LeftOff { seen, need, asked }));
        one.old = None;
        if lock.expiry().told() == Freshness::Missing && !served {
            return left_off(Need::Missing, false);
        }
        if one.calls == CALLS {
            return left_off(Need::Missing, true);
        }
        let Some(got) = self.ask(at, one).await.map_err(CreateError::GetterFailed)? else {
            return left_off(Need::Missing, true);
        };
        let need = match ByLife::judge(lock, &got) {
            // An access that was served has waited for this very value, and accepts it even if it has expired (L3).
            _ if served => None,
            Sight::Fresh => None,
            Sight::Due => Some(Need::Due),
            Sight::Stale => Some(Need::Stale),
            Sight::Missing => return left_off(Need::Missing, true),
        };
        let Some(need) = need else {
            one.has(got);
            return Ok(None);
        };
        one.old = Some(got);
        left_off(need, true)
    }

    /// Takes up a key where it was left off. With `at_once`, the time of `wait` is out at once, and a key that would
    /// have to wait is left off once more.
    async fn step(
        &self,
        at: usize,
        one: &mut One<V>,
        wait: &Wait,
        at_once: bool,
    ) -> Result<Step<'l, C>, Error<K, V, A::Owned, T>> {
        let lock = self.lock(at);
        let mut served = false;
        loop {
            let left_off = match one.left_off.take() {
                Some(left_off) => left_off,
                None => match self.look(at, one, served).await? {
                    Some(left_off) => left_off,
                    None => return Ok(Step::Found),
                },
            };
            served = false;
            let LeftOff { seen, need, asked } = left_off;
            // What was seen holds until the generation moves. Whether a creation runs may have changed meanwhile.
            let now = lock.election().look();
            let still = now.generation().is_still(seen.generation());
            let settled = if still { lock.settle(now, need, wait).await } else { Ok(Settled::Moved) };
            match settled {
                Err(Refusal(AcquireError::TimedOut)) if at_once => {
                    one.left_off = Some(left_off);
                    return Ok(Step::Waits);
                }
                Err(refusal) => return Err(refusal.into()),
                Ok(Settled::Elected { born, waited }) => {
                    let mut creation = Creation::new(Keeper::Borrowed(lock), born);
                    // The old value is not kept during the creation. Its drop is the user's code: if that panics, the
                    // creation is given up.
                    drop(one.old.take());
                    if waited && asked && one.calls < CALLS && born.generation.is_still(seen.generation()) {
                        // Nothing was created through this lock meanwhile, but other processes may have stored a value.
                        let asking = StandsDown::new(creation);
                        let found = asking.creation().enter_async(|| self.ask(at, one)).await;
                        match found.map_err(CreateError::GetterFailed)? {
                            Some(got) if ByLife::judge(lock, &got) == Sight::Fresh => {
                                one.has(got);
                                return Ok(Step::Found);
                            }
                            found => drop(found),
                        }
                        creation = asking.goes_on();
                        if creation.is_dead() {
                            // The store took so long that another thread was elected, which now creates.
                            continue;
                        }
                    }
                    return Ok(Step::Won(creation));
                }
                Ok(Settled::Served) => served = true,
                Ok(Settled::LookAgain) => {}
                // Another thread creates: an old value is good enough.
                Ok(Settled::CarryOn) => {
                    if let Some(old) = one.old.take() {
                        lock.goes_on(need);
                        one.has(old);
                        return Ok(Step::Found);
                    }
                }
                // Another thread has created since this key was seen. The store is asked once more; if it may not be
                // asked again, an old value is good enough.
                Ok(Settled::Moved) => {
                    if let Some(old) = one.old.take_if(|_| one.calls == CALLS) {
                        lock.goes_on(need);
                        one.has(old);
                        return Ok(Step::Found);
                    }
                    served = need == Need::Missing && lock.expiry().told() != Freshness::Missing;
                }
            }
        }
    }

    /// Makes the keys that were won, by one batch, and stores them.
    async fn make(
        &self,
        ones: &mut [One<V>],
        won: Vec<(usize, Creation<'l, Dogpile<C>>)>,
    ) -> Result<(), Error<K, V, A::Owned, T>> {
        let (keys, mut creations): (Vec<_>, Vec<_>) = won.into_iter().unzip();
        let arguments = keys.iter().map(|at| self.arguments[*at].to_owned()).collect();
        let made = enter_all(&creations, || self.means.load(arguments)).await.map_err(CreateError::Failed);
        let made = made.and_then(|made| match (keys.len(), made.len()) {
            (asked, given) if asked != given => Err(CreateError::WrongCount { asked, given }),
            _ => Ok(made),
        });
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                while let Some(mut creation) = creations.pop() {
                    match &error {
                        CreateError::Failed(error) => creation.fail_with(error),
                        error => creation.fail_with(&error.to_string()),
                    }
                }
                let hints = if let CreateError::Failed(error) = &error { error.hints() } else { Hints::default() };
                return self.go_on_after(ones, &keys, error, hints).await;
            }
        };
        let mut failed = Vec::new();
        // From the last to the first: the creation to end is always the last of those that have not ended yet.
        for (at, made) in keys.into_iter().zip(made).rev() {
            let Some(made) = made else {
                drop(creations.pop());
                ones[at].got = Got::Missed;
                continue;
            };
            let stored = enter_all(&creations, || self.store(at, made, creations.last())).await;
            let creation = creations.pop().expect("there is one for each");
            match creation.end_as(stored) {
                Ok(lived) => ones[at].has(lived),
                Err(error) => failed.push((at, error)),
            }
        }
        for (at, error) in failed {
            let error = match error {
                Either::Function(never) => match never {},
                Either::Store(NotStored(error)) => CreateError::SetterFailed(error),
            };
            self.go_on_after(ones, &[at], error, Hints::default()).await?;
        }
        Ok(())
    }

    async fn store(
        &self,
        at: usize,
        made: V,
        creation: Option<&Creation<'l, Dogpile<C>>>,
    ) -> Result<Lived<V>, Either<Infallible, T::StoreError>> {
        let lived = ByLife::value(self.lock(at), self.function.lifetimes.derived(made));
        if let Some((creation, _store)) = creation.and_then(|creation| Some((creation, creation.begin_store().ok()?))) {
            let key = Held::key(&self.locks[at]);
            let storing = creation.middle().part(Doing::Storing, || self.means.set(key, &lived.stamped));
            storing.await.map_err(Either::not_stored)?;
        }
        Ok(lived)
    }

    /// Goes on with the old values of keys that could not be made, if the policy says so. Fails otherwise.
    async fn go_on_after(
        &self,
        ones: &mut [One<V>],
        keys: &[usize],
        error: Error<K, V, A::Owned, T>,
        hints: Hints,
    ) -> Result<(), Error<K, V, A::Owned, T>> {
        for at in keys {
            let (lock, one) = (self.lock(*at), &mut ones[*at]);
            if hints.uncovered || one.calls == CALLS || !<ByLife as Age<Lived<V>>>::may_cover(lock) {
                return Err(error);
            }
            // If the store fails as well, the first error is the one to return.
            let Ok(Some(old)) = self.ask(*at, one).await else { return Err(error) };
            if !ByLife::covers(lock, &old) {
                return Err(error);
            }
            if !matches!(ByLife::judge(lock, &old), Sight::Fresh | Sight::Due) {
                lock.tell_stale();
            }
            one.has(old);
        }
        Ok(())
    }

    /// Makes the call that [`many`](super) describes, and returns the value of each key.
    async fn run(&self, wait: &Wait) -> Result<Vec<Option<Stamped<V>>>, Error<K, V, A::Owned, T>> {
        let mut ones: Vec<_> = self.locks.iter().map(|_| One::new()).collect();
        for (at, one) in ones.iter_mut().enumerate() {
            one.left_off = self.look(at, one, false).await?;
        }
        let (at_once, mut won) = (wait.at_once(), Vec::new());
        loop {
            let (mut refused, already) = (None, won.first().map(|(at, _)| *at));
            for (at, one) in ones.iter_mut().enumerate() {
                if !one.is_open() || already == Some(at) {
                    continue;
                }
                match self.step(at, one, &at_once, true).await {
                    Ok(Step::Found | Step::Waits) => {}
                    Ok(Step::Won(creation)) => won.push((at, creation)),
                    Err(error @ CreateError::Paused { .. }) => refused = refused.or(Some(error)),
                    Err(error) => return Err(error),
                }
            }
            if !won.is_empty() {
                self.make(&mut ones, mem::take(&mut won)).await?;
            }
            if let Some(error) = refused {
                return Err(error);
            }
            for (at, one) in ones.iter_mut().enumerate().filter(|(_, one)| one.is_open()) {
                if let Step::Won(creation) = self.step(at, one, wait, false).await? {
                    won.push((at, creation));
                    break;
                }
            }
            if won.is_empty() {
                return Ok(ones.into_iter().map(One::value).collect());
            }
        }
    }
}

impl<K: Hash + Eq + Clone, V: Clone, Key, F, S, C: Clock + Clone> CachedByKey<K, V, Key, F, S, C> {
    /// Makes a call, and returns its results in the order of its arguments.
    pub(super) async fn get_many<A, T>(
        &self,
        all: &[&A],
        means: &T,
        wait: &Wait,
    ) -> Result<Vec<Option<Stamped<V>>>, Error<K, V, A::Owned, T>>
    where
        A: ToOwned + ?Sized,
        Key: Fn(&A) -> K,
        T: Means<K, V, A::Owned>,
    {
        let (mut locks, mut arguments, mut by_lock) = (Vec::new(), Vec::new(), HashMap::new());
        let mut which = Vec::with_capacity(all.len());
        for one in all {
            let lock = self.lock(&(self.key)(one));
            // As long as the lock of a key is held, each look-up of the key finds that lock, at the same address.
            let at = *by_lock.entry(ptr::from_ref(&*lock).addr()).or_insert(locks.len());
            if at == locks.len() {
                locks.push(lock);
                arguments.push(*one);
            }
            which.push(at);
        }
        let call = Call { function: self, means, locks: &locks, arguments: &arguments };
        let mut got = call.run(wait).await?;
        // A result is cloned for each argument but the last one that has its key.
        let mut left = vec![0_usize; got.len()];
        for at in &which {
            left[*at] += 1;
        }
        let in_order = which.into_iter().map(|at| {
            left[at] -= 1;
            if left[at] == 0 { got[at].take() } else { got[at].clone() }
        });
        Ok(in_order.collect())
    }
}
