//! What is to be written, in its order: small questions in one piece of memory, and large values as they are.

use bytes::Bytes;
use std::collections::VecDeque;

/// A buffer that has become larger is given back when it is empty.
pub(super) const KEPT: usize = 256 << 10;

/// What is to be written.
#[derive(Default)]
pub(super) struct Queue {
    bytes: Vec<u8>,
    /// How many of `bytes` are written.
    at: usize,
    /// The large values, each with the number of `bytes` before it.
    large: VecDeque<(usize, Bytes)>,
    /// How many bytes of the first large value are written.
    within: usize,
    /// How many bytes are not written yet.
    left: usize,
}

impl Queue {
    /// Returns how many bytes are to be written.
    pub(super) fn len(&self) -> usize {
        self.left
    }

    pub(super) fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// Whether all of it is one piece.
    pub(super) fn is_one_piece(&self) -> bool {
        self.large.is_empty()
    }

    /// Appends what `write` does, which returns a large value that is to follow, and a line's end behind it. Appends
    /// nothing if that fails.
    pub(super) fn append<E>(&mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<Option<Bytes>, E>) -> Result<(), E> {
        let before = self.bytes.len();
        let large = write(&mut self.bytes)?;
        if let Some(large) = large.filter(|large| !large.is_empty()) {
            self.left += large.len();
            self.large.push_back((self.bytes.len(), large));
            self.bytes.extend_from_slice(b"\r\n");
        }
        self.left += self.bytes.len() - before;
        Ok(())
    }

    /// Returns the piece that is to be written next. It is empty if nothing is.
    pub(super) fn next(&self) -> &[u8] {
        match self.large.front() {
            Some((before, value)) if *before == self.at => &value[self.within..],
            Some((before, _)) => &self.bytes[self.at..*before],
            None => &self.bytes[self.at..],
        }
    }

    /// So many bytes of that piece are written.
    pub(super) fn wrote(&mut self, count: usize) {
        self.left -= count;
        match self.large.front() {
            Some((before, value)) if *before == self.at => {
                self.within += count;
                if self.within == value.len() {
                    self.within = 0;
                    self.large.pop_front();
                }
            }
            _ => self.at += count,
        }
        if self.left == 0 {
            self.at = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT {
                self.bytes = Vec::new();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written in pieces of any size is what was appended.
    #[test]
    fn pieces_come_in_their_order_whatever_is_written_at_once() {
        let large = |byte: u8, long: usize| Bytes::from(vec![byte; long]);
        for most in 1..40 {
            let (mut queue, mut written) = (Queue::default(), Vec::new());
            let mut expected = Vec::new();
            let mut drain = |queue: &mut Queue, pieces: usize| {
                for _ in 0..pieces {
                    let piece = queue.next();
                    assert_eq!(piece.is_empty(), queue.is_empty());
                    let count = piece.len().min(most);
                    written.extend_from_slice(&piece[..count]);
                    queue.wrote(count);
                }
                written.clone()
            };
            for (number, value) in
                [None, Some(large(1, 30)), Some(large(2, 7)), None, Some(large(3, 1))].iter().enumerate()
            {
                let line = format!("line {number}\r\n");
                expected.extend_from_slice(line.as_bytes());
                if let Some(value) = value {
                    expected.extend_from_slice(value);
                    expected.extend_from_slice(b"\r\n");
                }
                let appended = queue.append(|to| {
                    to.extend_from_slice(line.as_bytes());
                    Ok::<_, ()>(value.clone())
                });
                assert_eq!(appended, Ok(()));
                assert_eq!(queue.append(|_| Err(())), Err(()));
                drain(&mut queue, 2);
            }
            assert_eq!(queue.is_one_piece(), queue.large.is_empty());
            let rest = queue.len();
            let all = drain(&mut queue, rest);
            assert_eq!((all, queue.len()), (expected, 0), "by {most}");
            assert!(queue.bytes.is_empty() && queue.large.is_empty());
        }
    }
}
