//! One access of the getter modes, as far as its creator.
//!
//! 1. It looks at the lock. Missing: it settles its turn without asking the getter, since what a store may still hold
//!    was invalidated, or was never known here. Stale, and nobody creates: likewise, and most often it is elected.
//! 2. Otherwise it asks the getter. A value is what it came for. `NeedRegeneration` makes the value missing for this
//!    access, whatever the lock thinks of it: it settles its turn.
//! 3. The turn holds only in the generation that stood before the getter was called. If a creation has finished since,
//!    the value that the getter missed may be there by now: back to 1. So those who found it gone together do not
//!    create one after the other: one does, and the others ask again.
//! 4. Elected: it creates. If it came by 2 and then queued, it asks once more first, unless it has asked twice or the
//!    generation has moved: the store is not ours alone. If it finds the value there, or the getter fails, there is
//!    nothing to create, and it lets all who wait ask again, at once.
//!    Served: it asks once more.
//!
//! The getter is called twice at most (L8): whoever has asked twice, and found nothing at last, waits until it is
//! elected, and creates. Nobody calls it after having created a value; whose creator has failed may ask for the old
//! one, if that is to be [served](crate::OnError::ServeStale) and a call is left.
//!
//! An access that ends in `_in_background`, and was elected at 1 with a stale value, asks the getter for that before it
//! hands the creation over. If there is none, it creates by itself; if the getter fails, nobody does, and all who wait
//! ask again.

use super::Dogpile;
use super::access::{Need, Settled};
use super::aging::Sight;
use crate::clock::Clock;
use crate::creation::Creation;
use crate::election::{Birth, State};
use crate::error::{CreateError, GetError};
use crate::keeper::{Keep, Keeper};
use crate::lock::Lock;
use crate::runner::Runner;
use crate::wait::{Patience, Wait, apart, block_on};
use std::fmt::Display;
use std::future::ready;
use std::ops::Deref;

/// How often one access calls its getter at the most (L8).
const CALLS: u32 = 2;

/// What the lock says before the getter is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// What is needed.
    Need(Need),
    /// Nothing: ask the getter.
    Ask,
    /// Nothing either: ask the getter; but what it brings has expired, and somebody else creates, or nobody is to.
    AskForOld,
}

/// A getter, and how to read what its future brings.
pub(crate) struct Getter<A, R> {
    pub(crate) ask: A,
    pub(crate) read: R,
}

impl<F: Future, A: FnMut() -> F, R> Getter<A, R> {
    fn get<T, E, G>(&mut self) -> impl Future<Output = Result<Option<T>, CreateError<E, G>>>
    where
        R: Fn(F::Output) -> Result<Option<T>, CreateError<E, G>>,
    {
        async move { (self.read)((self.ask)().await) }
    }
}

/// What the modes differ in. Both are asked after the word was read.
pub(crate) trait Judge<T> {
    /// What is needed, if the lock knows without the getter.
    fn known(&self, seen: State) -> Known;

    /// What to think of the getter's value.
    fn judge(&self, value: &T) -> Sight;
}

/// Getter mode: the lock alone knows how old the value is.
pub(crate) struct ByLock<'a, C: Clock>(pub(crate) &'a Dogpile<C>);

impl<T, C: Clock> Judge<T> for ByLock<'_, C> {
    fn known(&self, seen: State) -> Known {
        match self.0.look() {
            Sight::Fresh => Known::Ask,
            Sight::Missing => Known::Need(Need::Missing),
            Sight::Due if self.0.is_closed_now(seen) => Known::Ask,
            Sight::Stale if self.0.is_closed_now(seen) => Known::AskForOld,
            Sight::Due => Known::Need(Need::Due),
            Sight::Stale => Known::Need(Need::Stale),
        }
    }

    fn judge(&self, _: &T) -> Sight {
        Sight::Fresh
    }
}

/// A value in a guard is judged as the value is.
pub(crate) struct Guarded<J>(pub(crate) J);

impl<T, W: Deref<Target = T>, J: Judge<T>> Judge<W> for Guarded<J> {
    fn known(&self, seen: State) -> Known {
        self.0.known(seen)
    }

