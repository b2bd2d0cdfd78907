//! A value as this process has it, and as a caller gets it.

use crate::observer::{Case, NotPublished, Published};
use crate::region::outcome::Outcome;
use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// A value, or absence, with its times. Times are of this process's monotonic clock.
pub(crate) struct Kept<V> {
    content: Content<V>,
    /// The version of the value. It is not 0.
    pub(crate) version: u64,
    pub(crate) times: Times,
    /// Whether it was marked stale since. Only near alone asks that; a backend keeps marks by itself.
    is_marked: AtomicBool,
    /// Why it was not even sent to be stored.
    unstored: OnceLock<NotPublished>,
}

enum Content<V> {
    Value(V),
    /// The value of another one, which has a value of its own: a renewal has found it unchanged.
    Same(Arc<Kept<V>>),
    Absent,
}

/// The times of a value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// When it was created; negative if that was before the clock began.
    pub(crate) created: i128,
    /// How long its creation took.
    pub(crate) took: Duration,
    /// For how long it is fresh from its creation on. `None`: for ever.
    pub(crate) fresh_for: Option<Duration>,
    /// For how long it can be used after that. `None`: for ever.
    pub(crate) stale_for: Option<Duration>,
    /// Until when it may serve from near: until it is due, stale, or was kept for as long as near may.
    pub(crate) serves_until: u64,
    /// The life of the server's data in which it was stored. `None`: it was made in this process just now.
    pub(crate) life: Option<u64>,
}

impl<V> Kept<V> {
    pub(crate) fn new(value: Option<V>, version: u64, times: Times) -> Kept<V> {
        let content = value.map_or(Content::Absent, Content::Value);
        Kept { content, version, times, is_marked: AtomicBool::new(false), unstored: OnceLock::new() }
    }

    /// Makes it of the value that another one has.
    pub(crate) fn same(as_of: &Arc<Kept<V>>, version: u64, times: Times) -> Kept<V> {
        let first = if let Content::Same(first) = &as_of.content { first } else { as_of };
        let content = Content::Same(Arc::clone(first));
        Kept { content, version, times, is_marked: AtomicBool::new(false), unstored: OnceLock::new() }
    }

    /// Returns the value; `None` for an absence.
    pub(crate) fn value(&self) -> Option<&V> {
        match &self.content {
            Content::Value(value) => Some(value),
            Content::Same(first) => first.value(),
            Content::Absent => None,
        }
    }

    /// Returns how old the value is.
    pub(crate) fn age(&self, now: u64) -> Duration {
        Duration::from_nanos(self.age_nanos(now))
    }

    #[inline]
    fn age_nanos(&self, now: u64) -> u64 {
        if let Ok(created) = u64::try_from(self.times.created) {
            return now.saturating_sub(created);
        }
        // The value is older than the clock.
        let age = i128::from(now).saturating_sub(self.times.created).max(0);
        u64::try_from(age).unwrap_or(u64::MAX)
    }

    /// Marks the value as stale.
    pub(crate) fn mark(&self) {
        // Release and acquire are not needed: the slot's mutex orders marks and looks.
        self.is_marked.store(true, Ordering::Relaxed);
    }

    /// Notes why the value is not stored.
    pub(crate) fn leave_unstored(&self, why: NotPublished) {
        self.unstored.get_or_init(|| why);
    }

    pub(crate) fn unstored(&self) -> Option<NotPublished> {
        self.unstored.get().copied()
    }

    pub(crate) fn is_marked(&self) -> bool {
        self.is_marked.load(Ordering::Relaxed)
    }
}

impl<V: fmt::Debug> fmt::Debug for Kept<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Kept").field(&self.value()).finish()
    }
}

/// Makes the version of a value: a random number, not 0.
pub(crate) fn new_version() -> u64 {
    fastrand::u64(1..)
}

/// What an access has met, in one word: so a `Got` is two words, which pass in registers. With more, it would pass
/// through memory, by loads that wait for the stores just before them, and that is a third of a hit.
///
/// | bits | what |
/// |---|---|
/// | 0-2 | the outcome |
/// | 3-6 | what has become of the publication; 0: there was none |
/// | 7-62 | the age: in nanoseconds, or in seconds if it is two years or more |
/// | 63 | the age is in seconds |
#[derive(Clone, Copy)]
struct Met(u64);

impl Met {
    /// Ages from here on, in nanoseconds, are counted in seconds.
    const OLD: u64 = 1 << 56;
    const IN_SECONDS: u64 = 1 << 63;
    const SECOND: u64 = 1_000_000_000;
    /// The first number of a value that was not published. Before it come: no publication, fresh, stale.
    const NO: u64 = 3;

    #[inline]
    fn new(outcome: Outcome, published: Option<Published>, age: u64) -> Met {
        let published = match published {
            None => 0,
            Some(Published::Fresh) => 1,
            Some(Published::Stale) => 2,
            Some(Published::No(why)) => Met::NO + why as u64,
        };
        let age = if age < Met::OLD { age << 7 } else { (age / Met::SECOND) << 7 | Met::IN_SECONDS };
        Met(age | published << 3 | outcome as u64)
    }

    #[allow(clippy::cast_possible_truncation)] // Few bits are left.
    fn outcome(self) -> Outcome {
        Outcome::ALL[(self.0 & 7) as usize]
    }

