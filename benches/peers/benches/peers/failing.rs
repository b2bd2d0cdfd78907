//! What do readers notice if every second creation fails?
//!
//! The load is the paced load of `expiry`. `once_cell` cannot take part, since it has no expiry.

use crate::expiry::PACED;
use crate::load::{LASTS, Seen};
use crate::place::Source;
use crate::subjects::{CACHED, IN_BACKGROUND, OTHERS, Peer, RULED};
use crate::table::{self, time};
use crate::{CREATION, SHORT};

const ROUNDS: usize = 4;

struct Failing {
    peer: &'static Peer,
    seen: Seen,
    calls: u64,
}

pub fn compare() {
    let peers = [&CACHED, &IN_BACKGROUND, &RULED].into_iter().chain(&OTHERS);
    let mut all: Vec<_> = peers.map(|peer| Failing { peer, seen: Seen::nothing(), calls: 0 }).collect();
    for _ in 0..ROUNDS {
        for Failing { peer, seen, calls } in &mut all {
            let source = Source::failing_by_turns(CREATION);
            seen.add(&PACED.run(&*(peer.make)(SHORT, &source)));
            *calls += source.calls();
        }
    }
    let rows = all.iter().map(|Failing { peer, seen, calls }| {
        vec![
            peer.name.to_owned(),
            calls.to_string(),
            seen.errors.to_string(),
            time(seen.p999()),
            format!("{:.3} %", seen.slow() * 100.0),
            peer.cannot.fail.to_owned(),
        ]
    });
    println!(
        "\nfailing: {} readers, each second call of the creator fails; {ROUNDS} rounds of {} s\n",
        PACED.readers,
        LASTS.as_secs_f64()
    );
    let head = ["", "calls", "reads that fail", "99.9th percentile", "over 1 ms", "it cannot"];
    table::print(&head, &rows.collect::<Vec<_>>());
}
