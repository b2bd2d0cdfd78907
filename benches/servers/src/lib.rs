//! The benches that need a server, where `dogpile-cache` stands beside its peers:
//! `cargo bench -p dogpile-server-peers`. They are a package of their own, since hitbox needs a newer compiler than the
//! peers of a process alone. The subjects are here, so that their code is compiled once for all benches.

pub mod subjects;
