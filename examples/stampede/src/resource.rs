//! The expensive value: an index of a log file whose contents follow a formula.
//!
//! Record `n` belongs to round `n / ITEMS`. Each round asks for each item once, in an order of its own. So the index of
//! an item can be computed, and every read is checked against the result.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process;

/// The number of different items in the log.
pub const ITEMS: u64 = 16_384;
/// The length of a typical record. The size of the file is only about right.
const BYTES_PER_RECORD: u64 = 49;
const READ_AT_ONCE: usize = 256 * 1024;

/// The log file.
#[derive(Clone, Debug)]
pub struct Log {
    path: PathBuf,
    rounds: u64,
}

/// The index of one item.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Item {
    requests: u64,
    bytes: u64,
    microseconds: u64,
    slowest: u64,
}

/// The index of every item, by path.
#[derive(Debug)]
pub struct Index(HashMap<Box<str>, Item>);

impl Log {
    /// Opens the log of this size in this directory. Writes it first if it is not there yet, or not as it should be.
    pub fn prepare(directory: &Path, megabytes: u64) -> io::Result<Self> {
        let log = Self {
            path: directory.join(format!("requests-{megabytes}MB.log")),
            rounds: (megabytes * 1_000_000 / (ITEMS * BYTES_PER_RECORD)).max(1),
        };
        let intact = log.index().is_ok_and(|index| (0..ITEMS).all(|item| log.check(&index, item).is_ok()));
        if !intact {
            fs::create_dir_all(directory)?;
            log.write()?;
        }
        Ok(log)
    }

    /// Writes a second file and renames it, so that no process ever reads half a log.
    fn write(&self) -> io::Result<()> {
        let unfinished = self.path.with_extension(format!("{}.part", process::id()));
        let mut to = BufWriter::new(File::create(&unfinished)?);
        self.generate(&mut to)?;
        to.into_inner()?.sync_all()?;
        fs::rename(unfinished, &self.path)
    }

    fn generate(&self, to: &mut impl Write) -> io::Result<()> {
        for round in 0..self.rounds {
            for place in 0..ITEMS {
                let n = round * ITEMS + place;
                // An odd factor, so that each item comes once.
                let item = (place * 7919 + round) % ITEMS;
                let (time, thousandth) = (1_735_689_600 + n / 1000, n % 1000);
                let (took, bytes) = (microseconds(item, round), bytes(item));
                writeln!(to, "{time}.{thousandth:03} GET {} 200 {took}us {bytes}B", path_of(item))?;
            }
        }
        Ok(())
    }

    /// Reads and indexes the whole file. This is the work that should be done once, and not sixteen times.
    pub fn index(&self) -> io::Result<Index> {
        Index::of(BufReader::with_capacity(READ_AT_ONCE, File::open(&self.path)?))
    }

    /// Looks up an item, and compares the answer with the formula.
    pub fn check(&self, index: &Index, item: u64) -> Result<(), String> {
        let expected = Item {
            requests: self.rounds,
            bytes: self.rounds * bytes(item),
            microseconds: (0..self.rounds).map(|round| microseconds(item, round)).sum(),
            slowest: microseconds(item, self.rounds - 1),
        };
        let path = path_of(item);
        match index.0.get(path.as_str()) {
            Some(found) if *found == expected => Ok(()),
            found => Err(format!("{path}: expected {expected:?}, found {found:?}")),
        }
    }

    /// The path of the log.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Index {
    fn of(mut from: impl BufRead) -> io::Result<Self> {
        let mut items: HashMap<Box<str>, Item> = HashMap::new();
        let mut line = String::new();
        while from.read_line(&mut line)? > 0 {
            let (path, took, bytes) = fields(&line)
                .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("not a record: {line}")))?;
            if !items.contains_key(path) {
                items.insert(path.into(), Item::default());
            }
            if let Some(item) = items.get_mut(path) {
                item.requests += 1;
                item.bytes += bytes;
                item.microseconds += took;
                item.slowest = item.slowest.max(took);
            }
            line.clear();
        }
        Ok(Self(items))
    }
}

fn path_of(item: u64) -> String {
    format!("/item/{item:05}")
}

fn bytes(item: u64) -> u64 {
    11 + 7 * item
}

fn microseconds(item: u64, round: u64) -> u64 {
    100 + item + round
}

/// Parses path, microseconds and bytes out of `1735689600.123 GET /item/04217 200 4317us 29530B`.
fn fields(line: &str) -> Option<(&str, u64, u64)> {
    let mut words = line.split_ascii_whitespace();
    let path = words.nth(2)?;
    let took = words.nth(1)?.strip_suffix("us")?.parse().ok()?;
    let bytes = words.next()?.strip_suffix('B')?.parse().ok()?;
    Some((path, took, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> (Log, String) {
        let log = Log { path: PathBuf::new(), rounds: 3 };
        let mut text = Vec::new();
        log.generate(&mut text).unwrap();
        (log, String::from_utf8(text).unwrap())
    }

    fn wrong(log: &Log, text: &str) -> usize {
        let index = Index::of(text.as_bytes()).unwrap();
        (0..ITEMS).filter(|item| log.check(&index, *item).is_err()).count()
    }

    #[test]
    fn the_index_says_what_the_formula_says() {
        let (log, text) = log();
        assert_eq!(wrong(&log, &text), 0);
    }

    #[test]
    fn a_wrong_value_and_a_lost_record_are_found() {
        let (log, text) = log();
        assert_eq!(wrong(&log, &text.replacen("us ", "1us ", 1)), 1);
        let (_, without_the_first) = text.split_once('\n').unwrap();
        assert_eq!(wrong(&log, without_the_first), 1);
    }

    #[test]
    fn what_is_no_record_is_an_error() {
        let (_, text) = log();
        let error = Index::of(text.replacen("us ", " ", 1).as_bytes()).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
