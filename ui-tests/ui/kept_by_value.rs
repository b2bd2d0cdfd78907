//! `kept` borrows the lock's owner, and the creation takes a share of it.

use dogpile::Dogpile;
use std::sync::Arc;
use std::time::Duration;

fn main() {
    let lock = Arc::new(Dogpile::new(Duration::from_secs(60)));
    let _ = Dogpile::kept(lock).turn();
}