    fn judge(&self, guard: &W) -> Sight {
        self.0.judge(guard)
    }
}

/// How a look-up came out.
pub(crate) enum Fetched<'a, T, L: Lock> {
    Value(T),
    Create(ToCreate<'a, T, L>),
}

/// A creation that a look-up has come to.
pub(crate) struct ToCreate<'a, T, L: Lock> {
    pub(crate) creation: Creation<'a, L>,
    /// How often the getter was called.
    pub(crate) calls: u32,
    pub(crate) need: Need,
    /// The old value, if the getter was asked and brought it.
    old: Option<T>,
}

impl<'a, T, L: Lock> ToCreate<'a, T, L> {
    /// For an access that creates here and now, and keeps nothing meanwhile.
    pub(crate) fn here(self) -> (Creation<'a, L>, u32) {
        let Self { creation, calls, old, .. } = self;
        // Its drop is the user's: what is being returned would be leaked if it panicked.
        drop(old);
        (creation, calls)
    }
}

/// How a look-up came out that need not create on its own thread.
pub(crate) enum Spared<T, L: Lock + 'static> {
    Value(T),
    /// To be handed over; and this is the value to go on with.
    HandOver(Creation<'static, L>, Need, T),
    Create(Creation<'static, L>, u32),
}

/// What a getter had to say to who was elected.
enum Asked<'a, T, L: Lock> {
    Found(T),
    GoesOn(Creation<'a, L>),
}

/// A creation that is not to run unless it [goes on](Self::goes_on).
struct StandsDown<'a, L: Lock>(Option<Creation<'a, L>>);

impl<'a, L: Lock> StandsDown<'a, L> {
    fn creation(&self) -> &Creation<'a, L> {
        self.0.as_ref().expect("it is there until it goes on")
    }

    /// Asks the getter once more. If that fails or panics, those who wait behind find out for themselves, all at once,
    /// not each after the other.
    async fn ask<T, E, G, F: Future>(
        self,
        judge: &impl Judge<T>,
        getter: &mut Getter<impl FnMut() -> F, impl Fn(F::Output) -> Result<Option<T>, CreateError<E, G>>>,
    ) -> Result<Asked<'a, T, L>, CreateError<E, G>> {
        match self.creation().enter_async(|| getter.get()).await? {
            Some(value) if judge.judge(&value) == Sight::Fresh => Ok(Asked::Found(value)),
            found => {
                // Its drop is the user's, and comes before anything is returned: what is being returned would be leaked
                // if it panicked.
                drop(found);
                Ok(Asked::GoesOn(self.goes_on()))
            }
        }
    }

    fn goes_on(mut self) -> Creation<'a, L> {
        self.0.take().expect("it goes on once")
    }
}

impl<L: Lock> Drop for StandsDown<'_, L> {
    fn drop(&mut self) {
        if let Some(creation) = self.0.take() {
            creation.stand_down();
        }
    }
}

/// What a getter brought, if anything.
pub(crate) fn found<T, E, G>(got: Result<T, impl Into<GetError<G>>>) -> Result<Option<T>, CreateError<E, G>> {
    match got.map_err(Into::into) {
        Ok(value) => Ok(Some(value)),
        Err(GetError::NeedRegeneration) => Ok(None),
        Err(GetError::Failed(error)) => Err(CreateError::GetterFailed(error)),
    }
}

impl<C: Clock> Dogpile<C> {
    /// The access described in the [module docs](self). `run` runs a creation to its end.
    pub(super) fn fetch_or_create<'a, T, E, G, N: Into<GetError<G>>, F, R>(
        &'a self,
        wait: &Wait,
        judge: impl Judge<T>,
        ask: impl FnMut() -> F,
        run: impl FnOnce(Creation<'a, Self>) -> R,
    ) -> impl Future<Output = Result<T, CreateError<E, G>>>
    where
        F: Future<Output = Result<T, N>>,
        R: Future<Output = Result<T, E>>,
    {
        async move {
            let mut getter = Getter { ask, read: found };
            let elected = |born| Creation::new(Keeper::Borrowed(self), born);
            let (creation, calls) = match self.fetch(0, wait, &judge, &mut getter, elected).await? {
                Fetched::Value(value) => return Ok(value),
                Fetched::Create(create) => create.here(),
            };
            match run(creation).await {
                Ok(value) => Ok(value),
                Err(error) => self.fetch_old(calls, &judge, &mut getter).await.ok_or(CreateError::Failed(error)),
            }
        }
    }

