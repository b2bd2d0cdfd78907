//! A session: the function that it executes, its transaction, and the function's variables.

use super::statements::At;
use super::tables::Row;
use crate::environment::Kind as Change;
use crate::messages::{Op, Reply};
use crate::server::{Entry, Tick, Version};
use dogpile_cache::backend::Grant;

/// What a function is called for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Claim, renew, publish, end, or the end of a claim without an answer.
    Op(Op),
    /// Set, mark or invalidate.
    Change(Change),
}

impl Call {
    /// The token and the number of the holder that calls; the number 0 is null, which is any.
    pub fn holder(&self) -> Option<(u64, Version)> {
        let number = |cas: u64| Version::try_from(cas).expect("few grants");
        match self {
            Call::Op(Op::Renew(grant, _) | Op::Publish(grant, _) | Op::End { grant, .. }) => {
                Some((grant.token.0, number(grant.cas)))
            }
            Call::Op(Op::Release(token)) => Some((*token, 0)),
            _ => None,
        }
    }

    pub fn is_claim(&self) -> bool {
        matches!(self, Call::Op(Op::Claim { .. }))
    }
}

/// Whose session it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Owner {
    /// A client that waits for the answer.
    Client(usize),
    /// A keeper: its caller has gone. It tells those who listen.
    Keeper,
    /// Nobody: the connection is lost, and the server does not know it yet.
    Nobody,
    /// A user, in a transaction of its own.
    User,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Answer {
    Reply(Reply),
    /// Of a change.
    Yes,
    Locked,
    /// The life is another: nothing was executed, and the connection is dead.
    Failed,
}

/// What a transaction has written at a row, or seen of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Written<T> {
    #[default]
    Nothing,
    Deleted,
    Row(T),
}

impl<T> Written<T> {
    pub fn is_there(&self) -> bool {
        !matches!(self, Written::Nothing)
    }

    /// The row, by what was committed.
    pub fn over(self, committed: Option<T>) -> Option<T> {
        match self {
            Written::Nothing => committed,
            Written::Deleted => None,
            Written::Row(row) => Some(row),
        }
    }
}

impl<T> From<Option<T>> for Written<T> {
    fn from(row: Option<T>) -> Written<T> {
        row.map_or(Written::Deleted, Written::Row)
    }
}

/// What a user's transaction has done so far, for the paper.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Deed {
    /// A function, when it has read the clock, and the number that was drawn last, by itself if it draws any.
    Called(Change, Tick, Version),
    DeletesPlace,
    DeletesEntry,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::struct_excessive_bools)] // Facts that do not depend on each other.
pub struct Session {
    pub owner: Owner,
    pub call: Call,
    /// That of the connection.
    pub life: u8,
    pub at: At,
    /// Whether it was answered *locked* before.
    pub is_again: bool,

    // The transaction.
    pub has_lock: bool,
    pub has_place: bool,
    pub has_entry: bool,
    /// What it has written, and nobody else sees.
    pub place: Written<Row>,
    pub entry: Written<Entry>,
    /// The rows by the snapshot of a single statement, where a fault makes one of a function.
    pub snapshot: Written<Row>,
    pub deeds: Vec<Deed>,

    // The variables.
    pub row: Option<Row>,
    pub is_locked: bool,
    pub is_taken: bool,
    pub seen: Option<Entry>,
    pub now: Tick,
    pub drawn: Version,
    /// What was skipped, as it was locked, and is not known yet to be there.
    pub has_skipped: bool,
    pub has_asked: bool,
    pub is_awaited: bool,
    pub answer: Option<Answer>,
}

impl Session {
    pub fn new(owner: Owner, call: Call, life: u8) -> Session {
        Session {
            owner,
            call,
            life,
            at: At::Check,
            is_again: false,
            has_lock: false,
            has_place: false,
            has_entry: false,
            place: Written::Nothing,
            entry: Written::Nothing,
            snapshot: Written::Nothing,
            deeds: Vec::new(),
            row: None,
            is_locked: false,
            is_taken: false,
            seen: None,
            now: 0,
            drawn: 0,
            has_skipped: false,
            has_asked: false,
            is_awaited: false,
            answer: None,
        }
    }

    pub fn has_written(&self) -> bool {
        self.place.is_there() || self.entry.is_there()
    }

    /// What a client is about to be told that it was granted.
    pub fn granted(&self) -> Option<Grant> {
        match (&self.answer, self.owner) {
            (Some(Answer::Reply(Reply::Granted(grant, _))), Owner::Client(_)) if self.at == At::Unlock => Some(*grant),
            _ => None,
        }
    }

    /// The same call once more.
    pub fn again(&self) -> Session {
        Session { is_again: true, ..Session::new(self.owner, self.call.clone(), self.life) }
    }

    /// The end of a function: what it needs no more is forgotten, so that states are alike.
    pub fn forget(&mut self) {
        (self.row, self.seen, self.snapshot) = (None, None, Written::Nothing);
        (self.is_locked, self.is_taken, self.has_skipped) = (false, false, false);
    }

    /// Whether a moment may pass: nothing of it goes on before somebody else does something, or nobody waits for it.
    pub fn is_quiet(&self) -> bool {
        self.at == At::Open || (self.at == At::Check && (self.is_again || self.owner == Owner::Nobody))
    }
}
