//! The datafile, mapped into memory. All the unsafe code is here.

use crate::record::{self, RECORDS};
use dogpile::{Outcome, ReadGuard};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::marker::PhantomData;

/// A shared map of the whole file, of the length that the file had when it was mapped.
#[derive(Debug)]
pub struct Map {
    raw: MmapRaw,
    records: usize,
}

impl Map {
    /// Maps the file. To be called only while no other thread may write to the file.
    pub fn of(file: &File) -> io::Result<Self> {
        let raw = MmapOptions::new().map_raw_read_only(file)?;
        let records = (raw.len() / record::BYTES).saturating_sub(1);
        let map = Self { raw, records };
        // The length is checked first: a file that is too short has no header.
        if record::length(records) != map.raw.len() as u64 || map.read(None).word(RECORDS) != records as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the datafile is not as long as its header says"));
        }
        Ok(map)
    }

    /// The number of records in the file.
    pub fn records(&self) -> usize {
        self.records
    }

    /// The words of the file, for as long as the guard lives.
    ///
    /// Without a guard the caller has to be the only one that uses the file. With `--no-lock` there is no guard and
    /// that does not hold, which is wrong on purpose.
    pub fn read<'a>(&'a self, _guard: Option<&'a ReadGuard<'_, Outcome>>) -> Words<'a> {
        Words { start: self.raw.as_ptr().cast(), length: record::place(self.records), map: PhantomData }
    }
}

/// The words of a [`Map`].
#[derive(Clone, Copy, Debug)]
pub struct Words<'a> {
    start: *const u64,
    length: usize,
    map: PhantomData<&'a Map>,
}

impl Words<'_> {
    /// Reads a word of the file.
    #[inline]
    pub fn word(&self, at: usize) -> u64 {
        assert!(at < self.length, "within the map");
        // SAFETY: The word lies within the map, which lives as long as `self`. The word is aligned, since maps begin
        // with a page. The file reaches as far as the map: only `Datafile::swap` shortens the file. Before the write
        // lock is released after that, the file is mapped anew, or the lock is invalidated if anything has failed, so
        // that no thread is given a guard. Every reader holds a guard, which keeps the write lock away. For the same
        // reason nothing writes here meanwhile.
        //
        // With `--no-lock` this promise is not kept. A read beyond the end of the file is then a trap, SIGBUS, and the
        // process dies of it: a child process that was started for this. Volatile reads are for a write at the same
        // time: each reads a word once, and nothing is concluded from the value of the word. Where the promise is kept,
        // a `&[u8]` of the map (`memmap2::Mmap`), borrowed from the guard, serves as well.
        u64::from_le(unsafe { self.start.add(at).read_volatile() })
    }
}
