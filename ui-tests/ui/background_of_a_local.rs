//! A creation in the background may outlive a lock in a local.

use dogpile::{Dogpile, ThreadPerJob};
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    lock.access().in_background(&ThreadPerJob).or_create(|| ());
}
