//! Counters within a transaction of the caller's, on PostgreSQL.

use super::{Counters, IncrementError};
use crate::backend::{Backend, BackendError, Count, Counted};
use crate::key::{Key, StoredKey};
use crate::region::no_tables;
use tokio_postgres::Transaction;

/// # Within a transaction of the caller's
///
/// Where the backend is a [`Postgres`](crate::backend::Postgres), a count can be part of a transaction that the caller
/// has begun by tokio-postgres, in the same database. It is rolled back with the transaction; the calls above are not:
/// they count at once, whatever becomes of a transaction of the caller's.
///
/// From the call to the end of the transaction, each other count of the same counter waits for it; a
/// [`get`](Counters::get) does not, and returns what was committed before. So count late in a transaction, and commit
/// soon.
///
/// # Errors
///
/// [`Refused`](crate::backend::BackendErrorKind::Refused), and the transaction goes on: the backend is no PostgreSQL.
/// An error of the server ends the transaction, as any of its statements that fails. At REPEATABLE READ that is so
/// where another transaction has moved the counter meanwhile, as it is with any row.
///
/// # Cancel safety
///
/// A call that is dropped may be a part of the transaction, or not: roll it back.
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
impl<K: Key + ?Sized, B: Backend> Counters<K, B> {
    /// Adds `by` to the counter of a key, as [`increment`](Counters::increment) does, and returns its new value. One
    /// round trip of the transaction.
    ///
    /// # Errors
    ///
    /// See [above](#within-a-transaction-of-the-callers). An increment that would bring the counter above the ceiling
    /// changes nothing: [`IncrementError::TooLarge`], and the transaction goes on.
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn increment_in(&self, transaction: &Transaction<'_>, key: &K, by: u64) -> Result<u64, IncrementError> {
        let (key, (delta, ceiling)) = (self.key(key), self.bounds(by));
        let count = Count::Add { delta, ceiling, lifetime: Some(self.lifetime) };
        match self.count_in(transaction, &key, count).await? {
            Counted::Now(value) => Ok(value),
            Counted::TooLarge(value) => Err(IncrementError::TooLarge { value, ceiling: self.ceiling }),
        }
    }

    /// Subtracts `by` from the counter of a key, as [`decrement`](Counters::decrement) does, and returns its new value.
    /// One round trip of the transaction.
    ///
    /// # Errors
    ///
    /// See [above](#within-a-transaction-of-the-callers).
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn decrement_in(&self, transaction: &Transaction<'_>, key: &K, by: u64) -> Result<u64, BackendError> {
        let delta = -i64::try_from(by).unwrap_or(i64::MAX);
        let count = Count::Add { delta, ceiling: Self::LARGEST, lifetime: Some(self.lifetime) };
        self.value_in(transaction, &self.key(key), count).await
    }

    /// Returns the value of the counter of a key, as the transaction sees it; 0 if it is missing. One round trip of the
    /// transaction.
    ///
    /// # Errors
    ///
    /// See [above](#within-a-transaction-of-the-callers).
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped has no effect.
    pub async fn get_in(&self, transaction: &Transaction<'_>, key: &K) -> Result<u64, BackendError> {
        self.value_in(transaction, &self.key(key), Count::Get).await
    }

    /// Deletes the counter of a key. One round trip of the transaction.
    ///
    /// # Errors
    ///
    /// See [above](#within-a-transaction-of-the-callers).
    ///
    /// # Cancel safety
    ///
    /// See above.
    pub async fn reset_in(&self, transaction: &Transaction<'_>, key: &K) -> Result<(), BackendError> {
        self.value_in(transaction, &self.key(key), Count::Reset).await.map(|_| ())
    }

    async fn value_in(
        &self,
        transaction: &Transaction<'_>,
        key: &StoredKey,
        count: Count,
    ) -> Result<u64, BackendError> {
        let (Counted::Now(value) | Counted::TooLarge(value)) = self.count_in(transaction, key, count).await?;
        Ok(value)
    }

    async fn count_in(
        &self,
        transaction: &Transaction<'_>,
        key: &StoredKey,
        count: Count,
    ) -> Result<Counted, BackendError> {
        let tables = self.backend.tables().ok_or_else(no_tables)?;
        tables.count_in(transaction, key, count).await
    }
}
