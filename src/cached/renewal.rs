//! What a creator is handed: its [`Renewal`], with the old value; and how what it makes of that is published.

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

/// The right to renew the value of a [`Cached`], as its creator is handed it by
/// [`or_create_with`](crate::Access::or_create_with) and [`or_try_create_with`](crate::Access::or_try_create_with).
///
/// A renewal tells what there is to go by, the [old value](Creation::old), and whether a new one is
/// [still wanted](Creation::is_superseded).
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
