//! A spawned creation may outlive a lock in a local.

use dogpile::{Dogpile, Task};
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let spawner = |_: Task| {};
    let _ = lock.access_async().spawned_by(&spawner).or_create(async || ());
}
