//! What does a hit on a PostgreSQL server cost beside the raw client's prepared SELECT?
//!
//! | subject | what it is |
//! |---|---|
//! | `raw` | a prepared `SELECT` by the primary key, on one connection of `tokio-postgres` that all tasks share: the floor |
//! | `look` | the look of the backend `Postgres`, without a region |
//! | `region` | a region over PostgreSQL, with the codec for bytes |
//! | `sqlx` | the same `SELECT` by sqlx, as most would write it: on its pool, of 8 connections, with its defaults |
//!
//! Values have 100 bytes, and those of the raw client as many as an entry of the region. There are 1, 16 and 256 tasks
//! on tokio with two workers, each with a key of its own, so that no access shares a look with another. The server is
//! another process, and each subject has its own connections.
//!
//! After the group come the medians of all rounds: the time of a hit, the CPU time that this process (user and system)
//! spends on a hit, and their ratios to those of the raw client. All subjects have their turn in each round.

#[path = "../hits/mod.rs"]
mod hits;

use dogpile_cache::backend::Postgres;
use dogpile_server_peers::subjects::{Access, Cache, Ours, Settings, create_by};
use dogpile_servers::PostgresServer;
use hits::{ENVELOPE, Goals, Looked, Looks, SIZE, Subject, TASKS, measure, runtime, value};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use std::pin::Pin;
use tokio_postgres::{Client, Error, NoTls, Statement};

/// The goals of a hit.
const GOALS: Goals = Goals { time: Some(1.15), cpu: None };

/// The connections of the pool.
const POOL: u32 = 8;

/// The table of the raw client: as that of the entries, but for what an entry alone has.
const TABLE: &str = "CREATE UNLOGGED TABLE IF NOT EXISTS raw (key bytea PRIMARY KEY, value bytea NOT NULL);
    ALTER TABLE raw ALTER COLUMN value SET STORAGE EXTERNAL";

const SELECT: &str = "SELECT value FROM raw WHERE key = $1";

fn key(number: u64) -> Vec<u8> {
    format!("bench:{number}").into_bytes()
}

async fn client(url: &str) -> Result<(Client, Statement), Error> {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
    tokio::spawn(connection);
    let select = client.prepare(SELECT).await?;
    Ok((client, select))
}

async fn select((client, select): &(Client, Statement), key: &[u8]) -> Result<Looked, String> {
    let row = client.query_one(select, &[&key]).await.map_err(|error| error.to_string())?;
    Ok(Looked::new(row.get::<_, &[u8]>(0).to_vec().into()))
}

/// Makes the table and its rows.
async fn fill(url: &str) {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server is there");
    tokio::spawn(connection);
    client.batch_execute(TABLE).await.expect("the server answers");
    let (insert, large) = ("INSERT INTO raw VALUES ($1, $2) ON CONFLICT DO NOTHING", vec![b'v'; ENVELOPE + SIZE]);
    for number in 0..TASKS[2] {
        client.execute(insert, &[&key(number), &large]).await.expect("the server answers");
    }
}

/// The raw client.
struct Raw((Client, Statement), Vec<Vec<u8>>);

impl Cache for Raw {
    type Value = Looked;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            fill(url).await;
            Self(client(url).await.expect("the server is there"), (0..TASKS[2]).map(key).collect())
        })
    }

    fn get(&self, key: u64) -> Access<'_, Looked> {
        Box::pin(select(&self.0, &self.1[usize::try_from(key).expect("few keys")]))
    }
}

impl Cache for Looks<Postgres> {
    type Value = Looked;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move { Looks::store(Postgres::connect(url).await.expect("the server is there")).await })
    }

    fn get(&self, key: u64) -> Access<'_, Looked> {
        self.look(key)
    }
}

/// A pool of sqlx.
struct Sqlx(PgPool, Vec<Vec<u8>>);

impl Cache for Sqlx {
    type Value = Looked;

    fn connect(url: &str, _settings: Settings) -> Pin<Box<dyn Future<Output = Self> + Send + '_>> {
        Box::pin(async move {
            fill(url).await;
            let pool = PgPoolOptions::new().max_connections(POOL).connect(url).await;
            Self(pool.expect("the server is there"), (0..TASKS[2]).map(key).collect())
        })
    }

    fn get(&self, key: u64) -> Access<'_, Looked> {
        Box::pin(async move {
            let key = &self.1[usize::try_from(key).expect("few keys")];
            let value = sqlx::query_scalar::<_, Vec<u8>>(SELECT).bind(key).fetch_one(&self.0).await;
            value.map(|value| Looked::new(value.into())).map_err(|error| error.to_string())
        })
    }
}

fn main() {
    create_by(|_| Box::pin(async { value() }));
    let server = PostgresServer::start().expect("a PostgreSQL server");
    let (runtime, url) = (runtime(), server.url());
    runtime.block_on(Postgres::builder(&url).migrate()).expect("the tables");
    let subjects = [
        Subject::new::<Raw>("raw", &runtime, &url, Goals::NONE),
        Subject::new::<Looks<Postgres>>("look", &runtime, &url, Goals::NONE),
        Subject::new::<Ours>("region", &runtime, &url, GOALS),
        Subject::new::<Sqlx>("sqlx", &runtime, &url, Goals::NONE),
    ];
    measure("postgres_hit", "the raw SELECT", &runtime, &subjects, None);
}
