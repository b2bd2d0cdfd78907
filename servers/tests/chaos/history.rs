//! What has happened, as the processes write it down: one line for each event, in a file for each process.
//!
//! A line is one `write`, so that what a process has written is there after a kill -9. All times are nanoseconds of
//! `CLOCK_MONOTONIC`, which all processes of a machine share. The time of a beginning is taken before it, and that of
//! an end after it. A creator is the exception: both its times are taken within it.

use rustix::time::{ClockId, clock_gettime};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// Milliseconds, in the unit of all times.
pub const MS: u64 = 1_000_000;

/// Seconds, in the unit of all times.
pub const SECOND: u64 = 1000 * MS;

/// Returns the time.
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    u64::try_from(now.tv_sec * 1_000_000_000 + now.tv_nsec).expect("time begins at the start of the machine")
}

/// Lists the variants of an enum with the words that stand for them in a line.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident: $($(#[$of:meta])* $variant:ident = $word:literal,)+) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum $name {
            $($(#[$of])* $variant,)+
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $($name::$variant => $word,)+
                })
            }
        }

        impl FromStr for $name {
            type Err = String;

            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok($name::$variant),)+
                    _ => Err(format!("no {}: {word}", stringify!($name))),
                }
            }
        }
    };
}

words! {
    /// How a creator has ended.
    How:
    Made = "made",
    Failed = "failed",
    Panicked = "panicked",
    /// Its future was dropped.
    Dropped = "dropped",
    /// The process has ended itself.
    Aborted = "aborted",
}

words! {
    /// What a call has asked.
    Call:
    /// An access that may create, without a time-out.
    Get = "get",
    /// The same, with [`TIMEOUT`](crate::settings::TIMEOUT).
    Hurried = "hurried",
    Claim = "claim",
    Many = "many",
    Value = "value",
    /// A change, or a look for one.
    Change = "change",
    Count = "count",
}

words! {
    /// How a value was come by.
    Outcome:
    Fresh = "fresh",
    Stale = "stale",
    Created = "created",
    Waited = "waited",
    /// Of a process that was cut off.
    Own = "own",
}

words! {
    /// What has become of a created value, as its access was told.
    Published:
    /// The value was not created by this access, nor by one that it has waited for.
    Elsewhere = "elsewhere",
    Fresh = "fresh",
    Stale = "stale",
    InDoubt = "in_doubt",
    /// Not, since the process was cut off from the beginning.
    CutOff = "cut_off",
    /// Not, for any other reason.
    Refused = "refused",
}

words! {
    /// What an access has ended with.
    Ended:
    Nothing = "nothing",
    Failed = "failed",
    Paused = "paused",
    TimedOut = "timed_out",
    /// The backend has failed.
    Down = "down",
    Done = "done",
    Panicked = "panicked",
    /// An error that nothing here provokes.
    Strange = "strange",
}

words! {
    /// A change that voids grants.
    Voids:
    Set = "set",
    SetIf = "set_if",
    Invalidate = "invalidate",
}

words! {
    /// What is known of a change.
    Known:
    Yes = "yes",
    Refused = "refused",
    /// The backend has not confirmed it: it may come later.
    InDoubt = "in_doubt",
}

/// A value that was returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Got {
    /// The creation, or the change, that the value is of.
    pub id: u64,
    /// What the source counted when the value was made.
    pub source: u64,
    pub outcome: Outcome,
    pub published: Published,
}

/// What a call has returned for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    Value(Got),
    Ended(Ended),
}

