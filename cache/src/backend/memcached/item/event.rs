//! What happens to an item.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 1 | 1: granted; 2: the lease begins anew; 3: the grant has ended; 4: it has ended with a pause |
//! | 1 | 1 | 1: it takes in the mark of the server, which an append removes; 2: the grant was marked |
//! | 2 | 2 | 0 |
//! | 4 | 4 | the number of failures |
//! | 8 | 8 | the CAS number over which the event was written; of a grant where nothing was: 2^63 and the number of its [`Sending`](super::Sending) |
//! | 16 | 8 | the token; the length of the pause in milliseconds |
//! | 24 | 8 | the end of the lease or of the pause, in milliseconds of the server's clock |
//!
//! What an event does not need is 0.

use crate::backend::Token;
use bytes::{BufMut, Bytes, BytesMut};

/// The length of an event.
pub const EVENT: usize = 32;

const TAKES_MARK: u8 = 1;
const IS_MARKED: u8 = 2;

/// Something that has happened to an item, once it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// The CAS number of the item before. It is named by the command, so no two events of a server have the same. Of a
    /// grant that was written where nothing was: [`ADDED`](super::ADDED), and the number of its sending.
    pub over: u64,
    /// Whether the item had the server's mark: entry and grant are marked from now on.
    pub takes_mark: bool,
    /// What has happened.
    pub what: What,
}

/// What has happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A process was granted.
    Granted { token: Token, until: u64, is_marked: bool },
    /// The lease of the grant began anew.
    Renewed { until: u64 },
    /// The grant has ended, without a pause of its own.
    Freed,
    /// The grant has ended, and a pause has begun.
    Paused { failures: u32, until: u64, length: u64 },
}

impl What {
    /// Returns until when this must be known, in milliseconds of the server's clock.
    pub fn until(self) -> u64 {
        match self {
            What::Granted { until, .. } | What::Renewed { until } => until,
            What::Freed => 0,
            What::Paused { until, length, .. } => until.saturating_add(length),
        }
    }
}

impl Event {
    /// Appends the bytes.
    pub fn write(&self, bytes: &mut BytesMut) {
        let (kind, mark, failures, about, until) = match self.what {
            What::Granted { token, until, is_marked } => (1, u8::from(is_marked) * IS_MARKED, 0, token.0, until),
            What::Renewed { until } => (2, 0, 0, 0, until),
            What::Freed => (3, 0, 0, 0, 0),
            What::Paused { failures, until, length } => (4, 0, failures, length, until),
        };
        bytes.put_slice(&[kind, mark | (u8::from(self.takes_mark) * TAKES_MARK), 0, 0]);
        bytes.put_u32_le(failures);
        bytes.put_u64_le(self.over);
        bytes.put_u64_le(about);
        bytes.put_u64_le(until);
    }

    /// Returns the bytes.
    pub fn bytes(&self) -> Bytes {
        let mut bytes = BytesMut::with_capacity(EVENT);
        self.write(&mut bytes);
        bytes.freeze()
    }

    /// Reads the bytes; `None` if they are not those of an event.
    pub fn read(bytes: &[u8]) -> Option<Event> {
        let bytes: &[u8; EVENT] = bytes.try_into().ok()?;
        let [kind, flags, zero, nought, f0, f1, f2, f3, ..] = *bytes;
        let part = |at| u64::from_le_bytes(std::array::from_fn(|byte| bytes[at + byte]));
        let (failures, over, about, until) = (u32::from_le_bytes([f0, f1, f2, f3]), part(8), part(16), part(24));
        let what = match kind {
            1 => What::Granted { token: Token(about), until, is_marked: flags & IS_MARKED != 0 },
            2 => What::Renewed { until },
            3 => What::Freed,
            4 => What::Paused { failures, until, length: about },
            _ => return None,
        };
        let event = Event { over, takes_mark: flags & TAKES_MARK != 0, what };
        // What is not written so is not ours.
        let has_name = over != 0 || !matches!(what, What::Granted { .. });
        ((zero, nought) == (0, 0) && has_name && event.bytes()[..] == bytes[..]).then_some(event)
    }
}
