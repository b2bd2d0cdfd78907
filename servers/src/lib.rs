//! Servers that tests start, hurt and end. Never published: a dev-dependency of tests, benches and examples.
//!
//! - [`RedisServer`]: a `redis-server` of the test's own. A test can kill it, stop it, restart it empty or from a
//!   [`Snapshot`], and move its clock.
//! - [`Replicas`], [`Sentinels`], [`Cluster`]: several of them.
//! - [`MemcachedServer`]: a `memcached` of the test's own. A test can kill it, stop it, restart it, and move its clock
//!   forwards.
//! - [`PostgresServer`]: a PostgreSQL of the test's own. A test can end it at once or in peace, stop it, start it
//!   again, and move its clock.
//! - [`Proxy`]: a proxy that delays, holds back and cuts. It listens on a port, or on a unix socket.
//! - [`FakeServer`]: a server that answers what a closure says.
//!
//! Everything blocks, and everything listens on 127.0.0.1, or on a unix socket. A call returns when the state that it
//! is to bring about can be seen at the servers.
//!
//! # Errors
//!
//! A call whose state does not come in time fails, with what was awaited and the last words of the server. A call fails
//! as well if the server does not answer, or answers by an error where none is meant to be. A program that is missing
//! is an error that names the package to install.
#![expect(clippy::missing_errors_doc, reason = "all functions fail alike, as the crate's documentation says")]

mod cluster;
mod error;
mod fake;
mod listen;
mod memcached;
mod postgres;
mod postgres_files;
mod process;
mod proxy;
mod redis;
mod resp;
mod sentinel;
mod start;
mod text;
mod time;
mod tls;

pub use cluster::Cluster;
pub use error::{Error, Result};
pub use fake::{FakeServer, Reply};
pub use memcached::{MemcachedBuilder, MemcachedServer};
pub use postgres::{PostgresBuilder, PostgresServer};
pub use postgres_files::bin as postgres_program;
pub use proxy::{Direction, Proxy};
pub use redis::{Builder, RedisServer, Snapshot};
pub use resp::{Client, Value};
pub use sentinel::{Replicas, Sentinels};
pub use text::{TextClient, TextReply};
pub use tls::Certificates;
