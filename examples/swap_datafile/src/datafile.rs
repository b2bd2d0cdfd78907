//! The datafile under its lock. Readers look up records, and one of them is elected to swap the file when it has
//! expired.

use crate::lookup::{self, Torn};
use crate::map::Map;
use crate::options::Options;
use crate::record;
use dogpile::{CreateError, Creation, Outcome, RmLock, SyncReaderDogpile};
use std::fs::File;
use std::io::{self, BufWriter, Seek};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const WRITE_AT_ONCE: usize = 256 * 1024;

/// The datafile, and all that a swap of it needs.
pub struct Datafile {
    lock: SyncReaderDogpile,
    /// Whether the lock is used. It is not with `--no-lock`.
    guarded: bool,
    /// Swapped in place: this stays the same file.
    file: File,
    /// The next edition, while it is being written.
    next: File,
    /// Replaced when the length of the file changes, under the write lock of `lock`. So no thread waits for this lock.
    map: RmLock<Map>,
    records: usize,
    swaps: Mutex<Swaps>,
}

/// The counts of the swaps.
#[derive(Clone, Copy, Debug, Default)]
pub struct Swaps {
    /// The number of swaps.
    pub count: u64,
    /// The longest time that a swap has waited for the readers to let go.
    pub waited: Duration,
    /// The longest time that a swap has held the write lock.
    pub held: Duration,
}

/// The result of a lookup.
#[derive(Clone, Copy, Debug)]
pub struct Looked {
    /// How long the lookup waited for its guard, or `None` if it was elected to create.
    pub waited: Option<Duration>,
    /// The fault in the record that was found, if there is one.
    pub torn: Option<Torn>,
}

impl Datafile {
    /// Makes the datafile, with its first edition.
    pub fn make(options: &Options) -> io::Result<Self> {
        let directory = options.dir.clone().unwrap_or_else(std::env::temp_dir);
        let [file, next] = [nameless(&directory)?, nameless(&directory)?];
        let records = usize::from(options.size) * 1_000_000 / record::BYTES - 1;
        write(&file, 1, records)?;
        let map = RmLock::new(Map::of(&file)?);
        // The datafile is there before the lock is, and the lock begins as fresh.
        let lock = SyncReaderDogpile::new(options.swap_every).born_fresh();
        Ok(Self { lock, guarded: !options.no_lock, file, next, map, records, swaps: Mutex::default() })
    }

    /// Looks up a record in the current edition. Makes the next edition if that is due and no other thread makes it.
    pub fn look_up(&self, random: u64) -> Result<Looked, CreateError<io::Error>> {
        // Two clock readings in every lookup cost more than the guard. They are made so that no wait goes unseen.
        let began = Instant::now();
        let guard = self.lock.access().or_try_create_with(|creation| self.renew(creation))?;
        let waited = (*guard != Outcome::Created).then(|| began.elapsed());

        // Without the lock the guard is dropped at once. All the rest is the same.
        let guard = self.guarded.then_some(guard);
        let map = self.map.read();
        let words = map.read(guard.as_ref());
        let index = usize::try_from(random % map.records() as u64).expect("less than a usize");
        let found = lookup::look_up(|at| words.word(at), map.records(), index);
        Ok(Looked { waited, torn: found.err() })
    }

    /// The counts of the swaps so far.
    pub fn swaps(&self) -> Swaps {
        *self.swaps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The creator.
    fn renew(&self, creation: &Creation<'_, SyncReaderDogpile>) -> io::Result<()> {
        let edition = self.swaps().count + 2;
        // Every third edition is shorter, since real data change in length as well. (Windows does not shorten a mapped
        // file.)
        let records = if edition % 3 == 0 && cfg!(unix) { self.records / 4 * 3 } else { self.records };
        // This takes its time, and may fail. Readers carry on with the old edition.
        write(&self.next, edition, records)?;

        let asked = Instant::now();
        let alone = self.guarded.then(|| creation.write_lock()).transpose().map_err(io::Error::other)?;
        let begun = Instant::now();
        let swapped = self.swap(records);
        if swapped.is_err() {
            // The file holds half of each edition now. No thread reads it before a whole edition is there.
            self.lock.invalidate();
        }
        // The times are taken before the lock is released: the threads that are woken by that may run first.
        let (waited, held) = (begun - asked, begun.elapsed());
        drop(alone);
        swapped.map_err(|error| explain("cannot swap the datafile", &error))?;

        let mut swaps = self.swaps.lock().unwrap_or_else(PoisonError::into_inner);
        *swaps = Swaps { count: swaps.count + 1, waited: waited.max(swaps.waited), held: held.max(swaps.held) };
        Ok(())
    }

    /// Copies the next edition over the current one, in place. To be called under the write lock.
    fn swap(&self, records: usize) -> io::Result<()> {
        let (mut from, mut to) = (&self.next, &self.file);
        from.rewind()?;
        to.rewind()?;
        to.set_len(record::length(records))?;
        io::copy(&mut from, &mut to)?;
        if records != self.map.read().records() {
            *self.map.write() = Map::of(to)?;
        }
        Ok(())
    }
}

/// Makes a file without a name. Nothing is left of it, however the process ends.
fn nameless(directory: &Path) -> io::Result<File> {
    tempfile::tempfile_in(directory)
        .map_err(|error| explain(&format!("cannot make a file in {}", directory.display()), &error))
}

/// Writes an edition into the file, which afterwards holds that edition and nothing else.
fn write(mut file: &File, edition: u64, records: usize) -> io::Result<()> {
    let written = file.rewind().and_then(|()| {
        let mut to = BufWriter::with_capacity(WRITE_AT_ONCE, file);
        record::write(&mut to, edition, records)?;
        to.into_inner()?.set_len(record::length(records))
    });
    written.map_err(|error| {
        let megabytes = record::length(records) / 1_000_000;
        explain(&format!("cannot write an edition of {megabytes} MB"), &error)
    })
}

fn explain(what: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{what}: {error}"))
}
