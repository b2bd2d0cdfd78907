//! A setter must not return a value of the store.

use dogpile::Dogpile;
use std::collections::HashMap;
use std::time::Duration;

fn main() {
    let lock = Dogpile::new(Duration::from_secs(60));
    let mut store = HashMap::new();
    let _ = lock.fetch(|| None).and_set(|&made: &u64| store.insert("k", made)).or_create(|| 42);
}
