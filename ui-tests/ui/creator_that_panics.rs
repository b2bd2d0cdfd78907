//! A creator that only panics does not say which error it would fail with.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(|| Some(42)).or_try_create(|| unreachable!());
}
