//! What a creator returns if it is given its [`Renewal`](crate::Renewal): a new value, or the finding that the old
//! value still holds.

use super::node::Node;
use crate::policy::Life;
use crate::sync::Arc;
use std::fmt;
use std::time::Duration;

/// What a creator returns if it is given its [`Renewal`](crate::Renewal): a new value, or the finding that the old
/// value still holds. A `Made` may also say how the value lives:
///
/// | a `Made` says | by | in place of |
/// |---|---|---|
/// | how long the value is fresh | [`expires_after`](Self::expires_after) | the lifetime of the [`Cached`](crate::Cached) |
/// | from when on the value is renewed early | [`refresh_after`](Self::refresh_after) | the setting of the [policy](crate::Policy), if there is one |
/// | how long the value may be used after it has expired | [`max_stale`](Self::max_stale) | the setting of the policy, if there is one |
///
/// # Examples
///
/// A file is parsed again only if it has changed:
///
/// ```
/// use dogpile::{Cached, CreateError, Made, Renewal};
/// use std::time::{Duration, SystemTime};
/// use std::{fs, io};
///
/// struct Manifest {
///     modified: SystemTime,
///     lines: Vec<String>,
/// }
///
/// static MANIFEST: Cached<Manifest> = Cached::new(Duration::from_secs(1));
///
/// fn parse(renewal: &Renewal<'_, Manifest>) -> io::Result<Made<Manifest>> {
///     let modified = fs::metadata("Cargo.toml")?.modified()?;
///     if renewal.old().is_some_and(|old| old.modified == modified) {
///         if let Some(unchanged) = renewal.unchanged() {
///             return Ok(unchanged);
///         }
///     }
///     let lines = fs::read_to_string("Cargo.toml")?.lines().map(str::to_owned).collect();
///     Ok(Made::new(Manifest { modified, lines }))
/// }
///
/// fn main() -> Result<(), CreateError<io::Error>> {
///     let manifest = MANIFEST.access().or_try_create_with(parse)?;
///     assert!(manifest.lines.iter().any(|line| line == "[package]"));
///     Ok(())
/// }
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
    /// The old value of the renewal that found the value unchanged.
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

/// Tells which of the two it is, and not the value: that may be a secret.
impl<T> fmt::Debug for What<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New(_) => "New",
            Self::Unchanged(_) => "Unchanged",
        })
    }
}

/// Tells whether the value is new and how it lives, and not the value.
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
    /// Says that a new value was made.
    pub const fn new(value: T) -> Self {
        Self { value: What::New(value), life: Life::AS_USUAL }
    }

    /// Says how long the value lives, in place of the lifetime of the [`Cached`](crate::Cached).
    ///
    /// The time is counted from the return of the creator. Its precision is that of the lifetime that the `Cached` was
    /// made with, as [`Dogpile::new`](crate::Dogpile::new) says. If that lifetime is a second or more, or without an
    /// end, the value may live longer by the lag of the clock's cheap form, and never shorter.
    ///
    /// Zero is for a value that arrives expired. Its own caller gets the value, and so do all waiters. The others carry
    /// on with it as with a stale value, while the next access creates again. Each of these accesses calls its creator
    /// once at the most (C19). A [policy](crate::PolicyBuilder::retry_after) that pauses after failures counts such a
    /// value as a failure. `Duration::MAX` never expires.
    pub const fn expires_after(mut self, lifetime: Duration) -> Self {
        self.life.lifetime = Some(lifetime);
        self
    }

    /// Says how long the value may be used after it has expired, in place of the
    /// [policy's](crate::PolicyBuilder::max_stale) setting, or without one. Beyond that the value counts as missing,
    /// and accesses wait for a new value.
    ///
    /// This is `stale-while-revalidate` of HTTP (RFC 5861, section 3). The time is counted from the expiry, or from the
    /// call of [`mark_stale`](crate::Dogpile::mark_stale) if that comes first, on the lock's own clock, as precisely as
    /// the expiry. With zero, no access is given the value once it has expired (`must-revalidate`, RFC 9111, section
    /// 5.2.2.2). With `Duration::MAX`, or anything from 73 years on, the value may be used however old it is, also
    /// under a policy that has a limit. Whether the value covers a failure after that, the policy says: see
    /// [`max_stale_on_error`](crate::PolicyBuilder::max_stale_on_error).
    ///
    /// The setting holds for this value. The next value goes by the policy again, unless it says something itself. So
    /// does this value, if it is found [unchanged](crate::Renewal::unchanged).
    pub const fn max_stale(mut self, max_stale: Duration) -> Self {
        self.life.max_stale = Some(max_stale);
        self
    }

    /// Says from when on the value is to be renewed, before it expires, in place of the policy's settings
    /// ([`refresh_at`](crate::PolicyBuilder::refresh_at), [`refresh_early`](crate::PolicyBuilder::refresh_early)), or
    /// without them.
    ///
    /// The next access after that time is elected, for certain, and creates. The others go on with the value, which is
    /// still fresh.
    ///
    /// The time is counted from the return of the creator, on the lock's own clock, as precisely as the expiry. With
    /// zero, the value is renewed as soon as the clock has moved. With a time that is no earlier than the expiry, such
    /// as `Duration::MAX`, the value is renewed when it has expired. A policy's [jitter](crate::PolicyBuilder::jitter)
    /// does not move this time, but may bring the expiry before it. A value that never expires is renewed all the same.
    ///
    /// The setting holds for this value, as that of [`max_stale`](Self::max_stale) does.
    ///
    /// # Examples
    ///
    /// A response of an HTTP server says how long it lives (RFC 9111, section 5.2.2, and RFC 5861):
    ///
    /// ```
    /// use dogpile::{Cached, CreateError, Made, OnError, Policy};
    /// use std::{io, time::Duration};
    ///
    /// // stale-if-error=86400
    /// static POLICY: Policy = Policy::builder()
    ///     .on_error(OnError::ServeStale)
    ///     .max_stale_on_error(Duration::from_secs(86_400))
    ///     .build_const();
    /// static PAGE: Cached<String> = Cached::never_expires().with_policy(&POLICY);
    ///
    /// fn fetch() -> io::Result<String> {
    ///     Ok("page".into()) // slow
    /// }
    ///
    /// fn main() -> Result<(), CreateError<io::Error>> {
    ///     let page = PAGE.access().or_try_create_with(|_| {
    ///         // max-age=600, stale-while-revalidate=30
    ///         let max_age = Duration::from_secs(600);
    ///         let made = Made::new(fetch()?).expires_after(max_age).max_stale(Duration::from_secs(30));
    ///         Ok(made.refresh_after(max_age * 4 / 5)) // a renewal before the page expires
    ///     })?;
    ///     assert_eq!(*page, "page");
    ///     Ok(())
    /// }
    /// ```
    pub const fn refresh_after(mut self, after: Duration) -> Self {
        self.life.refresh_after = Some(after);
        self
    }
}
