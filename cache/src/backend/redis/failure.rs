//! The client's errors as those of a backend.
//!
//! The text of an error names what the client or the server says by its kind or its code alone: what follows a code may
//! repeat a user's name, a command or a key.

use crate::backend::{BackendError, BackendErrorKind};
use redis::{ConnectionAddr, ErrorKind, RedisError, ServerErrorKind};

/// What became of a request that has no reply.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The server does not know the script. Nothing was executed.
    NoScript,
    /// Another server of the Cluster has the slot, at this address. Nothing was executed.
    Moved(String),
    /// Another server of the Cluster has the key, if it is told that it is asked for now. Nothing was executed.
    Ask(String),
    /// The keys lie on two servers of the Cluster, as their slot is on its way. Nothing was executed.
    TryAgain,
    /// The key has no text, but something of another type. Nothing was executed.
    WrongType,
    /// The server has answered `ERR`. A script of several changes may have ended between two of them, for want of a
    /// right.
    Err,
    /// The error of the operation.
    Backend(BackendError),
    /// The same, and the connection is of no use any more.
    Broken(BackendError),
}

impl Failure {
    /// Takes an error of the client, for a request that was sent, as far as anybody knows.
    pub(super) fn of(error: &RedisError) -> Failure {
        let code = error.code().unwrap_or_default();
        match error.kind() {
            ErrorKind::Server(ServerErrorKind::NoScript) => Failure::NoScript,
            ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask) => match error.redirect_node() {
                Some((to, _)) if error.code() == Some("ASK") => Failure::Ask(to.to_owned()),
                Some((to, _)) => Failure::Moved(to.to_owned()),
                None => Failure::Backend(another_dialect()),
            },
            ErrorKind::Extension if code == "WRONGTYPE" => Failure::WrongType,
            // The server has not executed it, and would not for another request either. What it is has changed:
            // another connection finds its place.
            ErrorKind::Server(ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown) => {
                Failure::Broken(answered(BackendErrorKind::Unreachable, code))
            }
            ErrorKind::Server(ServerErrorKind::TryAgain) => Failure::TryAgain,
            ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown) => {
                Failure::Backend(answered(BackendErrorKind::Unreachable, code))
            }
            ErrorKind::Extension if matches!(code, "BUSY" | "UNBLOCKED") => {
                Failure::Backend(answered(BackendErrorKind::Unreachable, code))
            }
            // The password was changed, or the connection was never let in.
            ErrorKind::AuthenticationFailed => Failure::Broken(answered(BackendErrorKind::Refused, "authentication")),
            ErrorKind::Extension if code == "NOAUTH" => Failure::Broken(answered(BackendErrorKind::Refused, code)),
            ErrorKind::Server(ServerErrorKind::ResponseError) => Failure::Err,
            ErrorKind::Server(_) | ErrorKind::Extension => Failure::Backend(answered(BackendErrorKind::Refused, code)),
            // What was sent may be executed; and replies cannot be told apart any more.
            _ => Failure::Broken(
                BackendError::new(BackendErrorKind::InDoubt)
                    .caused_by(format!("the connection was lost: {}", error.category())),
            ),
        }
    }
}

impl Failure {
    /// The same, of this server.
    pub(super) fn at(self, server: &ConnectionAddr) -> Failure {
        match self {
            Failure::Backend(error) => Failure::Backend(error.at(server)),
            Failure::Broken(error) => Failure::Broken(error.at(server)),
            failure => failure,
        }
    }

    /// The failure of a script of several changes.
    pub(super) fn of_changes(self) -> Failure {
        match self {
            Failure::Err => Failure::Backend(answered(BackendErrorKind::InDoubt, "ERR")),
            failure => failure,
        }
    }

    /// Whether the server has refused this request, so that nothing speaks against the server.
    pub(super) fn is_of_the_request(&self) -> bool {
        match self {
            Failure::Backend(error) => !error.is_down(),
            Failure::NoScript | Failure::WrongType | Failure::TryAgain | Failure::Err => true,
            Failure::Moved(_) | Failure::Ask(_) | Failure::Broken(_) => false,
        }
    }

    /// What the operation returns.
    pub(super) fn error(self) -> BackendError {
        match self {
            Failure::Backend(error) | Failure::Broken(error) => error,
            Failure::Err => answered(BackendErrorKind::Refused, "ERR"),
            // The server answers for its other slots.
            Failure::TryAgain => answered(BackendErrorKind::Refused, "TRYAGAIN"),
            // The scripts were sent in full, and ask for keys of any type; a server alone moves nothing.
            Failure::NoScript | Failure::WrongType | Failure::Moved(_) | Failure::Ask(_) => another_dialect(),
        }
    }
}

/// An error that the server has answered.
fn answered(kind: BackendErrorKind, code: &str) -> BackendError {
    BackendError::new(kind).caused_by(format!("the server has answered {code}"))
}

/// A reply that no such server gives.
pub(super) fn another_dialect() -> BackendError {
    BackendError::new(BackendErrorKind::Refused).caused_by("the server has answered in another dialect")
}
