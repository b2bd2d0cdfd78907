//! Creations of a function by key that a runner's threads run.

use super::lived::{ByLife, Lived};
use super::{CachedByKey, For, FunctionOf, Store};
use crate::access::{Access, ByItself, Function, FunctionInBackground, FunctionResult, Keep, Kept, Set, Shares, Tells};
use crate::beside::OfThread;
use crate::beside::fetch::Lookup;
use crate::beside::serve::{make, run};
use crate::clock::Clock;
use crate::creation::{Creation, job};
use crate::dogpile::{Dogpile, Stamped};
use crate::error::{CreateError, Either};
use crate::keeper::Keeper;
use crate::registry::{HasRoot, Root};
use crate::runner::Runner;
use crate::sync::Arc;
use crate::wait::{FOREVER, Wait, block_on};
use std::borrow::Borrow;
use std::fmt;
use std::future::ready;
use std::hash::Hash;
use std::marker::PhantomData;

/// A [`CachedByKey`] that a creation can share, with the arguments of one access.
pub struct KeptFor<'a, A: ?Sized, O, M> {
    kept: O,
    arguments: &'a A,
    of: PhantomData<fn() -> M>,
}

impl<A: ?Sized, O, M> fmt::Debug for KeptFor<'_, A, O, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptFor").finish_non_exhaustive()
    }
}

impl<K, V, Key, F, S, C: Clock> CachedByKey<K, V, Key, F, S, C> {
    /// Begins an access, as [`access`](Self::access) does, whose creation may run [in the
    /// background](Access::in_background) and outlive the caller. Never blocks.
    ///
    /// The creation shares the function, so the function is passed as `&Arc<CachedByKey<…>>`, or as a reference to a
    /// `static`.
    ///
    /// An elected access that has an old result makes owned copies of the arguments and the key, hands its creation
    /// over to the runner, and goes on with the old result. The caller's thread gets the old result from the store.
    /// The runner's thread runs the function, and stores the new result. A hit copies and shares nothing, and neither
    /// does an access that is not elected.
    ///
    /// In the background, and with [`refresh_at`](crate::PolicyBuilder::refresh_at), no thread waits for a result that
    /// is in use. An access with the step [`anew`](Access::anew) calls the function on its own thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::{CachedByKey, Closures, Pool, Stamped, cached_by_key};
    /// use std::{collections::HashMap, sync::{Arc, Mutex}, time::Duration};
    ///
    /// static POOL: Pool = Pool::new(2, 100);
    /// static ENTRIES: Mutex<Option<HashMap<String, Stamped<usize>>>> = Mutex::new(None);
    ///
    /// let lengths = Arc::new(cached_by_key(
    ///     Duration::from_secs(60),
    ///     |word: &str| word.to_owned(),
    ///     |word: &str| word.len(), // slow
    ///     Closures {
    ///         get: |key: &String| ENTRIES.lock().unwrap().as_ref()?.get(key).copied(),
    ///         set: |key: &String, made: &Stamped<usize>| {
    ///             ENTRIES.lock().unwrap().get_or_insert_default().insert(key.clone(), *made);
    ///         },
    ///         remove: |key: &String| drop(ENTRIES.lock().unwrap().get_or_insert_default().remove(key)),
    ///     },
    /// ));
    /// assert_eq!(CachedByKey::kept(&lengths, "word").in_background(&POOL).get().value, 4);
    /// ```
    pub fn kept<A: ?Sized, O: Keep<Self>>(
        function: O,
        arguments: &A,
    ) -> Access<KeptFor<'_, A, Kept<O, Self>, Self>, ByItself> {
        Access::new(KeptFor { kept: function.own(), arguments, of: PhantomData }, ByItself)
    }
}

/// The registry of a function's locks, which lives as long as the function is kept.
impl<K, V, Key, F, S, C: Clock> HasRoot<K, Dogpile<C>> for Keeper<'static, CachedByKey<K, V, Key, F, S, C>> {
    fn root(&self) -> &Root<K, Dogpile<C>> {
        self.locks.root()
    }
}

impl<A, O, K, V, Key, F, S, C, Kind> Function<Kind> for KeptFor<'_, A, O, CachedByKey<K, V, Key, F, S, C>>
where
    A: ?Sized,
    O: Shares<CachedByKey<K, V, Key, F, S, C>>,
    K: Hash + Eq + Clone,
    Key: Fn(&A) -> K,
    F: FunctionOf<A, V, Kind>,
    S: Store<K, V>,
    C: Clock + Clone,
{
    type Got = Stamped<V>;
    type Error = F::Error;
    type StoreError = S::Error;

    fn call<W: Tells<F::Error>>(self, wait: &Wait) -> FunctionResult<Self, Kind> {
        For { function: self.kept.refer(), arguments: self.arguments }.call::<W>(wait)
    }
}

impl<A, O, K, V, Key, F, S, C, Kind> FunctionInBackground<Kind> for KeptFor<'_, A, O, CachedByKey<K, V, Key, F, S, C>>
where
    A: ToOwned<Owned: Send + 'static> + ?Sized,
    O: Shares<CachedByKey<K, V, Key, F, S, C>>,
    K: Hash + Eq + Clone + Send + Sync + 'static,
    V: 'static,
    Key: Fn(&A) -> K + Send + Sync + 'static,
    F: FunctionOf<A, V, Kind> + Send + Sync + 'static,
    S: Store<K, V> + Send + Sync + 'static,
    C: Clock + Clone + 'static,
{
    fn call_in_background<W: Tells<F::Error>>(
        self,
        wait: &Wait,
        runner: &(impl Runner + ?Sized),
    ) -> FunctionResult<Self, Kind> {
        let Self { kept, arguments, .. } = self;
        let function = kept.refer();
        let key = (function.key)(arguments);
        let lock = function.lock(&key);
        let mut lookup = Lookup::<_, _, ByLife, _>::new(OfThread(&*lock), wait, || ready(function.bring(&key)));
        let elected = |born| {
            let lock = lock.owned_by(Arc::new(kept.share()));
            Creation::new(Keeper::Held(Box::new(lock)), born)
        };
        let here = |creation| {
            let creator = |_: &Creation<'static, Dogpile<C>>| function.make::<A, Kind, W::As>(arguments);
            let setter = Set(|made: &Lived<V>| function.keep::<W::As>(&key, made));
            ready(run(creation, |creation| {
                make::<Dogpile<C>, ByLife, _, Either<_, _>, _, _, _>(creation, wait, creator, setter)
            }))
        };
        let hand_over = |creation| {
            // All three before `job` takes the creation: a panic in one of them drops the creation, which then fails.
            let (kept, key, arguments) = (kept.share(), key.clone(), arguments.to_owned());
            runner.run(job(creation, Creation::is_dead, move |creation| {
                let creator = |_: &Creation<'static, Dogpile<C>>| kept.make::<A, Kind, W::As>(arguments.borrow());
                let setter = Set(|made: &Lived<V>| kept.keep::<W::As>(&key, made));
                drop(run(creation, |creation| {
                    make::<Dogpile<C>, ByLife, _, Either<_, _>, _, S::Error, _>(
                        creation,
                        &Wait::new(FOREVER),
                        creator,
                        setter,
                    )
                }));
            }));
        };
        let got = block_on(lookup.create_or_hand_over(elected, here, hand_over));
        W::told(wait, got.map(|lived| lived.stamped).map_err(CreateError::told_apart))
    }
}
