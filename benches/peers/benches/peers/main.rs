//! The same job on each peer that can do it.
//!
//! | job | what is done | figures |
//! |---|---|---|
//! | `hot_hit` | one fresh value is read, by 1, 2 and 4 threads | the time of a read |
//! | `zipf` | a million keys, Zipf-distributed, are read by 1, 2 and 4 threads | the same |
//! | `cold_start` | 256 threads wait for a value that is missing | from the creator's end to the last one's return |
//! | `expiry` | a value expires all the time under readers: it lives for 50 ms, and takes 10 ms to create | creations, reads, latencies |
//! | `failing` | the same, and each second creation fails | calls, errors, latencies |
//!
//! The first three are groups of criterion's. In all five, the peers take turns in many short rounds of one run, so
//! that any other load of the machine falls on all. The tables of that come last. `-- nothing` leaves out criterion's
//! part. The module docs of each job say what a peer cannot do.
//!
//! The pictures are written to `target/tmp`.

#![allow(clippy::inline_always)] // the subjects: see `Subject`

mod cold_start;
#[path = "../drawn/mod.rs"]
mod drawn;
mod expiry;
mod failing;
#[path = "../../../floor/mod.rs"]
mod floor;
mod hot_hit;
#[path = "../../../interleaved/mod.rs"]
mod interleaved;
mod load;
mod picture;
mod place;
mod subjects;
mod table;
#[path = "../../../waiters/mod.rs"]
mod waiters;
mod zipf;

use criterion::Criterion;
use interleaved::is_measuring;
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// The lifetime of a value that expires under the load.
const SHORT: Duration = Duration::from_millis(50);

/// The lifetime of a value that does not expire: no load lasts as long. Like [`SHORT`] it is under a second. From a
/// second on, ours reads a coarser clock, which costs less, and that saving is not the subject of the comparison.
const STILL: Duration = Duration::from_millis(999);

/// The time that a creation takes under the load.
const CREATION: Duration = Duration::from_millis(10);

const THREADS: [usize; 3] = [1, 2, 4];

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    hot_hit::bench(&mut criterion);
    zipf::bench(&mut criterion);
    cold_start::bench(&mut criterion);
    criterion.final_summary();

    if is_measuring() {
        hot_hit::compare();
        zipf::compare();
        cold_start::compare();
        expiry::compare();
        failing::compare();
    }
}
