//! How soon do 256 threads have a value that was missing?
//!
//! The time is taken from the end of the creator to the return of the last thread. All threads have been asleep by
//! then. Each round has a new place. All peers can do this job, with one call of the creator.

use crate::HOUR;
use crate::interleaved::median;
use crate::place::{Place, Source};
use crate::subjects::{CACHED, Peer, others_without_expiry};
use crate::table::{self, digits, time};
use crate::waiters::{Creator, Missing, Waiters};
use criterion::Criterion;
use std::sync::Arc;
use std::time::Duration;

const WAITERS: usize = 256;
const ROUNDS: usize = 60;

struct Start(Box<dyn Place>, Arc<Source>);

impl Start {
    fn of(peer: &Peer, creator: Creator) -> Self {
        let source = Source::new(move |call| {
            creator();
            Ok(call)
        });
        Self((peer.make)(HOUR, &source), source)
    }
}

impl Missing for Start {
    fn get(&self) {
        self.0.read().expect("the creator does not fail");
        assert_eq!(self.1.calls(), 1, "a second call would have waited for threads that are gone");
    }
}

fn peers() -> impl Iterator<Item = &'static Peer> {
    [&CACHED].into_iter().chain(others_without_expiry())
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("cold_start");
    group.sample_size(20);
    let waiters = Waiters::new(WAITERS);
    for peer in peers() {
        let round = |_| waiters.round(|creator| Start::of(peer, creator));
        group.bench_function(format!("{}/{WAITERS}", peer.name), |bencher| {
            bencher.iter_custom(|rounds| Duration::from_nanos((0..rounds).map(round).sum()));
        });
    }
    group.finish();
}

#[allow(clippy::cast_precision_loss)] // far below 2^53
pub fn compare() {
    let waiters = Waiters::new(WAITERS);
    let round = || peers().map(|peer| waiters.round(|creator| Start::of(peer, creator)) as f64).collect::<Vec<_>>();
    // The first round is not counted: in it threads start, and allocate what they need to wait.
    round();
    let rounds: Vec<Vec<f64>> = (0..ROUNDS).map(|_| round()).collect();
    let rows = peers().enumerate().map(|(peer, Peer { name, .. })| {
        let took = median(rounds.iter().map(|round| round[peer]));
        let ratio = median(rounds.iter().map(|round| round[peer] / round[0]));
        vec![(*name).to_owned(), time(took), format!("{} ×", digits(ratio))]
    });
    println!(
        "\ncold_start: {WAITERS} threads wait; from the creator's end to the return of the last one; {ROUNDS} rounds\n"
    );
    table::print(&["", "time", "beside `Cached`"], &rows.collect::<Vec<_>>());
}
