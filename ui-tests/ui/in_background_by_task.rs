//! Threads hand over to a runner, and tasks to a spawner.

use dogpile::{Dogpile, ThreadPerJob};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let _ = LOCK.access_async().in_background(&ThreadPerJob).or_create(async || ());
}
