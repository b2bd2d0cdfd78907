//! The life of a value, planned when the value is published: when it is due to be renewed, and when it expires.
//!
//! Everything here is pure: times and random numbers come in, times and decisions go out.

use crate::clock::nanoseconds;
use crate::freshness::Expiry;
use std::time::Duration;

/// What a value says itself about its life, in place of what its lock and the lock's policy say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Life {
    pub(crate) lifetime: Option<Duration>,
    /// How long the value may be used after it has expired.
    pub(crate) max_stale: Option<Duration>,
    /// After which time the value is to be renewed, before it expires.
    pub(crate) refresh_after: Option<Duration>,
}

impl Life {
    /// The life of a value that says nothing.
    pub(crate) const AS_USUAL: Self = Self { lifetime: None, max_stale: None, refresh_after: None };

    /// The life of a value that says only how long it lives.
    pub(crate) const fn of(lifetime: Duration) -> Self {
        Self { lifetime: Some(lifetime), ..Self::AS_USUAL }
    }

    /// Returns whether the deadline word alone does not say how the value ages.
    pub(crate) const fn is_planned(&self) -> bool {
        self.max_stale.is_some() || self.refresh_after.is_some()
    }
}

/// When a value is renewed before it expires.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Early {
    /// Once the value has lived for this part of its lifetime.
    At(f64),
    /// At random, by this `beta`: see [`PolicyBuilder::refresh_early`](super::PolicyBuilder::refresh_early).
    Perhaps(f64),
    /// Both settings were given. This is a contradiction, and no policy that was built has it.
    Both,
}

impl Early {
    /// Decides whether an access is to renew a value that expires in `expires_in` nanoseconds. `cost` is how long the
    /// last creation took, in nanoseconds. At a set part of the lifetime, the answer is always yes. At random, the
    /// answer depends on `random`, a number above 0 and up to 1.
    pub(super) fn is_due(self, expires_in: u64, cost: u64, random: f64) -> bool {
        match self {
            Self::Both => false,
            Self::At(_) => true,
            #[allow(clippy::cast_precision_loss)] // to 53 bits
            Self::Perhaps(beta) => head_start(beta, cost, random) >= expires_in as f64,
        }
    }

    /// As [`is_due`](Self::is_due), for a value without a plan that has lived for `age` of its `lifetime`, both in
    /// nanoseconds.
    pub(super) fn is_due_at_age(self, age: u64, lifetime: u64, cost: u64, random: f64) -> bool {
        match self {
            Self::At(fraction) => age >= part_of(lifetime, fraction),
            Self::Perhaps(_) | Self::Both => self.is_due(lifetime.saturating_sub(age), cost, random),
        }
    }

    /// Returns at which age a value is due that lives for `lifetime`, both in nanoseconds. At random, the answer
    /// depends on `cost` and `random`, as that of [`is_due`](Self::is_due) does: a value is due at its age if it would
    /// be due for the same `random`.
    pub(super) fn due_at(self, lifetime: u64, cost: u64, random: f64) -> u64 {
        match self {
            Self::At(fraction) => part_of(lifetime, fraction),
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // it is not negative, and saturates
            Self::Perhaps(beta) => lifetime.saturating_sub(head_start(beta, cost, random) as u64),
            Self::Both => lifetime,
        }
    }
}

/// When an access has to look at a value more closely, and when the value expires. Both are deadline words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) due: u64,
    pub(crate) expires: u64,
}

