//! The settings of a lock: what happens as a value ages, and when creating goes wrong.
//!
//! Nothing here waits or knows a lock; what the settings mean for one is in `dogpile::{terms, aging}`.

mod backoff;
mod error;
mod plan;

pub use backoff::Backoff;
pub use error::PolicyError;
pub(crate) use plan::{Life, Plan};

use crate::observer::Observer;
use plan::Early;
use std::ptr;
use std::time::Duration;

/// What a lock does when a value ages, and when creating goes wrong.
///
/// One policy may rule any number of locks. A lock holds it as one pointer: `with_policy(&POLICY)` on each type takes a
/// `static` one, and is `const`; `with_shared_policy(Arc::new(policy))` one that is made at run time. What is not set
/// costs nothing, and what is set costs a hit nothing.
///
/// | setting | default | which is |
/// |---|---|---|
/// | [`retry_after`](PolicyBuilder::retry_after) | no pause | each access that finds no fresh value may be elected, as in the origin |
/// | [`on_error`](PolicyBuilder::on_error) | [`OnError::Propagate`] | whoever was elected learns that it has failed, as in the origin |
/// | [`renew_interval`](PolicyBuilder::renew_interval) | none | each [`renew_if`](crate::Access::renew_if) of a refused value may cause a renewal |
/// | [`creation_timeout`](PolicyBuilder::creation_timeout) | none | a creation may take as long as it likes, as in the origin |
/// | [`max_stale`](PolicyBuilder::max_stale) | no limit | an old value serves, however old, as in the origin |
/// | [`max_stale_on_error`](PolicyBuilder::max_stale_on_error) | none of its own | an old value covers a failure for as long as it serves at all |
/// | [`refresh_at`](PolicyBuilder::refresh_at), [`refresh_early`](PolicyBuilder::refresh_early) | neither | a value is renewed when it has expired, as in the origin |
/// | [`jitter`](PolicyBuilder::jitter) | none | a value lives exactly as long as it is said to, as in the origin |
/// | [`max_skew`](PolicyBuilder::max_skew) | one second | what machines that keep their clocks by NTP stay well within |
/// | [`observer`](PolicyBuilder::observer) | none | a lock counts, but tells nobody |
/// | [`name`](PolicyBuilder::name) | none | it is only for messages and observers |
///
/// # Examples
///
/// In a `static` a contradiction is an error of the compiler:
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
/// let rates = RATES.get_or_try_create(|| Err("no answer")).unwrap(); // the old ones
/// assert_eq!(rates[1], 1.09);
/// ```
///
/// ```compile_fail,E0080
/// # use dogpile::{Backoff, Policy};
/// # use std::time::Duration;
/// static POLICY: Policy =
///     Policy::builder().retry_after(Backoff::new(Duration::from_secs(30), Duration::from_secs(1))).build_const();
/// ```
///
/// At run time it is an error of its own:
///
/// ```
/// use dogpile::{Cached, Policy, PolicyError};
/// use std::{sync::Arc, time::Duration};
///
/// let timeout = Duration::from_secs(5); // from a file
/// let policy = Policy::builder().creation_timeout(timeout).build()?;
/// let rates: Cached<Vec<f64>> = Cached::new(Duration::from_secs(600)).with_shared_policy(Arc::new(policy));
///
/// let none = Policy::builder().creation_timeout(Duration::ZERO).build();
/// assert_eq!(none, Err(PolicyError::NoTimeToCreate));
/// # Ok::<(), PolicyError>(())
/// ```
///
/// Two policies are equal if their settings are. Of observers it is asked whether they are the same one, by their
/// address: any two without fields may seem to be.
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
    /// What a lock does that has been given none.
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

    /// Starts from the defaults.
    pub const fn builder() -> PolicyBuilder {
        PolicyBuilder(Self::DEFAULT)
    }

    /// The same with another [name](PolicyBuilder::name): for a lock that is otherwise ruled as others are.
    ///
    /// ```
    /// # use dogpile::{Dogpile, Policy};
    /// # use std::time::Duration;
    /// const UPSTREAM: Policy = Policy::builder().creation_timeout(Duration::from_secs(5)).build_const();
    /// static RATES: Dogpile = Dogpile::never_expires().with_policy(&UPSTREAM.named("rates"));
    /// static USERS: Dogpile = Dogpile::never_expires().with_policy(&UPSTREAM.named("users"));
    /// ```
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// See [`PolicyBuilder::name`].
    #[must_use]
    pub const fn name(&self) -> Option<&'static str> {
        self.name
    }

    /// See [`PolicyBuilder::retry_after`].
    #[must_use]
    pub const fn retry_after(&self) -> Option<Backoff> {
        self.retry_after
    }

    /// See [`PolicyBuilder::on_error`].
    #[must_use]
    pub const fn on_error(&self) -> OnError {
        self.on_error
    }

    /// See [`PolicyBuilder::creation_timeout`].
    #[must_use]
    pub const fn creation_timeout(&self) -> Option<Duration> {
        self.creation_timeout
    }

    /// See [`PolicyBuilder::renew_interval`].
    #[must_use]
    pub const fn renew_interval(&self) -> Duration {
        self.renew_interval
    }

    /// See [`PolicyBuilder::max_stale`].
    #[must_use]
    pub const fn max_stale(&self) -> Option<Duration> {
        self.max_stale
    }

    /// See [`PolicyBuilder::max_stale_on_error`].
    #[must_use]
    pub const fn max_stale_on_error(&self) -> Option<Duration> {
        self.max_stale_on_error
    }

    /// See [`PolicyBuilder::refresh_at`].
    #[must_use]
    pub const fn refresh_at(&self) -> Option<f64> {
        match self.early {
            Some(Early::At(fraction)) => Some(fraction),
            _ => None,
        }
    }

    /// See [`PolicyBuilder::refresh_early`].
    #[must_use]
    pub const fn refresh_early(&self) -> Option<f64> {
        match self.early {
            Some(Early::Perhaps(beta)) => Some(beta),
            _ => None,
        }
    }

    /// See [`PolicyBuilder::jitter`].
    #[must_use]
    pub const fn jitter(&self) -> f64 {
        self.jitter
    }

    /// See [`PolicyBuilder::max_skew`].
    #[must_use]
    pub const fn max_skew(&self) -> Duration {
        self.max_skew
    }

    /// See [`PolicyBuilder::observer`].
    #[must_use]
    pub const fn observer(&self) -> Option<&'static dyn Observer> {
        self.seen_by.0
    }

    /// Whether the deadline word alone does not say it all.
    pub(crate) const fn plans(&self) -> bool {
        self.max_stale.is_some() || self.max_stale_on_error.is_some() || self.early.is_some() || self.jitter > 0.0
    }

    /// The life of a value that is there from `now` on, for that lifetime, where creating takes that long; all in
    /// nanoseconds. `random` is from 0 up to 1.
    pub(crate) fn plan(&self, now: u64, lifetime: u64, cost: u64, random: f64) -> Plan {
        Plan::new(now, lifetime, self.jitter * random, self.early, cost)
    }

    /// Whether this access is to renew a value that expires in so many nanoseconds, where creating takes that long: now
    /// and then, by a `random` number above 0 and up to 1; or in any case.
    pub(crate) fn is_due(&self, expires_in: u64, cost: u64, random: f64) -> bool {
        self.early.is_some_and(|early| early.is_due(expires_in, cost, random))
    }

    /// Whether a value is to be renewed that has lived for so long, of that lifetime, in nanoseconds: where the lock
    /// has no plan for it, since it comes from elsewhere.
    pub(crate) fn is_due_at_age(&self, age: u64, lifetime: u64, cost: u64, random: f64) -> bool {
        self.early.is_some_and(|early| early.is_due_at_age(age, lifetime, cost, random))
    }
}

