//! The same as `and_set_twice`, in a task.

use dogpile::Dogpile;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let answer = async {
        let access = lock.access_async().fetch(async || None).and_set(async |_| ());
        access.and_set(async |_| ()).or_create(async || 42).await
    };
    let _ = answer;
}
