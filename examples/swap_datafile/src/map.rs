//! The datafile, mapped into memory. All the unsafe code is here.

use crate::record::{self, RECORDS};
use dogpile::{Outcome, ReadGuard};
use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::marker::PhantomData;

/// A shared map of the whole file, as long as the file was when it was mapped.
#[derive(Debug)]
pub struct Map {
    raw: MmapRaw,
    records: usize,
}

impl Map {
    /// Maps the file. To be called by whoever alone may write to it.
    pub fn of(file: &File) -> io::Result<Self> {
        let raw = MmapOptions::new().map_raw_read_only(file)?;
        let records = (raw.len() / record::BYTES).saturating_sub(1);
        let map = Self { raw, records };
        // In this order: a file that is too short has no header.
        if record::length(records) != map.raw.len() as u64 || map.read(None).word(RECORDS) != records as u64 {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "the datafile is not as long as its header says"));
        }
        Ok(map)
    }

    /// How many records there are.
    pub fn records(&self) -> usize {
        self.records
    }

    /// What is in it, for as long as the guard lives.
    ///
    /// `None` is for whoever else is alone with the file; and for `--no-lock`, where it is wrong, on purpose.
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
    /// A word of the file.
    #[inline]
    pub fn word(&self, at: usize) -> u64 {
        assert!(at < self.length, "within the map");
        // SAFETY: The word lies within the map, which lives as long as this does, and is aligned, as maps begin with a
        // page. The file reaches as far as the map: only `Datafile::swap` shortens it, and before the write lock is let
        // go of it is mapped anew or, if anything failed, invalidated, so that nobody is given a guard. Whoever reads
        // holds one, which keeps the write lock away; nothing writes here meanwhile, for the same reason.
        //
        // With `--no-lock` nobody keeps this promise. A read beyond the file's end is a trap then, SIGBUS, of which the
        // process dies that was started for that. A write at the same time is what volatile reads are for: each reads
        // a word once, and nothing is concluded from its value. Where the promise is kept, a `&[u8]` of the map
        // (`memmap2::Mmap`), borrowed from the guard, does as well.
        u64::from_le(unsafe { self.start.add(at).read_volatile() })
    }
}
