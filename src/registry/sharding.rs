//! How many shards a registry has, and which of them a key belongs to.

/// The number of shards: enough that a few dozen threads seldom meet in one.
pub(super) const SHARDS: usize = if cfg!(dogpile_loom) { 2 } else { 64 };

/// Returns the shard of that hash.
pub(super) fn shard_of(hash: u64) -> usize {
    // The lowest bits are the place in the table, and by the highest seven the table tells neighbours apart. So the
    // shard is taken from bits between them.
    #[allow(clippy::cast_possible_truncation)] // only a few bits are asked for
    let shard = (hash >> 48) as usize % SHARDS;
    shard
}
