//! How long an access will wait, and the one deadline that covers all its waits (L10).

use crate::sync::Deadline;
use std::time::Duration;

/// How long an access will wait. Without patience it is out of time at once, before it queues.
#[derive(Clone, Copy)]
pub(crate) enum Patience {
    None,
    For(Duration),
}

pub(crate) const FOREVER: Patience = Patience::For(Duration::MAX);

/// The waits of one access, which share a deadline. It is set when the first of them begins.
pub(crate) struct Wait {
    patience: Patience,
    deadline: Option<Deadline>,
}

impl Wait {
    pub(crate) fn new(patience: Patience) -> Self {
        Self { patience, deadline: None }
    }

    /// The deadline for one more wait, unless it has passed in an earlier one.
    pub(crate) fn begin(&mut self) -> Option<Deadline> {
        match (self.patience, self.deadline) {
            (Patience::None, _) => None,
            (Patience::For(_), Some(deadline)) => (!deadline.has_passed()).then_some(deadline),
            (Patience::For(timeout), None) => Some(*self.deadline.insert(Deadline::after(timeout))),
        }
    }
}

#[cfg(all(test, not(dogpile_loom)))]
mod tests {
    use super::*;

    #[test]
    fn l10_one_deadline_covers_all_waits_of_an_access() {
        assert!(Wait::new(Patience::None).begin().is_none());
        let mut zero = Wait::new(Patience::For(Duration::ZERO));
        assert!(zero.begin().is_some(), "it looks once");
        assert!(zero.begin().is_none());
        let mut forever = Wait::new(FOREVER);
        assert!(forever.begin().is_some() && forever.begin().is_some());
    }
}
