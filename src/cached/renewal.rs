//! What a creator is handed, and what it hands back.

use super::{Cached, CachedGuard, Node};
use crate::clock::{Clock, MonotonicClock};
use crate::creation::{Creation, Once};
use crate::election::Finished;
use crate::failure::Cause;
use crate::outcome::Outcome;
use crate::policy::Life;
use crate::sync::{Arc, Mutant, OnceLock, mutant};
use std::fmt;
use std::time::Duration;

/// What a creator has made, if it is handed its [`Renewal`]: a new value, or the finding that the old one still holds;
/// and what that says of its life.
///
/// | says | by | in place of |
/// |---|---|---|
/// | how long it is fresh | [`expires_after`](Self::expires_after) | what the [`Cached`] says |
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
    value: What<T>,
    life: Life,
}

#[derive(Clone)]
enum What<T> {
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

    /// Says how long it lives, in place of what the [`Cached`] says: counted from the return of the creator, precise as
    /// [`Dogpile::new`](crate::Dogpile::new) says of the lifetime that the `Cached` was made with (of a second or more,
    /// or none: it may live longer by the lag of the clock's cheap form, never shorter).
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
    /// (`must-revalidate`, RFC 9111, section 5.2.2.2). `Duration::MAX`, as 73 years or more, has the value serve however
    /// old, also under a policy that has a bound. Whether the value covers a failure after that is the policy's to say:
    /// see [`max_stale_on_error`](crate::PolicyBuilder::max_stale_on_error).
    ///
    /// It holds for this value. The next one goes by the policy again, unless it says something itself; so does this one
    /// if it is found [unchanged](Renewal::unchanged).
    pub const fn max_stale(mut self, max_stale: Duration) -> Self {
        self.life.max_stale = Some(max_stale);
        self
    }

    /// Says from when on the value is to be renewed, before it expires, in place of what the policy says
    /// ([`refresh_at`](crate::PolicyBuilder::refresh_at), [`refresh_early`](crate::PolicyBuilder::refresh_early)), and if
    /// there is none: the next access after that is elected, for certain, and creates; the others go on with the value,
    /// which is fresh.
    ///
    /// Counted from the return of the creator, on the lock's own clock, as precisely as the expiry. Zero has the value
    /// renewed as soon as the clock has moved. A time that is no earlier than the expiry, as `Duration::MAX` is, has the
    /// value renewed when it has expired; a policy's [jitter](crate::PolicyBuilder::jitter) may bring the expiry before
    /// that time, and does not move the time. A value that never expires is renewed all the same.
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

/// The right to renew the value of a [`Cached`], as its creator is handed it by
/// [`or_create_with`](crate::Access::or_create_with) and [`or_try_create_with`](crate::Access::or_try_create_with).
///
/// A renewal tells what there is to go by, the [old value](Creation::old), and whether a new one is
/// [still wanted](Creation::is_superseded).
pub type Renewal<'a, T, C = MonotonicClock> = Creation<'a, Cached<T, C>>;

/// The value that is renewed, once somebody has asked for it.
#[derive(Debug)]
pub struct Noted<T>(OnceLock<Option<Arc<Node<T>>>>);

impl<T> Default for Noted<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// # Of a lock that has its value
impl<T, C: Clock> Creation<'_, Cached<T, C>> {
    fn old_node(&self) -> Option<&Arc<Node<T>>> {
        let read = || {
            let cached = self.lock();
            let election = cached.dogpile.election();
            let look = || {
                let current = election.is_current(self.born());
                current.then(|| cached.cell.load().as_ref().map(Arc::clone)).flatten()
            };
            // Under the mutex: an invalidation moves the generation first, and empties the cell second.
            if mutant(Mutant::OldOutsideMutex) { look() } else { election.still(look) }
        };
        self.noted().0.get_or_init(read).as_ref()
    }

    /// The value that is to be renewed, if there is one: stale, but not invalidated. Blocks only for moments. Once it
    /// has been seen it stays, for this creator.
    #[must_use]
    pub fn old(&self) -> Option<&T> {
        self.old_node().map(|node| &*node.value)
    }