/// Whom a policy's locks tell what happens.
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

/// Settings that are still to be found free of contradictions: see [`Policy`].
#[derive(Clone, Copy, Debug)]
#[must_use = "`build` makes a policy of it"]
pub struct PolicyBuilder(Policy);

impl PolicyBuilder {
    /// Pauses after a failed creation, instead of electing the next at once.
    ///
    /// A creation has failed that ended with an error or a panic; and one whose value has [expired as it
    /// arrives](crate::Made::expires_after) (though that is counted as a creation). One that was
    /// [dropped](crate::Creation) without a panic has not: the future of a client that went away, or that lost a race
    /// against a timer, or a job that was refused. A getter that fails is no failed creation. The pause is counted from
    /// that end, on the lock's own clock. Until it is over
    ///
    /// - an old value is served, as [`Stale`](crate::Outcome::Stale), without calling any creator;
    /// - where there is none, all who have waited and all who come get
    ///   [`CreateError::Paused`](crate::CreateError::Paused) with the cause and the time left, in place of one attempt
    ///   each. An access that has no error to say so by (one that ends in `turn`, `or_create` or `get`, without a
    ///   [time-out](crate::Access::timeout)) creates when it is elected, one at a time; and so does an access that wants
    ///   the value to be made [anew](crate::Access::anew).
    ///
    /// A failure may say [itself](crate::Failure::retry_after) how long the pause is, under a policy or without one. The
    /// other pauses grow from failure to failure as [`Backoff`] says, until a creation succeeds or a value is
    /// [set](crate::Cached::set). Invalidations do not end a pause: they say nothing of the source.
    ///
    /// A [`Registry`](crate::Registry) keeps a key's lock at least until its pause is over.
    pub const fn retry_after(mut self, backoff: Backoff) -> Self {
        self.0.retry_after = Some(backoff);
        self
    }

