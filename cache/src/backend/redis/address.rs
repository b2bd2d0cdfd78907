//! Where a server is: at an address, or where the sentinels say.

#[cfg(feature = "redis-tls")]
mod tls;

use super::link::NotOpened;
use super::sentinels::{self, Connections};
use redis::io::tcp::TcpSettings;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion};
use std::fmt;
use tokio::runtime::Handle;

/// Where a server is.
#[derive(Clone)]
pub(super) enum Address {
    At(ConnectionInfo),
    /// The primary of a service, which the sentinels know.
    Primary {
        sentinels: Vec<ConnectionInfo>,
        service: String,
        /// All but its address.
        primary: ConnectionInfo,
    },
}

impl Address {
    /// Reads a URL, as [`Redis::connect`](super::Redis::connect) has them.
    pub(super) fn of(url: &str) -> Option<Address> {
        let Some(rest) = strip_scheme(url, "redis+sentinel:") else {
            let at = with_pushes(url.into_connection_info().ok()?);
            #[cfg(feature = "redis-tls")]
            if matches!(at.addr(), ConnectionAddr::TcpTls { .. }) {
                tls::provide_cryptography();
            }
            return Some(Address::At(at));
        };
        let rest = rest.strip_prefix("//")?;
        let (user, rest) = rest.rsplit_once('@').map_or(("", rest), |(user, rest)| (user, rest));
        let (hosts, rest) = rest.split_once('/')?;
        let (service, database) = rest.split_once('/').unwrap_or((rest, ""));
        if service.is_empty() {
            return None;
        }
        // (The host stands for the one that the sentinels will tell.)
        let at = if user.is_empty() { "" } else { "@" };
        let primary = with_pushes(format!("redis://{user}{at}primary/{database}").into_connection_info().ok()?);
        let sentinel = |host: &str| {
            let port = if host.rsplit(']').next().is_some_and(|end| end.contains(':')) { "" } else { ":26379" };
            format!("redis://{host}{port}").into_connection_info().ok()
        };
        let sentinels = hosts.split(',').map(sentinel).collect::<Option<Vec<_>>>()?;
        Some(Address::Primary { sentinels, service: service.to_owned(), primary })
    }

    /// The same, for a server whose certificate one of these roots has signed. `None`: they are no certificates, or the
    /// server is not reached by TLS.
    #[cfg(feature = "redis-tls")]
    pub(super) fn trusting(self, roots: &[u8]) -> Option<Address> {
        let Address::At(at) = self else { return None };
        Some(Address::At(tls::trusting(at, roots)?))
    }

    /// Returns where the server is now.
    pub(super) async fn find(&self, keeper: &Handle) -> Result<ConnectionInfo, NotOpened> {
        self.find_by(&mut Connections::default(), keeper).await
    }

    /// Returns where the server is now, by connections to the sentinels that are kept.
    pub(super) async fn find_by(&self, by: &mut Connections, keeper: &Handle) -> Result<ConnectionInfo, NotOpened> {
        match self {
            Address::At(at) => Ok(at.clone()),
            Address::Primary { sentinels, service, primary } => {
                let (host, port) = sentinels::primary(sentinels, service, by, keeper).await?;
                Ok(moved_to(primary, host, port))
            }
        }
    }

    /// Whether the server may be another one later.
    pub(super) fn is_of_sentinels(&self) -> bool {
        matches!(self, Address::Primary { .. })
    }

    /// Returns the address of another server, which is otherwise as this one. `to` is `HOST:PORT`; without a host it is
    /// this one's.
    pub(super) fn beside(&self, to: &str) -> Option<Address> {
        let (Address::At(known) | Address::Primary { primary: known, .. }) = self;
        let (host, port) = to.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = match (host, known.addr()) {
            ("" | "?", ConnectionAddr::Unix(_)) => "localhost".to_owned(),
            ("" | "?", ConnectionAddr::Tcp(host, _) | ConnectionAddr::TcpTls { host, .. }) => host.clone(),
            (host, _) => host.to_owned(),
        };
        Some(Address::At(moved_to(known, host, port.parse().ok()?)))
    }

