//! `Mint`: get and set, with one reader that renews. Near alone, over a backend, and near over it.

#[path = "../region/kit.rs"]
#[allow(dead_code, unused_imports)] // It is that of the tests of regions.
mod kit;
#[path = "../region/probe.rs"]
#[allow(dead_code)]
mod probe;
#[path = "../region/wire.rs"]
#[allow(dead_code)]
mod wire;

mod changes;
mod down;
mod many;
mod readers;
mod rights;
mod timeouts;
mod values;

use dogpile_cache::mint::Mint;
use kit::{Ground, MINUTE, Place, Process, SECOND, now, soon};
use std::time::Duration;

const GRACE: Duration = Duration::from_secs(30);

/// Readers of one key, of which the last is of another process, if there is a backend.
struct Readers {
    ground: Ground,
    process: Process,
    one: Mint<u64, String>,
    beside: Mint<u64, String>,
    far: Mint<u64, String>,
}

/// Values are fresh for a minute, and have a grace of half a minute.
fn readers(place: Place) -> Readers {
    let ground = Ground::new();
    let (process, other) = ground.pair(place, |builder| builder.max_stale(GRACE));
    let one = Mint::new(process.region.clone());
    let (beside, far) = (one.clone(), Mint::new(other.region));
    Readers { ground, process, one, beside, far }
}

/// Readers of which the first is elected no more, since it has let a thousand rights end.
fn spent(place: Place) -> Readers {
    let mut all = readers(place);
    let keys: Vec<u64> = (1_000..2_000).collect();
    assert!(soon(all.one.get_many(&keys)).unwrap().is_empty());
    all.ground.clock.advance(MINUTE + SECOND);
    assert_eq!(get(&mut all.one), NOTHING);
    all
}

impl Readers {
    /// Waits until nobody has the grant, by the backend. Another thread tells it.
    fn are_free(&self) {
        soon(kit::is_free(&self.ground.memory, 1));
    }

    /// Sets a value that is late by now.
    fn late(&mut self, value: &str) {
        set(&mut self.one, value);
        self.ground.clock.advance(MINUTE + SECOND);
    }
}

/// What a reader gets of the key 1, and whether it is elected then.
#[track_caller]
fn get(mint: &mut Mint<u64, String>) -> (Option<String>, bool) {
    let got = now(mint.get(&1)).unwrap();
    (got, mint.is_elected(&1))
}

/// What a reader gets that has the right.
const RIGHT: (Option<String>, bool) = (None, true);

/// What a reader gets of a key that has nothing for it.
const NOTHING: (Option<String>, bool) = (None, false);

fn value(text: &str) -> (Option<String>, bool) {
    (Some(text.to_owned()), false)
}

/// Sets the key 1. It must be stored.
#[track_caller]
fn set(mint: &mut Mint<u64, String>, value: &str) {
    use dogpile_cache::Published;
    use dogpile_cache::mint::Timeout;
    assert_eq!(soon(mint.set(&1, value, Timeout::Default)).unwrap(), Published::Fresh);
}
