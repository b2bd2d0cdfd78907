//! Many keys at once: one call looks up all of them, is elected for some, and makes those by one batch. This module
//! begins such an access. What the access does is in [`call`], and what a batch function returns is in [`brings`].
//!
//! # What each key goes through
//!
//! Each key has a lock of its own, and an election of its own. The access to one key is the access of
//! [`fetch`](crate::beside::fetch), with one difference: where `fetch` would wait, the access to the key may be *left
//! off*, and be taken up later. Arguments with the same key count as one key.
//!
//! | a key | has | becomes |
//! |---|---|---|
//! | new | nothing | found, if the store has a fresh value; otherwise left off |
//! | left off | the state in which it was seen, and perhaps an old value | found, won, or left off once more |
//! | won | a creation | found; or missed, if the batch has no value for it; or its creation ends as failed |
//! | found, missed | a value, or none | - |
//!
//! # The call
//!
//! 1. *Look.* The call asks the store for each key. It holds no creation meanwhile, however slow the store is.
//! 2. *Try.* The call takes up each key, in the order of the arguments, without waiting:
//!    - If no creation runs, the key is won.
//!    - If another thread creates and there is an old value, the key is found (L2).
//!    - If another thread creates and there is no old value, the key is left off.
//!    - If the generation has moved since the look, the call asks the store once more.
//! 3. *Batch.* One call of the batch function makes all keys that were won, in the middle of all their creations (L7).
//!    Each value is stored, and each creation is ended, by itself.
//! 4. *Wait.* The call holds no creation now. It waits for the keys that are left off, one after the other. If another
//!    thread's creation of a key has failed, this call may be elected for that key. It then starts again at 2, with
//!    that key already won.
//!
//! # Why it holds
//!
//! - *Two orders of keys never deadlock (L7).* A call that waits at 4 holds none of its creations. A call that holds
//!   some does not wait for a lock: at 2 its time is out before it would queue, and 3 runs only the user's code. (If
//!   that code waits for a lock, the wait is known to be in the middle of all these creations.)
//! - *Each key is made once (L1, L3).* A key that is left off is settled in the generation in which it was seen
//!   missing. If a creation has ended since, and the value was not invalidated, then that creation has served this key
//!   as if the call had waited for it. The call then asks the store, and accepts what the store brings, even if that
//!   has expired by then. The store is asked for a key twice at the most (L8).
//! - *One batch makes what was won.* A second batch is made only for keys that another thread has failed to make, or
//!   that were invalidated meanwhile.
//!
//! # What goes wrong
//!
//! | event | its keys | the other keys that were won | the call |
//! |---|---|---|---|
//! | the store fails to bring a key | - | are given up, without counting as failed | ends with that error |
//! | a key is paused after a failure | - | are made and stored | ends with that error after that, and waits no more |
//! | the batch returns an error or a wrong count, or panics | fail | there are none | ends with that; unless each key has an old value, and the policy [serves](crate::OnError::ServeStale) it |
//! | the batch has no value for a key | is given up | are stored | goes on, without a value for that key |
//! | the store fails to store a key | fails | are stored | ends with that error after that |
//! | the time is out | - | there are none | ends with that error |
//! | the call would wait for itself: `batch` asks for a key that its own call creates | - | are given up | ends with that error |
//! | the call's task is dropped | are given up | - | - |

mod brings;
mod call;

pub use brings::Brings;

use super::{AsyncStore, CachedByKey, Store};
use crate::access::{
    Access, AsyncAccess, AsyncFunction, ByBatch, Function, FunctionResult, FunctionResultByTask, Refers, Tells,
};
use crate::clock::Clock;
use crate::wait::{Glance, Wait, block_on};
use call::{ByTask, ByThread};
use std::fmt;
use std::hash::Hash;
use std::marker::PhantomData;

/// A [`CachedByKey`], with the arguments of one access to many keys and its batch function.
pub struct ForMany<'a, A: ?Sized, M, B> {
    function: &'a M,
    arguments: Vec<&'a A>,
    batch: B,
}

