//! Attacks on the backend on PostgreSQL. Each test is named for the law that it has once shown to be broken, or that
//! has held from the beginning.

mod clocks;
#[path = "../postgres_edges/kit.rs"]
#[allow(dead_code, reason = "shared with the edges")]
mod kit;
mod lives;
mod locked;
mod races;
mod regions;
mod rest;
