//! A stamped getter must return a stamp.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch_stamped(|| Some(42_u64)).or_create(|| 42);
}
