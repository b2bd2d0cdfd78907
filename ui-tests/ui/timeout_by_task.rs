//! An access of a task has no time-out: race it with a timer.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async { lock.access_async().timeout(Duration::from_secs(1)).or_create(async || ()).await };
    let _ = answer;
}
