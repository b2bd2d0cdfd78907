//! The same as `cached_fn_that_can_fail`, step by step.

use dogpile::CachedFn;
use std::time::Duration;

fn main() {
    let port: CachedFn<u16, _> = CachedFn::new(Duration::from_secs(60), || "80".parse::<u16>());
    let _ = port.access().timeout(Duration::from_secs(1)).get();
}
