//! What a creator has made: a value, and what it says of it.

use super::kept::Kept;
use std::sync::Arc;
use std::time::Duration;

/// What a creator has made.
///
/// A creator that has nothing to say of its value returns the value itself: see
/// [`or_try_create`](crate::region::Get::or_try_create).
///
/// ```
/// use dogpile_cache::Made;
/// use std::time::Duration;
///
/// let made = Made::new("a token").expires_after(Duration::from_secs(3600 - 60));
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Made<V> {
    pub(crate) content: Content<V>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) max_stale: Option<Duration>,
    pub(crate) is_stored: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Content<V> {
    Value(V),
    /// The old value is still right: this one.
    Unchanged(Arc<Kept<V>>),
    /// There is no value.
    Absent,
}

impl<V> Made<V> {
    pub(crate) fn of(content: Content<V>) -> Made<V> {
        Made { content, lifetime: None, max_stale: None, is_stored: true }
    }

    /// Makes it of a value, with the lifetime of the region.
    pub fn new(value: V) -> Made<V> {
        Made::of(Content::Value(value))
    }

    /// Gives the value a lifetime of its own, without the region's jitter. `Duration::MAX` is for ever. A value with a
    /// lifetime of zero is stale at once. (A value that is not to be stored is [`unstored`](Made::unstored).)
    pub fn expires_after(mut self, lifetime: Duration) -> Made<V> {
        self.lifetime = Some(lifetime);
        self
    }

    /// Says for how long the value can be used once it has expired: at most as long as the region says. Zero: not at
    /// all.
    pub fn max_stale(mut self, max_stale: Duration) -> Made<V> {
        self.max_stale = Some(max_stale);
        self
    }

    /// The value goes to the caller of this access, and to those who have waited for it in this process since before
    /// the grant; it is not stored anywhere. The old value, if there is one, stays as it is.
    /// (A `set` stores its value all the same.)
    pub fn unstored(mut self) -> Made<V> {
        self.is_stored = false;
        self
    }
}

impl<V> From<V> for Made<V> {
    fn from(value: V) -> Made<V> {
        Made::new(value)
    }
}
