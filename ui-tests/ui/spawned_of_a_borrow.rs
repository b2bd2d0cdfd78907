//! The same as `spawned_of_a_local`, with a lock in an `Arc` that was borrowed out of it.

use dogpile::{Dogpile, Task};
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
    let spawner = |_: Task| {};
    let _ = lock.access_async().spawned_by(&spawner).or_create(async || ());
}
