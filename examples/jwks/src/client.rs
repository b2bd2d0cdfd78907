//! The HTTP client: one conditional request.

use crate::key_set::{KeySet, Malformed};
use std::error::Error;
use std::fmt;
use std::time::Duration;
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode};

/// The time after which a request is given up. No answer takes nearly as long. A request that was given up would still
/// be in the server's hands when the next request comes.
const TIME_OUT: Duration = Duration::from_secs(60);

/// A client of one server, for any number of threads.
pub struct Client {
    agent: Agent,
    url: String,
}

/// An answer.
pub struct Answer {
    /// The key set; `None` if the known one is the current one.
    pub keys: Option<KeySet>,
    /// How long the key set may be used.
    pub max_age: Duration,
}

impl Client {
    /// Makes a client of the server at this address.
    pub fn new(url: String) -> Self {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(TIME_OUT))
            // No proxy, even if the environment names one: a proxy does not reach this loopback.
            .proxy(None)
            .build();
        Self { agent: config.into(), url }
    }

    /// Asks for the key set. The server sends it only if it differs from the known one. Blocks until the server has
    /// answered.
    pub fn fetch(&self, known: Option<&KeySet>) -> Result<Answer, FetchError> {
        let mut request = self.agent.get(&self.url);
        if let Some(known) = known {
            request = request.header("If-None-Match", known.etag());
        }
        let mut response = request.call().map_err(FetchError::Http)?;
        // The body is read to its end whatever the status, so that the connection can be used again.
        let body = response.body_mut().read_to_string().map_err(FetchError::Http)?;
        let headers = response.headers();
        let keys = match response.status() {
            StatusCode::NOT_MODIFIED if known.is_some() => None,
            StatusCode::OK => {
                let etag = text(headers, "ETag").ok_or(FetchError::Incomplete("ETag"))?;
                Some(KeySet::parse(&body, etag).map_err(FetchError::Malformed)?)
            }
            status => return Err(FetchError::Status(status)),
        };
        let max_age = text(headers, "Cache-Control").and_then(max_age).ok_or(FetchError::Incomplete("max-age"))?;
        Ok(Answer { keys, max_age })
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let seconds = cache_control.split(',').find_map(|directive| directive.trim().strip_prefix("max-age="))?;
    seconds.parse().ok().map(Duration::from_secs)
}

/// Why there is no key set.
#[derive(Debug)]
pub enum FetchError {
    /// The server has answered with another status.
    Status(StatusCode),
    /// The server has not answered.
    Http(ureq::Error),
    /// The answer lacks this header or directive.
    Incomplete(&'static str),
    /// The answer is not a key set.
    Malformed(Malformed),
}

impl FetchError {
    /// Whether the same request may succeed later.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Status(status) if status.is_server_error())
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "the server has answered {status}"),
            Self::Http(_) => f.write_str("the server has not answered"),
            Self::Incomplete(what) => write!(f, "there is no {what} in the server's answer"),
            Self::Malformed(_) => f.write_str("the server's answer is no key set"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Http(error) => Some(error),
            Self::Malformed(error) => Some(error),
            Self::Status(_) | Self::Incomplete(_) => None,
        }
    }
}
