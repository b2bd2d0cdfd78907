//! A creator in the background may outlive the locals that it borrows.

use dogpile::{Dogpile, ThreadPerJob};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let answer = String::from("42");
    LOCK.access().in_background(&ThreadPerJob).or_create(|| println!("{answer}"));
}
