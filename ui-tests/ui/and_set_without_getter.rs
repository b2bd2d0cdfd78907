//! A setter stores for a getter: without that there is none.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.access().and_set(|_| ()).or_create(|| ());
}
