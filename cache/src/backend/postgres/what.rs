//! What a server is, before anything of its tables is asked.
//!
//! | round trip | what | refused |
//! |---|---|---|
//! | the first message | the [settings](Settings) of the session, as its `options` | a pooler that does not take them |
//! | 1 | the version; whether the session has these settings; whether the server takes writes; who owns what is in the schema; what the [life](What::life) is made of | a server that is too old; a pooler that has dropped the settings; a standby; a schema that is not there, or of a stranger |
//! | 2 | the form of the tables, and their life | another form |
//!
//! Nothing is `SET` until the session has shown that it is this connection's own: a pooler lends a session to one
//! client after the other, and what is set stays there. Nothing of the schema is called until its owners are known: a
//! function acts with the rights of its caller, and each user with `CREATE` on the database can make a schema of this
//! name first (G7). A schema that is not there is refused by the first of the two, so that none can be made between
//! them.

use super::address::Address;
use super::link::NotOpened;
use super::sql;
use crate::backend::{Life, random};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::time::Duration;
use tokio_postgres::{Client, Config, SimpleQueryMessage, SimpleQueryRow};

/// Why there is no connection where a pooler is.
pub(super) const IS_A_POOLER: &str = "a pooler is in between, and this backend needs sessions of its own";

/// The settings of a session, as the server shows them. They are those of versions 12 and later.
pub(super) struct Settings(Vec<(&'static str, String)>);

impl Settings {
    /// - READ COMMITTED: each statement of a function has a snapshot of its own.
    /// - The plans are those by key, whatever the statistics are, and are made once. No statement is worth a process of
    ///   the server more.
    pub(super) fn new(timeout: Duration, is_durable: bool) -> Settings {
        let mut settings = vec![
            ("default_transaction_isolation", "read committed".to_owned()),
            ("enable_seqscan", "off".to_owned()),
            ("jit", "off".to_owned()),
            ("lock_timeout", "0".to_owned()),
            ("max_parallel_workers_per_gather", "0".to_owned()),
            ("plan_cache_mode", "force_generic_plan".to_owned()),
            ("search_path", "pg_catalog".to_owned()),
            ("statement_timeout", timeout.as_millis().to_string()),
        ];
        if !is_durable {
            settings.push(("synchronous_commit", "off".to_owned()));
        }
        Settings(settings)
    }

    /// Returns what a session with these settings is connected by. They come after those of the URL, so that the
    /// session has these, and no setting of a role or a database is in place of them.
    pub(super) fn of_session(&self, config: &Config) -> Config {
        let mut options = config.get_options().unwrap_or_default().to_owned();
        for (name, value) in &self.0 {
            let value = value.replace(' ', "\\ ");
            write!(options, " -c {name}={value}").expect("a string takes all");
        }
        let mut config = config.clone();
        config.options(options);
        config
    }

    /// Returns the settings as the rows of a statement.
    fn rows(&self) -> String {
        let rows: Vec<_> = self.0.iter().map(|(name, value)| format!("('{name}'::text, '{value}'::text)")).collect();
        rows.join(", ")
    }
}

/// What a server's life is made of, but for what its tables say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct What {
    of_life: [String; 4],
    /// Whether the schema has functions of ours.
    pub(super) has_tables: bool,
}

impl What {
    /// Asks the server what it is. One round trip.
    pub(super) async fn ask(client: &Client, at: &Address, settings: &Settings) -> Result<What, NotOpened> {
        let row = simple(client, &sql::what(&at.schema, at.owner.as_deref(), &settings.rows())).await?;
        What::of(&(0..row.len()).map(|at| row.get(at).unwrap_or_default()).collect::<Vec<_>>())
    }

    /// Takes the answers.
    fn of(answers: &[&str]) -> Result<What, NotOpened> {
        let another = || NotOpened::unfit("the server does not answer as a PostgreSQL does");
        // First of all: one that is too old may not know what else is asked.
        let (version, rest) = answers.split_first().ok_or_else(another)?;
        let version: u32 = version.parse().map_err(|_| another())?;
        if version < sql::OLDEST {
            let (is, least) = (version / 10_000, sql::OLDEST / 10_000);
            let why = format!("the server is PostgreSQL {is}, and {least} is the oldest that will do");
            return Err(NotOpened::unfit(why));
        }
        let [is_ours, is_in_recovery, is_read_only, is_strange, has_tables, system, timeline, start, database] = *rest
        else {
            return Err(another());
        };
        if is_ours != "t" {
            return Err(NotOpened::unfit(IS_A_POOLER));
        }
        if is_in_recovery == "t" {
            return Err(NotOpened::new("the server is a standby"));
        }
        if is_read_only == "on" {
            return Err(NotOpened::new("the server takes no writes of this user"));
        }
        if is_strange != "f" {
            let why = "the schema, or something in it, belongs to a stranger: to none of this user, a superuser, the \
                       database's owner and the owner that the builder names";
            return Err(NotOpened::unfit(why));
        }
        let of_life = [system, timeline, start, database].map(str::to_owned);
        Ok(What { of_life, has_tables: has_tables == "t" })
    }

    /// Asks whether the tables are those of this build, and for their life. Returns the life of the server's data: each
    /// restart, failover, crash, and each copy that was restored, makes another one. One round trip.
    pub(super) async fn life(&self, client: &Client, at: &Address) -> Result<Life, NotOpened> {
        if !self.has_tables {
            return Err(NotOpened::unfit("the tables are missing: migrate() makes them"));
        }
        let row = simple(client, &sql::life(&at.schema, random().cast_signed())).await?;
        if row.get(0) != Some(&sql::LAYOUT.to_string()) {
            let (is, wanted) = (row.get(0).unwrap_or("another"), sql::LAYOUT);
            return Err(NotOpened::unfit(format!("the tables have the layout {is}, and this build has {wanted}")));
        }
        row.get(1).map(|of_tables| self.with(of_tables)).ok_or_else(|| NotOpened::unfit("the tables have no life"))
    }

    fn with(&self, of_tables: &str) -> Life {
        let mut hash = Sha256::new();
        for part in &self.of_life {
            hash.update(part);
            hash.update(":");
        }
        let hash = hash.chain_update(of_tables).finalize();
        Life(u64::from_be_bytes(hash[..8].try_into().expect("the hash has 32 bytes")))
    }
}

/// Executes statements, and returns the one row of the last one.
async fn simple(client: &Client, text: &str) -> Result<SimpleQueryRow, NotOpened> {
    let messages = client.simple_query(text).await?;
    let row = messages.into_iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    row.ok_or_else(|| NotOpened::unfit("the server has answered without a row"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [&str; 10] = ["150018", "t", "f", "off", "f", "t", "7", "00000001", "1700000000.5", "5"];

    fn with(at: usize, what: &'static str) -> Result<What, NotOpened> {
        let mut row = GOOD;
        row[at] = what;
        What::of(&row)
    }

    #[test]
    fn s25_a_server_that_will_not_do_is_told_apart() {
        assert!(What::of(&GOOD).is_ok());
        let refused = [(0, "140009", true), (0, "x", true), (1, "f", true), (2, "t", false), (3, "on", false)];
        for (at, what, is_unfit) in refused.into_iter().chain([(4, "t", true), (4, "", true)]) {
            assert_eq!(with(at, what).unwrap_err().is_unfit, is_unfit, "{at} {what}");
        }
        assert!(with(0, "140009").unwrap_err().why.contains("PostgreSQL 14"));
        assert!(What::of(&["130009"]).unwrap_err().why.contains("PostgreSQL 13"));
        assert!(What::of(&GOOD[..3]).unwrap_err().is_unfit);
        assert!(What::of(&[]).unwrap_err().is_unfit);
    }

    #[test]
    fn g10_each_part_makes_another_life() {
        let life = |at, what| with(at, what).unwrap().with("5:6:7");
        let first = What::of(&GOOD).unwrap().with("5:6:7");
        assert_eq!(first, life(0, "160000"));
        for (at, what) in [(6, "8"), (7, "00000002"), (8, "1700000000.6"), (9, "6")] {
            assert_ne!(first, life(at, what), "{at}");
        }
        for of_tables in ["6:6:7", "5:7:7", "5:6:8"] {
            assert_ne!(first, What::of(&GOOD).unwrap().with(of_tables), "{of_tables}");
        }
    }

    #[test]
    fn the_settings_come_after_those_of_the_url() {
        let mut config = Config::new();
        config.options("-c jit=on");
        let config = Settings::new(Duration::from_millis(400), true).of_session(&config);
        let options = config.get_options().unwrap();
        assert!(options.starts_with("-c jit=on -c default_transaction_isolation=read\\ committed -c "), "{options}");
        assert!(options.ends_with("-c statement_timeout=400"), "{options}");
    }
}
