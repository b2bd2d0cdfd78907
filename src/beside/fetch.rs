//! An access of the getter modes, up to its creator.
//!
//! # One access
//!
//! 1. *It looks at the lock.* If the value is missing, the access goes to step 3 without asking the getter: what a
//!    store may still hold was invalidated, or was never known to this lock. If the value is stale or due, and neither
//!    a creation nor a pause is in the way, the access goes to step 3 as well, and most often it is elected.
//! 2. *Otherwise it asks the getter.* If the getter brings a value that will do, the access ends with that value. If
//!    the getter brings none, the value is missing for this access, even if the lock thinks otherwise, and the access
//!    goes to step 3.
//! 3. *It settles its turn.* The turn holds only in the generation that stood before the getter was called. If a
//!    creation has finished since, the value that the getter missed may be there by now, and the access goes back to
//!    step 1. So accesses that have found the value gone together do not create one after the other: one of them
//!    creates, and the others ask again.
//! 4. *It has its turn.*
//!    - Elected: the access creates. If it had asked the getter at step 2 and then queued, it first asks the getter
//!      once more, since the store is not this lock's alone. (It does not if it has asked twice, or if the generation
//!      has moved.) If the getter now brings the value, or fails, there is nothing to create. Then the creation stands
//!      down, and all waiters ask again at once.
//!    - Served: the access asks the getter once more.
//!
//! The getter is called at most twice (L8). An access that has asked twice, and has found nothing the last time, waits
//! until it is elected, and creates. No access calls the getter after its creator has made a value. An access whose
//! creator has failed may ask for the old value, if the old value is to be [served](crate::OnError::ServeStale) and a
//! call is left.
//!
//! # Other accesses
//!
//! - An access that wants another value than the one there is settles that first, without the getter (see
//!   [`Dogpile::elect_another`]). If it is elected, it creates. Otherwise it asks the getter, and takes what the getter
//!   brings.
//! - An access with a soft time-out waits, once, where another access would go on with the old value. It lets the old
//!   value go before that wait, and asks the getter again after it, if a call is left.
//! - An access that goes in the background, and was elected at step 1 with a stale value, asks the getter for the old
//!   value before it hands its creation over. If the getter brings none, the access creates by itself. If the getter
//!   fails, no access creates, and all waiters ask again.
//! - An access of a thread that reads already takes none of these steps. It asks the getter once, and neither creates
//!   nor waits (L9).

use super::Guards;
use super::elected::{Elected, StandsDown};
use crate::access::after;
use crate::access::{Age, Finds};
use crate::clock::Clock;
pub use crate::dogpile::Known;
use crate::dogpile::{Another, Dogpile, Need, Settled, Sight, Softly};
use crate::election::{Birth, State};
use crate::error::{CreateError, Refusal};
use crate::failure::{Cause, Hints};
use crate::generation::Generation;
use crate::lock::Elects;
use crate::wait::{Waiting, Wants, apart};
use std::convert::Infallible;
use std::marker::PhantomData;
use std::mem::needs_drop;

/// How often one access calls its getter at most (L8).
const CALLS: u32 = 2;

/// What has become of an access before it asks the getter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing yet, or nothing that the access could go by.
    Nothing,
    /// The access has waited for just the value that is there now, or was there. It takes that value, even if that was
    /// invalidated or has expired since (L3).
    Served,
    /// The access has waited, and no access has created. It asks once more, unless the value that it may find was
    /// invalidated.
    Waited,
    /// The access came for a newer value, too soon. An old value has to do, if that is not too old.
    TooSoon,
}

impl Before {
    /// Returns whether the access takes what the getter has brought.
    fn is_met_by(self, judge: impl FnOnce() -> Sight) -> bool {
        match self {
            Self::Nothing | Self::Waited => false,
            Self::Served => true,
            Self::TooSoon => judge() != Sight::Missing,
        }
    }
}

/// One access by a getter, and what it is made with.
pub(crate) struct Lookup<W, G, A, F> {
    guards: G,
    wait: W,
    getter: F,
    /// How often the getter was called.
    calls: u32,
    of: PhantomData<fn() -> A>,
}

/// How a look-up ended.
pub(crate) enum Fetched<T, N> {
    Value(T),
    Create(ToCreate<T, N>),
}

/// A creation to which a look-up has come.
pub(crate) struct ToCreate<T, N> {
    creation: N,
    need: Need,
    /// The old value, if the getter was asked and brought it.
    old: Option<T>,
}

/// How the look-up of an access ended that would rather not create by itself.
pub(crate) enum Spared<T, N> {
    Value(T),
    /// The creation is to be handed over. The access goes on with this value.
    HandOver(N, Need, T),
    Create(N),
}

