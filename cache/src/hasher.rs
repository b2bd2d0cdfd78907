//! The hasher of the keys in this process.
//!
//! Keys come from strangers, so strangers must not be able to make keys that collide. `SipHash`, the hasher of `std`,
//! is made for that, and takes more instructions than all the rest of a near hit. The hasher here is foldhash, whose
//! hashes depend on secret numbers: there is no list of keys that collide in each process. The numbers are drawn from
//! the operating system's randomness (foldhash by itself takes addresses and the time). foldhash promises nothing
//! against an attacker that finds out the secret of one process by measuring how long its accesses take. The hashes
//! themselves do not leave their table, and no order of iteration shows them. If an attacker succeeds, an access walks
//! through the colliding keys of a part of its table, as many as the bound lets in.

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// The hasher of a table.
pub(crate) type Hasher = SeedableRandomState;

/// A part of the secret of all hashes. A `RandomState` has its numbers from the operating system.
static SHARED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(RandomState::new().hash_one(0)));

/// Makes a hasher with a secret of its own.
pub(crate) fn hasher() -> Hasher {
    SeedableRandomState::with_seed(RandomState::new().hash_one(1), &SHARED)
}