    /// Whether this is the server at `HOST:PORT`.
    pub(super) fn is_at(&self, other: &Address) -> bool {
        match (self, other) {
            (Address::At(one), Address::At(other)) => one.addr() == other.addr(),
            _ => false,
        }
    }
}

/// Returns the same at another address.
fn moved_to(known: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let addr = match known.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    known.clone().set_addr(addr)
}

/// A connection tells by a push that it was closed.
fn with_pushes(at: ConnectionInfo) -> ConnectionInfo {
    let settings = at.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
    // A request is sent at once, though others are under way.
    let tcp = TcpSettings::default().set_nodelay(true);
    at.set_redis_settings(settings).set_tcp_settings(tcp)
}

/// Returns what follows a scheme, which is compared without regard to case.
fn strip_scheme<'a>(url: &'a str, scheme: &str) -> Option<&'a str> {
    let (begin, rest) = url.split_at_checked(scheme.len())?;
    begin.eq_ignore_ascii_case(scheme).then_some(rest)
}

/// Without credentials.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Address::At(at) => write!(f, "{}", at.addr()),
            Address::Primary { service, .. } => write!(f, "the primary of {service:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(address: &ConnectionInfo) -> String {
        let settings = address.redis_settings();
        format!("{} {:?} {:?} {}", address.addr(), settings.username(), settings.password(), settings.db())
    }

    #[test]
    fn a_url_names_a_server_or_the_sentinels_of_a_service() {
        let Some(Address::At(at)) = Address::of("redis://anna:secret@127.0.0.1:7000/3") else { panic!() };
        assert_eq!(text(&at), r#"127.0.0.1:7000 Some("anna") Some("secret") 3"#);
        let url = "Redis+Sentinel://anna:se%40cret@one,two:7001,[::1]:7002,[::2]/orders/3";
        let Some(Address::Primary { sentinels, service, primary }) = Address::of(url) else { panic!() };
        let all: Vec<String> = sentinels.iter().map(|sentinel| sentinel.addr().to_string()).collect();
        assert_eq!(all, ["one:26379", "two:7001", "::1:7002", "::2:26379"]);
        assert_eq!(service, "orders");
        assert_eq!(text(&primary), r#"primary:6379 Some("anna") Some("se@cret") 3"#);
        let found = moved_to(&primary, "10.0.0.1".to_owned(), 7000);
        assert_eq!(text(&found), r#"10.0.0.1:7000 Some("anna") Some("se@cret") 3"#);
    }

    #[test]
    fn what_is_no_such_url_is_none() {
        for url in [
            "",
            "redis:",
            "redis://",
            "http://a",
            "redis+sentinel://a",
            "redis+sentinel://a/",
            "redis+sentinel:a/b",
            "redis://a/x",
            "redis+sentinel://a:b/c",
            "redis+sentinel:///c",
            "redis+sentinel://a/b/x",
        ] {
            assert!(Address::of(url).is_none(), "{url}");
        }
    }

    #[test]
    fn another_server_of_a_cluster_is_as_the_first() {
        let first = Address::of("redis://anna:secret@10.0.0.1:7000").unwrap();
        for (to, at) in [("10.0.0.2:7001", "10.0.0.2:7001"), (":7001", "10.0.0.1:7001"), ("[::1]:7001", "::1:7001")] {
            let Some(Address::At(other)) = first.beside(to) else { panic!("{to}") };
            assert_eq!(text(&other), format!(r#"{at} Some("anna") Some("secret") 0"#));
        }
        assert!(first.beside("nowhere").is_none());
        assert_eq!(format!("{first:?}"), "10.0.0.1:7000");
    }
}
