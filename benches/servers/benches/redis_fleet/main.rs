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
//! | `floor` | the least that has to be done, by the raw client, without leases and time-outs (`redis_wake` only) |
//! | `region` | a region over Redis |
//! | `amalgam` | amalgam over Redis, with its locks; for `redis_wake` with values in the process and its messages |
//! | `hitbox` | a function memoized by hitbox over Redis: no process waits for another one |
//! | `dogpile.cache` | the package for Python, with its distributed lock |
//! | `dogpile.cache_lease` | the same with a `lock_timeout`, without which a lock is held for ever |
//!
//! `redis_wake` is taken of two processes, so that a waiter that is woken has a processor, and of 8 processes with 32
//! tasks each. The goal counts from the publication, and the figure from the end of the creator, which is
//! earlier. All processes of a fleet are woken at once. Where there are more of them than processors, each waits for
//! those before it. The floor shows how much of the figure that is.
//!
//! For `redis_stopped` each task asks again and again, and yields between two accesses, as a server does that has
//! something else to do. Without that, a task whose accesses need no wait keeps its worker: `region` serves what it has
//! created itself for up to a second while the server is away. The figure would then be how long the other tasks, whose
//! time-outs are over, wait for that worker.
//!
//! The processes run this program, or `dogpile_cache.py`; all go by the same monotonic clock. The packages for Python
//! are installed into a virtual environment below the target directory. Where that fails, those subjects are left out,
//! and the bench says so. Without `--bench` there are none of them, and each figure is taken once, in a hurry.
//!
//! An argument is a part of the names of the figures that are to be taken: `cargo bench -p dogpile-server-peers --bench
//! redis_fleet -- wake/region wake/floor killed`.

#[path = "../fleet/mod.rs"]
mod fleet;

mod figures;
mod floor;
mod python;

use dogpile_server_peers::subjects::{Amalgam, Cache, Hitbox, Ours};
use dogpile_servers::RedisServer;
use figures::Scale;
use fleet::child;
use fleet::interleaved::is_measuring;
use fleet::process::Subject;
use floor::Floor;
use std::env;

fn main() {
    if child::is_child() {
        return child::run(async |subject, url, settings| match subject {
            "floor" => child::obey(Floor::connect(url, settings).await).await,
            "region" => child::obey(Ours::connect(url, settings).await).await,
            "amalgam" => child::obey(Amalgam::connect(url, settings).await).await,
            "hitbox" => child::obey(Hitbox::connect(url, settings).await).await,
            _ => panic!("{subject}"),
        });
    }
    // Criterion has no part in this, but its arguments are understood.
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        return;
    }
    let mut subjects = ["floor", "region", "amalgam", "hitbox"].map(Subject::ours).to_vec();
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
    let named: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let server = RedisServer::start().expect("a Redis server");
    let figures: [(&str, figures::Take); 4] = [
        ("redis_wake", figures::wake),
        ("redis_killed", figures::killed),
        ("redis_late", figures::late),
        ("redis_stopped", figures::stopped),
    ];
    for (figure, take) in figures {
        let is_wanted = |subject: &&Subject| {
            let name = format!("{figure}/{}", subject.name);
            let is_named = named.is_empty() || named.iter().any(|part| name.contains(*part));
            is_named && (figure == "redis_wake" || subject.name != "floor")
        };
        let wanted: Vec<Subject> = subjects.iter().filter(is_wanted).cloned().collect();
        take(&server, &wanted, scale);
    }
}
