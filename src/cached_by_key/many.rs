//! Many keys at once: one call looks all of them up, is elected for some, and makes those by one batch. Here is how
//! such an access begins; what it does is in [`call`], and what a batch function returns in [`brings`].
//!
//! # What each key goes through
//!
//! Each key has a lock of its own, and an election. The access to one key is that of [`fetch`](crate::beside::fetch),
//! which may be *left off* where that would wait, and taken up later. There are as many keys as differ: arguments with
//! the same key are one.
//!
//! | a key | has | becomes |
//! |---|---|---|
//! | new | nothing | found, if the store has a value that is fresh; else left off |
//! | left off | what was seen of it, and perhaps an old value | found, won, or left off once more |
//! | won | a creation | found; missed, if the batch has none; or its creation ends as failed |
//! | found, missed | a value, or none | - |
//!
//! # The call
//!
//! 1. *Look.* It asks the store for each key. No creation is held meanwhile, however slow that is.
//! 2. *Try.* It takes up each key, in the order of the arguments, without waiting. Nobody creates: it is won. Somebody
//!    creates, and there is an old value: that is found (L2). Somebody creates, and there is none: it is left off. The
//!    generation has moved since the look: it asks the store once more.
//! 3. *Batch.* What was won is made by one call of the batch function, in the middle of all these creations (L7), and
//!    each of them is stored and ended by itself.
//! 4. *Wait.* It holds no creation now. It waits for the keys that are left off, one after the other. If it is elected
//!    for one of them, because the other's creation has failed, it takes part anew: at 2, with that key won already.
//!
//! # Why it holds
//!
//! - *Two orders of keys never deadlock (L7).* A call that waits at 4 holds none of its creations, and a call that
//!   holds some does not wait for a lock: 2 is out of time before it would queue, and 3 runs what is the user's. (What
//!   that waits for is known to be waited for in the middle of all these creations.)
//! - *Each key is made once (L1, L3).* A key that is left off is settled in the generation in which it was seen
//!   missing. If a creation has ended since, and nobody has invalidated it, that has served this key as if it had
//!   waited there; it asks the store, and is content with what it is brought, though it has expired by then. The getter
//!   is called twice at the most (L8).
//! - *One batch for what was won.* A second one is made only for keys that somebody else has failed to make, or that
//!   were invalidated meanwhile.
//!
//! # What goes wrong
//!
//! | what | these keys | the other keys that were won | the call |
//! |---|---|---|---|
//! | the store does not bring a key | - | are given up, and nobody has failed | ends with that error |
//! | a key is paused after a failure | - | are made and stored | ends with that error, once they are; waits no more |
//! | the batch returns an error, or a wrong count, or panics | fail | there are none | ends with that; unless each key has an old value, and the policy [serves](crate::OnError::ServeStale) it |
//! | the batch has none of a key | it is given up | are stored | goes on, without a value for that key |
//! | the store does not take a key | it fails | are stored | ends with that error, once they are |
//! | the time is out | - | there are none | ends with that error |
//! | it would wait for itself: `batch` asks for a key that its own call creates | - | are given up | ends with that error |
//! | its task is dropped | are given up | | |

mod brings;
mod call;

pub use brings::Brings;

use super::{AsyncStore, CachedByKey, Store};
use crate::access::{
    Access, AsyncAccess, AsyncFunction, ByBatch, Function, FunctionKept, FunctionKeptAsync, Refers, Tells,
};
use crate::clock::Clock;
use crate::wait::{Glance, Wait, block_on};
use call::{ByTask, ByThread};
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

/// A [`CachedByKey`] with many arguments that it is called for, and the function that makes many results at once.
pub struct ForMany<'a, A: ?Sized, M, B> {
    function: &'a M,
    arguments: Vec<&'a A>,
    batch: B,
}

