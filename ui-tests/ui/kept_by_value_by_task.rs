//! The same as `kept_by_value`, in a task.

use dogpile::Dogpile;
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
    let _ = Dogpile::kept_async(lock).turn();
}
