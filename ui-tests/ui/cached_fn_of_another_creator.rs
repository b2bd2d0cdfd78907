//! A function that keeps its results has its own creator.

use dogpile::CachedFn;
use std::time::Duration;

fn main() {
    let answer = CachedFn::new(Duration::from_secs(60), || 42);
    let _ = answer.get_or_create(|| 7);
}
