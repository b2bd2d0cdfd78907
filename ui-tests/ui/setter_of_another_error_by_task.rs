//! The same as `setter_of_another_error`, in a task.

use dogpile::Dogpile;
use std::io;
use std::num::ParseIntError;
use std::time::Duration;

async fn tell(_: &u64) -> Result<(), io::Error> {
    Ok(())
}

async fn make() -> Result<u64, ParseIntError> {
    "42".parse()
}

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async {
        let access = lock.access_async().fetch(async || None).and_set(tell);
        access.or_try_create(make).await
    };
    let _ = answer;
}
