//! The same as `fetch_of_a_cached`, as a step.

use dogpile::Cached;
use std::time::Duration;

fn main() {
    let cached = Cached::<u64>::new(Duration::from_secs(60));
    let _ = cached.access().fetch(|| Some(42)).or_create(|| 42);
}
