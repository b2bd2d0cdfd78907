//! A task's access has no time-out; a task races it with a timer.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async { lock.access_async().timeout(Duration::from_secs(1)).or_create(async || ()).await };
    let _ = answer;
}
