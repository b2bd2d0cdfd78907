//! The same as `cached_fn_of_another_creator`, step by step.

use dogpile::CachedFn;
use std::time::Duration;

fn main() {
    let answer = CachedFn::new(Duration::from_secs(60), || 42);
    let _ = answer.access().or_create(|| 7);
}
