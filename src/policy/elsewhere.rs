//! What a policy says of a value that is kept elsewhere: in a cache of the user's, which notes with each value when it
//! was created, how long it lives and how long its creation took.

use super::Policy;
use super::plan::shortened;
use super::random::random;
use crate::clock::nanoseconds;
use std::time::Duration;

/// # For values that are kept elsewhere
///
/// A lock asks these questions itself. A cache that is not a lock, and follows a policy, asks them of the policy. The
/// times are precise to the nanosecond as long as they are shorter than 104 days, and to 53 bits beyond that. Any time
/// over 584 years is a time without an end.
impl Policy {
    /// Returns whether a value is due: whether the access that asks is to renew it. Never blocks.
    ///
    /// The value has lived for `age` of its `lifetime`, and its creation took `cost`. A value that has expired is due.
    /// A fresh value is due as [`refresh_at`](super::PolicyBuilder::refresh_at) or
    /// [`refresh_early`](super::PolicyBuilder::refresh_early) says. Without either, a fresh value is not due. A value
    /// whose lifetime is `Duration::MAX` is never due. Under `refresh_early` with a `cost` of zero, which stands for an
    /// unknown cost, a value is not due before it expires.
    ///
    /// Under `refresh_early` each call draws a number anew. So an access asks once, and goes by the answer. The formula
    /// is that of Vattani, Chierichetti and Lowenstein (see `refresh_early`): the value is due when
    /// `age - cost * beta * ln(rand) >= lifetime`. Here `age` is the paper's time, counted from the creation, and
    /// `lifetime` is its expiry, counted likewise.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Policy;
    /// use std::time::Duration;
    ///
    /// let (lifetime, cost) = (Duration::from_secs(600), Duration::from_secs(2));
    /// let age = |seconds| Duration::from_secs(seconds);
    ///
    /// let policy = Policy::builder().refresh_at(0.5).build().unwrap();
    /// assert!(!policy.is_due(age(299), lifetime, cost));
    /// assert!(policy.is_due(age(300), lifetime, cost));
    ///
    /// // At random: in the mean two seconds before the expiry, and 74 seconds at most.
    /// let policy = Policy::builder().refresh_early(1.0).build().unwrap();
    /// assert!(!policy.is_due(age(500), lifetime, cost));
    /// assert!(policy.is_due(age(600), lifetime, cost));
    /// ```
    #[must_use]
    pub fn is_due(&self, age: Duration, lifetime: Duration, cost: Duration) -> bool {
        self.is_due_by(age, lifetime, cost, 1.0 - random())
    }

    /// As [`is_due`](Self::is_due). `random` is above 0 and up to 1.
    fn is_due_by(&self, age: Duration, lifetime: Duration, cost: Duration, random: f64) -> bool {
        let [age, lifetime, cost] = [age, lifetime, cost].map(nanoseconds);
        lifetime != u64::MAX && (age >= lifetime || self.is_due_at_age(age, lifetime, cost, random))
    }

    /// Returns at which age a value is due before it expires; `None` if it is not due before that. Never blocks.
    ///
    /// This is for a cache that renews by a timer, and not by the accesses that happen to come. The value lives for
    /// `lifetime`, and its creation took `cost`. Zero means that the value is due at once. There is no such age without
    /// [`refresh_at`](super::PolicyBuilder::refresh_at) or
    /// [`refresh_early`](super::PolicyBuilder::refresh_early), and none for a lifetime of zero or `Duration::MAX`.
    ///
    /// Under `refresh_early` each call draws a number anew, by the formula of [`is_due`](Self::is_due). One draw stands
    /// for one access: by any age, a value is as probably due as it is to one access that asks `is_due` at that age. A
    /// value that many accesses ask for is renewed earlier if each of them asks `is_due`, since each of them draws.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Policy;
    /// use std::time::Duration;
    ///
    /// let (lifetime, cost) = (Duration::from_secs(600), Duration::from_secs(2));
    /// let policy = Policy::builder().refresh_at(0.5).build().unwrap();
    /// assert_eq!(policy.due_after(lifetime, cost), Some(Duration::from_secs(300)));
    ///
    /// let policy = Policy::builder().refresh_early(1.0).build().unwrap();
    /// assert!(policy.due_after(lifetime, cost).is_none_or(|age| age < lifetime));
    /// assert_eq!(Policy::default().due_after(lifetime, cost), None);
    /// ```
    #[must_use]
    pub fn due_after(&self, lifetime: Duration, cost: Duration) -> Option<Duration> {
        // (Without early renewal there is nothing to draw for.)
        self.early.as_ref()?;
        self.due_after_by(lifetime, cost, 1.0 - random())
    }

    /// As [`due_after`](Self::due_after). `random` is above 0 and up to 1.
    fn due_after_by(&self, lifetime: Duration, cost: Duration, random: f64) -> Option<Duration> {
        let [lifetime, cost] = [lifetime, cost].map(nanoseconds);
        let due = self.early.filter(|_| lifetime != u64::MAX)?.due_at(lifetime, cost, random);
        (due < lifetime).then(|| Duration::from_nanos(due))
    }

