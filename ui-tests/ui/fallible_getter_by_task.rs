//! The same as `fallible_getter`, in a task.

use dogpile::Dogpile;
use std::io;
use std::time::Duration;

async fn look_up() -> Result<Option<u64>, io::Error> {
    Ok(None)
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async { lock.access_async().fetch(look_up).or_create(async || 42).await };
    let _ = answer;
}
