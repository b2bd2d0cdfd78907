//! What does all that is no hit cost on a PostgreSQL server?
//!
//! | figure | what is compared | goal |
//! |---|---|---|
//! | `counter` | an increment of a counter, beside a prepared `UPDATE … SET n = n + 1` of the raw client on a connection of its own | at most 1.2 times |
//! | `set` | the 99th percentile of a `set` of a random key, beside 10⁶ rows and beside 10³ | at most twice |
//! | `application` | how many transactions of an application there are beside a busy region, and beside the same region without signals | at least 0.9 times |
//!
//! The arms of a figure have their turn in each round. A ratio is the median of those of the rounds; that of `set` is
//! one of all rounds together. The busy region is one of four processes, as far as the server can tell: a backend each,
//! whose 16 tasks ask for 8 keys that live for 20 ms and take 5 ms to be created, so that many wait. The application
//! has two connections, whose transactions change a row each.
//!
//! Without `--bench` there are fewer rows, and one round.

#[path = "../../../interleaved/mod.rs"]
#[allow(clippy::inline_always, dead_code)] // the subjects of `interleaved`
mod interleaved;
mod quiet;

use bytes::Bytes;
use dogpile_cache::Region;
use dogpile_cache::backend::{Backend, Change, Entry, Postgres};
use dogpile_cache::codec::{Format, Raw, Shape};
use dogpile_cache::counter::Counters;
use dogpile_cache::key::{KeyLimit, Namespace, StoredKey};
use dogpile_servers::PostgresServer;
use interleaved::{is_measuring, median, verdict};
use quiet::Quiet;
use std::env;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// How much is done.
struct Scale {
    rounds: u64,
    /// The increments of a round.
    counts: u64,
    /// The rows of `set`.
    rows: [u64; 2],
    /// The changes of a round.
    sets: u64,
    /// For how long the application is watched.
    watch: Duration,
}

const FULL: Scale =
    Scale { rounds: 20, counts: 300, rows: [1_000, 1_000_000], sets: 500, watch: Duration::from_millis(500) };
const ONCE: Scale = Scale { rounds: 1, counts: 10, rows: [10, 1_000], sets: 10, watch: Duration::from_millis(50) };

const HOUR: Duration = Duration::from_hours(1);

/// The bytes of a value, with its envelope.
const SIZE: usize = 164;

async fn client(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.expect("the server is there");
    tokio::spawn(connection);
    client
}

async fn backend(url: &str) -> Postgres {
    Postgres::connect(url).await.expect("the server is there")
}

/// An increment beside an `UPDATE`.
async fn counter(url: &str, scale: &Scale) {
    let names = Namespace::new("count").expect("a sound name");
    let counters = Counters::new(names, backend(url).await, HOUR).expect("long enough");
    let client = client(url).await;
    let table = "CREATE TABLE raw (place bytea PRIMARY KEY, n bigint NOT NULL) WITH (fillfactor = 70);
        INSERT INTO raw VALUES ('count:1', 0)";
    client.batch_execute(table).await.expect("the server answers");
    let update = "UPDATE raw SET n = n + 1 WHERE place = $1 RETURNING n";
    let update = client.prepare(update).await.expect("the server answers");
    let place: &[u8] = b"count:1";
    let mut rounds = Vec::new();
    for round in 0..scale.rounds {
        let mut took = [0.0; 2];
        for turn in 0..2 {
            let (began, is_ours) = (Instant::now(), (round + turn) % 2 == 0);
            for _ in 0..scale.counts {
                if is_ours {
                    counters.increment(&1, 1).await.expect("the server answers");
                } else {
                    client.query_one(&update, &[&place]).await.expect("the server answers");
                }
            }
            took[usize::from(is_ours)] = began.elapsed().as_secs_f64() * 1e6 / as_f64(scale.counts);
        }
        rounds.push(took);
    }
    let [raw, ours] = [0, 1].map(|of| median(rounds.iter().map(|took| took[of])));
    let ratio = median(rounds.iter().map(|[raw, ours]| ours / raw));
    println!(
        "postgres_work/counter: {ours:.1} µs, {ratio:.2} times the UPDATE of {raw:.1} µs ({})",
        verdict(ratio, 1.2)
    );
}