    /// What the access is given that was elected, and whose creator has failed.
    pub const fn on_error(mut self, on_error: OnError) -> Self {
        self.0.on_error = on_error;
        self
    }

    /// How long a creation may take before another access may be elected in its place. Counted from its election (from
    /// the reading of the clock that goes before it), on the lock's own clock. `Duration::MAX` is no limit; zero is a
    /// contradiction.
    ///
    /// The time that a job [waits for its thread](crate::Pool) is part of it; one that is dead before it begins runs
    /// nothing.
    ///
    /// Once it is older than this, the next access that finds no fresh value *declares it dead*, and is elected; those
    /// who wait wake up for that by themselves, and one of them does. (An access that
    /// waits for a task that it has spawned has given its creator away: see [the access that
    /// waits](crate::Spawner#the-access-that-waits).) From then on the dead one can do nothing to the
    /// lock: what it makes goes to its own caller, [`publish`](crate::Creation::publish) and `write_lock` are refused,
    /// and it counts neither as a failure nor as a success. (Its thread is not interrupted; a long creator may ask
    /// [`is_dead`](crate::Creation::is_dead).) Inside `publish`, or while it holds the write lock, it cannot be
    /// declared dead: that waits until the store has ended, so what hangs in there holds up the others. So does one
    /// that waits for the write lock, since new readers wait behind it: bound that by
    /// [`write_lock_timeout`](crate::Creation::write_lock_timeout).
    ///
    /// An old creation that nobody was elected in place of is not dead: when it ends after all, its value is as good as
    /// any.
    ///
    /// In a child made by fork(2) this is what ends the creations that other threads were running: see
    /// [`Fork`](crate#fork).
    pub const fn creation_timeout(mut self, timeout: Duration) -> Self {
        self.0.creation_timeout = Some(timeout);
        self
    }

    /// [`renew_if`](crate::Access::renew_if) causes no two renewals that begin within `interval` of each other. Default:
    /// zero, any number.
    ///
    /// What lets a caller find a value useless often comes from outside: a token with a key id that nobody has ever
    /// seen, a request with made-up credentials. Without an interval each of those makes one request to the source. With
    /// one, a caller that comes too soon after the last renewal that `renew_if` has caused gets the old value, and
    /// [`Outcome::TooSoon`](crate::Outcome::TooSoon). A renewal that failed counts, and so does one that was given up;
    /// a renewal because the value had expired does not.
    ///
    /// The interval is told on the lock's own clock, to the nanosecond. `Duration::MAX` allows one renewal in all.
    pub const fn renew_interval(mut self, interval: Duration) -> Self {
        self.0.renew_interval = interval;
        self
    }

    /// How old a value may get beyond its expiry: once it has been stale for this long it is treated as missing, and
    /// accesses wait for a new one (C21: after an idle night nobody is served what is a night old). Zero has nobody
    /// served a stale value; `Duration::MAX` is no limit. Counted on the lock's own clock, as precisely as expiry; from
    /// the call of [`mark_stale`](crate::Dogpile::mark_stale), if that came before. In stamped getter mode it goes by
    /// the stamp. A value may say [itself](crate::Made::max_stale) how old it may get.
    pub const fn max_stale(mut self, max_stale: Duration) -> Self {
        self.0.max_stale = Some(max_stale);
        self
    }

    /// How long an old value covers a failure, under [`OnError::ServeStale`]: the access that was elected, and whose
    /// creator has failed, is given the old value only if that has been expired for less than this (HTTP's
    /// `stale-if-error`, RFC 5861, section 4). Unless this is set, a value covers a failure as long as it serves at all,
    /// as [`max_stale`](Self::max_stale) or the value [itself](crate::Made::max_stale) says.
    ///
    /// It may be longer than `max_stale`: beyond that the value counts as missing, and the others wait, but the elected
    /// access is given the old value if its creator fails. Or shorter: then the others carry on with a value that covers
    /// no failure any more. **Beyond `max_stale` the old value covers for the elected access alone:** the others wait for a
    /// new one, and in a [pause](Self::retry_after) get [`CreateError::Paused`](crate::CreateError::Paused). Where all are
    /// to have the old value then, have the creator return it: [`Renewal::unchanged`](crate::Renewal::unchanged) gives it
    /// as long as it was not invalidated, and [`Made::expires_after`](crate::Made::expires_after) says when to try again.
    /// Zero has only a value cover for a failure that is still fresh, and was to be renewed early;
    /// `Duration::MAX` is no limit. Counted as `max_stale` is. An invalidated value never serves.
    ///
    /// A contradiction without [`OnError::ServeStale`].
    pub const fn max_stale_on_error(mut self, max_stale: Duration) -> Self {
        self.0.max_stale_on_error = Some(max_stale);
        self
    }

