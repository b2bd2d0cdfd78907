//! The error of everything here, and the wait for a state.

use std::fmt;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

/// What went wrong, in words. `Debug` is `Display`, so that an `unwrap` shows the server's output as lines.
#[derive(Clone, PartialEq, Eq)]
pub struct Error(String);

/// The result of all that can fail here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(words: impl Into<String>) -> Self {
        Self(words.into())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// How long a server may take to answer after its start, and to show what a call has changed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// How often a state is looked at while it is awaited.
const LOOK: Duration = Duration::from_millis(5);

/// Blocks until `look` says that the state is there. Fails after `bound`, with the last error of `look`.
pub(crate) fn wait_for(what: &str, bound: Duration, mut look: impl FnMut() -> Result<bool>) -> Result<()> {
    let give_up = Instant::now() + bound;
    loop {
        let seen = look();
        if let Ok(true) = seen {
            return Ok(());
        }
        if Instant::now() >= give_up {
            let last = seen.err().map(|error| format!("; last: {error}")).unwrap_or_default();
            return Err(Error::new(format!("{what}: not within {bound:?}{last}")));
        }
        thread::sleep(LOOK);
    }
}
