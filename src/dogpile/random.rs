//! What is drawn at random.

#[cfg(not(dogpile_loom))]
pub(super) fn random() -> f64 {
    fastrand::Rng::new().f64()
}

/// A model is to be the same in each of its runs.
#[cfg(dogpile_loom)]
pub(super) fn random() -> f64 {
    0.0
}
