//! A turn that is dropped unused may be a creation that is given up.
#![deny(unused_must_use)]

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    lock.acquire();
}
