//! What a creator hands back: a new value, or the finding that the old one still holds.

use super::node::Node;
use crate::policy::Life;
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// What a creator has made, if it is handed its [`Renewal`](crate::Renewal): a new value, or the finding that the old
/// one still holds; and what that says of its life.
///
/// | says | by | in place of |
/// |---|---|---|
/// | how long it is fresh | [`expires_after`](Self::expires_after) | what the [`Cached`](crate::Cached) says |
/// | from when on it is renewed early | [`refresh_after`](Self::refresh_after) | what the [policy](crate::Policy) says, if there is one |
/// | how long it serves after that | [`max_stale`](Self::max_stale) | likewise |
///
/// # Examples
///
/// A file that is parsed again only if it has changed:
///
/// ```
/// use dogpile::{Cached, Made};
/// use std::{fs, io, time::{Duration, SystemTime}};
///
/// struct Table {
///     modified: SystemTime,
///     lines: Vec<String>,
/// }
/// static TABLE: Cached<Table> = Cached::new(Duration::from_secs(1));
/// # let path = std::env::temp_dir().join(format!("dogpile-made-{}", std::process::id()));
/// # fs::write(&path, "a\nb")?;
///
/// let table = TABLE.access().or_try_create_with(|renewal| {
///     let modified = fs::metadata(&path)?.modified()?;
///     if renewal.old().is_some_and(|old| old.modified == modified) {
///         if let Some(unchanged) = renewal.unchanged() {
///             return Ok(unchanged);
///         }
///     }
///     let lines = fs::read_to_string(&path)?.lines().map(str::to_owned).collect();
///     Ok::<_, io::Error>(Made::new(Table { modified, lines }))
/// })?;
/// assert_eq!(table.lines.len(), 2);
/// # fs::remove_file(&path)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "it is what the creator returns"]
#[derive(Clone, PartialEq, Eq)]
pub struct Made<T> {
    pub(super) value: What<T>,
    pub(super) life: Life,
}

#[derive(Clone)]
pub(super) enum What<T> {
    New(T),
    /// The old value of the renewal that said so.
    Unchanged(Arc<Node<T>>),
}

impl<T: PartialEq> PartialEq for What<T> {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::New(value), Self::New(other)) => value == other,
            (Self::Unchanged(old), Self::Unchanged(other)) => Arc::ptr_eq(old, other),
            _ => false,
        }
    }
}

impl<T: Eq> Eq for What<T> {}

/// Which of the two it is, not the value: that may be a secret.
impl<T> fmt::Debug for What<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Unchanged(_) => "Unchanged",
        })
    }
}

/// Whether it is a new value and how long that lives, not what it is.
impl<T> fmt::Debug for Made<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made")
            .field("value", &self.value)
            .field("expires_after", &self.life.lifetime)
            .field("max_stale", &self.life.max_stale)
            .field("refresh_after", &self.life.refresh_after)
            .finish_non_exhaustive()
    }
}

impl<T> Made<T> {
    /// A new value.
    pub const fn new(value: T) -> Self {
        Self { value: What::New(value), life: Life::AS_USUAL }
    }

    /// Says how long it lives, in place of what the [`Cached`](crate::Cached) says: counted from the return of the
    /// creator, precise as [`Dogpile::new`](crate::Dogpile::new) says of the lifetime that the `Cached` was made with
    /// (of a second or more, or none: it may live longer by the lag of the clock's cheap form, never shorter).
    ///
    /// Zero, as for a value that arrives expired: its own caller gets it, and so do all who waited; the others carry on
    /// with it as with a stale one, while the next access creates again. Each of them calls its creator once at the
    /// most (C19). To a [policy](crate::PolicyBuilder::retry_after) that pauses after failures it counts as one.
    /// `Duration::MAX` never expires.
    pub const fn expires_after(mut self, lifetime: Duration) -> Self {
        self.life.lifetime = Some(lifetime);
        self
    }

    /// Says how long the value may serve once it has expired, in place of what the
    /// [policy](crate::PolicyBuilder::max_stale) says, and if there is none (HTTP's `stale-while-revalidate`, RFC 5861,
    /// section 3): beyond that it is treated as missing, and accesses wait for a new one.
    ///
    /// Counted from its expiry, or from the call of [`mark_stale`](crate::Dogpile::mark_stale) if that comes before, on
    /// the lock's own clock, as precisely as the expiry. Zero has nobody served the value once it has expired
    /// (`must-revalidate`, RFC 9111, section 5.2.2.2). `Duration::MAX`, as 73 years or more, has the value serve
    /// however old, also under a policy that has a bound. Whether the value covers a failure after that is the policy's
    /// to say: see [`max_stale_on_error`](crate::PolicyBuilder::max_stale_on_error).
    ///
    /// It holds for this value. The next one goes by the policy again, unless it says something itself; so does this
    /// one if it is found [unchanged](crate::Renewal::unchanged).
    pub const fn max_stale(mut self, max_stale: Duration) -> Self {
        self.life.max_stale = Some(max_stale);
        self
    }

    /// Says from when on the value is to be renewed, before it expires, in place of what the policy says
    /// ([`refresh_at`](crate::PolicyBuilder::refresh_at), [`refresh_early`](crate::PolicyBuilder::refresh_early)), and
    /// if there is none: the next access after that is elected, for certain, and creates; the others go on with the
    /// value, which is fresh.
    ///
    /// Counted from the return of the creator, on the lock's own clock, as precisely as the expiry. Zero has the value
    /// renewed as soon as the clock has moved. A time that is no earlier than the expiry, as `Duration::MAX` is, has
    /// the value renewed when it has expired; a policy's [jitter](crate::PolicyBuilder::jitter) may bring the expiry
    /// before that time, and does not move the time. A value that never expires is renewed all the same.
    ///
    /// It holds for this value, as [`max_stale`](Self::max_stale) does.
    ///
    /// # Examples
    ///
    /// What a response of an HTTP server says of its life (RFC 9111, section 5.2.2, and RFC 5861):
    ///
    /// ```
    /// use dogpile::{Cached, Made, OnError, Policy};
    /// use std::time::Duration;
    ///
    /// // stale-if-error=86400
    /// static POLICY: Policy = Policy::builder()
    ///     .on_error(OnError::ServeStale)
    ///     .max_stale_on_error(Duration::from_secs(86_400))
    ///     .build_const();
    /// static PAGE: Cached<String> = Cached::never_expires().with_policy(&POLICY);
    ///
    /// # fn fetch() -> std::io::Result<String> { Ok("page".into()) }
    /// let page = PAGE.access().or_try_create_with(|_| {
    ///     // max-age=600, stale-while-revalidate=30
    ///     let max_age = Duration::from_secs(600);
    ///     Ok::<_, std::io::Error>(
    ///         Made::new(fetch()?)
    ///             .expires_after(max_age)
    ///             .max_stale(Duration::from_secs(30))
    ///             .refresh_after(max_age * 4 / 5),
    ///     )
    /// })?;
    /// assert_eq!(*page, "page");
    /// # Ok::<(), dogpile::CreateError<std::io::Error>>(())
    /// ```
    pub const fn refresh_after(mut self, after: Duration) -> Self {
        self.life.refresh_after = Some(after);
        self
    }
}
