//! An access does nothing before its terminal.
#![deny(unused_must_use)]

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    lock.access();
    lock.access().timeout(Duration::from_secs(1));
    lock.fetch(|| Some(42));
    lock.fetch(|| Some(42)).and_set(|_| ());
}
