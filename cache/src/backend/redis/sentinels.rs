//! Where the primary of a service is, as the sentinels say.
//!
//! All sentinels are asked at once, and most of them are believed: one that is cut off goes on naming the primary of
//! before. As soon as more than half of those that the URL names agree, the others are not waited for. If fewer have
//! answered in time, the address that most of these name is taken. So one sentinel that is left is enough.
//!
//! After a failover the old primary, if it is up, goes on as a primary for ten seconds and more, until the sentinels
//! make a replica of it. What is changed there meanwhile is lost: an invalidation, too. So while there are connections,
//! the sentinels are asked again once a second, and a connection to another server than they name is closed.

use super::link::{HEARTBEAT, NotOpened, sleep};
use super::node::Node;
use crate::time::unless;
use crate::together::Together;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisError, Value};
use std::fmt;
use std::sync::Weak;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long the sentinels may take to answer.
const SENTINEL: Duration = Duration::from_millis(500);

/// A connection to a sentinel, if there is one.
type Connection = Option<MultiplexedConnection>;

/// Connections to the sentinels, which are kept from one question to the next.
#[derive(Default)]
pub(super) struct Connections(Vec<Connection>);

/// Returns where the primary of a service is. Waits for half a second at most.
pub(super) async fn primary(
    sentinels: &[ConnectionInfo],
    service: &str,
    by: &mut Connections,
    keeper: &Handle,
) -> Result<At, NotOpened> {
    by.0.resize_with(sentinels.len(), || None);
    let mut asking = Together::new();
    for (sentinel, by) in sentinels.iter().zip(&mut by.0) {
        asking.push(async move {
            let answer = unless(ask(sentinel, service, by), || sleep(keeper, SENTINEL)).await;
            let answer = answer.unwrap_or(Err(Asking::Silent));
            if answer.as_ref().is_err_and(Asking::is_lost) {
                *by = None;
            }
            answer
        });
    }
    let (mut votes, mut why) = (Votes::default(), Asking::Silent);
    while let Some(answer) = asking.next().await {
        match answer.map(|at| votes.count(at)) {
            Ok(agree) if agree > sentinels.len() / 2 => break,
            Ok(_) => {}
            Err(not) => why = why.max(not),
        }
    }
    votes.most().ok_or_else(|| NotOpened::new(why))
}

/// Closes the connections of a server that is not the primary any more, as long as the server is there. To be run on
/// the keeper.
pub(super) async fn watch(node: Weak<Node>, keeper: Handle) {
    let mut by = Connections::default();
    loop {
        sleep(&keeper, HEARTBEAT).await;
        let Some(node) = node.upgrade() else { return };
        if let Ok(now) = node.at().find_by(&mut by, &keeper).await {
            node.leave_all_but(now.addr());
        }
    }
}

/// A host and a port.
pub(super) type At = (String, u16);

/// What the sentinels have told, and how many of them.
#[derive(Debug, Default)]
struct Votes(Vec<(At, usize)>);

impl Votes {
    /// Returns how many have told this by now.
    fn count(&mut self, at: At) -> usize {
        let known = self.0.iter().position(|(known, _)| *known == at);
        let vote = known.unwrap_or_else(|| {
            self.0.push((at, 0));
            self.0.len() - 1
        });
        self.0[vote].1 += 1;
        self.0[vote].1
    }

    /// Returns what most have told; of two that are as many, what was told first.
    fn most(self) -> Option<At> {
        self.0.into_iter().rev().max_by_key(|(_, count)| *count).map(|(at, _)| at)
    }
}

/// Why a sentinel has not told where the primary is. What says more comes later.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Asking {
    Silent,
    NotReached(String),
    AnotherDialect,
    /// It does not know the service.
    Unknown,
}

impl Asking {
    /// Whether the connection is of no use any more.
    fn is_lost(&self) -> bool {
        matches!(self, Asking::Silent | Asking::NotReached(_))
    }
}

impl fmt::Display for Asking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Asking::Silent => f.write_str("no sentinel has answered in time"),
            Asking::NotReached(why) => write!(f, "no sentinel was reached: {why}"),
            Asking::AnotherDialect => f.write_str("a sentinel has answered in another dialect"),
            Asking::Unknown => f.write_str("the sentinels do not know the service"),
        }
    }
}

impl From<RedisError> for Asking {
    fn from(error: RedisError) -> Asking {
        Asking::NotReached(NotOpened::from(error).why)
    }
}

/// Asks one sentinel, by the connection that is kept, or by a new one.
async fn ask(sentinel: &ConnectionInfo, service: &str, by: &mut Connection) -> Result<At, Asking> {
    let mut connection = if let Some(connection) = by {
        connection.clone()
    } else {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let client = Client::open(sentinel.clone())?;
        by.insert(client.get_multiplexed_async_connection_with_config(&config).await?).clone()
    };
    let mut command = redis::cmd("SENTINEL");
    command.arg("GET-MASTER-ADDR-BY-NAME").arg(service);
    let text = |part: &Value| match part {
        Value::BulkString(text) => String::from_utf8(text.clone()).ok(),
        _ => None,
    };
    let reply = connection.send_packed_command(&command).await?.extract_error()?;
    match reply {
        Value::Array(parts) if parts.len() == 2 => {
            let port = text(&parts[1]).and_then(|port| port.parse().ok());
            text(&parts[0]).zip(port).ok_or(Asking::AnotherDialect)
        }
        Value::Nil => Err(Asking::Unknown),
        _ => Err(Asking::AnotherDialect),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn most_of_the_sentinels_are_believed() {
        let at = |port| ("10.0.0.1".to_owned(), port);
        let mut votes = Votes::default();
        assert_eq!((votes.count(at(1)), votes.count(at(2)), votes.count(at(2))), (1, 1, 2));
        assert_eq!(votes.most(), Some(at(2)));
        let mut votes = Votes::default();
        assert_eq!((votes.count(at(1)), votes.count(at(2))), (1, 1));
        assert_eq!(votes.most(), Some(at(1)), "the first of two");
        assert_eq!(Votes::default().most(), None);
        let worst = Asking::Silent.max(Asking::Unknown).max(Asking::NotReached(String::new()));
        assert_eq!(worst, Asking::Unknown, "that there is no such service says more than that others are away");
    }
}
