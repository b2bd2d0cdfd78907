//! PostgreSQL as a backend under test: a server of its own for each law, whose clock the law moves.

use crate::ground::{Ground, Server, block_on};
use crate::{Subject, connected};
use dogpile_cache::backend::Postgres;
use dogpile_cache::key::StoredKey;
use dogpile_servers::PostgresServer;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

pub const SUBJECT: Subject = Subject { name: "postgres", make: postgres, scripts: 40, not_kept: &[] };

struct Machine {
    server: Arc<Mutex<PostgresServer>>,
    backend: Arc<Postgres>,
}

fn postgres() -> Ground {
    let server = PostgresServer::builder().fake_time().start().expect("a PostgreSQL server");
    let builder = Postgres::builder(&server.url());
    block_on(builder.migrate()).expect("tables");
    let backend = Arc::new(block_on(builder.connect()).expect("a connection"));
    let machine = Machine { server: Arc::new(Mutex::new(server)), backend: Arc::clone(&backend) };
    Ground { backend, server: Arc::new(machine) }
}

/// The tables of what a copy of the server's data has.
const TABLES: [&str; 3] = ["entry", "place", "counter"];

impl Machine {
    fn server(&self) -> MutexGuard<'_, PostgresServer> {
        self.server.lock().unwrap()
    }

    fn sql(&self, statements: &str) -> String {
        self.server().sql(statements).unwrap()
    }
}

impl Server for Machine {
    fn wait(&self, time: Duration) {
        self.server().advance(time).unwrap();
    }

    fn step(&self, milliseconds: i64) {
        self.server().step(milliseconds).unwrap();
    }

    /// The counters survive that, as their table is LOGGED: they are deleted.
    fn restart(&self) {
        let mut server = self.server();
        server.end_at_once();
        server.start_again().unwrap();
        server.sql("TRUNCATE dogpile.counter").unwrap();
        connected(&*self.backend);
    }

    /// A copy of the rows, as of a standby that takes over with them, and with a sequence that has lagged behind.
    fn snapshot(&self) -> Box<dyn FnOnce()> {
        let copies = TABLES.map(|table| {
            let copy = format!("SELECT coalesce(json_agg(t), '[]') FROM dogpile.{table} AS t");
            (table, self.sql(&copy))
        });
        let number = self.sql("SELECT last_value FROM dogpile.number");
        let (server, backend) = (Arc::clone(&self.server), Arc::clone(&self.backend));
        Box::new(move || {
            let mut server = server.lock().unwrap();
            server.end_at_once();
            server.start_again().unwrap();
            for (table, rows) in copies {
                let rows = format!("SELECT * FROM json_populate_recordset(NULL::dogpile.{table}, '{rows}')");
                server.sql(&format!("TRUNCATE dogpile.{table}; INSERT INTO dogpile.{table} {rows}")).unwrap();
            }
            server.sql(&format!("SELECT setval('dogpile.number', {number})")).unwrap();
            connected(&*backend);
        })
    }

    fn lose_entry(&self, key: &StoredKey) {
        let (place, shape) = (literal(key), key.shape());
        let of_shape = format!("schema = {} AND format = {}", shape.schema, shape.format.number());
        self.sql(&format!("DELETE FROM dogpile.entry WHERE place = {place} AND {of_shape}"));
    }

    fn lose_rest(&self, key: &StoredKey) {
        self.sql(&format!("DELETE FROM dogpile.place WHERE place = {}", literal(key)));
    }

    /// The culling goes over all blocks at once.
    fn places(&self) -> usize {
        self.sql("SELECT dogpile.cull(0, 1000000)");
        let tables = TABLES.map(|table| format!("SELECT place FROM dogpile.{table}")).join(" UNION ");
        self.sql(&format!("SELECT count(*) FROM ({tables}) AS t")).parse().unwrap()
    }

    fn listened(&self) -> usize {
        self.sql("SELECT count(*) FROM dogpile.waiter WHERE until > clock_timestamp()").parse().unwrap()
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(10)
    }
}

/// The place of a key, as a literal.
fn literal(key: &StoredKey) -> String {
    format!("convert_to('{}', 'UTF8')", key.place().replace('\'', "''"))
}
