//! What a creator is given, its [`Renewal`] with the old value; and how the value that the creator has made is
//! published.

use super::Cached;
use super::guard::CachedGuard;
use super::made::{Made, What};
use super::node::Node;
use crate::clock::{Clock, MonotonicClock};
use crate::creation::{Creation, Once};
use crate::election::Finished;
use crate::failure::Cause;
use crate::outcome::Outcome;
use crate::policy::Life;
use crate::sync::{Arc, Mutant, mutant};
use std::time::Duration;

/// The right to renew the value of a [`Cached`]. The terminals [`or_create_with`](crate::Access::or_create_with) and
/// [`or_try_create_with`](crate::Access::or_try_create_with) lend it to the creator.
///
/// A renewal tells the creator the [old value](Creation::old), and whether a new value is [still
/// wanted](Creation::is_superseded).
pub type Renewal<'a, T, C = MonotonicClock> = Creation<'a, Cached<T, C>>;

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

    /// Returns the value that is to be renewed, or `None` if there is none. Blocks only for moments.
    ///
    /// Any value counts that was not invalidated: a stale value, a value that is renewed early, and a value that is too
    /// old to be used. If the creation was superseded before this is called for the first time, there is none. Once
    /// this has returned a value, it returns the same value for the rest of this renewal.
    #[must_use]
    pub fn old(&self) -> Option<&T> {
        self.old_node().map(|node| &*node.value)
    }

    /// Returns the old value once more, for a creator that has found that this value still holds: an HTTP 304, an
    /// unchanged file. Returns `None` if there is [no old value](Self::old). Blocks only for moments.
    ///
    /// A creator that has seen an old value is always given it here, even if the value was invalidated meanwhile.
    ///
    /// The value's life begins anew, and nothing is allocated. The value lives as long as the `Cached` says, and ages
    /// as the policy says. What it said itself the last time no longer counts; [`expires_after`](Made::expires_after),
    /// [`max_stale`](Made::max_stale) and [`refresh_after`](Made::refresh_after) say it anew. The value's
    /// [age](crate::Status::age) begins anew as well. The [outcome](CachedGuard::outcome) is [`Outcome::Created`],
    /// though nothing was made. A program that watches how old the data is keeps a time in the value.
    ///
    /// The return value belongs to this renewal. If the creator of another renewal returns it, and that renewal has not
    /// the same old value, the value is given to that creator's own caller alone. The lock goes on without the value,
    /// and counts that creation as failed. An invalidation may have thrown the value away, and such a value does not
    /// come back (L6).
    ///
    /// # Examples
    ///
    /// With this, a creator can go on with the old value when the source fails, and not ask the source again at once.
    /// (A [`Policy`](crate::Policy) has the usual ways of doing so.)
    ///
    /// ```
    /// use dogpile::{Cached, CreateError, Made, Renewal};
    /// use std::{io, time::Duration};
    ///
    /// fn fetch() -> io::Result<u32> {
    ///     Err(io::Error::other("no answer"))
    /// }
    ///
    /// fn renew(renewal: &Renewal<'_, u32>) -> io::Result<Made<u32>> {
    ///     match (fetch(), renewal.unchanged()) {
    ///         (Ok(value), _) => Ok(Made::new(value)),
    ///         (Err(_), Some(old)) => Ok(old.expires_after(Duration::from_secs(5))), // then the creator tries again
    ///         (Err(error), None) => Err(error),
    ///     }
    /// }
    ///
    /// fn main() -> Result<(), CreateError<io::Error>> {
    ///     let cached = Cached::new(Duration::from_secs(600));
    ///     cached.set(1);
    ///     cached.mark_stale();
    ///     assert_eq!(*cached.access().or_try_create_with(renew)?, 1);
    ///     assert!(!cached.is_expired());
    ///     Ok(())
    /// }
    /// ```
    pub fn unchanged(&self) -> Option<Made<T>> {
        self.old_node().map(|old| Made { value: What::Unchanged(Arc::clone(old)), life: Life::AS_USUAL })
    }

    /// Runs the creator, and makes the value that it has made the current one.
    pub(crate) fn renew<E: Cause>(
        self,
        creator: impl FnOnce(&Self) -> Result<Made<T>, E>,
    ) -> Result<CachedGuard<T>, E> {
        let made = self.enter(creator);
        self.renewed(made)
    }

    /// As [`renew`](Self::renew), for a task. `made` turns the creator's output into what the creator has made.
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

    /// Makes the value that was made the current one, or ends the creation as failed.
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
                // If the value is not published, it is known by the beginning of its creation.
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
                // The old value, if the creator returned that, was the current one in that generation.
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
