//! A getter that always finds something: it has to say when it does not.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| 42_u64).or_create(|| 42);
}
