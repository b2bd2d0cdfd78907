//! The same as `fallible_setter`, with a creation in the background.

use dogpile::{Dogpile, ThreadPerJob};
use std::io;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn tell(_: &u64) -> Result<(), io::Error> {
    Ok(())
}

fn main() {
    let _ = LOCK.fetch(|| None).and_set(tell).in_background(&ThreadPerJob).or_create(|| 42);
}
