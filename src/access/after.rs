//! The end of an access that has its value: the rest of the access is dropped.

/// Drops `rest`, which is all that is left of an access, and then returns `guard`. Closures of the user may be in
/// `rest`, and their drops may panic. A panic while a value is being returned would leak that value, so `rest` is
/// dropped before.
#[inline(always)]
#[allow(clippy::inline_always)] // a part of the hit path
pub(crate) fn after<G>(rest: impl Sized, guard: G) -> G {
    drop(rest);
    guard
}
