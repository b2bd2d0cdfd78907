//! One access of the getter modes, as far as its creator.
//!
//! 1. It looks at the lock. Missing: it settles its turn without asking the getter, since what a store may still hold
//!    was invalidated, or was never known here. Stale, and nobody creates: likewise, and most often it is elected.
//! 2. Otherwise it asks the getter. A value is what it came for. `None` makes the value missing for this access, whatever
//!    the lock thinks of it: it settles its turn.
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
//! An access that wants another value than the one there is settles that first, without the getter (see
//! [`dogpile::settle`](crate::dogpile)): elected, it creates; otherwise it asks the getter, and takes what that brings.
//! One with a soft time-out waits where another would go on with the old value, once; it lets that go before, and asks
//! again after, if a call is left.
//!
//! An access in background that was elected at 1 with a stale value asks the getter for that before it hands the creation
//! over. If there is none, it creates by itself; if the getter fails, nobody does, and all who wait ask again.
//!
//! A thread that reads already takes none of these steps: it asks the getter once, and neither creates nor waits (L9).

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

/// How often one access calls its getter at the most (L8).
const CALLS: u32 = 2;

/// What has become of an access before it asks the getter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    /// Nothing yet, or nothing that it could go by.
    Nothing,
    /// It has waited for just the value that is there now, or was, and takes that whatever happened to it since (L3).
    Served,
    /// It has waited, and nobody has created: it asks once more, unless what there may be to find was invalidated.
    Waited,
    /// It came for a newer value, too soon: an old one has to do, if it is not too old.
    TooSoon,
}

impl Before {
    /// Whether the access takes what the getter has brought.
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
    /// How often that was called.
    calls: u32,
    of: PhantomData<fn() -> A>,
}

/// How a look-up came out.
pub(crate) enum Fetched<T, N> {
    Value(T),
    Create(ToCreate<T, N>),
}

/// A creation that a look-up has come to.
pub(crate) struct ToCreate<T, N> {
    creation: N,
    need: Need,
    /// The old value, if the getter was asked and brought it.
    old: Option<T>,
}

/// How a look-up came out that need not create by itself.
pub(crate) enum Spared<T, N> {
    Value(T),
    /// To be handed over; and this is the value to go on with.
    HandOver(N, Need, T),
    Create(N),
}

/// What a getter had to say to who was elected.
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

    /// Its waits. The rest, which is the user's, is dropped.
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

    /// Asks the getter. It is called as a reader, and so not before one has come in.
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

    /// The access described in the [module docs](self).
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
                        // It is not kept meanwhile. Its drop is the user's: if it panics, the creation is given up.
                        drop(old);
                        creation
                    }
                }
            };
            apart!(self.wait.wait(), self.run(creation, run))
        }
    }

    /// What an access does that was elected.
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

    /// What an access comes to that has created.
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

    /// What a thread comes to that reads already.
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
                    // What the lock alone could say, it has said without the getter.
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
                    // If the getter took so long that another was elected, it is the other's to create.
                    None if creation.is_dead() => {}
                    None => return Ok(Spared::Create(creation)),
                }
            }
        }
    }

    /// What an access goes on with that has handed its creation over: the old value, unless the new one comes within its
    /// soft time-out, and there is a call left to fetch that by. (A reader does not wait for that: the creation may wait
    /// for the reader.)
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

    /// The old value, for an access whose creator has failed: if it is to have one, the failure says nothing against it,
    /// and the getter still has a call to bring it by.
    fn fetch_old(&mut self, hints: Hints) -> impl Future<Output = Option<G::Got<V>>> {
        async move {
            if hints.uncovered || self.calls == CALLS || !A::may_cover(self.lock()) {
                return None;
            }
            let known = self.known(self.lock().election().look());
            // What comes first is the creator's error: a getter that fails as well has nothing to add to it.
            let old = self.get::<Infallible>().await.ok().flatten()?;
            let sight = self.judge(&old);
            if !A::covers(self.lock(), G::value(&old)) {
                return None;
            }
            match (known, sight) {
                // It is too old for all others.
                (Known::Need(Need::Missing), _) | (_, Sight::Missing) => self.lock().tell_stale(),
                _ => self.lock().tell_of(known, sight),
            }
            Some(old)
        }
    }

    /// Asks the getter once more, in the middle of a creation that it may make needless. If the getter fails or panics,
    /// those who wait behind find out for themselves, all at once, not each after the other.
    fn ask_once_more<E, N: Elected>(
        &mut self,
        asking: StandsDown<N>,
    ) -> impl Future<Output = Result<Asked<G::Got<V>, N>, CreateError<E, X>>> {
        async move {
            match asking.creation().middle().enter_async(|| self.get()).await? {
                Some(got) if self.judge(&got) == Sight::Fresh => Ok(Asked::Found(got)),
                found => {
                    // Its drop is the user's, and comes before anything is returned: what is being returned would be
                    // leaked if it panicked.
                    drop(found);
                    Ok(Asked::GoesOn(asking.goes_on()))
                }
            }
        }
    }

    /// Where any value will not do: see [`Dogpile::elect_another`].
    fn another(&self) -> impl Future<Output = Result<Another, Refusal>> {
        let (lock, wait) = (self.lock(), self.wait.wait());
        lock.elect_another(wait, |seen| A::known(lock, seen) == Known::Need(Need::Missing))
    }

    /// All of an access up to its creator. Nothing that the getter brought is kept while the access waits.
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
                    // It is in the store, or was.
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
                    // Before it asks: as a reader it would keep the new value out.
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
                        // Nothing was created through this lock meanwhile, but the store is not ours alone.
                        let once_more = waited
                            && !matches!(known, Known::Need(_))
                            && self.calls < CALLS
                            && born.generation.is_still(seen.generation());
                        if !once_more {
                            return Ok(Fetched::Create(ToCreate { creation, need, old }));
                        }
                        match apart!(self.wait.wait(), self.ask_once_more(StandsDown::new(creation)))? {
                            Asked::Found(got) => return Ok(Fetched::Value(got)),
                            // If the getter took so long that another was elected, it is the other's to create.
                            Asked::GoesOn(creation) if creation.is_dead() => {}
                            Asked::GoesOn(creation) => {
                                return Ok(Fetched::Create(ToCreate { creation, need, old }));
                            }
                        }
                    }
                    Settled::Served => before = Before::Served,
                    Settled::LookAgain => before = Before::Waited,
                    // Somebody else creates: a new value is worth a wait, for a while.
                    Settled::CarryOn if soft && need == Need::Stale && self.calls < CALLS => {
                        (soft, old) = (false, None);
                        let (lock, wait) = (self.lock(), self.wait.wait());
                        if apart!(wait, lock.wait_softly(seen.generation(), wait)) == Softly::Served {
                            before = Before::Served;
                        }
                    }
                    // Somebody else creates: an old value is good enough.
                    Settled::CarryOn => {
                        if let Some(old) = old.take() {
                            self.lock().goes_on(need);
                            return Ok(Fetched::Value(old));
                        }
                    }
                    // Somebody else has created: ask once more, or else an old value is good enough.
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

    /// Whether the getter may be asked once more.
    pub(crate) fn may_ask(&self) -> bool {
        self.calls < CALLS
    }
}

impl<C: Clock> Dogpile<C> {
    /// Tells of a value that an access goes on with, if it is a stale one.
    fn tell_of(&self, known: Known, sight: Sight) {
        let known_stale = matches!(known, Known::AskForOld | Known::Need(Need::Stale));
        if sight == Sight::Stale || (known_stale && sight != Sight::Missing) {
            self.tell_stale();
        }
    }
}
