//! A getter must return an `Option`, to say that it finds no value.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| 42_u64).or_create(|| 42);
}
