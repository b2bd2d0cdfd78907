//! One access to many keys: its steps and its terminals.

use super::creation::Claim;
use super::error::{CreateError, GetError};
use super::kept::Got;
use super::made::{Content, Made};
use super::{Region, RegionKey};
use crate::backend::BackendError;
use crate::drive::{Entered, Many, Reached, Wants};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt::{self, Display};
use std::pin::pin;
use std::time::Duration;

/// One access to many keys. Its steps say how it is made, and its terminal makes it.
///
/// The steps are [`timeout`](GetMany::timeout) and [`soft_timeout`](GetMany::soft_timeout).
///
/// # Terminals
///
/// | terminal | the creator returns | the access gives |
/// |---|---|---|
/// | [`or_create`](GetMany::or_create) | `Vec<V>` | `Result<Vec<Got<V>>, GetError>` |
/// | [`or_try_create`](GetMany::or_try_create) | `Result<Vec<V>, E>` | `Result<Vec<Got<V>>, CreateError<E>>` |
/// | [`or_try_find`](GetMany::or_try_find) | `Result<Vec<Option<V>>, E>`: there may be no value | `Result<Vec<Option<Got<V>>>, CreateError<E>>` |
/// | [`values`](GetMany::values) | - | `Result<Vec<Option<Got<V>>>, BackendError>`: what is there |
///
/// An access gives one element for each key, in the order in which it was given the keys. A key that was given twice is
/// one key, and both elements share one value.
///
/// # The creator
///
/// The creator makes the values of all keys for which this access is elected. It is given these keys, all different,
/// and returns as many values, *in the order of these keys*. (A query may return its rows in another order.) If it
/// returns another number of values, it has failed.
///
/// The creator is called once at most, unless another access fails: see below. So it is a closure that can be called
/// again, such as `async |missing| …`, and it may borrow what it needs. (It is no `AsyncFnMut`: with a creator of that
/// kind that borrows, no future of an access would be `Send`.)
///
/// # What an access does
///
/// 1. It takes the fresh values that are kept near. The other keys it looks up together, by one round trip to each
///    server, all at once. It goes on when all these looks have ended.
/// 2. Each key that is to be created is claimed by itself, at the same time as the others. What
///    [`Get`](super::Get#what-an-access-does) says holds for each of them: an old value is not waited for.
/// 3. The creator makes the values of the keys that were granted. They are published by themselves, at the same time.
/// 4. The access waits for the keys that others create, for all of them at once. It has no creation meanwhile. So two
///    accesses with their keys in different orders do not wait for each other in a circle.
/// 5. If another access has failed to create some of these, or was dropped, this access may be elected for them. It
///    then calls the creator once more, for those.
///
/// # Failure
///
/// An access needs the values of all its keys. If it cannot have one, it returns the first error that it meets, and
/// waits no more. The keys for which it was elected by then are created and published all the same.
///
/// If a server of several is down, its keys alone go the way of
/// [`on_backend_failure`](crate::RegionBuilder::on_backend_failure). The keys of the other servers have their values,
/// and are claimed and published as always. A server that does not answer costs the access a
/// [`backend_timeout`](crate::RegionBuilder::backend_timeout), once in each
/// [`backend_pause`](crate::RegionBuilder::backend_pause), and takes nothing from the time of the other keys.
///
/// If the creator fails, the [pause](crate::RegionBuilder::retry_after) of each key for which it was called begins. The
/// error is returned once, unless all these keys have old values, and
/// [`on_error`](crate::RegionBuilder::on_error) says to serve them.
///
/// # Cancel safety
///
/// If the future is dropped, the access gives up all its creations: their grants are ended without a pause, as
/// [`Get`](super::Get#cancel-safety) says. What it has published stays.
///
/// # Examples
///
/// ```
/// use dogpile_cache::{Near, Region};
/// use std::time::Duration;
///
/// # async fn select(ids: &[u64]) -> Result<Vec<String>, std::io::Error> {
/// #     Ok(ids.iter().map(|id| format!("product {id}")).collect())
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let products = Region::builder("product")
///     .near(Near::holding(10_000))
///     .expires_after(Duration::from_secs(600))
///     .build::<u64, String>()?;
///
/// products.get(&7).or_create(async || "product 7".to_owned()).await?;
/// let some = products.get_many(&[7, 8, 9, 8]).or_try_create(async |missing| {
///     assert_eq!(missing, [8, 9]);
///     select(&missing).await // one query for both
/// });
/// let some = some.await?;
/// assert_eq!(*some[3], "product 8");
/// # Ok(())
/// # }
/// ```
///
/// The keys of a region of `str` are given as what iterates over `&str`:
///
/// ```
/// # use dogpile_cache::{Near, Region};
/// # use std::time::Duration;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let near = Near::holding(10_000);
/// # let lengths = Region::builder("length").near(near).expires_after(Duration::from_secs(600)).build::<str, usize>()?;
/// let names = vec!["Ada".to_owned(), "Grace".to_owned()];
/// let names = names.iter().map(String::as_str);
/// let made = lengths.get_many(names).or_create(async |missing| missing.iter().map(String::len).collect()).await?;
/// assert_eq!(*made[1], 5);
/// # Ok(())
/// # }
/// ```
#[must_use = "an access is made by its terminal"]
pub struct GetMany<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> {
    region: &'a Region<K, V>,
    keys: Vec<&'a K>,
    wants: Wants,
}

