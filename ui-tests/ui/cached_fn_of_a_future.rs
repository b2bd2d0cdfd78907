//! A function that returns a future is called by tasks.

use dogpile::CachedFn;
use std::time::Duration;

fn main() {
    let answer = CachedFn::<u64, _>::new(Duration::from_secs(60), async || 42);
    let _ = answer.get();
}
