//! The settings of a lock: how its values age, and what happens when creating goes wrong.
//!
//! Nothing here waits, and nothing here knows a lock. The meaning of the settings for a lock is in
//! `dogpile::{terms, aging}`.

mod backoff;
mod elsewhere;
mod error;
mod plan;
mod random;

pub use backoff::Backoff;
pub use error::PolicyError;
pub(crate) use plan::{Life, Plan};
pub(crate) use random::random;

use crate::observer::Observer;
use plan::Early;
use std::ptr;
use std::time::Duration;

/// The settings of a lock: how its values age, and what happens when creating goes wrong.
///
/// One policy may rule any number of locks. Each lock holds its policy by one pointer. Each type of lock takes a policy
/// by two functions: `with_policy(&POLICY)`, which is `const`, takes a policy in a `static`;
/// `with_shared_policy(Arc::new(policy))` takes a policy that is made at run time. A setting that is not set costs
/// nothing. A setting that is set makes no hit slower before the value is due.
///
/// | setting | default | reason for the default |
/// |---|---|---|
/// | [`retry_after`](PolicyBuilder::retry_after) | no pause | as in Python's `dogpile`: each access that finds no fresh value may be elected |
/// | [`on_error`](PolicyBuilder::on_error) | [`OnError::Propagate`] | as in Python's `dogpile`: the elected access learns that its creator has failed |
/// | [`renew_interval`](PolicyBuilder::renew_interval) | zero: no bound | each [`renew_if`](crate::Access::renew_if) of a refused value may cause a renewal, until the user says how many the source can bear |
/// | [`creation_timeout`](PolicyBuilder::creation_timeout) | no limit | as in Python's `dogpile`: a creation may take as long as it needs |
/// | [`max_stale`](PolicyBuilder::max_stale) | no limit | as in Python's `dogpile`: an old value may be used, however old it is |
/// | [`max_stale_on_error`](PolicyBuilder::max_stale_on_error) | no limit of its own | an old value covers a failure for as long as it may be used at all |
/// | [`refresh_at`](PolicyBuilder::refresh_at), [`refresh_early`](PolicyBuilder::refresh_early) | neither | as in Python's `dogpile`: a value is renewed when it has expired |
/// | [`jitter`](PolicyBuilder::jitter) | none | as in Python's `dogpile`: a value lives exactly for its lifetime |
/// | [`max_skew`](PolicyBuilder::max_skew) | one second | machines that set their clocks by NTP stay well within it |
/// | [`observer`](PolicyBuilder::observer) | none | the lock counts what happens in any case; only the user knows where to report it |
/// | [`name`](PolicyBuilder::name) | none | the name is only for messages and observers |
///
/// Two policies are equal if all their settings are equal. Two observers are equal if they have the same address, so
/// two different observers without fields may seem to be equal.
///
/// # Examples
///
/// In a `static`, a contradiction between settings is a compile error:
///
/// ```
/// use dogpile::{Backoff, Cached, OnError, Policy};
/// use std::time::Duration;
///
/// static POLICY: Policy = Policy::builder()
///     .retry_after(Backoff::new(Duration::from_millis(100), Duration::from_secs(30)))
///     .on_error(OnError::ServeStale)
///     .creation_timeout(Duration::from_secs(5))
///     .build_const();
/// static RATES: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_policy(&POLICY);
///
/// RATES.set(vec![1.0, 1.09]);
/// RATES.mark_stale();
/// let rates = RATES.get_or_try_create(|| Err("no answer")).unwrap(); // the old value
/// assert_eq!(rates[1], 1.09);
/// ```
///
/// ```compile_fail,E0080
/// use dogpile::{Backoff, Policy};
/// use std::time::Duration;
///
/// // The longest pause is shorter than the first.
/// static POLICY: Policy =
///     Policy::builder().retry_after(Backoff::new(Duration::from_secs(30), Duration::from_secs(1))).build_const();
/// ```
///
/// At run time, a contradiction is a [`PolicyError`]:
///
/// ```
/// use dogpile::{Cached, Policy, PolicyError};
/// use std::{sync::Arc, time::Duration};
///
/// fn main() -> Result<(), PolicyError> {
///     let timeout = Duration::from_secs(5); // from a configuration file
///     let policy = Policy::builder().creation_timeout(timeout).build()?;
///     let rates: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_shared_policy(Arc::new(policy));
///     assert!(rates.is_expired());
///
///     let none = Policy::builder().creation_timeout(Duration::ZERO).build();
///     assert_eq!(none, Err(PolicyError::NoTimeToCreate));
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Policy {
    name: Option<&'static str>,
    retry_after: Option<Backoff>,
    on_error: OnError,
    creation_timeout: Option<Duration>,
    max_stale: Option<Duration>,
    renew_interval: Duration,
    max_stale_on_error: Option<Duration>,
    early: Option<Early>,
    jitter: f64,
    max_skew: Duration,
    seen_by: SeenBy,
}

