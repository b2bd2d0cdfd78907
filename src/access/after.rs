//! What comes after a hit: the rest of the access is dropped.

/// Drops the rest of an access before its guard is returned: what is being returned is leaked if one of the drops
/// panics, and those are the user's.
#[inline(always)]
#[allow(clippy::inline_always)] // a part of the hit path
pub(crate) fn after<G>(rest: impl Sized, guard: G) -> G {
    drop(rest);
    guard
}
