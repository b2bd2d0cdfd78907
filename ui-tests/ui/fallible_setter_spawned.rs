//! The same as `fallible_setter`, with a spawned creation.

use dogpile::{Dogpile, Task};
use std::io;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn tell(_: &u64) -> Result<(), io::Error> {
    Ok(())
}

fn main() {
    let spawner = |_: Task| {};
    let access = Dogpile::kept_async(&LOCK).fetch(async || None).and_set(async |made: &u64| tell(made));
    let _ = access.spawned_by(&spawner).or_create(async || 42);
}
