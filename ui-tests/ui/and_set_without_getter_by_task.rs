//! The same as `and_set_without_getter`, in a task.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async { lock.access_async().and_set(async |_| ()).or_create(async || ()).await };
    let _ = answer;
}
