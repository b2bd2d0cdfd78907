//! A backend by its URL, for those who configure by environment.

use super::{Backend, Memory};
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Connects to the backend that a URL names.
///
/// | scheme | backend |
/// |---|---|
/// | `memory:` | a new [`Memory`] of this process alone |
/// | `memcached:`, `memcached+unix:` | a `Memcached`, as `Memcached::connect` takes them (feature `memcached`) |
/// | `postgres:`, `postgresql:` | a `Postgres`, as `Postgres::connect` takes them (feature `postgres`) |
/// | `redis:`, `rediss:`, `unix:`, `redis+sentinel:` | a `Redis`, as `Redis::connect` takes them (feature `redis`) |
///
/// The scheme is compared without regard to case. `memory://` is the same as `memory:`.
///
/// # Errors
///
/// A URL without a scheme, with a scheme that this build does not know, or with more than the backend takes. The error
/// names the scheme, and the address of the server that was not reached, since a URL may contain credentials.
///
/// # Cancel safety
///
/// A call that is dropped has no effect.
///
/// # Examples
///
/// ```
/// use dogpile_cache::Region;
/// use dogpile_cache::backend::connect;
/// use std::time::Duration;
///
/// #[tokio::main(flavor = "current_thread")]
/// async fn main() -> Result<(), Box<dyn std::error::Error>> {
///     let url = std::env::var("CACHE_URL").unwrap_or("memory:".to_owned());
///     let region = Region::builder("greeting")
///         .far(connect(&url).await?)
///         .expires_after(Duration::from_secs(60))
///         .build::<str, String>()?;
///     let greeting = region.get("anna").or_create(async || "hello".to_owned()).await?;
///     assert_eq!(*greeting, "hello");
///     Ok(())
/// }
/// ```
// Servers are connected to by round trips; memory is there at once.
#[allow(clippy::unused_async)]
pub async fn connect(url: &str) -> Result<Arc<dyn Backend>, ConnectError> {
    let Some((scheme, rest)) = split(url) else { return Err(ConnectError::NoScheme) };
    match (&*scheme, rest) {
        ("memory", "" | "//") => Ok(Arc::new(Memory::new())),
        ("memory", _) => Err(ConnectError::Malformed { scheme }),
        #[cfg(feature = "memcached")]
        ("memcached" | "memcached+unix", _) => Ok(Arc::new(super::Memcached::connect(url).await?)),
        #[cfg(feature = "postgres")]
        ("postgres" | "postgresql", _) => Ok(Arc::new(super::Postgres::connect(url).await?)),
        #[cfg(feature = "redis")]
        ("redis" | "rediss" | "redis+unix" | "redis+sentinel" | "unix" | "valkey" | "valkeys" | "valkey+unix", _) => {
            Ok(Arc::new(super::Redis::connect(url).await?))
        }
        _ => Err(ConnectError::UnknownScheme { scheme }),
    }
}

/// Why there is no connection.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The URL has no scheme.
    NoScheme,
    /// This build has no backend for the scheme.
    UnknownScheme {
        /// The scheme.
        scheme: String,
    },
    /// What follows the scheme is not what its backend takes.
    Malformed {
        /// The scheme.
        scheme: String,
    },
    /// The server was not reached, or does not let this user in.
    Unreachable {
        /// The scheme.
        scheme: String,
        /// Which server, by its address and without credentials, and what has happened.
        why: String,
    },
    /// The server was reached, and will never do: it is too old, or no such server.
    Unfit {
        /// The scheme.
        scheme: String,
        /// Which server, and what it is.
        why: String,
    },
}

impl ConnectError {
    /// Returns the scheme of a URL, in small letters; "" if it has none.
    #[cfg(any(feature = "memcached", feature = "postgres", feature = "redis"))]
    pub(super) fn scheme_of(url: &str) -> String {
        split(url).map(|(scheme, _)| scheme).unwrap_or_default()
    }
}

/// The schemes that are known without `//` behind them.
const SCHEMES: [&str; 11] = [
    "memory",
    "postgres",
    "postgresql",
    "redis",
    "rediss",
    "redis+sentinel",
    "redis+unix",
    "unix",
    "valkey",
    "valkeys",
    "valkey+unix",
];

/// Returns the scheme of a URL, in small letters, and what follows its colon. What is before a colon may as well be a
/// user's name, or a password, which no error is to show.
fn split(url: &str) -> Option<(String, &str)> {
    let (scheme, rest) = url.split_once(':')?;
    let scheme = scheme.to_ascii_lowercase();
    let is_one = scheme.starts_with(|first: char| first.is_ascii_lowercase())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
        && (rest.starts_with("//") || SCHEMES.contains(&&*scheme));
    is_one.then_some((scheme, rest))
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectError::NoScheme => f.write_str("the URL of the backend has no scheme"),
            ConnectError::UnknownScheme { scheme } => write!(f, "there is no backend for the scheme {scheme:?}"),
            ConnectError::Malformed { scheme } => write!(f, "the URL of the backend is no {scheme:?} URL"),
            ConnectError::Unreachable { scheme, why } => write!(f, "no connection by the {scheme:?} URL: {why}"),
            ConnectError::Unfit { scheme, why } => write!(f, "no backend by the {scheme:?} URL: {why}"),
        }
    }
}

impl Error for ConnectError {}
