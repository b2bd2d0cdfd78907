//! The content of a datafile: a header, and records of one size, sorted by key.
//!
//! All of it is words of 64 bits, little-endian. The header takes the room of one record. Each edition has keys of its
//! own. So a search through half of one edition and half of another fails, as it would with real data.

use std::array;
use std::io::{self, Write};

/// The number of words in a record, and in the header.
pub const WORDS: usize = 16;
/// The same in bytes.
pub const BYTES: usize = 8 * WORDS;

/// The place of the edition in the header.
pub const EDITION: usize = 0;
/// The place of the number of records in the header.
pub const RECORDS: usize = 1;

/// Key, edition, value, checksum.
pub type Record = [u64; WORDS];

/// The number of words that the checksum covers.
const CHECKED: usize = WORDS - 1;

/// The place at which a record begins, in words.
pub fn place(index: usize) -> usize {
    (index + 1) * WORDS
}

/// The key of a record. In each edition, keys ascend with the index.
pub fn key(edition: u64, index: usize) -> u64 {
    let index = index as u64;
    index * 16 + mix(edition ^ index.rotate_left(32)) % 16
}

/// Makes a record.
pub fn make(edition: u64, index: usize) -> Record {
    let key = key(edition, index);
    let mut record = array::from_fn(|word| match word {
        0 => key,
        1 => edition,
        _ => mix(key ^ (edition + word as u64).rotate_left(32)),
    });
    record[CHECKED] = checksum(&record);
    record
}

/// Whether a record is as it was written.
pub fn is_intact(record: &Record) -> bool {
    record[CHECKED] == checksum(record)
}

/// The edition that a record names.
pub fn edition(record: &Record) -> u64 {
    record[1]
}

/// Writes an edition.
pub fn write(to: &mut impl Write, edition: u64, records: usize) -> io::Result<()> {
    let mut header = [0; WORDS];
    (header[EDITION], header[RECORDS]) = (edition, records as u64);
    to.write_all(&bytes(&header))?;
    (0..records).try_for_each(|index| to.write_all(&bytes(&make(edition, index))))
}

/// The length in bytes of an edition with this many records.
pub fn length(records: usize) -> u64 {
    (place(records) * 8) as u64
}

fn bytes(record: &Record) -> [u8; BYTES] {
    let mut bytes = [0; BYTES];
    for (eight, word) in bytes.chunks_exact_mut(8).zip(record) {
        eight.copy_from_slice(&word.to_le_bytes());
    }
    bytes
}

fn checksum(record: &Record) -> u64 {
    crc32fast::hash(&bytes(record)[..8 * CHECKED]).into()
}

/// Stafford's mixer. Neighbouring words give words that have nothing to do with each other.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
