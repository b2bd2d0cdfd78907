//! The step `timeout` comes before the runner.

use dogpile::{Dogpile, ThreadPerJob};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let access = LOCK.access().in_background(&ThreadPerJob);
    let _ = access.timeout(Duration::from_secs(1)).or_create(|| ());
}