    /// As [`fetch_or_create`](Self::fetch_or_create), by a creator that a runner may be given.
    pub(super) fn fetch_or_hand_over<'a, T, E: Display, G, N: Into<GetError<G>>>(
        kept: impl Keep<'a, Self>,
        runner: &(impl Runner + ?Sized),
        patience: Patience,
        judge: &impl Judge<T>,
        mut getter: impl FnMut() -> Result<T, N>,
        creator: impl FnOnce(&Creation<'static, Self>) -> Result<T, E> + Send + 'static,
    ) -> Result<T, CreateError<E, G>>
    where
        C: 'static,
    {
        let (lock, wait) = (kept.kept(), &Wait::new(patience));
        let mut getter = Getter { ask: || ready(getter()), read: found };
        let elected = |born| Creation::new(kept.keeper(), born);
        match block_on(lock.fetch_sparing(wait, judge, &mut getter, elected))? {
            Spared::Value(value) => Ok(value),
            Spared::HandOver(creation, need, old) => {
                creation.run_fallible_in_background(runner, creator);
                lock.goes_on(need);
                Ok(old)
            }
            Spared::Create(creation, calls) => creation.run_fallible(creator).or_else(|error| {
                let old = block_on(lock.fetch_old(calls, judge, &mut getter));
                old.ok_or(CreateError::Failed(error))
            }),
        }
    }

