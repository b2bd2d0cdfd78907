//! Each operation as a machine without I/O: it says what to ask, is told the replies, and says what to ask next, or the
//! answer.
//!
//! A *run* is one execution of an operation. The driver runs it in the product, and the model of `tests/round` in the
//! proof: the same code.
//!
//! ```text
//!          begin                     take                 take
//! machine ───────▶ Ask(requests) ──────────▶ Ask(…) ──── … ────▶ Done(answer)
//!             └──▶ Done(answer): nothing need be asked
//! ```
//!
//! # What a driver owes
//!
//! - The requests of one step go to one server, over connections of one life, which is that of each [`Moment`] of the
//!   run. A driver that would have to send the next step to another life ends the run instead. The requests of a step
//!   are executed one by one, in any order; their replies are given in the order of the requests.
//! - `now` is the server's clock, as it is estimated. Two processes may differ by less than the grain.
//! - An entry's size is checked before: [`OVERHEAD`] is what this backend adds. So is the length of the key.
//! - A run whose reply is missing is in doubt. The next step of a run that was dropped is not sent.
//! - A reply that a command cannot have is [`Odd`]: the connection is of no use any more.
//!
//! A run asks once more whenever another client has come between two of its steps. It does not end before the place
//! stands still for a round trip; the driver's callers bound it.

mod change;
mod claim;
mod count;
mod holder;
mod look;

pub use self::change::Changing;
pub use self::claim::Claiming;
pub use self::count::Counting;
pub use self::holder::{Ending, Publishing, Renewing};
pub use self::look::{looked, looking};
pub use super::item::Sending;

use super::command::{Command, Reply, Request, Slot};
use super::item::{EVENT, Found, HEAD, MANY};
use crate::backend::Life;
use std::error::Error;
use std::fmt;

/// The bytes that an item has beside the entry, its key and what the server adds, at most: the head, and as many events
/// as it takes until the item is written anew. (More of them than there is room for make an append fail, and then the
/// item is written anew, too.)
pub const OVERHEAD: usize = HEAD + (MANY + 3) * EVENT;

/// When and where a step is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// The server's clock, in milliseconds since the Unix epoch.
    pub now: u64,
    /// The life that the connections of the run were made in.
    pub life: Life,
}

/// What a machine does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step<T> {
    /// It asks, and takes the replies.
    Ask(Vec<Request>),
    /// It has the answer.
    Done(T),
}

/// A reply that the command cannot have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Odd;

impl fmt::Display for Odd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reply that the command cannot have")
    }
}

impl Error for Odd {}

/// An operation.
pub trait Run {
    /// What it answers.
    type Answer;

    /// Begins a run.
    fn begin(&mut self, at: Moment) -> Step<Self::Answer>;

    /// Takes the replies to what was asked last.
    ///
    /// # Errors
    ///
    /// They are not the replies to that.
    fn take(&mut self, replies: Vec<Reply>, at: Moment) -> Result<Step<Self::Answer>, Odd>;
}

impl<T> Step<T> {
    fn ask(command: Command) -> Step<T> {
        Step::Ask(vec![Request { slot: Slot::Entry, command }])
    }

    fn look() -> Step<T> {
        Step::ask(Command::Get { win: None })
    }
}

/// The reply to a step of one request.
fn only(replies: Vec<Reply>) -> Result<Reply, Odd> {
    let [reply] = <[Reply; 1]>::try_from(replies).map_err(|_| Odd)?;
    Ok(reply)
}

/// What became of a conditional write.
enum Written {
    /// It is done. The CAS number is that of the new item; 0 if there is none any more.
    Yes(u64),
    /// Another item is there.
    Other,
    /// Nothing is there.
    Nothing,
    /// Nothing can be appended: nothing is there, or the item would be too large.
    NotAppended,
}

impl Written {
    fn of(reply: &Reply) -> Result<Written, Odd> {
        match *reply {
            Reply::Stored { cas } => Ok(Written::Yes(cas)),
            Reply::Done => Ok(Written::Yes(0)),
            Reply::Exists => Ok(Written::Other),
            Reply::NotFound => Ok(Written::Nothing),
            Reply::NotStored => Ok(Written::NotAppended),
            _ => Err(Odd),
        }
    }
}

/// Where a machine is that has one look and one write in turn.
#[derive(Clone, Debug)]
enum Stage<W> {
    /// It awaits what a look has found.
    Looking,
    /// It awaits what became of this.
    Writing(W),
}

fn found(replies: Vec<Reply>) -> Result<Found, Odd> {
    Found::of(only(replies)?)
}
