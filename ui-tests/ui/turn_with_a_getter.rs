//! An access with a getter returns its value, so it has no turns.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| Some(42)).turn();
}
