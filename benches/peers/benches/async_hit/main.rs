//! What does a task pay that a thread does not? And how soon do tasks return that have waited for one value?
//!
//! | group | what is done |
//! |---|---|
//! | `async_hit` | a fresh hit by a task, beside the blocking forms and other crates |
//! | `async_herd` | many tasks want one value that is missing: from the creator's end to the last task's return |
//!
//! A hit is ready when it is polled for the first time. So a loop of hits is one future, which is polled once, and the
//! figures contain nothing of an executor. All subjects hold an `Arc`, and hand out the form that is cheapest for them.
//! Two of them stand here only for scale: `quick_cache` has no expiry, and a `OnceCell` is made once.
//!
//! The herd runs on tokio with two workers. Before the creator may go on, all tasks have been polled, and wait. Each
//! run has a new place for the value. `async_singleflight` keeps no value at all: it only has tasks wait for one call.
//!
//! After the groups come the figures that have goals, and the ratios of the herd. Both sides are taken in turn in one
//! run.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

#[path = "../awaited/mod.rs"]
mod awaited;
mod herd;
mod hit;
#[path = "../../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

use criterion::Criterion;
use interleaved::is_measuring;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    let hits = hit::Subjects::new();
    hits.bench(&mut criterion);
    herd::bench(&mut criterion);
    criterion.final_summary();

    if is_measuring() {
        println!();
        hits.compare();
        herd::compare();
    }
}
