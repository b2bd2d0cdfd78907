//! An error that is not `Clone` cannot be shared.

use dogpile::Cached;
use std::io;

fn main() {
    let token: Cached<String> = Cached::never_expires();
    let _ = token.access().share_errors().or_try_create(|| Err::<String, _>(io::Error::other("no answer")));
}
