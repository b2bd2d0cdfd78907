//! probe
#![cfg(dogpile_loom)]
use dogpile::{Dogpile, ManualClock, Outcome};
use loom::thread;
use std::{sync::Arc, time::Duration};

#[test]
fn probe() {
    loom::model(|| {
        let lock = Arc::new(Dogpile::with_clock(Duration::from_secs(1), ManualClock::new()));
        let there = {
            let lock = Arc::clone(&lock);
            thread::spawn(move || lock.acquire_or_create(|| ()))
        };
        let here = lock.acquire_or_create(|| ());
        let there = there.join().unwrap();
        assert!([here, there].iter().filter(|o| **o == Outcome::Created).count() == 1);
    });
}
