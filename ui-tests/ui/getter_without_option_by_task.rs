//! The same as `getter_without_option`, in a task.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async { lock.access_async().fetch(async || 42_u64).or_create(async || 42).await };
    let _ = answer;
}