impl Policy {
    /// The policy of a lock that was given none.
    pub(crate) const DEFAULT: Self = Self {
        name: None,
        retry_after: None,
        on_error: OnError::Propagate,
        creation_timeout: None,
        max_stale: None,
        renew_interval: Duration::ZERO,
        max_stale_on_error: None,
        early: None,
        jitter: 0.0,
        max_skew: Duration::from_secs(1),
        seen_by: SeenBy(None),
    };

    /// Returns a builder in which each setting has its default.
    pub const fn builder() -> PolicyBuilder {
        PolicyBuilder(Self::DEFAULT)
    }

    /// Returns the same policy with another [name](PolicyBuilder::name).
    ///
    /// With this, several locks share all other settings, and each has a name of its own.
    ///
    /// ```
    /// use dogpile::{Dogpile, Policy};
    /// use std::time::Duration;
    ///
    /// const UPSTREAM: Policy = Policy::builder().creation_timeout(Duration::from_secs(5)).build_const();
    /// static RATES: Dogpile = Dogpile::never_expires().with_policy(&UPSTREAM.named("rates"));
    /// static USERS: Dogpile = Dogpile::never_expires().with_policy(&UPSTREAM.named("users"));
    /// ```
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Returns the name of the locks, if one is set: see [`PolicyBuilder::name`].
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// Returns how long the lock pauses after failures, if it does: see [`PolicyBuilder::retry_after`].
    #[must_use]
    pub const fn retry_after(&self) -> Option<Backoff> {
        self.retry_after
    }

    /// Returns what the elected access is given when its creator fails: see [`PolicyBuilder::on_error`].
    #[must_use]
    pub const fn on_error(&self) -> OnError {
        self.on_error
    }

    /// Returns how long a creation may take, if that is limited: see [`PolicyBuilder::creation_timeout`].
    #[must_use]
    pub const fn creation_timeout(&self) -> Option<Duration> {
        self.creation_timeout
    }

    /// Returns the shortest time between two renewals by `renew_if`: see [`PolicyBuilder::renew_interval`].
    #[must_use]
    pub const fn renew_interval(&self) -> Duration {
        self.renew_interval
    }

    /// Returns how long an expired value may be used, if that is limited: see [`PolicyBuilder::max_stale`].
    #[must_use]
    pub const fn max_stale(&self) -> Option<Duration> {
        self.max_stale
    }

    /// Returns how long an expired value covers a failure, if that has a limit of its own: see
    /// [`PolicyBuilder::max_stale_on_error`].
    #[must_use]
    pub const fn max_stale_on_error(&self) -> Option<Duration> {
        self.max_stale_on_error
    }

    /// Returns the part of its lifetime after which a value is renewed early, if one is set: see
    /// [`PolicyBuilder::refresh_at`].
    #[must_use]
    pub const fn refresh_at(&self) -> Option<f64> {
        match self.early {
            Some(Early::At(fraction)) => Some(fraction),
            _ => None,
        }
    }

    /// Returns the `beta` of early renewals at random, if one is set: see [`PolicyBuilder::refresh_early`].
    #[must_use]
    pub const fn refresh_early(&self) -> Option<f64> {
        match self.early {
            Some(Early::Perhaps(beta)) => Some(beta),
            _ => None,
        }
    }

    /// Returns the part by which a lifetime may be shortened at random: see [`PolicyBuilder::jitter`].
    #[must_use]
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    /// Returns how far ahead a stamp may lie: see [`PolicyBuilder::max_skew`].
    #[must_use]
    pub const fn max_skew(&self) -> Duration {
        self.max_skew
    }

