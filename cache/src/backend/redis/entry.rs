//! An entry as it lies on the server: ten bytes that name its state, and behind them the envelope.
//!
//! | at | bytes | what |
//! |---|---|---|
//! | 0 | 1 | `D9`: the bytes behind were written by this backend |
//! | 1 | 1 | 1: marked stale; else 0 |
//! | 2 | 8 | the number of the state: a random number that each write makes anew |
//! | 10 | | the envelope |
//!
//! A hit is one plain `GET`, so a mark has to lie in the entry, and a script cannot write it into the envelope, whose
//! checksum covers everything. The ten bytes together are what a look has [`Seen`]. Other bytes at the key of an entry
//! are no envelope, and count as a miss (G7); what was seen of them are their first ten.

use crate::backend::{Life, Look, Seen, random};
use bytes::{Buf, BufMut, Bytes};

/// The length of what names the state.
pub(super) const HEAD: usize = 10;

const OURS: u8 = 0xD9;

/// Returns the bytes of an entry in a state that no entry was in before.
pub(super) fn written(envelope: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEAD + envelope.len());
    bytes.put_slice(&[OURS, 0]);
    bytes.put_slice(&number());
    bytes.put_slice(envelope);
    bytes
}

/// Returns the number of a state.
pub(super) fn number() -> [u8; 8] {
    random().to_be_bytes()
}

/// Returns what lies at the key of an entry.
pub(super) fn look(found: Option<Vec<u8>>, now: u64, life: Life) -> Look {
    let mut look = Look::missing(now, life);
    let Some(found) = found.filter(|found| !found.is_empty()) else { return look };
    let mut found = Bytes::from(found);
    // (A copy: what was seen may be kept for as long as a creation runs, and a slice would keep the whole value.)
    look.seen = Seen::copied(&found[..found.len().min(HEAD)]);
    let is_ours = found.len() >= HEAD && found[0] == OURS;
    look.is_marked = is_ours && found[1] == 1;
    if is_ours {
        // (A slice would make the bytes shared, which costs an allocation.)
        found.advance(HEAD);
    }
    look.entry = Some(found);
    look
}

/// Returns what a script compares with the state of the entry: `*` is any state, and `=` comes before another one,
/// which may be a stranger's `*`.
pub(super) fn seen(seen: Option<&Seen>) -> Vec<u8> {
    match seen {
        None => b"*".to_vec(),
        Some(seen) => [b"=", seen.state().unwrap_or_default()].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looked(bytes: &[u8]) -> Look {
        look(Some(bytes.to_vec()), 0, Life(1))
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let (one, other) = (written(b"value"), written(b"value"));
        let seen = looked(&one);
        assert_eq!(seen.entry.as_deref(), Some(&b"value"[..]));
        assert!(!seen.is_marked);
        assert_ne!(seen.seen, looked(&other).seen);
        let mut marked = one;
        marked[1] = 1;
        assert!(looked(&marked).is_marked);
        assert_ne!(looked(&marked).seen, seen.seen);
    }

    #[test]
    fn g7_other_bytes_are_an_entry_in_a_state_of_its_own() {
        for bytes in [&b"x"[..], b"0123456789", b"0123456789abc", &[OURS, 1, 2]] {
            let look = looked(bytes);
            assert_eq!(look.entry.as_deref(), Some(bytes));
            assert_eq!(look.seen.state(), Some(&bytes[..bytes.len().min(HEAD)]));
            assert!(!look.is_marked);
        }
        assert_eq!(looked(b"").entry, None);
        assert_eq!(look(None, 0, Life(1)).seen, Seen::NOTHING);
    }

    /// What was seen is kept for as long as a creation runs, or as a user keeps a witness: not with the value.
    #[test]
    fn what_was_seen_is_apart_from_the_value() {
        let look = looked(&written(b"value"));
        let (seen, entry) = (look.seen.state().expect("an entry"), look.entry.as_deref().expect("an entry"));
        assert_ne!(seen.as_ptr_range().end, entry.as_ptr());
    }
}