/// The keys of an access, each of them once.
struct Keys<'a, K: ?Sized, V> {
    /// For each key as it was given: which one it is.
    which: Vec<usize>,
    /// The keys, with what was near.
    all: Vec<(&'a K, Option<Got<V>>)>,
}

/// # Steps
impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> GetMany<'a, K, V> {
    pub(super) fn new(region: &'a Region<K, V>, keys: Vec<&'a K>) -> GetMany<'a, K, V> {
        GetMany { region, keys, wants: Wants::default() }
    }

    /// Waits for others no longer than this, from the terminal's first poll on: see
    /// [`Get::timeout`](super::Get::timeout). If a key has no value by then, the access ends with
    /// [`CreateError::TimedOut`].
    ///
    /// The unit is the nanosecond of the region's clock; timers have a precision of a millisecond. `Duration::ZERO`
    /// waits for nothing and asks nothing of the backend, `Duration::MAX` waits for as long as it takes.
    pub fn timeout(mut self, timeout: Duration) -> GetMany<'a, K, V> {
        self.wants.timeout = Some(timeout);
        self
    }

    /// Waits for new values that other accesses create, though there are old ones, but no longer than this: see
    /// [`Get::soft_timeout`](super::Get::soft_timeout). Without this step an old value is never waited for.
    pub fn soft_timeout(mut self, timeout: Duration) -> GetMany<'a, K, V> {
        self.wants.soft_timeout = Some(timeout);
        self
    }
}

/// # Terminals
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> GetMany<'_, K, V> {
    /// Returns the values, and creates those for which this access is elected. See [`GetMany`] for what it does in
    /// which case.
    ///
    /// # Errors
    ///
    /// See [`CreateError`]: the first error of any key, or [`CreateError::WrongCount`].
    pub fn or_create<F: Future<Output = Vec<V>>>(
        self,
        creator: impl FnMut(Vec<K::Owned>) -> F,
    ) -> impl Future<Output = Result<Vec<Got<V>>, GetError>> {
        self.creating(creator, Ok)
    }

    /// As [`or_create`](GetMany::or_create), with a creator that may fail.
    ///
    /// # Errors
    ///
    /// As for [`or_create`](GetMany::or_create).
    pub fn or_try_create<E: Display, F: Future<Output = Result<Vec<V>, E>>>(
        self,
        creator: impl FnMut(Vec<K::Owned>) -> F,
    ) -> impl Future<Output = Result<Vec<Got<V>>, CreateError<E>>> {
        self.creating(creator, |made| made)
    }

    /// As [`or_try_create`](GetMany::or_try_create), with a creator that may find that there is no value of some keys.
    /// An absence is stored as a value is, for [its own lifetime](crate::RegionBuilder::absence_expires_after), so that
    /// the source is not asked again each time.
    ///
    /// # Errors
    ///
    /// As for [`or_create`](GetMany::or_create).
    pub fn or_try_find<E: Display, F: Future<Output = Result<Vec<Option<V>>, E>>>(
        mut self,
        creator: impl FnMut(Vec<K::Owned>) -> F,
    ) -> impl Future<Output = Result<Vec<Option<Got<V>>>, CreateError<E>>> {
        self.wants.finds = true;
        let one = |found: Option<V>| Made::of(found.map_or(Content::Absent, Content::Value));
        self.asking(creator, move |found| found.map(|found| found.into_iter().map(one).collect()))
    }

    /// Returns what is there, fresh or old, and creates nothing. `None`: the value is missing, or is known to be
    /// absent. One round trip to each server, or none if all values are kept near. No step counts.
    ///
    /// # Errors
    ///
    /// A server has not answered within `backend_timeout`, or is in the pause after a failure, and this process has no
    /// value of its own for some key of that server; or the region was closed.
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has no effect.
    pub async fn values(self) -> Result<Vec<Option<Got<V>>>, BackendError> {
        let core = &self.region.core;
        let mut keys = self.near();
        if keys.are_open() {
            let _entered = core.closing.enter().ok_or_else(super::get::closed)?;
            let slots: Vec<_> = keys.open().map(|key| core.hold(key)).collect();
            let peeked = Box::pin(core.peek_many(&slots)).await?;
            let now = core.time.nanos();
            keys.fill(peeked.into_iter().map(|(found, outcome)| Got::new(found?, outcome, None, now)));
        }
        Ok(keys.in_order())
    }
}

