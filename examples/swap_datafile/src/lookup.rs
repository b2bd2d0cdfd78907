//! A lookup that trusts nothing: a binary search, whose result is verified.

use crate::record::{self, EDITION, Record};
use std::array;

/// The ways in which a lookup finds out that it has read parts of two editions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Torn {
    /// A record's checksum is wrong.
    Checksum,
    /// A record is not of the edition that the header names.
    Edition,
    /// A key of the edition that the header names was not found.
    Key,
}

/// Looks up a record: the `index`th of the edition that the header names. `word` reads a word of the file.
pub fn look_up(word: impl Fn(usize) -> u64, records: usize, index: usize) -> Result<Record, Torn> {
    let edition = word(EDITION);
    let key = record::key(edition, index);
    let (mut low, mut high) = (0, records);
    while low < high {
        let middle = low.midpoint(high);
        if word(record::place(middle)) < key { low = middle + 1 } else { high = middle }
    }
    if low == records {
        return Err(Torn::Key);
    }
    // The record is copied, so that the verified words are the words that are used.
    let found: Record = array::from_fn(|offset| word(record::place(low) + offset));
    if !record::is_intact(&found) {
        Err(Torn::Checksum)
    } else if found[0] != key {
        Err(Torn::Key)
    } else if record::edition(&found) != edition {
        Err(Torn::Edition)
    } else {
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::WORDS;

    const RECORDS: usize = 100;

    fn edition(edition: u64) -> Vec<u64> {
        let mut bytes = Vec::new();
        record::write(&mut bytes, edition, RECORDS).unwrap();
        assert_eq!(bytes.len() as u64, record::length(RECORDS));
        bytes.chunks_exact(8).map(|eight| u64::from_le_bytes(eight.try_into().unwrap())).collect()
    }

    fn look_up_all(words: &[u64]) -> Vec<Result<Record, Torn>> {
        (0..RECORDS).map(|index| look_up(|at| words[at], RECORDS, index)).collect()
    }

    #[test]
    fn every_record_is_found() {
        for number in [1, 2, 1_000] {
            let found: Vec<_> = look_up_all(&edition(number)).into_iter().map(Result::unwrap).collect();
            let made: Vec<_> = (0..RECORDS).map(|index| record::make(number, index)).collect();
            assert_eq!(found, made);
        }
    }

    #[test]
    fn half_of_one_edition_and_half_of_the_next_are_torn() {
        let (mut words, next) = (edition(7), edition(8));
        let half = record::place(RECORDS / 2);
        words[..half].copy_from_slice(&next[..half]);
        let looked = look_up_all(&words);
        assert!(looked[..RECORDS / 2].iter().all(Result::is_ok), "{looked:?}");
        for torn in [Torn::Key, Torn::Edition] {
            assert!(looked[RECORDS / 2..].contains(&Err(torn)), "no {torn:?} in {looked:?}");
        }
        assert!(looked[RECORDS / 2..].iter().all(Result::is_err), "{looked:?}");
    }

    #[test]
    fn half_a_record_is_torn() {
        let (mut words, next) = (edition(7), edition(8));
        let place = record::place(3);
        words[place + WORDS / 2..place + WORDS].copy_from_slice(&next[place + WORDS / 2..place + WORDS]);
        assert_eq!(look_up(|at| words[at], RECORDS, 3), Err(Torn::Checksum));
    }
}
