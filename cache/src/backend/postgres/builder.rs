//! Where the tables are, and how they are made.

use super::address::{Address, Schema};
use super::link::{NotOpened, OPENING, Raw, sleep};
use super::what::{Settings, What};
use super::{Postgres, sql};
use crate::backend::connect::ConnectError;
use crate::time::keeper::keeper;
use crate::time::unless;
use std::fmt;
use std::time::Duration;
use tokio::runtime::Handle;

/// How long it may take to make the tables, once there is a connection.
const MAKING: Duration = Duration::from_secs(30);

/// The lock under which one process at a time makes tables: two that do so at once fail.
const MAKERS: i64 = 0x0064_6F67_7069_6C65;

/// Says where the tables of a [`Postgres`] are, and how they are made.
///
/// | | default |
/// |---|---|
/// | [`schema`](PostgresBuilder::schema) | `dogpile` |
/// | [`owner`](PostgresBuilder::owner) | the user of the URL, a superuser, or the owner of the database |
/// | [`logged`](PostgresBuilder::logged) | values are lost in a crash of the server |
/// | `trusting` (feature `postgres-tls`) | as the URL says: the roots of the operating system, or no TLS |
#[must_use]
pub struct PostgresBuilder {
    url: String,
    schema: String,
    owner: Option<String>,
    is_logged: bool,
    /// Roots, as PEM.
    #[cfg(feature = "postgres-tls")]
    trusts: Option<Vec<u8>>,
}

impl PostgresBuilder {
    pub(super) fn new(url: &str) -> PostgresBuilder {
        PostgresBuilder {
            url: url.to_owned(),
            schema: "dogpile".to_owned(),
            owner: None,
            is_logged: false,
            #[cfg(feature = "postgres-tls")]
            trusts: None,
        }
    }

    /// Sets the schema of the tables: 1 to 40 small letters, digits and underscores, not a digit first. Each call that
    /// follows refuses another name. `dogpile` by default. Regions whose backends name different schemas share nothing.
    pub fn schema(mut self, name: &str) -> PostgresBuilder {
        name.clone_into(&mut self.schema);
        self
    }

    /// Says to which other user the schema, its tables and its functions may belong: the user of a migration, say.
    ///
    /// A function acts with the rights of its caller, and each user who may create something in the database can make
    /// a schema of this name first. So a schema is refused, before anything of it is called, if it, or something in it,
    /// belongs to none of these: the user of the URL, a superuser, the owner of the database, and the user whose name
    /// is given here.
    pub fn owner(mut self, name: &str) -> PostgresBuilder {
        self.owner = Some(name.to_owned());
        self
    }

    /// Has the values survive a crash of the server, and be copied to its standbys: the table of the entries is LOGGED.
    ///
    /// By default it is UNLOGGED: a write costs about an eighth, and after a crash, or on a standby that takes over,
    /// the cache is cold. This counts when tables are made; tables that are there stay as they are.
    pub fn logged(mut self) -> PostgresBuilder {
        self.is_logged = true;
        self
    }

    /// Has all connections be by TLS, whether the URL asks for it or not, to a server that shows a certificate of these
    /// authorities: these alone, not those of the operating system. `roots` are their certificates, as PEM. Each call
    /// that follows refuses a text without any, or with one that cannot be read, and a URL with `sslmode=disable`
    /// ([`Malformed`](ConnectError::Malformed)). The operating system's roots by default, where the URL asks for TLS.
    #[cfg(feature = "postgres-tls")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres-tls")))]
    pub fn trusting(mut self, roots: &[u8]) -> PostgresBuilder {
        self.trusts = Some(roots.to_owned());
        self
    }

    /// Returns the statements that make the schema, its tables and its functions, for a migration of the user's own.
    /// They may be executed where some of them were before: then they wait for no reader. They fail where something in
    /// the schema belongs to a [stranger](PostgresBuilder::owner). Some of the functions are for
    /// [users](crate::guide::postgres#within-your-own-transactions). Never blocks.
    ///
    /// The user of [`connect`](PostgresBuilder::connect) needs `USAGE` of the schema and of its sequence, and `SELECT`,
    /// `INSERT`, `UPDATE` and `DELETE` of its tables. The functions act with the rights of their caller.
    ///
    /// # Errors
    ///
    /// The schema's name is none.
    pub fn sql(&self) -> Result<String, ConnectError> {
        Ok(sql::tables(&self.name()?, self.owner.as_deref(), self.is_logged))
    }