impl Plan {
    /// Plans the life of a value that is there from `now` on. The lifetime is shortened by the part `shorter` of
    /// itself. `cost` is how long the last creation took. All times are in nanoseconds.
    pub(super) fn new(now: u64, lifetime: u64, shorter: f64, early: Option<Early>, cost: u64) -> Self {
        if lifetime == 0 || lifetime == u64::MAX {
            let never = Expiry::deadline_from(now, lifetime);
            return Self { due: never, expires: if lifetime == 0 { now } else { never } };
        }
        let lifetime = shortened(lifetime, shorter);
        let expires = Expiry::deadline_from(now, lifetime);
        let due = match early {
            None | Some(Early::Both) => expires,
            Some(Early::At(fraction)) => Expiry::deadline_from(now, part_of(lifetime, fraction).max(1)),
            Some(Early::Perhaps(beta)) => {
                let earliest = expires.saturating_sub(part_of(cost, beta).saturating_mul(FURTHEST));
                earliest.max(Expiry::deadline_from(now, 1))
            }
        };
        Self { due: due.min(expires), expires }
    }

    /// Returns the same plan for a value that is there from `now` on, and is to be renewed `after` that.
    pub(crate) fn renewed_after(self, now: u64, after: Duration) -> Self {
        if self.expires <= now {
            return self; // The value arrives expired: see `new`.
        }
        Self { due: Expiry::deadline_from(now, nanoseconds(after).max(1)).min(self.expires), ..self }
    }
}

/// Returns how long before its expiry a value is due at random, in nanoseconds. (In the formula of
/// [`PolicyBuilder::refresh_early`](super::PolicyBuilder::refresh_early), `- delta * beta * ln(rand)`.)
#[allow(clippy::cast_precision_loss)] // to 53 bits
fn head_start(beta: f64, cost: u64, random: f64) -> f64 {
    cost as f64 * beta * -random.ln()
}

/// The furthest distance from the expiry at which a random renewal can happen, in units of `cost * beta`: the negative
/// logarithm of the smallest of 2^53 draws, rounded up.
const FURTHEST: u64 = 37;

/// Returns a lifetime that is shortened by a part of itself. Something is left of it. A lifetime of zero, and one
/// without an end, stay as they are.
pub(super) fn shortened(lifetime: u64, part: f64) -> u64 {
    if lifetime == 0 || lifetime == u64::MAX { lifetime } else { (lifetime - part_of(lifetime, part)).max(1) }
}

/// The part `part` of a number of nanoseconds. A part above 1 gives more than there was, and saturates.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
// Precise to 53 bits. What is cast back is not negative, and saturates.
fn part_of(nanoseconds: u64, part: f64) -> u64 {
    (nanoseconds as f64 * part) as u64
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);

    /// Of 100,000 draws, as many are due as the formula says, at each of several distances from the expiry, within five
    /// standard deviations. By chance, a frequency lies outside in six of ten million tries. The seed is fixed.
    #[test]
    fn early_refreshes_are_distributed_as_the_formula_says() {
        const DRAWS: u32 = 100_000;
        let early = Early::Perhaps(1.5);
        let mut random = fastrand::Rng::with_seed(7);
        let plan = Plan::new(nanoseconds(SECOND), nanoseconds(SECOND * 600), 0.0, Some(early), nanoseconds(SECOND));
        assert_eq!(plan.expires, nanoseconds(SECOND * 601));
        for tenths in [0, 1, 5, 10, 20, 40_u32] {
            let expires_in = nanoseconds(MS * 100) * u64::from(tenths);
            let due = (0..DRAWS)
                .map(|_| u32::from(early.is_due(expires_in, nanoseconds(SECOND), 1.0 - random.f64())))
                .sum::<u32>();
            // P(-delta * beta * ln(rand) >= expires_in)
            let expected = (-f64::from(tenths) / 15.0).exp();
            let deviation = (expected * (1.0 - expected) / f64::from(DRAWS)).sqrt();
            let frequency = f64::from(due) / f64::from(DRAWS);
            assert!((frequency - expected).abs() <= 5.0 * deviation, "{tenths}: {frequency}, not {expected}");
        }
        // No access draws anything before the plan has it look at the value.
        let earliest = plan.expires - plan.due;
        assert!(!early.is_due(earliest, nanoseconds(SECOND), f64::EPSILON / 2.0));
    }
}