    /// As [`fetch`](Self::fetch), for an access that would rather go on with the old value than create.
    pub(crate) fn fetch_sparing<L: Lock + 'static, T, E, G, F: Future>(
        &self,
        wait: &Wait,
        judge: &impl Judge<T>,
        getter: &mut Getter<impl FnMut() -> F, impl Fn(F::Output) -> Result<Option<T>, CreateError<E, G>>>,
        elected: impl Fn(Birth) -> Creation<'static, L>,
    ) -> impl Future<Output = Result<Spared<T, L>, CreateError<E, G>>> {
        async move {
            let mut calls = 0;
            loop {
                let create = match self.fetch(calls, wait, judge, getter, &elected).await? {
                    Fetched::Value(value) => return Ok(Spared::Value(value)),
                    Fetched::Create(create) => create,
                };
                let (mut creation, need, mut old) = (create.creation, create.need, create.old);
                calls = create.calls;
                if old.is_none() && need != Need::Missing && calls < CALLS {
                    // What the lock alone could say, it has said without the getter.
                    calls += 1;
                    let asking = StandsDown(Some(creation));
                    let got = asking.creation().enter_async(|| getter.get()).await?;
                    old = got.filter(|old| judge.judge(old) != Sight::Missing);
                    creation = asking.goes_on();
                }
                match old {
                    Some(old) if creation.is_dead() => {
                        self.goes_on(need);
                        return Ok(Spared::Value(old));
                    }
                    Some(old) => return Ok(Spared::HandOver(creation, need, old)),
                    // If the getter took so long that another was elected, it is the other's to create.
                    None if creation.is_dead() => {}
                    None => return Ok(Spared::Create(creation, calls)),
                }
            }
        }
    }

    /// The old value, for an access whose creator has failed: if it is to have one, and the getter still has a call to
    /// bring it by.
    pub(crate) fn fetch_old<T, E, G, F: Future>(
        &self,
        calls: u32,
        judge: &impl Judge<T>,
        getter: &mut Getter<impl FnMut() -> F, impl Fn(F::Output) -> Result<Option<T>, CreateError<E, G>>>,
    ) -> impl Future<Output = Option<T>> {
        async move {
            if !self.serves_stale() || calls == CALLS {
                return None;
            }
            let known = judge.known(self.election.look());
            if known == Known::Need(Need::Missing) {
                return None;
            }
            // What comes first is the creator's error: a getter that fails as well has nothing to add to it.
            let old = getter.get().await.ok().flatten()?;
            let sight = judge.judge(&old);
            self.tell_of(known, sight);
            (sight != Sight::Missing).then_some(old)
        }
    }

    /// Tells of a value that an access goes on with, if it is a stale one.
    pub(crate) fn tell_of(&self, known: Known, sight: Sight) {
        let known_stale = matches!(known, Known::AskForOld | Known::Need(Need::Stale));
        if sight == Sight::Stale || (known_stale && sight != Sight::Missing) {
            self.tell_stale();
        }
    }

    /// All of an access up to its creator. Nothing that the getter brought is kept while the access waits.
    pub(crate) fn fetch<'a, L: Lock + 'a, T, E, G, F: Future>(
        &self,
        mut calls: u32,
        wait: &Wait,
        judge: &impl Judge<T>,
        getter: &mut Getter<impl FnMut() -> F, impl Fn(F::Output) -> Result<Option<T>, CreateError<E, G>>>,
        elected: impl Fn(Birth) -> Creation<'a, L>,
    ) -> impl Future<Output = Result<Fetched<'a, T, L>, CreateError<E, G>>> {
        async move {
            let (mut served, mut again) = (false, false);
            let mut old = None;
            loop {
                let seen = self.election.look();
                let known = match judge.known(seen) {
                    // Who was served has waited for just this value, and takes it whatever happened to it since (L3).
                    _ if served => Known::Ask,
                    // Who has waited asks once more, unless what there may be to find was invalidated.
                    Known::Need(Need::Due | Need::Stale) if again => Known::Ask,
                    known => known,
                };
                let need = match known {
                    Known::Need(need) => need,
                    Known::Ask | Known::AskForOld if calls == CALLS => Need::Missing,
                    Known::Ask | Known::AskForOld => {
                        calls += 1;
                        old = None;
                        match getter.get().await? {
                            Some(value) if served => return Ok(Fetched::Value(value)),
                            Some(value) => match judge.judge(&value) {
                                sight @ Sight::Fresh => {
                                    self.tell_of(known, sight);
                                    return Ok(Fetched::Value(value));
                                }
                                Sight::Due => {
                                    old = Some(value);
                                    Need::Due
                                }
                                Sight::Stale => {
                                    old = Some(value);
                                    Need::Stale
                                }
                                Sight::Missing => Need::Missing,
                            },
                            None => Need::Missing,
                        }
                    }
                };
                (served, again) = (false, false);
                if need == Need::Missing {
                    old = None;
                }
                match self.settle(seen, need, wait).await? {
                    Settled::Elected { born, waited } => {
                        let creation = elected(born);
                        // Nothing was created through this lock meanwhile, but the store is not ours alone.
                        let once_more = waited
                            && !matches!(known, Known::Need(_))
                            && calls < CALLS
                            && born.generation.is_still(seen.generation());
                        if !once_more {
                            return Ok(Fetched::Create(ToCreate { creation, calls, need, old }));
                        }
                        calls += 1;
                        match apart!(wait, StandsDown(Some(creation)).ask(judge, getter))? {
                            Asked::Found(value) => return Ok(Fetched::Value(value)),
                            // If the getter took so long that another was elected, it is the other's to create.
                            Asked::GoesOn(creation) if creation.is_dead() => {}
                            Asked::GoesOn(creation) => {
                                return Ok(Fetched::Create(ToCreate { creation, calls, need, old }));
                            }
                        }
                    }
                    Settled::Served => served = true,
                    Settled::LookAgain => again = true,
                    // Somebody else creates: an old value is good enough.
                    Settled::CarryOn => {
                        if let Some(old) = old.take() {
                            self.goes_on(need);
                            return Ok(Fetched::Value(old));
                        }
                    }
                    // Somebody else has created: ask once more, or else an old value is good enough.
                    Settled::Moved => {
                        if let Some(old) = old.take_if(|_| calls == CALLS) {
                            self.goes_on(need);
                            return Ok(Fetched::Value(old));
                        }
                    }
                }
            }
        }
    }
}
