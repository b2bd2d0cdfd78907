//! `get` does not ask a store that can fail.

use dogpile::{Closures, Stamped, cached_by_key};
use std::io;
use std::time::Duration;

fn main() {
    let squares = cached_by_key(
        Duration::from_secs(60),
        |number: &u64| *number,
        |number: &u64| number * number,
        Closures {
            get: |_: &u64| Ok::<_, io::Error>(None::<Stamped<u64>>),
            set: |_: &u64, _: &Stamped<u64>| {},
            remove: |_: &u64| {},
        },
    );
    let _ = squares.get(&12);
}
