//! The quote: the lock that keeps it, and the request for it to the upstream.

use crate::options::{LIFETIME, Options};
use dogpile::{Cached, CachedGuard, CreateError, Made, PolicyError, Renewal};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// The interval at which a creator that waits for an answer asks whether its value is still wanted.
const ASKS_AGAIN: Duration = Duration::from_millis(20);

/// An answer of the upstream, with the time at which the upstream was asked, since the start.
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    pub asked_at: Duration,
}

/// Why there is no quote.
#[derive(Debug)]
pub enum NoQuote {
    /// The connection broke.
    Io(io::Error),
    /// The upstream has refused, and this is its reason.
    Refused(String),
    /// The answer took too long, and another thread has asked since.
    Overtaken,
}

impl fmt::Display for NoQuote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) => write!(f, "no connection to the upstream: {error}"),
            Self::Refused(why) => write!(f, "the upstream says: {why}"),
            Self::Overtaken => f.write_str("the upstream took too long, and somebody else has asked since"),
        }
    }
}

impl From<io::Error> for NoQuote {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The lock through which readers get the quote.
pub struct Source(Cached<Quote>);

impl Source {
    pub fn new(options: &Options) -> Result<Self, PolicyError> {
        Ok(Self(Cached::new(LIFETIME).with_shared_policy(Arc::new(options.policy()?))))
    }

    /// Gets the quote. Asks the upstream at `address` if this reader is elected, at the time that `now` tells.
    pub fn read(
        &self,
        address: SocketAddr,
        now: impl Fn() -> Duration,
    ) -> Result<CachedGuard<Quote>, CreateError<NoQuote>> {
        self.0.access().or_try_create_with(|renewal| {
            let asked_at = now();
            ask(address, renewal)?;
            Ok(Made::new(Quote { asked_at }))
        })
    }
}

/// Asks the upstream, for as long as the answer is wanted.
fn ask(address: SocketAddr, renewal: &Renewal<'_, Quote>) -> Result<(), NoQuote> {
    let mut upstream = TcpStream::connect(address)?;
    upstream.set_read_timeout(Some(ASKS_AGAIN))?;
    writeln!(upstream, "quote")?;
    let mut answer = String::new();
    let mut upstream = BufReader::new(upstream);
    while let Err(error) = upstream.read_line(&mut answer) {
        match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut if !renewal.is_dead() => {}
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => return Err(NoQuote::Overtaken),
            _ => return Err(error.into()),
        }
    }
    answer.trim().parse::<u64>().map(|_| ()).map_err(|_| NoQuote::Refused(answer.trim().to_owned()))
}