    #[allow(clippy::cast_possible_truncation)] // Few bits are left.
    fn published(self) -> Option<Published> {
        Some(match self.0 >> 3 & 15 {
            0 => return None,
            1 => Published::Fresh,
            2 => Published::Stale,
            no => Published::No(NotPublished::ALL[(no - Met::NO) as usize]),
        })
    }

    fn age(self) -> Duration {
        let age = (self.0 & !Met::IN_SECONDS) >> 7;
        if self.0 & Met::IN_SECONDS == 0 { Duration::from_nanos(age) } else { Duration::from_secs(age) }
    }
}

// There is room for all of them.
const _: () = assert!(Outcome::ALL.len() <= 8 && NotPublished::ALL.len() + 3 <= 16);

/// A value that an access has got. It derefs to the value.
///
/// A `Got` shares the value with all who got it, and keeps it alive. Its functions are associated functions, called as
/// `Got::age(&got)`, so that they hide no method of the value.
pub struct Got<V> {
    kept: Arc<Kept<V>>,
    met: Met,
}

impl<V> Got<V> {
    /// Makes it of a value that is there. Returns `None` for an absence.
    pub(crate) fn new(kept: Arc<Kept<V>>, outcome: Outcome, published: Option<Published>, now: u64) -> Option<Got<V>> {
        kept.value()?;
        let met = Met::new(outcome, published, kept.age_nanos(now));
        Some(Got { kept, met })
    }

    /// Makes it of a value that is kept near, and is no absence.
    #[inline]
    pub(crate) fn near(kept: Arc<Kept<V>>, now: u64) -> Got<V> {
        let met = Met::new(Outcome::Near, None, kept.age_nanos(now));
        Got { kept, met }
    }

    /// Returns what the access has met.
    #[must_use]
    pub fn outcome(this: &Self) -> Outcome {
        this.met.outcome()
    }

    /// Returns what has become of the value in the backend, if this access has created it, or has waited in its process
    /// for the access that did. `None` for a value that was there.
    ///
    /// A value that is not published goes to its caller all the same (G4).
    #[must_use]
    pub fn published(this: &Self) -> Option<Published> {
        this.met.published()
    }

    /// Returns how old the value was when the access ended, in nanoseconds or as precisely as the backend's clock: in
    /// milliseconds if it comes from a server; in seconds from two years on.
    #[must_use]
    pub fn age(this: &Self) -> Duration {
        this.met.age()
    }

    /// Returns the version of the value: a random number that [`renew_if`](crate::region::Get::renew_if) takes. It is
    /// never 0. Two values of one key have different versions, except for a chance of 1 in 2^64.
    #[must_use]
    pub fn version(this: &Self) -> u64 {
        this.kept.version
    }

    /// Returns how long the creation of the value took, from the grant on; in microseconds if the value comes from a
    /// server, and 71 minutes at most.
    #[must_use]
    pub fn took(this: &Self) -> Duration {
        this.kept.times.took
    }

    /// Returns whether both are one value in memory.
    #[must_use]
    pub fn ptr_eq(this: &Self, other: &Self) -> bool {
        Arc::ptr_eq(&this.kept, &other.kept)
    }
}

impl<V: Clone> Got<V> {
    /// Returns the value itself, cloned unless nobody else has it.
    #[must_use]
    pub fn into_value(this: Self) -> V {
        match Arc::try_unwrap(this.kept) {
            Ok(Kept { content: Content::Value(value), .. }) => value,
            Ok(kept) => there(&kept).clone(),
            Err(kept) => there(&kept).clone(),
        }
    }
}

impl<V> Deref for Got<V> {
    type Target = V;

    fn deref(&self) -> &V {
        there(&self.kept)
    }
}

/// Returns the value of a `Got`, which is made of no absence.
fn there<V>(kept: &Kept<V>) -> &V {
    kept.value().expect("an absence is no `Got`")
}

impl<V> AsRef<V> for Got<V> {
    fn as_ref(&self) -> &V {
        self
    }
}

impl<V> Clone for Got<V> {
    fn clone(&self) -> Got<V> {
        Got { kept: Arc::clone(&self.kept), met: self.met }
    }
}

impl<V: fmt::Debug> fmt::Debug for Got<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Got")
            .field("value", &**self)
            .field("outcome", &Got::outcome(self))
            .field("published", &Got::published(self))
            .field("age", &Got::age(self))
            .finish_non_exhaustive()
    }
}

impl<V: fmt::Display> fmt::Display for Got<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All that an access can have met comes back as it was.
    #[test]
    fn what_an_access_has_met_is_one_word() {
        assert_eq!(size_of::<Got<String>>(), 2 * size_of::<usize>());
        let no = NotPublished::ALL.iter().copied().map(Published::No);
        let all = [Published::Fresh, Published::Stale].into_iter().chain(no).map(Some).chain([None]);
        for published in all {
            for outcome in Outcome::ALL {
                for age in [0, 1, Met::OLD - 1, Met::OLD, u64::MAX] {
                    let met = Met::new(outcome, published, age);
                    let shown = Duration::from_nanos(if age < Met::OLD { age } else { age - age % Met::SECOND });
                    assert_eq!((met.outcome(), met.published(), met.age()), (outcome, published, shown));
                }
            }
        }
        assert!(Duration::from_nanos(Met::OLD) > Duration::from_secs(2 * 365 * 86_400));
    }
}
