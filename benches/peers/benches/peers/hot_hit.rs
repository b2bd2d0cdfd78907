//! What does it cost to get one hot value that expires?
//!
//! All peers can do this job (`once_cell` without expiry: for scale). Each thread runs its own loop over the same
//! place. Two floors stand beside the peers, and no peer can do with less. One is the cost of an expiring value behind
//! an `ArcSwap`. The other is the cost of a guarded value: the thread's own record, the deadline, the coarse clock.

use crate::floor::Floor;
use crate::floor::guarded::GuardedFloor;
use crate::interleaved::{self, Effort, Subject, Timed, verdict};
use crate::place::{Place, Source};
use crate::subjects::{CACHED, OTHERS, Peer, others_without_expiry};
use crate::table::{self, digits};
use crate::{HOUR, THREADS, picture};
use arc_swap::{ArcSwap, Guard};
use criterion::Criterion;
use dogpile::{Cached, CachedGuard, Dogpile};
use std::sync::Arc;
use std::time::Duration;

/// The goal of a hit, in loads of an `ArcSwap` behind a look at the coarse clock.
const GOAL: f64 = 1.25;

/// The goals beside moka: how many times as fast a hit is, at one thread and at two.
const FASTER_THAN_MOKA: [(usize, f64); 2] = [(1, 6.0), (2, 25.0)];

/// Rounds of some 20 µs to 2 ms, since some subjects are slower by far.
const EFFORT: Effort = Effort { rounds: 500, hits: 2_048 };

impl Subject for Cached<u64> {
    type Seen = CachedGuard<u64>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.get_or_create(|| 1)
    }
}

/// The least that a hit has to do: look whether the value is fresh, and load the value.
struct SwapFloor(Floor, ArcSwap<u64>);

impl Subject for SwapFloor {
    type Seen = Option<Guard<Arc<u64>>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        if self.0.is_fresh() { Some(self.1.load()) } else { None }
    }
}

/// The lock, with the value beside it.
struct Beside(Dogpile, ArcSwap<u64>);

impl Subject for Beside {
    type Seen = Guard<Arc<u64>>;

    #[inline(always)]
    fn hit(&self) -> Self::Seen {
        self.0.acquire_or_create(|| self.1.store(Arc::new(1)));
        self.1.load()
    }
}

impl Subject for GuardedFloor {
    type Seen = bool;

    #[inline(always)]
    fn hit(&self) -> bool {
        self.is_fresh()
    }
}

fn swap_floor() -> SwapFloor {
    SwapFloor(Floor::fresh_for(HOUR), ArcSwap::from_pointee(1))
}

/// Makes a place whose value is there and stays fresh.
fn fresh(peer: &Peer) -> Box<dyn Place> {
    let place = (peer.make)(HOUR, &Source::taking(Duration::ZERO));
    place.read().expect("it does not fail");
    place
}

pub fn bench(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hot_hit");
    let beside = Beside(Dogpile::new(HOUR), ArcSwap::from_pointee(0));
    let peers = [&CACHED].into_iter().chain(others_without_expiry());
    let places: Vec<_> = peers.map(|peer| (peer.name, fresh(peer))).collect();
    for threads in THREADS {
        for (name, place) in &places {
            interleaved::bench(&mut group, name, threads, &**place);
        }
        interleaved::bench(&mut group, "Dogpile beside arc-swap", threads, &beside);
        interleaved::bench(&mut group, "floor of arc-swap", threads, &swap_floor());
        interleaved::bench(&mut group, "floor of a guard", threads, &GuardedFloor::fresh_for(HOUR));
    }
    group.finish();
}

pub fn compare() {
    let ours = fresh(&CACHED);
    let mut rows = Vec::new();
    let mut bars = Vec::new();
    for peer in others_without_expiry() {
        let other = fresh(peer);
        let of = THREADS.map(|threads| interleaved::compare_in(EFFORT, threads, &*ours, &*other));
        if rows.is_empty() {
            bars.push((CACHED.name, of.map(|[ours, ..]| ours)));
        }
        bars.push((peer.name, of.map(|[_, other, _]| other)));
        let cells =
            of.map(|[ours, other, ratio]| format!("{} × ({} ns / {} ns)", digits(ratio), digits(other), digits(ours)));
        rows.push([vec![peer.name.to_owned()], cells.to_vec()].concat());
    }
    println!("\nhot_hit: how often a read of `Cached` is over while one of the peer's is\n");
    table::print(&["", "1 thread", "2 threads", "4 threads"], &rows);
    println!();
    goals();
    picture::hot_hit(&bars);
}

fn goals() {
    let cached = Cached::new(HOUR);
    let (swap, guarded) = (swap_floor(), GuardedFloor::fresh_for(HOUR));
    for threads in THREADS {
        let [base, hit, ratio] = interleaved::compare(threads, &swap, &cached);
        let goal = verdict(ratio, GOAL);
        println!("hot_hit/{threads}: {ratio:.2} floors of arc-swap ({hit:.2} ns / {base:.2} ns; {goal})");
        let [base, hit, ratio] = interleaved::compare(threads, &guarded, &cached);
        println!("hot_hit/{threads}: {ratio:.2} floors of a guard ({hit:.2} ns / {base:.2} ns)");
    }
    let [moka, ..] = &OTHERS;
    let moka = fresh(moka);
    for (threads, goal) in FASTER_THAN_MOKA {
        let [hit, other, ratio] = interleaved::compare_in(EFFORT, threads, &cached as &dyn Timed, &*moka);
        let met = if ratio >= goal { "met" } else { "MISSED" };
        println!(
            "hot_hit/{threads}: {ratio:.1} times as fast as moka ({hit:.2} ns / {other:.2} ns; goal: at least {goal}, {met})"
        );
    }
}