    /// Returns a lifetime that is shortened at random, by up to its part [`jitter`](super::PolicyBuilder::jitter).
    /// Never blocks.
    ///
    /// Each call draws a number anew: draw once for each value, and keep what was drawn. What is left of a lifetime is
    /// at least one nanosecond. Zero stays zero, and `Duration::MAX` stays a lifetime without an end. Without a jitter
    /// the lifetime stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use dogpile::Policy;
    /// use std::time::Duration;
    ///
    /// let lifetime = Duration::from_secs(600);
    /// let policy = Policy::builder().jitter(0.1).build().unwrap();
    /// let jittered = policy.jittered(lifetime);
    /// assert!(Duration::from_secs(540) <= jittered && jittered <= lifetime);
    /// assert_eq!(Policy::default().jittered(lifetime), lifetime);
    /// ```
    #[must_use]
    pub fn jittered(&self, lifetime: Duration) -> Duration {
        self.jittered_by(lifetime, random())
    }

    /// As [`jittered`](Self::jittered). `random` is from 0 and below 1.
    fn jittered_by(&self, lifetime: Duration, random: f64) -> Duration {
        let whole = nanoseconds(lifetime);
        if self.jitter == 0.0 || whole == u64::MAX {
            return lifetime;
        }
        Duration::from_nanos(shortened(whole, self.jitter * random))
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    const NANO: Duration = Duration::from_nanos(1);
    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_secs(60);

    /// Returns one nanosecond less than `time`.
    fn just_before(time: Duration) -> Duration {
        time.checked_sub(NANO).unwrap()
    }

    #[test]
    fn at_a_part_of_its_lifetime_a_value_is_due_to_the_nanosecond() {
        let policy = Policy::builder().refresh_at(0.75).build().unwrap();
        for (random, cost) in [(1.0, Duration::ZERO), (f64::EPSILON, MINUTE)] {
            let due = policy.due_after_by(MINUTE, cost, random).unwrap();
            assert_eq!(due, SECOND * 45);
            assert!(policy.is_due_by(due, MINUTE, cost, random));
            assert!(!policy.is_due_by(just_before(due), MINUTE, cost, random));
        }
    }

    /// For one draw, the two questions have one answer, which is that of the formula.
    #[test]
    fn at_random_a_value_is_due_as_the_formula_says() {
        let policy = Policy::builder().refresh_early(1.5).build().unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        let (mut early, mut at_once) = (0, 0);
        for _ in 0..10_000 {
            let rand = 1.0 - random.f64();
            let cost = SECOND * random.u32(0..40);
            let before_expiry = cost.as_secs_f64() * 1.5 * -rand.ln();
            let due = policy.due_after_by(MINUTE, cost, rand);
            let age = due.unwrap_or(MINUTE);
            assert!(policy.is_due_by(age, MINUTE, cost, rand));
            assert!(age.is_zero() || !policy.is_due_by(just_before(age), MINUTE, cost, rand));
            assert!((age.as_secs_f64() - (60.0 - before_expiry).max(0.0)).abs() < 1e-6, "{age:?}, {before_expiry}");
            early += u32::from(due.is_some());
            at_once += u32::from(age.is_zero());
        }
        assert!(early > 9_000 && (1_000..9_000).contains(&at_once), "{early}, {at_once}");
    }

    #[test]
    fn what_never_expires_and_what_has_no_cost_is_not_due_early() {
        let early = Policy::builder().refresh_early(1.0).build().unwrap();
        let at = Policy::builder().refresh_at(0.5).build().unwrap();
        let rand = f64::EPSILON;
        for policy in [Policy::default(), at, early] {
            assert!(!policy.is_due_by(MINUTE, Duration::MAX, MINUTE, rand));
            assert!(!policy.is_due_by(Duration::MAX, Duration::MAX, MINUTE, rand), "without an end");
            assert_eq!(policy.due_after_by(Duration::MAX, MINUTE, rand), None);
            assert_eq!(policy.due_after_by(Duration::ZERO, MINUTE, rand), None);
            assert!(policy.is_due_by(Duration::ZERO, Duration::ZERO, Duration::ZERO, rand), "it has expired");
            assert!(policy.is_due_by(MINUTE, MINUTE, Duration::ZERO, rand), "it has expired");
        }
        assert!(!early.is_due_by(just_before(MINUTE), MINUTE, Duration::ZERO, rand));
        assert_eq!(early.due_after_by(MINUTE, Duration::ZERO, rand), None);
        assert!(!Policy::default().is_due_by(just_before(MINUTE), MINUTE, MINUTE, rand));
        assert_eq!(early.due_after_by(MINUTE, Duration::MAX, rand), Some(Duration::ZERO), "nothing overflows");
    }

    #[test]
    fn a_jitter_shortens_by_its_part_at_most_and_leaves_something() {
        let policy = Policy::builder().jitter(0.5).build().unwrap();
        let draws = [0.0, 0.5, 1.0 - f64::EPSILON];
        assert_eq!(draws.map(|rand| policy.jittered_by(SECOND, rand).as_millis()), [1_000, 750, 500]);
        let longest = policy.jittered_by(Duration::from_nanos(u64::MAX - 1), 1.0 - f64::EPSILON);
        assert!(longest >= Duration::from_nanos(u64::MAX / 2));
        let most = Policy::builder().jitter(1.0 - f64::EPSILON).build().unwrap();
        assert_eq!(most.jittered_by(NANO, 1.0 - f64::EPSILON), NANO);
        for kept in [Duration::ZERO, Duration::MAX] {
            assert_eq!(policy.jittered_by(kept, 0.9), kept);
        }
        let longer_than_that = MS + Duration::from_nanos(u64::MAX);
        assert_eq!(Policy::default().jittered_by(longer_than_that, 0.9), longer_than_that);
    }
}