/// # Many keys at once
impl<K, V, Key, F, S, C: Clock> CachedByKey<K, V, Key, F, S, C> {
    /// Begins an access for many arguments, which ends in [`get`](Access::get) or [`try_get`](Access::try_get) and
    /// gives a `Vec` of results, in the order of the arguments. Never blocks: nothing happens before that.
    ///
    /// The results that the store does not have are made by `batch`, all together: it is given owned copies of their
    /// arguments (`Fn(Vec<u64>)` for `&u64`, `Fn(Vec<String>)` for `&str`), and returns as many results, in that order:
    /// see [`Brings`]. The function that makes one is not called.
    ///
    /// The store is asked key by key. Each key has an election of its own. The access is elected for the keys that
    /// nobody else creates, and calls `batch` once for all of them; an old result that somebody else renews is used at
    /// once. Then it waits for the other keys, without holding any creation, so calls with their keys in different
    /// orders do not wait for each other in a circle. If another thread fails to make a key, this access may be elected
    /// for that after all, and calls `batch` once more. Arguments with the same key count once, and get clones of one
    /// result.
    ///
    /// Each result is stored by itself. If a key cannot be had, the call fails, with the first error that it meets;
    /// what else it was elected for is stored all the same, unless `batch` has failed, the store could not be asked, or
    /// the call would [deadlock](crate::CreateError::WouldDeadlock).
    /// A key for which `batch` has `None` is no error, and nothing is kept of it: to have it asked for less often, make
    /// an `Option` the result itself, and have it [live shorter](Self::expires_after_by).
    ///
    /// # Errors
    ///
    /// [`Failed`](crate::CreateError::Failed) with the error of `batch`; [`WrongCount`](crate::CreateError::WrongCount)
    /// if it returned too few results or too many; and those of [`try_get`](Self::try_get).
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Closures, Stamped, cached_by_key};
    /// use std::{collections::HashMap, sync::Mutex, time::Duration};
    ///
    /// let entries: Mutex<HashMap<u64, Stamped<String>>> = Mutex::default();
    /// let names = cached_by_key(
    ///     Duration::from_secs(60),
    ///     |id: &u64| *id,
    ///     |id: &u64| format!("user {id}"), // slow
    ///     Closures {
    ///         get: |key: &u64| entries.lock().unwrap().get(key).cloned(),
    ///         set: |key: &u64, made: &Stamped<String>| drop(entries.lock().unwrap().insert(*key, made.clone())),
    ///         remove: |key: &u64| drop(entries.lock().unwrap().remove(key)),
    ///     },
    /// );
    /// let select = |ids: Vec<u64>| -> Vec<String> {
    ///     assert_eq!(ids, [8, 9], "the others are there");
    ///     ids.iter().map(|id| format!("user {id}")).collect() // one query for all of them
    /// };
    /// names.get(&7);
    /// let some = names.access_many(&[7, 8, 9, 8], select).get();
    /// assert_eq!(some[3].value, "user 8");
    /// ```
    pub fn access_many<'a, A: ?Sized + 'a, B>(
        &'a self,
        arguments: impl IntoIterator<Item = &'a A>,
        batch: B,
    ) -> Access<ForMany<'a, A, Self, B>, ByBatch> {
        Access::new(ForMany { function: self, arguments: arguments.into_iter().collect(), batch }, ByBatch)
    }

    /// As [`access_many`](Self::access_many), for a task, by a batch function that gives a future, and an
    /// [`AsyncStore`]. Never blocks: nothing happens before the future of the last call is polled.
    ///
    /// # Cancel safety
    ///
    /// As [`AsyncAccess`](crate::AsyncAccess#cancel-safety) says: what the access was elected for is given up, and what
    /// it has stored stays.
    ///
    /// # Examples
    ///
    /// ```
    /// # use dogpile::{Closures, Stamped, cached_by_key};
    /// # use std::time::Duration;
    /// # async fn select(ids: Vec<u64>) -> std::io::Result<Vec<u64>> {
    /// #     Ok(ids.into_iter().map(|id| id * id).collect())
    /// # }
    /// # let nothing = Closures {
    /// #     get: async |_: &u64| Ok::<_, std::io::Error>(None),
    /// #     set: async |_: &u64, _: &Stamped<u64>| (),
    /// #     remove: async |_: &u64| (),
    /// # };
    /// # let key = |number: &u64| *number;
    /// # let squares = cached_by_key(Duration::from_secs(60), key, async |number: &u64| number * number, nothing);
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let made = squares.access_many_async(&[2, 3], select).try_get().await?;
    /// assert_eq!(made[1].value, 9);
    /// # Ok::<(), Box<dyn std::error::Error>>(()) }).unwrap();
    /// ```
    pub fn access_many_async<'a, A: ?Sized + 'a, B>(
        &'a self,
        arguments: impl IntoIterator<Item = &'a A>,
        batch: B,
    ) -> AsyncAccess<ForMany<'a, A, Self, B>, ForMany<'a, A, Self, B>, ByBatch> {
        AsyncAccess::new(ForMany { function: self, arguments: arguments.into_iter().collect(), batch }, ByBatch)
    }
}

impl<A: ?Sized, M, B> fmt::Debug for ForMany<'_, A, M, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ForMany").finish_non_exhaustive()
    }
}

impl<A, K, V, Key, F, S, C, B, R, Kind> Function<Kind> for ForMany<'_, A, CachedByKey<K, V, Key, F, S, C>, B>
where
    A: ToOwned + ?Sized,
    K: Hash + Eq + Clone,
    V: Clone,
    Key: Fn(&A) -> K,
    S: Store<K, V>,
    C: Clock + Clone,
    B: Fn(Vec<A::Owned>) -> R,
    R: Brings<V, Kind>,
{
    type Got = Vec<R::Got>;
    type Error = R::Error;
    type StoreError = S::Error;

    fn call<W: Tells<R::Error>>(self, wait: &Wait) -> FunctionKept<Self, Kind> {
        let Self { function, arguments, batch } = &self;
        let means = &ByThread(&function.store, batch, PhantomData::<fn() -> Kind>);
        let got = block_on(function.get_many(arguments, means, wait))?;
        Ok(got.into_iter().map(R::give).collect())
    }
}

impl<A: ?Sized, M, B> Refers<Self> for ForMany<'_, A, M, B> {
    fn refer(&self) -> &Self {
        self
    }
}

impl<A, K, V, Key, F, S, C, B, Q, R, Kind> AsyncFunction<Kind> for ForMany<'_, A, CachedByKey<K, V, Key, F, S, C>, B>
where
    A: ToOwned + ?Sized,
    K: Hash + Eq + Clone,
    V: Clone,
    Key: Fn(&A) -> K,
    S: AsyncStore<K, V>,
    C: Clock + Clone,
    B: Fn(Vec<A::Owned>) -> Q,
    Q: Future<Output = R>,
    R: Brings<V, Kind>,
{
    type Got = Vec<R::Got>;
    type Error = R::Error;
    type StoreError = S::Error;

    fn look(&self, _: Glance) -> Option<Vec<R::Got>> {
        None
    }

    fn call_async<W: Tells<R::Error>>(&self, wait: &Wait) -> impl Future<Output = FunctionKeptAsync<Self, Kind>> {
        async move {
            let Self { function, arguments, batch } = self;
            let means = &ByTask(&function.store, batch, PhantomData::<fn() -> Kind>);
            // In a box: it has room for all that goes on between two polls.
            let got = Box::pin(function.get_many(arguments, means, wait)).await?;
            Ok(got.into_iter().map(R::give).collect())
        }
    }
}
