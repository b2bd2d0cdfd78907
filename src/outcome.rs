//! What an access met: the value was fresh, or stale, or has been created, or was waited for.

/// What an access met that creates for itself: one that ends in [`or_create`](crate::Access::or_create) and the like.
///
/// More outcomes arise as the crate grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
// As large as it has room in a guard: what is written as a byte, and copied as a word, waits for the byte (1.6 times a hit
// of a `Cached`, `benches/peers/benches/async_hit`).
#[repr(usize)]
pub enum Outcome {
    /// The value was fresh.
    Fresh,
    /// The value has expired; somebody else is already creating a new one, or is about to; or nobody is to
    /// [for a while](crate::PolicyBuilder::retry_after).
    Stale,
    /// This access was elected, and its creator has run.
    Created,
    /// There was no value, or none that would do; this access waited until somebody else had created one.
    Waited,
    /// This access was elected, and its creator has failed; this is the old value, as the
    /// [policy](crate::OnError::ServeStale) wants it.
    StaleOnError,
    /// This access [asked for a newer value](crate::Access::renew_if) than this one, the old value, and came too soon
    /// after another [renewal](crate::PolicyBuilder::renew_interval), or after a
    /// [failure](crate::PolicyBuilder::retry_after).
    TooSoon,
}
