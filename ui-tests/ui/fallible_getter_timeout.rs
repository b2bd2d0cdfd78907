//! The same as `fallible_getter`: the error of a time-out is not the getter's.

use dogpile::Dogpile;
use std::io;
use std::time::Duration;

fn look_up() -> Result<Option<u64>, io::Error> {
    Ok(None)
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let _ = lock.fetch(look_up).timeout(Duration::from_secs(1)).or_create(|| 42);
}
