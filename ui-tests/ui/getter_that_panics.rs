//! A getter that only panics does not say what it would return.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| unreachable!()).or_create(|| 42);
}
