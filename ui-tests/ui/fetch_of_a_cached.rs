//! A `Cached` holds its value itself, so there is no value to fetch.

use dogpile::Cached;
use std::time::Duration;

fn main() {
    let cached = Cached::<u64>::new(Duration::from_secs(60));
    let _ = cached.fetch(|| Some(42)).or_create(|| 42);
}
