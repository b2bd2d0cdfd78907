//! A task's access is a future, which does nothing before it is polled.
#![deny(unused_must_use)]

use dogpile::{Cached, CachedFn, Dogpile, Task};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    lock.access_async().or_create(async || ());
    lock.access_async().or_try_create(async || Ok::<_, String>(()));
    lock.access_async().turn();
    Dogpile::kept_async(&LOCK).spawned_by(&|_: Task| {}).or_create(async || ());
    let cached = Cached::new(Duration::from_secs(60));
    cached.get_or_create_async(async || 42);
    CachedFn::new(Duration::from_secs(60), async || 42).access_async().get();
}
