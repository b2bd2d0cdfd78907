//! `get` does not call a function that can fail.

use dogpile::CachedFn;
use std::time::Duration;

fn main() {
    let port: CachedFn<u16, _> = CachedFn::new(Duration::from_secs(60), || "80".parse::<u16>());
    let _ = port.get();
}