    /// The old value once more: it still holds (an HTTP 304, an unchanged file). `None` if there is [no old](Self::old)
    /// one; whoever has seen one gets this, whatever happens meanwhile.
    ///
    /// It is of this renewal. Returned by the creator of another one that has not the same old value, it is that
    /// caller's alone: the lock goes on without it, and counts that creation as failed, since what it may have thrown
    /// away does not come back (L6).
    ///
    /// Its life begins anew, and nothing is allocated. It lives as long as the `Cached` says, and ages as the policy says,
    /// not as it said itself the last time; [`expires_after`](Made::expires_after), [`max_stale`](Made::max_stale) and
    /// [`refresh_after`](Made::refresh_after) say so anew. Its [age](crate::Status::age) begins
    /// anew as well, and the [outcome](CachedGuard::outcome) is [`Outcome::Created`] though nothing was made: whoever
    /// watches how old the data is keeps a time in the value.
    ///
    /// It is also a way to go on with an old value when the source fails, without asking that again at once (for the
    /// usual ones, see [`Policy`](crate::Policy)):
    ///
    /// ```
    /// # use dogpile::{Cached, Made};
    /// # use std::time::Duration;
    /// # fn fetch() -> std::io::Result<u32> { Err(std::io::Error::other("no answer")) }
    /// # let cached = Cached::new(Duration::from_secs(600));
    /// # cached.set(1);
    /// # cached.mark_stale();
    /// let value = cached.access().or_try_create_with(|renewal| match (fetch(), renewal.unchanged()) {
    ///     (Ok(value), _) => Ok(Made::new(value)),
    ///     (Err(_), Some(old)) => Ok(old.expires_after(Duration::from_secs(5))), // and then once more
    ///     (Err(error), None) => Err(error),
    /// })?;
    /// # assert_eq!(*value, 1);
    /// # assert!(!cached.is_expired());
    /// # Ok::<(), dogpile::CreateError<std::io::Error>>(())
    /// ```
    pub fn unchanged(&self) -> Option<Made<T>> {
        self.old_node().map(|old| Made { value: What::Unchanged(Arc::clone(old)), life: Life::AS_USUAL })
    }

    /// Runs the creator, and makes what it has made the current value.
    pub(crate) fn renew<E: Cause>(
        self,
        creator: impl FnOnce(&Self) -> Result<Made<T>, E>,
    ) -> Result<CachedGuard<T>, E> {
        let made = self.enter(creator);
        self.renewed(made)
    }

    /// As [`renew`](Self::renew), for a task; `made` says what the creator has made.
    pub(crate) fn renew_async<V, E: Cause>(
        self,
        creator: &mut Once<impl AsyncFnOnce(&Self) -> V>,
        made: impl FnOnce(V) -> Result<Made<T>, E>,
    ) -> impl Future<Output = Result<CachedGuard<T>, E>> {
        async move {
            let made = made(self.enter_async(|| creator.take()(&self)).await);
            self.renewed(made)
        }
    }

    /// Makes what was made the current value, or gives the creation up.
    pub(crate) fn renewed<E: Cause>(mut self, made: Result<Made<T>, E>) -> Result<CachedGuard<T>, E> {
        match made {
            Ok(made) => Ok(self.finish_as(made)),
            Err(error) => {
                self.fail_with(&error);
                Err(error)
            }
        }
    }

    fn finish_as(mut self, made: Made<T>) -> CachedGuard<T> {
        let born = self.born();
        let node = match made.value {
            What::New(value) => {
                let node = Node::new(value);
                // Unless it is published, what is known of it is when its creation began.
                node.renew(born.generation, born.started);
                node
            }
            What::Unchanged(old) if self.old_node().is_some_and(|here| Arc::ptr_eq(here, &old)) => old,
            What::Unchanged(other) => {
                self.fail_with(&"the creator returned the `unchanged` of another renewal");
                return CachedGuard::owning(other, Outcome::Created);
            }
        };
        let flaw = (made.life.lifetime == Some(Duration::ZERO)).then_some("the value had expired as it arrived");
        let mut old = (None, None);
        self.end(flaw, |cached, finished, generation, now| {
            if finished == Finished::Superseded {
                // An old one was current in that generation.
                node.renew(born.generation, now);
                old.1 = Some(cached.trays.serve(&node));
                return;
            }
            let renew = || match finished {
                Finished::PublishedStale => cached.dogpile.renew_stale(now, made.life),
                _ => cached.dogpile.renew(now, made.life, Some(born)),
            };
            let early = mutant(Mutant::DeadlineBeforeValue).then(renew);
            old.0 = Some(cached.publish(&node, generation, now));
            early.unwrap_or_else(renew);
        });
        drop(old);
        CachedGuard::owning(node, Outcome::Created)
    }
}
