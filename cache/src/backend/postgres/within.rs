//! Changes within a transaction of the caller's.
//!
//! # States and transitions
//!
//! | the caller's transaction | what it has changed | other processes |
//! |---|---|---|
//! | open | its own statements see it | look: what was committed before. Claim: *locked*, so that no creation begins that could read the source as it was. Publish, renew, end: *locked*, and tried again. A change: tried again, for 0.4 s |
//! | committed | everybody sees it | a grant of before is void; those who wait find that by their next poll |
//! | rolled back, or its session has ended | nothing | go on as if nothing had been |
//!
//! Each call is one statement: a function of `users.sql`, which takes the lock of the place and the rows, and waits for
//! them. It is sent unprepared, so that a session of any pool will do.
//!
//! - *The level is asked first*, in the statement itself: at another than READ COMMITTED the function is not called, the
//!   answer is null, and the transaction goes on (S76). A count is right at each level, or fails as any `UPDATE`
//!   would.
//! - *The life* of a grant that is voided is that of its own row. What the region knows may be of before a restart.
//! - *Names* are qualified: the session's search path may be a stranger's.
//! - *No signal* is sent: a NOTIFY would be in the transaction.

use super::failure::Failure;
use super::{Postgres, millis, reply, shape, takes, takes_entry};
use crate::backend::{BackendError, BackendErrorKind, Count, Counted, Entry, Life, Look, Seen};
use crate::key::StoredKey;
use std::time::Duration;
use tokio_postgres::types::{ToSql, Type};
use tokio_postgres::{Row, Transaction};

type Result<T> = std::result::Result<T, BackendError>;

/// Calls a function if the transaction is READ COMMITTED.
fn guarded(call: &str) -> String {
    format!(
        "SELECT CASE WHEN pg_catalog.current_setting('transaction_isolation'::pg_catalog.text)
            OPERATOR(pg_catalog.=) 'read committed'::pg_catalog.text THEN {call} END"
    )
}

/// A time as a parameter of `make_interval`, in seconds; `None` is for ever.
fn seconds(time: Duration) -> Option<f64> {
    // (Whole milliseconds of a hundred years are exact.)
    millis::of(time).map(|millis| Duration::from_millis(millis.unsigned_abs()).as_secs_f64())
}

impl Postgres {
    /// Stores an entry: whatever is there, or if that is in this state. Returns whether it was stored.
    pub(crate) async fn set_in(
        &self,
        transaction: &Transaction<'_>,
        key: &StoredKey,
        entry: &Entry,
        seen: Option<&Seen>,
        void_pause: Duration,
    ) -> Result<bool> {
        takes_entry(key, entry)?;
        let ((schema, format), lifetime) = (shape(key.shape()), millis::lifetime(entry.lifetime));
        let (is_as_seen, seen) = (seen.is_some(), seen.and_then(reply::version));
        let call = "set_envelope($1, $2, $3, $4, $5, $6, $7, pg_catalog.make_interval(secs => $8))";
        let parameters: [(&(dyn ToSql + Sync), Type); 8] = [
            (&key.whole(), Type::TEXT),
            (&&entry.bytes[..], Type::BYTEA),
            (&schema, Type::INT8),
            (&i32::from(format), Type::INT4),
            (&lifetime, Type::INT8),
            (&is_as_seen, Type::BOOL),
            (&seen, Type::INT8),
            (&seconds(void_pause), Type::FLOAT8),
        ];
        self.change_in(transaction, call, &parameters).await
    }

