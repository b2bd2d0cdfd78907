//! A `Cached` runs its creator itself, so it has no turns.

use dogpile::Cached;
use std::time::Duration;

fn main() {
    let cached = Cached::<u64>::new(Duration::from_secs(60));
    let _ = cached.access().turn();
}
