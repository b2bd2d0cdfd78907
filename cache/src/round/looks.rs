//! Which accesses of a process share one look.

/// Whether a look of the key is waiting to be sent.
///
/// Looks of one key that are not sent yet are one. An access never joins a look that is in flight: it may have been
/// executed before the access began, and an invalidation may have returned since (G3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Looks {
    is_unsent: bool,
}

/// The part of an access in a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// The access opens a new look, which its driver sends soon.
    Open,
    /// The access takes part in the look that is not sent yet.
    Join,
}

impl Looks {
    /// Returns how an access takes part in a look that is sent from now on.
    pub fn take_part(&mut self) -> Part {
        if std::mem::replace(&mut self.is_unsent, true) { Part::Join } else { Part::Open }
    }

    /// The look that was not sent yet is being sent.
    pub fn sent(&mut self) {
        self.is_unsent = false;
    }
}
