//! A setter stores for a getter, so an access without a getter has no setter.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.access().and_set(|_| ()).or_create(|| ());
}
