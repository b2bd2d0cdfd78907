//! A setter must fail with the creator's type of error.

use dogpile::Dogpile;
use std::io;
use std::num::ParseIntError;
use std::time::Duration;

fn tell(_: &u64) -> Result<(), io::Error> {
    Ok(())
}

fn make() -> Result<u64, ParseIntError> {
    "42".parse()
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| None).and_set(tell).or_try_create(make);
}
