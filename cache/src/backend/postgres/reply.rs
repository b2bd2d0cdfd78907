//! The results of the functions.

use super::failure::another_dialect;
use super::millis::Moment;
use crate::backend::{
    BackendError, Changed, Claimed, Counted, Ended, Grant, HeldBy, Life, Look, Pause, Published, Refusal, Renewed,
    Seen, Token,
};
use bytes::Bytes;
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;

type Result<T> = std::result::Result<T, BackendError>;

/// What a function that asks for the lock of a place has answered.
#[derive(Debug)]
pub(super) enum Answer<T> {
    /// Nothing was changed: another transaction has a row, or the lock, of a holder or a claim.
    Locked,
    /// Nothing was changed: another transaction has the lock, perhaps one of ours.
    Busy,
    Done(T),
}

/// The same, and whether somebody is to be told.
pub(super) type Told<T> = (Answer<T>, bool);

/// Returns the one row of a result.
fn one(rows: Vec<Row>) -> Result<Row> {
    let mut rows = rows.into_iter();
    match (rows.next(), rows.next()) {
        (Some(row), None) => Ok(row),
        _ => Err(another_dialect()),
    }
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, name: &str) -> Result<T> {
    row.try_get(name).map_err(|_| another_dialect())
}

fn at<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|_| another_dialect())
}

/// Returns the state of an entry by its version.
fn state(version: i64) -> Seen {
    Seen::copied(&version.to_be_bytes())
}

/// Returns the version that a state names; 0, which no entry has, if it was named by another backend.
pub(super) fn version(seen: &Seen) -> Option<i64> {
    seen.state().map(|state| state.try_into().map_or(0, i64::from_be_bytes))
}

/// What a look has found, and whether there is an entry that is over.
pub(super) type Looked = (Look, bool);

/// What a look has found.
pub(super) fn look(row: &Row, life: Life) -> Result<Looked> {
    let (value, version) = (at::<Option<&[u8]>>(row, 0)?, at::<Option<i64>>(row, 1)?);
    let (is_marked, now) = (at::<Option<bool>>(row, 2)?, at::<Moment>(row, 3)?);
    let is_over = value.is_none() && at::<bool>(row, 4)?;
    Ok((found(value, version, is_marked, now, life), is_over))
}

fn found(value: Option<&[u8]>, version: Option<i64>, is_marked: Option<bool>, now: Moment, life: Life) -> Look {
    let mut look = Look::missing(now.millis(), life);
    if let (Some(value), Some(version)) = (value, version) {
        look.entry = Some(Bytes::copy_from_slice(value));
        look.seen = state(version);
        look.is_marked = is_marked.unwrap_or(false);
    }
    look
}

/// What is there, beside an answer.
fn there(row: &Row, life: Life) -> Result<Look> {
    let value = column::<Option<&[u8]>>(row, "r_value")?;
    Ok(found(value, column(row, "r_version")?, column(row, "r_is_marked")?, column(row, "r_now")?, life))
}

pub(super) fn claimed(rows: Vec<Row>, token: Token, life: Life) -> Result<Answer<Claimed>> {
    let row = one(rows)?;
    let failures = || Ok::<_, BackendError>(u32::try_from(column::<i64>(&row, "r_failures")?).unwrap_or(u32::MAX));
    let left = || Ok::<_, BackendError>(column::<Moment>(&row, "r_now")?.left(column(&row, "r_until")?));
    Ok(Answer::Done(match column::<&str>(&row, "r_answer")? {
        "locked" => return Ok(Answer::Locked),
        "granted" => {
            let cas = column::<i64>(&row, "r_number")?.cast_unsigned();
            Claimed::Granted { grant: Grant { token, life, cas }, failures: failures()? }
        }
        "held" => Claimed::Held(HeldBy {
            token: Token(column::<i64>(&row, "r_token")?.cast_unsigned()),
            beat: u32::try_from(column::<i64>(&row, "r_beat")?).map_err(|_| another_dialect())?,
            lease_left: left()?,
            is_void: column(&row, "r_is_void")?,
        }),
        "paused" => Claimed::Paused(Pause { failures: failures()?, left: left()? }),
        "changed" => Claimed::Changed(there(&row, life)?),
        _ => return Err(another_dialect()),
    }))
}

