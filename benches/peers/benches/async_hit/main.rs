//! What does a task pay that a thread does not, and how soon do tasks return who have waited for one value?
//!
//! | group | what is done |
//! |---|---|
//! | `async_hit` | a fresh hit of the forms for tasks, beside the blocking ones and other crates |
//! | `async_herd` | so many tasks want one value that is missing: from the creator's end to the last task's return |
//!
//! A hit is ready when it is polled for the first time. So a loop of them is one future, polled once: nothing of an
//! executor is in the figures. All hold an `Arc`, and hand out what is cheapest for them. Two of those that hit stand
//! here for scale only: `quick_cache` has no expiry, and a `OnceCell` is made once.
//!
//! The herd runs on tokio with two workers. All its tasks have been polled, and wait, before the creator is let go on.
//! Each run has a new place for the value. `async_singleflight` keeps no value at all: to wait is all that it does.
//!
//! After the groups come the figures that have goals, and the ratios of the herd, both sides taken in turn in one run.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

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
