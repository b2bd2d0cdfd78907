//! A setter that can fail, in an access without an error.

use dogpile::Dogpile;
use std::io;
use std::time::Duration;

fn tell(_: &u64) -> Result<(), io::Error> {
    Ok(())
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| None).and_set(tell).or_create(|| 42);
}
