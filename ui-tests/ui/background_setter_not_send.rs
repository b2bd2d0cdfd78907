//! A setter in the background runs on another thread.

use dogpile::{Dogpile, ThreadPerJob};
use std::rc::Rc;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let shared = Rc::new(42);
    let access = LOCK.fetch(|| None).and_set(move |_| drop(shared));
    let _ = access.in_background(&ThreadPerJob).or_create(|| 42);
}
