//! The edges of the backend on Redis: one real server, a proxy before it, an imitation of it. Each test is named for
//! its law, or for the number of its case.

mod connect;
mod counters;
#[path = "../counting/mod.rs"]
mod counting;
mod cuts;
#[path = "../cutting/mod.rs"]
mod cutting;
mod errors;
mod gathered;
#[path = "../gathering/mod.rs"]
mod gathering;
mod hostile;
mod kit;
mod links;
mod namespace;
mod regions;
mod rights;
mod runtimes;
mod secrets;
mod stopped;
mod tls;
mod values;
mod waiters;
