//! Where the server is, and where on it the tables are.

use super::link::NotOpened;
use super::tls::Trust;
use std::fmt;
use std::str::FromStr;
use tokio_postgres::Config;
use tokio_postgres::config::LoadBalanceHosts;

/// The longest name of a schema: the name of the channel is made of it, and the server takes 63 bytes.
const LONGEST: usize = 40;

/// A server, and a schema on it.
#[derive(Clone)]
pub(super) struct Address {
    pub(super) config: Config,
    pub(super) schema: Schema,
    /// To whom the schema may belong as well.
    pub(super) owner: Option<String>,
    /// The roots of the certificates that the server may show.
    pub(super) trust: Trust,
}

impl Address {
    /// Reads a URL, as [`Postgres::connect`](super::Postgres::connect) has them.
    ///
    /// A URL of several hosts is none: each connection would be to one of them, and two that both take writes know
    /// nothing of each other's invalidations (G3). The addresses of one host are tried in their order.
    pub(super) fn of(url: &str, tables: Schema) -> Option<Address> {
        let (scheme, rest) = url.split_once("://")?;
        let (server, query) = rest.split_once('?').unwrap_or((rest, ""));
        // (The client takes small letters alone, and has no word of its own for what is always verified here.)
        let query = query.replace("sslmode=verify-full", "sslmode=require");
        let mut config = Config::from_str(&format!("{}://{server}?{query}", scheme.to_ascii_lowercase())).ok()?;
        let (hosts, addresses) = (config.get_hosts().len(), config.get_hostaddrs().len());
        if hosts.max(addresses) != 1 {
            return None;
        }
        config.load_balance_hosts(LoadBalanceHosts::Disable);
        if config.get_application_name().is_none() {
            config.application_name("dogpile-cache");
        }
        let trust = Trust::of(config.get_ssl_mode());
        Some(Address { config, schema: tables, owner: None, trust })
    }

    /// The same server, trusted by these roots alone, as PEM. `None`: one of them cannot be read, there is none, or the
    /// URL says that there is no TLS.
    #[cfg(feature = "postgres-tls")]
    pub(super) fn trusting(self, roots: &[u8]) -> Option<Address> {
        if self.config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
            return None;
        }
        Some(Address { trust: Trust::roots(roots)?, ..self })
    }
}

/// Without credentials.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (hosts, ports) = (self.config.get_hosts(), self.config.get_ports());
        f.debug_struct("Address")
            .field("hosts", &hosts)
            .field("ports", &ports)
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// The name of a schema. It needs no quotation marks but where it is a word of the language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Schema(String);

impl Default for Schema {
    fn default() -> Schema {
        Schema("dogpile".to_owned())
    }
}

impl Schema {
    pub(super) fn new(name: &str) -> Result<Schema, NotOpened> {
        let is_letter = |byte: u8| byte == b'_' || byte.is_ascii_lowercase();
        let is_name = name.len() <= LONGEST
            && name.bytes().next().is_some_and(is_letter)
            && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit());
        if is_name {
            return Ok(Schema(name.to_owned()));
        }
        let why = format!("the name of a schema is 1 to {LONGEST} small letters, digits and underscores");
        Err(NotOpened::unfit(why))
    }

    /// Returns the name as it is.
    pub(super) fn name(&self) -> &str {
        &self.0
    }

    /// Returns the name as a statement has it.
    pub(super) fn quoted(&self) -> String {
        format!("\"{}\"", self.0)
    }

    /// Returns the name of the channel of the signals.
    pub(super) fn channel(&self) -> String {
        format!("{}.signals", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio_postgres::config::SslMode;

    #[test]
    fn a_url_names_a_host() {
        let of = |url: &str| Address::of(url, Schema::default());
        for url in [
            "postgresql://127.0.0.1/cache",
            "postgres://user:pass@localhost:6000/cache?connect_timeout=3",
            "POSTGRES://localhost",
            "postgresql:///cache?host=/run/postgresql",
            "postgresql://%2Frun%2Fpostgresql/cache",
        ] {
            assert!(of(url).is_some(), "{url}");
        }
        for url in ["postgres:", "postgres:///cache", "redis://localhost", "postgres://localhost:port/", "localhost"] {
            assert!(of(url).is_none(), "{url}");
        }
        for url in ["postgres://one,two/cache", "postgres://one/cache?host=two", "postgres://one:1,one:2/"] {
            assert!(of(url).is_none(), "{url}");
        }
        let verified = of("postgres://one/cache?application_name=app&sslmode=verify-full").unwrap().config;
        assert_eq!((verified.get_ssl_mode(), verified.get_application_name()), (SslMode::Require, Some("app")));
        let balanced = of("postgres://one/cache?load_balance_hosts=random").unwrap();
        assert_eq!(balanced.config.get_load_balance_hosts(), LoadBalanceHosts::Disable);
        let shown = format!("{:?}", of("postgres://anna:secret@localhost/cache").unwrap());
        assert!(!shown.contains("anna") && !shown.contains("secret"), "{shown}");
    }

    #[test]
    fn g7_a_name_of_a_schema_closes_no_quotation() {
        for name in ["dogpile", "_", "cache_2", &"a".repeat(LONGEST)] {
            assert_eq!(Schema::new(name).unwrap().quoted(), format!("\"{name}\""));
        }
        for name in ["", "2", "a\"b", "a'b", "a$$b", "a b", "A", "ä", &"a".repeat(LONGEST + 1)] {
            assert!(Schema::new(name).is_err(), "{name}");
        }
    }
}