/// Changes in a large table beside those in a small one.
async fn set(url: &str, scale: &Scale) {
    let shape = Shape { schema: 0, format: Format::RAW };
    let (names, client) = (Namespace::new("set").expect("a sound name"), client(url).await);
    let mut arms = Vec::new();
    for (schema, rows) in ["small", "large"].into_iter().zip(scale.rows) {
        let builder = Postgres::builder(url).schema(schema);
        builder.migrate().await.expect("the tables");
        let fill = format!(
            "INSERT INTO {schema}.entry SELECT convert_to('set:' || n, 'UTF8'), 0, {}, convert_to(repeat('v', {SIZE}), \
             'UTF8'), 1, false, 'infinity' FROM generate_series(0, {}) n; ANALYZE {schema}.entry",
            shape.format.number(),
            rows - 1
        );
        client.batch_execute(&fill).await.expect("the server answers");
        arms.push((builder.connect().await.expect("the server is there"), rows, Vec::new()));
    }
    for round in 0..scale.rounds {
        for turn in 0..2 {
            let (backend, rows, took) = &mut arms[usize::from((round + turn) % 2 == 0)];
            let limit = KeyLimit::bytes(backend.limits().longest_key);
            for number in 0..scale.sets {
                // (A prime, so that the keys lie far apart.)
                let key = (round * scale.sets + number) * 7_919 % *rows;
                let key = StoredKey::new(&names, &key, shape, limit);
                let entry = Entry { bytes: Bytes::from(vec![b'w'; SIZE]), lifetime: Some(HOUR) };
                let began = Instant::now();
                let set = Change::Set { entry, void_pause: Duration::ZERO };
                backend.change(&key, set).await.expect("the server answers");
                took.push(began.elapsed().as_secs_f64() * 1e6);
            }
        }
    }
    let [small, large] = [0, 1].map(|of| {
        let took = &mut arms[of].2;
        took.sort_by(f64::total_cmp);
        [took[took.len() / 2], took[took.len() * 99 / 100]]
    });
    let ratio = large[1] / small[1];
    println!(
        "postgres_work/set: p99 {:.0} µs (p50 {:.0}) beside {} rows, {ratio:.2} times that of {:.0} µs (p50 {:.0}) \
         beside {} ({})",
        large[1],
        large[0],
        scale.rows[1],
        small[1],
        small[0],
        scale.rows[0],
        verdict(ratio, 2.0)
    );
}

/// Which region is busy: 0 none, 1 the one with signals, 2 the one without.
static BUSY: AtomicU64 = AtomicU64::new(0);

/// Has tasks ask a region for keys, again and again, while it is to be busy.
fn asks(name: &str, backend: impl Backend, number: u64) {
    let region = Region::builder(name).far(backend).expires_after(Duration::from_millis(20)).codec(Raw);
    let region: Arc<Region<u64, Bytes>> = Arc::new(region.build().expect("the settings agree"));
    for task in 0..16 {
        let region = Arc::clone(&region);
        tokio::spawn(async move {
            for key in task.. {
                // Relaxed: when a task sees it does not matter.
                while BUSY.load(Ordering::Relaxed) != number {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                let create = async || {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    Bytes::from_static(&[b'v'; 100])
                };
                drop(region.get(&(key % 8)).or_create(create).await);
            }
        });
    }
}

/// Transactions of an application beside a busy region.
async fn application(url: &str, scale: &Scale) {
    for _ in 0..4 {
        asks("loud", backend(url).await, 1);
        asks("quiet", Quiet(backend(url).await), 2);
    }
    let table = "CREATE TABLE application (id integer PRIMARY KEY, n bigint NOT NULL);
        INSERT INTO application VALUES (0, 0), (1, 0)";
    client(url).await.batch_execute(table).await.expect("the server answers");
    let done = Arc::new(AtomicU64::new(0));
    for id in 0..2 {
        let (client, done) = (client(url).await, Arc::clone(&done));
        tokio::spawn(async move {
            let transaction = format!("BEGIN; UPDATE application SET n = n + 1 WHERE id = {id}; COMMIT");
            while client.batch_execute(&transaction).await.is_ok() {
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let mut rounds = Vec::new();
    for round in 0..scale.rounds {
        let mut count = [0.0; 2];
        for turn in 0..2 {
            let is_quiet = (round + turn) % 2;
            BUSY.store(1 + is_quiet, Ordering::Relaxed);
            // What is left of the other arm is over by then.
            tokio::time::sleep(scale.watch / 2).await;
            let before = done.load(Ordering::Relaxed);
            tokio::time::sleep(scale.watch).await;
            let of = done.load(Ordering::Relaxed) - before;
            count[usize::from(is_quiet == 1)] = as_f64(of) / scale.watch.as_secs_f64();
        }
        rounds.push(count);
    }
    BUSY.store(0, Ordering::Relaxed);
    let [loud, quiet] = [0, 1].map(|of| median(rounds.iter().map(|count| count[of])));
    let ratio = median(rounds.iter().map(|[loud, quiet]| loud / quiet));
    let met = if ratio >= 0.9 { "met" } else { "MISSED" };
    println!(
        "postgres_work/application: {loud:.0} transactions a second, {ratio:.2} times the {quiet:.0} without signals \
         (goal: at least 0.9, {met})"
    );
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
fn as_f64(number: u64) -> f64 {
    number as f64
}

fn main() {
    // Criterion has no part in this, but its arguments are understood.
    if env::args().any(|argument| argument == "--list") {
        return;
    }
    let scale = if is_measuring() { FULL } else { ONCE };
    let server = PostgresServer::start().expect("a PostgreSQL server");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be had").block_on(async {
        let url = server.url();
        Postgres::builder(&url).migrate().await.expect("the tables");
        counter(&url, &scale).await;
        set(&url, &scale).await;
        application(&url, &scale).await;
    });
}