pub(super) fn renewed(rows: Vec<Row>, grant: &Grant) -> Result<Answer<Renewed>> {
    let row = one(rows)?;
    Ok(Answer::Done(match at::<&str>(&row, 0)? {
        "locked" => return Ok(Answer::Locked),
        "own" => Renewed::Yes(*grant),
        why => Renewed::Lost(refusal(why)?),
    }))
}

pub(super) fn published(rows: Vec<Row>) -> Result<Told<Published>> {
    let row = one(rows)?;
    let done = match column::<&str>(&row, "r_answer")? {
        "locked" => return Ok((Answer::Locked, false)),
        "fresh" => Published::Fresh,
        "stale" => Published::Stale,
        why => Published::Refused(refusal(why)?),
    };
    Ok((Answer::Done(done), column(&row, "r_is_awaited")?))
}

pub(super) fn ended(rows: Vec<Row>) -> Result<Told<Ended>> {
    let row = one(rows)?;
    let done = match column::<&str>(&row, "r_answer")? {
        "locked" => return Ok((Answer::Locked, false)),
        "own" => Ended::Yes,
        why => Ended::Lost(refusal(why)?),
    };
    Ok((Answer::Done(done), column(&row, "r_is_awaited")?))
}

pub(super) fn changed(rows: Vec<Row>, life: Life) -> Result<Told<Changed>> {
    let row = one(rows)?;
    let done = match column::<&str>(&row, "r_answer")? {
        "locked" => return Ok((Answer::Locked, false)),
        "busy" => return Ok((Answer::Busy, false)),
        "refused" => return Ok((Answer::Done(Changed::Refused(there(&row, life)?)), false)),
        "yes" => Changed::Yes { was_there: column(&row, "r_was_there")?, voided: column(&row, "r_voided")? },
        _ => return Err(another_dialect()),
    };
    Ok((Answer::Done(done), column(&row, "r_is_awaited")?))
}

pub(super) fn counted(rows: Vec<Row>) -> Result<Counted> {
    let row = one(rows)?;
    let value = column::<i64>(&row, "r_value")?.try_into().map_err(|_| another_dialect())?;
    Ok(if column(&row, "r_is_too_large")? { Counted::TooLarge(value) } else { Counted::Now(value) })
}

/// The same of a counter that was moved, or read, within a transaction of the caller's.
pub(super) fn counted_in(rows: &[Row]) -> Result<Counted> {
    let row = rows.first().ok_or_else(another_dialect)?;
    let value = at::<i64>(row, 0)?.try_into().map_err(|_| another_dialect())?;
    Ok(if at(row, 1)? { Counted::TooLarge(value) } else { Counted::Now(value) })
}

/// The value of a counter that was read, 0 if it is missing or over, and whether it is over.
pub(super) fn counter(rows: &[Row]) -> Result<(u64, bool)> {
    let value = rows.first().map_or(Ok(Some(0)), |row| at::<Option<i64>>(row, 0))?;
    Ok((value.unwrap_or(0).try_into().map_err(|_| another_dialect())?, value.is_none()))
}

/// The transaction that has the lock of a place, if there is one.
pub(super) fn holder(rows: &[Row]) -> Result<Option<String>> {
    rows.first().map(|row| at(row, 0)).transpose()
}

/// A number.
pub(super) fn number(rows: Vec<Row>) -> Result<i64> {
    at(&one(rows)?, 0)
}

/// Whether something is so; `None`: the function was not called.
pub(super) fn is_so_if_asked(rows: Vec<Row>) -> Result<Option<bool>> {
    at(&one(rows)?, 0)
}

/// Whether something is so.
pub(super) fn is_so(rows: Vec<Row>) -> Result<bool> {
    at(&one(rows)?, 0)
}

fn refusal(word: &str) -> Result<Refusal> {
    Refusal::of(word).ok_or_else(another_dialect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_names_its_version_and_no_other() {
        for number in [1, -1, i64::MAX, i64::MIN] {
            assert_eq!(version(&state(number)), Some(number));
        }
        assert_eq!(version(&Seen::NOTHING), None);
        for other in [&b""[..], b"1234567", b"123456789"] {
            assert_eq!(version(&Seen::entry(other.to_vec())), Some(0), "{other:?}");
        }
    }
}
