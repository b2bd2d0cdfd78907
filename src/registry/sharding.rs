//! How many shards a registry has, and to which of them a key belongs.

/// How many shards: enough that a few dozen threads seldom meet in one.
pub(super) const SHARDS: usize = if cfg!(dogpile_loom) { 2 } else { 64 };

/// The shard of that hash.
pub(super) fn shard_of(hash: u64) -> usize {
    // Not the lowest bits, which are the place in the table, nor the highest seven, by which the table tells neighbours
    // apart.
    #[allow(clippy::cast_possible_truncation)] // a few bits are asked for
    let shard = (hash >> 48) as usize % SHARDS;
    shard
}
