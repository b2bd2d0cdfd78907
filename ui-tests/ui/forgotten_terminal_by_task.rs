//! The same as `forgotten_terminal`, in a task.
#![deny(unused_must_use)]

use dogpile::{Dogpile, Task};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    LOCK.access_async();
    LOCK.access_async().fetch(async || Some(42));
    LOCK.access_async().spawned_by(&|_: Task| {});
}
