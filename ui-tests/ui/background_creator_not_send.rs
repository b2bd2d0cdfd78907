//! A creator in the background runs on another thread.

use dogpile::{Dogpile, ThreadPerJob};
use std::rc::Rc;
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let shared = Rc::new(42);
    LOCK.access().in_background(&ThreadPerJob).or_create(move || drop(shared));
}
