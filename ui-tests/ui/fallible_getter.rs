//! A getter that can fail, in an access without an error.

use dogpile::Dogpile;
use std::io;
use std::time::Duration;

fn look_up() -> Result<Option<u64>, io::Error> {
    Ok(None)
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(look_up).or_create(|| 42);
}