    /// Renews a value before it expires: once it has lived for this part of its lifetime, above 0 and below 1, the next
    /// access is elected, and creates; the others go on with the value, which is fresh. So a value that is in use never
    /// expires in anyone's hands, if creating takes no longer than the rest of the lifetime.
    ///
    /// If the creation fails, the next access is elected, or the one after the [pause](Self::retry_after). A value may
    /// say [itself](crate::Made::refresh_after) from when on it is to be renewed.
    pub const fn refresh_at(mut self, fraction: f64) -> Self {
        self.0.early = match self.0.early {
            Some(Early::Perhaps(_) | Early::Both) => Some(Early::Both),
            _ => Some(Early::At(fraction)),
        };
        self
    }

    /// Renews a value before it expires, at random: an access is elected, and creates, with a probability that grows as
    /// the expiry comes near, and the more so the longer the last creation took. 1 is a good `beta`; more is earlier.
    /// Where several processes share a store, and each elects for itself, they do not all renew at the same moment.
    ///
    /// The optimal form of Vattani, Chierichetti and Lowenstein, "Optimal Probabilistic Cache Stampede Prevention",
    /// VLDB 2015: an access renews when `now - delta * beta * ln(rand) >= expiry`, where `delta` is how long the last
    /// creation of this lock took, and `rand` is drawn evenly from above 0 up to 1, once for each access that comes
    /// near the expiry. Of those who would, one is elected. Until a creation of this lock has been measured, it does
    /// not renew early.
    pub const fn refresh_early(mut self, beta: f64) -> Self {
        self.0.early = match self.0.early {
            Some(Early::At(_) | Early::Both) => Some(Early::Both),
            _ => Some(Early::Perhaps(beta)),
        };
        self
    }

    /// Shortens each lifetime by a random part of it, up to this one, from 0 and below 1: values that were created
    /// together do not expire together. The time in which a value is [renewed early](Self::refresh_at) shrinks with the
    /// lifetime, and so is never lost (C20). Stamps that come from elsewhere are judged by the whole lifetime.
    pub const fn jitter(mut self, part: f64) -> Self {
        self.0.jitter = part;
        self
    }

    /// How far ahead of this machine's time of day a stamp from elsewhere may lie, in [stamped getter
    /// mode](crate::Dogpile::fetch_stamped). A stamp within it counts as now, one beyond it as stale. Zero
    /// trusts nobody's clock but one's own; `Duration::MAX` trusts everybody's. Precise to the nanosecond.
    pub const fn max_skew(mut self, max_skew: Duration) -> Self {
        self.0.max_skew = max_skew;
        self
    }

    /// Who is told what happens to the lock. By default nobody is; what it [counts](crate::Status::stats) it counts
    /// anyway. There is one: two are a pair, `&(Tracing, Metrics)`.
    pub const fn observer(mut self, observer: &'static dyn Observer) -> Self {
        self.0.seen_by = SeenBy(Some(observer));
        self
    }

    /// What the lock is called (a name made at run time is leaked, by [`String::leak`]) in messages, such as that of a
    /// [`WaitCycle`](crate::WaitCycle), and where it is [observed](Self::observer).
    pub const fn name(mut self, name: &'static str) -> Self {
        self.0 = self.0.named(name);
        self
    }

    /// The policy.
    ///
    /// # Errors
    ///
    /// [`PolicyError`], if its settings contradict each other or themselves.
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

    /// The policy, for a `const` or a `static`, where a contradiction is an error of the compiler.
    ///
    /// # Panics
    ///
    /// If its settings contradict each other or themselves. Where they are not known before the program runs, use
    /// [`build`](Self::build).
    #[must_use]
    #[track_caller]
    pub const fn build_const(self) -> Policy {
        match self.build() {
            Ok(policy) => policy,
            Err(error) => panic!("{}", error.message()),
        }
    }
}

/// What the access is given that was elected, and whose creator has returned an error.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum OnError {
    /// The error, even if there is an old value, which all others go on using.
    #[default]
    Propagate,
    /// The old value, if there is one (or a newer one, if another has made it since): the outcome is then
    /// [`Outcome::StaleOnError`](crate::Outcome::StaleOnError), and the error is dropped. (What HTTP calls
    /// `stale-if-error`, RFC 5861.) If there is none, the error. For how long a value serves so is said by
    /// [`max_stale_on_error`](PolicyBuilder::max_stale_on_error); which failures it must not hide, by those
    /// [themselves](crate::Failure::uncovered).
    ///
    /// In getter modes the old value is the getter's, which is asked for it after the creator has failed; unless it has
    /// been asked twice already (L8), or finds nothing now: then it is the error, too. Panics are passed on in any
    /// case. A creation that was [handed over](crate::Runner) has no access to be served.
    ServeStale,
}