impl<'a, K: RegionKey + ?Sized, V: Send + Sync + 'static> GetMany<'a, K, V> {
    /// Returns the keys, each of them once, and of each its value, or the right to create it. Waits for no other access:
    /// `None` where there is nothing to be served, and another access creates, or none may for a while.
    pub(crate) async fn claim_at_once(self) -> Result<Vec<(&'a K, Option<Claim<K, V>>)>, GetError> {
        let core = &self.region.core;
        let keys = self.near();
        let mut reached = Vec::new();
        if keys.are_open() {
            let _entered = core.closing.enter().ok_or(GetError::Closed)?;
            let many = Many::new(core, keys.open().map(|key| core.hold(key)), self.wants);
            let at_once = pin!(many.at_once());
            reached = Box::pin(core.unless_ended(at_once)).await.ok_or(GetError::Closed)??;
        }
        let mut reached = reached.into_iter();
        let all = keys.all.into_iter().map(|(key, got)| match got {
            Some(got) => (key, Some(Claim::Value(got))),
            None => (key, Claim::reached(reached.next().unwrap_or(Reached::Nothing), || core.closing.hold())),
        });
        Ok(all.collect())
    }

    /// Returns the keys, each of them once, with the values that are kept near.
    fn near(&self) -> Keys<'a, K, V> {
        let (mut all, mut known) = (Vec::new(), HashMap::with_capacity(self.keys.len()));
        let which = self.keys.iter().map(|key| match known.entry(*key) {
            Entry::Occupied(at) => *at.get(),
            Entry::Vacant(new) => {
                all.push((*key, self.region.hit(key, None)));
                *new.insert(all.len() - 1)
            }
        });
        Keys { which: which.collect(), all }
    }

    async fn creating<F: Future, E: Display>(
        self,
        creator: impl FnMut(Vec<K::Owned>) -> F,
        read: impl Fn(F::Output) -> Result<Vec<V>, E>,
    ) -> Result<Vec<Got<V>>, CreateError<E>> {
        let read = |made| read(made).map(|made| made.into_iter().map(Made::new).collect());
        let got = self.asking(creator, read).await?;
        Ok(got.into_iter().map(|got| got.expect("an access that does not find takes no absence")).collect())
    }

    /// Makes the access. `read` reads what the creator returns.
    async fn asking<F: Future, E: Display>(
        self,
        creator: impl FnMut(Vec<K::Owned>) -> F,
        read: impl Fn(F::Output) -> Result<Vec<Made<V>>, E>,
    ) -> Result<Vec<Option<Got<V>>>, CreateError<E>> {
        let mut keys = self.near();
        if keys.are_open() {
            let core = &self.region.core;
            let entered = core.closing.enter().ok_or(CreateError::Closed)?;
            let many = Many::new(core, keys.open().map(|key| core.hold(key)), self.wants);
            // In a box, since it is large.
            keys.fill(Box::pin(ask(entered, many, creator, read)).await?.into_values());
        }
        Ok(keys.in_order())
    }
}

/// Makes the accesses, batch by batch, until all have ended.
async fn ask<O, V, F, E>(
    // It goes last.
    _entered: Entered,
    mut many: Many<O, V>,
    mut creator: impl FnMut(Vec<O>) -> F,
    read: impl Fn(F::Output) -> Result<Vec<Made<V>>, E>,
) -> Result<Many<O, V>, CreateError<E>>
where
    O: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
    F: Future,
    E: Display,
{
    loop {
        let core = many.core();
        let is_elected = core.unless_ended(many.elect()).await.ok_or(CreateError::Closed)?;
        if is_elected {
            let keys = many.elected_keys();
            let asked = keys.len();
            let made = many.create(|| creator(keys)).await;
            let failed = match read(made) {
                Ok(made) if made.len() == asked => {
                    many.settle(made).await;
                    None
                }
                Ok(made) => Some(CreateError::WrongCount { asked, given: made.len() }),
                Err(error) => Some(CreateError::Failed(error)),
            };
            if let Some(error) = failed {
                let cause = match &error {
                    CreateError::Failed(error) => many.cause(error),
                    error => many.cause(error),
                };
                if !many.fail(cause).await {
                    return Err(error);
                }
            }
        }
        if let Some(error) = many.take_error() {
            return Err(error.widen());
        }
        if !is_elected {
            return Ok(many);
        }
    }
}

impl<'a, K: ?Sized, V> Keys<'a, K, V> {
    /// Returns whether there are keys without a value.
    fn are_open(&self) -> bool {
        self.open().next().is_some()
    }

    /// Returns the keys without a value.
    fn open(&self) -> impl Iterator<Item = &'a K> {
        self.all.iter().filter(|(_, got)| got.is_none()).map(|(key, _)| *key)
    }

    /// Gives the keys without a value what they have got, in their order.
    fn fill(&mut self, got: impl Iterator<Item = Option<Got<V>>>) {
        self.all.iter_mut().filter(|(_, got)| got.is_none()).zip(got).for_each(|((_, one), got)| *one = got);
    }

    fn in_order(self) -> Vec<Option<Got<V>>> {
        self.which.into_iter().map(|at| self.all[at].1.clone()).collect()
    }
}

impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> fmt::Debug for GetMany<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, keys) = (self.region.name(), self.keys.len());
        f.debug_struct("GetMany").field("region", &name).field("keys", &keys).field("wants", &self.wants).finish()
    }
}
