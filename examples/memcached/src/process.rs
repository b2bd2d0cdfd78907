//! One process of the fleet. This file is what a program writes that keeps a value in memcached.
//!
//! The process takes orders on its standard input, and answers each on its standard output by one line:
//!
//! | order | the process | answer |
//! |---|---|---|
//! | `get` | has all its tasks get the value, at once | the numbers of the values that they got |
//! | `begin` | begins to get the value, and does not wait for it | `done` |
//! | `invalidate`, `mark` | deletes the value, or marks it stale | `done` |
//! | `find` | waits until the server answers | `done` |
//!
//! What has failed is answered by `failed` and the error. The end of the input is the order to end. So a process does
//! not outlive the one that has started it.

use crate::options::Options;
use dogpile_cache::backend::Memcached;
use dogpile_cache::{CreateError, Creation, Made, Region};
use example_common::chain;
use std::error::Error;
use std::io::{self, ErrorKind, Write};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// For how long a value is fresh.
pub const LIFETIME: Duration = Duration::from_secs(2);

/// What the death of a process that creates costs the others.
pub const LEASE: Duration = Duration::from_secs(4);

/// What the source has made: its number, and a text that belongs to the number.
type Document = (u64, String);

type Trouble = Box<dyn Error + Send + Sync>;

/// What the tasks of the process share.
#[derive(Clone)]
struct Fleet {
    documents: Region<str, Document>,
    key: String,
    source: SocketAddr,
}

impl Fleet {
    async fn join(server: SocketAddr, source: SocketAddr, key: &str) -> Result<Fleet, Trouble> {
        let documents = Region::builder("example")
            .far(Memcached::connect(&format!("memcached://{server}")).await?)
            .expires_after(LIFETIME)
            .max_stale(Duration::from_secs(600)) // the old value serves while one task of the fleet renews it
            .lease(LEASE)
            // (A machine that is slow for a moment is not to be taken for a server that is down: this process would
            // create for itself then.)
            .backend_timeout(Duration::from_secs(10))
            .build()?;
        Ok(Fleet { documents, key: key.to_owned(), source })
    }

    /// Gets the value. Of all tasks of all processes, one asks the source, if none knows a fresh value.
    async fn get(&self) -> Result<u64, CreateError<io::Error>> {
        let got = self.documents.get(&self.key).or_try_create_with(async |creation| self.query(creation).await);
        let (number, text) = &*got.await?;
        let is_whole = *text == text_of(*number);
        is_whole.then_some(*number).ok_or(CreateError::Failed(io::Error::other("a damaged value")))
    }

    /// Asks the source, which takes its time.
    async fn query(&self, creation: &Creation<str, Document>) -> io::Result<Made<Document>> {
        let mut source = BufReader::new(TcpStream::connect(self.source).await?);
        // (The source counts which values are replaced.)
        let old = creation.old().map_or(0, |(number, _)| *number);
        source.write_all(format!("{} {old}\n", std::process::id()).as_bytes()).await?;
        let mut answer = String::new();
        source.read_line(&mut answer).await?;
        let number = answer.trim().parse().map_err(|_| io::Error::from(ErrorKind::UnexpectedEof))?;
        Ok(Made::new((number, text_of(number))))
    }

    /// Carries out an order, and returns the answer.
    async fn carry_out(&self, order: &str, tasks: u16) -> Result<String, Trouble> {
        match order {
            "get" => {
                let mut all = JoinSet::new();
                for _ in 0..tasks {
                    let fleet = self.clone();
                    all.spawn(async move { fleet.get().await });
                }
                let numbers: Result<Vec<_>, _> = all.join_all().await.into_iter().collect();
                let numbers: Vec<_> = numbers?.iter().map(u64::to_string).collect();
                return Ok(numbers.join(" "));
            }
            "begin" => {
                let fleet = self.clone();
                tokio::spawn(async move { fleet.get().await });
            }
            "invalidate" => self.documents.invalidate(&self.key).await?,
            "mark" => self.documents.mark_stale(&self.key).await?,
            // (Its end is the patience of the process that waits for the answer.)
            "find" => {
                while self.documents.ping().await.is_err() {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            }
            _ => return Err("no such order".into()),
        }
        Ok("done".to_owned())
    }
}

fn text_of(number: u64) -> String {
    format!("document {number} ").repeat(20)
}

/// Carries out orders until the end of the input.
pub fn run(options: &Options, server: SocketAddr, source: SocketAddr, key: &str) -> Result<(), Trouble> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let fleet = runtime.block_on(Fleet::join(server, source, key))?;
    for order in io::stdin().lines() {
        let carried_out = runtime.block_on(fleet.carry_out(&order?, options.tasks));
        let answer = carried_out.unwrap_or_else(|error| format!("failed {}", chain(&*error).replace('\n', " ")));
        writeln!(io::stdout(), "{answer}")?;
    }
    Ok(())
}
