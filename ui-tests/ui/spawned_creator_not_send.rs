//! A spawned creator may run on another thread.

use dogpile::{Dogpile, Task};
use std::rc::Rc;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let shared = Rc::new(42);
    let access = LOCK.access_async().spawned_by(&|_: Task| {});
    let _ = access.or_create(async move || drop(shared));
}
