//! What an access of a region has met.

/// What an access of a region has met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// A fresh value that this process had kept.
    Near,
    /// A fresh value of the backend.
    Fresh,
    /// A value that has expired, or was marked stale. Another access creates a new one, or none may for a while.
    Stale,
    /// This access has created the value.
    Created,
    /// Another access of this process has created the value, and this one has waited for it.
    Waited,
    /// Its creator has failed, and the policy says to serve the old value.
    StaleOnError,
    /// The backend is down: this process has created the value a short time ago, for itself.
    Own,
}

impl Outcome {
    /// All outcomes, in the order of their numbers.
    pub(crate) const ALL: [Outcome; 7] = [
        Outcome::Near,
        Outcome::Fresh,
        Outcome::Stale,
        Outcome::Created,
        Outcome::Waited,
        Outcome::StaleOnError,
        Outcome::Own,
    ];
}
