//! What do processes pay that share values by a Redis server, and wait for one another?
//!
//! | figure | what it is |
//! |---|---|
//! | `redis_wake` | from the end of the creator to the return of a task of another process that has waited |
//! | `redis_killed` | from SIGKILL of the holder to the beginning of the next creator; a lease is 5 s |
//! | `redis_late` | which value is there after a holder was stopped, another process has created, and the first goes on |
//! | `redis_stopped` | the longest access while the server is stopped for 3 s; all values are there |
//!
//! | subject | what it is |
//! |---|---|
//! | `region` | a region over Redis |
//! | `amalgam` | amalgam over Redis, with its locks; for `redis_wake` with values in the process and its messages |
//! | `hitbox` | a function memoized by hitbox over Redis: no process waits for another one |
//! | `dogpile.cache` | the package for Python, with its distributed lock |
//! | `dogpile.cache_lease` | the same with a `lock_timeout`, without which a lock is held for ever |
//!
//! The processes run this program, or `dogpile_cache.py`; all go by the same monotonic clock. The packages for Python
//! are installed into a virtual environment below the target directory. Where that fails, those subjects are left out,
//! and the bench says so. Without `--bench` there are none of them, and each figure is taken once, in a hurry.

#![allow(clippy::inline_always)] // the subjects of `interleaved`

#[path = "../../../interleaved/mod.rs"]
#[allow(dead_code)]
mod interleaved;

mod child;
mod figures;
mod process;
mod python;

use dogpile_servers::RedisServer;
use figures::Scale;
use interleaved::is_measuring;
use process::Subject;
use std::env;

fn main() {
    if child::is_child() {
        return child::run();
    }
    // Criterion has no part in this, but its arguments are understood.
    if env::args().any(|argument| argument == "--list") {
        return;
    }
    let mut server = RedisServer::start().expect("a Redis server");
    let mut subjects = vec![Subject::ours("region"), Subject::ours("amalgam"), Subject::ours("hitbox")];
    let scale = if is_measuring() { Scale::FULL } else { Scale::ONCE };
    if is_measuring() {
        match python::make() {
            Ok(program) => {
                subjects.push(Subject::python("dogpile.cache", &program, false));
                subjects.push(Subject::python("dogpile.cache_lease", &program, true));
            }
            Err(why) => println!("left out: dogpile.cache: {why}"),
        }
    }
    figures::wake(&server, &subjects, scale);
    figures::killed(&server, &subjects, scale);
    figures::late(&server, &subjects, scale);
    figures::stopped(&mut server, &subjects, scale);
}
