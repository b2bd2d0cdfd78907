//! Random numbers, for the decisions that are made at random.

/// Draws a number from 0 and below 1.
#[cfg(not(dogpile_loom))]
pub(crate) fn random() -> f64 {
    fastrand::Rng::new().f64()
}

/// Draws zero: a model is to be the same in each of its runs.
#[cfg(dogpile_loom)]
pub(crate) fn random() -> f64 {
    0.0
}
