//! Changes within a transaction of the caller's, on PostgreSQL.

use super::made::Made;
use super::{Region, RegionKey};
use crate::backend::{BackendError, BackendErrorKind, Entry, Postgres};
use crate::drive::{Core, Held};
use crate::region::kept::{Kept, Times};
use crate::round::{Found, Freshness};
use crate::slot::Value;
use crate::store::{Ready, Store};
use std::hash::Hash;
use std::sync::Arc;
use std::time::Duration;
use tokio_postgres::Transaction;

/// # Changes within a transaction of the caller's
///
/// Where the [backend](crate::RegionBuilder::far) is a [`Postgres`], a change can be part of a transaction that the
/// caller has begun by tokio-postgres, in the same database: a write to the source and the invalidation of what was
/// computed from it are committed together, or not at all.
///
/// ```no_run
/// # async fn example(
/// #     products: dogpile_cache::Region<u64, String>,
/// #     client: &mut tokio_postgres::Client,
/// # ) -> Result<(), Box<dyn std::error::Error>> {
/// let transaction = client.transaction().await?;
/// transaction.execute("UPDATE product SET price = price * 2 WHERE id = 7", &[]).await?;
/// products.invalidate_in(&transaction, &7).await?;
/// transaction.commit().await?;
/// # Ok(())
/// # }
/// ```
///
/// | | the changes of the region itself | within a transaction |
/// |---|---|---|
/// | takes effect | when the call returns | when the transaction commits; rolled back, it has never been |
/// | seen by the transaction's own `_in` calls | - | at once |
/// | lifetimes, and the [pause](crate::RegionBuilder::void_pause) of a voided creation, begin | with the call | with the call, not with the commit |
/// | waits for another transaction that has the key | 0.4 s | as long as that one is open, or as `lock_timeout` and `statement_timeout` of the session say |
/// | the region's `backend_timeout` | bounds it | does not |
/// | who waits in the fleet | is signalled | is not: such an access looks again by its next [poll](crate::RegionBuilder::poll) |
/// | what this process keeps [near](crate::Near) | is forgotten | is served for its `at_most`, as in any other process |
/// | the shapes | the region's own, and those [beside](crate::RegionBuilder::beside) it | an invalidation and a mark reach all |
///
/// From the call to the end of the transaction nobody creates this key: a process that would finds it locked, and waits
/// as for another's creation, so that no creation reads the source as it was. Others go on with the old value. So
/// change late in a transaction, and commit soon. Two transactions that change the same keys in different orders may
/// deadlock, as with any rows: the server ends one of them with an error.
///
/// After the commit, [`invalidate`](Region::invalidate) does no harm: it signals those who wait, and has this process
/// forget what it keeps near.
///
/// # Errors
///
/// [`Refused`](BackendErrorKind::Refused): the backend is no PostgreSQL, or the transaction is not READ COMMITTED. This
/// is found before anything is done, and the transaction goes on. An error of the server ends the transaction, as any
/// of its statements that fails: a missing right, a time-out, a deadlock. An error that is
/// [in doubt](BackendError::is_in_doubt) is one of the session: it has ended, and the transaction with it.
///
/// # Cancel safety
///
/// A call that is dropped may be a part of the transaction, or not: roll it back.
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
impl<K: RegionKey + ?Sized, V: Send + Sync + 'static> Region<K, V> {
    /// Stores a value, whatever is there, as [`set`](Region::set) does. One round trip of the transaction; the first
    /// change of a process is a look before that, on a connection of the backend.
    ///
    /// # Errors
    ///
    /// See [above](#changes-within-a-transaction-of-the-callers). The look may fail as any look does.
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn set_in(
        &self,
        transaction: &Transaction<'_>,
        key: &K,
        value: impl Into<Made<V>>,
    ) -> Result<(), BackendError> {
        let (slot, value) = (self.core.hold(key), self.core.make(value.into()));
        let tables = self.core.tables()?;
        let entry = entry(Box::pin(self.core.ready(&slot, value)).await?);
        tables.set_in(transaction, slot.stored(), &entry, None, self.core.void_pause).await?;
        self.core.seen.wrote(entry.bytes.len());
        Ok(())
    }

    /// Stores a value if none is there that is fresh, as [`add`](Region::add) does. Returns whether it was stored. Two
    /// round trips of the transaction, and two more each time that the entry has changed in between; the first change
    /// of a process is a look before that.
    ///
    /// # Errors
    ///
    /// See [above](#changes-within-a-transaction-of-the-callers). The look may fail as any look does.
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn add_in(
        &self,
        transaction: &Transaction<'_>,
        key: &K,
        value: impl Into<Made<V>>,
    ) -> Result<bool, BackendError> {
        let (slot, value) = (self.core.hold(key), self.core.make(value.into()));
        let tables = self.core.tables()?;
        let entry = entry(Box::pin(self.core.ready(&slot, value)).await?);
        loop {
            let found = Box::pin(self.core.found_in(transaction, &slot)).await?;
            let has_value = found.value.is_some_and(|value| value.value().is_some());
            if has_value && matches!(found.freshness, Freshness::Fresh | Freshness::Due) {
                return Ok(false);
            }
            let (stored, seen) = (slot.stored(), Some(&found.seen));
            if tables.set_in(transaction, stored, &entry, seen, self.core.void_pause).await? {
                self.core.seen.wrote(entry.bytes.len());
                return Ok(true);
            }
        }
    }

    /// Begins the lifetime of the value anew, as [`touch`](Region::touch) does. Returns whether there was a value to
    /// touch. Two round trips of the transaction, and two more each time that the entry has changed in between; the
    /// first change of a process is a look before that.
    ///
    /// # Errors
    ///
    /// See [above](#changes-within-a-transaction-of-the-callers). The look may fail as any look does.
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn touch_in(
        &self,
        transaction: &Transaction<'_>,
        key: &K,
        lifetime: Option<Duration>,
    ) -> Result<bool, BackendError> {
        let (slot, core) = (self.core.hold(key), &self.core);
        let tables = core.tables()?;
        loop {
            let found = Box::pin(core.found_in(transaction, &slot)).await?;
            let Some(old) = found.value else { return Ok(false) };
            let lifetimes = core.aging.lifetimes(old.value().is_none(), lifetime, None);
            let times = core.aging.times(lifetimes, old.times.took, core.time.nanos());
            let touched = Kept::same(&old, old.version, Times { life: old.times.life, ..times });
            let entry = entry(Box::pin(core.ready(&slot, Arc::new(touched))).await?);
            if tables.touch_in(transaction, slot.stored(), &entry, &found.seen).await? {
                core.seen.wrote(entry.bytes.len());
                return Ok(true);
            }
        }
    }

    /// Marks the value stale, as [`mark_stale`](Region::mark_stale) does. One round trip of the transaction.
    ///
    /// # Errors
    ///
    /// See [above](#changes-within-a-transaction-of-the-callers).
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn mark_stale_in(&self, transaction: &Transaction<'_>, key: &K) -> Result<(), BackendError> {
        let (slot, tables) = (self.core.hold(key), self.core.tables()?);
        tables.mark_stale_in(transaction, slot.stored()).await.map(|_| ())
    }

    /// Makes the value missing, as [`invalidate`](Region::invalidate) does: once the transaction has committed, no
    /// value that was created before that becomes fresh, in any process (G3). One round trip of the transaction.
    ///
    /// # Errors
    ///
    /// See [above](#changes-within-a-transaction-of-the-callers). Where a transaction without this invalidation must
    /// not be committed, roll it back upon an error.
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn invalidate_in(&self, transaction: &Transaction<'_>, key: &K) -> Result<(), BackendError> {
        let (slot, tables) = (self.core.hold(key), self.core.tables()?);
        tables.invalidate_in(transaction, slot.stored(), self.core.void_pause).await.map(|_| ())
    }
}

/// The error of a backend without transactions.
pub(crate) fn no_tables() -> BackendError {
    BackendError::new(BackendErrorKind::Refused).caused_by("the backend is no PostgreSQL")
}

fn entry<V>(ready: Ready<V>) -> Entry {
    let (bytes, lifetime) = ready.entry.expect("a value for a backend is encoded");
    Entry { bytes, lifetime }
}

impl<O: Hash + Eq + Clone + Send + Sync + 'static, V: Send + Sync + 'static> Core<O, V> {
    fn tables(&self) -> Result<&Postgres, BackendError> {
        match &self.store {
            Store::Far(far) => far.backend().tables().ok_or_else(no_tables),
            Store::Near(_) => Err(no_tables()),
        }
    }

    /// Looks, as the transaction sees it.
    async fn found_in(
        &self,
        transaction: &Transaction<'_>,
        slot: &Held<O, V>,
    ) -> Result<Found<Value<V>>, BackendError> {
        let Store::Far(far) = &self.store else { return Err(no_tables()) };
        let life = self.life(slot, far).await?;
        let sent = self.time.nanos();
        let look = self.tables()?.look_in(transaction, slot.stored(), life).await?;
        Ok(far.judge(slot.stored(), look, sent))
    }
}
