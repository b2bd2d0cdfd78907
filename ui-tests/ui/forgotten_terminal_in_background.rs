//! The same as `forgotten_terminal`, with a creation in the background.
#![deny(unused_must_use)]

use dogpile::{Dogpile, ThreadPerJob};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    LOCK.access().in_background(&ThreadPerJob);
}