/// An event. Identities are unique in the fleet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A creator runs. Its grant was given after `access`, when the access began.
    Creating { id: u64, key: u64, call: u64, access: u64, at: u64 },
    /// The creator is about to end.
    Created { id: u64, at: u64, how: How },
    /// A call has returned, for one of its keys.
    Returned { call: u64, kind: Call, key: u64, began: u64, ended: u64, answer: Answer },
    /// A change is about to be made.
    Changing { id: u64, key: u64, voids: Voids, at: u64 },
    /// The change has returned.
    Changed { id: u64, at: u64, known: Known },
    /// A counter was incremented by one.
    Counted { key: u64, began: u64, ended: u64, value: u64 },
    /// The crate has counted an overlap of a key.
    Overlapped { key: u64, at: u64 },
    /// The process got no processor.
    Stalled { from: u64, to: u64 },
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Event::Creating { id, key, call, access, at } => write!(f, "creating {id} {key} {call} {access} {at}"),
            Event::Created { id, at, how } => write!(f, "created {id} {at} {how}"),
            Event::Returned { call, kind, key, began, ended, answer } => {
                write!(f, "returned {call} {kind} {key} {began} {ended} ")?;
                match answer {
                    Answer::Value(Got { id, source, outcome, published }) => {
                        write!(f, "value {id} {source} {outcome} {published}")
                    }
                    Answer::Ended(ended) => write!(f, "ended {ended}"),
                }
            }
            Event::Changing { id, key, voids, at } => write!(f, "changing {id} {key} {voids} {at}"),
            Event::Changed { id, at, known } => write!(f, "changed {id} {at} {known}"),
            Event::Counted { key, began, ended, value } => write!(f, "counted {key} {began} {ended} {value}"),
            Event::Overlapped { key, at } => write!(f, "overlapped {key} {at}"),
            Event::Stalled { from, to } => write!(f, "stalled {from} {to}"),
        }
    }
}

/// The words of a line.
struct Words<'a>(std::str::SplitAsciiWhitespace<'a>);

impl Words<'_> {
    fn next<T: FromStr<Err: fmt::Display>>(&mut self) -> Result<T, String> {
        let word = self.0.next().ok_or("a word is missing")?;
        word.parse().map_err(|error: T::Err| error.to_string())
    }
}

impl FromStr for Event {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let mut words = Words(line.split_ascii_whitespace());
        let kind: String = words.next()?;
        // The fields stand in the order in which they are written, and are read in that order.
        Ok(match kind.as_str() {
            "creating" => Event::Creating {
                id: words.next()?,
                key: words.next()?,
                call: words.next()?,
                access: words.next()?,
                at: words.next()?,
            },
            "created" => Event::Created { id: words.next()?, at: words.next()?, how: words.next()? },
            "returned" => Event::Returned {
                call: words.next()?,
                kind: words.next()?,
                key: words.next()?,
                began: words.next()?,
                ended: words.next()?,
                answer: match words.next::<String>()?.as_str() {
                    "value" => Answer::Value(Got {
                        id: words.next()?,
                        source: words.next()?,
                        outcome: words.next()?,
                        published: words.next()?,
                    }),
                    _ => Answer::Ended(words.next()?),
                },
            },
            "changing" => {
                Event::Changing { id: words.next()?, key: words.next()?, voids: words.next()?, at: words.next()? }
            }
            "changed" => Event::Changed { id: words.next()?, at: words.next()?, known: words.next()? },
            "counted" => {
                Event::Counted { key: words.next()?, began: words.next()?, ended: words.next()?, value: words.next()? }
            }
            "overlapped" => Event::Overlapped { key: words.next()?, at: words.next()? },
            "stalled" => Event::Stalled { from: words.next()?, to: words.next()? },
            _ => return Err(format!("no event: {line}")),
        })
    }
}

/// The file of a process.
#[derive(Debug)]
pub struct Book(Mutex<File>);

impl Book {
    /// Opens a new file.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(Mutex::new(OpenOptions::new().create_new(true).append(true).open(path)?)))
    }

    /// Writes an event down.
    pub fn write(&self, event: Event) {
        let line = format!("{event}\n");
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(line.as_bytes()).expect("the history can be written");
    }
}

/// What each process has written.
pub type Histories = Vec<(u64, Vec<Event>)>;

/// Reads what a process has written.
pub fn read(path: &Path) -> Result<Vec<Event>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| error.to_string())?;
    text.lines().map(|line| line.parse().map_err(|error| format!("{line:?}: {error}"))).collect()
}
