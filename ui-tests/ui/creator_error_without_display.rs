//! Other accesses are told of the creator's error as text, and likewise of the error in a `Failure`.

use dogpile::{Cached, Failure};
use std::time::Duration;

#[derive(Debug)]
struct NoAnswer;

fn main() {
    let cached = Cached::<u8>::new(Duration::from_secs(60));
    let _ = cached.get_or_try_create(|| Err(NoAnswer));
    let _ = cached.access().or_try_create(|| Err(Failure::new(NoAnswer)));
    let _ = cached.access_async().or_try_create(async || Err(NoAnswer));
}
