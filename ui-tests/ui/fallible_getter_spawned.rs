//! The same as `fallible_getter`, with a spawned creation.

use dogpile::{Dogpile, Task};
use std::io;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

async fn look_up() -> Result<Option<u64>, io::Error> {
    Ok(None)
}

fn main() {
    let spawner = |_: Task| {};
    let _ = Dogpile::kept_async(&LOCK).fetch(look_up).spawned_by(&spawner).or_create(async || 42);
}
