//! What an access met: a value that was fresh or stale, that the access has created, or that it has waited for.

/// What an access met, if it ends in [`or_create`](crate::Access::or_create) or another terminal that creates.
///
/// More outcomes will be added as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// An outcome is as large as the room that a guard has for it. If it were written as a byte and then copied as a word,
// the copy would wait for the byte: a hit of a `Cached` took 1.6 times as long (`benches/peers/benches/async_hit`).
#[repr(usize)]
pub enum Outcome {
    /// The value was fresh.
    Fresh,
    /// The value has expired. Another access, or the creation that this access has handed over, is creating a new value
    /// or is about to; or no access is to create [for a while](crate::PolicyBuilder::retry_after).
    Stale,
    /// This access was elected, and its creator has run.
    Created,
    /// There was no value, or none that would do. This access has waited until a new value was created or set.
    Waited,
    /// This access was elected, and its creator has failed. The access gives the old value, as the
    /// [policy](crate::OnError::ServeStale) wants it.
    StaleOnError,
    /// This access has asked for a [newer value](crate::Access::renew_if), and came too soon after another
    /// [renewal](crate::PolicyBuilder::renew_interval) or after a [failure](crate::PolicyBuilder::retry_after). The
    /// access gives the old value.
    TooSoon,
}
