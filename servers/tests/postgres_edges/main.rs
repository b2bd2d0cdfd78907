//! The edges of the backend on PostgreSQL: transactions of strangers, the end of the server and of its sessions,
//! rights. Each test is named for its law, or for the number of its case.

mod connect;
mod contention;
mod counters;
#[path = "../counting/mod.rs"]
mod counting;
mod gathered;
#[path = "../gathering/mod.rs"]
mod gathering;
mod kit;
mod lives;
mod locked;
mod pooler;
mod tls;
mod told;
mod users;
mod within;