    /// Returns the observer, if one is set: see [`PolicyBuilder::observer`].
    #[must_use]
    pub const fn observer(&self) -> Option<&'static dyn Observer> {
        self.seen_by.0
    }

    /// Returns whether the deadline word alone does not say how a value ages under this policy.
    pub(crate) const fn plans(&self) -> bool {
        self.max_stale.is_some() || self.max_stale_on_error.is_some() || self.early.is_some() || self.jitter > 0.0
    }

    /// Plans the life of a value that is there from `now` on. `lifetime` is that of the lock or of the value, and
    /// `cost` is how long the last creation took. All times are in nanoseconds. `random` is from 0 and below 1.
    pub(crate) fn plan(&self, now: u64, lifetime: u64, cost: u64, random: f64) -> Plan {
        Plan::new(now, lifetime, self.jitter * random, self.early, cost)
    }

    /// Decides whether this access is to renew a value that is due and expires in `expires_in` nanoseconds. `cost` is
    /// how long the last creation took, in nanoseconds. Under [`refresh_at`](PolicyBuilder::refresh_at) the answer is
    /// always yes. Under [`refresh_early`](PolicyBuilder::refresh_early) the answer depends on `random`, a number above
    /// 0 and up to 1.
    pub(crate) fn is_due_before(&self, expires_in: u64, cost: u64, random: f64) -> bool {
        self.early.is_some_and(|early| early.is_due(expires_in, cost, random))
    }

    /// As [`is_due_before`](Self::is_due_before), for a value from elsewhere, for which the lock has no plan. The value
    /// has lived for `age` of its `lifetime`, both in nanoseconds.
    pub(crate) fn is_due_at_age(&self, age: u64, lifetime: u64, cost: u64, random: f64) -> bool {
        self.early.is_some_and(|early| early.is_due_at_age(age, lifetime, cost, random))
    }
}

