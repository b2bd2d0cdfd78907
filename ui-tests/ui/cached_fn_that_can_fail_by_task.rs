//! The same as `cached_fn_that_can_fail`, in a task.

use dogpile::CachedFn;
use std::time::Duration;

fn main() {
    let port: CachedFn<u16, _> = CachedFn::new(Duration::from_secs(60), async || "80".parse::<u16>());
    let _ = port.access_async().get();
}
