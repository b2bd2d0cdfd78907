//! The quote: how it is kept, and how the upstream is asked for it.

use crate::options::{LIFETIME, Options};
use dogpile::{Cached, CachedGuard, CreateError, Made, PolicyError, Renewal};
use std::fmt;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

/// How often one who waits for an answer asks whether that is still wanted.
const ASKS_AGAIN: Duration = Duration::from_millis(20);

/// What the upstream has said, with the time at which it was asked, since the start.
#[derive(Clone, Copy, Debug)]
pub struct Quote {
    pub asked_at: Duration,
}

/// Why there is no quote.
#[derive(Debug)]
pub enum NoQuote {
    /// The connection broke.
    Io(io::Error),
    /// The upstream has said why.
    Refused(String),
    /// It took too long, and somebody else has asked since.
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

/// Where readers get it.
pub struct Source(Cached<Quote>);

impl Source {
    pub fn new(options: &Options) -> Result<Self, PolicyError> {
        Ok(Self(Cached::new(LIFETIME).with_shared_policy(Arc::new(options.policy()?))))
    }

    /// The quote; asks the upstream at `address` if it is this reader's turn, at the time that `now` says.
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
