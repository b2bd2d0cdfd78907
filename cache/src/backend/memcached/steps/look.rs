//! A look: one request, one reply.

use super::{Moment, Odd};
use crate::backend::memcached::command::{Command, Reply, Request, Slot};
use crate::backend::memcached::item::{Found, Number};
use crate::backend::memcached::ttl;
use crate::backend::{Ask, Look, Rest};

/// Returns what a look asks. With an [`Ask`] it claims what is missing, by the same step.
#[must_use]
pub fn looking(ask: Option<Ask>) -> Request {
    // A lease of zero is lost before its holder can publish.
    let win = ask.filter(|ask| !ask.lease.is_zero()).map(|ask| ttl::stub(ask.lease));
    Request { slot: Slot::Entry, command: Command::Get { win } }
}

/// Returns what a look has found.
///
/// # Errors
///
/// It is no reply to that.
pub fn looked(ask: Option<Ask>, reply: Reply, at: Moment) -> Result<Look, Odd> {
    let found = Found::of(reply)?;
    let mut look = found.look(at);
    if let (Found::Stub(stub), Some(Ask { token, .. })) = (&found, ask)
        && stub.is_won
    {
        look.rest = Some(Rest::Granted(Number::of_stub(stub.cas).grant(token, at.life)));
    }
    Ok(look)
}
