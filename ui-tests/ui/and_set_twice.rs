//! An access has one setter.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| None).and_set(|_| ()).and_set(|_| ()).or_create(|| 42);
}
