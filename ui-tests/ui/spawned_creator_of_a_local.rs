//! A spawned creator may outlive the locals that it borrows.

use dogpile::{Dogpile, Task};
use std::time::Duration;

static LOCK: Dogpile = Dogpile::new(Duration::from_secs(60));

fn main() {
    let answer = String::from("42");
    let access = LOCK.access_async().spawned_by(&|_: Task| {});
    let _ = access.or_create(async || println!("{answer}"));
}
