//! With a time-out an access can fail.
#![deny(unused_must_use)]

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    lock.access().timeout(Duration::from_secs(1)).or_create(|| ());
}
