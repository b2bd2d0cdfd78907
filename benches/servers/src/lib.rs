//! The benches that need a server, where `dogpile-cache` stands beside its peers:
//! `cargo bench -p dogpile-server-peers`. They are a package of their own, since hitbox needs a newer compiler than the
//! peers of a process alone. The subjects are here, so that their code is compiled once for all benches.
//!
//! | bench | question |
//! |---|---|
//! | `redis_hit`, `memcached_hit`, `postgres_hit` | what does a hit cost beside the raw client, and beside peers? |
//! | `memcached_large` | how much later do small values come beside large ones? |
//! | `redis_fleet`, `memcached_fleet`, `postgres_fleet` | how late are processes that wait for another one? |
//! | `postgres_work` | what do counters and changes cost, and what does an application beside a busy region pay? |

pub mod subjects;