    /// Makes the schema, its tables and its functions, unless they are there. Two round trips and a connection, which
    /// is closed after that. It takes 30 s at most, whatever time-outs the user's own settings are.
    ///
    /// Several processes may do this at once. The user needs the right to create a schema, unless the tables are there.
    ///
    /// # Errors
    ///
    /// As those of [`connect`](Postgres::connect).
    ///
    /// # Cancel safety
    ///
    /// A call that is dropped may have made all of it, or nothing.
    pub async fn migrate(&self) -> Result<(), ConnectError> {
        let (at, keeper) = self.parts()?;
        let (keeper_too, tables) = (keeper.clone(), sql::tables(&at.schema, at.owner.as_deref(), self.is_logged));
        let making = keeper.spawn(async move {
            // Whatever the role's own settings are.
            let settings = Settings::new(MAKING, true);
            let Some(raw) = unless(Box::pin(Raw::open(&at, &settings)), || sleep(&keeper_too, OPENING)).await else {
                return Err(NotOpened::new("the server has not answered in time"));
            };
            let Raw { client, connection } = raw?;
            tokio::spawn(connection);
            let made = unless(Box::pin(make(&client, &at, &settings, &tables)), || sleep(&keeper_too, MAKING)).await;
            made.unwrap_or_else(|| Err(NotOpened::new("the tables were not made in time")))
        });
        let made = making.await.unwrap_or_else(|_| Err(NotOpened::new("the keeper has ended")));
        made.map_err(|not| self.error(not))
    }

    /// Connects, as [`Postgres::connect`] says.
    ///
    /// # Errors
    ///
    /// As there.
    ///
    /// # Cancel safety
    ///
    /// As there.
    pub async fn connect(&self) -> Result<Postgres, ConnectError> {
        let postgres = self.lazy()?;
        postgres.all().await.map_err(|not| self.error(not))?;
        Ok(postgres)
    }

    /// Connects when an operation needs it, as [`Postgres::lazy`] says. Never blocks.
    ///
    /// # Errors
    ///
    /// As there.
    pub fn lazy(&self) -> Result<Postgres, ConnectError> {
        let (at, keeper) = self.parts()?;
        Ok(Postgres::at(at, &keeper))
    }

    fn name(&self) -> Result<Schema, ConnectError> {
        Schema::new(&self.schema).map_err(|not| self.error(not))
    }

    fn parts(&self) -> Result<(Address, Handle), ConnectError> {
        let tables = self.name()?;
        let scheme = ConnectError::scheme_of(&self.url);
        let at = Address::of(&self.url, tables);
        #[cfg(feature = "postgres-tls")]
        let at = match &self.trusts {
            Some(roots) => at.and_then(|at| at.trusting(roots)),
            None => at,
        };
        let at = match at {
            Some(at) => Address { owner: self.owner.clone(), ..at },
            None if scheme.is_empty() => return Err(ConnectError::NoScheme),
            None => return Err(ConnectError::Malformed { scheme }),
        };
        let no_thread = |error| NotOpened::new(format!("no thread for the connections: {error}"));
        Ok((at, keeper().map_err(|error| self.error(no_thread(error)))?))
    }

    fn error(&self, not: NotOpened) -> ConnectError {
        let (scheme, why) = (ConnectError::scheme_of(&self.url), not.why);
        if not.is_unfit { ConnectError::Unfit { scheme, why } } else { ConnectError::Unreachable { scheme, why } }
    }
}

/// Makes the tables, unless they are there.
async fn make(
    client: &tokio_postgres::Client,
    at: &Address,
    settings: &Settings,
    tables: &str,
) -> Result<(), NotOpened> {
    if What::ask(client, at, settings).await?.has_tables {
        return Ok(());
    }
    // One transaction.
    client.batch_execute(&format!("SELECT pg_advisory_xact_lock({MAKERS}); {tables}")).await?;
    Ok(())
}

/// Without credentials.
impl fmt::Debug for PostgresBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("PostgresBuilder");
        debug.field("schema", &self.schema).field("is_logged", &self.is_logged).finish_non_exhaustive()
    }
}
