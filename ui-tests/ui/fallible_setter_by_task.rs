//! The same as `fallible_setter`, in a task.

use dogpile::Dogpile;
use std::io;
use std::time::Duration;

async fn tell(_: &u64) -> Result<(), io::Error> {
    Ok(())
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async { lock.access_async().fetch(async || None).and_set(tell).or_create(async || 42).await };
    let _ = answer;
}