    /// Gives an entry that is in this state other bytes and another lifetime. Returns whether it was so.
    pub(crate) async fn touch_in(
        &self,
        transaction: &Transaction<'_>,
        key: &StoredKey,
        entry: &Entry,
        seen: &Seen,
    ) -> Result<bool> {
        takes_entry(key, entry)?;
        let ((schema, format), lifetime) = (shape(key.shape()), millis::lifetime(entry.lifetime));
        let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
            (&key.whole(), Type::TEXT),
            (&&entry.bytes[..], Type::BYTEA),
            (&schema, Type::INT8),
            (&i32::from(format), Type::INT4),
            (&lifetime, Type::INT8),
            (&reply::version(seen), Type::INT8),
        ];
        self.change_in(transaction, "touch_envelope($1, $2, $3, $4, $5, $6)", &parameters).await
    }

    /// Marks the entries of all shapes. Returns whether there were any.
    pub(crate) async fn mark_stale_in(&self, transaction: &Transaction<'_>, key: &StoredKey) -> Result<bool> {
        takes(key)?;
        self.change_in(transaction, "mark_stale($1)", &[(&key.whole(), Type::TEXT)]).await
    }

    /// Deletes the entries of all shapes. Returns whether there were any.
    pub(crate) async fn invalidate_in(
        &self,
        transaction: &Transaction<'_>,
        key: &StoredKey,
        void_pause: Duration,
    ) -> Result<bool> {
        takes(key)?;
        let call = "invalidate($1, pg_catalog.make_interval(secs => $2))";
        let parameters: [(&(dyn ToSql + Sync), Type); 2] =
            [(&key.whole(), Type::TEXT), (&seconds(void_pause), Type::FLOAT8)];
        self.change_in(transaction, call, &parameters).await
    }

    /// Looks at an entry, as the transaction sees it. The life is that which the region knows.
    pub(crate) async fn look_in(&self, transaction: &Transaction<'_>, key: &StoredKey, life: Life) -> Result<Look> {
        takes(key)?;
        let (schema, format) = shape(key.shape());
        let parameters: [(&(dyn ToSql + Sync), Type); 3] =
            [(&key.whole(), Type::TEXT), (&schema, Type::INT8), (&i32::from(format), Type::INT4)];
        let rows = self.ask_in(transaction, "SELECT * FROM {schema}.look_envelope($1, $2, $3)", &parameters).await?;
        let row = rows.first().ok_or_else(super::another_dialect)?;
        Ok(reply::look(row, life)?.0)
    }

    /// Reads, moves or deletes a counter.
    pub(crate) async fn count_in(
        &self,
        transaction: &Transaction<'_>,
        key: &StoredKey,
        count: Count,
    ) -> Result<Counted> {
        takes(key)?;
        let counter = key.whole();
        let (delta, ceiling, lifetime) = match count {
            Count::Get => {
                let text = "SELECT {schema}.counter($1), false";
                return reply::counted_in(&self.ask_in(transaction, text, &[(&counter, Type::TEXT)]).await?);
            }
            Count::Reset => {
                self.ask_in(transaction, "SELECT {schema}.reset($1)", &[(&counter, Type::TEXT)]).await?;
                return Ok(Counted::Now(0));
            }
            Count::Add { delta, ceiling, lifetime } => (delta, i64::try_from(ceiling).unwrap_or(i64::MAX), lifetime),
        };
        let parameters: [(&(dyn ToSql + Sync), Type); 4] = [
            (&counter, Type::TEXT),
            (&delta, Type::INT8),
            (&ceiling, Type::INT8),
            (&lifetime.and_then(seconds), Type::FLOAT8),
        ];
        let text = "SELECT * FROM {schema}.move($1, $2, $3, pg_catalog.make_interval(secs => $4))";
        reply::counted_in(&self.ask_in(transaction, text, &parameters).await?)
    }

    /// Calls a function that changes an entry. `call` is it, without its schema.
    async fn change_in(
        &self,
        transaction: &Transaction<'_>,
        call: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<bool> {
        let text = guarded(&format!("{{schema}}.{call}"));
        let answer = reply::is_so_if_asked(self.ask_in(transaction, &text, parameters).await?)?;
        let why = "the transaction is not READ COMMITTED";
        answer.ok_or_else(|| BackendError::new(BackendErrorKind::Refused).caused_by(why))
    }

    async fn ask_in(
        &self,
        transaction: &Transaction<'_>,
        text: &str,
        parameters: &[(&(dyn ToSql + Sync), Type)],
    ) -> Result<Vec<Row>> {
        let text = text.replace("{schema}", &self.hub.lanes.at.schema.quoted());
        transaction.query_typed(&text, parameters).await.map_err(|error| Failure::of(&error).error())
    }
}
