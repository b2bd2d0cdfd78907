//! Time travel: the clocks of a server are moved by libfaketime.

use crate::error::{Error, PATIENCE, Result, wait_for};
use crate::redis::RedisServer;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How the clocks of a server go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pace {
    /// The wall clock goes on from where it was moved to. The monotonic clock, by which the event loop waits, is left
    /// alone.
    Flows,
    /// All clocks stand still where they were moved to: for a server whose lifetimes go by the monotonic clock, and are
    /// whole seconds.
    ///
    /// The clock is the time at which a file was changed, and not what the file says: libfaketime reads the text of a
    /// date into variables that all threads of the server share, without a lock. A thread that read a date while
    /// another one did could see a time of an hour later, and a timer of memcached that was set by such a time stood
    /// still: the server showed no step of its clock any more. (With 1,500 steps under load, so ended every second
    /// server. Without a text to be read, none did.)
    Stands,
}

/// The clock of one server: a file by which libfaketime knows how far the clock is off, or where it stands.
#[derive(Debug)]
pub(crate) struct FakeTime {
    library: PathBuf,
    file: PathBuf,
    pace: Pace,
    /// Where a clock that stands still stands without an offset, in seconds since 1970.
    start: i64,
    /// How far the clock is off, in milliseconds.
    offset: Mutex<i64>,
}

impl FakeTime {
    /// A clock that is right, at first. Its file is in `directory`.
    pub(crate) fn new(directory: &Path, pace: Pace) -> Result<Self> {
        let (file, start, offset) = (directory.join("clock"), now_us() / 1_000_000, Mutex::new(0));
        let clock = Self { library: library()?, file, pace, start, offset };
        clock.write(0)?;
        Ok(clock)
    }

    pub(crate) fn environment(&self) -> Vec<(&'static str, OsString)> {
        // jemalloc asks for the time while it is initialized, and libfaketime allocates while it is: Debian's
        // redis-server hangs. So malloc is libc's. libfaketime comes first: the clock is to be its.
        let mut preload = self.library.clone().into_os_string();
        preload.push(" libc.so.6");
        let left_alone = if self.pace == Pace::Flows { "1" } else { "0" };
        let mut environment: Vec<(&'static str, OsString)> = vec![
            ("LD_PRELOAD", preload),
            // Each look at the clock reads the file.
            ("FAKETIME_NO_CACHE", "1".into()),
            // Both names: the older versions know the second.
            ("FAKETIME_DONT_FAKE_MONOTONIC", left_alone.into()),
            ("DONT_FAKE_MONOTONIC", left_alone.into()),
        ];
        match self.pace {
            Pace::Flows => environment.push(("FAKETIME_TIMESTAMP_FILE", self.file.clone().into())),
            // The time of the file, from which no time goes on.
            Pace::Stands => {
                environment.push(("FAKETIME_FOLLOW_FILE", self.file.clone().into()));
                environment.push(("FAKETIME", "%x0".into()));
            }
        }
        environment
    }

    /// Moves the clock by milliseconds. Blocks until `is_shown` says that the server shows it; it is given how far the
    /// clock is off then, in milliseconds.
    pub(crate) fn step(&self, ms: i64, mut is_shown: impl FnMut(i64) -> Result<bool>) -> Result<()> {
        let mut offset = self.offset.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(*offset + ms)?;
        *offset += ms;
        wait_for("the server shows the step of its clock", PATIENCE, || is_shown(*offset))
    }

    fn write(&self, offset: i64) -> Result<()> {
        if self.pace == Pace::Stands {
            let seconds = u64::try_from(self.start + offset / 1000).map_err(|_| Error::new("a time before 1970"))?;
            let file = File::options().create(true).truncate(false).write(true).open(&self.file)?;
            return Ok(file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))?);
        }
        // Replaced as a whole: the server never reads half of it.
        let new = self.file.with_extension("new");
        let (sign, ms) = (if offset < 0 { '-' } else { '+' }, offset.unsigned_abs());
        fs::write(&new, format!("{sign}{}.{:03}\n", ms / 1000, ms % 1000))?;
        Ok(fs::rename(new, &self.file)?)
    }
}

/// libfaketime, in whichever architecture's directory the system has put it.
fn library() -> Result<PathBuf> {
    let base = Path::new("/usr/lib");
    let below = fs::read_dir(base).into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    [base.to_path_buf(), "/usr/lib64".into(), "/usr/local/lib".into()]
        .into_iter()
        .chain(below)
        .map(|directory| directory.join("faketime/libfaketime.so.1"))
        .find(|library| library.exists())
        .ok_or_else(|| Error::new("libfaketime is missing: install it (Debian, Ubuntu: `apt-get install libfaketime`)"))
}

impl RedisServer {
    /// Moves the server's clock forwards. Returns when the server's `TIME` shows it, and a further millisecond has
    /// begun: a key is there until the millisecond of its end is over, and a caller may come within that.
    ///
    /// Whole milliseconds; a rest is cut off.
    pub fn advance(&self, by: Duration) -> Result<()> {
        let by = i64::try_from(by.as_millis()).map_err(|_| Error::new("too far"))?;
        let end = self.time_us()? / 1000 + by;
        self.step(by)?;
        wait_for("the server's next millisecond", PATIENCE, || Ok(self.time_us()? / 1000 > end))
    }

    /// Moves the server's clock by milliseconds, forwards or backwards. Returns when the server's `TIME` shows it.
    ///
    /// Time flows on from there, and a restart keeps the clock. What the server times by its wall clock sees the jump:
    /// a primary whose clock goes 60 s forwards (`repl-timeout`) drops its replicas, and they come back.
    pub fn step(&self, ms: i64) -> Result<()> {
        let clock = self.fake_time.as_ref().ok_or_else(|| Error::new("the server was started without fake_time()"))?;
        clock.step(ms, |off| {
            let off = off * 1000;
            let before = now_us();
            let shown = self.time_us()?;
            // 1 ms, since the offset is a fraction of seconds, in binary.
            Ok((before + off - 1000..=now_us() + off + 1000).contains(&shown))
        })
    }

    /// How far the server's clock is off by the steps so far, in milliseconds.
    #[must_use]
    pub fn clock_offset(&self) -> i64 {
        self.fake_time.as_ref().map_or(0, |clock| *clock.offset.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The server's `TIME`, in microseconds since 1970.
    pub fn time_us(&self) -> Result<i64> {
        let time = self.command(&["TIME"])?;
        let part = |at: usize| time.items().get(at).and_then(crate::Value::int);
        part(0).zip(part(1)).map(|(s, us)| s * 1_000_000 + us).ok_or_else(|| Error::new("TIME is no time"))
    }
}

fn now_us() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
