//! A registry's memory follows the keys that live: after many keys have come and gone, it is back where it was.
//!
//! The test has a process of its own, since it counts the allocations of all threads.
//! (`benches/peers/benches/registry.rs` measures ten million keys, in time and beside others.)

mod memory;

use dogpile::{Backoff, Cached, Dogpile, ManualClock, Policy, Registry};
use memory::in_use;
use std::sync::Arc;
use std::time::Duration;

const MINUTE: Duration = Duration::from_secs(60);
const MANY: u64 = 100_000;
static PAUSING: Policy = Policy::builder().retry_after(Backoff::new(MINUTE, MINUTE)).build_const();

/// How much an empty registry may keep: a small table in each of its shards. The harness, which has just begun to wait
/// for the test on a thread of its own, may also allocate something meanwhile.
const NEXT_TO_NOTHING: usize = 64 * 300 + 4_096;

// There is only one test, so that no other test allocates meanwhile.
#[test]
fn memory_is_given_back_with_the_keys() {
    // All keys are held at once, and then one after the other.
    let locks: Registry<String> = Registry::new(|_| Dogpile::new(MINUTE));
    let empty = in_use();
    let held: Vec<_> = (0..MANY).map(|key| locks.get(&*format!("key {key}"))).collect();
    let full = in_use() - empty;
    assert!(full > 100_000 * 100, "the counter counts");
    drop(held);
    for key in 0..MANY {
        drop(locks.get(&*format!("key {key}")));
    }
    assert!(locks.is_empty());
    let left = in_use().saturating_sub(empty);
    assert!(left <= NEXT_TO_NOTHING, "{left} of {full} bytes are left");

    // Idle locks with their values: all of them go. The queue of idle locks does not grow with the uses of one key.
    let clock = Arc::new(ManualClock::new());
    let its = Arc::clone(&clock);
    let pages = Registry::with_maker(move |_: &u64| Cached::with_clock(MINUTE, Arc::clone(&its))).keep_idle(MINUTE);
    let empty = in_use();
    for key in 0..MANY {
        pages.get(&key).get_or_create(|| vec![0_u8; 100]);
    }
    let full = in_use() - empty;
    for _ in 0..MANY {
        drop(pages.get(&0));
    }
    assert!(in_use() - empty <= full + NEXT_TO_NOTHING);
    clock.advance(MINUTE);
    assert_eq!(pages.sweep() as u64, MANY);
    let left = in_use().saturating_sub(empty);
    assert!(left <= NEXT_TO_NOTHING, "{left} of {full} bytes are left");

    // With a bound: no lock beyond the bound leaves memory behind, and neither do the others once their time is up.
    let pages = pages.at_most_idle(100);
    for key in 0..MANY / 10 {
        pages.get(&key).get_or_create(|| vec![0_u8; 100]);
    }
    assert_eq!(pages.len(), 100);
    let left = in_use().saturating_sub(empty);
    assert!(left <= NEXT_TO_NOTHING + 100 * 1_000, "{left} bytes are in use");
    clock.advance(MINUTE);
    assert_eq!(pages.sweep(), 100);
    let left = in_use().saturating_sub(empty);
    assert!(left <= NEXT_TO_NOTHING, "{left} bytes are left");
    drop(pages);

    // The same with pauses.
    let its = Arc::clone(&clock);
    let maker = move |_: &u64| Dogpile::with_clock(MINUTE, Arc::clone(&its));
    let locks = Registry::with_maker(maker).with_policy(&PAUSING);
    let empty = in_use();
    for unknown in 0..MANY / 10 {
        locks.get(&unknown).acquire_or_try_create(|| Err("no such key")).unwrap_err();
    }
    assert_eq!(locks.len(), 1_024);
    let full = in_use() - empty;
    assert!(full <= 700_000, "{full} bytes are in use");
    clock.advance(MINUTE);
    assert_eq!(locks.sweep(), 1_024);
    let left = in_use().saturating_sub(empty);
    assert!(left <= NEXT_TO_NOTHING, "{left} of {full} bytes are left");
}
