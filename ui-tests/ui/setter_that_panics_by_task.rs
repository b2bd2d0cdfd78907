//! The same as `setter_that_panics`, in a task.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async {
        lock.access_async().fetch(async || Some(42)).and_set(async |_| unreachable!()).or_create(async || 42).await
    };
    let _ = answer;
}