/// The observer of a policy, in a type that can be compared.
#[derive(Clone, Copy, Debug)]
struct SeenBy(Option<&'static dyn Observer>);

impl PartialEq for SeenBy {
    fn eq(&self, other: &Self) -> bool {
        let address = |seen_by: &Self| seen_by.0.map(|observer| ptr::from_ref(observer).cast::<()>());
        address(self) == address(other)
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Collects the settings of a [`Policy`]. [`build`](Self::build) and [`build_const`](Self::build_const) check them for
/// contradictions.
#[derive(Clone, Copy, Debug)]
#[must_use = "`build` makes a policy of it"]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// Sets how long the lock pauses after a failed creation. The default is no pause, as in Python's `dogpile`.
    ///
    /// The pause begins when the failed creation ends, and is measured on the lock's own clock. During the pause no
    /// creator is called, with the two exceptions at the end of this table:
    ///
    /// | an access that | in the pause |
    /// |---|---|
    /// | finds an old value | is given the old value, as [`Stale`](crate::Outcome::Stale) |
    /// | finds no value, or has waited for the creation that failed | is given [`CreateError::Paused`](crate::CreateError::Paused), which tells the cause of the failure and the time left |
    /// | finds no value, and has no error to report the pause by: it ends in `turn`, `or_create`, `or_create_with` or `get`, and has no [time-out](crate::Access::timeout) | creates when it is elected, one such access at a time |
    /// | wants the value to be made [anew](crate::Access::anew) | creates when it is elected |
    ///
    /// A creation has failed in these cases:
    ///
    /// | the creation | has failed |
    /// |---|---|
    /// | ended with an error or a panic | yes |
    /// | made a value that has [expired as it arrives](crate::Made::expires_after) | yes, although it is counted as a creation |
    /// | was [dropped](crate::Creation) without a panic: the future of a client that went away or that lost a race against a timer, or a job that was refused | no |
    ///
    /// A getter that fails is no failed creation.
    ///
    /// A failure may say [itself](crate::Failure::retry_after) how long its pause is, under a policy or without one.
    /// All other pauses grow from failure to failure as [`Backoff`] says, until a creation succeeds or a value is
    /// [set](crate::Cached::set). An invalidation does not end a pause, because an invalidation says nothing about the
    /// source.
    ///
    /// A [`Registry`](crate::Registry) keeps a key's lock at least until its pause is over.
    pub const fn retry_after(mut self, backoff: Backoff) -> Self {
        self.0.retry_after = Some(backoff);
        self
    }

    /// Sets what the elected access is given when its creator has failed: the error, or the old value. The default is
    /// [`OnError::Propagate`], the error, as in Python's `dogpile`.
    pub const fn on_error(mut self, on_error: OnError) -> Self {
        self.0.on_error = on_error;
        self
    }

    /// Sets how long a creation may take before another access may be elected in its place. The default is no limit, as
    /// in Python's `dogpile`.
    ///
    /// The time is measured on the lock's own clock, in nanoseconds, and is counted from the election, that is, from
    /// the last reading of the clock before the election. `Duration::MAX` is no limit. Zero is a contradiction. The
    /// time that a job [waits for its thread](crate::Pool) is part of the time of its creation. A job whose creation is
    /// dead before the job begins runs nothing.
    ///
    /// The next access that finds no fresh value *declares dead* a creation that has taken longer than this, and is
    /// elected in its place. Waiters wake up by themselves when the time is over, and one of them declares the creation
    /// dead. (An access that waits for a task that it has spawned has given its creator away: see [the access that
    /// waits](crate::Spawner#the-access-that-waits).)
    ///
    /// A dead creation can do nothing to the lock any more:
    ///
    /// - The value that it makes goes to its own caller only.
    /// - [`publish`](crate::Creation::publish) and `write_lock` are refused.
    /// - The lock counts it as dead when it is declared dead, and later neither as a failure nor as a success.
    ///
    /// The thread of a dead creation is not interrupted. A long creator may ask [`is_dead`](crate::Creation::is_dead).
    ///
    /// A creation that is overdue is not dead until another access is elected in its place. If it ends before that, its
    /// value is published as any other.
    ///
    /// A creation cannot be declared dead while it is inside `publish`, or while it holds the write lock: the
    /// declaration waits until the store has ended. So a store that hangs holds up all waiters. A creation that waits
    /// for the write lock holds up the readers as well, since new readers wait behind it. Bound that wait by
    /// [`write_lock_timeout`](crate::Creation::write_lock_timeout).
    ///
    /// In a child made by fork(2), this time-out is what ends the creations that other threads were running: see
    /// [`Fork`](crate::guide::limitations#fork).
    pub const fn creation_timeout(mut self, timeout: Duration) -> Self {
        self.0.creation_timeout = Some(timeout);
        self
    }

    /// Sets the least time between two renewals that [`renew_if`](crate::Access::renew_if) causes. The default is zero,
    /// which allows any number of them.
    ///
    /// The reason for which a caller finds a value useless often comes from outside: a token with a key id that nobody
    /// has ever seen, a request with made-up credentials. Without an interval, each of these makes one request to the
    /// source. With an interval, a caller that comes too soon after the last renewal by `renew_if` is given the old
    /// value, with [`Outcome::TooSoon`](crate::Outcome::TooSoon).
    ///
    /// The interval lies between the beginnings of two renewals. A renewal that failed counts, and so does a renewal
    /// that was given up. A renewal because the value had expired does not count.
    ///
    /// The interval is measured on the lock's own clock, to the nanosecond. `Duration::MAX` allows one renewal in all.
    pub const fn renew_interval(mut self, interval: Duration) -> Self {
        self.0.renew_interval = interval;
        self
    }

    /// Sets how long a value may be used after it has expired. The default is no limit, as in Python's `dogpile`.
    ///
    /// A value that has been stale for this long counts as missing, and accesses wait for a new value. (C21: after an
    /// idle night, no access is given a value that is a night old.)
    ///
    /// The time is counted from the value's expiry, or from the call of [`mark_stale`](crate::Dogpile::mark_stale) if
    /// that came first. The lock's own clock measures it, as precisely as expiry. In stamped getter mode the time is
    /// counted by the stamp. With zero, no access is given a stale value. `Duration::MAX` is no limit. A value may say
    /// [itself](crate::Made::max_stale) how long it may be used.
    pub const fn max_stale(mut self, max_stale: Duration) -> Self {
        self.0.max_stale = Some(max_stale);
        self
    }

    /// Sets how long a value covers a failure after it has expired, under [`OnError::ServeStale`]. The default is no
    /// limit of its own, so that a value covers a failure for as long as it may be used at all, as
    /// [`max_stale`](Self::max_stale) or the value [itself](crate::Made::max_stale) says.
    ///
    /// An elected access whose creator has failed is given the old value only if that value has been expired for less
    /// than this time. (HTTP calls this `stale-if-error`: RFC 5861, section 4.) The time is counted as that of
    /// `max_stale`. With zero, a value covers a failure only while it is still fresh, in a renewal before its expiry.
    /// `Duration::MAX` is no limit. An invalidated value never covers a failure.
    ///
    /// The time may be longer or shorter than `max_stale`:
    ///
    /// - Longer: a value that is older than `max_stale` counts as missing, and the other accesses wait. The elected
    ///   access is still given the old value if its creator fails.
    /// - Shorter: the other accesses carry on with an old value that no longer covers a failure.
    ///
    /// **Beyond `max_stale` the old value covers for the elected access alone.** The other accesses wait for a new
    /// value, and in a [pause](Self::retry_after) they get [`CreateError::Paused`](crate::CreateError::Paused). If all
    /// accesses are to have the old value then, let the creator return it:
    /// [`Renewal::unchanged`](crate::Renewal::unchanged) gives the old value as long as it was not invalidated, and
    /// [`Made::expires_after`](crate::Made::expires_after) says when to try again.
    ///
    /// Without [`OnError::ServeStale`] this setting is a contradiction.
    pub const fn max_stale_on_error(mut self, max_stale: Duration) -> Self {
        self.0.max_stale_on_error = Some(max_stale);
        self
    }

    /// Renews a value before it expires, once it has lived for the part `fraction` of its lifetime. By default a value
    /// is renewed when it has expired, as in Python's `dogpile`.
    ///
    /// `fraction` is above 0 and below 1. From that time on the next access is elected, and creates. The other accesses
    /// go on with the value, which is still fresh. So a value that is in use is never seen expired, if creating takes
    /// no longer than the rest of the lifetime.
    ///
    /// If the creation fails, the next access is elected; with a [pause](Self::retry_after), the next access after the
    /// pause. A value may say [itself](crate::Made::refresh_after) from when on it is to be renewed. Together with
    /// [`refresh_early`](Self::refresh_early) this setting is a contradiction.
    pub const fn refresh_at(mut self, fraction: f64) -> Self {
        self.0.early = match self.0.early {
            Some(Early::Perhaps(_) | Early::Both) => Some(Early::Both),
            _ => Some(Early::At(fraction)),
        };
        self
    }

    /// Renews a value before it expires, at random. By default a value is renewed when it has expired, as in Python's
    /// `dogpile`.
    ///
    /// An access is elected, and creates, with a probability that grows as the expiry comes near. The probability is
    /// also the higher, the longer the last creation took. 1 is a good `beta`; a larger `beta` renews earlier. Where
    /// several processes share a store and each process elects for itself, the processes do not all renew at the same
    /// moment.
    ///
    /// This is the optimal form of Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede
    /// Prevention", VLDB 2015. An access renews when `now - delta * beta * ln(rand) >= expiry`. There `delta` is how
    /// long the last creation of this lock took, and `rand` is drawn evenly from above 0 up to 1, once for each access
    /// that comes near the expiry. Of the accesses that would renew, one is elected. Until a creation of this lock has
    /// been measured, the lock does not renew early.
    ///
    /// `beta` is above 0 and finite. Together with [`refresh_at`](Self::refresh_at) this setting is a contradiction.
    pub const fn refresh_early(mut self, beta: f64) -> Self {
        self.0.early = match self.0.early {
            Some(Early::At(_) | Early::Both) => Some(Early::Both),
            _ => Some(Early::Perhaps(beta)),
        };
        self
    }

    /// Shortens each lifetime by a random part of it, up to `part`. The default is 0, so that a value lives exactly for
    /// its lifetime, as in Python's `dogpile`.
    ///
    /// `part` is from 0 and below 1. With a jitter, values that were created together do not expire together. The time
    /// in which a value is [renewed early](Self::refresh_at) shrinks in proportion to the lifetime, and so is never
    /// lost (C20). A stamp that comes from elsewhere is judged by the whole lifetime.
    pub const fn jitter(mut self, part: f64) -> Self {
        self.0.jitter = part;
        self
    }

    /// Sets how far ahead of this machine's time of day a stamp from elsewhere may lie, in [stamped getter
    /// mode](crate::Dogpile::fetch_stamped). The default is one second, since machines that set their clocks by NTP
    /// stay well within it.
    ///
    /// A stamp that lies ahead by no more than this counts as now. A value whose stamp lies further ahead is stale, or
    /// missing under a [`max_stale`](Self::max_stale) of zero. With zero, only stamps that are not ahead at all are
    /// believed. `Duration::MAX` believes every stamp. The distance is measured to the nanosecond.
    pub const fn max_skew(mut self, max_skew: Duration) -> Self {
        self.0.max_skew = max_skew;
        self
    }

    /// Sets the observer, which is told what happens to the lock. The default is none, since only the user knows where
    /// to report it.
    ///
    /// The lock [counts](crate::Status::stats) what happens in any case. A policy has one observer at most; a pair of
    /// observers, such as `&(Tracing, Metrics)`, is one observer.
    pub const fn observer(mut self, observer: &'static dyn Observer) -> Self {
        self.0.seen_by = SeenBy(Some(observer));
        self
    }

    /// Sets the name of the lock. The default is none.
    ///
    /// The name stands in messages, such as that of a [`WaitCycle`](crate::WaitCycle), and in what an
    /// [observer](Self::observer) is told. A name that is made at run time becomes `'static` by [`String::leak`].
    pub const fn name(mut self, name: &'static str) -> Self {
        self.0 = self.0.named(name);
        self
    }

    /// Builds the policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], if a setting contradicts itself or another setting.
    pub const fn build(self) -> Result<Policy, PolicyError> {
        if let Some(backoff) = self.0.retry_after {
            if let Err(error) = backoff.check() {
                return Err(error);
            }
        }
        if let Some(Duration::ZERO) = self.0.creation_timeout {
            return Err(PolicyError::NoTimeToCreate);
        }
        if self.0.max_stale_on_error.is_some() && !matches!(self.0.on_error, OnError::ServeStale) {
            return Err(PolicyError::NothingServedOnError);
        }
        if !(self.0.jitter >= 0.0 && self.0.jitter < 1.0) {
            return Err(PolicyError::NothingLeftOfALifetime);
        }
        match self.0.early {
            Some(Early::Both) => Err(PolicyError::TwoWaysToRefresh),
            Some(Early::At(fraction)) if !(fraction > 0.0 && fraction < 1.0) => Err(PolicyError::RefreshOutOfLifetime),
            Some(Early::Perhaps(beta)) if !(beta > 0.0 && beta < f64::INFINITY) => Err(PolicyError::BetaOutOfRange),
            _ => Ok(self.0),
        }
    }

    /// Builds the policy in a `const` or a `static`, where a contradiction is a compile error.
    ///
    /// # Panics
    ///
    /// If a setting contradicts itself or another setting. Where the settings are not known before the program runs,
    /// use [`build`](Self::build).
    #[must_use]
    #[track_caller]
    pub const fn build_const(self) -> Policy {
        match self.build() {
            Ok(policy) => policy,
            Err(error) => panic!("{}", error.message()),
        }
    }
}

/// What the elected access is given when its creator has returned an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// The error, even if there is an old value. All other accesses go on with the old value.
    #[default]
    Propagate,
    /// The old value, if there is one, or else the error.
    ///
    /// If another access has made a newer value since, the elected access is given the newer value. The outcome is
    /// [`Outcome::StaleOnError`](crate::Outcome::StaleOnError), and the error is dropped. (HTTP calls this
    /// `stale-if-error`: RFC 5861.) [`max_stale_on_error`](PolicyBuilder::max_stale_on_error) bounds how old the value
    /// may be. A failure that no old value may hide says so [itself](crate::Failure::uncovered).
    ///
    /// In getter modes the old value is the getter's. The getter is called for it after the creator has failed. If the
    /// getter has been called twice already (L8), or finds nothing now, the access is given the error. A panic is
    /// passed on in any case.
    ///
    /// A spawned access that waits for its [task](crate::Spawner#the-access-that-waits) is given the old value as well.
    /// But an access that has handed its creation over, to a [`Runner`](crate::Runner) or to a
    /// [`Spawner`](crate::Spawner), and has gone on with the old value, is over when the creator fails.
    ServeStale,
}
