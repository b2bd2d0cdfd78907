//! The client's errors as those of a backend.
//!
//! The text of an error names the code of the server alone: its message may repeat a user's name, or a value.

use crate::backend::{BackendError, BackendErrorKind};
use std::fmt;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What our functions say of tables that are not those of the connection's life.
const OTHER_LIFE: &str = "LIFE0";

/// What became of a statement that has no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The error of the operation.
    Backend(BackendError),
    /// The same, and the connection is of no use any more.
    Broken(BackendError),
}

impl Failure {
    /// Takes an error of the client, for a statement that was sent, as far as anybody knows.
    pub(super) fn of(error: &Error) -> Failure {
        let Some(server) = error.as_db_error() else {
            let why = if error.is_closed() { "the connection is closed" } else { "the connection was lost" };
            return Failure::Broken(BackendError::new(BackendErrorKind::InDoubt).caused_by(why));
        };
        let answered = |kind| BackendError::new(kind).caused_by(Answered::of(server).to_string());
        match &server.code().code()[..2] {
            // The server shuts down, or has ended this session: perhaps after the commit.
            "57" if *server.code() != SqlState::QUERY_CANCELED => Failure::Broken(answered(BackendErrorKind::InDoubt)),
            // The connection is broken, the server has failed itself, or its disk has.
            "08" | "XX" | "58" => Failure::Broken(answered(BackendErrorKind::InDoubt)),
            // It takes no writes: another connection finds what has become of it.
            _ if *server.code() == SqlState::READ_ONLY_SQL_TRANSACTION => {
                Failure::Broken(answered(BackendErrorKind::Unreachable))
            }
            // The tables are others than those that the statements were prepared for, or were emptied.
            _ if is_of_the_tables(server.code())
                || *server.code() == SqlState::FEATURE_NOT_SUPPORTED
                || server.code().code() == OTHER_LIFE =>
            {
                Failure::Broken(answered(BackendErrorKind::Refused))
            }
            // The server has rolled it back.
            _ => Failure::Backend(answered(BackendErrorKind::Refused)),
        }
    }

    /// What the operation returns.
    pub(super) fn error(self) -> BackendError {
        match self {
            Failure::Backend(error) | Failure::Broken(error) => error,
        }
    }
}

/// Whether the tables or functions are missing, or in another form.
pub(super) fn is_of_the_tables(code: &SqlState) -> bool {
    [
        &SqlState::INVALID_SCHEMA_NAME,
        &SqlState::UNDEFINED_TABLE,
        &SqlState::UNDEFINED_FUNCTION,
        &SqlState::UNDEFINED_COLUMN,
        &SqlState::INVALID_SQL_STATEMENT_NAME,
    ]
    .contains(&code)
}

/// What the server has answered, without what it says of names and values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Answered {
    code: String,
    meaning: Option<&'static str>,
}

impl Answered {
    pub(super) fn of(error: &DbError) -> Answered {
        let code = error.code();
        let meaning = match &code.code()[..2] {
            _ if *code == SqlState::INSUFFICIENT_PRIVILEGE => Some("no permission"),
            _ if *code == SqlState::QUERY_CANCELED => Some("another transaction holds the place, or the time is out"),
            _ if *code == SqlState::READ_ONLY_SQL_TRANSACTION => Some("it takes no writes"),
            _ if *code == SqlState::TOO_MANY_CONNECTIONS => Some("too many connections"),
            _ if *code == SqlState::IN_FAILED_SQL_TRANSACTION => Some("the transaction has failed before"),
            _ if *code == SqlState::LOCK_NOT_AVAILABLE => Some("another transaction holds the place"),
            _ if *code == SqlState::T_R_DEADLOCK_DETECTED => Some("a deadlock with another transaction"),
            _ if *code == SqlState::T_R_SERIALIZATION_FAILURE => Some("another transaction was there before"),
            _ if *code == SqlState::DISK_FULL => Some("its disk is full"),
            _ if *code == SqlState::INVALID_CATALOG_NAME => Some("there is no such database"),
            _ if code.code() == OTHER_LIFE => Some("the tables are of another life"),
            _ if is_of_the_tables(code) => Some("the tables are missing, or others: migrate() makes them"),
            "28" => Some("this user is not let in"),
            "53" => Some("not enough memory, or another resource"),
            "57" => Some("the session was ended, or the server starts or ends"),
            _ => None,
        };
        Answered { code: code.code().to_owned(), meaning }
    }
}

impl fmt::Display for Answered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server has answered {}", self.code)?;
        self.meaning.map_or(Ok(()), |meaning| write!(f, " ({meaning})"))
    }
}

/// A result that no such function gives.
pub(super) fn another_dialect() -> BackendError {
    BackendError::new(BackendErrorKind::Refused).caused_by("the server has answered in another dialect")
}
