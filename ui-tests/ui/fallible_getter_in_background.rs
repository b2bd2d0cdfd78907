//! The same as `fallible_getter`, with a creation in the background.

use dogpile::{Dogpile, ThreadPerJob};
use std::io;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn look_up() -> Result<Option<u64>, io::Error> {
    Ok(None)
}

fn main() {
    let _ = LOCK.fetch(look_up).in_background(&ThreadPerJob).or_create(|| 42);
}