/// # Many keys at once
impl<K, V, Key, F, S, C: Clock> CachedByKey<K, V, Key, F, S, C> {
    /// Begins an access for many arguments at once. Never blocks: nothing happens before the terminal is called.
    ///
    /// The terminal is [`get`](Access::get) or [`try_get`](Access::try_get). It returns a `Vec` of results, in the
    /// order of the arguments. The only step is [`timeout`](Access::timeout).
    ///
    /// `batch` makes all results that have to be made, by one call. It receives owned copies of their arguments
    /// (`Fn(Vec<u64>)` for `&u64`, `Fn(Vec<String>)` for `&str`), and returns as many results, in the same order: see
    /// [`Brings`]. The function that makes a single result is not called.
    ///
    /// # How it works
    ///
    /// The store is asked key by key, and each key has an election of its own. What the access does for a key depends
    /// on the result that the store has, and on the other threads:
    ///
    /// | the result | another thread makes it | the access |
    /// |---|---|---|
    /// | fresh | | returns it |
    /// | stale, due or missing | no | is elected, and has `batch` make it |
    /// | stale or due | yes | returns the old result |
    /// | missing | yes | waits for that thread, after `batch` has returned |
    ///
    /// The access holds no creation while it waits. So two calls with their keys in different orders do not wait for
    /// each other in a circle. If another thread fails to make a key, this access may be elected for that key after
    /// all, and then calls `batch` once more.
    ///
    /// Arguments with the same key count once. They all get clones of one result.
    ///
    /// Each result is stored by itself. A key for which `batch` returns `None` is not an error, and nothing is kept for
    /// it. To look up such a key less often, make an `Option` the result itself, and give `None` a [shorter
    /// life](Self::expires_after_by).
    ///
    /// # Errors
    ///
    /// The call fails if it cannot get the result of any one of its keys. It returns the first error that it meets:
    ///
    /// - [`Failed`](crate::CreateError::Failed), with the error of `batch`;
    /// - [`WrongCount`](crate::CreateError::WrongCount), if `batch` returned too few or too many results;
    /// - the errors of [`try_get`](Self::try_get).
    ///
    /// The other keys for which the access was elected are made and stored all the same. This does not hold if `batch`
    /// fails, if the store cannot be asked, or if the call would [deadlock](crate::CreateError::WouldDeadlock).
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
    ///     assert_eq!(ids, [8, 9], "7 is in the store");
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

    /// Begins an access for many arguments at once, as [`access_many`](Self::access_many) does, for a task. Never
    /// blocks: nothing happens before the future of the terminal is polled.
    ///
    /// The batch function returns a future, and the store is an [`AsyncStore`].
    ///
    /// # Cancel safety
    ///
    /// As [`AsyncAccess`](crate::AsyncAccess#cancel-safety) says. If the future is dropped, the access gives up the
    /// creations that it was elected for. The results that it has already stored stay.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{Closures, Stamped, cached_by_key};
    /// use std::{io, time::Duration};
    ///
    /// async fn select(numbers: Vec<u64>) -> io::Result<Vec<u64>> {
    ///     Ok(numbers.into_iter().map(|number| number * number).collect()) // one query for all of them
    /// }
    ///
    /// let squares = cached_by_key(
    ///     Duration::from_secs(60),
    ///     |number: &u64| *number,
    ///     async |number: &u64| number * number, // slow
    ///     // This store loses every result at once.
    ///     Closures {
    ///         get: async |_: &u64| Ok::<_, io::Error>(None),
    ///         set: async |_: &u64, _: &Stamped<u64>| (),
    ///         remove: async |_: &u64| (),
    ///     },
    /// );
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

    fn call<W: Tells<R::Error>>(self, wait: &Wait) -> FunctionResult<Self, Kind> {
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

    fn call_async<W: Tells<R::Error>>(&self, wait: &Wait) -> impl Future<Output = FunctionResultByTask<Self, Kind>> {
        async move {
            let Self { function, arguments, batch } = self;
            let means = &ByTask(&function.store, batch, PhantomData::<fn() -> Kind>);
            // The future is boxed, since it is large: it has room for all that lives across an await in this call.
            let got = Box::pin(function.get_many(arguments, means, wait)).await?;
            Ok(got.into_iter().map(R::give).collect())
        }
    }
}