/// What a getter had to say to an access that was elected.
enum Asked<T, N> {
    Found(T),
    GoesOn(N),
}

impl<W, G, A, V, X, F, Q, R> Lookup<W, G, A, F>
where
    W: Waiting,
    G: Guards,
    A: Age<V>,
    R: Finds<Value = V, Error = X>,
    Q: Future<Output = R>,
    F: FnMut() -> Q,
{
    pub(crate) fn new(guards: G, wait: W, getter: F) -> Self {
        Self { guards, wait, getter, calls: 0, of: PhantomData }
    }

    /// Returns the waits of the access. Drops the rest, which is the user's.
    pub(crate) fn into_wait(self) -> W {
        self.wait
    }

    fn lock(&self) -> &Dogpile<<G::Lock as Elects>::Clock> {
        self.guards.lock().dogpile()
    }

    fn known(&self, seen: State) -> Known {
        A::known(self.lock(), seen)
    }

    pub(crate) fn judge(&self, got: &G::Got<V>) -> Sight {
        A::judge(self.lock(), G::value(got))
    }

    /// Asks the getter. The getter is called as a reader, and so only once the access has its pass.
    pub(crate) fn get<E>(&mut self) -> impl Future<Output = Result<Option<G::Got<V>>, CreateError<E, X>>> {
        async move {
            self.calls += 1;
            let pass = self.guards.enter(self.wait.wait()).await?;
            let asked = (self.getter)();
            let found = asked.await.found().map_err(CreateError::GetterFailed)?;
            if found.is_none() {
                A::missed(self.lock());
            }
            Ok(found.map(|value| G::give(value, pass)))
        }
    }

    /// Makes the access that the [module docs](self) describe.
    pub(crate) fn create<E: Cause, N: Elected, M: Future<Output = Result<V, CreateError<E, X>>>>(
        &mut self,
        elected: impl Fn(Birth) -> N,
        run: impl FnOnce(N) -> M,
    ) -> impl Future<Output = Result<G::Got<V>, CreateError<E, X>>> {
        async move {
            let creation = {
                let fetched = self.fetch(elected).await;
                match fetched? {
                    Fetched::Value(got) => return Ok(after(run, got)),
                    Fetched::Create(ToCreate { creation, old, .. }) => {
                        // The old value is not kept while the creator runs. Its drop is the user's: if the drop panics,
                        // the creation is given up.
                        drop(old);
                        creation
                    }
                }
            };
            apart!(self.wait.wait(), self.run(creation, run))
        }
    }

    /// Creates, for an access that was elected.
    fn run<E: Cause, N, M: Future<Output = Result<V, CreateError<E, X>>>>(
        &mut self,
        creation: N,
        run: impl FnOnce(N) -> M,
    ) -> impl Future<Output = Result<G::Got<V>, CreateError<E, X>>> {
        async move {
            let made = run(creation).await;
            self.created(made).await
        }
    }

    /// As [`create`](Self::create), by a creator that is handed over if there is an old value.
    pub(crate) fn create_or_hand_over<E: Cause, N: Elected, M: Future<Output = Result<V, CreateError<E, X>>>>(
        &mut self,
        elected: impl Fn(Birth) -> N,
        run: impl FnOnce(N) -> M,
        hand_over: impl FnOnce(N),
    ) -> impl Future<Output = Result<G::Got<V>, CreateError<E, X>>> {
        async move {
            let creation = match self.fetch_sparing(elected).await? {
                Spared::Value(got) => return Ok(after((run, hand_over), got)),
                Spared::HandOver(creation, need, got) => {
                    let born = creation.born_in();
                    hand_over(creation);
                    return Ok(self.go_on(born, need, got).await);
                }
                Spared::Create(creation) => creation,
            };
            self.run(creation, run).await
        }
    }

    /// Returns what an access ends with that has created.
    pub(crate) fn created<E: Cause>(
        &mut self,
        made: Result<V, CreateError<E, X>>,
    ) -> impl Future<Output = Result<G::Got<V>, CreateError<E, X>>> {
        async move {
            match made {
                Ok(value) => Ok(G::give(value, self.guards.enter(self.wait.wait()).await?)),
                Err(CreateError::Failed(error)) => match self.fetch_old(error.hints()).await {
                    Some(got) => Ok(after(error, got)),
                    None => Err(CreateError::Failed(error)),
                },
                Err(error) => Err(error),
            }
        }
    }

    /// Returns what the access of a thread ends with that reads already.
    fn read_on<E>(&mut self) -> impl Future<Output = Result<G::Got<V>, CreateError<E, X>>> {
        async move {
            let got = self.get().await?.ok_or(CreateError::ReadLockHeld)?;
            let known = self.known(self.lock().election().look());
            self.lock().tell_of(known, self.judge(&got));
            Ok(got)
        }
    }

    /// As [`fetch`](Self::fetch), for an access that would rather go on with the old value than create.
    pub(crate) fn fetch_sparing<E, N: Elected>(
        &mut self,
        elected: impl Fn(Birth) -> N,
    ) -> impl Future<Output = Result<Spared<G::Got<V>, N>, CreateError<E, X>>> {
        async move {
            loop {
                let ToCreate { mut creation, need, mut old } = match self.fetch(&elected).await? {
                    Fetched::Value(got) => return Ok(Spared::Value(got)),
                    Fetched::Create(create) => create,
                };
                if old.is_none() && need.is_met_by_old() && self.calls < CALLS {
                    // The lock alone has said that the value is stale or due, and so the getter was not asked yet.
                    let asking = StandsDown::new(creation);
                    let got = asking.creation().middle().enter_async(|| self.get()).await?;
                    old = got.filter(|old| self.judge(old) != Sight::Missing);
                    creation = asking.goes_on();
                }
                match old {
                    Some(old) if creation.is_dead() => {
                        self.lock().goes_on(need);
                        return Ok(Spared::Value(old));
                    }
                    Some(old) => return Ok(Spared::HandOver(creation, need, old)),
                    // The getter took so long that another access was elected. That access creates.
                    None if creation.is_dead() => {}
                    None => return Ok(Spared::Create(creation)),
                }
            }
        }
    }

    /// Returns the value of an access that has handed its creation over. That is the old value, unless the new value
    /// comes within the access's soft time-out, and there is a call left to fetch it. (A reader does not wait for the
    /// new value: the creation may wait for the reader.)
    pub(crate) fn go_on(&mut self, born: Generation, need: Need, old: G::Got<V>) -> impl Future<Output = G::Got<V>> {
        async move {
            if need == Need::Stale
                && self.wait.wait().is_soft()
                && self.may_ask()
                && !needs_drop::<G::Pass>()
                && apart!(self.wait.wait(), self.lock().wait_softly_for_its_own(born, self.wait.wait()))
            {
                let new = self.get::<Infallible>().await.ok().flatten();
                if let Some(new) = new.filter(|new| self.judge(new) == Sight::Fresh) {
                    return after(old, new);
                }
            }
            self.lock().goes_on(need);
            old
        }
    }

    /// Fetches the old value for an access whose creator has failed. There is one if the policy serves it, if the
    /// failure says nothing against that, and if the getter has a call left.
    fn fetch_old(&mut self, hints: Hints) -> impl Future<Output = Option<G::Got<V>>> {
        async move {
            if hints.uncovered || self.calls == CALLS || !A::may_cover(self.lock()) {
                return None;
            }
            let known = self.known(self.lock().election().look());
            // The creator's error comes first: an error of the getter as well would have nothing to add to it.
            let old = self.get::<Infallible>().await.ok().flatten()?;
            let sight = self.judge(&old);
            if !A::covers(self.lock(), G::value(&old)) {
                return None;
            }
            match (known, sight) {
                // The value is too old for all other accesses.
                (Known::Need(Need::Missing), _) | (_, Sight::Missing) => self.lock().tell_stale(),
                _ => self.lock().tell_of(known, sight),
            }
            Some(old)
        }
    }

    /// Asks the getter once more, in the middle of a creation that may be needless. If the getter fails or panics, the
    /// creation stands down, and all waiters ask for themselves, all at once and not one after the other.
    fn ask_once_more<E, N: Elected>(
        &mut self,
        asking: StandsDown<N>,
    ) -> impl Future<Output = Result<Asked<G::Got<V>, N>, CreateError<E, X>>> {
        async move {
            match asking.creation().middle().enter_async(|| self.get()).await? {
                Some(got) if self.judge(&got) == Sight::Fresh => Ok(Asked::Found(got)),
                found => {
                    // The drop of the value is the user's, and comes before anything is returned. If it came later and
                    // panicked, what is being returned would be leaked.
                    drop(found);
                    Ok(Asked::GoesOn(asking.goes_on()))
                }
            }
        }
    }

    /// Settles an access for which not any value will do: see [`Dogpile::elect_another`].
    fn another(&self) -> impl Future<Output = Result<Another, Refusal>> {
        let (lock, wait) = (self.lock(), self.wait.wait());
        lock.elect_another(wait, |seen| A::known(lock, seen) == Known::Need(Need::Missing))
    }

    /// Makes all of an access up to its creator. Nothing that the getter has brought is kept while the access waits.
    pub(crate) fn fetch<E, N: Elected>(
        &mut self,
        elected: impl Fn(Birth) -> N,
    ) -> impl Future<Output = Result<Fetched<G::Got<V>, N>, CreateError<E, X>>> {
        async move {
            if self.guards.is_nested() {
                return Ok(Fetched::Value(self.read_on().await?));
            }
            let (mut before, mut old, mut soft) = (Before::Nothing, None, self.wait.wait().is_soft());
            if self.wait.wait().wants() != Wants::Any {
                match apart!(self.wait.wait(), self.another())? {
                    Another::Elected(born, need) => {
                        return Ok(Fetched::Create(ToCreate { creation: elected(born), need, old }));
                    }
                    // The other value is in the store, or was.
                    Another::Created | Another::Served => before = Before::Served,
                    Another::TooSoon => before = Before::TooSoon,
                    Another::AsAny => {}
                }
            }
            loop {
                let seen = self.lock().election().look();
                let known = match self.known(seen) {
                    _ if before == Before::Served => Known::Ask,
                    Known::Need(Need::Due | Need::Stale) if before != Before::Nothing => Known::Ask,
                    Known::AskForOld if before == Before::TooSoon => Known::Ask,
                    known => known,
                };
                let need = match known {
                    Known::Need(need) => need,
                    Known::Ask | Known::AskForOld if self.calls == CALLS => Need::Missing,
                    // This wait comes before the getter is asked: as a reader, the access would keep the new value out.
                    Known::AskForOld if soft && seen.is_creating() => Need::Stale,
                    Known::Ask | Known::AskForOld => {
                        old = None;
                        let found = self.get().await;
                        match found? {
                            Some(got) if before.is_met_by(|| self.judge(&got)) => return Ok(Fetched::Value(got)),
                            Some(got) => match self.judge(&got) {
                                sight @ Sight::Fresh => {
                                    self.lock().tell_of(known, sight);
                                    return Ok(Fetched::Value(got));
                                }
                                Sight::Due => {
                                    old = Some(got);
                                    Need::Due
                                }
                                Sight::Stale => {
                                    old = Some(got);
                                    Need::Stale
                                }
                                Sight::Missing => Need::Missing,
                            },
                            None => Need::Missing,
                        }
                    }
                };
                before = Before::Nothing;
                if need == Need::Missing {
                    old = None;
                }
                let settled = self.lock().settle(seen, need, self.wait.wait()).await;
                match settled? {
                    Settled::Elected { born, waited } => {
                        let creation = elected(born);
                        // Nothing was created through this lock meanwhile, but the store is not this lock's alone.
                        let once_more = waited
                            && !matches!(known, Known::Need(_))
                            && self.calls < CALLS
                            && born.generation.is_still(seen.generation());
                        if !once_more {
                            return Ok(Fetched::Create(ToCreate { creation, need, old }));
                        }
                        match apart!(self.wait.wait(), self.ask_once_more(StandsDown::new(creation)))? {
                            Asked::Found(got) => return Ok(Fetched::Value(got)),
                            // The getter took so long that another access was elected. That access creates.
                            Asked::GoesOn(creation) if creation.is_dead() => {}
                            Asked::GoesOn(creation) => {
                                return Ok(Fetched::Create(ToCreate { creation, need, old }));
                            }
                        }
                    }
                    Settled::Served => before = Before::Served,
                    Settled::LookAgain => before = Before::Waited,
                    // Another access creates: a new value is worth a wait, for a while.
                    Settled::CarryOn if soft && need == Need::Stale && self.calls < CALLS => {
                        (soft, old) = (false, None);
                        let (lock, wait) = (self.lock(), self.wait.wait());
                        if apart!(wait, lock.wait_softly(seen.generation(), wait)) == Softly::Served {
                            before = Before::Served;
                        }
                    }
                    // Another access creates: an old value is good enough.
                    Settled::CarryOn => {
                        if let Some(old) = old.take() {
                            self.lock().goes_on(need);
                            return Ok(Fetched::Value(old));
                        }
                    }
                    // Another access has created. The getter is asked once more; if no call is left, an old value is
                    // good enough.
                    Settled::Moved => {
                        if let Some(old) = old.take_if(|_| self.calls == CALLS) {
                            self.lock().goes_on(need);
                            return Ok(Fetched::Value(old));
                        }
                    }
                }
            }
        }
    }

    /// Returns whether the getter may be asked once more.
    pub(crate) fn may_ask(&self) -> bool {
        self.calls < CALLS
    }
}

impl<C: Clock> Dogpile<C> {
    /// Tells the observer of a value that an access goes on with, if the value is stale.
    fn tell_of(&self, known: Known, sight: Sight) {
        let known_stale = matches!(known, Known::AskForOld | Known::Need(Need::Stale));
        if sight == Sight::Stale || (known_stale && sight != Sight::Missing) {
            self.tell_stale();
        }
    }
}
