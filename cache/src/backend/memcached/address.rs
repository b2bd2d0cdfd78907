//! Where the servers are.

use std::fmt;
#[cfg(unix)]
use std::path::PathBuf;

/// The port of a memcached that names none.
const PORT: u16 = 11_211;

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Place {
    Tcp(String, u16),
    #[cfg(unix)]
    Unix(PathBuf),
}

/// As all processes of a fleet write it: which server has a key is decided by this text.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Place::Tcp(host, port) => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Place::Unix(path) => write!(f, "{}", path.display()),
        }
    }
}

/// Reads a URL, as [`Memcached::connect`](super::Memcached::connect) has them. No server is named twice.
pub(super) fn places(url: &str) -> Option<Vec<Place>> {
    let (scheme, rest) = url.split_once("://")?;
    let places: Vec<Place> = match &*scheme.to_ascii_lowercase() {
        "memcached" => rest.trim_end_matches('/').split(',').map(tcp).collect::<Option<_>>()?,
        #[cfg(unix)]
        "memcached+unix" => rest.split(',').map(unix).collect::<Option<_>>()?,
        _ => return None,
    };
    let is_twice = places.iter().enumerate().any(|(at, place)| places[..at].contains(place));
    (!is_twice).then_some(places)
}

fn tcp(text: &str) -> Option<Place> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:".contains(&byte);
    if host.is_empty() || !host.bytes().all(is_name) {
        return None;
    }
    let port = match port {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok().filter(|at| *at > 0)?,
        Some(_) => return None,
        None => PORT,
    };
    Some(Place::Tcp(host.to_ascii_lowercase(), port))
}

#[cfg(unix)]
fn unix(text: &str) -> Option<Place> {
    text.starts_with('/').then(|| Place::Unix(text.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_servers() {
        let texts = |url: &str| places(url).unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(texts("memcached://127.0.0.1"), ["127.0.0.1:11211"]);
        assert_eq!(
            texts("Memcached://One:7001,two,[::1]:7002,[::2]/"),
            ["one:7001", "two:11211", "[::1]:7002", "[::2]:11211"]
        );
        #[cfg(unix)]
        assert_eq!(texts("memcached+unix:///run/a.sock,/run/b.sock"), ["/run/a.sock", "/run/b.sock"]);
    }

    #[test]
    fn what_is_no_such_url_is_none() {
        for url in [
            "",
            "memcached:",
            "memcached:a",
            "memcached://",
            "redis://a",
            "memcached://a,",
            "memcached://a,a",
            "memcached://a,A:11211",
            "memcached://a:0",
            "memcached://a:x",
            "memcached://a:+1",
            "memcached://a:65536",
            "memcached://a:1:2",
            "memcached://user:secret@a",
            "memcached://a/b",
            "memcached://[::1",
            "memcached://[a]",
            "memcached://[::1]7000",
            "memcached://a b",
            "memcached+unix://a.sock",
        ] {
            assert!(places(url).is_none(), "{url}");
        }
    }
}
